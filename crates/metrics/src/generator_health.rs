//! What held the workers themselves back: their processor, or their reader.
//!
//! Both are weighed in arrivals, not in time: a worker that is saturated for
//! one burst in a quiet hour has spoiled all that was measured.

use std::time::Duration;

/// The share of a second, in thousandths, from which on a worker that was busy
/// counts as saturated. What is left is less than the cost of a few wake-ups.
pub const SATURATED_PERMILLE: u64 = 950;

/// How busy one worker was, from one reading of its clocks to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuSample {
    /// Processor time of its thread, without what it spent waiting awake for a
    /// due time.
    pub busy: Duration,
    /// Time that passed.
    pub wall: Duration,
    /// Arrivals it released meanwhile.
    pub arrivals: u64,
}

impl CpuSample {
    /// The busy share in thousandths; 0 of no time.
    fn permille(&self) -> u64 {
        let share = (self.busy.as_nanos() * 1_000).checked_div(self.wall.as_nanos()).unwrap_or(0);
        u64::try_from(share).unwrap_or(u64::MAX)
    }
}

/// What held workers back. Sums and maxima: it merges in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GeneratorHealth {
    /// The busiest second of a worker, in thousandths; `None` where no second
    /// was measured.
    pub busy_permille_max: Option<u64>,
    /// Arrivals that were released in seconds in which their worker was
    /// saturated.
    pub saturated_arrivals: u64,
    /// For how long workers had nothing in hand though something was due.
    pub trace_lag: Duration,
    /// Arrivals that reached their worker after they were due.
    pub trace_lag_arrivals: u64,
}

impl GeneratorHealth {
    /// A worker has read its clocks.
    pub(super) fn add_cpu_sample(&mut self, lap: &CpuSample) {
        let permille = lap.permille();
        self.busy_permille_max = self.busy_permille_max.max(Some(permille));
        if permille >= SATURATED_PERMILLE {
            self.saturated_arrivals += lap.arrivals;
        }
    }

    /// A worker that had run out of arrivals got some that were due already.
    pub(super) fn add_trace_lag(&mut self, time: Duration, arrivals: u64) {
        self.trace_lag = self.trace_lag.saturating_add(time);
        self.trace_lag_arrivals += arrivals;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.busy_permille_max = self.busy_permille_max.max(other.busy_permille_max);
        self.saturated_arrivals += other.saturated_arrivals;
        self.add_trace_lag(other.trace_lag, other.trace_lag_arrivals);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(laps: &[(u64, u64)], permille: Option<u64>, saturated: u64) {
        let mut strain = GeneratorHealth::default();
        for &(busy_ms, wall_ms) in laps {
            let mut of_worker = GeneratorHealth::default();
            let (busy, wall) = (Duration::from_millis(busy_ms), Duration::from_millis(wall_ms));
            of_worker.add_cpu_sample(&CpuSample { busy, wall, arrivals: 10 });
            strain.merge(&of_worker);
        }
        assert_eq!((strain.busy_permille_max, strain.saturated_arrivals), (permille, saturated), "{laps:?}");
    }

    #[test]
    fn a_worker_without_room_to_breathe_is_saturated() {
        check(&[], None, 0);
        check(&[(0, 0)], Some(0), 0);
        check(&[(949, 1_000), (0, 1_000)], Some(949), 0);
        check(&[(950, 1_000), (10, 1_000), (1_000, 1_000)], Some(1_000), 20);
        // A reading that came late is judged by the time that passed.
        check(&[(2_900, 3_000)], Some(966), 10);
        check(&[(1_000, 3_000)], Some(333), 0);
    }
}
