//! Whom requests are for.

use http::HeaderMap;
use http::uri::{Authority, Scheme};

/// What every request says beside its target.
#[derive(Clone, Debug)]
pub(crate) struct RequestTemplate {
    /// `http` or `https`.
    pub(crate) scheme: Scheme,
    /// Host, and the port if it is not the scheme's own.
    pub(crate) authority: Authority,
    /// The header fields of every request, `Host` among them.
    pub(crate) headers: HeaderMap,
}
