//! Records put in order of arrival, within a window.
//!
//! Logs are written when an exchange ends, by many machines, so their lines
//! are out of order. A record waits here until no line that is still expected
//! can be older. One that is older than what was already handed out is late:
//! to send it at once would add load that was never there.

use super::TraceRequest;
use super::pending_record::{PackedRecord, PendingRecord, RecordArena};
use downpour_core::units::Stamp;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// A record that came too late to be put in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LateRecord;

/// The waiting room: a heap for each second, oldest first.
///
/// One heap of all would be deep and lie all over the memory; one for each
/// second fits into a cache, and is thrown away whole.
#[derive(Debug, Default)]
pub(crate) struct ReorderBuffer {
    seconds: BTreeMap<i64, SecondHeap>,
    /// The room of the second that ended last. Seconds end as fast as they
    /// begin, so that nothing need be allocated, and an allocator never gets to
    /// scatter what is left between blocks of all sizes.
    spare: Option<SecondHeap>,
    waiting: usize,
    bytes: usize,
    last_released: Option<Stamp>,
}

/// The requests of one second; never without any.
#[derive(Debug, Default)]
struct SecondHeap {
    heap: BinaryHeap<Reverse<PackedRecord>>,
    arena: RecordArena,
}

impl ReorderBuffer {
    /// Puts a record in its place, unless a younger one is already gone. One
    /// of the same instant is not late.
    pub(crate) fn push(&mut self, held: &PendingRecord<'_>) -> Result<(), LateRecord> {
        if self.last_released.is_some_and(|newest| held.start < newest) {
            return Err(LateRecord);
        }
        self.waiting += 1;
        self.bytes += held.target.len();
        let second = self.seconds.entry(held.start.epoch_second());
        let second = second.or_insert_with(|| self.spare.take().unwrap_or_default());
        let packed = second.arena.pack(held);
        second.heap.push(Reverse(packed));
        Ok(())
    }

    /// The oldest record, if it arrived at or before `due`.
    pub(crate) fn pop_until(&mut self, due: Stamp) -> Option<TraceRequest> {
        self.oldest().filter(|oldest| *oldest <= due)?;
        self.pop()
    }

    /// The oldest record.
    pub(crate) fn pop(&mut self) -> Option<TraceRequest> {
        let mut entry = self.seconds.first_entry()?;
        let SecondHeap { heap, arena: shelf } = entry.get_mut();
        let Reverse(packed) = heap.pop()?;
        let request = shelf.unpack(&packed).to_request();
        self.waiting -= 1;
        self.bytes -= packed.target_len();
        self.last_released = Some(packed.start());
        shelf.release(&packed);
        if heap.is_empty() {
            shelf.clear();
            self.spare = Some(entry.remove());
        } else if shelf.is_fragmented() {
            let mut left = std::mem::take(heap).into_vec();
            shelf.compact(left.iter_mut().map(|Reverse(packed)| packed));
            *heap = left.into();
        }
        Some(request)
    }

    /// When the oldest record arrived.
    pub(crate) fn oldest(&self) -> Option<Stamp> {
        let (_, second) = self.seconds.first_key_value()?;
        second.heap.peek().map(|Reverse(packed)| packed.start())
    }

    /// How many records wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    /// How many bytes the targets of the waiting records have. Those of the
    /// records handed out from the same seconds are kept for a while, so there
    /// may be twice as many in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::Method;
    use downpour_core::agent::ClientKind;
    use proptest::prelude::*;

    /// What a record is asked for that nobody looks at the target of.
    pub(crate) fn record_at(start: i64, input: u32, line: u64) -> PendingRecord<'static> {
        let start = Stamp::from_nanos(start);
        PendingRecord {
            start,
            input,
            line,
            method: Method::Get,
            status: None,
            client: None,
            kind: ClientKind::NONE,
            target: b"/",
        }
    }

    proptest! {
        #[test]
        fn what_comes_out_is_in_order_and_nothing_is_lost(
            starts in proptest::collection::vec((-50_i64..50, 0_u32..3), 0..100),
            window in 0_i64..30,
        ) {
            let mut order = ReorderBuffer::default();
            let (mut late, mut out, mut newest) = (0, Vec::new(), i64::MIN);
            // In quarters of a second, so that there are several heaps.
            let quarters = |count: i64| count * 250_000_000;
            for (line, &(start, input)) in (0..).zip(&starts) {
                let start = quarters(start);
                newest = newest.max(start);
                late += usize::from(order.push(&record_at(start, input, line)).is_err());
                while let Some(request) = order.pop_until(Stamp::from_nanos(newest - quarters(window))) {
                    out.push(request);
                }
            }
            while let Some(request) = order.pop() {
                out.push(request);
            }
            prop_assert_eq!(out.len() + late, starts.len());
            prop_assert!(out.is_sorted_by_key(|request| request.at));
            prop_assert_eq!((order.len(), order.bytes()), (0, 0));
        }
    }

    #[test]
    fn a_second_that_never_empties_does_not_keep_what_is_gone() {
        let target = [b'/'; 1_000];
        let mut order = ReorderBuffer::default();
        for line in 0..10_000 {
            order.push(&PendingRecord { target: &target, ..record_at(5, 0, line) }).unwrap();
            if line > 100 {
                assert_eq!(order.pop().unwrap().target, target.as_slice());
            }
        }
        let most = order.seconds.values().map(|second| second.arena.len()).sum::<usize>();
        assert!(most <= 300_000, "{most}");
    }

    #[test]
    fn equal_instants_keep_the_order_of_inputs_and_lines() {
        let mut order = ReorderBuffer::default();
        for (input, line) in [(1, 1), (0, 2), (0, 1)] {
            let target = format!("/{input}/{line}");
            order.push(&PendingRecord { target: target.as_bytes(), ..record_at(5, input, line) }).unwrap();
        }
        let targets: Vec<_> = std::iter::from_fn(|| order.pop()).map(|request| request.target).collect();
        assert_eq!(targets, ["/0/1", "/0/2", "/1/1"]);
        assert_eq!(order.push(&record_at(5, 0, 3)), Ok(()));
        assert_eq!(order.push(&record_at(4, 0, 3)), Err(LateRecord));
    }
}
