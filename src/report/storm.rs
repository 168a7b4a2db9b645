//! The storm of a run as it is published.

use crate::metrics::Storm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a fault made of the load: the section `storm` of `run.json`.
///
/// Attempts are counted in the second in which they end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StormSection {
    /// The second of the run that the fault began with.
    pub fault_from_s: u64,
    /// The second of the run that was the first without it.
    pub fault_to_s: u64,
    /// First attempts a second during the fault.
    pub first_rate_during_fault_per_s: f64,
    /// Attempts a second during it.
    pub attempt_rate_during_fault_per_s: f64,
    /// The latter divided by the former; 1 where there was no first attempt.
    pub amplification_during_fault: f64,
    /// Downloads that came out well a second during it.
    pub goodput_during_fault_per_s: f64,
    /// Attempts that failed in the whole run.
    pub failed_attempts: u64,
    /// From the beginning of the fault until the load was level.
    pub time_to_plateau_s: Option<u64>,
    /// From the end of the fault until all was well again; nothing where that
    /// was not seen.
    pub time_to_recover_s: Option<u64>,
}

impl From<&Storm> for StormSection {
    fn from(storm: &Storm) -> Self {
        Self {
            fault_from_s: storm.fault.start,
            fault_to_s: storm.fault.end,
            first_rate_during_fault_per_s: storm.first_per_s,
            attempt_rate_during_fault_per_s: storm.attempts_per_s,
            amplification_during_fault: storm.amplification(),
            goodput_during_fault_per_s: storm.goodput_per_s,
            failed_attempts: storm.failed_attempts,
            time_to_plateau_s: storm.time_to_plateau_s,
            time_to_recover_s: storm.time_to_recover_s,
        }
    }
}
