//! Answers compared with those of a second deployment: exact by kind, never a
//! part of the verdict.

use super::{Call, INCIDENT, Report, Serving};
use serde_json::Value;
use std::net::TcpListener;

const COUNT: u64 = 200;

/// Everything is compared, as fast as it comes.
fn against(candidate: &Serving, control: &str, flags: &[&str]) -> Call {
    let count = COUNT.to_string();
    Call::replay(INCIDENT, candidate)
        .with(&["--rate", "500", "-n", &count, "--control", control, "--control-sample", "100%"])
        .with(&["--control-rate", "10k/s"])
        .with(flags)
}

fn differences(report: &Report) -> Vec<(&str, u64)> {
    report.map("/control/differences").collect()
}

/// The equations of the control's books.
#[track_caller]
fn check_accounting(report: &Report) {
    let sum = |key: &str| report.map(key).map(|(_, count)| count).sum::<u64>();
    let asked = report.number("/control/asked");
    assert_eq!(asked, report.number("/control/compared") + sum("/control/failed"));
    assert_eq!(report.number("/attempts/completed"), asked + sum("/control/not_compared"));
    let noise = report.number("/control/noise/compared") + sum("/control/noise/failed");
    assert_eq!(report.number("/control/noise/asked"), noise);
}

#[test]
fn two_deployments_that_answer_alike_do_not_differ() {
    let (candidate, control) = (Serving::healthy(), Serving::healthy());
    let call = against(&candidate, &control.api, &[]);
    let report = call.report(0);
    check_accounting(&report);
    assert_eq!(report.number("/control/compared"), COUNT);
    assert_eq!((report.number("/control/differing"), differences(&report)), (0, vec![]));
    let noise = report.number("/control/noise/compared");
    assert!((20..80).contains(&noise), "{noise} of {COUNT} were sent twice");
    assert_eq!(report.number("/control/noise/differing"), 0);
    assert_eq!(control.stop().answers, COUNT + noise);
    assert_eq!(candidate.stop().answers, COUNT);
    assert_eq!(report.list("/warnings").len(), 0);
}

#[test]
fn redirects_that_differ_are_counted_to_the_last_one() {
    let (candidate, control) = (Serving::with_faults(&["missing-slash:10%"]), Serving::healthy());
    let call = against(&candidate, &control.api, &["--verify", "off"]);
    let ended = call.run();
    assert_eq!(ended.code, Some(0), "differences do not fail a run: {}", ended.stderr);
    let report = Report::read(&ended.out);
    report.check_everything(&ended.out);
    check_accounting(&report);
    let spoiled = candidate.stop().faulted;
    assert!((1..COUNT).contains(&spoiled));
    assert_eq!(report.number("/control/differing"), spoiled);
    assert_eq!(differences(&report), [("location", spoiled)]);
    let example = &report.list("/control/examples")[0];
    let starts = |key: &str, start: &str| example[key].as_str().is_some_and(|text| text.starts_with(start));
    assert!(starts("candidate", "https://static.crates.iocrates/"), "{example}");
    assert!(starts("control", "https://static.crates.io/crates/"), "{example}");
    let said = format!("{spoiled} of {COUNT} answers differ from the control's");
    assert!(ended.stdout.replace("\n  ", " ").contains(&said), "{}", ended.stdout);
    assert!(report.list("/warnings").iter().any(|warning| warning["id"] == "control_differs"));
}

#[test]
fn a_threshold_says_how_much_may_differ() {
    let (candidate, control) = (Serving::with_faults(&["missing-slash:10%"]), Serving::healthy());
    let none = ["--verify", "off", "--threshold", "control.differ == 0"];
    let report = against(&candidate, &control.api, &none).report(99);
    let differing = report.list("/thresholds")[0]["value"].as_f64();
    assert!(differing > Some(0.0), "{differing:?}");
    assert_eq!(differing.map(|n| format!("{n:.0}")), Some(report.number("/control/differing").to_string()));
    let some = ["--verify", "off", "--threshold", "control.differ.rate <= 100%"];
    against(&candidate, &control.api, &some).report(0);
}

#[test]
fn statuses_and_fields_are_differences_of_their_own() {
    let control = Serving::healthy();
    let failing = Serving::with_faults(&["status-503"]);
    let report = against(&failing, &control.api, &[]).report(3);
    check_accounting(&report);
    assert_eq!(differences(&report), [("status", COUNT)]);
    let example = &report.list("/control/examples")[0];
    assert_eq!((&example["candidate"], &example["control"]), (&Value::from("503"), &Value::from("302")));

    let chatty = Serving::with_faults(&["body"]);
    let report = against(&chatty, &control.api, &[]).report(0);
    assert_eq!(differences(&report), [("header:content-type", COUNT)]);
    assert_eq!(report.number("/control/differing"), COUNT);
    let chosen = ["--control-header", "cache-control", "--control-header", "Server"];
    let report = against(&chatty, &control.api, &chosen).report(0);
    assert_eq!(differences(&report), []);
    assert_eq!(report.list("/plan/control_headers"), ["cache-control", "server"]);
}

#[test]
fn a_control_that_differs_from_itself_is_told_as_noise() {
    let (candidate, control) = (Serving::healthy(), Serving::with_faults(&["wrong-host:50%"]));
    let report = against(&candidate, &control.api, &[]).report(0);
    check_accounting(&report);
    assert!(report.number("/control/differing") > 0);
    assert!(report.number("/control/noise/differing") > 0);
    let noise = report.number("/control/noise/compared");
    assert!(report.number("/control/noise/differing") < noise);
}

#[test]
fn a_control_that_is_down_changes_nothing_but_its_own_books() {
    let candidate = Serving::healthy();
    let nobody = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", free.local_addr().unwrap())
    };
    let report = against(&candidate, &nobody, &[]).report(0);
    check_accounting(&report);
    assert_eq!(report.verdict(), "passed");
    assert_eq!(report.times("/control/failed", "connect.refused"), COUNT);
    assert_eq!(report.number("/control/compared"), 0);
    assert!(report.list("/warnings").iter().any(|warning| warning["id"] == "control_silent"));
    assert_eq!(report.list("/control/examples")[0]["kind"], "control_failed");

    let resetting = Serving::with_faults(&["reset"]);
    let report = against(&candidate, &resetting.api, &[]).report(0);
    check_accounting(&report);
    assert_eq!(report.times("/control/failed", "http.reset"), COUNT);
}

#[test]
fn the_control_is_asked_for_a_share_and_at_a_rate() {
    let (candidate, control) = (Serving::healthy(), Serving::healthy());
    let share = |seed: &str| {
        let call = against(&candidate, &control.api, &["--seed", seed]);
        let args = call.args.iter().map(|arg| if arg == "100%" { "20%" } else { arg.as_str() });
        let report = Call::new(&args.collect::<Vec<_>>()).report(0);
        check_accounting(&report);
        report.number("/control/asked")
    };
    let asked = share("1");
    assert!((20..60).contains(&asked), "{asked} of {COUNT} is no fifth");
    assert_eq!(asked, share("1"));

    // One an hour: the first is asked, sixteen wait and are given up, beside
    // those that have been taken up; the others do not fit.
    let slow = against(&candidate, &control.api, &[]);
    let args = slow.args.iter().map(|arg| if arg == "10k/s" { "1/h" } else { arg.as_str() });
    let report = Call::new(&args.collect::<Vec<_>>()).report(0);
    check_accounting(&report);
    assert_eq!(report.number("/control/asked"), 1);
    assert!(report.times("/control/not_compared", "unfinished") >= 16);
    assert!(report.times("/control/not_compared", "queue_full") > 0);
}

#[test]
fn a_control_that_must_not_be_asked_is_refused() {
    let candidate = Serving::healthy();
    let refused = |flags: &[&str], parts: &[&str]| {
        Call::replay(INCIDENT, &candidate).with(&["--rate", "10", "-n", "5"]).with(flags).refused(2, parts);
    };
    refused(&["--control", &candidate.api], &["--control", "is the same deployment as --target"]);
    refused(&["--control", "crates.io"], &["--control", "write it like"]);
    refused(&["--control", "http://192.0.2.1", "--control-rate", "101"], &["--control-rate", "--yes"]);
    refused(&["--control-sample", "5%"], &["--control <URL>"]);
    let own = format!("http://localhost:{}", candidate.port());
    refused(&["--control", &own, "--control-header", "location"], &["--control-header", "leave it out"]);
    refused(&["--control", &own, "--control-header", "set-cookie"], &["--control-header", "secret"]);
    let log = r#"{"at_ns":0,"target":"/a","authority":"localhost"}"#;
    let call = Call::replay("log", &candidate).file("log", log).with(&["--control", &own]);
    call.refused(2, &["recorded at localhost", "--control points there", "--allow-recorded-host"]);
}
