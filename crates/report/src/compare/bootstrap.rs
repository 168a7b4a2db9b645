//! Whether a difference is more than chance: a block bootstrap.
//!
//! Blocks of both runs are drawn with replacement, as many as each has, a
//! thousand times; the spread of the differences found this way is that of
//! measuring again. Where both runs had the same load second by second, the
//! same blocks are drawn of both: what the load itself did to both is then no
//! part of the difference. The interval is the middle 95 % of the differences,
//! of times, rates and counts that of the logarithm of B ÷ A, so that it never
//! reaches below what a number above 0 can fall by. It is widened as Student's distribution is wider than the normal one, because few
//! blocks make it too narrow (Hesterberg 2015, §4.3). Seeded: equal runs and
//! seeds give equal intervals.

use super::blocks::{BlockStatistic, Blocks};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Times that blocks are drawn.
pub const RESAMPLES: usize = 1_000;

/// How many of 100 intervals hold the true difference.
pub const CONFIDENCE_PERCENT: u32 = 95;

/// The normal quantile of that, two-sided.
const Z: f64 = 1.959_963_984_540_054;

/// Whose blocks are drawn together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pairing {
    /// The same blocks of both.
    Paired,
    /// Each run's for itself.
    Independent,
}

/// The draws for a comparison: how many times each block is taken.
#[derive(Debug)]
pub(super) struct Draws {
    a: Vec<u32>,
    /// Nothing where they are the same as A's.
    b: Option<Vec<u32>>,
    blocks: (usize, usize),
}

impl Draws {
    pub(super) fn new(seed: u64, blocks: (usize, usize), pairing: Pairing) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut drawn = |blocks: usize| {
            let mut taken = vec![0; blocks * RESAMPLES];
            for resample in taken.chunks_exact_mut(blocks) {
                (0..blocks).for_each(|_| resample[random.random_range(0..blocks)] += 1);
            }
            taken
        };
        let a = drawn(blocks.0);
        let b = (pairing == Pairing::Independent).then(|| drawn(blocks.1));
        Self { a, b, blocks }
    }

    fn each(&self) -> impl Iterator<Item = (&[u32], &[u32])> {
        let b = self.b.as_ref().unwrap_or(&self.a);
        self.a.chunks_exact(self.blocks.0).zip(b.chunks_exact(self.blocks.1))
    }
}

/// A difference, B's number less A's, and between what it lies in
/// [`CONFIDENCE_PERCENT`] of 100 comparisons.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DifferenceInterval {
    pub(super) difference: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// Nothing where a run, or most choices of its blocks, do not have the number.
pub(super) fn difference(
    a: &Blocks,
    b: &Blocks,
    statistic: &BlockStatistic,
    draws: &Draws,
) -> Option<DifferenceInterval> {
    let whole = |run: &Blocks| run.evaluate(statistic, &vec![1; run.layout().blocks()]);
    let (of_a, of_b) = (whole(a)?, whole(b)?);
    let mut pairs = Vec::with_capacity(RESAMPLES);
    for (taken_a, taken_b) in draws.each() {
        pairs.extend(a.evaluate(statistic, taken_a).zip(b.evaluate(statistic, taken_b)));
    }
    if pairs.len() < RESAMPLES * 9 / 10 {
        return None;
    }
    let wider = widening(&pairs, draws);
    let have_ratio = of_a > 0.0 && of_b > 0.0 && pairs.iter().all(|(a, b)| *a > 0.0 && *b > 0.0);
    let (low, high) = if have_ratio && !matches!(statistic, BlockStatistic::Share(..)) {
        let ratios = pairs.iter().map(|(a, b)| (b / a).ln()).collect();
        let (low, high) = middle(ratios, (of_b / of_a).ln(), wider);
        (of_a * low.exp_m1(), of_a * high.exp_m1())
    } else {
        let (low, high) = middle(pairs.iter().map(|(a, b)| b - a).collect(), of_b - of_a, wider);
        // No number here is below 0, so none can fall by more than all of A's.
        (low.max(-of_a), high)
    };
    Some(DifferenceInterval { difference: of_b - of_a, low, high })
}

/// The ends of the middle [`CONFIDENCE_PERCENT`] of the values, moved away from
/// the one that was measured by a factor.
fn middle(mut values: Vec<f64>, measured: f64, wider: f64) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let tail = values.len() * (100 - CONFIDENCE_PERCENT as usize) / 200;
    let end = |value: f64| measured + (value - measured) * wider;
    (end(values[tail]), end(values[values.len() - 1 - tail]))
}

/// By how much the middle of the differences is too narrow: blocks lose a
/// degree of freedom to their mean, and tails are longer for few of them.
#[expect(clippy::cast_precision_loss, reason = "at most 120 blocks")]
fn widening(pairs: &[(f64, f64)], draws: &Draws) -> f64 {
    let blocks = (draws.blocks.0 as f64, draws.blocks.1 as f64);
    let freedom = if draws.b.is_none() {
        blocks.0 - 1.0
    } else {
        // Welch and Satterthwaite: the run that varies more decides.
        let spread = (variance(pairs.iter().map(|p| p.0)), variance(pairs.iter().map(|p| p.1)));
        let least = blocks.0.min(blocks.1) - 1.0;
        let parts = spread.0.powi(2) / (blocks.0 - 1.0) + spread.1.powi(2) / (blocks.1 - 1.0);
        if parts > 0.0 { ((spread.0 + spread.1).powi(2) / parts).max(least) } else { least }
    };
    let fewest = blocks.0.min(blocks.1);
    (fewest / (fewest - 1.0)).sqrt() * student(freedom) / Z
}

fn variance(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let (count, sum) = values.clone().fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    values.map(|value| (value - sum / count).powi(2)).sum::<f64>() / count
}

/// The quantile of Student's distribution that belongs to [`Z`], by the
/// expansion of Abramowitz and Stegun 26.7.5; exact to 0.2 % from 5 degrees of
/// freedom on.
fn student(freedom: f64) -> f64 {
    let z = |power: i32| Z.powi(power);
    let terms = [
        (z(3) + z(1)) / 4.0,
        (5.0 * z(5) + 16.0 * z(3) + 3.0 * z(1)) / 96.0,
        (3.0 * z(7) + 19.0 * z(5) + 17.0 * z(3) - 15.0 * z(1)) / 384.0,
    ];
    terms.iter().rev().fold(0.0, |sum, term| (sum + term) / freedom) + Z
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_quantiles_are_those_of_the_tables() {
        for (freedom, expected) in [(5.0, 2.5706), (9.0, 2.2622), (19.0, 2.0930), (119.0, 1.9801)] {
            assert!((student(freedom) / expected - 1.0).abs() < 0.002, "{freedom}: {}", student(freedom));
        }
    }

    #[test]
    fn draws_are_whole_and_repeatable() {
        let draws = Draws::new(1, (7, 9), Pairing::Independent);
        assert_eq!(draws.each().count(), RESAMPLES);
        assert!(draws.each().all(|(a, b)| a.iter().sum::<u32>() == 7 && b.iter().sum::<u32>() == 9));
        assert_eq!(draws.a, Draws::new(1, (7, 7), Pairing::Paired).a);
        assert_ne!(draws.a, Draws::new(2, (7, 7), Pairing::Paired).a);
    }
}
