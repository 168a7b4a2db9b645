//! A clock as counts below fixed bounds, the way Prometheus holds a histogram.
//!
//! The bounds are the same for every run, so that runs can be added up and
//! compared by a query. Between them nothing is known: percentiles are told by
//! [`super::TimeSummary`] and [`super::Curve`], to three digits.

use super::curve::one_line;
use downpour_metrics::{Histogram, TimeHistograms as ClockTimes};
use hdrhistogram::Counter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// The bounds in microseconds: from a wake-up to a time-out, about three to a
/// decade.
pub const BOUNDS_US: [u64; 18] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000,
];

/// Pairs of a bound in microseconds and the number of samples up to it, both
/// ascending. Each list is on one line. A bound may count samples that exceed it
/// by less than 0.1 %, because the counters are that wide.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Buckets(pub Vec<(u64, u64)>);

/// The buckets of each metric.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MetricBuckets {
    /// Latency of good arrivals.
    pub latency_us: Buckets,
    /// Service time of attempts.
    pub service_us: Buckets,
    /// Send delay of attempts.
    pub lateness_us: Buckets,
    /// Latency of failed arrivals.
    pub latency_failed_us: Buckets,
}

impl From<&ClockTimes<u64>> for MetricBuckets {
    fn from(times: &ClockTimes<u64>) -> Self {
        Self {
            latency_us: Buckets::from(&times.latency),
            service_us: Buckets::from(&times.service),
            lateness_us: Buckets::from(&times.lateness),
            latency_failed_us: Buckets::from(&times.latency_failed),
        }
    }
}

impl Serialize for Buckets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        one_line(&self.0, serializer)
    }
}

impl<C: Counter> From<&Histogram<C>> for Buckets {
    fn from(histogram: &Histogram<C>) -> Self {
        let mut steps = histogram.counters().iter_recorded().peekable();
        let mut below = 0_u64;
        let counted = BOUNDS_US.map(|bound| {
            // A counter belongs to the first bound that lies in it or above.
            let lowest = |value| histogram.counters().lowest_equivalent(value);
            while let Some(step) = steps.next_if(|step| lowest(step.value_iterated_to()) <= bound) {
                below = below.saturating_add(step.count_since_last_iteration());
            }
            (bound, below)
        });
        Self(counted.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(samples: &[u64], bound: u64, expected: u64) {
        let mut histogram = Histogram::<u32>::new();
        for micros in samples {
            histogram.record(*micros);
        }
        let Buckets(counted) = Buckets::from(&histogram);
        assert_eq!(counted.len(), BOUNDS_US.len());
        let found = counted.iter().find(|(known, _)| *known == bound).unwrap().1;
        assert_eq!(found, expected, "{samples:?}");
    }

    #[test]
    fn a_bucket_holds_what_did_not_exceed_its_bound() {
        check(&[], 50, 0);
        check(&[0, 50, 51], 50, 2);
        check(&[0, 50, 51], 100, 3);
        check(&[5_000, 5_010], 5_000, 1);
        check(&[30_000_000, 31_000_000, u64::MAX], 30_000_000, 1);
    }
}
