//! A comparison as one page, of the make of `report.html`: offline, in both
//! schemes, with the curves of both runs over each other.

use super::change::{Change, ChangeKind};
use super::headline::{condition_text, headline, main_differences, method, result_word, runs_not_passed};
use super::remarks::{LETTERS, plan_differences_text};
use super::{
    ComparedRun, ConditionResult, Group, JudgedCondition, PlanDifference, RunComparison, show, totals,
};
use crate::html::{self, Charts, script_safe, shown};
use crate::text::headline as of_run;
use crate::threshold::MeasureUnit;
use askama::Template;

/// The longest name or sentence.
const LONGEST: usize = 300;

/// Half the width of a whisker's picture, and where its middle is.
const MIDDLE: f64 = 120.0;

/// A comparison as one HTML page.
#[expect(clippy::missing_panics_doc, reason = "a template of texts has nothing that could fail")]
pub fn html(comparison: &RunComparison<'_>) -> String {
    let mut text =
        ComparisonPage::of(comparison).render().expect("a template of texts has nothing that could fail");
    text.push('\n');
    text
}

/// The fields of `html/compare.html`.
#[derive(Template)]
#[template(path = "compare.html", config = "src/html/askama.toml")]
struct ComparisonPage {
    style: &'static str,
    chart_style: &'static str,
    chart_script: &'static str,
    script: &'static str,
    licence: &'static str,
    style_digests: &'static str,
    script_digests: &'static str,
    tone: &'static str,
    word: &'static str,
    sentence: String,
    /// Runs that failed, were invalid or were cut short.
    broken: Vec<String>,
    told: Vec<String>,
    remarks: Vec<String>,
    runs: Vec<RunRow>,
    plans: Option<String>,
    plan_differences: Vec<PlanDifference>,
    conditions: Vec<ConditionRow>,
    groups: Vec<ComparisonTable>,
    totals: Vec<(String, String, String)>,
    method: String,
    charts: Charts,
    data: String,
}

struct RunRow {
    letter: &'static str,
    /// Of the style sheet: its colour in the charts.
    class: &'static str,
    name: String,
    verdict: String,
    target: String,
    started: String,
}

struct ConditionRow {
    text: String,
    word: &'static str,
    told: String,
    is_broken: bool,
}

struct ComparisonTable {
    title: &'static str,
    /// How far the pictures reach.
    scale: String,
    each: Vec<ComparisonRow>,
}

struct ComparisonRow {
    name: String,
    a: String,
    b: String,
    change: String,
    interval: String,
    whisker: Option<Whisker>,
    word: &'static str,
    is_wrong: bool,
}

/// An interval drawn around no change.
struct Whisker {
    low: String,
    at: String,
    high: String,
    class: &'static str,
}

impl ComparisonPage {
    fn of(comparison: &RunComparison<'_>) -> Self {
        let (word, sentence) = headline(comparison);
        let charts = html::overlay(comparison.runs.map(|run| (run.report, run.timeline)));
        let data =
            script_safe(&serde_json::to_string(&charts).expect("charts have text keys and finite numbers"));
        let texts = |texts: Vec<String>| texts.iter().map(|text| shown(text, LONGEST)).collect();
        let totals = totals(comparison).into_iter();
        Self {
            style: html::STYLE,
            chart_style: html::CHART_STYLE,
            chart_script: html::CHART_SCRIPT,
            script: html::SCRIPT,
            licence: html::CHART_LICENCE,
            style_digests: html::STYLE_DIGESTS,
            script_digests: html::SCRIPT_DIGESTS,
            tone: tone(word),
            word,
            sentence: shown(&sentence, LONGEST),
            broken: texts(runs_not_passed(comparison)),
            told: texts(main_differences(comparison)),
            remarks: texts(comparison.remarks.clone()),
            runs: LETTERS.iter().zip(&comparison.runs).map(|(letter, run)| run_row(letter, run)).collect(),
            plans: plan_differences_text(&comparison.plan_differences),
            plan_differences: comparison.plan_differences.clone(),
            conditions: comparison.judged.iter().map(condition_row).collect(),
            groups: comparison.groups.iter().map(rows).collect(),
            totals: totals.map(|(name, [a, b])| (name, a, b)).collect(),
            method: method(comparison),
            charts,
            data,
        }
    }
}

fn tone(word: &str) -> &'static str {
    match word {
        "INDISTINGUISHABLE" | "MET" => "good",
        "REGRESSED" => "wrong",
        _ => "open",
    }
}

fn run_row(letter: &'static str, run: &ComparedRun<'_>) -> RunRow {
    let plan = &run.report.plan;
    RunRow {
        letter,
        class: if letter == LETTERS[0] { "second" } else { "first" },
        name: shown(run.name, LONGEST),
        verdict: shown(&of_run::verdict(run.report), LONGEST),
        target: shown(&plan.target, LONGEST),
        started: shown(&plan.started_at, 40),
    }
}

fn condition_row(judged: &JudgedCondition) -> ConditionRow {
    ConditionRow {
        text: shown(&judged.condition.to_string(), LONGEST),
        word: result_word(judged.result),
        told: shown(&condition_text(judged), LONGEST),
        is_broken: judged.result == ConditionResult::Violated,
    }
}

fn rows(group: &Group) -> ComparisonTable {
    let reach = reach(group);
    let rows = group.rows.iter().map(|(name, change)| {
        let number = |value| show::number(change.metric.unit, value);
        ComparisonRow {
            name: shown(name, LONGEST),
            a: number(change.a),
            b: number(change.b),
            change: show::difference(change),
            interval: show::interval(change),
            whisker: whisker(change, reach),
            word: change.kind.text(),
            is_wrong: is_worse(change),
        }
    });
    let unit = if group.rows.iter().any(|(_, change)| change.metric.unit == MeasureUnit::Share) {
        "pp"
    } else {
        "%"
    };
    let digits = usize::from(reach < 0.01);
    let scale = format!("\u{b1}{:.digits$} {unit}", reach * 100.0);
    ComparisonTable { title: group.title, scale, each: rows.collect() }
}

/// The ends of an interval in the unit that is drawn: parts of A's number, or
/// shares of a whole.
fn drawn(change: &Change) -> Option<[f64; 3]> {
    let (low, high) = change.interval?;
    let of = match show::scale(change) {
        show::Scale::Relative => change.a?,
        show::Scale::Points => 1.0,
        show::Scale::Absolute => return None,
    };
    Some([low, change.difference()?, high].map(|value| value / of))
}

/// How far the pictures of a group reach from no change: a round number that
/// holds its differences, at most as much again.
fn reach(group: &Group) -> f64 {
    let ends = group.rows.iter().filter_map(|(_, change)| drawn(change)).flatten();
    let furthest = ends.map(f64::abs).fold(0.0, f64::max);
    let steps = [0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75];
    steps.into_iter().find(|step| furthest <= *step).unwrap_or(1.0)
}

fn whisker(change: &Change, reach: f64) -> Option<Whisker> {
    let place = |value: f64| format!("{:.1}", MIDDLE + (value / reach).clamp(-1.0, 1.0) * (MIDDLE - 4.0));
    let [low, at, high] = drawn(change)?.map(place);
    let class = match (change.kind, is_worse(change)) {
        (ChangeKind::Indistinguishable | ChangeKind::TooFew | ChangeKind::TooShort, _) => "same",
        (_, true) => "worse",
        (_, false) => "other",
    };
    Some(Whisker { low, at, high, class })
}

/// Whether a difference is one that nobody wants.
fn is_worse(change: &Change) -> bool {
    let name = change.metric.name();
    let is_loss =
        ["failed", "shed", "retries", "amplification", "fault("].iter().any(|bad| name.starts_with(bad));
    match change.kind {
        ChangeKind::Slower => true,
        ChangeKind::Higher | ChangeKind::New => is_loss,
        ChangeKind::Lower | ChangeKind::Gone => name.starts_with("good"),
        ChangeKind::Faster | ChangeKind::Indistinguishable | ChangeKind::TooFew | ChangeKind::TooShort => {
            false
        }
    }
}
