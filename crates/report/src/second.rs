//! A second of a run as it is published: a line of `intervals.ndjson`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A line of `intervals.ndjson`: one second of the run, not cumulative.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct IntervalLine {
    /// The second of the run, 0 for the first.
    pub t_s: u64,
    /// Arrivals offered.
    pub offered: u64,
    /// Attempts that ended and of which at least a byte was sent.
    pub sent: u64,
    /// Attempts that ended with a complete answer.
    pub completed: u64,
    /// Arrivals that passed.
    pub passed: u64,
    /// Arrivals that recovered.
    pub recovered: u64,
    /// Arrivals that failed.
    pub failed: u64,
    /// Arrivals shed.
    pub shed: u64,
    /// Arrivals unfinished.
    pub unfinished: u64,
    /// First attempts that ended.
    pub first: u64,
    /// Retries that ended.
    pub retries: u64,
    /// Attempts that failed: no answer, an error, or a wrong redirect.
    pub failed_attempts: u64,
    /// Retries that were not sent, because `--max-in-flight` was reached.
    pub retries_shed: u64,
    /// Attempts in flight at its end.
    pub in_flight: u64,
    /// Arrivals that waited for a connection at its end.
    pub waiting: u64,
    /// Open connections at its end.
    pub connections_open: u64,
    /// Answers by status.
    pub statuses: BTreeMap<String, u64>,
    /// Failed arrivals by their most severe fault.
    pub faults: BTreeMap<String, u64>,
    /// Attempts by each fault found in them, including attempts that were
    /// retried.
    pub wrong_attempts: BTreeMap<String, u64>,
    /// Failed arrivals by each of their faults; absent if each had one, because
    /// it is then the same as `faults`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub found: BTreeMap<String, u64>,
    /// Latency of good arrivals.
    pub latency_us: IntervalTimes,
    /// Latency of failed arrivals.
    pub latency_failed_us: IntervalTimes,
    /// Service time of attempts.
    pub service_us: IntervalTimes,
    /// Send delay of attempts.
    pub lateness_us: IntervalTimes,
    /// Answers that redirect.
    pub redirects: u64,
    /// How busy the busiest worker thread was, in thousandths of the second;
    /// null if not measured.
    pub worker_cpu_peak_permille: Option<u64>,
    /// How long workers waited for records that were already scheduled.
    pub trace_lag_us: u64,
}

/// Times of one second in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[expect(missing_docs, reason = "the names say it: pNN is what NN % did not exceed")]
pub struct IntervalTimes {
    pub count: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub max: u64,
}
