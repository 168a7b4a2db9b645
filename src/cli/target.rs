//! The candidate, as `--target` names it, and whether it is there.
//!
//! The host of a run comes from here and only from here. It is resolved and
//! knocked at before the clock starts, so that a typing error costs a message
//! and not a run.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;
use url::{Host, Url};

/// Where requests are sent: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    url: Url,
    host: Host,
    port: u16,
}

/// A `--target` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    /// It is no URL.
    #[error("{0:?} is not a URL; write it like http://127.0.0.1:8080")]
    NotAUrl(String),
    /// Only plain HTTP is spoken.
    #[error("{0:?} is not plain http: this version speaks no TLS; write it like http://127.0.0.1:8080")]
    Scheme(String),
    /// Credentials do not belong on a command line.
    #[error("--target holds user information; give credentials as a header with -H instead")]
    UserInfo,
    /// The paths come from the trace.
    #[error("--target must be scheme, host and port alone, not a path: leave out {0:?}")]
    Path(String),
    /// Its host has no address.
    #[error("look up the host of --target {target}")]
    Unresolved {
        /// The target.
        target: String,
        /// What the system's resolver said.
        #[source]
        source: io::Error,
    },
    /// Nobody answers there.
    #[error("connect to --target {target} at {address}")]
    Unreachable {
        /// The target.
        target: String,
        /// The address tried last.
        address: SocketAddr,
        /// What the connection attempt said.
        #[source]
        source: io::Error,
    },
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Before any message that repeats what was typed.
        if text.contains('@') {
            return Err(TargetError::UserInfo);
        }
        let not_a_url = || TargetError::NotAUrl(text.to_owned());
        // `localhost:8080` parses as a URL of the scheme `localhost`.
        if !text.contains("://") {
            return Err(not_a_url());
        }
        let url: Url = text.parse().map_err(|_| not_a_url())?;
        if url.scheme() != "http" {
            return Err(TargetError::Scheme(text.to_owned()));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            let after_host = &url[url::Position::BeforePath..];
            return Err(TargetError::Path(after_host.to_owned()));
        }
        let host = url.host().ok_or_else(not_a_url)?.to_owned();
        let port = url.port_or_known_default().ok_or_else(not_a_url)?;
        Ok(Self { url, host, port })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

impl Target {
    /// The value of the `Host` field: the port only where it is not 80.
    pub(crate) fn authority(&self) -> String {
        let port = self.url.port().map_or_else(String::new, |port| format!(":{port}"));
        format!("{}{port}", self.host)
    }

    /// The host alone, as it would stand in a log.
    pub(crate) fn host(&self) -> String {
        self.host.to_string()
    }

    /// The URL that relative redirects are resolved against.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// The addresses at which the candidate takes connections, those that do
    /// not left out; at least one.
    ///
    /// A host may have an address nobody listens at, as `localhost` often has
    /// in IPv6; it must not cost every other connection a refusal.
    pub(crate) fn reach(&self, timeout: Duration) -> Result<Vec<SocketAddr>, TargetError> {
        let host = match &self.host {
            Host::Ipv6(address) => address.to_string(),
            Host::Ipv4(_) | Host::Domain(_) => self.host.to_string(),
        };
        let unresolved = |source| TargetError::Unresolved { target: self.to_string(), source };
        let all: Vec<SocketAddr> =
            (host.as_str(), self.port).to_socket_addrs().map_err(unresolved)?.collect();
        let mut answering = Vec::new();
        let mut refused = None;
        for address in all {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(_) => answering.push(address),
                Err(source) => refused = Some((address, source)),
            }
        }
        match refused {
            Some((address, source)) if answering.is_empty() => {
                Err(TargetError::Unreachable { target: self.to_string(), address, source })
            }
            None if answering.is_empty() => {
                Err(unresolved(io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
            }
            Some(_) | None => Ok(answering),
        }
    }
}

/// Whether all of these lead to this machine.
pub(crate) fn all_loopback(addresses: &[SocketAddr]) -> bool {
    addresses.iter().all(|address| match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(&str, u16), &str>) {
        let parsed = text.parse::<Target>();
        let found = parsed.as_ref().map(|t| (t.authority(), t.port)).map_err(ToString::to_string);
        match expected {
            Ok((authority, port)) => assert_eq!(found, Ok((authority.to_owned(), port))),
            Err(part) => assert!(found.as_ref().is_err_and(|e| e.contains(part)), "{text}: {found:?}"),
        }
    }

    #[test]
    fn targets_are_scheme_host_and_port() {
        check("http://127.0.0.1:8080", Ok(("127.0.0.1:8080", 8080)));
        check("http://candidate.test/", Ok(("candidate.test", 80)));
        check("http://[::1]:81", Ok(("[::1]:81", 81)));
        check("localhost:8080", Err("write it like"));
        check("127.0.0.1", Err("write it like"));
        check("https://candidate.test", Err("no TLS"));
        check("http://user:secret@candidate.test", Err("-H"));
        check("http://candidate.test/api?x", Err("\"/api?x\""));
        check("http://", Err("write it like"));
    }

    #[test]
    fn credentials_are_not_repeated_in_the_message() {
        for text in ["http://u:secret@host.test", "https://u:secret@host.test", "u:secret@host.test"] {
            let error = text.parse::<Target>().unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn an_address_nobody_listens_at_is_told() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let target: Target = format!("http://{free}").parse().unwrap();
        let error = target.reach(Duration::from_secs(5)).unwrap_err();
        assert!(matches!(error, TargetError::Unreachable { address, .. } if address == free));
    }
}
