//! The times of the last so many seconds, exactly.
//!
//! Each second is kept as the counters that it filled, eight bytes each, and
//! taken away again when it leaves the window. Percentiles are those that a
//! histogram of all its samples would tell; no sample is invented or left out.

use super::Histogram;
use downpour_core::units::approximate;
use std::collections::{BTreeMap, VecDeque};

/// Times in microseconds of a window of seconds that moves on.
#[derive(Clone, Debug, Default)]
pub struct SlidingHistogram {
    seconds: VecDeque<WindowSecond>,
    /// The samples of all of them by the highest time of their counter.
    counters: BTreeMap<u32, u64>,
    count: u64,
    sum: u128,
}

#[derive(Clone, Debug)]
struct WindowSecond {
    number: u64,
    counters: Vec<(u32, u32)>,
    min: u64,
    max: u64,
    sum: u128,
}

impl SlidingHistogram {
    /// Adds the times of `second`, which is later than all before.
    pub fn add(&mut self, second: u64, times: &Histogram<u32>) {
        if times.is_empty() {
            return;
        }
        let counters: Vec<_> = times.filled().collect();
        for &(highest, count) in &counters {
            *self.counters.entry(highest).or_default() += u64::from(count);
            self.count += u64::from(count);
        }
        self.sum += times.sum();
        let (min, max, sum) = (times.min(), times.max(), times.sum());
        self.seconds.push_back(WindowSecond { number: second, counters, min, max, sum });
    }

    /// Takes away all seconds before `second`.
    pub fn forget_before(&mut self, second: u64) {
        while self.seconds.front().is_some_and(|first| first.number < second) {
            let Some(gone) = self.seconds.pop_front() else { return };
            for (highest, count) in gone.counters {
                if let Some(left) = self.counters.get_mut(&highest) {
                    *left -= u64::from(count);
                    if *left == 0 {
                        self.counters.remove(&highest);
                    }
                }
                self.count -= u64::from(count);
            }
            self.sum -= gone.sum;
        }
    }

    /// How many times there are in the window.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Whether there is no time in the window.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The shortest time, exactly; 0 if there is none.
    pub fn min(&self) -> u64 {
        self.seconds.iter().map(|second| second.min).min().unwrap_or_default()
    }

    /// The longest time, exactly; 0 if there is none.
    pub fn max(&self) -> u64 {
        self.seconds.iter().map(|second| second.max).max().unwrap_or_default()
    }

    /// The arithmetic mean of the exact times; 0 if there is none.
    #[expect(clippy::cast_precision_loss, reason = "a mean is rounded anyway")]
    pub fn mean(&self) -> f64 {
        if self.is_empty() { 0.0 } else { self.sum as f64 / approximate(self.count) }
    }

    /// The time that this share of the samples did not exceed, as
    /// [`Histogram::quantile`] tells it; 0 if there is none.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count is between 0 and that count"
    )]
    pub fn quantile(&self, share: f64) -> u64 {
        let wanted = ((share * approximate(self.count)).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (&highest, count) in &self.counters {
            seen += count;
            if seen >= wanted {
                return u64::from(highest).clamp(self.min(), self.max());
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(samples: &[u64]) -> Histogram<u32> {
        let mut histogram = Histogram::new();
        for &micros in samples {
            histogram.record(micros);
        }
        histogram
    }

    #[test]
    fn what_left_the_window_is_not_remembered() {
        let mut sliding = SlidingHistogram::default();
        sliding.add(0, &of(&[9_000_000]));
        sliding.add(1, &of(&[5, 7]));
        assert_eq!((sliding.max(), sliding.quantile(0.5)), (9_000_000, 7));
        sliding.forget_before(1);
        assert_eq!((sliding.min(), sliding.max(), sliding.quantile(1.0)), (5, 7, 7));
        assert!((sliding.mean() - 6.0).abs() < 1e-9);
        sliding.forget_before(2);
        assert!(sliding.is_empty());
        assert_eq!((sliding.min(), sliding.max(), sliding.quantile(0.5)), (0, 0, 0));
        assert!(sliding.counters.is_empty() && sliding.seconds.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The window, and a histogram of the samples in it, tell the same.
        #[test]
        fn a_window_is_a_histogram_of_its_samples(
            seconds in prop::collection::vec(prop::collection::vec(0..200_000_000_u64, 0..30), 1..12),
            length in 1..6_usize,
        ) {
            let mut sliding = SlidingHistogram::default();
            for (second, samples) in seconds.iter().enumerate() {
                sliding.add(second as u64, &of(samples));
                sliding.forget_before((second + 1).saturating_sub(length) as u64);
                let first = (second + 1).saturating_sub(length);
                let whole = of(&seconds[first..=second].concat());
                prop_assert_eq!((sliding.min(), sliding.max()), (whole.min(), whole.max()));
                prop_assert_eq!(sliding.mean().to_bits(), whole.mean().to_bits());
                for share in [0.01, 0.5, 0.9, 0.99, 0.999, 1.0] {
                    prop_assert_eq!(sliding.quantile(share), whole.quantile(share));
                }
            }
        }
    }
}
