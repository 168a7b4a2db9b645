//! Which statuses may take the place of which recorded ones.
//!
//! What was recorded may be another service's view of the same download: a CDN
//! writes 200 or 304 where the API answers 302, and an API that never looks a
//! file up redirects what was a 404. A rule can list the pairs it accepts, so
//! that any other change is found.

use downpour_core::status::sent_status;
use std::fmt;
use std::str::FromStr;

/// The pairs of statuses that a rule accepts: recorded, then answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusTransitions {
    pairs: Vec<StatusTransition>,
}

/// One pair of statuses or classes: `200 -> 302`, `4xx -> 302`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusTransition {
    recorded: StatusPattern,
    answered: StatusPattern,
}

/// Text that is no [`StatusTransition`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a status transition; write it like \"200 -> 302\" or \"4xx -> 302\"")]
pub struct ParseTransitionError(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StatusPattern {
    One(u16),
    /// `4xx` is `Class(4)`.
    Class(u16),
}

impl StatusTransitions {
    /// The transitions in that list.
    pub const fn new(pairs: Vec<StatusTransition>) -> Self {
        Self { pairs }
    }

    /// Whether `answered` may come where `recorded` was: the same status
    /// always may, and so may any where no server had sent one.
    pub fn accept(&self, recorded: u16, answered: u16) -> bool {
        recorded == answered || sent_status(Some(recorded)).is_none() || self.list(recorded, answered)
    }

    /// Whether the very pair is listed.
    pub fn list(&self, recorded: u16, answered: u16) -> bool {
        self.pairs.iter().any(|pair| pair.recorded.contains(recorded) && pair.answered.contains(answered))
    }
}

impl StatusPattern {
    const fn contains(self, status: u16) -> bool {
        match self {
            Self::One(one) => one == status,
            Self::Class(class) => class == status / 100,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (first, rest) = (text.get(..1)?, text.get(1..)?);
        let class: u16 = first.parse().ok().filter(|class| (1..=5).contains(class))?;
        match rest {
            "xx" => Some(Self::Class(class)),
            _ if rest.len() == 2 && rest.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().ok().map(Self::One)
            }
            _ => None,
        }
    }
}

impl FromStr for StatusTransition {
    type Err = ParseTransitionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let statuses = || {
            let (recorded, answered) = text.split_once("->")?;
            let (recorded, answered) =
                (StatusPattern::parse(recorded.trim())?, StatusPattern::parse(answered.trim())?);
            Some(Self { recorded, answered })
        };
        statuses().ok_or_else(|| ParseTransitionError(text.to_owned()))
    }
}

impl fmt::Display for StatusPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(status) => write!(f, "{status}"),
            Self::Class(class) => write!(f, "{class}xx"),
        }
    }
}

impl fmt::Display for StatusTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.recorded, self.answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pairs: &[&str], recorded: u16, answered: u16, accepted: bool) {
        let transitions = StatusTransitions::new(pairs.iter().map(|pair| pair.parse().unwrap()).collect());
        assert_eq!(transitions.accept(recorded, answered), accepted, "{pairs:?}: {recorded} -> {answered}");
    }

    #[test]
    fn what_is_listed_or_unchanged_is_accepted() {
        let cdn = ["200 -> 302", "4xx->302"];
        check(&cdn, 200, 302, true);
        check(&cdn, 404, 302, true);
        check(&cdn, 302, 302, true);
        check(&cdn, 206, 302, false);
        check(&cdn, 302, 200, false);
        check(&cdn, 200, 404, false);
        check(&[], 200, 302, false);
        check(&[], 302, 302, true);
        check(&["2xx -> 3xx"], 206, 307, true);
    }

    #[test]
    fn a_status_that_no_server_sent_is_held_against_nobody() {
        for recorded in [0, 444, 460, 499, 521] {
            check(&[], recorded, 302, true);
        }
    }

    #[test]
    fn pairs_are_read_as_they_are_printed() {
        for text in ["200 -> 302", "4xx -> 302", "5xx -> 5xx"] {
            assert_eq!(text.parse::<StatusTransition>().unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "200",
            "200 302",
            "200 -> ",
            "xx -> 302",
            "600 -> 302",
            "20 -> 302",
            "4x4 -> 302",
            "+20 -> 302",
        ] {
            assert!(
                wrong.parse::<StatusTransition>().unwrap_err().to_string().contains("200 -> 302"),
                "{wrong}"
            );
        }
    }
}
