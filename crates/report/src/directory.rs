//! The run directory: the only part of this chapter that touches files.
//!
//! Intervals, their histograms and examples of failures are appended as they
//! happen and flushed every second; `run.json` and its renderings replace their
//! predecessors in one step, so a reader never sees half of one. A file that
//! cannot be written is given up with one error that names it; the others, and
//! the run, go on.

use super::schema::{ExampleLine, FailureLine, IntervalLine, RunReport};
use super::{Dialect, IntervalLog, Timeline, exposition, html, summary};
use downpour_core::fault::Fault;
use downpour_core::units::Stamp;
use downpour_metrics::Interval;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Examples of each fault in `failures.ndjson`.
pub const FAILURES_PER_FAULT: usize = 100;

pub(super) const RUN: &str = "run.json";
const SUMMARY: &str = "summary.txt";
const PAGE: &str = "report.html";
const METRICS: &str = "metrics.prom";
pub(super) const INTERVALS: &str = "intervals.ndjson";
const FAILURES: &str = "failures.ndjson";
pub(super) const HISTOGRAMS: &str = "latency.hlog";

/// A run directory that cannot be used or written.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It holds a run already, which is never overwritten.
    #[error("{}: already contains a run; choose another --out or move it away", .0.display())]
    Occupied(PathBuf),
    /// It is a file.
    #[error("{}: is a file, and a run needs a directory: choose another --out", .0.display())]
    IsFile(PathBuf),
    /// A file or the directory could not be made or written.
    #[error("{}: {doing}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

/// The directory of one run, open for writing.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    intervals: Appended<File>,
    failures: Appended<File>,
    histograms: Option<IntervalLog<BufWriter<File>>>,
    failures_written: [usize; Fault::ALL.len()],
    timeline: Timeline,
}

impl RunDirectory {
    /// Its files.
    pub const FILES: [&str; 7] = [RUN, SUMMARY, PAGE, METRICS, INTERVALS, FAILURES, HISTOGRAMS];

    /// Those that a run cannot be rendered or compared without; the others can
    /// be made again from them.
    pub const SOURCES: [&str; 4] = [RUN, INTERVALS, FAILURES, HISTOGRAMS];

    /// Makes the directory and its files for a run that started at `started`.
    /// Refuses one that holds a run, finished or not.
    pub fn create(path: &Path, started: Stamp) -> Result<Self, DirectoryError> {
        if path.is_file() {
            return Err(DirectoryError::IsFile(path.to_owned()));
        }
        fs::create_dir_all(path).map_err(|source| failed(path, "cannot create the directory", source))?;
        if path.join(RUN).exists() || path.join(INTERVALS).exists() {
            return Err(DirectoryError::Occupied(path.to_owned()));
        }
        let histograms = path.join(HISTOGRAMS);
        let log = IntervalLog::begin(BufWriter::new(create(&histograms)?), started)
            .map_err(|source| failed(&histograms, "cannot write", source))?;
        Ok(Self {
            path: path.to_owned(),
            intervals: Appended::new(create(&path.join(INTERVALS))?),
            failures: Appended::new(create(&path.join(FAILURES))?),
            histograms: Some(log),
            failures_written: [0; Fault::ALL.len()],
            timeline: Timeline::default(),
        })
    }

    /// The name of a run directory whose run started at `started`, RFC 3339:
    /// the same without what a file name should not hold.
    pub fn default_name(started: &str) -> String {
        let kept = started.chars().take_while(|c| !matches!(c, '.' | 'Z' | '+' | '['));
        kept.filter(|&c| c.is_ascii_alphanumeric() || c == '-').collect()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one second of the run to the intervals, histograms and failures.
    ///
    /// All three are tried; the first error is returned. A file that failed is
    /// closed and not tried again, so each error comes once.
    pub fn append(&mut self, interval: &Interval) -> Result<(), DirectoryError> {
        let line = IntervalLine::from(interval);
        self.timeline.add(&line);
        let intervals = self.intervals.line(&line);
        let intervals = intervals.and_then(|()| self.intervals.flush());
        let intervals = intervals.map_err(|source| self.write_error(INTERVALS, source));
        let histograms =
            self.append_histograms(interval).map_err(|source| self.write_error(HISTOGRAMS, source));
        let failures = self.append_failures(interval).map_err(|source| self.write_error(FAILURES, source));
        intervals.and(histograms).and(failures)
    }

    /// Replaces `run.json` while the run goes on, so that one that is killed
    /// leaves a readable result.
    pub fn checkpoint(&self, report: &RunReport) -> Result<(), DirectoryError> {
        self.replace(RUN, &json(report))
    }

    /// Writes `run.json`, `summary.txt`, `report.html` and `metrics.prom`. All
    /// are tried.
    pub fn finish(&self, report: &RunReport) -> Result<(), DirectoryError> {
        let run = self.replace(RUN, &json(report));
        let text = self.replace(SUMMARY, summary(report).as_bytes());
        let page = self.replace(PAGE, html(report, &self.timeline, &[]).as_bytes());
        let metrics = exposition(report, None, Dialect::Prometheus);
        let metrics = self.replace(METRICS, metrics.as_bytes());
        run.and(text).and(page).and(metrics)
    }

    fn append_histograms(&mut self, interval: &Interval) -> io::Result<()> {
        let Some(log) = &mut self.histograms else { return Ok(()) };
        log.write(interval).inspect_err(|_| self.histograms = None)
    }

    fn append_failures(&mut self, interval: &Interval) -> io::Result<()> {
        for (fault, examples) in interval.examples().iter() {
            let written = &mut self.failures_written[fault as usize];
            let room = FAILURES_PER_FAULT.saturating_sub(*written);
            for example in examples.iter().take(room) {
                *written += 1;
                let example = ExampleLine::from(example);
                self.failures.line(&FailureLine { fault: fault.id().to_owned(), example })?;
            }
        }
        self.failures.flush()
    }

    fn write_error(&self, name: &str, source: io::Error) -> DirectoryError {
        failed(&self.path.join(name), "cannot write, nothing more will be added to it", source)
    }

    /// A temporary file beside it is renamed over it once it is on the disk.
    fn replace(&self, name: &str, content: &[u8]) -> Result<(), DirectoryError> {
        let (path, temporary) = (self.path.join(name), self.path.join(format!("{name}.tmp")));
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        };
        write().map_err(|source| {
            // What was begun is of no use; the disk may be full.
            drop(fs::remove_file(&temporary));
            failed(&path, "cannot write", source)
        })
    }
}

fn create(path: &Path) -> Result<File, DirectoryError> {
    File::create(path).map_err(|source| failed(path, "cannot create the file", source))
}

fn failed(path: &Path, doing: &'static str, source: io::Error) -> DirectoryError {
    DirectoryError::Io { path: path.to_owned(), doing, source }
}

fn json(report: &RunReport) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(report).expect("a report has text keys and finite numbers");
    bytes.push(b'\n');
    bytes
}

/// A file of JSON lines that is given up at its first error: a torn line stays
/// the last one.
#[derive(Debug)]
struct Appended<W: Write>(Option<BufWriter<W>>);

impl<W: Write> Appended<W> {
    fn new(out: W) -> Self {
        Self(Some(BufWriter::new(out)))
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.try_to(|out| {
            serde_json::to_writer(&mut *out, value)?;
            out.write_all(b"\n")
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.try_to(Write::flush)
    }

    fn try_to(&mut self, write: impl FnOnce(&mut BufWriter<W>) -> io::Result<()>) -> io::Result<()> {
        let Some(out) = &mut self.0 else { return Ok(()) };
        let result = write(out);
        if result.is_err() {
            // Dropping a buffer writes it once more; taking it apart does not.
            self.0.take().map(BufWriter::into_parts);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many bytes.
    struct Disk(usize);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = self.0.min(bytes.len());
            self.0 -= room;
            if room == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(room) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_told_once() {
        let mut file = Appended::new(Disk(10));
        file.line(&"01234").unwrap();
        file.flush().unwrap();
        file.line(&"56789").unwrap();
        assert_eq!(file.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
        file.line(&"more").unwrap();
        file.flush().unwrap();
    }

    #[test]
    fn a_directory_is_named_after_its_start() {
        let name = RunDirectory::default_name;
        assert_eq!(name("2023-07-20T12:17:04.123Z"), "2023-07-20T121704");
        assert_eq!(name("2023-07-20T12:17:04Z"), "2023-07-20T121704");
        assert_eq!(name("../../etc"), "");
    }
}
