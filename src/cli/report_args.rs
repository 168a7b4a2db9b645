//! The flags that say what is told of a run, and where.

use super::export::ExportArgs;
use super::values::parse_listen;
use clap::{Args, ValueEnum};
use downpour_core::units::parse_duration;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What is said of the run, and where.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Thresholds and report")]
pub(crate) struct ReportArgs {
    /// Set the run directory
    ///
    /// The default is reports/ and the time of the start.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Print text or json
    ///
    /// text is the summary, json the content of run.json.
    #[arg(long, value_name = "FORMAT", value_enum, hide_possible_values = true, default_value_t = OutputFormat::Text)]
    pub(crate) format: OutputFormat,

    #[command(flatten)]
    pub(crate) exports: ExportArgs,

    /// Serve metrics to Prometheus at this address during the run
    ///
    /// Port 0 takes a free port.
    #[arg(long, value_name = "IP:PORT", value_parser = parse_listen, hide_short_help = true)]
    pub(crate) metrics_addr: Option<SocketAddr>,

    /// Limit the send delay at p99 of a valid run
    ///
    /// The default is 5ms, or a tenth of the median latency if that is more. A run
    /// with a longer delay is invalid.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, hide_short_help = true)]
    pub(crate) max_lateness: Option<Duration>,

    /// Judge an invalid run as if it were valid, and warn
    #[arg(long, hide_short_help = true)]
    pub(crate) allow_invalid: bool,

    /// Do not draw the progress; print a line every ten seconds
    #[arg(long, hide_short_help = true)]
    pub(crate) no_progress: bool,

    /// Print only errors on stderr
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
