//! A line that was rejected, made fit to be shown to an operator.
//!
//! Whoever asks why lines were lost must see one. What a line may hold of people
//! and secrets is replaced: addresses, the name of a user in a common log, values
//! of queries and of other pairs, what stands before an `@`, long opaque words.
//! In JSON the values of a few keys are kept, of which a format needs some. What
//! is left is printable ASCII and short.

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

/// The keys of JSON whose values are shown, since they tell why a line was
/// rejected, and nothing of people.
const SHOWN_KEYS: [&[u8]; 12] = [
    b"at_ns",
    b"date_time",
    b"duration_ns",
    b"kind",
    b"method",
    b"path",
    b"status",
    b"target",
    b"time",
    b"timestamp",
    b"uri",
    b"url",
];

/// What stands for a value.
const FILLER: &[u8] = b"xxx";

/// A line as an example.
pub(crate) fn redacted_excerpt(line: &[u8]) -> String {
    let is_whole = line.len() <= MAX_SCANNED;
    let line = without_json_values(line.get(..MAX_SCANNED).unwrap_or(line));
    let line = without_user(&line);
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

/// The line without the values of pairs whose key is quoted, but for
/// [`SHOWN_KEYS`]. What is no whole JSON is masked all the same, also inside of a
/// string, where quotes are escaped.
fn without_json_values(line: &[u8]) -> Cow<'_, [u8]> {
    let mut out = Vec::new();
    let mut from = 0;
    for colon in memchr_iter(b':', line) {
        let Some(key) = line.get(from..colon).and_then(key_before) else { continue };
        let spaces = line[colon + 1..].iter().take_while(|b| b.is_ascii_whitespace()).count();
        let value = colon + 1 + spaces;
        let length = value_length(&line[value..]);
        if SHOWN_KEYS.contains(&key) || length == 0 {
            continue;
        }
        out.extend_from_slice(&line[from..value]);
        out.extend_from_slice(FILLER);
        from = value + length;
    }
    if from == 0 {
        return Cow::Borrowed(line);
    }
    out.extend_from_slice(&line[from..]);
    Cow::Owned(out)
}

/// The quoted key that ends a text.
fn key_before(text: &[u8]) -> Option<&[u8]> {
    let key = text.trim_ascii_end().strip_suffix(b"\"")?;
    let key = key.strip_suffix(b"\\").unwrap_or(key);
    let quote = memchr::memrchr(b'"', key)?;
    Some(&key[quote + 1..])
}

/// How long a JSON value is: a string, a list or a word. An object has pairs of
/// its own.
fn value_length(value: &[u8]) -> usize {
    let until = |end: &[u8], from: usize| {
        let rest = value.get(from..).unwrap_or_default();
        memchr::memmem::find(rest, end).map_or(value.len(), |at| from + at + end.len())
    };
    match value {
        [b'{', ..] => 0,
        [b'[', ..] => until(b"]", 1),
        [b'\\', b'"', ..] => until(b"\\\"", 2),
        [b'"', ..] => {
            let mut end = until(b"\"", 1);
            while end < value.len() && value[..end - 1].ends_with(b"\\") {
                end = until(b"\"", end);
            }
            end
        }
        _ => value.iter().position(|b| b",}] ".contains(b)).unwrap_or(value.len()),
    }
}

/// The line without who asked: the column between `-` and the stamp of a common
/// log.
fn without_user(line: &[u8]) -> Cow<'_, [u8]> {
    let stamp = memchr::memmem::find(line, b" [");
    let before = &line[..stamp.unwrap_or(line.len())];
    let first = before.split(|b| *b == b' ').next().unwrap_or_default();
    let is_dated = stamp.is_some_and(|at| is_like_a_date(&line[at + 2..]));
    let dash = memchr::memmem::rfind(before, b" - ").map(|at| at + 3);
    let last = memchr::memrchr(b' ', before).map(|at| at + 1);
    let from = match (dash, last) {
        (Some(dash), _) if is_dated || is_like_an_address(first) => dash,
        (None, Some(last)) if is_dated => last,
        _ => return Cow::Borrowed(line),
    };
    // A line that breaks off has no stamp behind.
    let to = stamp.unwrap_or_else(|| from + memchr(b' ', &line[from..]).unwrap_or(line.len() - from));
    if matches!(&line[from..to], b"" | b"-") {
        return Cow::Borrowed(line);
    }
    Cow::Owned([&line[..from], FILLER, &line[to..]].concat())
}

/// Whether a day of the month or a year begins it.
fn is_like_a_date(text: &[u8]) -> bool {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    matches!((digits, text.get(digits)), (2, Some(b'/')) | (4, Some(b'-')))
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
        Cow::Owned([&word[..=equals], FILLER].concat())
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
    fn the_user_of_a_common_log_is_replaced() {
        let behind = "[05/Mar/2026:14:03:07 +0000] \"GET /x HTTP/1.1\" 200";
        for user in ["alice", "\"Alice Smith\"", "Alice Smith"] {
            check(&format!("192.0.2.1 - {user} {behind}"), &format!("ADDRESS - xxx {behind}"));
        }
        check(
            &format!("example.org 192.0.2.1 id alice {behind}"),
            &format!("example.org ADDRESS id xxx {behind}"),
        );
        check(&format!("192.0.2.1 - - {behind}"), &format!("ADDRESS - - {behind}"));
        check("192.0.2.1 - alice", "ADDRESS - xxx");
        check("192.0.2.1 - alice [not a date] x", "ADDRESS - xxx [not a date] x");
        check("a sentence - of words", "a sentence - of words");
    }

    #[test]
    fn values_of_json_are_replaced_but_for_a_few() {
        check(
            "{\"at_ns\":\"x\",\"token\":\"hunter2\",\"n\": 12, \"user\" : \"A \\\"B\\\" C\",\"target\":\"/x\"}",
            "{\"at_ns\":\"x\",\"token\":xxx,\"n\": xxx, \"user\" : xxx,\"target\":\"/x\"}",
        );
        check("{\"a\":{\"b\":[\"c\",\"d\"],\"e\":null}}", "{\"a\":{\"b\":xxx,\"e\":xxx}}");
        check("{\"token\":\"hunter", "{\"token\":xxx");
        check("x {\\\"token\\\":\\\"hunter2\\\"}", "x {\\\"token\\\":xxx}");
    }

    #[test]
    fn an_example_is_short_and_printable() {
        check("a\u{1b}[31mb\u{e9}\\x16", "a\\x1b[31mb\\xc3\\xa9\\x16");
        let long = "ab ".repeat(100_000);
        let shown = redacted_excerpt(long.as_bytes());
        assert!(shown.ends_with("...") && shown.len() == MAX_EXCERPT, "{shown}");
    }
}
