//! Where bytes cross into the kernel and out of it.
//!
//! [`Stamped`] lies between hyper and the socket and notes two instants of an
//! exchange: when the first byte of the request was taken by the kernel, and
//! when the first byte of the answer came out of it. Stamps taken further up,
//! at the wake-up or the call of `send`, would count the generator's own work
//! as the server's.

use super::clock::RunClock;
use crate::units::Offset;
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The two instants of the exchange under way.
#[derive(Debug, Default)]
pub(crate) struct Stamps {
    sent: Cell<Option<Offset>>,
    first_byte: Cell<Option<Offset>>,
}

impl Stamps {
    /// Forgets the exchange before.
    pub(crate) fn clear(&self) {
        self.sent.set(None);
        self.first_byte.set(None);
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

/// A stream that notes when bytes cross.
#[derive(Debug)]
pub(crate) struct Stamped<S> {
    stream: S,
    clock: RunClock,
    stamps: Rc<Stamps>,
}

impl<S> Stamped<S> {
    pub(crate) fn new(stream: S, clock: RunClock, stamps: Rc<Stamps>) -> Self {
        Self { stream, clock, stamps }
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
            self.stamps.sent.set(Some(before));
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
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before && self.stamps.first_byte.get().is_none() {
            self.stamps.first_byte.set(Some(self.clock.now()));
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

/// How a worker gets a new connection to the candidate. TLS will be another
/// implementation of it; tests hand out in-memory pipes.
pub(crate) trait Connect: 'static {
    /// What a connection is made of.
    type Stream: AsyncRead + AsyncWrite + Unpin + 'static;

    /// Opens one connection.
    fn connect(&self) -> impl Future<Output = io::Result<Self::Stream>>;
}

/// Plain TCP to addresses that were resolved before the clock started.
#[derive(Debug)]
pub(crate) struct Tcp {
    addresses: Vec<std::net::SocketAddr>,
}

impl Tcp {
    /// `addresses` are tried in order; the first that takes the connection wins.
    pub(crate) fn new(addresses: Vec<std::net::SocketAddr>) -> Self {
        Self { addresses }
    }
}

impl Connect for Tcp {
    type Stream = TcpStream;

    async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.addresses.as_slice()).await?;
        // A request is one small write; waiting for a second one to join it
        // would add the peer's delayed acknowledgement to the latency.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
