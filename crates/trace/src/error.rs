//! Why a trace can't be read: the operator's failures, each with its remedy.
//!
//! A bad line is none of these: it is counted. These end the reading, and name
//! the input.

use super::formats::Format;
use super::reasons::Reject;
use downpour_core::toml_file::TomlError;
use std::fmt;
use std::io;

/// How much of an input one format accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatShare {
    /// The format.
    pub format: Format,
    /// Lines it accepted.
    pub accepted: usize,
    /// Lines it did not skip.
    pub considered: usize,
    /// The reason it gave most often.
    pub reason: Option<Reject>,
}

impl fmt::Display for FormatShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.accepted * 100 / self.considered.max(1);
        write!(f, "{} ({percent} %", self.format)?;
        match self.reason {
            Some(reason) => write!(f, ", mostly {})", reason.id()),
            None => f.write_str(")"),
        }
    }
}

/// Why a trace can't be read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// No input was named.
    #[error("no log was given: name files, directories, patterns, or - for standard input")]
    NoInput,
    /// An input can't be opened.
    #[error("open {name}")]
    Open {
        /// The input.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// An input can't be read on.
    #[error("read {name} after line {line}")]
    Read {
        /// The input.
        name: String,
        /// The last line that was read.
        line: u64,
        /// What the system says.
        source: io::Error,
    },
    /// Not a pattern.
    #[error("read {pattern:?} as a pattern")]
    BadPattern {
        /// What was given.
        pattern: String,
        /// What is wrong with it.
        source: glob::PatternError,
    },
    /// A directory or pattern that names no file.
    #[error("find a regular file in {name} (hidden files are ignored)")]
    NoFiles {
        /// What was given.
        name: String,
    },
    /// Standard input was named twice.
    #[error("read standard input twice: give - only once")]
    StdinTwice,
    /// No format accepts half of an input.
    #[error(
        "recognise the format of {name}: no format accepts half of its first lines{tried}\n\
         give a log in one of these formats, or a list of URLs; --input-format NAME reads it in that format, \
         even if few of its lines fit",
        tried = list(.shares)
    )]
    UnknownFormat {
        /// The input.
        name: String,
        /// Every format tried.
        shares: Vec<FormatShare>,
    },
    /// An input is a file of a kind that cannot be read.
    #[error("read {name}: it is {what}; to read it: {remedy}")]
    UnsupportedFile {
        /// The input.
        name: String,
        /// What it is.
        what: &'static str,
        /// What to do with it.
        remedy: String,
    },
    /// An input is a text log of another program.
    #[error(
        "recognise the format of {name}: it is {what}, which is not a supported format\n\
         convert it first, for example (check the names of the columns):\n  {command} | downpour ... -"
    )]
    OtherLog {
        /// The input.
        name: String,
        /// What it is, with its columns.
        what: String,
        /// A command that converts it.
        command: String,
    },
    /// None of the files of a directory or pattern can be read.
    #[error("read any of {count} files")]
    NoneReadable {
        /// How many there are.
        count: usize,
        /// Why the first cannot be read.
        source: Box<Self>,
    },
    /// No line of the input fits the format that was asked for.
    #[error(
        "read {name} as {share}: none of its {considered} lines fits; leave out --input-format to detect \
         the format",
        considered = .share.considered
    )]
    WrongFormat {
        /// The input.
        name: String,
        /// What that format accepted.
        share: FormatShare,
    },
    /// Times in another unit than the format says.
    #[error(
        "read {name}: its at_ns looks like {unit} since 1970, but must be nanoseconds: multiply it by {factor}"
    )]
    WrongUnit {
        /// The input.
        name: String,
        /// The unit that it seems to have.
        unit: &'static str,
        /// How many nanoseconds that unit has.
        factor: i64,
    },
    /// There is no request in the trace.
    #[error("find a request in {names}: {lines} lines were read, none of them is a request{}", mostly(*.reason))]
    Empty {
        /// The inputs.
        names: String,
        /// Lines read, over all inputs.
        lines: u64,
        /// The most frequent reason, where lines were rejected.
        reason: Option<Reject>,
    },
    /// Some inputs have times and some have none.
    #[error("merge {timed}, which has times, with {untimed}, which has none; replay them separately")]
    MixedTimes {
        /// An input with times.
        timed: String,
        /// An input without.
        untimed: String,
    },
    /// Too many inputs overlap in time.
    #[error(
        "open {name}: {limit} inputs that overlap in time are already open; merge some of them by time \
         first (not with cat), or give fewer inputs"
    )]
    TooManyOpen {
        /// The input that would have been one too many.
        name: String,
        /// How many may be open at once.
        limit: usize,
    },
    /// A stream can't be read a second time.
    #[error("read {name} a second time: it is a stream; write it to a file to loop over it")]
    NotRepeatable {
        /// The input.
        name: String,
    },
    /// A set of rewrites can't be used.
    #[error(transparent)]
    Rewrite(#[from] TomlError),
}

impl TraceError {
    /// Why one input cannot be read, without its name.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Open { source, .. } | Self::Read { source, .. } => source.to_string(),
            Self::UnknownFormat { .. } => "no format accepts half of its first lines".to_owned(),
            Self::OtherLog { what, .. } => format!("it is {what}, which is not a supported format"),
            Self::UnsupportedFile { what, .. } => format!("it is {what}"),
            Self::WrongFormat { share, .. } => format!("none of its lines is {}", share.format),
            Self::NoInput
            | Self::BadPattern { .. }
            | Self::NoFiles { .. }
            | Self::StdinTwice
            | Self::NoneReadable { .. }
            | Self::Empty { .. }
            | Self::MixedTimes { .. }
            | Self::TooManyOpen { .. }
            | Self::WrongUnit { .. }
            | Self::NotRepeatable { .. }
            | Self::Rewrite(_) => self.to_string(),
        }
    }
}

fn mostly(reason: Option<Reject>) -> String {
    reason.map_or_else(String::new, |reason| format!("; mostly {}: {}", reason.id(), reason.meaning()))
}

/// One format a line.
fn list(shares: &[FormatShare]) -> String {
    shares.iter().fold(String::new(), |list, share| list + "\n  " + &share.to_string())
}
