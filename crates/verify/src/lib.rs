//! Judging a redirect: did the answer send its client to a place that exists?
//!
//! A redirect can be valid HTTP, fast, and lead nowhere; so the judgement is
//! part of every answer and not a sample. It comes in tiers, cheapest first.
//! [`judge`] is pure and covers what can be known offline, by [`rules`] that
//! are data. Which host a client would connect to is then asked once and
//! remembered ([`hosts`] and [`single_flight`], pure), on a thread that looks names up ([`lookup`]).
//! A target whose host has an address may then be asked itself, once for each
//! target ([`targets`], pure), on another thread ([`probe`]). These two threads
//! are all of this that touches the network. What all of them find of one
//! answer is a list ([`finding`]); the worst of it is the outcome.

pub mod address;

pub mod catalog;

pub mod certificate;

pub mod coding;

pub mod control;

pub mod finding;

pub mod hosts;

pub mod json;

pub mod judge;

pub mod cache_lifetime;

mod location;

pub mod lookup;

pub mod probe;

pub mod rules;

mod signature;
mod signed_url;

pub mod single_flight;

pub mod status;

pub mod targets;

use downpour_core::fault::Fault;
use downpour_core::units::Stamp;
use finding::{Findings, Level};
use http::HeaderMap;
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// How far redirects are judged: the setting `--verify`.
///
/// Each depth holds those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Depth {
    /// Only the status. Locations are not looked at.
    Off,
    /// Locations too, offline: the tiers `headers` and `policy`.
    Policy,
    /// The hosts of Locations are looked up as well. The default: one lookup
    /// per host costs next to nothing and finds what nothing offline can.
    #[default]
    Dns,
    /// Each of these hosts is connected to.
    Connect,
    /// Each distinct target is asked for with HEAD.
    Head,
    /// The first bytes of each distinct target are looked at.
    Get,
    /// Each distinct target is downloaded.
    Digest,
}

impl Depth {
    /// Every depth, shallowest first.
    pub const ALL: [Self; 7] =
        [Self::Off, Self::Policy, Self::Dns, Self::Connect, Self::Head, Self::Get, Self::Digest];

    /// Whether redirects are judged at `tier`.
    pub fn covers(self, tier: Tier) -> bool {
        self >= match tier {
            Tier::Headers | Tier::Policy | Tier::Json => Self::Policy,
            Tier::Dns => Self::Dns,
            Tier::Connect => Self::Connect,
            Tier::Fetch => Self::Head,
            Tier::Digest => Self::Digest,
        }
    }

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Policy => "policy",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Head => "head",
            Self::Get => "get",
            Self::Digest => "digest",
        }
    }
}

impl fmt::Display for Depth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Text that names no [`Depth`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a verification depth; use off, policy, dns, connect, head, get or digest")]
pub struct ParseDepthError(String);

impl FromStr for Depth {
    type Err = ParseDepthError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|depth| depth.name() == text);
        named.ok_or_else(|| ParseDepthError(text.to_owned()))
    }
}

/// One step of the judgement, by what it needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// The answer's status and headers, as bytes.
    Headers,
    /// The Location as a URL, held against the rules.
    Policy,
    /// One lookup of the Location's host.
    Dns,
    /// A connection to it, with TLS where the Location says https.
    Connect,
    /// A request for the file itself.
    Fetch,
    /// The whole file, held against a digest.
    Digest,
    /// A second answer of the candidate: the same place, told as JSON. Beside
    /// the others and not beyond them.
    Json,
}

impl Tier {
    /// Every tier: cheapest first, and the one beside them.
    pub const ALL: [Self; 7] =
        [Self::Headers, Self::Policy, Self::Dns, Self::Connect, Self::Fetch, Self::Digest, Self::Json];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::Policy => "policy",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Fetch => "fetch",
            Self::Digest => "digest",
            Self::Json => "json",
        }
    }
}

/// The `Location` fields of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locations<'a> {
    /// There is none.
    None,
    /// Exactly one, its value as it came.
    One(&'a [u8]),
    /// More than one. RFC 9110 §5.3 allows one: each client picks another.
    Many,
}

/// What was asked of the candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JudgedRequest<'a> {
    /// The request target in origin form: path and query.
    pub target: &'a [u8],
    /// What the recorded service answered to it, where the trace tells.
    pub recorded_status: Option<u16>,
}

/// What the candidate answered, as far as the judgement needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JudgedResponse<'a> {
    /// The status code.
    pub status: u16,
    /// Its `Location` fields.
    pub locations: Locations<'a>,
    /// All of its fields. They are looked at where a rule names one.
    pub headers: &'a HeaderMap,
    /// When it came: signed URLs are good for a while.
    pub at: Stamp,
}

/// What can be said of an answer without asking the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement<'a> {
    /// The place of the rule that the answer was judged by, counted from 0;
    /// `None` where none matches.
    pub rule: Option<usize>,
    /// All that is wrong, each with its level and what more there is to say.
    pub findings: Findings,
    /// The fault of the status, where that fails the answer.
    pub status: Option<Fault>,
    /// What the Location tiers found. `None` where the answer is no redirect,
    /// and at [`Depth::Off`].
    pub redirect: Option<RedirectJudgement<'a>>,
    /// Where a rule says that a redirect has a form in JSON: what it demands.
    pub json: Option<JsonDemand<'a>>,
}

/// What a rule demands of the JSON form of a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonDemand<'a> {
    /// The member that names the place.
    pub member: &'a str,
    /// What another place there does to the run.
    pub level: Level,
}

/// What the offline tiers say of a redirect, but for its faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectJudgement<'a> {
    /// The tier behind which there is nothing to look at: no Location that
    /// leads anywhere, or one that leads back to the same request. `None` for
    /// all others, however wrong they are.
    pub stopped_at: Option<Tier>,
    /// What [`Tier::Dns`] has to ask for.
    pub host: HostToCheck<'a>,
}

/// The host that a client would connect to after a redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostToCheck<'a> {
    /// There is none: no usable Location.
    None,
    /// The candidate's own origin, which the run is talking to already.
    Own,
    /// A name to look up: lower case, legal labels, at most 253 bytes.
    Name(Cow<'a, str>),
    /// An address literal. Needs no lookup but [`address::PrivateAddresses`].
    Address(IpAddr),
}

/// What is known of a host that redirects point to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostVerdict {
    /// It has an address that a client may connect to.
    Resolved,
    /// It has none, or nobody can tell.
    Broken(Fault),
}

impl HostVerdict {
    /// What is wrong with it.
    pub const fn fault(self) -> Option<Fault> {
        match self {
            Self::Resolved => None,
            Self::Broken(fault) => Some(fault),
        }
    }
}

/// Whether a status is a redirect that clients follow by its Location:
/// RFC 9110 §15.4.2 to §15.4.4, §15.4.8 and §15.4.9.
///
/// 300 is one only by its Location: see [`redirects`]. 304 is no redirect, 305
/// and 306 are retired.
pub const fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Whether clients follow an answer: a redirect, or a 300 that names a place
/// (RFC 9110 §15.4.1), as curl and others do.
pub const fn redirects(status: u16, locations: Locations<'_>) -> bool {
    is_redirect(status) || status == 300 && !matches!(locations, Locations::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths_are_ordered_and_read_as_they_are_printed() {
        for depth in Depth::ALL {
            assert_eq!(depth.to_string().parse(), Ok(depth));
        }
        assert!(Depth::ALL.is_sorted());
        assert!("full".parse::<Depth>().is_err());
        assert!(Tier::ALL.is_sorted());
        let covered = |depth: Depth| Tier::ALL.iter().filter(|tier| depth.covers(**tier)).count();
        assert_eq!(Depth::ALL.map(covered), [0, 3, 4, 5, 6, 6, 7]);
    }

    #[test]
    fn redirects_are_five_statuses() {
        let redirects: Vec<u16> = (0..1000).filter(|&status| is_redirect(status)).collect();
        assert_eq!(redirects, [301, 302, 303, 307, 308]);
    }

    #[test]
    fn three_hundred_redirects_by_its_location() {
        assert!(redirects(300, Locations::One(b"/x")) && redirects(300, Locations::Many));
        assert!(!redirects(300, Locations::None));
        assert!(redirects(302, Locations::None));
        assert!(!redirects(304, Locations::One(b"/x")));
    }
}
