//! One open input: its lines, its parser, how far it has been read.
//!
//! The beginning of an input is looked at before anything is counted, to find
//! out what it is. A file is closed again after that and opened when its turn
//! comes; a stream is kept, with what was already taken from it.

use super::filter::{RecordFilter, ReplayableRecord};
use super::sequencer::RecordSequencer;
use super::{ReadPass, SharedReadState};
use crate::Record;
use crate::client::AgentParsing;
use crate::compression::{DecompressedInput, InputCompression, TrailingDataFlag, decompress};
use crate::detect::{self, FormatFit, InputSample, SAMPLE_LINES};
use crate::error::TraceError;
use crate::formats::{Format, Parser};
use crate::line_reader::{LineReader, LogLine, MAX_LINE};
use crate::live::SampleTimer;
use crate::open::InputSpec;
use crate::reasons::{ParsedLine, Reject};
use crate::unsupported;
use bytes::{Buf, Bytes};
use downpour_core::units::Stamp;
use std::io::{self, ErrorKind, Read};

/// How many bytes are looked at to find out a format.
const SAMPLE_BYTES: usize = 1024 * 1024;

/// How many bytes of overlong lines are read over to find the first lines. A
/// file that was truncated under its writer begins with as many zeros as it had
/// bytes.
const OVERLONG_BYTES: usize = 1024 * 1024 * 1024;

/// What a step came to.
#[derive(Debug)]
pub(super) enum ReadStep {
    /// One line was read and counted.
    Read,
    /// Nothing is there to be read, and the input has not ended.
    Idle,
    /// A compressed input breaks off here. The break is counted as a line.
    BrokenOff(String),
    /// Behind a compressed input there is more, which is no part of it.
    TrailingData(String),
    /// There are no more lines.
    Ended,
}

/// How the parser of an input is set up.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParserSetup {
    /// The seed of the hashes of clients.
    pub(super) seed: u64,
    /// Whether user agents are read.
    pub(super) agents: AgentParsing,
}

/// An open input.
#[derive(Debug)]
pub(super) struct InputReader {
    name: String,
    compression: InputCompression,
    trailing: TrailingDataFlag,
    lines: LineReader,
    parser: Parser,
    line: u64,
    sequencer: RecordSequencer,
}

impl InputReader {
    /// Opens an input for the first time and finds out its format.
    pub(super) fn open(
        spec: &InputSpec,
        index: usize,
        asked: Option<Format>,
        shared: &SharedReadState,
        setup: ParserSetup,
    ) -> Result<(Self, Option<FormatFit>), TraceError> {
        let cannot_open = |source| TraceError::Open { name: spec.name.clone(), source };
        let unpacked = spec.open(&shared.caught_up).and_then(|raw| decompress(raw, &shared.zstd_windows));
        let DecompressedInput { compression, bytes: mut stream, trailing } = unpacked.map_err(cannot_open)?;
        let (head, failed) = read_sample(&mut stream, spec.is_repeatable());
        if let Some(source) = failed {
            // A compressed file that breaks off is still worth its lines.
            if compression == InputCompression::Plain || is_os_error(&source) || head.bytes.is_empty() {
                return Err(cannot_open(source));
            }
            stream = Box::new(FailingReader(Some(source)));
        }
        if let Some(unsupported::UnsupportedFile { what, remedy }) =
            unsupported::detect_unsupported(&head.bytes)
        {
            let remedy = remedy.told(compression);
            return Err(TraceError::UnsupportedFile { name: spec.name.clone(), what, remedy });
        }
        let examined = detect::detect_format(&spec.name, &head, asked)?;
        if let Some(unit) = examined.as_ref().and_then(FormatFit::wrong_unit) {
            return Err(TraceError::WrongUnit {
                name: spec.name.clone(),
                unit: unit.name,
                factor: unit.nanos,
            });
        }
        let format = examined.as_ref().map(|examined| examined.format);
        let bytes = Box::new(head.bytes.reader().chain(stream));
        Ok((
            Self::new(spec, index, DecompressedInput { compression, bytes, trailing }, format, setup),
            examined,
        ))
    }

    /// Opens an input again whose format is known.
    pub(super) fn reopen(
        spec: &InputSpec,
        index: usize,
        format: Option<Format>,
        shared: &SharedReadState,
        setup: ParserSetup,
    ) -> Result<Self, TraceError> {
        let unpacked = spec.open(&shared.caught_up).and_then(|raw| decompress(raw, &shared.zstd_windows));
        let unpacked = unpacked.map_err(|source| TraceError::Open { name: spec.name.clone(), source })?;
        Ok(Self::new(spec, index, unpacked, format, setup))
    }

    fn new(
        spec: &InputSpec,
        index: usize,
        DecompressedInput { compression, bytes, trailing }: DecompressedInput,
        format: Option<Format>,
        setup: ParserSetup,
    ) -> Self {
        Self {
            name: spec.name.clone(),
            compression,
            trailing,
            lines: LineReader::new(bytes),
            // An input without a line has no format, and no use for a parser.
            parser: format.unwrap_or(Format::UrlList).parser().seeded(setup.seed).with(setup.agents),
            line: 0,
            sequencer: RecordSequencer::new(index),
        }
    }

    /// How the input is packed.
    pub(super) fn compression(&self) -> InputCompression {
        self.compression
    }

    /// The line read last, counted from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// When the requests arrived that are read now, as most lines have it.
    pub(super) fn watermark(&self) -> Option<Stamp> {
        self.sequencer.watermark()
    }

    /// How far it has come: the newest start among the lines that were read.
    pub(super) fn newest_start(&self) -> Option<Stamp> {
        self.sequencer.newest_start()
    }

    /// How many records wait for the lines behind them.
    pub(super) fn suspects(&self) -> usize {
        self.sequencer.suspects()
    }

    /// Judges what waits for lines that will not come, or not yet.
    pub(super) fn release_all(&mut self, intake: &mut RecordFilter, pass: &mut ReadPass) {
        self.sequencer.release_all(intake, pass);
    }

    /// Reads one line, counts it, and puts its request where it belongs.
    pub(super) fn read_line(
        &mut self,
        intake: &mut RecordFilter,
        pass: &mut ReadPass,
        timed: bool,
    ) -> Result<ReadStep, TraceError> {
        let (line, unended) = match self.lines.next() {
            Ok(None) if std::mem::take(&mut self.trailing).was_found() => {
                return Ok(ReadStep::TrailingData(format!(
                    "the bytes after the {} data are not {0} and were ignored",
                    self.compression
                )));
            }
            Ok(None) => {
                self.sequencer.release_all(intake, pass);
                return Ok(ReadStep::Ended);
            }
            Ok(Some(LogLine::Whole(line))) => (line, false),
            Ok(Some(LogLine::Unended(line))) => (line, true),
            Ok(Some(LogLine::TooLong)) => {
                self.line += 1;
                intake.accounting.read += 1;
                intake.reject(Reject::LineTooLong, (&self.name, self.line), b"");
                return Ok(ReadStep::Read);
            }
            Err(quiet) if quiet.kind() == ErrorKind::WouldBlock => return Ok(ReadStep::Idle),
            Err(source) if self.compression == InputCompression::Plain || is_os_error(&source) => {
                return Err(TraceError::Read { name: self.name.clone(), line: self.line, source });
            }
            Err(broken) => {
                self.line += 1;
                intake.accounting.read += 1;
                intake.reject(Reject::Truncated, (&self.name, self.line), b"");
                return Ok(ReadStep::BrokenOff(format!(
                    "the {} stream is truncated or damaged: {broken}",
                    self.compression
                )));
            }
        };
        self.line += 1;
        intake.accounting.read += 1;
        match self.parser.parse(line, unended) {
            ParsedLine::Skipped(reason) => intake.skip(reason),
            ParsedLine::Rejected(reason) => intake.reject(reason, (&self.name, self.line), line),
            ParsedLine::Record(record) if timed => {
                let Some(at) = record.at else {
                    intake.reject(Reject::MissingTimestamp, (&self.name, self.line), line);
                    return Ok(ReadStep::Read);
                };
                self.sequencer.add_record(record, at, self.line, intake, pass);
            }
            ParsedLine::Record(record) => {
                let admitted = intake.apply(Record { at: None, ..record });
                pass.ready.extend(admitted.map(ReplayableRecord::into_request));
            }
        }
        Ok(ReadStep::Read)
    }
}

/// Whether an error of a decoder is really one of the system below it.
fn is_os_error(error: &io::Error) -> bool {
    error.raw_os_error().is_some()
}

/// The first lines of a stream, and why there are no more of them if reading
/// failed.
///
/// Of a stream, which may be written slowly, what comes in a second is enough.
fn read_sample(stream: &mut dyn Read, is_there: bool) -> (InputSample, Option<io::Error>) {
    let mut sampling = SampleTimer::NOT_STARTED;
    let mut sample = InputSampleBuilder { bytes: Vec::with_capacity(64 * 1024), lines: 0, length: 0 };
    let mut chunk = vec![0; 64 * 1024];
    let mut seen = 0;
    while sample.bytes.len() < SAMPLE_BYTES && sample.lines < SAMPLE_LINES && seen < OVERLONG_BYTES {
        match stream.read(&mut chunk) {
            Ok(0) => return (sample.finish(true), None),
            Ok(read) => {
                seen += read;
                sample.add(&chunk[..read]);
            }
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Err(error) => return (sample.finish(false), Some(error)),
        }
        if !is_there && sample.lines > 0 && sampling.is_over() {
            break;
        }
    }
    (sample.finish(false), None)
}

/// The beginning of an input. Of a line that is too long, only so much is kept
/// that it stays too long: whoever reads on gets the same lines.
struct InputSampleBuilder {
    bytes: Vec<u8>,
    /// Ends of lines in them.
    lines: usize,
    /// Bytes kept of the line that has not ended.
    length: usize,
}

impl InputSampleBuilder {
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

    fn finish(self, whole: bool) -> InputSample {
        InputSample { bytes: Bytes::from(self.bytes), whole }
    }
}

/// A stream that fails, once, with an error met before.
struct FailingReader(Option<io::Error>);

impl Read for FailingReader {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
