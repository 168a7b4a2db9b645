//! The first lines: what was not checked, the verdict, and why.

use super::format::{Page, counted, of, safe, seconds, share};
use super::thresholds;
use crate::fault::Fault;
use crate::report::{CHECK, Exit, FaultLine, Reason, RunReport, Verdict};
use crate::units::grouped;

/// Faults told in a sentence each; the table below has them all.
pub(in crate::report) const FAULTS_TOLD: usize = 3;

/// Faults of a host as a whole, as the end of "redirects to HOST, …".
const OF_A_HOST: &[(Fault, &str)] = &[
    (Fault::LocationGluedHost, "which is the demanded one with more glued to it"),
    (Fault::LocationWrongHost, "which the rules do not allow"),
    (Fault::DnsNxdomain, "which does not exist (NXDOMAIN)"),
    (Fault::DnsNoAddress, "which has no address"),
    (Fault::DnsServfail, "which cannot be resolved (SERVFAIL)"),
    (Fault::DnsRefused, "which the resolver refuses to look up"),
    (Fault::DnsTimeout, "for which the resolver does not answer"),
    (Fault::DnsFailed, "whose lookup fails"),
    (Fault::DnsPrivateAddress, "which has a private address"),
    (Fault::TargetRefused, "which refuses connections"),
    (Fault::TargetConnectTimeout, "which takes no connection in time"),
    (Fault::TargetUnreachable, "which cannot be reached from here"),
    (Fault::TargetTlsHandshake, "with which no TLS handshake succeeds"),
    (Fault::TargetTlsCertificate, "whose certificate does not do"),
];

pub(super) fn write(report: &RunReport, page: &mut Page) {
    begin(report, &report.faults[..report.faults.len().min(FAULTS_TOLD)], page);
}

/// The same without the faults.
pub(super) fn opening(report: &RunReport, page: &mut Page) {
    begin(report, &[], page);
}

fn begin(report: &RunReport, faults: &[FaultLine], page: &mut Page) {
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
        page.wrapped(2, &sentence(&safe(&reason.detail)));
        page.wrapped(2, &format!("Remedy: {}.", safe(&reason.remedy)));
    }
    for fault in faults {
        page.blank();
        page.wrapped(2, &told(report, fault));
    }
    if !notes.is_empty() {
        page.blank();
    }
    for note in notes {
        page.wrapped(2, &format!("Note: {}.", safe(&note.detail)));
    }
}

/// Whether a warning tells of a check that did not happen.
pub(in crate::report) fn is_left_out(warning: &Reason) -> bool {
    const LEFT_OUT: [&str; 9] = [
        "simulated",
        "verify_off",
        "host_limit",
        "tls_unverified",
        "target_budget",
        "target_sample",
        "own_origin",
        "no_digest",
        "json_budget",
    ];
    LEFT_OUT.contains(&warning.id.as_str())
}

/// Whether the load was offered, and nobody can tell where it was sent.
fn lacks_only_a_resolver(report: &RunReport) -> bool {
    report.invalid_reasons.iter().all(|reason| reason.id == Fault::GeneratorResolver.id())
}

/// The verdict in one line, its word before a colon.
pub(in crate::report) fn verdict(report: &RunReport) -> String {
    let arrivals = &report.arrivals;
    let (offered, failed) = (grouped(arrivals.offered), grouped(arrivals.failed));
    let rate = share(arrivals.failed, arrivals.offered);
    let is_check = report.plan.command == CHECK;
    let what = if is_check { "distinct requests" } else { "downloads" };
    match report.verdict {
        // Possible under --allow-invalid only.
        Verdict::Passed if arrivals.shed > 0 || arrivals.cut > 0 => {
            let good = grouped(arrivals.passed.saturating_add(arrivals.recovered));
            format!("PASSED: {good} of {offered} {what} were good, the others were not judged")
        }
        Verdict::Passed if arrivals.failed > 0 => {
            format!("PASSED: {failed} of {offered} {what} failed ({rate}), no more than the thresholds allow")
        }
        Verdict::Passed if arrivals.recovered > 0 => {
            let recovered = grouped(arrivals.recovered);
            format!("PASSED: all {offered} {what} were good, {recovered} of them after a retry")
        }
        Verdict::Passed => format!("PASSED: all {offered} {what} were good"),
        Verdict::Failed if report.exit() == Exit::Threshold => {
            let crossed = crossed(report);
            if arrivals.failed == 0 {
                return format!("FAILED: {crossed}");
            }
            format!("FAILED: {crossed}; {failed} of {offered} {what} failed ({rate})")
        }
        Verdict::Failed if arrivals.failed == 0 => {
            let misled = report.retries.as_ref().map_or(0, |retries| retries.misled);
            let recovered = grouped(arrivals.recovered);
            format!(
                "FAILED: {} led astray, though none of {offered} downloads failed: {recovered} came after a retry",
                counted(misled, "redirect")
            )
        }
        Verdict::Failed => format!("FAILED: {failed} of {offered} {what} failed ({rate})"),
        Verdict::Invalid if is_check || lacks_only_a_resolver(report) => {
            "INVALID: not everything could be checked; this is neither pass nor fail".to_owned()
        }
        Verdict::Invalid => {
            "INVALID: the load was not really offered; this is neither pass nor fail".to_owned()
        }
        Verdict::Cut => format!(
            "CUT SHORT: a partial result; {failed} of {offered} {what} failed ({rate}), {} unfinished",
            grouped(arrivals.cut)
        ),
    }
}

/// What ended the run, or which of its thresholds were not kept.
fn crossed(report: &RunReport) -> String {
    if let Some(why) = &report.aborted {
        return thresholds::aborted(report, why);
    }
    let mut broken = report.thresholds.iter().filter(|threshold| !threshold.passed);
    match (broken.next(), broken.count()) {
        (Some(line), 0) => {
            let value = line.value.map_or_else(
                || "nothing was measured".to_owned(),
                |_| format!("it was {}", thresholds::value(line)),
            );
            format!("{} was not kept: {value}", safe(&line.expression))
        }
        (_, others) => format!("{} of {} thresholds were not kept", others + 1, report.thresholds.len()),
    }
}

/// What was left out of all that follows.
pub(in crate::report) fn warmup(report: &RunReport) -> String {
    let arrivals = &report.warmup.arrivals;
    let held = counted(arrivals.offered, "request");
    let bad = [(arrivals.failed, "failed"), (arrivals.shed, "shed"), (arrivals.cut, "unfinished")];
    let bad = bad.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| of(count, what));
    let bad = bad.collect::<Vec<_>>().join(", ");
    let bad = if bad.is_empty() { bad } else { format!(" ({bad})") };
    format!("Warmed up for {}: {held} not counted{bad}.", seconds(report.warmup.seconds))
}

/// One fault in one sentence.
pub(in crate::report) fn told(report: &RunReport, fault: &FaultLine) -> String {
    let downloads = format!("{} of {} downloads", grouped(fault.count), grouped(report.arrivals.offered));
    let when = when(fault);
    let which = OF_A_HOST.iter().find(|(known, _)| known.id() == fault.id).map(|(_, which)| which);
    let targets = &report.targets;
    let host_list_is_full = targets.other_hosts > 0 && targets.hosts.iter().all(|host| host.fault.is_some());
    let mut hosts = targets.hosts.iter().filter(|host| host.fault.as_ref() == Some(&fault.id));
    match (which, hosts.next()) {
        (Some(which), Some(host)) => {
            let verb = if fault.count == 1 { "redirects" } else { "redirect" };
            let others = match hosts.count() {
                0 => String::new(),
                // The list is bounded, and holds broken hosts before good ones.
                _ if host_list_is_full => " (and other hosts)".to_owned(),
                1 => " (and one more host)".to_owned(),
                n => format!(" (and {n} more hosts)"),
            };
            format!("{downloads} {verb} to {}, {which}{others}, {when}.", safe(&host.host))
        }
        _ => format!("{downloads} failed {when}: {} ({}).", safe(&fault.meaning), safe(&fault.id)),
    }
}

fn when(fault: &FaultLine) -> String {
    let (first, last) = (fault.first_s.round(), fault.last_s.round());
    if first >= last { format!("at second {first}") } else { format!("from second {first} to {last}") }
}

/// A clause as a sentence of its own.
pub(in crate::report) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}
