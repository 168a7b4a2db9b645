//! Synthetic runs whose truth is known: how often intervals hold it, and what
//! is said of runs that differ, or that do not compare.
//!
//! All draws are of integers, so the numbers are the same on every machine.

use super::*;
use crate::IntervalLine;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Comparisons made of each kind.
const TRIALS: u64 = 100;

/// A run to be made up.
#[derive(Clone, Copy)]
struct Made {
    seconds: u64,
    per_second: u64,
    /// Added to each time.
    longer_us: u64,
    /// Of 1,000 downloads so many fail.
    failing: u64,
    /// What slows all of a few seconds down, the same in runs of one seed.
    weather: u64,
}

const A_MINUTE: Made = Made { seconds: 60, per_second: 40, longer_us: 0, failing: 20, weather: 0 };

impl Made {
    /// Times skewed to the right, in spells of three seconds that are slower
    /// than others by up to a quarter.
    fn run(self, seed: u64) -> Blocks {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut weather = ChaCha8Rng::seed_from_u64(self.weather);
        let mut blocks = Blocks::new(BlockLayout::of(self.seconds), 0.0);
        let mut spell = (0, 0);
        for t_s in 0..self.seconds {
            if t_s % 3 == 0 {
                spell = (random.random_range(0..250_u64), weather.random_range(0..4_000_u64));
            }
            let offered = self.per_second + random.random_range(0..9_u64);
            let failed = (0..offered).filter(|_| random.random_range(0..1_000) < self.failing).count() as u64;
            let mut times = Vec::new();
            for _ in failed..offered {
                let skewed = random.random_range(0..1_000_u64) * random.random_range(0..1_000_u64) / 500;
                let weather = if self.weather == 0 { 0 } else { spell.1 };
                let time = 1_000 + skewed * (1_000 + spell.0) / 1_000 + weather + self.longer_us;
                times.push((time, 1));
            }
            blocks.add_times(TimeMetric::Latency, t_s, times.into_iter());
            let passed = offered - failed;
            blocks.add_second(&IntervalLine { t_s, offered, passed, failed, ..IntervalLine::default() });
        }
        blocks.sealed()
    }
}

/// Compares so many pairs of runs by these metrics, and tells for each how many
/// intervals hold its true difference, and how many hold no difference.
fn intervals(metrics: &[(&str, f64)], [a, b]: [Made; 2], pairing: Pairing) -> Vec<(usize, usize)> {
    let mut found = vec![(0, 0); metrics.len()];
    for trial in 0..TRIALS {
        let weather = |made: Made| Made { weather: made.weather * (trial + 1), ..made };
        let runs = [weather(a).run(2 * trial), weather(b).run(2 * trial + 1)];
        let blocks = (runs[0].layout().blocks(), runs[1].layout().blocks());
        let draws = Draws::new(trial, blocks, pairing);
        for ((name, truth), found) in metrics.iter().zip(&mut found) {
            let change =
                Change::of(Metric::of(name.parse().unwrap()).unwrap(), runs.each_ref(), Some(&draws));
            let (low, high) = change.interval.unwrap();
            found.0 += usize::from((low..=high).contains(truth));
            found.1 += usize::from(change.kind == ChangeKind::Indistinguishable);
        }
    }
    found
}

#[test]
fn equal_runs_are_indistinguishable_in_about_95_of_100_comparisons() {
    let metrics = ["latency.p50", "latency.p99", "good.per_s", "failed.rate"].map(|name| (name, 0.0));
    let found = intervals(&metrics, [A_MINUTE; 2], Pairing::Independent);
    assert_eq!(found, [(98, 98), (95, 95), (94, 94), (93, 93)]);
}

#[test]
fn a_shift_is_found_and_its_size_is_in_about_95_of_100_intervals() {
    let shifted = Made { longer_us: 150, failing: 60, ..A_MINUTE };
    let metrics = [("latency.p50", 150.0), ("latency.p99", 150.0), ("failed.rate", 0.04)];
    let found = intervals(&metrics, [A_MINUTE, shifted], Pairing::Independent);
    assert_eq!(found, [(97, 0), (96, 30), (94, 0)]);
}

/// Short runs have ten blocks; the widening makes up for them.
#[test]
fn short_runs_have_honest_intervals() {
    let (short, longer) = (Made { seconds: 20, ..A_MINUTE }, Made { seconds: 45, ..A_MINUTE });
    let metrics = [("latency.p50", 0.0), ("good.per_s", 0.0)];
    assert_eq!(intervals(&metrics, [short, longer], Pairing::Independent), [(95, 95), (95, 95)]);
}

#[test]
fn what_the_load_does_to_both_runs_is_no_part_of_the_difference() {
    let a = Made { weather: 1, ..A_MINUTE };
    let b = Made { longer_us: 150, ..a };
    let metrics = [("latency.p50", 150.0)];
    assert_eq!(intervals(&metrics, [a, b], Pairing::Paired), [(100, 7)]);
    assert_eq!(intervals(&metrics, [a, b], Pairing::Independent), [(100, 100)]);
}
