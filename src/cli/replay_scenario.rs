//! `downpour replay --scenario`: a scenario, live against the embedded
//! candidate.
//!
//! The candidate runs in this process, as for `demo`, and plays the scenario's
//! service; the clients are those of the scenario, and everything is as many
//! times as fast as the scenario or `--speed` says.

use super::replay::{ReplayArgs, ReplayInput, play};
use super::terminal::Visible;
use super::{CliError, print_message, scenarios};
use downpour_core::units::Factor;
use downpour_load::client::ClientPlan;
use downpour_load::schedule::{Pace, check_peak};
use downpour_mock::{MockConfig, MockRegistry};
use downpour_report::RunKind;
use downpour_report::{Exit, PlanInput};
use downpour_sim::scenario::Scenario;
use std::io::Write;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Threads of the candidate.
const THREADS: NonZeroUsize = NonZeroUsize::MIN;

/// Plays the scenario of that name, or the one in that file.
pub(super) fn run(name_or_file: &str, args: &ReplayArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let whole = scenarios::load(name_or_file)?;
    let speed = args.load.speed.unwrap_or(whole.live_speed);
    let scenario = whole.time_scaled(speed);
    check_peak(scenario.load.downloads.per_second_f64()).map_err(CliError::Usage)?;
    let seed = args.trace.seed;
    let plan = scenario
        .mock_fault_plan(seed)
        .map_err(|error| CliError::Usage(format!("--scenario {name_or_file}: {error}")))?;
    let clients = clients(&scenario, args, speed)?;
    let registry = MockRegistry::start(MockConfig { plan, threads: THREADS, ..MockConfig::default() })?;
    if !args.report.quiet {
        print_message(&start_message(&scenario, speed, &registry));
    }
    let mut args = args.clone();
    // The pace is in the scenario's times, which are shorter already.
    args.load.rate = Pace::AS_RECORDED;
    args.load.speed = None;
    args.load.target = format!("http://{}", registry.api()).parse()?;
    args.load.timeout = scenario.clients.timeout.min(args.load.timeout);
    args.verify.rules = Some("crates-io".to_owned());
    args.verify.resolver = vec![registry.dns()];
    args.verify.allow_private = true;
    let requested = ReplayInput {
        requests: Box::new(scenario.requests(seed)),
        inputs: vec![PlanInput {
            name: format!("scenario: {name_or_file}"),
            format: format!("{}, {speed}", scenario.clients.model),
            compression: "plain".to_owned(),
        }],
        inputs_skipped: Vec::new(),
        reorder_window_s: 0.0,
        clients: Some(Arc::new(clients)),
        fault: scenario.fault_span().map(seconds),
    };
    let played = play(RunKind::Replay, requested, &args, out);
    registry.stop();
    let (exit, report) = played?;
    if let Some(beside) = scenario.compare_with_expected(&report) {
        match args.report.format {
            super::report_args::OutputFormat::Text => {
                writeln!(Visible(out), "\n{beside}").map_err(CliError::Print)?;
            }
            super::report_args::OutputFormat::Json => print_message(&beside),
        }
    }
    Ok(exit)
}

/// Those of the scenario, or whom `--client` names, in its haste.
fn clients(scenario: &Scenario, args: &ReplayArgs, speed: Factor) -> Result<ClientPlan, CliError> {
    let clients = args.clients.client_mix_of_scenario(&scenario.clients.model)?.time_scaled(speed);
    let (session_gap, session_max) = (scenario.clients.session_gap, scenario.clients.session_max);
    Ok(ClientPlan { clients, session_gap, session_max, seed: args.trace.seed })
}

/// Whole seconds around a span.
fn seconds((from, to): (Duration, Duration)) -> Range<u64> {
    from.as_secs()..to.as_secs() + u64::from(to.subsec_nanos() > 0)
}

fn start_message(scenario: &Scenario, speed: Factor, registry: &MockRegistry) -> String {
    let seconds = scenario.load.duration.as_secs_f64();
    let fault_span = scenario.fault_span().map_or_else(String::new, |(from, to)| {
        format!("; disturbed from second {} to {}", from.as_secs_f64(), to.as_secs_f64())
    });
    format!(
        "scenario {}: {}\nscenario {}: speed {speed}: {seconds} s at {}{fault_span}\nscenario {}: mock registry at \
         http://{}",
        scenario.name,
        scenario.about,
        scenario.name,
        scenario.load.downloads,
        scenario.name,
        registry.api()
    )
}
