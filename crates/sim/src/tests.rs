//! Simulated runs against what mathematics says of them, and the storms that
//! the literature and the incident tell of.

mod contention;
mod oracles;
mod storms;

use super::*;
use crate::scenario::Scenario;
use downpour_core::agent::ClientKind;
use downpour_core::fault::Fault;
use downpour_load::client::{ClientMix, ClientModel, ClientModels};
use downpour_load::played::{AtEndOfTrace, Played, Requests};
use downpour_load::schedule::process::Spacing;
use downpour_load::schedule::{Pace, RunLimits, Schedule};
use downpour_metrics::{Accounting, ArrivalAdjustments, Interval, StormSecond, StormSeries, Totals};
use downpour_metrics::{Observer, RunEnd};
use downpour_trace::client::ClientKey;
use downpour_trace::source::ReadOutcome;
use downpour_trace::{Method, TraceAccounting, TraceRequest};

/// A run that was watched.
struct ObservedRun {
    end: RunEnd,
    series: StormSeries,
    /// Attempts in flight at the end of each second.
    in_flight: Vec<u64>,
}

#[derive(Default)]
struct SeriesObserver {
    series: StormSeries,
    in_flight: Vec<u64>,
}

impl Observer for SeriesObserver {
    fn second(&mut self, interval: &Interval, _: &Totals) {
        self.series.add(interval.second(), StormSecond::from(interval));
        self.in_flight.push(interval.gauges().in_flight);
    }
}

/// Requests as fast as the pace says, of one client or of nobody in particular.
struct EndlessRequests {
    read: u64,
    client: Option<ClientKey>,
}

impl Requests for EndlessRequests {
    fn next_or_idle(&mut self) -> Result<ReadOutcome, String> {
        self.read += 1;
        let target = bytes::Bytes::from_static(b"/");
        Ok(ReadOutcome::Request(TraceRequest {
            at: None,
            method: Method::Get,
            target,
            status: None,
            client: self.client,
            kind: ClientKind::NONE,
        }))
    }

    fn rewind(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn stop(&mut self) {}

    fn accounting(&self) -> TraceAccounting {
        TraceAccounting { read: self.read, accepted: self.read, ..TraceAccounting::default() }
    }

    fn notices(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Plays `arrivals`, and closes the books.
fn watched(plan: &SimulationPlan, arrivals: Played) -> ObservedRun {
    let mut watch = SeriesObserver::default();
    let end = simulate(plan, arrivals, &mut watch, &|| false);
    let left_out = ArrivalAdjustments { sampled_out: 0, unreleased: end.unreleased, amplified: 0 };
    Accounting::close(end.accounting.clone(), left_out, &end.totals).unwrap();
    ObservedRun { end, series: watch.series, in_flight: watch.in_flight }
}

/// Random arrivals at a rate, for so long.
fn poisson(rate: &str, seconds: u64) -> Played {
    let window = RunLimits { duration: Some(Duration::from_secs(seconds)), requests: None };
    let schedule = Schedule::new(rate.parse().unwrap(), window).with_spacing(Spacing::Poisson, 1);
    Played::new(Box::new(EndlessRequests { read: 0, client: None }), schedule, AtEndOfTrace::Stop)
}

/// So many arrivals at once.
fn burst(count: u64) -> Played {
    let window = RunLimits { requests: Some(count), duration: None };
    Played::new(
        Box::new(EndlessRequests { read: 0, client: None }),
        Schedule::new(Pace::Max, window),
        AtEndOfTrace::Stop,
    )
}

fn of_scenario(scenario: &Scenario) -> Played {
    let schedule = Schedule::new(Pace::AS_RECORDED, RunLimits::default());
    Played::new(Box::new(scenario.requests(1)), schedule, AtEndOfTrace::Stop)
}

fn model(name: &str) -> ClientModel {
    ClientModels::built_in().find(name).unwrap().clone()
}

/// A model of a user's own, from the lines of its table after the name.
fn written(lines: &str) -> ClientModel {
    let text = format!("[[client]]\nname = \"own\"\n{lines}\n");
    ClientModels::parse(&text, "own.toml").unwrap().find("own").unwrap().clone()
}

fn clients(model: ClientModel, session_gap: Duration) -> Arc<ClientPlan> {
    let session_max = downpour_load::client::sessions::SESSION_MAX;
    Arc::new(ClientPlan { clients: ClientMix::of(model), session_gap, session_max, seed: 1 })
}

/// A plan in which nothing goes wrong.
fn plan(client: ClientModel, service: Service) -> SimulationPlan {
    SimulationPlan {
        clients: clients(client, downpour_load::client::sessions::SESSION_GAP),
        timeout: Duration::from_secs(30),
        service,
        faults: Vec::new(),
        warmup: Duration::ZERO,
        max_in_flight: DEFAULT_LIMIT,
        max_waiting: DEFAULT_LIMIT,
        seed: 1,
    }
}

fn plan_of(scenario: &Scenario) -> SimulationPlan {
    let Scenario { clients: asking, service, .. } = scenario;
    SimulationPlan {
        clients: clients(model(&asking.model), asking.session_gap),
        timeout: scenario.clients.timeout,
        faults: scenario.faults.clone(),
        ..plan(model(&asking.model), service.clone())
    }
}

#[track_caller]
fn is_about(found: f64, expected: f64, percent: f64) {
    let off = (found / expected - 1.0) * 100.0;
    assert!(off.abs() <= percent, "{found} is {off:.2} % off {expected}");
}

/// A wait that is cut or shed is in the books like any other end, which
/// `watched` has closed them over.
#[test]
fn a_storm_that_outgrows_its_limits_is_counted() {
    let mut narrow = plan(model("cargo-1.70"), Service::default());
    narrow.faults = vec!["status-503".parse().unwrap()];
    (narrow.max_in_flight, narrow.max_waiting) = (30, 20);
    let end = watched(&narrow, burst(100)).end;
    let (arrivals, retries) = (end.totals.counts.arrivals, &end.totals.counts.retries);
    assert_eq!((arrivals.offered, arrivals.shed, arrivals.failed), (100, 70, 30));
    assert_eq!(retries.count_of(downpour_metrics::DownloadEnd::NoRoom), 10);
    assert_eq!(end.totals.counts.attempts.total(), 30 + 3 * 20);
}

/// The same as in a live run: what retries hide is counted and has examples.
#[test]
fn what_retries_hide_is_counted_by_attempt() {
    let mut broken = plan(model("cargo-1.70"), Service::default());
    broken.faults = vec!["missing-slash@2s..4s".parse().unwrap()];
    let totals = watched(&broken, poisson("50/s", 30)).end.totals;
    let (fault, counts) = (Fault::DnsNxdomain, &totals.counts);
    let (wrong, arrivals) = (counts.wrong_attempts.get(fault), counts.arrivals);
    assert!(arrivals.recovered > 50 && wrong.count > arrivals.recovered, "{arrivals:?}");
    assert_eq!((arrivals.failed, counts.saved_by_retries.get(fault).count), (0, arrivals.recovered));
    let seen = wrong.seen.map(|(first, last)| (first.second(), last.second()));
    assert!(seen == Some((2, 3)) || seen == Some((2, 4)), "{seen:?}");
    // All ask for the same.
    assert_eq!(totals.examples.of(fault).len(), 1);
}

#[test]
fn a_run_that_is_stopped_ends_within_a_second_of_any_load() {
    let cargo = plan(model("cargo-1.89"), Service::default());
    let end = simulate(&cargo, poisson("500k/s", 10), &mut SeriesObserver::default(), &|| true);
    let arrivals = end.totals.counts.arrivals;
    assert!(end.interrupted && arrivals.offered <= 4_096, "{arrivals:?}");
}

#[test]
fn a_run_that_is_stopped_is_cut_and_balances() {
    let cargo =
        plan(model("cargo-1.70"), Service { round_trip: Duration::from_secs(5), ..Service::default() });
    let end = simulate(&cargo, poisson("100/s", 60), &mut SeriesObserver::default(), &|| true);
    assert!(end.interrupted);
    let left_out = ArrivalAdjustments { sampled_out: 0, unreleased: end.unreleased, amplified: 0 };
    Accounting::close(end.accounting.clone(), left_out, &end.totals).unwrap();
    let arrivals = end.totals.counts.arrivals;
    assert!(arrivals.unfinished > 50 && arrivals.unfinished == arrivals.offered, "{arrivals:?}");
    assert_eq!(end.totals.counts.attempts.unfinished, arrivals.unfinished);
}

#[test]
fn what_waits_for_a_retry_when_a_simulation_is_stopped_has_failed() {
    let mut refusing =
        plan(written("attempts = 3\ndelays = [\"1h\"]\nstatuses = [\"5xx\"]"), Service::default());
    refusing.faults = vec!["status-503".parse().unwrap()];
    let end = simulate(&refusing, poisson("100/s", 10), &mut SeriesObserver::default(), &|| true);
    let left_out = ArrivalAdjustments { sampled_out: 0, unreleased: end.unreleased, amplified: 0 };
    Accounting::close(end.accounting.clone(), left_out, &end.totals).unwrap();
    let (arrivals, retries) = (end.totals.counts.arrivals, &end.totals.counts.retries);
    assert!(arrivals.offered > 50 && arrivals.failed == arrivals.offered, "{arrivals:?}");
    assert_eq!(retries.waiting_at_end, arrivals.failed);
    assert_eq!(retries.by_attempts, [(1, arrivals.failed)].into());
}

/// The same as in a live run, whose test has the same numbers.
#[test]
fn what_runs_a_client_again_begins_the_whole_session_anew() {
    let lines = "attempts = 2\ndelays = [\"100ms\"]\nstatuses = [\"5xx\"]\non-failure = \"abort\"\n\
                 outer-loop = { runs = 2, pause = \"1s\" }";
    let service = Service { round_trip: Duration::from_millis(14), ..Service::default() };
    let mut refusing = plan(written(lines), service);
    refusing.faults = vec!["status-503".parse().unwrap()];
    let window = RunLimits { requests: Some(3), duration: None };
    let schedule = Schedule::new("100/s".parse().unwrap(), window);
    let requests = EndlessRequests { read: 0, client: ClientKey::new(1) };
    let totals = watched(&refusing, Played::new(Box::new(requests), schedule, AtEndOfTrace::Stop)).end.totals;
    assert_eq!(totals.counts.retries.by_attempts, [(3, 1), (4, 2)].into());
    assert_eq!(totals.counts.arrivals.failed, 3);
    assert_eq!(totals.times.latency_failed.max(), 1_260_000);
}

#[test]
fn a_seed_gives_the_same_run_again() {
    let scenario = Scenario::built_in("incident").unwrap().load_scaled("0.01x".parse().unwrap());
    let run = |seed| {
        let plan = plan_of(&scenario);
        let clients = Arc::new(ClientPlan { seed, ..ClientPlan::clone(&plan.clients) });
        watched(&SimulationPlan { clients, seed, ..plan }, of_scenario(&scenario)).end.totals
    };
    assert!(run(7) == run(7), "totals are too long to be printed");
    assert!(run(7) != run(8), "totals are too long to be printed");
}

#[test]
fn what_is_due_in_the_warm_up_is_not_counted() {
    let warm = SimulationPlan { warmup: Duration::from_secs(5), ..plan(model("none"), Service::default()) };
    let counts = watched(&warm, poisson("100/s", 10)).end.totals.counts;
    let (counted, warmup) = (counts.arrivals.offered, counts.warmup.arrivals.offered);
    assert!((400..600).contains(&counted) && (400..600).contains(&warmup), "{counted}, {warmup}");
    assert_eq!(counts.attempts.total(), counted);
}
