//! The flags that say how a trace is replayed.
//!
//! What was typed stands here; what it means is worked out in the subcommand.
//! Spellings are those that users of other load generators have in their
//! fingers.

use super::export::ExportArgs;
use super::probe_args::ProbeArgs;
use super::shape_args::ShapeArgs;
use super::target::Target;
use crate::engine::Overload;
use crate::schedule::{Pace, Schedule, Window};
use crate::units::{Factor, parse_count, parse_duration};
use crate::verify::Depth;
use crate::verify::lookup::ParseResolverError;
use clap::{Args, ValueEnum};
use http::{HeaderName, HeaderValue};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

const MAX_IN_FLIGHT: usize = 10_000;
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// As long as the time-out, so that a run that ends by itself cuts nothing.
const GRACE: Duration = TIMEOUT;

/// Where and how fast.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Load")]
pub(crate) struct LoadArgs {
    /// The candidate: scheme, host and port
    #[arg(long, value_name = "URL")]
    pub(crate) target: Target,

    /// Arrivals a second in all: 4700, 4.7k/s, 280k/m, 50/1s; or recorded, or a
    /// multiple of the recorded pace such as 2x
    #[arg(short, long, visible_short_alias = 'R', value_name = "RATE", default_value = "recorded")]
    pub(crate) rate: Pace,

    /// Play the recorded pace this many times as fast
    #[arg(long, value_name = "FACTOR")]
    pub(crate) speed: Option<Factor>,

    /// Offer arrivals for this long: 20s, 13m, 1h30m
    #[arg(short, long, visible_short_alias = 'z', value_name = "TIME", value_parser = parse_time)]
    pub(crate) duration: Option<Duration>,

    /// Offer this many arrivals: 1000, 10k, 1.5m
    #[arg(short = 'n', long, value_name = "N", value_parser = parse_requests)]
    pub(crate) requests: Option<u64>,

    /// Send what is due this early, and count nothing of it; a part of -d
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration)]
    pub(crate) warmup: Duration,

    /// Begin the trace again when it ends before -d or -n does
    #[arg(long = "loop")]
    pub(crate) loop_trace: bool,

    /// Most connections open at once [default: as many as --max-in-flight]
    #[arg(short, long, value_name = "N", value_parser = parse_positive)]
    pub(crate) connections: Option<usize>,

    /// Most arrivals in flight at once
    #[arg(long, value_name = "N", default_value_t = MAX_IN_FLIGHT, value_parser = parse_positive)]
    pub(crate) max_in_flight: usize,

    /// What happens to an arrival over --max-in-flight: shed (not sent, and
    /// counted) or queue (it waits, its clock running, in a queue of ten times
    /// the limit)
    #[arg(long, value_name = "MODE", value_enum, hide_possible_values = true, default_value_t = OverloadArg::Shed)]
    pub(crate) overload: OverloadArg,

    /// Worker threads [default: one for each 25,000 arrivals a second]
    #[arg(long, value_name = "N", value_parser = parse_positive)]
    pub(crate) threads: Option<usize>,

    /// Most time from when a request was due to the end of its answer
    #[arg(short, long, value_name = "TIME", default_value = "30s", value_parser = parse_time)]
    pub(crate) timeout: Duration,

    /// Most time to open a connection
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_time)]
    pub(crate) connect_timeout: Duration,

    /// Most time that requests in flight may take after the last one was sent
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub(crate) grace: Duration,

    /// Add a header field to every request, or replace a default one; may be
    /// repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = parse_header)]
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,

    /// Offer more than 100 a second to a host that is not this machine
    #[arg(long)]
    pub(crate) yes: bool,

    /// Replay to a host that the trace was recorded at
    #[arg(long)]
    pub(crate) allow_recorded_host: bool,

    // Last, as it begins a heading of its own.
    #[command(flatten)]
    pub(crate) shape: ShapeArgs,
}

/// How answers are judged.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Verification")]
pub(crate) struct VerifyArgs {
    /// How far redirects are checked: off; policy (the URL alone); dns (its host
    /// resolves, too); connect (it takes connections); head (the file is there);
    /// get (its first bytes are those of an archive); digest (it can be
    /// downloaded whole)
    #[arg(long, value_name = "DEPTH", default_value = "dns")]
    pub(crate) verify: Depth,

    /// What the candidate must answer: a built-in set (downpour rules lists
    /// them), or a TOML file
    #[arg(long, value_name = "SET")]
    pub(crate) rules: Option<String>,

    /// The files that there are: NDJSON or CSV with name, version, size and
    /// sha256, a directory of such files, or a cargo index; needs --rules
    #[arg(long, value_name = "PATH", requires = "rules")]
    pub(crate) catalog: Option<PathBuf>,

    /// Ask this DNS server instead of the system's; may be repeated
    #[arg(long, value_name = "IP[:PORT]", value_parser = parse_server)]
    pub(crate) resolver: Vec<SocketAddr>,

    /// Let redirects lead to private, loopback and link-local addresses
    #[arg(long)]
    pub(crate) allow_private: bool,

    #[command(flatten)]
    pub(crate) probe: ProbeArgs,
}

/// What is said of the run, and where.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Report")]
pub(crate) struct ReportArgs {
    /// The run directory [default: reports/ and the time of the start]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// What stdout carries: text (the summary) or json (the whole of run.json)
    #[arg(long, value_name = "FORMAT", value_enum, hide_possible_values = true, default_value_t = OutputFormat::Text)]
    pub(crate) format: OutputFormat,

    #[command(flatten)]
    pub(crate) exports: ExportArgs,

    /// Let Prometheus scrape the run while it goes on, at this address; port 0
    /// takes a free one
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) metrics_addr: Option<SocketAddr>,

    /// Most lateness at p99 of a valid run [default: 5ms, or a tenth of the
    /// latency's p50 if that is more]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) max_lateness: Option<Duration>,

    /// Give the verdict of an invalid run as if it were valid, with a warning
    #[arg(long)]
    pub(crate) allow_invalid: bool,

    /// Draw nothing on stderr; write a line every ten seconds
    #[arg(long)]
    pub(crate) no_progress: bool,

    /// Write nothing on stderr but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// The spellings of [`Overload`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OverloadArg {
    /// Do not send it; count it as shed
    Shed,
    /// Let it wait, its clock running, in a queue of ten times the limit
    Queue,
}

impl OverloadArg {
    /// Its spelling.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Shed => "shed",
            Self::Queue => "queue",
        }
    }
}

impl From<OverloadArg> for Overload {
    fn from(typed: OverloadArg) -> Self {
        match typed {
            OverloadArg::Shed => Self::Shed,
            OverloadArg::Queue => Self::Queue,
        }
    }
}

/// What stdout carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// The summary
    Text,
    /// The whole of run.json
    Json,
}

impl LoadArgs {
    /// Every flag at its default.
    pub(super) fn at(target: Target) -> Self {
        Self {
            target,
            rate: Pace::AS_RECORDED,
            speed: None,
            duration: None,
            requests: None,
            warmup: Duration::ZERO,
            loop_trace: false,
            connections: None,
            max_in_flight: MAX_IN_FLIGHT,
            overload: OverloadArg::Shed,
            threads: None,
            timeout: TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
            grace: GRACE,
            headers: Vec::new(),
            yes: false,
            allow_recorded_host: false,
            shape: ShapeArgs::default(),
        }
    }

    /// The pace that `--rate` and `--speed` mean together.
    pub(crate) fn pace(&self) -> Result<Pace, String> {
        if let Some(profile) = self.shape.profile()? {
            return Ok(Pace::Profile(profile));
        }
        match (self.rate.clone(), self.speed) {
            (pace, None) => Ok(pace),
            (Pace::AS_RECORDED, Some(speed)) => Ok(Pace::Recorded(speed)),
            (Pace::Recorded(_), Some(_)) => {
                Err("--speed and --rate 2x say the same thing twice: give one of them".to_owned())
            }
            (Pace::Constant(_) | Pace::Profile(_) | Pace::Max, Some(_)) => {
                Err("--speed scales the recorded pace: it does not go with another --rate".to_owned())
            }
        }
    }

    /// Which requests are played, and when.
    pub(crate) fn schedule(&self, pace: &Pace, seed: u64) -> Result<Schedule, String> {
        self.shape.apply(Schedule::new(pace.clone(), self.window()), pace, seed)
    }

    /// Refuses a warm-up that leaves nothing to count, where that can be known
    /// before the trace is read.
    pub(crate) fn check_warmup(&self, pace: &Pace) -> Result<(), String> {
        let (flag, length) = match (pace, self.duration) {
            (Pace::Profile(profile), _) => ("--stage", profile.length()),
            (Pace::Constant(_) | Pace::Recorded(_) | Pace::Max, Some(length)) => ("--duration", length),
            (Pace::Constant(_) | Pace::Recorded(_) | Pace::Max, None) => return Ok(()),
        };
        if self.warmup.is_zero() || self.warmup < length {
            return Ok(());
        }
        Err(format!(
            "--warmup {:?} leaves nothing of {flag} {length:?} to count: it is the first part of the run, \
             so shorten it or make the run longer",
            self.warmup
        ))
    }

    /// For how long a run at `pace` counts, where the flags say it.
    pub(crate) fn counted_for(&self, pace: &Pace) -> Option<Duration> {
        let length = match pace {
            Pace::Profile(profile) => Some(profile.length()),
            Pace::Constant(_) | Pace::Recorded(_) | Pace::Max => self.duration,
        };
        length.map(|length| length.saturating_sub(self.warmup))
    }

    /// Where the run ends if the trace does not end first.
    fn window(&self) -> Window {
        Window { duration: self.duration, requests: self.requests }
    }
}

pub(super) fn parse_positive(text: &str) -> Result<usize, String> {
    let count = parse_count(text).map_err(|error| error.to_string())?;
    match usize::try_from(count) {
        Ok(count @ 1..) => Ok(count),
        Ok(0) | Err(_) => Err("it must be at least 1".to_owned()),
    }
}

pub(super) fn parse_requests(text: &str) -> Result<u64, String> {
    match parse_count(text).map_err(|error| error.to_string())? {
        0 => Err("it must be at least 1".to_owned()),
        count => Ok(count),
    }
}

/// A length of time that is not nothing.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    match parse_duration(text).map_err(|error| error.to_string())? {
        Duration::ZERO => Err("it must be longer than nothing".to_owned()),
        length => Ok(length),
    }
}

pub(super) fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write it like 'Accept: application/json'")?;
    let parsed = name.trim().parse().ok().zip(HeaderValue::from_str(value.trim()).ok());
    let (name, value): (HeaderName, HeaderValue) =
        parsed.ok_or_else(|| "it holds a byte that no header may hold".to_owned())?;
    if FRAMING.contains(&name.as_str()) {
        return Err(format!("{name} says how a message is framed, which is not for a header flag to change"));
    }
    Ok((name, value))
}

/// Fields that describe the message itself (RFC 9112 §6): a request here has no
/// body.
const FRAMING: [&str; 2] = ["content-length", "transfer-encoding"];

fn parse_server(text: &str) -> Result<SocketAddr, ParseResolverError> {
    crate::verify::lookup::parse_server(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_no_limit() {
        assert_eq!(parse_time("20s"), Ok(Duration::from_secs(20)));
        assert_eq!(parse_requests("10k"), Ok(10_000));
        for mistake in [parse_time("0s").err(), parse_requests("0").err(), parse_positive("0").err()] {
            assert!(mistake.is_some_and(|told| told.starts_with("it must be")));
        }
    }
}
