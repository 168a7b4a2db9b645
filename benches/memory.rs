//! That memory does not grow with the length of the trace.
//!
//! Makes logs of 1 MB, 100 MB and 1 GB of the same traffic, 4,700 requests a
//! second, and reads each to its end, then replays each for ten seconds. What
//! is held is half a minute of log, to put it in order, and what the run needs: a
//! log shorter than that needs less, a longer one not more. Fails where the
//! replay of the longest takes more than 64 MiB.

mod support;

use clap::Parser;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;
use support::{DOWNPOUR, Served, Watched, mib, scratch, watch};

const RATE: &str = "4.7k/s";
/// What a line of the made-up log has, on average.
const BYTES_A_LINE: u64 = 360;
const MOST_KIB: u64 = 64 * 1_024;
/// How often memory is looked at. The kernel keeps the peak, so only what comes
/// after the last look is missed.
const SPAN: Duration = Duration::from_millis(20);

#[derive(Debug, Parser)]
struct Args {
    /// Set the sizes of the logs in MB.
    #[arg(long, value_delimiter = ',', default_value = "1,100,1000")]
    megabytes: Vec<u64>,

    /// Cargo passes this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> io::Result<ExitCode> {
    let args = Args::parse();
    let directory = scratch()?;
    let served = Served::start(&[])?;
    let mut out = io::stdout();
    writeln!(out, "{:>12}{:>16}{:>12}{:>16}", "log", "inspect, peak", "in", "replay, peak")?;
    let mut most_kib = 0;
    for megabytes in args.megabytes {
        let log = directory.path().join(format!("{megabytes}.log"));
        make_log(&log, megabytes * 1_000_000 / BYTES_A_LINE)?;
        let inspected = inspect(&log)?;
        let replayed = replay(&served, &log, &directory.path().join(format!("run-{megabytes}")))?;
        let size = fs::metadata(&log)?.len() / 1_000;
        fs::remove_file(&log)?;
        writeln!(
            out,
            "{:>9} kB{:>16}{:>10.2} s{:>16}",
            size,
            mib(inspected.peak_kib),
            inspected.cpu.as_secs_f64(),
            mib(replayed),
        )?;
        most_kib = most_kib.max(replayed);
    }
    if most_kib > MOST_KIB {
        writeln!(out, "a replay took more than {}", mib(MOST_KIB))?;
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Has the example write it, so that there is one generator of traffic.
fn make_log(log: &Path, lines: u64) -> io::Result<()> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["run", "--quiet", "--release", "--example", "make-log", "--", "--host-kind", "api"]);
    command.args(["--rate", RATE, "--lines", &lines.to_string(), "--output"]).arg(log);
    match command.stdin(Stdio::null()).status()? {
        status if status.success() => Ok(()),
        status => Err(io::Error::other(format!("make-log ended with {status}"))),
    }
}

fn inspect(log: &Path) -> io::Result<Watched> {
    let mut command = Command::new(DOWNPOUR);
    command.arg("inspect").arg(log);
    let watched = watch(command, SPAN)?;
    if watched.status.success() {
        Ok(watched)
    } else {
        Err(io::Error::other(format!("downpour inspect ended with {}", watched.status)))
    }
}

/// The peak, in KiB, by the kernel's account or the report's, whichever is
/// more: the report's is written last.
fn replay(served: &Served, log: &Path, run: &Path) -> io::Result<u64> {
    let mut command = served.replay(&log.to_string_lossy(), &["--loop", "--rate", RATE, "-d", "10s"]);
    command.arg("--out").arg(run);
    let watched = watch(command, SPAN)?;
    Ok(watched.peak_kib.max(watched.report()?.generator.peak_rss_bytes / 1_024))
}
