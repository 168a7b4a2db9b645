//! How fast arrivals follow each other: as recorded, or at a rate.

use super::process::Process;
use super::profile::Profile;
use downpour_core::units::{Factor, Rate, decimal, grouped};
use std::fmt;
use std::str::FromStr;

/// Most arrivals a second: an order of magnitude beyond what one machine sends.
/// More of them than can ever be released would outlast every `--duration`.
pub const PEAK_MAX: u32 = 1_000_000;

/// Refuses a peak beyond [`PEAK_MAX`].
pub fn check_peak(per_second: f64) -> Result<(), String> {
    if per_second <= f64::from(PEAK_MAX) {
        return Ok(());
    }
    Err(format!(
        "{per_second:.0} requests per second are more than one process can send: at most {}; use several machines",
        grouped(PEAK_MAX.into())
    ))
}

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
        let number = text.strip_prefix('-').unwrap_or(text).split('/').next().unwrap_or_default();
        let is_zero = matches!(decimal(number.trim_end_matches(['x', 'X'])), Some((0, _)));
        if is_zero || text.starts_with('-') && decimal(number).is_some() {
            return Err(format!(
                "{text:?} is not a rate: it must be greater than 0, such as 4700 or 4.7k/s; `recorded`; or a multiple such as 2x"
            ));
        }
        // `5/x` was to be a rate, and is none.
        let parsed = if text.ends_with(['x', 'X']) && !text.contains('/') {
            text.parse().map(Self::Recorded)
        } else {
            text.parse().map(Self::Constant)
        };
        parsed.map_err(|error: downpour_core::units::ParseQuantityError| {
            format!("{error}, or `recorded`, a multiple such as 2x, or `max`")
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

    #[track_caller]
    fn check_refused(text: &str, expected: &str) {
        let error = text.parse::<Pace>().unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }

    #[test]
    fn what_is_no_pace_is_told_by_what_it_was_to_be() {
        check_refused("5/x", "\"5/x\" is not a rate; write it like 4700");
        for nothing in ["0", "0/s", "0x", "0.0", "-5", "-5/s"] {
            check_refused(nothing, "it must be greater than 0");
        }
        check_refused("x", "is not a factor");
        check_refused("-x", "is not a factor");
    }

    #[test]
    fn a_peak_has_an_upper_bound() {
        check_peak(1e6).unwrap();
        let error = check_peak(1_000_001.0).unwrap_err();
        assert!(error.contains("1000001 requests") && error.contains("at most 1,000,000"), "{error}");
    }
}
