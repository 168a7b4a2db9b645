//! Each thing that a candidate can do wrong is found, under its name and in its
//! number; a redirect that leads nowhere is never a success.

use super::{Call, INCIDENT, Report, Serving, every};
use downpour_mock::plan::FaultPlan;
use std::time::Duration;

const COUNT: u64 = 200;

fn against(candidate: &Serving, flags: &[&str]) -> Call {
    let count = COUNT.to_string();
    Call::replay(INCIDENT, candidate).with(&["--rate", "500", "-n", &count]).with(flags)
}

const RULES: &[&str] = &["--rules", "crates-io"];
const NO_RULES: &[&str] = &[];

/// Every answer spoiled by `fault` comes to the fault `id`.
#[track_caller]
fn check(fault: &str, flags: &[&str], id: &str) -> Report {
    let candidate = Serving::with_faults(&[fault]);
    let report = against(&candidate, flags).report(3);
    assert_eq!(report.verdict(), "failed", "{fault}");
    assert_eq!(report.faults(), [(id, COUNT)], "{fault}");
    assert_eq!(candidate.stop().faulted, COUNT, "{fault}");
    report
}

#[test]
fn a_missing_slash_leads_to_a_host_that_does_not_exist() {
    for rules in [RULES, NO_RULES] {
        let report = check("missing-slash", rules, "dns.nxdomain");
        assert_eq!(report.times("/statuses", "302"), COUNT);
        assert_eq!(report.text("/targets/hosts/0/host"), "static.crates.iocrates");
        assert_eq!(report.text("/targets/hosts/0/fault"), "dns.nxdomain");
    }
}

#[test]
fn a_redirect_without_a_place_is_found() {
    let report = check("no-location", NO_RULES, "location.missing");
    assert_eq!((report.number("/targets/broken"), report.number("/targets/checked")), (COUNT, 0));
}

#[test]
fn another_environments_host_is_found_by_name_or_by_rule() {
    check("wrong-host", NO_RULES, "dns.nxdomain");
    let report = check("wrong-host", &["--rules", "crates-io", "--verify", "policy"], "location.wrong_host");
    let told = report.text("/faults/0/examples/0/detail");
    assert!(told.starts_with("expected https://static.crates.io/crates/"), "{told}");
}

#[test]
fn a_double_slash_fails_by_a_rule_and_is_a_warning_without_one() {
    check("double-slash", RULES, "location.double_slash");
    let candidate = Serving::with_faults(&["double-slash"]);
    let report = against(&candidate, NO_RULES).report(0);
    assert_eq!((report.found(), report.warned()), (vec![], vec![("location.double_slash", COUNT)]));
}

#[test]
fn a_plus_that_is_not_encoded_once_differs_from_the_rule() {
    for (fault, spelling) in [("plus-decoded", "+curl"), ("double-encoded", "%252Bcurl")] {
        let candidate = Serving::with_faults(&[fault]);
        let builds = "/api/v1/crates/curl-sys/0.4.79%2Bcurl-8.12.0/download\n".repeat(30)
            + &"/api/v1/crates/serde/1.0.217/download\n".repeat(20);
        let call = |flags: &[&str]| {
            let call = Call::replay("list", &candidate).file("list", &builds);
            call.with(&["--rate", "500"]).with(flags)
        };
        let report = call(RULES).report(3);
        assert_eq!(report.faults(), [("location.encoding", 30)]);
        assert_eq!(report.number("/arrivals/passed"), 20);
        let told = report.text("/faults/0/examples/0/detail");
        assert!(told.starts_with("expected ") && told.contains("%2B"), "{told}");
        let location = report.text("/faults/0/examples/0/location");
        assert!(location.contains(spelling), "{location}");
        // Nothing offline could know it without the rule.
        assert_eq!(call(NO_RULES).report(0).number("/arrivals/passed"), 50);
    }
}

#[test]
fn failures_below_and_beside_the_redirect_are_found() {
    let report = check("status-503", NO_RULES, "status.5xx");
    assert_eq!(report.times("/statuses", "503"), COUNT);
    check("status-404", NO_RULES, "status.4xx");
    check("status-204", RULES, "status.unexpected");
    let report = check("reset", NO_RULES, "http.reset");
    assert_eq!(report.times("/attempts/faults", "http.reset"), COUNT);
}

#[test]
fn answers_that_do_not_come_in_time_are_failures_with_a_latency() {
    for fault in ["stall", "slow"] {
        let candidate = Serving::with_faults(&[fault]);
        let report = against(&candidate, &["--timeout", "400ms"]).report(3);
        assert_eq!(report.faults(), [("timeout.total", COUNT)], "{fault}");
        assert_eq!(report.times("/attempts/faults", "timeout.total"), COUNT);
        assert!(report.number("/latency_failed_us/min") >= 400_000);
    }
}

#[test]
fn a_stall_that_ends_is_waited_for() {
    let candidate = Serving::with_faults(&["stall@..300ms"]);
    let report = against(&candidate, NO_RULES).report(0);
    assert_eq!(report.number("/arrivals/passed"), COUNT);
    assert_eq!(candidate.stop().answers, COUNT);
}

#[test]
fn a_share_of_the_answers_is_found_to_the_last_one() {
    for (spec, id) in [("status-503:20%", "status.5xx"), ("missing-slash:1.5%", "dns.nxdomain")] {
        let plan = FaultPlan::new(vec![spec.parse().unwrap()], 1);
        let spoiled = (0..COUNT).filter(|&n| plan.fault_for(n, Duration::ZERO).is_some()).count() as u64;
        assert!((1..COUNT).contains(&spoiled), "{spec} takes {spoiled}");
        let candidate = Serving::with_faults(&[spec]);
        let report = against(&candidate, RULES).report(3);
        assert_eq!(report.faults(), [(id, spoiled)], "{spec}");
        assert_eq!(report.number("/arrivals/passed"), COUNT - spoiled);
    }
}

#[test]
fn of_several_faults_each_is_counted() {
    let specs = ["reset:10%", "no-location:10%", "double-slash"];
    let plan = FaultPlan::new(specs.iter().map(|spec| spec.parse().unwrap()).collect(), 1);
    let of = |name: &str| {
        let kind = name.parse().unwrap();
        (0..COUNT).filter(|&n| plan.fault_for(n, Duration::ZERO) == Some(kind)).count() as u64
    };
    let candidate = Serving::with_faults(&specs);
    let mut faults: Vec<(String, u64)> = Vec::new();
    // A connection for each arrival: none is found closed, so none is sent twice.
    let report = against(&candidate, &["-H", "Connection: close", "--rules", "crates-io"]).report(3);
    faults.extend(report.faults().iter().map(|(id, count)| ((*id).to_owned(), *count)));
    faults.sort();
    let expected = [
        ("http.reset", "reset"),
        ("location.double_slash", "double-slash"),
        ("location.missing", "no-location"),
    ];
    assert_eq!(faults, expected.map(|(id, name)| (id.to_owned(), of(name))));
}

#[test]
fn a_window_is_found_and_what_lies_outside_passes() {
    let never = Serving::with_faults(&["missing-slash@1h.."]);
    assert_eq!(against(&never, RULES).report(0).number("/arrivals/passed"), COUNT);
    let always = Serving::with_faults(&["missing-slash@..1h"]);
    assert_eq!(against(&always, RULES).report(3).faults(), [("dns.nxdomain", COUNT)]);
    // Which answers a window in the middle takes hangs on the machine; that the
    // run finds those that the candidate spoiled, and no others, does not.
    let middle = Serving::with_faults(&["status-503@100ms..300ms"]);
    let call = against(&middle, RULES);
    let ended = call.run();
    let report = Report::read(&ended.out);
    report.check_everything(&ended.out);
    let served = middle.stop();
    assert_eq!(report.number("/arrivals/failed"), served.faulted);
    assert_eq!(served.answers, COUNT);
    assert!(report.number("/arrivals/passed") >= 1, "the first request lies before the window");
}

#[test]
fn a_check_that_was_left_out_is_the_first_thing_said() {
    let candidate = Serving::with_faults(&["missing-slash"]);
    for (depth, said) in [
        ("policy", "! redirect targets were NOT resolved (--verify policy)\n"),
        ("off", "! redirects were NOT judged (--verify off)\n"),
    ] {
        let call = against(&candidate, &["--verify", depth]);
        let ended = call.run();
        assert!(ended.stdout.starts_with(said), "{}", ended.stdout);
        assert_eq!(ended.code, Some(0));
        let report = Report::read(&ended.out);
        report.check_everything(&ended.out);
        assert_eq!(report.text("/warnings/0/id"), "verify_off");
        assert_eq!(report.times("/targets/tiers/dns/unchecked", "tier_off"), COUNT);
    }
    let report = against(&candidate, &["--verify", "policy", "--rules", "crates-io"]).report(3);
    assert_eq!(report.faults(), [("location.glued_host", COUNT)]);
}

#[test]
fn r13_to_r16_what_is_said_of_a_host_is_told_apart() {
    for (answer, id) in [
        ("nxdomain", "dns.nxdomain"),
        ("no-data", "dns.no_address"),
        ("servfail", "dns.servfail"),
        ("refused", "dns.refused"),
        ("silence", "dns.timeout"),
        ("10.0.0.1", "dns.private_address"),
        ("169.254.169.254", "dns.private_address"),
        ("::1", "dns.private_address"),
    ] {
        let name = format!("cdn.test={answer}");
        let candidate = Serving::with(&["--location-base", "https://cdn.test", "--dns-name", &name]);
        // Without leave for private addresses.
        let call = Call::new(&["replay", "trace", "--target", &candidate.api, "--resolver", &candidate.dns]);
        let report = call.file("trace", every(5, 20)).with(&["--max-lateness", "60s"]).report(3);
        assert_eq!(report.faults(), [(id, 20)], "{answer}");
        assert_eq!(report.number("/targets/tiers/dns/checked"), 20, "{answer}");
    }
}
