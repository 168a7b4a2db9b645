//! A second of a run as it is published: a line of `intervals.ndjson`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A line of `intervals.ndjson`: one second of the run. Nothing in it is
/// cumulative.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct IntervalLine {
    /// The second of the run, 0 for the first.
    pub t_s: u64,
    /// Arrivals released.
    pub offered: u64,
    /// Attempts that ended and of which a byte was sent.
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
    /// Arrivals cut.
    pub cut: u64,
    /// Attempts that ended and were an arrival's first.
    pub first: u64,
    /// Attempts that ended and were repetitions.
    pub retries: u64,
    /// Attempts that failed: no answer, an error, or a redirect to nowhere. It is
    /// the work that was done for nothing.
    pub failed_attempts: u64,
    /// Retries that were due over the limit of arrivals in flight.
    pub retries_shed: u64,
    /// Attempts on the wire at its end.
    pub in_flight: u64,
    /// Arrivals that waited for a connection at its end.
    pub waiting: u64,
    /// Connections open at its end.
    pub connections_open: u64,
    /// Answers by status.
    pub statuses: BTreeMap<String, u64>,
    /// Failed arrivals by fault: the worst of each.
    pub faults: BTreeMap<String, u64>,
    /// Attempts by each fault that was found in them, those that were tried
    /// again among them.
    pub wrong_attempts: BTreeMap<String, u64>,
    /// Failed arrivals by every fault that they had; empty where none had a
    /// fault beside its worst, since then it is the same.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub found: BTreeMap<String, u64>,
    /// As in the run.
    pub latency_us: IntervalTimes,
    /// As in the run.
    pub latency_failed_us: IntervalTimes,
    /// As in the run.
    pub service_us: IntervalTimes,
    /// As in the run.
    pub lateness_us: IntervalTimes,
    /// Answers that redirect.
    pub redirects: u64,
    /// The busiest worker, in thousandths of the second; nothing where it was
    /// not measured.
    pub worker_cpu_peak_permille: Option<u64>,
    /// For how long workers had nothing in hand though something was due.
    pub starved_us: u64,
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
