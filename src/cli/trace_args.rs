//! The flags of every subcommand that reads a trace, and what they mean.
//!
//! What was typed and what it means are two types: [`TraceArgs`] holds the
//! text, [`TraceArgs::options`] makes [`ReadOptions`] of it and reads the file
//! of rewrites.

use super::overwrite::Named;
use crate::names::did_you_mean;
use crate::trace::client::Agents;
use crate::trace::formats::Format;
use crate::trace::rewrite::{RewriteError, Rewrites};
use crate::trace::scrub::Scrub;
use crate::trace::source::Sequence;
use crate::trace::spread::Subsecond;
use crate::trace::{ReadOptions, Source, TraceError, files_of};
use crate::units::parse_duration;
use std::fs;
use std::io;
use std::time::Duration;

/// Which trace is read, and how.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct TraceArgs {
    /// Logs or URL lists: files, directories, patterns, or - for standard input
    #[arg(value_name = "TRACE", required = true)]
    pub(crate) traces: Vec<String>,

    /// What the inputs are written in: auto, cloudfront-v1, fastly-cratesio, fastly-clf, common, combined, combined-timed, combined-usec, trace or url-list
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = parse_format)]
    pub(crate) input_format: InputFormat,

    /// What is asked in place of what was recorded: the set crates-io, or a TOML file
    #[arg(long, value_name = "SET")]
    pub(crate) rewrite: Option<String>,

    /// Where the lines of one-second logs lie within their second: poisson, even or burst
    #[arg(long, value_name = "MODE", default_value = "poisson", value_parser = parse_subsecond)]
    pub(crate) subsecond: Subsecond,

    /// How far back a line may lie behind the newest and still be put in order [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) reorder_window: Option<Duration>,

    /// What every random choice depends on
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,

    /// Query values to keep: names with commas between, or all; the others become filler of the same length
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) keep_query: Vec<String>,
}

/// A format, or whatever fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputFormat {
    /// Found out for each input.
    Auto,
    /// The same for all of them.
    Is(Format),
}

/// Why the flags can't be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TraceArgsError {
    /// The file of rewrites can't be read.
    #[error(
        "read {name}, which --rewrite names{}; built-in sets are {}",
        did_you_mean(name, Rewrites::BUILT_IN.iter().copied()),
        Rewrites::BUILT_IN.join(", ")
    )]
    Unreadable {
        /// The file.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// The file of rewrites is wrong.
    #[error(transparent)]
    Rewrite(#[from] RewriteError),
    /// The trace can't be read.
    #[error(transparent)]
    Trace(#[from] TraceError),
}

impl TraceArgsError {
    /// Whether the flags are wrong, and not the trace.
    pub(super) const fn is_configuration(&self) -> bool {
        matches!(self, Self::Unreadable { .. }) || self.is_mistake_in_a_file()
    }

    /// Whether the message begins with a place in a file.
    pub(super) const fn is_mistake_in_a_file(&self) -> bool {
        matches!(self, Self::Rewrite(_) | Self::Trace(TraceError::Rewrite(_)))
    }
}

impl TraceArgs {
    /// How the trace is to be read.
    pub(crate) fn options(&self) -> Result<ReadOptions, TraceArgsError> {
        let format = match self.input_format {
            InputFormat::Auto => None,
            InputFormat::Is(format) => Some(format),
        };
        let scrub = if self.keep_query.iter().any(|name| name == "all") {
            Scrub::KeepAll
        } else {
            Scrub::KeepNamed(self.keep_query.iter().map(|name| name.as_bytes().to_vec()).collect())
        };
        Ok(ReadOptions {
            format,
            rewrites: self.rewrites()?,
            scrub,
            subsecond: self.subsecond,
            seed: self.seed,
            reorder_window: self.reorder_window,
            agents: Agents::Unread,
            sequence: Sequence::OfArrival,
            live: None,
        })
    }

    /// Opens the trace.
    pub(crate) fn open(&self, options: ReadOptions) -> Result<Source, TraceArgsError> {
        open(&self.traces, options)
    }

    /// The files that it reads.
    pub(super) fn files_read(&self) -> Vec<Named> {
        let traces = files_of(&self.traces).into_iter().map(|path| Named::by("the trace", path));
        let own_rewrite = self.rewrite.iter().filter(|name| !Rewrites::BUILT_IN.contains(&name.as_str()));
        traces.chain(own_rewrite.map(|rewrite| Named::by("--rewrite", rewrite))).collect()
    }

    fn rewrites(&self) -> Result<Rewrites, TraceArgsError> {
        let Some(name) = &self.rewrite else { return Ok(Rewrites::default()) };
        if let Some(rewrites) = Rewrites::built_in(name) {
            return Ok(rewrites?);
        }
        let text = fs::read_to_string(name)
            .map_err(|source| TraceArgsError::Unreadable { name: name.clone(), source })?;
        Ok(Rewrites::parse(name, &text)?)
    }
}

/// Opens the inputs that `names` stand for, and says on stderr which files of
/// them are left out.
pub(super) fn open(names: &[String], options: ReadOptions) -> Result<Source, TraceArgsError> {
    let source = Source::open(names, options)?;
    for input in source.left_out() {
        super::say(&format!("warning: {input}"));
    }
    Ok(source)
}

pub(super) fn parse_format(text: &str) -> Result<InputFormat, String> {
    if text == "auto" {
        return Ok(InputFormat::Auto);
    }
    text.parse().map(InputFormat::Is).map_err(|error: crate::trace::formats::UnknownFormat| error.to_string())
}

fn parse_subsecond(text: &str) -> Result<Subsecond, String> {
    let known = Subsecond::ALL.iter().find(|(name, _)| *name == text);
    known.map(|(_, mode)| *mode).ok_or_else(|| "use poisson, even or burst".to_owned())
}
