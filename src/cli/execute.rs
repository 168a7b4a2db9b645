//! A prepared run, carried out and reported: what `replay`, `demo` and `check`
//! share.
//!
//! Whatever happens on the way, what was measured is printed and, as far as
//! the disk lets us, written.

use super::export::Exports;
use super::metrics::MetricsServer;
use super::progress::{ExpectedLength, ProgressReporter, Verbosity};
use super::report_args::{OutputFormat, ReportArgs};
use super::signals::Phases;
use super::terminal::Visible;
use super::threshold_args::Limits;
use super::throttling::Throttling;
use super::{CliError, chain};
use crate::engine::{self, ControlThread, EnginePlan, Judging};
use downpour_core::units::{Stamp, grouped};
use downpour_load::played::{AtEndOfTrace, Requests};
use downpour_load::schedule::{Schedule, ScheduleCounts};
use downpour_metrics::{Accounting, ArrivalAdjustments, Interval, StormSecond, StormSeries, Totals};
use downpour_metrics::{Observer, RunEnd};
use downpour_report::{
    AbortLine, DirectoryError, Ending, Exit, GeneratorFacts, Plan, Reason, ReportInput, RunDirectory,
    RunReport, Threshold, ThresholdMonitor, painted, summary,
};
use downpour_verify::probe::net::Probes;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Seconds of the run between two checkpoints of `run.json`.
const CHECKPOINT_EVERY: u64 = 5;

/// How long a run that is over waits for the control: as long as it takes to ask
/// for all that may wait, and a little more.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(6);

/// The page in a run directory.
const PAGE: &str = "report.html";

/// Everything a run needs.
pub(crate) struct PreparedReplay {
    pub(crate) plan: Plan,
    pub(crate) engine: EnginePlan,
    pub(crate) judging: Judging,
    pub(crate) requests: Box<dyn Requests>,
    pub(crate) schedule: Schedule,
    pub(crate) at_end: AtEndOfTrace,
    pub(crate) started: Stamp,
    /// For how long it counts, where the flags say it.
    pub(crate) measured_duration: Option<Duration>,
    /// What it must keep, and what ends it.
    pub(crate) limits: Limits,
    /// What was found out on the way and a reader must know.
    pub(crate) notices: Vec<Reason>,
    /// Where the run can be scraped while it goes on.
    pub(crate) metrics: Option<MetricsServer>,
    /// The seconds in which something is planned to be wrong, where that is
    /// known.
    pub(crate) fault: Option<Range<u64>>,
}

/// Runs, writes the run directory, prints the result on `out`.
pub(crate) fn execute_run(
    prepared: PreparedReplay,
    (args, exports): (&ReportArgs, Exports),
    phases: &Phases,
    out: &mut dyn Write,
) -> Result<(Exit, RunReport), CliError> {
    let path = args.out.clone().unwrap_or_else(|| default_path(&prepared.plan));
    let voice = Verbosity::of(args.quiet, args.no_progress);
    let expected = expected_length(&prepared);
    let progress = ProgressReporter::by_the_second(voice, expected, phases);
    let measured = measure(prepared, (Some(path), progress), phases)?;
    measured.publish(args.format, exports, out)
}

/// What came of a run, before it is told.
pub(crate) struct MeasuredRun {
    pub(crate) report: RunReport,
    /// Where it is kept.
    pub(super) run_directory: Option<(RunDirectory, PathBuf)>,
    /// What could not be written.
    pub(crate) errors: Vec<String>,
    /// Why it ended early.
    pub(super) ended_by: Vec<String>,
    pub(super) interrupted: bool,
}

/// Runs. What is learned is kept in a run directory, if there is to be one.
pub(crate) fn measure(
    prepared: PreparedReplay,
    (path, progress): (Option<PathBuf>, ProgressReporter),
    phases: &Phases,
) -> Result<MeasuredRun, CliError> {
    let PreparedReplay { plan, engine, mut judging, requests, schedule, at_end, .. } = prepared;
    let PreparedReplay { started, limits, mut notices, metrics, fault, .. } = prepared;
    // What is written second by second begins with the end of the warm-up.
    let warmup = engine.warmup;
    let counted_from = started.plus_nanos(i64::try_from(warmup.as_nanos()).unwrap_or(i64::MAX));
    let directory = path.as_ref().map(|path| RunDirectory::create(path, counted_from)).transpose()?;
    let control = judging.control.as_ref();
    let rules: Vec<String> = judging.judge.rules().matches().collect();
    let throttling = Throttling::watch(Path::new("/proc"), Path::new("/sys/fs/cgroup"));
    let (trouble, checkpoint_lost) = (Vec::new(), false);
    let mut recorder = ReplayObserver {
        directory,
        plan: &plan,
        engine: &engine,
        control,
        rules: &rules,
        throttling,
        progress,
        write_errors: trouble,
        checkpoint_lost,
        series: engine.clients.as_ref().map(|_| StormSeries::default()),
        monitor: ThresholdMonitor::new(limits.thresholds),
        abort: AbortMonitor::new(limits.abort_on, limits.abort_after, phases),
        metrics,
    };
    // One that is killed in its first second can be reported, too.
    if let Some(nothing_yet) = recorder.partial_report(0, &Totals::default()) {
        recorder.checkpoint(&nothing_yet);
    }
    let end = engine::run(&engine, (requests, schedule, at_end), &judging, &phases.phase, &mut recorder)?;
    let ReplayObserver {
        directory,
        write_errors: mut trouble,
        throttling,
        progress,
        series,
        monitor: mut watch,
        abort,
        ..
    } = recorder;
    drop(progress);

    // What ends a run early by its own wish is no interruption.
    let interrupted = end.interrupted && abort.triggered.is_none();
    let ending = match abort.triggered {
        _ if interrupted || !end.failures.is_empty() => Ending::Interrupted,
        Some(why) => Ending::Aborted(why),
        None => Ending::Finished,
    };
    let generator = generator_facts(&end, &engine, (&judging, &throttling));
    let patience = if interrupted { Duration::ZERO } else { CONTROL_TIMEOUT };
    let asked = judging.control.take().map(|control| control.finish(patience));
    if let Some((tally, _)) = &asked {
        watch.control(tally.candidate());
    }
    let books = close_accounting(&end, &mut trouble)?;
    notices.extend(end.notices.iter().map(|notice| input_notice(notice)));
    notices.extend(without_client(end.scheduled.without_client));
    if matches!(ending, Ending::Finished) {
        notices.extend(ended_early(&plan, &end.totals));
    }
    let parts = ReportInput {
        plan,
        accounting: &books,
        totals: &end.totals,
        generator,
        ending,
        thresholds: watch.assess(&end.totals, generator.offering_s),
        notices,
    };
    let counts = &end.totals.counts;
    let mut report =
        RunReport::build(parts).with_retries(counts, series.as_ref()).with_rules(&counts.rules, &rules);
    if let (Some(series), Some(fault)) = (&series, fault) {
        report = report.with_storm_within(series, fault);
    }
    if let Some((tally, ended_early)) = asked {
        report = report.with_control(end.totals.counts.control, &tally);
        trouble.extend(ended_early);
    }
    let kept = directory.zip(path);
    Ok(MeasuredRun { report, run_directory: kept, errors: trouble, ended_by: end.failures, interrupted })
}

/// The books of a run that is over.
pub(super) fn close_accounting(end: &RunEnd, trouble: &mut Vec<String>) -> Result<Accounting, CliError> {
    let ScheduleCounts { sampled_out, copies: amplified, .. } = end.scheduled;
    let left_out = ArrivalAdjustments { sampled_out, unreleased: end.unreleased, amplified };
    match Accounting::close(end.accounting.clone(), left_out, &end.totals) {
        Ok(books) => Ok(books),
        // A panic of a worker takes its uncounted arrivals with it; without one
        // this is our own mistake, and nothing that follows could be trusted.
        Err(imbalance) => {
            assert!(!end.failures.is_empty(), "{imbalance}");
            trouble.push(imbalance.to_string());
            Accounting::so_far(&end.totals).map_err(CliError::Accounting)
        }
    }
}

impl MeasuredRun {
    /// Writes the rest of the run directory and prints the result on `out`.
    pub(crate) fn publish(
        self,
        format: OutputFormat,
        exports: Exports,
        out: &mut dyn Write,
    ) -> Result<(Exit, RunReport), CliError> {
        let Self { report, run_directory: kept, errors: mut trouble, ended_by, interrupted } = self;
        let path = kept.as_ref().map(|(_, path)| path.clone());
        if let Some((directory, _)) = kept
            && let Err(error) = directory.finish(&report)
        {
            let text = chain(&error);
            if !trouble.contains(&text) {
                trouble.push(text);
            }
        }
        trouble.extend(exports.write(&report, path.as_deref()));
        print(&report, path.as_deref(), format, out)?;
        // A hundred workers may meet the same trouble; it is told once.
        for text in ended_by {
            if !trouble.contains(&text) {
                trouble.push(text);
            }
        }
        if trouble.is_empty() {
            return Ok((report.exit(), report));
        }
        Err(CliError::EndedEarly { trouble, interrupted })
    }
}

pub(super) fn input_notice(text: &str) -> Reason {
    Reason {
        id: "input".to_owned(),
        detail: text.to_owned(),
        remedy: "the lines before it were used; if they are not enough, fetch the log again".to_owned(),
    }
}

/// That a sample of clients was not one for all requests.
pub(super) fn without_client(requests: u64) -> Option<Reason> {
    (requests > 0).then(|| Reason {
        id: "sample_without_client".to_owned(),
        detail: format!(
            "{} requests have no client address: they were sampled by target, not by client",
            grouped(requests)
        ),
        remedy: "log the addresses of clients, or use --sample-by target".to_owned(),
    })
}

/// That the trace had fewer requests than were asked for.
pub(super) fn ended_early(plan: &Plan, totals: &Totals) -> Option<Reason> {
    let counts = &totals.counts;
    let offered = counts.arrivals.offered + counts.warmup.arrivals.offered;
    let asked = plan.requests.filter(|&asked| offered < asked)?;
    Some(Reason {
        id: "trace_ended".to_owned(),
        detail: format!("the trace ended after {} of {} requests", grouped(offered), grouped(asked)),
        remedy: "add --loop to start it again, or lower -n".to_owned(),
    })
}

/// When the run will be over, as far as its plan says.
pub(super) fn expected_length(prepared: &PreparedReplay) -> ExpectedLength {
    let (warmup, plan) = (prepared.engine.warmup, &prepared.plan);
    ExpectedLength { warmup, length: prepared.measured_duration, requests: plan.requests }
}

pub(super) fn default_path(plan: &Plan) -> PathBuf {
    let reports = Path::new("reports");
    let name = RunDirectory::default_name(&plan.started_at);
    // Two runs may begin in one second.
    let others = (2..10).map(|number| format!("{name}-{number}"));
    let mut all = std::iter::once(name.clone()).chain(others).map(|name| reports.join(name));
    all.find(|path| !path.exists()).unwrap_or_else(|| reports.join(&name))
}

fn print(
    report: &RunReport,
    path: Option<&Path>,
    format: OutputFormat,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let printed = match format {
        OutputFormat::Text => write!(out, "{}", coloured(summary(report))).and_then(|()| match path {
            Some(path) => {
                let page = path.join(PAGE);
                let mut out = Visible(&mut *out);
                writeln!(out, "\nrun directory: {}", path.display()).and_then(|()| {
                    // It may be what could not be written.
                    if page.is_file() { writeln!(out, "page: {}", page.display()) } else { Ok(()) }
                })
            }
            None => Ok(()),
        }),
        OutputFormat::Json => serde_json::to_writer_pretty(&mut *out, report)
            .map_err(std::io::Error::from)
            .and_then(|()| writeln!(out)),
    };
    printed.and_then(|()| out.flush()).map_err(CliError::Print)
}

/// With colours where stdout is a terminal that shows them, and nobody said
/// otherwise (`NO_COLOR`, `CLICOLOR_FORCE`).
pub(crate) fn coloured(summary: String) -> String {
    match anstream::AutoStream::choice(&std::io::stdout()) {
        anstream::ColorChoice::Never => summary,
        anstream::ColorChoice::Always | anstream::ColorChoice::AlwaysAnsi | anstream::ColorChoice::Auto => {
            painted(&summary)
        }
    }
}

/// Writes each second as it is complete, and tells how the run goes.
struct ReplayObserver<'p> {
    directory: Option<RunDirectory>,
    plan: &'p Plan,
    engine: &'p EnginePlan,
    control: Option<&'p ControlThread>,
    /// What each rule matches.
    rules: &'p [String],
    throttling: Throttling,
    progress: ProgressReporter,
    /// What could not be written; the run goes on without it.
    write_errors: Vec<String>,
    /// Whether a checkpoint could not be written. The final result takes its
    /// place, so this is no trouble that outlasts the run.
    checkpoint_lost: bool,
    /// The seconds that a storm is told by, where clients are modelled.
    series: Option<StormSeries>,
    /// What the run must keep.
    monitor: ThresholdMonitor,
    /// What ends it.
    abort: AbortMonitor<'p>,
    metrics: Option<MetricsServer>,
}

impl ReplayObserver<'_> {
    fn note_write_error(&mut self, written: Result<(), DirectoryError>) {
        if let Err(error) = written {
            let text = chain(&error);
            if !self.write_errors.contains(&text) {
                tracing::warn!("{text}; the run continues");
                self.write_errors.push(text);
            }
        }
    }

    /// What there is to tell before the end.
    fn partial_report(&self, second: u64, totals: &Totals) -> Option<RunReport> {
        let books = Accounting::so_far(totals).ok()?;
        let elapsed_s = seconds(second + 1);
        let generator = GeneratorFacts {
            threads: count(self.engine.threads),
            wall_s: self.engine.warmup.as_secs_f64() + elapsed_s,
            offering_s: elapsed_s,
            peak_rss_bytes: super::system::peak_rss_bytes(),
            throttled_s: throttled_s(&self.throttling),
            ..GeneratorFacts::default()
        };
        let plan = self.plan.clone();
        let ending = Ending::Interrupted;
        let thresholds = self.monitor.assess(totals, elapsed_s);
        let mut report = RunReport::build(ReportInput {
            plan,
            accounting: &books,
            totals,
            generator,
            ending,
            thresholds,
            notices: Vec::new(),
        });
        report = report.with_retries(&totals.counts, self.series.as_ref());
        report = report.with_rules(&totals.counts.rules, self.rules);
        if let Some(control) = self.control {
            report = report.with_control(totals.counts.control, &control.results());
        }
        Some(report)
    }

    fn checkpoint(&mut self, report: &RunReport) {
        let Some(directory) = &mut self.directory else { return };
        if let Err(error) = directory.checkpoint(report)
            && !std::mem::replace(&mut self.checkpoint_lost, true)
        {
            tracing::warn!("{}; the run continues", chain(&error));
        }
    }
}

impl Observer for ReplayObserver<'_> {
    fn second(&mut self, interval: &Interval, totals: &Totals) {
        if let Some(written) = self.directory.as_mut().map(|directory| directory.append(interval)) {
            self.note_write_error(written);
        }
        if let Some(series) = &mut self.series {
            series.add(interval.second(), StormSecond::from(interval));
        }
        if let Some(control) = self.control
            && (self.monitor.is_about_control() || self.abort.conditions.is_about_control())
        {
            let tally = control.results();
            self.monitor.control(tally.candidate());
            self.abort.conditions.control(tally.candidate());
        }
        self.monitor.second(interval);
        self.abort.second(interval, totals);
        let is_checkpoint = self.directory.is_some() && interval.second().is_multiple_of(CHECKPOINT_EVERY);
        if (is_checkpoint || self.metrics.is_some())
            && let Some(report) = self.partial_report(interval.second(), totals)
        {
            if is_checkpoint {
                self.checkpoint(&report);
            }
            if let Some(metrics) = &self.metrics {
                metrics.publish(report, interval.gauges());
            }
        }
        self.progress.second(interval, totals);
    }
}

/// Ends a run when something comes true in it.
struct AbortMonitor<'p> {
    conditions: ThresholdMonitor,
    after_s: u64,
    phases: &'p Phases,
    triggered: Option<AbortLine>,
}

impl<'p> AbortMonitor<'p> {
    fn new(on: Vec<Threshold>, after: Duration, phases: &'p Phases) -> Self {
        // A second that was begun before then is not over.
        let after_s = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        Self { conditions: ThresholdMonitor::new(on), after_s, phases, triggered: None }
    }

    fn second(&mut self, interval: &Interval, totals: &Totals) {
        if self.conditions.is_empty() || self.triggered.is_some() {
            return;
        }
        self.conditions.second(interval);
        if interval.second() + 1 < self.after_s {
            return;
        }
        if let Some(why) = self.conditions.first_triggered(totals).filter(|_| self.phases.end()) {
            let offered = interval.counts().arrivals.offered;
            self.triggered = Some(AbortLine { offered_per_s: Some(offered), ..why });
        }
    }
}

fn generator_facts(
    end: &RunEnd,
    engine: &EnginePlan,
    (judging, throttling): (&Judging, &Throttling),
) -> GeneratorFacts {
    GeneratorFacts {
        cpu_s: end.cpu.as_secs_f64(),
        peak_rss_bytes: super::system::peak_rss_bytes(),
        threads: count(engine.threads),
        wall_s: end.wall.as_secs_f64(),
        offering_s: offering_s(end, engine.warmup),
        lookups: judging.lookups.as_ref().map_or(0, |lookups| lookups.stats().lookups),
        probes: judging.probes.as_ref().map(Probes::stats).unwrap_or_default(),
        throttled_s: throttled_s(throttling),
    }
}

fn throttled_s(throttling: &Throttling) -> Option<f64> {
    throttling.so_far().map(|time| time.as_secs_f64())
}

/// How long arrivals that count were offered: up to the last due time, and one mean gap
/// more, so that 4,700 arrivals spaced over a second make 4,700 a second.
#[expect(clippy::cast_precision_loss, reason = "a rate for display")]
pub(super) fn offering_s(end: &RunEnd, warmup: Duration) -> f64 {
    let arrivals = end.totals.counts.arrivals.offered as f64;
    let span = end.last_due.as_duration().saturating_sub(warmup).as_secs_f64();
    if arrivals < 2.0 { span } else { span * arrivals / (arrivals - 1.0) }
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a run are far below 2^52")]
fn seconds(whole: u64) -> f64 {
    whole as f64
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
