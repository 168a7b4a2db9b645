//! One open input: its lines, its parser, how far it has been read.
//!
//! The beginning of an input is looked at before anything is counted, to find
//! out what it is. A file is closed again after that and opened when its turn
//! comes; a stream is kept, with what was already taken from it.

use super::intake::{Admitted, Intake};
use super::placing::Placing;
use super::{Pass, Shared};
use crate::trace::Record;
use crate::trace::client::Agents;
use crate::trace::detect::{self, Examined, Head, SAMPLE_LINES};
use crate::trace::error::TraceError;
use crate::trace::fate::{Fate, Reject};
use crate::trace::foreign;
use crate::trace::formats::{Format, Parser};
use crate::trace::lines::{Line, Lines, MAX_LINE};
use crate::trace::live::Sampling;
use crate::trace::open::Spec;
use crate::trace::unpack::{Packing, Trailing, Unpacked, unpack};
use crate::units::Stamp;
use bytes::{Buf, Bytes};
use std::io::{self, ErrorKind, Read};

/// How many bytes are looked at to find out a format.
const SAMPLE_BYTES: usize = 1024 * 1024;

/// How many bytes of overlong lines are read over to find the first lines. A
/// file that was truncated under its writer begins with as many zeros as it had
/// bytes.
const OVERLONG_BYTES: usize = 1024 * 1024 * 1024;

/// What a step came to.
#[derive(Debug)]
pub(super) enum Step {
    /// One line was read and counted.
    Read,
    /// Nothing is there to be read, and the input has not ended.
    Idle,
    /// A compressed input breaks off here. The break is counted as a line.
    Cut(String),
    /// Behind a compressed input there is more, which is no part of it.
    Trailed(String),
    /// There are no more lines.
    Ended,
}

/// An open input.
#[derive(Debug)]
pub(super) struct Reader {
    name: String,
    packing: Packing,
    trailing: Trailing,
    lines: Lines,
    parser: Parser,
    line: u64,
    placing: Placing,
}

impl Reader {
    /// Opens an input for the first time and finds out its format.
    pub(super) fn open(
        spec: &Spec,
        index: usize,
        asked: Option<Format>,
        shared: &Shared,
        who: (u64, Agents),
    ) -> Result<(Self, Option<Examined>), TraceError> {
        let cannot_open = |source| TraceError::Open { name: spec.name.clone(), source };
        let unpacked = spec.open(&shared.caught_up).and_then(|raw| unpack(raw, &shared.windows));
        let Unpacked { packing, bytes: mut stream, trailing } = unpacked.map_err(cannot_open)?;
        let (head, failed) = peek(&mut stream, spec.is_repeatable());
        if let Some(source) = failed {
            // A compressed file that breaks off is still worth its lines.
            if packing == Packing::Plain || is_the_systems(&source) || head.bytes.is_empty() {
                return Err(cannot_open(source));
            }
            stream = Box::new(Broken(Some(source)));
        }
        if let Some(foreign::Foreign { what, remedy }) = foreign::named(&head.bytes, packing) {
            return Err(TraceError::Foreign { name: spec.name.clone(), what, remedy });
        }
        let examined = detect::choose(&spec.name, &head, asked)?;
        if let Some(unit) = examined.as_ref().and_then(Examined::wrong_unit) {
            return Err(TraceError::WrongUnit {
                name: spec.name.clone(),
                unit: unit.name,
                factor: unit.nanos,
            });
        }
        let format = examined.as_ref().map(|examined| examined.format);
        let bytes = Box::new(head.bytes.reader().chain(stream));
        Ok((Self::new(spec, index, Unpacked { packing, bytes, trailing }, format, who), examined))
    }

    /// Opens an input again whose format is known.
    pub(super) fn reopen(
        spec: &Spec,
        index: usize,
        format: Option<Format>,
        shared: &Shared,
        who: (u64, Agents),
    ) -> Result<Self, TraceError> {
        let unpacked = spec.open(&shared.caught_up).and_then(|raw| unpack(raw, &shared.windows));
        let unpacked = unpacked.map_err(|source| TraceError::Open { name: spec.name.clone(), source })?;
        Ok(Self::new(spec, index, unpacked, format, who))
    }

    fn new(
        spec: &Spec,
        index: usize,
        Unpacked { packing, bytes, trailing }: Unpacked,
        format: Option<Format>,
        (seed, agents): (u64, Agents),
    ) -> Self {
        Self {
            name: spec.name.clone(),
            packing,
            trailing,
            lines: Lines::new(bytes),
            // An input without a line has no format, and no use for a parser.
            parser: format.unwrap_or(Format::UrlList).parser().seeded(seed).with(agents),
            line: 0,
            placing: Placing::of(index),
        }
    }

    /// How the input is packed.
    pub(super) fn packing(&self) -> Packing {
        self.packing
    }

    /// The line read last, counted from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// When the requests arrived that are read now, as most lines have it.
    pub(super) fn front(&self) -> Option<Stamp> {
        self.placing.front()
    }

    /// How far it has come: the newest start among the lines that were read.
    pub(super) fn reached(&self) -> Option<Stamp> {
        self.placing.reached()
    }

    /// How many records wait for the lines behind them.
    pub(super) fn doubted(&self) -> usize {
        self.placing.doubted()
    }

    /// Judges what waits for lines that will not come, or not yet.
    pub(super) fn settle(&mut self, intake: &mut Intake, pass: &mut Pass) {
        self.placing.settle(intake, pass);
    }

    /// Reads one line, counts it, and puts its request where it belongs.
    pub(super) fn step(
        &mut self,
        intake: &mut Intake,
        pass: &mut Pass,
        timed: bool,
    ) -> Result<Step, TraceError> {
        let (line, unended) = match self.lines.next() {
            Ok(None) if std::mem::take(&mut self.trailing).was_found() => {
                return Ok(Step::Trailed(format!(
                    "the bytes after the {} data are not {0} and were ignored",
                    self.packing
                )));
            }
            Ok(None) => {
                self.placing.settle(intake, pass);
                return Ok(Step::Ended);
            }
            Ok(Some(Line::Whole(line))) => (line, false),
            Ok(Some(Line::Unended(line))) => (line, true),
            Ok(Some(Line::TooLong)) => {
                self.line += 1;
                intake.books.read += 1;
                intake.reject(Reject::LineTooLong, (&self.name, self.line), b"");
                return Ok(Step::Read);
            }
            Err(quiet) if quiet.kind() == ErrorKind::WouldBlock => return Ok(Step::Idle),
            Err(source) if self.packing == Packing::Plain || is_the_systems(&source) => {
                return Err(TraceError::Read { name: self.name.clone(), line: self.line, source });
            }
            Err(broken) => {
                self.line += 1;
                intake.books.read += 1;
                intake.reject(Reject::Truncated, (&self.name, self.line), b"");
                return Ok(Step::Cut(format!(
                    "the {} stream is truncated or damaged: {broken}",
                    self.packing
                )));
            }
        };
        self.line += 1;
        intake.books.read += 1;
        match self.parser.parse(line, unended) {
            Fate::Skipped(reason) => intake.skip(reason),
            Fate::Rejected(reason) => intake.reject(reason, (&self.name, self.line), line),
            Fate::Record(record) if timed => {
                let Some(at) = record.at else {
                    intake.reject(Reject::MissingTimestamp, (&self.name, self.line), line);
                    return Ok(Step::Read);
                };
                self.placing.take(record, at, self.line, intake, pass);
            }
            Fate::Record(record) => {
                let admitted = intake.admit(Record { at: None, ..record });
                pass.ready.extend(admitted.map(Admitted::into_request));
            }
        }
        Ok(Step::Read)
    }
}

/// Whether an error of a decoder is really one of the system below it.
fn is_the_systems(error: &io::Error) -> bool {
    error.raw_os_error().is_some()
}

/// The first lines of a stream, and why there are no more of them if reading
/// failed.
///
/// Of a stream, which may be written slowly, what comes in a second is enough.
fn peek(stream: &mut dyn Read, is_there: bool) -> (Head, Option<io::Error>) {
    let mut sampling = Sampling::NOT_BEGUN;
    let mut sample = Sample { bytes: Vec::with_capacity(64 * 1024), lines: 0, length: 0 };
    let mut chunk = vec![0; 64 * 1024];
    let mut seen = 0;
    while sample.bytes.len() < SAMPLE_BYTES && sample.lines < SAMPLE_LINES && seen < OVERLONG_BYTES {
        match stream.read(&mut chunk) {
            Ok(0) => return (sample.into_head(true), None),
            Ok(read) => {
                seen += read;
                sample.add(&chunk[..read]);
            }
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Err(error) => return (sample.into_head(false), Some(error)),
        }
        if !is_there && sample.lines > 0 && sampling.is_over() {
            break;
        }
    }
    (sample.into_head(false), None)
}

/// The beginning of an input. Of a line that is too long, only so much is kept
/// that it stays too long: whoever reads on gets the same lines.
struct Sample {
    bytes: Vec<u8>,
    /// Ends of lines in them.
    lines: usize,
    /// Bytes kept of the line that has not ended.
    length: usize,
}

impl Sample {
    fn add(&mut self, chunk: &[u8]) {
        for piece in chunk.split_inclusive(|&b| b == b'\n') {
            let (text, end) = match piece.split_last() {
                Some((b'\n', text)) => (text, &b"\n"[..]),
                Some(_) | None => (piece, &b""[..]),
            };
            let kept = text.len().min((MAX_LINE + 1).saturating_sub(self.length));
            self.bytes.extend_from_slice(&text[..kept]);
            self.bytes.extend_from_slice(end);
            self.length = if end.is_empty() { self.length + kept } else { 0 };
            self.lines += end.len();
        }
    }

    fn into_head(self, whole: bool) -> Head {
        Head { bytes: Bytes::from(self.bytes), whole }
    }
}

/// A stream that fails, once, with an error met before.
struct Broken(Option<io::Error>);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
