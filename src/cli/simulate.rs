//! `downpour simulate`: the same run in virtual time.
//!
//! Nothing in its result depends on this machine or on the time of day, so that
//! the same flags and seed give the same bytes: a simulated run begins at the
//! epoch, and how long it took is told on stderr.

use super::execute::{
    MeasuredRun, close_accounting, default_path, ended_early, input_notice, offering_s, without_client,
};
use super::export::{Exports, RunDirectoryKept};
use super::load_args::LoadArgs;
use super::replay::{input, plan_of_load, skipped};
use super::report_args::OutputFormat;
use super::requests::TraceRequests;
use super::simulate_args::SimulateArgs;
use super::terminal::Visible;
use super::threshold_args::{AbortArgs, Limits};
use super::{CliError, chain, print_message, scenarios, signals, system};
use crate::engine::Phase;
use downpour_core::units::{Factor, NANOS_PER_SECOND, Stamp, approximate, grouped};
use downpour_load::played::{AtEndOfTrace, Played};
use downpour_load::schedule::{Pace, check_peak};
use downpour_metrics::{Interval, StormSecond, StormSeries, Totals};
use downpour_metrics::{Observer, RunEnd};
use downpour_report::{ArrivalSpacing, RunKind};
use downpour_report::{
    Assessment, Ending, Exit, GeneratorFacts, Plan, PlanInput, ReportInput, RunDirectory, RunReport,
    SimulatedService, ThresholdMonitor,
};
use downpour_sim::scenario::{Scenario, Service, trouble};
use downpour_sim::sweep::{Grid, longest_run_s, sweep};
use downpour_sim::{SimulationPlan, simulate};
use downpour_trace::{ReadOptions, Source};
use downpour_verify::Depth;
use std::io::Write;
use std::ops::Range;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// What is played, and what there is to tell of it.
struct PreparedSimulation {
    simulation: SimulationPlan,
    played: Played,
    plan: Plan,
    scenario: Option<Scenario>,
}

/// Simulates and reports.
pub(crate) fn run(args: &SimulateArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let kept = RunDirectoryKept::at_or_new(args.report.out.as_deref());
    let exports = args.report.exports.open(kept, args.files_read())?;
    match (&args.scenario, &args.report.sweep) {
        (Some(name), None) => {
            report(from_scenario(scenarios::load(name)?, args)?, (args, exports), &phase()?, out)
        }
        (Some(name), Some(grid)) => sweep_of(scenarios::load(name)?, grid, args, &phase()?, out),
        (None, Some(_)) => {
            Err(CliError::Usage("--sweep changes the load of a scenario: add --scenario".to_owned()))
        }
        // Until a trace is open, a signal ends the program as it ends any other.
        (None, None) => report(from_trace(args)?, (args, exports), &phase()?, out),
    }
}

fn phase() -> Result<watch::Receiver<Phase>, CliError> {
    Ok(signals::phases().map_err(CliError::Signals)?.phase)
}

fn from_scenario(scenario: Scenario, args: &SimulateArgs) -> Result<PreparedSimulation, CliError> {
    let scenario = args.changed(scenario)?;
    let speed = args.load.speed.unwrap_or(Factor::ONE);
    let clientele = args.clients.behavior.client_mix_of_scenario(&scenario.clients.model)?.time_scaled(speed);
    let scenario = scenario.time_scaled(speed);
    check_peak(scenario.load.downloads.per_second_f64()).map_err(CliError::Usage)?;
    let load = LoadArgs { rate: Pace::AS_RECORDED, speed: None, ..args.load.as_replayed()? };
    let schedule = load.schedule(&Pace::AS_RECORDED, args.trace.seed).map_err(CliError::Usage)?;
    if !args.service.drops.is_empty() {
        check_bound("--drop", &scenario.service)?;
    }
    let of_service = (scenario.service.clone(), scenario.faults.clone());
    let simulation = args.simulation(&scenario.clients, clientele, of_service);
    let played = Played::new(Box::new(scenario.requests(args.trace.seed)), schedule, AtEndOfTrace::Stop);
    let plan = Plan {
        inputs: vec![PlanInput {
            name: scenario.name.clone(),
            format: "scenario".to_owned(),
            compression: "plain".to_owned(),
        }],
        rate: scenario.load.downloads.to_string(),
        arrivals: ArrivalSpacing::Scenario,
        speed: args.load.speed.map(Factor::as_f64),
        duration_s: Some(scenario.load.duration.as_secs_f64()),
        ..plan(args, &load, &simulation, Some(scenario.name.clone()))
    };
    Ok(PreparedSimulation { simulation, played, plan, scenario: Some(scenario) })
}

fn from_trace(args: &SimulateArgs) -> Result<PreparedSimulation, CliError> {
    if args.trace.traces.is_empty() {
        return Err(CliError::Usage(
            "name a trace or a --scenario (downpour scenarios lists them)".to_owned(),
        ));
    }
    let conduct = &args.clients.behavior;
    let options = ReadOptions { agents: conduct.agents()?, ..args.trace.options()? };
    let source = args.trace.open(options)?;
    let load = args.load.as_replayed()?;
    let pace = load.pace().map_err(CliError::Usage)?;
    let schedule = load.schedule(&pace, args.trace.seed).map_err(CliError::Usage)?;
    load.check_warmup(&pace).map_err(CliError::Usage)?;
    check(&source, &pace, args)?;
    conduct.check(&source)?;
    let clients = args.own_clients();
    let of_service = (args.service.changed(Service::default()), args.service.faults.clone());
    let simulation = args.simulation(&clients, conduct.client_mix()?, of_service);
    if !args.service.drops.is_empty() {
        check_bound("--drop", &simulation.service)?;
    }
    let plan = Plan {
        inputs: source.inputs().map(input).collect(),
        inputs_skipped: source.unreadable().iter().map(skipped).collect(),
        rate: pace.to_string(),
        speed: pace.speed(),
        arrivals: load.shape.arrivals_of(&pace),
        reorder_window_s: source.reorder_window().as_secs_f64(),
        ..plan(args, &load, &simulation, None)
    };
    let requests = conduct.filtered(Box::new(TraceRequests::begin(source, Vec::new())?));
    let at_end = if load.loop_trace { AtEndOfTrace::Loop } else { AtEndOfTrace::Stop };
    Ok(PreparedSimulation {
        simulation,
        played: Played::new(requests, schedule, at_end),
        plan,
        scenario: None,
    })
}

fn check(source: &Source, pace: &Pace, args: &SimulateArgs) -> Result<(), CliError> {
    let told = match pace {
        Pace::Max => {
            "--rate max needs connections, and a simulation has none: set a rate, such as --rate 100k/s"
        }
        Pace::Recorded(_) if !source.has_times() => {
            "this trace has no timestamps: set a rate, such as --rate 100/s"
        }
        Pace::Recorded(_) | Pace::Constant(_) | Pace::Profile(_)
            if args.load.loop_trace && !source.is_repeatable() =>
        {
            "--loop needs inputs that can be read again, and a stream cannot: use files"
        }
        Pace::Recorded(_) | Pace::Constant(_) | Pace::Profile(_) => {
            return args.load.shape.check_clients(source.has_clients()).map_err(CliError::Usage);
        }
    };
    Err(CliError::Usage(told.to_owned()))
}

/// The effective plan, but for what the input says.
fn plan(args: &SimulateArgs, load: &LoadArgs, simulation: &SimulationPlan, scenario: Option<String>) -> Plan {
    let service = &simulation.service;
    Plan {
        command: RunKind::Simulate,
        config: args.config.effective.clone(),
        target: "a modelled service".to_owned(),
        overload: "shed".to_owned(),
        timeout_s: simulation.timeout.as_secs_f64(),
        verify: Depth::Off,
        allow_invalid: args.report.allow_invalid,
        simulated: Some(SimulatedService {
            scenario,
            client: simulation.clients.clients.name().to_owned(),
            retry_budget: args.clients.behavior.retry_budget.map(|share| share.to_string()),
            servers: service.servers.map(|servers| u64::from(servers.get())),
            service_time: service.service_time.to_string(),
            queue: service.queue as u64,
            abandoned: service.abandoned.name().to_owned(),
            round_trip_s: service.round_trip.as_secs_f64(),
            lookup_s: service.lookup.as_secs_f64(),
            capacity_drops: service.drops.iter().map(ToString::to_string).collect(),
            faults: simulation.faults.iter().map(ToString::to_string).collect(),
        }),
        client: Some(simulation.clients.clients.name().to_owned()),
        session_gap_s: Some(simulation.clients.session_gap.as_secs_f64()),
        own_clients: simulation.clients.clients.own_names(),
        session_max_s: Some(simulation.clients.session_max.as_secs_f64()),
        first_attempts_s: args.clients.behavior.first_attempts.map(|window| window.as_secs_f64()),
        started_at: system::rfc3339(Stamp::default()),
        ..plan_of_load(load, &args.trace)
    }
}

fn report(
    prepared: PreparedSimulation,
    (args, exports): (&SimulateArgs, Exports),
    phase: &watch::Receiver<Phase>,
    out: &mut dyn Write,
) -> Result<Exit, CliError> {
    let PreparedSimulation { simulation, played, mut plan, scenario } = prepared;
    let counted = plan.duration_s.map(|all| Duration::from_secs_f64(all).saturating_sub(simulation.warmup));
    let limits = Limits::of(&args.thresholds, &AbortArgs::default(), counted)?;
    limits.record_in(&mut plan);
    let now = Plan { started_at: system::rfc3339(system::now()), ..Plan::default() };
    let path = args.report.out.clone().unwrap_or_else(|| default_path(&now));
    let directory = RunDirectory::create(&path, Stamp::default())?;
    let watch = ThresholdMonitor::new(limits.thresholds);
    let mut seconds = SimulationObserver {
        directory,
        series: StormSeries::default(),
        monitor: watch,
        write_errors: Vec::new(),
    };
    let begun = Instant::now();
    let end = simulate(&simulation, played, &mut seconds, &|| *phase.borrow() > Phase::Running);
    let took = begun.elapsed();
    let SimulationObserver { directory, series, monitor: watch, write_errors: mut trouble } = seconds;
    if !args.report.quiet {
        print_message(&speed(&end, took));
    }
    let fault = planned_fault_seconds(&simulation, &plan, &end);
    let thresholds = watch.assess(&end.totals, offering_s(&end, simulation.warmup));
    let report = result((plan, thresholds), &end, (&series, fault, simulation.warmup), &mut trouble)?;
    let beside = scenario.and_then(|scenario| scenario.compare_with_expected(&report));
    let measured = MeasuredRun {
        report,
        run_directory: Some((directory, path)),
        errors: trouble,
        ended_by: end.failures,
        interrupted: end.interrupted,
    };
    let (exit, _) = measured.publish(args.report.format, exports, out)?;
    if let (Some(beside), OutputFormat::Text) = (beside, args.report.format) {
        write!(Visible(&mut *out), "\n{beside}").and_then(|()| out.flush()).map_err(CliError::Print)?;
    }
    Ok(exit)
}

/// The seconds of the run, counted from the end of the warm-up, in which
/// something was planned to be wrong; `None` where nothing was.
fn planned_fault_seconds(simulation: &SimulationPlan, plan: &Plan, end: &RunEnd) -> Option<Range<u64>> {
    let length = plan.duration_s.map_or(end.last_due.as_duration(), Duration::from_secs_f64);
    let (from, to) = trouble(&simulation.faults, &simulation.service.drops, length)?;
    let counted = |at: Duration| at.saturating_sub(simulation.warmup);
    let end = counted(to).as_nanos().div_ceil(u128::from(NANOS_PER_SECOND));
    Some(counted(from).as_secs()..u64::try_from(end).unwrap_or(u64::MAX))
}

fn result(
    (plan, thresholds): (Plan, Assessment),
    end: &RunEnd,
    (series, fault, warmup): (&StormSeries, Option<Range<u64>>, Duration),
    trouble: &mut Vec<String>,
) -> Result<RunReport, CliError> {
    let stopped_early = end.interrupted || !end.failures.is_empty();
    let books = close_accounting(end, trouble)?;
    let mut notices: Vec<_> = end.notices.iter().map(|notice| input_notice(notice)).collect();
    notices.extend(without_client(end.scheduled.without_client));
    if !stopped_early {
        notices.extend(ended_early(&plan, &end.totals));
    }
    let generator = GeneratorFacts {
        wall_s: end.wall.as_secs_f64(),
        offering_s: offering_s(end, warmup),
        ..GeneratorFacts::default()
    };
    let ending = if stopped_early { Ending::Interrupted } else { Ending::Finished };
    let totals = &end.totals;
    let report = RunReport::build(ReportInput {
        plan,
        accounting: &books,
        totals,
        generator,
        ending,
        thresholds,
        notices,
    })
    .with_retries(&totals.counts, Some(series));
    Ok(match fault {
        Some(fault) => report.with_storm_within(series, fault),
        None => report,
    })
}

/// How fast it went.
fn speed(end: &RunEnd, took: Duration) -> String {
    let counts = &end.totals.counts;
    let attempts = counts.attempts.total() + counts.warmup.attempts.total();
    format!(
        "simulated {} attempts in {} s of virtual time; it took {:.2} s, {:.2} million attempts per second",
        grouped(attempts),
        grouped(end.wall.as_secs()),
        took.as_secs_f64(),
        approximate(attempts) / took.as_secs_f64().max(1e-9) / 1e6
    )
}

/// Keeps each second.
struct SimulationObserver {
    directory: RunDirectory,
    series: StormSeries,
    monitor: ThresholdMonitor,
    /// What could not be written; the run goes on without it.
    write_errors: Vec<String>,
}

impl Observer for SimulationObserver {
    fn second(&mut self, interval: &Interval, _: &Totals) {
        self.series.add(interval.second(), StormSecond::from(interval));
        self.monitor.second(interval);
        if let Err(error) = self.directory.append(interval) {
            let text = chain(&error);
            if !self.write_errors.contains(&text) {
                self.write_errors.push(text);
            }
        }
    }
}

/// A service without a bound has no capacity to lose.
fn check_bound(flag: &str, service: &Service) -> Result<(), CliError> {
    if service.servers.is_some() {
        return Ok(());
    }
    Err(CliError::Usage(format!("{flag} needs a service with limited capacity: set --servers")))
}

/// Downloads of one run of a sweep, of which there are many.
const SWEPT_MAX: f64 = 50e6;

/// Refuses runs that would tell nothing, or hardly ever end.
fn check_sweep(scenario: &Scenario, plan: &SimulationPlan, grid: &Grid) -> Result<(), String> {
    let seconds = longest_run_s(scenario, plan, grid);
    for &load in &grid.loads {
        let per_second = load.as_f64() * scenario.load.downloads.per_second_f64();
        if per_second < 1.0 {
            return Err(format!(
                "--sweep: a load of {load} is less than one download per second, too few to measure a recovery"
            ));
        }
        if per_second * seconds > SWEPT_MAX {
            return Err(format!(
                "--sweep: a run of {seconds} s at a load of {load} has more than 50 million downloads: use \
                 shorter durations or lower loads"
            ));
        }
    }
    Ok(())
}

fn sweep_of(
    scenario: Scenario,
    grid: &Grid,
    args: &SimulateArgs,
    phase: &watch::Receiver<Phase>,
    out: &mut dyn Write,
) -> Result<Exit, CliError> {
    let scenario = args.changed(scenario)?;
    check_bound("--sweep", &scenario.service)?;
    if args.load.speed.is_some() || !args.load.warmup.is_zero() || args.load.requests.is_some() {
        return Err(CliError::Usage(
            "--sweep cannot be combined with --speed, --warmup or --requests".to_owned(),
        ));
    }
    let clientele = args.clients.behavior.client_mix_of_scenario(&scenario.clients.model)?;
    let of_service = (scenario.service.clone(), scenario.faults.clone());
    let simulation = args.simulation(&scenario.clients, clientele, of_service);
    let grid = grid.clone().filled_in(&scenario);
    check_sweep(&scenario, &simulation, &grid).map_err(CliError::Usage)?;
    let Some(swept) = sweep(&scenario, &simulation, grid, &|| *phase.borrow() > Phase::Running) else {
        return Ok(Exit::Interrupted);
    };
    let written = match args.report.format {
        OutputFormat::Text => write!(Visible(&mut *out), "{swept}"),
        OutputFormat::Json => writeln!(out, "{}", swept.to_json()),
    };
    written.and_then(|()| out.flush()).map_err(CliError::Print)?;
    Ok(Exit::Passed)
}
