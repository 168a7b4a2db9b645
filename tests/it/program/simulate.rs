//! `simulate` from outside: scenarios, traces, sweeps, and the same bytes again.

use super::{Call, INCIDENT, Report, every};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn simulate(flags: &[&str]) -> Call {
    Call::new(&[&["simulate"], flags].concat())
}

/// All that a run left behind.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn the_incident_is_told_beside_what_is_known_and_again_to_the_byte() {
    let call = simulate(&["--scenario", "incident", "--rate", "0.01x", "--speed", "5x"]);
    let report = call.report(3);
    assert_eq!((report.verdict(), report.text("/plan/simulated/scenario")), ("failed", "incident"));
    assert_eq!(report.faults()[0].0, "dns.nxdomain");
    let rate = |key: &str| report.amount(&format!("/storm/{key}_during_fault_per_s"));
    assert!(rate("goodput") < 0.02 * rate("first_rate"), "{}", rate("goodput"));
    assert_eq!((report.number("/storm/fault_from_s"), report.number("/storm/fault_to_s")), (12, 168));
    let amplification = report.amount("/storm/amplification_during_fault");
    assert!((3.0..3.3).contains(&amplification), "{amplification}");
    let again = simulate(&["--scenario", "incident", "--rate", "0.01x", "--speed", "5x"]);
    let ended = again.run();
    let told = "\nCompared with the known numbers\n";
    assert!(
        ended.stdout.contains(told) && ended.stdout.starts_with("! SIMULATED: nothing was sent"),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.lines().all(|line| line.chars().count() <= 80), "{}", ended.stdout);
    assert!(ended.stderr.starts_with("simulated ") && ended.stderr.lines().count() == 1, "{}", ended.stderr);
    let (first, second) = (files(&call.path("run")), files(&ended.out));
    assert!(first.len() > 5 && first == second, "{:?}", first.keys());
}

#[test]
fn a_trace_is_played_as_a_replay_plays_it() {
    let flags = ["--rewrite", "crates-io", "--rate", "10k/s", "-d", "2s", "--loop", "--quiet"];
    let report = simulate(&[&[INCIDENT], &flags[..]].concat()).report(0);
    assert_eq!((report.offered(), report.number("/attempts/total")), (20_000, 20_000));
    assert_eq!(report.number("/latency_us/max"), 1_000);
    let short = simulate(&[INCIDENT, "--rewrite", "crates-io", "--rate", "10k/s", "-n", "5k"]).report(0);
    assert!(short.list("/warnings").iter().any(|warning| warning["id"] == "trace_ended"));
    let refusing =
        ["--servers", "1", "--service-time", "constant 1s", "--queue", "0", "--client", "uv", "--seed", "3"];
    let report = simulate(&[&["trace"], &refusing[..]].concat()).file("trace", every(100, 50)).report(3);
    assert_eq!(report.offered(), 50);
    assert!(report.number("/attempts/retries") > 50 && report.number("/arrivals/recovered") > 0);
    let statuses: Vec<_> = report.map("/statuses").map(|(status, _)| status).collect();
    assert_eq!(statuses, ["302", "503"]);
}

#[test]
fn each_record_s_own_client_is_simulated() {
    let flags = ["--rate", "50", "--client", "auto", "--session-gap", "0s", "--fault", "status-503"];
    let call = simulate(&[&["mixed.log"], &flags[..]].concat());
    let report = call.file("mixed.log", super::retries::mixed_log()).report(3);
    super::retries::check_accounting(&report);
    let of = |client: &str| {
        let count = |key: &str| report.number(&format!("/retries/clients/{client}/{key}"));
        (count("offered"), count("failed"), count("first"), count("retries"))
    };
    assert_eq!(of("cargo-1.70"), (20, 20, 20, 60));
    assert_eq!(of("none"), (20, 20, 20, 0));
    assert_eq!(of("pip").3, 100);
    let nobody = simulate(&["--scenario", "incident", "--client", "auto"]);
    nobody.refused(2, &["--client auto", "a scenario has none"]);
}

#[test]
fn a_service_stays_down_and_a_budget_brings_it_back() {
    let recovered = |flags: &[&str]| {
        let ended = simulate(&[&["--scenario", "metastable", "--format", "json"], flags].concat()).run();
        let run: Value = serde_json::from_str(&ended.stdout).unwrap();
        Report::parse(&ended.stdout).check_events();
        run["storm"]["time_to_recover_s"].as_u64()
    };
    assert_eq!(recovered(&[]), None);
    assert!(recovered(&["--drop", "80%@10s..19s"]).is_some());
    assert!(recovered(&["--retry-budget", "10%"]).is_some());
    assert!(recovered(&["--rate", "0.7x"]).is_some());
}

#[test]
fn a_sweep_is_a_table_or_json_and_leaves_no_directory() {
    let sweep = ["--scenario", "metastable", "--sweep", "load=0.5x:1x,duration=5s:15s"];
    let call = simulate(&sweep).without_out();
    let ended = call.run();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(ended.stdout.contains("STUCK") && ended.stdout.contains("stuck from"), "{}", ended.stdout);
    assert!(ended.stdout.lines().all(|line| line.len() <= 80), "{}", ended.stdout);
    assert_eq!(fs::read_dir(call.path("")).unwrap().count(), 0);
    let json = simulate(&[&sweep[..], &["--format", "json"]].concat()).without_out().run().stdout;
    let table: Value = serde_json::from_str(&json).unwrap();
    let stuck: Vec<_> =
        table["cells"].as_array().unwrap().iter().map(|cell| cell["stuck"].as_bool().unwrap()).collect();
    assert_eq!(stuck, [false, false, false, true]);
}

#[test]
fn mistakes_are_told_before_anything_is_played() {
    let refused = |flags: &[&str], parts: &[&str]| simulate(flags).refused(2, parts);
    refused(&[], &["name a trace or a --scenario"]);
    refused(
        &["--scenario", "inciden"],
        &["failed to read the scenario inciden (did you mean incident?)", "incident, metastable"],
    );
    refused(&["--scenario", "incident", INCIDENT], &["--scenario", "cannot be used with"]);
    refused(&["--scenario", "incident", "--stage", "5s:1k/s"], &["are for traces", "--rate"]);
    refused(&["--scenario", "incident", "--rate", "max"], &["--rate must be downloads per second"]);
    refused(&["--scenario", "incident", "--client", "carog"], &["\"carog\"", "cargo-1.89"]);
    refused(
        &["--scenario", "incident", "--fault", "plus-decoded"],
        &["a simulation supports only missing-slash"],
    );
    refused(&["--scenario", "incident", "--drop", "80%"], &["80%@30s..40s, with an end"]);
    refused(&["--scenario", "incident", "--servers", "0"], &["at least 1, or unlimited"]);
    refused(&["--scenario", "incident", "--service-time", "5ms"], &["write constant 5ms"]);
    refused(&[INCIDENT, "--rate", "max"], &["a simulation has none"]);
    let sweep = |flags: &[&str], parts: &[&str]| simulate(flags).without_out().refused(2, parts);
    let metastable =
        |grid: &str, parts: &[&str]| sweep(&["--scenario", "metastable", "--sweep", grid], parts);
    metastable("load=0.000001x,duration=5s", &["less than one download per second"]);
    metastable("duration=5000000h", &["more than 50 million downloads"]);
    metastable("load=1000000x,duration=5s", &["more than 50 million downloads"]);
    let bound = ["limited capacity", "set --servers"];
    sweep(&["--scenario", "incident", "--drop", "80%@1s..2s"], &[&["--drop"], &bound[..]].concat());
    sweep(
        &["--scenario", "incident", "--sweep", "load=1x"],
        &["needs a service with limited capacity", "--servers"],
    );
    sweep(&["--scenario", "metastable", "--sweep", "lod=1x"], &["\"lod\" is not an axis"]);
    sweep(&[INCIDENT, "--sweep", "load=1x"], &["--scenario"]);
}

#[test]
fn thresholds_and_other_forms_are_those_of_a_replay() {
    let flags = ["--rate", "100/s", "-d", "2s", "--loop", "--threshold", "latency.p99 < 1ms"];
    let call = simulate(&[&[INCIDENT], &flags[..], &["--export", "markdown=out.md"]].concat());
    let report = call.report(99);
    assert_eq!(report.list("/thresholds").len(), 1);
    assert!(fs::read_to_string(call.path("out.md")).unwrap().contains("latency.p99"));
}

#[test]
fn a_scenario_of_ones_own_is_read_and_its_mistakes_are_placed() {
    let text = Call::new(&["scenarios", "metastable"]).run().stdout;
    let own = text.replace("duration = \"60s\"", "duration = \"5s\"").replace("80%@10s..20s", "80%@1s..2s");
    let report = simulate(&["--scenario", "own.toml"]).file("own.toml", &own).report(0);
    assert_eq!((report.offered(), report.text("/plan/simulated/scenario")), (415, "own.toml"));
    let wrong = text.replace("servers = 1", "servers = 0");
    simulate(&["--scenario", "own.toml"]).file("own.toml", wrong).refused(2, &["own.toml:", "servers"]);
}
