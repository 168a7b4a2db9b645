//! Peers that always have more to send: their time-outs are kept, nobody else
//! waits for them, and what is no answer is told as that.

use super::*;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop::consume_budget;

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// Opens connections that answer `/good`, and send the same piece for ever
/// after a head to everything else.
#[derive(Clone, Copy, Debug)]
struct EndlessAnswer {
    head: &'static str,
    piece: &'static str,
}

impl Connect for EndlessAnswer {
    type Stream = Stamped<Flood>;

    async fn connect(&self, stamper: Stamper) -> Result<Opened<Self::Stream>, Fault> {
        let flood = Flood { of: *self, answer: Vec::new(), piece: None, reader: None };
        Ok(Opened { stream: stamper.wrap(flood), protocol: Protocol::Http1, handshake: None })
    }
}

/// A connection that is always readable, as a socket is whose peer is faster.
#[derive(Debug)]
struct Flood {
    of: EndlessAnswer,
    /// What is read next.
    answer: Vec<u8>,
    /// Where in the piece to go on after that, once there is no end.
    piece: Option<usize>,
    reader: Option<Waker>,
}

impl AsyncRead for Flood {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        // As every read of tokio's own does.
        if pin!(consume_budget()).poll(cx).is_pending() {
            return Poll::Pending;
        }
        let room = into.remaining().min(256);
        if !self.answer.is_empty() {
            let read = room.min(self.answer.len());
            into.put_slice(&self.answer[..read]);
            self.answer.drain(..read);
            return Poll::Ready(Ok(()));
        }
        let Some(at) = self.piece else {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let piece = self.of.piece.as_bytes();
        let read: Vec<u8> = piece.iter().cycle().skip(at).take(room).copied().collect();
        into.put_slice(&read);
        self.piece = Some((at + room) % piece.len());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        request: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if request.starts_with(b"GET /good ") {
            self.answer.extend_from_slice(REDIRECT.as_bytes());
        } else {
            let head = self.of.head;
            self.answer.extend_from_slice(head.as_bytes());
            self.piece = Some(0);
        }
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(request.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Plays 20 good requests and, before them, one that is answered without end.
#[track_caller]
fn check(head: &'static str, piece: &'static str, expected: Fault) {
    let mut paths = vec!["/good".to_owned(); 20];
    paths.insert(0, "/endless".to_owned());
    let scene = TestRun { max_body: u64::MAX, timeout_ms: 40, grace_ms: 80, ..TestRun::of(1_000, paths) };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build_local(tokio::runtime::LocalOptions::default())
        .unwrap();
    let (totals, _) = runtime.block_on(async {
        // A paused clock stands still while anybody has work to do.
        tokio::task::spawn_local(async {
            loop {
                tokio::time::advance(Duration::from_millis(1)).await;
            }
        });
        scene.play_here(EndlessAnswer { head, piece }).await
    });
    let counts = &totals.counts;
    let seen: Vec<_> = counts.faults.seen().map(|(fault, _)| fault).collect();
    assert_eq!(seen, [expected], "{head:?} {piece:?}");
    let arrivals = &counts.arrivals;
    assert_eq!((arrivals.passed, arrivals.failed, arrivals.unfinished), (20, 1, 0), "{head:?} {piece:?}");
}

#[test]
fn interim_answers_without_end_are_a_timeout() {
    check("", "HTTP/1.1 100 Continue\r\n\r\n", Fault::TimeoutTotal);
    check("", "HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n", Fault::TimeoutTotal);
}

#[test]
fn a_body_without_end_is_a_timeout_however_small_its_pieces() {
    check(CHUNKED, "1\r\nx\r\n", Fault::TimeoutTotal);
    check("HTTP/1.1 200 OK\r\n\r\n", "x", Fault::TimeoutTotal);
}

#[test]
fn a_head_without_end_is_too_large_and_what_is_no_head_is_not() {
    check("HTTP/1.1 302 Found\r\n", "a: b\r\n", Fault::HttpHeadersTooLarge);
    check("HTTP/1.1 302 Found\r\na: ", "b", Fault::HttpHeadersTooLarge);
    check("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 302 Found\r\na: ", "b", Fault::HttpHeadersTooLarge);
    check("HTTP/1.1 302 Found\r\ncontent-length: 18446744073709551615\r\n\r\n", "x", Fault::HttpGarbage);
    check("", "\r\n", Fault::HttpGarbage);
}

#[test]
fn content_in_a_transfer_coding_that_nobody_asked_for_is_no_answer() {
    check("HTTP/1.1 302 Found\r\ntransfer-encoding: gzip\r\n\r\n", "x", Fault::HttpGarbage);
    check("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n", "1\r\nx\r\n", Fault::HttpGarbage);
}
