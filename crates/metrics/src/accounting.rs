//! The books of a run: nothing appears, nothing disappears.
//!
//! Lines, records, arrivals, attempts and redirects are each conserved, by
//! reason. Closing the books checks every equation, in release builds too; one
//! that does not balance is our own mistake, and its message names both sides.

use super::{ArrivalCounts, AttemptCounts, Counts, Totals};
use downpour_trace::TraceAccounting;
use downpour_verify::Tier;

/// Closed books: the part of a run's counts that the tally itself cannot know.
///
/// Invariant: together with the totals they were closed over, every equation of
/// a run balances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounting {
    trace: Option<TraceAccounting>,
    adjustments: ArrivalAdjustments,
    outstanding: u64,
    outstanding_of_warmup: u64,
}

/// How the trace and the arrivals differ: records that never became arrivals,
/// and arrivals that are no records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArrivalAdjustments {
    /// Left out by `--sample`.
    pub sampled_out: u64,
    /// Not released, because the window of the run ended first.
    pub unreleased: u64,
    /// Copies that `--amplify` added and that were handed out.
    pub amplified: u64,
}

/// An equation of the books that does not balance: a mistake of this program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the accounting does not add up: {left_is} = {left}, but {right_is} = {right}")]
pub struct Imbalance {
    left_is: &'static str,
    left: u64,
    right_is: &'static str,
    right: u64,
}

impl Accounting {
    /// Closes the books of a run that is over.
    pub fn close(
        trace: TraceAccounting,
        left_out: ArrivalAdjustments,
        totals: &Totals,
    ) -> Result<Self, Imbalance> {
        let ArrivalAdjustments { sampled_out, unreleased, amplified } = left_out;
        let skipped: u64 = trace.skipped.values().sum();
        let rejected: u64 = trace.rejected.values().sum();
        let filtered: u64 = trace.filtered.values().sum();
        let (arrivals, warmup) = (&totals.counts.arrivals, &totals.counts.warmup.arrivals);
        balance(
            ("lines read", trace.read),
            ("accepted + skipped + rejected", trace.accepted + skipped + rejected),
        )?;
        balance(
            ("records accepted + amplified", trace.accepted + amplified),
            (
                "offered + offered in the warm-up + filtered + sampled out + out of window + late",
                (arrivals.offered + warmup.offered + filtered + sampled_out)
                    + (trace.undelivered + unreleased + trace.late),
            ),
        )?;
        balance(
            ("arrivals offered", arrivals.offered),
            ("passed + recovered + failed + shed + unfinished", arrivals.settled()),
        )?;
        balance(
            ("arrivals offered in the warm-up", warmup.offered),
            ("passed + recovered + failed + shed + unfinished", warmup.settled()),
        )?;
        let (catalog, redirects) = (&totals.counts.catalog, totals.counts.redirects.seen);
        let looked_up = catalog.listed + catalog.missing + catalog.unnamed;
        // Without a catalogue nothing is looked up.
        if looked_up > 0 {
            balance(("redirects seen", redirects), ("listed + missing + unnamed", looked_up))?;
        }
        check_events(totals)?;
        Ok(Self { trace: Some(trace), adjustments: left_out, outstanding: 0, outstanding_of_warmup: 0 })
    }

    /// Books of a run that still goes on. Lines and records are not known yet;
    /// arrivals without a fate count as cut, as they would be if the run ended
    /// here.
    pub fn so_far(totals: &Totals) -> Result<Self, Imbalance> {
        check_events(totals)?;
        Ok(Self {
            trace: None,
            adjustments: ArrivalAdjustments::default(),
            outstanding: outstanding("arrivals offered", &totals.counts.arrivals)?,
            outstanding_of_warmup: outstanding(
                "arrivals offered in the warm-up",
                &totals.counts.warmup.arrivals,
            )?,
        })
    }

    /// Where lines and records went; `None` while the run goes on.
    pub const fn trace(&self) -> Option<&TraceAccounting> {
        self.trace.as_ref()
    }

    /// Records left out by `--sample`.
    pub const fn sampled_out(&self) -> u64 {
        self.adjustments.sampled_out
    }

    /// Copies that `--amplify` added.
    pub const fn amplified(&self) -> u64 {
        self.adjustments.amplified
    }

    /// Records, and copies of them, that lie outside the window of the run.
    pub fn out_of_window(&self) -> u64 {
        self.adjustments.unreleased + self.trace.as_ref().map_or(0, |trace| trace.undelivered)
    }

    /// Arrivals that have no fate yet; 0 once closed.
    pub const fn outstanding(&self) -> u64 {
        self.outstanding
    }

    /// The same of those that were due in the warm-up.
    pub const fn outstanding_of_warmup(&self) -> u64 {
        self.outstanding_of_warmup
    }
}

/// Arrivals that have no fate yet. A worker reports an arrival's release before
/// its fate, so there are never less than none.
fn outstanding(offered_is: &'static str, arrivals: &ArrivalCounts) -> Result<u64, Imbalance> {
    let outstanding = arrivals.offered.saturating_sub(arrivals.settled());
    balance(
        (offered_is, arrivals.offered),
        ("passed + recovered + failed + shed + unfinished + outstanding", arrivals.settled() + outstanding),
    )?;
    Ok(outstanding)
}

/// The equations that hold at every moment, since each event is counted on both
/// sides at once.
fn check_events(totals: &Totals) -> Result<(), Imbalance> {
    let (counts, times) = (&totals.counts, &totals.times);
    let (arrivals, attempts, redirects) = (&counts.arrivals, &counts.attempts, &counts.redirects);
    check_attempts("attempts", attempts)?;
    check_attempts("attempts of the warm-up", &counts.warmup.attempts)?;
    balance(("arrivals failed", arrivals.failed), ("faults of arrivals", counts.faults.total()))?;
    for (fault, entry) in counts.faults.seen() {
        let found = counts.found.get(fault).count;
        balance(
            ("arrivals that failed with a fault", entry.count),
            ("those of them that have it", entry.count.min(found)),
        )?;
    }
    balance(
        ("arrivals recovered", arrivals.recovered),
        ("arrivals saved by retries, by fault", counts.saved_by_retries.total()),
    )?;
    balance(
        ("arrivals passed and recovered", arrivals.passed + arrivals.recovered),
        ("good latencies", times.latency.count()),
    )?;
    check_mix(counts)?;
    balance(("arrivals failed", arrivals.failed), ("failed latencies", times.latency_failed.count()))?;
    for tier in Tier::ALL {
        balance(
            ("redirects seen", redirects.seen),
            (
                "checked + broken + unchecked at a tier",
                redirects.checked(tier) + redirects.broken(tier) + redirects.unchecked_total(tier),
            ),
        )?;
    }
    let hosts: u64 = counts.hosts.known().map(|(_, host)| host.redirects).sum();
    balance(
        ("redirects seen", redirects.seen),
        ("redirects by host", hosts + counts.hosts.others() + counts.hosts.home() + counts.hosts.without()),
    )
}

/// Where clients are told apart, all that happened was done by one of them.
fn check_mix(counts: &Counts) -> Result<(), Imbalance> {
    if counts.clients.is_empty() {
        return Ok(());
    }
    let sum = counts.clients.sum();
    balance(("arrivals offered", counts.arrivals.offered), ("those of all clients", sum.arrivals.offered))?;
    balance(
        ("arrivals that ended", counts.arrivals.settled()),
        ("those of all clients", sum.arrivals.settled()),
    )?;
    balance(("attempts", counts.attempts.total()), ("those of all clients", sum.first + sum.retries))
}

fn check_attempts(attempts_are: &'static str, attempts: &AttemptCounts) -> Result<(), Imbalance> {
    balance(
        (attempts_are, attempts.total()),
        (
            "statuses + faults + unfinished",
            attempts.completed() + attempts.faults.total() + attempts.unfinished,
        ),
    )
}

fn balance(
    (left_is, left): (&'static str, u64),
    (right_is, right): (&'static str, u64),
) -> Result<(), Imbalance> {
    if left == right { Ok(()) } else { Err(Imbalance { left_is, left, right_is, right }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval::tests::{happenings, interval_of};
    use crate::{ArrivalOutcome, Interval};
    use downpour_core::units::Offset;
    use proptest::prelude::*;

    const LEFT_OUT: ArrivalAdjustments = ArrivalAdjustments { sampled_out: 1, unreleased: 2, amplified: 3 };

    fn trace(offered: u64) -> TraceAccounting {
        TraceAccounting {
            read: offered + 7,
            accepted: offered + 4,
            skipped: [("header", 2)].into(),
            rejected: [("bad_timestamp", 1)].into(),
            filtered: [("method", 1)].into(),
            late: 1,
            undelivered: 2,
            ..TraceAccounting::default()
        }
    }

    fn totals_of(intervals: &[Interval]) -> Totals {
        let mut totals = Totals::default();
        for interval in intervals {
            totals.absorb(interval);
        }
        totals
    }

    #[track_caller]
    fn check(trace: TraceAccounting, spoil: fn(&mut Totals), message: &str) {
        let mut interval = Interval::new(0);
        interval.offered();
        interval.arrival(ArrivalOutcome::Passed, Offset::ZERO, Offset::ZERO);
        let mut totals = totals_of(&[interval]);
        spoil(&mut totals);
        let found =
            Accounting::close(trace, LEFT_OUT, &totals).map_or_else(|e| e.to_string(), |_| "balanced".into());
        assert!(found.contains(message), "{found}");
    }

    #[test]
    fn both_sides_of_a_broken_equation_are_named() {
        check(trace(1), |_| {}, "balanced");
        check(
            TraceAccounting { read: 9, ..trace(1) },
            |_| {},
            "lines read = 9, but accepted + skipped + rejected = 8",
        );
        check(
            TraceAccounting { late: 2, ..trace(1) },
            |_| {},
            "records accepted + amplified = 8, but offered",
        );
        check(trace(1), |t| t.counts.arrivals.shed += 1, "arrivals offered = 1, but passed");
        check(
            trace(1),
            |t| t.counts.attempts.retries += 1,
            "attempts = 1, but statuses + faults + unfinished = 0",
        );
        check(
            trace(1),
            |t| t.counts.warmup.arrivals.offered += 1,
            "records accepted + amplified = 8, but offered + offered in the warm-up",
        );
        check(
            trace(2),
            |t| t.counts.warmup.arrivals.offered += 1,
            "arrivals offered in the warm-up = 1, but passed",
        );
        check(
            trace(1),
            |t| t.counts.warmup.attempts.first += 1,
            "attempts of the warm-up = 1, but statuses + faults + unfinished = 0",
        );
        check(trace(1), |t| t.counts.redirects.seen += 1, "redirects seen = 1, but checked + broken");
        check(
            trace(1),
            |t| t.counts.catalog.unnamed += 1,
            "redirects seen = 0, but listed + missing + unnamed = 1",
        );
    }

    #[test]
    fn while_a_run_goes_on_arrivals_without_a_fate_are_outstanding() {
        let mut interval = Interval::new(0);
        interval.offered();
        let mut totals = totals_of(&[interval]);
        let books = Accounting::so_far(&totals).unwrap();
        assert_eq!((books.outstanding(), books.trace()), (1, None));
        totals.counts.arrivals.shed += 2;
        assert!(Accounting::so_far(&totals).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn whatever_happens_the_books_balance(a in happenings(), b in happenings()) {
            let mut totals = Totals::default();
            totals.absorb(&interval_of(0, &a));
            totals.absorb(&interval_of(1, &b));
            let offered = (a.len() + b.len()) as u64;
            let books = Accounting::close(trace(offered), LEFT_OUT, &totals);
            prop_assert_eq!(books.map(|books| books.out_of_window()), Ok(4));
        }
    }
}
