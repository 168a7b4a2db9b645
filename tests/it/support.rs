//! What several tests stand on.

pub(crate) mod dns;
pub(crate) mod h2;
pub(crate) mod listener;
pub(crate) mod store;
pub(crate) mod tls;
