//! One request and its answer on one connection.
//!
//! hyper's connection future and the request's future are driven by the same
//! task, one after the other, so an exchange costs no wake-up of another task.
//! What went wrong is told by type, never by message text.

use super::limits::{AnswerLimits, buffered_max, check_head};
use super::wakes::Wakes;
use super::wire::Stamps;
use bytes::Bytes;
use downpour_core::fault::Fault;
use downpour_load::schedule::Arrival;
use downpour_trace::Method;
use downpour_verify::Locations;
use downpour_verify::coding::is_undecodable;
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep};

/// What came back.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) status: u16,
    /// Its header fields, as their bytes came.
    pub(crate) head: HeaderMap,
    /// Body bytes.
    pub(crate) body_bytes: u64,
    /// Which of the candidate's addresses sent it, where it has several.
    pub(crate) peer: Option<SocketAddr>,
}

impl Received {
    pub(crate) fn new(parts: http::response::Parts, body_bytes: u64) -> Self {
        Self { status: parts.status.as_u16(), head: parts.headers, body_bytes, peer: None }
    }

    /// The first `Location`.
    pub(crate) fn location(&self) -> Option<&HeaderValue> {
        self.head.get(LOCATION)
    }

    /// Its `Location` fields.
    pub(crate) fn locations(&self) -> Locations<'_> {
        let mut all = self.head.get_all(LOCATION).iter();
        match (all.next(), all.next()) {
            (None, _) => Locations::None,
            (Some(only), None) => Locations::One(only.as_bytes()),
            (Some(_), Some(_)) => Locations::Many,
        }
    }
}

/// How an exchange ended.
#[derive(Debug)]
pub(crate) enum Exchanged {
    /// With a complete answer.
    Answered(Received),
    /// Without one.
    Broken(Fault),
    /// The peer did not take the request up: it had closed the reused
    /// connection before a byte of an answer came, or said so. Every mainstream
    /// client sends such a request again; the fault is what it is if that does
    /// not help.
    Unprocessed(Fault),
}

/// An HTTP/1 connection that its own task drives.
pub(crate) struct Http1<S>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    sender: http1::SendRequest<Empty<Bytes>>,
    driver: Driver<S>,
    wakes: Wakes,
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
        // A request is one small buffer: the plain write costs the kernel less
        // than the vectored one.
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(buffered_max(&limits))
            .writev(false)
            .handshake(TokioIo::new(stream))
            .await?;
        let driver = Driver { connection: Some(driver), unread: Bytes::new() };
        Ok(Self { sender, driver, wakes: Wakes::new(), stamps, limits, reused: false })
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
        let Self { sender, driver, wakes, stamps, .. } = self;
        let answer = wakes.suppress_self_wakes(|| sender.send_request(request(arrival, headers)));
        let answered = || stamps.first_byte().is_some();
        let drive_on = &mut |cx: &mut Context<'_>| driver.poll(cx);
        let Some(answer) = drive(wakes, drive_on, answer, (deadline, answered)).await else {
            return Exchanged::Broken(deadline.fault());
        };
        match answer {
            Ok(response) => {
                self.stamps.head_received();
                self.receive(response, deadline).await
            }
            Err(error) => {
                let untouched = self.stamps.first_byte().is_none();
                let mut fault = classify(&error, untouched);
                if fault == Fault::HttpHeadersTooLarge && !self.driver.left_a_head() {
                    fault = Fault::HttpGarbage;
                }
                let closed = matches!(fault, Fault::HttpClosed | Fault::HttpReset);
                if reused && untouched && closed {
                    Exchanged::Unprocessed(Fault::HttpClosed)
                } else {
                    Exchanged::Broken(fault)
                }
            }
        }
    }

    /// Whether the connection can take another request. Settles what the
    /// exchange before left to do; mostly that is nothing, since the round that
    /// brought the end of the answer has asked for the next request, too.
    pub(crate) async fn ready(&mut self) -> bool {
        let Self { sender, driver, wakes, .. } = self;
        if sender.is_ready() {
            return true;
        }
        poll_fn(|cx| {
            wakes.poll(cx, |cx| {
                driver.poll(cx);
                sender.poll_ready(cx)
            })
        })
        .await
        .is_ok()
    }

    /// Resolves when the peer has closed the idle connection.
    pub(crate) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { driver, wakes, .. } = self;
        wakes.poll(cx, |cx| {
            driver.poll(cx);
            if driver.is_over() { Poll::Ready(()) } else { Poll::Pending }
        })
    }

    async fn receive(&mut self, response: hyper::Response<Incoming>, deadline: &mut Deadline) -> Exchanged {
        if let Err(fault) = check_head(response.headers(), &self.limits) {
            return Exchanged::Broken(fault);
        }
        if !response.body().is_end_stream() && is_undecodable(response.headers()) {
            self.stamps.set_failure_reason("its content has a transfer coding that was not requested");
            return Exchanged::Broken(Fault::HttpGarbage);
        }
        let (parts, body) = response.into_parts();
        let Self { driver, wakes, limits, stamps, .. } = self;
        let drive_on = &mut |cx: &mut Context<'_>| driver.poll(cx);
        match receive_body(body, (wakes, drive_on), limits.body, deadline).await {
            Ok(body_bytes) => Exchanged::Answered(Received::new(parts, body_bytes)),
            Err(fault) => {
                stamps.set_failure_reason(body_failure_note(parts.status));
                Exchanged::Broken(fault)
            }
        }
    }
}

/// What is told of an answer whose head had come when it failed.
pub(super) fn body_failure_note(status: http::StatusCode) -> String {
    format!("the head of the answer arrived, with status {}, but not the end of its content", status.as_u16())
}

/// Takes a body to its end and counts its bytes; they are not kept.
pub(super) async fn receive_body(
    mut body: Incoming,
    (wakes, drive_on): (&Wakes, &mut impl FnMut(&mut Context<'_>)),
    most: u64,
    deadline: &mut Deadline,
) -> Result<u64, Fault> {
    let mut bytes = 0;
    while !body.is_end_stream() {
        match drive(wakes, drive_on, body.frame(), (deadline, || true)).await {
            None => return Err(deadline.fault()),
            Some(None) => break,
            Some(Some(Err(error))) => return Err(classify(&error, false)),
            Some(Some(Ok(frame))) => {
                bytes += frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
                if bytes > most {
                    return Err(Fault::HttpBodyTooLarge);
                }
            }
        }
    }
    Ok(bytes)
}

/// When an exchange has to be over, and when its answer has to begin.
///
/// One timer serves a connection for its whole life. It is not reset for each
/// exchange: it fires at the deadline of an earlier one, finds the present
/// exchange's deadline later, and is set to that. A connection in steady use
/// pays for one timer per time-out period instead of one per request.
pub(crate) struct Deadline {
    timer: Pin<Box<Sleep>>,
    total: Instant,
    first_byte: Option<Instant>,
    expired: Fault,
}

impl Deadline {
    pub(crate) fn new(total: Instant) -> Self {
        let timer = Box::pin(tokio::time::sleep_until(total));
        Self { timer, total, first_byte: None, expired: Fault::TimeoutTotal }
    }

    /// Moves the deadlines, for the next exchange.
    pub(crate) fn set(&mut self, total: Instant, first_byte: Option<Instant>) {
        self.total = total;
        self.first_byte = first_byte;
        let next = self.next(false);
        if self.timer.deadline() > next {
            self.timer.as_mut().reset(next);
        }
    }

    /// Ready once a deadline has passed; the one for the first byte does not
    /// count any more when that has come.
    ///
    /// The timer is exempt from the budget that tokio gives a task for each
    /// poll: a peer that is always readable uses that up before the deadline is
    /// looked at, and a timer without budget stays pending for ever.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, answered: bool) -> Poll<()> {
        while pin!(unconstrained(self.timer.as_mut())).poll(cx).is_ready() {
            let next = self.next(answered);
            if Instant::now() >= next {
                let total = next == self.total;
                self.expired = if total { Fault::TimeoutTotal } else { Fault::TimeoutFirstByte };
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(next);
        }
        Poll::Pending
    }

    /// Which deadline has passed.
    pub(crate) fn fault(&self) -> Fault {
        self.expired
    }

    fn next(&self, answered: bool) -> Instant {
        let first_byte = self.first_byte.filter(|_| !answered);
        first_byte.map_or(self.total, |first_byte| first_byte.min(self.total))
    }
}

/// Drives the connection by `drive_on`, and `future`, until the latter is done;
/// `None` when a deadline came first.
///
/// The future comes first: what it asks of the connection is done in the same
/// round then.
pub(super) async fn drive<F: Future>(
    wakes: &Wakes,
    drive_on: &mut impl FnMut(&mut Context<'_>),
    future: F,
    (deadline, answered): (&mut Deadline, impl Fn() -> bool),
) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        wakes.poll(cx, |cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            drive_on(cx);
            deadline.poll(cx, answered()).map(|()| None)
        })
    })
    .await
}

/// Drives a connection, and keeps what it left unread.
struct Driver<S>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    connection: Option<http1::Connection<S, Empty<Bytes>>>,
    unread: Bytes,
}

impl<S> Driver<S>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    fn poll(&mut self, cx: &mut Context<'_>) {
        // An error of the connection reaches the exchange through the request's
        // own future; here it only means that the connection is over.
        if let Some(connection) = &mut self.connection
            && Pin::new(connection).poll(cx).is_ready()
        {
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.unread = connection.into_parts().read_buf;
        }
    }

    fn is_over(&self) -> bool {
        self.connection.is_none()
    }

    /// Whether a head was refused before it was parsed, which ends the
    /// connection. hyper calls other answers too large as well: a
    /// Content-Length that is no length, and blank lines without a head.
    fn left_a_head(&mut self) -> bool {
        self.end();
        self.unread.starts_with(b"HTTP/")
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
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return fault_of_io_error(io::ErrorKind::UnexpectedEof, untouched);
    }
    fault_of_io_error(io_cause(error).map_or(io::ErrorKind::Other, io::Error::kind), untouched)
}

/// What the end of a connection means to its exchange; `untouched` is one
/// without a byte of an answer.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the one map from the open list of io::ErrorKind to the ends of an exchange"
)]
pub(super) fn fault_of_io_error(kind: io::ErrorKind, untouched: bool) -> Fault {
    match kind {
        io::ErrorKind::UnexpectedEof if untouched => Fault::HttpClosed,
        io::ErrorKind::UnexpectedEof => Fault::HttpTruncated,
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Fault::HttpGarbage,
        _ => Fault::HttpReset,
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
