//! The summary: what a person reads first, at three in the morning.
//!
//! What was not checked comes first, then the verdict and why, then the
//! thresholds, the load, the times, the faults and the books. At most 80 columns, no colour, and not
//! a byte that came from a log or a server unescaped. Pure: equal reports give
//! equal bytes.

pub(super) mod accounting;
mod check;
mod control;
pub(super) mod faults;
pub(super) mod format;
pub(super) mod headline;
mod paint;
pub(super) mod rules;
mod shorten_differing;
mod simulated;
pub(super) mod storm;
pub(super) mod thresholds;
mod transitions;

pub use format::micros;
pub use paint::painted;

use super::{Generator, RunKind, RunReport, TimeSummary};
use crate::ArrivalSpacing;
use downpour_core::units::grouped;
use format::{TextPage, counted, of, per_second, safe, seconds, share, whole};
use std::collections::BTreeMap;

/// What is told of the times of a clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct SummaryStatistic {
    pub(super) name: &'static str,
    of: fn(&TimeSummary) -> u64,
    /// How many samples are not enough. A percentile without a sample beyond it
    /// is the longest time under another name.
    too_few: u64,
}

const fn statistic(name: &'static str, too_few: u64, of: fn(&TimeSummary) -> u64) -> SummaryStatistic {
    SummaryStatistic { name, of, too_few }
}

/// The statistics that are told, in their order.
pub(super) const STATISTICS: [SummaryStatistic; 9] = [
    statistic("min", 0, |t| t.min),
    statistic("mean", 0, |t| whole(t.mean)),
    P50,
    P90,
    statistic("p95", 20, |t| t.p95),
    P99,
    P99_9,
    statistic("p99.99", 10_000, |t| t.p99_99),
    statistic("max", 0, |t| t.max),
];

pub(super) const P50: SummaryStatistic = statistic("p50", 2, |t| t.p50);
pub(super) const P90: SummaryStatistic = statistic("p90", 10, |t| t.p90);
pub(super) const P99: SummaryStatistic = statistic("p99", 100, |t| t.p99);
pub(super) const P99_9: SummaryStatistic = statistic("p99.9", 1_000, |t| t.p99_9);

impl SummaryStatistic {
    /// Its value in words; `-` where there are too few samples.
    pub(super) fn text(&self, times: &TimeSummary) -> String {
        self.value(times).map_or_else(|| "-".to_owned(), micros)
    }

    /// Its value in microseconds; nothing where there are too few samples.
    pub(super) fn value(&self, times: &TimeSummary) -> Option<u64> {
        (!self.lacks(times.count)).then(|| (self.of)(times))
    }

    /// The one that a report has under that key, such as `p99_9`.
    pub(super) fn by_key(key: &str) -> Option<&'static Self> {
        STATISTICS.iter().find(|statistic| {
            let name = statistic.name.bytes().map(|b| if b == b'.' { b'_' } else { b });
            name.eq(key.bytes())
        })
    }

    /// Whether so many samples are too few.
    pub(super) const fn lacks(&self, samples: u64) -> bool {
        samples <= self.too_few
    }
}

/// A rate in words; `-` for fewer than two events, which have none.
pub(super) fn rate_of(count: u64, rate_per_s: f64) -> String {
    if count < 2 { "-".to_owned() } else { per_second(rate_per_s) }
}

/// The summary of a run.
pub fn summary(report: &RunReport) -> String {
    let mut page = TextPage::default();
    if report.plan.command == RunKind::Check {
        check::write(report, &mut page);
        return page.into_text();
    }
    headline::write(report, &mut page);
    thresholds::write(report, &mut page);
    load(report, &mut page);
    times(report, &mut page);
    answers(report, &mut page);
    storm::write(report, &mut page);
    simulated::write(report, &mut page);
    transitions::write(report, &mut page);
    rules::write(report, &mut page);
    faults::faults(report, &mut page);
    faults::warnings(report, &mut page);
    faults::hosts(report, &mut page);
    control::write(report, &mut page);
    accounting::write(report, &mut page);
    generator(report, &mut page);
    page.into_text()
}

/// What was asked for, in a line.
pub(super) fn asked(report: &RunReport) -> String {
    let plan = &report.plan;
    let inputs: Vec<_> = plan.inputs.iter().map(|input| safe(&input.name)).collect();
    let command = format!("{} {} to {}", plan.command.name(), inputs.join(" "), safe(&plan.target));
    let mut asked = vec![command, format!("rate {}", safe(&plan.rate))];
    asked.extend(plan.duration_s.map(|length| format!("for {}", seconds(length))));
    asked.extend(plan.requests.map(|count| counted(count, "request")));
    asked.extend((plan.arrivals == ArrivalSpacing::Poisson).then(|| "poisson arrivals".to_owned()));
    let unit = plan.sample_by.as_deref().unwrap_or("target");
    asked.extend(plan.sample.as_ref().map(|share| format!("sample {} of {}s", safe(share), safe(unit))));
    asked.extend(plan.amplify.map(|factor| format!("amplified {factor}x")));
    if plan.simulated.is_none() {
        asked.push(format!("verify {}", plan.verify));
    }
    asked.join(", ")
}

fn load(report: &RunReport, page: &mut TextPage) {
    let rate = &report.rate;
    page.heading("Load");
    page.item("plan", &asked(report));
    for (name, count, rate) in [
        ("offered", report.arrivals.offered, rate.offered_per_s),
        ("sent", report.attempts.sent, rate.sent_per_s),
        ("completed", report.attempts.completed, rate.completed_per_s),
    ] {
        page.item(name, &format!("{:>12}  {:>12}", grouped(count), rate_of(count, rate)));
    }
    if report.attempts.retries > 0 {
        let retries = grouped(report.attempts.retries);
        page.item("retries", &format!("{retries:>12}  amplification {:.2}", report.attempts.amplification));
    }
}

fn times(report: &RunReport, page: &mut TextPage) {
    page.heading("Times");
    let columns = [&report.latency_us, &report.latency_failed_us, &report.service_us, &report.lateness_us];
    let mut row = |name: &str, cells: [String; 4]| {
        let [good, failed, service, lateness] = cells;
        page.line(&format!("  {name:<8}{good:>16}{failed:>16}{service:>16}{lateness:>16}"));
    };
    row("", ["latency", "latency", "service time", "send delay"].map(str::to_owned));
    row("", ["(good)", "(failed)", "(sent to done)", "(due to sent)"].map(str::to_owned));
    row("count", columns.map(|times| grouped(times.count)));
    for statistic in STATISTICS {
        row(statistic.name, columns.map(|times| statistic.text(times)));
    }
    let saturated = columns.iter().fold(0, |sum: u64, times| sum.saturating_add(times.saturated));
    if saturated > 0 {
        page.wrapped(
            2,
            &format!("{} times were longer than an hour and are shown as one hour", grouped(saturated)),
        );
    }
}

fn answers(report: &RunReport, page: &mut TextPage) {
    page.heading("Answers");
    for (status, &count) in &report.statuses {
        let share = share(count, report.attempts.total);
        page.line(&format!("  {:<8}{:>16}  {share:>8}", safe(status), grouped(count)));
    }
    if report.statuses.is_empty() {
        page.line("  none");
    }
    if !report.attempts.faults.is_empty() {
        page.wrapped(2, &format!("attempts without an answer: {}", listed(&report.attempts.faults)));
    }
}

fn generator(report: &RunReport, page: &mut TextPage) {
    if report.plan.simulated.is_some() {
        return;
    }
    let (generator, connections) = (&report.generator, &report.connections);
    page.heading("Generator");
    let opened = format!(
        "{}, {}; sampled each second: at most {}, {}",
        of(connections.opened, "opened"),
        of(connections.stale_replays, "stale"),
        of(connections.open_max, "open"),
        of(connections.in_flight_max, "in flight"),
    );
    page.item("connected", &opened);
    let mut streams = Vec::new();
    streams.extend(connections.stream_limit_seen.map(|limit| format!("limit {}", counted(limit, "stream"))));
    for (count, what) in
        [(connections.streams_refused, "refused"), (connections.gone_away, "unprocessed after GOAWAY")]
    {
        streams.extend((count > 0).then(|| of(count, what)));
    }
    if !streams.is_empty() {
        page.item("HTTP/2", &streams.join(", "));
    }
    let used = format!(
        "{}, {} CPU in {}, {:.1} µs per attempt, {} MiB",
        counted(generator.threads, "thread"),
        seconds(generator.cpu_s),
        seconds(generator.wall_s),
        generator.cpu_us_per_attempt,
        grouped(generator.peak_rss_bytes >> 20),
    );
    page.item("used", &used);
    if let Some(what) = generator_limits(generator) {
        page.item("impaired", &what);
    }
    if let Some(out) = &report.plan.out {
        page.blank();
        page.line(&format!("All results are in {}", safe(out)));
    }
}

/// What the machine did not give, where that is worth a line.
fn generator_limits(generator: &Generator) -> Option<String> {
    let time = |time_s: f64, what: &str| (time_s >= 0.01).then(|| format!("{what} for {time_s:.2} s"));
    let saturated = generator.saturated_arrivals;
    let all = [
        (saturated > 0).then(|| format!("saturated for {}", counted(saturated, "arrival"))),
        generator.throttled_s.and_then(|time_s| time(time_s, "throttled by a cgroup")),
        time(generator.trace_lag_s, "trace lag"),
    ];
    let told: Vec<_> = all.into_iter().flatten().collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// `a 1, b 2`, or `none`.
fn listed(counts: &BTreeMap<String, u64>) -> String {
    let each: Vec<_> =
        counts.iter().map(|(name, &n)| format!("{}\u{a0}{}", safe(name), grouped(n))).collect();
    if each.is_empty() { "none".to_owned() } else { each.join(", ") }
}
