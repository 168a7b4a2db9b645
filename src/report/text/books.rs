//! The books in words: each an equation that balances.

use super::format::{Page, of};
use super::listed;
use crate::report::{Arrivals, RunReport};
use crate::units::grouped;
use std::collections::BTreeMap;

pub(super) fn write(report: &RunReport, page: &mut Page) {
    page.heading("Books");
    let lines = &report.lines;
    let terms = [
        of(lines.accepted, "accepted"),
        of_reasons(&lines.skipped, "skipped"),
        of_reasons(&lines.rejected, "rejected"),
    ];
    equation(page, "lines", &of(lines.read, "read"), &terms);
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
    equation(page, "records", &total, &terms);
    if report.warmup.arrivals.offered > 0 {
        arrivals("warm-up", &report.warmup.arrivals, page);
    }
    arrivals("arrivals", &report.arrivals, page);
    let attempts = &report.attempts;
    let total = format!("{} first + {}", grouped(attempts.first), of(attempts.retries, "retries"));
    let terms = [
        of(attempts.completed, "answered"),
        of_reasons(&attempts.faults, "not answered"),
        of(attempts.cut, "cut"),
    ];
    equation(page, "attempts", &total, &terms);
    let targets = &report.targets;
    let terms = [of(targets.checked, "checked"), of_reasons(&targets.unchecked, "unchecked")];
    equation(page, "redirects", &of(targets.redirects, "seen"), &terms);
    if report.plan.catalog.is_some() {
        let catalog = &report.catalog;
        let terms =
            [of(catalog.listed, "listed"), of(catalog.missing, "missing"), of(catalog.unnamed, "unnamed")];
        equation(page, "catalogue", &of(targets.redirects, "redirects"), &terms);
    }
}

fn arrivals(name: &str, arrivals: &Arrivals, page: &mut Page) {
    let terms = [
        of(arrivals.passed, "passed"),
        of(arrivals.recovered, "recovered"),
        of(arrivals.failed, "failed"),
        of(arrivals.shed, "shed"),
        of(arrivals.cut, "cut"),
    ];
    equation(page, name, &of(arrivals.offered, "offered"), &terms);
}

fn of_reasons(counts: &BTreeMap<String, u64>, what: &str) -> String {
    let total = of(counts.values().sum(), what);
    if counts.is_empty() { total } else { format!("{total} ({})", listed(counts)) }
}

fn equation(page: &mut Page, name: &str, total: &str, terms: &[String]) {
    page.item(name, &format!("{total} = {}", terms.join(" + ")));
}
