//! The head of a request, as far as a download host cares.
//!
//! Owns the limits on what a client may send and the rules of RFC 9112 that
//! keep client and server agreed on where a request ends. Pure: bytes in, a
//! head or a refusal out. Requests with content are refused, since nothing here
//! takes any; so a request always ends with its head.

/// The most bytes a head may have.
pub(super) const MAX_HEAD: usize = 16 * 1024;
const MAX_FIELDS: usize = 64;

/// What the client wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Headers and content.
    Get,
    /// The headers alone.
    Head,
    /// Something that a download host does not do.
    Other,
}

/// What becomes of the connection after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persistence {
    /// It stays open, as is usual since HTTP/1.1.
    Keep,
    /// It stays open because an HTTP/1.0 client asked, and must be told so.
    KeepAsAsked,
    /// It is closed.
    Close,
}

/// A complete head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MockRequestHead<'b> {
    /// What to do.
    pub(super) verb: Verb,
    /// The host that was asked, as in its `Host` field; empty without one.
    pub(super) host: &'b [u8],
    /// What the client says it is; empty where it says nothing.
    pub(super) agent: &'b [u8],
    /// Path and query of the target.
    pub(super) target: &'b [u8],
    /// The path of the target, without query.
    pub(super) path: &'b [u8],
    /// Whether an `Accept` field mentions "json", which is how crates.io
    /// decides between a redirect and a JSON answer.
    pub(super) accepts_json: bool,
    /// What becomes of the connection.
    pub(super) persistence: Persistence,
    /// How many bytes of the buffer it took.
    pub(super) length: usize,
}

/// Why a request is not answered and its connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Not HTTP/1, or ambiguous: 400.
    Malformed,
    /// Announces content: 413.
    HasContent,
    /// The head is larger than [`MAX_HEAD`] or has too many fields: 431.
    TooLarge,
}

/// The first head in `bytes`; `None` where it is not complete yet.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<MockRequestHead<'_>>, Refusal> {
    let mut fields = [const { std::mem::MaybeUninit::uninit() }; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(bytes, &mut fields) {
        Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD => length,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooLarge),
        Err(_) => return Err(Refusal::Malformed),
    };
    // All three are there once the head is complete.
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(Refusal::Malformed);
    };
    let fields = Fields::read(request.headers)?;
    // RFC 9112 section 3.2: a request without exactly one Host is answered 400.
    if fields.hosts > 1 || (version == 1 && fields.hosts == 0) {
        return Err(Refusal::Malformed);
    }
    let verb = match method {
        "GET" => Verb::Get,
        "HEAD" => Verb::Head,
        _ => Verb::Other,
    };
    let target = origin_form(target.as_bytes()).ok_or(Refusal::Malformed)?;
    Ok(Some(MockRequestHead {
        verb,
        host: fields.host,
        agent: fields.agent,
        target,
        path: downpour_core::route::path_of(target),
        accepts_json: fields.accepts_json,
        persistence: fields.persistence(version),
        length,
    }))
}

/// What the fields say, order and repetition aside.
#[derive(Default)]
struct Fields<'b> {
    host: &'b [u8],
    hosts: usize,
    agent: &'b [u8],
    accepts_json: bool,
    close: bool,
    keep_alive: bool,
}

impl<'b> Fields<'b> {
    fn read(fields: &[httparse::Header<'b>]) -> Result<Self, Refusal> {
        let mut found = Self::default();
        for field in fields {
            // Lengths first: most fields are none of these.
            match field.name.len() {
                4 if field.name.eq_ignore_ascii_case("host") => {
                    found.hosts += 1;
                    found.host = field.value;
                }
                6 if field.name.eq_ignore_ascii_case("accept") => {
                    found.accepts_json |= memchr::memmem::find(field.value, b"json").is_some();
                }
                10 if field.name.eq_ignore_ascii_case("user-agent") => found.agent = field.value,
                10 if field.name.eq_ignore_ascii_case("connection") => found.read_connection(field.value),
                14 if field.name.eq_ignore_ascii_case("content-length") => {
                    refuse_content(field.value)?;
                }
                17 if field.name.eq_ignore_ascii_case("transfer-encoding") => {
                    return Err(Refusal::HasContent);
                }
                _ => {}
            }
        }
        Ok(found)
    }

    fn read_connection(&mut self, value: &[u8]) {
        for option in value.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    const fn persistence(&self, version: u8) -> Persistence {
        match (version, self.close, self.keep_alive) {
            (_, true, _) | (0, _, false) => Persistence::Close,
            (0, false, true) => Persistence::KeepAsAsked,
            (_, false, _) => Persistence::Keep,
        }
    }
}

/// Passes a length of nothing, refuses any other; what is no number is garbage.
fn refuse_content(length: &[u8]) -> Result<(), Refusal> {
    let length = length.trim_ascii();
    if length.is_empty() || !length.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::Malformed);
    }
    if length.iter().all(|&digit| digit == b'0') { Ok(()) } else { Err(Refusal::HasContent) }
}

/// Path and query of a target in origin form, or in the absolute form that a
/// server must take too (RFC 9112 section 3.2.2). An asterisk has no path to
/// serve, but is well-formed.
fn origin_form(target: &[u8]) -> Option<&[u8]> {
    Some(match target.first()? {
        b'/' | b'*' => target,
        _ => {
            let scheme_end = memchr::memmem::find(target, b"://")?;
            let authority = &target[scheme_end + 3..];
            authority.iter().position(|&b| b == b'/').map_or(&b"/"[..], |slash| &authority[slash..])
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    #[track_caller]
    fn check(bytes: &str, expected: Result<Option<(Verb, &str, Persistence)>, Refusal>) {
        let parsed = parse(bytes.as_bytes());
        let seen = parsed.map(|head| {
            head.map(|head| (head.verb, std::str::from_utf8(head.path).unwrap(), head.persistence))
        });
        assert_eq!(seen, expected, "{bytes:?}");
    }

    #[test]
    fn heads_that_are_understood() {
        use Persistence::{Close, Keep, KeepAsAsked};
        check("GET /a HTTP/1.1\r\nHost: x\r\n\r\nrest", Ok(Some((Verb::Get, "/a", Keep))));
        check("HEAD /a?q=1 HTTP/1.1\r\nhost: x\r\n\r\n", Ok(Some((Verb::Head, "/a", Keep))));
        check("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n", Ok(Some((Verb::Other, "/", Keep))));
        check("OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n", Ok(Some((Verb::Other, "*", Keep))));
        check("GET http://h/p?q HTTP/1.1\r\nhost: h\r\n\r\n", Ok(Some((Verb::Get, "/p", Keep))));
        check("GET http://h HTTP/1.1\r\nhost: h\r\n\r\n", Ok(Some((Verb::Get, "/", Keep))));
        check(
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: TE, Close\r\n\r\n",
            Ok(Some((Verb::Get, "/", Close))),
        );
        check("GET / HTTP/1.0\r\n\r\n", Ok(Some((Verb::Get, "/", Close))));
        check("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", Ok(Some((Verb::Get, "/", KeepAsAsked))));
    }

    #[test]
    fn heads_that_are_not() {
        check("GET / HT", Ok(None));
        check("GET / HTTP/1.1\r\n\r\n", Err(Refusal::Malformed));
        check("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", Err(Refusal::Malformed));
        check("\u{16}\u{3}\u{1} tls", Err(Refusal::Malformed));
        check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Err(Refusal::Malformed));
        check("GET a HTTP/1.1\r\nhost: x\r\n\r\n", Err(Refusal::Malformed));
        check("PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n", Err(Refusal::HasContent));
        check("PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: -\r\n\r\n", Err(Refusal::Malformed));
        check("PUT / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n", Err(Refusal::HasContent));
        check(&format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(MAX_HEAD)), Err(Refusal::TooLarge));
        check(&format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65)), Err(Refusal::TooLarge));
    }

    #[test]
    fn any_mention_of_json_counts() {
        let json = |accept: &str| {
            let text = format!("GET / HTTP/1.1\r\nhost: x\r\naccept: */*\r\n{accept}\r\n\r\n");
            parse(text.as_bytes()).unwrap().unwrap().accepts_json
        };
        assert!(json("Accept: text/html, application/json;q=0.1"));
        assert!(!json("x-accept: application/json"));
    }

    /// Must hold for any bytes: no panic, and a head lies within its buffer.
    #[track_caller]
    fn survives(bytes: &[u8]) {
        if let Ok(Some(head)) = parse(bytes) {
            assert!(head.length <= bytes.len() && head.length <= MAX_HEAD);
            assert!(head.path.starts_with(b"/") || head.path.starts_with(b"*"));
        }
    }

    #[test]
    fn mutated_requests_do_no_harm() {
        const CORPUS: [&str; 3] = [
            "GET /api/v1/crates/serde/1.0.0/download HTTP/1.1\r\nHost: crates.io\r\nAccept: */*\r\n\r\n",
            "HEAD http://h/crates/a/a-1.0.0%2B2.crate?q HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
            "POST * HTTP/1.1\r\nhost: x\r\ncontent-length: 00\r\ntransfer-encoding: gzip\r\n\r\n",
        ];
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        for round in 0..6_000 {
            let mut bytes = CORPUS[round % CORPUS.len()].as_bytes().to_vec();
            for _ in 0..random.random_range(1..6) {
                let at = random.random_range(0..bytes.len());
                match random.random_range(0..4) {
                    0 => bytes[at] = random.random(),
                    1 => bytes.insert(at, random.random()),
                    2 => bytes.truncate(at.max(1)),
                    _ => bytes.extend_from_within(at..),
                }
            }
            survives(&bytes);
        }
    }
}
