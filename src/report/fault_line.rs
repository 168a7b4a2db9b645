//! A fault of a run as it is published, and a warning.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One fault of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FaultLine {
    /// The stable id.
    pub id: String,
    /// One line for a person who has never met it.
    pub meaning: String,
    /// Arrivals of which it was the outcome for good: the worst of their faults.
    /// The sum over all faults is `arrivals.failed`.
    pub count: u64,
    /// Arrivals that failed and had it, be it as the worst of their faults or
    /// beside a worse one. What a threshold on the fault counts. 0 in a report
    /// of an earlier version.
    pub found: u64,
    /// Attempts in which it was found, those that were tried again among them.
    /// 0 for what keeps a request from being sent.
    pub attempts: u64,
    /// Arrivals that were good at the next attempt after one with this fault.
    /// The sum over all faults is `arrivals.recovered`.
    pub saved_by_retries: u64,
    /// Second of the run it was first seen at, in any attempt. Seconds begin
    /// with the end of the warm-up, here and everywhere.
    pub first_s: f64,
    /// Second of the run it was last seen at, in any attempt.
    pub last_s: f64,
    /// The earliest few.
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

/// One fault that was found and fails nothing: a rule warns of it, or no client
/// minds it and no rule demands otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WarningLine {
    /// The stable id, that of the fault.
    pub id: String,
    /// One line for a person who has never met it.
    pub meaning: String,
    /// Answers that had it, those of retries too.
    pub answers: u64,
    /// Second of the run it was first seen at.
    pub first_s: f64,
    /// Second of the run it was last seen at.
    pub last_s: f64,
    /// The earliest few.
    pub examples: Vec<ExampleLine>,
}

/// One sighting of a fault, printable and bounded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ExampleLine {
    /// Second of the run.
    pub at_s: f64,
    /// The request target.
    pub path: String,
    /// The answer's Location.
    pub location: Option<String>,
    /// What was expected or found.
    pub detail: String,
}
