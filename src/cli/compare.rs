//! `downpour compare`: two run directories side by side.

use super::overwrite::{FilesOfCommand, Named};
use super::report::sources;
use super::terminal::Visible;
use super::{CliError, print_message};
use clap::{Args, ValueEnum};
use downpour_report::compare::{ComparedRun, Condition, RunComparison, html, json, markdown, text};
use downpour_report::{Exit, SavedRun, SavedRunError};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Compare two runs, and tell change from chance
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  downpour compare reports/before reports/after
  downpour compare reports/before reports/after --fail-on 'latency.p99 > +10%'")]
#[command(after_long_help = "\
Examples:
  downpour compare reports/before reports/after
  downpour compare reports/before reports/after -o compare.html
  downpour compare reports/before reports/after --fail-on 'latency.p99 > +10%' \\
      --fail-on 'good.per_s < -5%' --fail-on 'failed.rate > +0.1pp' \\
      --fail-on 'fault(dns.nxdomain) > +0'

A condition is a measure as in a threshold, > or <, and how much B may be above
or below A: in per cent of A, or in us, ms, s, /s, pp (percentage points) or a
count. It is violated if the change is larger and is not noise. Something that A
never had, such as a new fault, is not noise.

Exit code: 4 if a condition is violated; 5 if one cannot be judged because a run
is invalid, too short or has too few samples; 0 otherwise. Without conditions
the exit code is 0.")]
pub(crate) struct CompareArgs {
    /// The run directory to compare with
    #[arg(value_name = "A")]
    a: PathBuf,

    /// The run directory to compare
    #[arg(value_name = "B")]
    b: PathBuf,

    /// Exit with 4 if B is this much worse than A
    ///
    /// Example: 'latency.p99 > +10%'. May be repeated.
    #[arg(long, value_name = "CONDITION")]
    fail_on: Vec<Condition>,

    /// Apply conditions to invalid runs, too
    #[arg(long)]
    allow_invalid: bool,

    /// Set the format: text, markdown, html or json
    ///
    /// The default depends on the extension of --output; without one it is text.
    #[arg(long, value_name = "FORMAT", value_enum, hide_possible_values = true)]
    format: Option<ComparisonFormat>,

    /// Write to this file instead of stdout
    ///
    /// An existing file is replaced. stdout then has the verdict.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Set the random seed
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ComparisonFormat {
    Text,
    Markdown,
    Html,
    Json,
}

/// Why two runs could not be compared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompareError {
    /// One can't be read.
    #[error(transparent)]
    Read(#[from] SavedRunError),
    /// The file can't be written.
    #[error("{}: cannot write", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Reads both, and writes what lies between them.
pub(crate) fn run(args: &CompareArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let read = [sources("the run", &args.a), sources("the run", &args.b)].concat();
    let written = args.output.iter().map(|path| Named::by("--output", path)).collect();
    FilesOfCommand { read, written, ..FilesOfCommand::default() }.check()?;
    let open = |path: &Path| -> Result<_, CompareError> {
        let mut saved = SavedRun::open(path)?;
        let blocks = saved.blocks();
        Ok((path.display().to_string(), saved, blocks))
    };
    let read = [open(&args.a)?, open(&args.b)?];
    for (_, saved, _) in &read {
        saved.notes.iter().for_each(|note| print_message(&format!("note: {note}")));
    }
    let sides = read.each_ref().map(|(name, saved, blocks)| ComparedRun {
        name,
        report: &saved.report,
        timeline: &saved.timeline,
        blocks,
        notes: &saved.notes,
    });
    let comparison = RunComparison::of(sides, args.fail_on.clone(), args.seed);
    let form = args.format.or_else(|| by_ending(args.output.as_deref()?)).unwrap_or(ComparisonFormat::Text);
    let rendered = match form {
        ComparisonFormat::Text => text(&comparison),
        ComparisonFormat::Markdown => markdown(&comparison),
        ComparisonFormat::Html => html(&comparison),
        ComparisonFormat::Json => json(&comparison),
    };
    match &args.output {
        Some(path) => {
            let failed = |source| CompareError::Write { path: path.clone(), source };
            fs::write(path, rendered).map_err(failed)?;
            let mut lines: Vec<_> =
                comparison.runs_not_passed().iter().map(|side| format!("! {side}")).collect();
            lines.push(comparison.verdict());
            lines.push(format!("written: {}", path.display()));
            writeln!(Visible(&mut *out), "{}", lines.join("\n"))
                .and_then(|()| out.flush())
                .map_err(CliError::Print)?;
        }
        None => out.write_all(rendered.as_bytes()).and_then(|()| out.flush()).map_err(CliError::Print)?,
    }
    Ok(comparison.exit(args.allow_invalid))
}

fn by_ending(path: &Path) -> Option<ComparisonFormat> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    match ending.as_str() {
        "html" | "htm" => Some(ComparisonFormat::Html),
        "json" => Some(ComparisonFormat::Json),
        "md" => Some(ComparisonFormat::Markdown),
        _ => None,
    }
}
