//! A run as Prometheus reads it: `metrics.prom`, and what is scraped live.
//!
//! One list of families in two dialects, the older text format for files and
//! `OpenMetrics` for those who ask for it. Values of labels come from bounded lists
//! and are shortened and escaped; a candidate cannot make up series without end.
//! Times are in seconds, in buckets that are the same for every run. Pure.

use super::text::format::{safe, shortened};
use super::{Buckets, FaultLine, RunReport, TimeSummary, Verdict};
use downpour_core::units::approximate;
use downpour_metrics::Gauges;
use std::collections::BTreeMap;
use std::fmt::{self, Write};

/// Values of a label that are told apart; the rest is `other`.
const SERIES: usize = 64;

/// The longest value of a label.
const LABEL: usize = 120;

/// Buckets of a histogram that are read.
const MAX_BUCKETS: usize = 64;

/// The two ways to write the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The text format 0.0.4, which everything reads.
    Prometheus,
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
}

impl Dialect {
    /// The one that an `Accept` header asks for.
    pub fn for_accept(accept: &str) -> Self {
        let wanted = |range: &str| {
            let mut parts = range.split(';').map(str::trim);
            let is_ours = parts.next() == Some("application/openmetrics-text");
            is_ours && parts.all(|part| !matches!(part, "q=0" | "q=0.0" | "version=0.0.1"))
        };
        if accept.split(',').any(wanted) { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// How it is announced.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The families of a run; `now` is what is going on, for one that is not over.
pub fn exposition(report: &RunReport, now: Option<&Gauges>, dialect: Dialect) -> String {
    let mut families = Families { out: String::new(), dialect };
    // A string takes whatever is written to it.
    write(report, now, &mut families).unwrap_or_default();
    families.out
}

fn write(report: &RunReport, now: Option<&Gauges>, out: &mut Families) -> fmt::Result {
    let (plan, arrivals, attempts) = (&report.plan, &report.arrivals, &report.attempts);
    let info = [
        ("version", plan.version.as_str()),
        ("command", plan.command.name()),
        ("target", &plan.target),
        ("rate", &plan.rate),
        ("verify", plan.verify.name()),
    ];
    out.family("run_info", PrometheusKind::Gauge, "Settings of the run; always 1.")?;
    out.sample("run_info", &info, 1)?;
    if now.is_none() {
        verdict(report.verdict, out)?;
    }
    thresholds(report, out)?;
    out.family("run_seconds", PrometheusKind::Gauge, "Duration of the run so far.")?;
    out.sample("run_seconds", &[], report.generator.wall_s)?;
    out.counter("offered_arrivals", "Downloads offered by the schedule.", arrivals.offered)?;
    let fates = [
        ("passed", arrivals.passed),
        ("recovered", arrivals.recovered),
        ("failed", arrivals.failed),
        ("shed", arrivals.shed),
        ("unfinished", arrivals.unfinished),
    ];
    // What is open in a run that goes on would be cut if it ended now, and a counter must not fall.
    let known = fates.into_iter().filter(|(outcome, _)| now.is_none() || *outcome != "unfinished");
    out.counters("arrivals", "Downloads by outcome.", "outcome", known)?;
    let kinds = [("first", attempts.first), ("retry", attempts.retries)];
    out.counters("attempts", "Attempts that ended.", "kind", kinds)?;
    out.counter("sent_attempts", "Attempts of which a byte was sent.", attempts.sent)?;
    out.counters("responses", "Complete answers by status.", "code", bounded(&report.statuses))?;
    out.counters(
        "attempt_faults",
        "Attempts without an answer, by fault.",
        "fault",
        bounded(&attempts.faults),
    )?;
    let failed = by_fault(report, |line| line.count);
    out.counters("faults", "Failed downloads by fault.", "fault", bounded(&failed))?;
    let wrong = by_fault(report, |line| line.attempts);
    out.counters("wrong_attempts", "Attempts with a fault, by fault.", "fault", bounded(&wrong))?;
    let saved = by_fault(report, |line| line.saved_by_retries);
    out.counters(
        "recovered_arrivals",
        "Downloads that were good after a retry, by the fault before it.",
        "fault",
        bounded(&saved),
    )?;
    redirects(report, out)?;
    out.counter("connections_opened", "Connections opened to the candidate.", report.connections.opened)?;
    gauges(report, now, out)?;
    time_metrics(report, out)?;
    out.end()
}

/// A count of each fault that has some.
fn by_fault(report: &RunReport, of: impl Fn(&FaultLine) -> u64) -> BTreeMap<String, u64> {
    report.faults.iter().map(|line| (line.id.clone(), of(line))).filter(|(_, count)| *count > 0).collect()
}

fn verdict(verdict: Verdict, out: &mut Families) -> fmt::Result {
    let all = [
        ("passed", Verdict::Passed),
        ("failed", Verdict::Failed),
        ("invalid", Verdict::Invalid),
        ("interrupted", Verdict::Interrupted),
    ];
    out.family("run_verdict", PrometheusKind::Gauge, "1 for the verdict of the run, 0 for the others.")?;
    for (name, known) in all {
        out.sample("run_verdict", &[("verdict", name)], u8::from(known == verdict))?;
    }
    Ok(())
}

fn thresholds(report: &RunReport, out: &mut Families) -> fmt::Result {
    if report.thresholds.is_empty() {
        return Ok(());
    }
    let kept: BTreeMap<_, _> =
        report.thresholds.iter().take(SERIES).map(|line| (label(&line.expression), line.passed)).collect();
    out.family(
        "threshold_kept",
        PrometheusKind::Gauge,
        "1 for a threshold that is met, 0 for one that is violated.",
    )?;
    for (expression, kept) in kept {
        out.sample("threshold_kept", &[("threshold", &expression)], u8::from(kept))?;
    }
    Ok(())
}

fn redirects(report: &RunReport, out: &mut Families) -> fmt::Result {
    let targets = &report.targets;
    let unchecked = targets.redirects.saturating_sub(targets.checked).saturating_sub(targets.broken);
    let checks = [("yes", targets.checked), ("broken_before", targets.broken), ("no", unchecked)];
    out.counters("redirects", "Redirects by whether their target was checked.", "checked", checks)?;
    out.counter("target_lookups", "DNS lookups of the hosts of redirect targets.", targets.lookups)?;
    out.counter("target_requests", "Probes of redirect targets.", targets.requests)
}

fn gauges(report: &RunReport, now: Option<&Gauges>, out: &mut Families) -> fmt::Result {
    let connections = &report.connections;
    let most = [
        (
            "in_flight_max",
            "Highest number of attempts in flight at the end of a second.",
            connections.in_flight_max,
        ),
        ("waiting_max", "Highest number of downloads that waited for a connection.", connections.waiting_max),
        (
            "open_connections_max",
            "Highest number of open connections at the end of a second.",
            connections.open_max,
        ),
        (
            "resident_memory_max_bytes",
            "Peak resident memory of the generator.",
            report.generator.peak_rss_bytes,
        ),
    ];
    let current = now.map(|now| {
        [
            ("in_flight", "Attempts in flight.", now.in_flight),
            ("waiting", "Downloads that wait for a connection.", now.waiting),
            ("open_connections", "Connections open to the candidate.", now.connections_open),
        ]
    });
    for (name, help, value) in most.into_iter().chain(current.into_iter().flatten()) {
        out.family(name, PrometheusKind::Gauge, help)?;
        out.sample(name, &[], value)?;
    }
    Ok(())
}

fn time_metrics(report: &RunReport, out: &mut Families) -> fmt::Result {
    let buckets = &report.buckets;
    let latency = "From the scheduled send time of a download to the end of its last answer.";
    out.family("latency_seconds", PrometheusKind::Histogram, latency)?;
    out.histogram("latency_seconds", &[("outcome", "good")], (&report.latency_us, &buckets.latency_us))?;
    let failed = (&report.latency_failed_us, &buckets.latency_failed_us);
    out.histogram("latency_seconds", &[("outcome", "failed")], failed)?;
    for (name, help, of) in [
        (
            "service_seconds",
            "From the first byte sent of an attempt to the end of its answer.",
            (&report.service_us, &buckets.service_us),
        ),
        (
            "lateness_seconds",
            "From the scheduled send time of an attempt to its first byte sent.",
            (&report.lateness_us, &buckets.lateness_us),
        ),
    ] {
        out.family(name, PrometheusKind::Histogram, help)?;
        out.histogram(name, &[], of)?;
    }
    Ok(())
}

/// The most frequent names with their counts, in order of name; the rest is one.
fn bounded(counts: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut all: Vec<(&String, u64)> = counts.iter().map(|(name, count)| (name, *count)).collect();
    all.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    let mut kept = BTreeMap::new();
    for (place, (name, count)) in all.into_iter().enumerate() {
        let name = if place < SERIES { label(name) } else { "other".to_owned() };
        let so_far = kept.entry(name).or_insert(0_u64);
        *so_far = so_far.saturating_add(count);
    }
    kept
}

/// A number that is written out, with a point.
fn decimal(number: f64) -> String {
    let text = number.to_string();
    if text.contains('.') { text } else { text + ".0" }
}

/// A text as the value of a label, not yet escaped.
fn label(text: &str) -> String {
    shortened(&safe(text), LABEL).into_owned()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PrometheusKind {
    Counter,
    Gauge,
    Histogram,
}

/// Families under construction.
struct Families {
    out: String,
    dialect: Dialect,
}

impl Families {
    /// What comes before the samples of a family. `help` is a plain sentence of
    /// our own.
    fn family(&mut self, name: &str, kind: PrometheusKind, help: &str) -> fmt::Result {
        let kind_name = match kind {
            PrometheusKind::Counter => "counter",
            PrometheusKind::Gauge => "gauge",
            PrometheusKind::Histogram => "histogram",
        };
        // OpenMetrics names the family, the older format its samples.
        let total = if kind == PrometheusKind::Counter && self.dialect == Dialect::Prometheus {
            "_total"
        } else {
            ""
        };
        writeln!(self.out, "# HELP downpour_{name}{total} {help}")?;
        writeln!(self.out, "# TYPE downpour_{name}{total} {kind_name}")
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.family(name, PrometheusKind::Counter, help)?;
        self.sample(&format!("{name}_total"), &[], value)
    }

    /// A counter for each value of a label.
    fn counters<N: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        counts: impl IntoIterator<Item = (N, u64)>,
    ) -> fmt::Result {
        self.family(name, PrometheusKind::Counter, help)?;
        let sample = format!("{name}_total");
        for (value, count) in counts {
            self.sample(&sample, &[(label, value.as_ref())], count)?;
        }
        Ok(())
    }

    fn histogram(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        (times, Buckets(buckets)): (&TimeSummary, &Buckets),
    ) -> fmt::Result {
        let bucket = format!("{name}_bucket");
        let with = |bound: &str| {
            let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            labels.chain([("le".to_owned(), bound.to_owned())]).collect::<Vec<_>>()
        };
        let bounds = buckets.iter().take(MAX_BUCKETS);
        let bounds = bounds.map(|(bound, count)| (decimal(approximate(*bound) / 1e6), *count));
        for (bound, count) in bounds.chain([("+Inf".to_owned(), times.count)]) {
            let labels = with(&bound);
            let labels: Vec<_> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            self.sample(&bucket, &labels, count)?;
        }
        let sum = times.mean * approximate(times.count) / 1e6;
        self.sample(&format!("{name}_sum"), labels, decimal(sum))?;
        self.sample(&format!("{name}_count"), labels, times.count)
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl fmt::Display) -> fmt::Result {
        write!(self.out, "downpour_{name}")?;
        for (place, (key, text)) in labels.iter().enumerate() {
            let before = if place == 0 { '{' } else { ',' };
            let text = label(text).replace('\\', "\\\\").replace('"', "\\\"");
            write!(self.out, "{before}{key}=\"{text}\"")?;
        }
        let after = if labels.is_empty() { "" } else { "}" };
        writeln!(self.out, "{after} {value}")
    }

    fn end(&mut self) -> fmt::Result {
        if self.dialect == Dialect::OpenMetrics { writeln!(self.out, "# EOF") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(accept: &str, expected: Dialect) {
        assert_eq!(Dialect::for_accept(accept), expected, "{accept}");
    }

    #[test]
    fn open_metrics_is_for_those_who_ask_for_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        check(prometheus, Dialect::OpenMetrics);
        check("application/openmetrics-text; version=1.0.0; q=0.9", Dialect::OpenMetrics);
        check("text/html, */*;q=0.1", Dialect::Prometheus);
        check("application/openmetrics-text;q=0", Dialect::Prometheus);
        check("", Dialect::Prometheus);
    }

    #[test]
    fn a_candidate_cannot_make_up_series_without_end() {
        let statuses: BTreeMap<String, u64> = (100..999).map(|code| (code.to_string(), 2)).collect();
        let report = RunReport { statuses, ..RunReport::default() };
        let text = exposition(&report, None, Dialect::Prometheus);
        let codes: Vec<&str> = text.lines().filter(|line| line.contains("responses_total{")).collect();
        assert_eq!(codes.len(), SERIES + 1);
        assert_eq!(codes.last(), Some(&"downpour_responses_total{code=\"other\"} 1670"));
    }

    #[test]
    fn a_histogram_ends_with_all_samples() {
        let report = RunReport {
            latency_us: TimeSummary { count: 3, mean: 2_000.0, ..TimeSummary::default() },
            buckets: super::super::MetricBuckets {
                latency_us: Buckets(vec![(50, 0), (2_500, 3)]),
                ..Default::default()
            },
            ..RunReport::default()
        };
        let text = exposition(&report, Some(&Gauges::default()), Dialect::OpenMetrics);
        let name = "downpour_latency_seconds";
        let expected = format!(
            "# TYPE {name} histogram\n\
             {name}_bucket{{outcome=\"good\",le=\"0.00005\"}} 0\n\
             {name}_bucket{{outcome=\"good\",le=\"0.0025\"}} 3\n\
             {name}_bucket{{outcome=\"good\",le=\"+Inf\"}} 3\n\
             {name}_sum{{outcome=\"good\"}} 0.006\n\
             {name}_count{{outcome=\"good\"}} 3\n"
        );
        assert!(text.contains(&expected), "{text}");
        assert!(text.contains("# TYPE downpour_responses counter\n"), "{text}");
        assert!(!text.contains("run_verdict") && text.ends_with("# EOF\n"), "{text}");
    }
}
