//! Ground truth: real clients against the embedded candidate, held against
//! their models.
//!
//! All start at once and mostly sleep, so that this takes as long as the most
//! patient of them, a dozen seconds. Compared are the number of attempts,
//! exactly, and the waits between them on the candidate's own stamps: none may
//! be shorter than the model's shortest by more than [`EARLY`], nor longer than
//! its longest by more than [`LATE`], since a busy machine delays a client and
//! never hurries it. cargo is always there; curl and pip are asked where they
//! are installed. What takes longer is in `tests/peers/clients.py`.

use crate::support::listener::{Listener, head_of};
use downpour_core::fault::Fault;
use downpour_load::client::{Budget, ClientModels, LastAttempt, NextStep, retry_rng};
use downpour_mock::plan::FaultPlan;
use downpour_mock::{AccessLog, MockConfig, MockRegistry};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// How much sooner a client may come back than its model says: what its clock
/// and the candidate's may differ in.
const EARLY: Duration = Duration::from_millis(100);

/// How much later.
const LATE: Duration = Duration::from_secs(4);

/// A name that never resolves: RFC 6761 section 6.4.
const NOWHERE: &str = "http://nowhere.invalid";

/// What a client meets at the candidate.
#[derive(Clone, Copy)]
enum ClientFault {
    /// This fault of the candidate, which its model takes so.
    Fault(&'static str, LastAttempt),
    /// A redirect to a host that does not exist.
    UnknownHost,
}

const UNAVAILABLE: ClientFault =
    ClientFault::Fault("status-503", LastAttempt::answered(503, Some(Fault::StatusServerError), None));
const TOO_MANY: ClientFault = ClientFault::Fault(
    "too-many",
    LastAttempt::answered(429, Some(Fault::StatusClientError), Some(Duration::from_secs(2))),
);
const RESET: ClientFault = ClientFault::Fault("reset", LastAttempt::unanswered(Fault::HttpReset));

impl ClientFault {
    const fn last(self) -> LastAttempt {
        match self {
            Self::Fault(_, last) => last,
            Self::UnknownHost => LastAttempt::answered(302, Some(Fault::DnsNxdomain), None),
        }
    }
}

/// Where the candidate's lines go.
#[derive(Clone, Default)]
struct SharedAccessLog(Arc<Mutex<Vec<u8>>>);

impl Write for SharedAccessLog {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A real client under way, with a candidate and an index of its own.
struct RunningClient {
    model: &'static str,
    fault: ClientFault,
    child: Child,
    registry: MockRegistry,
    index: Listener,
    lines: SharedAccessLog,
    _room: TempDir,
}

/// Starts a client; `command` makes it of the candidate's download, the
/// index's address and a directory to work in.
fn start(
    model: &'static str,
    trouble: ClientFault,
    command: fn(&str, &str, &Path) -> Command,
) -> RunningClient {
    let lines = SharedAccessLog::default();
    let mut config = MockConfig { access_log: Some(AccessLog::new(lines.clone())), ..MockConfig::default() };
    match trouble {
        ClientFault::Fault(fault, _) => config.plan = FaultPlan::new(vec![fault.parse().unwrap()], 1),
        ClientFault::UnknownHost => config.location_base = NOWHERE.parse().unwrap(),
    }
    let registry = MockRegistry::start(config).unwrap();
    let download = format!("http://{}/api/v1/crates/foo/1.0.0/download", registry.api());
    let index = index(registry.api().to_string(), download.clone());
    let room = tempfile::tempdir().unwrap();
    let mut command = command(&download, &format!("http://{}", index.addr), room.path());
    for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "CARGO_NET_RETRY"] {
        command.env_remove(name);
    }
    // Where there is no resolver at all, that is found out soon.
    command.env("RES_OPTIONS", "attempts:1 timeout:1").current_dir(room.path());
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    RunningClient { model, fault: trouble, child, registry, index, lines, _room: room }
}

/// A sparse index for cargo and a simple one for pip, of one package, which is
/// with the candidate at `api`.
fn index(api: String, download: String) -> Listener {
    Listener::start(move |mut stream| {
        let Some(head) = head_of(&mut stream) else { return };
        let digest = "0".repeat(64);
        let (status, content) = match head.split(' ').nth(1).unwrap_or_default() {
            "/index/config.json" => {
                ("200 OK", format!(r#"{{"dl":"http://{api}/api/v1/crates/{{crate}}/{{version}}/download"}}"#))
            }
            "/index/3/f/foo" => (
                "200 OK",
                format!(
                    r#"{{"name":"foo","vers":"1.0.0","deps":[],"cksum":"{digest}","features":{{}},"yanked":false}}"#
                ),
            ),
            "/simple/foo/" => {
                ("200 OK\r\ncontent-type: text/html", r#"<a href="/files/foo-1.0.0.tar.gz">x</a>"#.to_owned())
            }
            "/files/foo-1.0.0.tar.gz" => ("302 Found", String::new()),
            _ => ("404 Not Found", String::new()),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nlocation: {download}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{content}",
            content.len()
        );
        // A client that was ended does not read it.
        stream.write_all(answer.as_bytes()).unwrap_or_default();
    })
}

fn cargo(_: &str, index: &str, room: &Path) -> Command {
    let package = "[package]\nname = \"asks\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\
                   [dependencies]\nfoo = { version = \"1\", registry = \"here\" }\n[workspace]\n";
    let config = format!("[registries.here]\nindex = \"sparse+{index}/index/\"\n");
    fs::create_dir_all(room.join("src")).unwrap();
    fs::create_dir_all(room.join("home")).unwrap();
    fs::write(room.join("src/lib.rs"), "").unwrap();
    fs::write(room.join("Cargo.toml"), package).unwrap();
    fs::write(room.join("home/config.toml"), config).unwrap();
    let mut command = Command::new(env!("CARGO"));
    command.arg("fetch").env("CARGO_HOME", room.join("home"));
    command
}

fn curl(download: &str, _: &str, _: &Path) -> Command {
    let mut command = Command::new("curl");
    command.args(["-q", "-sSfL", "--retry", "3", "-o", "file", download]);
    command
}

fn pip(_: &str, index: &str, room: &Path) -> Command {
    let mut command = Command::new("python3");
    command.args([
        "-m",
        "pip",
        "download",
        "foo",
        "--no-deps",
        "--no-cache-dir",
        "--disable-pip-version-check",
    ]);
    command.args(["--index-url", &format!("{index}/simple/"), "--dest"]).arg(room);
    command.env("PIP_CONFIG_FILE", "/dev/null").env("PIP_NO_INPUT", "1");
    command
}

/// Whether a program is there; says so where it is not, so that nobody takes a
/// skipped part for a passed one.
fn is_installed(program: &str, args: &[&str]) -> bool {
    let asked = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let is_installed = asked.is_ok_and(|status| status.success());
    if !is_installed {
        // Below the capture of the test harness: to be seen though the test passes.
        let mut stderr = std::io::stderr();
        writeln!(stderr, "SKIPPED: {program} is not installed; its model is not tested").unwrap();
    }
    is_installed
}

impl RunningClient {
    /// Waits for its end and holds what the candidate saw against the model.
    fn check(self) {
        let output = self.child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        self.registry.stop();
        self.index.stop();
        let lines = String::from_utf8(std::mem::take(&mut *self.lines.0.lock().unwrap())).unwrap();
        let visits: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let model = self.model;
        assert!(!output.status.success(), "{model}: {said}");
        let kinds: Vec<&str> = visits.iter().map(|visit| visit["kind"].as_str().unwrap()).collect();
        assert!(kinds.iter().all(|kind| *kind == model), "{model}: {kinds:?}");
        let expected = waits(model, self.fault.last());
        assert_eq!(visits.len(), expected.len() + 1, "{model}: {lines}{said}");
        for (pair, (least, most)) in visits.windows(2).zip(expected) {
            let nanos = |visit: &Value, key: &str| visit[key].as_u64().unwrap();
            let end = nanos(&pair[0], "at_ns") + nanos(&pair[0], "duration_ns");
            let wait = Duration::from_nanos(nanos(&pair[1], "at_ns").saturating_sub(end));
            assert!(wait + EARLY >= least && wait <= most + LATE, "{model} waited {wait:?}: {lines}");
        }
    }
}

/// The shortest and the longest wait that a model makes before each retry.
fn waits(model: &str, last: LastAttempt) -> Vec<(Duration, Duration)> {
    let models = ClientModels::built_in();
    let model = models.find(model).unwrap();
    let mut waits: Vec<(Duration, Duration)> = Vec::new();
    for seed in 0..200 {
        let mut budget = Budget::new(model.budget);
        let mut state = model.begin(&mut budget);
        for number in 0.. {
            let mut random = retry_rng(seed, 0, &state);
            let NextStep::RetryAfter(wait) = model.next(&mut state, &mut budget, last, &mut random) else {
                break;
            };
            if number == waits.len() {
                waits.push((wait, wait));
            }
            waits[number] = (waits[number].0.min(wait), waits[number].1.max(wait));
        }
    }
    waits
}

#[test]
fn real_clients_do_as_their_models_do() {
    let mut running: Vec<RunningClient> = [UNAVAILABLE, TOO_MANY, RESET, ClientFault::UnknownHost]
        .map(|trouble| start("cargo-1.89", trouble, cargo))
        .into();
    if is_installed("curl", &["--version"]) {
        running.extend(
            [UNAVAILABLE, TOO_MANY, RESET, ClientFault::UnknownHost].map(|of| start("curl", of, curl)),
        );
    }
    if is_installed("python3", &["-m", "pip", "--version"]) {
        running.extend([UNAVAILABLE, RESET].map(|trouble| start("pip", trouble, pip)));
    }
    running.into_iter().for_each(RunningClient::check);
}
