//! What checking redirects does to the latency of a run: it must do nothing.
//!
//! The same load is offered several times: with redirects not judged, judged
//! offline, and with each target asked for its first bytes beside the run. The
//! three come in turns, so that what drifts on the machine drifts for all of
//! them. Told are the medians, with the lowest and the highest of each, and how
//! far they lie from those without any judging.
//!
//! ```text
//! cargo bench --bench verify -- --turns 7 --seconds 20
//! ```

mod support;

use clap::Parser;
use downpour_core::units::{Offset, Rate};
use downpour_report::RunReport;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use support::{Served, Watched, incident, scratch, watch};

/// By how much checks may change a latency: more is a broken promise.
const GOAL_PERCENT: f64 = 3.0;

/// How redirects are judged, the first of them being the yardstick.
const DEPTHS: [&str; 3] = ["off", "policy", "get"];

#[derive(Debug, Parser)]
struct Args {
    /// Set the arrivals per second.
    #[arg(long, default_value = "4.7k/s")]
    rate: Rate,

    /// Set the duration of each run in seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u64,

    /// Set how often each depth is measured.
    #[arg(long, default_value_t = 5)]
    turns: usize,

    /// Set the limit of probes per second.
    #[arg(long, default_value = "100/s")]
    verify_rate: String,

    /// Set how long the service delays an answer. With 0s an answer takes about
    /// 20 us over loopback, which no machine repeats to within 3 %.
    #[arg(long, default_value = "5ms")]
    delay: String,

    /// Cargo passes this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is compared: the name, where a report has it, in microseconds, and how
/// finely it is told there.
type Clock = (&'static str, fn(&RunReport) -> f64, f64);

/// Percentiles are whole microseconds: of an answer that takes some twenty of
/// them, only the mean tells 3 %.
const CLOCKS: [Clock; 5] = [
    ("latency mean", |report| report.latency_us.mean, 0.0),
    ("latency p50", |report| micros(report.latency_us.p50), 1.0),
    ("latency p99", |report| micros(report.latency_us.p99), 1.0),
    ("service p50", |report| micros(report.service_us.p50), 1.0),
    ("lateness p50", |report| micros(report.lateness_us.p50), 1.0),
];

#[expect(clippy::cast_precision_loss, reason = "microseconds of a request")]
fn micros(whole: u64) -> f64 {
    whole as f64
}

fn main() -> io::Result<ExitCode> {
    let args = Args::parse();
    let directory = scratch()?;
    let authority = directory.path().join("ca.pem");
    let delay = format!("delay:{}", args.delay);
    let served = Served::start(&["--ca-out", &authority.to_string_lossy(), "--fault", &delay])?;
    let asked = args.rate.due_before(Offset::from(Duration::from_secs(args.seconds)));
    let mut measured: [Vec<RunReport>; DEPTHS.len()] = Default::default();
    let mut whole = true;
    for turn in 0..args.turns.max(1) {
        // Each turn begins with another depth, so that none is always first.
        for at in (0..DEPTHS.len()).map(|at| (at + turn) % DEPTHS.len()) {
            let out = directory.path().join(format!("{turn}-{at}"));
            let watched = run(&served, (DEPTHS[at], &authority), &args, &out)?;
            let report = watched.report()?;
            whole &= is_whole(&report, DEPTHS[at], asked)?;
            measured[at].push(report);
        }
    }
    tell(&measured)?;
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run(served: &Served, (depth, authority): (&str, &Path), args: &Args, out: &Path) -> io::Result<Watched> {
    let (rate, duration) = (args.rate.to_string(), format!("{}s", args.seconds));
    let mut command = served.replay(
        &incident().to_string_lossy(),
        &["--loop", "--rate", &rate, "-d", &duration, "--verify", depth],
    );
    let instead = format!("static.crates.io:443:{}", served.cdn);
    command.args(["--verify-rate", &args.verify_rate, "--verify-connect-to", &instead]);
    command.args(["--roots", "none", "--cacert"]).arg(authority).arg("--out").arg(out);
    watch(command, Duration::from_secs(1))
}

/// Whether the load was offered, and targets asked beside it where they should
/// have been.
fn is_whole(report: &RunReport, depth: &str, asked: u64) -> io::Result<bool> {
    let offered = report.arrivals.offered == asked && report.arrivals.shed == 0;
    let fetched = report.targets.tiers.get("fetch").is_some_and(|tier| tier.checked > 0);
    let checked = fetched == (depth == "get");
    let sound = report.arrivals.failed == 0;
    if !(offered && sound && checked) {
        writeln!(
            io::stdout(),
            "--verify {depth}: offered {} of {asked}, shed {}, failed {}, {} requests to targets",
            report.arrivals.offered,
            report.arrivals.shed,
            report.arrivals.failed,
            report.targets.requests
        )?;
    }
    Ok(offered && sound && checked)
}

fn tell(measured: &[Vec<RunReport>; DEPTHS.len()]) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{:<14}{:<10}{:>12}{:>26}{:>12}", "", "--verify", "median", "lowest to highest", "change")?;
    for (name, of, batch_interval_us) in CLOCKS {
        let mut yardstick = None;
        for (depth, reports) in DEPTHS.iter().zip(measured) {
            let mut all: Vec<f64> = reports.iter().map(of).collect();
            all.sort_unstable_by(f64::total_cmp);
            let median = all[all.len() / 2];
            let base = *yardstick.get_or_insert(median);
            let spread = format!("{:.2} to {:.2} µs", all[0], all[all.len() - 1]);
            let median_told = format!("{median:.2} µs");
            let change = change(median, base, batch_interval_us);
            writeln!(out, "{name:<14}{depth:<10}{median_told:>12}{spread:>26}{change:>12}")?;
        }
    }
    for (depth, reports) in DEPTHS.iter().zip(measured) {
        let asked: u64 = reports.iter().map(|report| report.targets.requests).sum();
        writeln!(out, "--verify {depth}: {asked} requests to targets in {} runs", reports.len())?;
    }
    writeln!(
        out,
        "goal: latency changes by less than {GOAL_PERCENT} %; compare with the spread. Percentiles are whole \
         microseconds: ignore a change of 1"
    )
}

fn change(median: f64, base: f64, batch_interval_us: f64) -> String {
    let percent = (median / base.max(1.0) - 1.0) * 100.0;
    let told_apart = (median - base).abs() > batch_interval_us;
    let mark = if told_apart && percent.abs() >= GOAL_PERCENT { " !" } else { "" };
    format!("{percent:+.1} %{mark}")
}
