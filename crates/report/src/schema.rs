//! The published schema: `run.json`, and the lines of `intervals.ndjson` and
//! `failures.ndjson`.
//!
//! These are wire types, apart from the tally's own: names are public API, the
//! unit stands in the key, keys are only ever added within a major version.
//! Reading tolerates keys that are unknown and fills in keys that are missing,
//! so a report of any minor version can be read.

pub use super::fault_line::{ExampleLine, FaultLine, WarningLine};
pub use super::second::{IntervalLine, IntervalTimes};
use super::{
    AbortLine, ControlReport, Curve, MetricBuckets, Plan, RetriesSection, RulesReport, StormSection,
    ThresholdLine,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name of this schema and its major version.
pub const SCHEMA: &str = "downpour.run/1";

/// What came of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No more arrivals failed than the thresholds allow, none by default, and
    /// every threshold is met.
    Passed,
    /// More arrivals failed, or a threshold is violated.
    Failed,
    /// The requested load was not offered on time, or nothing was judged, and no
    /// failure is certain: neither a pass nor a fail.
    Invalid,
    /// The run was interrupted: a partial result.
    #[default]
    Interrupted,
}

/// Earlier versions did not say it, and judged such runs to be invalid.
const fn valid() -> bool {
    true
}

/// The result of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RunReport {
    /// The name and major version of this schema: `downpour.run/1`.
    pub schema: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Whether times and rates are meaningful: the load was offered on time. A
    /// failed run may have failures that are certain without that.
    #[serde(default = "valid")]
    pub timing_valid: bool,
    /// Why the measurement is not valid. With `--allow-invalid` these are
    /// warnings instead.
    pub invalid_reasons: Vec<Reason>,
    /// What a reader must know before trusting the verdict.
    pub warnings: Vec<Reason>,
    /// The result of each threshold, in the order given.
    pub thresholds: Vec<ThresholdLine>,
    /// The condition of `--abort-on` that ended the run early, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aborted: Option<AbortLine>,
    /// The effective settings of the run.
    pub plan: Plan,
    /// Accounting of the lines of the logs.
    pub lines: LineCounts,
    /// Accounting of the records in them.
    pub records: RecordCounts,
    /// The warm-up. Of all other numbers only `records.offered` includes it.
    pub warmup: Warmup,
    /// Accounting of the arrivals.
    pub arrivals: Arrivals,
    /// Accounting of the attempts.
    pub attempts: Attempts,
    /// The load during a fault; absent if no client is modelled or nothing
    /// failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storm: Option<StormSection>,
    /// What clients did after failures, if a client model was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<RetriesSection>,
    /// Requests and answers per second.
    pub rate: Rates,
    /// Latency of good arrivals: scheduled send time to the end of the last
    /// answer.
    pub latency_us: TimeSummary,
    /// Service time of attempts: first byte sent to the end of the answer.
    pub service_us: TimeSummary,
    /// Send delay of attempts: scheduled send time to the first byte sent.
    pub lateness_us: TimeSummary,
    /// Latency of failed arrivals.
    pub latency_failed_us: TimeSummary,
    /// The same metrics by percentile, in finer steps.
    pub curves: Curves,
    /// The same metrics as counts below fixed bounds; empty in a report of an
    /// earlier version.
    pub buckets: MetricBuckets,
    /// Complete answers by status.
    pub statuses: BTreeMap<String, u64>,
    /// Answers by recorded and answered status, most frequent first.
    pub transitions: Vec<TransitionLine>,
    /// Answers that are not in that list.
    pub transitions_left_out: TransitionsLeftOut,
    /// The faults that were found, also in attempts that were retried. The one
    /// that most arrivals failed with is first.
    pub faults: Vec<FaultLine>,
    /// The findings that do not fail the run, most frequent first.
    pub warned: Vec<WarningLine>,
    /// The redirects and how far they were checked.
    pub targets: Targets,
    /// The redirects by what the catalogue lists.
    pub catalog: CatalogReport,
    /// Answers by rule, if there are rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<RulesReport>,
    /// The comparison with the control, if there is one.
    pub control: Option<ControlReport>,
    /// Connections to the candidate.
    pub connections: Connections,
    /// Bytes of answers, headers included.
    pub bytes_in: u64,
    /// The health of the generator, over the whole run.
    pub generator: Generator,
}

/// A reason with a stable id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Reason {
    /// The stable id, such as `shed`.
    pub id: String,
    /// What was found.
    pub detail: String,
    /// What to do.
    pub remedy: String,
}

/// Accounting of lines: `read = accepted + skipped + rejected`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LineCounts {
    /// All lines.
    pub read: u64,
    /// Lines that became records.
    pub accepted: u64,
    /// Lines that are not requests, such as headers, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Lines that could not be read as a request, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Remarks on accepted lines. Not part of the sum.
    pub notes: BTreeMap<String, u64>,
}

/// Accounting of records: `accepted + amplified` is the sum of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RecordCounts {
    /// All records.
    pub accepted: u64,
    /// Copies of them that `--amplify` added.
    pub amplified: u64,
    /// Records that became arrivals, in the warm-up or after it.
    pub offered: u64,
    /// Records that were filtered, by reason.
    pub filtered: BTreeMap<String, u64>,
    /// Records that `--sample` left out.
    pub sampled_out: u64,
    /// Records outside the window of the run.
    pub out_of_window: u64,
    /// Records that were lost, because they could not be put in order.
    pub late: u64,
    /// The same by reason: `out_of_order`, `clock_ahead`, `clock_behind`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub late_by_reason: BTreeMap<String, u64>,
}

/// Accounting of arrivals: `offered` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Arrivals {
    /// Offered by the schedule.
    pub offered: u64,
    /// Good at the first attempt.
    pub passed: u64,
    /// Good after a retry.
    pub recovered: u64,
    /// The last attempt failed.
    pub failed: u64,
    /// Not sent: `--max-in-flight` was reached.
    pub shed: u64,
    /// Not ended when the run ended.
    pub unfinished: u64,
}

/// The warm-up, which no other number includes; all zero if there was none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Warmup {
    /// Its length.
    pub seconds: f64,
    /// Arrivals that were scheduled before it ended, whenever they ended.
    pub arrivals: Arrivals,
    /// Their attempts.
    pub attempts: Attempts,
    /// Connections opened before it ended.
    pub connections_opened: u64,
}

/// Accounting of attempts: `total = first + retries` = completed + faults +
/// unfinished.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Attempts {
    /// All attempts.
    pub total: u64,
    /// First attempts.
    pub first: u64,
    /// Retries.
    pub retries: u64,
    /// Attempts ÷ first attempts; 1 if there were none.
    pub amplification: f64,
    /// Attempts of which a byte was sent.
    pub sent: u64,
    /// Attempts with a complete answer.
    pub completed: u64,
    /// Attempts without a complete answer, by fault.
    pub faults: BTreeMap<String, u64>,
    /// Attempts that had not ended when the run ended.
    pub unfinished: u64,
}

/// Requests and answers per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Rates {
    /// Arrivals per second, over the time in which they were offered. Each rate
    /// is 0 for fewer than two events.
    pub offered_per_s: f64,
    /// Attempts sent per second, until the last was sent.
    pub sent_per_s: f64,
    /// Complete answers per second, until the last one arrived.
    pub completed_per_s: f64,
}

/// Times in microseconds; all zero if there are no samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[expect(missing_docs, reason = "the names say it: pNN is what NN % did not exceed")]
pub struct TimeSummary {
    pub count: u64,
    pub min: u64,
    pub mean: f64,
    pub p50: u64,
    pub p90: u64,
    pub p95: u64,
    pub p99: u64,
    pub p99_9: u64,
    pub p99_99: u64,
    pub max: u64,
    /// Samples longer than an hour, counted as one hour.
    pub saturated: u64,
}

/// Answers with one recorded and one answered status.
///
/// The sum of all counts, left-out ones included, is `attempts.completed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TransitionLine {
    /// The status in the log.
    pub recorded: u16,
    /// The status that the candidate answered.
    pub answered: u16,
    /// Number of answers.
    pub count: u64,
    /// Those of them whose status is wrong.
    pub refused: u64,
    /// Whether `refused` is 0.
    pub accepted: bool,
}

/// Answers that are not in `transitions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TransitionsLeftOut {
    /// The record has no status that a server sends.
    pub recorded_none: u64,
    /// The same by the value in the record: `000`, 444, 460, 499, 520 to 526,
    /// or `none`.
    pub recorded_none_by_status: BTreeMap<String, u64>,
    /// Answers beyond the largest number of distinct pairs.
    pub other: u64,
    /// Those of `other` whose status is wrong.
    pub other_refused: u64,
}

/// Each metric by percentile, as pairs of a percentile and a time in
/// microseconds; empty if there are no samples.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Curves {
    /// Latency of good arrivals.
    pub latency_us: Curve,
    /// Service time of attempts.
    pub service_us: Curve,
    /// Send delay of attempts.
    pub lateness_us: Curve,
    /// Latency of failed arrivals.
    pub latency_failed_us: Curve,
}

/// A line of `failures.ndjson`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FailureLine {
    /// The id of the fault.
    pub fault: String,
    /// The example.
    #[serde(flatten)]
    pub example: ExampleLine,
}

/// The redirects: `redirects = checked + broken + unchecked`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Targets {
    /// Answers that redirect.
    pub redirects: u64,
    /// Redirects that were checked at the deepest tier that was on.
    pub checked: u64,
    /// Redirects that were broken at an earlier tier, so that nothing was left
    /// to check.
    pub broken: u64,
    /// Redirects that were not checked, by reason.
    pub unchecked: BTreeMap<String, u64>,
    /// The same for each tier, by its name.
    pub tiers: BTreeMap<String, TierLine>,
    /// The hosts of the redirect targets, most frequent first.
    pub hosts: Vec<HostLine>,
    /// Redirects to hosts that are not listed, because there were too many.
    pub other_hosts: u64,
    /// Redirects back to the candidate: relative ones, or ones that name it.
    pub to_candidate: u64,
    /// Redirects without a usable host.
    pub no_host: u64,
    /// DNS lookups, including those of the warm-up.
    pub lookups: u64,
    /// Requests to redirect targets, including those that got no connection.
    pub requests: u64,
    /// Distinct targets that answered with another redirect.
    pub redirected_on: u64,
    /// The highest number of further redirects of one target.
    pub most_hops: u64,
    /// Wrong redirects that caches may keep: a rollback does not remove them.
    pub cacheable_wrong: u64,
    /// Those of them without a limit on the cache lifetime.
    pub cacheable_wrong_without_end: u64,
    /// The longest cache lifetime of the others.
    pub cacheable_wrong_max_s: u64,
}

/// Redirects by what the catalogue says of their files; all zero without a
/// catalogue. `targets.redirects = listed + missing + unnamed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CatalogReport {
    /// The catalogue lists the file.
    pub listed: u64,
    /// The catalogue does not list the file.
    pub missing: u64,
    /// No rule says which file the redirect is for.
    pub unnamed: u64,
}

/// One tier: `targets.redirects = checked + broken + unchecked`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TierLine {
    /// Redirects checked at this tier.
    pub checked: u64,
    /// Redirects that were broken at an earlier tier, so that nothing was left
    /// to check.
    pub broken: u64,
    /// Redirects that were not checked, by reason.
    pub unchecked: BTreeMap<String, u64>,
}

/// One host of redirect targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HostLine {
    /// The name of the host.
    pub host: String,
    /// Redirects to it.
    pub redirects: u64,
    /// The id of the latest fault of a redirect to it.
    pub fault: Option<String>,
}

/// Connections to the candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Connections {
    /// Opened after the warm-up.
    pub opened: u64,
    /// The highest number of open connections at the end of a second.
    pub open_max: u64,
    /// The highest number of attempts in flight at the end of a second.
    pub in_flight_max: u64,
    /// The highest number of arrivals that waited for a connection at the end of
    /// a second.
    pub waiting_max: u64,
    /// Requests sent once more because the candidate did not process them: an
    /// idle connection was closed, or HTTP/2 says so.
    pub stale_replays: u64,
    /// Full TLS handshakes.
    pub handshakes_full: u64,
    /// Resumed TLS handshakes.
    pub handshakes_resumed: u64,
    /// Duration of TLS handshakes.
    pub handshake_us: TimeSummary,
    /// Requests that the candidate did not process after its GOAWAY.
    pub gone_away: u64,
    /// HTTP/2 streams that the candidate refused.
    pub streams_refused: u64,
    /// The lowest limit on streams per connection that the candidate announced;
    /// null if it announced none.
    pub stream_limit_seen: Option<u64>,
}

/// The health of the generator: the machine and the process that send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Generator {
    /// CPU time.
    pub cpu_s: f64,
    /// CPU time per attempt, including those of the warm-up; 0 if there were
    /// none.
    pub cpu_us_per_attempt: f64,
    /// Peak resident memory.
    pub peak_rss_bytes: u64,
    /// Worker threads.
    pub threads: u64,
    /// Duration of the run, including warm-up and grace period.
    pub wall_s: f64,
    /// How busy a worker thread was in its busiest second, without busy-waiting
    /// for send times; null if no whole second was measured.
    pub worker_cpu_peak_share: Option<f64>,
    /// Arrivals in seconds in which their worker thread was saturated.
    pub saturated_arrivals: u64,
    /// How long the CPU limit of a cgroup stopped this process, summed over
    /// cores; null if unknown.
    pub throttled_s: Option<f64>,
    /// How long workers waited for records that were already scheduled.
    pub trace_lag_s: f64,
    /// Arrivals that reached their worker after their scheduled time.
    pub trace_lag_arrivals: u64,
}
