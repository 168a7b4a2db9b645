//! What a warm-up holds: sent like the rest of a run, counted apart from it.
//!
//! Enough to balance the books and to see whether it went well; no times, no
//! faults by kind, no redirects, since nobody may take them for results.

use super::{ArrivalCounts, AttemptCounts};

/// Arrivals that were due before the warm-up ended, whenever they were over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WarmupCounts {
    /// By fate.
    pub arrivals: ArrivalCounts,
    /// Their attempts by end.
    pub attempts: AttemptCounts,
    /// Connections opened before it ended.
    pub connections_opened: u64,
}

impl WarmupCounts {
    pub(super) fn merge(&mut self, other: &Self) {
        self.arrivals.merge(&other.arrivals);
        self.attempts.merge(&other.attempts);
        self.connections_opened += other.connections_opened;
    }
}
