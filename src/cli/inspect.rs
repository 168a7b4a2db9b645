//! `downpour inspect`: what is in a trace, and what of it would be replayed.

use super::client_args::{PRODUCTS_LISTED, unknown_agents};
use super::terminal::Visible;
use super::trace_args::{TraceArgs, TraceArgsError};
use downpour_core::agent::{AgentCounts, AgentTable};
use downpour_trace::ReadOptions;
use downpour_trace::client::AgentParsing;
use downpour_trace::log_summary::{LogSummary, LogSummaryBuilder};
use std::io::{self, Write};

/// Products of unknown clients in the object.
const PRODUCTS_IN_JSON: usize = 20;

/// Tell what is in a trace: rates, routes, hosts, and why lines were lost.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  downpour inspect access.log.gz
  downpour inspect logs/ --rewrite crates-io --format json")]
pub(crate) struct InspectArgs {
    /// The trace.
    #[command(flatten)]
    pub(crate) trace: TraceArgs,

    /// Print text or json (one object)
    #[arg(long, value_name = "FORMAT", value_enum, hide_possible_values = true, default_value = "text")]
    pub(crate) format: SummaryFormat,
}

/// The forms of the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SummaryFormat {
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

/// What is in a trace, as one object.
#[derive(serde::Serialize)]
struct InspectOutput<'c> {
    #[serde(flatten)]
    log_summary: &'c LogSummary,
    agents: AgentCounts,
}

/// Reads the whole trace and writes what is in it.
pub(crate) fn run(args: &InspectArgs, out: &mut dyn Write) -> Result<(), InspectError> {
    let agents: &'static AgentTable = Box::leak(Box::default());
    let options = ReadOptions { agents: AgentParsing::WithTable(agents), ..args.trace.options()? };
    // The summary lists the files that are not read.
    let mut source = args.trace.open_silently(options)?;
    let mut counting = LogSummaryBuilder::default();
    while let Some(request) = source.next().map_err(TraceArgsError::from)? {
        counting.add(&request);
    }
    let summary = counting.finish(&source);
    match args.format {
        SummaryFormat::Text => {
            let mut out = Visible(out);
            write!(out, "{summary}")?;
            if let Some(told) = unknown_agents(&agents.counts(PRODUCTS_LISTED)) {
                writeln!(out, "\nUser agents\n  {}", told.replace(": ", ":\n  "))?;
            }
        }
        SummaryFormat::Json => {
            let inspected = InspectOutput { log_summary: &summary, agents: agents.counts(PRODUCTS_IN_JSON) };
            serde_json::to_writer_pretty(&mut *out, &inspected).map_err(io::Error::from)?;
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
    fn user_agents_of_no_known_client_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        let line = |agent: &str| {
            format!(
                "192.0.2.1 - - [10/Oct/2025:13:55:36 +0000] \"GET /x HTTP/1.1\" 200 5 \"-\" \"{agent}\"\n"
            )
        };
        let agents = ["curl/8.7.1", "renovate/37", "renovate/38", "Wget/1.21", "-"];
        std::fs::write(&path, agents.map(line).concat()).unwrap();
        let path = path.to_str().unwrap();
        let text = inspect(&[path]).unwrap();
        let told = "User agents\n  3 of 4 user agents belong to no known client and never retry:\n  \
                    renovate 2, Wget 1\n";
        assert!(text.ends_with(told), "{text}");
        let json: serde_json::Value =
            serde_json::from_str(&inspect(&[path, "--format", "json"]).unwrap()).unwrap();
        assert_eq!((&json["agents"]["with_agent"], &json["agents"]["unknown"]), (&4.into(), &3.into()));
    }

    #[test]
    fn mistakes_are_named() {
        let error = inspect(&["x", "--rewrite", "nowhere.toml"]).unwrap_err().to_string();
        assert!(error.contains("nowhere.toml") && error.contains("crates-io"), "{error}");
        let error = inspect(&["x", "--rewrite", "crates.io"]).unwrap_err().to_string();
        assert!(error.contains("(did you mean crates-io?)"), "{error}");
    }
}
