//! Queues with a known answer. Tolerances are above four standard errors, and
//! seeds are fixed.

use super::*;
use crate::scenario::ServiceTime;
use downpour_core::units::approximate;
use std::num::NonZeroU32;

fn exponential(servers: Option<u32>, mean_ms: u64) -> Service {
    Service {
        servers: servers.and_then(NonZeroU32::new),
        service_time: ServiceTime::Exponential(Duration::from_millis(mean_ms)),
        queue: Service::QUEUE_MAX,
        ..Service::default()
    }
}

/// M/M/1: a request takes 1 / (mu - lambda) on average, and 99 of 100 at most
/// ln 100 times that.
#[test]
fn one_server_makes_requests_wait_as_long_as_it_should() {
    for (rate, lambda, seconds) in [("70/s", 70.0, 2_000), ("50/s", 50.0, 2_000)] {
        let watched = watched(&plan(model("none"), exponential(Some(1), 10)), poisson(rate, seconds));
        let latency = &watched.end.totals.times.latency;
        let mean_us = 1e6 / (100.0 - lambda);
        is_about(latency.mean(), mean_us, 5.0);
        is_about(approximate(latency.quantile(0.99)), mean_us * 100_f64.ln(), 8.0);
    }
}

/// Little: what is in flight is the rate times the time, whatever the service.
#[test]
fn what_is_in_flight_is_the_rate_times_the_time() {
    for service in [exponential(None, 1_000), exponential(Some(120), 1_000)] {
        let watched = watched(&plan(model("none"), service), poisson("100/s", 1_000));
        let (times, offered) = (&watched.end.totals.times, watched.end.totals.counts.arrivals.offered);
        // Until what is in flight no longer depends on where it began.
        let settled = &watched.in_flight[20..1_000];
        let mean = approximate(settled.iter().sum()) / approximate(settled.len() as u64);
        is_about(mean, approximate(offered) / 1_000.0 * times.latency.mean() / 1e6, 2.0);
    }
}

/// A closed loop of N, each of which thinks for Z after an answer that took R,
/// makes N / (R + Z) requests a second. Here it is clients that are refused and
/// ask again.
#[test]
fn a_closed_loop_is_as_fast_as_its_answers_and_its_thoughts() {
    let patient = written("attempts = 100\ndelays = [\"2s\"]\nstatuses = [\"5xx\"]");
    for (round_trip_ms, per_s) in [(500, 40.0), (3_000, 20.0)] {
        let service = Service {
            service_time: "constant 0s".parse().unwrap(),
            round_trip: Duration::from_millis(round_trip_ms),
            ..Service::default()
        };
        let mut closed = plan(patient.clone(), service);
        closed.faults = vec!["status-503".parse().unwrap()];
        let counts = watched(&closed, burst(100)).end.totals.counts;
        assert_eq!((counts.attempts.total(), counts.arrivals.failed), (10_000, 100));
        // The last of a hundred turns has no thought after it.
        let took = counts.attempts.last_done.as_duration().as_secs_f64() + 2.0;
        is_about(10_000.0 / took, per_s, 0.01);
    }
}

/// One saturated server does what it can, and the queue grows by the rest.
#[test]
fn a_server_does_no_more_than_it_can() {
    let service = Service { servers: NonZeroU32::new(1), queue: 500, ..Service::default() };
    let service = Service { service_time: "constant 10ms".parse().unwrap(), ..service };
    let counts = watched(&plan(model("none"), service), poisson("200/s", 60)).end.totals.counts;
    // A minute of work, and what was in the queue at its end.
    let passed = counts.arrivals.passed;
    assert!((6_480..=6_501).contains(&passed), "{passed}");
    assert_eq!(counts.attempts.statuses[&503], counts.arrivals.failed);
}

/// Retries of cargo against a dead service, all of one session: A(N) of the pure
/// model, played by the loop of events.
#[test]
fn a_lone_download_is_asked_for_four_times() {
    let mut dead = plan(model("cargo-1.70"), Service::default());
    dead.faults = vec!["missing-slash".parse().unwrap()];
    let end = watched(&dead, burst(1)).end;
    assert_eq!(end.totals.counts.attempts.total(), 4);
    let life = end.wall.as_secs_f64();
    assert!((10.5..11.6).contains(&life), "{life}");
    assert_eq!(end.totals.counts.retries.by_attempts, [(4, 1)].into());
}
