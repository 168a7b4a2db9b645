//! From an admitted record to its place in the order.
//!
//! Whether a clock is right is judged by the stamp, whether a record comes too
//! late by the start of its exchange: that is what is replayed, and where the
//! stamp tells the end the longest exchanges lie furthest back.

use super::ReadPass;
use super::clock_consensus::{ClockCheck, ClockConsensus, LineBlock};
use super::filter::{RecordFilter, ReplayableRecord};
use super::suspects::{StampTiming, SuspectQueue};
use crate::losses::LossReason;
use crate::pending_record::PendingRecord;
use crate::reorder_buffer::LateRecord;
use crate::{Record, StampKind};
use downpour_core::units::{NANOS_PER_SECOND, Stamp};

/// Puts the records of one input in their places.
#[derive(Debug)]
pub(super) struct RecordSequencer {
    input: usize,
    consensus: ClockConsensus,
    suspects: SuspectQueue,
    /// How many blocks of lines are full.
    blocks: u64,
}

impl RecordSequencer {
    pub(super) fn new(input: usize) -> Self {
        Self { input, consensus: ClockConsensus::default(), suspects: SuspectQueue::default(), blocks: 0 }
    }

    /// When the requests arrived that are read now, as most lines have it.
    pub(super) fn watermark(&self) -> Option<Stamp> {
        self.consensus.watermark()
    }

    /// The newest start among the lines that were read.
    pub(super) fn newest_start(&self) -> Option<Stamp> {
        self.consensus.newest_start()
    }

    /// How many records wait for the lines behind them.
    pub(super) fn suspects(&self) -> usize {
        self.suspects.len()
    }

    /// Takes a record with the stamp `at`, found in `line`.
    pub(super) fn add_record(
        &mut self,
        record: Record<'_>,
        at: Stamp,
        line: u64,
        intake: &mut RecordFilter,
        pass: &mut ReadPass,
    ) {
        let shift_ns = match (record.stamp, record.duration_ns) {
            (StampKind::End, Some(duration)) => -i64::try_from(duration).unwrap_or(i64::MAX),
            (StampKind::Start, _) | (StampKind::End, None) => 0,
        };
        let timing = StampTiming { shift_ns, whole_seconds: record.resolution_ns >= NANOS_PER_SECOND };
        let belief = self.consensus.add_line(at, at.plus_nanos(shift_ns));
        if let Some(ReplayableRecord { method, target, status, client, kind, .. }) = intake.apply(record) {
            intake.accounting.lost.count_record(self.input, timing.is_long());
            let input = u32::try_from(self.input).unwrap_or(u32::MAX);
            let held =
                PendingRecord { start: at, input, line, method, status, client, kind, target: &target };
            if belief == ClockCheck::Plausible && self.suspects.is_empty() {
                sequence_record(&held, timing, &mut self.consensus, intake, pass);
            } else {
                self.suspects.push(&held, timing, belief, self.blocks);
            }
        }
        if self.consensus.is_full() {
            self.release(self.blocks.checked_sub(1), intake, pass);
            self.consensus.next_block();
            self.blocks += 1;
        }
    }

    /// Judges all that waits by what is known: there are no more lines, or none
    /// for the moment.
    pub(super) fn release_all(&mut self, intake: &mut RecordFilter, pass: &mut ReadPass) {
        self.release(Some(self.blocks), intake, pass);
    }

    /// Lets go what waits, up to the first record that is doubted in a block
    /// beyond `judged`.
    fn release(&mut self, judged: Option<u64>, intake: &mut RecordFilter, pass: &mut ReadPass) {
        while let Some((held, timing, belief, of)) = self.suspects.next(judged) {
            let wrong = match belief {
                ClockCheck::Plausible => None,
                ClockCheck::Suspect(place) => {
                    let block = if of == self.blocks { LineBlock::Current } else { LineBlock::Previous };
                    self.consensus.check_clock(held.start, block, place)
                }
            };
            match wrong {
                Some(loss) => intake.count_loss(loss, &held, timing.is_long()),
                None => sequence_record(&held, timing, &mut self.consensus, intake, pass),
            }
        }
        self.suspects.clear_if_empty();
    }
}

/// Puts a record, whose start is its stamp as yet, where it belongs.
fn sequence_record(
    held: &PendingRecord<'_>,
    timing: StampTiming,
    consensus: &mut ClockConsensus,
    intake: &mut RecordFilter,
    pass: &mut ReadPass,
) {
    let start = held.start.plus_nanos(timing.shift_ns);
    intake.count_disorder(consensus.accept(start));
    pass.longest_ns = pass.longest_ns.max(timing.shift_ns.saturating_neg());
    if timing.whole_seconds {
        pass.subsecond.add(held, timing.shift_ns);
    } else if let Err(LateRecord) = pass.reorder.push(&PendingRecord { start, ..*held }) {
        intake.count_loss(LossReason::OutOfOrder, held, timing.is_long());
    }
}
