//! The storm of a run as it is published.

use downpour_metrics::Storm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The load during a fault: the section `storm` of `run.json`.
///
/// Attempts are counted in the second in which they end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StormSection {
    /// The first second of the fault.
    pub fault_from_s: u64,
    /// The first second after the fault.
    pub fault_to_s: u64,
    /// First attempts per second during the fault.
    pub first_rate_during_fault_per_s: f64,
    /// Attempts per second during the fault.
    pub attempt_rate_during_fault_per_s: f64,
    /// Attempts divided by first attempts; 1 if there was no first attempt.
    pub amplification_during_fault: f64,
    /// Good downloads per second during the fault.
    pub goodput_during_fault_per_s: f64,
    /// Failed attempts in the whole run.
    pub failed_attempts: u64,
    /// From the beginning of the fault until the load levelled off; null if it
    /// did not.
    pub time_to_plateau_s: Option<u64>,
    /// From the end of the fault until the service had recovered; null if that
    /// was not observed.
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
