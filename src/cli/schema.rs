//! `downpour schema`: the published schema, for machines.

use clap::{Args, ValueEnum};
use downpour_report::{Document, json_schema};
use std::io::{self, Write};

/// Print the JSON Schema of what a run writes
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  downpour schema > run.schema.json
  downpour schema interval

Within a major version keys are only added, so readers must accept unknown keys.")]
pub(crate) struct SchemaArgs {
    /// The document: run, interval or failure
    ///
    /// run is run.json, interval a line of intervals.ndjson, failure a line of
    /// failures.ndjson.
    #[arg(value_name = "WHAT", value_enum, hide_possible_values = true, default_value_t = SchemaChoice::Run)]
    what: SchemaChoice,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SchemaChoice {
    Run,
    Interval,
    Failure,
}

/// Prints it.
pub(crate) fn run(args: &SchemaArgs, out: &mut dyn Write) -> io::Result<()> {
    let document = match args.what {
        SchemaChoice::Run => Document::Run,
        SchemaChoice::Interval => Document::Interval,
        SchemaChoice::Failure => Document::Failure,
    };
    out.write_all(json_schema(document).as_bytes()).and_then(|()| out.flush())
}
