//! How long caches may keep an answer: RFC 9111 §4.2.
//!
//! A wrong redirect that may be kept outlives the deployment that sent it:
//! after a roll-back, caches and browsers go on sending people to the wrong
//! place, and nothing that the service says reaches them.

use super::rules::headers::{delta_seconds, directive};
use http::header::{AGE, CACHE_CONTROL, DATE, EXPIRES};
use http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use std::fmt;

/// For how long an answer may be kept from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheLifetime {
    /// For so many seconds, at least one.
    Seconds(u64),
    /// For as long as the cache likes: the status alone allows it.
    Heuristic,
}

/// How long an answer may be kept without asking again; `None` where it may
/// not. Of shared caches and clients, the one that may keep it longer counts.
pub fn cache_lifetime(status: u16, headers: &HeaderMap) -> Option<CacheLifetime> {
    let mut longest = None;
    for element in elements(headers, &CACHE_CONTROL) {
        match directive(element) {
            Some((name, value)) if is(name, "max-age") || is(name, "s-maxage") => {
                longest = longest.max(delta_seconds(value));
            }
            Some((name, _)) if is(name, "no-cache") => {}
            _ if is(element, "no-store") || is(element, "no-cache") => return None,
            _ => {}
        }
    }
    let told = longest.or_else(|| until_expires(headers));
    match told {
        Some(seconds) => {
            let age = single(headers, &AGE).and_then(delta_seconds).unwrap_or(0);
            Some(seconds.saturating_sub(age)).filter(|left| *left > 0).map(CacheLifetime::Seconds)
        }
        // RFC 9110 §15.1: of the redirects that clients follow, these two.
        None => matches!(status, 301 | 308).then_some(CacheLifetime::Heuristic),
    }
}

/// From `Date` to `Expires`; what is no date has expired (RFC 9111 §5.3).
fn until_expires(headers: &HeaderMap) -> Option<u64> {
    let expires = single(headers, &EXPIRES)?;
    let from_date = || {
        let seconds = date(expires)?.as_second() - date(single(headers, &DATE)?)?.as_second();
        u64::try_from(seconds).ok()
    };
    Some(from_date().unwrap_or(0))
}

fn date(text: &[u8]) -> Option<Timestamp> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    PARSER.parse_timestamp(text).ok()
}

fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    headers.get(name).map(http::HeaderValue::as_bytes)
}

fn elements<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h [u8]> {
    headers
        .get_all(name)
        .into_iter()
        .flat_map(|line| line.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii))
}

fn is(name: &[u8], due: &str) -> bool {
    name.eq_ignore_ascii_case(due.as_bytes())
}

impl fmt::Display for CacheLifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Heuristic => f.write_str("cacheable without a time limit"),
            Self::Seconds(seconds @ ..120) => write!(f, "cacheable for {seconds} s"),
            Self::Seconds(seconds @ ..7_200) => write!(f, "cacheable for {} min", seconds / 60),
            Self::Seconds(seconds @ ..172_800) => write!(f, "cacheable for {} h", seconds / 3_600),
            Self::Seconds(seconds) => write!(f, "cacheable for {} d", seconds / 86_400),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[track_caller]
    fn check(status: u16, lines: &[(&'static str, &'static str)], expected: Option<CacheLifetime>) {
        let mut headers = HeaderMap::new();
        for &(name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        assert_eq!(cache_lifetime(status, &headers), expected, "{status} {lines:?}");
    }

    #[test]
    fn what_the_answer_says() {
        let week = Some(CacheLifetime::Seconds(604_800));
        check(302, &[], None);
        check(302, &[("cache-control", "max-age=604800, public")], week);
        check(302, &[("cache-control", "Max-Age=\"604800\"")], week);
        check(302, &[("cache-control", "max-age=60, s-maxage=604800")], week);
        check(302, &[("cache-control", "public"), ("cache-control", "max-age=604800")], week);
        check(302, &[("cache-control", "max-age=604900"), ("age", "100")], week);
        check(302, &[("cache-control", "max-age=100"), ("age", "100")], None);
        check(302, &[("cache-control", "max-age=0")], None);
        check(302, &[("cache-control", "max-age=9, no-store")], None);
        check(302, &[("cache-control", "no-cache, max-age=9")], None);
        check(
            302,
            &[("cache-control", "no-cache=\"set-cookie\", max-age=9")],
            Some(CacheLifetime::Seconds(9)),
        );
        check(302, &[("cache-control", "public")], None);
    }

    #[test]
    fn a_permanent_redirect_needs_no_permission() {
        for status in [301, 308] {
            check(status, &[], Some(CacheLifetime::Heuristic));
            check(status, &[("cache-control", "no-store")], None);
            check(status, &[("cache-control", "max-age=9")], Some(CacheLifetime::Seconds(9)));
            check(status, &[("cache-control", "max-age=0")], None);
        }
        for status in [303, 307] {
            check(status, &[], None);
        }
    }

    #[test]
    fn an_end_is_counted_from_the_date() {
        let at = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        check(302, &[at, ("expires", "Sun, 06 Nov 1994 08:50:37 GMT")], Some(CacheLifetime::Seconds(60)));
        check(302, &[at, ("expires", "Sun, 06 Nov 1994 08:49:37 GMT")], None);
        check(302, &[at, ("expires", "0")], None);
        check(301, &[at, ("expires", "0")], None);
        check(302, &[("expires", "Sun, 06 Nov 2094 08:49:37 GMT")], None);
        check(
            302,
            &[at, ("expires", "Sun, 06 Nov 1994 08:50:37 GMT"), ("cache-control", "max-age=7")],
            Some(CacheLifetime::Seconds(7)),
        );
    }

    #[test]
    fn it_is_told_in_one_unit() {
        for (seconds, told) in [(1, "1 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (604_800, "7 d")]
        {
            assert_eq!(CacheLifetime::Seconds(seconds).to_string(), format!("cacheable for {told}"));
        }
    }
}
