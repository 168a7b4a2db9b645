//! What stands behind the user agent: columns known by what they hold.
//!
//! Servers let their operators append any column to a combined log, in any
//! order. A column is used only where its text says what it is: seconds with
//! exactly three digits behind the point are nginx's times, an instant close to
//! the line's own stamp is `$msec`, `7ms` names its unit. Of several times of one
//! exchange the longest is `$request_time`, which holds the others. A plain whole
//! number may be a duration, a size, a port or a count: it is left alone.

use super::head::is_address;
use crate::dates::{decimal_seconds, integer};
use downpour_core::units::{NANOS_PER_SECOND, Stamp};
use memchr::{memchr, memchr2};

/// How far `$msec` may lie from the stamp in brackets: both tell when the line
/// was written.
const NEAR_NS: u64 = 60 * NANOS_PER_SECOND;

/// Longer than any exchange; longer times are something else.
const LONGEST_NS: u64 = 7 * 86_400 * NANOS_PER_SECOND;

/// What the columns say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Columns {
    /// The end of the exchange, to the millisecond.
    pub(super) end: Option<Stamp>,
    /// How long the exchange took, by a server that stamps its end.
    pub(super) until_end_ns: Option<u64>,
    /// How long it took, by a server that stamps its start.
    pub(super) from_start_ns: Option<u64>,
    /// Whether there are columns that nobody can tell the meaning of.
    pub(super) are_unread: bool,
}

impl Columns {
    /// Reads `tail`, of a line whose stamp is `at`.
    pub(super) fn read(mut tail: &[u8], at: Stamp) -> Self {
        let mut columns = Self::default();
        while let Some((column, rest)) = next(tail) {
            columns.add(column, at);
            tail = rest;
        }
        columns
    }

    fn add(&mut self, column: &[u8], at: Stamp) {
        let (value, is_quoted) = value_of(column);
        if let Some(nanos) = seconds_with_millis(value) {
            match near(nanos, at) {
                Some(end) => self.end = Some(end),
                None if nanos < LONGEST_NS => self.until_end_ns = self.until_end_ns.max(Some(nanos)),
                None => self.are_unread = true,
            }
            return;
        }
        let millis = value.strip_suffix(b"ms").filter(|_| !is_quoted).and_then(integer);
        if let Some(nanos) = millis.and_then(|millis| millis.checked_mul(1_000_000)) {
            self.from_start_ns = Some(nanos);
            return;
        }
        let says_nothing = matches!(value, b"-" | b"") || is_quoted && is_list_of_addresses(value);
        self.are_unread |= !says_nothing;
    }
}

/// `1772719387.021`, if that is close to `at`.
pub(super) fn near(nanos: u64, at: Stamp) -> Option<Stamp> {
    let end = Stamp::from_nanos(i64::try_from(nanos).ok()?);
    (end.nanos_since(at).max(at.nanos_since(end)) <= NEAR_NS).then_some(end)
}

/// Decimal seconds with three digits behind the point.
fn seconds_with_millis(value: &[u8]) -> Option<u64> {
    let point = value.len().checked_sub(4).filter(|&point| value[point] == b'.' && point > 0)?;
    value[..point].iter().all(u8::is_ascii_digit).then(|| decimal_seconds(value)).flatten()
}

/// The next column and what follows it.
fn next(tail: &[u8]) -> Option<(&[u8], &[u8])> {
    let tail = tail.trim_ascii_start();
    if tail.is_empty() {
        return None;
    }
    // Up to a blank outside of quotes; `key="a value"` is one column.
    let (mut end, mut is_quoted) = (0, false);
    while let Some(found) = memchr2(b'"', b' ', tail.get(end..).unwrap_or_default()) {
        end += found;
        if tail[end] == b'"' {
            let is_escaped = end > 0 && tail[end - 1] == b'\\';
            is_quoted ^= !is_escaped;
        } else if !is_quoted {
            return Some(tail.split_at(end));
        }
        end += 1;
    }
    Some((tail, b""))
}

/// A column without its quotes and the name before it.
fn value_of(column: &[u8]) -> (&[u8], bool) {
    let value = match memchr(b'=', column) {
        Some(equals) if column[..equals].iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_') => {
            &column[equals + 1..]
        }
        _ => column,
    };
    let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    (inner.unwrap_or(value), inner.is_some())
}

/// What `$http_x_forwarded_for` holds.
fn is_list_of_addresses(value: &[u8]) -> bool {
    value.split(|&b| b == b',').all(|part| is_address(part.trim_ascii()) || part.trim_ascii() == b"unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns of a line that is stamped 1772719387.
    #[track_caller]
    fn check(tail: &str, end_ms: Option<i64>, until_end_ms: Option<u64>, are_unread: bool) {
        let found = Columns::read(tail.as_bytes(), Stamp::from_nanos(1_772_719_387_000_000_000));
        let expected = Columns {
            end: end_ms.map(|ms| Stamp::from_nanos(ms * 1_000_000)),
            until_end_ns: until_end_ms.map(|ms| ms * 1_000_000),
            from_start_ns: None,
            are_unread,
        };
        assert_eq!(found, expected, "{tail}");
    }

    #[test]
    fn times_are_known_by_their_form() {
        check(" 0.007", None, Some(7), false);
        check(" 0.007 0.006", None, Some(7), false);
        check(" 0.006 0.007", None, Some(7), false);
        check(" \"0.007\"", None, Some(7), false);
        check(" rt=0.007 uct=\"0.000\" uht=\"0.006\" urt=\"0.006\"", None, Some(7), false);
        check(" 1772719387.021 0.007", Some(1_772_719_387_021), Some(7), false);
        check(" 0.007 1772719387.021", Some(1_772_719_387_021), Some(7), false);
        check(" \"192.0.2.9, 10.0.0.1\" 0.007", None, Some(7), false);
        check(" \"-\" - 0.007", None, Some(7), false);
        check("", None, None, false);
    }

    #[test]
    fn other_numbers_are_left_alone() {
        check(" 7", None, None, true);
        check(" 18000 302", None, None, true);
        check(" 1672719387.021", None, None, true);
        check(" 0.07 0.0071 .007", None, None, true);
        check(" \"0.001, 0.002\"", None, None, true);
        check(" \"a \\\" 0.007\" \"b", None, None, true);
        check(" 12 0.007", None, Some(7), true);
    }

    #[test]
    fn a_unit_tells_a_duration_and_not_what_is_stamped() {
        let found = Columns::read(b" 2 \"web@docker\" \"http://10.0.0.66:8080\" 7ms", Stamp::default());
        assert_eq!((found.from_start_ns, found.until_end_ns), (Some(7_000_000), None));
        assert!(found.are_unread);
    }
}
