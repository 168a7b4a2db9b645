//! Scenarios: a load, its clients, a service and what happens to it, as data.
//!
//! A scenario says how requests arise, what clients do when one fails, what
//! serves them, and when that goes wrong. It is a TOML file; `incident` and
//! `metastable` are built in. A simulation plays it in virtual time, a replay
//! plays it live against a stand-in, and both take the same arrivals, faults
//! and delays from here, so that their results can be held against each other.
//! All of it is pure and seeded.
//!
//! A live run of 15 minutes helps nobody, so a scenario can be [hastened]: all
//! its times are divided by a factor, those of its clients too, and its
//! population as well, so that each second brings as many requests as before.
//!
//! [hastened]: Scenario::time_scaled

mod expected_vs_actual;
mod file;
mod mock_plan;
mod service;
mod synthetic_traffic;

pub use mock_plan::NotReplayable;
pub use service::{Abandoned, CapacityDrop, ParseServiceError, Service, ServiceTime};
pub use synthetic_traffic::SyntheticTraffic;

use downpour_core::toml_file::TomlError;
use downpour_core::units::{Factor, Rate, Share};
use downpour_load::client::sessions;
use downpour_load::schedule::process::Spacing;
use downpour_mock::plan::{FaultWindow, PlannedFault};
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

/// The built-in scenarios and their files.
const BUILT_IN: [(&str, &str); 2] = [
    ("incident", include_str!("scenario/incident.toml")),
    ("metastable", include_str!("scenario/metastable.toml")),
];

/// A load, its clients, a service, and what happens to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// The built-in's name, or the file's.
    pub name: String,
    /// What it shows, in a line.
    pub about: String,
    /// Where its numbers are from.
    pub sources: Vec<String>,
    /// How requests arise.
    pub load: Load,
    /// Who asks.
    pub clients: Clients,
    /// What answers.
    pub service: Service,
    /// What goes wrong with the answers, as `serve --fault` takes it.
    pub faults: Vec<PlannedFault>,
    /// How many times as fast it is played live.
    pub live_speed: Factor,
    /// What must come of it, where that is known.
    pub expected: Option<ExpectedOutcome>,
}

/// How requests arise: sessions begin, each asks for its downloads at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Downloads a second, over all sessions: first attempts, no retries.
    pub downloads: Rate,
    /// How many downloads a session has.
    pub session: SessionSize,
    /// Over how many clients sessions go round; `None` where each is the run
    /// of a new one, as builds are.
    pub clients: Option<NonZeroU32>,
    /// How the beginnings of sessions lie around their rate.
    pub spacing: Spacing,
    /// For how long sessions begin.
    pub duration: Duration,
}

impl Load {
    /// How many sessions begin.
    pub fn sessions(&self) -> Rate {
        let (count, nanos) = self.downloads.fraction();
        let twice_mean = u64::from(self.session.least.get()) + u64::from(self.session.most.get());
        let positive = |product: u64| NonZeroU64::new(product).unwrap_or(NonZeroU64::MAX);
        Rate::new(positive(count.saturating_mul(2)), positive(nanos.saturating_mul(twice_mean)))
    }
}

/// How many downloads a session has: each number from one to the other is as
/// likely as the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSize {
    /// The fewest.
    pub least: NonZeroU32,
    /// The most; not below `least`.
    pub most: NonZeroU32,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clients {
    /// Their model's name.
    pub model: String,
    /// From when an attempt was due until the client no longer waits for its
    /// answer.
    pub timeout: Duration,
    /// The gap between two requests of a client that ends its session.
    pub session_gap: Duration,
    /// The longest that a session lasts.
    pub session_max: Duration,
}

/// What must come of a scenario.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExpectedOutcome {
    /// Attempts a second during the fault, on average.
    pub attempts: Rate,
    /// Attempts that failed in all.
    pub failed_attempts: u64,
    /// Downloads that came out well during the fault, a second.
    pub goodput_per_s: f64,
    /// From the end of the fault until all was well, at most.
    pub recovered_within: Duration,
    /// How far the first two may be off.
    pub tolerance: Share,
}

impl Scenario {
    /// The names of the built-in scenarios.
    pub fn built_in_names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// The file of a built-in scenario.
    pub fn built_in_text(name: &str) -> Option<&'static str> {
        BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
    }

    /// The built-in scenario of that name.
    ///
    /// # Panics
    ///
    /// Never: a test reads the same files.
    pub fn built_in(name: &str) -> Option<Self> {
        let text = Self::built_in_text(name)?;
        Some(Self::parse(text, name).expect("the built-in scenarios are free of mistakes"))
    }

    /// The scenario that `text` describes; `origin` is its name, and what
    /// mistakes call it: the path of the file.
    pub fn parse(text: &str, origin: &str) -> Result<Self, TomlError> {
        file::parse(text, origin)
    }

    /// Its requests, in order of arrival.
    pub fn requests(&self, seed: u64) -> SyntheticTraffic {
        SyntheticTraffic::new(&self.load, seed)
    }

    /// The span in which something is wrong with the service: from the first
    /// fault's or drop's beginning to the last one's end, at most the whole
    /// run; `None` where nothing is.
    pub fn fault_span(&self) -> Option<(Duration, Duration)> {
        trouble(&self.faults, &self.service.drops, self.load.duration)
    }

    /// The same, `factor` times as fast: all times are divided by it, and the
    /// population, so that requests a second stay as many. Of clients that is
    /// for [`downpour_load::client::ClientModel::time_scaled`] to do.
    ///
    /// The capacity of a bounded service stays as it is, since the load does.
    #[must_use]
    pub fn time_scaled(mut self, factor: Factor) -> Self {
        self.load.duration = scaled_duration(self.load.duration, factor);
        self.clients.timeout = scaled_duration(self.clients.timeout, factor);
        self.clients.session_gap = scaled_duration(self.clients.session_gap, factor);
        self.clients.session_max = scaled_duration(self.clients.session_max, factor);
        self.service = self.service.time_scaled(factor);
        for fault in &mut self.faults {
            fault.window = scaled_window(fault.window, factor);
        }
        if let Some(expected) = &mut self.expected {
            expected.failed_attempts = factor.shrink(expected.failed_attempts);
            expected.recovered_within = scaled_duration(expected.recovered_within, factor);
        }
        self
    }

    /// The same with `factor` times the load, and what must come of it.
    #[must_use]
    pub fn load_scaled(mut self, factor: Factor) -> Self {
        self.load.downloads = self.load.downloads.times(factor);
        if let Some(expected) = &mut self.expected {
            expected.attempts = expected.attempts.times(factor);
            expected.failed_attempts = factor.stretch(expected.failed_attempts);
            expected.goodput_per_s *= factor.as_f64();
        }
        self
    }
}

/// The span that faults and losses of capacity lie in; see
/// [`Scenario::fault_span`].
pub fn trouble(
    faults: &[PlannedFault],
    drops: &[CapacityDrop],
    length: Duration,
) -> Option<(Duration, Duration)> {
    let windows = faults.iter().map(|fault| fault.window).chain(drops.iter().map(|drop| drop.window));
    let spans = windows.map(|window| (window.start(), window.end().unwrap_or(length).min(length)));
    spans.filter(|(from, to)| from < to).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

impl Default for Clients {
    fn default() -> Self {
        Self {
            model: "none".to_owned(),
            timeout: Duration::from_secs(30),
            session_gap: sessions::SESSION_GAP,
            session_max: sessions::SESSION_MAX,
        }
    }
}

fn scaled_duration(length: Duration, factor: Factor) -> Duration {
    Duration::from_nanos(factor.shrink(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)))
}

/// A window that has room for a nanosecond keeps one.
fn scaled_window(window: FaultWindow, factor: Factor) -> FaultWindow {
    let from = scaled_duration(window.start(), factor);
    let to = window.end().map(|to| scaled_duration(to, factor).max(from + Duration::from_nanos(1)));
    FaultWindow::new(from, to).unwrap_or(window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_ones_are_free_of_mistakes() {
        for name in Scenario::built_in_names() {
            let scenario = Scenario::built_in(name).unwrap();
            assert!(!scenario.sources.is_empty() && scenario.about.len() <= 68, "{name}");
            assert!(downpour_load::client::ClientModels::built_in().find(&scenario.clients.model).is_some());
            assert!(scenario.fault_span().is_some());
        }
        assert_eq!(Scenario::built_in("none"), None);
    }

    #[test]
    fn a_live_scenario_ends_within_a_minute() {
        for name in Scenario::built_in_names() {
            let scenario = Scenario::built_in(name).unwrap();
            let speed = scenario.live_speed;
            let live = scenario.time_scaled(speed);
            assert!(live.load.duration <= Duration::from_mins(1), "{name}: {:?}", live.load.duration);
        }
    }

    #[test]
    fn a_hastened_scenario_asks_as_much_a_second() {
        let incident = Scenario::built_in("incident").unwrap();
        let live = incident.clone().time_scaled("20x".parse().unwrap());
        assert_eq!(live.load.downloads, incident.load.downloads);
        assert_eq!(live.load.duration, Duration::from_secs(48));
        assert_eq!(live.fault_span(), Some((Duration::from_secs(3), Duration::from_secs(42))));
        assert_eq!(live.service.round_trip, Duration::from_millis(5));
        let expected = live.expected.unwrap();
        assert_eq!((expected.failed_attempts, expected.attempts), (183_500, "4710".parse().unwrap()));
    }

    #[test]
    fn a_load_is_scaled_with_what_must_come_of_it() {
        let tenth = Scenario::built_in("incident").unwrap().load_scaled("0.1x".parse().unwrap());
        assert_eq!(tenth.load.downloads, "149.5/s".parse().unwrap());
        let expected = tenth.expected.unwrap();
        assert_eq!((expected.failed_attempts, expected.attempts), (367_000, "471".parse().unwrap()));
    }

    #[test]
    fn trouble_spans_all_windows_and_ends_with_the_run() {
        let fault = |text: &str| text.parse::<PlannedFault>().unwrap();
        let drop = |text: &str| text.parse::<CapacityDrop>().unwrap();
        let minute = Duration::from_mins(1);
        let seconds = |from, to| Some((Duration::from_secs(from), Duration::from_secs(to)));
        assert_eq!(trouble(&[fault("reset@5s..9s")], &[drop("80%@2s..7s")], minute), seconds(2, 9));
        assert_eq!(trouble(&[fault("reset")], &[], minute), seconds(0, 60));
        assert_eq!(trouble(&[fault("reset@61s..")], &[], minute), None);
    }
}
