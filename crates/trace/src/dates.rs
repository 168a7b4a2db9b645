//! Dates and clock times of log lines, read by hand.
//!
//! A log's lines share their day, so the day is computed once and its text
//! compared after that; the rest is digits. Only shapes that the formats
//! define are accepted: a date is never guessed.

use downpour_core::units::{NANOS_PER_SECOND, Stamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A stamp and the fineness it was written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ParsedStamp {
    pub(crate) at: Stamp,
    pub(crate) resolution_ns: u64,
}

/// Reads dates; remembers the last day it has met.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calendar {
    /// The day's text as the format writes it: ten or eleven bytes.
    text: Vec<u8>,
    /// Seconds from the epoch to that day's midnight, UTC.
    midnight: i64,
}

impl Calendar {
    /// `2026-03-05` and `14:03:07`, both UTC.
    pub(crate) fn date_and_time(&mut self, date: &[u8], time: &[u8]) -> Option<Stamp> {
        let midnight = self.midnight_of(date, iso_day)?;
        let (clock, rest) = clock(time)?;
        rest.is_empty().then(|| stamp(midnight, clock, 0, 0)).flatten()
    }

    /// RFC 3339 with nothing or one to nine digits of fraction; also with the
    /// offset as `+0000`, the basic form of ISO 8601.
    pub(crate) fn rfc_3339(&mut self, text: &[u8]) -> Option<Stamp> {
        let (date, rest) = text.split_at_checked(10)?;
        let midnight = self.midnight_of(date, iso_day)?;
        let (clock, rest) = clock(rest.strip_prefix(b"T").or_else(|| rest.strip_prefix(b"t"))?)?;
        let (fraction, rest) = fraction(rest)?;
        let offset = match rest {
            b"Z" | b"z" => 0,
            [sign, h1, h2, b':', m1, m2] | [sign, h1, h2, m1, m2] => offset([*sign, *h1, *h2, *m1, *m2])?,
            _ => return None,
        };
        stamp(midnight, clock, offset, fraction.unwrap_or(0))
    }

    /// `05/Mar/2026:14:03:07 +0000` or `2026-03-05T14:03:07+00:00`, with an
    /// optional fraction behind the seconds. Its resolution is a second without
    /// one, else a microsecond.
    pub(crate) fn clf(&mut self, text: &[u8]) -> Option<ParsedStamp> {
        if text.get(4) == Some(&b'-') {
            let resolution_ns = if text.get(19) == Some(&b'.') { 1_000 } else { NANOS_PER_SECOND };
            return Some(ParsedStamp { at: self.rfc_3339(text)?, resolution_ns });
        }
        let (date, rest) = text.split_at_checked(11)?;
        let midnight = self.midnight_of(date, clf_day)?;
        let (clock, rest) = clock(rest.strip_prefix(b":")?)?;
        let (fraction, rest) = fraction(rest)?;
        let zone: [u8; 5] = rest.strip_prefix(b" ")?.try_into().ok()?;
        let at = stamp(midnight, clock, offset(zone)?, fraction.unwrap_or(0))?;
        let resolution_ns = if fraction.is_some() { 1_000 } else { NANOS_PER_SECOND };
        Some(ParsedStamp { at, resolution_ns })
    }

    fn midnight_of(&mut self, text: &[u8], parse: fn(&[u8]) -> Option<Date>) -> Option<i64> {
        if self.text != text {
            let date = parse(text)?;
            self.midnight = date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
            self.text.clear();
            self.text.extend_from_slice(text);
        }
        Some(self.midnight)
    }
}

/// Decimal seconds such as `0.017` or `1772719387.021` as nanoseconds; digits
/// beyond the ninth behind the point are cut.
pub(crate) fn decimal_seconds(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (whole, rest) = text.split_at_checked(digits)?;
    let whole = integer(whole)?;
    let fraction = if rest.is_empty() { 0 } else { fraction_nanos(rest.strip_prefix(b".")?)? };
    whole.checked_mul(NANOS_PER_SECOND)?.checked_add(fraction)
}

/// Digits, and nothing but digits, that fit in 64 bits.
pub(crate) fn integer(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

fn fraction_nanos(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut nanos = 0;
    for place in 0..9 {
        nanos = nanos * 10 + digits.get(place).map_or(0, |b| u64::from(b - b'0'));
    }
    Some(nanos)
}

/// A fraction that may be missing, and what follows it.
fn fraction(text: &[u8]) -> Option<(Option<u64>, &[u8])> {
    let Some(tail) = text.strip_prefix(b".") else { return Some((None, text)) };
    let digits = tail.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = tail.split_at_checked(digits)?;
    if digits.len() > 9 {
        return None;
    }
    Some((Some(fraction_nanos(digits)?), rest))
}

#[derive(Clone, Copy)]
struct ClockTime {
    seconds: i64,
    leap: bool,
}

fn clock(text: &[u8]) -> Option<(ClockTime, &[u8])> {
    let [h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = text else { return None };
    let (hour, minute, second) = (two(*h1, *h2)?, two(*m1, *m2)?, two(*s1, *s2)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let leap = second == 60;
    Some((ClockTime { seconds: hour * 3_600 + minute * 60 + second - i64::from(leap), leap }, rest))
}

fn offset([sign, h1, h2, m1, m2]: [u8; 5]) -> Option<i64> {
    let (hours, minutes) = (two(h1, h2)?, two(m1, m2)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = hours * 3_600 + minutes * 60;
    match sign {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

/// A leap second is clamped to the last nanosecond of the one before it.
fn stamp(midnight: i64, clock: ClockTime, offset: i64, fraction: u64) -> Option<Stamp> {
    let fraction = if clock.leap { NANOS_PER_SECOND - 1 } else { fraction };
    let seconds = midnight + clock.seconds - offset;
    let nanos = seconds.checked_mul(NANOS_PER_SECOND.cast_signed())?.checked_add(fraction.cast_signed())?;
    Some(Stamp::from_nanos(nanos))
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| i64::from(tens) * 10 + i64::from(ones))
}

fn iso_day(text: &[u8]) -> Option<Date> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return None };
    day(two(*y1, *y2)? * 100 + two(*y3, *y4)?, two(*m1, *m2)?, two(*d1, *d2)?)
}

fn clf_day(text: &[u8]) -> Option<Date> {
    let [d1, d2, b'/', m1, m2, m3, b'/', y1, y2, y3, y4] = text else { return None };
    let month: i64 = match [*m1, *m2, *m3] {
        [b'J', b'a', b'n'] => 1,
        [b'F', b'e', b'b'] => 2,
        [b'M', b'a', b'r'] => 3,
        [b'A', b'p', b'r'] => 4,
        [b'M', b'a', b'y'] => 5,
        [b'J', b'u', b'n'] => 6,
        [b'J', b'u', b'l'] => 7,
        [b'A', b'u', b'g'] => 8,
        [b'S', b'e', b'p'] => 9,
        [b'O', b'c', b't'] => 10,
        [b'N', b'o', b'v'] => 11,
        [b'D', b'e', b'c'] => 12,
        _ => return None,
    };
    day(two(*y1, *y2)? * 100 + two(*y3, *y4)?, month, two(*d1, *d2)?)
}

fn day(year: i64, month: i64, day: i64) -> Option<Date> {
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_772_719_387_000_000_000;

    #[track_caller]
    fn check_rfc(text: &str, nanos: Option<i64>) {
        let found = Calendar::default().rfc_3339(text.as_bytes());
        assert_eq!(found.map(Stamp::as_nanos), nanos, "{text}");
    }

    #[track_caller]
    fn check_clf(text: &str, expected: Option<(i64, u64)>) {
        let found = Calendar::default().clf(text.as_bytes());
        assert_eq!(found.map(|d| (d.at.as_nanos(), d.resolution_ns)), expected, "{text}");
    }

    #[test]
    fn rfc_3339() {
        check_rfc("2026-03-05T14:03:07Z", Some(AT));
        check_rfc("2026-03-05T14:03:07.5Z", Some(AT + 500_000_000));
        check_rfc("2026-03-05T14:03:07.000000001Z", Some(AT + 1));
        check_rfc("2026-03-05T15:33:07+01:30", Some(AT));
        check_rfc("1969-12-31T23:59:59.5Z", Some(-500_000_000));
        for wrong in [
            "",
            "2026-03-05",
            "2026-03-05T14:03:07",
            "2026-03-05T14:03:07.Z",
            "2026-02-30T14:03:07Z",
            "9999-01-01T00:00:00Z",
        ] {
            check_rfc(wrong, None);
        }
    }

    #[test]
    fn common_log_dates() {
        check_clf("05/Mar/2026:15:03:07 +0100", Some((AT, 1_000_000_000)));
        check_clf("05/Mar/2026:14:03:07.12 +0000", Some((AT + 120_000_000, 1_000)));
        check_clf("05/Mar/2026:13:33:07 -0030", Some((AT, 1_000_000_000)));
        check_clf("05/Mar/2026:14:02:60 +0000", Some((AT - 7_000_000_001, 1_000_000_000)));
        check_clf("2026-03-05T15:03:07+01:00", Some((AT, 1_000_000_000)));
        check_clf("2026-03-05T15:03:07+0100", Some((AT, 1_000_000_000)));
        check_clf("2026-03-05T14:03:07.5Z", Some((AT + 500_000_000, 1_000)));
        check_clf("2026-03-05T14:03:07", None);
        check_clf("2026-03-05 14:03:07 +0000", None);
        check_clf("31/Feb/2026:14:03:07 +0000", None);
        check_clf("05/M\u{e4}r/2026:14:03:07 +0000", None);
        check_clf("05/Mar/2026:14:03:07,1 +0000", None);
        check_clf("05/Mar/2026:24:03:07 +0000", None);
    }

    #[test]
    fn the_remembered_day_changes_with_its_text() {
        let mut calendar = Calendar::default();
        let mut at = |date: &[u8]| calendar.date_and_time(date, b"14:03:07").map(Stamp::as_nanos);
        assert_eq!(at(b"2026-03-05"), Some(AT));
        assert_eq!(at(b"2026-03-06"), Some(AT + 86_400_000_000_000));
        assert_eq!(at(b"2026-13-06"), None);
        assert_eq!(at(b"2026-03-05"), Some(AT));
    }

    #[test]
    fn decimals() {
        assert_eq!(decimal_seconds(b"0.017"), Some(17_000_000));
        assert_eq!(decimal_seconds(b"30"), Some(30_000_000_000));
        assert_eq!(decimal_seconds(b"1.0000000009"), Some(1_000_000_000));
        for wrong in [&b""[..], b".", b"1.", b"-1", b"1.x", b"99999999999999999999"] {
            assert_eq!(decimal_seconds(wrong), None);
        }
    }
}
