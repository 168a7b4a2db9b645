//! The charts of two runs, drawn over each other on one axis.
//!
//! A is orange and dashed, B blue and solid in every one of them. Both have
//! points of the same length, that of the longer run.

use super::charts::{
    Chart, ChartColumn, ChartUnit, Charts, by_percentile, each, first_of, plain, time, times, whole_points,
};
use super::numbers::ChartNumber;
use crate::text::{P99, P99_9};
use crate::timeline::TimelinePoint;
use crate::{RunReport, Timeline};
use downpour_core::units::grouped;

/// Charts of A and B.
pub(crate) fn overlay(runs: [(&RunReport, &Timeline); 2]) -> Charts {
    let step_s = runs.iter().map(|(_, timeline)| timeline.seconds_per_point()).max().unwrap_or(1);
    let timelines = runs.map(|(_, timeline)| timeline.at_step(step_s));
    let points = timelines.iter().map(|timeline| timeline.points().len()).max().unwrap_or_default();
    let reports = runs.map(|(report, _)| report);
    let mut all = Vec::new();
    if points > 0 {
        let over_time = OverTime { timelines, points };
        all.push(over_time.good(reports));
        all.extend(over_time.failed(reports));
        all.extend(over_time.latency(reports));
        all.extend(over_time.lateness(reports));
    }
    all.extend(percentiles(reports));
    Charts { step_s, points, windows: Vec::new(), all }
}

struct OverTime {
    timelines: [Timeline; 2],
    points: usize,
}

impl OverTime {
    /// A column of each run, both of one length.
    fn columns(&self, column: impl Fn(&Timeline) -> ChartColumn) -> [ChartColumn; 2] {
        self.timelines.each_ref().map(|timeline| {
            let mut column = column(timeline);
            column.resize(self.points, None);
            column
        })
    }

    /// Of the seconds that each run offered its load in.
    fn rates(&self, reports: [&RunReport; 2], count: fn(&TimelinePoint) -> u64) -> [ChartColumn; 2] {
        let rate = |point: &TimelinePoint| Some(ChartNumber::mean(count(point), point.seconds));
        let mut columns = self.columns(|timeline| each(timeline, rate));
        for ((column, timeline), report) in columns.iter_mut().zip(&self.timelines).zip(reports) {
            *column = first_of(std::mem::take(column), whole_points(report, timeline));
        }
        columns
    }

    fn chart(&self, id: &'static str, title: &'static str, unit: ChartUnit) -> Chart {
        let step = self.timelines[0].seconds_per_point();
        let reading = match (step, unit) {
            (1, _) => String::new(),
            (_, ChartUnit::Micros) => format!("Each point: the worst second of {step}."),
            (_, ChartUnit::PerSecond | ChartUnit::Count) => {
                format!("Each point: the mean of {step} seconds.")
            }
        };
        Chart { id, title, reading, told: String::new(), unit, percentiles: None, lines: Vec::new() }
    }

    fn good(&self, [of_a, of_b]: [&RunReport; 2]) -> Chart {
        let [a, b] = self.rates([of_a, of_b], |point| point.good.sum);
        let good =
            |report: &RunReport| grouped(report.arrivals.passed.saturating_add(report.arrivals.recovered));
        Chart {
            told: format!("{} good downloads in A, {} in B.", good(of_a), good(of_b)),
            lines: vec![plain("A", "second", a), plain("B", "first", b)],
            ..self.chart("rate", "Good downloads over time", ChartUnit::PerSecond)
        }
    }

    fn failed(&self, [of_a, of_b]: [&RunReport; 2]) -> Option<Chart> {
        let [a, b] = self
            .columns(|timeline| each(timeline, |point| Some(ChartNumber::mean(point.failed, point.seconds))));
        let (failed_a, failed_b) = (of_a.arrivals.failed, of_b.arrivals.failed);
        (failed_a > 0 || failed_b > 0).then(|| Chart {
            told: format!("{} failed downloads in A, {} in B.", grouped(failed_a), grouped(failed_b)),
            lines: vec![plain("A", "second", a), plain("B", "first", b)],
            ..self.chart("failed", "Failed downloads over time", ChartUnit::PerSecond)
        })
    }

    fn latency(&self, [of_a, of_b]: [&RunReport; 2]) -> Option<Chart> {
        let [a_p50, b_p50] = self.columns(|t| times(t, |point| &point.latency, |t| t.p50));
        let [a_p99, b_p99] = self.columns(|t| times(t, |point| &point.latency, |t| t.p99));
        let (a, b) = (&of_a.latency_us, &of_b.latency_us);
        (a.count > 0 || b.count > 0).then(|| Chart {
            told: format!(
                "p99 {} in A, {} in B; p50 {} and {}.",
                time(a.p99),
                time(b.p99),
                time(a.p50),
                time(b.p50)
            ),
            lines: vec![
                plain("A, p50", "a-p50", a_p50),
                plain("A, p99", "a-p99", a_p99),
                plain("B, p50", "b-p50", b_p50),
                plain("B, p99", "b-p99", b_p99),
            ],
            ..self.chart("latency", "Latency of good downloads over time", ChartUnit::Micros)
        })
    }

    fn lateness(&self, [of_a, of_b]: [&RunReport; 2]) -> Option<Chart> {
        let [a, b] = self.columns(|t| times(t, |point| &point.lateness, |t| t.p99));
        let (late_a, late_b) = (&of_a.lateness_us, &of_b.lateness_us);
        (late_a.count > 0 || late_b.count > 0).then(|| Chart {
            told: format!(
                "Time before sending: p99 {} in A, {} in B. If they differ, so did the generator.",
                P99.text(late_a),
                P99.text(late_b)
            ),
            lines: vec![plain("A, p99", "second", a), plain("B, p99", "first", b)],
            ..self.chart("lateness", "Send delay over time", ChartUnit::Micros)
        })
    }
}

fn percentiles([a, b]: [&RunReport; 2]) -> Option<Chart> {
    let curves = [("A", "second", &a.curves.latency_us), ("B", "first", &b.curves.latency_us)];
    let curves: Vec<_> = curves.into_iter().filter(|(_, _, curve)| !curve.0.is_empty()).collect();
    let (xs, lines) = by_percentile(&curves)?;
    Some(Chart {
        id: "percentiles",
        title: "Latency of good downloads by percentile",
        reading: "Each step to the right is ten times rarer.".to_owned(),
        told: format!(
            "p99.9 {} in A, {} in B; longest {} and {}.",
            P99_9.text(&a.latency_us),
            P99_9.text(&b.latency_us),
            time(a.latency_us.max),
            time(b.latency_us.max)
        ),
        unit: ChartUnit::Micros,
        percentiles: Some(xs),
        lines,
    })
}
