//! `downpour check`: each distinct request once, judged as deep as can be.
//!
//! What a pipeline runs against staging before it promotes a build. Nothing
//! here is measured, so nothing is paced: connections take the next request
//! when they are free, and wait where their redirects are not checked as fast.

use super::CliError;
use super::client_args::ClientArgs;
use super::config::ConfigArgs;
use super::control_args::ControlArgs;
use super::distinct::{DistinctProgress, DistinctRequests};
use super::execute::measure;
use super::export::{ExportArgs, RunDirectoryKept};
use super::load_args::LoadArgs;
use super::progress::{ProgressReporter, Verbosity};
use super::replay::{ReplayArgs, prepare};
use super::report_args::{OutputFormat, ReportArgs};
use super::signals;
use super::target::Target;
use super::threshold_args::{AbortArgs, ThresholdArgs};
use super::trace_args::{InputFormat, TraceArgs, open, parse_format};
use super::values::{parse_header, parse_positive, parse_time};
use super::verify_args::VerifyArgs;
use super::wire_args::{ConnectionArgs, PacingArgs, TlsArgs, WireArgs};
use crate::engine::LoopMode;
use clap::Args;
use downpour_core::units::grouped;
use downpour_load::schedule::Pace;
use downpour_report::RunKind;
use downpour_report::{Exit, Reason};
use downpour_trace::ReadOptions;
use downpour_trace::source::RequestOrder;
use downpour_trace::subsecond::Subsecond;
use downpour_verify::probe::net::QUEUE;
use http::{HeaderName, HeaderValue};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Most requests in flight or waiting for their checks: what the threads that
/// check take in without leaving any out.
const MAX_OUTSTANDING: usize = QUEUE / 2;

/// How long the checks of the last requests may take. Each of them has its own
/// time-outs; this is for those that wait for their turn at a low rate.
const GRACE: Duration = Duration::from_hours(1);

/// Ask for each distinct request of logs once, and check every redirect.
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true)]
#[command(mut_arg("verify", |verify| {
    let long = verify.get_long_help().map(|help| format!("{help}\n\nWith --catalog, the default is digest."));
    let verify = verify.default_value("get").long_help(long.unwrap_or_default());
    verify.default_value_if("catalog", clap::builder::ArgPredicate::IsPresent, "digest")
}))]
#[command(mut_arg("verify-rate", |rate| rate.default_value("max")))]
#[command(mut_arg("verify-json", |json| json.default_value("100%")))]
#[command(after_help = "Examples:
  downpour check access.log.gz --target https://candidate.internal --yes \\
      --rewrite crates-io --rules crates-io --junit check.xml
  downpour check paths.txt --target http://127.0.0.1:8080

downpour explain describes each fault.")]
pub(crate) struct CheckArgs {
    /// Logs or URL lists: files, directories, patterns, or - for standard input
    #[arg(value_name = "TRACE", required = true)]
    traces: Vec<String>,

    /// Set the format of the inputs
    ///
    /// auto detects the format of each input. The formats are cloudfront-v1,
    /// fastly-cratesio, fastly-clf, common, combined, combined-timed,
    /// combined-usec, trace and url-list.
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = parse_format, help_heading = "Input", hide_short_help = true)]
    input_format: InputFormat,

    /// Rewrite recorded paths by this set or file
    ///
    /// The built-in set is crates-io. Anything else is the name of a TOML file.
    #[arg(long, value_name = "SET", help_heading = "Input")]
    rewrite: Option<String>,

    /// Keep the values of these query parameters: names separated by commas, or all
    ///
    /// Other values are replaced by filler of the same length.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "Input", hide_short_help = true)]
    keep_query: Vec<String>,

    #[command(flatten)]
    pub(super) config: ConfigArgs,
    #[command(flatten)]
    candidate: CandidateArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    verify: VerifyArgs,
    #[command(flatten)]
    thresholds: ThresholdArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// Who is asked.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Candidate")]
struct CandidateArgs {
    /// Set the candidate: scheme, host and port
    ///
    /// All requests are sent there. Hosts in the trace are never used.
    #[arg(long, value_name = "URL")]
    target: Target,

    /// Limit the open connections
    ///
    /// Each takes the next request when it is free.
    #[arg(short, long, value_name = "N", default_value_t = 20, value_parser = parse_positive)]
    connections: usize,

    /// Set the request timeout, up to the end of the answer
    #[arg(short, long, value_name = "TIME", default_value = "30s", value_parser = parse_time, hide_short_help = true)]
    timeout: Duration,

    /// Set the timeout for opening a connection
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_time, hide_short_help = true)]
    connect_timeout: Duration,

    /// Add or replace a header field; may be repeated
    ///
    /// Every request to the candidate has it. Only its name is written to the
    /// report.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = parse_header)]
    headers: Vec<(HeaderName, HeaderValue)>,

    /// Allow full speed to another machine
    ///
    /// A check sends as fast as the candidate answers. Without this flag, it is
    /// refused unless the host is this machine.
    #[arg(long)]
    yes: bool,

    /// Allow a target host at which the trace was recorded
    #[arg(long, hide_short_help = true)]
    allow_recorded_host: bool,
}

/// What is said, and where.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Thresholds and report")]
pub(super) struct OutputArgs {
    #[command(flatten)]
    exports: ExportArgs,

    /// Write a run directory, too
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Print text or json
    ///
    /// text is the summary, json the content of run.json.
    #[arg(long, value_name = "FORMAT", value_enum, hide_possible_values = true, default_value_t = OutputFormat::Text)]
    format: OutputFormat,

    /// Do not draw the progress; print a line every ten seconds
    #[arg(long, hide_short_help = true)]
    no_progress: bool,

    /// Print only errors on stderr
    #[arg(short, long)]
    pub(super) quiet: bool,
}

/// Checks and reports.
pub(crate) fn run(args: &CheckArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    args.thresholds.check_counted()?;
    let replay = args.as_replay();
    let options = ReadOptions { order: RequestOrder::AsRead, ..replay.trace.options()? };
    let source = open(&args.traces, options)?;
    let kept = args.output.out.as_deref().map_or(RunDirectoryKept::No, RunDirectoryKept::At);
    let exports = args.output.exports.open(kept, replay.files_read())?;
    let mut prepared = prepare(RunKind::Check, source, &replay)?;
    let found = Arc::new(DistinctProgress::default());
    prepared.requests = Box::new(DistinctRequests::of(prepared.requests, Arc::clone(&found)));
    prepared.engine.loop_mode = LoopMode::Closed { until: None, open: Some(MAX_OUTSTANDING) };
    let phases = signals::phases().map_err(CliError::Signals)?;
    let progress = ProgressReporter::by_count(
        Verbosity::of(args.output.quiet, args.output.no_progress),
        Arc::clone(&found),
        &phases,
    );
    let mut measured = measure(prepared, (args.output.out.clone(), progress), &phases)?;
    measured.report.warnings.extend(possible_repeats_notice(found.possible_repeats()));
    let (exit, report) = measured.publish(args.output.format, exports, out)?;
    // Whoever asks again gets the same: it is not the run, but what it was
    // given.
    Ok(if exit == Exit::Invalid && report.judged_nothing() { Exit::Usage } else { exit })
}

/// That some may have been asked more than once.
fn possible_repeats_notice(requests: u64) -> Option<Reason> {
    (requests > 0).then(|| Reason {
        id: "asked_again".to_owned(),
        detail: format!(
            "{} requests were read after the memory of known requests was full: some may have been sent more \
             than once",
            grouped(requests)
        ),
        remedy: "no request was left out; to send each only once, check fewer logs at a time".to_owned(),
    })
}

impl CheckArgs {
    /// The replay that this check is: as fast as goes, in patience.
    fn as_replay(&self) -> ReplayArgs {
        let Self { candidate, output: told, .. } = self;
        let mut verify = self.verify.clone();
        verify.probe.max_queue_wait = None;
        ReplayArgs {
            scenario: None,
            config: self.config.clone(),
            trace: TraceArgs {
                traces: self.traces.clone(),
                input_format: self.input_format,
                rewrite: self.rewrite.clone(),
                subsecond: Subsecond::default(),
                reorder_window: None,
                seed: 0,
                keep_query: self.keep_query.clone(),
            },
            load: LoadArgs {
                rate: Pace::Max,
                connections: Some(candidate.connections),
                timeout: candidate.timeout,
                connect_timeout: candidate.connect_timeout,
                grace: GRACE,
                headers: candidate.headers.clone(),
                yes: candidate.yes,
                allow_recorded_host: candidate.allow_recorded_host,
                ..LoadArgs::at(candidate.target.clone())
            },
            wire: WireArgs {
                connection: self.connection.clone(),
                tls: self.tls.clone(),
                pacing: PacingArgs::default(),
            },
            verify,
            control: ControlArgs::default(),
            thresholds: self.thresholds.clone(),
            abort: AbortArgs::default(),
            clients: ClientArgs::default(),
            report: ReportArgs {
                out: told.out.clone(),
                format: told.format,
                exports: ExportArgs::default(),
                metrics_addr: None,
                max_lateness: None,
                allow_invalid: false,
                no_progress: told.no_progress,
                quiet: told.quiet,
            },
        }
    }
}
