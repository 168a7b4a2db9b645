//! The program from outside: the real binary against `downpour serve`, both as
//! child processes, over loopback.
//!
//! What is asserted are counts, verdicts, exit codes and messages, and after
//! every run that its books balance; never how long something took. Runs are
//! short and slow, and allow a lateness that only a broken machine would reach.

use assert_cmd::cargo::cargo_bin_cmd;
use rustix::process::{Pid, Signal, kill_process};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

mod accounting;
mod addresses;
mod catalog;
mod check;
mod clients;
mod config;
mod connections;
mod control;
mod exports;
mod faults;
mod handshakes;
mod help;
mod hostile;
mod http2;
mod json_variant;
mod listeners;
mod mistakes;
mod output;
mod overwrite;
mod pace;
mod rerender;
mod retries;
mod rules;
mod scenarios;
mod shape;
mod signals;
mod simulate;
mod startup_failures;
mod statuses;
mod targets;
mod terminal;
mod thresholds;
mod traces;
mod transitions;
mod untrusted_text;
mod validity;
mod warmup;

use accounting::Report;

/// The recorded traffic of the incident: 4,710 requests.
const INCIDENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/traces/incident/api-requests.log.gz");

/// The program as a process that goes on while a test looks at it. It does not
/// outlive the test, however that ends.
struct Process(Child);

impl Process {
    fn start(args: &[&str], room: &Path) -> Self {
        Self::reading(Stdio::null(), args, room)
    }

    /// One that reads from there.
    fn reading(stdin: Stdio, args: &[&str], room: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_downpour"));
        command.args(args).env_remove("DOWNPOUR_LOG").env_remove("GITHUB_STEP_SUMMARY").current_dir(room);
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    fn is_over(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    /// Waits for its end. What it says must fit into a pipe.
    fn end(mut self) -> Output {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        if let Some(mut pipe) = self.0.stdout.take() {
            pipe.read_to_end(&mut stdout).unwrap();
        }
        self.0.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
        Output { status: self.0.wait().unwrap(), stdout, stderr }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // After its end there is nobody left to kill, and that is fine.
        self.0.kill().unwrap_or_default();
        self.0.wait().map(drop).unwrap_or_default();
    }
}

/// `downpour serve`.
struct Serving {
    process: Process,
    api: String,
    /// Host and port of its CDN.
    cdn: String,
    dns: String,
}

impl Serving {
    /// Starts with these planned faults.
    fn with_faults(faults: &[&str]) -> Self {
        let faults: Vec<&str> = faults.iter().flat_map(|fault| ["--fault", fault]).collect();
        Self::with(&faults)
    }

    /// Starts with these flags and waits until it says where it is.
    fn with(flags: &[&str]) -> Self {
        let args: Vec<&str> = ["serve"].iter().chain(flags).copied().collect();
        let mut process = Process::start(&args, Path::new("."));
        let mut lines = BufReader::new(process.0.stdout.take().unwrap()).lines();
        let mut address =
            |prefix: &str| lines.next().unwrap().unwrap().strip_prefix(prefix).unwrap().to_owned();
        let (api, cdn, dns) = (address("api "), address("cdn http://"), address("dns "));
        Self { process, api, cdn, dns }
    }

    fn healthy() -> Self {
        Self::with_faults(&[])
    }

    /// The port of its API host.
    fn port(&self) -> &str {
        self.api.rsplit(':').next().unwrap()
    }

    /// Asks it to end and returns what it counted.
    fn stop(self) -> Served {
        self.process.signal(Signal::TERM);
        let ended = self.process.end();
        assert!(ended.status.success());
        let said = String::from_utf8(ended.stderr).unwrap();
        let numbers: Vec<u64> =
            said.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
        let [answers, _redirects, faulted, targets, ..] = numbers[..] else { panic!("{said}") };
        Served { answers, faulted, targets }
    }
}

/// What a served candidate counted itself.
struct Served {
    answers: u64,
    /// Those, or requests without an answer, that a fault spoiled.
    faulted: u64,
    /// Answers of its CDN.
    targets: u64,
}

/// One call of the program, in a directory of its own.
struct Call {
    dir: TempDir,
    args: Vec<String>,
    /// Its run directory, below its own.
    out: &'static str,
    stdin: Vec<u8>,
}

impl Call {
    fn new(args: &[&str]) -> Self {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        Self { dir: tempfile::tempdir().unwrap(), args, out: "run", stdin: Vec::new() }
    }

    /// `downpour replay TRACE` against a served candidate, answers judged down
    /// to the lookup, and redirects not asked for in JSON.
    fn replay(trace: &str, candidate: &Serving) -> Self {
        Self::new(&["replay", trace, "--target", &candidate.api, "--resolver", &candidate.dns]).with(&[
            "--allow-private",
            "--max-lateness",
            "60s",
            // Counted to the last request; those who ask for it say so.
            "--verify-json",
            "off",
        ])
    }

    fn with(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|&arg| arg.to_owned()));
        self
    }

    /// Puts a file into its directory.
    fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn stdin(self, stdin: impl Into<Vec<u8>>) -> Self {
        Self { stdin: stdin.into(), ..self }
    }

    fn out(self, out: &'static str) -> Self {
        Self { out, ..self }
    }

    /// One that makes no run directory.
    fn without_out(self) -> Self {
        self.out("")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The arguments, with the run directory where the subcommand makes one.
    fn all_args(&self) -> Vec<&str> {
        let makes_a_run =
            matches!(self.args.first().map(String::as_str), Some("replay" | "demo" | "simulate"));
        let out = if makes_a_run && !self.out.is_empty() { &["--out", self.out][..] } else { &[] };
        self.args.iter().map(String::as_str).chain(out.iter().copied()).collect()
    }

    fn run(&self) -> Ended {
        let output = cargo_bin_cmd!("downpour")
            .args(self.all_args())
            .env_remove("DOWNPOUR_LOG")
            .env_remove("GITHUB_STEP_SUMMARY")
            .current_dir(self.dir.path())
            .write_stdin(self.stdin.clone())
            .output()
            .unwrap();
        Ended::of(&output, self.path(self.out))
    }

    /// Runs it, expects this exit code, and that the books balance.
    #[track_caller]
    fn report(&self, code: i32) -> Report {
        let ended = self.run();
        assert_eq!(ended.code, Some(code), "{:?}\n{}{}", self.args, ended.stdout, ended.stderr);
        let report = Report::read(&ended.out);
        report.check_everything(&ended.out);
        report
    }

    /// Runs it and expects that it refuses with this exit code and a message
    /// that holds all of `parts`, and that no run was begun.
    #[track_caller]
    fn refused(&self, code: i32, parts: &[&str]) {
        let ended = self.run();
        assert_eq!(ended.code, Some(code), "{:?}\n{}{}", self.args, ended.stdout, ended.stderr);
        for part in parts {
            assert!(ended.stderr.contains(part), "{part:?} is not in: {}", ended.stderr);
        }
        assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
        assert_eq!(ended.stdout, "");
        assert!(!ended.out.join("run.json").exists(), "a run was begun");
    }
}

/// How a call ended.
struct Ended {
    /// `None` where a signal ended it.
    code: Option<i32>,
    stdout: String,
    stderr: String,
    /// Where its run directory is, if it has one.
    out: PathBuf,
}

impl Ended {
    fn of(output: &Output, out: PathBuf) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr), out }
    }
}

/// A trace of `count` downloads, one every `gap_ms` milliseconds.
fn every(gap_ms: u64, count: u64) -> String {
    let mut trace = String::new();
    for number in 0..count {
        let at_ns = number * gap_ms * 1_000_000;
        let target = format!("/api/v1/crates/serde/1.0.{number}/download");
        writeln!(trace, r#"{{"at_ns":{at_ns},"target":"{target}"}}"#).unwrap();
    }
    trace
}

/// A file among the samples.
fn sample(folder: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("traces").join(folder).join(file)
}
