//! How much is offered: exactly what rate, speed, window and seed say.

use super::{Call, Serving, every};
use std::fmt::Write as _;

/// A hundred downloads, ten milliseconds apart: 990 in all.
fn offered(candidate: &Serving, flags: &[&str]) -> u64 {
    let call = Call::replay("trace", candidate).file("trace", every(10, 100)).with(flags);
    let report = call.report(0);
    assert_eq!(report.number("/arrivals/passed"), report.offered(), "{flags:?}");
    report.offered()
}

#[test]
fn the_window_takes_exactly_what_is_due_in_it() {
    let candidate = Serving::healthy();
    let check = |flags: &[&str], count: u64| assert_eq!(offered(&candidate, flags), count, "{flags:?}");
    check(&["--rate", "recorded"], 100);
    check(&["-d", "500ms"], 50);
    check(&["-d", "501ms"], 51);
    check(&["--rate", "2x", "-d", "250ms"], 50);
    check(&["--speed", "2x", "--duration", "250ms"], 50);
    check(&["--speed", "4", "-n", "30"], 30);
    check(&["-r", "200", "-z", "100ms"], 20);
    check(&["--rate", "1k/s", "-n", "70", "-d", "1h"], 70);
    check(&["--rate", "50/100ms", "-d", "100ms"], 50);
}

#[test]
fn a_loop_goes_on_where_the_trace_ends() {
    let candidate = Serving::healthy();
    let check = |flags: &[&str], count: u64| assert_eq!(offered(&candidate, flags), count, "{flags:?}");
    check(&["--rate", "1000", "--loop", "-n", "250"], 250);
    check(&["--rate", "1000", "--loop", "-d", "250ms"], 250);
    // Each pass takes as long as a hundred gaps do.
    check(&["--rate", "4x", "--loop", "-d", "500ms"], 200);
    check(&["--rate", "1000", "-n", "250"], 100);
}

/// Three hundred lines whose stamps tell the second only.
fn whole_seconds() -> String {
    let mut log = String::new();
    for line in 0..300 {
        let second = line / 100;
        let request = format!("GET /api/v1/crates/syn/2.0.{line}/download HTTP/1.1");
        writeln!(log, "192.0.2.1 - - [05/Mar/2026:14:03:{second:02} +0000] \"{request}\" 302 -").unwrap();
    }
    log
}

#[test]
fn a_seed_chooses_the_same_arrivals_over_any_number_of_threads() {
    let candidate = Serving::healthy();
    // The window ends within a second, so how many lie in it hangs on the draws.
    let offered = |seed: &str, threads: &str| {
        let call = Call::replay("log", &candidate).file("log", whole_seconds()).with(&[
            "--speed",
            "5x",
            "-d",
            "300ms",
            "--seed",
            seed,
            "--threads",
            threads,
        ]);
        let report = call.report(0);
        assert_eq!(report.number("/generator/threads").to_string(), threads);
        (report.offered(), report.number("/records/out_of_window"))
    };
    let of_seeds: Vec<_> = ["1", "2", "3"].map(|seed| offered(seed, "1")).to_vec();
    assert_eq!(offered("1", "1"), of_seeds[0]);
    assert_eq!(offered("1", "2"), of_seeds[0]);
    assert_eq!(offered("3", "2"), of_seeds[2]);
    assert!(of_seeds.iter().any(|other| *other != of_seeds[0]), "{of_seeds:?}");
}

#[test]
fn what_is_over_the_limit_is_shed_and_makes_the_timing_invalid() {
    let candidate = Serving::with_faults(&["stall"]);
    let flags = ["--rate", "1000", "-n", "50", "--max-in-flight", "8", "--timeout", "500ms"];
    let call = Call::replay("trace", &candidate).file("trace", every(10, 100)).with(&flags);
    // Those that were sent had no answer within their time, and that stands.
    let report = call.report(3);
    assert_eq!((report.verdict(), report.at("/timing_valid") == false), ("failed", true));
    assert_eq!(report.text("/invalid_reasons/0/id"), "shed");
    // A worker that wakes late may find places free again.
    assert!(report.number("/arrivals/failed") >= 8);
    assert_eq!(report.number("/arrivals/shed") + report.number("/arrivals/failed"), 50);
    let allowed = call.out("allowed").with(&["--allow-invalid"]).report(3);
    assert_eq!(allowed.text("/warnings/0/id"), "shed");
}

#[test]
fn a_load_that_was_not_offered_on_time_is_invalid() {
    let candidate = Serving::healthy();
    let flags = ["--target", &candidate.api, "--verify", "off", "--rate", "1000", "--max-lateness", "0s"];
    let call = Call::new(&["replay", "trace"]).with(&flags).file("trace", every(10, 100));
    let report = call.report(5);
    assert_eq!(report.text("/invalid_reasons/0/id"), "lateness");
    assert!(report.text("/invalid_reasons/0/remedy").contains("--max-lateness"));
}
