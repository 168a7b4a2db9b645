//! The books in words: each an equation that balances.

use super::format::{TextPage, of};
use super::listed;
use crate::{Arrivals, RunReport};
use downpour_core::units::grouped;
use downpour_verify::Tier;
use std::collections::BTreeMap;

/// Each book's name and its equation.
pub(crate) type Equations = Vec<(&'static str, String)>;

pub(super) fn write(report: &RunReport, page: &mut TextPage) {
    page.heading("Accounting");
    for (name, equation) in equations(report) {
        page.item(name, &equation);
    }
}

pub(crate) fn equations(report: &RunReport) -> Equations {
    let mut books = Equations::new();
    let lines = &report.lines;
    let terms = [
        of(lines.accepted, "accepted"),
        of_reasons(&lines.skipped, "skipped"),
        of_reasons(&lines.rejected, "rejected"),
    ];
    equation(&mut books, "lines", &of(lines.read, "read"), &terms);
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
    equation(&mut books, "records", &total, &terms);
    if report.warmup.arrivals.offered > 0 {
        arrivals("warm-up", &report.warmup.arrivals, &mut books);
    }
    arrivals("arrivals", &report.arrivals, &mut books);
    let attempts = &report.attempts;
    let total = format!("{} first + {}", grouped(attempts.first), of(attempts.retries, "retries"));
    let terms = [
        of(attempts.completed, "answered"),
        of_reasons(&attempts.faults, "not answered"),
        of(attempts.unfinished, "unfinished"),
    ];
    equation(&mut books, "attempts", &total, &terms);
    let targets = &report.targets;
    let broken = |count: u64| (count > 0).then(|| of(count, "broken before"));
    let mut terms = vec![of(targets.checked, "checked")];
    terms.extend(broken(targets.broken));
    terms.push(of_reasons(&targets.unchecked, "unchecked"));
    equation(&mut books, "redirects", &of(targets.redirects, "seen"), &terms);
    if report.plan.verify_json.is_some()
        && let Some(json) = targets.tiers.get(Tier::Json.name())
    {
        let mut terms = vec![of(json.checked, "requested as JSON")];
        terms.extend(broken(json.broken));
        terms.push(of_reasons(&json.unchecked, "not requested"));
        equation(&mut books, "JSON", &of(targets.redirects, "redirects"), &terms);
    }
    if let Some(rules) = &report.rules {
        let terms = [of(rules.with_a_rule(), "with a rule"), of(rules.without, "without")];
        equation(&mut books, "rules", &of(attempts.completed, "answers"), &terms);
    }
    if report.plan.catalog.is_some() {
        let catalog = &report.catalog;
        let terms =
            [of(catalog.listed, "listed"), of(catalog.missing, "missing"), of(catalog.unnamed, "unnamed")];
        equation(&mut books, "catalogue", &of(targets.redirects, "redirects"), &terms);
    }
    books
}

fn arrivals(name: &'static str, arrivals: &Arrivals, books: &mut Equations) {
    let terms = [
        of(arrivals.passed, "passed"),
        of(arrivals.recovered, "recovered"),
        of(arrivals.failed, "failed"),
        of(arrivals.shed, "shed"),
        of(arrivals.unfinished, "unfinished"),
    ];
    equation(books, name, &of(arrivals.offered, "offered"), &terms);
}

fn of_reasons(counts: &BTreeMap<String, u64>, what: &str) -> String {
    // Someone else may have written these.
    let sum = counts.values().fold(0, |sum: u64, &count| sum.saturating_add(count));
    let total = of(sum, what);
    if counts.is_empty() { total } else { format!("{total} ({})", listed(counts)) }
}

fn equation(books: &mut Equations, name: &'static str, total: &str, terms: &[String]) {
    books.push((name, format!("{total} = {}", terms.join(" + "))));
}
