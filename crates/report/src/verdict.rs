//! The verdict: whether the run passed, and whether it measured anything.
//!
//! A run whose load was not really offered has no valid times. It is *invalid*,
//! which is neither pass nor fail, unless it found failures that stand all the
//! same: then it has failed, and says both. Each reason names what was found
//! and what to do. Pure: totals and plan in, judgement out.

mod certain_failures;
mod generator_health;
mod ids;
mod lost_records;
mod meanings;
mod vacuous;

pub(crate) use certain_failures::InvalidityScope;
pub(crate) use ids::{InvalidReason, LeftOut};
pub use meanings::{REASON_MEANINGS, ReasonMeaning};

use super::text::micros;
use super::threshold::MeasureUnit;
use super::{Assessment, Ending, GeneratorFacts, Plan, Reason, RunKind, RunReport, ThresholdLine, Verdict};
use certain_failures::Excuses;
use downpour_core::fault::Fault;
use downpour_core::units::grouped;
use downpour_metrics::{CacheableWrong, RedirectCounts, Totals, Unchecked};
use downpour_trace::TraceAccounting;
use downpour_verify::Depth;
use downpour_verify::Tier;
use downpour_verify::cache_lifetime::CacheLifetime;
use lost_records::LossSeverity;

/// The least lateness at p99 that makes a run invalid, by default.
const LATENESS_FLOOR_US: u64 = 5_000;

/// How the program ends. Public API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All was good.
    Passed,
    /// The run could not be made.
    CouldNotRun,
    /// The command line or a configuration file is wrong.
    Usage,
    /// Failed requests or broken redirects.
    Failed,
    /// `compare` found a regression.
    Regression,
    /// The measurement is not valid.
    Invalid,
    /// A threshold was not kept.
    Threshold,
    /// Interrupted; a partial result was written.
    Interrupted,
}

impl Exit {
    /// The process's exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::CouldNotRun => 1,
            Self::Usage => 2,
            Self::Failed => 3,
            Self::Regression => 4,
            Self::Invalid => 5,
            Self::Threshold => 99,
            Self::Interrupted => 130,
        }
    }
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Passed => Self::Passed,
            Verdict::Failed => Self::Failed,
            Verdict::Invalid => Self::Invalid,
            Verdict::Interrupted => Self::Interrupted,
        }
    }
}

impl RunReport {
    /// How the program ends after this run: a threshold that was not kept, or
    /// what ended the run, outweighs failures that no threshold is about. Where
    /// the load or the timing is not valid only those count that were not kept
    /// for certain.
    pub fn exit(&self) -> Exit {
        let is_valid = self.invalid_reasons.is_empty();
        let is_broken = |line: &ThresholdLine| !line.passed && (is_valid || line.broken_for_certain);
        let ended_by = |unit: &str| {
            matches!(MeasureUnit::from_name(unit), Some(MeasureUnit::Count | MeasureUnit::Share))
        };
        let is_crossed = self.thresholds.iter().any(is_broken)
            || self.aborted.as_ref().is_some_and(|why| is_valid || ended_by(&why.unit));
        if self.verdict == Verdict::Failed && is_crossed { Exit::Threshold } else { Exit::from(self.verdict) }
    }

    /// Whether its rules, or its catalogue, fit none of the requests: a
    /// mistake in what the run was given.
    pub fn judged_nothing(&self) -> bool {
        self.invalid_reasons.iter().any(|reason| InvalidityScope::of(&reason.id) == InvalidityScope::Demands)
    }

    /// How many thresholds were not kept.
    pub fn broken_thresholds(&self) -> usize {
        self.thresholds.iter().filter(|threshold| !threshold.passed).count()
    }
}

/// The verdict and what speaks for or against it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunJudgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why the measurement is not valid; empty when it is, or under
    /// `--allow-invalid`.
    pub invalid_reasons: Vec<Reason>,
    /// What a reader must know before trusting the verdict: checks that were
    /// off first.
    pub warnings: Vec<Reason>,
    /// Whether times and rates say something of the candidate: the load was
    /// offered, and on time. Not changed by `--allow-invalid`.
    pub timing_valid: bool,
    /// What came of each threshold, those marked that were not kept for
    /// certain.
    pub thresholds: Vec<ThresholdLine>,
}

/// Judges a run by what happened in it, how it ended, and what came of its
/// thresholds.
pub fn judge(
    totals: &Totals,
    plan: &Plan,
    generator: &GeneratorFacts,
    end: (&Ending, &Assessment),
) -> RunJudgement {
    judge_played(totals, plan, generator, end, None)
}

/// The same where it is known what became of the trace.
pub(crate) fn judge_played(
    totals: &Totals,
    plan: &Plan,
    generator: &GeneratorFacts,
    (ending, assessment): (&Ending, &Assessment),
    trace: Option<&TraceAccounting>,
) -> RunJudgement {
    let counts = &totals.counts;
    let mut warnings = checks_left_out(totals, plan);
    warnings.extend(vacuous::judged_little(totals, plan));
    warnings.extend(vacuous::no_redirects(totals, plan));
    warnings.extend(vacuous::rewrite_forgotten(counts, plan));
    warnings.extend(wrong_and_cacheable(totals));
    warnings.extend(hidden_by_retries(totals));
    warnings.extend(aborted(totals));
    let mut reasons = reasons_for_invalid(totals, plan, generator);
    reasons.extend(not_over(totals).filter(|_| *ending == Ending::Finished));
    reasons.extend(vacuous::judged_nothing(totals, plan));
    match trace.and_then(lost_records::assess) {
        Some((lost, LossSeverity::Significant)) => reasons.push(lost),
        Some((lost, LossSeverity::Minor)) => warnings.push(lost),
        None => {}
    }
    let timing_valid = !reasons.iter().any(|reason| InvalidityScope::of(&reason.id).invalidates_times());
    if plan.allow_invalid {
        let (allowed, rest) = reasons.into_iter().partition::<Vec<_>, _>(vacuous::may_be_allowed);
        warnings.extend(allowed);
        reasons = rest;
    }
    let mut thresholds = assessment.lines.clone();
    let nothing_good = counts.arrivals.offered > 0 && vacuous::served(counts) == 0;
    let verdict = if *ending == Ending::Interrupted {
        Verdict::Interrupted
    } else if !reasons.is_empty() {
        let excuses = Excuses::of(&reasons, totals, plan);
        thresholds = certain_failures::marked(assessment, counts, excuses);
        let beyond = assessment.allowed.not_allowed_except(counts, |fault| excuses.excuse(fault));
        let stands = beyond != (0, 0)
            || thresholds.iter().any(|line| line.broken_for_certain)
            || nothing_good && excuses.certain_failures(counts) > 0;
        if stands { Verdict::Failed } else { Verdict::Invalid }
    } else if *ending != Ending::Finished
        || thresholds.iter().any(|line| !line.passed)
        || assessment.allowed.not_allowed(counts) != (0, 0)
        || nothing_good && counts.arrivals.failed > 0
    {
        Verdict::Failed
    } else if nothing_good {
        reasons.push(vacuous::nothing_good(counts));
        Verdict::Invalid
    } else {
        Verdict::Passed
    };
    RunJudgement { verdict, invalid_reasons: reasons, warnings, timing_valid, thresholds }
}

/// A reason that makes a run invalid.
fn invalid_reason(what: InvalidReason, detail: String, remedy: &str) -> Reason {
    reason(what.id(), detail, remedy)
}

/// A warning that something was not checked.
fn left_out(what: LeftOut, detail: String, remedy: &str) -> Reason {
    reason(what.id(), detail, remedy)
}

fn reason(id: &str, detail: String, remedy: &str) -> Reason {
    Reason { id: id.to_owned(), detail, remedy: remedy.to_owned() }
}

fn reasons_for_invalid(totals: &Totals, plan: &Plan, generator: &GeneratorFacts) -> Vec<Reason> {
    let arrivals = &totals.counts.arrivals;
    let mut reasons = Vec::new();
    if arrivals.offered == 0 {
        reasons.push(nothing_offered(totals.counts.warmup.arrivals.offered));
    }
    if arrivals.shed > 0 {
        reasons.push(invalid_reason(
            InvalidReason::Shed,
            format!(
                "{} of {} arrivals were not sent: --max-in-flight was reached",
                grouped(arrivals.shed),
                grouped(arrivals.offered)
            ),
            "raise --max-in-flight, or lower the rate to what the candidate can take",
        ));
    }
    // A check measures nothing: it may be as slow as this machine makes it.
    if plan.command != RunKind::Check {
        if let Some(late) = too_late(totals, plan) {
            reasons.push(late);
            reasons.extend(generator_health::trace_lag(totals));
        }
        reasons.extend(generator_health::closed_loop_trace_lag(totals, plan, generator));
        reasons.extend(generator_health::saturated(totals, plan));
        reasons.extend(generator_health::throttled(generator, lateness_limit(totals, plan)));
    }
    reasons.extend(generators_own(totals));
    reasons
}

fn nothing_offered(in_warmup: u64) -> Reason {
    let (detail, remedy) = match in_warmup {
        0 => (
            "no arrival was offered, so nothing was measured".to_owned(),
            "check the window (-d, -n), the filters and the rejected lines",
        ),
        all => (
            format!(
                "all {} arrivals were scheduled within the warm-up, so nothing was measured",
                grouped(all)
            ),
            "shorten --warmup, or run longer, if necessary with --loop",
        ),
    };
    invalid_reason(InvalidReason::NothingOffered, detail, remedy)
}

/// A run that came to its end and left arrivals without a fate has not judged
/// them: they may be the ones that hang.
fn not_over(totals: &Totals) -> Option<Reason> {
    let cut = totals.counts.arrivals.unfinished;
    (cut > 0).then(|| {
        invalid_reason(
            InvalidReason::Unfinished,
            format!("{} arrivals were unfinished when the grace period ended", grouped(cut)),
            "raise --grace to at least --timeout",
        )
    })
}

/// The highest lateness at p99 of a valid run, in microseconds.
fn lateness_limit(totals: &Totals, plan: &Plan) -> u64 {
    let times = &totals.times;
    let latency = if times.latency.is_empty() { &times.latency_failed } else { &times.latency };
    plan.max_lateness_us.unwrap_or_else(|| LATENESS_FLOOR_US.max(latency.quantile(0.5) / 10))
}

fn too_late(totals: &Totals, plan: &Plan) -> Option<Reason> {
    let limit = lateness_limit(totals, plan);
    let lateness = totals.times.lateness.quantile(0.99);
    (lateness > limit).then(|| {
        invalid_reason(
            InvalidReason::Lateness,
            format!(
                "1 % of the requests were sent {} or more after their scheduled time; the limit is {}",
                micros(lateness),
                micros(limit)
            ),
            "lower the rate, add --threads, free this machine, or raise --max-lateness",
        )
    })
}

/// The generator's own faults count wherever they were seen: a retry that
/// helped does not make the load real.
fn generators_own(totals: &Totals) -> impl Iterator<Item = Reason> {
    let counts = &totals.counts;
    Fault::ALL.iter().filter_map(|&fault| {
        let remedy = fault.generator_remedy()?;
        let seen = counts.attempts.faults.get(fault).count.max(counts.faults.get(fault).count);
        (seen > 0).then(|| {
            invalid_reason(
                InvalidReason::Generator(fault),
                format!("{} ({} times)", fault.meaning(), grouped(seen)),
                remedy,
            )
        })
    })
}

/// Wrong redirects that caches may keep: what was found will not be over when
/// the deployment is.
fn wrong_and_cacheable(totals: &Totals) -> Option<Reason> {
    let CacheableWrong { count, without_end, longest_s } = totals.counts.redirects.cacheable_wrong;
    let lasting = if without_end > 0 { CacheLifetime::Heuristic } else { CacheLifetime::Seconds(longest_s) };
    (count > 0).then(|| {
        reason(
            "cacheable_wrong",
            format!(
                "{} wrong redirects are {lasting}: a rollback does not reach those caches",
                grouped(count)
            ),
            "purge the caches after a rollback; send Cache-Control: no-store with redirects",
        )
    })
}

/// Wrong redirects that users did not see, because their clients tried again:
/// they fail a run all the same, for the next client may not.
fn hidden_by_retries(totals: &Totals) -> Option<Reason> {
    let counts = &totals.counts;
    let redirects_hidden_by_retries = counts.retries.redirects_hidden_by_retries();
    let of_redirects = counts.saved_by_retries.seen().filter(|(fault, _)| fault.is_bad_redirect());
    let outcome = match of_redirects.map(|(_, saved)| saved.count).sum() {
        0 => "no download recovered".to_owned(),
        1 => "1 download recovered, so its user did not see the fault; it is still there".to_owned(),
        saved => format!(
            "{} downloads recovered, so their users did not see the fault; it is still there",
            grouped(saved)
        ),
    };
    (redirects_hidden_by_retries > 0).then(|| {
        reason(
            "hidden_by_retries",
            format!("{} wrong redirects were retried; {outcome}", grouped(redirects_hidden_by_retries)),
            "fix the redirects: clients that retry less, or not at all, fail",
        )
    })
}

/// Most of what failed was never sent: a session in which other downloads had
/// failed says so, and an address may be many machines.
fn aborted(totals: &Totals) -> Option<Reason> {
    let counts = &totals.counts;
    let (aborted, failed) = (counts.faults.get(Fault::ClientAborted).count, counts.arrivals.failed);
    (aborted > failed / 2).then(|| {
        reason(
            "aborted_sessions",
            format!(
                "{} of {} failures are {}: these downloads were not sent, because another download of the \
                 same session had failed; --session-gap 0s turns sessions off",
                grouped(aborted),
                grouped(failed),
                Fault::ClientAborted
            ),
            "compare with a run with --session-gap 0s, or set a shorter --session-gap or --session-max",
        )
    })
}

fn checks_left_out(totals: &Totals, plan: &Plan) -> Vec<Reason> {
    let redirects = &totals.counts.redirects;
    let mut warnings = Vec::new();
    let off = match plan.verify {
        Depth::Off => Some("redirects were NOT judged (--verify off)"),
        Depth::Policy => Some("redirect targets were NOT resolved (--verify policy)"),
        Depth::Dns | Depth::Connect | Depth::Head | Depth::Get | Depth::Digest => None,
    };
    if plan.simulated.is_some() {
        let detail = "SIMULATED: nothing was sent; a modelled service answered".to_owned();
        warnings.push(left_out(
            LeftOut::Simulated,
            detail,
            "use downpour replay to measure the real service",
        ));
    } else if let Some(off) = off {
        let remedy = "use --verify dns to check that the hosts exist";
        warnings.push(left_out(LeftOut::VerifyOff, off.to_owned(), remedy));
    }
    if plan.tls.as_deref() == Some("any certificate") {
        let detail = "the candidate's certificate was NOT verified (--insecure)".to_owned();
        warnings.push(left_out(LeftOut::TlsUnverified, detail, "name its issuer with --cacert instead"));
    }
    let skipped = redirects.unchecked(Tier::Dns, Unchecked::HostLimit);
    if skipped > 0 {
        let detail =
            format!("{} redirect targets were NOT resolved: too many distinct hosts", grouped(skipped));
        warnings.push(left_out(LeftOut::HostLimit, detail, "look at the target hosts below"));
    }
    warnings.extend(targets_left_out(redirects, plan));
    warnings
}

/// Why targets were not asked, if there is a reason that is not a fault.
fn targets_left_out(redirects: &RedirectCounts, plan: &Plan) -> Vec<Reason> {
    let mut warnings = Vec::new();
    let mut told = |id, tier, unchecked, what: &str, remedy| {
        let count = redirects.unchecked(tier, unchecked);
        if count > 0 {
            let detail = format!("{} of {} {what}", grouped(count), grouped(redirects.seen));
            warnings.push(left_out(id, detail, remedy));
        }
    };
    let rate = plan.verify_rate.as_deref().unwrap_or_default();
    let budget =
        format!("redirect targets were NOT probed: no time was left for them (--verify-rate {rate})");
    let remedy = "raise --verify-rate if the store can take it, or lower --rate";
    told(LeftOut::TargetBudget, Tier::Connect, Unchecked::Budget, &budget, remedy);
    let json =
        format!("redirects were NOT requested as JSON: no time was left for them (--verify-rate {rate})");
    told(
        LeftOut::JsonBudget,
        Tier::Json,
        Unchecked::Budget,
        &json,
        "raise --verify-rate, or lower --verify-json",
    );
    let share = plan.verify_sample.as_deref().unwrap_or_default();
    let sample =
        format!("redirect targets were NOT probed: they are not in the sample (--verify-sample {share})");
    told(LeftOut::TargetSample, Tier::Connect, Unchecked::SampledOut, &sample, "omit --verify-sample");
    let own = "redirects lead back to the candidate and were NOT followed";
    told(
        LeftOut::OwnOrigin,
        Tier::Connect,
        Unchecked::OwnOrigin,
        own,
        "replay the paths that they lead to as well",
    );
    let digest = "redirect targets were NOT compared with a digest: none is known";
    told(
        LeftOut::NoDigest,
        Tier::Digest,
        Unchecked::NoDigest,
        digest,
        "list the digests in a --catalog, or use --verify get if that is enough",
    );
    warnings
}

#[cfg(test)]
mod tests;
