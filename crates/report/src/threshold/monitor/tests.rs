//! Runs of a few seconds, and what comes of thresholds in them.

use super::*;
use downpour_core::units::Offset;
use downpour_metrics::{ArrivalOutcome, Attempt, AttemptEnd, AttemptKind};

/// One second: arrivals offered, and the latencies of those that were good in
/// it; the others failed of a host that does not exist.
#[derive(Clone, Copy, Default)]
struct TestSecond<'a> {
    offered: u64,
    good_ms: &'a [u64],
    failed: u64,
}

fn interval(second: u64, TestSecond { offered, good_ms, failed }: TestSecond<'_>) -> Interval {
    let mut interval = Interval::new(second);
    (0..offered).for_each(|_| interval.offered());
    let begin = Offset::from_nanos(second * 1_000_000_000);
    let mut end = |millis: u64, fate| {
        let done = Offset::from_nanos(begin.as_nanos() + millis * 1_000_000);
        let end = AttemptEnd::Status(302);
        let attempt = Attempt { due: begin, sent: Some(begin), first_byte: Some(done), done, end };
        interval.attempt(&attempt, AttemptKind::First);
        interval.arrival(fate, begin, done);
    };
    for &millis in good_ms {
        end(millis, ArrivalOutcome::Passed);
    }
    (0..failed).for_each(|_| end(1, ArrivalOutcome::Failed(Fault::DnsNxdomain)));
    interval
}

/// What comes of `expression` in a run of these seconds.
fn judged(expression: &str, seconds: &[TestSecond<'_>], offering_s: f64) -> ThresholdLine {
    let mut watch = ThresholdMonitor::new([expression.parse().unwrap()]);
    let mut totals = Totals::default();
    for (second, &told) in seconds.iter().enumerate() {
        let interval = interval(second as u64, told);
        totals.absorb(&interval);
        watch.second(&interval);
    }
    let mut assessment = watch.assess(&totals, offering_s);
    assessment.lines.remove(0)
}

const fn good(good_ms: &[u64]) -> TestSecond<'_> {
    TestSecond { offered: good_ms.len() as u64, good_ms, failed: 0 }
}

#[track_caller]
fn check(expression: &str, seconds: &[TestSecond<'_>], value: Option<f64>, passed: bool) -> ThresholdLine {
    let offering_s = seconds.iter().take_while(|second| second.offered > 0).count();
    let line = judged(expression, seconds, approximate(offering_s as u64));
    assert_eq!((line.value, line.passed), (value, passed), "{expression}");
    assert_eq!(line.margin.is_some(), value.is_some());
    line
}

#[test]
fn a_whole_run_is_measured_by_its_totals() {
    let seconds = [good(&[10, 20]), TestSecond { failed: 1, offered: 2, good_ms: &[30] }, good(&[40])];
    check("latency.max < 50ms", &seconds, Some(40_000.0), true);
    check("latency.p50 <= 20ms", &seconds, Some(20_015.0), false);
    check("latency.mean <= 25ms", &seconds, Some(25_000.0), true);
    check("latency_failed.max < 2ms", &seconds, Some(1_000.0), true);
    check("service.min >= 1ms", &seconds, Some(1_000.0), true);
    check("lateness.max <= 0us", &seconds, Some(0.0), true);
    check("failed.rate <= 20%", &seconds, Some(0.2), true);
    check("failed.rate < 20%", &seconds, Some(0.2), false);
    check("good == 4", &seconds, Some(4.0), true);
    check("fault(dns.nxdomain) == 0", &seconds, Some(1.0), false);
    check("fault(dns).rate <= 20%", &seconds, Some(0.2), true);
    check("fault(tls) == 0", &seconds, Some(0.0), true);
    check("status(3xx).rate >= 100%", &seconds, Some(1.0), true);
    check("status(200) == 0", &seconds, Some(0.0), true);
    check("amplification <= 1", &seconds, Some(1.0), true);
    check("offered.per_s >= 1.6", &seconds, Some(5.0 / 3.0), true);
}

#[test]
fn what_was_not_measured_was_not_kept() {
    let failed = [TestSecond { offered: 1, good_ms: &[], failed: 1 }];
    check("latency.p99 < 1h", &[], None, false);
    check("latency.p99 < 50ms", &failed, None, false);
    check("latency.p99 over 1s < 50ms", &failed, None, false);
    check("failed == 0", &[], None, false);
    check("failed.rate <= 100%", &[], None, false);
    check("amplification < 2", &[], None, false);
    check("unchecked.rate <= 1%", &failed, None, false);
    // A run shorter than a window has none.
    check("latency.p99 over 3s < 1s", &[good(&[1]), good(&[1])], None, false);
    check("failed over 3s == 0", &[good(&[1]), good(&[1])], None, false);
}

#[test]
fn of_windows_the_worst_counts_and_is_told() {
    let seconds = [good(&[10]), good(&[50, 10]), good(&[10]), good(&[10, 10]), good(&[20])];
    let line = check("latency.max over 2s < 40ms", &seconds, Some(50_000.0), false);
    assert_eq!((line.worst_window, line.over_s), (Some(WindowLine { from_s: 0, to_s: 2 }), Some(2)));
    assert_eq!(line.margin, Some(-10_000.0));
    let line = check("latency.mean over 2s < 40ms", &seconds, Some(70_000.0 / 3.0), true);
    assert_eq!(line.worst_window, Some(WindowLine { from_s: 0, to_s: 2 }));
    let line = check("latency.min over 2s > 15ms", &seconds, Some(10_000.0), false);
    assert_eq!(line.worst_window, Some(WindowLine { from_s: 0, to_s: 2 }));
    let line = check("latency.p99 over 1s < 15ms", &seconds[3..], Some(20_000.0), false);
    assert_eq!(line.worst_window, Some(WindowLine { from_s: 1, to_s: 2 }));
    check("offered.per_s over 2s >= 1.5", &seconds, Some(1.5), true);
}

#[test]
fn windows_without_a_sample_say_nothing() {
    let quiet = [good(&[10]), TestSecond::default(), TestSecond::default(), good(&[20])];
    check("latency.max over 1s < 30ms", &quiet, Some(20_000.0), true);
    check("failed.rate over 1s <= 0%", &quiet, Some(0.0), true);
}

#[test]
fn late_failures_count_and_the_end_of_the_load_does_not() {
    let tail = TestSecond { offered: 0, good_ms: &[900], failed: 3 };
    let seconds = [good(&[10; 5]), good(&[10; 4]), good(&[10; 5]), tail, TestSecond::default()];
    check("latency.max over 1s < 1s", &seconds, Some(900_000.0), true);
    let line = check("failed over 1s <= 2", &seconds, Some(3.0), false);
    assert_eq!(line.worst_window, Some(WindowLine { from_s: 3, to_s: 4 }));
    check("fault(dns.nxdomain) over 1s == 0", &seconds, Some(3.0), false);
    check("failed.rate over 1s < 50%", &seconds, Some(0.75), false);
    check("completed.per_s over 1s >= 4", &seconds, Some(4.0), true);
    check("completed.per_s over 2s > 4.5", &seconds, Some(4.5), false);
    check("amplification over 1s <= 1", &seconds, Some(1.0), true);
}

#[test]
fn a_second_that_the_load_did_not_fill_is_not_too_slow() {
    let seconds = [good(&[10; 4]), good(&[10; 2])];
    assert_eq!(judged("offered.per_s over 1s >= 4", &seconds, 1.5).value, Some(4.0));
    assert_eq!(judged("offered.per_s over 1s >= 4", &seconds, 2.0).value, Some(2.0));
    // A pause in the middle is part of the load.
    let paused = [good(&[10; 4]), TestSecond::default(), good(&[10; 4])];
    assert_eq!(judged("offered.per_s over 1s >= 4", &paused, 3.0).value, Some(0.0));
}

#[test]
fn thresholds_of_one_clock_and_length_share_their_seconds() {
    let all = ["latency.p50 over 5s < 1s", "latency.p99 over 5s < 1s", "latency.p99 over 6s < 1s"];
    let watch = ThresholdMonitor::new(all.map(|text| text.parse().unwrap()));
    assert_eq!(watch.time_metrics.len(), 2);
}

#[test]
fn what_ends_a_run_is_what_is_so_now() {
    let mut watch =
        ThresholdMonitor::new(["failed over 2s >= 3", "failed.rate > 90%"].map(|e| e.parse().unwrap()));
    let mut totals = Totals::default();
    let mut next = |second, told| {
        let interval = interval(second, told);
        totals.absorb(&interval);
        watch.second(&interval);
        watch.first_triggered(&totals)
    };
    assert_eq!(next(0, good(&[1; 20])), None);
    assert_eq!(next(1, TestSecond { offered: 2, good_ms: &[], failed: 2 }), None);
    let why = next(2, TestSecond { offered: 1, good_ms: &[], failed: 1 }).unwrap();
    assert_eq!((why.expression.as_str(), why.value, why.at_s), ("failed over 2s >= 3", 3.0, 3));
    assert_eq!(next(3, TestSecond { offered: 1, good_ms: &[], failed: 1 }), None);
    let why = next(4, TestSecond { offered: 999, good_ms: &[], failed: 999 }).unwrap();
    assert_eq!((why.expression.as_str(), why.unit.as_str()), ("failed over 2s >= 3", "count"));
}

#[test]
fn nothing_measured_ends_no_run() {
    let watch = ThresholdMonitor::new(["latency.p99 < 1h", "failed == 0"].map(|text| text.parse().unwrap()));
    assert_eq!(watch.first_triggered(&Totals::default()), None);
}

/// The counts that fail a run beside `thresholds`.
#[track_caller]
fn allow(thresholds: &[&str], beyond: (u64, u64)) {
    let thresholds: Vec<Threshold> = thresholds.iter().map(|text| text.parse().unwrap()).collect();
    let mut counts = Counts::default();
    counts.arrivals.failed = 5;
    (0..3).for_each(|_| counts.faults.count(Fault::StatusServerError, Offset::ZERO));
    (0..2).for_each(|_| counts.faults.count(Fault::DnsNxdomain, Offset::ZERO));
    counts.retries.hidden_attempt(Fault::DnsNxdomain, Offset::ZERO);
    assert_eq!(Allowed::by(&thresholds).not_allowed(&counts), beyond, "{thresholds:?}");
}

#[test]
fn a_threshold_on_failures_takes_the_place_of_none_allowed() {
    allow(&[], (5, 1));
    allow(&["latency.p99 < 50ms", "amplification < 2", "status(5xx).rate < 1%"], (5, 1));
    allow(&["failed.rate <= 1%"], (0, 1));
    allow(&["failed over 10s < 3"], (0, 1));
    allow(&["good.rate >= 99%"], (0, 1));
    // It says that there may be too few failures, not too many.
    allow(&["failed > 1"], (5, 1));
    allow(&["fault(status.5xx).rate <= 1%"], (2, 1));
    allow(&["fault(dns) <= 2"], (3, 1));
    allow(&["fault(dns) <= 2", "fault(status.5xx) <= 3"], (0, 1));
    allow(&["redirects_hidden_by_retries <= 1"], (5, 0));
}
