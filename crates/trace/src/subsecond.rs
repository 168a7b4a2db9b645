//! Instants within the second, for logs that only tell the second.
//!
//! A log of one-second stamps holds n lines for a second and nothing about
//! where in it they lie. All of them at its start would be a 1 Hz herd that
//! never was; evenly spaced they would have no bursts at all. The default draws
//! n uniform instants, sorted: exactly a Poisson process given its count. What
//! it says about gaps below a second is made up, and reports say so.

use super::pending_record::{PackedRecord, PendingRecord, RecordArena};
use downpour_core::units::{NANOS_PER_SECOND, Stamp};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::BTreeMap;

/// Where in their second the lines of a one-second log are put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subsecond {
    /// At sorted uniform draws, seeded by the seed and the second.
    #[default]
    Poisson,
    /// At equal distances. For comparisons; has no bursts.
    Even,
    /// All at its start. The worst case.
    Burst,
}

impl Subsecond {
    /// Every mode, with its name on the command line.
    pub const ALL: [(&'static str, Self); 3] =
        [("poisson", Self::Poisson), ("even", Self::Even), ("burst", Self::Burst)];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }
}

/// How many seconds back a line may lie behind the newest of its input and
/// still be drawn together with the others of its second.
///
/// One that lies further back gets draws of its own: its instants are as
/// random, only not sorted together with the first ones.
const SLACK_S: i64 = 5;

/// A record whose second is known and whose instant is not.
#[derive(Clone, Copy, Debug)]
struct WholeSecondRecord {
    record: PackedRecord,
    /// From the logged instant to the start: less than 0 for end stamps.
    shift_ns: i64,
}

/// The records of one second, and once it is complete their instants.
#[derive(Debug, Default)]
pub(crate) struct SecondBatch {
    lines: Vec<WholeSecondRecord>,
    arena: RecordArena,
    /// From the start of the second, a line each; none before they are drawn.
    offsets_ns: Vec<i64>,
}

impl SecondBatch {
    /// The records with the starts that were drawn for them, and how far those
    /// lie from the logged instants.
    pub(crate) fn with_starts(&self) -> impl Iterator<Item = (PendingRecord<'_>, i64)> {
        self.lines.iter().zip(&self.offsets_ns).map(|(line, &nanos)| {
            let held = self.arena.unpack(&line.record);
            let whole = start_of(held.start.epoch_second());
            (
                PendingRecord { start: whole.plus_nanos(nanos).plus_nanos(line.shift_ns), ..held },
                line.shift_ns,
            )
        })
    }
}

/// Gathers the records of each second until it is complete.
#[derive(Debug)]
pub(crate) struct SubsecondAssigner {
    mode: Subsecond,
    seed: u64,
    seconds: BTreeMap<i64, SecondBatch>,
    /// The room of a second that was drawn.
    spare: Option<SecondBatch>,
    /// Seconds before this one have been drawn.
    drawn_before: i64,
    pending: usize,
    bytes: usize,
}

impl SubsecondAssigner {
    /// Spreads by `mode`; draws depend on `seed`.
    pub(crate) fn new(mode: Subsecond, seed: u64) -> Self {
        Self {
            mode,
            seed,
            seconds: BTreeMap::new(),
            spare: None,
            drawn_before: i64::MIN,
            pending: 0,
            bytes: 0,
        }
    }

    /// Takes a record whose `start` is the logged second. What it gets as its
    /// start is an instant of that second, moved by `shift_ns`.
    pub(crate) fn add(&mut self, held: &PendingRecord<'_>, shift_ns: i64) {
        self.pending += 1;
        self.bytes += held.target.len();
        let second = self.seconds.entry(held.start.epoch_second());
        let second = second.or_insert_with(|| self.spare.take().unwrap_or_default());
        let packed = second.arena.pack(held);
        second.lines.push(WholeSecondRecord { record: packed, shift_ns });
    }

    /// How many records are held.
    pub(crate) fn len(&self) -> usize {
        self.pending
    }

    /// How many bytes the targets of the held records have.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The start of the oldest second held.
    pub(crate) fn oldest(&self) -> Option<Stamp> {
        self.seconds.keys().next().map(|&second| start_of(second))
    }

    /// The records of a second that is complete, now that every input has been
    /// read up to `front`.
    pub(crate) fn draw_complete(&mut self, front: Stamp) -> Option<SecondBatch> {
        let oldest = *self.seconds.keys().next()?;
        (oldest.saturating_add(SLACK_S) < front.epoch_second()).then(|| self.draw_oldest())
    }

    /// The records of the oldest second, complete or not; none if none is held.
    pub(crate) fn draw_oldest(&mut self) -> SecondBatch {
        let Some((at, mut second)) = self.seconds.pop_first() else { return SecondBatch::default() };
        second.lines.sort_unstable_by_key(|line| line.record.input_and_line());
        second.offsets_ns = self.instants(at, &second.lines);
        self.drawn_before = self.drawn_before.max(at.saturating_add(1));
        self.pending -= second.lines.len();
        self.bytes -= second.lines.iter().map(|line| line.record.target_len()).sum::<usize>();
        second
    }

    /// Takes a second back whose records have been handed on, for its room.
    pub(crate) fn recycle(&mut self, mut second: SecondBatch) {
        second.lines.clear();
        second.arena.clear();
        second.offsets_ns = Vec::new();
        self.spare = Some(second);
    }

    /// As many instants as there are lines, in nanoseconds from the start of
    /// the second, in order.
    fn instants(&self, second: i64, lines: &[WholeSecondRecord]) -> Vec<i64> {
        let count = u64::try_from(lines.len()).unwrap_or(u64::MAX).max(1);
        match self.mode {
            Subsecond::Burst => vec![0; lines.len()],
            Subsecond::Even => (0..count).map(|i| scale(i, count)).collect(),
            Subsecond::Poisson => {
                let mut random = self.generator(second, lines);
                let mut drawn: Vec<_> = lines.iter().map(|_| fraction(random.next_u64())).collect();
                drawn.sort_unstable();
                drawn
            }
        }
    }

    fn generator(&self, second: i64, lines: &[WholeSecondRecord]) -> ChaCha8Rng {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..16].copy_from_slice(&second.to_le_bytes());
        // Stragglers must not get the instants of the first lines again.
        if let Some(first) = lines.first().filter(|_| second < self.drawn_before) {
            let (input, line) = first.record.input_and_line();
            seed[16..24].copy_from_slice(&(u64::from(input) + 1).to_le_bytes());
            seed[24..].copy_from_slice(&line.to_le_bytes());
        }
        ChaCha8Rng::from_seed(seed)
    }
}

fn start_of(second: i64) -> Stamp {
    Stamp::from_nanos(second.saturating_mul(NANOS_PER_SECOND.cast_signed()))
}

/// `part / whole` of a second.
fn scale(part: u64, whole: u64) -> i64 {
    let nanos = u128::from(part) * u128::from(NANOS_PER_SECOND) / u128::from(whole);
    i64::try_from(nanos).unwrap_or(0)
}

/// A uniform 64-bit draw as nanoseconds below a second.
fn fraction(draw: u64) -> i64 {
    let nanos = (u128::from(draw) * u128::from(NANOS_PER_SECOND)) >> 64;
    i64::try_from(nanos).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::reorder_buffer::tests::record_at;
    use super::*;

    fn starts(mode: Subsecond, seed: u64, count: u64) -> Vec<i64> {
        let mut spread = SubsecondAssigner::new(mode, seed);
        (0..count).for_each(|line| spread.add(&record_at(7_000_000_000, 0, line), 0));
        spread.draw_oldest().with_starts().map(|(held, _)| held.start.as_nanos()).collect()
    }

    #[test]
    fn draws_lie_in_their_second_in_order_and_repeat() {
        let drawn = starts(Subsecond::Poisson, 1, 1_000);
        assert!(drawn.is_sorted());
        assert!(drawn.iter().all(|at| (7_000_000_000..8_000_000_000).contains(at)));
        assert_eq!(drawn, starts(Subsecond::Poisson, 1, 1_000));
        assert_ne!(drawn, starts(Subsecond::Poisson, 2, 1_000));
        let mean = drawn.iter().map(|at| at - 7_000_000_000).sum::<i64>() / 1_000;
        assert!((470_000_000..530_000_000).contains(&mean), "{mean}");
    }

    #[test]
    fn the_other_modes() {
        assert_eq!(starts(Subsecond::Even, 1, 2), [7_000_000_000, 7_500_000_000]);
        assert_eq!(starts(Subsecond::Burst, 1, 2), [7_000_000_000; 2]);
    }

    #[test]
    fn the_draw_comes_before_the_duration_is_taken_off() {
        let mut spread = SubsecondAssigner::new(Subsecond::Even, 0);
        spread.add(&record_at(7_000_000_000, 0, 0), 0);
        spread.add(&record_at(7_000_000_000, 0, 1), -2_000_000_000);
        let starts: Vec<_> =
            spread.draw_oldest().with_starts().map(|(held, _)| held.start.as_nanos()).collect();
        assert_eq!(starts, [7_000_000_000, 5_500_000_000]);
        assert_eq!((spread.len(), spread.bytes()), (0, 0));
    }

    #[test]
    fn a_second_is_complete_when_its_slack_has_passed() {
        let mut spread = SubsecondAssigner::new(Subsecond::Poisson, 0);
        spread.add(&record_at(7_500_000_000, 0, 0), 0);
        assert_eq!(spread.oldest(), Some(Stamp::from_nanos(7_000_000_000)));
        assert!(spread.draw_complete(Stamp::from_nanos(12_900_000_000)).is_none());
        let first = spread.draw_complete(Stamp::from_nanos(13_000_000_000)).unwrap();
        spread.add(&record_at(7_500_000_000, 0, 0), 0);
        let straggler = spread.draw_complete(Stamp::from_nanos(13_000_000_000)).unwrap();
        let start = |second: &SecondBatch| second.with_starts().next().unwrap().0.start;
        assert_ne!(start(&first), start(&straggler));
    }
}
