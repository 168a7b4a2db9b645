//! Two runs side by side: what differs, and what of it is more than chance.
//!
//! Rates, percentiles of each clock, failures and statuses are compared by
//! their seconds, as `intervals.ndjson` and `latency.hlog` hold them; each
//! difference has an interval by a block bootstrap, and the word
//! *indistinguishable* where the interval holds no difference, too. Plans that
//! differ, and runs that were cut short, simulated or invalid, are named as
//! such. Conditions say which changes are regressions. Pure: equal runs and
//! seeds give equal bytes.

mod block_layout;
mod blocks;
mod bootstrap;
mod change;
mod condition;
mod headline;
mod html;
mod json;
mod markdown;
mod metric;
mod plans;
mod remarks;
mod show;
mod text;

pub use block_layout::BlockLayout;
pub use blocks::{BlockCount, BlockStatistic, Blocks};
pub use bootstrap::{CONFIDENCE_PERCENT, RESAMPLES};
pub use change::{Change, ChangeKind};
pub use condition::{Condition, ConditionError, ConditionResult};
pub use html::html;
pub use json::{COMPARE_SCHEMA, json};
pub use markdown::markdown;
pub use metric::Metric;
pub use plans::PlanDifference;
pub use text::text;

use super::text::format::micros;
use super::threshold::{CountMeasure as Measured, Measure, TimeMetric};
use super::{Exit, RunReport, Timeline, Verdict};
use bootstrap::{Draws, Pairing};
use downpour_core::units::grouped;
use metric::PERCENTILES;
use std::collections::BTreeSet;

/// One of the runs.
#[derive(Clone, Copy, Debug)]
pub struct ComparedRun<'a> {
    /// What it is called: its directory.
    pub name: &'a str,
    /// Its result.
    pub report: &'a RunReport,
    /// It over time.
    pub timeline: &'a Timeline,
    /// Its seconds.
    pub blocks: &'a Blocks,
    /// What is missing of it.
    pub notes: &'a [String],
}

/// Two runs compared.
#[derive(Clone, Debug)]
pub struct RunComparison<'a> {
    /// The run that is compared with, and the one that is compared.
    pub runs: [ComparedRun<'a>; 2],
    /// What a reader must know of them, most important first.
    pub remarks: Vec<String>,
    /// What their plans have different.
    pub plan_differences: Vec<PlanDifference>,
    /// Whether the same seconds of both were drawn together.
    pub paired: bool,
    /// What chose the seconds.
    pub seed: u64,
    /// All numbers.
    pub groups: Vec<Group>,
    /// What was demanded, and what came of it.
    pub judged: Vec<JudgedCondition>,
}

/// Numbers of one kind.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its heading.
    pub title: &'static str,
    /// Its rows, each with a short name.
    pub rows: Vec<(String, Change)>,
}

/// A condition and its number.
#[derive(Clone, Debug)]
pub struct JudgedCondition {
    /// What was demanded.
    pub condition: Condition,
    /// The number.
    pub change: Change,
    /// What came of it.
    pub result: ConditionResult,
}

impl<'a> RunComparison<'a> {
    /// Compares B with A.
    pub fn of(runs: [ComparedRun<'a>; 2], conditions: Vec<Condition>, seed: u64) -> Self {
        let plan_differences = plans::differences(&runs[0].report.plan, &runs[1].report.plan);
        let cuts = runs.map(|run| run.blocks.layout());
        let paired = cuts[0] == cuts[1] && !plan_differences.iter().any(plans::is_load);
        let pairing = if paired { Pairing::Paired } else { Pairing::Independent };
        let draws = cuts
            .iter()
            .all(|cut| cut.is_enough())
            .then(|| Draws::new(seed, (cuts[0].blocks(), cuts[1].blocks()), pairing));
        let compared = |metric| Change::of(metric, runs.map(|run| run.blocks), draws.as_ref());
        let judged = conditions.into_iter().map(|condition| {
            let change = compared(condition.metric().clone());
            JudgedCondition { result: condition.judge(&change), change, condition }
        });
        let judged = judged.collect();
        let groups = groups(runs, compared);
        let remarks = remarks::remarks(&runs);
        Self { runs, remarks, plan_differences, paired, seed, groups, judged }
    }

    /// Every number in a table.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.groups.iter().flat_map(|group| group.rows.iter().map(|(_, change)| change))
    }

    /// The process's exit code: nothing is demanded without conditions. A run
    /// whose load was not really offered decides nothing, unless
    /// `allow_invalid`; a regression that was found is told even where another
    /// condition could not be judged.
    pub fn exit(&self, allow_invalid: bool) -> Exit {
        let came_to = |held| self.judged.iter().any(|judged| judged.result == held);
        if self.judged.is_empty() {
            Exit::Passed
        } else if self.is_invalid() && !allow_invalid {
            Exit::Invalid
        } else if came_to(ConditionResult::Violated) {
            Exit::Regression
        } else if came_to(ConditionResult::Unjudged) {
            Exit::Invalid
        } else {
            Exit::Passed
        }
    }

    /// What came of it in a line, as [`text()`] begins.
    pub fn verdict(&self) -> String {
        let (word, sentence) = headline::headline(self);
        format!("{word}: {sentence}")
    }

    /// The runs that are no sound measurement, in a sentence each.
    pub fn runs_not_passed(&self) -> Vec<String> {
        headline::runs_not_passed(self)
    }

    fn is_invalid(&self) -> bool {
        // One that failed may have failed without a valid load, and decides as
        // little about times.
        let decides_nothing = |report: &RunReport| {
            report.verdict == Verdict::Invalid
                || report.verdict == Verdict::Failed && !report.invalid_reasons.is_empty()
        };
        self.runs.iter().any(|run| decides_nothing(run.report))
    }
}

/// The tables. A row that both runs have nothing in is left out.
fn groups(runs: [ComparedRun<'_>; 2], compared: impl Fn(Metric) -> Change) -> Vec<Group> {
    let measured = |rows: &[(&str, Measure)]| {
        let rows = rows.iter().map(|(name, measure)| {
            ((*name).to_owned(), compared(Metric::of(*measure).expect("these are kept by the second")))
        });
        rows.collect::<Vec<_>>()
    };
    let clock = |clock: TimeMetric| {
        let row = |percentile: (&str, f64)| {
            (percentile.0.to_owned(), compared(Metric::percentile(clock, percentile)))
        };
        PERCENTILES.into_iter().map(row).collect::<Vec<_>>()
    };
    // The most frequent first.
    let each = |names: Vec<&str>, metric: fn(&str) -> Metric| {
        let rows = names.into_iter().map(|name| (name.to_owned(), compared(metric(name))));
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by(|(_, a), (_, b)| larger(b).total_cmp(&larger(a)));
        rows
    };
    let faults = all_of(runs[0].blocks.faults().chain(runs[1].blocks.faults()));
    let statuses = all_of(runs[0].blocks.statuses().chain(runs[1].blocks.statuses()));
    let all = [
        (
            "Load",
            measured(&[
                ("offered", Measure::PerSecond(Measured::Offered)),
                ("attempts", Measure::PerSecond(Measured::Attempts)),
                ("good", Measure::PerSecond(Measured::Good)),
            ]),
        ),
        (
            "Outcome",
            measured(&[
                ("failed", Measure::Share(Measured::Failed)),
                ("shed", Measure::Share(Measured::Shed)),
                ("unfinished", Measure::Share(Measured::Unfinished)),
                ("retries", Measure::Share(Measured::Retries)),
                ("amplification", Measure::Amplification),
            ]),
        ),
        ("Latency, good", clock(TimeMetric::Latency)),
        ("Latency, failed", clock(TimeMetric::LatencyFailed)),
        ("Service time", clock(TimeMetric::Service)),
        ("Send delay", clock(TimeMetric::Lateness)),
        ("Faults, of downloads", each(faults, Metric::fault_share)),
        ("Answers, of attempts", each(statuses, Metric::status_share)),
    ];
    let groups = all.into_iter().map(|(title, rows)| {
        let rows = rows.into_iter().filter(|(name, change)| is_of_interest(name, change)).collect();
        Group { title, rows }
    });
    groups.filter(|group| !group.rows.is_empty()).collect()
}

fn is_of_interest(name: &str, change: &Change) -> bool {
    let is_nothing = |number: Option<f64>| number.is_none_or(|number| number == 0.0);
    match name {
        "failed" | "offered" | "good" => true,
        // Without retries it is 1 and says nothing.
        "amplification" => larger(change) > 1.0,
        _ => !(is_nothing(change.a) && is_nothing(change.b)),
    }
}

/// Counts and times of the whole runs that say nothing of chance: as they are.
fn totals(comparison: &RunComparison<'_>) -> Vec<(String, [String; 2])> {
    type Total = (&'static str, fn(&RunReport) -> String);
    const TOTALS: [Total; 7] = [
        ("downloads", |run| grouped(run.arrivals.offered)),
        ("failed", |run| grouped(run.arrivals.failed)),
        ("latency max", |run| micros(run.latency_us.max)),
        ("send delay max", |run| micros(run.lateness_us.max)),
        ("redirects", |run| grouped(run.targets.redirects)),
        ("targets checked", |run| grouped(run.targets.checked)),
        ("broken hosts", |run| grouped(broken_hosts(run))),
    ];
    let both = |of: fn(&RunReport) -> String| comparison.runs.map(|run| of(run.report));
    TOTALS.iter().map(|(name, of)| ((*name).to_owned(), both(*of))).collect()
}

fn broken_hosts(run: &RunReport) -> u64 {
    run.targets.hosts.iter().filter(|host| host.fault.is_some()).count() as u64
}

fn larger(change: &Change) -> f64 {
    change.a.unwrap_or_default().max(change.b.unwrap_or_default())
}

fn all_of<'n>(names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests;
