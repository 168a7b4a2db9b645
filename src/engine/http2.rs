//! HTTP/2: one connection, many exchanges at once.
//!
//! The connection is driven by a task of its own; each of its streams in use
//! is a task too, which carries one exchange after the other exactly as an
//! HTTP/1 connection does. To the pool a free stream is a seat like any other.

use super::clock::RunClock;
use super::exchange::{AnswerLimits, Deadline, Exchanged, Received, drive, locations, receive_body};
use super::limits::{buffered_max, check_head};
use super::shard::Origin;
use super::wire::Stamps;
use crate::fault::Fault;
use crate::schedule::Arrival;
use crate::trace::Method;
use bytes::Bytes;
use http::Uri;
use http::header::HOST;
use http::uri::Parts;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use std::cell::Cell;
use std::rc::Rc;
use std::task::Context;

/// Spawns what hyper wants spawned on the worker's own thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnThisThread;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for OnThisThread {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// An open connection and how many of its streams are in use.
#[derive(Debug)]
pub(crate) struct Shared {
    sender: http2::SendRequest<Empty<Bytes>>,
    stamps: Rc<Stamps>,
    in_use: Cell<usize>,
    most: usize,
    carried: Cell<u64>,
    alive: Rc<Cell<bool>>,
}

/// The task that drives a connection ends when the connection does.
pub(crate) type Driver<S> = http2::Connection<TokioIo<S>, Empty<Bytes>, OnThisThread>;

impl Shared {
    /// Speaks the preface on `stream`; at most `most` streams will be used.
    pub(crate) async fn handshake<S>(
        stream: S,
        stamps: Rc<Stamps>,
        (most, limits): (usize, AnswerLimits),
    ) -> Result<(Rc<Self>, Driver<S>), hyper::Error>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
    {
        let head = u32::try_from(buffered_max(&limits)).unwrap_or(u32::MAX);
        let (sender, driver) = http2::Builder::new(OnThisThread)
            .max_header_list_size(head)
            .initial_max_send_streams(most)
            .handshake(TokioIo::new(stream))
            .await?;
        let alive = Rc::new(Cell::new(true));
        Ok((
            Rc::new(Self { sender, stamps, in_use: Cell::new(0), most, carried: Cell::new(0), alive }),
            driver,
        ))
    }

    /// Whether one of its streams is not in use.
    pub(crate) fn has_free(&self) -> bool {
        self.alive.get() && self.in_use.get() < self.most
    }

    /// Takes one of its streams into use, if there is one left.
    pub(crate) fn take(self: &Rc<Self>, clock: RunClock, limits: AnswerLimits) -> Option<Stream> {
        if !self.has_free() {
            return None;
        }
        self.in_use.set(self.in_use.get() + 1);
        Some(self.stream(clock, limits))
    }

    /// A stream of a connection that was just opened, which has them all.
    pub(crate) fn first(self: &Rc<Self>, clock: RunClock, limits: AnswerLimits) -> Stream {
        self.in_use.set(self.in_use.get() + 1);
        self.stream(clock, limits)
    }

    fn stream(self: &Rc<Self>, clock: RunClock, limits: AnswerLimits) -> Stream {
        let stamps = Rc::new(Stamps::default());
        Stream { shared: Rc::clone(self), sender: self.sender.clone(), stamps, clock, limits }
    }

    /// Whether another exchange may follow one that has ended; `most` is how
    /// many it may carry in all.
    pub(crate) fn may_carry_on(&self, most: Option<u64>) -> bool {
        self.carried.set(self.carried.get() + 1);
        self.alive.get() && most.is_none_or(|most| self.carried.get() < most)
    }

    /// Whether it is still open.
    pub(crate) fn alive(&self) -> &Rc<Cell<bool>> {
        &self.alive
    }
}

/// The right to use one stream after the other of a connection.
pub(crate) struct Stream {
    shared: Rc<Shared>,
    sender: http2::SendRequest<Empty<Bytes>>,
    stamps: Rc<Stamps>,
    clock: RunClock,
    limits: AnswerLimits,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.in_use.set(self.shared.in_use.get() - 1);
    }
}

impl Stream {
    /// When this exchange's bytes crossed.
    pub(crate) fn stamps(&self) -> &Stamps {
        &self.stamps
    }

    /// The connection it belongs to.
    pub(crate) fn shared(&self) -> &Rc<Shared> {
        &self.shared
    }

    /// Sends the request for `arrival` and takes its whole answer, or ends at
    /// `deadline`.
    pub(crate) async fn exchange(
        &mut self,
        arrival: &Arrival,
        origin: &Origin,
        deadline: &mut Deadline,
    ) -> Exchanged {
        self.stamps.clear();
        self.shared.stamps.carry(&self.stamps);
        let answer = self.sender.send_request(request(arrival, origin));
        match drive(&mut |_| {}, answer, deadline, || false).await {
            None => Exchanged::Broken(deadline.fault()),
            Some(Err(error)) => classify(&error),
            Some(Ok(response)) => {
                self.stamps.answered(self.clock.now());
                if let Err(fault) = check_head(response.headers(), &self.limits) {
                    return Exchanged::Broken(fault);
                }
                let status = response.status().as_u16();
                let (location, locations) = locations(response.headers());
                let (http::response::Parts { headers, .. }, body) = response.into_parts();
                // The connection is driven elsewhere.
                let drive_on = &mut |_: &mut Context<'_>| {};
                match receive_body(body, drive_on, self.limits.body, deadline).await {
                    Ok(body_bytes) => {
                        Exchanged::Answered(Received { status, location, locations, headers, body_bytes })
                    }
                    Err(fault) => Exchanged::Broken(fault),
                }
            }
        }
    }
}

/// The same request as in HTTP/1, its host in the URI (RFC 9113 §8.3.1).
fn request(arrival: &Arrival, origin: &Origin) -> hyper::Request<Empty<Bytes>> {
    let mut parts = Parts::default();
    parts.scheme = Some(origin.scheme.clone());
    parts.authority = Some(origin.authority.clone());
    parts.path_and_query = Some(arrival.target.clone());
    let mut request = hyper::Request::new(Empty::new());
    *request.method_mut() = match arrival.method {
        Method::Get => http::Method::GET,
        Method::Head => http::Method::HEAD,
    };
    // All three parts are there, which is all that a URI asks for.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    request.headers_mut().clone_from(&origin.headers);
    request.headers_mut().remove(HOST);
    request
}

/// Ends that a request can be sent again after, since it was not processed, are
/// stale: RFC 9113 §8.7.
fn classify(error: &hyper::Error) -> Exchanged {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(h2) = error.downcast_ref::<h2::Error>() {
            let refused = h2.reason() == Some(h2::Reason::REFUSED_STREAM);
            return if h2.is_go_away() {
                Exchanged::GoneAway
            } else if refused {
                Exchanged::Stale
            } else if h2.is_reset() {
                Exchanged::Broken(Fault::Http2Reset)
            } else {
                Exchanged::Broken(if h2.is_io() { Fault::HttpReset } else { Fault::HttpGarbage })
            };
        }
        cause = error.source();
    }
    if error.is_canceled() || error.is_closed() {
        Exchanged::Stale
    } else {
        Exchanged::Broken(Fault::HttpReset)
    }
}
