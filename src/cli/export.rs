//! A run's result in other forms, written beside its run directory.
//!
//! Files are opened, and so emptied, before the run: what stands there from the
//! run before must not pass for this one's. They are written when the run
//! directory is complete, by what `downpour report` uses, so both give the same
//! bytes.

use super::CliError;
use super::overwrite::{FilesOfCommand, Named};
use clap::Args;
use downpour_core::suggest::did_you_mean;
use downpour_report::{Rendering, RunDirectory, RunReport, SavedRun, markdown};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Other forms of the result.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ExportArgs {
    /// Also write the result in another format
    ///
    /// The formats are text, html, json, markdown, junit, k6, prometheus, csv,
    /// hgrm, hgrm-failed, hgrm-service and hgrm-lateness. Example: --export
    /// k6=summary.json. May be repeated.
    #[arg(long = "export", value_name = "FORMAT=FILE", value_parser = parse_export)]
    exports: Vec<Export>,

    /// Write the result as JUnit XML
    ///
    /// It has a test case for each kind of fault. This is --export junit=FILE.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Append a summary in Markdown to this file, which GitHub shows with the job
    #[arg(
        long,
        value_name = "FILE",
        env = "GITHUB_STEP_SUMMARY",
        hide_env_values = true,
        hide_short_help = true
    )]
    step_summary: Option<OsString>,
}

/// One form and its file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Export {
    rendering: Rendering,
    path: PathBuf,
    /// As it was asked for.
    flag: String,
}

/// The directory that the run will have to render from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunDirectoryKept<'a> {
    /// Where it was asked for.
    At(&'a Path),
    /// Where nothing is yet.
    New,
    No,
}

impl<'a> RunDirectoryKept<'a> {
    /// Where `--out` says, or a new one.
    pub(crate) fn at_or_new(out: Option<&'a Path>) -> Self {
        out.map_or(Self::New, Self::At)
    }
}

/// The names of all renderings, as a sentence lists them.
pub(super) fn names() -> String {
    let names: Vec<_> = Rendering::ALL.iter().map(|rendering| rendering.name()).collect();
    names.join(", ")
}

/// Which rendering was meant, where one looks alike.
pub(super) fn meant(typed: &str) -> String {
    did_you_mean(typed, Rendering::ALL.iter().map(|rendering| rendering.name()))
}

fn parse_export(text: &str) -> Result<Export, String> {
    let (name, path) = text.split_once('=').ok_or("write it like junit=result.xml")?;
    let rendering = Rendering::from_name(name)
        .ok_or_else(|| format!("unknown format {name:?}{}: use one of {}", meant(name), names()))?;
    if path.is_empty() {
        return Err(format!("the file name is missing: write it like {name}=FILE"));
    }
    Ok(Export { rendering, path: PathBuf::from(path), flag: format!("--export {text}") })
}

impl ExportArgs {
    /// Opens all files for a run that reads `read`. Mistakes are told before
    /// anything is opened, and before anybody is connected to.
    pub(super) fn open(&self, kept: RunDirectoryKept<'_>, read: Vec<Named>) -> Result<Exports, CliError> {
        let junit = self.junit.iter().map(|path| Export {
            rendering: Rendering::Junit,
            path: path.clone(),
            flag: format!("--junit {}", path.display()),
        });
        let exports: Vec<Export> = self.exports.iter().cloned().chain(junit).collect();
        for export in &exports {
            if kept == RunDirectoryKept::No && export.rendering.needs_directory() {
                return Err(CliError::Usage(format!(
                    "{} needs the seconds of the run, which only a run directory has: add --out DIR",
                    export.flag
                )));
            }
        }
        let step_summary = self.step_summary.clone().filter(|path| !path.is_empty()).map(PathBuf::from);
        let mut written = Vec::new();
        if let RunDirectoryKept::At(out) = kept {
            let out = Named::by("--out", out);
            written.extend(RunDirectory::FILES.iter().map(|name| out.inside(name)));
        }
        written.extend(
            exports.iter().map(|Export { flag, path, .. }| Named { flag: flag.clone(), path: path.clone() }),
        );
        let appended = step_summary.iter().map(|path| Named::by("--step-summary", path)).collect();
        FilesOfCommand { read, written, appended }.check()?;
        let mut files = Vec::new();
        for export in exports {
            let file = File::create(&export.path)
                .map_err(|error| CliError::Usage(format!("cannot write {}: {error}", export.flag)))?;
            files.push((export, file));
        }
        Ok(Exports { files, step_summary })
    }
}

/// Files that wait for the result.
#[derive(Debug)]
pub(crate) struct Exports {
    files: Vec<(Export, File)>,
    step_summary: Option<PathBuf>,
}

impl Exports {
    /// Writes all of them. Returns what could not be written.
    pub(crate) fn write(self, report: &RunReport, directory: Option<&Path>) -> Vec<String> {
        let mut trouble = Vec::new();
        if let Some(path) = &self.step_summary
            && let Err(error) = append(path, &markdown(report))
        {
            // A page for people: a pipeline does not fail for it.
            super::print_message(&format!("note: cannot write --step-summary {}: {error}", path.display()));
        }
        let needs_directory = self.files.iter().any(|(export, _)| export.rendering.needs_directory());
        let saved = directory.filter(|_| needs_directory).map(SavedRun::open);
        for (Export { rendering, flag, .. }, file) in self.files {
            let written = match (rendering.of(report), &saved) {
                (Some(text), _) => write_to(file, |out| out.write_all(text.as_bytes())),
                (None, Some(Ok(saved))) => write_to(file, |out| saved.render(rendering, out).map(drop)),
                (None, Some(Err(error))) => Err(io::Error::other(super::chain(error))),
                (None, None) => Err(io::Error::other("there is no run directory")),
            };
            if let Err(error) = written {
                trouble.push(format!("write {flag}: {error}"));
            }
        }
        trouble
    }
}

fn write_to(file: File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    out.flush()
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        exports: ExportArgs,
    }

    #[track_caller]
    fn check(text: &str, expected: Result<(Rendering, &str), &str>) {
        let found = parse_export(text).map(|export| (export.rendering, export.path));
        match (found, expected) {
            (Ok((rendering, path)), Ok(expected)) => {
                assert_eq!((rendering, path.to_str().unwrap()), expected);
            }
            (Err(told), Err(part)) => assert!(told.contains(part), "{told}"),
            (found, expected) => panic!("{text}: {found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn an_export_is_a_format_and_a_file() {
        check("k6=a=b.json", Ok((Rendering::K6, "a=b.json")));
        check("junit", Err("junit=result.xml"));
        check("pdf=x", Err("use one of text, html, json, markdown"));
        check("csv=", Err("csv=FILE"));
    }

    #[test]
    fn help_lists_every_format() {
        let help = Flags::command().render_long_help().to_string().replace('\n', " ");
        for rendering in Rendering::ALL {
            assert!(help.contains(rendering.name()), "{}", rendering.name());
        }
    }
}
