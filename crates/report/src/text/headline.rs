//! The first lines: what was not checked, the verdict, and why.

use super::format::{TextPage, counted, of, safe, seconds, share, shortened};
use super::thresholds;
use crate::verdict::{InvalidReason, InvalidityScope, LeftOut};
use crate::{Exit, FaultLine, Reason, RunKind, RunReport, ThresholdLine, Verdict};
use downpour_core::fault::Fault;
use downpour_core::units::grouped;

/// Faults told in a sentence each; the table below has them all.
pub(crate) const FAULTS_LISTED: usize = 3;

/// What puts times in question, in the verdict's line; all of it stands below.
const REASONS_LISTED: usize = 3;

/// Faults of a host as a whole, as the end of "redirects to HOST, …".
const OF_A_HOST: &[(Fault, &str)] = &[
    (Fault::LocationGluedHost, "which is the expected host with more text attached"),
    (Fault::LocationWrongHost, "which the rules do not allow"),
    (Fault::DnsNxdomain, "which does not exist (NXDOMAIN)"),
    (Fault::DnsNoAddress, "which has no address"),
    (Fault::DnsServfail, "which cannot be resolved (SERVFAIL)"),
    (Fault::DnsRefused, "which the resolver refuses to look up"),
    (Fault::DnsTimeout, "for which the resolver does not answer"),
    (Fault::DnsFailed, "whose lookup fails"),
    (Fault::DnsPrivateAddress, "which has a private address"),
    (Fault::TargetRefused, "which refuses connections"),
    (Fault::TargetConnectTimeout, "which accepts no connection in time"),
    (Fault::TargetUnreachable, "which cannot be reached from here"),
    (Fault::TargetTlsHandshake, "with which no TLS handshake succeeds"),
    (Fault::TargetTlsCertificate, "whose certificate is not valid"),
];

pub(super) fn write(report: &RunReport, page: &mut TextPage) {
    let outcomes: Vec<_> = outcomes(report).take(FAULTS_LISTED).collect();
    begin(report, &outcomes, page);
}

/// The faults that are the outcome of arrivals, and not only beside a worse one.
pub(crate) fn outcomes(report: &RunReport) -> impl Iterator<Item = &FaultLine> {
    report.faults.iter().filter(|fault| fault.count > 0)
}

/// The same without the faults.
pub(super) fn opening(report: &RunReport, page: &mut TextPage) {
    begin(report, &[], page);
}

fn begin(report: &RunReport, faults: &[&FaultLine], page: &mut TextPage) {
    let (left_out, notes): (Vec<&Reason>, Vec<&Reason>) =
        report.warnings.iter().partition(|warning| is_left_out(warning));
    for warning in left_out {
        page.wrapped(0, &format!("! {}", safe(&warning.detail)));
    }
    page.wrapped(0, &verdict(report));
    if report.warmup.seconds > 0.0 {
        page.blank();
        page.wrapped(2, &warmup(report));
    }
    for reason in &report.invalid_reasons {
        page.blank();
        page.wrapped(2, &invalid_reason_sentence(report, reason));
        page.wrapped(2, &format!("Remedy: {}.", safe(&reason.remedy)));
    }
    for fault in faults {
        page.blank();
        page.wrapped(2, &fault_sentence(report, fault));
    }
    if !notes.is_empty() {
        page.blank();
    }
    for note in notes {
        page.wrapped(2, &format!("Note: {}.", safe(&note.detail)));
    }
}

/// Whether a warning tells of a check that did not happen.
pub(crate) fn is_left_out(warning: &Reason) -> bool {
    // A demand that judged nothing is one where that was allowed.
    LeftOut::is_one(&warning.id) || InvalidityScope::of(&warning.id) == InvalidityScope::Demands
}

/// Whether the load was offered, and nobody can tell where it was sent.
fn lacks_only_a_resolver(report: &RunReport) -> bool {
    report.invalid_reasons.iter().all(|reason| reason.id == Fault::GeneratorResolver.id())
}

/// A reason for an invalid run as a sentence. Beside failures that stand it
/// says that it is about times.
pub(crate) fn invalid_reason_sentence(report: &RunReport, reason: &Reason) -> String {
    let detail = safe(&reason.detail);
    if report.verdict == Verdict::Failed && InvalidityScope::of(&reason.id).invalidates_times() {
        return format!("Timing not valid: {detail}.");
    }
    sentence(&detail)
}

/// What is in question beside failures that stand, as the end of a sentence.
fn in_question(report: &RunReport) -> String {
    let reasons = &report.invalid_reasons;
    let of = |question| reasons.iter().filter(move |reason| InvalidityScope::of(&reason.id) == question);
    let mut times: Vec<_> =
        of(InvalidityScope::Timing).chain(of(InvalidityScope::Load)).map(|r| short(&r.id)).collect();
    times.dedup();
    times.truncate(REASONS_LISTED);
    let mut parts = Vec::new();
    if !times.is_empty() {
        parts.push(format!("; timing not valid: {}", times.join(", ")));
    }
    parts.extend(of(InvalidityScope::Demands).next().map(|reason| format!("; {}", short(&reason.id))));
    if parts.is_empty() && !reasons.is_empty() {
        parts.push("; not everything could be checked".to_owned());
    }
    parts.concat()
}

/// A reason in a few words; of one that another version gave, its id.
fn short(id: &str) -> String {
    let known = InvalidReason::from_id(id).map(|doubt| doubt.in_short().to_owned());
    known.unwrap_or_else(|| shortened(&safe(id), 40).into_owned())
}

/// The verdict in one line, its word before a colon.
pub(crate) fn verdict(report: &RunReport) -> String {
    let verdict = verdict_alone(report);
    if report.verdict == Verdict::Failed { verdict + &in_question(report) } else { verdict }
}

fn verdict_alone(report: &RunReport) -> String {
    let arrivals = &report.arrivals;
    let (offered, failed) = (grouped(arrivals.offered), grouped(arrivals.failed));
    let rate = share(arrivals.failed, arrivals.offered);
    let is_check = report.plan.command == RunKind::Check;
    let what = if is_check { "distinct requests" } else { "downloads" };
    match report.verdict {
        // Possible under --allow-invalid only.
        Verdict::Passed if arrivals.shed > 0 || arrivals.unfinished > 0 => {
            let good = grouped(arrivals.passed.saturating_add(arrivals.recovered));
            format!("PASSED: {good} of {offered} {what} were good; the others were not judged")
        }
        Verdict::Passed if arrivals.failed > 0 => {
            format!("PASSED: {failed} of {offered} {what} failed ({rate}), within the thresholds")
        }
        Verdict::Passed if arrivals.recovered > 0 => {
            let recovered = grouped(arrivals.recovered);
            format!("PASSED: all {offered} {what} were good, {recovered} of them after a retry")
        }
        Verdict::Passed => format!("PASSED: all {offered} {what} were good"),
        Verdict::Failed if report.exit() == Exit::Threshold => {
            let crossed = broken_thresholds_text(report);
            if arrivals.failed == 0 {
                return format!("FAILED: {crossed}");
            }
            format!("FAILED: {crossed}; {failed} of {offered} {what} failed ({rate})")
        }
        Verdict::Failed if arrivals.failed == 0 => {
            let redirects_hidden_by_retries =
                report.retries.as_ref().map_or(0, |retries| retries.redirects_hidden_by_retries);
            let retried = match arrivals.recovered {
                0 => String::new(),
                1 => "; 1 was good after a retry".to_owned(),
                recovered => format!("; {} were good after a retry", grouped(recovered)),
            };
            format!(
                "FAILED: {}, although none of {offered} downloads failed{retried}",
                counted(redirects_hidden_by_retries, "wrong redirect")
            )
        }
        Verdict::Failed => format!("FAILED: {failed} of {offered} {what} failed ({rate})"),
        Verdict::Invalid if report.judged_nothing() => {
            let reason = report
                .invalid_reasons
                .iter()
                .find(|r| InvalidityScope::of(&r.id) == InvalidityScope::Demands);
            let why = short(reason.map_or("", |reason| &reason.id));
            format!("INVALID: {why}; this is neither a pass nor a fail")
        }
        Verdict::Invalid
            if report.invalid_reasons.iter().any(|reason| reason.id == InvalidReason::NothingGood.id()) =>
        {
            format!("INVALID: none of {offered} {what} was good; this is neither a pass nor a fail")
        }
        Verdict::Invalid if is_check || lacks_only_a_resolver(report) => {
            "INVALID: not everything could be checked; this is neither a pass nor a fail".to_owned()
        }
        Verdict::Invalid => {
            "INVALID: the generator did not offer the requested load on time; results are not meaningful"
                .to_owned()
        }
        Verdict::Interrupted => format!(
            "INTERRUPTED: a partial result; {failed} of {offered} {what} failed ({rate}), {} unfinished",
            grouped(arrivals.unfinished)
        ),
    }
}

/// What ended the run, or which of its thresholds were not kept.
fn broken_thresholds_text(report: &RunReport) -> String {
    if let Some(why) = &report.aborted {
        return thresholds::aborted(report, why);
    }
    let is_valid = report.invalid_reasons.is_empty();
    let is_broken = |line: &&ThresholdLine| !line.passed && (is_valid || line.broken_for_certain);
    let mut broken = report.thresholds.iter().filter(is_broken);
    match (broken.next(), broken.count()) {
        (Some(line), 0) => {
            let value = line.value.map_or_else(
                || "there are no samples".to_owned(),
                |_| format!("it was {}", thresholds::value(line)),
            );
            format!("threshold {} is violated: {value}", safe(&line.expression))
        }
        (_, others) => format!("{} of {} thresholds are violated", others + 1, report.thresholds.len()),
    }
}

/// What was left out of all that follows.
pub(crate) fn warmup(report: &RunReport) -> String {
    let arrivals = &report.warmup.arrivals;
    let held = counted(arrivals.offered, "request");
    let bad = [(arrivals.failed, "failed"), (arrivals.shed, "shed"), (arrivals.unfinished, "unfinished")];
    let bad = bad.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| of(count, what));
    let bad = bad.collect::<Vec<_>>().join(", ");
    let bad = if bad.is_empty() { bad } else { format!(" ({bad})") };
    format!("Warm-up of {}: {held} not counted{bad}.", seconds(report.warmup.seconds))
}

/// One fault in one sentence.
pub(crate) fn fault_sentence(report: &RunReport, fault: &FaultLine) -> String {
    let of_all = |count| format!("{} of {} downloads", grouped(count), grouped(report.arrivals.offered));
    let downloads = of_all(fault.count);
    let when = when(fault);
    // Where clients tried again, what was wrong are attempts.
    let tail = is_retried(fault).then(|| {
        let failed = if fault.count == 0 { "no download".to_owned() } else { downloads.clone() };
        format!("; {failed} failed because of it{}", saved(fault))
    });
    let which = OF_A_HOST.iter().find(|(known, _)| known.id() == fault.id).map(|(_, which)| which);
    let targets = &report.targets;
    let host_list_is_full = targets.other_hosts > 0 && targets.hosts.iter().all(|host| host.fault.is_some());
    let mut hosts = targets.hosts.iter().filter(|host| host.fault.as_ref() == Some(&fault.id));
    let tail_told = tail.as_deref().unwrap_or_default();
    if let (Some(which), Some(host)) = (which, hosts.next()) {
        let what = match &tail {
            None if fault.count == 1 => format!("{downloads} redirects"),
            None => format!("{downloads} redirect"),
            Some(_) if fault.attempts == 1 => "1 attempt was redirected".to_owned(),
            Some(_) => format!("{} attempts were redirected", grouped(fault.attempts)),
        };
        let others = match hosts.count() {
            0 => String::new(),
            // The list is bounded, and holds broken hosts before good ones.
            _ if host_list_is_full => " (and other hosts)".to_owned(),
            1 => " (and one more host)".to_owned(),
            n => format!(" (and {n} more hosts)"),
        };
        return format!("{what} to {}, {which}{others}, {when}{tail_told}.", safe(&host.host));
    }
    let what = if tail.is_some() { counted(fault.attempts, "attempt") } else { downloads };
    format!("{what} failed {when}: {} ({}){tail_told}.", safe(&fault.meaning), safe(&fault.id))
}

/// Whether attempts with this fault were tried again, so that a count of failed
/// downloads does not tell all of it. Attempts in which it stood beside a worse
/// fault are of downloads that have it, too.
pub(crate) fn is_retried(fault: &FaultLine) -> bool {
    fault.attempts > 0 && (fault.attempts != fault.arrivals() || fault.saved_by_retries > 0)
}

/// How many downloads a retry saved, as the end of a sentence. Those of attempts
/// in which the fault stood beside a worse one are counted with that, so that
/// none may be known here.
fn saved(fault: &FaultLine) -> String {
    match fault.saved_by_retries {
        0 if fault.count == 0 || fault.outranked() > 0 => String::new(),
        0 => ", none recovered".to_owned(),
        1 => ", 1 recovered".to_owned(),
        downloads => format!(", {} recovered", grouped(downloads)),
    }
}

/// Attempts and what came of their downloads, where clients tried again, be it
/// because of this fault or of a worse one beside it.
pub(crate) fn by_attempts(fault: &FaultLine) -> Option<String> {
    is_retried(fault).then(|| {
        format!(
            "{}: {} failed for good{}",
            counted(fault.attempts, "attempt"),
            counted(fault.arrivals(), "download"),
            saved(fault)
        )
    })
}

fn when(fault: &FaultLine) -> String {
    let (first, last) = (fault.first_s.round(), fault.last_s.round());
    if first >= last { format!("at second {first}") } else { format!("from second {first} to {last}") }
}

/// A clause as a sentence of its own.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HostLine;

    /// A run of 3,085 downloads whose redirects led to `host`, if there is one.
    #[track_caller]
    fn check(count: u64, attempts: u64, saved_by_retries: u64, host: Option<&str>, expected: &str) {
        let id = Fault::DnsNxdomain.id().to_owned();
        let mut report = RunReport::default();
        report.arrivals.offered = 3_085;
        report.targets.hosts = host
            .map(|host| HostLine { host: host.to_owned(), redirects: attempts, fault: Some(id.clone()) })
            .into_iter()
            .collect();
        let line = FaultLine {
            id,
            meaning: "no such host".to_owned(),
            count,
            attempts,
            saved_by_retries,
            first_s: 2.1,
            last_s: 14.3,
            ..FaultLine::default()
        };
        assert_eq!(fault_sentence(&report, &line).replace('\u{a0}', " "), expected);
    }

    #[test]
    fn where_clients_try_again_attempts_are_told() {
        check(
            227,
            1_685,
            591,
            Some("a.example"),
            "1,685 attempts were redirected to a.example, which does not exist (NXDOMAIN), from second 2 to 14; \
             227 of 3,085 downloads failed because of it, 591 recovered.",
        );
        check(
            0,
            2,
            1,
            None,
            "2 attempts failed from second 2 to 14: no such host (dns.nxdomain); no download failed because of \
             it, 1 recovered.",
        );
        // Without retries a download is an attempt. Older reports do not know attempts.
        for attempts in [227, 0] {
            check(
                227,
                attempts,
                0,
                Some("a.example"),
                "227 of 3,085 downloads redirect to a.example, which does not exist (NXDOMAIN), from second 2 \
                 to 14.",
            );
        }
    }

    #[test]
    fn a_fault_beside_a_worse_one_is_not_taken_for_a_retry() {
        let line = |count, found, attempts, saved_by_retries| FaultLine {
            id: Fault::HeadersVary.id().to_owned(),
            count,
            found,
            attempts,
            saved_by_retries,
            ..FaultLine::default()
        };
        let told = |line: &FaultLine| by_attempts(line).map(|told| told.replace('\u{a0}', " "));
        for once in [line(0, 100, 100, 0), line(90, 100, 100, 0), line(100, 100, 100, 0)] {
            assert_eq!((told(&once), is_retried(&once)), (None, false));
        }
        // Its downloads were tried again because of the worse one.
        let always_beside = line(0, 1_477, 3_690, 0);
        assert_eq!(told(&always_beside).unwrap(), "3,690 attempts: 1,477 downloads failed for good");
        let now_and_then = line(3, 5, 9, 2);
        assert_eq!(told(&now_and_then).unwrap(), "9 attempts: 5 downloads failed for good, 2 recovered");
        let alone = line(3, 3, 9, 0);
        assert_eq!(told(&alone).unwrap(), "9 attempts: 3 downloads failed for good, none recovered");
    }

    #[test]
    fn nobody_is_said_to_have_recovered_where_nobody_did() {
        let mut report = RunReport { verdict: Verdict::Failed, ..RunReport::default() };
        report.arrivals.offered = 20;
        report.retries = Some(crate::RetriesSection { redirects_hidden_by_retries: 5, ..Default::default() });
        let start = "FAILED: 5 wrong redirects, although none of 20 downloads failed";
        assert_eq!(verdict(&report).replace('\u{a0}', " "), start);
        report.arrivals.recovered = 1;
        let told = verdict(&report).replace('\u{a0}', " ");
        assert_eq!(told, format!("{start}; 1 was good after a retry"));
    }
}
