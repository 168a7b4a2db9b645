//! `downpour report`: a run rendered again from its directory.

use super::export::{meant, names};
use super::overwrite::{FilesOfCommand, Named};
use super::{CliError, print_message};
use clap::Args;
use downpour_report::{Rendering, RunDirectory, SavedRun, SavedRunError};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Render a run again from its directory
#[derive(Args, Clone, Debug)]
#[command(after_help = "A run that was killed is rendered as far as it was written, with a note on stderr. \
    The exit code is 0, whatever the verdict of the run is.

Examples:
  downpour report reports/2023-07-20T121704
  downpour report reports/2023-07-20T121704 -o page.html")]
pub(crate) struct ReportRunArgs {
    /// The run directory
    #[arg(value_name = "RUN")]
    run: PathBuf,

    /// Set the format: text, html, json, markdown
    ///
    /// Further formats are junit, k6, prometheus, csv (the seconds), hgrm (latency
    /// by percentile), hgrm-failed, hgrm-service and hgrm-lateness. The default
    /// depends on the extension of --output; without one it is text.
    #[arg(long, value_name = "FORMAT", value_parser = parse_form)]
    format: Option<Rendering>,

    /// Write to this file instead of stdout
    ///
    /// An existing file is replaced.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn parse_form(text: &str) -> Result<Rendering, String> {
    Rendering::from_name(text).ok_or_else(|| format!("use one of {}{}", names(), meant(text)))
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
pub(crate) fn run(args: &ReportRunArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let written = args.output.iter().map(|path| Named::by("--output", path)).collect();
    FilesOfCommand { read: sources("the run", &args.run), written, ..FilesOfCommand::default() }.check()?;
    Ok(rendered(args, out)?)
}

/// What a run directory is rendered from.
pub(super) fn sources(what: &str, run: &Path) -> Vec<Named> {
    let run = Named::by(what, run);
    RunDirectory::SOURCES.iter().map(|name| run.inside(name)).collect()
}

fn rendered(args: &ReportRunArgs, out: &mut dyn Write) -> Result<(), ReportRunError> {
    let run = SavedRun::open(&args.run)?;
    for note in &run.notes {
        print_message(&format!("note: {note}"));
    }
    let form = args.format.or_else(|| by_ending(args.output.as_deref()?)).unwrap_or(Rendering::Text);
    let missing = match &args.output {
        None => render(&run, form, out).map_err(ReportRunError::Print)?,
        Some(path) => {
            let file = File::create(path);
            file.and_then(|file| render(&run, form, &mut BufWriter::new(file)))
                .map_err(|source| ReportRunError::Write { path: path.clone(), source })?
        }
    };
    if let Some(note) = missing {
        print_message(&format!("note: {note}"));
    }
    Ok(())
}

fn render(run: &SavedRun, form: Rendering, out: &mut dyn Write) -> io::Result<Option<String>> {
    let missing = run.render(form, out)?;
    out.flush().map(|()| missing)
}

fn by_ending(path: &Path) -> Option<Rendering> {
    Rendering::from_ending(path.extension()?.to_str()?)
}
