//! `downpour replay`: the main job.

use super::CliError;
use super::client_args::ClientArgs;
use super::config::ConfigArgs;
use super::control_args::ControlArgs;
use super::execute::{PreparedReplay, execute_run, expected_length, measure};
use super::export::RunDirectoryKept;
use super::load_args::LoadArgs;
use super::metrics::MetricsServer;
use super::overwrite::Named;
use super::prepare_run::{engine_plan, few_connections, judging, refuse_unconfirmed_load};
use super::probe_args::candidate;
use super::progress::{ProgressReporter, Verbosity};
use super::report_args::ReportArgs;
use super::requests::{RefusedHost, TraceRequests};
use super::scenarios::scenario_file;
use super::target::ConnectOverrides;
use super::threshold_args::{AbortArgs, Limits, ThresholdArgs};
use super::trace_args::TraceArgs;
use super::verify_args::VerifyArgs;
use super::wire_args::{HttpArg, WireArgs};
use super::{signals, system};
use crate::engine::{ControlPlan, ControlThread, EnginePlan};
use clap::Args;
use clap::builder::ArgPredicate;
use downpour_core::units::{Factor, Stamp};
use downpour_load::client::ClientPlan;
use downpour_load::played::{AtEndOfTrace, Requests};
use downpour_load::schedule::Pace;
use downpour_report::RunKind;
use downpour_report::{Exit, Plan, PlanInput, RunReport, SkippedInput};
use downpour_trace::source::{InputReport, UnreadableInput};
use downpour_trace::{ReadOptions, Source};
use downpour_verify::probe::ProbeDepth;
use downpour_verify::probe::net::{ProbeOptions, Probes};
use downpour_verify::rules::Rules;
use std::io::Write;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

/// Replay logs against a candidate and judge every answer.
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true)]
#[command(mut_arg("traces", |traces| traces.required(false).required_unless_present("scenario")))]
#[command(mut_arg("target", |target| {
    let target = target.required(false).required_unless_present("scenario");
    target.default_value_if("scenario", ArgPredicate::IsPresent, Some("http://127.0.0.1:1"))
}))]
#[command(after_help = "Examples:
  downpour replay access.log.gz --target http://127.0.0.1:8080
  downpour replay --scenario incident")]
#[command(after_long_help = "Examples:
  downpour replay access.log.gz --target http://127.0.0.1:8080
  downpour replay logs/ --target http://candidate.internal:8080 --yes \\
      --rewrite crates-io --rules crates-io --rate 4.7k/s -d 60s \\
      --threshold 'latency.p99 < 50ms' --abort-on 'failed.rate over 10s > 5%'
  zcat *.gz | downpour replay - --target http://127.0.0.1:8080 --rate 2x
  downpour replay access.log.gz --target http://127.0.0.1:8080 --client auto
  downpour replay --scenario incident")]
pub(crate) struct ReplayArgs {
    /// Play a scenario instead of a trace
    ///
    /// It runs against a mock registry on this machine: incident, metastable or a
    /// TOML file. downpour scenarios lists the built-in ones.
    #[arg(long, value_name = "SCENARIO", conflicts_with_all = ["traces", "target", "rate", "stages", "loop_trace", "warmup", "amplify", "rewrite", "rules", "resolver", "session_gap", "session_max"], help_heading = "Input")]
    pub(super) scenario: Option<String>,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
    #[command(flatten)]
    pub(super) trace: TraceArgs,
    #[command(flatten)]
    pub(super) load: LoadArgs,
    #[command(flatten)]
    pub(super) wire: WireArgs,
    #[command(flatten)]
    pub(super) verify: VerifyArgs,
    #[command(flatten)]
    pub(super) clients: ClientArgs,
    #[command(flatten)]
    pub(super) control: ControlArgs,
    #[command(flatten)]
    pub(super) thresholds: ThresholdArgs,
    #[command(flatten)]
    pub(super) abort: AbortArgs,
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

impl ReplayArgs {
    /// The files that it reads.
    pub(super) fn files_read(&self) -> Vec<Named> {
        let mut files = self.trace.files_read();
        files.extend(self.scenario.as_deref().and_then(scenario_file));
        let own_rules = self.verify.rules.iter().filter(|name| Rules::builtin_text(name).is_none());
        files.extend(own_rules.map(|rules| Named::by("--rules", rules)));
        files.extend(self.verify.catalog.iter().map(|catalog| Named::by("--catalog", catalog)));
        files.extend(self.clients.client_file.iter().map(|clients| Named::by("--client-file", clients)));
        let tls = &self.wire.tls;
        files.extend(tls.cacert.iter().map(|authority| Named::by("--cacert", authority)));
        files.extend(tls.cert.iter().map(|certificate| Named::by("--cert", certificate)));
        files.extend(tls.key.iter().map(|key| Named::by("--key", key)));
        files
    }
}

/// Replays and reports.
pub(crate) fn run(args: &ReplayArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let (agents, live) = (args.clients.agents()?, Some(system::now()));
    let options = ReadOptions { agents, live, ..args.trace.options()? };
    let source = args.trace.open(options)?;
    replay(RunKind::Replay, source, args, out)
}

/// Replays `source`; `demo` comes here too, with a trace of its own.
pub(super) fn replay(
    command: RunKind,
    source: Source,
    args: &ReplayArgs,
    out: &mut dyn Write,
) -> Result<Exit, CliError> {
    let kept = RunDirectoryKept::at_or_new(args.report.out.as_deref());
    let exports = args.report.exports.open(kept, args.files_read())?;
    let prepared = prepare(command, source, args)?;
    let phases = signals::phases().map_err(CliError::Signals)?;
    execute_run(prepared, (&args.report, exports), &phases, out).map(|(exit, _)| exit)
}

/// Replays `source` for another program: nothing is written or printed, and signals
/// are that program's business.
pub(super) fn run_silently(source: Source, args: &ReplayArgs) -> Result<RunReport, CliError> {
    let prepared = prepare(RunKind::Replay, source, args)?;
    let phases = signals::without_signals();
    let expected = expected_length(&prepared);
    let progress = ProgressReporter::by_the_second(Verbosity::Silent, expected, &phases);
    Ok(measure(prepared, (None, progress), &phases)?.report)
}

/// Plays requests that are no trace's, and tells what came of it as well.
pub(super) fn play(
    command: RunKind,
    requested: ReplayInput,
    args: &ReplayArgs,
    out: &mut dyn Write,
) -> Result<(Exit, RunReport), CliError> {
    let kept = RunDirectoryKept::at_or_new(args.report.out.as_deref());
    let exports = args.report.exports.open(kept, args.files_read())?;
    let pace = args.load.pace().map_err(CliError::Usage)?;
    let prepared = prepare_requests((command, &pace), requested, args)?;
    let phases = signals::phases().map_err(CliError::Signals)?;
    execute_run(prepared, (&args.report, exports), &phases, out)
}

/// Requests, and what is known of where they are from.
pub(super) struct ReplayInput {
    pub(super) requests: Box<dyn Requests>,
    pub(super) inputs: Vec<PlanInput>,
    pub(super) inputs_skipped: Vec<SkippedInput>,
    pub(super) reorder_window_s: f64,
    pub(super) clients: Option<Arc<ClientPlan>>,
    /// The seconds in which something is planned to be wrong.
    pub(super) fault: Option<Range<u64>>,
}

/// Everything that a replay of `source` needs. Mistakes are found here, and the
/// candidate is knocked at.
pub(super) fn prepare(
    command: RunKind,
    source: Source,
    args: &ReplayArgs,
) -> Result<PreparedReplay, CliError> {
    let pace = args.load.pace().map_err(CliError::Usage)?;
    args.load.check_warmup(&pace).map_err(CliError::Usage)?;
    if matches!(pace, Pace::Recorded(_)) && !source.has_times() {
        return Err(CliError::Usage(
            "this trace has no timestamps: set a rate, such as --rate 100/s".to_owned(),
        ));
    }
    args.load.shape.check_clients(source.has_clients()).map_err(CliError::Usage)?;
    args.clients.check(&source)?;
    let clients = args.clients.plan(&pace, args.trace.seed)?;
    if args.load.loop_trace && !source.is_repeatable() {
        return Err(CliError::Usage(
            "--loop needs inputs that can be read again, and a stream cannot: use files".to_owned(),
        ));
    }
    let refused = refused_hosts(args);
    if let Some(refused) = refused.iter().find(|refused| refused.recorded(&source)) {
        return Err(CliError::Usage(refused.to_string()));
    }
    let inputs = source.inputs().map(input).collect();
    let inputs_skipped = source.unreadable().iter().map(skipped).collect();
    let reorder_window_s = source.reorder_window().as_secs_f64();
    let requests = TraceRequests::begin(source, refused)?;
    let requests = args.clients.filtered(Box::new(requests));
    prepare_requests(
        (command, &pace),
        ReplayInput { requests, inputs, inputs_skipped, reorder_window_s, clients, fault: None },
        args,
    )
}

fn prepare_requests(
    (command, pace): (RunKind, &Pace),
    requested: ReplayInput,
    args: &ReplayArgs,
) -> Result<PreparedReplay, CliError> {
    let ReplayInput { requests, inputs, inputs_skipped, reorder_window_s, clients, fault } = requested;
    let counted_for = args.load.measured_duration(pace);
    let limits = Limits::of(&args.thresholds, &args.abort, counted_for)?;
    let schedule = args.load.schedule(pace, args.trace.seed).map_err(CliError::Usage)?;
    // Mistakes in rules and certificates are told before anybody is connected
    // to.
    let tls = super::tls::plan(&args.wire.tls, &args.load.target, args.wire.connection.http)?;
    let (mut judging, probes) = judging(&args.verify, (&args.load, &args.wire), args.trace.seed)?;
    let control = args.control.plan((&args.load, &args.wire), args.trace.seed)?;
    let connection = &args.wire.connection;
    let instead = ConnectOverrides { resolve: &connection.resolve, connect_to: &connection.connect_to };
    let target = &args.load.target;
    let addresses = target.look_up("--target", &instead)?;
    // Nobody is connected to before it is known that they may be.
    refuse_unconfirmed_load(&args.load, pace, &addresses)?;
    let reached = target.reachable_addresses(addresses, &instead, args.load.connect_timeout)?;
    let few = few_connections(&args.load, &args.wire, pace);
    if let Some(few) = few.as_ref().filter(|_| !args.report.quiet) {
        super::print_message(&format!("note: {}; {}", few.detail, few.remedy));
    }
    let notices = reached.notice().into_iter().chain(few).collect();
    let addresses = reached.addresses;
    if let Some(options) = probes {
        let candidate = candidate(&args.load, &args.wire, &addresses)?;
        judging.probes = Some(Probes::start(ProbeOptions { candidate, ..options })?);
    }
    judging.control = control.map(|control| start(control, &addresses)).transpose()?;
    let mut engine = engine_plan((&args.load, &args.wire), pace, (addresses, tls))?;
    let started = system::now();
    let mut plan =
        Plan { inputs, inputs_skipped, reorder_window_s, ..plan(command, args, &engine, (pace, started)) };
    args.control.record_in(&mut plan);
    if judging.json_sample.is_some() {
        args.verify.probe.record_in(&mut plan);
    }
    args.clients.record_in(&mut plan, clients.as_deref());
    limits.record_in(&mut plan);
    engine.clients = clients;
    let at_end = if args.load.loop_trace { AtEndOfTrace::Loop } else { AtEndOfTrace::Stop };
    let metrics = args.report.metrics_addr.map(|address| MetricsServer::start(address, &plan)).transpose()?;
    if let Some(metrics) = metrics.as_ref().filter(|_| !args.report.quiet) {
        super::print_message(&format!("metrics: http://{}/metrics", metrics.address()));
    }
    Ok(PreparedReplay {
        plan,
        engine,
        judging,
        requests,
        schedule,
        at_end,
        started,
        measured_duration: counted_for,
        limits,
        notices,
        metrics,
        fault,
    })
}

/// Begins to ask the control, unless it is the candidate.
fn start(control: ControlPlan, candidate: &[SocketAddr]) -> Result<ControlThread, CliError> {
    if control.control == control.candidate && control.addresses == candidate {
        return Err(CliError::Usage(format!(
            "--control {} is the same deployment as --target",
            control.control
        )));
    }
    Ok(ControlThread::start(control)?)
}

/// The hosts that must not be loaded if the trace was recorded at them.
fn refused_hosts(args: &ReplayArgs) -> Vec<RefusedHost> {
    if args.load.allow_recorded_host {
        return Vec::new();
    }
    let target = RefusedHost { flag: "--target", host: args.load.target.host() };
    let control = args.control.control.as_ref();
    let control = control.map(|control| RefusedHost { flag: "--control", host: control.host() });
    std::iter::once(target).chain(control).collect()
}

/// The effective plan, as the report tells it.
fn plan(command: RunKind, args: &ReplayArgs, engine: &EnginePlan, (pace, started): (&Pace, Stamp)) -> Plan {
    let (trace, load, verify) = (&args.trace, &args.load, &args.verify);
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let asks_targets = ProbeDepth::of(verify.verify).is_some();
    let servers: Vec<String> = verify.resolver.iter().map(ToString::to_string).collect();
    Plan {
        command,
        config: args.config.effective.clone(),
        target: load.target.to_string(),
        rate: pace.to_string(),
        speed: pace.speed(),
        arrivals: load.shape.arrivals_of(pace),
        threads: count(engine.threads),
        connections: count(engine.connections),
        overload: load.overload.name().to_owned(),
        timeout_s: load.timeout.as_secs_f64(),
        connect_timeout_s: load.connect_timeout.as_secs_f64(),
        grace_s: load.grace.as_secs_f64(),
        http: args.wire.connection.http.name().to_owned(),
        streams: (args.wire.connection.http != HttpArg::Http1).then(|| count(args.wire.connection.streams)),
        tls: load.target.is_https().then(|| {
            let checked = if args.wire.tls.insecure { "any certificate" } else { "verified" };
            checked.to_owned()
        }),
        batch_interval_us: u64::try_from(engine.batch_interval.as_micros()).unwrap_or(u64::MAX),
        verify: verify.verify,
        verify_rate: asks_targets.then(|| verify.probe.rate.to_string()),
        verify_sample: asks_targets.then(|| verify.probe.sample.to_string()),
        rules: verify.rules.clone(),
        catalog: verify.catalog.as_ref().map(|path| path.display().to_string()),
        resolver: (!servers.is_empty()).then(|| servers.join(",")),
        max_lateness_us: args
            .report
            .max_lateness
            .map(|most| u64::try_from(most.as_micros()).unwrap_or(u64::MAX)),
        allow_invalid: args.report.allow_invalid,
        headers: load.headers.iter().map(|(name, _)| name.to_string()).collect(),
        started_at: system::rfc3339(started),
        ..plan_of_load(load, trace)
    }
}

/// The part of a plan that a live run and a simulated one tell in the same way.
pub(super) fn plan_of_load(load: &LoadArgs, trace: &TraceArgs) -> Plan {
    let shape = &load.shape;
    Plan {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        stages: shape.stages.iter().map(ToString::to_string).collect(),
        sample: shape.sample.map(|share| share.to_string()),
        sample_by: shape.sample.map(|_| shape.sample_by.name().to_owned()),
        amplify: shape.amplify.map(Factor::as_f64),
        duration_s: load.duration.map(|duration| duration.as_secs_f64()),
        warmup_s: (!load.warmup.is_zero()).then_some(load.warmup.as_secs_f64()),
        requests: load.requests,
        repeat: load.loop_trace,
        max_in_flight: u64::try_from(load.max_in_flight).unwrap_or(u64::MAX),
        seed: trace.seed,
        rewrite: trace.rewrite.clone(),
        subsecond: trace.subsecond.name().to_owned(),
        ..Plan::default()
    }
}

pub(super) fn skipped(input: &UnreadableInput) -> SkippedInput {
    SkippedInput { name: input.name.clone(), reason: input.reason.clone() }
}

pub(super) fn input(report: &InputReport) -> PlanInput {
    PlanInput {
        name: report.name.clone(),
        format: report.format.map_or_else(|| "empty".to_owned(), |format| format.to_string()),
        compression: report.compression.to_string(),
    }
}
