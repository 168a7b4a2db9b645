//! What came of a threshold, as it is published.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One threshold of a run: an element of `thresholds` in `run.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ThresholdLine {
    /// The expression as typed, such as `latency.p99 over 30s < 80ms`.
    pub expression: String,
    /// The measure in its canonical spelling: `latency.p99`.
    pub measure: String,
    /// The unit of the numbers: `us`, `count`, `share` (0 to 1), `per_s` or
    /// `ratio`.
    pub unit: String,
    /// The comparison of value and bound: `<`, `<=`, `>`, `>=`, `==`, `!=`.
    pub relation: String,
    /// The measured value, with windows that of the worst one; null if there are
    /// no samples.
    pub value: Option<f64>,
    /// The bound.
    pub bound: f64,
    /// The distance between them, negative if the threshold is violated.
    pub margin: Option<f64>,
    /// Whether it is met. A threshold on a measure without samples is violated.
    pub passed: bool,
    /// Whether, in a run whose load or timing is not valid, it would be violated
    /// even if all that is in question had been good.
    pub broken_for_certain: bool,
    /// The length of the windows, if there are any.
    pub over_s: Option<u64>,
    /// How many samples there were, where these are too few for the percentile:
    /// no sample lies beyond it, and the highest one was taken in its place.
    pub few_samples: Option<u64>,
    /// The window with the smallest margin.
    pub worst_window: Option<WindowLine>,
}

/// Some seconds of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WindowLine {
    /// Its first second.
    pub from_s: u64,
    /// The first second after it.
    pub to_s: u64,
}

/// Why `--abort-on` ended the run: `aborted` in `run.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AbortLine {
    /// The expression that came true, as typed.
    pub expression: String,
    /// The measured value.
    pub value: f64,
    /// Its unit, as in `thresholds[].unit`.
    pub unit: String,
    /// The number of seconds that the run had lasted.
    pub at_s: u64,
    /// Arrivals offered in the last of these seconds: with a rising rate, the
    /// rate at which it came true. Null in runs of older versions.
    pub offered_per_s: Option<u64>,
}
