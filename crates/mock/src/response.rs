//! Writing an answer's bytes at the end of a buffer.
//!
//! Owns the framing: every answer says how long its content is, leaves the
//! content out for `HEAD`, and tells the client when the connection will not
//! stay as it is. Nothing here allocates but the buffer itself.

use super::request_head::{MockRequestHead, Persistence, Refusal, Verb};

/// The media type of JSON.
pub(super) const JSON: &str = "application/json";

const HTTP10: &[u8] = b"HTTP/1.0";

/// An answer whose status line is written and whose fields are being added.
#[derive(Debug)]
pub(super) struct ResponseWriter<'o> {
    out: &'o mut Vec<u8>,
    verb: Verb,
    persistence: Persistence,
}

impl<'o> ResponseWriter<'o> {
    /// Begins the answer to `head`.
    pub(super) fn begin(out: &'o mut Vec<u8>, head: &MockRequestHead<'_>, status: u16) -> Self {
        push_status_line(out, status);
        Self { out, verb: head.verb, persistence: head.persistence }
    }

    /// Begins it as a server of HTTP/1.0 does, which keeps no connection.
    pub(super) fn begin_http10(out: &'o mut Vec<u8>, head: &MockRequestHead<'_>, status: u16) -> Self {
        let start = out.len();
        let answer = Self::begin(out, head, status);
        answer.out[start..start + HTTP10.len()].copy_from_slice(HTTP10);
        Self { persistence: Persistence::Close, ..answer }
    }

    /// Adds a field.
    pub(super) fn field(self, name: &str, value: &str) -> Self {
        self.field_of(name, |out| out.extend_from_slice(value.as_bytes()))
    }

    /// Adds a field whose value `write` appends.
    pub(super) fn field_of(self, name: &str, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b": ");
        write(self.out);
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Ends it with this content.
    pub(super) fn content(self, media_type: &str, content: &[u8]) {
        self.content_with_length(content.len(), media_type, content);
    }

    /// Ends it with this content and a length that need not be true.
    pub(super) fn content_with_length(self, length: usize, media_type: &str, content: &[u8]) {
        let mut answer = self.field("content-type", media_type).length(length);
        answer.end_fields();
        if answer.verb != Verb::Head {
            answer.out.extend_from_slice(content);
        }
    }

    /// Ends it without content.
    pub(super) fn empty(self) {
        self.length(0).end_fields();
    }

    /// Ends it as the statuses want it that never have content nor say how much
    /// (RFC 9110 section 8.6).
    pub(super) fn without_content(mut self) {
        self.end_fields();
    }

    /// Ends it with content in chunks, of which none is written.
    pub(super) fn chunked(self) {
        self.field("transfer-encoding", "chunked").end_fields();
    }

    fn length(self, length: usize) -> Self {
        self.field_of("content-length", |out| push_decimal(out, length))
    }

    fn end_fields(&mut self) {
        self.out.extend_from_slice(match self.persistence {
            Persistence::Keep => b"\r\n",
            Persistence::KeepAsAsked => b"connection: keep-alive\r\n\r\n",
            Persistence::Close => b"connection: close\r\n\r\n",
        });
    }
}

/// Writes the answer to a request that is refused; the connection is closed
/// after it, since nobody knows where the next request begins.
pub(super) fn push_refusal(out: &mut Vec<u8>, refusal: Refusal) {
    push_status_line(
        out,
        match refusal {
            Refusal::Malformed => 400,
            Refusal::HasContent => 413,
            Refusal::TooLarge => 431,
        },
    );
    out.extend_from_slice(b"content-length: 0\r\nconnection: close\r\n\r\n");
}

fn push_status_line(out: &mut Vec<u8>, status: u16) {
    out.extend_from_slice(b"HTTP/1.1 ");
    push_decimal(out, usize::from(status));
    out.push(b' ');
    let reason = http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
    out.extend_from_slice(reason.unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn push_decimal(out: &mut Vec<u8>, number: usize) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = number;
    loop {
        start -= 1;
        // A remainder of ten fits any integer.
        digits[start] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(verb: Verb, persistence: Persistence, expected: &str) {
        let head = MockRequestHead {
            verb,
            host: b"",
            agent: b"",
            target: b"/",
            path: b"/",
            accepts_json: false,
            persistence,
            length: 0,
        };
        let mut out = Vec::new();
        ResponseWriter::begin(&mut out, &head, 404).content("text/plain", b"0123456789");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn content_is_framed_and_the_fate_of_the_connection_told() {
        let fields = "HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 10\r\n";
        check(Verb::Get, Persistence::Keep, &format!("{fields}\r\n0123456789"));
        check(Verb::Head, Persistence::Close, &format!("{fields}connection: close\r\n\r\n"));
        check(Verb::Head, Persistence::KeepAsAsked, &format!("{fields}connection: keep-alive\r\n\r\n"));
    }

    #[test]
    fn a_status_without_a_name_has_an_empty_reason() {
        let mut out = Vec::new();
        push_status_line(&mut out, 599);
        assert_eq!(out, b"HTTP/1.1 599 \r\n");
    }
}
