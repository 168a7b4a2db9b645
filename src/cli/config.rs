//! The configuration of a run from flags, environment variables and a file.
//!
//! The flags of a command are the one list of options. A file (`--config`) and
//! variables (`DOWNPOUR_RATE` for `--rate`) give values for the same options, in the
//! same spelling, and are checked by the same parser. A flag wins over a variable,
//! and a variable over the file; what conflicts with an option of a higher rank is
//! dropped. The effective configuration is part of `run.json`, which can be given
//! as the file.

mod file;
mod sections;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command};
use downpour_report::{ConfigValue, RunConfig};
use sections::{SECTIONS as SECTIONS_LISTED, section_of};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

pub(crate) use file::ConfigError;

/// Where options come from beside the command line.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ConfigArgs {
    /// Read options from this TOML file, or from a run.json to repeat its run
    ///
    /// Sections are those of the help: trace, load, verify and so on; keys are
    /// the long names of flags. Flags win over variables such as DOWNPOUR_RATE for
    /// --rate, and variables over the file.
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    config: Option<PathBuf>,

    /// All options, defaults filled in: what the report keeps.
    #[arg(skip)]
    pub(super) effective: RunConfig,
}

/// The commands with `--config` and variables.
const CONFIGURABLE: [&str; 3] = ["check", "replay", "simulate"];

/// Options that are no configuration of a run.
const NOT_CONFIGURED: [&str; 4] = ["config", "verbose", "help", "version"];

/// Options of a run's output: a run that is repeated gets an output of its own.
const OUTPUT: [&str; 5] = ["out", "export", "junit", "step-summary", "metrics-addr"];

/// The header field values in a saved configuration.
pub(super) const HIDDEN: &str = "(hidden)";

/// An option with its values as typed.
#[derive(Clone, Debug)]
struct Setting {
    /// The id of the argument.
    id: String,
    values: Vec<OsString>,
    /// Where it stands, for messages.
    origin: String,
}

/// The command line, with what variables and a file say before it.
#[derive(Debug)]
pub(super) struct Layered {
    /// What the parser gets.
    pub(super) arguments: Vec<OsString>,
    /// Where options come from that are not on the command line, by long name.
    origins: BTreeMap<String, String>,
}

impl Layered {
    /// For these arguments of the process, beginning with the program, and these
    /// variables.
    pub(super) fn of(
        program: &Command,
        arguments: Vec<OsString>,
        variables: impl IntoIterator<Item = (String, OsString)>,
    ) -> Result<Self, ConfigError> {
        let typed = program.clone().ignore_errors(true).try_get_matches_from(&arguments);
        let Some((command, typed)) = typed.as_ref().ok().and_then(ArgMatches::subcommand) else {
            return Ok(Self { arguments, origins: BTreeMap::new() });
        };
        let Some(command) = program.find_subcommand(command).filter(|_| CONFIGURABLE.contains(&command))
        else {
            return Ok(Self { arguments, origins: BTreeMap::new() });
        };
        let mut command = command.clone();
        command.build();
        let of_variables = from_variables(&command, variables)?;
        let path = typed.get_one::<PathBuf>("config");
        let of_file = path.map(|path| file::read(path, &command)).transpose()?.unwrap_or_default();
        // Not every command has header fields.
        let given = typed.try_get_raw("headers").ok().flatten().into_iter().flatten();
        let of_variable = of_variables.iter().filter(|setting| setting.id == "headers");
        check_hidden_headers(
            &of_file,
            given.chain(of_variable.flat_map(|setting| setting.values.iter().map(OsString::as_os_str))),
        )?;
        Ok(Self::merged(&command, typed, [of_variables, of_file], &arguments))
    }

    /// The arguments with `layers` before them, the layer of the highest rank first.
    fn merged(
        command: &Command,
        typed: &ArgMatches,
        layers: [Vec<Setting>; 2],
        arguments: &[OsString],
    ) -> Self {
        let is_typed =
            |arg: &&Arg| typed.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
        let typed = command.get_arguments().filter(is_typed);
        let mut taken: BTreeSet<String> = typed.map(|arg| arg.get_id().to_string()).collect();
        let (mut options, mut positional) = (Vec::new(), Vec::new());
        let mut origins = BTreeMap::new();
        for layer in layers {
            // Within one layer nothing is dropped: there, the parser names a conflict.
            let higher = taken.clone();
            for Setting { id, values, origin } in layer {
                let arg = command.get_arguments().find(|arg| arg.get_id() == id.as_str());
                let Some(arg) = arg.filter(|arg| !higher.contains(&id) && !conflicts(command, arg, &higher))
                else {
                    continue;
                };
                taken.insert(id);
                match arg.get_long() {
                    Some(long) => {
                        options.extend(option_arguments(arg, long, &values));
                        origins.insert(format!("--{long}"), origin);
                    }
                    None => positional.extend(values),
                }
            }
        }
        let at = subcommand_at(command.get_name(), arguments);
        let mut merged: Vec<OsString> = arguments[..at].to_vec();
        merged.extend(options);
        merged.extend_from_slice(&arguments[at..]);
        if !positional.is_empty() {
            merged.push("--".into());
            merged.extend(positional);
        }
        Self { arguments: merged, origins }
    }

    /// Says where a value comes from that is refused and was not typed.
    pub(super) fn name_origin(&self, error: &mut clap::Error) {
        let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else { return };
        let long = option.split([' ', '=']).next().unwrap_or_default();
        let Some(origin) = self.origins.get(long) else { return };
        let tip = format!("the value is from {origin}");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
}

/// Behind the name of the command.
fn subcommand_at(name: &str, arguments: &[OsString]) -> usize {
    arguments.iter().position(|argument| argument == OsStr::new(name)).map_or(arguments.len(), |at| at + 1)
}

/// Whether an argument cannot be used beside one of those.
fn conflicts(command: &Command, arg: &Arg, others: &BTreeSet<String>) -> bool {
    let is_against = |one: &Arg, other: &str| {
        command.get_arg_conflicts_with(one).iter().any(|against| against.get_id() == other)
    };
    others.iter().any(|other| {
        let known = command.get_arguments().find(|known| known.get_id() == other.as_str());
        is_against(arg, other) || known.is_some_and(|known| is_against(known, arg.get_id().as_str()))
    })
}

fn option_arguments(arg: &Arg, long: &str, values: &[OsString]) -> Vec<OsString> {
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        let is_set = values.first().is_some_and(|value| value == "true");
        return if is_set { vec![format!("--{long}").into()] } else { Vec::new() };
    }
    let option = |value: &OsString| {
        let mut option = OsString::from(format!("--{long}="));
        option.push(value);
        option
    };
    values.iter().map(option).collect()
}

/// `DOWNPOUR_VERIFY_RATE` for `--verify-rate`. An empty one says nothing.
fn from_variables(
    command: &Command,
    variables: impl IntoIterator<Item = (String, OsString)>,
) -> Result<Vec<Setting>, ConfigError> {
    let variables: BTreeMap<String, OsString> =
        variables.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let mut settings = Vec::new();
    for arg in configured(command) {
        let Some(long) = arg.get_long() else { continue };
        let name = variable(long);
        let Some(value) = variables.get(&name) else { continue };
        let origin = format!("the variable {name}");
        if matches!(arg.get_action(), ArgAction::SetTrue) && value != "true" && value != "false" {
            return Err(ConfigError::Wrong { origin, what: "must be true or false".to_owned() });
        }
        settings.push(Setting { id: arg.get_id().to_string(), values: vec![value.clone()], origin });
    }
    Ok(settings)
}

/// Refuses a saved configuration if the value of one of its header fields, which was
/// not kept, is not given again: the run would go out without it.
fn check_hidden_headers<'g>(
    saved: &[Setting],
    given: impl Iterator<Item = &'g OsStr>,
) -> Result<(), ConfigError> {
    let name_of = |header: &OsStr| {
        let text = header.to_string_lossy();
        let (name, value) = text.split_once(':').unwrap_or((&text, ""));
        (name.trim().to_ascii_lowercase(), value.trim() == HIDDEN)
    };
    let given: BTreeSet<String> = given.map(|header| name_of(header).0).collect();
    for Setting { values, origin, .. } in saved.iter().filter(|setting| setting.id == "headers") {
        let hidden = values
            .iter()
            .map(|header| name_of(header))
            .find(|(name, is_hidden)| *is_hidden && !given.contains(name));
        if let Some((name, _)) = hidden {
            let what = format!(
                "a saved configuration does not contain the values of header fields: give each again, such as \
                 -H '{name}: ...'"
            );
            return Err(ConfigError::Wrong { origin: origin.clone(), what });
        }
    }
    Ok(())
}

/// The variable for an option.
fn variable(long: &str) -> String {
    format!("DOWNPOUR_{}", long.to_uppercase().replace('-', "_"))
}

/// The arguments of a command that configure a run.
fn configured(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| !NOT_CONFIGURED.contains(&arg.get_id().as_str()))
}

/// The key of an argument: its long name, or that of what stands without one.
fn key_of(arg: &Arg) -> String {
    arg.get_long().map_or_else(|| arg.get_id().to_string(), str::to_owned)
}

/// What a command was called with, defaults filled in.
pub(super) fn effective(program: &Command, matches: &ArgMatches) -> RunConfig {
    let mut config = RunConfig::default();
    let Some((name, matches)) = matches.subcommand() else { return config };
    let Some(command) = program.find_subcommand(name).filter(|_| CONFIGURABLE.contains(&name)) else {
        return config;
    };
    let mut command = command.clone();
    command.build();
    let given: BTreeSet<String> = configured(&command)
        .filter(|arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine))
        .map(|arg| arg.get_id().to_string())
        .collect();
    for arg in configured(&command) {
        let id = arg.get_id().as_str();
        // What is there by default and is of no use beside what was given.
        if !given.contains(id) && conflicts(&command, arg, &given) {
            continue;
        }
        let values = matches.get_raw(id).into_iter().flatten();
        let values: Vec<String> = values.map(|value| shown(id, &value.to_string_lossy())).collect();
        let value = match (arg.get_action(), values.as_slice()) {
            (_, []) => continue,
            (ArgAction::SetTrue, [value, ..]) => ConfigValue::Flag(value == "true"),
            (ArgAction::Append, _) => ConfigValue::List(values),
            (_, [value]) => ConfigValue::Text(value.clone()),
            _ => ConfigValue::List(values),
        };
        config.sections.entry(section_of(arg).to_owned()).or_default().insert(key_of(arg), value);
    }
    config
}

/// A value as it may be kept: without the values of header fields, which may be
/// secrets. URLs with a password are refused by the parser.
fn shown(id: &str, value: &str) -> String {
    if id != "headers" {
        return value.to_owned();
    }
    let name = value.split(':').next().unwrap_or_default();
    format!("{name}: {HIDDEN}")
}

#[cfg(test)]
mod tests;
