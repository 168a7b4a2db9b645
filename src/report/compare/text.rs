//! A comparison for a terminal: 80 columns, no colour, pure.

use super::headline::{condition_told, headline, held_word, method, told};
use super::remarks::{LETTERS, plans_told};
use super::{Change, Comparison, show};
use crate::report::text::format::{Page, safe, shortened};
use crate::report::text::headline as of_run;

/// A comparison as text.
pub fn text(comparison: &Comparison<'_>) -> String {
    let mut page = Page::default();
    let (word, sentence) = headline(comparison);
    page.wrapped(0, &format!("{word}: {sentence}"));
    page.blank();
    for (letter, run) in LETTERS.iter().zip(&comparison.runs) {
        page.line(&format!("  {letter}  {}", shortened(&safe(run.name), 70)));
        page.wrapped(5, &of_run::verdict(run.report));
        let plan = &run.report.plan;
        page.wrapped(5, &format!("{}, {}", safe(&plan.target), safe(&plan.started_at)));
    }
    let told = told(comparison);
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
        page.line(&row(["", "A", "B", "change", "95 % of the time", ""]));
        for (name, change) in &group.rows {
            page.line(&row_of(name, change));
        }
    }
    targets(comparison, &mut page);
    page.blank();
    page.wrapped(0, &method(comparison));
    page.into_text()
}

fn plans(comparison: &Comparison<'_>, page: &mut Page) {
    let Some(told) = plans_told(&comparison.plan_differences) else { return };
    page.heading(&told);
    for difference in &comparison.plan_differences {
        let (a, b) = (shortened(&difference.a, 26), shortened(&difference.b, 26));
        page.line(&format!("  {:<18}  {a:<26}  {b:<26}", difference.key));
    }
}

fn conditions(comparison: &Comparison<'_>, page: &mut Page) {
    if comparison.judged.is_empty() {
        return;
    }
    page.heading("Conditions");
    for judged in &comparison.judged {
        let condition = safe(&judged.condition.to_string());
        page.item(held_word(judged.held), &format!("{condition}: {}", condition_told(judged)));
    }
}

fn row_of(name: &str, change: &Change) -> String {
    let number = |value| show::number(change.metric.unit, value);
    let (a, b) = (number(change.a), number(change.b));
    let (difference, interval) = (show::difference(change), show::interval(change));
    row([&shortened(&safe(name), 18), &a, &b, &difference, &interval, change.word.text()])
}

/// Names may be long where numbers are short, and the other way round.
fn row([name, a, b, change, interval, word]: [&str; 6]) -> String {
    let room = 12_usize.max(name.chars().count());
    let narrower = room - 12;
    let first = 9_usize.saturating_sub(narrower);
    format!("  {name:<room$}{a:>first$}{b:>10}{change:>10}{interval:>19} {word}")
}

fn targets(comparison: &Comparison<'_>, page: &mut Page) {
    let rows = super::totals(comparison);
    page.heading("Totals, without intervals");
    for (name, [a, b]) in rows {
        page.line(&row([&shortened(&name, 18), &a, &b, "", "", ""]));
    }
}
