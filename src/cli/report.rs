//! `downpour report`: a run rendered again from its directory.

use super::say;
use crate::report::{SavedRun, SavedRunError, html, summary};
use clap::{Args, ValueEnum};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Render a run again from its directory
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "A run that was killed is read as far as it goes; what is missing is said on stderr. \
    Exits with 0 whatever the run's verdict was.

Examples:
  downpour report reports/2023-07-20T121704
  downpour report reports/2023-07-20T121704 -o page.html"
)]
pub(crate) struct ReportRunArgs {
    /// The run directory
    #[arg(value_name = "RUN")]
    run: PathBuf,

    /// The rendering: text (the summary), html (one page) or json (run.json)
    /// [default: by the ending of --output, or text]
    #[arg(long, value_name = "FORMAT", value_enum, hide_possible_values = true)]
    format: Option<Form>,

    /// Write to this file instead of stdout, and replace it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Html,
    Json,
}

/// Why a run could not be rendered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportRunError {
    /// It can't be read.
    #[error(transparent)]
    Read(#[from] SavedRunError),
    /// The file can't be written.
    #[error("{}: cannot write", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// Stdout is gone.
    #[error("cannot print the result")]
    Print(#[source] io::Error),
}

/// Reads the directory and writes its rendering.
pub(crate) fn run(args: &ReportRunArgs, out: &mut dyn Write) -> Result<(), ReportRunError> {
    let SavedRun { report, timeline, notes } = SavedRun::open(&args.run)?;
    for note in &notes {
        say(&format!("note: {note}"));
    }
    let form = args.format.or_else(|| by_ending(args.output.as_deref()?)).unwrap_or(Form::Text);
    let rendered = match form {
        Form::Text => summary(&report),
        Form::Html => html(&report, &timeline, &notes),
        Form::Json => format!("{}\n", serde_json::to_string_pretty(&report).expect("it was read from JSON")),
    };
    let Some(path) = &args.output else {
        return out.write_all(rendered.as_bytes()).and_then(|()| out.flush()).map_err(ReportRunError::Print);
    };
    fs::write(path, rendered).map_err(|source| ReportRunError::Write { path: path.clone(), source })
}

fn by_ending(path: &Path) -> Option<Form> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    match ending.as_str() {
        "html" | "htm" => Some(Form::Html),
        "json" => Some(Form::Json),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_of_a_file_tells_its_form() {
        let form = |name| by_ending(Path::new(name));
        assert_eq!(
            (form("a/b.html"), form("b.HTM"), form("b.json")),
            (Some(Form::Html), Some(Form::Html), Some(Form::Json))
        );
        assert_eq!((form("b.txt"), form("html"), form(".html")), (None, None, None));
    }
}
