//! The warm-up: what was due in it is sent, and in no number of the result.

use super::super::worker::{LoopMode, Phase};
use super::{TestRun, origin};
use downpour_core::fault::Fault;
use downpour_core::units::Offset;
use downpour_metrics::{Totals, WarmupCounts};
use std::time::Duration;
use tokio::time::Instant;

#[test]
fn a_warm_up_is_sent_and_counted_apart() {
    // Due in it: 500 quick ones, the last ten of which hang until their
    // time-out, long after it. Due after it: 1,500 that take 5 ms.
    let script = |n: u64| match n {
        0..490 => "/down-0".to_owned(),
        490..500 => "/silent-0".to_owned(),
        _ => "/good-5".to_owned(),
    };
    let paths: Vec<String> = (0..2_000).map(script).collect();
    let scene = TestRun { warmup_ms: 500, timeout_ms: 800, ..TestRun::of(1_000, paths) };
    let (totals, worked) = scene.play(origin().0);
    let (counts, times) = (&totals.counts, &totals.times);
    assert_eq!((counts.arrivals.offered, counts.arrivals.passed), (1_500, 1_500));
    assert_eq!((counts.attempts.total(), counts.attempts.statuses[&302]), (1_500, 1_500));
    assert_eq!((counts.faults.total(), counts.attempts.faults.total()), (0, 0));
    assert_eq!((times.latency.count(), times.latency_failed.count()), (1_500, 0));
    assert_eq!((times.service.count(), times.lateness.count()), (1_500, 1_500));
    assert_eq!(counts.attempts.last_done.as_micros(), 1_504_000);
    let warmup = &counts.warmup;
    assert_eq!((warmup.arrivals.offered, warmup.arrivals.failed), (500, 500));
    assert_eq!(warmup.attempts.faults.get(Fault::TimeoutTotal).count, 10);
    assert_eq!(warmup.attempts.statuses[&503], 490);
    // One after the other on one connection, then ten at once.
    assert_eq!(warmup.connections_opened, 10);
    assert!((5..=6).contains(&counts.connections_opened), "{}", counts.connections_opened);
    assert_eq!(worked.last_due.as_micros(), 1_999_000);
}

#[test]
fn of_a_run_that_ends_in_its_warm_up_nothing_counts() {
    let stop = Some((250, Phase::Stopping));
    let scene = TestRun { stop, warmup_ms: 1_000, ..TestRun::alike(1_000, 2_000, "/good-100") };
    let (totals, worked) = scene.play(origin().0);
    let warmup = &totals.counts.warmup.arrivals;
    assert_eq!(warmup.offered + worked.unreleased, 2_000);
    assert!(warmup.unfinished > 0 && warmup.settled() == warmup.offered, "{warmup:?}");
    let mut rest = totals.clone();
    rest.counts.warmup = WarmupCounts::default();
    assert_eq!(rest, Totals { peak: totals.peak, ..Totals::default() });
}

#[test]
fn what_is_shed_in_the_warm_up_spoils_nothing() {
    // Every 2 ms one that hangs: the first ten until 81 to 99 ms, those due
    // meanwhile are over the limit, nine more take the places that get free.
    let paths = (0..100).map(|n| if n < 50 { "/silent-0" } else { "/good-0" }.to_owned()).collect();
    let scene = TestRun { warmup_ms: 100, in_flight: 10, timeout_ms: 81, ..TestRun::of(500, paths) };
    let (totals, _) = scene.play(origin().0);
    let (warmup, arrivals) = (&totals.counts.warmup.arrivals, &totals.counts.arrivals);
    assert_eq!((warmup.offered, warmup.failed, warmup.shed), (50, 19, 31));
    assert_eq!((arrivals.offered, arrivals.passed), (50, 50));
}

#[test]
fn in_a_closed_loop_the_warm_up_is_what_was_handed_out_in_it() {
    let feed = LoopMode::Closed { until: Some(Offset::from(Duration::from_millis(95))), open: None };
    let scene =
        TestRun { loop_mode: feed, connections: 2, warmup_ms: 35, ..TestRun::alike(1, 400, "/good-10") };
    let (totals, worked) = scene.play(origin().0);
    // Handed out at 0, 10, 20 and 30 ms, the last over at 40.
    assert_eq!(totals.counts.warmup.arrivals.passed, 8);
    assert_eq!((totals.counts.arrivals.passed, worked.unreleased), (12, 380));
    assert_eq!(totals.times.latency.count(), 12);
}

/// A processor that works without a pause for two seconds, and then rests.
fn busy_at_first() -> Duration {
    thread_local!(static BEGAN: Instant = Instant::now());
    BEGAN.with(|began| began.elapsed().min(Duration::from_secs(2)))
}

#[test]
fn how_busy_a_worker_is_counts_from_the_end_of_the_warm_up() {
    let saturated = |warmup_ms| {
        let scene = TestRun { cpu: busy_at_first, warmup_ms, ..TestRun::alike(100, 500, "/good-0") };
        // A thread of its own has a processor of its own.
        let played = std::thread::spawn(move || scene.play(origin().0).0.counts.generator_health);
        played.join().unwrap()
    };
    assert!(saturated(0).saturated_arrivals > 150);
    assert_eq!((saturated(2_500).saturated_arrivals, saturated(2_500).busy_permille_max), (0, Some(0)));
}
