//! A run that did not offer its load is invalid, and says why.
//!
//! Each reason is provoked from outside. Where a run has to be at a certain
//! point, its trace comes through a pipe, and goes on when the test says so.

use super::accounting::Report;
use super::{Call, Ended, Process, Serving, every};
use crate::support::wait_until;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use std::fs;
use std::io::Write as _;
use std::process::{ChildStdin, Command, Stdio};

/// As many lines as a reader takes at once; twice that is also enough for it to
/// know what it reads.
const LINES: usize = 512;

/// A run whose trace comes through a pipe.
struct PipedReplay {
    call: Call,
    process: Process,
    stdin: ChildStdin,
}

impl PipedReplay {
    /// Begins one with 1,024 requests at 2,000 a second.
    fn start(call: Call) -> Self {
        let call = call.with(&["--rate", "2000"]);
        let mut process = Process::reading(Stdio::piped(), &call.all_args(), call.dir.path());
        let stdin = process.0.stdin.take().unwrap();
        let mut piped = Self { call, process, stdin };
        piped.write(2 * LINES);
        piped
    }

    fn write(&mut self, lines: usize) {
        self.stdin.write_all("/api/v1/crates/serde/1.0.0/download\n".repeat(lines).as_bytes()).unwrap();
    }

    /// Waits until a file of its run directory has something in it: a second of
    /// the run is over.
    fn until_there_is(&mut self, file: &str) {
        let path = self.call.path("run").join(file);
        wait_until(file, || {
            assert!(!self.process.is_over(), "it ended before it wrote {file}");
            fs::metadata(&path).is_ok_and(|found| found.len() > 0)
        });
    }

    /// How many files it may open.
    fn limit_files(&self, current: Option<u64>) {
        let maximum = getrlimit(Resource::Nofile).maximum;
        let pid = Pid::from_child(&self.process.0);
        prlimit(Some(pid), Resource::Nofile, Rlimit { current, maximum }).unwrap();
    }

    /// Ends its trace, and reads its report.
    #[track_caller]
    fn report(self, code: i32) -> Report {
        drop(self.stdin);
        let ended = Ended::of(&self.process.end(), self.call.path("run"));
        assert_eq!(ended.code, Some(code), "{}{}", ended.stdout, ended.stderr);
        let report = Report::read(&ended.out);
        report.check_everything(&ended.out);
        report
    }
}

fn ids(report: &Report) -> Vec<&str> {
    report.list("/invalid_reasons").iter().map(|reason| reason["id"].as_str().unwrap()).collect()
}

#[test]
fn a_trace_that_is_not_read_in_time_is_named_as_the_cause() {
    let candidate = Serving::healthy();
    let call = || Call::replay("-", &candidate).with(&["--verify", "off", "--max-lateness", "5ms"]);
    let play = |call: Call, code: i32| {
        let mut piped = PipedReplay::start(call);
        // All of the trace is due in its first second.
        piped.until_there_is("intervals.ndjson");
        piped.write(LINES);
        let report = piped.report(code);
        assert_eq!(report.number("/arrivals/passed"), 3 * LINES as u64);
        assert!(report.number("/generator/trace_lag_arrivals") >= LINES as u64);
        report
    };
    let report = play(call(), 5);
    assert!(ids(&report).starts_with(&["lateness", "trace_lag"]), "{:?}", ids(&report));
    let allowed = play(call().with(&["--allow-invalid"]), 0);
    assert_eq!(allowed.verdict(), "passed");
    let warned = allowed.list("/warnings").iter().any(|warning| warning["id"] == "trace_lag");
    assert!(warned, "it is still said");
}

#[test]
fn a_process_without_descriptors_is_to_blame_and_not_the_candidate() {
    let candidate = Serving::healthy();
    let call = Call::replay("-", &candidate).with(&["--verify", "off", "--no-keepalive"]);
    let mut piped = PipedReplay::start(call);
    piped.until_there_is("intervals.ndjson");
    piped.limit_files(Some(3));
    piped.write(LINES);
    piped.until_there_is("failures.ndjson");
    piped.limit_files(getrlimit(Resource::Nofile).current);
    let report = piped.report(5);
    assert_eq!(report.verdict(), "invalid");
    assert!(ids(&report).contains(&"generator.no_descriptors"), "{:?}", ids(&report));
    let faults: Vec<&str> = report.faults().iter().map(|(id, _)| *id).collect();
    assert_eq!(faults, ["generator.no_descriptors"]);
    assert!(report.number("/arrivals/passed") > 0);
}

/// The call in a shell that lets it open so many files.
fn with_few_files(limit: u64, call: &Call) -> Ended {
    let script = format!("ulimit -n {limit} && exec \"$0\" \"$@\"");
    let output = Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_downpour")])
        .args(call.all_args())
        .env_remove("DOWNPOUR_LOG")
        .current_dir(call.dir.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ended::of(&output, call.path("run"))
}

#[test]
fn a_run_keeps_within_the_descriptors_it_may_have() {
    let candidate = Serving::with_faults(&["stall@..100ms"]);
    let call = Call::replay("trace", &candidate).file("trace", every(1, 100)).with(&["--verify", "off"]);
    let ended = with_few_files(140, &call);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let report = Report::read(&ended.out);
    report.check_everything(&ended.out);
    assert_eq!(report.number("/plan/connections"), 12);
    assert_eq!(report.number("/arrivals/passed"), 100);

    let ended = with_few_files(140, &call.out("more").with(&["-c", "13"]));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    for part in ["--connections 13", "at most 12", "ulimit -Hn"] {
        assert!(ended.stderr.contains(part), "{part:?} is not in: {}", ended.stderr);
    }
    assert!(!ended.out.exists(), "a run was begun");
}

#[test]
fn a_run_of_nothing_proves_nothing() {
    let candidate = Serving::healthy();
    // All requests are for one target, and this seed leaves it out.
    let list = "/api/v1/crates/serde/1.0.0/download\n".repeat(20);
    let flags = ["--rate", "100", "--sample", "1%", "--seed", "1"];
    let report = Call::replay("list", &candidate).file("list", list).with(&flags).report(5);
    assert_eq!((ids(&report), report.offered()), (vec!["nothing_offered"], 0));
}

#[test]
fn a_resolver_that_is_not_there_says_nothing_of_the_candidate() {
    let deaf = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let deaf = deaf.local_addr().unwrap().to_string();
    let candidate = Serving::healthy();
    let call = Call::new(&["replay", "trace", "--target", &candidate.api, "--resolver", &deaf]);
    let call = call.file("trace", every(10, 20)).with(&["--max-lateness", "60s", "--rules", "crates-io"]);
    let ended = call.run();
    assert_eq!(ended.code, Some(5), "{}{}", ended.stdout, ended.stderr);
    let report = Report::read(&ended.out);
    report.check_everything(&ended.out);
    let reason = &report.list("/invalid_reasons")[0];
    assert_eq!(reason["id"], "generator.no_resolver");
    assert!(reason["remedy"].as_str().unwrap().contains("--resolver"), "{reason}");
    let said = "INVALID: not everything could be checked; this is neither a pass nor a fail\n";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);
    assert_eq!(report.number("/targets/tiers/policy/checked"), 20);
    assert_eq!(report.number("/targets/tiers/dns/unchecked/no_resolver"), 20);
}

#[test]
fn failures_stand_beside_a_late_generator() {
    let candidate = Serving::with_faults(&["missing-slash:90%"]);
    let flags = ["--rate", "500", "-n", "40", "--rules", "crates-io", "--max-lateness", "0s"];
    let late = || Call::replay("trace", &candidate).file("trace", every(2, 40)).with(&flags);
    let call = late().with(&["--junit", "run.xml"]);
    let ended = call.run();
    assert_eq!(ended.code, Some(3), "{}{}", ended.stdout, ended.stderr);
    let report = Report::read(&ended.out);
    report.check_everything(&ended.out);
    assert_eq!((report.verdict(), report.at("/timing_valid") == false), ("failed", true));
    assert!(ids(&report).contains(&"lateness"), "{:?}", ids(&report));
    let text = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.starts_with("FAILED: ") && text.contains("timing not valid: requests were sent late"),
        "{text}"
    );
    assert!(text.contains("Timing not valid: 1 % of the requests were sent "), "{text}");
    let junit = fs::read_to_string(call.path("run.xml")).unwrap();
    assert!(junit.contains(r#" errors="1" "#) && junit.contains(r#"type="invalid""#), "{junit}");
    // A threshold on failures that is broken stands, too; one on times does not.
    let strict = late().with(&["--threshold", "failed.rate <= 1%"]).report(99);
    assert_eq!(strict.at("/thresholds/0/broken_for_certain"), true);
    let timed = ["--threshold", "latency.p99 < 1us", "--threshold", "failed.rate <= 100%"];
    let timed = late().with(&timed).report(5);
    assert_eq!(timed.at("/thresholds/0/broken_for_certain"), false);
}

#[test]
fn what_few_samples_cannot_say_is_not_said() {
    let candidate = Serving::healthy();
    let play = |count: &str| {
        let call = Call::replay("trace", &candidate).file("trace", every(2, 40));
        call.with(&["--rate", "500", "-n", count]).run().stdout
    };
    let line = |text: &str, name: &str| {
        let found = text.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_default();
        found.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let one = play("1");
    assert_eq!(line(&one, "p50"), ["p50", "-", "-", "-", "-"], "{one}");
    assert_eq!(line(&one, "offered"), ["offered", "1", "-"], "{one}");
    assert_ne!(line(&one, "max")[1], "-", "{one}");
    let forty = play("40");
    assert_ne!(line(&forty, "p95")[1], "-", "{forty}");
    assert_eq!(line(&forty, "p99 ")[1], "-", "{forty}");
    assert_ne!(line(&forty, "offered")[2], "-", "{forty}");
}
