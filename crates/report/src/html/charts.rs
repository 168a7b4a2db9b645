//! The charts: what each shows, in words and in numbers.
//!
//! All data is by column. A chart over time has one value a point of the
//! timeline; the page's script knows where each point lies. A sentence beside
//! each says the same to those who cannot see it.

use super::numbers::ChartNumber;
use super::shown;
use crate::text::format::{counted, micros};
use crate::text::headline::by_attempts;
use crate::text::{P50, P90, P99, P99_9, rate_of};
use crate::timeline::{CountRange, TimelinePoint};
use crate::{Curve, IntervalTimes, RunKind, RunReport, TimeSummary, Timeline};
use downpour_core::units::{approximate, grouped};
use serde::Serialize;
use std::cmp::Reverse;

/// Lines of a chart by name; the others are added up.
const NAMES_SHOWN: usize = 6;

/// Points of a curve.
const PERCENTILES_SHOWN: usize = 100;

/// Seconds after the last request in which answers come as a matter of course.
const LONGEST_END_S: u64 = 3;

/// Fault windows marked.
const WINDOWS_SHOWN: usize = 40;

/// All charts of a page.
#[derive(Debug, Serialize)]
pub(crate) struct Charts {
    /// Seconds that a point of time covers.
    pub(super) step_s: u64,
    pub(super) points: usize,
    /// When faults were seen, first to last second.
    pub(super) windows: Vec<(f64, f64)>,
    #[serde(rename = "charts")]
    pub(super) all: Vec<Chart>,
}

/// One chart.
#[derive(Debug, Serialize)]
pub(crate) struct Chart {
    pub(crate) id: &'static str,
    #[serde(skip)]
    pub(crate) title: &'static str,
    /// How it is to be read.
    #[serde(skip)]
    pub(crate) reading: String,
    /// What it shows, in a sentence.
    #[serde(skip)]
    pub(crate) told: String,
    pub(super) unit: ChartUnit,
    /// Percentiles in place of time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) percentiles: Option<Vec<f64>>,
    pub(super) lines: Vec<ChartLine>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChartUnit {
    Micros,
    PerSecond,
    Count,
}

pub(super) type ChartColumn = Vec<Option<ChartNumber>>;

#[derive(Debug, Serialize)]
pub(super) struct ChartLine {
    label: String,
    /// Colour and pattern, by name.
    ink: &'static str,
    values: ChartColumn,
    /// The least and most of a second, where a point covers several.
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<(ChartColumn, ChartColumn)>,
}

impl Charts {
    pub(super) fn of(report: &RunReport, timeline: &Timeline) -> Self {
        let mut charts = Vec::new();
        // A check asks as fast as it can: its rates and times say nothing.
        let is_check = report.plan.command == RunKind::Check;
        if !timeline.is_empty() && !is_check {
            charts.push(rate(report, timeline));
            charts.extend(latency(report, timeline));
            charts.extend(lateness(report, timeline));
            charts.extend(faults(report, timeline));
            charts.extend(statuses(report, timeline));
            charts.push(in_flight(report, timeline));
        }
        charts.extend(percentiles(report).filter(|_| !is_check));
        let windows = report.faults.iter().take(WINDOWS_SHOWN);
        Self {
            step_s: timeline.seconds_per_point(),
            points: timeline.points().len(),
            windows: match &report.storm {
                // Retries put the failures off to its end.
                Some(storm) => vec![(approximate(storm.fault_from_s), approximate(storm.fault_to_s))],
                None => windows.map(|fault| (fault.first_s, fault.last_s)).collect(),
            },
            all: charts,
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Chart> {
        self.all.iter().find(|chart| chart.id == id)
    }
}

/// Kept on one line with its unit.
pub(super) fn time(us: u64) -> String {
    micros(us).replace(' ', "\u{a0}")
}

pub(super) fn plain(label: &str, ink: &'static str, values: ChartColumn) -> ChartLine {
    ChartLine { label: label.to_owned(), ink, values, range: None }
}

/// The points that lie in whole seconds of the offering. In the one after them
/// less was offered because the run ended, and nothing is in it that could be
/// called a drop. Where the load was over for some seconds and answers still
/// came, as after a storm, those are shown, too.
pub(super) fn whole_points(report: &RunReport, timeline: &Timeline) -> usize {
    let whole = timeline.whole_seconds(offering_s(report)) / timeline.seconds_per_point();
    let points = timeline.points().len();
    let whole = usize::try_from(whole).unwrap_or(points).min(points);
    if whole == 0 { points } else { whole }
}

/// The same, or all where much came after them.
pub(super) fn whole_points_of_answers(report: &RunReport, timeline: &Timeline) -> usize {
    let after = timeline.end().saturating_sub(timeline.offering_s());
    if after > LONGEST_END_S { timeline.points().len() } else { whole_points(report, timeline) }
}

fn offering_s(report: &RunReport) -> f64 {
    approximate(report.arrivals.offered) / report.rate.offered_per_s
}

/// The first so many points of a column.
pub(super) fn first_of(mut column: ChartColumn, points: usize) -> ChartColumn {
    column.iter_mut().skip(points).for_each(|value| *value = None);
    column
}

pub(super) fn each(
    timeline: &Timeline,
    value: impl Fn(&TimelinePoint) -> Option<ChartNumber>,
) -> ChartColumn {
    timeline.points().iter().map(|point| if point.seconds == 0 { None } else { value(point) }).collect()
}

fn rate(report: &RunReport, timeline: &Timeline) -> Chart {
    let (whole, of_answers) = (whole_points(report, timeline), whole_points_of_answers(report, timeline));
    let line = |label: &str, ink, points: usize, of: fn(&TimelinePoint) -> CountRange| ChartLine {
        label: label.to_owned(),
        ink,
        values: first_of(each(timeline, |p| Some(ChartNumber::mean(of(p).sum, p.seconds))), points),
        range: (timeline.seconds_per_point() > 1).then(|| {
            let least = each(timeline, |p| Some(ChartNumber::whole(of(p).least)));
            let most = each(timeline, |p| Some(ChartNumber::whole(of(p).most)));
            (first_of(least, points), first_of(most, points))
        }),
    };
    let mut lines = vec![line("offered", "reference", whole, |p| p.offered)];
    // Without retries all attempts are first ones, and mostly as many as are offered.
    let first = line("first attempts", "third", whole, |p| p.first);
    if report.attempts.retries > 0 && first.values != lines[0].values {
        lines.push(first);
    }
    lines.push(line("attempts", "second", of_answers, |p| p.sent));
    lines.push(line("good", "first", of_answers, |p| p.good));
    let good = timeline.points().iter().take(whole).filter(|p| p.offered.least > 0).map(|p| p.good);
    let least = good.clone().map(|good| good.least).min().unwrap_or_default();
    let most = good.map(|good| good.most).max().unwrap_or_default();
    Chart {
        id: "rate",
        title: "Rate over time",
        reading: reading("mean rate", "bands show the lowest and the highest second", timeline),
        told: format!(
            "{} offered on average; between {} and {} good downloads per second.",
            rate_of(report.arrivals.offered, report.rate.offered_per_s),
            grouped(least),
            grouped(most)
        ),
        unit: ChartUnit::PerSecond,
        percentiles: None,
        lines,
    }
}

/// What a point is, where it is not simply a second.
fn reading(one: &str, several: &str, timeline: &Timeline) -> String {
    match timeline.seconds_per_point() {
        1 => String::new(),
        step => format!("Each point: {one} of {step} seconds; {several}."),
    }
}

fn worst_of(timeline: &Timeline) -> String {
    match timeline.seconds_per_point() {
        1 => String::new(),
        step => format!("Each point: the worst second of {step}."),
    }
}

pub(super) fn times(
    timeline: &Timeline,
    of: fn(&TimelinePoint) -> &IntervalTimes,
    value: fn(&IntervalTimes) -> u64,
) -> ChartColumn {
    each(timeline, |p| Some(of(p)).filter(|t| t.count > 0).map(|t| ChartNumber::whole(value(t))))
}

/// The point at which a percentile was worst, and the second it begins at.
fn worst_p99(timeline: &Timeline, of: fn(&TimelinePoint) -> &IntervalTimes) -> String {
    let points = timeline.points().iter().enumerate();
    // The first of equals.
    let worst = points.max_by_key(|(n, point)| (of(point).p99, Reverse(*n)));
    worst.map_or_else(String::new, |(n, point)| {
        let second = (n as u64).saturating_mul(timeline.seconds_per_point());
        format!("the worst second's p99 was {}, at second {}", time(of(point).p99), grouped(second))
    })
}

fn latency(report: &RunReport, timeline: &Timeline) -> Option<Chart> {
    let (good, failed) = (&report.latency_us, &report.latency_failed_us);
    let mut lines = Vec::new();
    if good.count > 0 {
        lines.push(plain("p50", "p50", times(timeline, |p| &p.latency, |t| t.p50)));
        lines.push(plain("p90", "p90", times(timeline, |p| &p.latency, |t| t.p90)));
        lines.push(plain("p99", "p99", times(timeline, |p| &p.latency, |t| t.p99)));
        lines.push(plain("max", "max", times(timeline, |p| &p.latency, |t| t.max)));
    }
    if failed.count > 0 {
        lines.push(plain("failed, p99", "wrong", times(timeline, |p| &p.latency_failed, |t| t.p99)));
    }
    let told = if good.count > 0 {
        format!(
            "Good downloads: p50 {}, p99 {}, longest {}; {}.",
            time(good.p50),
            time(good.p99),
            time(good.max),
            worst_p99(timeline, |p| &p.latency)
        )
    } else {
        format!("No download was good; p99 of failed downloads: {}.", time(failed.p99))
    };
    (!lines.is_empty()).then(|| Chart {
        id: "latency",
        title: "Latency over time",
        reading: worst_of(timeline),
        told,
        unit: ChartUnit::Micros,
        percentiles: None,
        lines,
    })
}

fn lateness(report: &RunReport, timeline: &Timeline) -> Option<Chart> {
    let late = &report.lateness_us;
    (late.count > 0).then(|| Chart {
        id: "lateness",
        title: "Send delay over time",
        reading: worst_of(timeline),
        told: format!(
            "Send delay: p50 {}, p99 {}, longest {}; {}.",
            time(late.p50),
            time(late.p99),
            time(late.max),
            worst_p99(timeline, |p| &p.lateness)
        ),
        unit: ChartUnit::Micros,
        percentiles: None,
        lines: vec![
            plain("p50", "p50", times(timeline, |p| &p.lateness, |t| t.p50)),
            plain("p99", "p99", times(timeline, |p| &p.lateness, |t| t.p99)),
            plain("max", "max", times(timeline, |p| &p.lateness, |t| t.max)),
        ],
    })
}

const INKS: [&str; NAMES_SHOWN + 1] = ["first", "second", "third", "fourth", "fifth", "sixth", "reference"];

/// The heaviest names, each with its line, and the rest in one.
fn by_name(columns: Vec<(&str, Vec<u64>)>, timeline: &Timeline) -> Vec<ChartLine> {
    let total = |column: &[u64]| column.iter().fold(0, |sum: u64, &count| sum.saturating_add(count));
    let mut columns = columns;
    columns.sort_by_key(|(_, column)| Reverse(total(column)));
    let mut rest = columns.split_off(columns.len().min(NAMES_SHOWN)).into_iter();
    if let Some((_, mut others)) = rest.next() {
        for (_, column) in rest {
            others.iter_mut().zip(column).for_each(|(sum, count)| *sum = sum.saturating_add(count));
        }
        columns.push(("all others", others));
    }
    let columns = columns.into_iter().zip(INKS);
    columns
        .map(|((name, column), ink)| {
            let values = timeline.points().iter().zip(column);
            let value = |(point, count): (&TimelinePoint, u64)| {
                (point.seconds > 0).then(|| ChartNumber::mean(count, point.seconds))
            };
            plain(&shown(name, 40), ink, values.map(value).collect())
        })
        .collect()
}

fn faults(report: &RunReport, timeline: &Timeline) -> Option<Chart> {
    // By attempt; what keeps a request from being sent has none.
    let mut kinds = timeline.wrong_attempts();
    let known: Vec<_> = kinds.iter().map(|(fault, _)| *fault).collect();
    kinds.extend(timeline.faults().into_iter().filter(|(fault, _)| !known.contains(fault)));
    let lines = by_name(kinds, timeline);
    let told: Vec<_> = report
        .faults
        .iter()
        .take(NAMES_SHOWN)
        .map(|f| {
            let count = by_attempts(f).unwrap_or_else(|| grouped(f.arrivals()));
            format!("{}: {count}, second {:.1} to {:.1}", shown(&f.id, 40), f.first_s, f.last_s)
        })
        .collect();
    (!lines.is_empty()).then(|| Chart {
        id: "faults",
        title: "Failures by kind over time",
        reading: reading("mean rate", "tinted: from the first to the last failure of a kind", timeline),
        told: shown(&format!("{}.", told.join("; ")), 600),
        unit: ChartUnit::PerSecond,
        percentiles: None,
        lines,
    })
}

fn statuses(report: &RunReport, timeline: &Timeline) -> Option<Chart> {
    let mut lines = by_name(timeline.statuses(), timeline);
    let points = whole_points_of_answers(report, timeline);
    for line in &mut lines {
        line.values = first_of(std::mem::take(&mut line.values), points);
    }
    (!lines.is_empty()).then(|| Chart {
        id: "statuses",
        title: "Answers by status over time",
        reading: reading("mean rate", "see the table for the sums", timeline),
        told: format!(
            "{} of {}.",
            counted(report.attempts.completed, "answer"),
            kinds(report.statuses.len())
        ),
        unit: ChartUnit::PerSecond,
        percentiles: None,
        lines,
    })
}

fn kinds(statuses: usize) -> String {
    if statuses == 1 { "one status".to_owned() } else { format!("{statuses} statuses") }
}

fn in_flight(report: &RunReport, timeline: &Timeline) -> Chart {
    let connections = &report.connections;
    let whole = |of: fn(&TimelinePoint) -> u64| each(timeline, |p| Some(ChartNumber::whole(of(p))));
    Chart {
        id: "in_flight",
        title: "Requests in flight and connections",
        reading: reading("the highest count", "sampled at the end of each second", timeline),
        told: format!(
            "At most {} in flight, {} waiting for a connection, {} open.",
            counted(connections.in_flight_max, "request"),
            grouped(connections.waiting_max),
            counted(connections.open_max, "connection")
        ),
        unit: ChartUnit::Count,
        percentiles: None,
        lines: vec![
            plain("in flight", "first", whole(|p| p.in_flight)),
            plain("waiting", "second", whole(|p| p.waiting)),
            plain("connections", "reference", whole(|p| p.connections)),
        ],
    }
}

/// Curves on one axis: all have their points at the same places, and some end
/// sooner.
pub(super) fn by_percentile(curves: &[(&str, &'static str, &Curve)]) -> Option<(Vec<f64>, Vec<ChartLine>)> {
    let longest = curves.iter().map(|(_, _, curve)| &curve.0).max_by_key(|points| points.len())?;
    let xs: Vec<f64> = longest
        .iter()
        .map(|(percent, _)| *percent)
        .filter(|p| (0.0..100.0).contains(p))
        .take(PERCENTILES_SHOWN)
        .collect();
    let column = |curve: &Curve| {
        let time_at = |percent: &f64| {
            let found = curve.0.iter().find(|(at, _)| at.to_bits() == percent.to_bits());
            found.map(|(_, time)| ChartNumber::whole(*time))
        };
        xs.iter().map(time_at).collect()
    };
    let lines = curves.iter().map(|(label, ink, curve)| plain(label, ink, column(curve))).collect();
    Some((xs, lines))
}

/// What latency has beyond service time.
fn waited(report: &RunReport) -> &'static str {
    if report.attempts.retries > 0 {
        "Where latency is above service time, downloads waited for retries or to be sent."
    } else {
        "Where latency is above service time, requests waited to be sent."
    }
}

fn percentiles(report: &RunReport) -> Option<Chart> {
    let curves = &report.curves;
    let lines = [
        ("latency, good", "first", &curves.latency_us),
        ("latency, failed", "wrong", &curves.latency_failed_us),
        ("service time", "second", &curves.service_us),
    ];
    let lines: Vec<_> = lines.into_iter().filter(|(_, _, curve)| !curve.0.is_empty()).collect();
    let (xs, lines) = by_percentile(&lines)?;
    let clock = if report.latency_us.count > 0 { &report.latency_us } else { &report.latency_failed_us };
    Some(Chart {
        id: "percentiles",
        title: "Latency by percentile",
        reading: format!("Each step to the right is ten times rarer. {}", waited(report)),
        told: percentiles_text(clock),
        unit: ChartUnit::Micros,
        percentiles: Some(xs),
        lines,
    })
}

/// The percentiles that have samples beyond them, or else the longest time.
fn percentiles_text(clock: &TimeSummary) -> String {
    let of = [("Half of them took", P50), ("90\u{a0}%", P90), ("99\u{a0}%", P99), ("99.9\u{a0}%", P99_9)];
    let known = of.into_iter().filter_map(|(what, statistic)| Some((what, statistic.value(clock)?)));
    let told: Vec<_> = known.map(|(what, value)| format!("{what} up to {}", time(value))).collect();
    if told.is_empty() { format!("The longest took {}.", time(clock.max)) } else { told.join(", ") + "." }
}
