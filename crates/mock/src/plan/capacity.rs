//! What a service can do at most: so many answers a second, one after the
//! other, with a queue in front.
//!
//! Pure: time comes in, turns come out. The work that can be done up to a moment
//! is a sum over spans of constant capacity, so that what was queued before a
//! loss of capacity takes longer from then on, and what is left of the queue
//! after it is still there. A client that hangs up has its answer made all the
//! same: that is what keeps an overloaded service down.

use super::{FaultKind, PlanError, PlannedFault};
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

/// How much a service can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capacity {
    /// Answers a second; none where all is lost for a time.
    pub per_second: u32,
    /// Requests that may wait while one is being answered; one more is refused.
    pub queue: u32,
}

impl FromStr for Capacity {
    type Err = PlanError;

    /// `RPS:QUEUE`.
    fn from_str(text: &str) -> Result<Self, PlanError> {
        let parsed = text.split_once(':').and_then(|(per_second, queue)| {
            let per_second: NonZeroU32 = per_second.parse().ok()?;
            Some(Self { per_second: per_second.get(), queue: queue.parse().ok()? })
        });
        parsed.ok_or_else(|| PlanError::Capacity(text.to_owned()))
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.per_second, self.queue)
    }
}

/// One answer, in units of work: a capacity of one a second does one unit in a
/// nanosecond.
const WORK_PER_ANSWER: u128 = 1_000_000_000;

/// What nothing is said of: more than anybody can ask for.
const UNLIMITED: u32 = u32::MAX;

/// A time of constant capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CapacitySpan {
    /// In nanoseconds since the first request.
    from: u128,
    /// The work that can be done before it.
    before: u128,
    per_second: u32,
    queue: u32,
}

/// A service of bounded capacity, and what it has taken on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapacityQueue {
    spans: Vec<CapacitySpan>,
    /// The work that has been taken on, done or not.
    accepted_work: u128,
}

/// What becomes of a request at a [`CapacityQueue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapacityDecision {
    /// Its answer is ready then, counted from the first request.
    ReadyAt(Duration),
    /// The queue is full.
    Full,
}

impl CapacityQueue {
    /// The service that has these capacities, of which the first whose window is
    /// open holds; `None` where none is planned.
    pub fn of(faults: &[PlannedFault]) -> Option<Self> {
        let planned: Vec<_> = faults
            .iter()
            .filter_map(|fault| match fault.kind {
                FaultKind::Capacity(capacity) => Some((capacity, fault.window)),
                FaultKind::Location(_)
                | FaultKind::Status(_)
                | FaultKind::Answer(_)
                | FaultKind::Wire(_)
                | FaultKind::Store(_)
                | FaultKind::Delay(_) => None,
            })
            .collect();
        if planned.is_empty() {
            return None;
        }
        let ends = planned.iter().flat_map(|(_, window)| [Some(window.start()), window.end()]);
        let mut borders: Vec<Duration> = ends.flatten().chain([Duration::ZERO]).collect();
        borders.sort_unstable();
        borders.dedup();
        let mut spans: Vec<CapacitySpan> = Vec::with_capacity(borders.len());
        for border in borders {
            let capacity = planned.iter().find(|(_, window)| window.contains(border)).map(|(of, _)| of);
            let from = border.as_nanos();
            let before = spans.last().map_or(0, |last| last.done(from));
            let per_second = capacity.map_or(UNLIMITED, |capacity| capacity.per_second);
            spans.push(CapacitySpan {
                from,
                before,
                per_second,
                queue: capacity.map_or(u32::MAX, |of| of.queue),
            });
        }
        Some(Self { spans, accepted_work: 0 })
    }

    /// Takes a request on that comes `elapsed` after the first one.
    pub fn admit(&mut self, elapsed: Duration) -> CapacityDecision {
        let now = elapsed.as_nanos();
        let span = self.spans.iter().rev().find(|span| span.from <= now).unwrap_or(&self.spans[0]);
        let done = span.done(now);
        let begins = self.accepted_work.max(done);
        if (begins - done).div_ceil(WORK_PER_ANSWER) > u128::from(span.queue) {
            return CapacityDecision::Full;
        }
        self.accepted_work = begins + WORK_PER_ANSWER;
        CapacityDecision::ReadyAt(self.ready_at(self.accepted_work))
    }

    /// When that much work has been done.
    fn ready_at(&self, work: u128) -> Duration {
        let span = self.spans.iter().rev().find(|span| span.before < work).unwrap_or(&self.spans[0]);
        // Nothing is done in a span without capacity; if it is the last one,
        // this is for ever.
        let nanos = match u128::from(span.per_second) {
            0 => u128::MAX,
            rate => span.from + (work - span.before).div_ceil(rate),
        };
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl CapacitySpan {
    /// The work that can be done up to `now`, which is not before it.
    fn done(&self, now: u128) -> u128 {
        self.before + (now - self.from) * u128::from(self.per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn desk(faults: &[&str]) -> CapacityQueue {
        let faults: Vec<PlannedFault> = faults.iter().map(|text| text.parse().unwrap()).collect();
        CapacityQueue::of(&faults).unwrap()
    }

    /// When requests that come at these milliseconds are answered; `None` for
    /// those that are refused.
    #[track_caller]
    fn check(faults: &[&str], at_ms: &[u64], expected_ms: &[Option<u64>]) {
        let mut desk = desk(faults);
        let turn = |&ms: &u64| match desk.admit(Duration::from_millis(ms)) {
            CapacityDecision::ReadyAt(at) => Some(u64::try_from(at.as_nanos().div_ceil(1_000_000)).unwrap()),
            CapacityDecision::Full => None,
        };
        let found: Vec<_> = at_ms.iter().map(turn).collect();
        assert_eq!(found, expected_ms, "{faults:?}");
    }

    #[test]
    fn one_is_answered_after_the_other_and_the_queue_has_an_end() {
        check(&["capacity:100:2"], &[0, 0, 0, 0], &[Some(10), Some(20), Some(30), None]);
        check(&["capacity:100:2"], &[0, 0, 0, 11, 50], &[Some(10), Some(20), Some(30), Some(40), Some(60)]);
        check(&["capacity:100:0"], &[0, 5, 10], &[Some(10), None, Some(20)]);
    }

    #[test]
    fn a_loss_makes_what_waits_wait_longer_and_leaves_its_queue_behind() {
        // Of the second answer half is done when ten times as much begins to be
        // asked of it, and the loss lasts for 100 ms.
        let plan = ["capacity:10:9@15ms..115ms", "capacity:100:9"];
        check(&plan, &[0, 0, 0], &[Some(10), Some(65), Some(120)]);
        check(&plan, &[0, 20, 20, 130], &[Some(10), Some(116), Some(126), Some(140)]);
        // Before and after, nothing is said.
        check(
            &["capacity:1:9@1s..2s"],
            &[0, 500, 1_000, 1_001, 2_500],
            &[Some(1), Some(501), Some(2_000), Some(2_001), Some(2_501)],
        );
    }

    proptest! {
        #[test]
        fn turns_are_in_order_and_never_faster_than_the_capacity(
            mut at in proptest::collection::vec(0_u64..5_000, 1..200),
            rate in 1_u32..2_000,
        ) {
            at.sort_unstable();
            let mut desk = desk(&[&format!("capacity:{rate}:50")]);
            let mut last = Duration::ZERO;
            for ms in at {
                if let CapacityDecision::ReadyAt(turn) = desk.admit(Duration::from_millis(ms)) {
                    let gap = Duration::from_secs(1) / rate;
                    prop_assert!(turn + Duration::from_nanos(1) >= (last + gap).max(Duration::from_millis(ms) + gap));
                    last = turn;
                }
            }
        }
    }
}
