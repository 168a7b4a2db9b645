//! The rows of the page's tables, as texts.

use super::shown;
use crate::report::advice::advice;
use crate::report::text::STATISTICS;
use crate::report::text::format::{micros, per_second, share};
use crate::report::text::headline::{by_attempts, sentence};
use crate::report::text::thresholds;
use crate::report::{FaultLine, RunReport, Times};
use crate::units::grouped;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Faults with examples.
pub(super) const FAULTS_SHOWN: usize = 20;

/// Examples of each.
const EXAMPLES_SHOWN: usize = 5;

/// Rows of hosts and of statuses.
const ROWS_SHOWN: usize = 20;

/// Thresholds shown.
const THRESHOLDS_SHOWN: usize = 100;

/// The longest path, Location or name.
const LONGEST: usize = 200;

/// One of the few numbers at the top.
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) beside: String,
    pub(super) is_wrong: bool,
}

/// A step on the way of a request.
pub(super) struct LoadRow {
    pub(super) name: &'static str,
    pub(super) count: String,
    pub(super) rate: String,
}

/// One statistic of the clocks.
pub(super) struct ClockRow {
    pub(super) name: &'static str,
    /// Good, failed, service, lateness.
    pub(super) cells: [String; 4],
}

/// A count by name.
pub(super) struct CountRow {
    pub(super) name: String,
    pub(super) count: String,
    pub(super) share: String,
}

/// What came of a threshold.
pub(super) struct ThresholdRow {
    pub(super) expression: String,
    pub(super) word: &'static str,
    pub(super) is_kept: bool,
    pub(super) value: String,
    pub(super) room: String,
    pub(super) window: String,
}

/// A fault with its examples.
pub(super) struct FaultRow {
    pub(super) id: String,
    pub(super) meaning: String,
    pub(super) count: String,
    pub(super) share: String,
    pub(super) when: String,
    /// Empty where nothing was tried again.
    pub(super) attempts: String,
    pub(super) advice: &'static str,
    pub(super) examples: Vec<ExampleRow>,
}

/// One sighting of it.
pub(super) struct ExampleRow {
    pub(super) at: String,
    pub(super) path: String,
    pub(super) location: Option<String>,
    pub(super) detail: String,
}

/// A host that redirects led to.
pub(super) struct HostRow {
    pub(super) host: String,
    pub(super) redirects: String,
    pub(super) fault: String,
}

/// A tier of checks.
pub(super) struct TierRow {
    pub(super) name: String,
    pub(super) checked: String,
    pub(super) unchecked: String,
}

pub(super) fn figures(report: &RunReport) -> Vec<Figure> {
    let (arrivals, targets) = (&report.arrivals, &report.targets);
    let time = |times: &Times, of: u64| if times.count == 0 { "-".to_owned() } else { micros(of) };
    let good = arrivals.passed.saturating_add(arrivals.recovered);
    let figure = |name, value, beside, is_wrong| Figure { name, value, beside, is_wrong };
    vec![
        figure(
            "Offered",
            per_second(report.rate.offered_per_s),
            format!("{} downloads", grouped(arrivals.offered)),
            false,
        ),
        figure("Good", share(good, arrivals.offered), grouped(good), false),
        figure(
            "Failed",
            share(arrivals.failed, arrivals.offered),
            grouped(arrivals.failed),
            arrivals.failed > 0,
        ),
        figure(
            "Latency, p99",
            time(&report.latency_us, report.latency_us.p99),
            format!("p50 {}", time(&report.latency_us, report.latency_us.p50)),
            false,
        ),
        figure(
            "Lateness, p99",
            time(&report.lateness_us, report.lateness_us.p99),
            "lost before sending".to_owned(),
            report.invalid_reasons.iter().any(|reason| reason.id == "lateness"),
        ),
        figure(
            "Redirects checked",
            grouped(targets.checked),
            format!("of {}", grouped(targets.redirects)),
            targets.checked < targets.redirects,
        ),
    ]
}

pub(super) fn thresholds(report: &RunReport) -> Vec<ThresholdRow> {
    let row = |line: &crate::report::ThresholdLine| ThresholdRow {
        expression: shown(&line.expression, LONGEST),
        word: thresholds::word(line),
        is_kept: line.passed,
        value: shown(&thresholds::value(line), LONGEST),
        room: shown(&thresholds::room(line), LONGEST),
        window: thresholds::window(line).unwrap_or_default(),
    };
    report.thresholds.iter().take(THRESHOLDS_SHOWN).map(row).collect()
}

pub(super) fn load(report: &RunReport) -> Vec<LoadRow> {
    let rate = &report.rate;
    let row = |name, count, rate: Option<f64>| LoadRow {
        name,
        count: grouped(count),
        rate: rate.map(per_second).unwrap_or_default(),
    };
    let mut rows = vec![
        row("offered", report.arrivals.offered, Some(rate.offered_per_s)),
        row("sent", report.attempts.sent, Some(rate.sent_per_s)),
        row("completed", report.attempts.completed, Some(rate.completed_per_s)),
    ];
    if report.attempts.retries > 0 {
        rows.push(row("retries", report.attempts.retries, None));
    }
    rows
}

pub(super) fn clocks(report: &RunReport) -> Vec<ClockRow> {
    let clocks = [&report.latency_us, &report.latency_failed_us, &report.service_us, &report.lateness_us];
    let count = ClockRow { name: "count", cells: clocks.map(|times| grouped(times.count)) };
    let statistics = STATISTICS.iter().map(|(name, of)| ClockRow {
        name,
        cells: clocks.map(|times| if times.count == 0 { "-".to_owned() } else { micros(of(times)) }),
    });
    [count].into_iter().chain(statistics).collect()
}

pub(super) fn faults(report: &RunReport) -> Vec<FaultRow> {
    report.faults.iter().take(FAULTS_SHOWN).map(|fault| fault_row(report, fault)).collect()
}

fn fault_row(report: &RunReport, fault: &FaultLine) -> FaultRow {
    let examples = fault.examples.iter().take(EXAMPLES_SHOWN).map(|example| ExampleRow {
        at: shown(&format!("{:.1}", example.at_s), 20),
        path: shown(&example.path, LONGEST),
        location: example.location.as_deref().map(|text| shown(text, LONGEST)),
        detail: shown(&example.detail, LONGEST),
    });
    FaultRow {
        id: shown(&fault.id, 60),
        meaning: sentence(&shown(&fault.meaning, LONGEST)),
        count: grouped(fault.count),
        share: share(fault.count, report.arrivals.offered),
        when: shown(&format!("second {:.1} to {:.1}", fault.first_s, fault.last_s), 60),
        attempts: by_attempts(fault).map(|told| shown(&told, LONGEST)).unwrap_or_default(),
        advice: advice(&fault.id),
        examples: examples.collect(),
    }
}

pub(super) fn hosts(report: &RunReport) -> Vec<HostRow> {
    let targets = &report.targets;
    // A broken host is shown however rare it is.
    let mut hosts: Vec<_> = targets.hosts.iter().collect();
    hosts.sort_by_key(|host| host.fault.is_none());
    hosts.truncate(ROWS_SHOWN);
    let listed = hosts.iter().fold(targets.no_host, |sum, host| sum.saturating_add(host.redirects));
    let row = |host: String, redirects, fault: &str| HostRow {
        host,
        redirects: grouped(redirects),
        fault: shown(fault, 60),
    };
    let mut rows: Vec<_> = hosts
        .iter()
        .map(|host| {
            row(shown(&host.host, LONGEST), host.redirects, host.fault.as_deref().unwrap_or_default())
        })
        .collect();
    let rest =
        [("(no usable host)", targets.no_host), ("(others)", targets.redirects.saturating_sub(listed))];
    let rest = rest.into_iter().filter(|(_, count)| *count > 0);
    rows.extend(rest.map(|(name, count)| row(name.to_owned(), count, "")));
    rows
}

pub(super) fn tiers(report: &RunReport) -> Vec<TierRow> {
    let tiers = report.targets.tiers.iter().take(ROWS_SHOWN);
    tiers
        .map(|(name, tier)| TierRow {
            name: shown(name, 60),
            checked: grouped(tier.checked),
            unchecked: reasons(&tier.unchecked),
        })
        .collect()
}

fn reasons(counts: &BTreeMap<String, u64>) -> String {
    let each: Vec<_> = counts
        .iter()
        .take(ROWS_SHOWN)
        .map(|(name, &n)| format!("{} {}", shown(name, 60), grouped(n)))
        .collect();
    if each.is_empty() { "none".to_owned() } else { each.join(", ") }
}

pub(super) fn statuses(report: &RunReport) -> Vec<CountRow> {
    counts(&report.statuses, report.attempts.total)
}

pub(super) fn unanswered(report: &RunReport) -> Vec<CountRow> {
    counts(&report.attempts.faults, report.attempts.total)
}

/// The most frequent ones, then the sum of the others.
fn counts(of: &BTreeMap<String, u64>, total: u64) -> Vec<CountRow> {
    let mut all: Vec<_> = of.iter().map(|(name, &count)| (name.as_str(), count)).collect();
    all.sort_by_key(|(_, count)| Reverse(*count));
    let others = all.iter().skip(ROWS_SHOWN).fold(0, |sum: u64, (_, count)| sum.saturating_add(*count));
    all.truncate(ROWS_SHOWN);
    all.extend((others > 0).then_some(("(others)", others)));
    let row =
        |(name, count)| CountRow { name: shown(name, 60), count: grouped(count), share: share(count, total) };
    all.into_iter().map(row).collect()
}
