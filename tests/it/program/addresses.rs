//! A candidate with several addresses, not all of which are alive; and what is
//! left open when nobody is.

use super::accounting::intervals;
use super::{Call, Serving, every};
use crate::support::h2::Wire;
use crate::support::listener::Listener;
use std::fmt::Write as _;

const COUNT: u64 = 20;

fn call(candidate: &Serving, addresses: &str, flags: &[&str]) -> Call {
    let target = format!("http://candidate.test:{}", candidate.port());
    let call = Call::new(&["replay", "trace", "--target", &target, "--resolve", addresses]);
    let offline = call.with(&["--rate", "200", "--verify", "policy", "--max-lateness", "60s"]);
    offline.with(&["--threads", "1"]).with(flags).file("trace", every(1, COUNT))
}

#[test]
fn a_dead_address_beside_a_good_one_is_not_hidden() {
    let candidate = Serving::healthy();
    // The candidate listens at one address of this machine alone.
    let report = call(&candidate, "127.0.0.1,127.0.0.2", &["--no-keepalive"]).report(3);
    assert_eq!(report.faults(), [("connect.refused", COUNT / 2)]);
    assert_eq!(report.number("/arrivals/passed"), COUNT / 2);
    assert_eq!(report.number("/connections/opened"), COUNT / 2);
    let dead = format!("127.0.0.2:{}", candidate.port());
    for example in report.list("/faults/0/examples") {
        assert_eq!(example["detail"], format!("at {dead}"));
    }
    let warning = report.list("/warnings").iter().find(|warning| warning["id"] == "unreachable_address");
    let told = warning.unwrap()["detail"].as_str().unwrap();
    assert!(told.contains(&dead) && !told.contains("127.0.0.1"), "{told}");
}

#[test]
fn a_dead_address_is_told_even_where_no_request_meets_it() {
    let candidate = Serving::healthy();
    let call = call(&candidate, "127.0.0.1,127.0.0.2", &["-c", "1"]);
    let ended = call.run();
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains(&format!("127.0.0.2:{}", candidate.port())), "{}", ended.stdout);
}

#[test]
fn no_living_address_at_all_is_no_run() {
    let candidate = Serving::healthy();
    let call = call(&candidate, "127.0.0.2,127.0.0.3", &[]);
    call.refused(1, &["connect to --target", "127.0.0.3"]);
}

/// Forty requests at once, and a last one three seconds in, so that the run
/// still goes on when the forty are long over.
fn burst_and_straggler() -> String {
    let mut trace = every(1, 40);
    writeln!(trace, r#"{{"at_ns":3100000000,"target":"/last"}}"#).unwrap();
    trace
}

/// Connections open at the end of the third second.
#[track_caller]
fn check_nothing_is_left_open(target: &str, flags: &[&str]) {
    let limits = ["--timeout", "400ms", "--verify", "off", "--max-lateness", "60s", "--resolve", "127.0.0.1"];
    let call = Call::new(&["replay", "trace", "--target", target]).with(&limits).with(flags);
    let call = call.file("trace", burst_and_straggler());
    let report = call.report(3);
    assert_eq!(report.number("/arrivals/failed"), 41);
    let lines = intervals(&call.path("run"));
    let at = |second: u64| lines.iter().find(|line| line["t_s"] == second).unwrap();
    assert_eq!(lines.iter().map(|line| line["failed"].as_u64().unwrap()).sum::<u64>(), 41);
    assert_eq!((&at(2)["connections_open"], &at(2)["in_flight"]), (&0.into(), &0.into()), "{flags:?}");
}

#[test]
fn a_hostile_candidate_leaves_no_connection_open() {
    let faults = ["reset:20%", "truncate:20%", "garbage:20%", "half-close:20%", "huge-headers:20%", "slow"];
    let candidate = Serving::with_faults(&faults);
    check_nothing_is_left_open(&candidate.api, &[]);
}

#[test]
fn a_tls_handshake_that_stalls_leaves_no_connection_open() {
    let origin = Listener::start(|mut stream| {
        // Takes what comes for as long as anybody is there.
        std::io::copy(&mut stream, &mut std::io::sink()).map(drop).unwrap_or_default();
    });
    let target = format!("https://localhost:{}", origin.addr.port());
    check_nothing_is_left_open(&target, &["--insecure", "--connect-timeout", "300ms"]);
    origin.stop();
}

#[test]
fn a_silent_http2_origin_leaves_no_connection_open() {
    let origin = Listener::start(|stream| {
        if let Some(mut wire) = Wire::begin(stream, None) {
            wire.ignore();
        }
    });
    let target = format!("http://{}", origin.addr);
    check_nothing_is_left_open(&target, &["--http", "2", "-c", "4", "--streams", "5"]);
    origin.stop();
}
