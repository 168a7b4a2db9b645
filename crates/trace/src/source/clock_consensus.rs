//! What time it is in an input, by the majority of its lines.
//!
//! One machine of many may have a wrong clock, and the first line of a log has
//! no more right than the others. So no single stamp decides: lines are taken
//! in blocks, the time of a block is the median of its lines, and a line whose
//! stamp lies far from that waits until the lines behind it are known. If those
//! before it and those behind it contradict it, its clock is wrong. A log that
//! jumps (a night without requests, files put together with `cat`) is
//! contradicted by one side only.

use crate::losses::LossReason;
use downpour_core::units::{NANOS_PER_SECOND, Stamp};

/// How many lines make a block.
const BLOCK: usize = 16;

/// How far a stamp may lie from the block before it and be taken at once: less
/// than a wrong time zone.
const NEAR_NS: u64 = 1_500 * NANOS_PER_SECOND;

/// What a lone line at an end of an input must lie away from the others to be
/// taken for a wrong clock: nothing comes before it, or nothing behind it, that
/// could confirm it.
const SINGLE_OUTLIER_NS: u64 = 3_600 * NANOS_PER_SECOND;

/// The same for a few lines that agree with one another.
const FEW_OUTLIERS_NS: u64 = 24 * 3_600 * NANOS_PER_SECOND;

/// How many lines a side must have to be asked for its majority.
const MIN_SIDE: usize = 4;

/// The time in an input.
#[derive(Clone, Debug, Default)]
pub(super) struct ClockConsensus {
    /// The logged stamps of the block that is being filled and of the two
    /// before it, in the order of lines; none before the first block.
    logged: [Vec<Stamp>; 3],
    /// The starts of the block that is being filled.
    starts: Vec<Stamp>,
    /// The median of the logged stamps of the last full block.
    now: Option<Stamp>,
    /// The median of the starts of the last full block.
    watermark: Option<Stamp>,
    /// The newest start of a line that was not doubted.
    newest_start: Option<Stamp>,
}

/// What is to be done with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClockCheck {
    /// Its stamp is near those before it.
    Plausible,
    /// It waits for the lines behind it. This is its place in its block.
    Suspect(usize),
}

/// One of the blocks that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineBlock {
    /// The one that is being filled.
    Current,
    /// The one before it.
    Previous,
}

impl ClockConsensus {
    /// When requests arrived that are read now: the median of the last full
    /// block, so that it lags a few lines and no single line moves it.
    pub(super) fn watermark(&self) -> Option<Stamp> {
        self.watermark
    }

    /// The newest start that is believed, or the median of those that were not
    /// looked at yet.
    pub(super) fn newest_start(&self) -> Option<Stamp> {
        let begun = (!self.starts.is_empty()).then(|| median(&self.starts));
        self.newest_start.max(begun)
    }

    /// Takes a line's stamp and the start of its exchange.
    pub(super) fn add_line(&mut self, logged: Stamp, start: Stamp) -> ClockCheck {
        let place = self.logged[2].len();
        self.logged[2].push(logged);
        self.starts.push(start);
        match self.now {
            Some(now) if distance(now, logged) <= NEAR_NS => ClockCheck::Plausible,
            Some(_) | None => ClockCheck::Suspect(place),
        }
    }

    /// By how many nanoseconds a start lies behind the newest that is
    /// believed.
    pub(super) fn accept(&mut self, start: Stamp) -> u64 {
        let newest = self.newest_start.unwrap_or(start);
        self.newest_start = Some(newest.max(start));
        if start < newest { newest.nanos_since(start) } else { 0 }
    }

    /// Whether the block is full; what was doubted in the one before it can be
    /// judged then.
    pub(super) fn is_full(&self) -> bool {
        self.starts.len() == BLOCK
    }

    /// Begins another block.
    pub(super) fn next_block(&mut self) {
        self.watermark = Some(median(&self.starts));
        self.now = Some(median(&self.logged[2]));
        self.starts.clear();
        self.logged.rotate_left(1);
        self.logged[2].clear();
    }

    /// Whether the clock of a doubted line is wrong, and how.
    pub(super) fn check_clock(&self, logged: Stamp, block: LineBlock, place: usize) -> Option<LossReason> {
        let [oldest, previous, current] = &self.logged;
        let (outer_before, own, outer_behind): (&[Stamp], &[Stamp], &[Stamp]) = match block {
            LineBlock::Previous => (oldest, previous, current),
            LineBlock::Current => (previous, current, &[]),
        };
        let behind: Vec<Stamp> = own.iter().skip(place + 1).chain(outer_behind).copied().collect();
        let before: Vec<Stamp> = outer_before.iter().chain(own.iter().take(place)).copied().collect();
        if before.len() + behind.len() < 3 {
            return None;
        }
        let is_ahead = |other: &Stamp| *other < logged && distance(*other, logged) > NEAR_NS;
        let is_behind = |other: &Stamp| *other > logged && distance(*other, logged) > NEAR_NS;
        let say = |side: &[Stamp], wrong: &dyn Fn(&Stamp) -> bool| {
            (side.len() >= MIN_SIDE)
                .then(|| side.iter().filter(|other| wrong(other)).count() * 2 > side.len())
        };
        let is_apart = |wrong: &dyn Fn(&Stamp) -> bool| {
            let mut others: Vec<Stamp> = before.iter().chain(&behind).copied().collect();
            is_apart(logged, &mut others) && wrong(&others[others.len() / 2])
        };
        let contradicted = |wrong: &dyn Fn(&Stamp) -> bool| match (say(&before, wrong), say(&behind, wrong)) {
            (Some(before), Some(behind)) => before && behind,
            (Some(one), None) | (None, Some(one)) => one && is_apart(wrong),
            (None, None) => is_apart(wrong),
        };
        if contradicted(&is_ahead) {
            Some(LossReason::ClockAhead)
        } else if contradicted(&is_behind) {
            Some(LossReason::ClockBehind)
        } else {
            None
        }
    }
}

/// Whether a stamp is alone, or with a few others, far from the bulk of those
/// around it, and farther than those lie from one another.
fn is_apart(logged: Stamp, others: &mut [Stamp]) -> bool {
    others.sort_unstable();
    let near = others.iter().filter(|other| distance(**other, logged) <= NEAR_NS).count();
    let least = match near {
        0 => SINGLE_OUTLIER_NS,
        few if few * 4 <= others.len() => FEW_OUTLIERS_NS,
        _ => return false,
    };
    let (low, middle, high) =
        (others[others.len() / 4], others[others.len() / 2], others[others.len() * 3 / 4]);
    // Few stamps say little about how far they lie apart: the nearer half of them decides.
    let spread = distance(low, middle).min(distance(middle, high)).max(if others.len() < BLOCK {
        0
    } else {
        distance(low, high)
    });
    let apart = if logged > high { distance(high, logged) } else { distance(logged, low) };
    apart > least.max(spread.saturating_mul(8))
}

fn distance(a: Stamp, b: Stamp) -> u64 {
    a.max(b).nanos_since(a.min(b))
}

/// The median of the stamps of a block, which is not empty.
fn median(stamps: &[Stamp]) -> Stamp {
    let middle = stamps.len() / 2;
    // As lines of logs mostly are.
    if stamps.is_sorted() {
        return stamps[middle];
    }
    let mut block = [stamps[0]; BLOCK];
    let block = &mut block[..stamps.len().min(BLOCK)];
    block.copy_from_slice(&stamps[..block.len()]);
    *block.select_nth_unstable(middle).1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is lost of lines with these times in seconds, and why.
    fn lost(seconds: &[i64]) -> Vec<(usize, LossReason)> {
        let mut consensus = ClockConsensus::default();
        let (mut out, mut current, mut previous) = (Vec::new(), Vec::new(), Vec::new());
        for (line, &second) in seconds.iter().enumerate() {
            let at = Stamp::from_nanos(second * 1_000_000_000);
            if let ClockCheck::Suspect(place) = consensus.add_line(at, at) {
                current.push((line, at, place));
            }
            if consensus.is_full() {
                let judged =
                    |(line, at, place)| Some((line, consensus.check_clock(at, LineBlock::Previous, place)?));
                out.extend(previous.drain(..).filter_map(judged));
                previous = std::mem::take(&mut current);
                consensus.next_block();
            }
        }
        for (block, doubted) in [(LineBlock::Previous, previous), (LineBlock::Current, current)] {
            out.extend(
                doubted
                    .into_iter()
                    .filter_map(|(line, at, place)| Some((line, consensus.check_clock(at, block, place)?))),
            );
        }
        out.sort_unstable_by_key(|(line, _)| *line);
        out
    }

    #[track_caller]
    fn check(seconds: &[i64], ahead: &[usize], behind: &[usize]) {
        let all = lost(seconds);
        let of =
            |loss| all.iter().filter(|(_, found)| *found == loss).map(|(line, _)| *line).collect::<Vec<_>>();
        assert_eq!(
            (of(LossReason::ClockAhead), of(LossReason::ClockBehind)),
            (ahead.to_vec(), behind.to_vec())
        );
    }

    const YEAR: i64 = 365 * 86_400;

    #[test]
    fn a_wrong_clock_costs_its_own_lines() {
        let with = |wrong: &[(usize, i64)], count: i64| {
            let mut all: Vec<i64> = (0..count).map(|line| 1_000_000_000 + line).collect();
            for &(line, by) in wrong {
                all[line] += by;
            }
            all
        };
        for line in [1, 5, 20, 49, 50] {
            check(&with(&[(line, 10 * YEAR)], 51), &[line], &[]);
            check(&with(&[(line, -10 * YEAR)], 51), &[], &[line]);
        }
        check(&with(&[(0, -30 * YEAR)], 59), &[], &[0]);
        check(&with(&[(0, -30 * YEAR), (1, -30 * YEAR)], 59), &[], &[0, 1]);
        check(&with(&[(20, YEAR), (21, YEAR)], 60), &[20, 21], &[]);
        let each_50th: Vec<_> = (0..40).map(|n| (n * 50 + 7, 7_200)).collect();
        let lines: Vec<_> = each_50th.iter().map(|(line, _)| *line).collect();
        check(&with(&each_50th, 2_000), &lines, &[]);
        check(&[1, 2, 10 * YEAR, 3, 4], &[2], &[]);
        check(&[1, 2, 3, 10 * YEAR], &[3], &[]);
    }

    #[test]
    fn logs_that_jump_are_believed() {
        // A night of eight hours, after any number of lines.
        for before in [1, 2, 10, 16, 17, 40] {
            for behind in [2, 5, 16, 30] {
                let night = 8 * 3_600;
                let all: Vec<i64> =
                    (0..before).chain((0..behind).map(|line| night + before + line)).collect();
                let lost = lost(&all);
                assert!(lost.len() <= usize::from(before == 1), "{before} and {behind}: {lost:?}");
            }
        }
        // Hours of three machines, one behind the other; few lines an hour; few in a burst.
        check(&(0..3).flat_map(|_| (0..3_600).step_by(3)).collect::<Vec<_>>(), &[], &[]);
        check(&(0..100).map(|line| line * 3_600).collect::<Vec<_>>(), &[], &[]);
        check(&(0..100).map(|line| line / 5 * 7_200 + line % 5).collect::<Vec<_>>(), &[], &[]);
        check(&[0, 3_600], &[], &[]);
        check(&[0, 86_400, 200_000], &[], &[]);
    }
}
