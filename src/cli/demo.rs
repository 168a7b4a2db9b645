//! `downpour demo`: the founding incident, on this machine, in half a minute.
//!
//! Starts the embedded candidate with one slash missing from its redirects for
//! half of the run, replays a recorded hour of its API against it,
//! and shows what every status check of that day could not.

use super::client_args::ClientArgs;
use super::config::ConfigArgs;
use super::control_args::ControlArgs;
use super::load_args::LoadArgs;
use super::probe_args::{JsonShare, ProbeArgs};
use super::replay::{ReplayArgs, replay};
use super::report_args::{OutputFormat, ReportArgs};
use super::threshold_args::{AbortArgs, ThresholdArgs};
use super::trace_args::{InputFormat, TraceArgs, TraceArgsError};
use super::values::parse_time;
use super::verify_args::VerifyArgs;
use super::wire_args::WireArgs;
use super::{CliError, print_message};
use bytes::Bytes;
use clap::Args;
use downpour_core::units::Rate;
use downpour_load::schedule::Pace;
use downpour_mock::plan::{FaultKind, FaultPlan, FaultWindow, LocationFault, PlannedFault, Share};
use downpour_mock::{MockConfig, MockRegistry};
use downpour_report::Exit;
use downpour_report::RunKind;
use downpour_trace::Source;
use downpour_trace::subsecond::Subsecond;
use downpour_verify::Depth;
use std::io::Write;
use std::time::Duration;

/// A `CloudFront` log of an API host, self-made: `traces/incident/README.md`.
const INCIDENT: &[u8] = include_bytes!("../../traces/incident/api-requests.log.gz");

/// Show the founding incident in half a minute, without a network
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true)]
#[command(
    after_help = "On 2023-07-20 crates.io deployed a build whose download redirects had lost a slash. \
    Each was a valid 302 to a host that does not exist. The demo replays this against a mock registry \
    on this machine. It exits with 3, because redirects are wrong.

Examples:
  downpour demo
  downpour demo --client none --threshold 'amplification < 1.05'"
)]
pub(crate) struct DemoArgs {
    /// Set the length of the run
    ///
    /// The fault is active for half of it. -z is accepted, too.
    #[arg(short, long, short_alias = 'z', value_name = "TIME", default_value = "24s", value_parser = parse_time)]
    duration: Duration,

    /// Set the downloads per second, without retries
    ///
    /// -R is accepted, too.
    #[arg(short, long, short_alias = 'R', value_name = "RATE", default_value = "1.5k/s")]
    rate: Rate,

    /// Set the client that retries, or none
    #[arg(long, value_name = "NAME", default_value = "cargo-1.70")]
    client: String,

    #[command(flatten)]
    thresholds: ThresholdArgs,
    #[command(flatten)]
    abort: AbortArgs,
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

/// Runs the demonstration.
pub(crate) fn run(args: &DemoArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let (from, to) = (tenths(args.duration / 12), tenths(args.duration * 7 / 12));
    let window = FaultWindow::new(from, Some(to)).ok_or_else(|| {
        CliError::Usage(
            "--duration is too short for the fault, which lasts half of it: use 1s or more".to_owned(),
        )
    })?;
    let fault =
        PlannedFault { kind: FaultKind::Location(LocationFault::MissingSlash), share: Share::ALL, window };
    let plan = FaultPlan::new(vec![fault], 1);
    let registry = MockRegistry::start(MockConfig { plan, ..MockConfig::default() })?;
    if !args.report.quiet {
        print_message(&format!(
            "demo: mock registry at http://{}, its DNS at {}\n\
             demo: {} of downloads at {}; from second {} to {} redirects lack a slash",
            registry.api(),
            registry.dns(),
            seconds(args.duration),
            args.rate,
            from.as_secs_f64(),
            to.as_secs_f64(),
        ));
    }
    let replayed = replay(RunKind::Demo, trace()?, &replay_args(args, &registry)?, out);
    registry.stop();
    let exit = replayed?;
    if args.report.format == OutputFormat::Text && exit == Exit::Failed {
        writeln!(
            out,
            "This is what the demo shows: every answer was a valid HTTP 302, but from second\n\
             {} to {} each redirect named a host that does not exist, and the retries of\n\
             clients multiplied the load. Exit code 3: redirects were wrong.",
            from.as_secs_f64(),
            to.as_secs_f64()
        )
        .map_err(CliError::Print)?;
    }
    Ok(exit)
}

/// Cut to a tenth of a second, as the window is told.
fn tenths(time: Duration) -> Duration {
    const TENTH: Duration = Duration::from_millis(100);
    TENTH.saturating_mul(u32::try_from(time.as_millis() / TENTH.as_millis()).unwrap_or(u32::MAX))
}

fn trace() -> Result<Source, CliError> {
    let inputs =
        vec![("embedded: traces/incident/api-requests.log.gz".to_owned(), Bytes::from_static(INCIDENT))];
    Ok(Source::over(inputs, trace_args().options()?).map_err(TraceArgsError::from)?)
}

fn trace_args() -> TraceArgs {
    TraceArgs {
        traces: Vec::new(),
        input_format: InputFormat::Auto,
        rewrite: None,
        subsecond: Subsecond::Poisson,
        reorder_window: None,
        seed: 0,
        keep_query: Vec::new(),
    }
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

fn replay_args(args: &DemoArgs, registry: &MockRegistry) -> Result<ReplayArgs, CliError> {
    Ok(ReplayArgs {
        scenario: None,
        config: ConfigArgs::default(),
        trace: trace_args(),
        load: LoadArgs {
            rate: Pace::Constant(args.rate),
            duration: Some(args.duration),
            loop_trace: true,
            ..LoadArgs::at(format!("http://{}", registry.api()).parse()?)
        },
        wire: WireArgs::default(),
        verify: VerifyArgs {
            verify: Depth::Dns,
            rules: Some("crates-io".to_owned()),
            catalog: None,
            resolver: vec![registry.dns()],
            allow_private: true,
            // Of two answers, one after the other, one may fall into the fault.
            probe: ProbeArgs { json: JsonShare::OFF, ..ProbeArgs::default() },
        },
        // The trace is played at a rate of its own and again and again, so that
        // its clients' sessions mean nothing.
        clients: ClientArgs {
            client: Some(args.client.clone()),
            session_gap: Some(Duration::ZERO),
            session_max: None,
            ..ClientArgs::default()
        },
        control: ControlArgs::default(),
        thresholds: args.thresholds.clone(),
        abort: args.abort.clone(),
        report: args.report.clone(),
    })
}
