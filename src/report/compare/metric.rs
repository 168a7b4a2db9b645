//! What is compared, by name: `latency.p99`, `goodput`, `fault(dns.nxdomain)`.

use super::blocks::{Clock, Counted, Statistic};

/// What a number is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds.
    Micros,
    /// So many a second.
    PerSecond,
    /// A part of a whole, 1 for all of it.
    Share,
    /// Times as many.
    Factor,
    /// So many.
    Count,
}

impl Unit {
    /// Its name in the JSON of a comparison.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Micros => "us",
            Self::PerSecond => "per_s",
            Self::Share => "share",
            Self::Factor => "factor",
            Self::Count => "count",
        }
    }
}

/// A number that two runs are compared by.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    name: String,
    pub(super) statistic: Statistic,
    pub(super) unit: Unit,
}

/// Percentiles by their names in `run.json` and in conditions.
pub(super) const PERCENTILES: [(&str, f64); 6] =
    [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];

/// The names of metrics, for those who mistyped one.
pub(super) const NAMES: &str = "latency.p99 (latency, latency_failed, service or lateness; p50, p90, p95, p99, p99.9, \
    p99.99), offered, attempts, goodput, amplification, failed, shed, retries, status(CODE), fault(ID); \
    failed, shed, retries, status and fault count, and with .rate are shares";

impl Metric {
    /// The metric of a name.
    pub fn named(name: &str) -> Option<Self> {
        let metric = |statistic, unit| Some(Self { name: name.to_owned(), statistic, unit });
        match name {
            "offered" => return metric(Statistic::PerSecond(Counted::Offered), Unit::PerSecond),
            "attempts" => return metric(Statistic::PerSecond(Counted::Attempts), Unit::PerSecond),
            "goodput" => return metric(Statistic::PerSecond(Counted::Good), Unit::PerSecond),
            "amplification" => {
                return metric(Statistic::Share(Counted::Attempts, Counted::First), Unit::Factor);
            }
            _ => {}
        }
        if let Some((clock, percentile)) = name.split_once('.')
            && let Some(clock) = Clock::named(clock)
        {
            // As a key of `run.json`, too.
            let percentile = percentile.replace('_', ".");
            let (_, share) = PERCENTILES.into_iter().find(|(name, _)| *name == percentile)?;
            return metric(Statistic::Quantile(clock, share), Unit::Micros);
        }
        let (counted, is_rate) = name.strip_suffix(".rate").map_or((name, false), |counted| (counted, true));
        let (counted, of) = counted_by(counted)?;
        if is_rate {
            metric(Statistic::Share(counted, of), Unit::Share)
        } else {
            metric(Statistic::Count(counted), Unit::Count)
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn percentile(clock: Clock, percentile: &str) -> Self {
        Self::named(&format!("{}.{percentile}", clock.name())).expect("a clock and a percentile of the lists")
    }

    pub(super) fn status_share(status: &str) -> Self {
        let counted = Counted::Status(status.to_owned());
        let statistic = Statistic::Share(counted, Counted::Attempts);
        Self { name: format!("status({status}).rate"), statistic, unit: Unit::Share }
    }

    pub(super) fn fault_share(fault: &str) -> Self {
        let statistic = Statistic::Share(Counted::Fault(fault.to_owned()), Counted::Offered);
        Self { name: format!("fault({fault}).rate"), statistic, unit: Unit::Share }
    }
}

/// What is counted, and of what it is a part.
fn counted_by(name: &str) -> Option<(Counted, Counted)> {
    let within = |kind: &str| Some(name.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')')?.to_owned());
    match name {
        "failed" => Some((Counted::Failed, Counted::Offered)),
        "shed" => Some((Counted::Shed, Counted::Offered)),
        "retries" => Some((Counted::Retries, Counted::First)),
        _ => None,
    }
    .or_else(|| within("status").map(|status| (Counted::Status(status), Counted::Attempts)))
    .or_else(|| within("fault").map(|fault| (Counted::Fault(fault), Counted::Offered)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Option<(Statistic, Unit)>) {
        let found = Metric::named(name);
        assert!(found.iter().all(|metric| metric.name() == name));
        assert_eq!(found.map(|metric| (metric.statistic, metric.unit)), expected, "{name}");
    }

    #[test]
    fn names_say_what_is_meant() {
        check("latency.p99", Some((Statistic::Quantile(Clock::Latency, 0.99), Unit::Micros)));
        check("service.p99.9", Some((Statistic::Quantile(Clock::Service, 0.999), Unit::Micros)));
        check("lateness.p99_99", Some((Statistic::Quantile(Clock::Lateness, 0.9999), Unit::Micros)));
        check("goodput", Some((Statistic::PerSecond(Counted::Good), Unit::PerSecond)));
        check("failed", Some((Statistic::Count(Counted::Failed), Unit::Count)));
        check("failed.rate", Some((Statistic::Share(Counted::Failed, Counted::Offered), Unit::Share)));
        let fault = Counted::Fault("dns.nxdomain".to_owned());
        check("fault(dns.nxdomain)", Some((Statistic::Count(fault.clone()), Unit::Count)));
        check("fault(dns.nxdomain).rate", Some((Statistic::Share(fault, Counted::Offered), Unit::Share)));
        for wrong in ["", "p99", "latency", "latency.p98", "status(302", "goodput.rate", "Latency.p99"] {
            check(wrong, None);
        }
    }
}
