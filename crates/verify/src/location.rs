//! The text of a Location: its bytes, its form, its likeness to another.
//!
//! Everything here follows RFC 3986 and works on bytes as they came. A URL
//! library that serves browsers repairs what it reads (`https:/host` gains a
//! slash, `\` turns into one) and so would hide the very mistakes that are
//! looked for; it is asked only after the form was found sound.

use downpour_core::fault::Fault;
use downpour_core::route::hex_pair;
use url::Url;

/// The longest Location that is judged. RFC 9110 §4.1 asks for at least 8000
/// bytes; clients and proxies give up not far above it.
pub(super) const LOCATION_BYTES_MAX: usize = 8 * 1024;

/// The longest name within braces that is taken for a placeholder.
const PLACEHOLDER_BYTES_MAX: usize = 64;

/// Words that stand in a URL when a program printed a value it did not have:
/// Python, JavaScript, and the JSON of both.
const EMPTY_VALUES: [&[u8]; 3] = [b"None", b"undefined", b"null"];

/// The bytes of a Location: bounded, and only those a URI may hold
/// (RFC 3986 §2). A brace that belongs to a placeholder is told as one.
pub(super) fn bytes_fault(location: &[u8]) -> Option<Fault> {
    if location.len() > LOCATION_BYTES_MAX {
        return Some(Fault::LocationBytes);
    }
    let at = location.iter().position(|&b| !ALLOWED_BYTES[usize::from(b)])?;
    match location[at] {
        b'{' if placeholder_len(&location[at..], b"{", b"}").is_some() => Some(Fault::LocationPlaceholder),
        _ => Some(Fault::LocationBytes),
    }
}

/// Visible ASCII but for the characters that RFC 3986 leaves out.
const ALLOWED_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        table[byte as usize] = !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}');
        byte += 1;
    }
    table
};

/// The two forms a usable Location can have (RFC 3986 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReferenceForm {
    /// `http://host…` or `https://host…`.
    Absolute,
    /// `//host…`: all but the scheme.
    NetworkPath,
    /// `/path`, `path`, `?query` or `#fragment`: stays on the host.
    Path,
}

/// The form of a Location; `None` where it is no URI, has another scheme than
/// http(s), or no host where one must stand.
pub(super) fn reference_form(location: &[u8]) -> Option<ReferenceForm> {
    if !triplets_are_whole(location) {
        return None;
    }
    let (form, hierarchy) = match scheme_len(location) {
        Some(colon) => {
            let (scheme, rest) = location.split_at(colon);
            let known = scheme.eq_ignore_ascii_case(b"https") || scheme.eq_ignore_ascii_case(b"http");
            (ReferenceForm::Absolute, rest[1..].strip_prefix(b"//").filter(|_| known)?)
        }
        None => match location.strip_prefix(b"//") {
            Some(hierarchy) => (ReferenceForm::NetworkPath, hierarchy),
            None => return Some(ReferenceForm::Path),
        },
    };
    (!authority(hierarchy).is_empty()).then_some(form)
}

/// Where the colon of a scheme stands: RFC 3986 §3.1. A first segment with a
/// colon is always a scheme (§4.2), so `host:443/x` has the scheme `host`.
fn scheme_len(location: &[u8]) -> Option<usize> {
    let end = location.iter().position(|b| b":/?#".contains(b))?;
    (location[end] == b':').then_some(end)
}

/// What stands between `//` and the path.
fn authority(hierarchy: &[u8]) -> &[u8] {
    hierarchy.split(|b| b"/?#".contains(b)).next().unwrap_or_default()
}

/// The user information of a Location of one of the forms with a host, also
/// an empty one.
pub(super) fn has_userinfo(location: &[u8], form: ReferenceForm) -> bool {
    let hierarchy = match form {
        ReferenceForm::Path => return false,
        ReferenceForm::NetworkPath => location.get(2..),
        ReferenceForm::Absolute => scheme_len(location).and_then(|colon| location.get(colon + 3..)),
    };
    hierarchy.is_some_and(|hierarchy| authority(hierarchy).contains(&b'@'))
}

fn triplets_are_whole(text: &[u8]) -> bool {
    memchr::memchr_iter(b'%', text)
        .all(|at| matches!(text.get(at + 1..at + 3), Some(&[high, low]) if hex_pair(high, low).is_some()))
}

/// Whether a Location shows a value that was never filled in: `%7Bcrate%7D`,
/// or a whole segment or host label that is `None`, `undefined` or `null`.
///
/// What the client itself asked for is no leak: there are packages with the
/// names of empty values.
pub(super) fn has_placeholder(location: &[u8], asked: &[u8]) -> bool {
    let mut rest = location;
    while let Some(at) = memchr::memmem::find(rest, b"%7") {
        rest = &rest[at..];
        if let Some(len) = encoded_placeholder_len(rest)
            && memchr::memmem::find(asked, &rest[..len]).is_none()
        {
            return true;
        }
        rest = &rest[2..];
    }
    let (before_query, _) = split_at_any(location, b"?#");
    let (hierarchy, path) = match memchr::memmem::find(before_query, b"//") {
        Some(at) if reference_form(location).is_some_and(|form| form != ReferenceForm::Path) => {
            split_at_any(&before_query[at + 2..], b"/")
        }
        Some(_) | None => (&b""[..], before_query),
    };
    let leaked = |part: &[u8]| {
        EMPTY_VALUES.contains(&part) && !asked.split(|b| b"/?&=".contains(b)).any(|known| known == part)
    };
    path.split(|&b| b == b'/').any(leaked) || hierarchy.split(|b| b".:@".contains(b)).any(leaked)
}

fn encoded_placeholder_len(text: &[u8]) -> Option<usize> {
    let lower = |open: &[u8], close: &[u8]| placeholder_len(text, open, close);
    match text.get(..3)? {
        b"%7B" => lower(b"%7B", b"%7D").or_else(|| lower(b"%7B", b"%7d")),
        b"%7b" => lower(b"%7b", b"%7d").or_else(|| lower(b"%7b", b"%7D")),
        _ => None,
    }
}

/// The length of `{name}` at the start of `text`, with braces of the given
/// spelling; an empty name counts, and so does a doubled brace.
fn placeholder_len(text: &[u8], open: &[u8], close: &[u8]) -> Option<usize> {
    let mut inside = text.strip_prefix(open)?;
    while let Some(deeper) = inside.strip_prefix(open) {
        inside = deeper;
    }
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"_.:-$".contains(&b);
    let name = inside.iter().take(PLACEHOLDER_BYTES_MAX).take_while(|&&b| is_name(b)).count();
    inside[name..].starts_with(close).then(|| text.len() - inside.len() + name + close.len())
}

fn split_at_any<'t>(text: &'t [u8], marks: &[u8]) -> (&'t [u8], &'t [u8]) {
    text.split_at(text.iter().position(|b| marks.contains(b)).unwrap_or(text.len()))
}

/// Whether two paths, queries or fragments are the same after the
/// normalisation of RFC 3986 §6.2.2.1 and §6.2.2.2: hexadecimal digits in
/// either case, and an encoded unreserved character is that character.
///
/// `+` and `%2B` stay different, as they are to stores.
pub(super) fn same_text(left: &str, right: &str) -> bool {
    left == right || normal_bytes(left.as_bytes()).eq(normal_bytes(right.as_bytes()))
}

/// Whether two texts are the same but for how often they were encoded: `+`,
/// `%2B`, `%252B`, and the `%20` of a program that took the first for a space.
pub(super) fn same_decoded(left: &str, right: &str) -> bool {
    decoded(left) == decoded(right)
}

/// A text without any encoding, and with spaces for pluses. More than three
/// layers are nobody's mistake.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..3 {
        let mut rest = bytes.as_slice();
        let mut out = Vec::with_capacity(rest.len());
        while let [first, tail @ ..] = rest {
            let (byte, tail) = match (first, tail) {
                (b'%', &[high, low, ref after @ ..]) => match hex_pair(high, low) {
                    Some(byte) => (byte, after),
                    None => (*first, tail),
                },
                _ => (*first, tail),
            };
            out.push(byte);
            rest = tail;
        }
        bytes = out;
    }
    for byte in &mut bytes {
        if *byte == b'+' {
            *byte = b' ';
        }
    }
    bytes
}

/// Whether `host` is `demanded` with more glued to it. A last dot is not
/// glue: it says that the name is complete.
pub(super) fn is_glued(host: &str, demanded: &str) -> bool {
    host.strip_prefix(demanded).is_some_and(|glue| !matches!(glue, "" | "."))
}

/// A byte as itself, or an encoded one that has to stay encoded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Char {
    Plain(u8),
    Encoded(u8),
}

fn normal_bytes(text: &[u8]) -> impl Iterator<Item = Char> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (&first, tail) = rest.split_first()?;
        rest = tail;
        if let (b'%', &[high, low, ref after @ ..]) = (first, tail)
            && let Some(byte) = hex_pair(high, low)
        {
            rest = after;
            let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            return Some(if unreserved { Char::Plain(byte) } else { Char::Encoded(byte) });
        }
        Some(Char::Plain(first))
    })
}

/// Whether a resolver can be asked for `name` at all: RFC 1035 §2.3.4, with
/// the underscore that names in use have. A last dot is allowed.
pub(super) fn is_host_name(name: &str) -> bool {
    let labels = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    labels.len() <= super::hosts::HOST_BYTES_MAX && labels.split('.').all(is_label)
}

/// Whether two URLs name the same path and query, but for how they are encoded.
pub(super) fn same_resource(left: &Url, right: &Url) -> bool {
    same_text(left.path(), right.path()) && same_part(left.query(), right.query())
}

/// Whether two optional parts are the same, but for how they are encoded.
pub(super) fn same_part(left: Option<&str>, right: Option<&str>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => same_text(left, right),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_bytes(location: &[u8], expected: Option<Fault>) {
        assert_eq!(bytes_fault(location), expected, "{}", location.escape_ascii());
    }

    #[test]
    fn only_bytes_of_a_uri_and_not_too_many() {
        check_bytes(b"https://h/a-b_c~d.e/%2B?q=1&x#f!$'()*+,;=:@[]", None);
        check_bytes(b"", None);
        for wrong in
            [" ", "\t", "\r\n", "\0", "\x7f", "\\", "\"", "<", ">", "^", "`", "|", "{", "}", "\u{e4}"]
        {
            check_bytes(format!("https://h/{wrong}").as_bytes(), Some(Fault::LocationBytes));
        }
        check_bytes(&[b'a'; LOCATION_BYTES_MAX], None);
        check_bytes(&[b'a'; LOCATION_BYTES_MAX + 1], Some(Fault::LocationBytes));
    }

    #[test]
    fn braces_with_a_name_are_a_placeholder() {
        for leak in ["{crate}", "{}", "{{crate}}", "${crate}", "{0}", "{crate:?}x", "{self.cdn}"] {
            let expected = if leak.contains('?') { Fault::LocationBytes } else { Fault::LocationPlaceholder };
            check_bytes(format!("https://h/{leak}/x").as_bytes(), Some(expected));
        }
        check_bytes(b"https://h/{not closed", Some(Fault::LocationBytes));
        check_bytes(b"https://h/}{", Some(Fault::LocationBytes));
    }

    #[track_caller]
    fn check_form(location: &str, expected: Option<ReferenceForm>) {
        assert_eq!(reference_form(location.as_bytes()), expected, "{location}");
    }

    #[test]
    fn the_form_is_read_as_the_rfc_does_not_as_browsers_do() {
        check_form("https://host/x", Some(ReferenceForm::Absolute));
        check_form("HTTP://host", Some(ReferenceForm::Absolute));
        check_form("//host/x", Some(ReferenceForm::NetworkPath));
        for path in ["/x", "x", "x/y:z", "?q", "#f", "", "static.crates.io/x", "./a:b"] {
            check_form(path, Some(ReferenceForm::Path));
        }
        for wrong in ["https:/host/x", "https:host", "https:///x", "https://", "https://?q", "//", "///x"] {
            check_form(wrong, None);
        }
        for wrong in ["ftp://host/x", "javascript:alert(1)", "host:443/x", ":x", "//#", "/x%2", "/%zz", "x%"]
        {
            check_form(wrong, None);
        }
    }

    #[test]
    fn userinfo_is_seen_in_the_authority_only() {
        let has =
            |location: &str| has_userinfo(location.as_bytes(), reference_form(location.as_bytes()).unwrap());
        for with in ["https://a@h/", "https://a:b@h/", "//@h/x", "http://static.crates.io@evil/"] {
            assert!(has(with), "{with}");
        }
        for without in ["https://h/@", "https://h?a@b", "https://h#@", "/a@b", "a@b"] {
            assert!(!has(without), "{without}");
        }
    }

    #[track_caller]
    fn check_placeholder(location: &str, asked: &str, expected: bool) {
        assert_eq!(
            has_placeholder(location.as_bytes(), asked.as_bytes()),
            expected,
            "{location} for {asked}"
        );
    }

    #[test]
    fn unfilled_values_are_seen_where_they_fill_a_place() {
        for leak in ["/%7Bcrate%7D/x", "/x/%7bcrate%7d", "/a-%7Bv%7D.crate", "/%7B%7D", "/%7B%7Bv%7D%7D"] {
            check_placeholder(&format!("https://h{leak}"), "/a", true);
            check_placeholder(leak, "/a", true);
        }
        for leak in
            ["https://None/x", "https://undefined.h/x", "//null:80/", "https://h/None/x", "/x/undefined"]
        {
            check_placeholder(leak, "/a", true);
        }
        for fine in ["https://h/nonesuch/None.crate", "/x?y=None", "/%7B", "https://h/%7Ba b%7D", "/%7A%7B"] {
            check_placeholder(fine, "/a", false);
        }
        check_placeholder("https://h/null/null-1.tgz", "/null/-/null-1.tgz", false);
        check_placeholder("https://h/%7Bx%7D", "/%7Bx%7D", false);
    }

    #[test]
    fn likeness_is_after_normalisation_of_percent_encoding_only() {
        for (left, right) in [("/a%2bb", "/a%2Bb"), ("/%7Ex", "/~x"), ("/%41", "/A"), ("%zz", "%zz")] {
            assert!(same_text(left, right), "{left} {right}");
        }
        for (left, right) in
            [("/a+b", "/a%2Bb"), ("/A", "/a"), ("/%252B", "/%2B"), ("/a%2Fb", "/a/b"), ("", "/")]
        {
            assert!(!same_text(left, right), "{left} {right}");
        }
    }

    #[test]
    fn likeness_without_any_encoding() {
        for same in ["/a+b", "/a%2Bb", "/a%252bb", "/a%25252Bb", "/a%20b", "/a%2520b"] {
            assert!(same_decoded(same, "/a%2Bb"), "{same}");
        }
        assert!(same_decoded("/a%2Fb", "/a/b"));
        for other in ["/a", "/a-b", "/A+b", "/a%2525252Bb"] {
            assert!(!same_decoded(other, "/a%2Bb"), "{other}");
        }
    }

    #[test]
    fn glue_is_what_follows_the_whole_host() {
        for glued in ["static.crates.iocrates", "static.crates.io.evil.example", "static.crates.io-x.net"] {
            assert!(is_glued(glued, "static.crates.io"), "{glued}");
        }
        for other in ["static.crates.io", "static.crates.io.", "static.crates.i", "xstatic.crates.io", "a"] {
            assert!(!is_glued(other, "static.crates.io"), "{other}");
        }
    }

    #[test]
    fn names_that_no_resolver_can_be_asked_for() {
        for name in ["h", "a.b", "a.b.", "xn--bcher-kva.example", "_dmarc.x", "1.com", "a-b"] {
            assert!(is_host_name(name), "{name}");
        }
        let (long_label, long_name) = ("a".repeat(64), ["a"; 127].join(".") + ".b");
        for name in ["", ".", "a..b", ".a", "a..", "a b", "a!b", "%61", &long_label, &long_name] {
            assert!(!is_host_name(name), "{name}");
        }
    }
}
