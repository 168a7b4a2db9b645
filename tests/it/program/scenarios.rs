//! Scenarios, live: whatever is asked for is in the report, and what a replay
//! of a trace takes is refused.

use super::{Call, Report};

/// Every redirect leads nowhere, and each of a hundred clients asks for one
/// file: cargo's four attempts each, 20 times as fast.
const NOWHERE: &str = r#"
about = "nothing works"
source = ["made up"]
[load]
downloads = "50/s"
session = "1"
spacing = "uniform"
duration = "40s"
[clients]
model = "cargo-1.70"
timeout = "30s"
[service]
service-time = "constant 10ms"
faults = ["missing-slash"]
[live]
speed = "20x"
[expected]
attempts = "200/s"
failed-attempts = 8_000
goodput = 0.0
recovered-within = "12s"
tolerance = "60%"
"#;

fn live(flags: &[&str]) -> Call {
    let flags = [&["replay", "--scenario", "mine.toml", "--max-lateness", "5s"], flags].concat();
    Call::new(&flags).file("mine.toml", NOWHERE)
}

#[test]
fn a_scenario_is_played_against_a_stand_in_of_its_own() {
    // It holds the directory that the run is in.
    let call = live(&[]);
    let ended = call.run();
    assert_eq!(ended.code, Some(3), "{}{}", ended.stdout, ended.stderr);
    let report = Report::read(&ended.out);
    report.check_everything(&ended.out);
    // As many a second as the scenario says, for a twentieth of its time.
    assert_eq!((report.offered(), report.number("/arrivals/failed")), (100, 100));
    assert_eq!(report.number("/attempts/retries"), 300);
    assert_eq!(report.number("/storm/failed_attempts"), 400);
    assert_eq!(report.text("/plan/client"), "cargo-1.70");
    assert_eq!(report.text("/plan/inputs/0/name"), "scenario: mine.toml");
    assert!(ended.stdout.contains("Compared with the known numbers\n"), "{}", ended.stdout);
    assert!(ended.stderr.contains("speed 20x: 2 s at 50/s"), "{}", ended.stderr);
}

#[test]
fn its_clients_and_its_haste_are_for_the_asking() {
    let report = live(&["--client", "none", "--speed", "40x"]).report(3);
    assert_eq!((report.offered(), report.number("/attempts/total")), (50, 50));
    assert_eq!(report.text("/plan/client"), "none");
}

#[test]
fn what_does_not_go_with_a_scenario_is_named() {
    live(&["--target", "http://127.0.0.1:1"]).refused(2, &["--scenario", "--target"]);
    live(&["list"]).refused(2, &["--scenario", "TRACE"]);
    live(&["--rules", "crates-io"]).refused(2, &["--scenario", "--rules"]);
    live(&["--client", "cargo-9"]).refused(2, &["\"cargo-9\" is not a known client"]);
    Call::new(&["replay", "--scenario", "nowhere"]).refused(2, &["nowhere", "incident, metastable"]);
    let drawn = NOWHERE.replace("constant 10ms", "exponential 10ms");
    let drawn_live = Call::new(&["replay", "--scenario", "drawn.toml"]).file("drawn.toml", drawn);
    drawn_live.refused(2, &["drawn.toml", "service-time", "write constant"]);
    Call::new(&["replay"]).refused(2, &["TRACE", "--target"]);
}
