//! The Common Log Format and its children, of Apache, nginx and Fastly.
//!
//! `host ident user [stamp] "request" status bytes`, then a tail that differs.
//! User names may hold spaces and brackets, so the stamp is searched for, not
//! counted to; it may also be written as ISO 8601 (nginx's `$time_iso8601`). What
//! stands before it and behind the agent is known by what it holds, not by its
//! place. Apache escapes in lower case hex and C style, nginx in upper
//! case hex: both are undone, once, after splitting. Apache's stamp is when the
//! request was received; nginx's is its end, a difference that one-second
//! stamps without a duration can't show.

mod columns;
mod head;

use super::{framing, status_of};
use crate::client::ClientKeys;
use crate::dates::{Calendar, ParsedStamp, decimal_seconds, integer};
use crate::reasons::{Note, Notes, ParsedLine, Reject, Skip};
use crate::target::{SplitUrl, is_token, of_request};
use crate::{Record, StampKind};
use columns::Columns;
use downpour_core::route::hex_pair;
use downpour_core::units::{NANOS_PER_SECOND, Stamp};
use head::{ClfLineHead, is_address, is_host_name};
use memchr::{memchr, memchr_iter, memchr2, memmem, memrchr};
use std::borrow::Cow;

/// What follows the response bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Common: nothing.
    Nothing,
    /// Combined: `"referer" "agent"`, then any columns.
    Agent,
    /// nginx: those, then `$msec $request_time`.
    AgentAndEpoch,
    /// Apache: those, then `%D %v`.
    AgentAndMicros,
    /// Common or combined.
    Any,
}

/// What precedes the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Nothing, as a rule.
    None,
    /// A syslog header with a priority, as Fastly writes it.
    Syslog,
}

/// Reads the lines of one input.
#[derive(Debug)]
pub(crate) struct Clf {
    tail: Tail,
    framing: Framing,
    calendar: Calendar,
}

impl Clf {
    /// A parser of lines with that tail and framing.
    pub(crate) fn new(tail: Tail, framing: Framing) -> Self {
        Self { tail, framing, calendar: Calendar::default() }
    }

    /// The fate of one line.
    pub(crate) fn parse<'l>(&mut self, line: &'l [u8], clients: ClientKeys) -> ParsedLine<'l> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return ParsedLine::Skipped(Skip::Blank);
        }
        match self.split(line) {
            Ok(parts) if matches!(parts.request, b"-" | b"") => ParsedLine::Skipped(Skip::NoRequest),
            Ok(parts) => self.tail.record(&parts, clients).into(),
            Err(reason) => ParsedLine::Rejected(reason),
        }
    }

    fn split<'l>(&mut self, line: &'l [u8]) -> Result<ClfParts<'l>, Reject> {
        let framed = framing::after_priority(line);
        let notes = match (self.framing, framed.is_some()) {
            (Framing::Syslog, false) => Notes::NONE.with(Note::MissingFields),
            (Framing::None, true) => Notes::NONE.with(Note::ExtraFields),
            (Framing::Syslog, true) | (Framing::None, false) => Notes::NONE,
        };
        let (head, dated, rest) = self.find_stamp(framed.unwrap_or(line))?;
        let (head, rest) = without_outer_quotes(head, rest);
        let rest = rest.strip_prefix(b" \"").ok_or(Reject::BadRequestLine)?;
        let (request, rest) = quoted(rest)?;
        let (status, rest) = word(rest).ok_or(Reject::BadFieldCount)?;
        let status = status_of(status)?;
        let (bytes, rest) = word(rest).ok_or(Reject::BadFieldCount)?;
        let bytes = match bytes {
            b"-" => Some(0),
            b"(null)" => None,
            digits => Some(integer(digits).ok_or(Reject::BadFieldCount)?),
        };
        let ClfLineHead { host, client } = ClfLineHead::read(head);
        Ok(ClfParts { host, client, dated, request, status, bytes, tail: rest, notes })
    }

    /// The first ` [stamp]` in the line, what is before and what is behind it.
    fn find_stamp<'l>(&mut self, line: &'l [u8]) -> Result<(&'l [u8], ParsedStamp, &'l [u8]), Reject> {
        let mut bracketed = false;
        for open in memchr_iter(b'[', line) {
            let (head, rest) = line.split_at(open);
            let Some(head) = head.strip_suffix(b" ") else { continue };
            bracketed = true;
            let close = memchr(b']', rest).ok_or(Reject::Truncated)?;
            if let Some(dated) = self.calendar.clf(&rest[1..close]) {
                return Ok((head, dated, &rest[close + 1..]));
            }
            // Only a user's name can hold a bracket before the stamp; the
            // request, which may hold anything, comes behind it.
            if head.contains(&b'"') {
                break;
            }
        }
        Err(if bracketed { Reject::BadTimestamp } else { reason_without_stamp(line) })
    }
}

/// A line taken apart; nothing is un-escaped yet.
struct ClfParts<'l> {
    host: Option<&'l [u8]>,
    client: &'l [u8],
    dated: ParsedStamp,
    request: &'l [u8],
    status: Option<u16>,
    bytes: Option<u64>,
    tail: &'l [u8],
    notes: Notes,
}

/// What a tail adds to a record.
struct ClfTailFields<'l> {
    /// The end of the exchange, more finely than the line's stamp tells it.
    end: Option<Stamp>,
    /// What the stamp means.
    stamp: StampKind,
    duration_ns: Option<u64>,
    host: Option<&'l [u8]>,
    /// As it stands in the line, escapes untouched.
    agent: &'l [u8],
    notes: Notes,
}

impl Tail {
    fn record<'l>(self, parts: &ClfParts<'l>, clients: ClientKeys) -> Result<Record<'l>, Reject> {
        let extra = self.read(parts)?;
        let mut notes = extra.notes;
        let (method, target) = request_line(parts.request)?;
        let (authority, target) = match unescape(target, &mut notes) {
            Cow::Borrowed(target) => {
                let SplitUrl { authority, target } = of_request(target)?;
                (authority.map(Cow::Borrowed), target)
            }
            Cow::Owned(target) => {
                let SplitUrl { authority, target } = of_request(&target)?;
                (authority.map(|host| Cow::Owned(host.to_vec())), Cow::Owned(target.into_owned()))
            }
        };
        let (at, resolution_ns) = match extra.end {
            Some(end) => (end, 1_000_000),
            None => (parts.dated.at, parts.dated.resolution_ns),
        };
        Ok(Record {
            at: Some(at),
            stamp: extra.stamp,
            resolution_ns,
            duration_ns: extra.duration_ns,
            method,
            authority: authority.or_else(|| parts.host.or(extra.host).map(Cow::Borrowed)),
            target,
            status: parts.status,
            response_bytes: parts.bytes,
            client: clients.of(parts.client),
            kind: clients.kind(extra.agent),
            notes: notes.with_missing_status(parts.status),
        })
    }

    fn read<'l>(self, parts: &ClfParts<'l>) -> Result<ClfTailFields<'l>, Reject> {
        let &ClfParts { tail, dated, notes, .. } = parts;
        let mut extra = ClfTailFields {
            end: None,
            stamp: StampKind::Start,
            duration_ns: None,
            host: None,
            agent: b"",
            notes,
        };
        let rest = match self {
            Self::Nothing => tail,
            // A server writes the short form for a request it could not read.
            Self::Agent if tail.is_empty() => {
                extra.notes = notes.with(Note::MissingFields);
                tail
            }
            Self::Any if !tail.starts_with(b" \"") => tail,
            Self::Agent | Self::Any => {
                let rest = extra.after_agent(tail)?;
                if !rest.is_empty() {
                    extra.add(Columns::read(rest, dated.at));
                }
                b""
            }
            Self::AgentAndEpoch => {
                let (epoch, rest) = word(extra.after_agent(tail)?).ok_or(Reject::BadFieldCount)?;
                extra.end = Some(epoch_stamp(epoch, dated.at)?);
                extra.stamp = StampKind::End;
                let (seconds, rest) = word(rest).ok_or(Reject::BadFieldCount)?;
                extra.duration_ns = if seconds == b"-" {
                    None
                } else {
                    Some(decimal_seconds(seconds).ok_or(Reject::BadFieldCount)?)
                };
                rest
            }
            Self::AgentAndMicros => {
                let (micros, rest) = word(extra.after_agent(tail)?).ok_or(Reject::BadFieldCount)?;
                if micros != b"-" {
                    let nanos = integer(micros).and_then(|micros| micros.checked_mul(1_000));
                    extra.duration_ns = Some(nanos.ok_or(Reject::BadFieldCount)?);
                }
                let (host, rest) = word(rest).ok_or(Reject::BadFieldCount)?;
                if host != b"-" && !is_host_name(host) && !is_address(host) {
                    return Err(Reject::BadFieldCount);
                }
                extra.host = Some(host).filter(|host| *host != b"-");
                if dated.resolution_ns >= NANOS_PER_SECOND {
                    extra.notes = extra.notes.with(Note::MissingFields);
                }
                rest
            }
        };
        if !rest.trim_ascii().is_empty() {
            extra.notes = extra.notes.with(Note::ExtraFields);
        }
        Ok(extra)
    }
}

/// `1772719387.021`: the point and the line's own stamp keep other numbers from
/// being taken for it.
fn epoch_stamp(epoch: &[u8], at: Stamp) -> Result<Stamp, Reject> {
    let nanos = decimal_seconds(epoch).filter(|_| epoch.contains(&b'.'));
    nanos.and_then(|nanos| columns::near(nanos, at)).ok_or(Reject::BadTimestamp)
}

/// A line that is in quotes as a whole, as a column of a table: the words before
/// the stamp without the quote that opens, the rest without the one that closes.
fn without_outer_quotes<'l>(head: &'l [u8], rest: &'l [u8]) -> (&'l [u8], &'l [u8]) {
    match head.strip_prefix(b"\"") {
        Some(inner) if !inner.contains(&b'"') => (inner, rest.strip_suffix(b"\"").unwrap_or(rest)),
        Some(_) | None => (head, rest),
    }
}

/// `METHOD target HTTP/1.1`; the target may hold spaces, and in HTTP/0.9 there
/// is no protocol.
fn request_line(request: &[u8]) -> Result<(&[u8], &[u8]), Reject> {
    let space = memchr(b' ', request).ok_or(Reject::BadRequestLine)?;
    let (method, rest) = request.split_at(space);
    // Nearly always the last word; a client may send more behind it.
    let last = memrchr(b' ', rest).filter(|&last| rest[last..].starts_with(b" HTTP/"));
    let protocol = last.or_else(|| memmem::rfind(rest, b" HTTP/"));
    let target = protocol.map_or(rest, |protocol| &rest[..protocol]);
    let target = target.strip_prefix(b" ").unwrap_or(target);
    if !is_token(method) || target.is_empty() {
        return Err(Reject::BadRequestLine);
    }
    Ok((method, target))
}

/// A line without any ` [stamp]`. Where its last quote is followed by as many
/// words as a request is, it is the stamp that lacks.
fn reason_without_stamp(line: &[u8]) -> Reject {
    let Some(quote) = memrchr(b'"', line) else { return Reject::BadFieldCount };
    let words = line[quote + 1..].split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    if words.take(3).count() < 3 { Reject::BadTimestamp } else { Reject::BadRequestLine }
}

impl<'l> ClfTailFields<'l> {
    /// What follows referer and agent; the latter is taken.
    fn after_agent(&mut self, tail: &'l [u8]) -> Result<&'l [u8], Reject> {
        let open = |text: &'l [u8]| text.strip_prefix(b" \"").ok_or(Reject::BadFieldCount);
        let (_referer, rest) = quoted(open(tail)?)?;
        let (agent, rest) = quoted(open(rest)?)?;
        self.agent = agent;
        Ok(rest)
    }

    /// What the columns behind the agent say. A server that tells times in
    /// seconds with milliseconds stamps the end of the exchange.
    fn add(&mut self, columns: Columns) {
        self.end = columns.end;
        self.duration_ns = columns.until_end_ns.or(columns.from_start_ns);
        if columns.end.is_some() || columns.until_end_ns.is_some() {
            self.stamp = StampKind::End;
        }
        if columns.are_unread {
            self.notes = self.notes.with(Note::ExtraFields);
        }
    }
}

/// The next word behind one space.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_prefix(b" ")?;
    let end = memchr(b' ', text).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// What stands before the closing quote, escapes untouched, and what follows.
fn quoted(text: &[u8]) -> Result<(&[u8], &[u8]), Reject> {
    let mut from = 0;
    loop {
        let found = memchr2(b'"', b'\\', text.get(from..).unwrap_or_default()).ok_or(Reject::Truncated)?;
        let at = from + found;
        if text[at] == b'"' {
            return Ok((&text[..at], &text[at + 1..]));
        }
        from = at + 2;
    }
}

fn unescape<'l>(text: &'l [u8], notes: &mut Notes) -> Cow<'l, [u8]> {
    let Some(first) = memchr(b'\\', text) else { return Cow::Borrowed(text) };
    let (plain, mut rest) = text.split_at(first);
    let mut out = Vec::with_capacity(text.len());
    out.extend_from_slice(plain);
    while let [byte, tail @ ..] = rest {
        let (byte, after) = match (byte, tail) {
            (b'\\', [b'x' | b'X', high, low, after @ ..]) if hex_pair(*high, *low).is_some() => {
                (hex_pair(*high, *low).unwrap_or_default(), after)
            }
            (b'\\', [escaped, after @ ..]) if c_escape(*escaped).is_some() => {
                (c_escape(*escaped).unwrap_or_default(), after)
            }
            (b'\\', _) => {
                *notes = notes.with(Note::BadEscape);
                (*byte, tail)
            }
            _ => (*byte, tail),
        };
        out.push(byte);
        rest = after;
    }
    Cow::Owned(out)
}

fn c_escape(letter: u8) -> Option<u8> {
    Some(match letter {
        b'"' | b'\\' => letter,
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 0x08,
        b'v' => 0x0b,
        b'f' => 0x0c,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(request: &str, expected: Result<(&str, &str), Reject>) {
        let line = format!(r#"192.0.2.1 - - [05/Mar/2026:14:03:07 +0000] "{request}" 200 1"#);
        let mut parser = Clf::new(Tail::Nothing, Framing::None);
        let found = match parser.parse(line.as_bytes(), ClientKeys::seeded(0)) {
            ParsedLine::Record(record) => Ok((record.method.to_vec(), record.target.into_owned())),
            ParsedLine::Rejected(reason) => Err(reason),
            ParsedLine::Skipped(reason) => panic!("skipped: {reason:?}"),
        };
        assert_eq!(found, expected.map(|(m, t)| (m.as_bytes().to_vec(), t.as_bytes().to_vec())), "{request}");
    }

    #[test]
    fn request_lines() {
        check(r"GET /x HTTP/1.1", Ok(("GET", "/x")));
        check(r"GET /x", Ok(("GET", "/x")));
        check(r"GET /a b HTTP/2", Ok(("GET", "/a b")));
        check(r"GET /a HTTP/1.1 HTTP/1.1", Ok(("GET", "/a HTTP/1.1")));
        check(r#"GET /a\"b\\c HTTP/1.1"#, Ok(("GET", r#"/a"b\c"#)));
        check(r"GET /\x41\t\q HTTP/1.1", Ok(("GET", "/A\t\\q")));
        check(r"GET http://u:p@h/x HTTP/1.1", Err(Reject::Userinfo));
        check(r"OPTIONS * HTTP/1.1", Ok(("OPTIONS", "*")));
        check(r"\x16\x03 HTTP/1.1", Err(Reject::BadRequestLine));
        check(r"GET  HTTP/1.1", Err(Reject::BadRequestLine));
    }

    #[test]
    fn the_client_stands_first_but_behind_a_virtual_host() {
        let keys = ClientKeys::seeded(7);
        let client = |head: &str| {
            let line = format!(r#"{head} - - [05/Mar/2026:14:03:07 +0000] "GET /x HTTP/1.1" 200 1"#);
            match Clf::new(Tail::Nothing, Framing::None).parse(line.as_bytes(), keys) {
                ParsedLine::Record(record) => record.client,
                other @ (ParsedLine::Skipped(_) | ParsedLine::Rejected(_)) => panic!("{other:?}"),
            }
        };
        assert_eq!(client("192.0.2.1"), keys.of(b"192.0.2.1"));
        assert_eq!(client("crates.io:443 2001:db8::1"), keys.of(b"2001:db8::1"));
        assert_eq!(client("-"), None);
    }
}
