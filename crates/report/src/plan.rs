//! What was asked for, as plain fields: the effective plan, defaults filled in.
//!
//! It stands in every report, so that a number is never separated from the
//! question it answers. It holds names of headers, never their values.

use downpour_verify::Depth;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The configuration of a run: the options of its command, defaults filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RunConfig {
    /// By section, such as `load`, and by the long name of the option, such as
    /// `rate`.
    pub sections: BTreeMap<String, BTreeMap<String, ConfigValue>>,
}

/// The value of an option, as it is typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ConfigValue {
    /// Of an option without a value: whether it is given.
    Flag(bool),
    /// A value.
    Text(String),
    /// The values of an option that may be repeated.
    List(Vec<String>),
}

/// What kind of run it was: the subcommand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// `replay`
    #[default]
    Replay,
    /// `demo`
    Demo,
    /// `check`: each distinct request once, nothing measured.
    Check,
    /// `simulate`
    Simulate,
}

impl RunKind {
    /// The name of the subcommand.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Demo => "demo",
            Self::Check => "check",
            Self::Simulate => "simulate",
        }
    }
}

/// How arrivals are spaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalSpacing {
    /// Evenly. Saved runs of earlier versions may have an empty text for it.
    #[default]
    #[serde(alias = "")]
    Uniform,
    /// At random.
    Poisson,
    /// As in the log.
    Recorded,
    /// Each waits for a free connection.
    ClosedLoop,
    /// As the scenario says.
    Scenario,
}

/// The effective plan of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Plan {
    /// The subcommand.
    pub command: RunKind,
    /// The version of this program.
    pub version: String,
    /// The effective configuration; `--config` takes this file to repeat the run.
    /// It contains names of headers, never their values.
    #[serde(skip_serializing_if = "is_empty")]
    pub config: RunConfig,
    /// The logs, in the order given.
    pub inputs: Vec<PlanInput>,
    /// Files of directories and patterns that could not be read and were left
    /// out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs_skipped: Vec<SkippedInput>,
    /// The candidate's base URL, without user information.
    pub target: String,
    /// The rate as text: `recorded`, `4700/s`.
    pub rate: String,
    /// How many times as fast as recorded; null with a separate rate.
    pub speed: Option<f64>,
    /// The stages of a rate that changes, each as `30s:1000/s`.
    pub stages: Vec<String>,
    /// How arrivals are spaced.
    pub arrivals: ArrivalSpacing,
    /// The share of the trace that is replayed, if not all of it.
    pub sample: Option<String>,
    /// The unit of the sample, if there is one: `target` or `client`.
    pub sample_by: Option<String>,
    /// How many times each recorded arrival is replayed, if not once.
    pub amplify: Option<f64>,
    /// The length of the window, if given.
    pub duration_s: Option<f64>,
    /// The length of the warm-up, if given.
    pub warmup_s: Option<f64>,
    /// The number of arrivals, if given.
    pub requests: Option<u64>,
    /// Whether the trace starts again when it ends.
    #[serde(rename = "loop")]
    pub repeat: bool,
    /// The random seed.
    pub seed: u64,
    /// Worker threads.
    pub threads: u64,
    /// The connection limit.
    pub connections: u64,
    /// The limit on requests in flight.
    pub max_in_flight: u64,
    /// What happens to arrivals over that limit: `shed` or `queue`.
    pub overload: String,
    /// The request timeout, measured from the scheduled send time.
    pub timeout_s: f64,
    /// The connect timeout.
    pub connect_timeout_s: f64,
    /// How long arrivals in flight may take after the last was offered.
    pub grace_s: f64,
    /// The HTTP version: `1.1`, `2` or `auto`.
    pub http: String,
    /// The limit on streams of an HTTP/2 connection; null if only HTTP/1.1 is
    /// used.
    pub streams: Option<u64>,
    /// Whether certificates are `verified`, or `any certificate` is accepted;
    /// null without TLS.
    pub tls: Option<String>,
    /// The batch interval: the shortest time between two wake-ups of the sender.
    pub batch_interval_us: u64,
    /// The depth of redirect checks, from `off` and `dns` to `digest`.
    #[serde(with = "depth")]
    #[schemars(with = "String")]
    pub verify: Depth,
    /// The limit on probes per second, if redirect targets are probed.
    pub verify_rate: Option<String>,
    /// The share of the redirect targets that is probed, if they are.
    pub verify_sample: Option<String>,
    /// The share of the redirects that is requested as JSON, if any is.
    pub verify_json: Option<String>,
    /// The rule set: a built-in's name or a file.
    pub rules: Option<String>,
    /// The catalogue, if there is one.
    pub catalog: Option<String>,
    /// The base URL of the control, if there is one.
    pub control: Option<String>,
    /// The share of the answers that is compared with the control's.
    pub control_sample: Option<String>,
    /// The rate limit of requests to the control.
    pub control_rate: Option<String>,
    /// The header fields that are compared.
    pub control_headers: Vec<String>,
    /// The rewrite, if there is one.
    pub rewrite: Option<String>,
    /// The DNS servers, if given.
    pub resolver: Option<String>,
    /// How requests are spread within a second if the log has timestamps of 1 s.
    pub subsecond: String,
    /// The window within which the log is put in order.
    pub reorder_window_s: f64,
    /// The highest send delay at p99 of a valid run; the default depends on the
    /// run.
    pub max_lateness_us: Option<u64>,
    /// Whether reasons for an invalid run are warnings only.
    pub allow_invalid: bool,
    /// The thresholds, as typed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<String>,
    /// The conditions that end the run early, as typed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub abort_on: Vec<String>,
    /// How long the run lasts at least before one of them may end it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_after_s: Option<f64>,
    /// The modelled service, if the run was simulated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simulated: Option<SimulatedService>,
    /// The client model, if failed downloads are retried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The clients of `--client-file` that have user agents.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub own_clients: Vec<String>,
    /// The retry budget of each client, if given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_budget: Option<String>,
    /// The gap that ends a client's session, in the time of the log; 0 without
    /// sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_gap_s: Option<f64>,
    /// The longest duration of a session, in the time of the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_max_s: Option<f64>,
    /// Repeats of a client's request within this time are left out.
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
    /// Its compression: `plain`, `gzip` or `zstd`.
    pub compression: String,
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
    /// The built-in scenario, if one was given.
    pub scenario: Option<String>,
    /// The client model.
    pub client: String,
    /// The highest number of retries of a client as a share of its first
    /// attempts, if given.
    pub retry_budget: Option<String>,
    /// Requests served at a time; null for no limit.
    pub servers: Option<u64>,
    /// The service time: `constant 5ms`, `exponential 10ms`, `lognormal
    /// 2ms..20ms` (the 50th and the 99th percentile).
    pub service_time: String,
    /// Requests that may wait for a server.
    pub queue: u64,
    /// What happens to a request after its client has timed out: `served` or
    /// `dropped`.
    pub abandoned: String,
    /// The round-trip time between a client and the service.
    pub round_trip_s: f64,
    /// The duration of a client's lookup of the host of a redirect.
    pub lookup_s: f64,
    /// Losses of capacity, each as `80%@30s..40s`.
    pub capacity_drops: Vec<String>,
    /// Planned faults, each as `missing-slash@60s..840s`.
    pub faults: Vec<String>,
}

fn is_empty(config: &RunConfig) -> bool {
    config.sections.is_empty()
}

/// A depth by its name on the command line. One that is not known is an error, not a
/// run without checks.
mod depth {
    use downpour_verify::Depth;
    use serde::{Deserialize, Deserializer, Serializer, de};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
    pub(super) fn serialize<S: Serializer>(depth: &Depth, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(depth.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Depth, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
