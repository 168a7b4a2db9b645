//! From counts and histograms to the value of a measure.

use super::{CountMeasure, Measure, TimeMetric, TimeStatistic};
use downpour_core::units::{Offset, Share, approximate};
use downpour_metrics::{ArrivalCounts, Counts, Histogram, TimeHistograms};
use hdrhistogram::Counter;

/// A quotient of two counts: a value, once there is anything to divide by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountRatio {
    /// What is counted.
    pub(super) part: u64,
    /// What it is a part of.
    pub(super) whole: u64,
}

impl CountRatio {
    /// Both counts of a measure, 0 for the times of a clock.
    pub(super) fn of(measure: Measure, counts: &Counts) -> Self {
        match measure {
            Measure::Time(..) => Self::default(),
            Measure::Count(counted) | Measure::Share(counted) | Measure::PerSecond(counted) => {
                Self { part: part(counted, counts), whole: whole(counted, counts) }
            }
            Measure::Amplification => Self { part: counts.attempts.total(), whole: counts.attempts.first },
        }
    }

    /// Adds those of another second.
    pub(super) fn add(&mut self, other: Self) {
        self.part += other.part;
        self.whole += other.whole;
    }

    /// Takes away those of a second that was added.
    pub(super) fn subtract(&mut self, other: Self) {
        self.part -= other.part;
        self.whole -= other.whole;
    }

    /// The value of `measure`, counted over so many seconds.
    pub(super) fn value(self, measure: Measure, seconds: f64) -> Option<f64> {
        let part = approximate(self.part);
        match measure {
            Measure::Time(..) => None,
            Measure::Count(_) => Some(part),
            Measure::Share(_) | Measure::Amplification => {
                (self.whole > 0).then(|| part / approximate(self.whole))
            }
            Measure::PerSecond(_) => (seconds > 0.0).then(|| part / seconds),
        }
    }
}

/// The histogram of a clock.
pub(super) fn times<C: Counter>(clock: TimeMetric, times: &TimeHistograms<C>) -> &Histogram<C> {
    match clock {
        TimeMetric::Latency => &times.latency,
        TimeMetric::LatencyFailed => &times.latency_failed,
        TimeMetric::Service => &times.service,
        TimeMetric::Lateness => &times.lateness,
    }
}

impl TimeStatistic {
    /// So many samples where they are too few for this percentile: none of them
    /// would lie beyond it.
    pub(super) fn few(self, samples: u64) -> Option<u64> {
        let Self::Percentile(share) = self else { return None };
        let (all, beyond) = (u64::from(Share::ALL.ppm()), u64::from(Share::ALL.ppm() - share.ppm()));
        (beyond > 0 && samples.saturating_mul(beyond) <= all).then_some(samples)
    }

    /// The one of a clock's shortest, mean and longest time, or a percentile of
    /// its times: the longest where there are too few of them.
    pub(super) fn of(
        self,
        samples: u64,
        (min, mean, max): (u64, f64, u64),
        quantile: impl FnOnce(f64) -> u64,
    ) -> f64 {
        match self {
            Self::Percentile(_) if self.few(samples).is_some() => approximate(max),
            Self::Min => approximate(min),
            Self::Mean => mean,
            Self::Percentile(share) => approximate(quantile(share.as_f64())),
            Self::Max => approximate(max),
        }
    }
}

/// For how long something was counted: until the last of it, but not shorter
/// than arrivals were offered.
pub(super) fn seconds(counted: CountMeasure, counts: &Counts, offering_s: f64) -> f64 {
    let until = |last: Offset| offering_s.max(last.as_duration().as_secs_f64());
    match counted {
        CountMeasure::Offered | CountMeasure::Shed => offering_s,
        CountMeasure::Sent => until(counts.attempts.last_sent),
        CountMeasure::Passed
        | CountMeasure::Recovered
        | CountMeasure::Good
        | CountMeasure::Failed
        | CountMeasure::Unfinished
        | CountMeasure::Attempts
        | CountMeasure::Retries
        | CountMeasure::Completed
        | CountMeasure::MaskedBadRedirects
        | CountMeasure::Status(..)
        | CountMeasure::Redirects
        | CountMeasure::Unchecked
        | CountMeasure::ControlDiffer
        | CountMeasure::Fault(_)
        | CountMeasure::Family(_) => until(counts.attempts.last_done),
    }
}

fn part(counted: CountMeasure, counts: &Counts) -> u64 {
    let ArrivalCounts { offered, passed, recovered, failed, shed, unfinished: cut } = counts.arrivals;
    let (attempts, redirects) = (&counts.attempts, &counts.redirects);
    match counted {
        CountMeasure::Offered => offered,
        CountMeasure::Passed => passed,
        CountMeasure::Recovered => recovered,
        CountMeasure::Good => passed + recovered,
        CountMeasure::Failed => failed,
        CountMeasure::Shed => shed,
        CountMeasure::Unfinished => cut,
        CountMeasure::Attempts => attempts.total(),
        CountMeasure::Retries => attempts.retries,
        CountMeasure::Sent => attempts.sent,
        CountMeasure::Completed => attempts.completed(),
        CountMeasure::MaskedBadRedirects => counts.retries.redirects_hidden_by_retries(),
        CountMeasure::Status(first, last) => {
            attempts.statuses.range(first..=last).map(|(_, count)| count).sum()
        }
        CountMeasure::Redirects => redirects.seen,
        CountMeasure::Unchecked => redirects.unchecked_total(redirects.deepest()),
        // No counter of the run: the watch has it from the control.
        CountMeasure::ControlDiffer => 0,
        CountMeasure::Fault(fault) => counts.found.get(fault).count,
        CountMeasure::Family(family) => counts.found.of_family(family),
    }
}

/// What a share of it is a share of.
fn whole(counted: CountMeasure, counts: &Counts) -> u64 {
    match counted {
        CountMeasure::Offered
        | CountMeasure::Passed
        | CountMeasure::Recovered
        | CountMeasure::Good
        | CountMeasure::Failed
        | CountMeasure::Shed
        | CountMeasure::Unfinished
        | CountMeasure::Fault(_)
        | CountMeasure::Family(_) => counts.arrivals.settled(),
        CountMeasure::Attempts
        | CountMeasure::Retries
        | CountMeasure::Sent
        | CountMeasure::Completed
        | CountMeasure::MaskedBadRedirects
        | CountMeasure::Status(..)
        | CountMeasure::Redirects => counts.attempts.total(),
        CountMeasure::Unchecked => counts.redirects.seen,
        CountMeasure::ControlDiffer => 0,
    }
}
