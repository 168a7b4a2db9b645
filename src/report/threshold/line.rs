//! What came of a threshold, as it is published.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One threshold of a run: an element of `thresholds` in `run.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ThresholdLine {
    /// As it was typed, such as `latency.p99 over 30s < 80ms`.
    pub expression: String,
    /// What is measured, in one spelling: `latency.p99`.
    pub measure: String,
    /// What the numbers are in: `us`, `count`, `share` (0 to 1), `per_s` or
    /// `ratio`.
    pub unit: String,
    /// How the value must lie to the bound: `<`, `<=`, `>`, `>=`, `==`, `!=`.
    pub relation: String,
    /// The value, that of the worst window where there are windows; nothing
    /// where nothing was measured.
    pub value: Option<f64>,
    /// The bound.
    pub bound: f64,
    /// The room between them, negative by as much as the bound was crossed.
    pub margin: Option<f64>,
    /// Whether it was kept. What was not measured was not kept.
    pub passed: bool,
    /// Whether, in a run whose load or timing is not valid, it would not have
    /// been kept even if all that is in question had been good.
    pub broken_for_certain: bool,
    /// The length of the windows, where there are any.
    pub over_s: Option<u64>,
    /// How many samples there were, where these are too few for the percentile:
    /// no sample lies beyond it, and the highest one was taken in its place.
    pub few_samples: Option<u64>,
    /// The window with the least margin.
    pub worst_window: Option<WindowLine>,
}

/// Some seconds of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WindowLine {
    /// The second that it begins with.
    pub from_s: u64,
    /// The second that it ends before.
    pub to_s: u64,
}

/// Why a run was ended by its own wish: `aborted` in `run.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AbortLine {
    /// What came true, as it was typed.
    pub expression: String,
    /// The value that was seen.
    pub value: f64,
    /// What it is in, as in [`ThresholdLine::unit`].
    pub unit: String,
    /// How many seconds of the run had been counted by then.
    pub at_s: u64,
    /// Arrivals offered in the last of these seconds: the rate at which it came
    /// true, where the rate rises. Nothing in runs of older versions.
    pub offered_per_s: Option<u64>,
}
