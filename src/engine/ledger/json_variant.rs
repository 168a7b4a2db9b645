//! The other form of a redirect: what the same path answers to clients that ask
//! for JSON.
//!
//! A share of the paths is asked for once more, by the thread that checks
//! targets and at its rate, when their redirects lead to a host that has an
//! address.
//! Each is remembered as a target is. There is no exception for unusual names
//! here: it is the candidate that is asked, and the share is a promise.

use downpour_load::schedule::sample::Sample;
use downpour_metrics::{Coverage, Unchecked};
use downpour_verify::JsonDemand;
use downpour_verify::finding::Level;

/// What becomes of the form in JSON of a redirect.
#[derive(Debug)]
pub(super) enum JsonVariant {
    /// It is to be asked for; this member names the place, and another place
    /// there does that to the run.
    Pending(Box<str>, Level),
    /// It has been looked at, or has not.
    Settled(Coverage),
}

impl JsonVariant {
    /// Nobody asks for it.
    pub(super) const OFF: Self = Self::Settled(Coverage::Unchecked(Unchecked::TierOff));

    /// What is to be done about the redirect of `target`, where a rule
    /// demands something of it.
    pub(super) fn of(sample: Option<&Sample>, demand: Option<JsonDemand<'_>>, target: &[u8]) -> Self {
        let left = |reason| Self::Settled(Coverage::Unchecked(reason));
        match (sample, demand) {
            (None, _) => Self::OFF,
            (Some(_), None) => left(Unchecked::NoJson),
            (Some(sample), Some(JsonDemand { member, level })) if sample.includes(target) => {
                Self::Pending(member.into(), level)
            }
            (Some(_), Some(_)) => left(Unchecked::SampledOut),
        }
    }

    /// It will not be asked for any more, for this reason, if it was to be.
    pub(super) fn abandon(&mut self, reason: Unchecked) {
        if matches!(self, Self::Pending(..)) {
            *self = Self::Settled(Coverage::Unchecked(reason));
        }
    }

    /// What the accounting says of it. What is still due at the end was kept
    /// back by a fault.
    pub(super) const fn coverage(&self) -> Coverage {
        match self {
            Self::Pending(..) => Coverage::Broken,
            Self::Settled(coverage) => *coverage,
        }
    }
}
