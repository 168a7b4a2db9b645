//! Where bytes cross into the kernel and out of it.
//!
//! [`Stamped`] lies between hyper and the socket and notes two instants of an
//! exchange: when the first byte of the request was taken by the kernel, and
//! when the first byte of the answer came out of it. Stamps taken further up,
//! at the wake-up or the call of `send`, would count the generator's own work
//! as the server's.
//!
//! It also keeps one connection from taking a worker for itself: a peer that
//! always has more to send is read in portions, with a turn for everybody else
//! in between.

use super::clock::RunClock;
use downpour_core::units::Offset;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::{coop::unconstrained, yield_now};
use tokio::time::{Instant, Sleep, sleep_until};

/// What is read of a connection before others have their turn. tokio's own
/// budget is 128 reads, which may be megabytes of the smallest possible chunks.
const READ_BUDGET: usize = 32 * 1024;

/// What may come before the head of an answer without being suspect: more than
/// any head that is accepted.
const INTERIM_MAX: usize = 256 * 1024;

/// How long a connection rests after each portion of interim answers (RFC 9110
/// §15.2) beyond that. Nobody measures their throughput, and without a rest
/// they cost as much processor time as the peer likes.
const INTERIM_PAUSE: Duration = Duration::from_millis(2);

/// The two instants of the exchange under way.
///
/// Where exchanges share a connection, each has its own and rides on those of
/// the connection: the next write carries its request.
#[derive(Debug, Default)]
pub(crate) struct Stamps {
    sent: Cell<Option<Offset>>,
    first_byte: Cell<Option<Offset>>,
    awaiting_write: RefCell<Vec<Rc<Self>>>,
    /// Bytes that came while the head of an HTTP/1 answer was waited for.
    before_head: Cell<Option<usize>>,
    ended: Cell<bool>,
    peer: Cell<Option<SocketAddr>>,
    /// Whether the candidate has several addresses.
    has_several_addresses: Cell<bool>,
    /// Whether what came first is the beginning of an answer in HTTP/1.
    http1: Cell<bool>,
    /// Why it failed, where its fault does not say all.
    failure_reason: RefCell<String>,
}

impl Stamps {
    /// None yet, of an exchange on the connection that has these.
    pub(crate) fn of(connection: &Self) -> Self {
        Self {
            peer: connection.peer.clone(),
            has_several_addresses: connection.has_several_addresses.clone(),
            failure_reason: connection.failure_reason.clone(),
            ..Self::default()
        }
    }

    /// Which of several addresses the connection leads to; `None` where there
    /// is only one.
    pub(crate) fn peer_of_several(&self) -> Option<SocketAddr> {
        self.peer.get().filter(|_| self.has_several_addresses.get())
    }

    /// Where the connection leads and why the exchange failed, as far as that
    /// is known.
    pub(crate) fn failure_note(&self) -> String {
        let why = self.failure_reason.borrow();
        match self.peer.get() {
            Some(peer) if why.is_empty() => format!("at {peer}"),
            Some(peer) => format!("at {peer}: {why}"),
            None => why.clone(),
        }
    }

    /// Keeps why an exchange failed.
    pub(crate) fn set_failure_reason(&self, why: impl Into<String>) {
        self.failure_reason.replace(why.into());
    }

    /// Whether the first bytes that came were those of an answer in HTTP/1.
    pub(crate) fn begins_as_http1(&self) -> bool {
        self.http1.get()
    }

    /// Whether the peer has said that nothing more will come.
    pub(crate) fn ended(&self) -> bool {
        self.ended.get()
    }

    /// Forgets the exchange before.
    pub(crate) fn clear(&self) {
        self.sent.set(None);
        self.first_byte.set(None);
        self.before_head.set(Some(0));
    }

    /// The head of the answer is complete.
    pub(crate) fn head_received(&self) {
        self.before_head.set(None);
    }

    /// Whether the peer sends one interim answer after the other.
    fn is_flooded(&self) -> bool {
        self.before_head.get().is_some_and(|bytes| bytes > INTERIM_MAX)
    }

    fn received(&self, bytes: usize, now: impl FnOnce() -> Offset) {
        if self.first_byte.get().is_none() {
            self.first_byte.set(Some(now()));
        }
        if let Some(before) = self.before_head.get() {
            self.before_head.set(Some(before.saturating_add(bytes)));
        }
    }

    /// Lets another exchange's request ride on this connection's next write.
    pub(crate) fn stamp_with_next_write(&self, rider: &Rc<Self>) {
        self.sent.set(None);
        self.awaiting_write.borrow_mut().push(Rc::clone(rider));
    }

    /// The answer's first byte was seen further up, at `now`.
    pub(crate) fn answered(&self, now: Offset) {
        self.first_byte.set(Some(now));
    }

    fn write_begun(&self, now: Offset) {
        self.sent.set(Some(now));
        for rider in self.awaiting_write.borrow_mut().drain(..) {
            rider.sent.set(Some(now));
        }
    }

    /// When the first byte of the request was taken.
    pub(crate) fn sent(&self) -> Option<Offset> {
        self.sent.get()
    }

    /// When the first byte of the answer came.
    pub(crate) fn first_byte(&self) -> Option<Offset> {
        self.first_byte.get()
    }
}

/// What puts stamps on a connection to be.
#[derive(Clone, Debug)]
pub(crate) struct Stamper {
    clock: RunClock,
    stamps: Rc<Stamps>,
}

impl Stamper {
    pub(crate) fn new(clock: RunClock, stamps: Rc<Stamps>) -> Self {
        Self { clock, stamps }
    }

    /// The connection is tried at `peer`, which is one of `addresses`.
    pub(crate) fn set_peer(&self, peer: SocketAddr, addresses: usize) {
        self.stamps.peer.set(Some(peer));
        self.stamps.has_several_addresses.set(addresses > 1);
    }

    /// Why an exchange on it will have failed.
    pub(crate) fn set_failure_reason(&self, why: impl Into<String>) {
        self.stamps.set_failure_reason(why);
    }

    /// `stream`, stamped.
    pub(crate) fn wrap<S>(self, stream: S) -> Stamped<S> {
        Stamped { stream, clock: self.clock, stamps: self.stamps, read_since_yield: 0, interim_pause: None }
    }
}

/// A stream that notes when bytes cross.
#[derive(Debug)]
pub(crate) struct Stamped<S> {
    stream: S,
    clock: RunClock,
    stamps: Rc<Stamps>,
    /// Bytes that were read since the stream had none, or others their turn.
    read_since_yield: usize,
    interim_pause: Option<Pin<Box<Sleep>>>,
}

impl<S> Stamped<S> {
    /// Pending when it is the turn of others.
    fn poll_read_budget(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.read_since_yield >= READ_BUDGET {
            self.read_since_yield = 0;
            if !self.stamps.is_flooded() {
                // Woken again once all others that can run have run.
                return pin!(yield_now()).poll(cx);
            }
            self.interim_pause = Some(Box::pin(sleep_until(Instant::now() + INTERIM_PAUSE)));
        }
        if let Some(rest) = &mut self.interim_pause {
            ready!(pin!(unconstrained(rest.as_mut())).poll(cx));
            self.interim_pause = None;
        }
        Poll::Ready(())
    }

    /// Stamps the first write before it is made: on a fast path the peer may
    /// have read the request before the call returns.
    fn write(&mut self, write: impl FnOnce(Pin<&mut S>) -> Poll<io::Result<usize>>) -> Poll<io::Result<usize>>
    where
        S: Unpin,
    {
        if self.stamps.sent.get().is_some() {
            return write(Pin::new(&mut self.stream));
        }
        let before = self.clock.now();
        let outcome = write(Pin::new(&mut self.stream));
        if matches!(outcome, Poll::Ready(Ok(1..))) {
            self.stamps.write_begun(before);
        }
        outcome
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stamped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_read_budget(cx));
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let read = buffer.filled().len() - before;
        if read > 0 {
            self.read_since_yield += read;
            if self.stamps.first_byte.get().is_none() {
                let begins = buffer.filled().get(before..).is_some_and(|came| came.starts_with(b"HTTP/1."));
                self.stamps.http1.set(begins);
            }
            self.stamps.received(read, || self.clock.now());
        } else if outcome.is_pending() {
            self.read_since_yield = 0;
        } else if matches!(outcome, Poll::Ready(Ok(()))) {
            self.stamps.ended.set(true);
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stamped<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(|stream| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(|stream| stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
