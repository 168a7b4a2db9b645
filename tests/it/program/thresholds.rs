//! Thresholds from outside: exit code 99, what the files say of them, and runs
//! that end themselves.

use super::targets::{TlsDeployment, downloads};
use super::{Call, INCIDENT, Serving, every};
use std::fs;

/// Twenty downloads, of which the candidate breaks so many.
fn replay(candidate: &Serving, thresholds: &[&str]) -> Call {
    let flags: Vec<&str> = thresholds.iter().flat_map(|expression| ["--threshold", expression]).collect();
    let call = Call::replay("trace", candidate).file("trace", every(1, 20));
    call.with(&["--rate", "100"]).with(&flags)
}

#[test]
fn a_threshold_that_is_not_kept_ends_with_99_and_is_in_every_rendering() {
    let candidate = Serving::healthy();
    let call = replay(&candidate, &["latency.p99 < 1us", "failed.rate <= 0.1%"]);
    let report = call.report(99);
    assert_eq!(report.verdict(), "failed");
    assert_eq!(report.text("/thresholds/0/expression"), "latency.p99 < 1us");
    assert!(report.amount("/thresholds/0/value") > 1.0);
    let room = report.amount("/thresholds/0/bound") - report.amount("/thresholds/0/value");
    assert!((report.amount("/thresholds/0/margin") - room).abs() < 1e-9);
    assert_eq!(
        [&report.list("/thresholds")[0]["passed"], &report.list("/thresholds")[1]["passed"]],
        [false, true]
    );
    assert_eq!(report.list("/plan/thresholds").len(), 2);
    let written = |file| fs::read_to_string(call.path("run").join(file)).unwrap();
    let summary = written("summary.txt");
    assert!(summary.starts_with("FAILED: threshold latency.p99 < 1us is violated: it was "), "{summary}");
    assert!(
        summary.contains("\n  VIOLATED latency.p99 < 1us ") && summary.contains("\n  met      failed.rate")
    );
    assert!(
        written("report.html").contains(r#"<tr class="wrong"><th scope="row"><code>latency.p99 &#60; 1us"#)
    );
}

#[test]
fn failures_are_allowed_as_far_as_a_threshold_says() {
    let candidate = Serving::with_faults(&["status-503"]);
    let all_fail = ["--rate", "100"];
    assert_eq!(replay(&candidate, &[]).with(&all_fail).report(3).verdict(), "failed");
    replay(&candidate, &["failed <= 19"]).report(99);
    // Nothing good is never a pass.
    let none = replay(&candidate, &["failed.rate <= 100%"]).report(3);
    assert_eq!((none.verdict(), none.number("/arrivals/failed")), ("failed", 20));
    replay(&candidate, &["failed.rate <= 100%"]).with(&["--allow-invalid"]).report(3);
    let half = Serving::with_faults(&["status-503:50%"]);
    let allowed = replay(&half, &["failed.rate <= 100%"]).report(0);
    assert_eq!(allowed.verdict(), "passed");
    replay(&half, &["fault(status.5xx) <= 20"]).report(0);
    // It speaks of other failures.
    replay(&candidate, &["fault(dns) <= 20"]).report(3);
}

#[test]
fn what_was_not_measured_was_not_kept() {
    let report =
        replay(&Serving::with_faults(&["status-503"]), &["latency.p99 < 1h", "failed <= 20"]).report(99);
    assert!(report.list("/thresholds")[0]["value"].is_null());
    assert_eq!(report.list("/thresholds")[0]["passed"], false);
}

#[test]
fn an_invalid_run_outweighs_its_thresholds() {
    let candidate = Serving::with_faults(&["stall"]);
    let call = replay(&candidate, &["failed == 0"]);
    let report = call.with(&["--rate", "1000", "--grace", "100ms"]).report(5);
    assert_eq!(report.list("/thresholds").len(), 1);
}

#[test]
fn a_run_ends_itself_when_that_comes_true_and_its_books_balance() {
    let candidate = Serving::with_faults(&["missing-slash"]);
    let endless = ["--rate", "200", "-d", "1h", "--loop", "--abort-on", "fault(dns) > 0"];
    let call = Call::replay(INCIDENT, &candidate).with(&endless).with(&["--abort-after", "2s"]);
    let report = call.report(99);
    assert_eq!(report.verdict(), "failed");
    assert_eq!(report.text("/aborted/expression"), "fault(dns) > 0");
    assert!(report.number("/aborted/at_s") >= 2);
    assert!(report.amount("/aborted/value") > 0.0);
    assert_eq!(report.number("/arrivals/unfinished"), 0);
    assert_eq!(report.list("/plan/abort_on").len(), 1);
    let summary = fs::read_to_string(call.path("run/summary.txt")).unwrap();
    assert!(summary.starts_with("FAILED: ended after "), "{summary}");
}

#[test]
fn an_end_on_a_ramp_names_its_rate_and_is_a_case_of_its_own() {
    let candidate = Serving::with_faults(&["status-503"]);
    let ramp = ["--stage", "60s:200/s", "--loop", "--abort-on", "failed > 3", "--junit", "ramp.xml"];
    let call = Call::replay("trace", &candidate).file("trace", every(1, 20)).with(&ramp);
    let call = call.with(&["--abort-on", "lateness.p99 > 1h"]);
    let report = call.report(99);
    let rate = report.number("/aborted/offered_per_s");
    assert!(rate > 0);
    let summary = fs::read_to_string(call.path("run/summary.txt")).unwrap();
    let first = summary.lines().next().unwrap();
    assert!(first.contains(&format!(" s at {rate}/s: failed > 3 came true")), "{first}");
    let xml = fs::read_to_string(call.path("ramp.xml")).unwrap();
    assert!(
        xml.contains(r#"name="abort-on: failed &gt; 3" time="0"><failure message="ended after "#),
        "{xml}"
    );
    assert!(xml.contains(r#"name="abort-on: lateness.p99 &gt; 1h" time="0"/>"#), "{xml}");
}

#[test]
fn a_check_has_thresholds_of_what_it_counts() {
    let stage = TlsDeployment::with(&["--fault", "status-503"]);
    let flags = ["--threshold", "failed.rate <= 100%", "--threshold", "good > 0", "--junit", "check.xml"];
    let call = stage.check(&downloads(5, 1), &flags);
    let report = call.report(99);
    assert_eq!(
        (report.list("/thresholds")[0]["passed"] == true, report.number("/arrivals/failed")),
        (true, 5)
    );
    let junit = fs::read_to_string(call.path("check.xml")).unwrap();
    assert!(
        junit.contains(r#"<testcase classname="downpour.threshold" name="good &gt; 0" time="0"><failure"#)
    );
    let timed = ["--threshold", "latency.p99 < 50ms"];
    stage.check(&downloads(5, 1), &timed).refused(2, &["latency.p99 < 50ms", "check does not measure"]);
}

#[test]
fn a_wrong_expression_is_pointed_at_before_anything_is_sent() {
    let call = Call::new(&["replay", INCIDENT, "--target", "http://127.0.0.1:1", "--rate", "1"]);
    let told = ["column 17: a time needs a unit", "\n    latency.p99 < 50\n                    ^\n"];
    call.with(&["--threshold", "latency.p99 < 50"]).refused(2, &told);
    let call = Call::new(&["replay", INCIDENT, "--target", "http://127.0.0.1:1", "--rate", "1"]);
    let long = ["-d", "20s", "--threshold", "latency.p99 over 30s < 50ms"];
    call.with(&long).refused(2, &["'latency.p99 over 30s < 50ms' has a longer window than the run"]);
    let call = Call::new(&["demo", "--abort-after", "3s"]);
    call.refused(2, &["not provided", "--abort-on <EXPR>"]);
}
