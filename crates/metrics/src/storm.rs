//! The storm that a fault makes of retries, in a few numbers.
//!
//! A [`StormSeries`] keeps a few counts of each second, in bounded memory however
//! long the run. [`Storm::of`] looks at it afterwards: how much was asked while
//! the fault lasted, how soon the load was level, and whether and when all was
//! well again. Pure: a live run and a simulated one are told by the same
//! function.

use super::Interval;
use downpour_core::units::approximate;
use std::ops::Range;

/// Entries of a series: one for each second of a day. What is longer is kept in
/// pairs of seconds, then in fours.
const ENTRIES_MAX: usize = 86_400;

/// The least part of a second's attempts that fails in a fault, in hundredths.
const FAULTY_PERCENT: u64 = 5;
/// How near the attempts of a second are to the level of the storm when it has
/// been reached, in hundredths.
const LEVEL_PERCENT: u64 = 5;
/// How many seconds in a row are well when all is well.
const WELL_SECONDS: usize = 3;

/// What storms are told by, of one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StormSecond {
    /// First attempts that ended.
    pub first: u64,
    /// Attempts that ended, retries among them.
    pub attempts: u64,
    /// Downloads that came out well.
    pub passed: u64,
    /// Attempts that did not: no answer, an error, or a redirect to nowhere.
    pub failed_attempts: u64,
}

impl StormSecond {
    fn add(&mut self, other: Self) {
        self.first += other.first;
        self.attempts += other.attempts;
        self.passed += other.passed;
        self.failed_attempts += other.failed_attempts;
    }

    fn is_silent(self) -> bool {
        self.attempts == 0
    }

    fn is_faulty(self) -> bool {
        self.failed_attempts > 0 && self.failed_attempts * 100 >= self.attempts * FAULTY_PERCENT
    }

    /// Whether nearly all that was asked for came, and nearly nothing twice.
    fn is_well(self) -> bool {
        self.passed * 100 >= self.first * 99 && self.attempts * 100 <= self.first * 101
    }
}

impl From<&Interval> for StormSecond {
    /// Each download that came out well had one good attempt, its last.
    fn from(interval: &Interval) -> Self {
        let (arrivals, attempts) = (&interval.counts().arrivals, &interval.counts().attempts);
        let passed = arrivals.passed + arrivals.recovered;
        Self {
            first: attempts.first,
            attempts: attempts.total(),
            passed,
            failed_attempts: attempts.total().saturating_sub(attempts.unfinished + passed),
        }
    }
}

/// The seconds of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StormSeries {
    entries: Vec<StormSecond>,
    /// Seconds of the run in each entry: a power of two.
    width: u64,
}

impl StormSeries {
    /// Adds what happened in a second of the run.
    pub fn add(&mut self, second: u64, counts: StormSecond) {
        while second / self.width >= ENTRIES_MAX as u64 {
            self.entries = self.entries.chunks(2).map(sum).collect();
            self.width *= 2;
        }
        let index = usize::try_from(second / self.width).unwrap_or(ENTRIES_MAX);
        if index >= self.entries.len() {
            self.entries.resize(index + 1, StormSecond::default());
        }
        self.entries[index].add(counts);
    }

    /// The entries of these seconds.
    fn within(&self, seconds: &Range<u64>) -> &[StormSecond] {
        let index = |second: u64| {
            usize::try_from(second / self.width).map_or(self.entries.len(), |at| at.min(self.entries.len()))
        };
        let end = index(seconds.end.saturating_add(self.width - 1));
        &self.entries[index(seconds.start).min(end)..end]
    }

    /// The first to the last second in which attempts failed in number.
    fn faulty(&self) -> Option<Range<u64>> {
        let first = self.entries.iter().position(|second| second.is_faulty())?;
        let last = self.entries.iter().rposition(|second| second.is_faulty())?;
        Some(first as u64 * self.width..(last as u64 + 1) * self.width)
    }
}

impl Default for StormSeries {
    fn default() -> Self {
        Self { entries: Vec::new(), width: 1 }
    }
}

fn sum(seconds: &[StormSecond]) -> StormSecond {
    seconds.iter().fold(StormSecond::default(), |mut sum, &second| {
        sum.add(second);
        sum
    })
}

/// What a fault made of the load.
///
/// Attempts are counted in the second in which they end.
#[derive(Clone, Debug, PartialEq)]
pub struct Storm {
    /// The seconds of the run that the fault lasted for.
    pub fault: Range<u64>,
    /// First attempts a second meanwhile.
    pub first_per_s: f64,
    /// Attempts a second meanwhile.
    pub attempts_per_s: f64,
    /// Downloads that came out well a second meanwhile.
    pub goodput_per_s: f64,
    /// Attempts that failed in the whole run.
    pub failed_attempts: u64,
    /// From the beginning of the fault to the first second in which the load
    /// was level: near the median of the fault's second half.
    pub time_to_plateau_s: Option<u64>,
    /// From the end of the fault until all was well again for a few seconds;
    /// `None` where that was not seen. Seconds in which nothing was asked for
    /// tell nothing.
    pub time_to_recover_s: Option<u64>,
}

impl Storm {
    /// The storm of a run whose fault lasted for these seconds; where nobody
    /// knows, for those in which attempts failed. `None` where there was none.
    pub fn of(series: &StormSeries, fault: Option<Range<u64>>) -> Option<Self> {
        let fault = fault.or_else(|| series.faulty())?;
        let during = series.within(&fault);
        let total = sum(during);
        let length = approximate(during.len() as u64 * series.width);
        let per_second = |count| if length > 0.0 { approximate(count) / length } else { 0.0 };
        Some(Self {
            first_per_s: per_second(total.first),
            attempts_per_s: per_second(total.attempts),
            goodput_per_s: per_second(total.passed),
            failed_attempts: sum(&series.entries).failed_attempts,
            time_to_plateau_s: plateau(during).map(|index| index as u64 * series.width),
            time_to_recover_s: recovered(series.within(&(fault.end..u64::MAX)))
                .map(|index| index as u64 * series.width),
            fault,
        })
    }

    /// Attempts a first attempt during the fault; 1 where there was none.
    pub fn amplification(&self) -> f64 {
        if self.first_per_s > 0.0 { self.attempts_per_s / self.first_per_s } else { 1.0 }
    }
}

fn plateau(during: &[StormSecond]) -> Option<usize> {
    let mut level: Vec<u64> = during[during.len() / 2..].iter().map(|second| second.attempts).collect();
    level.sort_unstable();
    let median = *level.get(level.len() / 2)?;
    during.iter().position(|second| second.attempts.abs_diff(median) * 100 <= median * LEVEL_PERCENT)
}

/// Where the first few seconds begin that are well in a row.
fn recovered(after: &[StormSecond]) -> Option<usize> {
    let mut telling = after.iter().enumerate().filter(|(_, second)| !second.is_silent());
    let (mut begin, mut length) = (0, 0);
    telling.find_map(|(index, second)| {
        if !second.is_well() {
            length = 0;
            return None;
        }
        if length == 0 {
            begin = index;
        }
        length += 1;
        (length == WELL_SECONDS).then_some(begin)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ArrivalOutcome, Attempt, AttemptEnd, AttemptKind};
    use downpour_core::fault::Fault;
    use downpour_core::units::Offset;

    const WELL: StormSecond = StormSecond { first: 100, attempts: 100, passed: 100, failed_attempts: 0 };
    const SILENT: StormSecond = StormSecond { first: 0, attempts: 0, passed: 0, failed_attempts: 0 };

    fn storming(attempts: u64) -> StormSecond {
        StormSecond { first: 100, attempts, passed: 0, failed_attempts: attempts }
    }

    /// Better than the storm, not yet well.
    fn healing(attempts: u64) -> StormSecond {
        StormSecond { first: 100, attempts, passed: 100, failed_attempts: 0 }
    }

    fn series(seconds: &[StormSecond]) -> StormSeries {
        let mut series = StormSeries::default();
        for (second, &counts) in seconds.iter().enumerate() {
            series.add(second as u64, counts);
        }
        series
    }

    #[track_caller]
    fn check(seconds: &[StormSecond], fault: Range<u64>, plateau: Option<u64>, recover: Option<u64>) {
        let seen = Storm::of(&series(seconds), None).unwrap();
        assert_eq!(seen.fault, fault, "what is seen is what was planned");
        let planned = Storm::of(&series(seconds), Some(fault)).unwrap();
        assert_eq!(planned, seen);
        assert_eq!((planned.time_to_plateau_s, planned.time_to_recover_s), (plateau, recover));
    }

    #[test]
    fn a_storm_has_a_beginning_a_level_and_an_end() {
        let rising = [WELL, storming(100), storming(300), storming(401), storming(400), storming(399)];
        check(&rising, 1..6, Some(2), None);
        let over = [&rising[..], &[healing(200), healing(110), WELL, WELL, healing(101)]].concat();
        check(&over, 1..6, Some(2), Some(2));
        let at_once = [&rising[..], &[WELL; 3]].concat();
        check(&at_once, 1..6, Some(2), Some(0));
    }

    #[test]
    fn two_good_seconds_are_no_recovery() {
        let flickering = [storming(100), WELL, WELL, healing(102), WELL, WELL];
        check(&flickering, 0..1, Some(0), None);
    }

    #[test]
    fn silence_tells_nothing() {
        let slow = [WELL, storming(100), SILENT, WELL, SILENT, SILENT, WELL, WELL];
        check(&slow, 1..2, Some(0), Some(1));
        // What is quiet because nobody asks any more has not recovered.
        let given_up = [&[storming(100); 4][..], &[SILENT; 10]].concat();
        check(&given_up, 0..4, Some(0), None);
    }

    #[test]
    fn rates_are_those_of_the_fault() {
        let run = [WELL, storming(300), storming(500), healing(200), WELL];
        let storm = Storm::of(&series(&run), Some(1..3)).unwrap();
        let rates = (storm.first_per_s, storm.attempts_per_s, storm.goodput_per_s);
        assert_eq!(rates, (100.0, 400.0, 0.0));
        assert_eq!((storm.amplification(), storm.failed_attempts), (4.0, 800));
        assert_eq!(Storm::of(&series(&[WELL; 9]), None), None);
        let beyond = Storm::of(&series(&run), Some(70..90)).unwrap();
        assert_eq!((beyond.attempts_per_s, beyond.amplification()), (0.0, 1.0));
    }

    #[test]
    fn few_failures_are_no_fault() {
        let of_hundred = |failed| StormSecond { failed_attempts: failed, passed: 100 - failed, ..WELL };
        assert_eq!(Storm::of(&series(&[of_hundred(4); 9]), None), None);
        assert!(Storm::of(&series(&[of_hundred(5); 9]), None).is_some());
    }

    #[test]
    fn a_long_run_is_kept_in_pairs() {
        let mut long = StormSeries::default();
        let day = ENTRIES_MAX as u64;
        for second in 0..day + 10 {
            long.add(second, if (10..30).contains(&second) { storming(400) } else { WELL });
        }
        assert_eq!((long.width, long.entries.len()), (2, ENTRIES_MAX / 2 + 5));
        let storm = Storm::of(&long, None).unwrap();
        assert_eq!((storm.fault.clone(), storm.time_to_recover_s), (10..30, Some(0)));
        assert!((storm.attempts_per_s - 400.0).abs() < 1e-9);
        long.add(u64::MAX / 2, WELL);
        assert!(long.entries.len() <= ENTRIES_MAX);
    }

    #[test]
    fn a_second_is_read_from_its_interval() {
        let mut interval = Interval::new(3);
        let mut attempt = |end, kind| {
            let at = Offset::from_nanos(3_000_000_000);
            let attempt = Attempt { due: at, sent: Some(at), first_byte: None, done: at, end };
            interval.attempt(&attempt, kind);
        };
        attempt(AttemptEnd::Status(302), AttemptKind::First);
        attempt(AttemptEnd::Status(302), AttemptKind::Retry);
        attempt(AttemptEnd::Fault(Fault::HttpReset), AttemptKind::First);
        attempt(AttemptEnd::Unfinished, AttemptKind::First);
        interval.arrival(ArrivalOutcome::Recovered(Fault::HttpReset), Offset::ZERO, Offset::ZERO);
        let second = StormSecond::from(&interval);
        assert_eq!(second, StormSecond { first: 3, attempts: 4, passed: 1, failed_attempts: 2 });
    }
}
