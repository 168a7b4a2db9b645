//! Other forms of a result: `--export`, `--junit`, `--step-summary`, and what can
//! be scraped while a run goes on.

use super::{Call, INCIDENT, Process, Report, Serving};
use crate::support::wait_until;
use rustix::process::Signal;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// Every format but text, html and json, which other tests have.
const FORMATS: [&str; 9] =
    ["markdown", "junit", "k6", "prometheus", "csv", "hgrm", "hgrm-failed", "hgrm-service", "hgrm-lateness"];

#[test]
fn what_is_exported_is_what_the_report_gives_again() {
    let candidate = Serving::with_faults(&["missing-slash:30%"]);
    let exports: Vec<String> = FORMATS.iter().map(|format| format!("{format}={format}.out")).collect();
    let flags: Vec<&str> = exports.iter().flat_map(|export| ["--export", export]).collect();
    let call = Call::replay(INCIDENT, &candidate).with(&["--rate", "500", "-n", "200"]).with(&flags);
    let call = call.with(&["--step-summary", "summary.md"]).file("summary.md", "before\n");
    let ended = call.run();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let written = |name: &str| fs::read_to_string(call.path(name)).unwrap();
    let run = call.path("run");
    for format in FORMATS {
        let again = Call::new(&["report", run.to_str().unwrap(), "--format", format]).run();
        assert_eq!((again.code, again.stderr.as_str()), (Some(0), ""), "{format}");
        assert!(again.stdout == written(&format!("{format}.out")), "{format}");
    }
    assert_eq!(written("summary.md"), format!("before\n{}", written("markdown.out")));
    assert_eq!(written("run/metrics.prom"), written("prometheus.out"));
    let report = Report::read(&run);
    let failed =
        format!("downpour_arrivals_total{{outcome=\"failed\"}} {}\n", report.number("/arrivals/failed"));
    assert!(written("run/metrics.prom").contains(&failed));
    let junit = written("junit.out");
    assert!(junit.contains("name=\"downpour replay\"") && junit.contains(" failures=\"1\""), "{junit}");
}

#[test]
fn a_mistake_in_an_export_is_told_before_anything_is_sent() {
    let nobody = ["check", "list", "--target", "http://127.0.0.1:1"];
    let refused = |flags: &[&str], parts: &[&str]| {
        Call::new(&nobody).with(flags).file("list", "/x\n").refused(2, parts);
    };
    refused(&["--export", "pdf=x"], &["unknown format \"pdf\"", "hgrm-lateness"]);
    refused(&["--export", "junit"], &["write it like junit=result.xml"]);
    refused(&["--export", "csv=x.csv"], &["--export csv=x.csv", "add --out DIR"]);
    refused(&["--export", "k6=no/x"], &["cannot write --export k6=no/x: No such file"]);
    refused(&["--export", "k6=x", "--junit", "x"], &["--junit x: this file is named twice"]);
    let twice = Call::new(&nobody).with(&["--export", "k6=x", "--export", "json=./x"]).file("list", "/x\n");
    twice.refused(2, &["--export json=./x: this file is named twice"]);
    assert!(!twice.path("x").exists());
    let replay = Call::new(&["replay", "list", "--target", "http://127.0.0.1:1", "--rate", "1"]);
    replay.file("list", "/x\n").with(&["--metrics-addr", "localhost"]).refused(2, &["--metrics-addr"]);
}

/// What a summary for people cannot be written to is no failure of the run.
#[test]
fn a_lost_summary_does_not_fail_a_run() {
    let candidate = Serving::healthy();
    let call = Call::replay(INCIDENT, &candidate).with(&["--rate", "500", "-n", "5"]);
    let ended = call.with(&["--step-summary", "no/such/place.md"]).run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("note: cannot write --step-summary no/such/place.md: "),
        "{}",
        ended.stderr
    );
}

/// Head and body of what is answered.
fn scrape(address: &str, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

#[test]
fn a_run_is_scraped_while_it_goes_on() {
    let candidate = Serving::healthy();
    let call = Call::replay(INCIDENT, &candidate);
    let call = call.with(&["--rate", "300", "-d", "1h", "--loop", "--metrics-addr", "127.0.0.1:0"]);
    let mut process = Process::start(&call.all_args(), call.dir.path());
    let mut stderr = BufReader::new(process.0.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("metrics: http://").and_then(|rest| rest.strip_suffix("/metrics"));
    let address = address.unwrap_or_else(|| panic!("{line}"));
    let offered = |body: &str| {
        let line = body.lines().find(|line| line.starts_with("downpour_offered_arrivals_total ")).unwrap();
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let get = "GET /metrics HTTP/1.1\r\nHost: x\r\n";
    let (mut head, mut body) = scrape(address, &format!("{get}\r\n"));
    wait_until("an arrival in a scrape", || {
        (head, body) = scrape(address, &format!("{get}\r\n"));
        offered(&body) > 0
    });
    assert!(
        head.starts_with("http/1.1 200") && head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    assert!(!body.contains("# EOF"));
    let accept = "Accept: application/openmetrics-text;version=1.0.0,*/*;q=0.1\r\n\r\n";
    let (head, later) = scrape(address, &format!("{get}{accept}"));
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(offered(&later) >= offered(&body) && later.ends_with("# EOF\n"));
    assert!(scrape(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").0.starts_with("http/1.1 404"));
    assert!(scrape(address, "NONSENSE\r\n\r\n").0.starts_with("http/1.1 400"));
    // One that says nothing and stays keeps nobody else from an answer.
    let silent = TcpStream::connect(address).unwrap();
    assert!(scrape(address, &format!("{get}\r\n")).0.starts_with("http/1.1 200"));
    process.signal(Signal::INT);
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    drop(silent);
    assert_eq!(process.0.wait().unwrap().code(), Some(130), "{rest}");
    assert!(Report::read(&call.path("run")).offered() >= offered(&later));
}

/// A run that was killed has left enough for every form.
#[test]
fn a_killed_run_is_given_out_in_every_form() {
    let candidate = Serving::healthy();
    let call = Call::replay(INCIDENT, &candidate).with(&["--rate", "300", "-d", "1h", "--loop"]);
    let mut process = Process::start(&call.all_args(), call.dir.path());
    let run = call.path("run");
    wait_until("intervals.ndjson", || {
        assert!(!process.is_over(), "it ended by itself");
        fs::metadata(run.join("intervals.ndjson")).is_ok_and(|found| found.len() > 0)
    });
    process.signal(Signal::KILL);
    drop(process.end());
    for format in FORMATS.iter().chain(&["text", "html", "json"]) {
        let again = Call::new(&["report", run.to_str().unwrap(), "--format", format]).run();
        assert_eq!(again.code, Some(0), "{format}: {}", again.stderr);
        assert!(again.stderr.starts_with("note: the run was killed"), "{format}: {}", again.stderr);
        assert!(!again.stdout.is_empty(), "{format}");
    }
}

#[test]
fn the_schema_is_printed() {
    for (what, key) in [(&[][..], "thresholds"), (&["interval"], "t_s"), (&["failure"], "location")] {
        let ended = Call::new(&["schema"]).with(what).run();
        let schema: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        assert!(schema["properties"][key].is_object(), "{what:?}");
    }
    Call::new(&["schema", "page"]).refused(2, &["'page'", "WHAT"]);
}
