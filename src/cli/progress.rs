//! A line on stderr now and then, so that a run is not silent.

use super::distinct::Found;
use crate::report::micros;
use crate::tally::{Interval, Totals};
use crate::units::grouped;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

/// Seconds between two lines on a terminal, and elsewhere.
const EVERY: (u64, u64) = (1, 10);

/// Columns of a bar.
const BAR: usize = 24;

/// Tells how a run goes, from its intervals; the engine knows nothing of it.
#[derive(Debug)]
pub(crate) struct Progress {
    every: Option<u64>,
    way: Way,
}

/// How it is told.
#[derive(Debug)]
enum Way {
    /// A line about each second.
    Seconds,
    /// How many are done, of those that are found so far.
    Count(Arc<Found>),
    /// The same as a bar, drawn again and again in its line.
    Bar(Arc<Found>),
}

impl Progress {
    /// About the seconds of a run. `wanted` is false under `--quiet` and
    /// `--no-progress`.
    pub(crate) fn by_the_second(wanted: bool) -> Self {
        let every = if io::stderr().is_terminal() { EVERY.0 } else { EVERY.1 };
        Self { every: wanted.then_some(every), way: Way::Seconds }
    }

    /// About a run that ends when all that is `found` is done.
    pub(super) fn by_count(wanted: bool, found: Arc<Found>) -> Self {
        if io::stderr().is_terminal() {
            Self { every: wanted.then_some(EVERY.0), way: Way::Bar(found) }
        } else {
            Self { every: wanted.then_some(EVERY.1), way: Way::Count(found) }
        }
    }

    /// The run begins, and nothing of it counts for so long.
    pub(crate) fn warming_up(&self, warmup: Duration) {
        if self.every.is_some() && !warmup.is_zero() {
            super::say(&format!("warming up for {warmup:?}: nothing is counted yet"));
        }
    }

    /// A second of the run is complete.
    pub(crate) fn second(&self, interval: &Interval, totals: &Totals) {
        let second = interval.second() + 1;
        if !self.every.is_some_and(|every| second.is_multiple_of(every)) {
            return;
        }
        match &self.way {
            Way::Seconds => super::say(&line(second, interval)),
            Way::Count(found) => super::say(&format!("{second:>5} s  {}", Advance::of(totals, found).told())),
            Way::Bar(found) => {
                let done = Advance::of(totals, found);
                draw(&format!("[{}] {}", done.bar(), done.told()));
            }
        }
    }

    /// The run is over: what comes next begins on a line of its own.
    pub(crate) fn over(&self) {
        if self.every.is_some() && matches!(self.way, Way::Bar(_)) {
            draw("");
        }
    }
}

/// Writes over the line that stands there. Where nobody listens any more, the
/// run goes on.
fn draw(text: &str) {
    let mut stderr = io::stderr().lock();
    write!(stderr, "\r{text}\u{1b}[K").and_then(|()| stderr.flush()).unwrap_or_default();
}

/// How much of what is found is done.
#[derive(Clone, Copy, Debug)]
struct Advance {
    done: u64,
    failed: u64,
    found: u64,
    whole: bool,
}

impl Advance {
    fn of(totals: &Totals, found: &Found) -> Self {
        let arrivals = &totals.counts.arrivals;
        let whole = found.is_whole();
        let done = arrivals.passed + arrivals.recovered + arrivals.failed;
        Self { done, failed: arrivals.failed, found: found.distinct().max(done), whole }
    }

    fn bar(self) -> String {
        let full = u128::from(self.done) * BAR as u128 / u128::from(self.found.max(1));
        let full = usize::try_from(full).unwrap_or(BAR).min(BAR);
        format!("{}{}", "#".repeat(full), "-".repeat(BAR - full))
    }

    fn told(self) -> String {
        let Self { done, failed, found, whole } = self;
        let so_far = if whole { "" } else { " found so far" };
        format!("{} of {}{so_far}, {} failed", grouped(done), grouped(found), grouped(failed))
    }
}

fn line(second: u64, interval: &Interval) -> String {
    let (counts, times) = (interval.counts(), interval.times());
    // In a second without a good answer, the others have times too.
    let latency = if times.latency.is_empty() { &times.latency_failed } else { &times.latency };
    let p99 = if latency.is_empty() { "-".to_owned() } else { micros(latency.quantile(0.99)) };
    let mut text = format!(
        "{second:>5} s  offered {:>6}  done {:>6}  failed {:>6}  p99 {p99:>7}",
        grouped(counts.arrivals.offered),
        grouped(counts.attempts.completed()),
        grouped(counts.arrivals.failed),
    );
    let worst = counts.faults.seen().max_by_key(|(_, seen)| seen.count);
    if let Some((fault, _)) = worst {
        text.push_str("  ");
        text.push_str(fault.id());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(done: u64, found: u64, whole: bool, bar: &str, told: &str) {
        let progress = Advance { done, failed: 1, found, whole };
        assert_eq!((progress.bar().as_str(), progress.told().as_str()), (bar, told));
    }

    #[test]
    fn a_bar_is_full_when_all_is_done_and_not_before() {
        check(0, 0, false, "------------------------", "0 of 0 found so far, 1 failed");
        check(1_000, 2_000, false, "############------------", "1,000 of 2,000 found so far, 1 failed");
        check(1_999, 2_000, true, "#######################-", "1,999 of 2,000, 1 failed");
        check(2_000, 2_000, true, "########################", "2,000 of 2,000, 1 failed");
    }
}
