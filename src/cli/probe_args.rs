//! The flags that say how targets of redirects are asked, and what they mean.

use super::load_args::{LoadArgs, headers};
use super::target::ConnectTo;
use super::values::{parse_positive, parse_time};
use super::wire_args::{HttpArg, WireArgs};
use super::{CliError, tls};
use crate::engine::lower_priority;
use clap::Args;
use downpour_core::units::{Rate, Share};
use downpour_load::schedule::sample::{Sample, SamplePurpose, SampleUnit};
use downpour_report::Plan;
use downpour_verify::address::PrivateAddresses;
use downpour_verify::lookup::Resolver;
use downpour_verify::probe::net::{Candidate, ConnectOverride, ProbeOptions};
use downpour_verify::probe::{ProbeDepth, ProbeLimits};
use http::header::USER_AGENT;
use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// Requests a second to targets, if nothing is said: as many as a store that
/// others use, too, can be asked without asking its owner.
const DEFAULT_RATE: u64 = 100;

/// Checks under way at a time, if nothing is said.
const CONCURRENCY: usize = 32;

/// Further redirects that are followed, if nothing is said: what common HTTP
/// clients follow.
const HOPS: usize = 10;

/// The share of the redirects that are asked for in JSON, if nothing is said:
/// 1 %, since it is the candidate that is asked.
const JSON_PPM: u32 = 10_000;

/// Most time for the beginning of an answer, if nothing is said.
const TIMEOUT: &str = "10s";

/// Most time for a whole file.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_mins(1);

/// A target is left out rather than asked later than this.
const MAX_QUEUE_WAIT: Duration = Duration::from_secs(10);

/// Before a place is asked again whose answer settled nothing.
const PAUSE: Duration = Duration::from_millis(500);

/// How targets are asked.
#[derive(Args, Clone, Debug)]
pub(crate) struct ProbeArgs {
    /// Limit the requests per second to redirect targets: 100/s, or max
    #[arg(id = "verify-rate", long, value_name = "RATE", default_value_t, hide_short_help = true)]
    pub(crate) rate: ProbeRate,

    /// Limit the probes that run at the same time
    #[arg(id = "verify-concurrency", long, value_name = "N", default_value_t = CONCURRENCY, value_parser = parse_positive, hide_short_help = true)]
    pub(crate) concurrency: usize,

    /// Probe only this share of the redirect targets
    ///
    /// Targets with unusual names are always probed.
    #[arg(id = "verify-sample", long, value_name = "SHARE", default_value_t = Share::ALL, hide_short_help = true)]
    pub(crate) sample: Share,

    /// Limit the further redirects that a probe follows
    #[arg(id = "verify-hops", long, value_name = "N", default_value_t = HOPS, hide_short_help = true)]
    pub(crate) hops: usize,

    /// Set the timeout of a probe, from its request to the first bytes of the
    /// answer
    #[arg(id = "verify-timeout", long, value_name = "TIME", default_value = TIMEOUT, value_parser = parse_time, hide_short_help = true)]
    pub(crate) timeout: Duration,

    /// Also request this share of the redirects in their JSON form: 1%, or off
    ///
    /// The rules say which redirects have one.
    #[arg(id = "verify-json", long, value_name = "SHARE", default_value_t, hide_short_help = true)]
    pub(crate) json: JsonShare,

    /// Connect to HOST2:PORT2 to probe targets at HOST:PORT; may be repeated
    #[arg(id = "verify-connect-to", long, value_name = "HOST:PORT:HOST2:PORT2", hide_short_help = true)]
    pub(crate) connect_to: Vec<ConnectTo>,

    /// How long a target may wait for its turn; for as long as it takes, if
    /// nothing is said.
    #[arg(skip = Some(MAX_QUEUE_WAIT))]
    pub(super) max_queue_wait: Option<Duration>,
}

impl Default for ProbeArgs {
    fn default() -> Self {
        Self {
            rate: ProbeRate::default(),
            concurrency: CONCURRENCY,
            sample: Share::ALL,
            hops: HOPS,
            timeout: parse_time(TIMEOUT).expect("a constant"),
            json: JsonShare::default(),
            connect_to: Vec::new(),
            max_queue_wait: Some(MAX_QUEUE_WAIT),
        }
    }
}

/// How often targets are asked; `None` for as often as goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProbeRate(Option<Rate>);

impl Default for ProbeRate {
    fn default() -> Self {
        Self(NonZeroU64::new(DEFAULT_RATE).map(Rate::per_second))
    }
}

impl FromStr for ProbeRate {
    type Err = <Rate as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "max" { Ok(Self(None)) } else { text.parse().map(|rate| Self(Some(rate))) }
    }
}

impl fmt::Display for ProbeRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(rate) => rate.fmt(f),
            None => f.write_str("max"),
        }
    }
}

/// Which share of the redirects is asked for in JSON; `None` for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JsonShare(Option<Share>);

impl JsonShare {
    /// None of them.
    pub(super) const OFF: Self = Self(None);
}

impl Default for JsonShare {
    fn default() -> Self {
        Self(Share::from_ppm(JSON_PPM))
    }
}

impl FromStr for JsonShare {
    type Err = <Share as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" { Ok(Self(None)) } else { text.parse().map(|share| Self(Some(share))) }
    }
}

impl fmt::Display for JsonShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(share) => share.fmt(f),
            None => f.write_str("off"),
        }
    }
}

impl ProbeArgs {
    /// How the thread asks that checks targets as far as `reach`; the candidate
    /// is not known yet.
    pub(super) fn options(
        &self,
        reach: Option<ProbeDepth>,
        (resolver, private_addresses): (Resolver, PrivateAddresses),
        load: &LoadArgs,
        (tls, max_body): (&super::wire_args::TlsArgs, u64),
    ) -> Result<ProbeOptions, CliError> {
        // Who waits for the checks gains nothing from putting them last.
        let at_start: fn() = if self.max_queue_wait.is_some() { lower_priority } else { || {} };
        let detours: Result<Vec<ConnectOverride>, _> =
            self.connect_to.iter().map(ConnectTo::connect_override).collect();
        Ok(ProbeOptions {
            // Without a reach no file is asked for, so any will do.
            limits: ProbeLimits {
                depth: reach.unwrap_or(ProbeDepth::Connect),
                hops: self.hops,
                body: max_body,
            },
            rate: self.rate.0,
            concurrency: NonZeroUsize::new(self.concurrency).unwrap_or(NonZeroUsize::MIN),
            queue_timeout: self.max_queue_wait,
            connect_timeout: load.connect_timeout,
            timeout: self.timeout,
            download_timeout: DOWNLOAD_TIMEOUT,
            pause: PAUSE,
            resolver,
            private_addresses,
            connect_overrides: detours.map_err(CliError::Usage)?,
            candidate: None,
            tls: tls::for_targets(tls)?,
            at_start,
        })
    }

    /// Tells in the plan that redirects are asked for in JSON, too.
    pub(super) fn record_in(&self, plan: &mut Plan) {
        plan.verify_rate = Some(self.rate.to_string());
        plan.verify_json = Some(self.json.to_string());
    }

    /// Which redirects are asked for in JSON, too.
    pub(super) fn json_sample(&self, seed: u64) -> Option<Sample> {
        self.json.0.map(|share| Sample::drawn(share, SampleUnit::Target, seed, SamplePurpose::Json))
    }
}

/// The candidate at `addresses`, as the thread that checks targets asks it:
/// with the headers of the run, and a name of its own where the run has none.
/// `None` where it is spoken to in HTTP/2 alone, which that thread does not
/// know.
pub(super) fn candidate(
    load: &LoadArgs,
    wire: &WireArgs,
    addresses: &[SocketAddr],
) -> Result<Option<Candidate>, CliError> {
    if wire.speaks_http2_alone(&load.target) {
        return Ok(None);
    }
    let mut headers = headers(&load.target, &load.headers);
    if !load.headers.iter().any(|(name, _)| name == USER_AGENT) {
        headers.remove(USER_AGENT);
    }
    let tls = tls::plan(&wire.tls, &load.target, HttpArg::Http1)?;
    Ok(Some(Candidate {
        url: load.target.url().clone(),
        addresses: addresses.to_vec(),
        tls: tls.map(|plan| Arc::new(plan.config)),
        headers,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_as_they_are_typed() {
        let printed = |text: &str| text.parse::<ProbeRate>().map(|rate| rate.to_string()).ok();
        assert_eq!(printed("max").as_deref(), Some("max"));
        assert_eq!(printed("100/s"), Some(ProbeRate::default().to_string()));
        assert_eq!(printed("-1"), None);
        let share = |text: &str| text.parse::<JsonShare>().map(|share| share.to_string()).ok();
        assert_eq!(share("off").as_deref(), Some("off"));
        assert_eq!(share("1%"), Some(JsonShare::default().to_string()));
        assert_eq!(share("0%"), None);
    }
}
