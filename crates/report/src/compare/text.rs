//! A comparison for a terminal: 80 columns, no colour, pure.

use super::headline::{condition_text, headline, main_differences, method, result_word, runs_not_passed};
use super::remarks::{LETTERS, plan_differences_text};
use super::{Change, RunComparison, show};
use crate::text::format::{TextPage, safe, shortened};
use crate::text::headline as of_run;

/// Columns of a terminal.
const WIDTH: usize = 80;

/// Spaces between two columns of a table.
const GAP: &str = "  ";

/// A comparison as text.
pub fn text(comparison: &RunComparison<'_>) -> String {
    let mut page = TextPage::default();
    let (word, sentence) = headline(comparison);
    for side in runs_not_passed(comparison) {
        page.wrapped(0, &format!("! {side}"));
    }
    page.wrapped(0, &format!("{word}: {sentence}"));
    page.blank();
    for (letter, run) in LETTERS.iter().zip(&comparison.runs) {
        page.line(&format!("  {letter}  {}", shortened(&safe(run.name), 70)));
        page.wrapped(5, &of_run::verdict(run.report));
        let plan = &run.report.plan;
        page.wrapped(5, &format!("{}, {}", safe(&plan.target), safe(&plan.started_at)));
    }
    let told = main_differences(comparison);
    if !told.is_empty() {
        page.blank();
    }
    for sentence in told {
        page.wrapped(2, &sentence);
    }
    if !comparison.remarks.is_empty() {
        page.blank();
    }
    for remark in &comparison.remarks {
        page.wrapped(2, &format!("Note: {remark}."));
    }
    plans(comparison, &mut page);
    conditions(comparison, &mut page);
    for group in &comparison.groups {
        page.heading(group.title);
        let head = ["", "A", "B", "change", "95 % interval", ""].map(str::to_owned);
        let rows = group.rows.iter().map(|(name, change)| row_of(name, change));
        let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
        for line in table(&rows) {
            page.line(&line);
        }
    }
    targets(comparison, &mut page);
    page.blank();
    page.wrapped(0, &method(comparison));
    page.into_text()
}

fn plans(comparison: &RunComparison<'_>, page: &mut TextPage) {
    let Some(told) = plan_differences_text(&comparison.plan_differences) else { return };
    page.heading(&told);
    for difference in &comparison.plan_differences {
        let (a, b) = (shortened(&difference.a, 26), shortened(&difference.b, 26));
        page.line(&format!("  {:<18}  {a:<26}  {b:<26}", difference.key));
    }
}

fn conditions(comparison: &RunComparison<'_>, page: &mut TextPage) {
    if comparison.judged.is_empty() {
        return;
    }
    page.heading("Conditions");
    for judged in &comparison.judged {
        let condition = safe(&judged.condition.to_string());
        page.item(result_word(judged.result), &format!("{condition}: {}", condition_text(judged)));
    }
}

/// Name, A, B, change, interval and word.
fn row_of(name: &str, change: &Change) -> [String; 6] {
    let number = |value| show::number(change.metric.unit, value);
    [
        shortened(&safe(name), 26).into_owned(),
        number(change.a),
        number(change.b),
        show::difference(change),
        show::interval(change),
        change.kind.text().to_owned(),
    ]
}

/// Columns that are as wide as their widest cell, the first and the last to the
/// left. Where that is too wide for a terminal, each row takes two lines.
fn table(rows: &[[String; 6]]) -> Vec<String> {
    const LEAST: [usize; 6] = [13, 7, 7, 7, 16, 0];
    let mut widths = LEAST;
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let padded = |row: &[String; 6], columns: std::ops::Range<usize>| {
        let cells = columns.map(|n| match n {
            0 | 5 => format!("{:<1$}", row[n], widths[n]),
            _ => format!("{:>1$}", row[n], widths[n]),
        });
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    };
    let gaps = GAP.len() * widths.len();
    let is_too_wide = widths.iter().sum::<usize>() + gaps > WIDTH;
    let mut lines = Vec::new();
    for row in rows {
        if is_too_wide {
            lines.push(format!("{GAP}{}", padded(row, 0..4)));
            let rest = padded(row, 4..6);
            lines.extend((!rest.trim().is_empty()).then(|| format!("{GAP}{GAP}{rest}")));
        } else {
            lines.push(format!("{GAP}{}", padded(row, 0..6)));
        }
    }
    lines
}

fn targets(comparison: &RunComparison<'_>, page: &mut TextPage) {
    page.heading("Totals, without intervals");
    let rows = super::totals(comparison).into_iter().map(|(name, [a, b])| {
        let nothing = String::new;
        [shortened(&name, 26).into_owned(), a, b, nothing(), nothing(), nothing()]
    });
    for line in table(&rows.collect::<Vec<_>>()) {
        page.line(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wide_numbers_do_not_touch() {
        let row = ["latency p99", "1.20 s", "1.16 s", "-40.5 ms", "-52.6 ms to +645 ms", "indistinguishable"];
        let lines = table(&[row.map(str::to_owned)]);
        assert_eq!(
            lines,
            ["  latency p99     1.20 s   1.16 s  -40.5 ms", "    -52.6 ms to +645 ms  indistinguishable"]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn two_spaces_lie_between_any_two_cells(
            rows in prop::collection::vec(prop::array::uniform6("[a-z0-9%+-]{1,30}"), 1..5),
        ) {
            let found = table(&rows).join("\n");
            let cells: Vec<_> = found.split(['\n']).flat_map(|line| line.split("  ")).map(str::trim).collect();
            let cells: Vec<_> = cells.into_iter().filter(|cell| !cell.is_empty()).collect();
            let expected: Vec<_> = rows.iter().flatten().map(String::as_str).collect();
            prop_assert_eq!(cells, expected);
        }
    }
}
