//! A service as it is modelled: how much it can do at a time, how long that
//! takes, who waits, and when it can do less.

use super::{scaled_duration, scaled_window};
use downpour_core::units::{Factor, Share, parse_duration};
use downpour_mock::plan::FaultWindow;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

/// What answers: servers behind one queue, first come, first served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Requests served at a time; `None` for as many as come.
    pub servers: Option<NonZeroU32>,
    /// How long one takes at full capacity.
    pub service_time: ServiceTime,
    /// Requests that may wait for a server; one more is answered 503 at once.
    pub queue: usize,
    /// What becomes of a request whose client no longer waits.
    pub abandoned: Abandoned,
    /// When it can do less.
    pub drops: Vec<CapacityDrop>,
    /// From a client to the service and back.
    pub round_trip: Duration,
    /// How long a client takes to find out that the host of a redirect does not
    /// exist. Hosts that do are known already.
    pub lookup: Duration,
}

/// Requests that may wait for a server where nothing is said.
pub(super) const QUEUE: usize = 1_000;

impl Default for Service {
    /// Answers at once, however much comes.
    fn default() -> Self {
        Self {
            servers: None,
            service_time: ServiceTime::Constant(Duration::from_millis(1)),
            queue: QUEUE,
            abandoned: Abandoned::Served,
            drops: Vec::new(),
            round_trip: Duration::ZERO,
            lookup: Duration::ZERO,
        }
    }
}

impl Service {
    /// The most requests that may wait for a server.
    pub const QUEUE_MAX: usize = 10_000_000;

    /// The same for a load whose times are divided by `factor` and that asks as
    /// much a second. Where capacity is bounded it stays, and with it the time
    /// that a request takes.
    #[must_use]
    pub(super) fn time_scaled(mut self, factor: Factor) -> Self {
        if self.servers.is_none() {
            self.service_time = self.service_time.time_scaled(factor);
        }
        for drop in &mut self.drops {
            drop.window = scaled_window(drop.window, factor);
        }
        self.round_trip = scaled_duration(self.round_trip, factor);
        self.lookup = scaled_duration(self.lookup, factor);
        self
    }

    /// Requests a second that it can serve at full capacity; `None` without a
    /// bound.
    pub fn capacity_per_s(&self) -> Option<f64> {
        let mean = self.service_time.mean().as_secs_f64();
        self.servers.filter(|_| mean > 0.0).map(|servers| f64::from(servers.get()) / mean)
    }
}

/// How long a request takes to serve: `constant 5ms`, `exponential 10ms`,
/// `lognormal 2ms..20ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceTime {
    /// Always the same.
    Constant(Duration),
    /// Memoryless, with this mean.
    Exponential(Duration),
    /// A long tail: the time that half of all take, and the one that 99 of
    /// 100 do not exceed.
    Lognormal {
        /// The 50th percentile; above 0.
        p50: Duration,
        /// The 99th; above `p50`.
        p99: Duration,
    },
}

/// The 99th percentile of the normal distribution.
const NORMAL_P99: f64 = 2.326_347_874_040_841;

impl ServiceTime {
    /// Its mean.
    pub fn mean(self) -> Duration {
        match self {
            Self::Constant(length) | Self::Exponential(length) => length,
            Self::Lognormal { p50, .. } => p50.mul_f64((self.sigma().powi(2) / 2.0).exp()),
        }
    }

    /// The standard deviation of its logarithm; 0 for the other kinds.
    pub(crate) fn sigma(self) -> f64 {
        match self {
            Self::Constant(_) | Self::Exponential(_) => 0.0,
            Self::Lognormal { p50, p99 } => p99.div_duration_f64(p50).ln() / NORMAL_P99,
        }
    }

    fn time_scaled(self, factor: Factor) -> Self {
        let shorter = |length| scaled_duration(length, factor);
        match self {
            Self::Constant(length) => Self::Constant(shorter(length)),
            Self::Exponential(mean) => Self::Exponential(shorter(mean)),
            Self::Lognormal { p50, p99 } => {
                let p50 = shorter(p50).max(Duration::from_nanos(1));
                Self::Lognormal { p50, p99: shorter(p99).max(p50 + Duration::from_nanos(1)) }
            }
        }
    }
}

/// What becomes of a request whose client no longer waits for the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Abandoned {
    /// It is served like any other: the service does not know.
    #[default]
    Served,
    /// It is taken out of the queue; one that is being served is finished.
    Dropped,
}

impl Abandoned {
    /// Its name in files, flags and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Dropped => "dropped",
        }
    }
}

/// A loss of capacity: `80%@30s..40s`. What is being served meanwhile takes as
/// much longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapacityDrop {
    /// How much is lost.
    pub share: Share,
    /// When.
    pub window: FaultWindow,
}

/// Text that was to describe a service and does not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseServiceError {
    /// No service time.
    #[error(
        "{0:?} is not a service time; write constant 5ms, exponential 10ms (its mean) or lognormal 2ms..20ms (p50 and p99)"
    )]
    Time(String),
    /// No loss of capacity.
    #[error("{0:?} is not a loss of capacity; write it like 80%@30s..40s, with an end")]
    Drop(String),
}

impl FromStr for ServiceTime {
    type Err = ParseServiceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseServiceError::Time(text.to_owned());
        let read = |text: &str| parse_duration(text).map_err(|_| wrong());
        let (kind, rest) = text.trim().split_once(' ').ok_or_else(wrong)?;
        match kind {
            "constant" => read(rest).map(Self::Constant),
            "exponential" => read(rest).map(Self::Exponential),
            "lognormal" => {
                let (p50, p99) = rest.split_once("..").ok_or_else(wrong)?;
                let (p50, p99) = (read(p50)?, read(p99)?);
                let is_a_tail = !p50.is_zero() && p50 < p99;
                is_a_tail.then_some(Self::Lognormal { p50, p99 }).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for ServiceTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(length) => write!(f, "constant {length:?}"),
            Self::Exponential(mean) => write!(f, "exponential {mean:?}"),
            Self::Lognormal { p50, p99 } => write!(f, "lognormal {p50:?}..{p99:?}"),
        }
    }
}

impl FromStr for CapacityDrop {
    type Err = ParseServiceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseServiceError::Drop(text.to_owned());
        let (share, window) = text.split_once('@').ok_or_else(wrong)?;
        let share = share.parse().map_err(|_| wrong())?;
        let window: FaultWindow = window.parse().map_err(|_| wrong())?;
        // Without an end, what is being served might never be over.
        window.end().map(|_| Self { share, window }).ok_or_else(wrong)
    }
}

impl fmt::Display for CapacityDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.share, self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_time(text: &str, mean_us: Option<u128>) {
        let parsed = text.parse::<ServiceTime>();
        assert_eq!(parsed.as_ref().ok().map(|time| time.mean().as_micros()), mean_us, "{text}");
        if let Ok(time) = parsed {
            assert_eq!(time.to_string().parse(), Ok(time));
        }
    }

    #[test]
    fn service_times_as_they_are_typed() {
        check_time("constant 5ms", Some(5_000));
        check_time("exponential 10ms", Some(10_000));
        // exp(sigma^2 / 2) of ln(10) / 2.326.
        check_time("lognormal 2ms..20ms", Some(3_264));
        for wrong in
            ["5ms", "constant", "normal 5ms", "lognormal 5ms", "lognormal 5ms..5ms", "lognormal 0s..1s"]
        {
            check_time(wrong, None);
        }
    }

    #[track_caller]
    fn check_drop(text: &str, printed: Option<&str>) {
        let parsed = text.parse::<CapacityDrop>().ok().map(|drop| drop.to_string());
        assert_eq!(parsed.as_deref(), printed, "{text}");
    }

    #[test]
    fn losses_of_capacity_as_they_are_typed() {
        check_drop("80%@30s..40s", Some("80%@30s..40s"));
        check_drop("100%@..1m", Some("100%@..60s"));
        for wrong in ["80%", "80%@30s", "80%@30s..", "101%@1s..2s", "0%@1s..2s", "80@1s..2s"] {
            check_drop(wrong, None);
        }
    }

    #[test]
    fn a_bounded_service_keeps_its_capacity() {
        let bounded = Service { servers: NonZeroU32::new(10), ..Service::default() };
        assert_eq!(bounded.capacity_per_s(), Some(10_000.0));
        let twice = "2x".parse().unwrap();
        assert_eq!(bounded.clone().time_scaled(twice).capacity_per_s(), bounded.capacity_per_s());
        let free = Service::default().time_scaled(twice);
        assert_eq!(free.service_time, ServiceTime::Constant(Duration::from_micros(500)));
        assert_eq!(free.capacity_per_s(), None);
    }
}
