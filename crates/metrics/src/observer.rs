//! Who sees a run while it lasts, and what it leaves behind: the same for a run
//! that was sent and one that was simulated.

use super::{Interval, Totals};
use downpour_core::units::Offset;
use downpour_load::schedule::ScheduleCounts;
use downpour_trace::TraceAccounting;
use std::time::Duration;

/// Sees each second of a run as it is complete.
pub trait Observer {
    /// `interval` is the whole run's second, counted from the end of the
    /// warm-up; `totals` everything up to it.
    fn second(&mut self, interval: &Interval, totals: &Totals);
}

/// What a run leaves behind.
#[derive(Debug)]
pub struct RunEnd {
    /// The sum of all intervals.
    pub totals: Totals,
    /// Where the lines of the trace went.
    pub accounting: TraceAccounting,
    /// Requests that the trace handed out and that were never released.
    pub unreleased: u64,
    /// What the schedule left out and added.
    pub scheduled: ScheduleCounts,
    /// When the last released arrival was due.
    pub last_due: Offset,
    /// From the first due time to the last outcome.
    pub wall: Duration,
    /// Processor time of the workers and the feeder.
    pub cpu: Duration,
    /// Whether the run was stopped before its trace or window ended.
    pub interrupted: bool,
    /// What went wrong in reading the trace and did not end the run.
    pub notices: Vec<String>,
    /// Why it ended early, where that was nobody's wish.
    pub failures: Vec<String>,
}
