//! Where the candidate's answers differ from the control's.

use super::format::{COLUMNS, TextPage, of, safe, share, shortened};
use super::listed;
use crate::{ComparisonsLine, ControlExampleLine, ControlReport, RunReport};
use downpour_core::units::grouped;

/// Examples shown of each kind of difference.
const EXAMPLES_SHOWN: usize = 2;

pub(super) fn write(report: &RunReport, page: &mut TextPage) {
    let Some(control) = &report.control else { return };
    page.heading("Control");
    page.item("requests", &asked(report, control));
    row("differ", &control.candidate, page);
    row("noise", &control.noise, page);
    for (kind, &count) in &control.candidate.differences {
        page.line(&format!("  {:<28}{:>12}", safe(kind), grouped(count)));
        let mut examples = control.examples.iter().filter(|example| example.kind == *kind);
        examples.by_ref().take(EXAMPLES_SHOWN).for_each(|shown| example(shown, page));
    }
}

fn asked(report: &RunReport, control: &ControlReport) -> String {
    let (candidate, plan) = (&control.candidate, &report.plan);
    let whom = plan.control.as_deref().map_or_else(String::new, |url| format!("{}: ", safe(url)));
    let failed: u64 = candidate.failed.values().sum();
    let why = if failed == 0 { String::new() } else { format!(" ({})", listed(&candidate.failed)) };
    let not_compared: u64 = control.not_compared.values().sum();
    let why_not =
        if not_compared == 0 { String::new() } else { format!(" ({})", listed(&control.not_compared)) };
    format!(
        "{whom}{} = {} + {}{why}; {}{why_not}",
        of(candidate.asked, "sent"),
        of(candidate.compared, "compared"),
        of(failed, "failed"),
        of(not_compared, "not compared"),
    )
}

fn row(name: &str, comparisons: &ComparisonsLine, page: &mut TextPage) {
    let ComparisonsLine { compared, differing, .. } = *comparisons;
    let share = if compared == 0 { "unknown".to_owned() } else { share(differing, compared) };
    page.item(name, &format!("{:>12}  {share:>8}  of {}", grouped(differing), of(compared, "compared")));
}

fn example(example: &ControlExampleLine, page: &mut TextPage) {
    let mut line = |name: &str, text: &str| {
        page.line(&format!("      {name:<10}{}", shortened(&safe(text), COLUMNS - 16)));
    };
    line("path", &example.path);
    line("candidate", example.candidate.as_deref().unwrap_or("(none)"));
    line("control", example.control.as_deref().unwrap_or("(none)"));
}
