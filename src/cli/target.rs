//! The candidate, as `--target` names it, and whether it is there; the control
//! is named in the same way.
//!
//! The host of a run comes from here and only from here. It is resolved and
//! knocked at before the clock starts, so that a typing error costs a message
//! and not a run.

use crate::engine::RequestTemplate;
use downpour_report::Reason;
use downpour_verify::probe::net::ConnectOverride;
use http::HeaderMap;
use http::uri::{Authority, Scheme};
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

/// A `--target` or `--control` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    /// It is no URL.
    #[error("{0:?} is not a URL; write it like http://127.0.0.1:8080")]
    NotAUrl(String),
    /// Only HTTP is spoken.
    #[error("{0:?} is not http or https; write it like http://127.0.0.1:8080")]
    Scheme(String),
    /// Credentials do not belong on a command line.
    #[error("it contains user information; pass credentials as a header field with -H")]
    UserInfo,
    /// The paths come from the trace.
    #[error("it must be scheme, host and port only: leave out {0:?}")]
    Path(String),
    /// Its host has no address.
    #[error("look up the host of {flag} {target}")]
    Unresolved {
        /// The flag that names it.
        flag: &'static str,
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
        if !matches!(url.scheme(), "http" | "https") {
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

    /// What every request says beside its target.
    pub(crate) fn origin(&self, headers: HeaderMap) -> RequestTemplate {
        let https = self.url.scheme() == "https";
        let scheme = if https { Scheme::HTTPS } else { Scheme::HTTP };
        // A host and port of a parsed URL are an authority.
        let authority = Authority::try_from(self.authority()).unwrap_or(Authority::from_static("invalid"));
        RequestTemplate { scheme, authority, headers }
    }

    /// The host alone, as it would stand in a log.
    pub(crate) fn host(&self) -> String {
        self.host.to_string()
    }

    /// The URL that relative redirects are resolved against.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Whether connections are secured.
    pub(crate) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The host as a resolver and a certificate name it: an IPv6 address
    /// without its brackets.
    pub(crate) fn host_name(&self) -> String {
        match &self.host {
            Host::Ipv6(address) => address.to_string(),
            Host::Ipv4(_) | Host::Domain(_) => self.host.to_string(),
        }
    }

    /// The addresses to connect to, at least one; `flag` is what a mistake is
    /// told of.
    pub(crate) fn look_up(
        &self,
        flag: &'static str,
        instead: &ConnectOverrides<'_>,
    ) -> Result<Vec<SocketAddr>, TargetError> {
        let unresolved = |source| TargetError::Unresolved { flag, target: self.to_string(), source };
        let all = self.addresses(instead).map_err(unresolved)?;
        if all.is_empty() {
            return Err(unresolved(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
        }
        Ok(all)
    }

    fn addresses(&self, instead: &ConnectOverrides<'_>) -> io::Result<Vec<SocketAddr>> {
        let look_up = |host: &str, port| Ok((host, port).to_socket_addrs()?.collect::<Vec<_>>());
        if !instead.resolve.is_empty() {
            return Ok(instead.resolve.iter().map(|ip| SocketAddr::new(*ip, self.port)).collect());
        }
        if instead.connect_to.is_empty() {
            return look_up(&self.host_name(), self.port);
        }
        let mut all = Vec::new();
        for to in instead.connect_to.iter().filter(|to| to.applies(self)) {
            let host = if to.host.is_empty() { self.host_name() } else { to.host.clone() };
            all.extend(look_up(&host, to.port.unwrap_or(self.port))?);
        }
        Ok(all)
    }

    /// Those of the candidate's addresses, all of them, that a run uses; at least
    /// one takes connections.
    ///
    /// One that does not stays: half of a name's addresses being dead is
    /// something to find, and not to work around. Left out are those that only
    /// this machine cannot reach, and where the name means this machine, as
    /// `localhost` does in two families, those nobody listens at.
    pub(crate) fn reachable_addresses(
        &self,
        all: Vec<SocketAddr>,
        instead: &ConnectOverrides<'_>,
        timeout: Duration,
    ) -> Result<ReachableAddresses, TargetError> {
        let looked_up = instead.resolve.is_empty() && instead.connect_to.is_empty();
        let own_name = looked_up && all_loopback(&all);
        let mut reached = ReachableAddresses::default();
        let mut failed = None;
        let mut answering = 0;
        for address in all {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(_) => {
                    answering += 1;
                    reached.addresses.push(address);
                }
                Err(source) => {
                    let left_out = own_name || looked_up && has_no_route(&source);
                    if !left_out {
                        reached.addresses.push(address);
                    }
                    if !own_name {
                        let used = if left_out { "left out" } else { "used anyway" };
                        reached.unreachable.push(format!("{address} ({source}; {used})"));
                    }
                    failed = Some((address, source));
                }
            }
        }
        match failed {
            Some((address, source)) if answering == 0 => {
                Err(TargetError::Unreachable { target: self.to_string(), address, source })
            }
            Some(_) | None => Ok(reached),
        }
    }
}

/// Whether it is this machine that has no way to an address.
fn has_no_route(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable)
}

/// Where the candidate is, as far as knocking tells.
#[derive(Debug, Default)]
pub(crate) struct ReachableAddresses {
    /// The addresses that a run uses.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Those that took no connection, in words.
    unreachable: Vec<String>,
}

impl ReachableAddresses {
    /// What a reader must know of the addresses, if there is something.
    pub(crate) fn notice(&self) -> Option<Reason> {
        if self.unreachable.is_empty() {
            return None;
        }
        Some(Reason {
            id: "unreachable_address".to_owned(),
            detail: format!(
                "before the run, the target accepted no connection at {}",
                self.unreachable.join(", ")
            ),
            remedy: "repair the address, remove it from the name, or choose others with --resolve".to_owned(),
        })
    }
}

/// Where to connect to instead of the target's own host and port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectOverrides<'a> {
    /// `--resolve`: these addresses.
    pub(crate) resolve: &'a [IpAddr],
    /// `--connect-to`: these hosts and ports.
    pub(crate) connect_to: &'a [ConnectTo],
}

impl ConnectOverrides<'_> {
    /// The target's own host and port.
    pub(crate) const NONE: Self = Self { resolve: &[], connect_to: &[] };
}

/// One `--connect-to`, as curl writes it: `HOST:PORT:HOST2:PORT2`, where any
/// part may be empty and then stands for all, or for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectTo {
    from_host: String,
    from_port: Option<u16>,
    host: String,
    port: Option<u16>,
}

impl ConnectTo {
    fn applies(&self, target: &Target) -> bool {
        (self.from_host.is_empty() || self.from_host.eq_ignore_ascii_case(&target.host()))
            && self.from_port.is_none_or(|port| port == target.port)
    }
}

impl ConnectTo {
    /// What it means for target checks: resolved now, since it is this
    /// machine's business and not the log's.
    pub(super) fn connect_override(&self) -> Result<ConnectOverride, String> {
        let Self { from_host, from_port, host, port } = self;
        let wrong = |why: &str| format!("--verify-connect-to {host}: {why}");
        let Some(port) = port.or(*from_port) else { return Err(wrong("the port to connect to is missing")) };
        let found = (host.as_str(), port).to_socket_addrs().map_err(|error| wrong(&error.to_string()))?;
        let to = found.into_iter().next().ok_or_else(|| wrong("the host has no address"))?;
        Ok(ConnectOverride { host: from_host.clone(), port: *from_port, to })
    }
}

impl FromStr for ConnectTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "write it like example.com:443:127.0.0.1:8443".to_owned();
        let (from, to) = split_hosts(text).ok_or_else(wrong)?;
        let port = |text: &str| match text {
            "" => Some(None),
            number => number.parse().ok().map(Some),
        };
        let (from_host, from_port) = from.rsplit_once(':').ok_or_else(wrong)?;
        let (host, to_port) = to.rsplit_once(':').ok_or_else(wrong)?;
        let bare = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self {
            from_host: from_host.to_owned(),
            from_port: port(from_port).ok_or_else(wrong)?,
            host: bare(host),
            port: port(to_port).ok_or_else(wrong)?,
        })
    }
}

/// Splits between the two pairs of host and port; colons within brackets do
/// not count.
fn split_hosts(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0;
    let mut colons = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth -= 1,
            b':' if depth == 0 => {
                colons += 1;
                if colons == 2 {
                    return Some((text.get(..at)?, text.get(at + 1..)?));
                }
            }
            _ => {}
        }
    }
    None
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
        check("https://candidate.test", Ok(("candidate.test", 443)));
        check("ftp://candidate.test", Err("http://"));
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
    fn other_places_to_connect_to_are_written_as_for_curl() {
        let target: Target = "http://candidate.test:81".parse().unwrap();
        let check = |text: &str, applies: Option<bool>| {
            let parsed = text.parse::<ConnectTo>().ok().map(|to| to.applies(&target));
            assert_eq!(parsed, applies, "{text}");
        };
        check("candidate.test:81:127.0.0.1:8080", Some(true));
        check("::127.0.0.1:8080", Some(true));
        check(":81:[::1]:", Some(true));
        check("other.test:81:127.0.0.1:8080", Some(false));
        check("candidate.test:80:127.0.0.1:8080", Some(false));
        check("candidate.test:81", None);
        check("candidate.test:81:127.0.0.1:none", None);
    }

    fn reach(target: &Target, instead: &ConnectOverrides<'_>) -> Result<ReachableAddresses, TargetError> {
        let all = target.look_up("--target", instead).unwrap();
        target.reachable_addresses(all, instead, Duration::from_secs(5))
    }

    #[test]
    fn an_address_nobody_listens_at_is_told() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let target: Target = format!("http://{free}").parse().unwrap();
        let error = reach(&target, &ConnectOverrides::NONE).unwrap_err();
        assert!(matches!(error, TargetError::Unreachable { address, .. } if address == free));
    }

    #[test]
    fn of_a_name_for_this_machine_only_the_living_address_counts() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let here = listener.local_addr().unwrap();
        let target: Target = format!("http://localhost:{}", here.port()).parse().unwrap();
        let reached = reach(&target, &ConnectOverrides::NONE).unwrap();
        assert_eq!((reached.addresses.as_slice(), reached.notice()), (&[here][..], None));
        // An address that was asked for is used whether it lives or not.
        let asked: [IpAddr; 2] = ["127.0.0.2".parse().unwrap(), here.ip()];
        let reached = reach(&target, &ConnectOverrides { resolve: &asked, connect_to: &[] }).unwrap();
        assert_eq!(reached.addresses, asked.map(|ip| SocketAddr::new(ip, here.port())));
        assert!(reached.notice().unwrap().detail.contains("127.0.0.2"));
    }
}
