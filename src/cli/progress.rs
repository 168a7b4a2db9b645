//! How a run goes, on stderr, so that it is not silent.
//!
//! On a terminal it is a few lines that are drawn again and again; elsewhere a
//! line every ten seconds, which is what a build's log can hold.

mod live;
mod view;

pub(crate) use view::ExpectedLength;

use super::distinct::DistinctProgress;
use super::signals::{ENDING, ENDING_CHECK, Phases};
use downpour_core::fault::Fault;
use downpour_core::units::grouped;
use downpour_metrics::{Interval, Totals};
use downpour_report::micros;
use live::Live;
use std::env;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use view::ProgressSnapshot;

/// Seconds between two lines where nothing can be drawn.
const EVERY: u64 = 10;

/// Columns of a bar.
const BAR: usize = 24;

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// Nothing.
    Silent,
    /// A line now and then.
    Lines,
    /// What moves.
    Drawn,
}

impl Verbosity {
    /// What `--quiet` and `--no-progress` leave, on this stderr: a log, of a
    /// build above all, holds no moving pictures.
    pub(crate) fn of(quiet: bool, no_progress: bool) -> Self {
        let said = |name| env::var_os(name).filter(|value| !value.is_empty());
        let is_dumb = said("TERM").is_none_or(|term| term == "dumb");
        if quiet {
            Self::Silent
        } else if no_progress || is_dumb || said("CI").is_some() || !io::stderr().is_terminal() {
            Self::Lines
        } else {
            Self::Drawn
        }
    }
}

/// Tells how a run goes, from its intervals; the engine knows nothing of it.
/// What is drawn goes away with this.
#[derive(Debug)]
pub(crate) struct ProgressReporter {
    verbosity: Verbosity,
    style: ProgressStyle,
}

/// How it is told.
#[derive(Debug)]
enum ProgressStyle {
    /// A line about a second.
    Seconds,
    /// The last second and the run so far, drawn.
    Live(Live),
    /// How many are done, of those that are found so far: a line, or a bar that
    /// is drawn again and again in its line.
    Count(Arc<DistinctProgress>),
}

impl ProgressReporter {
    /// About the seconds of a run.
    pub(crate) fn by_the_second(voice: Verbosity, expected: ExpectedLength, phases: &Phases) -> Self {
        if voice == Verbosity::Lines && !expected.warmup.is_zero() {
            super::print_message(&format!("warming up for {:?}: nothing is counted yet", expected.warmup));
        }
        let live = (voice == Verbosity::Drawn).then(|| Live::start(expected, phases.phase.clone())).flatten();
        if voice != Verbosity::Silent && live.is_none() {
            phases.signal_notice.enable(ENDING);
        }
        Self { verbosity: voice, style: live.map_or(ProgressStyle::Seconds, ProgressStyle::Live) }
    }

    /// About a run that ends when all that is `found` is done.
    pub(super) fn by_count(voice: Verbosity, found: Arc<DistinctProgress>, phases: &Phases) -> Self {
        if voice != Verbosity::Silent {
            phases.signal_notice.enable(ENDING_CHECK);
        }
        Self { verbosity: voice, style: ProgressStyle::Count(found) }
    }

    /// A second of the run is complete.
    pub(crate) fn second(&self, interval: &Interval, totals: &Totals) {
        let second = interval.second() + 1;
        let has_a_line = self.verbosity != Verbosity::Silent && second.is_multiple_of(EVERY);
        match &self.style {
            ProgressStyle::Live(live) => live.second(ProgressSnapshot::of(interval, totals)),
            ProgressStyle::Count(found) if self.verbosity == Verbosity::Drawn => {
                let done = CheckProgress::of(totals, found);
                draw(&format!("[{}] {}", done.bar(), done.text()));
            }
            ProgressStyle::Seconds if has_a_line => super::print_message(&line(second, interval)),
            ProgressStyle::Count(found) if has_a_line => {
                super::print_message(&format!(
                    "after {second:>4} s: {}",
                    CheckProgress::of(totals, found).text()
                ));
            }
            ProgressStyle::Seconds | ProgressStyle::Count(_) => {}
        }
    }
}

impl Drop for ProgressReporter {
    fn drop(&mut self) {
        if self.verbosity == Verbosity::Drawn && matches!(self.style, ProgressStyle::Count(_)) {
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
struct CheckProgress {
    done: u64,
    failed: u64,
    found: u64,
    whole: bool,
}

impl CheckProgress {
    fn of(totals: &Totals, found: &DistinctProgress) -> Self {
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

    fn text(self) -> String {
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
        "second {second:>4}: offered {:>6}  done {:>6}  wrong {:>6}  failed {:>6}  p99 {p99:>7}",
        grouped(counts.arrivals.offered),
        grouped(counts.attempts.completed()),
        grouped(counts.wrong_attempts.total()),
        grouped(counts.arrivals.failed),
    );
    // What clients try again is wrong all the same; what was never sent has no attempt.
    let of_all = |&fault: &Fault| counts.wrong_attempts.get(fault).count.max(counts.faults.get(fault).count);
    let worst = Fault::ALL.iter().max_by_key(|&fault| of_all(fault)).filter(|&fault| of_all(fault) > 0);
    if let Some(fault) = worst {
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
        let progress = CheckProgress { done, failed: 1, found, whole };
        assert_eq!((progress.bar().as_str(), progress.text().as_str()), (bar, told));
    }

    #[test]
    fn a_bar_is_full_when_all_is_done_and_not_before() {
        check(0, 0, false, "------------------------", "0 of 0 found so far, 1 failed");
        check(1_000, 2_000, false, "############------------", "1,000 of 2,000 found so far, 1 failed");
        check(1_999, 2_000, true, "#######################-", "1,999 of 2,000, 1 failed");
        check(2_000, 2_000, true, "########################", "2,000 of 2,000, 1 failed");
    }
}
