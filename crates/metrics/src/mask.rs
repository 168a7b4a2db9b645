//! What may be a secret in a URL, hidden before anything is printed or kept.
//!
//! The URLs come from logs and from the candidate under test, and a broken
//! candidate sends broken ones. So nothing here relies on a URL being well
//! formed: where user information may stand, everything up to the last `@` is
//! hidden; a `?`, `#`, `&` or `;` begins a pair of a query wherever it stands,
//! however often it was encoded, and in the wide forms of Unicode, too.

mod signs;

use signs::{Sign, is_plain, signs};
use std::borrow::Cow;
use std::ops::Range;

/// The longest text of an example, in bytes, after escaping.
pub const EXAMPLE_TEXT_BYTES: usize = 512;

/// A URL or request target without what may be a secret: values in its query
/// and fragment, values of pairs such as `;token=` in its path, and user
/// information, become `x` of the same length.
///
/// A piece of a query without `=` may be a bare token and is masked whole. No
/// more than an example can show is returned.
pub fn mask_url(raw: &[u8]) -> Cow<'_, [u8]> {
    let shown = raw.get(..=EXAMPLE_TEXT_BYTES).unwrap_or(raw);
    // The sign that ends user information may stand behind the part shown.
    if is_plain(raw) {
        return Cow::Borrowed(shown);
    }
    let mut masked = shown.to_vec();
    let signs = signs(raw);
    let users = user_information(&signs);
    for hidden in users.into_iter().chain(values(&signs)) {
        let Some(last) = hidden.end.checked_sub(1) else { continue };
        let (Some(first), Some(last)) = (signs.get(hidden.start), signs.get(last)) else { continue };
        let end = last.end.min(masked.len());
        masked.get_mut(first.start..end).unwrap_or_default().fill(b'x');
    }
    Cow::Owned(masked)
}

/// The values of pairs. Before the query begins, only what has the form
/// `name=value` behind a `&` or `;` is one. A value may hold slashes, as
/// signatures in base64 do, and so ends with the next pair.
fn values(signs: &[Sign]) -> Vec<Range<usize>> {
    let mut values = Vec::new();
    let (mut start, mut kind) = (0, UrlPart::Path);
    let ends = signs.iter().enumerate().filter(|(_, sign)| b"?#&;".contains(&sign.byte));
    for (end, next) in ends.map(|(at, sign)| (at, sign.byte)).chain([(signs.len(), b'#')]) {
        let equals = signs[start..end].iter().position(|sign| sign.byte == b'=');
        let value = match (kind, equals) {
            (UrlPart::Path, _) | (UrlPart::PairInPath, None) => None,
            (UrlPart::PairInPath | UrlPart::Query, Some(equals)) => Some(start + equals + 1),
            (UrlPart::Query, None) => Some(start),
        };
        values.extend(value.filter(|value| *value < end).map(|value| value..end));
        start = end + 1;
        kind = match next {
            b'?' | b'#' => UrlPart::Query,
            _ if kind == UrlPart::Query => UrlPart::Query,
            _ => UrlPart::PairInPath,
        };
    }
    values
}

/// What stands between two signs that may begin a pair.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UrlPart {
    /// The URL up to the first of them.
    Path,
    /// Behind a `&` or `;` before the query.
    PairInPath,
    /// Behind a `?` or `#`.
    Query,
}

/// Where user information may stand, in the authority and in the path.
///
/// RFC 3986 §3.2.1 puts it between `//` and the last `@` of the authority.
/// Browsers and others repair what is not written so: one slash or three,
/// backslashes, none at all. And a slash in a password ends the authority early.
/// An encoded `@` or `:` counts like a written one; what else is encoded cannot
/// end anything.
fn user_information(signs: &[Sign]) -> [Range<usize>; 2] {
    let head = before(signs, |sign| sign.is_written(b"?#"));
    let scheme = scheme_length(head);
    let is_blank = |sign: &Sign| sign.is_written && sign.byte <= b' ';
    let slashes = head[scheme..].iter().take_while(|sign| is_slash(sign) || is_blank(sign)).count();
    let start = scheme + slashes;
    let rest = &head[start..];
    let at = |text: &[Sign]| text.iter().rposition(|sign| sign.byte == b'@');
    let is_path = || {
        let written: Vec<&Sign> = head.iter().skip_while(|sign| is_blank(sign)).take(2).collect();
        matches!(written[..], [first, after] if first.is_written(b"/") && !is_slash(after))
    };
    let path = if scheme == 0 && is_path() {
        start
    } else {
        let mut between = head[scheme..start].iter().filter(|sign| !is_blank(sign));
        let has_two = between.clone().count() == 2 && between.all(|sign| sign.byte == b'/');
        let authority = before(rest, is_slash);
        let has_written_at = rest.iter().any(|sign| sign.is_written(b"@"));
        match at(authority) {
            Some(sign) if has_two => {
                return [start..start + sign, in_path(head, start + authority.len())];
            }
            None if has_two && is_host(authority) => start + authority.len(),
            // Paths hold encoded signs that are no user's: /%40scope%2Fpkg.
            None if has_two && !has_written_at && is_label(authority) => start + authority.len(),
            // No host that can be told: whatever is there may be a secret.
            _ => {
                let cut_short = head.len() < signs.len() && at(signs).is_some();
                let cut_short = cut_short && rest.iter().any(|sign| sign.byte == b':');
                let end = at(rest).or_else(|| cut_short.then_some(rest.len())).unwrap_or(0);
                return [start..start + end, 0..0];
            }
        }
    };
    [0..0, in_path(head, path)]
}

/// What stands before an `@` in a path is a part of a name, as in
/// `/@scope/pkg` and `/npm/jquery@3.6.0`, unless it has a colon: then it may be
/// a name and a password that lost a slash.
fn in_path(head: &[Sign], path: usize) -> Range<usize> {
    let text = &head[path..];
    let Some(end) = text.iter().rposition(|sign| sign.byte == b'@') else { return 0..0 };
    let Some(colon) = text[..end].iter().position(|sign| sign.byte == b':') else { return 0..0 };
    let start = text[..colon].iter().rposition(is_slash).map_or(0, |slash| slash + 1);
    path + start..path + end
}

/// The length of a scheme with its colon, 0 without one. Blanks and control
/// characters are passed over, as browsers do.
fn scheme_length(head: &[Sign]) -> usize {
    let is_part = |sign: &&Sign| {
        let byte = sign.byte;
        sign.is_written && (byte.is_ascii_alphanumeric() || b"+-.".contains(&byte) || byte <= b' ')
    };
    let length = head.iter().take_while(is_part).count();
    if length > 0 && head.get(length).is_some_and(|sign| sign.is_written(b":")) { length + 1 } else { 0 }
}

/// Whether an authority without user information can be a host: a name of
/// several labels, or an address, and a port. A name of one label may as well
/// be the beginning of a password with a slash in it.
fn is_host(authority: &[Sign]) -> bool {
    let (host, port) = split_port(authority);
    let is_address = matches!(host, [first, .., last] if first.byte == b'[' && last.byte == b']');
    (is_address || (is_name(host) && host.iter().any(|sign| sign.byte == b'.'))) && is_port(port)
}

/// Whether it can be a host of one label, such as `localhost`, and a port.
fn is_label(authority: &[Sign]) -> bool {
    let (host, port) = split_port(authority);
    !host.is_empty() && is_name(host) && is_port(port)
}

fn split_port(authority: &[Sign]) -> (&[Sign], &[Sign]) {
    match authority.iter().rposition(|sign| sign.byte == b':') {
        Some(colon) if authority.last().is_some_and(|last| last.byte != b']') => authority.split_at(colon),
        Some(_) | None => (authority, &[]),
    }
}

fn is_name(host: &[Sign]) -> bool {
    host.iter()
        .all(|sign| sign.is_written && (sign.byte.is_ascii_alphanumeric() || b"-._".contains(&sign.byte)))
}

fn is_port(port: &[Sign]) -> bool {
    port.iter().skip(1).all(|sign| sign.is_written && sign.byte.is_ascii_digit())
}

fn is_slash(sign: &Sign) -> bool {
    sign.is_written(b"/\\")
}

fn before(text: &[Sign], ends: impl Fn(&Sign) -> bool) -> &[Sign] {
    &text[..text.iter().position(ends).unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(raw: &str, expected: &str) {
        assert_eq!(String::from_utf8_lossy(&mask_url(raw.as_bytes())), expected);
    }

    #[test]
    fn secrets_do_not_leave_a_location() {
        check("https://h/a", "https://h/a");
        check("https://h/a?X-Sig=abc=&e=&t=1#k=v", "https://h/a?X-Sig=xxxx&e=&t=x#k=x");
        check("/a?token", "/a?xxxxx");
        check("/a?b=c?d=e", "/a?b=x?d=x");
        check("https://user:pw@h/a@b", "https://xxxxxxx@h/a@b");
        check("https://h/?u=a@b", "https://h/?u=xxx");
        check("//a@b", "//x@b");
        let token = "t".repeat(2 * EXAMPLE_TEXT_BYTES);
        check(&format!("//{token}@h/"), &format!("//{}", "x".repeat(EXAMPLE_TEXT_BYTES - 1)));
    }

    #[test]
    fn names_with_an_at_sign_stay_readable() {
        for plain in [
            "/@scope/pkg",
            "/npm/jquery@3.6.0/dist/jquery.js",
            "https://registry.npmjs.org/@scope/pkg/-/pkg-1.tgz",
            "https://cdn.jsdelivr.net/npm/jquery@3.6.0/dist/jquery.js",
            "https://cdn.example.test:8443/npm/jquery@3.6.0",
            "https://[2606:4700::1111]:443/a@b",
            "//cdn.example.test/@scope/pkg",
        ] {
            check(plain, plain);
        }
    }

    #[test]
    fn a_separator_that_was_encoded_begins_a_query_all_the_same() {
        check("/x%3Ftoken=SECRET", "/x%3Ftoken=xxxxxx");
        check("/x%3ftoken%3DSECRET", "/x%3ftoken%3Dxxxxxx");
        check("/x%23SECRET", "/x%23xxxxxx");
        check("/x%3F", "/x%3F");
        check("/x%2Fy", "/x%2Fy");
    }

    #[test]
    fn pairs_in_a_path_have_values_that_are_hidden() {
        for (raw, expected) in [
            ("https://h.test/x&X-Amz-Signature=SECRET", "https://h.test/x&X-Amz-Signature=xxxxxx"),
            ("https://h.test/x;token=SEC/RET", "https://h.test/x;token=xxxxxxx"),
            ("https://h.test/x&amp;token=SECRET&b", "https://h.test/x&amp;token=xxxxxx&b"),
            ("/x%26token%3DSECRET", "/x%26token%3Dxxxxxx"),
            ("/x%253Btoken%253DSECRET", "/x%253Btoken%253Dxxxxxx"),
            ("/a;v=1&b=2?c=3", "/a;v=x&b=x?c=x"),
            ("https://SECRET.test;token=SECRET", "https://SECRET.test;token=xxxxxx"),
        ] {
            check(raw, expected);
        }
        for plain in ["/AT&T/x", "/a;b/c", "/date=2023-07-20/x", "/a&=", "/crates/a+b%20c%2Fd"] {
            check(plain, plain);
        }
    }

    #[test]
    fn a_separator_that_was_encoded_again_or_is_wide_begins_a_query_all_the_same() {
        for (raw, expected) in [
            ("/x%253Ftoken=SECRET", "/x%253Ftoken=xxxxxx"),
            ("/x%25252523SECRET", "/x%25252523xxxxxx"),
            ("/x%%33%46token=SECRET", "/x%%33%46token=xxxxxx"),
            ("/x%25%33%66token=SECRET", "/x%25%33%66token=xxxxxx"),
            ("/x\u{ff1f}token=SECRET", "/x\u{ff1f}token=xxxxxx"),
            ("/x\u{ff03}SECRET", "/x\u{ff03}xxxxxx"),
            ("/x%EF%BC%9Ftoken%ef%bc%9dSECRET", "/x%EF%BC%9Ftoken%ef%bc%9dxxxxxx"),
            ("/x\u{fe56}token\u{fe66}SECRET", "/x\u{fe56}token\u{fe66}xxxxxx"),
            ("/x\u{ff06}token\u{ff1d}SECRET", "/x\u{ff06}token\u{ff1d}xxxxxx"),
        ] {
            check(raw, expected);
        }
        check("/%25", "/%25");
        check("/x%2525zz", "/x%2525zz");
    }

    #[test]
    fn an_encoded_at_sign_ends_user_information() {
        for (raw, expected) in [
            ("https://user:SECRET%40h.test/x", "https://xxxxxxxxxxx%40h.test/x"),
            ("https://user%3ASECRET%2540h.test/x", "https://xxxxxxxxxxxxx%2540h.test/x"),
            ("https://user:SECRET\u{ff20}h.test/x", "https://xxxxxxxxxxx\u{ff20}h.test/x"),
            ("https://user:SEC%2FRET@h.test/x", "https://xxxxxxxxxxxxxx@h.test/x"),
            ("https://us/er:SECRET%40h.test/", "https://us/xxxxxxxxx%40h.test/"),
            ("https:/user:SECRET%40h/", "https:/xxxxxxxxxxx%40h/"),
        ] {
            check(raw, expected);
        }
        for plain in [
            "/%40scope%2Fpkg",
            "https://registry.npmjs.org/%40scope%2fpkg/-/pkg-1.tgz",
            "http://localhost:4873/%40scope%2fpkg",
        ] {
            check(plain, plain);
        }
    }

    #[test]
    fn user_information_is_hidden_in_what_a_browser_would_repair() {
        for (raw, expected) in [
            ("https:/user:SECRET@h/", "https:/xxxxxxxxxxx@h/"),
            ("http:///user:SECRET@h/", "http:///xxxxxxxxxxx@h/"),
            ("http:user:SECRET@h/", "http:xxxxxxxxxxx@h/"),
            ("/\\user:SECRET@h/", "/\\xxxxxxxxxxx@h/"),
            ("http:\\\\user:SECRET@h/", "http:\\\\xxxxxxxxxxx@h/"),
            ("http:/\\user:SECRET@h/", "http:/\\xxxxxxxxxxx@h/"),
            ("http:\\/\\/user:SECRET@h/", "http:\\/\\/xxxxxxxxxxx@h/"),
            ("https://us/er:SECRET@h/", "https://xxxxxxxxxxxx@h/"),
            ("https://user:SEC/RET@h/", "https://xxxxxxxxxxxx@h/"),
            ("https://user:SEC?RET@h/", "https://xxxxxxxx?xxxxxx"),
            ("http://a/../..//user:SECRET@h/", "http://xxxxxxxxxxxxxxxxxxxx@h/"),
            ("http://a.test/..//user:SECRET@h/", "http://a.test/..//xxxxxxxxxxx@h/"),
            ("mailto:user:SECRET@h", "mailto:xxxxxxxxxxx@h"),
            ("/user:SECRET@h/", "/xxxxxxxxxxx@h/"),
            (" https://user:SECRET@h/", " https://xxxxxxxxxxx@h/"),
            ("\t//user:SECRET@h/", "\t//xxxxxxxxxxx@h/"),
            ("user:SECRET@h/", "user:xxxxxx@h/"),
            ("https://a@b:SECRET@h/", "https://xxxxxxxxxx@h/"),
        ] {
            check(raw, expected);
        }
    }

    proptest! {
        #[test]
        fn no_malformed_url_shows_a_password(
            scheme in "(|https:|HTTP:|ftp:|mailto:|ht\ttp:|x-y+z:)",
            slashes in r"[/\\ \t]{0,5}",
            user in "[a-z/@]{0,6}",
            host in r"[a-z.]{0,8}",
            tail in r"(|/|/a@b|\\x|\?q|#f|/@scope/pkg)",
        ) {
            let url = format!("{scheme}{slashes}{user}:SECRET@{host}{tail}");
            let masked = String::from_utf8(mask_url(url.as_bytes()).into_owned()).unwrap();
            prop_assert!(!masked.contains("SECRET"), "{url:?} became {masked:?}");
            prop_assert_eq!(masked.len(), url.len());
        }

        #[test]
        fn no_encoding_shows_a_token(
            begin in "[?#&;]",
            depth in 0_usize..4,
            equals_depth in 0_usize..4,
            path in "(/|/a/b|https://h.test/x|//h.test/a|/%40scope%2Fpkg|/x%2525)",
        ) {
            let encoded = |sign: u8, depth: usize| match depth {
                0 => char::from(sign).to_string(),
                _ => format!("%{}{sign:02X}", "25".repeat(depth - 1)),
            };
            let (begin, equals) = (encoded(begin.as_bytes()[0], depth), encoded(b'=', equals_depth));
            let url = format!("{path}{begin}token{equals}SECRET");
            let masked = String::from_utf8(mask_url(url.as_bytes()).into_owned()).unwrap();
            prop_assert!(!masked.contains("SECRET"), "{url:?} became {masked:?}");
            prop_assert_eq!(masked.len(), url.len());
        }

        #[test]
        fn a_mask_keeps_the_length_of_anything(raw in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(mask_url(&raw).len(), raw.len());
        }
    }
}
