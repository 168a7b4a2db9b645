//! Colours for a summary that a person looks at on a terminal.
//!
//! Only what decides is coloured: the verdict, what was not checked, thresholds
//! that were broken, and headings are set off. Without its colours the text is
//! the same.

use anstyle::{AnsiColor, Style};
use std::fmt::Write;

/// A summary with colours.
pub fn painted(summary: &str) -> String {
    let mut out = String::with_capacity(summary.len() + 256);
    let mut verdict_is_due = true;
    for line in summary.split_inclusive('\n') {
        let text = line.trim_end_matches('\n');
        let verdict = verdict(text).filter(|_| verdict_is_due);
        let (style, styled) = match verdict {
            Some(found) => found,
            None if text.starts_with("! ") => (coloured(AnsiColor::Red), text),
            None if text.starts_with("  VIOLATED ") => (coloured(AnsiColor::Red), text),
            None if is_heading(text) && !verdict_is_due => (Style::new().bold(), text),
            None => (Style::new(), ""),
        };
        verdict_is_due &= verdict.is_none();
        let rest = line.strip_prefix(styled).unwrap_or(line);
        let written = if styled.is_empty() {
            out.write_str(line)
        } else {
            write!(out, "{style}{styled}{style:#}{rest}")
        };
        // A string takes whatever is written to it.
        written.unwrap_or_default();
    }
    out
}

fn coloured(colour: AnsiColor) -> Style {
    Style::new().bold().fg_color(Some(colour.into()))
}

/// The word of a verdict, up to its colon.
fn verdict(line: &str) -> Option<(Style, &str)> {
    let (word, _) = line.split_once(':')?;
    let colour = match word {
        "PASSED" => AnsiColor::Green,
        "FAILED" => AnsiColor::Red,
        "INVALID" | "INTERRUPTED" => AnsiColor::Yellow,
        _ => return None,
    };
    Some((coloured(colour), word))
}

/// A line at the margin that is no sentence.
fn is_heading(line: &str) -> bool {
    line.starts_with(char::is_uppercase) && !line.contains([':', '.', ',']) && line.len() < 40
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_is_coloured_and_nothing_else() {
        let plain = "! redirects were NOT judged\nFAILED: 1 of 2\ndownloads failed\n\nThresholds\n  VIOLATED x\n  \
                     met      y\n\nAccounting\n  lines\n";
        let colours = painted(plain);
        assert_eq!(
            colours,
            "\u{1b}[1m\u{1b}[31m! redirects were NOT judged\u{1b}[0m\n\u{1b}[1m\u{1b}[31mFAILED\u{1b}[0m: 1 of 2\n\
             downloads failed\n\n\u{1b}[1mThresholds\u{1b}[0m\n\u{1b}[1m\u{1b}[31m  VIOLATED x\u{1b}[0m\n  met      y\n\n\
             \u{1b}[1mAccounting\u{1b}[0m\n  lines\n"
        );
        assert_eq!(anstream::adapter::strip_str(&colours).to_string(), plain);
    }
}
