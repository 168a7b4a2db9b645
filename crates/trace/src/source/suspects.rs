//! Records that wait until it is known whether their clock is right.
//!
//! Nearly always there are none. Where there are, the lines behind them wait as
//! well, so that all leave in the order of lines. At most three blocks of lines
//! wait for each input.

use super::REORDER_WINDOW;
use super::clock_consensus::ClockCheck;
use crate::pending_record::{PackedRecord, PendingRecord, RecordArena};
use std::collections::VecDeque;

/// A record, with what is known of its time beside its stamp.
#[derive(Clone, Copy, Debug)]
pub(super) struct StampTiming {
    /// From the stamp to the start: less than 0 for stamps of the end.
    pub(super) shift_ns: i64,
    /// Whether the stamp tells the second and no more.
    pub(super) whole_seconds: bool,
}

impl StampTiming {
    /// Whether the exchange took longer than the window that is the default.
    pub(super) fn is_long(self) -> bool {
        is_long(self.shift_ns)
    }
}

/// The same for a shift alone.
pub(super) fn is_long(shift_ns: i64) -> bool {
    u128::from(shift_ns.unsigned_abs()) > REORDER_WINDOW.as_nanos()
}

#[derive(Debug)]
struct SuspectRecord {
    packed: PackedRecord,
    timing: StampTiming,
    check: ClockCheck,
    /// The number of its block.
    block: u64,
}

/// The records of one input that wait.
#[derive(Debug, Default)]
pub(super) struct SuspectQueue {
    waiting: VecDeque<SuspectRecord>,
    arena: RecordArena,
}

impl SuspectQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Lets a record wait whose stamp is its start as yet.
    pub(super) fn push(
        &mut self,
        held: &PendingRecord<'_>,
        timing: StampTiming,
        belief: ClockCheck,
        block: u64,
    ) {
        let packed = self.arena.pack(held);
        self.waiting.push_back(SuspectRecord { packed, timing, check: belief, block });
    }

    /// The next record that may leave when the blocks up to `judged` can be
    /// judged, with its block and what was believed of it.
    pub(super) fn next(
        &mut self,
        judged: Option<u64>,
    ) -> Option<(PendingRecord<'_>, StampTiming, ClockCheck, u64)> {
        let first = self.waiting.front()?;
        if first.check != ClockCheck::Plausible && judged.is_none_or(|judged| first.block > judged) {
            return None;
        }
        let SuspectRecord { packed, timing, check: belief, block } = self.waiting.pop_front()?;
        Some((self.arena.unpack(&packed), timing, belief, block))
    }

    /// Gives the room back that nothing takes any more.
    pub(super) fn clear_if_empty(&mut self) {
        if self.waiting.is_empty() {
            self.arena.clear();
        }
    }
}
