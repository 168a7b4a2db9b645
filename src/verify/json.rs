//! The other form of a redirect: a JSON object whose member names the place.
//!
//! A service that answers programs with JSON and everybody else with a redirect
//! says the same thing twice, from two pieces of code. Whether both say the
//! same is compared here, by value; who asks for the second form is not this
//! module's business.

use super::location::same_text;
use crate::fault::Fault;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use url::Url;

/// The longest body that is read as JSON: an object with one URL is far
/// shorter.
pub const JSON_BYTES_MAX: usize = 64 * 1024;

/// What is wrong with a JSON answer that must name `due` in its member
/// `member`. `due` is a Location: absolute, or relative to the candidate.
///
/// Two spellings of one URL (RFC 3986 §6.2.2) are the same place.
pub fn json_fault(body: &[u8], member: &str, due: &[u8]) -> Option<Fault> {
    let Some(told) = text_of(body, member) else { return Some(Fault::JsonMissing) };
    let same = told.as_bytes() == due || str::from_utf8(due).is_ok_and(|due| are_same(&told, due));
    (!same).then_some(Fault::JsonMismatch)
}

/// The text of a member of the object in `body`.
fn text_of(body: &[u8], member: &str) -> Option<String> {
    if body.len() > JSON_BYTES_MAX {
        return None;
    }
    let object: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_slice(body).ok()?;
    serde_json::from_str(object.get(member)?.get()).ok()
}

fn are_same(left: &str, right: &str) -> bool {
    let (Ok(left), Ok(right)) = (Url::parse(left), Url::parse(right)) else { return same_text(left, right) };
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
        assert_eq!(json_fault(body.as_bytes(), "url", DUE.as_bytes()), expected, "{body}");
    }

    #[test]
    fn the_member_names_the_place_of_the_redirect() {
        check(&format!(r#"{{"url":"{DUE}"}}"#), None);
        check(&format!(r#" {{ "more": [{{}}], "url" : "{DUE}" }} "#), None);
        check(r#"{"url":"https:\/\/static.crates.io\/crates\/a\/a-1.0.0%2b2.crate"}"#, None);
        check(r#"{"u\u0072l":"HTTPS://Static.crates.io:443/crates/a/a-1.0.0%2B2.crate"}"#, None);
        assert_eq!(json_fault(br#"{"to":"/x/%7ey"}"#, "to", b"/x/~y"), None);
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
        assert_eq!(json_fault(br#"{"url":"x"}"#, "url", b"\xff"), Some(Fault::JsonMismatch));
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
        assert_eq!(json_fault(b"{\"url\":\"\xff\"}", "url", b"\xff"), missing);
    }
}
