//! What is compared, in the words of thresholds: `latency.p99`, `good.per_s`,
//! `fault(dns.nxdomain)`.

use super::blocks::{Counted, Statistic};
use crate::report::threshold::{self, Clock, Measure, Unit};

/// A number that two runs are compared by.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    name: String,
    pub(super) statistic: Statistic,
    pub(super) unit: Unit,
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
            Measure::Time(clock, threshold::Statistic::Percentile(share)) => {
                metric(Statistic::Quantile(clock, share.as_f64()))
            }
            Measure::Time(_, threshold::Statistic::Mean) => {
                Err("because it is not recorded per second: compare p50")
            }
            Measure::Time(_, threshold::Statistic::Min | threshold::Statistic::Max) => Err(EXTREME),
            Measure::Count(counted) => metric(Statistic::Count(counted_by(counted)?.0)),
            Measure::Share(counted) => {
                let (counted, whole) = counted_by(counted)?;
                metric(Statistic::Share(counted, whole))
            }
            Measure::PerSecond(counted) => metric(Statistic::PerSecond(counted_by(counted)?.0)),
            Measure::Amplification => metric(Statistic::Share(Counted::Attempts, Counted::First)),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn percentile(clock: Clock, (name, share): (&str, f64)) -> Self {
        let statistic = Statistic::Quantile(clock, share);
        Self { name: format!("{}.{name}", clock.name()), statistic, unit: Unit::Micros }
    }

    pub(super) fn status_share(status: &str) -> Self {
        let counted = Counted::Status(vec![status.to_owned()]);
        let statistic = Statistic::Share(counted, Counted::Attempts);
        Self { name: format!("status({status}).rate"), statistic, unit: Unit::Share }
    }

    pub(super) fn fault_share(fault: &str) -> Self {
        let statistic = Statistic::Share(Counted::Fault(fault.to_owned()), Counted::Settled);
        Self { name: format!("fault({fault}).rate"), statistic, unit: Unit::Share }
    }
}

/// What is counted, and of what it is a part.
fn counted_by(counted: threshold::Counted) -> Result<(Counted, Counted), &'static str> {
    use threshold::Counted as Of;
    let of_arrivals = |counted| Ok((counted, Counted::Settled));
    let of_attempts = |counted| Ok((counted, Counted::Attempts));
    match counted {
        Of::Offered => of_arrivals(Counted::Offered),
        Of::Good => of_arrivals(Counted::Good),
        Of::Passed => of_arrivals(Counted::Passed),
        Of::Recovered => of_arrivals(Counted::Recovered),
        Of::Failed => of_arrivals(Counted::Failed),
        Of::Shed => of_arrivals(Counted::Shed),
        Of::Cut => of_arrivals(Counted::Cut),
        Of::Attempts => of_attempts(Counted::Attempts),
        Of::Retries => of_attempts(Counted::Retries),
        Of::Sent => of_attempts(Counted::Sent),
        Of::Completed => of_attempts(Counted::Completed),
        Of::Redirects => of_attempts(Counted::Redirects),
        Of::Status(first, last) => {
            of_attempts(Counted::Status((first..=last).map(|status| status.to_string()).collect()))
        }
        Of::Fault(fault) => of_arrivals(Counted::Fault(fault.id().to_owned())),
        Of::Family(family) => of_arrivals(Counted::Family(format!("{family}."))),
        Of::Misled | Of::Unchecked | Of::ControlDiffer => Err("because it is not recorded per second"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Result<Metric, &'static str> {
        Metric::of(name.parse().unwrap())
    }

    #[track_caller]
    fn check(name: &str, statistic: Statistic, unit: Unit) {
        let name = name.to_owned();
        assert_eq!(named(&name), Ok(Metric { name, statistic, unit }));
    }

    #[test]
    fn measures_of_thresholds_are_compared() {
        check("latency.p99", Statistic::Quantile(Clock::Latency, 0.99), Unit::Micros);
        check("lateness.p99.99", Statistic::Quantile(Clock::Lateness, 0.9999), Unit::Micros);
        check("good.per_s", Statistic::PerSecond(Counted::Good), Unit::PerSecond);
        check("failed.count", Statistic::Count(Counted::Failed), Unit::Count);
        check("failed.rate", Statistic::Share(Counted::Failed, Counted::Settled), Unit::Share);
        let fault = Counted::Fault("dns.nxdomain".to_owned());
        check("fault(dns.nxdomain).count", Statistic::Count(fault.clone()), Unit::Count);
        check("fault(dns.nxdomain).rate", Statistic::Share(fault, Counted::Settled), Unit::Share);
        check("fault(dns).count", Statistic::Count(Counted::Family("dns.".to_owned())), Unit::Count);
        let status = Counted::Status(vec!["302".to_owned()]);
        check("status(302).rate", Statistic::Share(status, Counted::Attempts), Unit::Share);
    }

    #[test]
    fn what_no_second_tells_is_not_compared() {
        for name in
            ["latency.max", "latency.min", "latency.mean", "unchecked", "misled.rate", "control.differ"]
        {
            assert!(named(name).is_err(), "{name}");
        }
    }

    #[test]
    fn rows_have_the_names_of_their_measures() {
        assert_eq!(Metric::fault_share("dns.nxdomain"), named("fault(dns.nxdomain).rate").unwrap());
        assert_eq!(Metric::status_share("302"), named("status(302).rate").unwrap());
        for percentile in PERCENTILES {
            let metric = Metric::percentile(Clock::Service, percentile);
            assert_eq!(metric, named(metric.name()).unwrap());
        }
    }
}
