//! `downpour inspect`: what is in a trace, and what of it would be replayed.

use super::trace_args::{TraceArgs, TraceArgsError};
use crate::trace::Source;
use crate::trace::census::Counting;
use std::io::{self, Write};

/// Tell what is in a trace: rates, routes, hosts, and why lines were lost.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  downpour inspect access.log.gz
  downpour inspect logs/ --rewrite crates-io --format json")]
pub(crate) struct InspectArgs {
    /// The trace.
    #[command(flatten)]
    pub(crate) trace: TraceArgs,

    /// What stdout carries: text (for people) or json (one object)
    #[arg(long, value_name = "FORMAT", value_enum, hide_possible_values = true, default_value = "text")]
    pub(crate) format: Form,
}

/// The forms of the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// For people, 80 columns.
    #[default]
    Text,
    /// For programs, one object.
    Json,
}

/// Why a trace could not be inspected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InspectError {
    /// The flags can't be followed, or the trace can't be read.
    #[error(transparent)]
    Trace(#[from] TraceArgsError),
    /// The result can't be written.
    #[error("print the result")]
    Write(#[from] io::Error),
}

/// Reads the whole trace and writes what is in it.
pub(crate) fn run(args: &InspectArgs, out: &mut dyn Write) -> Result<(), InspectError> {
    let options = args.trace.options()?;
    let mut source = Source::open(&args.trace.traces, options).map_err(TraceArgsError::from)?;
    let mut counting = Counting::default();
    while let Some(request) = source.next().map_err(TraceArgsError::from)? {
        counting.add(&request);
    }
    let census = counting.finish(&source);
    match args.format {
        Form::Text => write!(out, "{census}")?,
        Form::Json => {
            serde_json::to_writer_pretty(&mut *out, &census).map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, FromArgMatches};

    fn inspect(arguments: &[&str]) -> Result<String, InspectError> {
        let command = InspectArgs::augment_args(clap::Command::new("inspect"));
        let matches = command.get_matches_from([&["inspect"], arguments].concat());
        let mut out = Vec::new();
        run(&InspectArgs::from_arg_matches(&matches).unwrap(), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_trace_is_told_as_text_and_as_json() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/traces/cloudfront-v1/edge-cases.log");
        let text = inspect(&[path, "--rewrite", "crates-io", "--seed", "3"]).unwrap();
        assert!(text.contains("31 read, 15 accepted"), "{text}");
        assert!(text.contains("unsupported_version"), "{text}");
        let json = inspect(&[path, "--format", "json", "--input-format", "cloudfront-v1"]).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["records"]["filtered"]["method"], 2);
        assert_eq!(json["hosts"]["entries"][0]["name"], "static.crates.io");
    }

    #[test]
    fn mistakes_are_named() {
        let error = inspect(&["x", "--rewrite", "nowhere.toml"]).unwrap_err().to_string();
        assert!(error.contains("nowhere.toml") && error.contains("crates-io"), "{error}");
    }
}
