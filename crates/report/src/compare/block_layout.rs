//! How the seconds of a run are cut into blocks.
//!
//! Seconds in a row are not independent: a pause of a garbage collector, a full
//! queue or a neighbour's backup spans several. Drawing single seconds would
//! take each for news of its own and find differences where there are none, so
//! what is drawn are blocks. Their length is the cube root of the run's, the
//! usual choice for a mean (Künsch 1989; Politis and White 2004), and longer
//! where a run would have more than 120 of them, which gains nothing.

/// Blocks below which nothing can be said.
pub(super) const MIN_BLOCKS: u64 = 6;

const MAX_BLOCKS: u64 = 120;

/// A number of seconds and of blocks of about equal length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLayout {
    seconds: u64,
    blocks: usize,
}

impl BlockLayout {
    /// For a run of so many seconds.
    pub fn of(seconds: u64) -> Self {
        let seconds = seconds.max(1);
        let root = (1..=1 << 21).take_while(|n: &u64| n.saturating_pow(3) <= seconds).last().unwrap_or(1);
        let length = root.min(seconds / MIN_BLOCKS).max(seconds.div_ceil(MAX_BLOCKS)).max(1);
        Self::into(seconds, usize::try_from(seconds / length).unwrap_or(1))
    }

    pub(super) fn into(seconds: u64, blocks: usize) -> Self {
        Self { seconds, blocks: blocks.max(1) }
    }

    /// Seconds of the run.
    pub const fn seconds(self) -> u64 {
        self.seconds
    }

    /// Blocks.
    pub const fn blocks(self) -> usize {
        self.blocks
    }

    /// Whether there are enough blocks to tell chance from change.
    pub(super) const fn is_enough(self) -> bool {
        self.blocks as u64 >= MIN_BLOCKS
    }

    /// The block of a second. What is behind the last one, such as answers that
    /// came after the last request, belongs to the last block.
    pub(super) fn block_of(self, second: u64) -> usize {
        let place = u128::from(second) * self.blocks as u128 / u128::from(self.seconds.max(1));
        usize::try_from(place).unwrap_or(usize::MAX).min(self.blocks - 1)
    }

    /// The seconds of a block; they differ by one at most.
    pub(super) fn seconds_in(self, block: usize) -> u64 {
        let blocks = self.blocks as u128;
        let begin = |block: usize| (u128::from(self.seconds) * block as u128).div_ceil(blocks);
        u64::try_from(begin(block + 1) - begin(block)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(seconds: u64, blocks: usize) {
        let cut = BlockLayout::of(seconds);
        assert_eq!(cut.blocks(), blocks, "{seconds} s");
        let mut found = vec![0; blocks];
        (0..seconds).for_each(|second| found[cut.block_of(second)] += 1);
        assert_eq!(found, (0..blocks).map(|block| cut.seconds_in(block)).collect::<Vec<u64>>());
        let ends = (found.iter().min(), found.iter().max());
        assert!(ends.1.unwrap() - ends.0.unwrap() <= 1, "{found:?}");
        assert_eq!(cut.block_of(seconds + 30), blocks - 1);
    }

    #[test]
    fn blocks_grow_with_the_run_and_are_few() {
        check(1, 1);
        check(5, 5);
        check(6, 6);
        check(11, 11);
        check(20, 10);
        check(60, 20);
        check(300, 50);
        check(3_600, 120);
        check(86_400, 120);
        assert!(!BlockLayout::of(5).is_enough() && BlockLayout::of(6).is_enough());
        assert!(BlockLayout::of(u64::MAX).blocks() <= 120);
    }
}
