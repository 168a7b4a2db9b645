//! A run directory opened for reading: the second part of this chapter that
//! touches files.
//!
//! `run.json` must be there and whole; it is always replaced in one step. What
//! else is missing, torn or unreadable costs only what it would have shown, and
//! is told in a note.

use super::compare::{BlockLayout, Blocks};
use super::read::{self, RunError, UnreadableLine};
use super::threshold::TimeMetric;
use super::{IntervalLine, Rendering, RunReport, Timeline, csv, hgrm, hlog, html};
use downpour_core::units::approximate;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

/// A directory that no run can be read from.
#[derive(Debug, thiserror::Error)]
pub enum SavedRunError {
    /// A file is named, not the directory that holds it.
    #[error("{}: is a file; name the run directory that contains run.json", .0.display())]
    NotADirectory(PathBuf),
    /// There is no result.
    #[error("{}: no such file, so this is not a run directory; each run writes it in its first seconds", .0.display())]
    NoRun(PathBuf),
    /// The result cannot be read.
    #[error("{}: cannot read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The result makes no sense, or not to this version.
    #[error("{}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        source: RunError,
    },
}

/// A run, read back from its directory.
#[derive(Clone, Debug)]
pub struct SavedRun {
    /// The result.
    pub report: RunReport,
    /// The run over time.
    pub timeline: Timeline,
    /// What is missing, in sentences; empty for a whole run.
    pub notes: Vec<String>,
    directory: PathBuf,
}

impl SavedRun {
    /// Reads a run directory as far as it goes.
    pub fn open(directory: &Path) -> Result<Self, SavedRunError> {
        if directory.is_file() {
            return Err(SavedRunError::NotADirectory(directory.to_owned()));
        }
        let report = report(&directory.join(super::directory::RUN))?;
        let (timeline, notes, directory_kept) = (Timeline::default(), Vec::new(), directory.to_owned());
        let mut saved = Self { report, timeline, notes, directory: directory_kept };
        saved.read_intervals(&directory.join(super::directory::INTERVALS));
        Ok(saved)
    }

    /// Reads its seconds again, summed up by block.
    pub fn blocks(&mut self) -> Blocks {
        let offered = approximate(self.report.arrivals.offered);
        let cut = BlockLayout::of(self.timeline.offering_s());
        let mut blocks = Blocks::new(cut, offered / self.report.rate.offered_per_s);
        // What is wrong with these was noted when they were read first.
        if let Ok(file) = open(&self.directory.join(super::directory::INTERVALS)) {
            drop(read::lines(BufReader::new(file), |second: IntervalLine| blocks.add_second(&second)));
        }
        let path = self.directory.join(super::directory::HISTOGRAMS);
        let end = open(&path).and_then(|file| {
            hlog::read::seconds(BufReader::with_capacity(1 << 16, file), &TimeMetric::ALL, |second| {
                blocks.add_times(second.metric, second.second, second.times());
            })
        });
        if let Some(why) = missing(end) {
            self.notes.push(format!("{}{why}; percentiles use only what is before it", path.display()));
        }
        blocks.sealed()
    }

    /// Writes one rendering of it. Returns what is missing of that beside
    /// [`Self::notes`]; fails only where `out` does.
    pub fn render(&self, rendering: Rendering, out: &mut dyn Write) -> io::Result<Option<String>> {
        match rendering {
            Rendering::Html => {
                out.write_all(html(&self.report, &self.timeline, &self.notes).as_bytes())?;
                Ok(None)
            }
            // What stops it stopped the timeline, too, and was told.
            Rendering::Csv => self.seconds(out).map(|()| None),
            Rendering::Hgrm(clock) => self.percentiles(clock, out),
            Rendering::Text
            | Rendering::Json
            | Rendering::Markdown
            | Rendering::Junit
            | Rendering::K6
            | Rendering::Prometheus => {
                out.write_all(rendering.of(&self.report).unwrap_or_default().as_bytes())?;
                Ok(None)
            }
        }
    }

    /// The seconds as a table, one after the other: a week of them is never in
    /// memory.
    fn seconds(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut written = out.write_all(csv::header().as_bytes());
        if let Ok(file) = open(&self.directory.join(super::directory::INTERVALS)) {
            let each = |second: IntervalLine| {
                if written.is_ok() {
                    written = out.write_all(csv::row(&second).as_bytes());
                }
            };
            // Where it cannot be read is in the notes already.
            drop(read::lines(BufReader::new(file), each));
        }
        written
    }

    fn percentiles(&self, clock: TimeMetric, out: &mut dyn Write) -> io::Result<Option<String>> {
        let path = self.directory.join(super::directory::HISTOGRAMS);
        let read = open(&path).and_then(|file| hlog::read::metric_histogram(BufReader::new(file), clock));
        let (histogram, end) = match read {
            Ok((histogram, stopped)) => (histogram, Ok(stopped)),
            Err(error) => (hlog::read::none(), Err(error)),
        };
        out.write_all(hgrm::hgrm(&histogram).as_bytes())?;
        Ok(missing(end).map(|what| format!("{}{what}; only what is before it is shown", path.display())))
    }

    fn read_intervals(&mut self, path: &Path) {
        let timeline = &mut self.timeline;
        let file = open(path).map(BufReader::new);
        let end = file.and_then(|file| read::lines(file, |second: IntervalLine| timeline.add(&second)));
        let at = path.display();
        self.notes.extend(match end {
            Ok(None) => None,
            Ok(Some(UnreadableLine { line, why })) => {
                Some(format!("{at}, line {line}: {why}; the charts show only what is before it"))
            }
            Err(error) if timeline.is_empty() => Some(format!("{at}: {error}; no charts can be drawn")),
            Err(error) => Some(format!("{at}: {error}; the charts show only what was read before")),
        });
        if self.report.warnings.iter().any(|warning| warning.id == "checkpoint") && !timeline.is_empty() {
            self.notes.push(format!(
                "the run was killed: its numbers are those of the last checkpoint, its charts reach to \
                 second {}",
                timeline.end()
            ));
        }
    }
}

/// Why a file could not be read to its end, to be set behind its name.
fn missing(end: io::Result<Option<UnreadableLine>>) -> Option<String> {
    match end {
        Ok(stopped) => stopped.map(|UnreadableLine { line, why }| format!(", line {line}: {why}")),
        Err(error) => Some(format!(": {error}")),
    }
}

fn report(path: &Path) -> Result<RunReport, SavedRunError> {
    let unreadable = |source: io::Error| {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::NotFound {
            SavedRunError::NoRun(path)
        } else {
            SavedRunError::Io { path, source }
        }
    };
    let file = open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(read::RUN_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    read::run(&bytes).map_err(|source| SavedRunError::Refused { path: path.to_owned(), source })
}

/// Opens a file to be read. A pipe with nobody at its other end would wait for
/// ever, and a device has no end.
fn open(path: &Path) -> io::Result<File> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    File::open(path)
}
