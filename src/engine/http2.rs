//! HTTP/2: one connection, many exchanges at once.
//!
//! The connection is driven by a task of its own; each of its streams in use
//! is a task too, which carries one exchange after the other exactly as an
//! HTTP/1 connection does. To the pool a free stream is a seat like any other.
//!
//! Built on `h2` itself: a client on top of it takes requests beyond the peer's
//! stream limit into a queue of its own, where they wait behind one connection
//! while another is idle, and it tells nobody of the limit or of GOAWAY.

use super::clock::RunClock;
use super::exchange::{Deadline, Exchanged, Received, body_failure_note, drive, fault_of_io_error};
use super::limits::{AnswerLimits, ShardLimits, check_head};
use super::request_template::RequestTemplate;
use super::wakes::Wakes;
use super::wire::Stamps;
use bytes::Bytes;
use downpour_core::fault::Fault;
use downpour_load::schedule::Arrival;
use downpour_trace::Method;
use h2::{Reason, RecvStream, client};
use http::header::{CONNECTION, HOST, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, Parts, Scheme};
use http::{HeaderMap, Uri};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite};

/// What `h2` says the limit is before the peer has announced one. No peer can
/// announce it: on the wire the limit has 32 bits.
const UNANNOUNCED: usize = usize::MAX - 1;

/// What `h2` takes of a decoded head, as a multiple of our own limit. `h2`
/// calls a head over its limit malformed, and only what it lets through can be
/// told from garbage.
const HEAD_ROOM: usize = 4;

/// Flow control: what the connection, and each stream, may receive unread.
const CONNECTION_WINDOW: u32 = 5 * 1024 * 1024;
const STREAM_WINDOW: u32 = 2 * 1024 * 1024;

/// An open connection and how much of it is in use.
pub(crate) struct Http2Connection {
    sender: client::SendRequest<Bytes>,
    stamps: Rc<Stamps>,
    head: RequestHead,
    /// The tasks that hold a stream.
    in_use: Cell<usize>,
    /// The most there may be, of our own will and of the peer's.
    streams_configured: usize,
    streams_allowed: Cell<usize>,
    /// Requests that it was promised to, and the most it may carry.
    requests: Cell<u64>,
    requests_max: u64,
    /// How often it was heard of a stream of its own: a head, content, a reset.
    frames_received: Cell<u64>,
    closing: Cell<bool>,
    /// The peer said so, by GOAWAY.
    gone_away: Cell<bool>,
    driver: RefCell<Waker>,
}

/// What all requests have in common.
struct RequestHead {
    scheme: Scheme,
    authority: Authority,
    fields: HeaderMap,
}

impl Http2Connection {
    /// Speaks the preface on `stream`.
    pub(crate) async fn handshake<S>(
        stream: S,
        stamps: Rc<Stamps>,
        origin: &RequestTemplate,
        limits: &ShardLimits,
    ) -> Result<(Rc<Self>, Http2Driver<S>), h2::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let head_bytes = limits.answer.head.saturating_mul(HEAD_ROOM);
        let (sender, connection) = client::Builder::new()
            .enable_push(false)
            .initial_max_send_streams(UNANNOUNCED)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX))
            .handshake(stream)
            .await?;
        let shared = Rc::new(Self {
            sender: sender.clone(),
            stamps,
            head: RequestHead::of(origin),
            in_use: Cell::new(0),
            streams_configured: limits.streams,
            // More would break a lower limit that is on its way.
            streams_allowed: Cell::new(1),
            requests: Cell::new(0),
            requests_max: limits.requests_per_connection.unwrap_or(u64::MAX),
            frames_received: Cell::new(0),
            closing: Cell::new(false),
            gone_away: Cell::new(false),
            driver: RefCell::new(Waker::noop().clone()),
        });
        let driver = Http2Driver {
            connection,
            probe: sender,
            shared: Rc::clone(&shared),
            limit: UNANNOUNCED,
            reported_closing: false,
        };
        Ok((shared, driver))
    }

    /// Whether one of its streams is not in use.
    pub(crate) fn has_free_stream(&self) -> bool {
        self.accepts_requests() && self.in_use.get() < self.streams_allowed.get()
    }

    /// Takes one of its streams into use, if there is one left.
    pub(crate) fn take_stream(self: &Rc<Self>, clock: RunClock, limits: AnswerLimits) -> Option<Http2Stream> {
        self.has_free_stream().then(|| self.stream(clock, limits))
    }

    /// A stream of a connection that was just opened, which has one.
    pub(crate) fn first_stream(self: &Rc<Self>, clock: RunClock, limits: AnswerLimits) -> Http2Stream {
        self.stream(clock, limits)
    }

    fn stream(self: &Rc<Self>, clock: RunClock, limits: AnswerLimits) -> Http2Stream {
        self.in_use.set(self.in_use.get() + 1);
        self.requests.set(self.requests.get() + 1);
        let stamps = Rc::new(Stamps::of(&self.stamps));
        let wakes = Rc::new(Wakes::new());
        Http2Stream { connection: Rc::clone(self), sender: self.sender.clone(), wakes, stamps, clock, limits }
    }

    /// Whether another exchange may follow one that has ended, on its stream.
    pub(crate) fn reserve_request(&self) -> bool {
        let may = self.accepts_requests() && self.in_use.get() <= self.streams_allowed.get();
        if may {
            self.requests.set(self.requests.get() + 1);
        }
        may
    }

    fn accepts_requests(&self) -> bool {
        !self.closing.get() && self.requests.get() < self.requests_max
    }

    /// Whether it takes no more requests, those least that it has.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    fn close(&self) {
        self.closing.set(true);
        self.driver.borrow().wake_by_ref();
    }
}

/// What has become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionEvent {
    /// The peer has spoken of its limit; it may have given none.
    StreamLimit(Option<u32>),
    /// It takes no more requests.
    Closing,
    /// It is over, or nobody holds a stream of it any more.
    Closed,
}

/// What moves a connection's bytes, for as long as it lasts.
pub(crate) struct Http2Driver<S> {
    connection: client::Connection<S, Bytes>,
    probe: client::SendRequest<Bytes>,
    shared: Rc<Http2Connection>,
    limit: usize,
    reported_closing: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Http2Driver<S> {
    /// Drives the connection up to its next turn.
    pub(crate) async fn next(&mut self) -> ConnectionEvent {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionEvent> {
        let over = Pin::new(&mut self.connection).poll(cx).is_ready();
        if let Poll::Ready(Err(error)) = self.probe.poll_ready(cx) {
            self.shared.closing.set(true);
            self.shared.gone_away.set(error.is_go_away() && error.is_remote());
        }
        if over || self.shared.in_use.get() == 0 {
            self.shared.closing.set(true);
            return Poll::Ready(ConnectionEvent::Closed);
        }
        let limit = self.connection.max_concurrent_send_streams();
        if limit != self.limit {
            self.limit = limit;
            self.shared.streams_allowed.set(limit.min(self.shared.streams_configured));
            return Poll::Ready(ConnectionEvent::StreamLimit(u32::try_from(limit).ok()));
        }
        if self.shared.closing.get() && !self.reported_closing {
            self.reported_closing = true;
            return Poll::Ready(ConnectionEvent::Closing);
        }
        self.shared.driver.borrow_mut().clone_from(cx.waker());
        Poll::Pending
    }
}

/// The right to use one stream after the other of a connection.
pub(crate) struct Http2Stream {
    connection: Rc<Http2Connection>,
    sender: client::SendRequest<Bytes>,
    wakes: Rc<Wakes>,
    stamps: Rc<Stamps>,
    clock: RunClock,
    limits: AnswerLimits,
}

impl Drop for Http2Stream {
    fn drop(&mut self) {
        let left = self.connection.in_use.get() - 1;
        self.connection.in_use.set(left);
        if left == 0 {
            self.connection.driver.borrow().wake_by_ref();
        }
    }
}

impl Http2Stream {
    /// When this exchange's bytes crossed.
    pub(crate) fn stamps(&self) -> &Stamps {
        &self.stamps
    }

    /// The connection it belongs to.
    pub(crate) fn connection(&self) -> &Rc<Http2Connection> {
        &self.connection
    }

    /// Sends the request for `arrival` and takes its whole answer, or ends at
    /// `deadline`.
    pub(crate) async fn exchange(&mut self, arrival: &Arrival, deadline: &mut Deadline) -> Exchanged {
        self.stamps.clear();
        let heard = self.connection.frames_received.get();
        let wakes = Rc::clone(&self.wakes);
        let answer = self.answer(arrival);
        let answer = drive(&wakes, &mut |_| {}, answer, (deadline, || false)).await;
        let silent = self.connection.frames_received.get() == heard;
        match answer {
            None => {
                // Nothing was heard for the whole time: whoever is there is not
                // asked again on this connection. HTTP/1 has no other way.
                if silent {
                    self.connection.close();
                }
                Exchanged::Broken(deadline.fault())
            }
            Some(Err(error)) => {
                if self.connection.stamps.begins_as_http1() {
                    self.stamps.set_failure_reason("it answers in HTTP/1.1: leave out --http 2");
                }
                let ended = self.connection.classify(&error, AnswerStage::Head);
                let closed = matches!(ended, Exchanged::Broken(Fault::HttpClosed | Fault::HttpReset));
                if closed && heard > 0 && silent { Exchanged::Unprocessed(Fault::HttpClosed) } else { ended }
            }
            Some(Ok(response)) => {
                self.connection.note_received();
                self.stamps.answered(self.clock.now());
                self.receive(response, deadline).await
            }
        }
    }

    async fn answer(&mut self, arrival: &Arrival) -> Result<http::Response<RecvStream>, h2::Error> {
        poll_fn(|cx| self.sender.poll_ready(cx)).await?;
        let (answer, _) = self.sender.send_request(self.connection.head.request(arrival), true)?;
        self.connection.stamps.stamp_with_next_write(&self.stamps);
        answer.await
    }

    async fn receive(&self, response: http::Response<RecvStream>, deadline: &mut Deadline) -> Exchanged {
        if let Err(fault) = check_head(response.headers(), &self.limits) {
            return Exchanged::Broken(fault);
        }
        let (parts, mut body) = response.into_parts();
        let mut body_bytes = 0;
        while !body.is_end_stream() {
            let data = poll_fn(|cx| body.poll_data(cx));
            match drive(&self.wakes, &mut |_| {}, data, (deadline, || true)).await {
                None => {
                    self.stamps.set_failure_reason(body_failure_note(parts.status));
                    return Exchanged::Broken(deadline.fault());
                }
                Some(None) => break,
                Some(Some(Err(error))) => return self.connection.classify(&error, AnswerStage::Body),
                Some(Some(Ok(data))) => {
                    self.connection.note_received();
                    body_bytes += u64::try_from(data.len()).unwrap_or(u64::MAX);
                    if body_bytes > self.limits.body {
                        return Exchanged::Broken(Fault::HttpBodyTooLarge);
                    }
                    if let Err(error) = body.flow_control().release_capacity(data.len()) {
                        return self.connection.classify(&error, AnswerStage::Body);
                    }
                }
            }
        }
        Exchanged::Answered(Received::new(parts, body_bytes))
    }
}

impl RequestHead {
    /// The same head as in HTTP/1, its host in the URI (RFC 9113 §8.3.1) and
    /// without what is said of a connection (§8.2.2).
    fn of(origin: &RequestTemplate) -> Self {
        let mut fields = origin.headers.clone();
        // A `Host` that was asked for is the authority here.
        let host = fields.remove(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
        for name in [CONNECTION, TRANSFER_ENCODING, UPGRADE] {
            fields.remove(name);
        }
        for name in ["keep-alive", "proxy-connection"] {
            fields.remove(HeaderName::from_static(name));
        }
        if fields.get(TE).is_some_and(|coding| coding != "trailers") {
            fields.remove(TE);
        }
        Self {
            scheme: origin.scheme.clone(),
            authority: host.unwrap_or_else(|| origin.authority.clone()),
            fields,
        }
    }

    fn request(&self, arrival: &Arrival) -> http::Request<()> {
        let mut parts = Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(arrival.target.clone());
        let mut request = http::Request::new(());
        *request.version_mut() = http::Version::HTTP_2;
        *request.method_mut() = match arrival.method {
            Method::Get => http::Method::GET,
            Method::Head => http::Method::HEAD,
        };
        // All three parts are there, which is all that a URI asks for.
        *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        request.headers_mut().clone_from(&self.fields);
        request
    }
}

/// How far an answer had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AnswerStage {
    Head,
    Body,
}

impl Http2Connection {
    fn note_received(&self) {
        self.frames_received.set(self.frames_received.get() + 1);
    }

    /// How an exchange ended. A request that the peer did not process may be
    /// sent again (RFC 9113 §8.7); what `h2` itself refused was not HTTP/2.
    fn classify(&self, error: &h2::Error, stage: AnswerStage) -> Exchanged {
        let before_head = stage == AnswerStage::Head;
        if let Some(io) = error.get_io() {
            // `h2` tells of a plain end by the kind of a failed write.
            let at_end = io.kind() == ErrorKind::BrokenPipe && self.stamps.ended();
            let kind = if at_end { ErrorKind::UnexpectedEof } else { io.kind() };
            let fault = fault_of_io_error(kind, before_head);
            let announced = self.gone_away.get() && fault == Fault::HttpClosed;
            return Exchanged::Broken(if announced { Fault::Http2GoAway } else { fault });
        }
        if !error.is_remote() {
            // Frames beyond what a head of the permitted size takes.
            let endless = before_head && error.reason() == Some(Reason::ENHANCE_YOUR_CALM);
            return Exchanged::Broken(if endless { Fault::HttpHeadersTooLarge } else { Fault::HttpGarbage });
        }
        if error.is_go_away() {
            let fault = Fault::Http2GoAway;
            return if before_head { Exchanged::Unprocessed(fault) } else { Exchanged::Broken(fault) };
        }
        self.note_received();
        if before_head && error.reason() == Some(Reason::REFUSED_STREAM) {
            return Exchanged::Unprocessed(Fault::Http2Refused);
        }
        Exchanged::Broken(Fault::Http2Reset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downpour_core::agent::ClientKind;
    use http::HeaderValue;
    use http::uri::PathAndQuery;

    fn request(fields: &[(&'static str, &'static str)]) -> http::Request<()> {
        let pairs = fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let origin = RequestTemplate {
            scheme: Scheme::HTTPS,
            authority: Authority::from_static("candidate.test"),
            headers: pairs.collect(),
        };
        let arrival = Arrival {
            sequence: 0,
            due: downpour_core::units::Offset::ZERO,
            recorded_offset: downpour_core::units::Offset::ZERO,
            method: Method::Get,
            target: PathAndQuery::from_static("/a?b"),
            recorded_status: None,
            client: None,
            kind: ClientKind::NONE,
        };
        RequestHead::of(&origin).request(&arrival)
    }

    #[test]
    fn the_host_that_was_asked_for_is_the_authority() {
        assert_eq!(request(&[]).uri(), "https://candidate.test/a?b");
        let asked = request(&[("host", "crates.io"), ("accept", "*/*")]);
        assert_eq!(asked.uri(), "https://crates.io/a?b");
        assert_eq!(asked.headers().len(), 1);
    }

    #[test]
    fn what_is_said_of_a_connection_is_left_out() {
        let sent = request(&[
            ("connection", "close"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "close"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("te", "gzip"),
        ]);
        assert!(sent.headers().is_empty(), "{:?}", sent.headers());
        assert_eq!(request(&[("te", "trailers")]).headers().len(), 1);
    }
}
