//! Whom requests are for.

use http::HeaderMap;
use http::uri::{Authority, Scheme};

/// What every request says beside its target.
#[derive(Clone, Debug)]
pub struct RequestTemplate {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Host, and the port if it is not the scheme's own.
    pub authority: Authority,
    /// The header fields of every request, `Host` among them.
    pub headers: HeaderMap,
}
