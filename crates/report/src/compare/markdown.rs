//! A comparison for a merge request: Markdown tables, at most 64 KiB or so.
//!
//! What came from a directory's name or a run's texts is escaped: no markup in
//! it works, and no bar in it breaks a table.

use super::headline::{condition_text, headline, main_differences, method, result_word, runs_not_passed};
use super::remarks::{LETTERS, plan_differences_text};
use super::{RunComparison, show, totals};
use crate::text::format::{safe, shortened};
use crate::text::headline as of_run;
use std::fmt::Write;

/// The longest text in a cell.
const LONGEST: usize = 600;

/// A comparison as Markdown.
pub fn markdown(comparison: &RunComparison<'_>) -> String {
    let mut page = String::new();
    let mut line = |text: &str| {
        page.push_str(text);
        page.push('\n');
    };
    let (word, sentence) = headline(comparison);
    line(&format!("## {word}: {}\n", plain(&sentence)));
    for side in runs_not_passed(comparison) {
        line(&format!("**{}**\n", plain(&side)));
    }
    line("| | run | verdict | candidate | started |\n|---|---|---|---|---|");
    for (letter, run) in LETTERS.iter().zip(&comparison.runs) {
        let plan = &run.report.plan;
        let verdict = of_run::verdict(run.report);
        let cells = [run.name, &verdict, &plan.target, &plan.started_at].map(plain);
        line(&format!("| **{letter}** | {} |", cells.join(" | ")));
    }
    line("");
    for sentence in main_differences(comparison) {
        line(&format!("- {}", plain(&sentence)));
    }
    for remark in &comparison.remarks {
        line(&format!("- Note: {}", plain(remark)));
    }
    if let Some(told) = plan_differences_text(&comparison.plan_differences) {
        line(&format!("\n{told}:\n\n| plan | A | B |\n|---|---|---|"));
        for difference in &comparison.plan_differences {
            let [key, a, b] = [&difference.key, &difference.a, &difference.b].map(|text| plain(text));
            line(&format!("| {key} | {a} | {b} |"));
        }
    }
    if !comparison.judged.is_empty() {
        line("\n| condition | | change |\n|---|---|---|");
        for judged in &comparison.judged {
            let (condition, told) = (judged.condition.to_string(), condition_text(judged));
            line(&format!("| {} | {} | {} |", plain(&condition), result_word(judged.result), plain(&told)));
        }
    }
    line("\n| | A | B | change | 95 % interval | |\n|---|--:|--:|--:|--:|---|");
    for group in &comparison.groups {
        line(&format!("| **{}** | | | | | |", group.title));
        for (name, change) in &group.rows {
            let number = |value| show::number(change.metric.unit, value);
            let cells = [
                name,
                &number(change.a),
                &number(change.b),
                &show::difference(change),
                &show::interval(change),
            ];
            let word = if change.kind.is_difference() {
                format!("**{}**", change.kind.text())
            } else {
                change.kind.text().to_owned()
            };
            line(&format!("| {} | {word} |", cells.map(|cell| plain(cell)).join(" | ")));
        }
    }
    line("| **Totals** | | | | | |");
    for (name, [a, b]) in totals(comparison) {
        line(&format!("| {} | {} | {} | | | |", plain(&name), plain(&a), plain(&b)));
    }
    line(&format!("\n{}", plain(&method(comparison))));
    page
}

/// A text without a meaning in Markdown or HTML.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in shortened(&safe(&text.replace('\u{a0}', " ")), LONGEST).chars() {
        match c {
            '<' => plain.push_str("&lt;"),
            '>' => plain.push_str("&gt;"),
            '&' => plain.push_str("&amp;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '~' | '#' | '!' => {
                write!(plain, "\\{c}").expect("a string takes what is written");
            }
            // No address becomes a link, and nobody is notified.
            '@' | ':' => write!(plain, "&#{};", u32::from(c)).expect("a string takes what is written"),
            _ => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_text() {
        assert_eq!(plain("<b>|`x`|\n@all"), "&lt;b&gt;\\|\\`x\\`\\|?&#64;all");
        assert_eq!(plain("http://x_y*"), "http&#58;//x\\_y\\*");
    }
}
