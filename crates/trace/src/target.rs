//! Request targets: out of URLs, and legal on the wire.
//!
//! A log line is written by whoever sent the request. A target is never
//! normalised (dot segments, `//`, case and `%7E` stay: they are the bugs worth
//! catching), only bytes that no client may put on the wire are
//! percent-encoded. The host of a URL is told apart and never connected to.

use super::reasons::Reject;
use downpour_core::route::push_percent;
use std::borrow::Cow;

/// The longest target that is replayed; servers refuse far shorter ones.
pub(crate) const MAX_TARGET: usize = 32 * 1024;

/// A URL taken apart: who was asked, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SplitUrl<'l> {
    /// Host and port, a default port left out; `None` in a relative URL.
    pub(crate) authority: Option<&'l [u8]>,
    /// Path and query; begins with `/`.
    pub(crate) target: Cow<'l, [u8]>,
}

/// Takes a URL as a list or a JSON log holds it apart. A fragment is dropped,
/// an empty path is `/`. A host without a scheme is refused: it can't be told
/// from a relative path.
pub(crate) fn of_url(url: &[u8]) -> Result<SplitUrl<'_>, Reject> {
    if url.starts_with(b"//") {
        return Err(Reject::NoPath);
    }
    if url.starts_with(b"/") {
        return Ok(SplitUrl { authority: None, target: Cow::Borrowed(before_fragment(url)) });
    }
    of_absolute(url).unwrap_or(Err(Reject::NoPath))
}

/// Takes the target of a request line apart where it is in absolute-form
/// (RFC 9112 §3.2.2); every other form is kept as it is.
pub(crate) fn of_request(target: &[u8]) -> Result<SplitUrl<'_>, Reject> {
    let as_it_is = SplitUrl { authority: None, target: Cow::Borrowed(target) };
    if target.starts_with(b"/") {
        return Ok(as_it_is);
    }
    of_absolute(target).unwrap_or(Ok(as_it_is))
}

/// `None` where there is no scheme.
fn of_absolute(url: &[u8]) -> Option<Result<SplitUrl<'_>, Reject>> {
    let colon = memchr::memchr(b':', url)?;
    let (scheme, rest) = url.split_at(colon);
    let rest = rest.strip_prefix(b"://")?;
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b));
    is_scheme.then(|| of_hierarchical(scheme, rest))
}

fn of_hierarchical<'l>(scheme: &[u8], rest: &'l [u8]) -> Result<SplitUrl<'l>, Reject> {
    let default_port: &[u8] = if scheme.eq_ignore_ascii_case(b"https") {
        b":443"
    } else if scheme.eq_ignore_ascii_case(b"http") {
        b":80"
    } else {
        return Err(Reject::BadScheme);
    };
    let end = rest.iter().position(|b| b"/?#".contains(b)).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    if authority.contains(&b'@') {
        return Err(Reject::Userinfo);
    }
    let authority = authority.strip_suffix(default_port).unwrap_or(authority);
    if !is_host_and_port(authority) {
        return Err(Reject::BadUrl);
    }
    let target = before_fragment(target);
    let target = match target.first() {
        Some(b'/') => Cow::Borrowed(target),
        Some(_) => Cow::Owned([b"/", target].concat()),
        None => Cow::Borrowed(&b"/"[..]),
    };
    Ok(SplitUrl { authority: Some(authority), target })
}

/// A target without the fragment that some client sent with it. None is ever a
/// part of a request target (RFC 9112 §3.2), and it may hold a token.
pub(crate) fn before_fragment(target: &[u8]) -> &[u8] {
    memchr::memchr(b'#', target).and_then(|at| target.get(..at)).unwrap_or(target)
}

fn is_host_and_port(authority: &[u8]) -> bool {
    !authority.is_empty()
        && authority.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(b))
}

/// A method is a token, RFC 9110 §5.6.2.
pub(crate) fn is_token(method: &[u8]) -> bool {
    (1..=32).contains(&method.len())
        && method.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// The same target with every byte that is legal in an origin-form target
/// (RFC 9112 §3.2.1: `pchar`, `/` and `?`) kept and every other one
/// percent-encoded; `None` where that changes nothing. A `%` is kept wherever
/// it stands.
pub(crate) fn reencoded(target: &[u8]) -> Option<Vec<u8>> {
    let first = target.iter().position(|&b| !LEGAL[usize::from(b)])?;
    let (good, rest) = target.split_at(first);
    let mut out = Vec::with_capacity(target.len() + 16);
    out.extend_from_slice(good);
    for &byte in rest {
        if LEGAL[usize::from(byte)] {
            out.push(byte);
        } else {
            push_percent(byte, &mut out);
        }
    }
    Some(out)
}

const LEGAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        table[byte as usize] = !matches!(
            byte,
            b'"' | b'#' | b'<' | b'>' | b'[' | b'\\' | b']' | b'^' | b'`' | b'{' | b'|' | b'}'
        );
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(url: &str, expected: Result<(Option<&str>, &str), Reject>) {
        let found = of_url(url.as_bytes());
        let found = found.map(|l| {
            let authority = l.authority.map(|a| String::from_utf8(a.to_vec()).unwrap());
            (authority, String::from_utf8(l.target.into_owned()).unwrap())
        });
        let expected = expected.map(|(a, t)| (a.map(str::to_owned), t.to_owned()));
        assert_eq!(found, expected, "{url}");
    }

    #[test]
    fn urls_are_taken_apart() {
        check("https://crates.io/x?q#f", Ok((Some("crates.io"), "/x?q")));
        check("https://crates.io:443/x", Ok((Some("crates.io"), "/x")));
        check("http://crates.io:443/x", Ok((Some("crates.io:443"), "/x")));
        check("HTTPS://crates.io", Ok((Some("crates.io"), "/")));
        check("https://crates.io?q", Ok((Some("crates.io"), "/?q")));
        check("http://[::1]:80/", Ok((Some("[::1]"), "/")));
        check("/a//b/../c", Ok((None, "/a//b/../c")));
        check("//crates.io/x", Err(Reject::NoPath));
        check("crates.io/x", Err(Reject::NoPath));
        check("ftp://crates.io/x", Err(Reject::BadScheme));
        check("https://u:p@crates.io/x", Err(Reject::Userinfo));
        check("https:///x", Err(Reject::BadUrl));
        check("https://a b/x", Err(Reject::BadUrl));
        check("https://crates.io\\@evil.example/x", Err(Reject::Userinfo));
    }

    #[test]
    fn request_lines_keep_every_other_form() {
        for target in ["*", "crates.io:443", "/x#y", "garbage"] {
            assert_eq!(of_request(target.as_bytes()).unwrap().target, target.as_bytes());
        }
        let absolute = of_request(b"http://crates.io/api").unwrap();
        assert_eq!((absolute.authority, &*absolute.target), (Some(&b"crates.io"[..]), &b"/api"[..]));
    }

    proptest! {
        #[test]
        fn what_is_legal_can_be_sent_and_stays_as_it_is(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let target = [b"/", &tail[..]].concat();
            let sent = reencoded(&target).unwrap_or(target);
            prop_assert_eq!(reencoded(&sent), None);
            let parsed = http::uri::PathAndQuery::try_from(&sent[..]).unwrap();
            prop_assert_eq!(parsed.as_str().as_bytes(), &sent[..]);
        }
    }
}
