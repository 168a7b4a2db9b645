//! What is compared, in the words of thresholds: `latency.p99`, `good.per_s`,
//! `fault(dns.nxdomain)`.

use super::blocks::{BlockCount, BlockStatistic};
use crate::threshold::{self, Measure, MeasureUnit, TimeMetric};

/// A number that two runs are compared by.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    name: String,
    pub(super) statistic: BlockStatistic,
    pub(super) unit: MeasureUnit,
}

/// Percentiles with a row of their own, by their names.
pub(super) const PERCENTILES: [(&str, f64); 6] =
    [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];

impl Metric {
    /// The metric of a measure; the error says why its changes have no
    /// interval.
    pub fn of(measure: Measure) -> Result<Self, &'static str> {
        const EXTREME: &str = "because a single sample decides it: compare a percentile";
        let metric = |statistic| Ok(Self { name: measure.to_string(), statistic, unit: measure.unit() });
        match measure {
            Measure::Time(clock, threshold::TimeStatistic::Percentile(share)) => {
                metric(BlockStatistic::Quantile(clock, share.as_f64()))
            }
            Measure::Time(_, threshold::TimeStatistic::Mean) => {
                Err("because it is not recorded per second: compare p50")
            }
            Measure::Time(_, threshold::TimeStatistic::Min | threshold::TimeStatistic::Max) => Err(EXTREME),
            Measure::Count(counted) => metric(BlockStatistic::Count(counted_by(counted)?.0)),
            Measure::Share(counted) => {
                let (counted, whole) = counted_by(counted)?;
                metric(BlockStatistic::Share(counted, whole))
            }
            Measure::PerSecond(counted) => metric(BlockStatistic::PerSecond(counted_by(counted)?.0)),
            Measure::Amplification => metric(BlockStatistic::Share(BlockCount::Attempts, BlockCount::First)),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn percentile(clock: TimeMetric, (name, share): (&str, f64)) -> Self {
        let statistic = BlockStatistic::Quantile(clock, share);
        Self { name: format!("{}.{name}", clock.name()), statistic, unit: MeasureUnit::Micros }
    }

    pub(super) fn status_share(status: &str) -> Self {
        let counted = BlockCount::Status(vec![status.to_owned()]);
        let statistic = BlockStatistic::Share(counted, BlockCount::Attempts);
        Self { name: format!("status({status}).rate"), statistic, unit: MeasureUnit::Share }
    }

    pub(super) fn fault_share(fault: &str) -> Self {
        let statistic = BlockStatistic::Share(BlockCount::Fault(fault.to_owned()), BlockCount::Settled);
        Self { name: format!("fault({fault}).rate"), statistic, unit: MeasureUnit::Share }
    }
}

/// What is counted, and of what it is a part.
fn counted_by(counted: threshold::CountMeasure) -> Result<(BlockCount, BlockCount), &'static str> {
    use threshold::CountMeasure as Of;
    let of_arrivals = |counted| Ok((counted, BlockCount::Settled));
    let of_attempts = |counted| Ok((counted, BlockCount::Attempts));
    match counted {
        Of::Offered => of_arrivals(BlockCount::Offered),
        Of::Good => of_arrivals(BlockCount::Good),
        Of::Passed => of_arrivals(BlockCount::Passed),
        Of::Recovered => of_arrivals(BlockCount::Recovered),
        Of::Failed => of_arrivals(BlockCount::Failed),
        Of::Shed => of_arrivals(BlockCount::Shed),
        Of::Unfinished => of_arrivals(BlockCount::Unfinished),
        Of::Attempts => of_attempts(BlockCount::Attempts),
        Of::Retries => of_attempts(BlockCount::Retries),
        Of::Sent => of_attempts(BlockCount::Sent),
        Of::Completed => of_attempts(BlockCount::Completed),
        Of::Redirects => of_attempts(BlockCount::Redirects),
        Of::Status(first, last) => {
            of_attempts(BlockCount::Status((first..=last).map(|status| status.to_string()).collect()))
        }
        Of::Fault(fault) => of_arrivals(BlockCount::Fault(fault.id().to_owned())),
        Of::Family(family) => of_arrivals(BlockCount::Family(format!("{family}."))),
        Of::MaskedBadRedirects | Of::Unchecked | Of::ControlDiffer => {
            Err("because it is not recorded per second")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Result<Metric, &'static str> {
        Metric::of(name.parse().unwrap())
    }

    #[track_caller]
    fn check(name: &str, statistic: BlockStatistic, unit: MeasureUnit) {
        let name = name.to_owned();
        assert_eq!(named(&name), Ok(Metric { name, statistic, unit }));
    }

    #[test]
    fn measures_of_thresholds_are_compared() {
        check("latency.p99", BlockStatistic::Quantile(TimeMetric::Latency, 0.99), MeasureUnit::Micros);
        check("lateness.p99.99", BlockStatistic::Quantile(TimeMetric::Lateness, 0.9999), MeasureUnit::Micros);
        check("good.per_s", BlockStatistic::PerSecond(BlockCount::Good), MeasureUnit::PerSecond);
        check("failed.count", BlockStatistic::Count(BlockCount::Failed), MeasureUnit::Count);
        check(
            "failed.rate",
            BlockStatistic::Share(BlockCount::Failed, BlockCount::Settled),
            MeasureUnit::Share,
        );
        let fault = BlockCount::Fault("dns.nxdomain".to_owned());
        check("fault(dns.nxdomain).count", BlockStatistic::Count(fault.clone()), MeasureUnit::Count);
        check(
            "fault(dns.nxdomain).rate",
            BlockStatistic::Share(fault, BlockCount::Settled),
            MeasureUnit::Share,
        );
        check(
            "fault(dns).count",
            BlockStatistic::Count(BlockCount::Family("dns.".to_owned())),
            MeasureUnit::Count,
        );
        let status = BlockCount::Status(vec!["302".to_owned()]);
        check("status(302).rate", BlockStatistic::Share(status, BlockCount::Attempts), MeasureUnit::Share);
    }

    #[test]
    fn what_no_second_tells_is_not_compared() {
        for name in [
            "latency.max",
            "latency.min",
            "latency.mean",
            "unchecked",
            "redirects_hidden_by_retries.rate",
            "control.differ",
        ] {
            assert!(named(name).is_err(), "{name}");
        }
    }

    #[test]
    fn rows_have_the_names_of_their_measures() {
        assert_eq!(Metric::fault_share("dns.nxdomain"), named("fault(dns.nxdomain).rate").unwrap());
        assert_eq!(Metric::status_share("302"), named("status(302).rate").unwrap());
        for percentile in PERCENTILES {
            let metric = Metric::percentile(TimeMetric::Service, percentile);
            assert_eq!(metric, named(metric.name()).unwrap());
        }
    }
}
