//! The faults with their examples, and the hosts that redirects led to.

use super::format::{COLUMNS, TextPage, counted, safe, share, shortened};
use super::headline::by_attempts;
use super::shorten_differing::shorten_differing;
use crate::advice::advice;
use crate::{ExampleLine, FaultLine, HostLine, RunReport, Targets};
use downpour_core::fault::Fault;
use downpour_core::units::grouped;

/// Examples shown of each fault.
const EXAMPLES_SHOWN: usize = 2;

/// Hosts shown.
const HOSTS_SHOWN: usize = 5;

/// Columns of a host's name.
const HOST_COLUMNS: usize = 40;

pub(super) fn faults(report: &RunReport, page: &mut TextPage) {
    page.heading("Faults");
    if report.faults.is_empty() {
        page.line("  none");
    }
    for fault in &report.faults {
        row(report, fault, page);
        for shown in fault.examples.iter().take(EXAMPLES_SHOWN) {
            example(shown, page);
        }
    }
}

fn row(report: &RunReport, fault: &FaultLine, page: &mut TextPage) {
    let share = share(fault.arrivals(), report.arrivals.offered);
    let id = shortened(&fault.id, 28).into_owned();
    page.line(&format!(
        "  {:<28}{:>12}  {share:>8}  second {:.1} to {:.1}",
        safe(&id),
        grouped(fault.arrivals()),
        fault.first_s,
        fault.last_s
    ));
    if let Some(attempts) = by_attempts(fault) {
        page.wrapped(4, &attempts);
    }
    explanation(fault, page);
}

/// What a fault means, what clients make of it and what to do, as
/// `downpour explain` says it.
pub(super) fn explanation(fault: &FaultLine, page: &mut TextPage) {
    page.wrapped(4, &safe(&fault.meaning));
    outranked(fault, page);
    if let Some(known) = Fault::from_id(&fault.id) {
        page.wrapped(4, &format!("A client such as cargo: {}", known.client_reaction()));
    }
    page.wrapped(4, &format!("To do: {}", advice(&fault.id)));
}

/// Where it was not always the outcome, how often it was not.
pub(super) fn outranked(fault: &FaultLine, page: &mut TextPage) {
    let (beside, all) = (fault.outranked(), fault.arrivals());
    if beside > 0 {
        let which =
            if beside == all { "always".to_owned() } else { format!("in {} of them", grouped(beside)) };
        page.wrapped(4, &format!("{which} together with a more severe fault, which is the outcome"));
    }
}

/// What was found and fails nothing.
pub(super) fn warnings(report: &RunReport, page: &mut TextPage) {
    if report.warned.is_empty() {
        return;
    }
    page.heading("Warnings (they do not fail the run)");
    for line in &report.warned {
        let share = share(line.answers, report.attempts.completed);
        let id = shortened(&line.id, 28).into_owned();
        page.line(&format!("  {:<28}{:>12}  {share:>8}  of all answers", safe(&id), grouped(line.answers)));
        page.wrapped(4, &safe(&line.meaning));
        for shown in line.examples.iter().take(EXAMPLES_SHOWN) {
            example(shown, page);
        }
    }
}

/// What stands before the URL that a redirect should have led to.
const EXPECTED: &str = "expected ";

pub(super) fn example(example: &ExampleLine, page: &mut TextPage) {
    let shown = |indent: usize, text: &str| shortened(&safe(text), COLUMNS - indent).into_owned();
    page.line(&format!("      {}", shown(6, &example.path)));
    let Some(location) = &example.location else {
        if !example.detail.is_empty() {
            page.wrapped(8, &safe(&example.detail));
        }
        return;
    };
    let (detail, expected) = match example.detail.rsplit_once(EXPECTED) {
        Some((detail, expected)) if expected.contains("://") || expected.starts_with('/') => {
            (detail.trim_end_matches("; "), Some(expected))
        }
        Some(_) | None => (example.detail.as_str(), None),
    };
    let Some(expected) = expected else {
        page.line(&format!("        -> {}", shown(11, location)));
        if !detail.is_empty() {
            page.wrapped(8, &safe(detail));
        }
        return;
    };
    let (found, expected) = shorten_differing(&safe(location), &safe(expected), COLUMNS - 8 - EXPECTED.len());
    page.line(&format!("        -> {found}"));
    page.line(&format!("        {EXPECTED}{expected}"));
    if !detail.is_empty() {
        page.wrapped(8, &safe(detail));
    }
}

pub(super) fn hosts(report: &RunReport, page: &mut TextPage) {
    let targets = &report.targets;
    if targets.redirects == 0 {
        return;
    }
    page.heading("Target hosts");
    // A broken host is shown however rare it is.
    let mut hosts: Vec<&HostLine> = targets.hosts.iter().collect();
    hosts.sort_by_key(|host| host.fault.is_none());
    hosts.truncate(HOSTS_SHOWN);
    for host in &hosts {
        page.line(&host_line(host));
    }
    let shown = hosts.iter().fold(0, |sum: u64, host| sum.saturating_add(host.redirects));
    for (name, count) in elsewhere(targets, shown) {
        if count > 0 {
            page.line(&format!("  {name:<HOST_COLUMNS$}{:>12}", grouped(count)));
        }
    }
    page.line(&format!("  lookups: {}", grouped(targets.lookups)));
    if targets.requests > 0 {
        page.line(&format!("  probes of targets: {}", grouped(targets.requests)));
    }
    if targets.redirected_on > 0 {
        let (times, most) = (grouped(targets.redirected_on), counted(targets.most_hops, "further redirect"));
        page.line(&format!("  targets that redirect again: {times}, at most {most}"));
    }
}

/// Redirects that lead to none of the hosts shown.
pub(crate) fn elsewhere(targets: &Targets, shown: u64) -> [(&'static str, u64); 3] {
    let Targets { redirects, to_candidate, no_host, .. } = *targets;
    let others = redirects.saturating_sub(shown).saturating_sub(to_candidate).saturating_sub(no_host);
    [("(the candidate itself)", to_candidate), ("(no usable host)", no_host), ("(others)", others)]
}

fn host_line(host: &HostLine) -> String {
    let name = safe(&host.host);
    let name = shortened(&name, HOST_COLUMNS);
    format!("  {name:<HOST_COLUMNS$}{:>12}  {}", grouped(host.redirects), fault_of(host))
}

/// The fault of a host as an operator calls it.
fn fault_of(host: &HostLine) -> String {
    let Some(id) = &host.fault else { return String::new() };
    match Fault::from_id(id) {
        Some(Fault::DnsNxdomain) => "NXDOMAIN".to_owned(),
        Some(Fault::DnsServfail) => "SERVFAIL".to_owned(),
        _ => safe(id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_a_host_fits_behind_its_count() {
        for fault in Fault::ALL {
            let host =
                HostLine { host: "h".repeat(99), redirects: 4_700, fault: Some(fault.id().to_owned()) };
            let line = host_line(&host);
            assert!(line.chars().count() <= COLUMNS && line.contains(" 4,700 "), "{line}");
        }
    }
}
