//! The other form of a redirect: a JSON object whose member names the place.
//!
//! A service that answers programs with JSON and everybody else with a redirect
//! says the same thing twice, from two pieces of code. Whether both say the
//! same is compared here, by value; who asks for the second form is not this
//! module's business.

use super::location::same_text;
use super::probe::volatile::{is_signed, without_volatile};
use downpour_core::fault::Fault;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use url::Url;

/// The longest body that is read as JSON: an object with one URL is far
/// shorter.
pub const JSON_BYTES_MAX: usize = 64 * 1024;

/// Most characters of what is told that the member says.
const MEMBER_CHARS_MAX: usize = 128;

/// What the JSON form of a redirect must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedJson {
    /// The member that names the place.
    pub member: Box<str>,
    /// The place: a Location, absolute or relative to the candidate.
    pub location: Box<[u8]>,
}

impl ExpectedJson {
    /// What is wrong with a JSON answer, and what it says instead, in ASCII.
    ///
    /// Two spellings of one URL (RFC 3986 §6.2.2) are the same place, and so
    /// are two signed ones that differ in their signatures alone.
    pub fn fault(&self, body: &[u8]) -> Option<(Fault, String)> {
        let Self { member, location: due } = self;
        let Some(told) = member_text(body, member) else {
            return Some((Fault::JsonMissing, format!("the member {member:?} is missing or is not a text")));
        };
        let same = told.as_bytes() == &**due || str::from_utf8(due).is_ok_and(|due| is_same_url(&told, due));
        (!same).then(|| (Fault::JsonMismatch, format!("it names {}", without_query(&told))))
    }
}

/// Without a query, which may hold secrets, and bounded.
fn without_query(told: &str) -> String {
    let bare = told.split(['?', '#']).next().unwrap_or_default();
    let start: String = bare.chars().take(MEMBER_CHARS_MAX).collect();
    let mark = if start.len() < told.len() { "..." } else { "" };
    format!("{}{mark}", start.escape_default())
}

/// The text of a member of the object in `body`.
fn member_text(body: &[u8], member: &str) -> Option<String> {
    if body.len() > JSON_BYTES_MAX {
        return None;
    }
    let object: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_slice(body).ok()?;
    serde_json::from_str(object.get(member)?.get()).ok()
}

fn is_same_url(left: &str, right: &str) -> bool {
    let (Ok(left), Ok(right)) = (Url::parse(left), Url::parse(right)) else { return same_text(left, right) };
    if is_signed(&left) && is_signed(&right) {
        return without_volatile(&left) == without_volatile(&right);
    }
    left.scheme() == right.scheme()
        && left.username() == right.username()
        && left.password() == right.password()
        && left.host() == right.host()
        && left.port() == right.port()
        && same_text(left.path(), right.path())
        && same_text(left.query().unwrap_or_default(), right.query().unwrap_or_default())
        && left.fragment() == right.fragment()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUE: &str = "https://static.crates.io/crates/a/a-1.0.0%2B2.crate";

    #[track_caller]
    fn check(body: &str, expected: Option<Fault>) {
        assert_eq!(fault(body.as_bytes(), "url", DUE.as_bytes()), expected, "{body}");
    }

    fn fault(body: &[u8], member: &str, due: &[u8]) -> Option<Fault> {
        ExpectedJson { member: member.into(), location: due.into() }.fault(body).map(|(fault, _)| fault)
    }

    #[test]
    fn the_member_names_the_place_of_the_redirect() {
        check(&format!(r#"{{"url":"{DUE}"}}"#), None);
        check(&format!(r#" {{ "more": [{{}}], "url" : "{DUE}" }} "#), None);
        check(r#"{"url":"https:\/\/static.crates.io\/crates\/a\/a-1.0.0%2b2.crate"}"#, None);
        check(r#"{"u\u0072l":"HTTPS://Static.crates.io:443/crates/a/a-1.0.0%2B2.crate"}"#, None);
        assert_eq!(fault(br#"{"to":"/x/%7ey"}"#, "to", b"/x/~y"), None);
    }

    #[test]
    fn another_place_is_another_place() {
        for other in [
            "https://static.staging.crates.io/crates/a/a-1.0.0%2B2.crate",
            "https://static.crates.io/crates/a/a-1.0.0+2.crate",
            "http://static.crates.io/crates/a/a-1.0.0%2B2.crate",
            "https://static.crates.io:8443/crates/a/a-1.0.0%2B2.crate",
            "https://u@static.crates.io/crates/a/a-1.0.0%2B2.crate",
            "https://static.crates.io/crates/a/a-1.0.0%2B2.crate?x",
            "/crates/a/a-1.0.0%2B2.crate",
            "",
        ] {
            check(&format!(r#"{{"url":"{other}"}}"#), Some(Fault::JsonMismatch));
        }
        assert_eq!(fault(br#"{"url":"x"}"#, "url", b"\xff"), Some(Fault::JsonMismatch));
    }

    #[test]
    fn of_signed_places_the_signatures_may_differ() {
        let signed = |file: &str, mark: &str| format!("https://s3.test/{file}?X-Amz-Signature={mark}");
        let said = |told: String| {
            fault(format!(r#"{{"url":"{told}"}}"#).as_bytes(), "url", signed("f", "1").as_bytes())
        };
        assert_eq!(said(signed("f", "2")), None);
        assert_eq!(said(signed("g", "1")), Some(Fault::JsonMismatch));
        assert_eq!(said("https://s3.test/f".to_owned()), Some(Fault::JsonMismatch));
    }

    #[test]
    fn what_it_says_instead_is_told_in_few_and_plain_words() {
        let told = |body: &str| {
            let form = ExpectedJson { member: "url".into(), location: DUE.as_bytes().into() };
            form.fault(body.as_bytes()).unwrap().1
        };
        assert_eq!(told("{}"), "the member \"url\" is missing or is not a text");
        assert_eq!(
            told(r#"{"url":"https://h.test/\u001b?key=secret"}"#),
            "it names https://h.test/\\u{1b}..."
        );
        assert!(told(&format!(r#"{{"url":"{}"}}"#, "a".repeat(9_000))).len() < 200);
    }

    #[test]
    fn what_names_no_place() {
        let missing = Some(Fault::JsonMissing);
        for body in
            ["", "x", "[]", "{}", "\"url\"", r#"{"url":1}"#, r#"{"url":null}"#, r#"{"URL":"x"}"#, "<html>"]
        {
            check(body, missing);
        }
        check(&format!(r#"{{"url":"{DUE}"#), missing);
        check(&format!(r#"{{"url":"{DUE}"}}{}"#, " ".repeat(JSON_BYTES_MAX)), missing);
        check(&format!("{}{}", "[".repeat(30_000), "]".repeat(30_000)), missing);
        check(&format!(r#"{{"x":{}{}}}"#, "[".repeat(30_000), "]".repeat(30_000)), missing);
        assert_eq!(fault(b"{\"url\":\"\xff\"}", "url", b"\xff"), missing);
    }
}
