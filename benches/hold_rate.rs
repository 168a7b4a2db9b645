//! Whether a rate is held, how exactly, and at what cost.
//!
//! Replays the incident, over and over, against the embedded registry in a
//! process of its own, with every redirect judged and its host looked up. Fails
//! where a single arrival was not offered or was shed; how late and how slow
//! they were, and what the client took for it, is told and left to the reader.
//!
//! ```text
//! cargo bench --bench hold_rate -- --rate 20k/s --seconds 60
//! ```

mod support;

use clap::Parser;
use downpour_core::units::{Offset, Rate};
use downpour_report::RunReport;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;
use support::{Served, Watched, incident, mib, ms, scratch, watch};

#[derive(Debug, Parser)]
struct Args {
    /// Set the arrivals per second.
    #[arg(long, default_value = "4.7k/s")]
    rate: Rate,

    /// Set the duration in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,

    /// Cargo passes this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> io::Result<ExitCode> {
    let args = Args::parse();
    let directory = scratch()?;
    let served = Served::start(&[])?;
    let (trace, out) = (incident(), directory.path().join("run"));
    let (rate, duration) = (args.rate.to_string(), format!("{}s", args.seconds));
    let mut command = served.replay(&trace.to_string_lossy(), &["--loop", "--rate", &rate, "-d", &duration]);
    command.arg("--out").arg(&out);
    let watched = watch(command, Duration::from_secs(1))?;
    let report = watched.report()?;
    let asked = args.rate.due_before(Offset::from(Duration::from_secs(args.seconds)));
    tell(&report, &watched, asked)?;
    let held = report.arrivals.offered == asked && report.arrivals.shed == 0;
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(report: &RunReport, watched: &Watched, asked: u64) -> io::Result<()> {
    let mut out = io::stdout();
    let RunReport { arrivals, attempts, latency_us, lateness_us, .. } = report;
    let mut row = |name: &str, value: String| writeln!(out, "{name:<24}{value}");
    row("offered", format!("{} of {asked}", arrivals.offered))?;
    row("passed / failed", format!("{} / {}", arrivals.passed, arrivals.failed))?;
    row("shed / unfinished", format!("{} / {}", arrivals.shed, arrivals.unfinished))?;
    row("lateness p50 / p99", format!("{} / {}", ms(lateness_us.p50), ms(lateness_us.p99)))?;
    row("latency p50 / p99", format!("{} / {}", ms(latency_us.p50), ms(latency_us.p99)))?;
    let nanos = watched.cpu.as_nanos() / u128::from(attempts.total.max(1));
    row("client CPU", format!("{}.{:02} µs per request", nanos / 1_000, nanos % 1_000 / 10))?;
    row("client CPU in total", format!("{:.2} s", watched.cpu.as_secs_f64()))?;
    for second in [10, 30, 60] {
        if let Some(&kib) = watched.resident_kib.get(second - 1) {
            row(&format!("resident, second {second}"), mib(kib))?;
        }
    }
    row("resident, peak", mib(watched.peak_kib))?;
    row("verdict", format!("{:?}", report.verdict).to_lowercase())?;
    for reason in report.invalid_reasons.iter().chain(&report.warnings) {
        row(&format!("  {}", reason.id), reason.detail.clone())?;
    }
    Ok(())
}
