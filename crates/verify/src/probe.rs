//! Asking a target itself: is the file there that a redirect leads to?
//!
//! The tiers after DNS. What is asked in which order, and what the answers come
//! to, is pure: a [`ProbeSession`] is told what was heard and says what to ask
//! next. Targets are told apart by a [`TargetKey`], which leaves out what a
//! signature changes with each redirect ([`volatile`]). The only part that
//! touches the network is [`net`], which has its own thread, connections and
//! rate, so that checks never become load on what is measured.

mod archive;
pub mod net;
pub mod sample;
mod session;
pub mod volatile;

pub use session::{ProbeAction, ProbeEvent, ProbeResponse, ProbeSession, ProbeStep};
pub use volatile::TargetKey;

use super::json::ExpectedJson;
use super::{Depth, Tier};
use downpour_core::fault::Fault;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How far a target is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbeDepth {
    /// A connection to its host, once for each host and port.
    Connect,
    /// Whether the file is there: HEAD, or where that is no use the first bytes.
    Head,
    /// The file's first bytes.
    Get,
    /// The whole file.
    Digest,
}

impl ProbeDepth {
    /// How far targets are asked at `depth`; `None` where they are not.
    pub const fn of(depth: Depth) -> Option<Self> {
        match depth {
            Depth::Off | Depth::Policy | Depth::Dns => None,
            Depth::Connect => Some(Self::Connect),
            Depth::Head => Some(Self::Head),
            Depth::Get => Some(Self::Get),
            Depth::Digest => Some(Self::Digest),
        }
    }

    /// What a target is remembered by at this reach.
    pub fn key(self, url: &Url) -> TargetKey {
        match self {
            Self::Connect => TargetKey::of_host(url),
            Self::Head | Self::Get | Self::Digest => TargetKey::of_file(url),
        }
    }
}

/// What is known of a file beforehand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpectedFile {
    /// How long it is.
    pub length: Option<u64>,
    /// Its SHA-256.
    pub sha256: Option<[u8; 32]>,
}

/// What an answer is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeExpectation {
    /// A file.
    File(ExpectedFile),
    /// The candidate's redirect in its other form: asked for as JSON, and not
    /// followed.
    Json(ExpectedJson),
}

/// One target to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeRequest {
    /// What it is remembered by.
    pub key: TargetKey,
    /// Where it is, as a client would ask for it.
    pub url: Url,
    /// What it must be like.
    pub expectation: ProbeExpectation,
}

/// How far one check may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeLimits {
    /// How far the target is asked.
    pub depth: ProbeDepth,
    /// Most further redirects that are followed.
    pub hops: usize,
    /// Most bytes of a file that are downloaded.
    pub body: u64,
}

/// What is known of a target that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetVerdict {
    /// What is wrong with it.
    pub fault: Option<Fault>,
    /// The last tier that it was judged at.
    pub tier: Tier,
    /// Who answered what, where there is a fault. Holds no queries.
    pub detail: Option<Arc<str>>,
}

/// Most bytes of what is told of a fault: there may be one for each target.
const DETAIL_BYTES_MAX: usize = 448;

/// How long it holds that a file is there. Files of releases do not go away;
/// that they can still be had is worth asking about twice an hour.
const OK_VALIDITY: Duration = Duration::from_mins(30);

/// How long it holds that a host takes connections.
const CONNECTED_VALIDITY: Duration = Duration::from_mins(1);

/// How long a fault holds, so that a repair is noticed.
const BROKEN_VALIDITY: Duration = Duration::from_secs(10);

impl TargetVerdict {
    /// Good, as far as `tier`.
    pub const fn ok(tier: Tier) -> Self {
        Self { fault: None, tier, detail: None }
    }

    /// Not good at `tier`. What is told, in ASCII, is cut if it is long.
    pub fn broken(fault: Fault, tier: Tier, told: &str) -> Self {
        let told = told.get(..DETAIL_BYTES_MAX).unwrap_or(told);
        Self { fault: Some(fault), tier, detail: Some(told.into()) }
    }

    /// How long it holds.
    pub const fn valid_for(&self) -> Duration {
        match (self.fault, self.tier) {
            (Some(_), _) => BROKEN_VALIDITY,
            (None, Tier::Connect) => CONNECTED_VALIDITY,
            (None, _) => OK_VALIDITY,
        }
    }
}
