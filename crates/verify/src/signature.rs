//! How long a signed URL is good for, by what stands in its query.
//!
//! Stores hand out URLs that end: a redirect to one that has ended, or will
//! before a client gets there, is a failure that the redirector's status does
//! not show. Read are the query parameters of S3 (both versions), Google Cloud
//! Storage, Alibaba OSS, `CloudFront` and Azure; what makes no sense is not judged, since only
//! the store can say what it makes of it.

use downpour_core::fault::Fault;
use downpour_core::units::Stamp;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;
use url::form_urlencoded;

/// How far the signer's clock may be ahead of this machine's: stores are more
/// patient than that.
const SKEW_S: i64 = 5;

/// Most parameters of a query that are looked at.
const PARAMETERS_MAX: usize = 64;

/// From when to when a URL is good, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Validity {
    from: Option<i64>,
    until: i64,
}

/// What is wrong with the time of a signature, and by how many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignatureFault {
    Expired { ago: u64 },
    NotYetValid { ahead: u64 },
    ExpiresSoon { left: u64 },
}

/// Whether a URL with that query is good at `now`, and for `min_ttl` from then
/// on. A URL without a signature that can be read is.
pub(super) fn signature_fault(query: &str, now: Stamp, min_ttl: Duration) -> Option<SignatureFault> {
    let Validity { from, until } = validity(query)?;
    let now = now.epoch_second();
    let ahead = from.map_or(0, |from| from.saturating_sub(now));
    let left = until.saturating_sub(now);
    if left <= 0 {
        Some(SignatureFault::Expired { ago: left.unsigned_abs() })
    } else if ahead > SKEW_S {
        Some(SignatureFault::NotYetValid { ahead: ahead.unsigned_abs() })
    } else if left.unsigned_abs() < min_ttl.as_secs() {
        Some(SignatureFault::ExpiresSoon { left: left.unsigned_abs() })
    } else {
        None
    }
}

impl SignatureFault {
    pub(super) const fn fault(self) -> Fault {
        match self {
            Self::Expired { .. } => Fault::LocationExpired,
            Self::NotYetValid { .. } => Fault::LocationNotYetValid,
            Self::ExpiresSoon { .. } => Fault::LocationExpiresSoon,
        }
    }
}

impl fmt::Display for SignatureFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { ago } => write!(f, "the signature expired {ago} s before the answer"),
            Self::NotYetValid { ahead } => {
                write!(f, "the signature becomes valid {ahead} s after the answer")
            }
            Self::ExpiresSoon { left } => write!(f, "the signature expires {left} s after the answer"),
        }
    }
}

/// The parameters that tell of time, and whether there is a signature: an
/// `Expires` without one can mean anything.
#[derive(Default)]
struct Parameters<'q> {
    date: Option<Cow<'q, str>>,
    lifetime: Option<Cow<'q, str>>,
    expires: Option<Cow<'q, str>>,
    azure_start: Option<Cow<'q, str>>,
    azure_end: Option<Cow<'q, str>>,
    signature: bool,
    azure_signature: bool,
}

fn validity(query: &str) -> Option<Validity> {
    let told = Parameters::read(query);
    if let (Some(date), Some(lasts)) = (&told.date, &told.lifetime) {
        let from = compact(date)?;
        return Some(Validity {
            from: Some(from),
            until: from.saturating_add(lasts.parse::<u32>().ok()?.into()),
        });
    }
    if let (Some(end), true) = (&told.azure_end, told.azure_signature) {
        let from = match &told.azure_start {
            Some(start) => Some(azure(start)?),
            None => None,
        };
        return Some(Validity { from, until: azure(end)? });
    }
    let expires = told.expires.filter(|_| told.signature)?;
    Some(Validity { from: None, until: expires.parse().ok().filter(|until| *until >= 0)? })
}

impl<'q> Parameters<'q> {
    fn read(query: &'q str) -> Self {
        let mut told = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()).take(PARAMETERS_MAX) {
            let place = match &*key {
                "X-Amz-Date" | "X-Goog-Date" | "x-oss-date" => &mut told.date,
                "X-Amz-Expires" | "X-Goog-Expires" | "x-oss-expires" => &mut told.lifetime,
                "Expires" => &mut told.expires,
                "st" => &mut told.azure_start,
                "se" => &mut told.azure_end,
                "Signature" => {
                    told.signature = true;
                    continue;
                }
                "sig" => {
                    told.azure_signature = true;
                    continue;
                }
                _ => continue,
            };
            place.get_or_insert(value);
        }
        told
    }
}

/// `20231120T101500Z`, as S3 and Google write it.
fn compact(text: &str) -> Option<i64> {
    let well_formed = text.len() == 16 && text.ends_with('Z') && text.as_bytes()[8] == b'T';
    let stamp: Timestamp = text.parse().ok().filter(|_| well_formed)?;
    Some(stamp.as_second())
}

/// `2023-11-20T10:15:00Z`, without seconds, or a date alone: Azure takes all
/// three, in UTC.
fn azure(text: &str) -> Option<i64> {
    if let Ok(stamp) = text.parse::<Timestamp>() {
        return Some(stamp.as_second());
    }
    let utc = |at: DateTime| at.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp().as_second());
    match text.parse::<Date>().ok().filter(|_| text.len() == 10) {
        Some(date) => utc(date.at(0, 0, 0, 0)),
        None => utc(DateTime::strptime("%Y-%m-%dT%H:%MZ", text).ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2023-11-20T10:15:00Z.
    const NOW: i64 = 1_700_475_300;
    const MINUTE: Duration = Duration::from_mins(1);

    #[track_caller]
    fn check(query: &str, expected: Option<SignatureFault>) {
        let now = Stamp::from_nanos(NOW * 1_000_000_000);
        assert_eq!(signature_fault(query, now, MINUTE), expected, "{query}");
    }

    #[test]
    fn a_date_and_how_long_it_lasts() {
        for (date_name, lifetime_name) in [
            ("X-Amz-Date", "X-Amz-Expires"),
            ("X-Goog-Date", "X-Goog-Expires"),
            ("x-oss-date", "x-oss-expires"),
        ] {
            let query =
                |date: &str, lasts: &str| format!("a=b&{date_name}={date}&{lifetime_name}={lasts}&c=00");
            check(&query("20231120T101500Z", "1200"), None);
            check(&query("20231120T101500Z", "60"), None);
            check(&query("20231120T101500Z", "59"), Some(SignatureFault::ExpiresSoon { left: 59 }));
            check(&query("20231120T101400Z", "60"), Some(SignatureFault::Expired { ago: 0 }));
            check(&query("20231120T091500Z", "60"), Some(SignatureFault::Expired { ago: 3_540 }));
            check(&query("20231120T101505Z", "600"), None);
            check(&query("20231120T101506Z", "600"), Some(SignatureFault::NotYetValid { ahead: 6 }));
            for unreadable in ["20231120", "2023-11-20T10:15:00Z", "20231399T101500Z", "", "x"] {
                check(&query(unreadable, "1"), None);
            }
            check(&query("20231120T101500Z", "-1"), None);
            check(&query("20231120T101500Z", "99999999999999999999"), None);
        }
    }

    #[test]
    fn an_end_in_seconds_since_1970() {
        let signed = |expires: i64| format!("Expires={expires}&Signature=x~-_&Key-Pair-Id=K");
        check(&signed(NOW + 60), None);
        check(&signed(NOW + 59), Some(SignatureFault::ExpiresSoon { left: 59 }));
        check(&signed(NOW - 7), Some(SignatureFault::Expired { ago: 7 }));
        check("Expires=1", None);
        check("Expires=soon&Signature=x", None);
        check("Expires=-1&Signature=x", None);
        check("Expires=9223372036854775807&Signature=x", None);
    }

    #[test]
    fn a_start_and_an_end_in_words() {
        let signed = |times: &str| format!("sp=r&{times}&sv=2022-11-02&sr=b&sig=x%3D");
        check(&signed("st=2023-11-20T10%3A00%3A00Z&se=2023-11-20T10%3A16%3A00Z"), None);
        check(&signed("se=2023-11-20T10:14Z"), Some(SignatureFault::Expired { ago: 60 }));
        check(&signed("se=2023-11-21"), None);
        check(&signed("se=2023-11-20"), Some(SignatureFault::Expired { ago: 36_900 }));
        let early = signed("st=2023-11-20T10:16:00Z&se=2023-11-20T11:16:00Z");
        check(&early, Some(SignatureFault::NotYetValid { ahead: 60 }));
        check("se=2023-11-20T10:14:00Z", None);
        check(&signed("se=whenever"), None);
    }

    #[test]
    fn a_query_without_a_signature_is_good() {
        for query in ["", "a=b", "X-Amz-Date=20231120T101500Z", "X-Amz-Expires=1", "&&==&%zz"] {
            check(query, None);
        }
    }

    #[test]
    fn it_is_said_by_how_much() {
        let now = Stamp::from_nanos(NOW * 1_000_000_000);
        let told = signature_fault(&format!("Expires={}&Signature=x", NOW - 7), now, MINUTE).unwrap();
        assert_eq!(told.to_string(), "the signature expired 7 s before the answer");
    }
}
