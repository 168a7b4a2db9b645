//! Times of the format `trace` that are in another unit than nanoseconds.
//!
//! `at_ns` counts nanoseconds since 1970, or since any other instant. Where
//! seconds, milliseconds or microseconds since 1970 were written instead, the
//! whole log lies within an instant of January 1970, and was once replayed as
//! such. A log is taken for that only if, read in the other unit, its times lie
//! in this century, and if, read as nanoseconds, its requests come faster than
//! any service takes them. Times that begin near 0 are in no such range.

use downpour_core::units::Stamp;

/// 2001-09-09 and 2096-10-02, in seconds since 1970.
const THIS_CENTURY: std::ops::Range<i64> = 1_000_000_000..4_000_000_000;

/// A unit that was mistaken for nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongUnit {
    /// Its name.
    pub(crate) name: &'static str,
    /// How many nanoseconds it has.
    pub(crate) nanos: i64,
}

/// The units, with the nanoseconds between two requests below which nothing is
/// recorded.
const UNITS: [(WrongUnit, u64); 3] = [
    (WrongUnit { name: "seconds", nanos: 1_000_000_000 }, 1_000),
    (WrongUnit { name: "milliseconds", nanos: 1_000_000 }, 10_000),
    (WrongUnit { name: "microseconds", nanos: 1_000 }, 10_000_000),
];

/// The unit that so many times between `first` and `last` seem to have.
pub(crate) fn wrong_unit(first: Stamp, last: Stamp, times: usize) -> Option<WrongUnit> {
    let gaps = u64::try_from(times).ok()?.checked_sub(1).filter(|gaps| *gaps > 0)?;
    let mean_gap = last.nanos_since(first) / gaps;
    let fits = |unit: &WrongUnit, stamp: Stamp| {
        let per_second = 1_000_000_000 / unit.nanos;
        THIS_CENTURY.contains(&(stamp.as_nanos() / per_second))
    };
    let fitting =
        |(unit, least): &&(WrongUnit, u64)| fits(unit, first) && fits(unit, last) && mean_gap < *least;
    UNITS.iter().find(fitting).map(|(unit, _)| *unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(first: i64, last: i64, times: usize, expected: Option<&str>) {
        let found = wrong_unit(Stamp::from_nanos(first), Stamp::from_nanos(last), times);
        assert_eq!(found.map(|unit| unit.name), expected);
    }

    #[test]
    fn a_unit_shows_in_times_that_cannot_be() {
        let now = 1_772_719_380_i64;
        check(now, now + 19, 20, Some("seconds"));
        check(now * 1_000, now * 1_000 + 19_000, 20, Some("milliseconds"));
        check(now * 1_000_000, now * 1_000_000 + 19_000_000, 20, Some("microseconds"));
        check(now * 1_000_000_000, now * 1_000_000_000 + 19, 20, None);
        // Times since the beginning of a recording.
        check(0, 20, 20, None);
        check(0, 19_000_000_000, 20, None);
        check(1_000_000_000, 3_000_000_000, 3, None);
        check(1_200_000_000_000, 1_219_000_000_000, 20, None);
        check(now, now, 1, None);
    }
}
