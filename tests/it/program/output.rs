//! What stdout, stderr and the exit code say: stdout the result and nothing
//! else, stderr the rest.

use super::{Call, INCIDENT, Report, Serving};
use std::fs;

fn short(candidate: &Serving) -> Call {
    Call::replay(INCIDENT, candidate).with(&["--rate", "500", "-n", "100"])
}

#[test]
fn json_on_stdout_is_the_file_byte_for_byte() {
    let candidate = Serving::healthy();
    let call = short(&candidate).with(&["--format", "json"]);
    let ended = call.run();
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.stdout, fs::read_to_string(ended.out.join("run.json")).unwrap());
    Report::parse(&ended.stdout).check_everything(&ended.out);
}

#[test]
fn text_on_stdout_is_the_summary_and_where_the_rest_is() {
    let candidate = Serving::healthy();
    let call = short(&candidate);
    let ended = call.run();
    let summary = fs::read_to_string(ended.out.join("summary.txt")).unwrap();
    assert!(summary.starts_with("PASSED: all 100 downloads were good\n"), "{summary}");
    assert_eq!(ended.stdout, format!("{summary}\nrun directory: run\npage: run/report.html\n"));
}

#[test]
fn a_good_run_that_is_told_to_be_quiet_is() {
    let candidate = Serving::healthy();
    for quiet in ["--quiet", "-q"] {
        let ended = short(&candidate).with(&[quiet]).run();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    }
}

#[test]
fn a_log_on_stderr_leaves_stdout_alone() {
    let candidate = Serving::healthy();
    let ended = short(&candidate).with(&["-vv", "--format", "json"]).run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    Report::parse(&ended.stdout);
}

#[test]
fn requests_carry_the_header_fields_that_were_asked_for() {
    let candidate = Serving::healthy();
    // Clients that mention JSON get the same place as a document: where the log
    // has redirects and there are no rules, that is no pass.
    let report = short(&candidate).with(&["-H", "Accept: application/json"]).report(5);
    assert_eq!(report.text("/invalid_reasons/0/id"), "redirects_gone");
    assert_eq!(report.times("/statuses", "200"), 100);
    assert_eq!(report.number("/targets/redirects"), 0);
    assert_eq!(report.list("/plan/headers"), ["accept"]);
}

#[test]
fn a_run_directory_is_never_written_over() {
    let candidate = Serving::healthy();
    let call = short(&candidate);
    call.report(0);
    let before = fs::read(call.path("run/run.json")).unwrap();
    let again = call.run();
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("run: already contains a run; choose another --out"), "{}", again.stderr);
    assert_eq!(again.stdout, "");
    assert_eq!(fs::read(call.path("run/run.json")).unwrap(), before);
}

#[test]
fn the_demo_shows_what_it_set_out_to_show() {
    let args = ["demo", "--duration", "2400ms", "--rate", "250", "--max-lateness", "60s"];
    let call = Call::new(&args);
    let ended = call.run();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let report = Report::read(&ended.out);
    report.check_everything(&ended.out);
    assert_eq!(report.offered(), 600);
    // So short a fault is hidden from users by cargo's retries.
    let (recovered, retries) = (report.number("/arrivals/recovered"), report.number("/attempts/retries"));
    assert_eq!(report.number("/arrivals/passed") + recovered, 600);
    assert!(recovered > 0 && retries >= recovered);
    assert_eq!(report.times("/statuses", "302"), 600 + retries);
    assert_eq!(report.map("/retries/retried_failures").collect::<Vec<_>>(), [("dns.nxdomain", retries)]);
    assert_eq!(report.number("/storm/failed_attempts"), retries);
    // And has a line of its own, with the time in which it was there and examples.
    assert_eq!((report.number("/faults/0/count"), report.number("/faults/0/attempts")), (0, retries));
    assert_eq!(report.number("/faults/0/saved_by_retries"), recovered);
    assert!(report.amount("/faults/0/first_s") < report.amount("/faults/0/last_s"));
    assert!(fs::read_to_string(ended.out.join("failures.ndjson")).unwrap().lines().count() > 0);
    let last: Vec<&str> = ended.stdout.lines().rev().take(2).collect();
    assert_eq!(last[1], "0.2 to 1.4 each redirect named a host that does not exist, and the retries of");
    assert_eq!(last[0], "clients multiplied the load. Exit code 3: redirects were wrong.");
    assert!(ended.stderr.starts_with("demo: mock registry at http://127.0.0.1:"));
}

#[test]
fn a_quiet_demo_in_json_is_json_alone() {
    let args = ["demo", "-d", "1s", "-r", "100", "--max-lateness", "60s"];
    let call = Call::new(&args).with(&["--format", "json", "--quiet"]);
    let ended = call.run();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(3), ""));
    Report::parse(&ended.stdout).check_everything(&ended.out);
}

/// As in `| head`: what was not read is dropped, and nothing is said of it.
#[test]
fn whoever_stops_reading_hears_no_complaint() {
    let room = tempfile::tempdir().unwrap();
    for args in [&["inspect", INCIDENT][..], &["explain"], &["clients"], &["schema"], &["rules", "crates-io"]]
    {
        let mut process = super::Process::start(args, room.path());
        drop(process.0.stdout.take());
        let output = process.end();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""), "{args:?}");
    }
}

/// What a file holds or is called cannot steer the terminal it is printed on.
#[test]
fn what_is_printed_of_a_file_is_visible() {
    const FOREIGN: [char; 4] = ['\u{1b}', '\u{9b}', '\u{202e}', '\u{200b}'];
    let name = "b\u{1b}]0;x\u{7}\u{202e}\u{200b}gol.txt";
    let told = |args: &[&str], content: &str| {
        let ended = Call::new(args).with(&[name]).file(name, content).run();
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
        assert!(!ended.stdout.contains(FOREIGN), "{args:?}: {:?}", ended.stdout);
        assert!(ended.stdout.contains("\\u{202e}"), "{args:?}: {:?}", ended.stdout);
        ended.stdout
    };
    let why = r#"why = "\u001b]0;owned\u0007a\u202e\nwarn: a line of its own""#;
    let rules = format!("[[rule]]\nmatch = \"/x\"\nstatus = 302\nlevel = \"warn\"\n{why}\n");
    let listed = told(&["rules"], &rules);
    assert!(listed.contains("\\u{1b}]0;owned\\u{7}a\\u{202e}\\u{a}warn: a line"), "{listed}");
    let own = Call::new(&["clients", "npm"]).run().stdout.replace("\"npm\"", "\"own\"");
    let own = own.replace("[[client]]\n", "[[client]]\n# \u{9b}31m\u{202e}\n");
    told(&["clients", "--client-file"], &own);
    let table =
        Call::new(&["clients", "own", "--client-file", "own.toml"]).file("own.toml", &own).run().stdout;
    assert!(table.contains("# \\u{9b}31m\\u{202e}"), "{table}");
    told(&["scenarios"], &Call::new(&["scenarios", "incident"]).run().stdout);
    let inspected = told(&["inspect"], "/x\n/y\n");
    assert!(inspected.lines().all(|line| line.chars().count() <= 80), "{inspected}");
}
