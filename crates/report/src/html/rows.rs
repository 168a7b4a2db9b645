//! The rows of the page's tables, as texts.

use super::shown;
use crate::advice::advice;
use crate::text::faults::elsewhere;
use crate::text::format::share;
use crate::text::headline::{by_attempts, sentence};
use crate::text::thresholds;
use crate::text::{P50, P99, STATISTICS, rate_of};
use crate::verdict::InvalidReason;
use crate::{ExampleLine, FaultLine, HostLine, RunKind, RunReport, TimeSummary, WarningLine};
use downpour_core::units::grouped;
use downpour_verify::Tier;
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
pub(super) struct MetricRow {
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
    pub(super) advice: Vec<Piece>,
    pub(super) examples: Vec<ExampleRow>,
}

/// A part of a sentence, in the type of code or not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) is_code: bool,
}

/// One sighting of it.
pub(super) struct ExampleRow {
    pub(super) at: String,
    pub(super) path: String,
    pub(super) location: Option<String>,
    pub(super) detail: String,
    /// Whether the wrong URL is the one of the detail, and not the Location.
    pub(super) is_in_detail: bool,
}

/// A host that redirects led to.
pub(super) struct HostRow {
    pub(super) host: String,
    pub(super) redirects: String,
    pub(super) fault: String,
    /// Whether most redirects to it are broken.
    pub(super) is_wrong: bool,
}

/// A tier of checks.
pub(super) struct TierRow {
    pub(super) name: &'static str,
    /// What it looks at.
    pub(super) meaning: &'static str,
    pub(super) checked: String,
    pub(super) unchecked: String,
}

pub(super) fn figures(report: &RunReport) -> Vec<Figure> {
    let (arrivals, targets) = (&report.arrivals, &report.targets);
    let good = arrivals.passed.saturating_add(arrivals.recovered);
    let figure = |name, value, beside, is_wrong| Figure { name, value, beside, is_wrong };
    let of_all = |count| share(count, arrivals.offered);
    let is_check = report.plan.command == RunKind::Check;
    let mut figures = vec![
        if is_check {
            let attempts = format!("{} sent", grouped(report.attempts.sent));
            figure("Distinct requests", grouped(arrivals.offered), attempts, false)
        } else {
            let downloads = format!("{} downloads", grouped(arrivals.offered));
            figure("Offered", rate_of(arrivals.offered, report.rate.offered_per_s), downloads, false)
        },
        figure("Good", of_all(good), grouped(good), false),
        figure("Failed", of_all(arrivals.failed), grouped(arrivals.failed), arrivals.failed > 0),
    ];
    // A check asks as fast as it can, and its times say nothing.
    if !is_check {
        let p50 = |times: &TimeSummary, more: &str| match times.count {
            0 => String::new(),
            _ => format!("p50 {}{more}", P50.text(times)),
        };
        let with_retries = if arrivals.recovered > 0 { ", including retries" } else { "" };
        let is_late = report.invalid_reasons.iter().any(|reason| reason.id == InvalidReason::Lateness.id());
        let (latency, service, lateness) = (&report.latency_us, &report.service_us, &report.lateness_us);
        figures.push(figure("Latency, p99", P99.text(latency), p50(latency, with_retries), false));
        figures.push(figure("Service time, p99", P99.text(service), p50(service, ", per attempt"), false));
        figures.push(figure("Send delay, p99", P99.text(lateness), "of the generator".to_owned(), is_late));
    }
    figures.push(figure(
        "Redirects checked",
        grouped(targets.checked),
        format!("of {}", grouped(targets.redirects)),
        targets.checked < targets.redirects,
    ));
    figures
}

pub(super) fn thresholds(report: &RunReport) -> Vec<ThresholdRow> {
    let row = |line: &crate::ThresholdLine| ThresholdRow {
        expression: shown(&line.expression, LONGEST),
        word: thresholds::word(line),
        is_kept: line.passed,
        value: shown(&thresholds::value(line), LONGEST),
        room: shown(&thresholds::room(line), LONGEST),
        window: [thresholds::window(line), thresholds::few(line)]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("; "),
    };
    report.thresholds.iter().take(THRESHOLDS_SHOWN).map(row).collect()
}

pub(super) fn load(report: &RunReport) -> Vec<LoadRow> {
    let rate = &report.rate;
    let row = |name, count, rate: Option<f64>| LoadRow {
        name,
        count: grouped(count),
        rate: rate.map(|rate| rate_of(count, rate)).unwrap_or_default(),
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

pub(super) fn metric_rows(report: &RunReport) -> Vec<MetricRow> {
    let clocks = [&report.latency_us, &report.latency_failed_us, &report.service_us, &report.lateness_us];
    let count = MetricRow { name: "count", cells: clocks.map(|times| grouped(times.count)) };
    let statistics = STATISTICS.iter().map(|statistic| MetricRow {
        name: statistic.name,
        cells: clocks.map(|times| statistic.text(times)),
    });
    [count].into_iter().chain(statistics).collect()
}

pub(super) fn faults(report: &RunReport) -> Vec<FaultRow> {
    report.faults.iter().take(FAULTS_SHOWN).map(|fault| fault_row(report, fault)).collect()
}

fn fault_row(report: &RunReport, fault: &FaultLine) -> FaultRow {
    let meaning = sentence(&shown(&fault.meaning, LONGEST));
    FaultRow {
        id: shown(&fault.id, 60),
        meaning: match fault.outranked() {
            0 => meaning,
            some => {
                format!(
                    "{meaning} In {} of them together with a more severe fault, which is the outcome.",
                    grouped(some)
                )
            }
        },
        count: grouped(fault.arrivals()),
        share: share(fault.arrivals(), report.arrivals.offered),
        when: when(fault.first_s, fault.last_s),
        attempts: by_attempts(fault).map(|told| shown(&told, LONGEST)).unwrap_or_default(),
        advice: pieces(advice(&fault.id)),
        examples: examples(&fault.id, &fault.examples),
    }
}

/// What was found and fails nothing, as rows like those of faults.
pub(super) fn warned(report: &RunReport) -> Vec<FaultRow> {
    let row = |line: &WarningLine| FaultRow {
        id: shown(&line.id, 60),
        meaning: sentence(&shown(&line.meaning, LONGEST)),
        count: grouped(line.answers),
        share: share(line.answers, report.attempts.completed),
        when: when(line.first_s, line.last_s),
        attempts: String::new(),
        advice: pieces(advice(&line.id)),
        examples: examples(&line.id, &line.examples),
    };
    report.warned.iter().take(FAULTS_SHOWN).map(row).collect()
}

fn when(first_s: f64, last_s: f64) -> String {
    shown(&format!("second {first_s:.1} to {last_s:.1}"), 60)
}

fn examples(id: &str, examples: &[ExampleLine]) -> Vec<ExampleRow> {
    // Its Location is right; what the JSON names is not.
    let is_in_detail = id.starts_with("json.");
    let row = |example: &ExampleLine| ExampleRow {
        at: shown(&format!("{:.1}", example.at_s), 20),
        path: shown(&example.path, LONGEST),
        location: example.location.as_deref().map(|text| shown(text, LONGEST)),
        detail: shown(&example.detail, LONGEST),
        is_in_detail,
    };
    examples.iter().take(EXAMPLES_SHOWN).map(row).collect()
}

/// A sentence, with what stands in backticks as code.
fn pieces(text: &str) -> Vec<Piece> {
    let parts = text.split('`').enumerate();
    let piece = |(n, text): (usize, &str)| Piece { text: text.to_owned(), is_code: n % 2 == 1 };
    parts.map(piece).filter(|piece| !piece.text.is_empty()).collect()
}

pub(super) fn hosts(report: &RunReport) -> Vec<HostRow> {
    let targets = &report.targets;
    // A broken host is shown however rare it is.
    let mut hosts: Vec<_> = targets.hosts.iter().collect();
    hosts.sort_by_key(|host| host.fault.is_none());
    hosts.truncate(ROWS_SHOWN);
    let listed = hosts.iter().fold(0, |sum: u64, host| sum.saturating_add(host.redirects));
    let mut rows: Vec<_> = hosts
        .iter()
        .map(|host| {
            let (fault, is_wrong) = host_fault(report, host);
            HostRow { host: shown(&host.host, LONGEST), redirects: grouped(host.redirects), fault, is_wrong }
        })
        .collect();
    let rest = elsewhere(targets, listed).into_iter().filter(|(_, count)| *count > 0);
    rows.extend(rest.map(|(name, count)| HostRow {
        host: name.to_owned(),
        redirects: grouped(count),
        fault: String::new(),
        is_wrong: false,
    }));
    rows
}

/// What was wrong with redirects to a host, and whether that is most of them: a
/// host is not broken because one of its files is missing.
fn host_fault(report: &RunReport, host: &HostLine) -> (String, bool) {
    let Some(id) = &host.fault else { return (String::new(), false) };
    // Downloads, which may have been tried more than once.
    let tried_once = report.attempts.retries == 0;
    let met = report.faults.iter().find(|fault| fault.id == *id && tried_once).map(|fault| fault.count);
    match met {
        Some(count) if count < host.redirects / 2 => {
            (shown(&format!("{id}: {} of them", grouped(count)), 90), false)
        }
        Some(_) | None => (shown(id, 60), true),
    }
}

pub(super) fn tiers(report: &RunReport) -> Vec<TierRow> {
    let tiers = &report.targets.tiers;
    Tier::ALL
        .iter()
        .filter_map(|tier| {
            let line = tiers.get(tier.name())?;
            let is_off = line.checked == 0
                && line.broken == 0
                && line.unchecked.keys().all(|reason| reason == "tier_off");
            let (checked, unchecked) = if is_off && report.targets.redirects > 0 {
                ("off".to_owned(), String::new())
            } else {
                let checked = match line.broken {
                    0 => grouped(line.checked),
                    broken => format!("{} and {} broken before", grouped(line.checked), grouped(broken)),
                };
                (checked, reasons(&line.unchecked))
            };
            Some(TierRow { name: tier.name(), meaning: meaning(*tier), checked, unchecked })
        })
        .collect()
}

/// What a check looks at.
const fn meaning(tier: Tier) -> &'static str {
    match tier {
        Tier::Headers => "status and headers",
        Tier::Policy => "the Location, by the rules",
        Tier::Dns => "whether its host resolves",
        Tier::Connect => "whether its host accepts connections",
        Tier::Fetch => "whether the file is there",
        Tier::Digest => "whether it is the right file",
        Tier::Json => "which URL the JSON form names",
    }
}

/// A reason for leaving a redirect unchecked, in words.
fn reason(id: &str) -> String {
    let known = match id {
        "tier_off" => "off",
        "no_location" => "no Location",
        "host_limit" => "too many hosts",
        "run_ended" => "unfinished",
        "fault_before" => "broken before",
        "own_origin" => "back to the candidate",
        "sampled_out" => "not in the sample",
        "budget" => "over --verify-rate",
        "no_digest" => "no digest known",
        "no_json" => "no JSON form",
        "no_resolver" => "no resolver",
        other => return shown(other, 60),
    };
    known.to_owned()
}

fn reasons(counts: &BTreeMap<String, u64>) -> String {
    let each = counts.iter().filter(|(_, count)| **count > 0).take(ROWS_SHOWN);
    each.map(|(id, &count)| format!("{} {}", grouped(count), reason(id))).collect::<Vec<_>>().join(", ")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arrivals, TierLine};

    #[test]
    fn a_host_is_not_broken_by_a_few_of_its_files() {
        let line = |count| FaultLine { id: "target.status".to_owned(), count, ..FaultLine::default() };
        let host = HostLine {
            host: "cdn.test".to_owned(),
            redirects: 5_913,
            fault: Some("target.status".to_owned()),
        };
        let told =
            |count| host_fault(&RunReport { faults: vec![line(count)], ..RunReport::default() }, &host);
        assert_eq!(told(2), ("target.status: 2 of them".to_owned(), false));
        assert_eq!(told(5_913), ("target.status".to_owned(), true));
    }

    #[test]
    fn tiers_stand_in_their_order_and_say_what_is_off() {
        let mut report = RunReport::default();
        report.targets.redirects = 10;
        let line = |checked, reason: &str, count| TierLine {
            checked,
            broken: 0,
            unchecked: [(reason.to_owned(), count)].into(),
        };
        report.targets.tiers = [
            ("connect".to_owned(), line(0, "tier_off", 10)),
            ("dns".to_owned(), line(8, "fault_before", 2)),
            ("headers".to_owned(), line(10, "run_ended", 0)),
        ]
        .into();
        let rows: Vec<_> =
            tiers(&report).into_iter().map(|row| [row.name.to_owned(), row.checked, row.unchecked]).collect();
        assert_eq!(rows, [["headers", "10", ""], ["dns", "8", "2 broken before"], ["connect", "off", ""]]);
    }

    #[test]
    fn backticks_are_code() {
        let told: Vec<_> = pieces("Ask with `Accept: x`.").into_iter().map(|p| (p.text, p.is_code)).collect();
        let expected = [("Ask with ", false), ("Accept: x", true), (".", false)];
        assert_eq!(told, expected.map(|(text, is_code)| (text.to_owned(), is_code)));
    }

    #[test]
    fn a_check_has_no_times_among_its_figures() {
        let mut report =
            RunReport { arrivals: Arrivals { offered: 5, ..Arrivals::default() }, ..RunReport::default() };
        let names = |report: &RunReport| figures(report).iter().map(|figure| figure.name).collect::<Vec<_>>();
        assert!(names(&report).contains(&"Service time, p99"));
        report.plan.command = RunKind::Check;
        assert_eq!(names(&report), ["Distinct requests", "Good", "Failed", "Redirects checked"]);
    }
}
