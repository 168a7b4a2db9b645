//! Numbers, texts and lines as the summary shows them.

use downpour_core::units::{approximate, grouped};
use std::borrow::Cow;

/// Columns of a page.
pub(super) const COLUMNS: usize = 80;

/// Columns before the text of a named item.
const ITEM_INDENT: usize = 13;

/// Text under construction: no line is wider than [`COLUMNS`].
#[derive(Debug, Default)]
pub(crate) struct TextPage(String);

impl TextPage {
    pub(crate) fn into_text(self) -> String {
        self.0
    }

    pub(crate) fn blank(&mut self) {
        self.0.push('\n');
    }

    pub(crate) fn heading(&mut self, text: &str) {
        self.blank();
        self.line(text);
    }

    /// One line, shortened if it must be.
    pub(crate) fn line(&mut self, text: &str) {
        self.0.push_str(&shortened(text.trim_end(), COLUMNS).replace(GLUE, " "));
        self.0.push('\n');
    }

    /// `  name       text`, wrapped under itself.
    pub(crate) fn item(&mut self, name: &str, text: &str) {
        // Columns within the text are kept where it fits.
        if ITEM_INDENT + text.chars().count() <= COLUMNS {
            self.line(&format!("  {name:<10} {text}"));
        } else {
            self.fill(&format!("  {name:<10} "), ITEM_INDENT, text);
        }
    }

    /// Words, wrapped, each line indented.
    pub(crate) fn wrapped(&mut self, indent: usize, text: &str) {
        self.fill(&" ".repeat(indent), indent, text);
    }

    fn fill(&mut self, first: &str, indent: usize, text: &str) {
        let mut line = first.to_owned();
        let mut width = first.chars().count();
        let mut fresh = true;
        // A percentage stays whole.
        let text = text.replace(" %", "\u{a0}%");
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let word = shortened(word, COLUMNS - indent);
            let length = word.chars().count();
            if !fresh && width + 1 + length > COLUMNS {
                self.line(&line);
                line = " ".repeat(indent);
                (width, fresh) = (indent, true);
            }
            if !fresh {
                line.push(' ');
                width += 1;
            }
            line.push_str(&word);
            width += length;
            fresh = false;
        }
        self.line(&line);
    }
}

/// A space that no line is broken at. Texts from outside never hold it.
const GLUE: char = '\u{a0}';

/// A count and what it counts, kept on one line.
pub(crate) fn of(count: u64, what: &str) -> String {
    format!("{} {what}", grouped(count)).replace(' ', "\u{a0}")
}

/// A count of things that have a plural: `1 thread`, `2 threads`.
pub(crate) fn counted(count: u64, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    of(count, &format!("{thing}{plural}"))
}

/// A text from outside, safe to print: a report may have been read from a file
/// that someone else wrote. The unit of our own times stays.
pub(crate) fn safe(text: &str) -> String {
    text.chars().map(|c| if matches!(c, ' '..='~' | 'µ') { c } else { '?' }).collect()
}

/// At most `width` characters. The middle is left out: a URL tells most at its
/// ends, and a host with a path glued to it stands at the beginning.
pub(crate) fn shortened(text: &str, width: usize) -> Cow<'_, str> {
    const GAP: &str = "...";
    let length = text.chars().count();
    if length <= width {
        return Cow::Borrowed(text);
    }
    let room = width.saturating_sub(GAP.len());
    let tail = room / 3;
    let head: String = text.chars().take(room - tail).collect();
    let tail: String = text.chars().skip(length - tail).collect();
    Cow::Owned(format!("{head}{GAP}{tail}"))
}

/// Microseconds in the unit that suits them, to three digits.
pub fn micros(micros: u64) -> String {
    // Each unit ends where the next would round to a whole.
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..999_500 => three_digits(approximate(micros) / 1e3, "ms"),
        _ => three_digits(approximate(micros) / 1e6, "s"),
    }
}

fn three_digits(value: f64, unit: &str) -> String {
    let decimals = usize::from(value < 9.995) + usize::from(value < 99.95);
    format!("{value:.decimals$} {unit}")
}

/// A length of time in seconds.
pub(crate) fn seconds(seconds: f64) -> String {
    format!("{seconds:.1} s")
}

/// A rate: whole from a hundred a second on.
pub(crate) fn per_second(rate: f64) -> String {
    if rate < 99.95 { format!("{rate:.1}/s") } else { format!("{}/s", grouped(whole(rate))) }
}

/// The nearest whole number; 0 for what is negative or no number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "this cast saturates")]
pub(crate) fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// `part` of `whole` in per cent. Never rounds something to nothing, nor almost
/// all to all.
pub(crate) fn share(part: u64, whole: u64) -> String {
    let percent = if whole == 0 { 0.0 } else { approximate(part) * 100.0 / approximate(whole) };
    match percent {
        p if part > 0 && p < 0.05 => "< 0.1 %".to_owned(),
        p if part < whole && p >= 99.95 => "> 99.9 %".to_owned(),
        p => format!("{p:.1} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(shown: impl AsRef<str>, expected: &str) {
        assert_eq!(shown.as_ref(), expected);
    }

    #[test]
    fn numbers_are_easy_on_the_eye() {
        check(grouped(0), "0");
        check(grouped(999), "999");
        check(grouped(1_000), "1,000");
        check(grouped(u64::MAX), "18,446,744,073,709,551,615");
        check(micros(0), "0 µs");
        check(micros(999), "999 µs");
        check(micros(1_000), "1.00 ms");
        check(micros(9_996), "10.0 ms");
        check(micros(99_960), "100 ms");
        check(micros(999_499), "999 ms");
        check(micros(999_500), "1.00 s");
        check(micros(3_600_000_000), "3600 s");
        check(per_second(4_700.02), "4,700/s");
        check(per_second(0.1), "0.1/s");
    }

    #[test]
    fn a_share_never_hides_what_is_there() {
        check(share(0, 10), "0.0 %");
        check(share(1, 1_000_000), "< 0.1 %");
        check(share(999_999, 1_000_000), "> 99.9 %");
        check(share(10, 10), "100.0 %");
        check(share(0, 0), "0.0 %");
    }

    #[test]
    fn a_long_url_keeps_its_host_and_its_end() {
        let url = format!("https://static.crates.iocrates/{}/x.crate", "a".repeat(500));
        let short = shortened(&url, 60);
        assert_eq!(short.len(), 60);
        assert!(short.starts_with("https://static.crates.iocrates/") && short.ends_with("/x.crate"));
        check(shortened("short", 60), "short");
    }

    #[test]
    fn lines_are_wrapped_and_never_too_wide() {
        let mut page = TextPage::default();
        page.item("name", &format!("{} {}", "word ".repeat(40), "x".repeat(300)));
        page.wrapped(4, &"y".repeat(300));
        let text = page.into_text();
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        assert!(text.starts_with("  name       word word"));
    }

    #[test]
    fn nothing_steers_the_terminal() {
        check(safe("a\u{1b}[2J\u{202e}\nb"), "a?[2J??b");
    }
}
