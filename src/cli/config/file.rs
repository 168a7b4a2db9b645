//! A configuration file: TOML, or the `run.json` of a run that is to be repeated.

use super::{OUTPUT, SECTIONS_LISTED, Setting, configured, key_of, section_of};
use clap::{Arg, ArgAction, Command};
use downpour_core::suggest::did_you_mean;
use downpour_core::toml_file::{self, Spanned, TomlError, place_of};
use downpour_report::{ConfigValue, RunConfig};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use toml::Value;

/// The longest file that is read: a `run.json` has some hundred kilobytes.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// It cannot be read.
    #[error("failed to read --config {name}")]
    Read {
        /// The file.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// Something in it is wrong.
    #[error("{origin}: {what}")]
    Wrong {
        /// The file, with line and column where they are known.
        origin: String,
        /// What is wrong, and what would be right.
        what: String,
    },
}

/// Sections with their keys and values, each with its place.
type Sections = BTreeMap<Spanned<String>, Spanned<BTreeMap<Spanned<String>, Spanned<Value>>>>;

/// What a file says of the options of `command`.
pub(super) fn read(path: &Path, command: &Command) -> Result<Vec<Setting>, ConfigError> {
    let name = path.display().to_string();
    let unreadable = |source| ConfigError::Read { name: name.clone(), source };
    if fs::metadata(path).map_err(unreadable)?.len() > BYTES_MAX {
        let what = format!("a configuration has at most {BYTES_MAX} bytes");
        return Err(ConfigError::Wrong { origin: name, what });
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    if text.trim_start().starts_with('{') {
        saved(&name, &text, command)
    } else {
        toml(&name, &text, command)
    }
}

fn toml(name: &str, text: &str, command: &Command) -> Result<Vec<Setting>, ConfigError> {
    let sections: Sections =
        toml_file::parse(text, name).map_err(|TomlError { origin, line, column, what }| {
            let what = format!("{what}; options stand in sections, such as [load]");
            ConfigError::Wrong { origin: format!("{origin}:{line}:{column}"), what }
        })?;
    let mut settings = Vec::new();
    for (section, keys) in &sections {
        for (key, value) in keys.get_ref() {
            let (origin, key) = (place_of(key, text, name), key.get_ref());
            let wrong = |what| ConfigError::Wrong { origin: origin.clone(), what };
            let arg = find(command, section.get_ref(), key).map_err(wrong)?;
            let is_flag = matches!(arg.get_action(), ArgAction::SetTrue);
            let values = texts(value.get_ref(), is_flag).map_err(|what| wrong(format!("{key}: {what}")))?;
            settings.push(Setting { id: arg.get_id().to_string(), values, origin });
        }
    }
    Ok(settings)
}

/// The argument that a key stands for.
fn find<'c>(command: &'c Command, section: &str, key: &str) -> Result<&'c Arg, String> {
    if !SECTIONS_LISTED.contains(&section) {
        let near = did_you_mean(section, SECTIONS_LISTED.iter().copied());
        return Err(format!(
            "unknown section [{section}]{near}; sections are {}",
            SECTIONS_LISTED.join(", ")
        ));
    }
    if let Some(arg) = configured(command).find(|arg| key_of(arg) == key) {
        let right = section_of(arg);
        return if right == section { Ok(arg) } else { Err(format!("{key} belongs to section [{right}]")) };
    }
    let keys: Vec<String> =
        configured(command).filter(|arg| section_of(arg) == section).map(key_of).collect();
    let near = did_you_mean(key, keys.iter().map(String::as_str));
    Err(format!("unknown key {key}{near}; {} has no such option in section [{section}]", command.get_name()))
}

/// A value as it would be typed.
fn texts(value: &Value, is_flag: bool) -> Result<Vec<OsString>, String> {
    let text = match (value, is_flag) {
        (Value::Boolean(flag), true) => flag.to_string(),
        (_, true) => return Err("must be true or false".to_owned()),
        (Value::String(text), false) => text.clone(),
        (Value::Integer(number), false) => number.to_string(),
        (Value::Float(number), false) => number.to_string(),
        (Value::Array(values), false) => {
            let each = values.iter().map(|value| match value {
                Value::Array(_) => Err("a list within a list is no value".to_owned()),
                Value::String(_) | Value::Integer(_) | Value::Float(_) => texts(value, false),
                Value::Boolean(_) | Value::Datetime(_) | Value::Table(_) => {
                    Err("a list contains texts and numbers".to_owned())
                }
            });
            return Ok(each.collect::<Result<Vec<_>, _>>()?.concat());
        }
        (Value::Boolean(_), false) => return Err("takes a value, not true or false".to_owned()),
        (Value::Datetime(_) | Value::Table(_), false) => {
            return Err("must be a text, a number or a list of them".to_owned());
        }
    };
    Ok(vec![text.into()])
}

/// The configuration in a `run.json`, without what the defaults say anyway.
fn saved(name: &str, text: &str, command: &Command) -> Result<Vec<Setting>, ConfigError> {
    #[derive(serde::Deserialize)]
    struct Saved {
        plan: SavedPlan,
    }
    #[derive(serde::Deserialize)]
    struct SavedPlan {
        command: String,
        #[serde(default)]
        config: RunConfig,
    }
    let wrong = |what: String| ConfigError::Wrong { origin: name.to_owned(), what };
    let saved: Saved = serde_json::from_str(text)
        .map_err(|error| wrong(format!("it begins like a run.json, but is none: {error}")))?;
    let SavedPlan { command: saved_command, config } = saved.plan;
    if saved_command != command.get_name() {
        return Err(wrong(format!(
            "this is a run of {saved_command}: repeat it with downpour {saved_command} --config {name}"
        )));
    }
    if config.sections.is_empty() {
        return Err(wrong("it has no plan.config: it was written by an earlier version".to_owned()));
    }
    let mut settings = Vec::new();
    for (section, keys) in &config.sections {
        for (key, value) in keys.iter().filter(|(key, _)| !OUTPUT.contains(&key.as_str())) {
            let arg = find(command, section, key).map_err(wrong)?;
            let values = match value {
                ConfigValue::Flag(flag) => vec![flag.to_string()],
                ConfigValue::Text(text) => vec![text.clone()],
                ConfigValue::List(values) => values.clone(),
            };
            // What needs another option would be refused without it.
            if arg
                .get_default_values()
                .iter()
                .map(|default| default.to_string_lossy())
                .eq(values.iter().map(String::as_str))
            {
                continue;
            }
            let origin = format!("{name}: plan.config.{section}.{key}");
            let values = values.into_iter().map(OsString::from).collect();
            settings.push(Setting { id: arg.get_id().to_string(), values, origin });
        }
    }
    Ok(settings)
}
