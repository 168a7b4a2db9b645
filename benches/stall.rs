//! Whether a pause of the server is seen by all who were due in it.
//!
//! The registry freezes for one second of twenty. A client that waits for an
//! answer before it sends the next request meets the freeze once on each
//! connection, and its p99 knows nothing of it. At a constant rate a twentieth
//! of all arrivals is due in the frozen second, evenly spread over it, and
//! waits for the rest of it. So with `q` the share of arrivals that are slower,
//!
//! ```text
//! latency(q) = 1 s · (1 - 20 q)   for q < 1/20, else what the server takes
//! p99: q = 0.01 → 800 ms     p99.9: q = 0.001 → 980 ms     max → 1 s
//! ```
//!
//! Fails where p99 is not above half a second: not a statement about speed but
//! about the measurement, so it holds on a busy machine, too.

mod support;

use clap::Parser;
use downpour_core::units::Rate;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;
use support::{Served, incident, ms, scratch, watch};

const FREEZE_US: u64 = 1_000_000;
const SECONDS: u64 = 20;
/// What p99 must be above; the truth is 800 ms.
const LEAST_P99_US: u64 = 500_000;

#[derive(Debug, Parser)]
struct Args {
    /// Set the arrivals per second. The theoretical latency does not depend on them.
    #[arg(long, default_value = "2k/s")]
    rate: Rate,

    /// Cargo passes this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> io::Result<ExitCode> {
    let args = Args::parse();
    let directory = scratch()?;
    let served = Served::start(&["--fault", "stall@5s..6s"])?;
    let (trace, rate, duration) = (incident(), args.rate.to_string(), format!("{SECONDS}s"));
    let mut command = served.replay(&trace.to_string_lossy(), &["--loop", "--rate", &rate, "-d", &duration]);
    command.arg("--out").arg(directory.path().join("run"));
    let report = watch(command, Duration::from_secs(1))?.report()?;
    let measured = &report.latency_us;
    let mut out = io::stdout();
    writeln!(out, "a freeze of {} in {SECONDS} s at {}", ms(FREEZE_US), args.rate)?;
    writeln!(out, "{:<8}{:>14}{:>14}", "latency", "measured", "theory")?;
    for (name, measured, slower_in_100_000) in [
        ("p50", measured.p50, 50_000),
        ("p99", measured.p99, 1_000),
        ("p99.9", measured.p99_9, 100),
        ("max", measured.max, 0),
    ] {
        let truth = truth_us(slower_in_100_000).map_or_else(|| "the server's".to_owned(), ms);
        writeln!(out, "{name:<8}{:>14}{truth:>14}", ms(measured))?;
    }
    writeln!(out, "of {} arrivals {} were shed", report.arrivals.offered, report.arrivals.shed)?;
    let seen = measured.p99 > LEAST_P99_US;
    if !seen {
        writeln!(out, "p99 hides the freeze: it must be above {}", ms(LEAST_P99_US))?;
    }
    Ok(if seen { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The latency that so many of 100,000 arrivals exceed; `None` where that is
/// not the freeze's doing.
fn truth_us(slower_in_100_000: u64) -> Option<u64> {
    let passed = slower_in_100_000 * SECONDS * FREEZE_US / 100_000;
    FREEZE_US.checked_sub(passed).filter(|left| *left > 0)
}
