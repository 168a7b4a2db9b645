//! Client files: from TOML to models, or to a mistake with its place and remedy.
//!
//! What the file says and what it means are two types. Everything a model
//! relies on is checked here, so that retrying meets no surprise. The built-in
//! models are written the same way and read the same way.
//!
//! A client that asks once is its `name` and `attempts = 1`. One that tries again
//! has `delays`, and `statuses` or `faults` that it tries again after:
#![doc = concat!("```toml\n", include_str!("file/example.toml"), "```")]

mod check;

use super::delays::{DELAY_MAX, Delay, RETRY_AFTER_MAX};
use super::{ClientModel, FirstMethod, OnFailure, OverCap, RetryAfterMode, Scope};
use crate::client::budget::{TOKENS_MAX, Tokens};
use downpour_core::toml_file::{self, Spanned, TomlError, TomlMistake, error_at};
use downpour_core::units::{Share, parse_duration};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::time::Duration;

/// Client models, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientModels {
    models: Vec<ClientModel>,
    /// The text of each model's table.
    tables: Vec<String>,
}

const PRESETS: &str = include_str!("presets.toml");

impl ClientModels {
    /// The built-in models.
    ///
    /// # Panics
    ///
    /// Never: a test reads the same text.
    pub fn built_in() -> Self {
        read(PRESETS, &Self::default()).expect("the built-in client models are free of mistakes")
    }

    /// The models that `text` describes. `origin` is what mistakes call it: the
    /// path of the file. A built-in model's name can't be used again.
    pub fn parse(text: &str, origin: &str) -> Result<Self, TomlError> {
        read(text, &Self::built_in()).map_err(|mistake| mistake.into_error(text, origin))
    }

    /// The model of that name.
    pub fn find(&self, name: &str) -> Option<&ClientModel> {
        self.models.iter().find(|model| model.name == name)
    }

    /// The model of that name. The name of a family, such as `cargo`, is that of
    /// its newest member.
    pub fn named(&self, name: &str) -> Option<&ClientModel> {
        self.find(name).or_else(|| self.find(self.families().get(name)?))
    }

    /// Families whose members are told apart by a version behind their name, and
    /// the newest member of each. A family of one has no other name.
    pub fn families(&self) -> BTreeMap<&str, &str> {
        let mut families: BTreeMap<&str, Vec<(Vec<u32>, &str)>> = BTreeMap::new();
        for name in self.names() {
            if let Some((family, version)) = name.rsplit_once('-')
                && let Some(version) =
                    version.split('.').map(|part| part.parse::<u32>().ok()).collect::<Option<Vec<_>>>()
            {
                families.entry(family).or_default().push((version, name));
            }
        }
        families.retain(|family, members| members.len() > 1 && self.find(family).is_none());
        let newest =
            families.into_iter().filter_map(|(family, members)| Some((family, members.into_iter().max()?.1)));
        newest.collect()
    }

    /// The table that describes the model of that name, as it was written.
    pub fn table(&self, name: &str) -> Option<&str> {
        let name = &self.named(name)?.name;
        let index = self.models.iter().position(|model| model.name == *name)?;
        self.tables.get(index).map(String::as_str)
    }

    /// All of them, as they stand in their file.
    pub fn iter(&self) -> impl Iterator<Item = &ClientModel> {
        self.models.iter()
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(|model| model.name.as_str())
    }

    /// These, then those of `other`.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.models.extend(other.models);
        self.tables.extend(other.tables);
        self
    }
}

type ClientFileResult<T> = Result<T, TomlMistake>;

fn read(text: &str, taken: &ClientModels) -> ClientFileResult<ClientModels> {
    let file: ClientFile = toml_file::read(text)?;
    let mut read = ClientModels::default();
    let starts: Vec<usize> = file.clients.iter().map(|client| client.span().start).collect();
    for (index, client) in file.clients.into_iter().enumerate() {
        let name = client.get_ref().name.clone();
        let model = check::model(client.into_inner())?;
        if taken.find(&model.name).is_some() || model.name == "auto" {
            return Err(error_at(&name, format!("name: {:?} is built in; choose another", model.name)));
        }
        if read.find(&model.name).is_some() {
            return Err(error_at(&name, format!("name: {:?} is given twice", model.name)));
        }
        let end = starts.get(index + 1).copied().unwrap_or(text.len());
        let table = text.get(starts[index]..end).unwrap_or_default();
        read.tables.push(without_trailing_remarks(table).to_owned());
        read.models.push(model);
    }
    Ok(read)
}

/// A table up to its last line that says something: what follows introduces
/// the next one.
fn without_trailing_remarks(table: &str) -> &str {
    let mut rest = table.trim_end();
    while let Some((before, last)) = rest.rsplit_once('\n') {
        if !last.trim_start().starts_with('#') {
            break;
        }
        rest = before.trim_end();
    }
    rest
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientFile {
    #[serde(default, rename = "client")]
    clients: Vec<Spanned<FileClient>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FileClient {
    name: Spanned<String>,
    #[serde(default)]
    about: String,
    #[serde(default)]
    source: Vec<String>,
    #[serde(default)]
    agents: Vec<Spanned<String>>,
    attempts: Spanned<i64>,
    delays: Option<Spanned<FileDelays>>,
    delays_after_fault: Option<Spanned<FileDelays>>,
    jitter: Option<Spanned<FileJitter>>,
    #[serde(default)]
    statuses: Vec<Spanned<FileStatus>>,
    #[serde(default)]
    statuses_once: Vec<Spanned<FileStatus>>,
    #[serde(default)]
    faults: Vec<Spanned<String>>,
    retry_after: Option<Spanned<FileRetryAfter>>,
    #[serde(default)]
    scope: Scope,
    #[serde(default, alias = "siblings")]
    on_failure: OnFailure,
    budget: Option<Spanned<FileBudget>>,
    #[serde(default, alias = "opening")]
    first_method: FirstMethod,
    streams: Option<NonZeroU16>,
    connections: Option<NonZeroU16>,
    #[serde(default)]
    timeouts: FileTimeouts,
    redirects: Option<u16>,
    #[serde(alias = "outer")]
    outer_loop: Option<FileOuterLoop>,
}

// Within an untagged value the parser forgets places, so waits are read later.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a list such as [\"1s\", \"5s\"], or a table such as { base = \"1s\", factor = 2, cap = \"30s\" }"
)]
enum FileDelays {
    List(Vec<String>),
    Formula(FileFormula),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileFormula {
    base: String,
    factor: f64,
    cap: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FileJitter {
    None,
    FirstOnly(FileDelay),
    Full,
    Equal,
    Decorrelated,
    Bounded(FileDelay),
    Share(FileShare),
    Additive(FileDelay),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a status such as 503, or a class such as \"5xx\"")]
enum FileStatus {
    One(u16),
    Class(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FileRetryAfter {
    #[serde(rename = "use")]
    mode: RetryAfterMode,
    statuses: Option<Vec<Spanned<FileStatus>>>,
    #[serde(default)]
    retried: Vec<Spanned<FileStatus>>,
    extra: Option<FileDelay>,
    cap: FileDuration,
    #[serde(default, alias = "beyond")]
    over_cap: OverCap,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", rename_all_fields = "kebab-case")]
enum FileBudget {
    TokenBucket {
        capacity: FileTokens,
        cost: FileTokens,
        timeout_cost: Option<FileTokens>,
        gain: FileTokens,
        #[serde(default)]
        refund: bool,
    },
    Throttle {
        max_tokens: FileTokens,
        ratio: FileTokens,
    },
    Ratio(FileShare),
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTimeouts {
    connect: Option<FileDuration>,
    read: Option<FileDuration>,
    total: Option<FileDuration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileOuterLoop {
    runs: Spanned<i64>,
    pause: FileDelay,
}

/// A delay that a client chooses.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct FileDelay(Delay);

/// A length of time up to a day.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct FileDuration(Duration);

#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct FileShare(Share);

#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
struct FileTokens(Tokens);

impl TryFrom<String> for FileDelay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let length = parse_duration(&text).map_err(|error| error.to_string())?;
        let hours = DELAY_MAX.as_secs() / 3_600;
        Delay::new(length)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is too long; a client may wait at most {hours}h"))
    }
}

impl TryFrom<String> for FileDuration {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let length = parse_duration(&text).map_err(|error| error.to_string())?;
        let hours = RETRY_AFTER_MAX.as_secs() / 3_600;
        if length > RETRY_AFTER_MAX {
            return Err(format!("{text:?} is too long; use at most {hours}h"));
        }
        Ok(Self(length))
    }
}

impl TryFrom<String> for FileShare {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|error: downpour_core::units::ParseQuantityError| error.to_string())
    }
}

impl TryFrom<f64> for FileTokens {
    type Error = String;

    fn try_from(count: f64) -> Result<Self, String> {
        Tokens::new(count)
            .map(Self)
            .ok_or_else(|| format!("{count} is not a number of tokens; use 0 to {TOKENS_MAX}"))
    }
}

#[cfg(test)]
mod tests;
