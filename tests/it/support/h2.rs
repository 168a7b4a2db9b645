//! The server's side of HTTP/2 by hand, frame by frame: what no library would
//! send can be sent, and nothing of the library under test is trusted.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const MAX_CONCURRENT_STREAMS: u16 = 3;

/// `:status: 200`, as the static table of HPACK has it.
const OK: u8 = 0x88;

/// Error codes (RFC 9113 §7).
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const REFUSED_STREAM: u32 = 7;

/// A connection that has begun.
pub(crate) struct Wire {
    stream: TcpStream,
    out: Vec<u8>,
}

impl Wire {
    /// Takes the preface and announces how many streams there may be. `None`
    /// where somebody only knocked.
    pub(crate) fn begin(mut stream: TcpStream, streams: Option<u32>) -> Option<Self> {
        let mut preface = [0; PREFACE.len()];
        stream.read_exact(&mut preface).ok()?;
        assert_eq!(preface, PREFACE);
        let mut wire = Self { stream, out: Vec::new() };
        let mut settings = Vec::new();
        if let Some(streams) = streams {
            settings.extend(MAX_CONCURRENT_STREAMS.to_be_bytes());
            settings.extend(streams.to_be_bytes());
        }
        wire.frame(SETTINGS, 0, 0, &settings);
        wire.flush();
        Some(wire)
    }

    /// The stream of the next request; `None` when the client has gone.
    pub(crate) fn request(&mut self) -> Option<u32> {
        loop {
            let mut head = [0; 9];
            match self.stream.read_exact(&mut head) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("the client fell silent"),
                Err(_) => return None,
            }
            let [a, b, c, kind, flags, stream @ ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            self.stream.read_exact(&mut payload).ok()?;
            match kind {
                // A request without content is one frame.
                HEADERS => {
                    assert_eq!(flags & (END_STREAM | END_HEADERS), END_STREAM | END_HEADERS);
                    return Some(u32::from_be_bytes(stream));
                }
                SETTINGS if flags & ACK == 0 => {
                    self.frame(SETTINGS, ACK, 0, &[]);
                    self.flush();
                }
                _ => {}
            }
        }
    }

    /// The streams of the next `count` requests, taken before any is answered.
    pub(crate) fn requests(&mut self, count: usize) -> Option<Vec<u32>> {
        (0..count).map(|_| self.request()).collect()
    }

    /// Takes what comes until the client has gone, and answers nothing.
    pub(crate) fn ignore(&mut self) {
        while self.request().is_some() {}
    }

    /// A whole, good answer.
    pub(crate) fn answer(&mut self, stream: u32) {
        self.frame(HEADERS, END_STREAM | END_HEADERS, stream, &[OK]);
    }

    /// The same for each of these.
    pub(crate) fn answer_all(&mut self, streams: &[u32]) {
        for &stream in streams {
            self.answer(stream);
        }
    }

    /// An answer that has begun: its head, and a little of its content.
    pub(crate) fn begin_answer(&mut self, stream: u32) {
        self.frame(HEADERS, END_HEADERS, stream, &[OK]);
        self.frame(DATA, 0, stream, b"abc");
    }

    /// An answer whose head has so many bytes too many.
    pub(crate) fn large_head(&mut self, stream: u32, bytes: usize) {
        // A literal field without indexing, whose length has seven bits in its
        // first byte and seven in each that follows.
        let mut block = vec![OK, 0, 1, b'x', 0x7f];
        let mut length = bytes - 0x7f;
        while length >= 0x80 {
            block.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        block.push(u8::try_from(length).unwrap());
        block.resize(block.len() + bytes, b'x');
        let pieces = block.chunks(16_384);
        let last = pieces.len() - 1;
        for (n, piece) in pieces.enumerate() {
            let kind = if n == 0 { HEADERS } else { CONTINUATION };
            let first = if n == 0 { END_STREAM } else { 0 };
            self.frame(kind, first | if n == last { END_HEADERS } else { 0 }, stream, piece);
        }
    }

    /// Gives one stream up.
    pub(crate) fn reset(&mut self, stream: u32, code: u32) {
        self.frame(RST_STREAM, 0, stream, &code.to_be_bytes());
    }

    /// Announces the end: streams after `last` were not looked at.
    pub(crate) fn go_away(&mut self, last: u32) {
        let mut payload = last.to_be_bytes().to_vec();
        payload.extend(0_u32.to_be_bytes());
        self.frame(GOAWAY, 0, 0, &payload);
    }

    /// Bytes that are no frames.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend(bytes);
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        self.out.extend(&length[1..]);
        self.out.extend([kind, flags]);
        self.out.extend(stream.to_be_bytes());
        self.out.extend(payload);
    }

    /// Sends all of the above at once. Whether the client is still there is not
    /// asked.
    pub(crate) fn flush(&mut self) {
        let sent = self.stream.write_all(&self.out);
        self.out.clear();
        sent.unwrap_or_default();
    }

    /// Sends all of the above and says no more. What the client still sends is
    /// taken, for a socket closed over unread bytes would be reset.
    pub(crate) fn end(&mut self) {
        self.flush();
        self.stream.shutdown(Shutdown::Write).unwrap_or_default();
        self.ignore();
    }

    /// The socket below.
    pub(crate) fn socket(&self) -> &TcpStream {
        &self.stream
    }
}
