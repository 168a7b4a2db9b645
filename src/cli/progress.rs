//! A line on stderr now and then, so that a run is not silent.

use crate::tally::Interval;

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

    /// A second of the run is complete.
    #[expect(clippy::print_stderr, reason = "progress is for the person at the terminal, not for a log")]
    pub(crate) fn second(&self, interval: &Interval) {
        let second = interval.second() + 1;
        if self.every.is_some_and(|every| second.is_multiple_of(every)) {
            eprintln!("{}", line(second, interval));
        }
    }
}

fn line(second: u64, interval: &Interval) -> String {
    let (counts, latency) = (interval.counts(), &interval.times().latency);
    let mut text = format!(
        "{second:>5} s  offered {:>6}/s  done {:>6}/s  failed {:>6}/s  p50 {:>8}  p99 {:>8}",
        counts.arrivals.offered,
        counts.attempts.completed(),
        counts.arrivals.failed,
        millis(latency.quantile(0.5)),
        millis(latency.quantile(0.99)),
    );
    let worst = counts.faults.seen().max_by_key(|(_, seen)| seen.count);
    if let Some((fault, _)) = worst {
        text.push_str("  ");
        text.push_str(fault.id());
    }
    text
}

fn millis(micros: u64) -> String {
    let (whole, part) = (micros / 1_000, micros % 1_000 / 10);
    format!("{whole}.{part:02}ms")
}
