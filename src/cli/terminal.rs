//! Texts on their way to a terminal, with nothing in them that would steer it.
//!
//! Messages repeat what files, run directories and servers hold, and those may
//! be written by anybody: an escape sequence changes the title of the window or
//! hides a line, a mark of direction turns a name round. Here, where messages
//! leave the program, all such characters become visible.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};
use tracing_subscriber::fmt::MakeWriter;

/// `text` with every character that is not to be seen written as `\u{1b}`. The
/// end of a line and a tab stay.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_hidden(character) {
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
        '\n' | '\t' => false,
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

/// Where log lines go: to stderr, made visible.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogLines;

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(visible(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for LogLines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(visible(text), expected);
    }

    #[test]
    fn what_steers_a_terminal_is_shown_instead() {
        check("b\u{1b}[31m.gz", "b\\u{1b}[31m.gz");
        check("\u{1b}]0;x\u{7}\u{202e}EVIL", "\\u{1b}]0;x\\u{7}\\u{202e}EVIL");
        check("a\r\u{9b}2J\u{200b}", "a\\u{d}\\u{9b}2J\\u{200b}");
        check("line 1\n\tline 2: \u{e4}\u{4e2d}\u{1f600}", "line 1\n\tline 2: \u{e4}\u{4e2d}\u{1f600}");
        assert!(matches!(visible("plain"), Cow::Borrowed(_)));
    }
}
