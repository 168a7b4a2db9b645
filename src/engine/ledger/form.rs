//! The other form of a redirect: what the same path answers to clients that ask
//! for JSON.
//!
//! A share of the paths is asked for once more, by the thread that checks
//! targets and at its rate, when nothing else speaks against their redirects.
//! Each is remembered as a target is. There is no exception for unusual names
//! here: it is the candidate that is asked, and the share is a promise.

use crate::schedule::sample::Sample;
use crate::tally::{Coverage, Unchecked};

/// What becomes of the form in JSON of a redirect.
#[derive(Debug)]
pub(super) enum Form {
    /// It is to be asked for; this member names the place.
    Due(Box<str>),
    /// It has been looked at, or has not.
    Is(Coverage),
}

impl Form {
    /// Nobody asks for it.
    pub(super) const OFF: Self = Self::Is(Coverage::Unchecked(Unchecked::TierOff));

    /// What is to be done about the redirect of `target`, where a rule names
    /// this `member`.
    pub(super) fn of(sample: Option<&Sample>, member: Option<&str>, target: &[u8]) -> Self {
        let left = |reason| Self::Is(Coverage::Unchecked(reason));
        match (sample, member) {
            (None, _) => Self::OFF,
            (Some(_), None) => left(Unchecked::NoJson),
            (Some(sample), Some(member)) if sample.takes(target) => Self::Due(member.into()),
            (Some(_), Some(_)) => left(Unchecked::SampledOut),
        }
    }

    /// It will not be asked for any more, for this reason, if it was to be.
    pub(super) fn leave(&mut self, reason: Unchecked) {
        if matches!(self, Self::Due(_)) {
            *self = Self::Is(Coverage::Unchecked(reason));
        }
    }

    /// What the books say of it. What is still due at the end was kept back
    /// by a fault.
    pub(super) const fn coverage(&self) -> Coverage {
        match self {
            Self::Due(_) => Coverage::Unchecked(Unchecked::FaultBefore),
            Self::Is(coverage) => *coverage,
        }
    }
}
