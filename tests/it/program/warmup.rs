//! The warm-up: sent, told of, and in no number of the result.

use super::{Call, Serving, every};
use std::fmt::Write as _;

/// So many paths that the stand-in does not have, then so many downloads.
fn bad_then_good(bad: usize, good: usize) -> String {
    let mut list = "/nothing/here\n".repeat(bad);
    for number in 0..good {
        writeln!(list, "/api/v1/crates/serde/1.0.{number}/download").unwrap();
    }
    list
}

fn replay(candidate: &Serving, flags: &[&str]) -> Call {
    Call::replay("list", candidate).file("list", bad_then_good(50, 100)).with(flags)
}

#[test]
fn faults_that_end_with_the_warm_up_do_not_fail_a_run() {
    let candidate = Serving::healthy();
    let flags = ["--rate", "100", "--rules", "crates-io"];
    assert_eq!(replay(&candidate, &flags).report(3).number("/arrivals/failed"), 50);

    let call = replay(&candidate, &flags).with(&["--warmup", "500ms", "--threads", "2"]);
    let report = call.report(0);
    assert_eq!((report.offered(), report.number("/arrivals/passed")), (100, 100));
    assert_eq!((report.number("/records/offered"), report.faults().len()), (150, 0));
    assert_eq!(report.map("/statuses").collect::<Vec<_>>(), [("302", 100)]);
    let of_warmup = |key: &str| report.number(&format!("/warmup/{key}"));
    assert_eq!((of_warmup("arrivals/offered"), of_warmup("arrivals/failed")), (50, 50));
    assert_eq!((of_warmup("attempts/total"), of_warmup("attempts/completed")), (50, 50));
    assert_eq!((report.amount("/warmup/seconds"), report.amount("/plan/warmup_s")), (0.5, 0.5));
    assert_eq!(report.number("/targets/redirects"), 100);
    // Over the second in which they were due.
    let rate = report.amount("/rate/offered_per_s");
    assert!((95.0..105.0).contains(&rate), "{rate}");
    let summary = std::fs::read_to_string(call.path("run/summary.txt")).unwrap();
    let told = summary.lines().take(3).collect::<Vec<_>>().join(" ");
    assert!(told.contains("Warm-up of 0.5 s: 50 requests not counted (50 failed)."), "{summary}");
}

#[test]
fn seconds_begin_with_the_end_of_the_warm_up() {
    let candidate = Serving::healthy();
    let list = "/api/v1/crates/serde/1.0.0/download\n".repeat(150) + &"/nothing/here\n".repeat(50);
    let call = Call::replay("list", &candidate).file("list", list);
    let report = call.with(&["--rate", "100", "--rules", "crates-io", "--warmup", "1.5s"]).report(3);
    assert_eq!((report.offered(), report.number("/arrivals/failed")), (50, 50));
    let fault = &report.list("/faults")[0];
    // The first is due at second 0; a broken machine may be late.
    assert!(fault["first_s"].as_f64().unwrap() < 1.4, "{fault}");
}

#[test]
fn a_closed_loop_warms_up_too() {
    let candidate = Serving::healthy();
    let flags = ["--rate", "max", "--loop", "-d", "400ms", "--warmup", "100ms", "-c", "4"];
    let report = Call::replay("trace", &candidate).file("trace", every(10, 100)).with(&flags).report(0);
    assert!(report.offered() > 0 && report.number("/warmup/arrivals/passed") > 0);
}

#[test]
fn a_warm_up_that_leaves_nothing_is_no_result() {
    let candidate = Serving::healthy();
    let refused = |flags: &[&str], parts: &[&str]| replay(&candidate, flags).refused(2, parts);
    refused(&["--rate", "10", "-d", "2s", "--warmup", "2s"], &["--warmup 2s", "--duration 2s"]);
    refused(&["--stage", "1s:10/s", "--stage", "1s:9/s", "--warmup", "3s"], &["--warmup 3s", "--stage 2s"]);
    refused(&["--rate", "10", "--warmup", "soon"], &["--warmup", "not a duration"]);

    // How long a trace is, nobody knows before.
    let call = Call::replay("trace", &candidate).file("trace", every(10, 10));
    let report = call.with(&["--warmup", "1s"]).report(5);
    assert_eq!(report.text("/invalid_reasons/0/id"), "nothing_offered");
    assert!(report.text("/invalid_reasons/0/detail").contains("all 10 arrivals"));
    assert_eq!((report.offered(), report.number("/warmup/arrivals/passed")), (0, 10));
}
