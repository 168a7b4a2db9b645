//! The storm in words: what a fault made of the load, whether it passed, and
//! what clients did about it.

use super::format::{TextPage, counted, per_second, safe, seconds, share};
use crate::{ClientLine, RetriesSection, RunReport, StormSection};
use downpour_core::units::{approximate, grouped};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What it takes to know that all is well, and a bit, in seconds.
const RECOVERY_CHECK_S: f64 = 4.0;

pub(super) fn write(report: &RunReport, page: &mut TextPage) {
    if let Some(storm) = &report.storm {
        write_storm(storm, counted_s(report), page);
    }
    if let Some(retries) = &report.retries {
        write_retries(retries, report, page);
    }
}

/// What clients did about failures.
fn write_retries(retries: &RetriesSection, report: &RunReport, page: &mut TextPage) {
    page.heading("Clients");
    page.item("model", &safe(report.plan.client.as_deref().unwrap_or("none")));
    write_mix(&retries.clients, page);
    let counts = |(attempts, count): (&u32, &u64)| format!("{}\u{a0}in\u{a0}{attempts}", grouped(*count));
    let by_attempts: Vec<_> = retries.by_attempts.iter().map(counts).collect();
    page.item("attempts", &format!("downloads by number of attempts: {}", by_attempts.join(", ")));
    let arrivals = &report.arrivals;
    let met = arrivals.recovered.saturating_add(arrivals.failed);
    if met > 0 {
        page.item(
            "recovered",
            &format!(
                "{} of {} downloads with a failed attempt ({})",
                grouped(arrivals.recovered),
                grouped(met),
                share(arrivals.recovered, met)
            ),
        );
    }
    if !retries.ended.is_empty() {
        let each: Vec<_> =
            retries.ended.iter().map(|(why, &n)| format!("{}\u{a0}{}", safe(why), grouped(n))).collect();
        page.item("gave up", &each.join(", "));
    }
    if let Some(waiting) = waiting_at_end(retries) {
        page.item("waiting", &waiting);
    }
}

/// Downloads that the end of the run found waiting for a retry.
pub(crate) fn waiting_at_end(retries: &RetriesSection) -> Option<String> {
    let asked = retries
        .retry_after_max_s
        .map_or_else(String::new, |wait_s| format!("; the longest Retry-After was {}", seconds(wait_s)));
    (retries.waiting_at_end > 0).then(|| {
        format!(
            "{} waited for a retry when the run ended and count as failed{asked}",
            counted(retries.waiting_at_end, "download")
        )
    })
}

/// Who asked, where each record's own client is played, the most first.
fn write_mix(clients: &BTreeMap<String, ClientLine>, page: &mut TextPage) {
    if clients.is_empty() {
        return;
    }
    let mut lines: Vec<_> = clients.iter().collect();
    lines.sort_by_key(|(_, line)| Reverse(line.offered));
    page.line(&format!(
        "  {:<14}{:>12}{:>12}{:>12}{:>12}{:>14}",
        "", "downloads", "recovered", "failed", "retries", "amplification"
    ));
    for (name, line) in lines {
        let counts = [line.offered, line.recovered, line.failed, line.retries].map(grouped);
        let [offered, recovered, failed, retries] = counts;
        page.line(&format!(
            "  {:<14}{offered:>12}{recovered:>12}{failed:>12}{retries:>12}{:>14.2}",
            safe(name),
            line.amplification
        ));
    }
}

fn write_storm(storm: &StormSection, run_s: f64, page: &mut TextPage) {
    page.heading("Storm");
    page.item(
        "fault",
        &format!("from second {} to {}", grouped(storm.fault_from_s), grouped(storm.fault_to_s)),
    );
    let rates = [
        ("first", storm.first_rate_during_fault_per_s),
        ("attempts", storm.attempt_rate_during_fault_per_s),
        ("goodput", storm.goodput_during_fault_per_s),
    ];
    for (name, rate) in rates {
        let more = if name == "attempts" {
            format!("  amplification {:.2}", storm.amplification_during_fault)
        } else {
            String::new()
        };
        page.item(name, &format!("{:>12}{more}", per_second(rate)));
    }
    page.item("failed", &format!("{:>12}  attempts in all", grouped(storm.failed_attempts)));
    page.item("plateau", &plateau(storm));
    page.item("recovered", &recovered(storm, run_s));
}

pub(crate) fn plateau(storm: &StormSection) -> String {
    storm.time_to_plateau_s.map_or_else(
        || "the load never levelled off".to_owned(),
        |after| format!("{} after the fault began", counted(after, "second")),
    )
}

/// When all was well again, in a run that counted for `run_s`.
pub(crate) fn recovered(storm: &StormSection, run_s: f64) -> String {
    match storm.time_to_recover_s {
        Some(after) => format!("{} after the fault ended", counted(after, "second")),
        None if run_s < approximate(storm.fault_to_s) + RECOVERY_CHECK_S => {
            "unknown: the run ended with the fault".to_owned()
        }
        None => "NOT within this run, although the fault had ended".to_owned(),
    }
}

/// For how many seconds a run counted, its last answers included.
pub(crate) fn counted_s(report: &RunReport) -> f64 {
    report.generator.wall_s - report.plan.warmup_s.unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_recovers_after_the_end_of_a_run() {
        let told = |time_to_recover_s, run_s| {
            recovered(&StormSection { fault_to_s: 20, time_to_recover_s, ..StormSection::default() }, run_s)
        };
        assert_eq!(told(Some(7), 30.0).replace('\u{a0}', " "), "7 seconds after the fault ended");
        assert!(told(None, 60.0).starts_with("NOT within"));
        assert!(told(None, 21.5).starts_with("unknown"));
    }
}
