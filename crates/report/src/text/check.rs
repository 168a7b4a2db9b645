//! The summary of a check: what is broken and what that does to clients. What
//! was measured on the way is of no interest and not shown.

use super::format::{TextPage, counted, safe, seconds, share};
use super::{accounting, answers, faults, headline, rules, thresholds, transitions};
use crate::{FaultLine, RunReport};
use downpour_core::units::grouped;
use downpour_verify::Tier;

/// Examples shown of each fault.
const EXAMPLES_SHOWN: usize = 5;

pub(super) fn write(report: &RunReport, page: &mut TextPage) {
    headline::opening(report, page);
    page.blank();
    page.wrapped(2, &asked(report));
    thresholds::write(report, page);
    broken(report, page);
    faults::warnings(report, page);
    checked(report, page);
    rules::write(report, page);
    answers(report, page);
    transitions::write(report, page);
    faults::hosts(report, page);
    accounting::write(report, page);
    if !report.faults.is_empty() {
        page.blank();
        page.line("Run downpour explain ID for the meaning of a fault and what to do.");
    }
}

fn asked(report: &RunReport) -> String {
    let plan = &report.plan;
    let inputs: Vec<_> = plan.inputs.iter().map(|input| safe(&input.name)).collect();
    format!(
        "{} of {}, each sent once to {}, in {}.",
        counted(report.arrivals.offered, "distinct request"),
        inputs.join(" "),
        safe(&plan.target),
        seconds(report.generator.wall_s)
    )
}

fn broken(report: &RunReport, page: &mut TextPage) {
    if !report.faults.is_empty() {
        page.heading("Faults");
    }
    for fault in &report.faults {
        fault_line(report, fault, page);
        for shown in fault.examples.iter().take(EXAMPLES_SHOWN) {
            faults::example(shown, page);
        }
    }
}

fn fault_line(report: &RunReport, fault: &FaultLine, page: &mut TextPage) {
    let share = share(fault.arrivals(), report.arrivals.offered);
    page.line(&format!("  {:<28}{:>12}  {share:>8}", safe(&fault.id), grouped(fault.arrivals())));
    faults::explanation(fault, page);
}

/// How many redirects were judged at each tier.
fn checked(report: &RunReport, page: &mut TextPage) {
    page.heading("Redirects checked");
    let depth = report.plan.verify;
    let is_on = |tier| depth.covers(tier) && (tier != Tier::Json || report.plan.verify_json.is_some());
    for tier in Tier::ALL {
        let told = match report.targets.tiers.get(tier.name()) {
            Some(line) if is_on(tier) => {
                let all = report.targets.redirects;
                let broken =
                    (line.broken > 0).then(|| format!("{}\u{a0}broken before", grouped(line.broken)));
                let unchecked = line.unchecked.iter();
                let unchecked =
                    unchecked.map(|(why, &count)| format!("{}\u{a0}{}", safe(why), grouped(count)));
                let rest: Vec<_> = broken.into_iter().chain(unchecked).collect();
                let rest = if rest.is_empty() { String::new() } else { format!(" ({})", rest.join(", ")) };
                format!("{} of {}{rest}", grouped(line.checked), grouped(all))
            }
            Some(_) | None => "off".to_owned(),
        };
        page.item(tier.name(), &told);
    }
}
