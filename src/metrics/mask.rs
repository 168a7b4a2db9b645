//! What may be a secret in a URL, hidden before anything is printed or kept.
//!
//! The URLs come from logs and from the candidate under test, and a broken
//! candidate sends broken ones. So nothing here relies on a URL being well
//! formed: where user information may stand, everything up to the last `@` is
//! hidden; a `?` or `#` that was encoded once too often still begins a query.

use super::example::EXAMPLE_TEXT_BYTES;
use std::borrow::Cow;
use std::ops::Range;

/// A URL or request target without what may be a secret: values in its query
/// and fragment, and user information, become `x` of the same length.
///
/// A piece of a query without `=` may be a bare token and is masked whole. No
/// more than an example can show is returned.
pub fn mask_url(raw: &[u8]) -> Cow<'_, [u8]> {
    let shown = raw.get(..=EXAMPLE_TEXT_BYTES).unwrap_or(raw);
    // The sign that ends user information may stand behind the part shown.
    if !raw.iter().any(|b| matches!(b, b'?' | b'#' | b'@' | b'%')) {
        return Cow::Borrowed(shown);
    }
    let mut masked = shown.to_vec();
    for Range { start, end } in user_information(raw) {
        let end = end.min(masked.len());
        masked.get_mut(start..end).unwrap_or_default().fill(b'x');
    }
    let tail = (0..masked.len()).find_map(|at| Some((at, separator(&masked[at..])?)));
    if let Some((at, length)) = tail {
        for piece in masked[at + length..].split_mut(|b| matches!(b, b'?' | b'#' | b'&' | b';')) {
            let value = piece.iter().position(|&b| b == b'=').map_or(0, |equals| equals + 1);
            piece[value..].fill(b'x');
        }
    }
    Cow::Owned(masked)
}

/// The length of what begins a query or a fragment at the start of `text`: the
/// sign itself, or its encoding.
fn separator(text: &[u8]) -> Option<usize> {
    match text {
        [b'?' | b'#', ..] => Some(1),
        [b'%', b'3', b'f' | b'F', ..] | [b'%', b'2', b'3', ..] => Some(3),
        _ => None,
    }
}

/// Where user information may stand, in the authority and in the path.
///
/// RFC 3986 §3.2.1 puts it between `//` and the last `@` of the authority.
/// Browsers and others repair what is not written so: one slash or three,
/// backslashes, none at all. And a slash in a password ends the authority early.
fn user_information(raw: &[u8]) -> [Range<usize>; 2] {
    let head = before(raw, |b| matches!(b, b'?' | b'#'));
    let scheme = scheme_length(head);
    let slashes = head[scheme..].iter().take_while(|&&b| is_slash(b) || b <= b' ').count();
    let start = scheme + slashes;
    let rest = &head[start..];
    let at = |text: &[u8]| text.iter().rposition(|&b| b == b'@');
    let path = if scheme == 0 && matches!(head.trim_ascii(), [b'/', after, ..] if !is_slash(*after)) {
        start
    } else {
        let has_two = head[scheme..start].trim_ascii() == b"//";
        let authority = before(rest, is_slash);
        match at(authority) {
            Some(sign) if has_two => {
                return [start..start + sign, in_path(head, start + authority.len())];
            }
            None if has_two && is_host(authority) => start + authority.len(),
            // No host that can be told: whatever is there may be a secret.
            _ => {
                let cut_short = head.len() < raw.len() && at(raw).is_some() && rest.contains(&b':');
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
fn in_path(head: &[u8], path: usize) -> Range<usize> {
    let text = &head[path..];
    let Some(end) = text.iter().rposition(|&b| b == b'@') else { return 0..0 };
    let Some(colon) = text[..end].iter().position(|&b| b == b':') else { return 0..0 };
    let start = text[..colon].iter().rposition(|&b| is_slash(b)).map_or(0, |slash| slash + 1);
    path + start..path + end
}

/// The length of a scheme with its colon, 0 without one. Blanks and control
/// characters are passed over, as browsers do.
fn scheme_length(head: &[u8]) -> usize {
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || b"+-.".contains(b) || *b <= b' ';
    let length = head.iter().take_while(|b| is_part(b)).count();
    if length > 0 && head.get(length) == Some(&b':') { length + 1 } else { 0 }
}

/// Whether an authority without user information can be a host: a name of
/// several labels, or an address, and a port. A name of one label may as well
/// be the beginning of a password with a slash in it.
fn is_host(authority: &[u8]) -> bool {
    let (host, port) = match authority.iter().rposition(|&b| b == b':') {
        Some(colon) if authority.last() != Some(&b']') => authority.split_at(colon),
        Some(_) | None => (authority, &b""[..]),
    };
    let is_address = matches!(host, [b'[', .., b']']);
    let is_name =
        host.contains(&b'.') && host.iter().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(b));
    (is_address || is_name) && port.iter().skip(1).all(u8::is_ascii_digit)
}

const fn is_slash(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

fn before(text: &[u8], ends: impl Fn(u8) -> bool) -> &[u8] {
    &text[..text.iter().position(|&b| ends(b)).unwrap_or(text.len())]
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
        check("/x%3ftoken%3DSECRET", "/x%3fxxxxxxxxxxxxxx");
        check("/x%23SECRET", "/x%23xxxxxx");
        check("/x%3F", "/x%3F");
        check("/x%2Fy", "/x%2Fy");
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
        fn a_mask_keeps_the_length_of_anything(raw in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(mask_url(&raw).len(), raw.len());
        }
    }
}
