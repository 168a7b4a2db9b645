//! Amazon `CloudFront` standard logs, version 1.
//!
//! W3C extended: header lines with `#`, rows separated by TAB, columns named
//! by `#Fields:`, which may change where files were put together. The stamp is
//! the end of the exchange, to the second, `time-taken` its length. Stem and
//! query are percent-encoded once more than on the wire, so a wire `%2B`
//! stands as `%252B`; the split comes first, then one decoding.

use crate::client::ClientKeys;
use crate::dates::{Calendar, decimal_seconds, integer};
use crate::reasons::{Note, Notes, ParsedLine, Reject, Skip};
use crate::target::is_token;
use crate::{Record, StampKind};
use downpour_core::route::hex_pair;
use downpour_core::units::NANOS_PER_SECOND;
use memchr::{memchr, memchr_iter};
use std::borrow::Cow;

/// A header with more columns is not one of `CloudFront`'s.
const MAX_COLUMNS: usize = 256;

/// The columns that a replay needs.
#[derive(Clone, Copy, Debug)]
enum CloudfrontColumn {
    Date,
    Time,
    Method,
    Stem,
    Status,
    Query,
    TimeTaken,
    ViewerHost,
    DistributionHost,
    Bytes,
    Viewer,
    ForwardedFor,
    Agent,
}

const COLUMNS: usize = CloudfrontColumn::Agent as usize + 1;

/// Without these there is no request.
const REQUIRED: [CloudfrontColumn; 5] = [
    CloudfrontColumn::Date,
    CloudfrontColumn::Time,
    CloudfrontColumn::Method,
    CloudfrontColumn::Stem,
    CloudfrontColumn::Status,
];

/// Which of a row's columns are needed.
#[derive(Debug)]
struct Layout(Vec<Option<CloudfrontColumn>>);

/// What is known of the rows that follow.
#[derive(Debug, Default)]
enum Header {
    /// No `#Fields:` since the last `#Version:`, or one that lacks columns.
    #[default]
    Unknown,
    /// A `#Version:` other than 1.x.
    Unsupported,
    Known(Layout),
}

/// Reads one stream of rows and headers.
#[derive(Debug, Default)]
pub(crate) struct Cloudfront {
    header: Header,
    calendar: Calendar,
}

impl Cloudfront {
    /// The fate of one line.
    pub(crate) fn parse<'l>(&mut self, line: &'l [u8], clients: ClientKeys) -> ParsedLine<'l> {
        match line.first() {
            None => ParsedLine::Skipped(Skip::Blank),
            Some(b'#') => self.header_line(line),
            Some(_) if line.iter().all(u8::is_ascii_whitespace) => ParsedLine::Skipped(Skip::Blank),
            Some(_) => self.row(line, clients).into(),
        }
    }

    fn header_line<'l>(&mut self, line: &'l [u8]) -> ParsedLine<'l> {
        if let Some(version) = line.strip_prefix(b"#Version:") {
            if version.trim_ascii().starts_with(b"1.") {
                self.header = Header::Unknown;
                return ParsedLine::Skipped(Skip::Header);
            }
            self.header = Header::Unsupported;
            return ParsedLine::Rejected(Reject::UnsupportedVersion);
        }
        let Some(fields) = line.strip_prefix(b"#Fields:") else { return ParsedLine::Skipped(Skip::Comment) };
        if !matches!(self.header, Header::Unsupported) {
            self.header = Layout::parse(fields).map_or(Header::Unknown, Header::Known);
        }
        ParsedLine::Skipped(Skip::Header)
    }

    fn row<'l>(&mut self, line: &'l [u8], clients: ClientKeys) -> Result<Record<'l>, Reject> {
        let layout = match &self.header {
            Header::Known(layout) => layout,
            Header::Unknown => return Err(Reject::NoHeader),
            Header::Unsupported => return Err(Reject::UnsupportedVersion),
        };
        let CloudfrontRow { values, mut notes } = layout.split(line)?;
        let value = |column: CloudfrontColumn| values[column as usize];
        let at = self.calendar.date_and_time(value(CloudfrontColumn::Date), value(CloudfrontColumn::Time));
        let at = at.ok_or(Reject::BadTimestamp)?;
        let method = value(CloudfrontColumn::Method);
        if !is_token(method) || method == b"-" {
            return Err(Reject::BadMethod);
        }
        let target = target_of(value(CloudfrontColumn::Stem), value(CloudfrontColumn::Query), &mut notes)?;
        let status = super::status_of(value(CloudfrontColumn::Status))?;
        Ok(Record {
            at: Some(at),
            stamp: StampKind::End,
            resolution_ns: NANOS_PER_SECOND,
            duration_ns: decimal_seconds(value(CloudfrontColumn::TimeTaken)),
            method,
            authority: [value(CloudfrontColumn::ViewerHost), value(CloudfrontColumn::DistributionHost)]
                .into_iter()
                .find(|host| !matches!(*host, b"" | b"-"))
                .map(Cow::Borrowed),
            target,
            status,
            response_bytes: integer(value(CloudfrontColumn::Bytes)),
            // Where the log leaves out who connected, whom a proxy named.
            client: clients
                .of(value(CloudfrontColumn::Viewer))
                .or_else(|| clients.of(first_of(value(CloudfrontColumn::ForwardedFor)))),
            kind: clients.kind(value(CloudfrontColumn::Agent)),
            notes: notes.with_missing_status(status),
        })
    }
}

/// The needed columns of a row; empty where the layout lacks one.
struct CloudfrontRow<'l> {
    values: [&'l [u8]; COLUMNS],
    notes: Notes,
}

impl Layout {
    /// `None` where a required column is missing.
    fn parse(fields: &[u8]) -> Option<Self> {
        let columns: Vec<_> =
            fields.split(u8::is_ascii_whitespace).filter(|name| !name.is_empty()).map(column_named).collect();
        let has =
            |needed: &CloudfrontColumn| columns.iter().flatten().any(|c| *c as usize == *needed as usize);
        (columns.len() <= MAX_COLUMNS && REQUIRED.iter().all(has)).then_some(Self(columns))
    }

    fn split<'l>(&self, line: &'l [u8]) -> Result<CloudfrontRow<'l>, Reject> {
        let mut values: [&[u8]; COLUMNS] = [b""; COLUMNS];
        let mut from = 0;
        let mut ends = memchr_iter(b'\t', line).chain([line.len()]);
        for column in &self.0 {
            let to = ends.next().ok_or(Reject::BadFieldCount)?;
            if let Some(column) = column {
                values[*column as usize] = &line[from..to];
            }
            from = to + 1;
        }
        let notes = if ends.next().is_some() { Notes::NONE.with(Note::ExtraFields) } else { Notes::NONE };
        Ok(CloudfrontRow { values, notes })
    }
}

fn column_named(name: &[u8]) -> Option<CloudfrontColumn> {
    Some(match name {
        b"date" => CloudfrontColumn::Date,
        b"time" => CloudfrontColumn::Time,
        b"cs-method" => CloudfrontColumn::Method,
        b"cs-uri-stem" => CloudfrontColumn::Stem,
        b"cs-uri-query" => CloudfrontColumn::Query,
        b"sc-status" => CloudfrontColumn::Status,
        b"time-taken" => CloudfrontColumn::TimeTaken,
        b"x-host-header" => CloudfrontColumn::ViewerHost,
        b"cs(Host)" => CloudfrontColumn::DistributionHost,
        b"sc-bytes" => CloudfrontColumn::Bytes,
        b"c-ip" => CloudfrontColumn::Viewer,
        b"x-forwarded-for" => CloudfrontColumn::ForwardedFor,
        b"cs(User-Agent)" => CloudfrontColumn::Agent,
        _ => return None,
    })
}

/// The first of a list with commas.
fn first_of(list: &[u8]) -> &[u8] {
    memchr(b',', list).map_or(list, |comma| &list[..comma])
}

fn target_of<'l>(stem: &'l [u8], query: &'l [u8], notes: &mut Notes) -> Result<Cow<'l, [u8]>, Reject> {
    if matches!(stem, b"" | b"-") {
        return Err(Reject::NoPath);
    }
    if matches!(query, b"" | b"-") {
        return Ok(decode(stem, notes));
    }
    // Some logs tell the query twice. A `?` of the path itself is written `%253F`.
    let path = memchr(b'?', stem).map_or(stem, |question| &stem[..question]);
    let stem = decode(path, notes);
    let mut target = stem.into_owned();
    target.push(b'?');
    target.extend_from_slice(&decode(query, notes));
    Ok(Cow::Owned(target))
}

fn decode<'l>(text: &'l [u8], notes: &mut Notes) -> Cow<'l, [u8]> {
    let Some(first) = memchr(b'%', text) else { return Cow::Borrowed(text) };
    let (plain, mut rest) = text.split_at(first);
    let mut out = Vec::with_capacity(text.len());
    out.extend_from_slice(plain);
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let escaped =
            tail.split_first_chunk().and_then(|([high, low], after)| Some((hex_pair(*high, *low)?, after)));
        if let Some((decoded, after)) = escaped {
            out.push(decoded);
            rest = after;
        } else {
            *notes = notes.with(Note::BadEscape);
            out.push(b'%');
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: ClientKeys = ClientKeys::seeded(0);

    #[track_caller]
    fn check(stem: &str, query: &str, expected: Result<&str, Reject>) {
        let mut notes = Notes::NONE;
        let found = target_of(stem.as_bytes(), query.as_bytes(), &mut notes);
        assert_eq!(found.as_deref().map_err(|reason| *reason), expected.map(str::as_bytes), "{stem}");
    }

    #[test]
    fn escapes_are_undone_exactly_once() {
        check("/x-1%252B2.crate", "-", Ok("/x-1%2B2.crate"));
        check("/%C3%A9", "-", Ok("/\u{e9}"));
        check("/%25C3%25A9", "-", Ok("/%C3%A9"));
        check("/x", "sig=abc%252Bdef&amp;x=1", Ok("/x?sig=abc%2Bdef&amp;x=1"));
        check("/x%2", "-", Ok("/x%2"));
        check("/x?mirror=1", "mirror=1", Ok("/x?mirror=1"));
        check("/x?mirror=1", "-", Ok("/x?mirror=1"));
        check("/x%253Fa", "b", Ok("/x%3Fa?b"));
        check("-", "q", Err(Reject::NoPath));
    }

    #[test]
    fn a_header_without_the_needed_columns_is_none() {
        let mut parser = Cloudfront::default();
        assert_eq!(parser.parse(b"#Fields: date time", KEYS), ParsedLine::Skipped(Skip::Header));
        assert_eq!(parser.parse(b"2026-03-05\t14:03:07", KEYS), ParsedLine::Rejected(Reject::NoHeader));
    }

    #[test]
    fn the_client_is_who_connected_or_else_whom_a_proxy_named() {
        let mut parser = Cloudfront::default();
        parser.parse(b"#Fields: date time c-ip cs-method cs-uri-stem sc-status x-forwarded-for", KEYS);
        let mut client = |address: &str, forwarded: &str| {
            let line = format!("2026-03-05\t14:03:07\t{address}\tGET\t/x\t200\t{forwarded}");
            match parser.parse(line.as_bytes(), KEYS) {
                ParsedLine::Record(record) => record.client,
                other @ (ParsedLine::Skipped(_) | ParsedLine::Rejected(_)) => panic!("{other:?}"),
            }
        };
        let first = KEYS.of(b"192.0.2.1");
        assert_eq!(client("192.0.2.1", "-"), first);
        assert_eq!(client("192.0.2.1", "192.0.2.9"), first);
        assert_eq!(client("-", "192.0.2.1,%20192.0.2.9"), first);
        assert_eq!(client("-", "-"), None);
    }
}
