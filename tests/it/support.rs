//! What several tests stand on.

pub(crate) mod dns;
pub(crate) mod store;
pub(crate) mod tls;
