//! The Common Log Format and its children, of Apache, nginx and Fastly.
//!
//! `host ident user [stamp] "request" status bytes`, then a tail that differs.
//! User names may hold spaces and brackets, so the stamp is searched for, not
//! counted to. Apache escapes in lower case hex and C style, nginx in upper
//! case hex: both are undone, once, after splitting. Apache's stamp is when the
//! request was received; nginx's is its end, a difference that one-second
//! stamps without a duration can't show.

use super::{fastly, status_of};
use crate::route::hex_pair;
use crate::trace::client::ClientKeys;
use crate::trace::dates::{Calendar, Dated, decimal_seconds, integer};
use crate::trace::fate::{Fate, Note, Notes, Reject, Skip};
use crate::trace::target::{Located, is_token, of_request};
use crate::trace::{Record, StampKind};
use crate::units::Stamp;
use memchr::{memchr, memchr_iter, memchr2, memmem, memrchr};
use std::borrow::Cow;

/// What follows the response bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Common: nothing.
    Nothing,
    /// Combined: `"referer" "agent"`.
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
    /// Nothing.
    None,
    /// A syslog header as Fastly writes it, or nothing.
    Fastly,
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
    pub(crate) fn parse<'l>(&mut self, line: &'l [u8], clients: ClientKeys) -> Fate<'l> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Fate::Skipped(Skip::Blank);
        }
        let line = match self.framing {
            Framing::Fastly => fastly::payload(line),
            // A host name never begins so, a syslog header always does.
            Framing::None if line.starts_with(b"<") => return Fate::Rejected(Reject::BadFieldCount),
            Framing::None => line,
        };
        match self.split(line) {
            Ok(columns) if matches!(columns.request, b"-" | b"") => Fate::Skipped(Skip::NoRequest),
            Ok(columns) => self.tail.record(&columns, clients).into(),
            Err(reason) => Fate::Rejected(reason),
        }
    }

    fn split<'l>(&mut self, line: &'l [u8]) -> Result<Columns<'l>, Reject> {
        let (head, dated, rest) = self.find_stamp(line)?;
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
        let host = virtual_host(head);
        let client = head.split(|&b| b == b' ').nth(usize::from(host.is_some())).unwrap_or_default();
        Ok(Columns { host, client, dated, request, status, bytes, tail: rest })
    }

    /// The first ` [stamp]` in the line, what is before and what is behind it.
    fn find_stamp<'l>(&mut self, line: &'l [u8]) -> Result<(&'l [u8], Dated, &'l [u8]), Reject> {
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
            if head.contains(&b'"') && self.framing == Framing::None {
                break;
            }
        }
        Err(if bracketed { Reject::BadTimestamp } else { reason_without_stamp(line) })
    }
}

/// A line taken apart; nothing is un-escaped yet.
struct Columns<'l> {
    host: Option<&'l [u8]>,
    client: &'l [u8],
    dated: Dated,
    request: &'l [u8],
    status: Option<u16>,
    bytes: Option<u64>,
    tail: &'l [u8],
}

/// What a tail adds to a record.
struct Extra<'l> {
    end: Option<Stamp>,
    duration_ns: Option<u64>,
    host: Option<&'l [u8]>,
    /// As it stands in the line, escapes untouched.
    agent: &'l [u8],
    notes: Notes,
}

impl Tail {
    fn record<'l>(self, columns: &Columns<'l>, clients: ClientKeys) -> Result<Record<'l>, Reject> {
        let extra = self.read(columns.tail)?;
        let mut notes = extra.notes;
        let (method, target) = request_line(columns.request)?;
        let (authority, target) = match unescape(target, &mut notes) {
            Cow::Borrowed(target) => {
                let Located { authority, target } = of_request(target)?;
                (authority.map(Cow::Borrowed), target)
            }
            Cow::Owned(target) => {
                let Located { authority, target } = of_request(&target)?;
                (authority.map(|host| Cow::Owned(host.to_vec())), Cow::Owned(target.into_owned()))
            }
        };
        let (at, stamp, resolution_ns) = match extra.end {
            Some(end) => (end, StampKind::End, 1_000_000),
            None => (columns.dated.at, StampKind::Start, columns.dated.resolution_ns),
        };
        Ok(Record {
            at: Some(at),
            stamp,
            resolution_ns,
            duration_ns: extra.duration_ns,
            method,
            authority: authority.or_else(|| columns.host.or(extra.host).map(Cow::Borrowed)),
            target,
            status: columns.status,
            response_bytes: columns.bytes,
            client: clients.of(columns.client),
            kind: clients.kind(extra.agent),
            notes: notes.about_status(columns.status),
        })
    }

    fn read(self, tail: &[u8]) -> Result<Extra<'_>, Reject> {
        let mut extra = Extra { end: None, duration_ns: None, host: None, agent: b"", notes: Notes::NONE };
        let rest = match self {
            Self::Nothing => tail,
            // A server writes the short form for a request it could not read.
            Self::Agent if tail.is_empty() => {
                extra.notes = Notes::NONE.with(Note::MissingFields);
                tail
            }
            Self::Any if !tail.starts_with(b" \"") => tail,
            Self::Agent | Self::Any => extra.behind_agent(tail)?,
            Self::AgentAndEpoch => {
                let (epoch, rest) = word(extra.behind_agent(tail)?).ok_or(Reject::BadFieldCount)?;
                extra.end = Some(epoch_stamp(epoch)?);
                let (seconds, rest) = word(rest).ok_or(Reject::BadFieldCount)?;
                extra.duration_ns = if seconds == b"-" {
                    None
                } else {
                    Some(decimal_seconds(seconds).ok_or(Reject::BadFieldCount)?)
                };
                rest
            }
            Self::AgentAndMicros => {
                let (micros, rest) = word(extra.behind_agent(tail)?).ok_or(Reject::BadFieldCount)?;
                if micros != b"-" {
                    let nanos = integer(micros).and_then(|micros| micros.checked_mul(1_000));
                    extra.duration_ns = Some(nanos.ok_or(Reject::BadFieldCount)?);
                }
                let (host, rest) = word(rest).ok_or(Reject::BadFieldCount)?;
                extra.host = Some(host).filter(|host| *host != b"-");
                rest
            }
        };
        if !rest.trim_ascii().is_empty() {
            extra.notes = extra.notes.with(Note::ExtraFields);
        }
        Ok(extra)
    }
}

/// `1772719387.021`: the point keeps other numbers from being taken for it.
fn epoch_stamp(epoch: &[u8]) -> Result<Stamp, Reject> {
    let nanos = decimal_seconds(epoch).filter(|_| epoch.contains(&b'.'));
    let nanos = nanos.and_then(|nanos| i64::try_from(nanos).ok());
    nanos.map(Stamp::from_nanos).ok_or(Reject::BadTimestamp)
}

/// `METHOD target HTTP/1.1`; the target may hold spaces, and in HTTP/0.9 there
/// is no protocol.
fn request_line(request: &[u8]) -> Result<(&[u8], &[u8]), Reject> {
    let space = memchr(b' ', request).ok_or(Reject::BadRequestLine)?;
    let (method, rest) = request.split_at(space);
    let target = memmem::rfind(rest, b" HTTP/").map_or(rest, |protocol| &rest[..protocol]);
    let target = target.strip_prefix(b" ").unwrap_or(target);
    if !is_token(method) || target.is_empty() {
        return Err(Reject::BadRequestLine);
    }
    Ok((method, target))
}

/// `host:port addr ident user` of `vhost_combined`: four words, the first with
/// exactly one colon, which no address has.
fn virtual_host(head: &[u8]) -> Option<&[u8]> {
    let (first, rest) = head.split_at(memchr(b' ', head)?);
    let colon = memchr(b':', first)?;
    let (host, port) = (&first[..colon], &first[colon + 1..]);
    let words = memchr_iter(b' ', rest).take(3).count();
    (words == 3 && !host.is_empty() && integer(port).is_some_and(|port| port <= 65_535)).then_some(host)
}

/// A line without any ` [stamp]`. Where its last quote is followed by as many
/// words as a request is, it is the stamp that lacks.
fn reason_without_stamp(line: &[u8]) -> Reject {
    let Some(quote) = memrchr(b'"', line) else { return Reject::BadFieldCount };
    let words = line[quote + 1..].split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    if words.take(3).count() < 3 { Reject::BadTimestamp } else { Reject::BadRequestLine }
}

impl<'l> Extra<'l> {
    /// What follows referer and agent; the latter is taken.
    fn behind_agent(&mut self, tail: &'l [u8]) -> Result<&'l [u8], Reject> {
        let open = |text: &'l [u8]| text.strip_prefix(b" \"").ok_or(Reject::BadFieldCount);
        let (_referer, rest) = quoted(open(tail)?)?;
        let (agent, rest) = quoted(open(rest)?)?;
        self.agent = agent;
        Ok(rest)
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
            Fate::Record(record) => Ok((record.method.to_vec(), record.target.into_owned())),
            Fate::Rejected(reason) => Err(reason),
            Fate::Skipped(reason) => panic!("skipped: {reason:?}"),
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
                Fate::Record(record) => record.client,
                other @ (Fate::Skipped(_) | Fate::Rejected(_)) => panic!("{other:?}"),
            }
        };
        assert_eq!(client("192.0.2.1"), keys.of(b"192.0.2.1"));
        assert_eq!(client("crates.io:443 2001:db8::1"), keys.of(b"2001:db8::1"));
        assert_eq!(client("-"), None);
    }

    #[test]
    fn an_address_is_no_virtual_host() {
        assert_eq!(virtual_host(b"crates.io:443 192.0.2.1 - -"), Some(&b"crates.io"[..]));
        assert_eq!(virtual_host(b"2001:db8::1 - j doe"), None);
        assert_eq!(virtual_host(b"192.0.2.1 - j doe"), None);
        assert_eq!(virtual_host(b"h:1 - -"), None);
    }
}
