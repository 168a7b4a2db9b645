//! Merges what many workers report into one interval a second, in order.
//!
//! A second is ready when every worker has delivered it or a later one, or has
//! finished. A worker that stalls can hold back a bounded number of seconds;
//! then the oldest is released without it, and what it delivers for that second
//! later is counted in the oldest second still open. The totals take every
//! interval at once and are never behind.

use super::{Interval, Totals};
use std::collections::BTreeMap;

/// Seconds held back for a worker that stalls.
pub const PENDING_SECONDS: usize = 64;

/// Merges the intervals of a fixed number of workers.
#[derive(Debug)]
pub struct IntervalMerger {
    /// The last second each worker delivered.
    workers: Vec<WorkerProgress>,
    pending: BTreeMap<u64, Interval>,
    /// Seconds below this one have been released.
    open: u64,
    totals: Totals,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WorkerProgress {
    Started,
    Delivered(u64),
    Finished,
}

impl IntervalMerger {
    /// A fold over `workers` workers, numbered from 0.
    pub fn new(workers: usize) -> Self {
        Self {
            workers: vec![WorkerProgress::Started; workers],
            pending: BTreeMap::new(),
            open: 0,
            totals: Totals::default(),
        }
    }

    /// Takes one worker's interval; its seconds ascend. Returns the merged
    /// intervals that became ready, in order of second.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    pub fn add(&mut self, worker: usize, interval: &Interval) -> Vec<Interval> {
        self.totals.absorb(interval);
        let second = interval.second();
        if second < self.open {
            self.pending.entry(self.open).or_insert_with(|| Interval::new(self.open)).merge_history(interval);
        } else {
            self.pending.entry(second).or_insert_with(|| Interval::new(second)).merge(interval);
        }
        if self.workers[worker] != WorkerProgress::Finished {
            self.workers[worker] = WorkerProgress::Delivered(second);
        }
        self.release()
    }

    /// A worker will deliver nothing more and holds nothing back. Returns the
    /// merged intervals that became ready.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    pub fn finish(&mut self, worker: usize) -> Vec<Interval> {
        self.workers[worker] = WorkerProgress::Finished;
        self.release()
    }

    /// The sum of all that was added, whether released or not.
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Ends the fold: whatever was held back, in order, and the totals.
    pub fn close(mut self) -> (Vec<Interval>, Totals) {
        self.workers.fill(WorkerProgress::Finished);
        let rest = self.release();
        (rest, self.totals)
    }

    fn release(&mut self) -> Vec<Interval> {
        let complete = self.complete_through();
        let mut ready = Vec::new();
        while let Some(first) = self.pending.first_entry() {
            if Some(*first.key()) > complete && self.pending.len() <= PENDING_SECONDS {
                break;
            }
            let Some((second, interval)) = self.pending.pop_first() else { break };
            self.open = second.saturating_add(1);
            self.totals.raise_peak(&interval);
            ready.push(interval);
        }
        ready
    }

    /// The last second that is complete; `None` if none is.
    fn complete_through(&self) -> Option<u64> {
        let of_worker = |progress: &WorkerProgress| match *progress {
            WorkerProgress::Started => None,
            WorkerProgress::Delivered(second) => Some(second),
            WorkerProgress::Finished => Some(u64::MAX),
        };
        self.workers.iter().map(of_worker).min().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::super::interval::tests::{happenings, interval_of};
    use super::*;
    use proptest::prelude::*;

    fn one(second: u64) -> Interval {
        let mut interval = Interval::new(second);
        interval.offered();
        interval
    }

    /// The seconds that came out, each with the arrivals in it.
    fn shape(ready: &[Interval]) -> Vec<(u64, u64)> {
        ready.iter().map(|i| (i.second(), i.counts().arrivals.offered)).collect()
    }

    #[test]
    fn a_second_waits_for_every_worker() {
        let mut fold = IntervalMerger::new(2);
        assert!(fold.add(0, &one(0)).is_empty());
        assert!(fold.add(0, &one(1)).is_empty());
        assert_eq!(shape(&fold.add(1, &one(0))), [(0, 2)]);
        assert_eq!(shape(&fold.add(1, &one(2))), [(1, 1)]);
        assert_eq!(shape(&fold.finish(0)), [(2, 1)]);
        assert_eq!(fold.totals().counts.arrivals.offered, 4);
    }

    #[test]
    fn a_stalled_worker_holds_back_a_bounded_number_of_seconds() {
        let mut fold = IntervalMerger::new(2);
        let mut released = 0;
        for second in 0..1_000 {
            released += fold.add(0, &one(second)).len();
        }
        assert_eq!(released, 1_000 - PENDING_SECONDS);
        // What comes late is not lost.
        assert!(fold.add(1, &one(0)).is_empty());
        let (rest, totals) = fold.close();
        assert_eq!(shape(&rest)[0], (936, 2));
        assert_eq!(rest.len(), PENDING_SECONDS);
        assert_eq!(totals.counts.arrivals.offered, 1_001);
    }

    #[test]
    fn the_end_of_time_is_a_second_like_any_other() {
        let mut fold = IntervalMerger::new(1);
        assert_eq!(fold.add(0, &one(u64::MAX)).len() + fold.close().0.len(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn intervals_and_totals_tell_the_same(
            lists in prop::collection::vec((0..3_usize, happenings()), 0..9)
        ) {
            let mut fold = IntervalMerger::new(3);
            let mut next = [0; 3];
            let mut ready = Vec::new();
            for (worker, list) in &lists {
                ready.extend(fold.add(*worker, &interval_of(next[*worker], list)));
                next[*worker] += 1;
            }
            let (rest, totals) = fold.close();
            ready.extend(rest);
            prop_assert!(ready.is_sorted_by_key(Interval::second));
            let mut again = Totals::default();
            for interval in &ready {
                again.absorb(interval);
                again.raise_peak(interval);
            }
            prop_assert_eq!(again.counts, totals.counts);
            prop_assert_eq!(again.examples, totals.examples);
            prop_assert_eq!(again.peak, totals.peak);
            prop_assert_eq!(again.times.latency.count(), totals.times.latency.count());
        }
    }
}
