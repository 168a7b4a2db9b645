//! A fault of a run as it is published, and a warning.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One fault of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FaultLine {
    /// The stable id.
    pub id: String,
    /// What it means, in one line.
    pub meaning: String,
    /// Arrivals that failed with it as their most severe fault. The sum over all
    /// faults is `arrivals.failed`.
    pub count: u64,
    /// Arrivals that failed and had it, as their most severe fault or together
    /// with a more severe one. A threshold on the fault counts these. 0 in a
    /// report of an earlier version.
    pub found: u64,
    /// Attempts in which it was found, including attempts that were retried. 0
    /// for a fault that prevents sending.
    pub attempts: u64,
    /// Arrivals that recovered at the attempt after one with this fault.
    /// The sum over all faults is `arrivals.recovered`.
    pub saved_by_retries: u64,
    /// Second of the run at which it was first seen, in any attempt. Second 0
    /// begins at the end of the warm-up.
    pub first_s: f64,
    /// Second of the run at which it was last seen, in any attempt.
    pub last_s: f64,
    /// The first few examples.
    pub examples: Vec<ExampleLine>,
}

impl FaultLine {
    /// Arrivals that failed and had it. A report of an earlier version knows
    /// only those of which it was the outcome.
    pub fn arrivals(&self) -> u64 {
        self.found.max(self.count)
    }

    /// Those of them that had a worse fault, which is their outcome.
    pub fn outranked(&self) -> u64 {
        self.arrivals() - self.count
    }
}

/// One finding that does not fail the run: its rule has `level = "warn"`, or no
/// rule is about it and no client minds it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WarningLine {
    /// The stable id of the fault.
    pub id: String,
    /// What it means, in one line.
    pub meaning: String,
    /// Answers that had it, including those of retries.
    pub answers: u64,
    /// Second of the run at which it was first seen.
    pub first_s: f64,
    /// Second of the run at which it was last seen.
    pub last_s: f64,
    /// The first few examples.
    pub examples: Vec<ExampleLine>,
}

/// One example of a fault, printable and of limited length.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ExampleLine {
    /// Second of the run.
    pub at_s: f64,
    /// The request target.
    pub path: String,
    /// The `Location` of the answer.
    pub location: Option<String>,
    /// What was expected or found.
    pub detail: String,
}
