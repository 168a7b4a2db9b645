//! The flags that say how a trace is replayed.
//!
//! What was typed stands here; what it means is worked out in the subcommand.
//! Spellings are those that users of other load generators have in their
//! fingers.

use super::shape_args::ShapeArgs;
use super::target::Target;
use super::values::{parse_header, parse_positive, parse_requests, parse_time};
use crate::engine::Overload;
use clap::{Args, ValueEnum};
use downpour_core::units::{Factor, parse_duration};
use downpour_load::schedule::{Pace, RunLimits, Schedule, check_peak};
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
    /// Set the candidate: scheme, host and port
    ///
    /// All requests are sent there. Hosts in the trace are never used.
    #[arg(long, value_name = "URL")]
    pub(crate) target: Target,

    /// Set the rate: 4k/s, 2x, max
    ///
    /// 4700, 4.7k/s, 280k/m and 50/1s are arrivals per second. recorded follows the
    /// timestamps of the trace; 2x plays it twice as fast. max sends as fast as the
    /// candidate answers (closed loop).
    ///
    /// -R is accepted, too.
    #[arg(
        short,
        long,
        short_alias = 'R',
        value_name = "RATE",
        default_value = "recorded",
        allow_negative_numbers = true
    )]
    pub(crate) rate: Pace,

    /// Play the recorded pace this many times as fast
    #[arg(long, value_name = "FACTOR", hide_short_help = true)]
    pub(crate) speed: Option<Factor>,

    /// Send arrivals for this long: 20s, 1h30m
    ///
    /// -z is accepted, too.
    #[arg(short, long, short_alias = 'z', value_name = "TIME", value_parser = parse_time)]
    pub(crate) duration: Option<Duration>,

    /// Send this many arrivals: 1000, 10k, 1.5m
    #[arg(short = 'n', long, value_name = "N", value_parser = parse_requests)]
    pub(crate) requests: Option<u64>,

    /// Exclude the first TIME of the run from results
    ///
    /// The warm-up is part of -d and -n. Its requests are sent, but no result
    /// includes them. The default is 0s.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration, hide_default_value = true)]
    pub(crate) warmup: Duration,

    /// Start the trace again when it ends
    ///
    /// The run then ends with -d or -n.
    #[arg(long = "loop")]
    pub(crate) loop_trace: bool,

    /// Limit the open connections
    ///
    /// The default is --max-in-flight, but 8 with --http 2, and 50 with --rate max.
    #[arg(short, long, value_name = "N", value_parser = parse_positive)]
    pub(crate) connections: Option<usize>,

    /// Limit the requests in flight, retries included
    ///
    /// See --overload for what happens to further arrivals.
    #[arg(long, value_name = "N", default_value_t = MAX_IN_FLIGHT, value_parser = parse_positive, hide_short_help = true)]
    pub(crate) max_in_flight: usize,

    /// Choose what happens to an arrival over --max-in-flight: shed or queue
    ///
    /// shed does not send it and counts it as shed. queue lets it wait in a queue
    /// of ten times the limit; the wait counts towards its latency.
    #[arg(long, value_name = "MODE", value_enum, hide_possible_values = true, default_value_t = OverloadArg::Shed, hide_short_help = true)]
    pub(crate) overload: OverloadArg,

    /// Set the number of worker threads [default: one for each 25,000 arrivals per
    /// second]
    #[arg(long, value_name = "N", value_parser = parse_positive, hide_short_help = true)]
    pub(crate) threads: Option<usize>,

    /// Set the request timeout
    ///
    /// It is measured from the scheduled send time to the end of the answer.
    #[arg(short, long, value_name = "TIME", default_value = "30s", value_parser = parse_time)]
    pub(crate) timeout: Duration,

    /// Set the timeout for opening a connection
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_time, hide_short_help = true)]
    pub(crate) connect_timeout: Duration,

    /// Wait this long for requests in flight after the last request was sent
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration, hide_short_help = true)]
    pub(crate) grace: Duration,

    /// Add or replace a header field; may be repeated
    ///
    /// Every request to the candidate and to the control has it. Only its name is
    /// written to the report.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = parse_header)]
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,

    /// Allow over 100 requests/s to another machine
    ///
    /// Without it, a higher rate, or the recorded pace, is refused unless the host
    /// is this machine.
    #[arg(long)]
    pub(crate) yes: bool,

    /// Allow a target or control host at which the trace was recorded
    #[arg(long, hide_short_help = true)]
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
                Err("--speed and --rate 2x both scale the recorded pace: use one of them".to_owned())
            }
            (Pace::Constant(_) | Pace::Profile(_) | Pace::Max, Some(_)) => {
                Err("--speed scales the recorded pace: it cannot be combined with another --rate".to_owned())
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
            "--warmup {:?} must be shorter than {flag} {length:?}, because the warm-up is part of it: shorten it or make \
             the run longer",
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
