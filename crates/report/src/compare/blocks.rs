//! The seconds of a run summed up by block: what is drawn again and again.
//!
//! A run is cut into blocks of seconds in a row, all of about one length.
//! Counts are kept as a sum a block, times as a count a block and counter of
//! the histograms, so that a percentile of any choice of blocks is found
//! without touching a sample. Memory depends on how many different times a run
//! has, never on its length.

use super::block_layout::BlockLayout;
use crate::IntervalLine;
use crate::threshold::TimeMetric;
use downpour_core::units::approximate;
use std::collections::BTreeMap;

/// Most names of statuses or faults told apart; a hostile candidate may make up
/// many more.
const MAX_NAMES: usize = 64;

/// Something counted in each second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockCount {
    /// Arrivals released.
    Offered,
    /// Arrivals that passed.
    Passed,
    /// Arrivals that recovered.
    Recovered,
    /// Arrivals that passed or recovered.
    Good,
    /// Arrivals that failed.
    Failed,
    /// Arrivals that were not sent.
    Shed,
    /// Arrivals that were not over when the run was.
    Unfinished,
    /// Arrivals whose fate is known.
    Settled,
    /// Attempts.
    Attempts,
    /// First attempts.
    First,
    /// Repetitions.
    Retries,
    /// Attempts of which a byte was sent.
    Sent,
    /// Attempts with a complete answer.
    Completed,
    /// Answers that redirect.
    Redirects,
    /// Answers with one of these statuses.
    Status(Vec<String>),
    /// Arrivals that failed of this fault.
    Fault(String),
    /// Arrivals that failed of a fault whose id begins so.
    Family(String),
}

/// A number that any choice of seconds has.
#[derive(Clone, Debug, PartialEq)]
pub enum BlockStatistic {
    /// A count a second.
    PerSecond(BlockCount),
    /// A count as a part of another.
    Share(BlockCount, BlockCount),
    /// A count over a whole run.
    Count(BlockCount),
    /// The time that this share did not exceed, in microseconds.
    Quantile(TimeMetric, f64),
}

/// A run by block.
#[derive(Clone, Debug)]
pub struct Blocks {
    layout: BlockLayout,
    /// Seconds in which something was offered ÷ seconds of the blocks: the last
    /// second of a run is seldom a whole one.
    offered_part: f64,
    sums: Vec<BlockSums>,
    statuses: BTreeMap<String, Vec<u64>>,
    faults: BTreeMap<String, Vec<u64>>,
    time_metrics: [BlockHistogram; 4],
}

#[derive(Clone, Copy, Debug, Default)]
struct BlockSums {
    offered: u64,
    passed: u64,
    recovered: u64,
    failed: u64,
    shed: u64,
    unfinished: u64,
    first: u64,
    retries: u64,
    sent: u64,
    completed: u64,
    redirects: u64,
}

impl Blocks {
    /// Without a second. The run offered its load over `offering_s`; 0 where
    /// that is not known.
    pub fn new(layout: BlockLayout, offering_s: f64) -> Self {
        let whole = approximate(layout.seconds());
        let known = offering_s.is_finite() && offering_s > 0.0 && (offering_s - whole).abs() <= 1.0;
        Self {
            layout,
            offered_part: if known && whole > 0.0 { offering_s / whole } else { 1.0 },
            sums: vec![BlockSums::default(); layout.blocks()],
            statuses: BTreeMap::new(),
            faults: BTreeMap::new(),
            time_metrics: std::array::from_fn(|_| BlockHistogram::new(layout.blocks())),
        }
    }

    /// How it is cut.
    pub fn layout(&self) -> BlockLayout {
        self.layout
    }

    /// Adds the counts of a second.
    pub fn add_second(&mut self, line: &IntervalLine) {
        let place = self.layout.block_of(line.t_s);
        let sums = &mut self.sums[place];
        for (sum, count) in [
            (&mut sums.offered, line.offered),
            (&mut sums.passed, line.passed),
            (&mut sums.recovered, line.recovered),
            (&mut sums.failed, line.failed),
            (&mut sums.shed, line.shed),
            (&mut sums.unfinished, line.unfinished),
            (&mut sums.first, line.first),
            (&mut sums.retries, line.retries),
            (&mut sums.sent, line.sent),
            (&mut sums.completed, line.completed),
            (&mut sums.redirects, line.redirects),
        ] {
            *sum = sum.saturating_add(count);
        }
        let blocks = self.layout.blocks();
        let faults = if line.found.is_empty() { &line.faults } else { &line.found };
        for (columns, counts) in [(&mut self.statuses, &line.statuses), (&mut self.faults, faults)] {
            for (name, &count) in counts {
                let has_room = columns.len() < MAX_NAMES;
                let column = match columns.get_mut(name) {
                    Some(column) => column,
                    None if has_room => columns.entry(name.clone()).or_insert_with(|| vec![0; blocks]),
                    None => continue,
                };
                column[place] = column[place].saturating_add(count);
            }
        }
    }

    /// Adds so many times of this length, in microseconds, to a clock's second.
    pub fn add_times(&mut self, clock: TimeMetric, second: u64, times: impl Iterator<Item = (u64, u32)>) {
        let place = self.layout.block_of(second);
        let counters = &mut self.time_metrics[clock as usize];
        times.for_each(|(micros, count)| counters.add(micros, place, count));
    }

    /// To be called when all is added, before anything is asked.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.time_metrics.iter_mut().for_each(BlockHistogram::seal);
        self
    }

    /// The number for the blocks taken so many times each; nothing where there
    /// is nothing it could be the number of.
    pub(super) fn evaluate(&self, statistic: &BlockStatistic, taken: &[u32]) -> Option<f64> {
        let part = |of: f64, whole: f64| (whole > 0.0).then(|| of / whole);
        match statistic {
            BlockStatistic::PerSecond(counted) => {
                part(self.sum(counted, taken), self.seconds(taken) * self.offered_part)
            }
            BlockStatistic::Share(counted, of) => part(self.sum(counted, taken), self.sum(of, taken)),
            BlockStatistic::Count(counted) => {
                let whole = approximate(self.layout.seconds());
                part(self.sum(counted, taken) * whole, self.seconds(taken))
            }
            BlockStatistic::Quantile(clock, share) => {
                self.time_metrics[*clock as usize].quantile(taken, *share).map(approximate)
            }
        }
    }

    /// How many times a clock took.
    pub(super) fn samples(&self, clock: TimeMetric) -> u64 {
        self.time_metrics[clock as usize].total(&vec![1; self.layout.blocks()])
    }

    /// The statuses that were seen.
    pub(super) fn statuses(&self) -> impl Iterator<Item = &str> {
        self.statuses.keys().map(String::as_str)
    }

    /// The faults that were seen.
    pub(super) fn faults(&self) -> impl Iterator<Item = &str> {
        self.faults.keys().map(String::as_str)
    }

    fn seconds(&self, taken: &[u32]) -> f64 {
        let lengths = (0..self.layout.blocks()).map(|block| self.layout.seconds_in(block));
        approximate(lengths.zip(taken).map(|(length, &times)| length * u64::from(times)).sum())
    }

    fn sum(&self, counted: &BlockCount, taken: &[u32]) -> f64 {
        let of = |count: fn(&BlockSums) -> u64| weighted(self.sums.iter().map(count), taken);
        let named = |columns: &BTreeMap<String, Vec<u64>>, is_meant: &dyn Fn(&str) -> bool| -> f64 {
            let meant = columns.iter().filter(|(name, _)| is_meant(name));
            meant.map(|(_, column)| weighted(column.iter().copied(), taken)).sum()
        };
        match counted {
            BlockCount::Offered => of(|sums| sums.offered),
            BlockCount::Passed => of(|sums| sums.passed),
            BlockCount::Recovered => of(|sums| sums.recovered),
            BlockCount::Good => of(|sums| sums.passed.saturating_add(sums.recovered)),
            BlockCount::Failed => of(|sums| sums.failed),
            BlockCount::Shed => of(|sums| sums.shed),
            BlockCount::Unfinished => of(|sums| sums.unfinished),
            BlockCount::Settled => of(|sums| {
                let BlockSums { passed, recovered, failed, shed, unfinished: cut, .. } = sums;
                [passed, recovered, failed, shed, cut].into_iter().fold(0, |sum, n| sum.saturating_add(*n))
            }),
            BlockCount::Attempts => of(|sums| sums.first.saturating_add(sums.retries)),
            BlockCount::First => of(|sums| sums.first),
            BlockCount::Retries => of(|sums| sums.retries),
            BlockCount::Sent => of(|sums| sums.sent),
            BlockCount::Completed => of(|sums| sums.completed),
            BlockCount::Redirects => of(|sums| sums.redirects),
            BlockCount::Status(names) => named(&self.statuses, &|name| names.iter().any(|of| of == name)),
            BlockCount::Fault(id) => named(&self.faults, &|name| name == id),
            BlockCount::Family(family) => named(&self.faults, &|name| name.starts_with(family.as_str())),
        }
    }
}

fn weighted(counts: impl Iterator<Item = u64>, taken: &[u32]) -> f64 {
    counts.zip(taken).map(|(count, &times)| approximate(count) * f64::from(times)).sum()
}

/// Times of one clock: for each counter of its histograms how many samples each
/// block has. Sealed, a row also holds what the rows above it hold.
#[derive(Clone, Debug)]
struct BlockHistogram {
    blocks: usize,
    /// By [`counter_of`]; most are never used.
    rows: Vec<Option<Box<[u32]>>>,
    /// The longest time of each row, once sealed.
    longest: Vec<u64>,
    /// Row after row, once sealed.
    sums: Vec<u32>,
}

impl BlockHistogram {
    fn new(blocks: usize) -> Self {
        Self { blocks, rows: Vec::new(), longest: Vec::new(), sums: Vec::new() }
    }

    fn add(&mut self, micros: u64, block: usize, count: u32) {
        let counter = counter_of(micros);
        if self.rows.len() <= counter {
            self.rows.resize(counter + 1, None);
        }
        let blocks = self.blocks;
        let row = self.rows[counter].get_or_insert_with(|| vec![0; blocks].into_boxed_slice());
        row[block] = row[block].saturating_add(count);
    }

    fn seal(&mut self) {
        let mut above = vec![0_u32; self.blocks];
        for (counter, row) in std::mem::take(&mut self.rows).into_iter().enumerate() {
            let Some(row) = row else { continue };
            above.iter_mut().zip(&row).for_each(|(sum, &count)| *sum = sum.saturating_add(count));
            self.longest.push(longest_of(counter));
            self.sums.extend_from_slice(&above);
        }
    }

    fn row(&self, row: usize) -> &[u32] {
        self.sums.get(row * self.blocks..(row + 1) * self.blocks).unwrap_or_default()
    }

    fn up_to(&self, row: usize, taken: &[u32]) -> u64 {
        self.row(row).iter().zip(taken).map(|(&sum, &times)| u64::from(sum) * u64::from(times)).sum()
    }

    fn total(&self, taken: &[u32]) -> u64 {
        self.longest.len().checked_sub(1).map_or(0, |last| self.up_to(last, taken))
    }

    fn quantile(&self, taken: &[u32], share: f64) -> Option<u64> {
        let total = self.total(taken);
        let rank = approximate(total) * share;
        let (mut low, mut high) = (0, self.longest.len());
        while low < high {
            let middle = low.midpoint(high);
            // A share such as 0.99 is no exact binary number, and ranks are whole.
            if approximate(self.up_to(middle, taken)) < rank - 1e-6 {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if total == 0 { None } else { self.longest.get(low).copied() }
    }
}

/// Times are told apart to three digits, as in the histograms of a run: one by
/// one up to 2,047 µs, and by 1,024 steps a doubling from there.
const ONE_BY_ONE: u32 = 11;

fn counter_of(micros: u64) -> usize {
    let bits = u64::BITS - micros.leading_zeros();
    let coarser = bits.saturating_sub(ONE_BY_ONE);
    let counter = (u64::from(coarser) << (ONE_BY_ONE - 1)) + (micros >> coarser);
    usize::try_from(counter).expect("less than 64 times 1,024")
}

fn longest_of(counter: usize) -> u64 {
    let (counter, half) = (counter as u64, 1 << (ONE_BY_ONE - 1));
    let coarser = (counter / half).saturating_sub(1);
    ((counter - coarser * half + 1) << coarser) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use downpour_metrics::Histogram;
    use proptest::prelude::*;

    fn blocks(seconds: &[&[u64]]) -> Blocks {
        let cut = BlockLayout::into(seconds.len() as u64, seconds.len());
        let mut blocks = Blocks::new(cut, 0.0);
        for (t_s, times) in (0..).zip(seconds) {
            blocks.add_times(TimeMetric::Latency, t_s, times.iter().map(|&micros| (micros, 1)));
            let offered = times.len() as u64;
            let statuses = [("302".to_owned(), offered)].into();
            blocks.add_second(&IntervalLine { t_s, offered, statuses, ..IntervalLine::default() });
        }
        blocks.sealed()
    }

    #[track_caller]
    fn check(seconds: &[&[u64]], taken: &[u32], statistic: &BlockStatistic, expected: Option<f64>) {
        assert_eq!(blocks(seconds).evaluate(statistic, taken), expected);
    }

    #[test]
    fn a_number_is_that_of_the_blocks_that_were_taken() {
        let seconds: [&[u64]; 3] = [&[10, 20], &[30], &[]];
        let median = BlockStatistic::Quantile(TimeMetric::Latency, 0.5);
        check(&seconds, &[1, 1, 1], &median, Some(20.0));
        check(&seconds, &[0, 3, 0], &median, Some(30.0));
        check(&seconds, &[2, 0, 1], &median, Some(10.0));
        check(&seconds, &[0, 0, 3], &median, None);
        let rate = BlockStatistic::PerSecond(BlockCount::Offered);
        check(&seconds, &[1, 1, 1], &rate, Some(1.0));
        check(&seconds, &[3, 0, 0], &rate, Some(2.0));
        let count = BlockStatistic::Count(BlockCount::Status(vec!["302".to_owned()]));
        check(&seconds, &[0, 2, 1], &count, Some(2.0));
        let share = BlockStatistic::Share(BlockCount::Status(vec!["503".to_owned()]), BlockCount::Offered);
        check(&seconds, &[1, 1, 1], &share, Some(0.0));
        check(&seconds, &[0, 0, 3], &share, None);
    }

    #[test]
    fn a_last_second_that_is_half_full_lowers_no_rate() {
        let mut blocks = Blocks::new(BlockLayout::into(2, 2), 1.5);
        for (t_s, offered) in [(0, 100), (1, 50)] {
            blocks.add_second(&IntervalLine { t_s, offered, ..IntervalLine::default() });
        }
        assert_eq!(
            blocks.sealed().evaluate(&BlockStatistic::PerSecond(BlockCount::Offered), &[1, 1]),
            Some(100.0)
        );
    }

    #[test]
    fn names_made_up_cost_no_memory() {
        let mut blocks = Blocks::new(BlockLayout::into(1, 1), 0.0);
        let statuses = (0..500).map(|n: u32| (n.to_string(), 1)).collect();
        blocks.add_second(&IntervalLine { statuses, ..IntervalLine::default() });
        assert_eq!(blocks.statuses().count(), MAX_NAMES);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn percentiles_are_those_of_a_histogram(
            times in prop::collection::vec(prop_oneof![0..5_000_u64, 0..3_600_000_000_u64], 1..200),
            share in 0.01..1.0_f64,
        ) {
            let mut histogram = Histogram::<u32>::new();
            for &micros in &times {
                histogram.record(micros);
            }
            let blocks = blocks(&[&times]);
            let found = blocks.evaluate(&BlockStatistic::Quantile(TimeMetric::Latency, share), &[1]).unwrap();
            // A histogram ends at its exact maximum.
            let found = found.min(approximate(histogram.max()));
            prop_assert!((found - approximate(histogram.quantile(share))).abs() < 0.5);
        }
    }
}
