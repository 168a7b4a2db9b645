//! Scenario files: from TOML to a scenario, or to a mistake with its place and
//! remedy. What the file says and what it means are two types.

use super::service::QUEUE;
use super::{
    Abandoned, CapacityDrop, Clients, ExpectedOutcome, Load, Scenario, Service, ServiceTime, SessionSize,
};
use downpour_core::toml_file::{self, TomlError};
use downpour_core::units::{Factor, Rate, Share, parse_duration};
use downpour_load::client::sessions;
use downpour_load::schedule::process::Spacing;
use downpour_mock::plan::PlannedFault;
use serde::Deserialize;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

pub(super) fn parse(text: &str, origin: &str) -> Result<Scenario, TomlError> {
    let file: ScenarioFile = toml_file::parse(text, origin)?;
    Ok(Scenario {
        name: origin.to_owned(),
        about: file.about,
        sources: file.source,
        load: Load {
            downloads: file.load.downloads.0,
            session: file.load.session.0,
            clients: file.load.clients,
            spacing: file.load.spacing.into(),
            duration: file.load.duration.0,
        },
        clients: Clients {
            model: file.clients.model,
            timeout: file.clients.timeout.0,
            session_gap: file.clients.session_gap.map_or(sessions::SESSION_GAP, |gap| gap.0),
            session_max: file.clients.session_max.map_or(sessions::SESSION_MAX, |longest| longest.0),
        },
        faults: file.service.faults.into_iter().map(|fault| fault.0).collect(),
        service: Service {
            servers: file.service.servers,
            service_time: file.service.service_time.0,
            queue: file.service.queue.map_or(QUEUE, |queue| queue.0),
            abandoned: file.service.abandoned,
            drops: file.service.drops.into_iter().map(|drop| drop.0).collect(),
            round_trip: file.service.round_trip.0,
            lookup: file.service.lookup.0,
        },
        live_speed: file.live.map_or(Factor::ONE, |live| live.speed.0),
        expected: file.expected.map(|expected| ExpectedOutcome {
            attempts: expected.attempts.0,
            failed_attempts: expected.failed_attempts,
            goodput_per_s: expected.goodput,
            recovered_within: expected.recovered_within.0,
            tolerance: expected.tolerance.0,
        }),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScenarioFile {
    about: String,
    #[serde(default)]
    source: Vec<String>,
    load: FileLoad,
    clients: FileClients,
    service: FileService,
    live: Option<FileLive>,
    expected: Option<FileExpected>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLoad {
    downloads: ParsedText<Rate>,
    session: FileSize,
    clients: Option<NonZeroU32>,
    #[serde(default)]
    spacing: FileSpacing,
    duration: PositiveDuration,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FileSpacing {
    Uniform,
    #[default]
    Poisson,
}

impl From<FileSpacing> for Spacing {
    fn from(spacing: FileSpacing) -> Self {
        match spacing {
            FileSpacing::Uniform => Self::Uniform,
            FileSpacing::Poisson => Self::Poisson,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FileClients {
    model: String,
    timeout: PositiveDuration,
    session_gap: Option<PositiveDuration>,
    session_max: Option<PositiveDuration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FileService {
    servers: Option<NonZeroU32>,
    service_time: ParsedText<ServiceTime>,
    queue: Option<QueueLength>,
    #[serde(default)]
    abandoned: Abandoned,
    #[serde(default)]
    drops: Vec<ParsedText<CapacityDrop>>,
    #[serde(default)]
    faults: Vec<ParsedText<PlannedFault>>,
    #[serde(default)]
    round_trip: AnyDuration,
    #[serde(default)]
    lookup: AnyDuration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLive {
    speed: ParsedText<Factor>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FileExpected {
    attempts: ParsedText<Rate>,
    failed_attempts: u64,
    goodput: f64,
    recovered_within: PositiveDuration,
    tolerance: ParsedText<Share>,
}

/// A value that is written as text.
#[derive(Deserialize)]
#[serde(try_from = "String", bound = "T: FromStr, T::Err: std::fmt::Display")]
struct ParsedText<T>(T);

impl<T: FromStr> TryFrom<String> for ParsedText<T>
where
    T::Err: std::fmt::Display,
{
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|error: T::Err| error.to_string())
    }
}

/// A length of time that is not nothing.
#[derive(Deserialize)]
#[serde(try_from = "AnyDuration")]
struct PositiveDuration(Duration);

impl TryFrom<AnyDuration> for PositiveDuration {
    type Error = String;

    fn try_from(AnyDuration(length): AnyDuration) -> Result<Self, String> {
        if length.is_zero() { Err("it must be greater than 0".to_owned()) } else { Ok(Self(length)) }
    }
}

/// A length of time that may be nothing.
#[derive(Default, Deserialize)]
#[serde(try_from = "String")]
struct AnyDuration(Duration);

impl TryFrom<String> for AnyDuration {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse_duration(&text).map(Self).map_err(|error| error.to_string())
    }
}

#[derive(Deserialize)]
#[serde(try_from = "usize")]
struct QueueLength(usize);

impl TryFrom<usize> for QueueLength {
    type Error = String;

    fn try_from(places: usize) -> Result<Self, String> {
        let most = Service::QUEUE_MAX;
        let fits = places <= most;
        fits.then_some(Self(places))
            .ok_or_else(|| format!("a queue of {places} is too long; use at most {most}"))
    }
}

/// `30`, or `20..40`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct FileSize(SessionSize);

/// The most downloads of a session.
const SESSION_MAX: u32 = 100_000;

impl TryFrom<String> for FileSize {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (least, most) = text.split_once("..").unwrap_or((&text, &text));
        let read = |text: &str| text.parse().ok().filter(|count: &NonZeroU32| count.get() <= SESSION_MAX);
        match (read(least), read(most)) {
            (Some(least), Some(most)) if least <= most => Ok(Self(SessionSize { least, most })),
            (Some(_) | None, _) => {
                Err(format!("{text:?} is not a session size; write 30, or 20..40, from 1 to {SESSION_MAX}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = include_str!("incident.toml");

    #[track_caller]
    fn check(replace: (&str, &str), told: &str) {
        assert!(WHOLE.contains(replace.0), "{replace:?}");
        let text = WHOLE.replace(replace.0, replace.1);
        let error = parse(&text, "mine.toml").unwrap_err().to_string();
        assert!(error.starts_with("mine.toml:") && error.contains(told), "{error}");
    }

    #[test]
    fn mistakes_name_their_place_and_what_would_be_right() {
        check(("1495/s", "many"), "downloads: \"many\" is not a rate; write it like");
        check(("\"20..40\"", "\"40..20\""), "session: \"40..20\" is not a session size; write 30, or 20..40");
        check(("\"20..40\"", "\"0\""), "from 1 to 100000");
        check(("poisson", "burst"), "unknown variant `burst`, expected `uniform` or `poisson`");
        check(("16m", "0s"), "duration: it must be greater than 0");
        check(("constant 1ms", "1ms"), "service-time: \"1ms\" is not a service time; write constant 5ms");
        check(
            ("missing-slash@", "mising-slash@"),
            "faults: \"mising-slash\" is not a fault (did you mean missing-slash?); known",
        );
        check(("20x", "0x"), "speed: \"0x\" is not a factor");
        check(("[live]", "[alive]"), "unknown field `alive`");
        check(("model = \"cargo-1.70\"", ""), "missing field `model`");
        check(("lookup =", "queue = 10_000_001\nlookup ="), "queue: a queue of 10000001 is too long");
        check(
            ("lookup =", "drops = [\"80%@1s..\"]\nlookup ="),
            "drops: \"80%@1s..\" is not a loss of capacity",
        );
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let short = "about = \"x\"\n[load]\ndownloads = \"10\"\nsession = \"1\"\nduration = \"1s\"\n\
                     [clients]\nmodel = \"none\"\ntimeout = \"1s\"\n[service]\nservice-time = \"constant 0s\"\n";
        let scenario = parse(short, "short").unwrap();
        assert_eq!((scenario.service.queue, scenario.service.servers), (QUEUE, None));
        assert_eq!((scenario.live_speed, scenario.expected), (Factor::ONE, None));
        assert_eq!(scenario.clients.session_gap, sessions::SESSION_GAP);
    }
}
