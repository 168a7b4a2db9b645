//! A comparison for programs.
//!
//! Names are public API like those of `run.json`: keys are only ever added
//! within a major version. Numbers are in the unit that stands beside them.

use super::headline::{headline, result_word};
use super::remarks::LETTERS;
use super::{CONFIDENCE_PERCENT, Change, ComparedRun, RESAMPLES, RunComparison, totals};
use serde_json::{Map, Value, json};

/// The name of this schema and its major version.
pub const COMPARE_SCHEMA: &str = "downpour.compare/1";

/// A comparison as JSON, with a line feed at its end.
#[expect(clippy::missing_panics_doc, reason = "values with text keys are always written")]
pub fn json(comparison: &RunComparison<'_>) -> String {
    let (word, sentence) = headline(comparison);
    let runs = comparison.runs.iter().zip(LETTERS);
    let runs: Map<_, _> = runs.map(|(run, letter)| (letter.to_lowercase(), self::run(run))).collect();
    let differences = comparison
        .plan_differences
        .iter()
        .map(|difference| json!({ "key": difference.key, "a": difference.a, "b": difference.b }))
        .collect::<Vec<_>>();
    let metrics: Vec<_> = comparison.changes().map(change).collect();
    let conditions = comparison.judged.iter().map(|judged| {
        let outcome = result_word(judged.result).replace(' ', "_");
        json!({ "condition": judged.condition.to_string(), "outcome": outcome, "metric": change(&judged.change) })
    });
    let totals: Vec<_> = totals(comparison)
        .into_iter()
        .map(|(name, [a, b])| json!({ "name": name, "a": a, "b": b }))
        .collect();
    let whole = json!({
        "schema": COMPARE_SCHEMA,
        "verdict": word.to_lowercase(),
        "told": sentence,
        "runs": runs,
        "remarks": comparison.remarks,
        "plan_differences": differences,
        "method": {
            "bootstrap": "block",
            "confidence_percent": CONFIDENCE_PERCENT,
            "paired": comparison.paired,
            "resamples": RESAMPLES,
            "seed": comparison.seed,
        },
        "metrics": metrics,
        "totals": totals,
        "conditions": conditions.collect::<Vec<_>>(),
    });
    let mut text = serde_json::to_string_pretty(&whole).expect("values with text keys are always written");
    text.push('\n');
    text
}

fn run(run: &ComparedRun<'_>) -> Value {
    let (report, cut) = (run.report, run.blocks.layout());
    json!({
        "name": run.name,
        "verdict": report.verdict,
        "target": report.plan.target,
        "started_at": report.plan.started_at,
        "version": report.plan.version,
        "simulated": report.plan.simulated.is_some(),
        "seconds": cut.seconds(),
        "blocks": cut.blocks(),
    })
}

fn change(change: &Change) -> Value {
    let (low, high) = change.interval.unzip();
    json!({
        "name": change.metric.name(),
        "unit": change.metric.unit.name(),
        "a": change.a,
        "b": change.b,
        "difference": change.difference(),
        "difference_low": low,
        "difference_high": high,
        "relative": change.relative(),
        "word": change.kind.text(),
    })
}
