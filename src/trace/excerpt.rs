//! A line that was rejected, made fit to be shown to an operator.
//!
//! Whoever asks why lines were lost must see one. What a line may hold of people
//! and secrets is replaced: addresses, values of queries and of other pairs, what
//! stands before an `@`, long opaque words. What is left is printable ASCII and
//! short.

use super::scrub::Scrub;
use memchr::{memchr, memchr_iter};
use std::borrow::Cow;

/// How much of a line is looked at, in bytes.
const MAX_SCANNED: usize = 600;

/// The longest example, in characters.
const MAX_EXCERPT: usize = 200;

/// Letters and digits in a row, of both kinds, from which on they are a secret
/// or an identifier and not a word.
const MIN_OPAQUE_LEN: usize = 24;

/// A line as an example.
pub(crate) fn redacted_excerpt(line: &[u8]) -> String {
    let is_whole = line.len() <= MAX_SCANNED;
    let line = line.get(..MAX_SCANNED).unwrap_or(line);
    let mut out = Vec::with_capacity(line.len());
    let mut from = 0;
    let ends = line.iter().enumerate().filter(|(_, byte)| b" \t\",;|<>()'".contains(byte));
    for end in ends.map(|(at, _)| at).chain([line.len()]) {
        out.extend_from_slice(&masked(&line[from..end]));
        out.extend(line.get(end));
        from = end + 1;
    }
    let text = out.escape_ascii().to_string();
    // Quotes and backslashes are harmless and common here.
    let text = text.replace("\\\"", "\"").replace("\\'", "'").replace("\\\\", "\\");
    if is_whole && text.len() <= MAX_EXCERPT {
        return text;
    }
    text.chars().take(MAX_EXCERPT - 3).chain("...".chars()).collect()
}

fn masked(word: &[u8]) -> Cow<'_, [u8]> {
    if is_like_an_address(word) {
        return Cow::Borrowed(b"ADDRESS");
    }
    let word = match memchr::memrchr(b'@', word) {
        Some(at) => Cow::Owned([b"x", &word[at..]].concat()),
        None => Cow::Borrowed(word),
    };
    let word = if word.contains(&b'?') {
        Scrub::default().replacement(&word).map_or(word, Cow::Owned)
    } else if let Some(equals) = memchr(b'=', &word).filter(|equals| equals + 1 < word.len()) {
        Cow::Owned([&word[..=equals], b"xxx"].concat())
    } else {
        word
    };
    without_opaque(word)
}

fn is_like_an_address(word: &[u8]) -> bool {
    let count = |wanted: u8| memchr_iter(wanted, word).count();
    let is_clock = word.len() == 8 && count(b':') == 2 && count(b'.') == 0;
    let is_made_of = word.iter().all(|b| b.is_ascii_hexdigit() || b".:[]".contains(b));
    is_made_of && !is_clock && (count(b'.') == 3 || count(b':') >= 2)
}

fn without_opaque(word: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if word.len() < MIN_OPAQUE_LEN {
        return word;
    }
    let mut out = word.clone().into_owned();
    for run in out.split_mut(|b| !b.is_ascii_alphanumeric()) {
        let has_both = run.iter().any(u8::is_ascii_digit) && run.iter().any(u8::is_ascii_alphabetic);
        if run.len() >= MIN_OPAQUE_LEN && has_both {
            run.fill(b'x');
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        assert_eq!(redacted_excerpt(line.as_bytes()), expected);
    }

    #[test]
    fn what_tells_of_people_is_replaced() {
        check(
            "192.0.2.1 - - [05/Mar/2026:14:03:07 +0000] \"GET /x?token=secret HTTP/1.1\" 200",
            "ADDRESS - - [05/Mar/2026:14:03:07 +0000] \"GET /x?token=xxxxxx HTTP/1.1\" 200",
        );
        check("2001:db8::1 14:03:07 [2001:db8::1]:443", "ADDRESS 14:03:07 ADDRESS");
        check("http://user:word@host/x joe@example.org", "x@host/x x@example.org");
        check("sid=abc rt=0.007 a=", "sid=xxx rt=xxx a=");
        check("/dl/0123456789abcdef0123456789abcdef", "/dl/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    }

    #[test]
    fn an_example_is_short_and_printable() {
        check("a\u{1b}[31mb\u{e9}\\x16", "a\\x1b[31mb\\xc3\\xa9\\x16");
        let long = "ab ".repeat(100_000);
        let shown = redacted_excerpt(long.as_bytes());
        assert!(shown.ends_with("...") && shown.len() == MAX_EXCERPT, "{shown}");
    }
}
