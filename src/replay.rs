//! A replay from code: what `downpour replay` does, without a command line.

use crate::cli;
use downpour_load::schedule::Pace;
use downpour_report::{RunReport, Threshold};
use downpour_trace::Source;
use downpour_verify::Depth;
use std::net::SocketAddr;
use std::time::Duration;

/// A replay of a trace against a candidate.
///
/// ```
/// use downpour::Replay;
/// use downpour_mock::{MockConfig, MockRegistry};
/// use downpour_trace::{ReadOptions, Source};
///
/// // A registry on this machine, and a log of two downloads.
/// let registry = MockRegistry::start(MockConfig::default())?;
/// let log = "/api/v1/crates/serde/1.0.0/download\n/api/v1/crates/libc/0.2.0/download\n";
/// let source = Source::over(vec![("log".to_owned(), log.into())], ReadOptions::default())?;
///
/// let report = Replay::builder(source, format!("http://{}", registry.api()))
///     .rate("50/s".parse()?)
///     .rules("crates-io")
///     .resolver(registry.dns())
///     .allow_private()
///     .option("max-lateness", "60s")
///     .run()?;
/// assert_eq!((report.arrivals.offered, report.arrivals.passed), (2, 2));
/// registry.stop();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Replay {
    source: Source,
    options: Vec<String>,
}

/// Why a replay could not be carried out: a sentence for the operator, as the
/// program would print it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReplayError(String);

/// The settings of a replay. What is not set has the default of the program, which
/// `downpour replay --help` lists.
#[derive(Debug)]
#[must_use = "nothing is sent before `run`"]
pub struct ReplayBuilder {
    replay: Replay,
}

impl Replay {
    /// A replay of `source` against `target`: scheme, host and port of the candidate.
    /// Hosts in the trace are never used.
    pub fn builder(source: Source, target: impl Into<String>) -> ReplayBuilder {
        let target = format!("--target={}", target.into());
        ReplayBuilder { replay: Self { source, options: vec![target] } }
    }
}

impl ReplayBuilder {
    /// How fast; as recorded if it is not set.
    #[expect(clippy::needless_pass_by_value, reason = "a rate is made for the call")]
    pub fn rate(self, rate: Pace) -> Self {
        self.option("rate", &rate.to_string())
    }

    /// For how long, at most.
    pub fn duration(self, duration: Duration) -> Self {
        self.option("duration", &format!("{}us", duration.as_micros()))
    }

    /// How many arrivals, at most.
    pub fn requests(self, count: u64) -> Self {
        self.option("requests", &count.to_string())
    }

    /// How far redirects are checked.
    pub fn verify(self, depth: Depth) -> Self {
        self.option("verify", depth.name())
    }

    /// The rules for right answers: a built-in set or a TOML file.
    pub fn rules(self, name_or_file: &str) -> Self {
        self.option("rules", name_or_file)
    }

    /// A DNS server in place of that of the system; may be repeated.
    pub fn resolver(self, server: SocketAddr) -> Self {
        self.option("resolver", &server.to_string())
    }

    /// Redirects to private addresses are no faults.
    pub fn allow_private(self) -> Self {
        self.flag("allow-private")
    }

    /// The client whose retries are played: a name or `auto`.
    pub fn client(self, name: &str) -> Self {
        self.option("client", name)
    }

    /// A condition that the run must meet; may be repeated.
    pub fn threshold(self, threshold: &Threshold) -> Self {
        self.option("threshold", &threshold.to_string())
    }

    /// Any other option of `downpour replay` by its long name, without dashes.
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.replay.options.push(format!("--{name}={value}"));
        self
    }

    /// Any other option without a value.
    pub fn flag(mut self, name: &str) -> Self {
        self.replay.options.push(format!("--{name}"));
        self
    }

    /// Replays, and gives back the report. Blocks until the run is over; writes no
    /// files and prints nothing.
    ///
    /// # Errors
    ///
    /// If a setting is wrong, the trace cannot be read, or the candidate cannot be
    /// reached. Failed requests are no errors: see [`RunReport::verdict`].
    pub fn run(self) -> Result<RunReport, ReplayError> {
        let Replay { source, options } = self.replay;
        cli::replay_silently(source, options).map_err(ReplayError)
    }
}
