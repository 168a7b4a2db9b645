//! One request and its answer on one connection.
//!
//! hyper's connection future and the request's future are driven by the same
//! task, one after the other, so an exchange costs no wake-up of another task.
//! What went wrong is told by type, never by message text.

use super::limits::{buffered_max, check_head};
use super::wire::Stamps;
use crate::fault::Fault;
use crate::schedule::Arrival;
use crate::trace::Method;
use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep};

/// The limits of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnswerLimits {
    /// Most bytes of a body.
    pub(crate) body: u64,
    /// Most bytes of a head.
    pub(crate) head: usize,
    /// Most header fields.
    pub(crate) fields: usize,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) status: u16,
    /// The first `Location`, as its bytes came.
    pub(crate) location: Option<HeaderValue>,
    /// How many `Location` fields there were.
    pub(crate) locations: usize,
    /// Body bytes.
    pub(crate) body_bytes: u64,
}

/// How an exchange ended.
#[derive(Debug)]
pub(crate) enum Exchanged {
    /// With a complete answer.
    Answered(Received),
    /// Without one.
    Broken(Fault),
    /// The peer had closed the reused connection before a byte of an answer
    /// came: every mainstream client sends such a request again.
    Stale,
}

/// An HTTP/1 connection that its own task drives.
pub(crate) struct Http1<S>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    sender: http1::SendRequest<Empty<Bytes>>,
    driver: Option<http1::Connection<S, Empty<Bytes>>>,
    stamps: Rc<Stamps>,
    limits: AnswerLimits,
    reused: bool,
}

impl<T> Http1<TokioIo<T>>
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
{
    pub(crate) async fn handshake(
        stream: T,
        stamps: Rc<Stamps>,
        limits: AnswerLimits,
    ) -> Result<Self, hyper::Error> {
        let (sender, driver) =
            http1::Builder::new().max_buf_size(buffered_max(&limits)).handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, driver: Some(driver), stamps, limits, reused: false })
    }

    /// Sends the request for `arrival` and takes its whole answer, or ends at
    /// `deadline`.
    pub(crate) async fn exchange(
        &mut self,
        arrival: &Arrival,
        headers: &HeaderMap,
        deadline: &mut Deadline,
    ) -> Exchanged {
        self.stamps.clear();
        let reused = std::mem::replace(&mut self.reused, true);
        if !self.ready().await {
            return if reused { Exchanged::Stale } else { Exchanged::Broken(Fault::HttpClosed) };
        }
        let answer = self.sender.send_request(request(arrival, headers));
        let Some(answer) = drive(&mut self.driver, answer, deadline).await else {
            return Exchanged::Broken(Fault::TimeoutTotal);
        };
        match answer {
            Ok(response) => self.receive(response, deadline).await,
            Err(error) => {
                let untouched = self.stamps.first_byte().is_none();
                let fault = classify(&error, untouched);
                let closed = matches!(fault, Fault::HttpClosed | Fault::HttpReset);
                if reused && untouched && closed { Exchanged::Stale } else { Exchanged::Broken(fault) }
            }
        }
    }

    /// Whether the connection can take another request. Settles what the
    /// exchange before left to do.
    pub(crate) async fn ready(&mut self) -> bool {
        let Self { sender, driver, .. } = self;
        poll_fn(|cx| {
            poll_driver(driver, cx);
            sender.poll_ready(cx)
        })
        .await
        .is_ok()
    }

    /// Resolves when the peer has closed the idle connection.
    pub(crate) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        poll_driver(&mut self.driver, cx);
        if self.driver.is_none() { Poll::Ready(()) } else { Poll::Pending }
    }

    async fn receive(&mut self, response: hyper::Response<Incoming>, deadline: &mut Deadline) -> Exchanged {
        if let Err(fault) = check_head(response.headers(), &self.limits) {
            return Exchanged::Broken(fault);
        }
        let status = response.status().as_u16();
        let mut all = response.headers().get_all(LOCATION).iter();
        let location = all.next().cloned();
        let locations = usize::from(location.is_some()) + all.count();
        let mut body = response.into_body();
        let mut body_bytes = 0;
        while !body.is_end_stream() {
            match drive(&mut self.driver, pin!(body.frame()), deadline).await {
                None => return Exchanged::Broken(Fault::TimeoutTotal),
                Some(None) => break,
                Some(Some(Err(error))) => return Exchanged::Broken(classify(&error, false)),
                Some(Some(Ok(frame))) => {
                    let length = frame.data_ref().map_or(0, Bytes::len);
                    body_bytes += u64::try_from(length).unwrap_or(u64::MAX);
                    if body_bytes > self.limits.body {
                        return Exchanged::Broken(Fault::HttpBodyTooLarge);
                    }
                }
            }
        }
        Exchanged::Answered(Received { status, location, locations, body_bytes })
    }
}

/// When an exchange has to be over.
///
/// One timer serves a connection for its whole life. It is not reset for each
/// exchange: it fires at the deadline of an earlier one, finds the present
/// exchange's deadline later, and is set to that. A connection in steady use
/// pays for one timer per time-out period instead of one per request.
pub(crate) struct Deadline {
    timer: Pin<Box<Sleep>>,
    at: Instant,
}

impl Deadline {
    pub(crate) fn new(at: Instant) -> Self {
        Self { timer: Box::pin(tokio::time::sleep_until(at)), at }
    }

    /// Moves the deadline, for the next exchange.
    pub(crate) fn set(&mut self, at: Instant) {
        self.at = at;
        if self.timer.deadline() > at {
            self.timer.as_mut().reset(at);
        }
    }

    /// Ready once the deadline has passed.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= self.at {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(self.at);
        }
        Poll::Pending
    }
}

/// Drives the connection and `future` until the latter is done; `None` when
/// the deadline came first.
async fn drive<S, F: Future>(
    driver: &mut Option<http1::Connection<S, Empty<Bytes>>>,
    future: F,
    deadline: &mut Deadline,
) -> Option<F::Output>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let mut future = pin!(future);
    poll_fn(|cx| {
        poll_driver(driver, cx);
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        deadline.poll(cx).map(|()| None)
    })
    .await
}

fn poll_driver<S>(driver: &mut Option<http1::Connection<S, Empty<Bytes>>>, cx: &mut Context<'_>)
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    // An error of the connection reaches the exchange through the request's
    // own future; here it only means that the connection is over.
    if let Some(connection) = driver
        && Pin::new(connection).poll(cx).is_ready()
    {
        *driver = None;
    }
}

fn request(arrival: &Arrival, headers: &HeaderMap) -> hyper::Request<Empty<Bytes>> {
    let mut request = hyper::Request::new(Empty::new());
    *request.method_mut() = match arrival.method {
        Method::Get => http::Method::GET,
        Method::Head => http::Method::HEAD,
    };
    *request.uri_mut() = Uri::from(arrival.target.clone());
    request.headers_mut().clone_from(headers);
    request
}

fn classify(error: &hyper::Error, untouched: bool) -> Fault {
    if error.is_parse_too_large() {
        return Fault::HttpHeadersTooLarge;
    }
    if error.is_parse() {
        return Fault::HttpGarbage;
    }
    let ended = if untouched { Fault::HttpClosed } else { Fault::HttpTruncated };
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return ended;
    }
    match io_cause(error).map(io::Error::kind) {
        Some(io::ErrorKind::UnexpectedEof) => ended,
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => Fault::HttpGarbage,
        Some(_) | None => Fault::HttpReset,
    }
}

fn io_cause(error: &hyper::Error) -> Option<&io::Error> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io);
        }
        cause = error.source();
    }
    None
}

/// Why a connection could not be opened.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the one map from the open list of io::ErrorKind to the closed list of faults"
)]
pub(crate) fn classify_connect(error: &io::Error) -> Fault {
    use rustix::io::Errno;
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Fault::ConnectRefused,
        io::ErrorKind::TimedOut => Fault::ConnectTimeout,
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => Fault::GeneratorPorts,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Fault::HttpReset,
        _ => match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE) => Fault::GeneratorDescriptors,
            _ => Fault::ConnectUnreachable,
        },
    }
}
