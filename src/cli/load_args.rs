//! The flags that say how a trace is replayed.
//!
//! What was typed stands here; what it means is worked out in the subcommand.
//! Spellings are those that users of other load generators have in their
//! fingers.

use super::shape_args::ShapeArgs;
use super::target::Target;
use super::values::{parse_header, parse_positive, parse_requests, parse_time};
use crate::engine::Overload;
use crate::schedule::{Pace, RunLimits, Schedule, check_peak};
use crate::units::{Factor, parse_duration};
use clap::{Args, ValueEnum};
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
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
    #[arg(
        short,
        long,
        visible_short_alias = 'R',
        value_name = "RATE",
        default_value = "recorded",
        allow_negative_numbers = true
    )]
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

    /// Most connections open at once [default: as many as --max-in-flight, 50
    /// with --rate max]
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
        let pace = self.pace_as_asked()?;
        check_peak(pace.peak_per_second().unwrap_or_default())?;
        Ok(pace)
    }

    fn pace_as_asked(&self) -> Result<Pace, String> {
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
    pub(crate) fn measured_duration(&self, pace: &Pace) -> Option<Duration> {
        let length = match pace {
            Pace::Profile(profile) => Some(profile.length()),
            Pace::Constant(_) | Pace::Recorded(_) | Pace::Max => self.duration,
        };
        length.map(|length| length.saturating_sub(self.warmup))
    }

    /// Where the run ends if the trace does not end first.
    fn window(&self) -> RunLimits {
        RunLimits { duration: self.duration, requests: self.requests }
    }
}

/// What every request to `target` says beside its own target: what is `added`,
/// and what is not said there.
pub(super) fn headers(target: &Target, added: &[(HeaderName, HeaderValue)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let own = concat!("downpour/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(own));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    if let Ok(authority) = HeaderValue::from_str(&target.authority()) {
        headers.insert(HOST, authority);
    }
    for (name, _) in added {
        headers.remove(name);
    }
    for (name, value) in added {
        headers.append(name, value.clone());
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_is_given_takes_the_place_of_the_default() {
        let target = "http://candidate.test:8080".parse().unwrap();
        let own = headers(&target, &[]);
        assert_eq!(own[HOST], "candidate.test:8080");
        assert!(own[USER_AGENT].to_str().unwrap().starts_with("downpour/"));
        let given = |name: HeaderName, value| (name, HeaderValue::from_static(value));
        let added = [given(ACCEPT, "a"), given(ACCEPT, "b"), given(HOST, "crates.io")];
        let both = headers(&target, &added);
        assert_eq!(both.get_all(ACCEPT).iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(both[HOST], "crates.io");
    }
}
