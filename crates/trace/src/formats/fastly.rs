//! Fastly's framings, and crates.io's JSON inside them.
//!
//! A Fastly service writes any payload behind a syslog header: `classic`
//! (`<134>2026-… node endpoint[pid]: payload`), RFC 5424, or none (`blank`).
//! The header's time is when the line was written and is not used. crates.io's
//! payload tells the start of the exchange in nanoseconds, and the URL as the
//! client asked for it, before the edge rewrote it.

use super::json::{self, ClientField, JsonNumber, JsonText};
use crate::client::ClientKeys;
use crate::dates::Calendar;
use crate::reasons::{Notes, ParsedLine, Reject, Skip};
use crate::target::{SplitUrl, of_url};
use crate::{Record, StampKind};
use memchr::memchr;
use serde::Deserialize;
use std::borrow::Cow;

/// Reads crates.io's JSON payload, in the shapes of 2024 and 2025.
#[derive(Debug, Default)]
pub(crate) struct FastlyJson {
    calendar: Calendar,
}

/// The keys that a replay needs. Of the address nothing but a keyed hash is
/// kept, of the agent at most the kind of client.
#[derive(Deserialize)]
struct Payload<'l> {
    #[serde(borrow)]
    date_time: Option<JsonText<'l>>,
    #[serde(borrow)]
    method: Option<JsonText<'l>>,
    #[serde(borrow)]
    url: Option<JsonText<'l>>,
    #[serde(borrow)]
    version: Option<JsonText<'l>>,
    status: Option<JsonNumber>,
    bytes: Option<JsonNumber>,
    #[serde(borrow)]
    ip: Option<ClientField<'l>>,
    #[serde(borrow)]
    http: Option<FastlyHttp<'l>>,
}

/// What the shape of 2025 says of the request.
#[derive(Deserialize)]
struct FastlyHttp<'l> {
    #[serde(borrow)]
    useragent: Option<ClientField<'l>>,
}

impl FastlyJson {
    /// The fate of one line.
    pub(crate) fn parse<'l>(&mut self, line: &'l [u8], clients: ClientKeys) -> ParsedLine<'l> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return ParsedLine::Skipped(Skip::Blank);
        }
        // Whatever the framing is, it holds no brace.
        let payload = memchr(b'{', line).and_then(|open| line.get(open..));
        payload.ok_or(Reject::BadJson).and_then(|payload| self.record(payload, clients)).into()
    }

    fn record<'l>(&mut self, payload: &'l [u8], clients: ClientKeys) -> Result<Record<'l>, Reject> {
        let payload: Payload<'l> = json::read(payload)?;
        if payload.version.is_none_or(|version| version.0 != "1") {
            return Err(Reject::UnsupportedVersion);
        }
        let date = payload.date_time.ok_or(Reject::MissingTimestamp)?;
        let at = self.calendar.rfc_3339(date.0.as_bytes()).ok_or(Reject::BadTimestamp)?;
        let method = json::method_of(payload.method.ok_or(Reject::BadMethod)?.0)?;
        let (authority, target) = split_json_url(payload.url.ok_or(Reject::NoPath)?.0)?;
        let status = match payload.status {
            Some(number) => super::recorded_status(number.unsigned().ok_or(Reject::BadStatus)?)?,
            None => None,
        };
        Ok(Record {
            at: Some(at),
            stamp: StampKind::Start,
            resolution_ns: 1,
            duration_ns: None,
            method,
            authority,
            target,
            status,
            response_bytes: payload.bytes.and_then(JsonNumber::unsigned),
            client: payload.ip.and_then(|who| who.key(clients)),
            kind: payload.http.and_then(|http| clients.kind(http.useragent?.text()?.as_bytes())),
            notes: Notes::NONE.with_missing_status(status),
        })
    }
}

/// Authority and target of a URL.
pub(super) type UrlParts<'l> = (Option<Cow<'l, [u8]>>, Cow<'l, [u8]>);

/// A URL out of JSON taken apart, borrowed where it is borrowed.
pub(super) fn split_json_url(url: Cow<'_, str>) -> Result<UrlParts<'_>, Reject> {
    match url {
        Cow::Borrowed(url) => {
            let SplitUrl { authority, target } = of_url(url.as_bytes())?;
            Ok((authority.map(Cow::Borrowed), target))
        }
        Cow::Owned(url) => {
            let SplitUrl { authority, target } = of_url(url.as_bytes())?;
            Ok((authority.map(|host| Cow::Owned(host.to_vec())), Cow::Owned(target.into_owned())))
        }
    }
}
