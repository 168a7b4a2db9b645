//! The flags that say what is told of a run, and where.

use super::export::ExportArgs;
use super::values::parse_listen;
use crate::units::parse_duration;
use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What is said of the run, and where.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Report")]
pub(crate) struct ReportArgs {
    /// The run directory [default: reports/ and the time of the start]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// What stdout carries: text (the summary) or json (the whole of run.json)
    #[arg(long, value_name = "FORMAT", value_enum, hide_possible_values = true, default_value_t = OutputFormat::Text)]
    pub(crate) format: OutputFormat,

    #[command(flatten)]
    pub(crate) exports: ExportArgs,

    /// Let Prometheus scrape the run while it goes on, at this address; port 0
    /// takes a free one
    #[arg(long, value_name = "IP:PORT", value_parser = parse_listen)]
    pub(crate) metrics_addr: Option<SocketAddr>,

    /// Most lateness at p99 of a valid run [default: 5ms, or a tenth of the
    /// latency's p50 if that is more]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) max_lateness: Option<Duration>,

    /// Give the verdict of an invalid run as if it were valid, with a warning
    #[arg(long)]
    pub(crate) allow_invalid: bool,

    /// Draw nothing on stderr; write a line every ten seconds
    #[arg(long)]
    pub(crate) no_progress: bool,

    /// Write nothing on stderr but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// What stdout carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// The summary
    Text,
    /// The whole of run.json
    Json,
}
