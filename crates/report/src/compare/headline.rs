//! The first lines of a comparison: a word, a sentence, and what matters most.

use super::change::{Change, ChangeKind};
use super::remarks::LETTERS;
use super::{CONFIDENCE_PERCENT, ConditionResult, JudgedCondition, RunComparison, show};
use crate::Verdict;
use crate::text::format::safe;
use crate::text::headline as of_run;
use downpour_core::units::grouped;

/// Differences told in a sentence each.
const MAX_DIFFERENCES: usize = 5;

/// Each run that is no sound measurement, in a sentence: it failed, was invalid
/// or was cut short. What was compared with it says little.
pub(super) fn runs_not_passed(comparison: &RunComparison<'_>) -> Vec<String> {
    let broken =
        LETTERS.iter().zip(&comparison.runs).filter(|(_, run)| run.report.verdict != Verdict::Passed);
    broken.map(|(letter, run)| format!("{letter} {}", of_run::verdict(run.report))).collect()
}

/// The word and the sentence behind it.
pub(super) fn headline(comparison: &RunComparison<'_>) -> (&'static str, String) {
    let judged = &comparison.judged;
    let of = |held| judged.iter().filter(|judged| judged.result == held).count();
    let conditions = conditions(judged.len());
    if judged.is_empty() {
        return without_conditions(comparison);
    }
    if of(ConditionResult::Violated) > 0 {
        let broken: Vec<_> =
            judged.iter().filter(|judged| judged.result == ConditionResult::Violated).map(name_of).collect();
        return (
            "REGRESSED",
            format!("{} of {conditions} violated: {}", of(ConditionResult::Violated), broken.join(", ")),
        );
    }
    if of(ConditionResult::Unjudged) > 0 {
        let sentence = format!("{} of {conditions} could not be judged", of(ConditionResult::Unjudged));
        return ("UNJUDGED", sentence);
    }
    match of(ConditionResult::Inconclusive) {
        0 => ("MET", format!("{conditions} met")),
        open => ("MET", format!("{conditions} met; for {open} of them the change may be chance")),
    }
}

fn without_conditions(comparison: &RunComparison<'_>) -> (&'static str, String) {
    let compared = comparison.changes().filter(|change| is_compared(change)).count();
    let different = comparison.changes().filter(|change| change.kind.is_difference()).count();
    match (compared, different) {
        (0, _) => ("UNJUDGED", "nothing could be compared".to_owned()),
        (_, 0) => ("INDISTINGUISHABLE", format!("none of {compared} numbers differs by more than chance")),
        _ => ("DIFFERENT", format!("{different} of {compared} numbers differ by more than chance")),
    }
}

fn is_compared(change: &Change) -> bool {
    !matches!(change.kind, ChangeKind::TooFew | ChangeKind::TooShort)
}

fn conditions(count: usize) -> String {
    format!("{count} condition{}", if count == 1 { "" } else { "s" })
}

fn name_of(judged: &JudgedCondition) -> String {
    safe(&judged.condition.to_string())
}

/// The differences that matter most, as sentences.
pub(super) fn main_differences(comparison: &RunComparison<'_>) -> Vec<String> {
    let mut found: Vec<(&'static str, &str, &Change)> = Vec::new();
    for group in &comparison.groups {
        let rows = group.rows.iter().filter(|(_, change)| change.kind.is_difference());
        found.extend(rows.map(|(name, change)| (group.title, name.as_str(), change)));
    }
    found.sort_by_key(|(group, name, change)| weight(group, name, change.kind));
    let told = found.into_iter().take(MAX_DIFFERENCES);
    told.map(|(group, name, change)| sentence(group, name, change)).collect()
}

/// Failures first, then what most users feel, then the tail.
fn weight(group: &str, name: &str, word: ChangeKind) -> (usize, usize) {
    let groups =
        ["Outcome", "Faults, of downloads", "Latency, good", "Load", "Service time", "Answers, of attempts"];
    let names = ["failed", "p50", "p99", "good", "p90"];
    let place = |list: &[&str], name: &str| list.iter().position(|of| *of == name).unwrap_or(list.len());
    let is_news = word == ChangeKind::New || word == ChangeKind::Gone;
    (if is_news { 0 } else { 1 + place(&groups, group) }, place(&names, name))
}

fn sentence(group: &str, name: &str, change: &Change) -> String {
    let number = |value| show::number(change.metric.unit, value);
    let subject = match group {
        "Load" | "Outcome" => name.to_owned(),
        _ => format!("{} {}", group.split(',').next().unwrap_or(group).to_lowercase(), safe(name)),
    };
    let (a, b) = (number(change.a), number(change.b));
    match change.kind {
        ChangeKind::New => format!("{subject}: new in B, {b}"),
        ChangeKind::Gone => format!("{subject}: gone in B, was {a}"),
        word @ (ChangeKind::Indistinguishable
        | ChangeKind::Slower
        | ChangeKind::Faster
        | ChangeKind::Higher
        | ChangeKind::Lower
        | ChangeKind::TooFew
        | ChangeKind::TooShort) => format!(
            "{subject}: {} ({}), {a} in A and {b} in B, {}",
            show::difference(change),
            show::interval(change),
            word.text()
        ),
    }
}

/// What came of a condition, in a sentence.
pub(super) fn condition_text(judged: &JudgedCondition) -> String {
    let change = &judged.change;
    let found = match (change.difference(), change.interval) {
        (Some(_), Some(_)) => format!("{}, {}", show::difference(change), show::interval(change)),
        (Some(_), None) => show::difference(change),
        (None, _) => "not measured in both runs".to_owned(),
    };
    match judged.result {
        ConditionResult::Violated | ConditionResult::Met => found,
        ConditionResult::Inconclusive => format!("{found}: may be chance; run longer to find out"),
        ConditionResult::Unjudged => format!("{found}: {}", change.kind.text()),
    }
}

/// The word for what came of a condition.
pub(super) const fn result_word(held: ConditionResult) -> &'static str {
    match held {
        ConditionResult::Met => "met",
        ConditionResult::Violated => "violated",
        ConditionResult::Inconclusive => "not shown",
        ConditionResult::Unjudged => "not judged",
    }
}

/// How the intervals came about.
pub(super) fn method(comparison: &RunComparison<'_>) -> String {
    let cuts = comparison.runs.map(|run| run.blocks.layout());
    let blocks = cuts.map(|cut| {
        #[expect(clippy::cast_precision_loss, reason = "at most 120 blocks, and a length to a tenth")]
        let length = cut.seconds() as f64 / cut.blocks() as f64;
        format!("{} blocks of {length:.1} s", cut.blocks())
    });
    let drawn = match (comparison.paired, blocks[0] == blocks[1]) {
        (true, _) => format!("{}, of both runs together because they had the same load", blocks[0]),
        (false, true) => format!("{} of each run", blocks[0]),
        (false, false) => format!("{} of A and {} of B", blocks[0], blocks[1]),
    };
    let compared = comparison.changes().filter(|change| is_compared(change)).count();
    format!(
        "Intervals contain the true difference in {CONFIDENCE_PERCENT} of 100 comparisons: block bootstrap, {} draws of \
         {drawn}; seed {}. If two runs are equal, 1 number in 20 differs by chance; {compared} were compared.",
        grouped(super::RESAMPLES as u64),
        comparison.seed
    )
}
