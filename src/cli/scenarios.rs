//! `downpour scenarios`: the built-in scenarios, to use or to copy.

use super::overwrite::Named;
use downpour_core::suggest::did_you_mean;
use downpour_core::toml_file::TomlError;
use downpour_sim::scenario::Scenario;
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

/// The largest file that is read as a scenario.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// List the built-in scenarios, print one, or check a file of your own.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  downpour scenarios
  downpour scenarios incident > mine.toml    copy one to start with
  downpour scenarios mine.toml               check a file")]
pub(crate) struct ScenariosArgs {
    /// A built-in scenario to print, or a TOML file to check
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenario: Option<String>,
}

/// Why a scenario can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScenariosError {
    /// There is no such scenario, and no such file.
    #[error("read the scenario {}{}; built-in scenarios are {}", path.display(), meant(path), names())]
    Read {
        /// What was taken for a file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is larger than any scenario.
    #[error("read the scenario {}: it is larger than {FILE_BYTES_MAX} bytes", .0.display())]
    TooLarge(PathBuf),
    /// The file is wrong.
    #[error(transparent)]
    Mistake(#[from] TomlError),
    /// The result can't be written.
    #[error("print the result")]
    Write(#[from] io::Error),
}

impl ScenariosError {
    /// Whether the message goes on after "failed to".
    pub(super) const fn reads_after_failed_to(&self) -> bool {
        !matches!(self, Self::Mistake(_))
    }

    /// Whether what was typed is wrong, and not the machine.
    pub(super) const fn is_configuration(&self) -> bool {
        !matches!(self, Self::Write(_))
    }
}

fn meant(path: &Path) -> String {
    did_you_mean(&path.to_string_lossy(), Scenario::built_in_names())
}

fn names() -> String {
    Scenario::built_in_names().collect::<Vec<_>>().join(", ")
}

/// The built-in scenario of that name, or the one in that file.
pub(super) fn load(name_or_file: &str) -> Result<Scenario, ScenariosError> {
    if let Some(built_in) = Scenario::built_in(name_or_file) {
        return Ok(built_in);
    }
    let path = PathBuf::from(name_or_file);
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
    match read {
        Ok(bytes) if bytes as u64 > FILE_BYTES_MAX => Err(ScenariosError::TooLarge(path)),
        Ok(_) => Ok(Scenario::parse(&text, name_or_file)?),
        Err(source) => Err(ScenariosError::Read { path, source }),
    }
}

/// The file that `--scenario` names, unless it is a built-in one.
pub(super) fn scenario_file(name_or_file: &str) -> Option<Named> {
    let is_file = Scenario::built_in_text(name_or_file).is_none();
    is_file.then(|| Named::by("--scenario", name_or_file))
}

/// Writes what was asked for.
pub(crate) fn run(args: &ScenariosArgs, out: &mut dyn Write) -> Result<(), ScenariosError> {
    let scenario = args.scenario.as_deref();
    match (scenario, scenario.and_then(Scenario::built_in_text)) {
        (None, _) => list(out)?,
        (Some(_), Some(text)) => out.write_all(text.as_bytes())?,
        (Some(file), None) => {
            load(file)?;
            writeln!(out, "{file}: no mistakes")?;
        }
    }
    Ok(out.flush()?)
}

fn list(out: &mut dyn Write) -> io::Result<()> {
    for name in Scenario::built_in_names() {
        let about = Scenario::built_in(name).map(|scenario| scenario.about).unwrap_or_default();
        writeln!(out, "{name:<12}{about}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn output_of(scenario: Option<&str>) -> Result<String, ScenariosError> {
        let mut out = Vec::new();
        run(&ScenariosArgs { scenario: scenario.map(str::to_owned) }, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn scenarios_are_listed_printed_and_checked() {
        let list = output_of(None).unwrap();
        assert!(list.starts_with("incident    crates.io, 2023-07-20: "), "{list}");
        assert!(list.lines().all(|line| line.len() <= 80), "{list}");
        let text = output_of(Some("metastable")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine.toml");
        fs::write(&path, &text).unwrap();
        let name = path.to_str().unwrap();
        assert_eq!(output_of(Some(name)).unwrap(), format!("{name}: no mistakes\n"));
        fs::write(&path, text.replace("curl", "curl\"\nmodle = \"x")).unwrap();
        let mistake = output_of(Some(name)).unwrap_err().to_string();
        assert!(mistake.contains("mine.toml:") && mistake.contains("modle"), "{mistake}");
        let unknown = output_of(Some("/nowhere")).unwrap_err().to_string();
        assert!(unknown.ends_with("built-in scenarios are incident, metastable"), "{unknown}");
        let near = output_of(Some("incidnt")).unwrap_err().to_string();
        assert!(near.contains("(did you mean incident?)"), "{near}");
    }
}
