//! The books in words: each an equation that balances.

use super::format::{Page, of};
use super::listed;
use crate::report::RunReport;
use crate::units::grouped;
use std::collections::BTreeMap;

pub(super) fn write(report: &RunReport, page: &mut Page) {
    page.heading("Books");
    for (name, equation) in equations(report) {
        page.item(name, &equation);
    }
}

/// Each book's name and its equation.
pub(in crate::report) fn equations(report: &RunReport) -> [(&'static str, String); 5] {
    let lines = &report.lines;
    let terms = [
        of(lines.accepted, "accepted"),
        of_reasons(&lines.skipped, "skipped"),
        of_reasons(&lines.rejected, "rejected"),
    ];
    let of_lines = equation(&of(lines.read, "read"), &terms);
    let records = &report.records;
    let terms = [
        of(records.offered, "offered"),
        of_reasons(&records.filtered, "filtered"),
        of(records.sampled_out, "sampled out"),
        of(records.out_of_window, "out of window"),
        of(records.late, "late"),
    ];
    let accepted = of(records.accepted, "accepted");
    let total = match records.amplified {
        0 => accepted,
        copies => format!("{accepted} + {}", of(copies, "amplified")),
    };
    let of_records = equation(&total, &terms);
    let arrivals = &report.arrivals;
    let terms = [
        of(arrivals.passed, "passed"),
        of(arrivals.recovered, "recovered"),
        of(arrivals.failed, "failed"),
        of(arrivals.shed, "shed"),
        of(arrivals.cut, "cut"),
    ];
    let of_arrivals = equation(&of(arrivals.offered, "offered"), &terms);
    let attempts = &report.attempts;
    let total = format!("{} first + {}", grouped(attempts.first), of(attempts.retries, "retries"));
    let terms = [
        of(attempts.completed, "answered"),
        of_reasons(&attempts.faults, "not answered"),
        of(attempts.cut, "cut"),
    ];
    let of_attempts = equation(&total, &terms);
    let targets = &report.targets;
    let terms = [of(targets.checked, "checked"), of_reasons(&targets.unchecked, "unchecked")];
    let of_redirects = equation(&of(targets.redirects, "seen"), &terms);
    [
        ("lines", of_lines),
        ("records", of_records),
        ("arrivals", of_arrivals),
        ("attempts", of_attempts),
        ("redirects", of_redirects),
    ]
}

fn of_reasons(counts: &BTreeMap<String, u64>, what: &str) -> String {
    // Someone else may have written these.
    let sum = counts.values().fold(0, |sum: u64, &count| sum.saturating_add(count));
    let total = of(sum, what);
    if counts.is_empty() { total } else { format!("{total} ({})", listed(counts)) }
}

fn equation(total: &str, terms: &[String]) -> String {
    format!("{total} = {}", terms.join(" + "))
}
