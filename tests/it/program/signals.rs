//! A run that is stopped keeps what it learned.

use super::accounting::intervals;
use super::{Call, Ended, INCIDENT, Process, Report, Serving, every};
use crate::support::wait_until;
use rustix::process::Signal;
use std::fs;

/// A run that goes on while the test looks at its directory.
struct RunningReplay {
    call: Call,
    process: Process,
}

impl RunningReplay {
    fn start(call: Call) -> Self {
        let process = Process::start(&call.all_args(), call.dir.path());
        Self { call, process }
    }

    /// Waits until a file of its run directory has something in it.
    fn until_there_is(&mut self, file: &str) {
        let path = self.call.path("run").join(file);
        wait_until(file, || {
            assert!(!self.process.is_over(), "it ended before it wrote {file}");
            fs::metadata(&path).is_ok_and(|found| found.len() > 0)
        });
    }

    /// Waits until `run.json` counts something: the first one is written before
    /// anything is sent.
    fn until_a_checkpoint(&mut self) {
        let path = self.call.path("run/run.json");
        let counted = |text: String| {
            serde_json::from_str::<serde_json::Value>(&text)
                .is_ok_and(|run| run["arrivals"]["offered"].as_u64() > Some(0))
        };
        wait_until("a checkpoint", || {
            assert!(!self.process.is_over(), "it ended before a checkpoint");
            fs::read_to_string(&path).is_ok_and(counted)
        });
    }

    /// How it ended; its directory lives as long as the call.
    fn end(self) -> (Ended, Call) {
        (Ended::of(&self.process.end(), self.call.path("run")), self.call)
    }
}

/// An hour of load.
fn endless(candidate: &Serving) -> Call {
    Call::replay(INCIDENT, candidate).with(&["--rate", "300", "-d", "1h", "--loop"])
}

#[test]
fn a_signal_in_mid_run_leaves_a_whole_report_marked_as_cut() {
    let candidate = Serving::with_faults(&["missing-slash:10%"]);
    for signal in [Signal::INT, Signal::TERM] {
        let mut going = RunningReplay::start(endless(&candidate));
        going.until_there_is("intervals.ndjson");
        going.process.signal(signal);
        let (ended, _call) = going.end();
        assert_eq!(ended.code, Some(130), "{}", ended.stderr);
        assert!(ended.stdout.starts_with("INTERRUPTED: a partial result"), "{}", ended.stdout);
        let report = Report::read(&ended.out);
        assert_eq!(report.verdict(), "interrupted");
        report.check_everything(&ended.out);
        assert!(report.offered() > 0);
        // Those in flight had time to end.
        assert_eq!(report.number("/arrivals/unfinished"), 0);
        assert!(report.number("/lines/read") > report.offered());
    }
}

#[test]
fn a_second_signal_waits_for_nobody() {
    let candidate = Serving::with_faults(&["stall"]);
    let call = endless(&candidate).with(&["--timeout", "1h", "--grace", "1h"]);
    let mut going = RunningReplay::start(call);
    going.until_there_is("intervals.ndjson");
    // Signals that come together count as one, so it is told until it ends.
    wait_until("the end after two signals", || {
        going.process.signal(Signal::INT);
        going.process.is_over()
    });
    let (ended, _call) = going.end();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    let report = Report::read(&ended.out);
    report.check_everything(&ended.out);
    assert_eq!(report.verdict(), "interrupted");
    assert_eq!(report.number("/arrivals/unfinished"), report.offered());
    assert_eq!(report.number("/attempts/unfinished"), report.number("/attempts/total"));
}

#[test]
fn the_first_signal_is_answered_and_names_the_second() {
    let candidate = Serving::with_faults(&["stall"]);
    let call = endless(&candidate).with(&["--timeout", "1h", "--grace", "100ms"]);
    let mut going = RunningReplay::start(call);
    going.until_there_is("intervals.ndjson");
    going.process.signal(Signal::INT);
    let (ended, _call) = going.end();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    // The number in flight changes faster than it is counted, so none is told.
    let told = "ending: waiting for requests in flight; Ctrl-C again to stop now";
    assert!(ended.stderr.lines().any(|line| line == told), "{}", ended.stderr);
}

#[test]
fn the_first_signal_to_a_check_names_what_is_waited_for() {
    let candidate = Serving::with_faults(&["delay:100ms"]);
    let list = super::targets::downloads(200, 1);
    let target = ["--target", &candidate.api, "--resolver", &candidate.dns, "--allow-private"];
    let call = Call::new(&["check", "list", "-c", "1", "--verify", "dns", "--out", "run"]).with(&target);
    let mut going = RunningReplay::start(call.file("list", list));
    going.until_there_is("intervals.ndjson");
    going.process.signal(Signal::INT);
    let (ended, _call) = going.end();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    let told = "ending: waiting for answers and redirect checks; Ctrl-C again to stop now";
    assert!(ended.stderr.lines().any(|line| line == told), "{}", ended.stderr);
}

/// Whether the signal comes before or after it is caught.
#[test]
fn a_signal_while_a_program_starts_ends_it() {
    let candidate = Serving::healthy();
    let room = tempfile::tempdir().unwrap();
    let replay = ["replay", INCIDENT, "--target", &candidate.api, "-d", "1h", "--loop", "--rate", "1"];
    for looks in 0..40 {
        for args in [&["serve"][..], &[&replay[..], &["--grace", "100ms"]].concat()] {
            let mut process = Process::start(args, room.path());
            for _ in 0..looks * looks * 4 {
                assert!(!process.is_over());
                std::thread::yield_now();
            }
            process.signal(if looks % 2 == 0 { Signal::TERM } else { Signal::INT });
            process.end();
        }
    }
}

#[test]
fn what_was_on_disk_outlives_a_kill() {
    let candidate = Serving::healthy();
    let mut going = RunningReplay::start(endless(&candidate));
    going.until_a_checkpoint();
    going.process.signal(Signal::KILL);
    let (ended, _call) = going.end();
    assert_eq!(ended.code, None);
    let report = Report::read(&ended.out);
    report.check_events();
    assert_eq!(report.verdict(), "interrupted");
    assert_eq!(report.text("/warnings/0/id"), "checkpoint");
    assert!(report.offered() > 0);
    let seconds = intervals(&ended.out);
    let offered: u64 = seconds.iter().map(|second| second["offered"].as_u64().unwrap()).sum();
    assert!(offered >= report.offered(), "a checkpoint tells of what is on disk");
}

#[test]
fn arrivals_without_an_answer_at_the_end_of_grace_make_no_pass() {
    let candidate = Serving::with_faults(&["stall"]);
    let report = Call::replay("trace", &candidate)
        .file("trace", every(1, 20))
        .with(&["--rate", "1000", "--grace", "100ms"])
        .report(5);
    assert_eq!(report.text("/invalid_reasons/0/id"), "unfinished");
    assert_eq!(report.number("/arrivals/unfinished"), 20);
}
