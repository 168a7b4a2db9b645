//! How fast arrivals follow each other: as recorded, or at a rate.

use super::process::Process;
use super::profile::Profile;
use crate::units::{Factor, Rate};
use std::fmt;
use std::str::FromStr;

/// How fast arrivals follow each other: the flags `--rate` and `--stage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At this rate; the order of the trace is kept, its gaps are not.
    Constant(Rate),
    /// At a rate that changes, in the order of the trace; the run ends with it.
    Profile(Profile),
    /// As recorded, played this many times as fast.
    Recorded(Factor),
    /// As fast as connections become free: a closed loop.
    Max,
}

impl Pace {
    /// As recorded, gap for gap.
    pub const AS_RECORDED: Self = Self::Recorded(Factor::ONE);

    /// How many times as fast as recorded, for display; `None` where the
    /// record's pace is not followed.
    pub fn speed(&self) -> Option<f64> {
        match self {
            Self::Constant(_) | Self::Profile(_) | Self::Max => None,
            Self::Recorded(factor) => Some(factor.as_f64()),
        }
    }

    /// The highest rate in arrivals a second, where it is known beforehand.
    pub fn peak_per_second(&self) -> Option<f64> {
        match self {
            Self::Constant(rate) => Some(rate.per_second_f64()),
            Self::Profile(profile) => Some(profile.peak_per_second()),
            Self::Recorded(_) | Self::Max => None,
        }
    }

    /// Evenly spaced arrivals. At a constant rate the first is due at the start;
    /// a profile begins at 0 and needs its time to gather the first.
    pub(super) fn uniform(&self) -> Process {
        Process::uniform(u64::from(matches!(self, Self::Profile(_))))
    }
}

impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "recorded" => return Ok(Self::AS_RECORDED),
            "max" => return Ok(Self::Max),
            _ => {}
        }
        let parsed = if text.ends_with(['x', 'X']) {
            text.parse().map(Self::Recorded)
        } else {
            text.parse().map(Self::Constant)
        };
        parsed.map_err(|error: crate::units::ParseQuantityError| {
            format!("{error}, or `recorded`, or a multiple of it such as 2x, or `max`")
        })
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(rate) => write!(f, "{rate}"),
            Self::Profile(profile) => write!(f, "{profile}"),
            Self::Recorded(Factor::ONE) => f.write_str("recorded"),
            Self::Recorded(factor) => write!(f, "recorded at {factor}"),
            Self::Max => f.write_str("max"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paces_print_and_parse() {
        assert!(matches!("recorded".parse(), Ok(Pace::Recorded(Factor::ONE))));
        assert_eq!("4.7k".parse::<Pace>().unwrap().to_string(), "4700/s");
        assert_eq!("2x".parse::<Pace>().unwrap().to_string(), "recorded at 2x");
        assert!("soon".parse::<Pace>().unwrap_err().contains("recorded"));
    }
}
