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
    /// Every arrival was good, or those that were not are as few as thresholds
    /// allow, and every threshold was kept.
    Passed,
    /// Something of that is not so.
    Failed,
    /// The load was not really offered, or nothing was judged, and no failure
    /// was found that stands all the same: neither pass nor fail.
    Invalid,
    /// The run ended early: a partial result.
    #[default]
    Cut,
}

/// Earlier versions did not say it, and judged such runs to be invalid.
const fn valid() -> bool {
    true
}

/// The result of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RunReport {
    /// [`SCHEMA`].
    pub schema: String,
    /// What came of it.
    pub verdict: Verdict,
    /// Whether times and rates say something of the candidate: the load was
    /// offered, and on time. A run that failed may have failed without that.
    #[serde(default = "valid")]
    pub timing_valid: bool,
    /// Why the measurement is not valid; kept under `--allow-invalid` as
    /// warnings instead.
    pub invalid_reasons: Vec<Reason>,
    /// What a reader must know before trusting the verdict.
    pub warnings: Vec<Reason>,
    /// What came of each threshold, in the order given.
    pub thresholds: Vec<ThresholdLine>,
    /// Why the run ended early by its own wish, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aborted: Option<AbortLine>,
    /// What was asked for.
    pub plan: Plan,
    /// Where the lines of the logs went.
    pub lines: LineCounts,
    /// Where the records in them went.
    pub records: RecordCounts,
    /// What the warm-up held, which no other number counts but
    /// [`Records::offered`].
    pub warmup: Warmup,
    /// Where the arrivals went.
    pub arrivals: Arrivals,
    /// Where the attempts went.
    pub attempts: Attempts,
    /// What a fault made of the load; nothing where it was not looked for or
    /// nothing failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storm: Option<StormSection>,
    /// What clients did about failures, where they were modelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<RetriesSection>,
    /// How much in how much time.
    pub rate: Rates,
    /// Due to done, of good arrivals.
    pub latency_us: TimeSummary,
    /// Sent to done, of attempts.
    pub service_us: TimeSummary,
    /// Due to sent, of attempts.
    pub lateness_us: TimeSummary,
    /// Due to done, of failed arrivals.
    pub latency_failed_us: TimeSummary,
    /// The same clocks by percentile, in finer steps.
    pub curves: Curves,
    /// The same clocks as counts below fixed bounds; empty in a report of an
    /// earlier version.
    pub buckets: MetricBuckets,
    /// Complete answers by status.
    pub statuses: BTreeMap<String, u64>,
    /// Answers by recorded and answered status, most frequent first.
    pub transitions: Vec<TransitionLine>,
    /// Answers that are not in that list.
    pub transitions_left_out: TransitionsLeftOut,
    /// What was found wrong, in attempts that were tried again as well: what
    /// most arrivals failed of first.
    pub faults: Vec<FaultLine>,
    /// What was found wrong with answers and fails nothing, most frequent
    /// first.
    pub warned: Vec<WarningLine>,
    /// Where redirects led.
    pub targets: Targets,
    /// What the catalogue says of redirects.
    pub catalog: CatalogReport,
    /// Which rules judged the answers, where there are rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<RulesReport>,
    /// What asking the control came to, where there is one.
    pub control: Option<ControlReport>,
    /// Connections to the candidate.
    pub connections: Connections,
    /// Bytes of answers, headers included.
    pub bytes_in: u64,
    /// The machine that made the load, over the whole run.
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
    /// What to do about it.
    pub remedy: String,
}

/// Where lines went: `read = accepted + skipped + rejected`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LineCounts {
    /// All lines.
    pub read: u64,
    /// Those that became records.
    pub accepted: u64,
    /// Those that are no requests, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Those that should have been, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Things worth telling about accepted lines. Not part of the balance.
    pub notes: BTreeMap<String, u64>,
}

/// Where records went: `accepted + amplified` is the sum of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RecordCounts {
    /// All records.
    pub accepted: u64,
    /// Copies of them that `--amplify` added.
    pub amplified: u64,
    /// Those that became arrivals, in the warm-up or after it.
    pub offered: u64,
    /// Those left out on purpose, by reason.
    pub filtered: BTreeMap<String, u64>,
    /// Those left out by `--sample`.
    pub sampled_out: u64,
    /// Those outside the window of the run.
    pub out_of_window: u64,
    /// Those that were lost, since they have no place in the order.
    pub late: u64,
    /// The same by reason: `out_of_order`, `clock_ahead`, `clock_behind`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub late_by_reason: BTreeMap<String, u64>,
}

/// Where arrivals went: `offered` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Arrivals {
    /// Released by the schedule.
    pub offered: u64,
    /// Good at the first attempt.
    pub passed: u64,
    /// Good after a retry.
    pub recovered: u64,
    /// Not good.
    pub failed: u64,
    /// Not sent: over the limit.
    pub shed: u64,
    /// Not over when the run was.
    pub cut: u64,
}

/// What was sent first and not counted; all zero where there was no warm-up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Warmup {
    /// How long it took.
    pub seconds: f64,
    /// Arrivals that were due before it ended, whenever they were over.
    pub arrivals: Arrivals,
    /// Their attempts.
    pub attempts: Attempts,
    /// Connections opened before it ended.
    pub connections_opened: u64,
}

/// Where attempts went: `total = first + retries` = statuses + faults + cut.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Attempts {
    /// All attempts.
    pub total: u64,
    /// First attempts.
    pub first: u64,
    /// Repetitions.
    pub retries: u64,
    /// Attempts ÷ first attempts; 1 for a run without any.
    pub amplification: f64,
    /// Attempts of which a byte was sent.
    pub sent: u64,
    /// Attempts with a complete answer.
    pub completed: u64,
    /// Attempts without one, by fault.
    pub faults: BTreeMap<String, u64>,
    /// Attempts that the end of the run cut off.
    pub cut: u64,
}

/// How much in how much time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Rates {
    /// Arrivals a second, over the time in which they were offered; 0 for
    /// fewer than two, here and below.
    pub offered_per_s: f64,
    /// Attempts sent a second, until the last was sent.
    pub sent_per_s: f64,
    /// Complete answers a second, until the last came in.
    pub completed_per_s: f64,
}

/// Times in microseconds, all zero for none.
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
    /// Samples longer than an hour, counted as an hour.
    pub saturated: u64,
}

/// Answers with one recorded and one answered status.
///
/// The sum of all counts, left-out ones included, is `attempts.completed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TransitionLine {
    /// What the log shows.
    pub recorded: u16,
    /// What the candidate answered.
    pub answered: u16,
    /// How many answers.
    pub count: u64,
    /// Those of them whose status was found wrong.
    pub refused: u64,
    /// Whether there were none of those.
    pub accepted: bool,
}

/// Answers that no line of the transitions holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TransitionsLeftOut {
    /// The record holds no status that a server sent.
    pub recorded_none: u64,
    /// The same by what it holds instead: `000`, 444, 460, 499, 520 to 526,
    /// or `none`.
    pub recorded_none_by_status: BTreeMap<String, u64>,
    /// There were too many distinct pairs.
    pub other: u64,
    /// Those of `other` whose status was found wrong.
    pub other_refused: u64,
}

/// Each clock by percentile, as pairs of a percentile and a time; empty where
/// there was nothing to time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Curves {
    /// As in the run.
    pub latency_us: Curve,
    /// As in the run.
    pub service_us: Curve,
    /// As in the run.
    pub lateness_us: Curve,
    /// As in the run.
    pub latency_failed_us: Curve,
}

/// A line of `failures.ndjson`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FailureLine {
    /// The fault's id.
    pub fault: String,
    /// The sighting.
    #[serde(flatten)]
    pub example: ExampleLine,
}

/// Where redirects led: `redirects = checked + broken + unchecked`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Targets {
    /// Answers that redirect.
    pub redirects: u64,
    /// Those judged at the deepest tier that was on.
    pub checked: u64,
    /// Those found broken before that tier, so that nothing was left to ask.
    pub broken: u64,
    /// Those that were not, by reason.
    pub unchecked: BTreeMap<String, u64>,
    /// The same for each tier, by its name.
    pub tiers: BTreeMap<String, TierLine>,
    /// The hosts they led to, most frequent first.
    pub hosts: Vec<HostLine>,
    /// Redirects to hosts that are not listed: there were too many.
    pub other_hosts: u64,
    /// Redirects back to the candidate: relative ones, or ones that name it.
    pub to_candidate: u64,
    /// Redirects without a usable host.
    pub no_host: u64,
    /// DNS lookups made, in the warm-up too.
    pub lookups: u64,
    /// Requests made to targets, and tries for which there was no connection.
    pub requests: u64,
    /// Distinct targets that answered with a redirect of their own.
    pub redirected_on: u64,
    /// The most redirects of that kind that one target took.
    pub most_hops: u64,
    /// Redirects that lead astray and that caches may keep: they outlive a
    /// roll-back.
    pub cacheable_wrong: u64,
    /// Those of them that may be kept for as long as the cache likes.
    pub cacheable_wrong_without_end: u64,
    /// The longest that one of the others may be kept.
    pub cacheable_wrong_max_s: u64,
}

/// What the catalogue says of the files that redirects are for; all zero
/// without one. `targets.redirects = listed + missing + unnamed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CatalogReport {
    /// It is listed.
    pub listed: u64,
    /// It is not.
    pub missing: u64,
    /// No rule says which file it is.
    pub unnamed: u64,
}

/// One tier: checked + broken + unchecked is the number of redirects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TierLine {
    /// Redirects judged at this tier.
    pub checked: u64,
    /// Those found broken before it, so that nothing was left to look at.
    pub broken: u64,
    /// Those that were not, by reason.
    pub unchecked: BTreeMap<String, u64>,
}

/// One host that redirects led to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HostLine {
    /// Its name.
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
    /// The most that were open at the end of a second.
    pub open_max: u64,
    /// The most attempts that were in flight at the end of a second.
    pub in_flight_max: u64,
    /// The most arrivals that waited for one at the end of a second.
    pub waiting_max: u64,
    /// Requests sent once more because they were not taken up: a kept
    /// connection was closed, or HTTP/2 says so.
    pub stale_replays: u64,
    /// TLS handshakes made in full.
    pub handshakes_full: u64,
    /// TLS handshakes that resumed a session.
    pub handshakes_resumed: u64,
    /// How long handshakes took.
    pub handshake_us: TimeSummary,
    /// Requests that the candidate left unprocessed by GOAWAY.
    pub gone_away: u64,
    /// HTTP/2 streams that it refused.
    pub streams_refused: u64,
    /// The fewest streams at once that it announced for a connection; nothing
    /// if it set no limit.
    pub stream_limit_seen: Option<u64>,
}

/// The machine that made the load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Generator {
    /// Processor time used.
    pub cpu_s: f64,
    /// Processor time per attempt, those of the warm-up too; 0 for none.
    pub cpu_us_per_attempt: f64,
    /// The most memory ever resident.
    pub peak_rss_bytes: u64,
    /// Worker threads.
    pub threads: u64,
    /// How long the run took, warm-up and grace included.
    pub wall_s: f64,
    /// The share of its busiest second that a worker thread was busy, without
    /// what it waited awake for due times; nothing where no whole second was
    /// measured.
    pub worker_cpu_peak_share: Option<f64>,
    /// Arrivals in seconds in which their worker was saturated.
    pub saturated_arrivals: u64,
    /// For how long a cgroup's processor limit stopped this process, summed
    /// over cores; nothing where that is not known.
    pub throttled_s: Option<f64>,
    /// For how long workers had nothing in hand though something was due.
    pub starved_s: f64,
    /// Arrivals that reached their worker after they were due.
    pub starved_arrivals: u64,
}
