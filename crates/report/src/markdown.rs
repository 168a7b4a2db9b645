//! A run in a screenful of Markdown, for a pull request or the page of a job.
//!
//! The verdict and why, the load, the clocks side by side, the faults with an
//! example each. What came from logs and servers stands in code spans or has its
//! punctuation escaped, so that it is text, whatever it holds; lists and texts
//! are bounded. Pure.

use super::text::format::{safe, share, shortened};
use super::text::headline::{fault_sentence, invalid_reason_sentence, is_retried, outcomes, verdict, warmup};
use super::text::rules::judged;
use super::text::thresholds;
use super::text::{STATISTICS, asked, rate_of};
use super::{FaultLine, RunReport, Verdict};
use downpour_core::units::grouped;
use std::fmt::{self, Write};

/// Faults told, each with an example.
const FAULTS: usize = 10;

/// Thresholds told.
const THRESHOLDS: usize = 50;

/// Reasons and warnings told.
const REASONS: usize = 10;

/// The longest sentence.
const SENTENCE: usize = 400;

/// The longest path or Location.
const CODE: usize = 200;

/// The summary in GitHub's Markdown.
pub fn markdown(report: &RunReport) -> String {
    let mut out = String::new();
    // A string takes whatever is written to it.
    write(report, &mut out).unwrap_or_default();
    out
}

fn write(report: &RunReport, out: &mut String) -> fmt::Result {
    let verdict = verdict(report);
    let (word, sentence) = verdict.split_once(": ").unwrap_or((&verdict, ""));
    let mark = match report.verdict {
        Verdict::Passed => "✅",
        Verdict::Failed => "❌",
        Verdict::Invalid | Verdict::Interrupted => "⚠️",
    };
    writeln!(out, "### {mark} downpour: {}\n\n{}\n", word.to_lowercase(), prose(sentence))?;
    writeln!(out, "{}\n", prose(&asked(report)))?;
    for reason in report.invalid_reasons.iter().take(REASONS) {
        writeln!(
            out,
            "- **{}**\n  Remedy: {}",
            prose(&invalid_reason_sentence(report, reason)),
            prose(&reason.remedy)
        )?;
    }
    for fault in outcomes(report).take(FAULTS) {
        writeln!(out, "- {}", prose(&fault_sentence(report, fault)))?;
    }
    for warning in report.warnings.iter().take(REASONS) {
        writeln!(out, "- Note: {}", prose(&warning.detail))?;
    }
    if let Some(judged) = judged(report) {
        writeln!(out, "- {}.", prose(&judged))?;
    }
    if report.warmup.seconds > 0.0 {
        writeln!(out, "- {}", prose(&warmup(report)))?;
    }
    if let Some(why) = &report.aborted {
        writeln!(out, "- {}", prose(&thresholds::aborted(report, why)))?;
    }
    write_thresholds(report, out)?;
    load(report, out)?;
    write_time_metrics(report, out)?;
    faults(report, out)?;
    warned(report, out)
}

fn write_thresholds(report: &RunReport, out: &mut String) -> fmt::Result {
    if report.thresholds.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n| threshold | value | | |\n|---|---:|---|---|")?;
    for line in report.thresholds.iter().take(THRESHOLDS) {
        let value = prose(&thresholds::value(line));
        let room: Vec<_> = std::iter::once(thresholds::room(line)).chain(thresholds::few(line)).collect();
        let room = prose(&room.join("; "));
        let word = if line.passed { "met" } else { "**violated**" };
        writeln!(out, "| {} | {value} | {word} | {room} |", code(&line.expression, CodeContext::Cell))?;
    }
    Ok(())
}

fn load(report: &RunReport, out: &mut String) -> fmt::Result {
    let rate = &report.rate;
    writeln!(out, "\n| | count | rate |\n|---|---:|---:|")?;
    for (name, count, rate) in [
        ("offered", report.arrivals.offered, rate.offered_per_s),
        ("sent", report.attempts.sent, rate.sent_per_s),
        ("completed", report.attempts.completed, rate.completed_per_s),
    ] {
        writeln!(out, "| {name} | {} | {} |", grouped(count), rate_of(count, rate))?;
    }
    if report.attempts.retries > 0 {
        let amplification = report.attempts.amplification;
        writeln!(out, "| retries | {} | ×{amplification:.2} |", grouped(report.attempts.retries))?;
    }
    Ok(())
}

fn write_time_metrics(report: &RunReport, out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "\n| | latency (good) | latency (failed) | service time | send delay |\n|---|---:|---:|---:|---:|"
    )?;
    let columns = [&report.latency_us, &report.latency_failed_us, &report.service_us, &report.lateness_us];
    for statistic in STATISTICS {
        let cells = columns.map(|times| statistic.text(times));
        writeln!(out, "| {} | {} |", statistic.name, cells.join(" | "))?;
    }
    Ok(())
}

fn faults(report: &RunReport, out: &mut String) -> fmt::Result {
    if report.faults.is_empty() {
        return Ok(());
    }
    // Where clients tried again, failed downloads do not tell all of it.
    let by_attempts = report.faults.iter().any(is_retried);
    let (more, line) = if by_attempts { (" attempts | recovered |", "---:|---:|") } else { ("", "") };
    writeln!(out, "\n| fault | count | share |{more} seconds | meaning |\n|---|---:|---:|{line}---:|---|")?;
    for fault in report.faults.iter().take(FAULTS) {
        let FaultLine { id, meaning, first_s, last_s, .. } = fault;
        let share = share(fault.arrivals(), report.arrivals.offered);
        let more = if by_attempts {
            format!(" {} | {} |", grouped(fault.attempts), grouped(fault.saved_by_retries))
        } else {
            String::new()
        };
        writeln!(
            out,
            "| {} | {} | {share} |{more} {first_s:.0} to {last_s:.0} | {} |",
            code(id, CodeContext::Cell),
            grouped(fault.arrivals()),
            prose(meaning)
        )?;
    }
    let left_out = report.faults.len().saturating_sub(FAULTS);
    if left_out > 0 {
        writeln!(out, "\n{left_out} more kinds of fault are in the report.")?;
    }
    for fault in report.faults.iter().take(FAULTS) {
        let Some(example) = fault.examples.first() else { continue };
        write!(out, "\n{}: {}", code(&fault.id, CodeContext::Text), code(&example.path, CodeContext::Text))?;
        if let Some(location) = &example.location {
            write!(out, " → {}", code(location, CodeContext::Text))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn warned(report: &RunReport, out: &mut String) -> fmt::Result {
    if report.warned.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n| warning (does not fail the run) | answers | share | meaning | example |\n|---|---:|---:|---|---|"
    )?;
    for line in report.warned.iter().take(FAULTS) {
        let share = share(line.answers, report.attempts.completed);
        let example =
            line.examples.first().map(|example| code(&example.path, CodeContext::Cell)).unwrap_or_default();
        let (id, answers) = (code(&line.id, CodeContext::Cell), grouped(line.answers));
        writeln!(out, "| {id} | {answers} | {share} | {} | {example} |", prose(&line.meaning))?;
    }
    Ok(())
}

/// Where a code span stands: in a table, a bar must be escaped even in code.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CodeContext {
    Text,
    Cell,
}

/// A text from outside as code. Nothing ends a code span but a backtick.
fn code(text: &str, place: CodeContext) -> String {
    let text = shortened(&safe(text), CODE).replace('`', "'");
    let text = if place == CodeContext::Cell { text.replace('|', "\\|") } else { text };
    if text.trim().is_empty() { "`(empty)`".to_owned() } else { format!("`{text}`") }
}

/// A sentence that may hold texts from outside. Escaped punctuation makes no
/// markup, and neither a link of its own nor a mention of somebody.
fn prose(text: &str) -> String {
    let text = safe(&text.replace('\u{a0}', " "));
    let mut out = String::with_capacity(text.len());
    let text = shortened(&text, SENTENCE);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '@' => out.push_str("(at)"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '|' | '!' | '~' | '&'
            | '$' => {
                out.push('\\');
                out.push(letter);
            }
            // What begins a link: a scheme's colon, or the first dot of www.
            ':' | '.' if letters.peek() == Some(&'/') || out.ends_with(['w', 'W']) => {
                out.push('\\');
                out.push(letter);
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(shown: &str, expected: &str) {
        assert_eq!(shown, expected);
    }

    #[test]
    fn texts_from_outside_are_texts() {
        check(&code("/a`b`|<i>", CodeContext::Text), "`/a'b'|<i>`");
        check(&code("/a|b", CodeContext::Cell), "`/a\\|b`");
        check(&code(" \u{1b}", CodeContext::Text), "` ?`");
        check(&code("", CodeContext::Text), "`(empty)`");
        check(
            &prose("<img src=x> **b** [l](http://x) @me"),
            "\\<img src=x\\> \\*\\*b\\*\\* \\[l\\](http\\://x) (at)me",
        );
        check(&prose("to www.x"), "to www\\.x");
        assert!(code(&"x".repeat(1 << 20), CodeContext::Text).len() < 210);
    }
}
