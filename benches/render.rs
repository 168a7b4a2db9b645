//! What it costs to give out an hour at 4,700 requests a second in each form.
//!
//! Writes the run directory of such an hour, 3,600 seconds with a histogram of
//! three clocks each and ten broken minutes, then has the program render it, and
//! compare it with itself. Fails where a form takes more than a second of
//! processor time (a comparison: two), or 128 MiB, or the page 300 KB.

mod support;

use clap::Parser;
use downpour_core::fault::Fault;
use downpour_core::units::{Offset, Stamp};
use downpour_metrics::{Accounting, ArrivalOutcome, Attempt, AttemptEnd, AttemptKind, Interval, Totals};
use downpour_report::{Ending, GeneratorFacts, Plan, Rendering, ReportInput, RunDirectory, RunReport};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;
use support::{DOWNPOUR, mib, scratch, watch};

const PER_SECOND: u64 = 4_700;
const MOST: Duration = Duration::from_secs(1);
/// A comparison reads two runs, and draws their seconds a thousand times.
const MOST_COMPARED: Duration = Duration::from_secs(2);
const MOST_KIB: u64 = 128 * 1_024;
const MOST_BYTES_OF_PAGE: usize = 300_000;

#[derive(Debug, Parser)]
struct Args {
    /// Set the length of the run in seconds.
    #[arg(long, default_value_t = 3_600)]
    seconds: u64,

    /// Cargo passes this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> io::Result<ExitCode> {
    let args = Args::parse();
    let directory = scratch()?;
    let run = directory.path().join("run");
    write_run(&run, args.seconds)?;
    let mut out = io::stdout();
    for name in ["run.json", "intervals.ndjson", "latency.hlog"] {
        writeln!(out, "{name:<20}{:>12} bytes", fs::metadata(run.join(name))?.len())?;
    }
    writeln!(out, "\n{:<20}{:>12}{:>14}{:>16}", "form", "bytes", "CPU time", "peak")?;
    let mut passed = true;
    for rendering in Rendering::ALL {
        let mut command = Command::new(DOWNPOUR);
        command.arg("report").arg(&run).args(["--format", rendering.name()]);
        passed &= is_within(MOST, rendering.name(), command, &mut out)?;
    }
    for form in ["text", "html"] {
        let mut command = Command::new(DOWNPOUR);
        command.arg("compare").arg(&run).arg(&run).args(["--format", form]);
        passed &= is_within(MOST_COMPARED, &format!("compare, {form}"), command, &mut out)?;
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs `command`, tells what it took, and whether that was allowed.
fn is_within(most: Duration, form: &str, command: Command, out: &mut impl Write) -> io::Result<bool> {
    let watched = watch(command, Duration::from_millis(1))?;
    let (bytes, spent) = (watched.stdout.len(), watched.cpu.as_secs_f64());
    writeln!(out, "{form:<20}{bytes:>12}{spent:>12.2} s{:>16}", mib(watched.peak_kib))?;
    let is_small = form != Rendering::Html.name() || bytes <= MOST_BYTES_OF_PAGE;
    Ok(watched.status.success() && watched.cpu <= most && watched.peak_kib <= MOST_KIB && is_small)
}

fn write_run(run: &Path, seconds: u64) -> io::Result<()> {
    let mut directory = RunDirectory::create(run, Stamp::from_nanos(0)).map_err(io::Error::other)?;
    let (mut totals, mut interval) = (Totals::default(), Interval::new(0));
    for second in 0..seconds {
        interval.reset(second);
        (0..PER_SECOND).for_each(|n| download(&mut interval, second, n));
        totals.absorb(&interval);
        directory.append(&interval).map_err(io::Error::other)?;
    }
    let books = Accounting::so_far(&totals).map_err(|imbalance| io::Error::other(imbalance.to_string()))?;
    let report = RunReport::build(ReportInput {
        plan: Plan::default(),
        accounting: &books,
        totals: &totals,
        generator: GeneratorFacts::default(),
        ending: Ending::Interrupted,
        thresholds: downpour_report::Assessment::default(),
        notices: Vec::new(),
    });
    directory.finish(&report).map_err(io::Error::other)
}

/// One download: times are spread as a service's are, by a sequence that is the
/// same in each run.
fn download(interval: &mut Interval, second: u64, n: u64) {
    let dice = (second * PER_SECOND + n).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    let due = Offset::from_nanos(second * 1_000_000_000 + n * 1_000_000_000 / PER_SECOND);
    let after = |micros: u64| Offset::from_nanos(due.as_nanos() + micros * 1_000);
    let tail = if dice.is_multiple_of(100) { dice % 200_000 } else { 0 };
    let (sent, done) = (after(20 + dice % 80), after(900 + dice % 4_000 + tail));
    let broken = (1_200..1_800).contains(&second) && !dice.is_multiple_of(3);
    interval.offered();
    let attempt =
        Attempt { due, sent: Some(sent), first_byte: Some(done), done, end: AttemptEnd::Status(302) };
    interval.attempt(&attempt, AttemptKind::First);
    interval.arrival(
        if broken { ArrivalOutcome::Failed(Fault::DnsNxdomain) } else { ArrivalOutcome::Passed },
        due,
        done,
    );
}
