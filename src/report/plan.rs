//! What was asked for, as plain fields: the effective plan, defaults filled in.
//!
//! It stands in every report, so that a number is never separated from the
//! question it answers. It holds names of headers, never their values.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The effective plan of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Plan {
    /// The subcommand, such as `replay`.
    pub command: String,
    /// The version of this program.
    pub version: String,
    /// The logs, in the order given.
    pub inputs: Vec<PlanInput>,
    /// The files of directories and patterns that could not be read, and were
    /// left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs_skipped: Vec<SkippedInput>,
    /// The candidate's base URL, without user information.
    pub target: String,
    /// The rate as text: `recorded`, `4700/s`.
    pub rate: String,
    /// How many times as fast as recorded; nothing at a rate of its own.
    pub speed: Option<f64>,
    /// The stages of a rate that changes, each as `30s:1000/s`.
    pub stages: Vec<String>,
    /// How arrivals lie around the rate: `uniform`, `poisson` or `recorded`;
    /// `closed_loop` where they wait for a connection.
    pub arrivals: String,
    /// The share of the trace that is played, where it is not all of it.
    pub sample: Option<String>,
    /// What the sample is drawn by, where there is one: `target` or `client`.
    pub sample_by: Option<String>,
    /// How many times each recorded arrival is played, where not once.
    pub amplify: Option<f64>,
    /// The length of the window, where one was given.
    pub duration_s: Option<f64>,
    /// The length of the warm-up, where one was given.
    pub warmup_s: Option<f64>,
    /// The number of arrivals, where one was given.
    pub requests: Option<u64>,
    /// Whether the trace starts again when it ends.
    #[serde(rename = "loop")]
    pub repeat: bool,
    /// The seed of every random choice.
    pub seed: u64,
    /// Worker threads.
    pub threads: u64,
    /// The most connections to the candidate.
    pub connections: u64,
    /// The most attempts in flight.
    pub max_in_flight: u64,
    /// What happens beyond that: `shed` or `queue`.
    pub overload: String,
    /// The total time-out of an arrival, from its due time.
    pub timeout_s: f64,
    /// The time-out of a connection attempt.
    pub connect_timeout_s: f64,
    /// How long arrivals in flight may take after the last was released.
    pub grace_s: f64,
    /// What is spoken: `1.1`, `2` or `auto`.
    pub http: String,
    /// The most streams of an HTTP/2 connection; nothing where only HTTP/1.1 is
    /// spoken.
    pub streams: Option<u64>,
    /// Whether certificates are `verified`, or `any certificate` is taken;
    /// nothing without TLS.
    pub tls: Option<String>,
    /// The least time between two wake-ups of the sender.
    pub grain_us: u64,
    /// The depth of redirect checks, from `off` and `dns` to `digest`.
    pub verify: String,
    /// The most requests a second to targets, where they are asked.
    pub verify_rate: Option<String>,
    /// The share of the targets that are asked, where they are.
    pub verify_sample: Option<String>,
    /// The share of the redirects that are asked for in JSON, where any are.
    pub verify_json: Option<String>,
    /// The rule set: a built-in's name or a file.
    pub rules: Option<String>,
    /// The catalogue, where there is one.
    pub catalog: Option<String>,
    /// The base URL of the control, where there is one.
    pub control: Option<String>,
    /// The share of the answers that is compared with the control's.
    pub control_sample: Option<String>,
    /// The most requests to the control.
    pub control_rate: Option<String>,
    /// The header fields that are compared.
    pub control_headers: Vec<String>,
    /// The rewrite rule, where there is one.
    pub rewrite: Option<String>,
    /// The resolver asked, where one was given.
    pub resolver: Option<String>,
    /// How arrivals are spread over a second that the log does not resolve.
    pub subsecond: String,
    /// The window within which the log is put in order.
    pub reorder_window_s: f64,
    /// The highest lateness at p99 of a valid run; the default depends on the
    /// run.
    pub max_lateness_us: Option<u64>,
    /// Whether an invalid measurement is reported as a warning only.
    pub allow_invalid: bool,
    /// What the run must keep, as it was typed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<String>,
    /// What ends it early, as it was typed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub abort_on: Vec<String>,
    /// How long nothing of that ends it, where there is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_after_s: Option<f64>,
    /// The service that stood in for a candidate, where the run was simulated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simulated: Option<SimulatedService>,
    /// The client model, where failed downloads are tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The clients of one's own that were told by their user agents.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub own_clients: Vec<String>,
    /// The share of retries that each client may make, where that was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_budget: Option<String>,
    /// The gap that ends a client's session, in the log's time; 0 where there
    /// are no sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_gap_s: Option<f64>,
    /// The longest that a session lasts, in the log's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_max_s: Option<f64>,
    /// Within what time repeats of a client's request are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_attempts_s: Option<f64>,
    /// Names of headers added to each request.
    pub headers: Vec<String>,
    /// The run directory.
    pub out: Option<String>,
    /// When the run started, RFC 3339.
    pub started_at: String,
}

/// One log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PlanInput {
    /// Its path, or `-`.
    pub name: String,
    /// Its format, such as `cloudfront`.
    pub format: String,
    /// How it is packed: `plain`, `gzip`, `zstd`.
    pub packing: String,
}

/// A log that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SkippedInput {
    /// Its path.
    pub name: String,
    /// Why it could not be read.
    pub reason: String,
}

/// The service of a simulated run, and its clients.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SimulatedService {
    /// The built-in scenario that it began with.
    pub scenario: Option<String>,
    /// The client model.
    pub client: String,
    /// The most retries of a client as a share of its first attempts, where
    /// that was given.
    pub retry_budget: Option<String>,
    /// Requests served at a time; nothing for no limit.
    pub servers: Option<u64>,
    /// How long one takes: `constant 5ms`, `exponential 10ms`, `lognormal
    /// 2ms..20ms` (the 50th and the 99th percentile).
    pub service_time: String,
    /// Requests that may wait for a server.
    pub queue: u64,
    /// What becomes of a request whose client has given up waiting: `served` or
    /// `dropped`.
    pub abandoned: String,
    /// The time from a client to the service and back.
    pub round_trip_s: f64,
    /// How long a client looks up the host of a redirect.
    pub lookup_s: f64,
    /// Losses of capacity, each as `80%@30s..40s`.
    pub capacity_drops: Vec<String>,
    /// Planned faults, each as `missing-slash@60s..840s`.
    pub faults: Vec<String>,
}
