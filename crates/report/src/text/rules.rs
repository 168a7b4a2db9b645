//! How much of a run its rules judged.

use super::format::{COLUMNS, TextPage, safe, shortened};
use crate::RunReport;
use downpour_core::units::grouped;

pub(super) fn write(report: &RunReport, page: &mut TextPage) {
    let (Some(rules), Some(judged)) = (&report.rules, judged(report)) else { return };
    page.heading("Rules");
    page.line(&format!("  {judged}"));
    for line in &rules.judged {
        let pattern = safe(&line.r#match);
        page.line(&format!("  {:>12}  {}", grouped(line.count), shortened(&pattern, COLUMNS - 16)));
    }
    if rules.others_judged > 0 {
        page.line(&format!("  {:>12}  other rules", grouped(rules.others_judged)));
    }
}

/// How many requests have a rule, in a sentence; nothing without rules.
pub(crate) fn judged(report: &RunReport) -> Option<String> {
    let rules = report.rules.as_ref()?;
    let with = rules.with_a_rule();
    let all = grouped(with.saturating_add(rules.without));
    // A request that is tried again has several answers.
    Some(if report.attempts.retries == 0 {
        format!("{} of {all} requests have a rule", grouped(with))
    } else {
        format!("{} of {all} answers were judged by a rule", grouped(with))
    })
}
