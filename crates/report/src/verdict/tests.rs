//! Verdicts by what a run was like.

use super::*;
use crate::ArrivalSpacing;
use downpour_core::fault::FaultSet;
use downpour_metrics::CatalogCounts;
use downpour_verify::Depth;
use std::sync::LazyLock;
use std::time::Duration;

mod redirects;

fn good_run() -> Totals {
    let mut totals = Totals::default();
    totals.counts.arrivals.offered = 100;
    totals.counts.arrivals.passed = 100;
    for micros in 1..=100 {
        totals.times.latency.record(micros * 1_000);
        totals.times.lateness.record(micros * 10);
    }
    totals
}

fn dns_plan() -> Plan {
    Plan { verify: Depth::Dns, ..Plan::default() }
}

/// A generator with nothing to complain of.
fn machine() -> GeneratorFacts {
    GeneratorFacts { wall_s: 20.0, throttled_s: Some(0.0), ..GeneratorFacts::default() }
}

/// Without thresholds, a run that came to its end, and one that did not.
fn finished() -> (&'static Ending, &'static Assessment) {
    (&Ending::Finished, &NO_THRESHOLDS)
}

fn interrupted() -> (&'static Ending, &'static Assessment) {
    (&Ending::Interrupted, &NO_THRESHOLDS)
}

static NO_THRESHOLDS: LazyLock<Assessment> = LazyLock::new(Assessment::default);

#[track_caller]
fn check(spoil: fn(&mut Totals, &mut Plan), verdict: Verdict, reasons: &[&str], warnings: &[&str]) {
    let (mut totals, mut plan) = (good_run(), dns_plan());
    spoil(&mut totals, &mut plan);
    let judgement = judge(&totals, &plan, &machine(), finished());
    let ids = |list: &[Reason]| list.iter().map(|r| r.id.clone()).collect::<Vec<_>>();
    assert_eq!(judgement.verdict, verdict);
    assert!(judgement.invalid_reasons.iter().all(|reason| InvalidReason::from_id(&reason.id).is_some()));
    assert_eq!(ids(&judgement.invalid_reasons), reasons);
    assert_eq!(ids(&judgement.warnings), warnings);
}

#[test]
fn a_run_without_load_is_neither_pass_nor_fail() {
    check(|_, _| {}, Verdict::Passed, &[], &[]);
    check(|t, _| t.counts.arrivals.failed = 1, Verdict::Failed, &[], &[]);
    check(|t, _| t.counts.arrivals.shed = 1, Verdict::Invalid, &["shed"], &[]);
    check(|t, _| *t = Totals::default(), Verdict::Invalid, &["nothing_offered"], &[]);
    let warm_up_only = |t: &mut Totals, _: &mut Plan| {
        *t = Totals::default();
        t.counts.warmup.arrivals.offered = 7;
    };
    check(warm_up_only, Verdict::Invalid, &["nothing_offered"], &[]);
    assert!(nothing_offered(7).detail.starts_with("all 7 arrivals"));
    let no_ports = |t: &mut Totals, _: &mut Plan| {
        t.counts.attempts.faults.count(Fault::GeneratorPorts, downpour_core::units::Offset::ZERO);
    };
    check(no_ports, Verdict::Invalid, &["generator.no_ports"], &[]);
}

#[test]
fn sessions_that_make_most_of_the_failures_are_told() {
    fn aborted(totals: &mut Totals, count: u64) {
        totals.counts.arrivals.failed = 10;
        let at = downpour_core::units::Offset::ZERO;
        (0..count).for_each(|_| totals.counts.faults.count(Fault::ClientAborted, at));
    }
    check(|t, _| aborted(t, 5), Verdict::Failed, &[], &[]);
    check(|t, _| aborted(t, 6), Verdict::Failed, &[], &["aborted_sessions"]);
    let mut totals = good_run();
    aborted(&mut totals, 6);
    let told = super::aborted(&totals).unwrap().detail;
    assert!(told.starts_with("6 of 10 failures are client.aborted: "), "{told}");
    assert!(told.ends_with("--session-gap 0s turns sessions off"), "{told}");
}

#[test]
fn what_no_retry_saved_is_not_said_to_have_recovered() {
    let mut totals = good_run();
    let at = downpour_core::units::Offset::ZERO;
    (0..3).for_each(|_| totals.counts.retries.hidden_attempt(Fault::DnsNxdomain, at));
    let told = |totals: &Totals| hidden_by_retries(totals).unwrap().detail;
    assert_eq!(told(&totals), "3 wrong redirects were retried; no download recovered");
    // Another fault's recovery is not theirs.
    totals.counts.saved_by_retries.count(Fault::StatusServerError, at);
    assert_eq!(told(&totals), "3 wrong redirects were retried; no download recovered");
    totals.counts.saved_by_retries.count(Fault::DnsNxdomain, at);
    assert!(
        told(&totals)
            .ends_with("; 1 download recovered, so its user did not see the fault; it is still there")
    );
}

#[test]
fn a_check_may_be_slow_but_not_left_undone() {
    let slow = |t: &mut Totals, p: &mut Plan| {
        p.command = RunKind::Check;
        (0..9).for_each(|_| t.times.lateness.record(5_100));
        t.counts.generator_health.saturated_arrivals = 100;
    };
    check(slow, Verdict::Passed, &[], &[]);
    let hangs = |t: &mut Totals, p: &mut Plan| {
        p.command = RunKind::Check;
        t.counts.arrivals.unfinished = 1;
    };
    check(hangs, Verdict::Invalid, &["unfinished"], &[]);
}

#[test]
fn arrivals_that_hang_are_no_pass() {
    check(|t, _| t.counts.arrivals.unfinished = 1, Verdict::Invalid, &["unfinished"], &[]);
    let mut totals = good_run();
    totals.counts.arrivals.unfinished = 1;
    assert!(judge(&totals, &dns_plan(), &machine(), interrupted()).invalid_reasons.is_empty());
}

#[test]
fn lateness_is_measured_against_latency_or_the_given_limit() {
    let late = |t: &mut Totals, _: &mut Plan| (0..9).for_each(|_| t.times.lateness.record(5_100));
    check(late, Verdict::Invalid, &["lateness"], &[]);
    let late_and_slow = |t: &mut Totals, _: &mut Plan| {
        for _ in 0..200 {
            t.times.lateness.record(5_100);
            t.times.latency.record(60_000);
        }
    };
    check(late_and_slow, Verdict::Passed, &[], &[]);
    check(|_, p| p.max_lateness_us = Some(500), Verdict::Invalid, &["lateness"], &[]);
    check(|_, p| p.max_lateness_us = Some(1_000), Verdict::Passed, &[], &[]);
}

#[test]
fn a_hundredth_may_be_spoiled_by_a_saturated_worker() {
    check(|t, _| t.counts.generator_health.saturated_arrivals = 1, Verdict::Passed, &[], &[]);
    check(|t, _| t.counts.generator_health.saturated_arrivals = 2, Verdict::Invalid, &["generator_cpu"], &[]);
    let closed_loop = |t: &mut Totals, p: &mut Plan| {
        t.counts.generator_health.saturated_arrivals = 100;
        p.arrivals = ArrivalSpacing::ClosedLoop;
    };
    check(closed_loop, Verdict::Passed, &[], &[]);
    let allowed = |t: &mut Totals, p: &mut Plan| {
        t.counts.generator_health.saturated_arrivals = 100;
        p.allow_invalid = true;
    };
    check(allowed, Verdict::Passed, &[], &["generator_cpu"]);
}

#[test]
fn a_slow_reader_is_the_cause_of_lateness_and_nothing_by_itself() {
    check(|t, _| t.counts.generator_health.trace_lag_arrivals = 100, Verdict::Passed, &[], &[]);
    let late = |t: &mut Totals, p: &mut Plan| {
        t.counts.generator_health.trace_lag_arrivals = 2;
        p.max_lateness_us = Some(0);
    };
    check(late, Verdict::Invalid, &["lateness", "trace_lag"], &[]);
    let late_for_another_reason = |t: &mut Totals, p: &mut Plan| {
        t.counts.generator_health.trace_lag_arrivals = 1;
        p.max_lateness_us = Some(0);
    };
    check(late_for_another_reason, Verdict::Invalid, &["lateness"], &[]);
}

#[test]
fn a_closed_loop_that_waited_for_its_trace_has_measured_the_reader() {
    let judged = |arrivals: ArrivalSpacing, waited_ms| {
        let mut totals = good_run();
        totals.counts.generator_health.trace_lag = Duration::from_millis(waited_ms);
        let plan = Plan { arrivals, ..dns_plan() };
        let generator = GeneratorFacts { offering_s: 10.0, threads: 2, ..machine() };
        let reasons = judge(&totals, &plan, &generator, finished()).invalid_reasons;
        reasons.into_iter().map(|reason| reason.id).collect::<Vec<_>>()
    };
    assert_eq!(judged(ArrivalSpacing::ClosedLoop, 201), ["trace_lag"]);
    assert!(judged(ArrivalSpacing::ClosedLoop, 200).is_empty());
    assert!(judged(ArrivalSpacing::Uniform, 201).is_empty());
}

#[track_caller]
fn check_throttled(throttled_s: Option<f64>, max_lateness_us: Option<u64>, reasons: &[&str]) {
    let generator = GeneratorFacts { throttled_s, ..machine() };
    let plan = Plan { max_lateness_us, ..dns_plan() };
    let judgement = judge(&good_run(), &plan, &generator, finished());
    let ids: Vec<_> = judgement.invalid_reasons.iter().map(|reason| reason.id.as_str()).collect();
    assert_eq!(ids, reasons, "{throttled_s:?}");
}

#[test]
fn a_hundredth_of_the_time_may_be_throttled() {
    check_throttled(None, None, &[]);
    check_throttled(Some(0.0), None, &[]);
    check_throttled(Some(0.19), None, &[]);
    check_throttled(Some(0.21), None, &["cgroup_throttled"]);
    // Nobody waited longer for that than was allowed.
    check_throttled(Some(0.21), Some(300_000), &[]);
    check_throttled(Some(0.31), Some(300_000), &["cgroup_throttled"]);
}

#[test]
fn what_is_allowed_or_left_out_is_still_said() {
    let allowed = |t: &mut Totals, p: &mut Plan| {
        t.counts.arrivals.shed = 1;
        p.allow_invalid = true;
    };
    check(allowed, Verdict::Passed, &[], &["shed"]);
    check(|_, p| p.verify = Depth::Policy, Verdict::Passed, &[], &["verify_off"]);
    check(|_, p| p.verify = Depth::Off, Verdict::Passed, &[], &["verify_off"]);
}

#[test]
fn what_outlives_a_roll_back_is_said() {
    let kept = |t: &mut Totals, _: &mut Plan| {
        t.counts.redirects.cacheable_wrong = CacheableWrong { count: 7, without_end: 0, longest_s: 604_800 };
    };
    check(kept, Verdict::Passed, &[], &["cacheable_wrong"]);
    let mut totals = good_run();
    kept(&mut totals, &mut dns_plan());
    let told = judge(&totals, &dns_plan(), &machine(), finished()).warnings.remove(0).detail;
    assert_eq!(told, "7 wrong redirects are cacheable for 7 d: a rollback does not reach those caches");
}

#[test]
fn an_interrupted_run_is_cut_whatever_else_it_is() {
    let mut totals = good_run();
    totals.counts.arrivals.shed = 1;
    let judgement = judge(&totals, &dns_plan(), &machine(), interrupted());
    assert_eq!((judgement.verdict, judgement.invalid_reasons.len()), (Verdict::Interrupted, 1));
    assert_eq!(Exit::from(judgement.verdict).code(), 130);
}

#[test]
fn each_exit_has_its_documented_code() {
    let exits = [Exit::Passed, Exit::Failed, Exit::Threshold, Exit::Invalid, Exit::Interrupted];
    assert_eq!(exits.map(Exit::code), [0, 3, 99, 5, 130]);
}

/// How a run ends in which so many arrivals failed and were shed, with a
/// threshold that was kept or not.
#[track_caller]
fn check_exit((failed, shed): (u64, u64), kept: bool, ending: &Ending, exit: Exit) {
    let mut totals = good_run();
    (totals.counts.arrivals.failed, totals.counts.arrivals.shed) = (failed, shed);
    let line = ThresholdLine { passed: kept, ..Default::default() };
    let thresholds = Assessment { lines: vec![line], ..Assessment::default() };
    let judgement = judge(&totals, &dns_plan(), &machine(), (ending, &thresholds));
    let RunJudgement { verdict, invalid_reasons, .. } = judgement;
    let aborted = match ending {
        Ending::Aborted(why) => Some(why.clone()),
        Ending::Finished | Ending::Interrupted => None,
    };
    let thresholds = thresholds.lines;
    let report = RunReport { verdict, invalid_reasons, thresholds, aborted, ..RunReport::default() };
    assert_eq!(report.exit(), exit);
}

#[test]
fn a_threshold_outweighs_failures_and_these_a_load_that_is_not_valid() {
    let ended = &Ending::Finished;
    check_exit((0, 0), true, ended, Exit::Passed);
    check_exit((0, 0), false, ended, Exit::Threshold);
    check_exit((1, 0), true, ended, Exit::Failed);
    check_exit((1, 0), false, ended, Exit::Threshold);
    check_exit((0, 1), false, ended, Exit::Invalid);
    // The threshold may not have been kept because of what was shed.
    check_exit((1, 1), false, ended, Exit::Failed);
    check_exit((1, 1), false, &Ending::Interrupted, Exit::Interrupted);
    let aborted = &Ending::Aborted(super::super::AbortLine::default());
    check_exit((0, 0), true, aborted, Exit::Threshold);
    check_exit((0, 1), true, aborted, Exit::Invalid);
}

/// So many of the good downloads failed of this instead.
fn fail(totals: &mut Totals, fault: Fault, count: u64) {
    totals.counts.arrivals.passed -= count;
    totals.counts.arrivals.failed += count;
    let mut found = FaultSet::EMPTY;
    found.insert(fault);
    for _ in 0..count {
        totals.counts.faults.count(fault, downpour_core::units::Offset::ZERO);
        totals.counts.found.count(found, downpour_core::units::Offset::ZERO);
    }
}

fn sent_late(plan: &mut Plan) {
    plan.max_lateness_us = Some(0);
    plan.timeout_s = 30.0;
}

#[test]
fn a_late_generator_spoils_times_and_not_findings() {
    let late = |t: &mut Totals, p: &mut Plan| {
        sent_late(p);
        fail(t, Fault::DnsNxdomain, 98);
    };
    check(late, Verdict::Failed, &["lateness"], &[]);
    // Its own faults are no findings, and neither is what followed from them.
    let own = |t: &mut Totals, p: &mut Plan| {
        sent_late(p);
        fail(t, Fault::GeneratorPorts, 99);
        fail(t, Fault::ClientAborted, 1);
    };
    check(own, Verdict::Invalid, &["lateness", "generator.no_ports"], &[]);
    // Lateness of a millisecond is nothing beside a timeout of half a minute.
    let timed_out = |t: &mut Totals, p: &mut Plan| {
        sent_late(p);
        fail(t, Fault::TimeoutTotal, 50);
    };
    check(timed_out, Verdict::Failed, &["lateness"], &[]);
    let nearly_as_late = |t: &mut Totals, p: &mut Plan| {
        sent_late(p);
        p.timeout_s = 0.005;
        fail(t, Fault::TimeoutTotal, 50);
    };
    check(nearly_as_late, Verdict::Invalid, &["lateness"], &[]);
    let shed = |t: &mut Totals, _: &mut Plan| {
        fail(t, Fault::StatusServerError, 1);
        t.counts.arrivals.shed = 10;
    };
    check(shed, Verdict::Failed, &["shed"], &[]);
}

/// How a run ends that was sent late, and whether its times are said to be
/// valid.
#[track_caller]
fn check_late(spoil: fn(&mut Totals), thresholds: &[&str], exit: Exit) {
    let (mut totals, mut plan) = (good_run(), dns_plan());
    sent_late(&mut plan);
    spoil(&mut totals);
    let watch = super::super::ThresholdMonitor::new(thresholds.iter().map(|text| text.parse().unwrap()));
    let judgement = judge(&totals, &plan, &machine(), (&Ending::Finished, &watch.assess(&totals, 1.0)));
    assert!(!judgement.timing_valid);
    let RunJudgement { verdict, invalid_reasons, thresholds: lines, .. } = judgement;
    let report = RunReport { verdict, invalid_reasons, thresholds: lines, ..RunReport::default() };
    assert_eq!(report.exit(), exit, "{thresholds:?}");
}

#[test]
fn a_threshold_counts_beside_a_late_generator_if_it_is_not_about_times() {
    let half = |t: &mut Totals| fail(t, Fault::DnsNxdomain, 50);
    check_late(|_| {}, &[], Exit::Invalid);
    check_late(half, &[], Exit::Failed);
    check_late(half, &["failed.rate <= 1%"], Exit::Threshold);
    check_late(half, &["good.rate >= 99%"], Exit::Threshold);
    check_late(half, &["fault(dns) == 0"], Exit::Threshold);
    check_late(half, &["failed.rate <= 50%"], Exit::Invalid);
    check_late(|_| {}, &["latency.p99 < 1us"], Exit::Invalid);
    check_late(|_| {}, &["failed.per_s > 1"], Exit::Invalid);
    // Broken by what the generator did itself.
    let own = |t: &mut Totals| fail(t, Fault::GeneratorPorts, 50);
    check_late(own, &["failed.rate <= 1%"], Exit::Invalid);
    let one_of_it = |t: &mut Totals| {
        fail(t, Fault::GeneratorPorts, 50);
        fail(t, Fault::DnsNxdomain, 2);
    };
    check_late(one_of_it, &["failed.rate <= 3%"], Exit::Invalid);
    check_late(one_of_it, &["failed.rate <= 1%"], Exit::Threshold);
    let shed = |t: &mut Totals| {
        t.counts.arrivals.passed -= 50;
        t.counts.arrivals.shed += 50;
    };
    check_late(shed, &["good.rate >= 99%"], Exit::Invalid);
}

/// The verdict of a run with thresholds, whatever its load was worth.
#[track_caller]
fn check_allowed(spoil: fn(&mut Totals), thresholds: &[&str], verdict: Verdict) {
    let (mut totals, plan) = (good_run(), Plan { allow_invalid: true, ..dns_plan() });
    spoil(&mut totals);
    let watch = super::super::ThresholdMonitor::new(thresholds.iter().map(|text| text.parse().unwrap()));
    let judgement = judge(&totals, &plan, &machine(), (&Ending::Finished, &watch.assess(&totals, 1.0)));
    assert_eq!(judgement.verdict, verdict, "{thresholds:?}");
}

#[test]
fn nothing_good_is_never_a_pass() {
    let unanswered = |t: &mut Totals| {
        t.counts.arrivals.passed = 0;
        t.counts.arrivals.unfinished = 100;
    };
    check_allowed(unanswered, &[], Verdict::Invalid);
    check_allowed(unanswered, &["failed.rate < 1%"], Verdict::Invalid);
    let failed = |t: &mut Totals| fail(t, Fault::StatusServerError, 100);
    check_allowed(failed, &["failed.rate <= 100%"], Verdict::Failed);
    check_allowed(failed, &["fault(status.5xx).rate <= 100%"], Verdict::Failed);
    check_allowed(|t| fail(t, Fault::StatusServerError, 99), &["failed.rate <= 99%"], Verdict::Passed);
    // A field that is tolerated keeps nobody from a download.
    check_allowed(
        |t| fail(t, Fault::HeadersVary, 100),
        &["fault(headers.vary).rate <= 100%"],
        Verdict::Passed,
    );
    check_allowed(|t| *t = Totals::default(), &[], Verdict::Invalid);
}

fn ruled(totals: &mut Totals, plan: &mut Plan, (with, without): (u64, u64)) {
    plan.rules = Some("mine.toml".to_owned());
    (0..with).for_each(|_| totals.counts.rules.count(Some(0)));
    (0..without).for_each(|_| totals.counts.rules.count(None));
}

#[test]
fn rules_that_match_nothing_are_no_pass() {
    check(|t, p| ruled(t, p, (100, 0)), Verdict::Passed, &[], &[]);
    check(|t, p| ruled(t, p, (50, 50)), Verdict::Passed, &[], &[]);
    check(|t, p| ruled(t, p, (1, 99)), Verdict::Passed, &[], &["few_rules_matched"]);
    check(|t, p| ruled(t, p, (0, 100)), Verdict::Invalid, &["no_rule_matched"], &[]);
    // Nobody can allow it.
    let allowed = |t: &mut Totals, p: &mut Plan| {
        ruled(t, p, (0, 100));
        p.allow_invalid = true;
    };
    check(allowed, Verdict::Invalid, &["no_rule_matched"], &[]);
    // What failed has failed without a rule, too.
    let broken = |t: &mut Totals, p: &mut Plan| {
        ruled(t, p, (0, 100));
        fail(t, Fault::StatusServerError, 1);
    };
    check(broken, Verdict::Failed, &["no_rule_matched"], &[]);
    // Without an answer nothing could be matched.
    check(|t, p| ruled(t, p, (0, 0)), Verdict::Passed, &[], &[]);
}

#[test]
fn a_forgotten_rewrite_is_named() {
    let (mut totals, mut plan) = (good_run(), dns_plan());
    ruled(&mut totals, &mut plan, (0, 100));
    (0..98).for_each(|_| totals.counts.rules.sample(Some("crates-io")));
    (0..2).for_each(|_| totals.counts.rules.sample(None));
    let reason = judge(&totals, &plan, &machine(), finished()).invalid_reasons.remove(0);
    assert_eq!(
        reason.detail,
        "no request matches a rule of mine.toml: 100 answers were not judged by a rule; --rewrite \
         crates-io fits 98 % of them"
    );
    assert_eq!(reason.remedy, "add --rewrite crates-io");
}

/// The verdict and its reasons with these redirects: listed, missing, unnamed.
fn catalogued(listed: u64, missing: u64, unnamed: u64, allow_invalid: bool) -> (Verdict, Vec<String>) {
    let (mut totals, mut plan) = (good_run(), dns_plan());
    plan.catalog = Some("index".to_owned());
    plan.allow_invalid = allow_invalid;
    totals.counts.catalog = CatalogCounts { listed, missing, unnamed };
    let judgement = judge(&totals, &plan, &machine(), finished());
    let ids = judgement.invalid_reasons.into_iter().chain(judgement.warnings).map(|reason| reason.id);
    (judgement.verdict, ids.collect())
}

#[test]
fn a_catalogue_that_no_redirect_is_looked_up_in_is_no_pass() {
    let of = |named, unnamed| catalogued(named, 0, unnamed, false);
    assert_eq!(of(0, 10), (Verdict::Invalid, vec!["catalog_unused".to_owned()]));
    assert_eq!(of(1, 9), (Verdict::Passed, vec!["catalog_little_used".to_owned()]));
    assert_eq!(of(5, 5), (Verdict::Passed, vec![]));
    assert_eq!(of(0, 0), (Verdict::Passed, vec![]));
}

#[test]
fn a_catalogue_in_which_no_file_is_found_is_no_pass() {
    let of = |listed, missing| catalogued(listed, missing, 0, false);
    assert_eq!(of(0, 200), (Verdict::Invalid, vec!["catalog_none_listed".to_owned()]));
    assert_eq!(of(1, 199), (Verdict::Passed, vec!["catalog_few_listed".to_owned()]));
    assert_eq!(of(100, 100), (Verdict::Passed, vec![]));
    // All that was asked for may be files that never were.
    assert_eq!(catalogued(0, 200, 0, true), (Verdict::Passed, vec!["catalog_none_listed".to_owned()]));
}
