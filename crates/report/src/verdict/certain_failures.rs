//! What stands although the load or the timing of a run is not valid.
//!
//! A generator that is late spoils times. It does not make a candidate answer
//! 503, and a redirect to a host that does not exist is wrong at any lateness.
//! So each reason for an invalid run says what it puts in question, and each
//! failure that this cannot have caused still counts.

use super::InvalidReason;
use crate::threshold::{CountMeasure, Measure, Relation};
use crate::{Assessment, Plan, Reason, Threshold, ThresholdLine};
use downpour_core::fault::Fault;
use downpour_core::units::approximate;
use downpour_metrics::{Counts, Totals};

/// What a reason for an invalid run puts in question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InvalidityScope {
    /// When requests were sent, and so all times.
    Timing,
    /// Whether the load was the one asked for, and so times and rates.
    Load,
    /// Whether everything was checked.
    Coverage,
    /// Whether anything was judged by what the operator demands.
    Demands,
}

impl InvalidityScope {
    /// What the reason of that id puts in question; for one that another
    /// version gave, the most.
    pub(crate) fn of(id: &str) -> Self {
        InvalidReason::from_id(id).map_or(Self::Load, InvalidReason::question)
    }

    /// Whether times and rates of such a run say nothing of the candidate.
    pub(crate) const fn invalidates_times(self) -> bool {
        matches!(self, Self::Timing | Self::Load)
    }
}

/// Which failures of an invalid run may be the generator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Excuses {
    /// Timeouts: requests were sent late by a share of the timeout that may
    /// have made the difference.
    timeouts: bool,
}

impl Excuses {
    pub(super) fn of(reasons: &[Reason], totals: &Totals, plan: &Plan) -> Self {
        let asks = |question| reasons.iter().any(|reason| InvalidityScope::of(&reason.id) == question);
        let late_s = approximate(totals.times.lateness.max()) / 1e6;
        Self { timeouts: asks(InvalidityScope::Timing) && late_s >= plan.timeout_s / 10.0 }
    }

    /// Whether a failure of this fault proves nothing of the candidate.
    pub(super) fn excuse(self, fault: Fault) -> bool {
        // What ended the session is counted under its own name.
        fault.is_generator_fault() || fault == Fault::ClientAborted || self.timeouts && fault.is_timeout()
    }

    /// Failed arrivals that stand.
    pub(super) fn certain_failures(self, counts: &Counts) -> u64 {
        failed_of(counts, |fault| !self.excuse(fault))
    }
}

/// Marks the broken thresholds that were not kept for certain.
pub(super) fn marked(assessment: &Assessment, counts: &Counts, excuses: Excuses) -> Vec<ThresholdLine> {
    let mut lines = assessment.lines.clone();
    for (line, threshold) in lines.iter_mut().zip(&assessment.thresholds) {
        line.broken_for_certain =
            !line.passed && line.value.is_some() && is_certain(threshold, counts, excuses);
    }
    lines
}

/// Whether a broken threshold would be broken even if all that is not known or
/// may be excused had been good. Times and rates never are.
fn is_certain(threshold: &Threshold, counts: &Counts, excuses: Excuses) -> bool {
    let (Measure::Count(counted) | Measure::Share(counted)) = threshold.measure() else { return false };
    let is_ceiling =
        matches!(counted, CountMeasure::Failed | CountMeasure::Fault(_) | CountMeasure::Family(_));
    if !is_ceiling && !matches!(counted, CountMeasure::Good | CountMeasure::Passed) {
        return false;
    }
    let is_of = |fault: Fault| {
        counted == CountMeasure::Failed
            || counted == CountMeasure::Fault(fault)
            || counted == CountMeasure::Family(fault.family())
    };
    let arrivals = &counts.arrivals;
    let (part, doubtful) = if is_ceiling {
        let outcomes = failed_of(counts, |fault| is_of(fault) && !excuses.excuse(fault));
        // An arrival may have been found to have others besides its outcome.
        let found = if let CountMeasure::Fault(fault) = counted
            && !excuses.excuse(fault)
        {
            counts.found.get(fault).count
        } else {
            0
        };
        (outcomes.max(found), failed_of(counts, |fault| is_of(fault) && excuses.excuse(fault)))
    } else {
        let unknown = arrivals.shed + arrivals.unfinished + failed_of(counts, |fault| excuses.excuse(fault));
        let recovered = if counted == CountMeasure::Good { arrivals.recovered } else { 0 };
        (arrivals.passed + recovered + unknown, unknown)
    };
    // The parts of a window are not known any more.
    if threshold.over_s().is_some() {
        return doubtful == 0;
    }
    let is_share = matches!(threshold.measure(), Measure::Share(_));
    let whole = if is_share { arrivals.settled().max(1) } else { 1 };
    let value = approximate(part) / approximate(whole);
    let beyond = if is_ceiling { value > threshold.bound() } else { value < threshold.bound() };
    let is_bound = if is_ceiling { threshold.is_ceiling() } else { threshold.is_floor() };
    is_bound && !threshold.holds(value) && (beyond || threshold.relation() != Relation::Is)
}

fn failed_of(counts: &Counts, is_one: impl Fn(Fault) -> bool) -> u64 {
    counts.faults.seen().filter(|(fault, _)| is_one(*fault)).map(|(_, entry)| entry.count).sum()
}
