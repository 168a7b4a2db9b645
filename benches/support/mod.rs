//! What the benches that run the program share: a server beside them, and a
//! child that is watched from outside.
//!
//! What a program says of its own cost is not evidence of it. Processor time
//! and memory are read from `/proc`, so these benches are for Linux.

#![allow(dead_code, reason = "each bench takes what it needs")]
#![allow(unreachable_pub, reason = "a module of several programs")]

use downpour_report::RunReport;
use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// The program under measurement, as this bench was built.
pub const DOWNPOUR: &str = env!("CARGO_BIN_EXE_downpour");

/// The trace that the repository brings along.
pub fn incident() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("traces/incident/api-requests.log.gz")
}

/// A place for logs and reports, gone with the value.
pub fn scratch() -> io::Result<TempDir> {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))
}

/// `downpour serve` in a process of its own; ends with the value.
pub struct Served {
    child: Child,
    /// The URL of the API host.
    pub api: String,
    /// Host and port of the CDN.
    pub cdn: String,
    /// The address of the DNS responder.
    pub dns: String,
}

impl Served {
    /// Starts it and waits until it listens.
    pub fn start(flags: &[&str]) -> io::Result<Self> {
        let mut command = Command::new(DOWNPOUR);
        command.arg("serve").args(flags).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("stdout was not piped"))?;
        let mut served = Self { child, api: String::new(), cdn: String::new(), dns: String::new() };
        for line in BufReader::new(stdout).lines().take(3) {
            match line?.split_once(' ') {
                Some(("api", url)) => url.clone_into(&mut served.api),
                Some(("cdn", url)) => url.trim_start_matches("http://").clone_into(&mut served.cdn),
                Some(("dns", addr)) => addr.clone_into(&mut served.dns),
                Some(_) | None => {}
            }
        }
        if served.api.is_empty() || served.dns.is_empty() {
            return Err(io::Error::other("downpour serve did not say where it listens"));
        }
        Ok(served)
    }

    /// `downpour replay` of `trace` against it, every host looked up.
    pub fn replay(&self, trace: &str, flags: &[&str]) -> Command {
        let mut command = Command::new(DOWNPOUR);
        command.env_remove("GITHUB_STEP_SUMMARY");
        command.args(["replay", trace, "--target", &self.api, "--resolver", &self.dns]);
        command.args(["--rules", "crates-io", "--allow-private", "--format", "json", "--quiet"]);
        command.args(flags);
        command
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing left to end.
        drop(self.child.kill().and_then(|()| self.child.wait()));
    }
}

/// A child that has ended, and what it took.
pub struct Watched {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    /// User and system time of all its threads.
    pub cpu: Duration,
    /// What was resident after each span of the watch, in KiB.
    pub resident_kib: Vec<u64>,
    /// The most that was ever resident, up to the last look.
    pub peak_kib: u64,
}

impl Watched {
    /// The result of a run, whatever its verdict.
    pub fn report(&self) -> io::Result<RunReport> {
        serde_json::from_slice(&self.stdout)
            .map_err(|error| io::Error::other(format!("no report on stdout ({}): {error}", self.status)))
    }
}

/// Runs `command` to its end and looks at its memory every `span`.
pub fn watch(mut command: Command, span: Duration) -> io::Result<Watched> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut pipe = child.stdout.take().ok_or_else(|| io::Error::other("stdout was not piped"))?;
    let pid = child.id();
    let (ended, end) = channel::<()>();
    let memory = thread::spawn(move || {
        let (mut resident_kib, mut peak_kib) = (Vec::new(), 0);
        while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(span) {
            resident_kib.push(memory_kib(pid, "VmRSS:").unwrap_or(0));
            peak_kib = peak_kib.max(memory_kib(pid, "VmHWM:").unwrap_or(0));
        }
        (resident_kib, peak_kib)
    });
    let mut stdout = Vec::new();
    pipe.read_to_end(&mut stdout)?;
    // A process that has ended and was not waited for still tells its times.
    let id = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
    waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
    let cpu = cpu_time(pid)?;
    let status = child.wait()?;
    drop(ended);
    let (resident_kib, peak_kib) = memory.join().map_err(|_| io::Error::other("the watch broke"))?;
    Ok(Watched { status, stdout, cpu, resident_kib, peak_kib })
}

fn memory_kib(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// Fields 14 and 15 of `/proc/PID/stat`, counted behind the name in brackets,
/// which may hold anything.
fn cpu_time(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
    let nanos = u128::from(ticks) * 1_000_000_000 / u128::from(clock_ticks_per_second());
    Ok(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

/// KiB as MiB with one decimal.
pub fn mib(kib: u64) -> String {
    format!("{}.{} MiB", kib / 1_024, kib % 1_024 * 10 / 1_024)
}

/// Microseconds as milliseconds with three decimals.
pub fn ms(us: u64) -> String {
    format!("{}.{:03} ms", us / 1_000, us % 1_000)
}
