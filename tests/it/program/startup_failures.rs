//! Runs that end before they have begun, one way or the other.

use super::{Call, INCIDENT, Process, Serving};
use crate::support::wait_until;
use rustix::process::Signal;
use std::net::TcpListener;

#[test]
fn one_that_is_killed_before_anything_was_counted_can_be_reported() {
    let candidate = Serving::healthy();
    let call = Call::new(&["report", "run"]).without_out();
    let target = &candidate.api;
    let args = ["replay", INCIDENT, "--target", target, "--verify", "off", "--rate", "10", "--warmup", "1h"];
    let running = Process::start(&[&args[..], &["-d", "2h", "--out", "run"]].concat(), &call.path("."));
    wait_until("run.json", || call.path("run/run.json").exists());
    running.signal(Signal::KILL);
    assert_eq!(running.end().status.code(), None);
    let ended = call.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("INTERRUPTED"), "{}", ended.stdout);
}

#[test]
fn a_load_that_needs_a_second_word_is_refused_before_anybody_is_connected_to() {
    // Nobody listens there: what was connected to would be told as refused.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let target = format!("http://0.0.0.0:{}", free.port());
    let call = Call::new(&["replay", INCIDENT, "--target", &target, "--verify", "off"]);
    call.with(&["--rate", "1000"]).refused(2, &["--yes"]);
}

#[test]
fn an_out_that_is_a_file_is_called_one() {
    let candidate = Serving::healthy();
    let target = &candidate.api;
    let args = ["replay", INCIDENT, "--target", target, "--rate", "10", "-n", "1", "--out", "taken"];
    Call::new(&args).without_out().file("taken", "x").refused(1, &["taken: is a file"]);
}

#[test]
fn rates_that_nothing_can_offer_are_refused() {
    let check = |args: &[&str]| {
        Call::new(args).without_out().refused(2, &["more than one process can send", "at most 1,000,000"]);
    };
    let target = ["replay", INCIDENT, "--target", "http://127.0.0.1:1", "--loop", "-d", "300ms"];
    check(&[&target[..], &["--rate", "18446744073709551615/s"]].concat());
    check(&["simulate", "--scenario", "incident", "--rate", "1000000x"]);
    let nothing = Call::new(&[&target[..], &["--rate", "-5"]].concat()).without_out();
    nothing.refused(2, &["\"-5\" is not a rate: it must be greater than 0"]);
}
