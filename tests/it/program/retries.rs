//! Clients that try again: the flags, the books, and the storm.

use super::{Call, Report, Serving};
use std::fmt::Write as _;

/// So many downloads, one line each.
fn downloads(count: usize) -> String {
    (0..count).fold(String::new(), |mut list, number| {
        writeln!(list, "/api/v1/crates/serde/1.0.{number}/download").unwrap();
        list
    })
}

fn replay(candidate: &Serving, count: usize, flags: &[&str]) -> Call {
    let flags = [&["--rate", "200", "--rules", "crates-io"], flags].concat();
    Call::replay("list", candidate).file("list", downloads(count)).with(&flags)
}

/// Holds what a run with retries says of itself against each other.
#[track_caller]
pub(super) fn check_accounting(report: &Report) {
    let of = |key: &str| report.number(key);
    let fates = ["passed", "recovered", "failed", "shed", "unfinished"];
    let settled: u64 = fates.iter().map(|fate| of(&format!("/arrivals/{fate}"))).sum();
    assert_eq!(report.offered(), settled);
    assert_eq!(of("/attempts/total"), of("/attempts/first") + of("/attempts/retries"));
    assert_eq!(of("/attempts/first"), report.offered());
    let by_attempts = report.map("/retries/by_attempts");
    let (downloads, attempts) = by_attempts.fold((0, 0), |(downloads, attempts), (number, count)| {
        (downloads + count, attempts + number.parse::<u64>().unwrap() * count)
    });
    assert_eq!((downloads, attempts), (report.offered(), of("/attempts/total")));
}

const QUICK: &str = "[[client]]\nname = \"quick\"\nattempts = 4\ndelays = [\"20ms\"]\nstatuses = [\"5xx\"]\nfaults = [\"dns\"]\n";

#[test]
fn cargo_recovers_from_errors_that_come_and_go() {
    let candidate = Serving::with_faults(&["status-503:50%"]);
    let call = replay(&candidate, 200, &["--client", "cargo-1.70"]);
    let report = call.report(3);
    check_accounting(&report);
    let recovered = report.number("/arrivals/recovered");
    assert!(recovered > 0 && report.number("/arrivals/failed") > 0);
    // Each attempt fails with 1/2: 1 + 1/2 + 1/4 + 1/8 attempts a download.
    let amplification = report.amount("/attempts/amplification");
    assert!((1.55..2.2).contains(&amplification), "{amplification}");
    assert_eq!(report.text("/plan/client"), "cargo-1.70");
    assert_eq!(report.number("/retries/redirects_hidden_by_retries"), 0);
    assert!(report.number("/storm/failed_attempts") > recovered);
    let summary = std::fs::read_to_string(call.path("run/summary.txt")).unwrap();
    assert!(summary.contains("\nStorm\n") && summary.contains("\nClients\n"), "{summary}");
    assert_eq!(summary.lines().find(|line| line.chars().count() > 80), None);
}

#[test]
fn a_wrong_redirect_fails_a_run_though_retries_hid_it() {
    let candidate = Serving::with_faults(&["missing-slash:5%"]);
    let flags = ["--client", "quick", "--client-file", "quick.toml"];
    let call = replay(&candidate, 200, &flags).file("quick.toml", QUICK);
    let report = call.report(3);
    check_accounting(&report);
    assert!(
        report.number("/retries/redirects_hidden_by_retries") > 0 && report.number("/arrivals/recovered") > 0
    );
    let warned = report.list("/warnings").iter().any(|warning| warning["id"] == "hidden_by_retries");
    assert!(warned, "{:?}", report.list("/warnings"));
}

#[test]
fn who_asks_once_meets_each_fault_once() {
    let candidate = Serving::with_faults(&["status-503"]);
    let report = replay(&candidate, 20, &[]).report(3);
    assert_eq!((report.number("/attempts/total"), report.number("/attempts/retries")), (20, 0));
    let flags = ["--client", "quick", "--client-file", "quick.toml"];
    let report = replay(&candidate, 20, &flags).file("quick.toml", QUICK).report(3);
    check_accounting(&report);
    assert_eq!((report.number("/attempts/total"), report.number("/arrivals/failed")), (80, 20));
    assert_eq!(report.map("/retries/ended").collect::<Vec<_>>(), [("exhausted", 20)]);
    assert_eq!(report.number("/storm/failed_attempts"), 80);
}

/// A log in which each client asks three times for the same, a second apart,
/// in the format that `trace` stands for.
fn with_repeats(clients: u64) -> String {
    (0..clients * 3).fold(String::new(), |mut log, n| {
        let (client, second) = (n % clients, n / clients);
        let at_ns = 1_700_000_000_000_000_000 + second * 1_000_000_000 + client * 1_000_000;
        writeln!(
            log,
            "{{\"at_ns\":{at_ns},\"method\":\"GET\",\"target\":\"/api/v1/crates/serde/1.0.0/download\",\"client\":\"c{client}\"}}"
        )
        .unwrap();
        log
    })
}

#[test]
fn recorded_retries_can_be_left_out() {
    let candidate = Serving::healthy();
    let flags = ["--first-attempts", "15s", "--speed", "20x", "--loop", "-n", "30"];
    let report = Call::replay("log", &candidate).file("log", with_repeats(10)).with(&flags).report(0);
    assert_eq!(report.offered(), 30);
    let filtered: Vec<_> = report.map("/records/filtered").collect();
    assert!(matches!(filtered[..], [("repeat", 40..)]), "{filtered:?}");
}

#[test]
fn mistakes_are_told_before_anybody_is_asked() {
    let candidate = Serving::healthy();
    let refused = |flags: &[&str], parts: &[&str]| replay(&candidate, 1, flags).refused(2, parts);
    refused(&["--client", "carog"], &["\"carog\"", "cargo-1.89", "--client-file"]);
    refused(&["--client", "own", "--client-file", "none.toml"], &["none.toml", "--client-file"]);
    refused(&["--first-attempts", "15s"], &["--first-attempts", "client addresses"]);
    refused(&["--session-gap", "long"], &["--session-gap"]);
}

/// One client after the other, told by their agents alone.
pub(super) fn mixed_log() -> String {
    let agents = ["cargo/1.80.0 (376290515 2024-07-16)", "pip/25.0 {\\\"ci\\\":true}", "secret-agent/7"];
    (0..60).fold(String::new(), |mut log, number| {
        writeln!(
            log,
            "192.0.2.{number} - - [05/Mar/2026:14:03:0{}.{:03} +0000] \
             \"GET /api/v1/crates/serde/1.0.{number}/download HTTP/1.1\" 302 0 \"-\" \"{}\"",
            number / 20,
            number % 20 * 50,
            agents[number % 3],
        )
        .unwrap();
        log
    })
}

#[test]
fn each_record_s_own_client_is_played_and_only_its_kind_is_told() {
    let candidate = Serving::with_faults(&["status-429"]);
    let flags = ["--rate", "50", "--client", "auto", "--session-gap", "0s"];
    let call = Call::replay("mixed.log", &candidate).file("mixed.log", mixed_log()).with(&flags);
    let report = call.report(3);
    check_accounting(&report);
    let mix: Vec<&str> = report.keys("/retries/clients").collect();
    assert_eq!(mix, ["cargo-1.70", "none", "pip"]);
    // None of them retries a 429 without a date: all are asked once.
    for client in mix {
        let of = |key: &str| report.number(&format!("/retries/clients/{client}/{key}"));
        assert_eq!((of("offered"), of("failed"), of("first"), of("retries")), (20, 20, 20, 0), "{client}");
    }
    assert_eq!(report.text("/plan/client"), "auto");
    for name in ["run.json", "report.html", "summary.txt", "failures.ndjson", "intervals.ndjson"] {
        let text = std::fs::read_to_string(call.path(&format!("run/{name}"))).unwrap();
        assert!(!text.contains("secret-agent"), "{name}");
    }
    let page = std::fs::read_to_string(call.path("run/report.html")).unwrap();
    assert!(page.contains("<th scope=\"row\">cargo-1.70</th><td class=\"n\">20</td>"), "{page}");
    let nameless = replay(&candidate, 3, &["--client", "auto"]);
    nameless.refused(2, &["--client auto", "have none: name a client"]);
}

#[test]
fn clients_of_ones_own_are_told_by_their_user_agents() {
    let candidate = Serving::with_faults(&["status-429"]);
    let own = "[[client]]\nname = \"ours\"\nattempts = 2\ndelays = [\"1ms\"]\nstatuses = [429]\n\
               agents = [\"secret-agent\", \"pip/2*\"]\n";
    let flags = ["--rate", "50", "--client", "auto", "--session-gap", "0s", "--client-file", "own.toml"];
    let call = Call::replay("mixed.log", &candidate).file("mixed.log", mixed_log()).file("own.toml", own);
    let report = call.with(&flags).report(3);
    let mix: Vec<&str> = report.keys("/retries/clients").collect();
    assert_eq!(mix, ["cargo-1.70", "ours"]);
    let of = |key: &str| report.number(&format!("/retries/clients/ours/{key}"));
    assert_eq!((of("offered"), of("failed"), of("first"), of("retries")), (40, 40, 40, 40));
    // A file without any is told of.
    let nobody = QUICK;
    let flags = ["--client", "auto", "--client-file", "own.toml"];
    let call = Call::replay("mixed.log", &candidate).file("mixed.log", mixed_log()).file("own.toml", nobody);
    call.with(&flags).refused(2, &["--client auto chooses clients by user agent", "agents = [\"renovate\"]"]);
}

#[test]
fn a_client_that_begins_with_head_asks_so_and_what_it_asked_can_be_replayed() {
    let room = tempfile::tempdir().unwrap();
    let log = room.path().join("access.ndjson");
    let candidate = Serving::with(&["--access-log", log.to_str().unwrap()]);
    let report = replay(&candidate, 20, &["--client", "huggingface"]).report(0);
    assert_eq!(report.number("/attempts/total"), 20);
    let written = std::fs::read_to_string(&log).unwrap();
    let heads = written.lines().filter(|line| line.contains("\"method\":\"HEAD\"")).count();
    assert_eq!(heads, 20, "{written}");
    let again = Call::replay("again.log", &candidate).file("again.log", &written).with(&["--client", "auto"]);
    let report = again.report(0);
    assert_eq!(report.offered(), 20);
    assert_eq!(report.keys("/retries/clients").collect::<Vec<_>>(), ["none"]);
}

#[test]
fn an_outage_whose_retries_outlast_the_run_is_a_failure() {
    let candidate = Serving::with_faults(&["status-503"]);
    let slow = "[[client]]\nname = \"slow\"\nattempts = 4\ndelays = [\"1h\"]\nstatuses = [\"5xx\"]\n";
    let flags = ["--client", "slow", "--client-file", "slow.toml", "--grace", "300ms"];
    let call = replay(&candidate, 20, &flags).file("slow.toml", slow);
    let ended = call.run();
    assert_eq!(ended.code, Some(3), "{}{}", ended.stdout, ended.stderr);
    let report = Report::read(&ended.out);
    report.check_everything(&ended.out);
    check_accounting(&report);
    assert_eq!((report.number("/arrivals/failed"), report.number("/arrivals/unfinished")), (20, 0));
    assert_eq!(report.faults(), [("status.5xx", 20)]);
    assert_eq!(report.number("/retries/waiting_at_end"), 20);
    assert_eq!(report.map("/retries/ended").collect::<Vec<_>>(), [("run_over", 20)]);
    let text = ended.stdout.replace('\n', " ");
    assert!(text.starts_with("FAILED: 20 of 20 downloads failed (100.0 %) "), "{text}");
    assert!(text.contains("20 downloads waited for a retry when the run ended"), "{text}");
    // Nobody can allow that nothing was good.
    call.out("allowed").with(&["--allow-invalid", "--threshold", "failed.rate <= 100%"]).report(3);
}
