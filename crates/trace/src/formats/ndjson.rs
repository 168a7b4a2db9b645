//! The project's own trace: one JSON object a line.
//!
//! Its grammar is public and stands at
//! [`Format::GRAMMAR_OF_TRACE`](super::Format::GRAMMAR_OF_TRACE). Stamps are
//! starts, in nanoseconds; a trace without them is paced by whoever replays
//! it. Keys that are not known are ignored, so that a newer writer's traces
//! can be read.

use super::fastly::split_json_url;
use super::json::{self, ClientField, JsonNumber, JsonText};
use crate::client::ClientKeys;
use crate::reasons::{Notes, ParsedLine, Reject, Skip};
use crate::{Record, StampKind};
use downpour_core::units::Stamp;
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Deserialize)]
struct NdjsonLine<'l> {
    at_ns: Option<JsonNumber>,
    #[serde(borrow)]
    method: Option<JsonText<'l>>,
    #[serde(borrow)]
    target: Option<JsonText<'l>>,
    #[serde(borrow)]
    authority: Option<JsonText<'l>>,
    status: Option<JsonNumber>,
    duration_ns: Option<JsonNumber>,
    #[serde(borrow)]
    client: Option<ClientField<'l>>,
    #[serde(borrow)]
    kind: Option<ClientField<'l>>,
}

/// The fate of one line.
pub(crate) fn parse(line: &[u8], clients: ClientKeys) -> ParsedLine<'_> {
    match line.trim_ascii().first() {
        None => ParsedLine::Skipped(Skip::Blank),
        Some(b'#') => ParsedLine::Skipped(Skip::Comment),
        // The fields of a JSON array would be taken in order of declaration.
        Some(b'{') => record(line, clients).into(),
        Some(_) => ParsedLine::Rejected(Reject::BadJson),
    }
}

fn record(line: &[u8], clients: ClientKeys) -> Result<Record<'_>, Reject> {
    let entry: NdjsonLine<'_> = json::read(line)?;
    let at = match entry.at_ns {
        Some(JsonNumber::Whole(nanos)) => Some(Stamp::from_nanos(nanos)),
        Some(JsonNumber::Other) => return Err(Reject::BadTimestamp),
        None => None,
    };
    let method = match entry.method {
        Some(method) => json::method_of(method.0)?,
        None => b"GET",
    };
    let (authority, target) = split_json_url(entry.target.ok_or(Reject::NoPath)?.0)?;
    let named = entry.authority.map(|JsonText(host)| match host {
        Cow::Borrowed(host) => Cow::Borrowed(host.as_bytes()),
        Cow::Owned(host) => Cow::Owned(host.into_bytes()),
    });
    let status = match entry.status {
        Some(number) => super::recorded_status(number.unsigned().ok_or(Reject::BadStatus)?)?,
        None => None,
    };
    Ok(Record {
        at,
        stamp: StampKind::Start,
        resolution_ns: 1,
        duration_ns: entry.duration_ns.and_then(JsonNumber::unsigned),
        method,
        authority: named.or(authority),
        target,
        status,
        response_bytes: None,
        client: entry.client.and_then(|who| who.key(clients)),
        kind: entry.kind.and_then(|kind| clients.kind_named(kind.text()?)),
        notes: Notes::NONE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{AgentParsing, ClientKey};
    use downpour_core::agent::ClientKind;

    #[track_caller]
    fn check(line: &str, expected: Result<(&str, Option<i64>), Reject>) {
        let found = match parse(line.as_bytes(), ClientKeys::seeded(0)) {
            ParsedLine::Record(record) => Ok((record.target.into_owned(), record.at.map(Stamp::as_nanos))),
            ParsedLine::Rejected(reason) => Err(reason),
            ParsedLine::Skipped(reason) => panic!("skipped: {reason:?}"),
        };
        assert_eq!(found, expected.map(|(target, at)| (target.as_bytes().to_vec(), at)), "{line}");
    }

    #[test]
    fn a_client_is_a_text_or_a_key_or_nobody() {
        let keys = ClientKeys::seeded(3);
        let client = |value: &str| {
            let line = format!(r#"{{"target":"/x","client":{value}}}"#);
            match parse(line.as_bytes(), keys) {
                ParsedLine::Record(record) => record.client,
                other @ (ParsedLine::Skipped(_) | ParsedLine::Rejected(_)) => panic!("{other:?}"),
            }
        };
        assert_eq!(client(r#""192.0.2.1""#), keys.of(b"192.0.2.1"));
        assert_eq!(client(r#""\u0031""#), keys.of(b"1"));
        assert_eq!(client("18446744073709551615"), ClientKey::from_bytes([0xff; 8]));
        for nobody in ["null", "0", "-1", "1.5", "true", "\"\"", "[1,[2]]", r#"{"a":{"b":1}}"#] {
            assert_eq!(client(nobody), None, "{nobody}");
        }
    }

    #[test]
    fn a_kind_is_the_name_of_a_model() {
        let keys = ClientKeys::seeded(3).with(AgentParsing::BuiltIn);
        let kind = |value: &str| {
            let line = format!(r#"{{"target":"/x","kind":{value}}}"#);
            match parse(line.as_bytes(), keys) {
                ParsedLine::Record(record) => record.kind.map(ClientKind::preset),
                other @ (ParsedLine::Skipped(_) | ParsedLine::Rejected(_)) => panic!("{other:?}"),
            }
        };
        assert_eq!(kind(r#""cargo-1.70""#), Some("cargo-1.70"));
        assert_eq!(kind(r#""cargo/1.70.0 (ec8a8a0ca 2023-04-25)""#), Some("none"));
        assert_eq!((kind("7"), kind("null"), kind("[]")), (None, None, None));
    }

    #[test]
    fn lines() {
        check(r#"{"target":"/x"}"#, Ok(("/x", None)));
        check(r#"{"at_ns":-5,"target":"/x","more":[{"target":1}]}"#, Ok(("/x", Some(-5))));
        check(r#"{"target":"https://h/a\u0062"}"#, Ok(("/ab", None)));
        check(r#"{"target":"/x","at_ns":1.5}"#, Err(Reject::BadTimestamp));
        check(r#"{"target":"/x","at_ns":9223372036854775808}"#, Err(Reject::BadTimestamp));
        check(r#"{"target":"/x","method":"G T"}"#, Err(Reject::BadMethod));
        check(r#"{"target":"/x","status":1000}"#, Err(Reject::BadStatus));
        check(r#"{"target":"x"}"#, Err(Reject::NoPath));
        check(r#"{"method":"GET"}"#, Err(Reject::NoPath));
        check(r#"{"target":5}"#, Err(Reject::BadJson));
        check(r#"{"target":"/x"#, Err(Reject::Truncated));
        check(r"[1]", Err(Reject::BadJson));
    }
}
