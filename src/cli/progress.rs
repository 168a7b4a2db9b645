//! A line on stderr now and then, so that a run is not silent.

use crate::report::micros;
use crate::tally::Interval;
use crate::units::grouped;
use std::time::Duration;

/// Seconds between two lines on a terminal, and elsewhere.
const EVERY: (u64, u64) = (1, 10);

/// Tells how a run goes, from its intervals; the engine knows nothing of it.
#[derive(Debug)]
pub(crate) struct Progress {
    every: Option<u64>,
}

impl Progress {
    /// `wanted` is false under `--quiet` and `--no-progress`.
    pub(crate) fn new(wanted: bool) -> Self {
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        let every = if terminal { EVERY.0 } else { EVERY.1 };
        Self { every: wanted.then_some(every) }
    }

    /// The run begins, and nothing of it counts for so long.
    pub(crate) fn warming_up(&self, warmup: Duration) {
        if self.every.is_some() && !warmup.is_zero() {
            super::say(&format!("warming up for {warmup:?}: nothing is counted yet"));
        }
    }

    /// A second of the run is complete.
    pub(crate) fn second(&self, interval: &Interval) {
        let second = interval.second() + 1;
        if self.every.is_some_and(|every| second.is_multiple_of(every)) {
            super::say(&line(second, interval));
        }
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
