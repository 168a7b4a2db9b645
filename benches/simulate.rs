//! How many attempts a second are simulated, on one core: a storm of cargo's
//! retries at two sizes, a healthy service, and one with a queue.
//!
//! `cargo bench --bench simulate` prints a line each; the goal is 2 million.
//! Numbers of a shared machine say little: look at the user time.

use downpour_load::client::{ClientMix, ClientModels, ClientPlan};
use downpour_load::played::{AtEndOfTrace, Played};
use downpour_load::schedule::{Pace, RunLimits, Schedule};
use downpour_metrics::Observer;
use downpour_metrics::{Interval, Totals};
use downpour_sim::scenario::Scenario;
use downpour_sim::{DEFAULT_LIMIT, SimulationPlan, simulate};
use rustix::time::{ClockId, clock_gettime};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

/// Sees nothing, so that only the simulation is measured.
struct Blind;

impl Observer for Blind {
    fn second(&mut self, _: &Interval, _: &Totals) {}
}

/// Processor time of this process so far.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn measure(name: &str, scenario: &Scenario) -> io::Result<()> {
    let client = ClientModels::built_in().find(&scenario.clients.model).expect("it is built in").clone();
    let plan = SimulationPlan {
        clients: Arc::new(ClientPlan {
            clients: ClientMix::of(client),
            session_gap: scenario.clients.session_gap,
            session_max: scenario.clients.session_max,
            seed: 1,
        }),
        timeout: scenario.clients.timeout,
        service: scenario.service.clone(),
        faults: scenario.faults.clone(),
        warmup: Duration::ZERO,
        max_in_flight: DEFAULT_LIMIT,
        max_waiting: DEFAULT_LIMIT,
        seed: 1,
    };
    let schedule = Schedule::new(Pace::AS_RECORDED, RunLimits::default());
    let arrivals = Played::new(Box::new(scenario.requests(1)), schedule, AtEndOfTrace::Stop);
    let begun = cpu();
    let end = simulate(&plan, arrivals, &mut Blind, &|| false);
    let took = cpu().abs_diff(begun);
    let attempts = u32::try_from(end.totals.counts.attempts.total()).unwrap_or(u32::MAX);
    writeln!(
        io::stdout(),
        "{name:<42}{attempts:>11} attempts  {:>6.0} ns each  {:>5.2} million/s",
        took.as_secs_f64() * 1e9 / f64::from(attempts),
        f64::from(attempts) / took.as_secs_f64() / 1e6,
    )
}

fn main() -> io::Result<()> {
    let incident = Scenario::built_in("incident").expect("it is built in");
    measure("the incident", &incident)?;
    let mut larger = incident.load_scaled("20x".parse().expect("it is a factor"));
    larger.load.duration = Duration::from_mins(2);
    measure("the same with 20 times the load, 2 minutes", &larger)?;
    let mut healthy = larger;
    healthy.faults.clear();
    measure("no fault, 30,000 downloads/s", &healthy)?;
    let metastable = Scenario::built_in("metastable").expect("it is built in");
    let mut queued = metastable.load_scaled("500x".parse().expect("it is a factor"));
    queued.service.servers = std::num::NonZeroU32::new(500);
    queued.service.queue = 2_000_000;
    measure("a service that stays overloaded, 41,500/s", &queued)
}
