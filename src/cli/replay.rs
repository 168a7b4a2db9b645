//! `downpour replay`: the main job.

use super::CliError;
use super::carry_out::{Prepared, carry_out};
use super::load_args::{LoadArgs, ReportArgs, VerifyArgs};
use super::prepare_run::{engine_plan, guard, judging};
use super::requests::Replayed;
use super::trace_args::TraceArgs;
use super::{signals, system};
use crate::engine::{AtEndOfTrace, EnginePlan};
use crate::report::{Exit, Input, Plan, Reason};
use crate::schedule::{Pace, Schedule};
use crate::trace::Source;
use crate::units::Stamp;
use clap::Args;
use std::io::Write;

/// Replay logs against a candidate and judge every answer.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  downpour replay access.log.gz --target http://127.0.0.1:8080
  downpour replay logs/ --rewrite crates-io --rules crates-io --rate 4.7k/s -d 60s \\
      --target http://candidate.internal:8080 --yes
  zcat *.gz | downpour replay - --input-format combined --rate 2x --target http://127.0.0.1:8080")]
pub struct ReplayArgs {
    #[command(flatten)]
    pub(super) trace: TraceArgs,
    #[command(flatten)]
    pub(super) load: LoadArgs,
    #[command(flatten)]
    pub(super) verify: VerifyArgs,
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

/// Replays and reports.
pub(crate) fn run(args: &ReplayArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let source = args.trace.open()?;
    replay("replay", source, args, out)
}

/// Replays `source`; `demo` comes here too, with a trace of its own.
pub(super) fn replay(
    command: &str,
    source: Source,
    args: &ReplayArgs,
    out: &mut dyn Write,
) -> Result<Exit, CliError> {
    let pace = args.load.pace().map_err(CliError::Usage)?;
    if matches!(pace, Pace::Recorded(_)) && !source.has_times() {
        return Err(CliError::Usage("this trace has no times to follow: give a rate, as in --rate 100/s".to_owned()));
    }
    let addresses = args.load.target.reach(args.load.connect_timeout)?;
    guard(&args.load, pace, &addresses)?;
    let engine = engine_plan(&args.load, pace, addresses)?;
    let judging = judging(&args.verify, &args.load.target)?;
    let started = system::now();
    let plan = plan(command, args, &source, &engine, (pace, started));
    let notices = notices(&source);
    let refused = (!args.load.allow_recorded_host).then(|| args.load.target.host());
    let at_end = if args.load.loop_trace { AtEndOfTrace::Loop } else { AtEndOfTrace::Stop };
    let prepared = Prepared {
        plan,
        engine,
        judging,
        requests: Box::new(Replayed::new(source, refused)),
        schedule: Schedule::new(pace, args.load.window()),
        at_end,
        notices,
        started,
    };
    let phase = signals::phases().map_err(CliError::Signals)?;
    carry_out(prepared, &args.report, &phase, out).map(|done| done.exit)
}
