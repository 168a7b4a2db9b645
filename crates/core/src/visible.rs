//! Makes characters visible that could control a terminal or mislead a reader.
//!
//! Messages and results repeat text from files, run directories and servers. An
//! attacker may have written it: an escape sequence can change the title of the
//! window or hide a line, and a direction mark can reverse a name. This module
//! replaces all such characters by visible ones. Text from a log or a server that
//! a report keeps is made ASCII where it is stored.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Writes every invisible character of `text` like `\u{1b}`. Line feeds and tabs
/// stay.
///
/// ```
/// assert_eq!(downpour_core::visible::text("a\u{202e}b\n"), "a\\u{202e}b\n");
/// ```
pub fn text(text: &str) -> Cow<'_, str> {
    escaped(text, |character| is_hidden(character) && !matches!(character, '\n' | '\t'))
}

/// The same for text that must stay on one line, such as a name in a table.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_hidden)
}

fn escaped(text: &str, hides: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&hides) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if hides(character) {
            write!(shown, "{}", character.escape_unicode()).unwrap_or_default();
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Control characters, and those of Unicode's format characters that change
/// direction or have no width (UAX #9 §2, UTS #39 §3.1).
fn is_hidden(character: char) -> bool {
    match character {
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => true,
        other => other.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: &str, expected: &str) {
        assert_eq!(text(given), expected);
    }

    #[test]
    fn what_steers_a_terminal_is_shown_instead() {
        check("b\u{1b}[31m.gz", "b\\u{1b}[31m.gz");
        check("\u{1b}]0;x\u{7}\u{202e}EVIL", "\\u{1b}]0;x\\u{7}\\u{202e}EVIL");
        check("a\r\u{9b}2J\u{200b}", "a\\u{d}\\u{9b}2J\\u{200b}");
        check("line 1\n\tline 2: \u{e4}\u{4e2d}\u{1f600}", "line 1\n\tline 2: \u{e4}\u{4e2d}\u{1f600}");
        assert!(matches!(text("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_line_stays_one() {
        assert_eq!(line("a\nwarning  b\t"), "a\\u{a}warning  b\\u{9}");
    }
}
