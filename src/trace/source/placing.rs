//! From an admitted record to its place in the order.
//!
//! Whether a clock is right is judged by the stamp, whether a record comes too
//! late by the start of its exchange: that is what is replayed, and where the
//! stamp tells the end the longest exchanges lie furthest back.

use super::Pass;
use super::consensus::{Belief, Block, Consensus};
use super::doubts::{Doubts, Timing};
use super::intake::{Admitted, Intake};
use crate::trace::held::Held;
use crate::trace::lost::Loss;
use crate::trace::order::Late;
use crate::trace::{Record, StampKind};
use crate::units::{NANOS_PER_SECOND, Stamp};

/// Puts the records of one input in their places.
#[derive(Debug)]
pub(super) struct Placing {
    input: usize,
    consensus: Consensus,
    doubts: Doubts,
    /// How many blocks of lines are full.
    blocks: u64,
}

impl Placing {
    pub(super) fn of(input: usize) -> Self {
        Self { input, consensus: Consensus::default(), doubts: Doubts::default(), blocks: 0 }
    }

    /// When the requests arrived that are read now, as most lines have it.
    pub(super) fn front(&self) -> Option<Stamp> {
        self.consensus.front()
    }

    /// The newest start among the lines that were read.
    pub(super) fn reached(&self) -> Option<Stamp> {
        self.consensus.reached()
    }

    /// How many records wait for the lines behind them.
    pub(super) fn doubted(&self) -> usize {
        self.doubts.len()
    }

    /// Takes a record with the stamp `at`, found in `line`.
    pub(super) fn take(
        &mut self,
        record: Record<'_>,
        at: Stamp,
        line: u64,
        intake: &mut Intake,
        pass: &mut Pass,
    ) {
        let shift_ns = match (record.stamp, record.duration_ns) {
            (StampKind::End, Some(duration)) => -i64::try_from(duration).unwrap_or(i64::MAX),
            (StampKind::Start, _) | (StampKind::End, None) => 0,
        };
        let timing = Timing { shift_ns, whole_seconds: record.resolution_ns >= NANOS_PER_SECOND };
        let belief = self.consensus.take(at, at.plus_nanos(shift_ns));
        if let Some(Admitted { method, target, status, client, kind, .. }) = intake.admit(record) {
            intake.books.lost.met(self.input, timing.is_long());
            let input = u32::try_from(self.input).unwrap_or(u32::MAX);
            let held = Held { start: at, input, line, method, status, client, kind, target: &target };
            if belief == Belief::Near && self.doubts.is_empty() {
                put(&held, timing, &mut self.consensus, intake, pass);
            } else {
                self.doubts.push(&held, timing, belief, self.blocks);
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
    pub(super) fn settle(&mut self, intake: &mut Intake, pass: &mut Pass) {
        self.release(Some(self.blocks), intake, pass);
    }

    /// Lets go what waits, up to the first record that is doubted in a block
    /// beyond `judged`.
    fn release(&mut self, judged: Option<u64>, intake: &mut Intake, pass: &mut Pass) {
        while let Some((held, timing, belief, of)) = self.doubts.next(judged) {
            let wrong = match belief {
                Belief::Near => None,
                Belief::Doubted(place) => {
                    let block = if of == self.blocks { Block::Current } else { Block::Previous };
                    self.consensus.judge(held.start, block, place)
                }
            };
            match wrong {
                Some(loss) => intake.lose(loss, &held, timing.is_long()),
                None => put(&held, timing, &mut self.consensus, intake, pass),
            }
        }
        self.doubts.tidy();
    }
}

/// Puts a record, whose start is its stamp as yet, where it belongs.
fn put(held: &Held<'_>, timing: Timing, consensus: &mut Consensus, intake: &mut Intake, pass: &mut Pass) {
    let start = held.start.plus_nanos(timing.shift_ns);
    intake.compare(consensus.believe(start));
    pass.longest_ns = pass.longest_ns.max(timing.shift_ns.saturating_neg());
    if timing.whole_seconds {
        pass.spread.hold(held, timing.shift_ns);
    } else if let Err(Late) = pass.order.push(&Held { start, ..*held }) {
        intake.lose(Loss::OutOfOrder, held, timing.is_long());
    }
}
