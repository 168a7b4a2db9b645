//! How long a check takes: ten thousand distinct downloads, each redirect
//! followed to its file over TLS, against the embedded registry beside it.
//!
//! Fails where one was not asked once or not checked to its end, and where it
//! took longer than a pipeline should have to wait.

mod support;

use clap::Parser;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::process::{Command, ExitCode};
use std::time::Duration;
use support::{DOWNPOUR, Served, mib, scratch, watch};
use tokio::time::Instant;

const DOWNLOADS: u64 = 10_000;
const MOST: Duration = Duration::from_secs(10);

#[derive(Debug, Parser)]
struct Args {
    /// Set how far redirects are checked.
    #[arg(long, default_value = "get")]
    verify: String,

    /// Cargo passes this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> io::Result<ExitCode> {
    let args = Args::parse();
    let directory = scratch()?;
    let (list, authority) = (directory.path().join("list"), directory.path().join("ca.pem"));
    let mut paths = String::new();
    for n in (0..2).flat_map(|_| 0..DOWNLOADS) {
        writeln!(paths, "/api/v1/crates/serde/1.0.{n}/download").map_err(io::Error::other)?;
    }
    fs::write(&list, paths)?;
    let served = Served::start(&["--ca-out", &authority.to_string_lossy()])?;
    let instead = format!("static.crates.io:443:{}", served.cdn);
    let mut command = Command::new(DOWNPOUR);
    command.arg("check").arg(&list).args(["--target", &served.api, "--resolver", &served.dns]);
    command.args(["--rules", "crates-io", "--allow-private", "--format", "json", "--quiet"]);
    command.args(["--verify", &args.verify, "--verify-connect-to", &instead, "--roots", "none"]);
    command.arg("--cacert").arg(&authority);
    let begun = Instant::now();
    let watched = watch(command, Duration::from_millis(20))?;
    let (took, report) = (begun.elapsed(), watched.report()?);
    let targets = &report.targets;
    let mut out = io::stdout();
    writeln!(
        out,
        "{DOWNLOADS} downloads, --verify {}: {:.2} s, {:.2} s of CPU time, {}",
        args.verify,
        took.as_secs_f64(),
        watched.cpu.as_secs_f64(),
        mib(watched.peak_kib)
    )?;
    let whole = (report.arrivals.passed, targets.checked) == (DOWNLOADS, DOWNLOADS);
    if !whole {
        let passed = report.arrivals.passed;
        writeln!(out, "passed {passed}, checked {}: must be {DOWNLOADS} each", targets.checked)?;
    }
    if took > MOST {
        writeln!(out, "it must take at most {} s", MOST.as_secs())?;
    }
    Ok(if whole && took <= MOST { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
