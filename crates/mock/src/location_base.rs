//! Where redirects point to: scheme and host of the CDN.
//!
//! Parsed once and then known to be safe to write into a header. The incident
//! this program is built on came from a setting that was `static.crates.io` in
//! one place and `/` in another; here a base has one spelling, and says so.

use std::fmt;
use std::str::FromStr;

/// The default, that of crates.io.
const CRATES_IO: &str = "https://static.crates.io";
/// What a host is glued to: a domain in which a stranger may own any name.
const GLUED_SUFFIX: &str = ".mirror.example";
const STAGING: &str = "static.staging.crates.io";

/// Text that was to be the base of redirects and is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a base for redirects; write only scheme and host, like {CRATES_IO}")]
pub struct BaseError;

/// Scheme, host and perhaps port, without a path and without a slash at the
/// end: `https://static.crates.io`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocationBase {
    text: String,
    scheme: String,
    host: String,
    port: String,
    staging_host: String,
    glued_host: String,
}

impl LocationBase {
    /// `https://` or `http://`.
    pub(super) const fn scheme(&self) -> &[u8] {
        self.scheme.as_bytes()
    }

    /// The host alone.
    pub(super) const fn host(&self) -> &[u8] {
        self.host.as_bytes()
    }

    /// The host alone, an IPv6 address without its brackets.
    pub fn host_name(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The host of the same service in another environment:
    /// `static.staging.crates.io`.
    pub(super) const fn staging_host(&self) -> &[u8] {
        self.staging_host.as_bytes()
    }

    /// A host that begins with the right one and is somebody else's.
    pub(super) const fn glued_host(&self) -> &[u8] {
        self.glued_host.as_bytes()
    }

    /// A colon and the port; nothing, if it is the scheme's own.
    pub(super) const fn port(&self) -> &[u8] {
        self.port.as_bytes()
    }
}

impl Default for LocationBase {
    fn default() -> Self {
        CRATES_IO.parse().expect("the default is a base")
    }
}

impl FromStr for LocationBase {
    type Err = BaseError;

    fn from_str(text: &str) -> Result<Self, BaseError> {
        let url: url::Url = text.parse().map_err(|_| BaseError)?;
        let host = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https")).ok_or(BaseError)?;
        // The parser forgives much; a base is what it prints, less the slash
        // that it puts behind every host.
        if url.as_str().strip_suffix('/') != Some(text) || !url.username().is_empty() {
            return Err(BaseError);
        }
        Ok(Self {
            text: text.to_owned(),
            scheme: format!("{}://", url.scheme()),
            host: host.to_owned(),
            port: url.port().map_or_else(String::new, |port| format!(":{port}")),
            staging_host: staging(host),
            glued_host: format!("{host}{GLUED_SUFFIX}"),
        })
    }
}

impl fmt::Display for LocationBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `static.crates.io` becomes `static.staging.crates.io`; hosts that are
/// addresses or have no domain become that of crates.io.
fn staging(host: &str) -> String {
    let is_address = host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok();
    match host.split_once('.') {
        Some((first, domain)) if !is_address => format!("{first}.staging.{domain}"),
        Some(_) | None => STAGING.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, elsewhere: Option<&str>) {
        let base = text.parse::<LocationBase>().ok();
        let other = base.as_ref().map(|base| format!("{}{}{}", base.scheme, base.staging_host, base.port));
        assert_eq!(other.as_deref(), elsewhere, "{text}");
        assert!(base.is_none_or(|base| {
            base.to_string() == text && format!("{}{}{}", base.scheme, base.host, base.port) == text
        }));
    }

    #[test]
    fn bases_and_the_same_elsewhere() {
        check("https://static.crates.io", Some("https://static.staging.crates.io"));
        check("http://cdn.test:8080", Some("http://cdn.staging.test:8080"));
        check("http://127.0.0.1:8080", Some("http://static.staging.crates.io:8080"));
        check("http://[::1]:8080", Some("http://static.staging.crates.io:8080"));
        check("http://localhost", Some("http://static.staging.crates.io"));
    }

    #[test]
    fn what_is_no_base() {
        for text in ["", "/", "static.crates.io", "https://a/", "https://a/b", "ftp://a", "https://u@a"] {
            check(text, None);
        }
        for text in
            ["https://a?b", "https://A", "https://a\r\nx: y", "https://a b", "https://a:443", "https://"]
        {
            check(text, None);
        }
    }
}
