//! Histograms of times in microseconds, all of one shape.
//!
//! The shape is fixed for every run, worker and machine (1 µs to 1 h, three
//! significant digits), so that merging is addition of counters and loses
//! nothing. Beside the counters stand the exact minimum, maximum and sum, which
//! merge exactly too: a reported minimum, mean or maximum is never rounded to a
//! counter's width.

use hdrhistogram::Counter;

/// The longest time told apart, in microseconds: one hour. What is longer is
/// kept as this and counted as saturated.
pub const HIGHEST_US: u64 = 3_600_000_000;

const LOWEST_US: u64 = 1;
const DIGITS: u8 = 3;

/// Times in microseconds.
///
/// `Histogram<u32>` counts one second of a run (94 KB; a counter holds four
/// thousand million samples and then stays there), `Histogram<u64>` a whole
/// run. A time of 0 µs is a sample like any other: the first counter of this
/// shape covers exactly 0, so the minimum can say 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram<C: Counter> {
    counters: hdrhistogram::Histogram<C>,
    /// `u64::MAX` while empty.
    min: u64,
    max: u64,
    sum: u128,
    saturated: u64,
}

impl<C: Counter> Histogram<C> {
    /// An empty histogram.
    #[expect(clippy::missing_panics_doc, reason = "the bounds are constants that the crate accepts")]
    pub fn new() -> Self {
        let counters = hdrhistogram::Histogram::new_with_bounds(LOWEST_US, HIGHEST_US, DIGITS)
            .expect("the bounds are constants that the crate accepts");
        Self { counters, min: u64::MAX, max: 0, sum: 0, saturated: 0 }
    }

    /// Counts one time. Beyond [`HIGHEST_US`] it counts as that, and as
    /// saturated.
    pub fn record(&mut self, micros: u64) {
        let kept = micros.min(HIGHEST_US);
        self.saturated += u64::from(kept < micros);
        self.counters.saturating_record(kept);
        self.min = self.min.min(kept);
        self.max = self.max.max(kept);
        self.sum += u128::from(kept);
    }

    /// Empties it; keeps its memory.
    pub fn reset(&mut self) {
        self.counters.reset();
        (self.min, self.max, self.sum, self.saturated) = (u64::MAX, 0, 0, 0);
    }

    /// Adds the samples of another one of the same width.
    #[expect(clippy::missing_panics_doc, reason = "all histograms have one shape")]
    pub fn merge(&mut self, other: &Self) {
        self.counters.add(&other.counters).expect("all histograms have one shape");
        self.absorb_extremes(other);
    }

    fn absorb_extremes<D: Counter>(&mut self, other: &Histogram<D>) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
        self.saturated += other.saturated;
    }

    /// How many samples it holds.
    pub fn count(&self) -> u64 {
        self.counters.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.counters.is_empty()
    }

    /// The shortest time, exactly; 0 if there is none.
    pub fn min(&self) -> u64 {
        if self.is_empty() { 0 } else { self.min }
    }

    /// The longest time, exactly; 0 if there is none.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The arithmetic mean of the exact times; 0 if there is none.
    #[expect(clippy::cast_precision_loss, reason = "a mean is rounded anyway")]
    pub fn mean(&self) -> f64 {
        if self.is_empty() { 0.0 } else { self.sum as f64 / self.count() as f64 }
    }

    /// How many samples were longer than [`HIGHEST_US`].
    pub fn saturated(&self) -> u64 {
        self.saturated
    }

    /// The times that these shares of the samples did not exceed, to three
    /// digits, never outside the exact minimum and maximum. `shares` ascend
    /// within 0 to 1; all zero for an empty histogram.
    pub fn quantiles<const N: usize>(&self, shares: [f64; N]) -> [u64; N] {
        let mut values = [0; N];
        if !self.is_empty() {
            for (value, found) in values.iter_mut().zip(self.counters.value_at_quantiles(shares)) {
                *value = found.clamp(self.min, self.max);
            }
        }
        values
    }

    /// The one time that this share of the samples did not exceed.
    pub fn quantile(&self, share: f64) -> u64 {
        let [value] = self.quantiles([share]);
        value
    }

    /// The counters, for writing them out in the exchange format.
    pub fn counters(&self) -> &hdrhistogram::Histogram<C> {
        &self.counters
    }
}

impl Histogram<u32> {
    /// The counters that hold samples: the highest time of each, which is less
    /// than 2^32, and how many.
    pub(super) fn filled(&self) -> impl Iterator<Item = (u32, u32)> {
        let steps = self.counters.iter_recorded();
        steps.map(|step| {
            let highest = u32::try_from(step.value_iterated_to());
            (highest.unwrap_or(u32::MAX), step.count_at_value())
        })
    }

    /// The sum of the exact times.
    pub(super) const fn sum(&self) -> u128 {
        self.sum
    }
}

impl Histogram<u64> {
    /// Adds the samples of one second.
    pub fn absorb(&mut self, second: &Histogram<u32>) {
        for step in second.counters.iter_recorded() {
            let count = u64::from(step.count_at_value());
            self.counters.saturating_record_n(step.value_iterated_to(), count);
        }
        self.absorb_extremes(second);
    }
}

impl<C: Counter> Default for Histogram<C> {
    fn default() -> Self {
        Self::new()
    }
}

/// The clocks of a run, each with its histogram.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimeHistograms<C: Counter> {
    /// Due to done, of arrivals that passed or recovered.
    pub latency: Histogram<C>,
    /// Due to done, of arrivals that failed.
    pub latency_failed: Histogram<C>,
    /// Sent to done, of attempts.
    pub service: Histogram<C>,
    /// Due to sent, of attempts.
    pub lateness: Histogram<C>,
    /// Of a TLS handshake, from its first byte to its end.
    pub handshake: Histogram<C>,
}

impl<C: Counter> TimeHistograms<C> {
    /// Empties all; keeps their memory.
    pub fn reset(&mut self) {
        let Self { latency, latency_failed, service, lateness, handshake } = self;
        for histogram in [latency, latency_failed, service, lateness, handshake] {
            histogram.reset();
        }
    }

    /// Adds those of another one of the same width.
    pub fn merge(&mut self, other: &Self) {
        self.latency.merge(&other.latency);
        self.latency_failed.merge(&other.latency_failed);
        self.service.merge(&other.service);
        self.lateness.merge(&other.lateness);
        self.handshake.merge(&other.handshake);
    }
}

impl TimeHistograms<u64> {
    /// Adds those of one second.
    pub fn absorb(&mut self, second: &TimeHistograms<u32>) {
        self.latency.absorb(&second.latency);
        self.latency_failed.absorb(&second.latency_failed);
        self.service.absorb(&second.service);
        self.lateness.absorb(&second.lateness);
        self.handshake.absorb(&second.handshake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of<C: Counter>(samples: &[u64]) -> Histogram<C> {
        let mut histogram = Histogram::new();
        for &micros in samples {
            histogram.record(micros);
        }
        histogram
    }

    #[track_caller]
    fn check(samples: &[u64], share: f64, expected: u64) {
        assert_eq!(of::<u32>(samples).quantile(share), expected, "{share} of {samples:?}");
    }

    #[test]
    fn quantiles_are_samples_to_three_digits() {
        check(&[], 0.5, 0);
        check(&[0], 0.99, 0);
        check(&[0, 0, 7], 0.5, 0);
        check(&[1, 2, 3, 4], 0.5, 2);
        check(&[1, 2, 3, 4], 1.0, 4);
        // The counter ends at 1,000,447; the exact maximum caps it.
        check(&[10, 1_000_000], 1.0, 1_000_000);
        check(&[u64::MAX], 0.5, HIGHEST_US);
    }

    #[test]
    fn minimum_mean_and_maximum_are_exact() {
        let histogram = of::<u32>(&[0, 1_000_001, 2_000_002]);
        assert_eq!((histogram.min(), histogram.max(), histogram.count()), (0, 2_000_002, 3));
        assert!((histogram.mean() - 1_000_001.0).abs() < 1e-9);
        let empty = Histogram::<u64>::new();
        assert_eq!((empty.min(), empty.max(), empty.count(), empty.mean().to_bits()), (0, 0, 0, 0));
    }

    #[test]
    fn what_is_too_long_is_kept_and_counted() {
        let histogram = of::<u64>(&[5, HIGHEST_US, HIGHEST_US + 1, u64::MAX]);
        assert_eq!((histogram.count(), histogram.saturated(), histogram.max()), (4, 2, HIGHEST_US));
    }

    #[test]
    fn a_reset_histogram_is_a_new_one() {
        let mut histogram = of::<u32>(&[3, 9, u64::MAX]);
        histogram.reset();
        assert_eq!(histogram, Histogram::new());
        histogram.record(4);
        assert_eq!(histogram, of(&[4]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn merging_is_the_same_as_recording_all(
            a in prop::collection::vec(0..=HIGHEST_US + 5, 0..40),
            b in prop::collection::vec(0..10_000_u64, 0..40),
        ) {
            let mut merged = of::<u32>(&a);
            merged.merge(&of(&b));
            let all: Vec<u64> = a.iter().chain(&b).copied().collect();
            prop_assert_eq!(&merged, &of(&all));

            let mut total = of::<u64>(&a);
            total.absorb(&of(&b));
            prop_assert_eq!(total.quantiles([0.5, 0.9, 1.0]), merged.quantiles([0.5, 0.9, 1.0]));
            prop_assert_eq!(total.count(), merged.count());
            prop_assert_eq!(total.mean().to_bits(), merged.mean().to_bits());
        }
    }
}
