//! The statuses of the log against those of the candidate, pair by pair.

use super::{Call, Report, Serving};
use std::fmt::Write as _;

/// A trace of so many downloads for each recorded status.
fn recorded(statuses: &[(Option<u16>, u64)]) -> String {
    let mut trace = String::new();
    let all = statuses.iter().flat_map(|&(status, times)| (0..times).map(move |_| status));
    for (number, status) in all.enumerate() {
        let status = status.map_or_else(String::new, |status| format!(r#","status":{status}"#));
        let target = format!("/api/v1/crates/serde/1.0.{number}/download");
        writeln!(trace, r#"{{"at_ns":{},"target":"{target}"{status}}}"#, number * 1_000_000).unwrap();
    }
    trace
}

fn transitions(report: &Report) -> Vec<(u64, u64, u64, u64)> {
    let number = |line: &serde_json::Value, key: &str| line[key].as_u64().unwrap();
    report
        .list("/transitions")
        .iter()
        .map(|line| {
            assert_eq!(line["accepted"], number(line, "refused") == 0);
            ["recorded", "answered", "count", "refused"].map(|key| number(line, key)).into()
        })
        .collect()
}

#[test]
fn each_answer_is_held_against_what_the_log_shows() {
    let trace = recorded(&[
        (Some(302), 40),
        (Some(200), 30),
        (Some(404), 20),
        (Some(499), 5),
        (Some(0), 2),
        (Some(460), 1),
        (None, 7),
    ]);
    let sound = Serving::healthy();
    let call = Call::replay("trace", &sound).file("trace", &trace).with(&["--rules", "crates-io"]);
    let report = call.report(0);
    assert_eq!(transitions(&report), [(302, 302, 40, 0), (200, 302, 30, 0), (404, 302, 20, 0)]);
    assert_eq!(report.number("/transitions_left_out/recorded_none"), 15);
    let by_status = serde_json::json!({"000": 2, "460": 1, "499": 5, "none": 7});
    assert_eq!(*report.at("/transitions_left_out/recorded_none_by_status"), by_status);
    let page = std::fs::read_to_string(call.path("run/report.html")).unwrap();
    for row in ["302 → 302", "200 → 302", "499, not sent by a server", "nothing recorded"] {
        assert!(page.contains(row), "{row}");
    }

    let missing = Serving::with_faults(&["status-404"]);
    let call = Call::replay("trace", &missing).file("trace", &trace);
    let ended = call.run();
    let report = Report::read(&ended.out);
    report.check_everything(&ended.out);
    // Where the log shows the same client error, it is nobody's fault.
    assert_eq!(transitions(&report), [(302, 404, 40, 40), (200, 404, 30, 30), (404, 404, 20, 0)]);
    let shown = ended.stdout.split("Recorded and answered status\n").nth(1).unwrap();
    let rows: Vec<_> =
        shown.lines().take(4).map(|row| row.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let expected = [
        "the same 20 22.2 %",
        "302 -> 404 40 44.4 % 40 wrong",
        "200 -> 404 30 33.3 % 30 wrong",
        "no answer 15 000 2, 460 1, 499 5, none 7",
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_log_without_statuses_has_nothing_to_compare() {
    let sound = Serving::healthy();
    let call = Call::replay("trace", &sound).file("trace", recorded(&[(None, 5)]));
    let ended = call.run();
    assert!(!ended.stdout.contains("Recorded and answered"), "{}", ended.stdout);
    let report = Report::read(&ended.out);
    report.check_everything(&ended.out);
    assert_eq!(transitions(&report), []);
    assert_eq!(report.number("/transitions_left_out/recorded_none"), 5);
}
