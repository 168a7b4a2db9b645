//! What a reader must know of two runs before believing a difference.

use super::{ComparedRun, plans};
use crate::text::format::{micros, safe, seconds, shortened};
use crate::{RunKind, Verdict};

/// The longest remark.
const LONGEST: usize = 400;

/// Lateness that differs by as much is no longer the candidate's doing.
const LATENESS_APART_US: u64 = 1_000;

/// Broken hosts named of each run.
const HOSTS_LISTED: usize = 3;

/// A and B, in the order of the runs.
pub(super) const LETTERS: [&str; 2] = ["A", "B"];

pub(super) fn remarks(runs: &[ComparedRun<'_>; 2]) -> Vec<String> {
    let mut remarks = Vec::new();
    let [a, b] = runs.map(|run| run.report);
    if a == b {
        remarks.push("A and B are the same run".to_owned());
    }
    for (letter, run) in LETTERS.iter().zip(runs) {
        remarks.extend(of_a_run(run).into_iter().map(|remark| format!("{letter} {remark}")));
    }
    let both = |is: fn(&ComparedRun<'_>) -> bool| runs.map(|run| is(&run));
    match both(|run| run.report.plan.simulated.is_some()) {
        [true, true] => remarks.push("both runs are simulated: nothing was sent".to_owned()),
        [false, false] => {}
        [is_a, _] => {
            let letter = LETTERS[usize::from(!is_a)];
            remarks
                .push(format!("{letter} is simulated and the other is measured: times cannot be compared"));
        }
    }
    let [long_a, long_b] = runs.map(|run| run.blocks.layout().seconds());
    if long_a != long_b {
        remarks.push(format!(
            "A offered its load over {long_a} s, B over {long_b} s: compare rates, not counts"
        ));
    }
    if a.plan.version != b.plan.version {
        let [of_a, of_b] = [a, b].map(|report| safe(&report.plan.version));
        remarks.push(format!("A was written by downpour {of_a}, B by {of_b}"));
    }
    remarks.extend(broken_hosts(runs));
    let [late_a, late_b] = [a, b].map(|report| report.lateness_us.p99);
    if late_a.abs_diff(late_b) >= LATENESS_APART_US {
        remarks.push(format!(
            "send delay differs, p99 {} in A and {} in B: latency includes it, service time \
             does not",
            micros(late_a),
            micros(late_b)
        ));
    }
    remarks.into_iter().map(|remark| shortened(&safe(&remark), LONGEST).into_owned()).collect()
}

/// Hosts that are broken in one run only.
fn broken_hosts(runs: &[ComparedRun<'_>; 2]) -> Vec<String> {
    let of = |run: &ComparedRun<'_>| {
        let broken = run.report.targets.hosts.iter();
        broken
            .filter_map(|host| Some((host.host.clone(), host.fault.clone()?)))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    let hosts = runs.each_ref().map(of);
    let mut told = Vec::new();
    for (n, letter) in LETTERS.iter().enumerate() {
        let only = hosts[n].iter().filter(|(host, _)| !hosts[1 - n].contains_key(*host)).take(HOSTS_LISTED);
        let line = |(host, fault): (&String, &String)| {
            format!("only {letter} has broken redirects to {} ({fault})", shortened(host, 100))
        };
        told.extend(only.map(line));
    }
    told
}

/// As the end of a sentence that begins with its letter.
fn of_a_run(run: &ComparedRun<'_>) -> Vec<String> {
    let report = run.report;
    let mut remarks = Vec::new();
    match report.verdict {
        Verdict::Invalid => {
            let why = report.invalid_reasons.first().map_or("", |reason| reason.detail.as_str());
            remarks.push(format!("is invalid: {why}"));
        }
        Verdict::Failed if !report.timing_valid && !report.invalid_reasons.is_empty() => {
            let why = report.invalid_reasons.first().map_or("", |reason| reason.detail.as_str());
            remarks.push(format!("failed, and its times are not valid: {why}"));
        }
        Verdict::Interrupted => remarks.push("was interrupted: a partial result".to_owned()),
        Verdict::Passed | Verdict::Failed if !report.invalid_reasons.is_empty() || was_allowed(run) => {
            remarks.push("would be invalid without --allow-invalid".to_owned());
        }
        Verdict::Passed | Verdict::Failed => {}
    }
    if report.plan.command == RunKind::Check {
        remarks.push("is a check: it sends as fast as it can, so its times are not meaningful".to_owned());
    }
    if report.warmup.seconds > 0.0 {
        remarks.push(format!("excludes a warm-up of {}", seconds(report.warmup.seconds)));
    }
    if !run.blocks.layout().is_enough() {
        let long = run.blocks.layout().seconds();
        remarks.push(format!("offered its load over {long} s: too short to tell a change from chance"));
    }
    remarks.extend(run.notes.iter().map(|note| format!("is incomplete: {note}")));
    remarks
}

/// Under `--allow-invalid` reasons become warnings of the same ids.
fn was_allowed(run: &ComparedRun<'_>) -> bool {
    let ids = ["shed", "lateness", "generator_cpu", "cgroup_throttled", "ports", "descriptors"];
    run.report.plan.allow_invalid
        && run.report.warnings.iter().any(|warning| ids.contains(&warning.id.as_str()))
}

/// `Different plans` with the keys, in a sentence; nothing where they agree.
pub(super) fn plan_differences_text(differences: &[plans::PlanDifference]) -> Option<String> {
    let load = differences.iter().filter(|difference| plans::is_load(difference)).count();
    match (differences.len(), load) {
        (0, _) => None,
        (_, 0) => Some("Different plans, with the same load".to_owned()),
        _ => Some("Different plans, with different load".to_owned()),
    }
}
