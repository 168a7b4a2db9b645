//! How the candidate's answers differ from a control's, as it is published.
//!
//! A finding beside the run, not a part of its verdict: a control may be older
//! on purpose. What was found is said as a warning, with the control's own noise
//! beside it.

use super::verdict::LeftOut;
use super::{Reason, RunReport};
use downpour_core::units::{approximate, grouped};
use downpour_metrics::{Comparisons, ControlCounts, ControlExample, ControlResults};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Comparison with the control: `attempts.completed = asked + not_compared`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ControlReport {
    /// The candidate's answers compared with the control's.
    #[serde(flatten)]
    pub candidate: ComparisonsLine,
    /// The candidate's answers for which no request was sent to the control, by
    /// reason.
    pub not_compared: BTreeMap<String, u64>,
    /// The control's answers compared with each other: requests sent twice.
    pub noise: ComparisonsLine,
    /// The first few examples of each kind of difference.
    pub examples: Vec<ControlExampleLine>,
}

/// Comparisons: `asked = compared + failed`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ComparisonsLine {
    /// Requests sent to the control.
    pub asked: u64,
    /// Requests that the control answered.
    pub compared: u64,
    /// Requests that the control did not answer, by fault.
    pub failed: BTreeMap<String, u64>,
    /// Comparisons that found at least one difference.
    pub differing: u64,
    /// Differences by kind: `status`, `location`, `header:NAME`.
    pub differences: BTreeMap<String, u64>,
}

/// One difference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ControlExampleLine {
    /// The kind of the difference, or `control_failed`.
    pub kind: String,
    /// The request target.
    pub path: String,
    /// The value of the candidate; null if it has none.
    pub candidate: Option<String>,
    /// The value of the control, or why there is none.
    pub control: Option<String>,
}

impl RunReport {
    /// Adds what came of asking a control.
    #[must_use]
    pub fn with_control(mut self, counts: ControlCounts, tally: &ControlResults) -> Self {
        let candidate = ComparisonsLine::from(tally.candidate());
        let ControlCounts { sampled_out, queue_full, handed_over } = counts;
        let unfinished = handed_over.saturating_sub(candidate.asked);
        let not_compared =
            [("sampled_out", sampled_out), ("queue_full", queue_full), ("unfinished", unfinished)];
        let noise = ComparisonsLine::from(tally.noise());
        self.warnings.extend(finding(&candidate, &noise));
        self.control = Some(ControlReport {
            not_compared: not_compared
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .map(|(reason, count)| (reason.to_owned(), count))
                .collect(),
            noise,
            examples: tally.examples().iter().map(ControlExampleLine::from).collect(),
            candidate,
        });
        self
    }
}

impl From<&Comparisons> for ComparisonsLine {
    fn from(comparisons: &Comparisons) -> Self {
        let failed = comparisons.failed.iter().map(|(fault, &count)| (fault.id().to_owned(), count));
        Self {
            asked: comparisons.asked(),
            compared: comparisons.compared,
            failed: failed.collect(),
            differing: comparisons.differing,
            differences: comparisons.differences.clone(),
        }
    }
}

impl From<&ControlExample> for ControlExampleLine {
    fn from(example: &ControlExample) -> Self {
        let ControlExample { kind, path, candidate, control } = example.clone();
        Self { kind, path, candidate, control }
    }
}

impl ComparisonsLine {
    /// The share of the comparisons that found a difference, in per cent.
    fn percent(&self) -> f64 {
        if self.compared == 0 {
            return 0.0;
        }
        approximate(self.differing) * 100.0 / approximate(self.compared)
    }
}

fn finding(candidate: &ComparisonsLine, noise: &ComparisonsLine) -> Option<Reason> {
    if candidate.compared == 0 {
        return Some(Reason {
            id: LeftOut::ControlSilent.id().to_owned(),
            detail: format!(
                "no answer was compared with the control's: {} requests were sent to it",
                grouped(candidate.asked)
            ),
            remedy: "check that the control is up, or raise --control-sample".to_owned(),
        });
    }
    if candidate.differing == 0 {
        return None;
    }
    let itself = if noise.compared == 0 {
        "how often the control differs from itself is unknown".to_owned()
    } else {
        format!(
            "the control differs from itself in {} of {} ({:.1} %)",
            grouped(noise.differing),
            grouped(noise.compared),
            noise.percent()
        )
    };
    Some(Reason {
        id: "control_differs".to_owned(),
        detail: format!(
            "{} of {} answers differ from the control's ({:.1} %); {itself}",
            grouped(candidate.differing),
            grouped(candidate.compared),
            candidate.percent()
        ),
        remedy: "look at the examples: differences beyond the control's own are the candidate's".to_owned(),
    })
}
