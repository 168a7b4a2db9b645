//! The life of one connection: opened for an arrival, kept for the next. And which
//! connection an arrival takes.
//!
//! Each HTTP/1 connection is one task, and so is each stream in use of an HTTP/2
//! connection. A task makes one exchange after the other and is idle in between. A
//! timeout or a broken answer ends an HTTP/1 connection: in HTTP/1 there is no way
//! to give up an exchange and keep the connection.

use super::connect::{Connect, Opened, Protocol};
use super::exchange::{Deadline, Exchanged, Http1};
use super::http2::{ConnectionEvent, Http2Connection, Http2Driver, Http2Stream};
use super::pool::IdleSlot;
use super::shard::{InFlightArrival, Shard};
use super::wire::{Stamper, Stamps};
use downpour_core::fault::Fault;
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// Something that carries one exchange after the other.
#[expect(clippy::large_enum_variant, reason = "it lives in its own task, and nearly all are whole")]
enum Transport<C: Connect> {
    /// A whole connection.
    Http1 { wire: Http1<TokioIo<C::Stream>>, stamps: Rc<Stamps>, carried: u64 },
    /// One stream after the other of a shared one.
    Http2(Http2Stream),
}

/// Which connection an arrival takes.
impl<C: Connect> Shard<C> {
    /// Opens that many connections ahead of need.
    pub(crate) fn open_ahead(self: &Rc<Self>, count: usize) {
        let mut pool = self.pool.borrow_mut();
        for _ in 0..count.min(self.limits.connections) {
            pool.open += 1;
            pool.tasks.spawn_local(run_connection(Rc::clone(self), None));
        }
    }

    /// Gives an arrival to an idle connection, to a free stream, to a new
    /// connection, or lets it wait for one.
    pub(crate) fn dispatch(self: &Rc<Self>, arrival: InFlightArrival<C>) {
        let mut pool = self.pool.borrow_mut();
        if arrival.replayed && pool.open < self.limits.connections {
            // What was idle beside the connection that let it down may be as
            // stale.
            pool.open += 1;
            pool.tasks.spawn_local(run_connection(Rc::clone(self), Some(arrival)));
        } else if let Some(slot) = pool.next_idle() {
            drop(pool);
            slot.assigned.set(Some(arrival));
            slot.waker.borrow().wake_by_ref();
        } else if let Some(stream) = pool.free_stream(self.clock, self.limits.answer) {
            pool.tasks.spawn_local(run_stream(Rc::clone(self), stream, arrival));
        } else if pool.open < self.limits.connections {
            pool.open += 1;
            pool.tasks.spawn_local(run_connection(Rc::clone(self), Some(arrival)));
        } else {
            pool.waiting.push_back(arrival);
        }
    }

    /// Sends arrivals that wait on a connection that was just opened.
    pub(crate) fn assign_waiting(self: &Rc<Self>, shared: &Rc<Http2Connection>) {
        while let Some(arrival) = self.next_waiting() {
            let Some(stream) = shared.take_stream(self.clock, self.limits.answer) else {
                self.pool.borrow_mut().waiting.push_front(arrival);
                return;
            };
            self.spawn(run_stream(Rc::clone(self), stream, arrival));
        }
    }
}

/// Opens a connection for `arrival` and carries it, and others after it for as
/// long as the connection lasts. Without an arrival it opens one ahead of need.
pub(crate) async fn run_connection<C: Connect>(shard: Rc<Shard<C>>, arrival: Option<InFlightArrival<C>>) {
    let mut next = arrival;
    let mut ahead = next.is_none();
    while next.is_some() || std::mem::take(&mut ahead) {
        if let Some(arrival) = &mut next {
            arrival.begun = true;
        }
        let stamps = Rc::new(Stamps::default());
        let (mut transport, driver) = match open(&shard, next.as_ref(), &stamps).await {
            Ok(opened) => opened,
            Err(fault) => {
                if let Some(arrival) = next.take() {
                    // Bytes of a handshake may have crossed, none of a request.
                    arrival.broken(fault, &Stamps::of(&stamps), shard.clock.now());
                }
                break;
            }
        };
        if let Some(driver) = driver {
            // The connection outlives this transport and closes the count itself.
            return run_first_stream(shard, driver, (transport, next)).await;
        }
        let arrival = match next.take() {
            Some(arrival) => Some(arrival),
            None => wait_for_work(&shard, &mut transport).await,
        };
        next = match arrival {
            Some(arrival) => run_exchanges(&shard, &mut transport, arrival).await,
            None => None,
        };
    }
    shard.closed();
}

/// Carries `arrival`, and others after it, on a stream of a connection that is
/// open already.
pub(crate) async fn run_stream<C: Connect>(
    shard: Rc<Shard<C>>,
    stream: Http2Stream,
    arrival: InFlightArrival<C>,
) {
    let mut transport = Transport::Http2(stream);
    if let Some(arrival) = run_exchanges(&shard, &mut transport, arrival).await {
        drop(transport);
        shard.dispatch(arrival);
    }
}

async fn run_first_stream<C: Connect>(
    shard: Rc<Shard<C>>,
    driver: Http2Driver<C::Stream>,
    (mut transport, arrival): (Transport<C>, Option<InFlightArrival<C>>),
) {
    let Transport::Http2(stream) = &transport else { return };
    let shared = Rc::clone(stream.connection());
    shard.add_http2(&shared);
    shard.spawn(drive_http2(Rc::clone(&shard), Rc::clone(&shared), driver));
    shard.assign_waiting(&shared);
    // One that was opened ahead of need is driven while it waits.
    let arrival = match arrival {
        Some(arrival) => Some(arrival),
        None => wait_for_work(&shard, &mut transport).await,
    };
    let Some(arrival) = arrival else { return };
    if let Some(arrival) = run_exchanges(&shard, &mut transport, arrival).await {
        drop(transport);
        shard.dispatch(arrival);
    }
}

async fn drive_http2<C: Connect>(
    shard: Rc<Shard<C>>,
    shared: Rc<Http2Connection>,
    mut driver: Http2Driver<C::Stream>,
) {
    loop {
        match driver.next().await {
            ConnectionEvent::StreamLimit(limit) => {
                if let Some(limit) = limit {
                    shard.ledger.borrow_mut().stream_limit(limit);
                }
                shard.assign_waiting(&shared);
                shard.fill_idle();
            }
            ConnectionEvent::Closing => shard.remove_http2(&shared),
            // Its error has reached the exchanges it concerned.
            ConnectionEvent::Closed => break,
        }
    }
    drop(driver);
    shard.remove_http2(&shared);
    shard.closed();
}

/// Carries arrivals on an open transport. Returns the one that must be sent on
/// another connection, since this one did not take it up.
async fn run_exchanges<C: Connect>(
    shard: &Rc<Shard<C>>,
    transport: &mut Transport<C>,
    mut arrival: InFlightArrival<C>,
) -> Option<InFlightArrival<C>> {
    let mut deadline = Deadline::new(shard.clock.instant(arrival.deadline()));
    loop {
        if transport.is_closing() {
            return Some(arrival);
        }
        arrival.begun = true;
        let first_byte = arrival.first_byte_timeout().map(|most| Instant::now() + most);
        deadline.set(shard.clock.instant(arrival.deadline()), first_byte);
        match transport.exchange(shard, &arrival, &mut deadline).await {
            Exchanged::Answered(mut received) => {
                received.peer = transport.stamps().peer_of_several();
                arrival.answered(&received, transport.stamps());
            }
            Exchanged::Unprocessed(fault) => {
                let again = resend_unprocessed(shard, arrival, transport.stamps(), fault);
                if !transport.outlives_a_broken_exchange() {
                    return again;
                }
                if let Some(arrival) = again {
                    shard.dispatch(arrival);
                }
            }
            Exchanged::Broken(fault) => {
                arrival.broken(fault, transport.stamps(), shard.clock.now());
                if !transport.outlives_a_broken_exchange() {
                    return None;
                }
            }
        }
        if !transport.ready(shard.limits.requests_per_connection).await {
            return None;
        }
        arrival = match shard.next_for_idle() {
            Some(waiting) => waiting,
            None => wait_for_work(shard, transport).await?,
        };
    }
}

/// The first time, a request that nobody took up is sent again.
fn resend_unprocessed<C: Connect>(
    shard: &Shard<C>,
    mut arrival: InFlightArrival<C>,
    stamps: &Stamps,
    fault: Fault,
) -> Option<InFlightArrival<C>> {
    shard.ledger.borrow_mut().unprocessed(arrival.arrival.due, fault);
    if arrival.replayed {
        arrival.broken(fault, stamps, shard.clock.now());
        return None;
    }
    arrival.replayed = true;
    shard.ledger.borrow_mut().stale_replay(arrival.arrival.due);
    Some(arrival)
}

impl<C: Connect> Transport<C> {
    async fn exchange(
        &mut self,
        shard: &Shard<C>,
        arrival: &InFlightArrival<C>,
        deadline: &mut Deadline,
    ) -> Exchanged {
        let arrival = &arrival.arrival;
        match self {
            Self::Http1 { wire, carried, .. } => {
                *carried += 1;
                wire.exchange(arrival, &shard.request_template.headers, deadline).await
            }
            Self::Http2(stream) => stream.exchange(arrival, deadline).await,
        }
    }

    fn stamps(&self) -> &Stamps {
        match self {
            Self::Http1 { stamps, .. } => stamps,
            Self::Http2(stream) => stream.stamps(),
        }
    }

    /// Whether another exchange may follow.
    async fn ready(&mut self, most: Option<u64>) -> bool {
        match self {
            Self::Http1 { carried, .. } if most.is_some_and(|most| *carried >= most) => false,
            Self::Http1 { wire, .. } => wire.ready().await,
            Self::Http2(stream) => stream.connection().reserve_request(),
        }
    }

    fn outlives_a_broken_exchange(&self) -> bool {
        match self {
            Self::Http1 { .. } => false,
            Self::Http2(stream) => !stream.connection().is_closing(),
        }
    }

    /// Whether its connection takes no more requests.
    fn is_closing(&self) -> bool {
        match self {
            Self::Http1 { .. } => false,
            Self::Http2(stream) => stream.connection().is_closing(),
        }
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Http1 { wire, .. } => wire.poll_closed(cx),
            Self::Http2(stream) if stream.connection().is_closing() => Poll::Ready(()),
            Self::Http2(_) => Poll::Pending,
        }
    }
}

type OpenTransport<C> = (Transport<C>, Option<Http2Driver<<C as Connect>::Stream>>);

async fn open<C: Connect>(
    shard: &Rc<Shard<C>>,
    arrival: Option<&InFlightArrival<C>>,
    stamps: &Rc<Stamps>,
) -> Result<OpenTransport<C>, Fault> {
    let timeout = arrival.map_or(shard.limits.connect_timeout, InFlightArrival::connect_timeout);
    let connect = Instant::now() + timeout;
    let total = arrival.map_or(connect, |arrival| shard.clock.instant(arrival.deadline()));
    let late = if connect <= total { Fault::ConnectTimeout } else { Fault::TimeoutTotal };
    let stamper = Stamper::new(shard.clock, Rc::clone(stamps));
    let opening = async {
        let Opened { stream, protocol, handshake } = shard.connector.connect(stamper).await?;
        shard.ledger.borrow_mut().connection_opened(shard.clock.now(), handshake);
        transport_over(shard, stream, protocol, Rc::clone(stamps)).await
    };
    tokio::time::timeout_at(connect.min(total), opening).await.map_err(|_| late)?
}

async fn transport_over<C: Connect>(
    shard: &Rc<Shard<C>>,
    stream: C::Stream,
    protocol: Protocol,
    stamps: Rc<Stamps>,
) -> Result<OpenTransport<C>, Fault> {
    let limits = &shard.limits;
    match protocol {
        Protocol::Http1 => {
            let opened = Http1::handshake(stream, Rc::clone(&stamps), limits.answer).await;
            let wire = opened.map_err(|_| Fault::HttpReset)?;
            Ok((Transport::Http1 { wire, stamps, carried: 0 }, None))
        }
        Protocol::Http2 => {
            let opened = Http2Connection::handshake(stream, stamps, &shard.request_template, limits).await;
            let (shared, driver) = opened.map_err(|_| Fault::HttpReset)?;
            let stream = shared.first_stream(shard.clock, limits.answer);
            Ok((Transport::Http2(stream), Some(driver)))
        }
    }
}

/// Waits for the next arrival; `None` when the peer hangs up first, or nothing
/// comes for the idle time.
async fn wait_for_work<C: Connect>(
    shard: &Rc<Shard<C>>,
    transport: &mut Transport<C>,
) -> Option<InFlightArrival<C>> {
    let slot = Rc::new(IdleSlot::new());
    shard.park(&slot);
    let mut idle_timeout =
        shard.limits.idle.map(|most| Box::pin(tokio::time::sleep_until(Instant::now() + most)));
    let next = poll_fn(|cx| {
        if let Some(arrival) = slot.assigned.take() {
            return Poll::Ready(Some(arrival));
        }
        let is_idle_too_long = idle_timeout.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready());
        if is_idle_too_long || transport.poll_closed(cx).is_ready() {
            return Poll::Ready(None);
        }
        slot.waker.borrow_mut().clone_from(cx.waker());
        Poll::Pending
    })
    .await;
    if next.is_none() {
        shard.unpark(&slot);
    }
    next
}
