//! Hosts that a rule allows: exact names, addresses, and patterns.
//!
//! A star stands for one whole label, no more, as in certificates (RFC 9525
//! §6.3): `*.example.net` allows `eu.example.net`, not `example.net` nor
//! `a.b.example.net`. Unlike there it may fill any label but the last two, so
//! that `*.s3.*.amazonaws.com` can be said, while nobody can allow a whole
//! top-level domain by a slip.
//!
//! Two stars at the beginning stand for one label or more: `**.example.net`
//! allows `eu.example.net` and `a.b.example.net`, not `example.net`.

use crate::location::is_host_name;
use std::fmt;
use url::Host;

/// What a star is replaced by to see whether the rest is a legal name.
const ANY_LABEL: &str = "x";

/// A host, or the hosts that a pattern stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HostPattern {
    /// This one. A name is in lower case, and one that a resolver can be asked
    /// for.
    Exact(Host),
    /// Labels from the left; `None` for any.
    Labels(Vec<Option<String>>),
    /// One label or more, whatever they are, and then these.
    Under(Vec<Option<String>>),
}

impl HostPattern {
    /// Reads one, or says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if !text.contains('*') {
            let host = Host::parse(text).ok().filter(is_usable);
            return host.map(Self::Exact).ok_or_else(|| {
                format!("{text:?} is not a host; write it like static.example.net, without a port")
            });
        }
        let (deep, text_below) = match text.strip_prefix("**.") {
            Some(below) => (true, below),
            None => (false, text),
        };
        let labels: Vec<&str> = text_below.split('.').collect();
        let domain = labels.len().saturating_sub(2);
        let whole = labels.iter().enumerate().all(|(at, label)| match *label {
            "*" => at < domain,
            label => !label.contains('*'),
        });
        let name = text_below.replace('*', ANY_LABEL).to_ascii_lowercase();
        if !whole
            || labels.len() < 2
            || !matches!(Host::parse(&name), Ok(Host::Domain(parsed)) if parsed == name && is_host_name(&name))
        {
            return Err(format!(
                "{text:?} is not a host pattern; * matches one whole label, but none of the last two, as in \
                 *.example.net; ** at the beginning matches one or more labels"
            ));
        }
        let any = |label: &str| (label != "*").then(|| label.to_ascii_lowercase());
        let labels = labels.into_iter().map(any).collect();
        Ok(if deep { Self::Under(labels) } else { Self::Labels(labels) })
    }

    /// Whether it allows `host`, a name being in lower case.
    pub(crate) fn allows(&self, host: &Host<&str>) -> bool {
        match (self, host) {
            (Self::Exact(exact), host) => exact == host,
            (Self::Labels(labels), Host::Domain(name)) => {
                let mut told = name.split('.');
                labels.iter().all(|label| told.next().is_some_and(|told| fits(label.as_ref(), told)))
                    && told.next().is_none()
            }
            (Self::Under(labels), Host::Domain(name)) => {
                let mut told = name.rsplit('.');
                labels.iter().rev().all(|label| told.next().is_some_and(|told| fits(label.as_ref(), told)))
                    && told.next().is_some_and(|told| !told.is_empty())
            }
            (Self::Labels(_) | Self::Under(_), Host::Ipv4(_) | Host::Ipv6(_)) => false,
        }
    }

    /// The name, if it stands for one only.
    pub(crate) fn exact_name(&self) -> Option<&str> {
        match self {
            Self::Exact(Host::Domain(name)) => Some(name),
            Self::Exact(Host::Ipv4(_) | Host::Ipv6(_)) | Self::Labels(_) | Self::Under(_) => None,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => host.fmt(f),
            Self::Labels(labels) | Self::Under(labels) => {
                let deep = matches!(self, Self::Under(_)).then_some("**");
                let labels = labels.iter().map(|label| label.as_deref().unwrap_or("*"));
                f.write_str(&deep.into_iter().chain(labels).collect::<Vec<_>>().join("."))
            }
        }
    }
}

fn fits(label: Option<&String>, told: &str) -> bool {
    label.map_or_else(|| !told.is_empty(), |label| label == told)
}

pub(super) fn is_usable(host: &Host) -> bool {
    match host {
        Host::Domain(name) => is_host_name(name),
        Host::Ipv4(_) | Host::Ipv6(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, host: &str, allowed: bool) {
        let pattern = HostPattern::parse(pattern).unwrap();
        let host = Host::parse(host).unwrap();
        let borrowed = match &host {
            Host::Domain(name) => Host::Domain(name.as_str()),
            Host::Ipv4(address) => Host::Ipv4(*address),
            Host::Ipv6(address) => Host::Ipv6(*address),
        };
        assert_eq!(pattern.allows(&borrowed), allowed, "{pattern} {host}");
        assert_eq!(HostPattern::parse(&pattern.to_string()), Ok(pattern));
    }

    #[test]
    fn a_star_is_one_label() {
        check("*.example.net", "eu.example.net", true);
        check("*.Example.net", "EU.example.NET", true);
        check("*.example.net", "example.net", false);
        check("*.example.net", "a.b.example.net", false);
        check("*.example.net", "eu.example.net.", false);
        check("*.example.net", "euexample.net", false);
        check("*.example.net", "eu.example.netx", false);
        check("*.s3.*.amazonaws.com", "bucket.s3.eu-west-1.amazonaws.com", true);
        check("*.s3.*.amazonaws.com", "bucket.s3.amazonaws.com", false);
        check("cdn.*.example.net", "cdn.a.example.net", true);
        check("*.b.example", "127.0.0.1", false);
    }

    #[test]
    fn two_stars_are_one_label_or_more() {
        check("**.hf.co", "cdn-lfs.hf.co", true);
        check("**.hf.co", "us.aws.cdn.hf.co", true);
        check("**.HF.co", "US.aws.cdn.hf.CO", true);
        check("**.hf.co", "hf.co", false);
        check("**.hf.co", "evilhf.co", false);
        check("**.hf.co", "us.hf.co.evil.example", false);
        check("**.*.amazonaws.com", "a.b.s3.amazonaws.com", true);
        check("**.*.amazonaws.com", "s3.amazonaws.com", false);
        check("**.b.example", "127.0.0.1", false);
    }

    #[test]
    fn without_a_star_it_is_that_host() {
        check("static.example.net", "static.example.net", true);
        check("static.example.net", "static.example.net.evil.example", false);
        check("127.0.0.1", "127.0.0.1", true);
        check("[::1]", "[::1]", true);
        check("127.0.0.1", "localhost", false);
    }

    #[test]
    fn what_is_no_pattern_is_said() {
        for wrong in [
            "*",
            "*.net",
            "a.*",
            "a.*.net",
            "cdn-*.example.net",
            "*.*",
            "**",
            "**.net",
            "**.*.net",
            "a.**.example.net",
            "***.example.net",
            "**.**.example.net",
            "**..example.net",
            "*..example.net",
            "*.a b.net",
            "*.0.0.1",
        ] {
            let told = HostPattern::parse(wrong).unwrap_err();
            assert!(told.contains("*.example.net"), "{told}");
        }
        for wrong in ["", "a b", "h:80", "https://h"] {
            assert!(HostPattern::parse(wrong).unwrap_err().contains("without a port"), "{wrong}");
        }
    }
}
