//! The storm in words: what a fault made of the load, and whether it passed.

use super::format::{Page, counted, per_second};
use crate::report::{RunReport, StormSection};
use crate::units::grouped;

pub(super) fn write(report: &RunReport, page: &mut Page) {
    let Some(storm) = &report.storm else { return };
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
    page.item("recovered", &recovered(storm));
}

fn plateau(storm: &StormSection) -> String {
    storm.time_to_plateau_s.map_or_else(
        || "the load was never level".to_owned(),
        |after| format!("{} after the fault began", counted(after, "second")),
    )
}

fn recovered(storm: &StormSection) -> String {
    storm.time_to_recover_s.map_or_else(
        || "NOT within this run, though the fault was over".to_owned(),
        |after| format!("{} after the fault was over", counted(after, "second")),
    )
}
