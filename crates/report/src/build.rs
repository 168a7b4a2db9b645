//! From totals, books and plan to the published report.
//!
//! Nothing is decided here but how numbers are arranged; the verdict comes from
//! its own module. Lists are ordered by weight, then by name, so that equal runs
//! give equal bytes.

use super::schema::{
    Arrivals, Attempts, CatalogReport, Connections, Curves, ExampleLine, FaultLine, Generator, HostLine,
    IntervalLine, IntervalTimes, LineCounts, Rates, Reason, RecordCounts, RunReport, SCHEMA, Targets,
    TierLine, TimeSummary, TransitionLine, TransitionsLeftOut, Warmup, WarningLine,
};
use super::verdict::judge_played;
use super::{AbortLine, Assessment, Curve, MetricBuckets, Plan};
use downpour_core::fault::Fault;
use downpour_core::units::{Offset, approximate, grouped};
use downpour_metrics::{
    Accounting, ArrivalCounts, AttemptCounts, CatalogCounts, Counts, Example, Examples, FaultCount,
    FaultTable, Histogram, Interval, StatusPair, StormSecond, Totals, TransitionCount, TransitionCounts,
    Unchecked, WarmupCounts,
};
use downpour_trace::TraceAccounting;
use downpour_verify::Tier;
use downpour_verify::probe::net::ProbeStats;
use hdrhistogram::Counter;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Examples of each fault in `run.json`.
const EXAMPLES_SHOWN: usize = 5;

/// Hosts in `run.json`.
const HOSTS_SHOWN: usize = 100;

/// What is known of the machine that made the load, and of the run's length.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GeneratorFacts {
    /// Processor time used.
    pub cpu_s: f64,
    /// The most memory ever resident.
    pub peak_rss_bytes: u64,
    /// Worker threads.
    pub threads: u64,
    /// How long the run took, warm-up and grace included.
    pub wall_s: f64,
    /// For how long arrivals were offered, after the warm-up.
    pub offering_s: f64,
    /// DNS lookups of redirect targets.
    pub lookups: u64,
    /// What was asked of redirect targets.
    pub probes: ProbeStats,
    /// For how long a cgroup's processor limit stopped this process; `None`
    /// where that is not known.
    pub throttled_s: Option<f64>,
}

/// Whether a run came to its end.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// It did.
    Finished,
    /// It ended itself, since this came true.
    Aborted(AbortLine),
    /// It was interrupted, or still goes on: a partial result.
    Interrupted,
}

impl Ending {
    fn why_aborted(self) -> Option<AbortLine> {
        match self {
            Self::Aborted(why) => Some(why),
            Self::Finished | Self::Interrupted => None,
        }
    }
}

/// What a report is made from.
#[derive(Clone, Debug)]
pub struct ReportInput<'a> {
    /// What was asked for.
    pub plan: Plan,
    /// Closed books, or those of a run that goes on.
    pub accounting: &'a Accounting,
    /// The totals the books were closed over.
    pub totals: &'a Totals,
    /// The generator.
    pub generator: GeneratorFacts,
    /// Whether the run came to its end.
    pub ending: Ending,
    /// What came of its thresholds.
    pub thresholds: Assessment,
    /// What else a reader must know: truncated inputs, guessed formats.
    pub notices: Vec<Reason>,
}

impl RunReport {
    /// Arranges the parts as a report and judges the run.
    pub fn build(parts: ReportInput<'_>) -> Self {
        let ReportInput { plan, accounting: books, totals, generator, ending, thresholds, notices } = parts;
        let mut judgement = judge_played(totals, &plan, &generator, (&ending, &thresholds), books.trace());
        judgement.warnings.extend(notices);
        judgement.warnings.extend(sampled(&plan, books));
        let (counts, times) = (&totals.counts, &totals.times);
        let warmup = warmup(&plan, counts, books);
        judgement.warnings.extend(books.trace().is_none().then(unfinished));
        Self {
            schema: SCHEMA.to_owned(),
            verdict: judgement.verdict,
            timing_valid: judgement.timing_valid,
            invalid_reasons: judgement.invalid_reasons,
            warnings: judgement.warnings,
            thresholds: judgement.thresholds,
            aborted: ending.why_aborted(),
            plan,
            lines: books.trace().map(lines).unwrap_or_default(),
            records: books.trace().map(|trace| records(trace, books, counts)).unwrap_or_default(),
            warmup,
            arrivals: arrivals(&counts.arrivals, books.outstanding()),
            attempts: attempts(&counts.attempts),
            storm: None,
            retries: None,
            rate: rates(counts, generator),
            latency_us: TimeSummary::from(&times.latency),
            service_us: TimeSummary::from(&times.service),
            lateness_us: TimeSummary::from(&times.lateness),
            latency_failed_us: TimeSummary::from(&times.latency_failed),
            curves: Curves {
                latency_us: Curve::from(&times.latency),
                service_us: Curve::from(&times.service),
                lateness_us: Curve::from(&times.lateness),
                latency_failed_us: Curve::from(&times.latency_failed),
            },
            buckets: MetricBuckets::from(times),
            statuses: statuses(&counts.attempts),
            transitions: transitions(&counts.transitions),
            transitions_left_out: transitions_left_out(&counts.transitions),
            faults: faults(counts, &totals.examples),
            warned: warned(counts, &totals.warned),
            targets: targets(counts, generator),
            catalog: catalog(counts.catalog),
            rules: None,
            control: None,
            connections: Connections {
                opened: counts.connections_opened,
                open_max: totals.peak.connections_open,
                in_flight_max: totals.peak.in_flight,
                waiting_max: totals.peak.waiting,
                stale_replays: counts.stale_replays,
                handshakes_full: counts.handshakes_full,
                handshakes_resumed: counts.handshakes_resumed,
                handshake_us: TimeSummary::from(&times.handshake),
                gone_away: counts.gone_away,
                streams_refused: counts.streams_refused,
                stream_limit_seen: counts.stream_limit.map(u64::from),
            },
            bytes_in: counts.bytes_in,
            generator: generator_line(generator, counts),
        }
    }
}

/// That not all of the trace was played, which no number below says by itself.
fn sampled(plan: &Plan, books: &Accounting) -> Option<Reason> {
    let share = plan.sample.as_ref()?;
    Some(Reason {
        id: "sample".to_owned(),
        detail: format!(
            "only a sample was replayed, {share} of the {}s: {} requests were not sent",
            plan.sample_by.as_deref().unwrap_or("target"),
            grouped(books.sampled_out())
        ),
        remedy: "run again without --sample to check all requests".to_owned(),
    })
}

fn unfinished() -> Reason {
    Reason {
        id: "checkpoint".to_owned(),
        detail: "written during the run: lines and records are not known yet, and arrivals in flight \
                 count as unfinished"
            .to_owned(),
        remedy: "run again to the end".to_owned(),
    }
}

fn owned(reasons: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    reasons.iter().map(|(&reason, &count)| (reason.to_owned(), count)).collect()
}

fn lines(trace: &TraceAccounting) -> LineCounts {
    LineCounts {
        read: trace.read,
        accepted: trace.accepted,
        skipped: owned(&trace.skipped),
        rejected: owned(&trace.rejected),
        notes: owned(&trace.notes),
    }
}

fn records(trace: &TraceAccounting, books: &Accounting, counts: &Counts) -> RecordCounts {
    RecordCounts {
        accepted: trace.accepted,
        amplified: books.amplified(),
        offered: counts.arrivals.offered + counts.warmup.arrivals.offered,
        filtered: owned(&trace.filtered),
        sampled_out: books.sampled_out(),
        out_of_window: books.out_of_window(),
        late: trace.late,
        late_by_reason: owned(&trace.lost.by_reason),
    }
}

fn arrivals(counts: &ArrivalCounts, outstanding: u64) -> Arrivals {
    let ArrivalCounts { offered, passed, recovered, failed, shed, unfinished: cut } = *counts;
    Arrivals { offered, passed, recovered, failed, shed, unfinished: cut + outstanding }
}

fn warmup(plan: &Plan, counts: &Counts, books: &Accounting) -> Warmup {
    let WarmupCounts { arrivals: of_arrivals, attempts: of_attempts, connections_opened } = &counts.warmup;
    Warmup {
        seconds: plan.warmup_s.unwrap_or_default(),
        arrivals: arrivals(of_arrivals, books.outstanding_of_warmup()),
        attempts: attempts(of_attempts),
        connections_opened: *connections_opened,
    }
}

fn attempts(counts: &AttemptCounts) -> Attempts {
    Attempts {
        total: counts.total(),
        first: counts.first,
        retries: counts.retries,
        amplification: if counts.first == 0 { 1.0 } else { ratio(counts.total(), approximate(counts.first)) },
        sent: counts.sent,
        completed: counts.completed(),
        faults: fault_counts(&counts.faults),
        unfinished: counts.unfinished,
    }
}

fn statuses(counts: &AttemptCounts) -> BTreeMap<String, u64> {
    counts.statuses.iter().map(|(status, &count)| (status.to_string(), count)).collect()
}

fn fault_counts(table: &FaultTable) -> BTreeMap<String, u64> {
    table.seen().map(|(fault, entry)| (fault.id().to_owned(), entry.count)).collect()
}

fn rates(counts: &Counts, generator: GeneratorFacts) -> Rates {
    let until = |last: Offset| generator.offering_s.max(last.as_duration().as_secs_f64());
    let attempts = &counts.attempts;
    // One event has no rate: there is no second one to be so long after it.
    let rate = |count: u64, seconds: f64| if count < 2 { 0.0 } else { ratio(count, seconds) };
    Rates {
        offered_per_s: rate(counts.arrivals.offered, generator.offering_s),
        sent_per_s: rate(attempts.sent, until(attempts.last_sent)),
        completed_per_s: rate(attempts.completed(), until(attempts.last_done)),
    }
}

fn generator_line(facts: GeneratorFacts, counts: &Counts) -> Generator {
    let strain = &counts.generator_health;
    let attempts = counts.attempts.total() + counts.warmup.attempts.total();
    Generator {
        cpu_s: facts.cpu_s,
        cpu_us_per_attempt: if attempts == 0 { 0.0 } else { facts.cpu_s * 1e6 / approximate(attempts) },
        peak_rss_bytes: facts.peak_rss_bytes,
        threads: facts.threads,
        wall_s: facts.wall_s,
        worker_cpu_peak_share: strain.busy_permille_max.map(|share| approximate(share) / 1e3),
        saturated_arrivals: strain.saturated_arrivals,
        throttled_s: facts.throttled_s,
        trace_lag_s: strain.trace_lag.as_secs_f64(),
        trace_lag_arrivals: strain.trace_lag_arrivals,
    }
}

/// `count` per `unit`; 0 where there is no unit, as JSON has no infinity.
fn ratio(count: u64, unit: f64) -> f64 {
    if unit > 0.0 { approximate(count) / unit } else { 0.0 }
}

fn seconds(at: Offset) -> f64 {
    approximate(at.as_nanos() / 1_000_000) / 1e3
}

fn faults(counts: &Counts, examples: &Examples) -> Vec<FaultLine> {
    let line = |&fault: &Fault| {
        let (failed, found) = (counts.faults.get(fault), counts.found.get(fault));
        let wrong = counts.attempts_with(fault);
        // A download may fail long after its last attempt: while it waits for the next.
        let (first, last) = wrong.seen.or(found.seen)?;
        Some(FaultLine {
            id: fault.id().to_owned(),
            meaning: fault.meaning().to_owned(),
            count: failed.count,
            found: found.count,
            attempts: wrong.count,
            saved_by_retries: counts.saved_by_retries.get(fault).count,
            first_s: seconds(first),
            last_s: seconds(last),
            examples: shown(examples, fault),
        })
    };
    let mut lines: Vec<_> = Fault::ALL.iter().filter_map(line).collect();
    // Stable: equals stay in the order of the list of faults.
    lines.sort_by_key(|line| Reverse((line.count, line.found, line.saved_by_retries, line.attempts)));
    lines
}

fn warned(counts: &Counts, examples: &Examples) -> Vec<WarningLine> {
    let line = |(fault, entry): (Fault, FaultCount)| {
        let (first, last) = entry.seen.unwrap_or_default();
        WarningLine {
            id: fault.id().to_owned(),
            meaning: fault.meaning().to_owned(),
            answers: entry.count,
            first_s: seconds(first),
            last_s: seconds(last),
            examples: shown(examples, fault),
        }
    };
    let mut lines: Vec<_> = counts.warned.seen().map(line).collect();
    lines.sort_by_key(|line| Reverse(line.answers));
    lines
}

fn shown(examples: &Examples, fault: Fault) -> Vec<ExampleLine> {
    examples.of(fault).iter().take(EXAMPLES_SHOWN).map(ExampleLine::from).collect()
}

/// Attempts by each fault that was found in them.
fn wrong_attempts(counts: &Counts) -> BTreeMap<String, u64> {
    let of = |&fault: &Fault| (fault.id().to_owned(), counts.attempts_with(fault).count);
    Fault::ALL.iter().map(of).filter(|(_, count)| *count > 0).collect()
}

/// Faults that were found in a second, where that says more than its outcomes.
fn faults_beyond_outcomes(counts: &Counts) -> BTreeMap<String, u64> {
    let beside = counts.found.seen().any(|(fault, entry)| entry.count > counts.faults.get(fault).count);
    let of = |(fault, entry): (Fault, FaultCount)| (fault.id().to_owned(), entry.count);
    if beside { counts.found.seen().map(of).collect() } else { BTreeMap::new() }
}

fn catalog(counts: CatalogCounts) -> CatalogReport {
    let CatalogCounts { listed, missing, unnamed } = counts;
    CatalogReport { listed, missing, unnamed }
}

fn transitions(transitions: &TransitionCounts) -> Vec<TransitionLine> {
    let line = |(pair, transition): (StatusPair, TransitionCount)| TransitionLine {
        recorded: pair.recorded,
        answered: pair.answered,
        count: transition.count,
        refused: transition.refused,
        accepted: transition.refused == 0,
    };
    let mut lines: Vec<_> = transitions.pairs().map(line).collect();
    // Stable: equals stay in the order of their statuses.
    lines.sort_by_key(|line| Reverse(line.count));
    lines
}

fn recorded_none_by_status(transitions: &TransitionCounts) -> BTreeMap<String, u64> {
    let name =
        |status: Option<u16>| status.map_or_else(|| "none".to_owned(), |status| format!("{status:03}"));
    transitions.by_unsent_status().map(|(status, count)| (name(status), count)).collect()
}

fn transitions_left_out(transitions: &TransitionCounts) -> TransitionsLeftOut {
    let other = transitions.other();
    TransitionsLeftOut {
        recorded_none: transitions.recorded_none(),
        recorded_none_by_status: recorded_none_by_status(transitions),
        other: other.count,
        other_refused: other.refused,
    }
}

fn targets(counts: &Counts, generator: GeneratorFacts) -> Targets {
    let redirects = &counts.redirects;
    let tier_line = |tier: Tier| TierLine {
        checked: redirects.checked(tier),
        broken: redirects.broken(tier),
        unchecked: Unchecked::ALL
            .iter()
            .map(|&reason| (reason.id().to_owned(), redirects.unchecked(tier, reason)))
            .filter(|(_, count)| *count > 0)
            .collect(),
    };
    let deepest = tier_line(redirects.deepest());
    let mut hosts: Vec<_> = counts.hosts.known().collect();
    // A broken host is told however rare it is.
    hosts.sort_by_key(|(name, host)| (host.last_fault.is_none(), Reverse(host.redirects), *name));
    let left_out: u64 = hosts.iter().skip(HOSTS_SHOWN).map(|(_, host)| host.redirects).sum();
    let shown = hosts.into_iter().take(HOSTS_SHOWN).map(|(name, host)| HostLine {
        host: name.to_owned(),
        redirects: host.redirects,
        fault: host.last_fault.map(|(_, fault)| fault.id().to_owned()),
    });
    Targets {
        redirects: redirects.seen,
        checked: deepest.checked,
        broken: deepest.broken,
        unchecked: deepest.unchecked,
        tiers: Tier::ALL.iter().map(|&tier| (tier.name().to_owned(), tier_line(tier))).collect(),
        hosts: shown.collect(),
        other_hosts: counts.hosts.others() + left_out,
        to_candidate: counts.hosts.home(),
        no_host: counts.hosts.without(),
        lookups: generator.lookups,
        requests: generator.probes.requests,
        redirected_on: generator.probes.redirected_on,
        most_hops: generator.probes.most_hops,
        cacheable_wrong: redirects.cacheable_wrong.count,
        cacheable_wrong_without_end: redirects.cacheable_wrong.without_end,
        cacheable_wrong_max_s: redirects.cacheable_wrong.longest_s,
    }
}

impl<C: Counter> From<&Histogram<C>> for TimeSummary {
    fn from(histogram: &Histogram<C>) -> Self {
        let shares = [0.5, 0.9, 0.95, 0.99, 0.999, 0.9999];
        let [p50, p90, p95, p99, p99_9, p99_99] = histogram.quantiles(shares);
        Self {
            count: histogram.count(),
            min: histogram.min(),
            mean: histogram.mean(),
            p50,
            p90,
            p95,
            p99,
            p99_9,
            p99_99,
            max: histogram.max(),
            saturated: histogram.saturated(),
        }
    }
}

impl<C: Counter> From<&Histogram<C>> for IntervalTimes {
    fn from(histogram: &Histogram<C>) -> Self {
        let [p50, p90, p99] = histogram.quantiles([0.5, 0.9, 0.99]);
        Self { count: histogram.count(), p50, p90, p99, max: histogram.max() }
    }
}

impl From<&Example> for ExampleLine {
    fn from(example: &Example) -> Self {
        Self {
            at_s: seconds(example.at),
            path: example.path.clone(),
            location: example.location.clone(),
            detail: example.detail.clone(),
        }
    }
}

impl From<&Interval> for IntervalLine {
    fn from(interval: &Interval) -> Self {
        let (counts, times, gauges) = (interval.counts(), interval.times(), interval.gauges());
        let ArrivalCounts { offered, passed, recovered, failed, shed, unfinished: cut } = counts.arrivals;
        Self {
            t_s: interval.second(),
            offered,
            sent: counts.attempts.sent,
            completed: counts.attempts.completed(),
            passed,
            recovered,
            failed,
            shed,
            unfinished: cut,
            first: counts.attempts.first,
            retries: counts.attempts.retries,
            failed_attempts: StormSecond::from(interval).failed_attempts,
            retries_shed: counts.retries.shed(),
            in_flight: gauges.in_flight,
            waiting: gauges.waiting,
            connections_open: gauges.connections_open,
            statuses: statuses(&counts.attempts),
            faults: fault_counts(&counts.faults),
            wrong_attempts: wrong_attempts(counts),
            found: faults_beyond_outcomes(counts),
            latency_us: IntervalTimes::from(&times.latency),
            latency_failed_us: IntervalTimes::from(&times.latency_failed),
            service_us: IntervalTimes::from(&times.service),
            lateness_us: IntervalTimes::from(&times.lateness),
            redirects: counts.redirects.seen,
            worker_cpu_peak_permille: counts.generator_health.busy_permille_max,
            trace_lag_us: u64::try_from(counts.generator_health.trace_lag.as_micros()).unwrap_or(u64::MAX),
        }
    }
}
