//! What makes a run invalid, provoked: a slow reader, a saturated worker, a
//! machine without ports.

use super::super::connect::{Connect, Opened};
use super::super::cpu_meter::CpuClock;
use super::super::wire::Stamper;
use super::{LoopMode, TestRun, origin};
use downpour_core::fault::Fault;
use downpour_metrics::GeneratorHealth;
use downpour_report::{Assessment, Ending, GeneratorFacts, Plan, Verdict, judge};
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::time::Instant;

/// This machine's ports are all taken.
#[derive(Debug)]
struct Portless;

impl Connect for Portless {
    type Stream = DuplexStream;

    async fn connect(&self, _: Stamper) -> Result<Opened<DuplexStream>, Fault> {
        Err(Fault::GeneratorPorts)
    }
}

#[test]
fn a_reader_that_falls_behind_is_told_from_a_late_sender() {
    // Ten arrivals are due from 0 to 90 ms. Five are read in time; the others
    // come at 75 ms, when those of 50, 60 and 70 ms are due already.
    let scene = TestRun { read_ms: vec![(0, 5), (75, 1), (75, 4)], ..TestRun::alike(100, 10, "/good-0") };
    let (totals, _) = scene.play(origin().0);
    let strain = &totals.counts.generator_health;
    assert_eq!((strain.trace_lag, strain.trace_lag_arrivals), (Duration::from_millis(25), 3));
    assert_eq!((totals.counts.arrivals.passed, totals.times.lateness.max()), (10, 25_000));
    // Read just in time, all of them leave in time.
    let scene = TestRun { read_ms: vec![(0, 5), (50, 5)], ..TestRun::alike(100, 10, "/good-0") };
    let (totals, _) = scene.play(origin().0);
    assert_eq!(
        (totals.counts.generator_health, totals.times.lateness.max()),
        (GeneratorHealth::default(), 0)
    );
}

#[test]
fn a_closed_loop_says_how_long_it_waited_for_its_reader() {
    // Two connections at 10 ms an answer have done four arrivals by 20 ms, and
    // wait for the next four until 50 ms.
    let feed = LoopMode::Closed { until: None, open: None };
    let scene = TestRun {
        loop_mode: feed,
        connections: 2,
        read_ms: vec![(0, 4), (50, 4)],
        ..TestRun::alike(1, 8, "/good-10")
    };
    let (totals, worked) = scene.play(origin().0);
    assert_eq!((totals.counts.arrivals.passed, worked.last_due.as_micros()), (8, 60_000));
    let strain = &totals.counts.generator_health;
    assert_eq!((strain.trace_lag, strain.trace_lag_arrivals), (Duration::from_millis(30), 2));
    // With all of it at hand it never waits.
    let scene = TestRun { loop_mode: feed, connections: 2, ..TestRun::alike(1, 8, "/good-10") };
    assert_eq!(scene.play(origin().0).0.counts.generator_health, GeneratorHealth::default());
}

/// All the processor time there is.
fn saturated() -> Duration {
    thread_local!(static BEGAN: Instant = Instant::now());
    BEGAN.with(Instant::elapsed)
}

#[test]
fn a_worker_without_a_moment_to_spare_is_saturated() {
    let strain = |cpu: CpuClock| {
        let scene = TestRun { cpu, ..TestRun::alike(10, 31, "/good-0") };
        let (totals, _) = scene.play(origin().0);
        assert_eq!((totals.counts.arrivals.passed, totals.times.lateness.max()), (31, 0));
        let GeneratorHealth { busy_permille_max, saturated_arrivals, .. } = totals.counts.generator_health;
        (busy_permille_max, saturated_arrivals)
    };
    // Punctual, and saturated in each of three whole seconds: the arrival due
    // as the third ends may belong to it or not.
    let (peak, arrivals) = strain(saturated);
    assert!(peak == Some(1_000) && (30..=31).contains(&arrivals), "{peak:?}, {arrivals}");
    assert_eq!(strain(|| saturated() / 2), (Some(500), 0));
}

#[test]
fn what_the_worker_comes_to_after_its_time_out_is_its_own_fault() {
    // Due at 0 to 90 ms, read at 75 ms, with 30 ms to live: those of 0 to 40 ms
    // are not sent.
    let scene = TestRun { read_ms: vec![(75, 10)], timeout_ms: 30, ..TestRun::alike(100, 10, "/good-0") };
    let (totals, _) = scene.play(origin().0);
    let counts = &totals.counts;
    assert_eq!((counts.arrivals.offered, counts.arrivals.passed, counts.arrivals.failed), (10, 5, 5));
    assert_eq!(counts.faults.seen().map(|(fault, _)| fault).collect::<Vec<_>>(), [Fault::GeneratorLate]);
    // They lived as long as they might have, and never were on the wire.
    assert_eq!((totals.times.latency_failed.max(), totals.times.lateness.count()), (30_000, 5));
    let (plan, generator) = (Plan::default(), GeneratorFacts::default());
    let judgement = judge(&totals, &plan, &generator, (&Ending::Finished, &Assessment::default()));
    assert_eq!(judgement.verdict, Verdict::Invalid);
    assert!(judgement.invalid_reasons.iter().any(|reason| reason.id == "generator.late"));
}

#[test]
fn a_machine_without_ports_is_to_blame_and_not_the_candidate() {
    let (totals, _) = TestRun::alike(100, 10, "/good-0").play(Portless);
    assert_eq!(totals.counts.faults.get(Fault::GeneratorPorts).count, 10);
    let generator = GeneratorFacts::default();
    let judgement = judge(&totals, &Plan::default(), &generator, (&Ending::Finished, &Assessment::default()));
    assert_eq!(judgement.verdict, Verdict::Invalid);
    assert_eq!(judgement.invalid_reasons[0].id, "generator.no_ports");
}
