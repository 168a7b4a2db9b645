//! The life of one connection: opened for a flight, kept for the next.
//!
//! Each HTTP/1 connection is one task, and so is each stream in use of an
//! HTTP/2 connection: a *lane*. A lane carries one exchange after the other and
//! sits idle in between. A time-out or a broken answer ends an HTTP/1 lane: in
//! HTTP/1 there is no way to give up an exchange and keep the connection.

use super::connect::{Connect, Opened, Protocol};
use super::exchange::{Deadline, Exchanged, Http1};
use super::http2::{ConnectionEvent, Driver, Http2Connection, Http2Stream};
use super::shard::{IdleSlot, InFlightArrival, Shard};
use super::wire::{Stamper, Stamps};
use downpour_core::fault::Fault;
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// Something that carries one exchange after the other.
#[expect(clippy::large_enum_variant, reason = "a lane lives in its own task, and nearly all are whole")]
enum Transport<C: Connect> {
    /// A whole connection.
    Http1 { wire: Http1<TokioIo<C::Stream>>, stamps: Rc<Stamps>, carried: u64 },
    /// One stream after the other of a shared one.
    Http2(Http2Stream),
}

/// Opens a connection for `flight` and carries it, and others after it for as
/// long as the connection lasts. Without a flight it opens one ahead of need.
pub(crate) async fn run_connection<C: Connect>(shard: Rc<Shard<C>>, flight: Option<InFlightArrival<C>>) {
    let mut next = flight;
    let mut ahead = next.is_none();
    while next.is_some() || std::mem::take(&mut ahead) {
        if let Some(flight) = &mut next {
            flight.begun = true;
        }
        let stamps = Rc::new(Stamps::default());
        let (mut lane, driver) = match open(&shard, next.as_ref(), &stamps).await {
            Ok(opened) => opened,
            Err(fault) => {
                if let Some(flight) = next.take() {
                    // Bytes of a handshake may have crossed, none of a request.
                    flight.broken(fault, &Stamps::of(&stamps), shard.clock.now());
                }
                break;
            }
        };
        if let Some(driver) = driver {
            // The connection outlives this lane and closes the count itself.
            return run_first_stream(shard, driver, (lane, next)).await;
        }
        let flight = match next.take() {
            Some(flight) => Some(flight),
            None => wait_for_work(&shard, &mut lane).await,
        };
        next = match flight {
            Some(flight) => run_exchanges(&shard, &mut lane, flight).await,
            None => None,
        };
    }
    shard.closed();
}

/// Carries `flight`, and others after it, on a stream of a connection that is
/// open already.
pub(crate) async fn run_stream<C: Connect>(
    shard: Rc<Shard<C>>,
    stream: Http2Stream,
    flight: InFlightArrival<C>,
) {
    let mut lane = Transport::Http2(stream);
    if let Some(flight) = run_exchanges(&shard, &mut lane, flight).await {
        drop(lane);
        shard.dispatch(flight);
    }
}

async fn run_first_stream<C: Connect>(
    shard: Rc<Shard<C>>,
    driver: Driver<C::Stream>,
    (mut lane, flight): (Transport<C>, Option<InFlightArrival<C>>),
) {
    let Transport::Http2(stream) = &lane else { return };
    let shared = Rc::clone(stream.connection());
    shard.add_http2(&shared);
    shard.spawn(drive_http2(Rc::clone(&shard), Rc::clone(&shared), driver));
    shard.assign_waiting(&shared);
    // One that was opened ahead of need is driven while it waits.
    let flight = match flight {
        Some(flight) => Some(flight),
        None => wait_for_work(&shard, &mut lane).await,
    };
    let Some(flight) = flight else { return };
    if let Some(flight) = run_exchanges(&shard, &mut lane, flight).await {
        drop(lane);
        shard.dispatch(flight);
    }
}

async fn drive_http2<C: Connect>(
    shard: Rc<Shard<C>>,
    shared: Rc<Http2Connection>,
    mut driver: Driver<C::Stream>,
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

/// Carries flights on an open lane. Returns the one that must be sent on
/// another connection, since this one did not take it up.
async fn run_exchanges<C: Connect>(
    shard: &Rc<Shard<C>>,
    lane: &mut Transport<C>,
    mut flight: InFlightArrival<C>,
) -> Option<InFlightArrival<C>> {
    let mut deadline = Deadline::new(shard.clock.instant(flight.deadline()));
    loop {
        if lane.is_closing() {
            return Some(flight);
        }
        flight.begun = true;
        let first_byte = flight.first_byte_timeout().map(|most| Instant::now() + most);
        deadline.set(shard.clock.instant(flight.deadline()), first_byte);
        match lane.exchange(shard, &flight, &mut deadline).await {
            Exchanged::Answered(mut received) => {
                received.peer = lane.stamps().peer_of_several();
                flight.answered(&received, lane.stamps());
            }
            Exchanged::Unprocessed(fault) => {
                let again = resend_unprocessed(shard, flight, lane.stamps(), fault);
                if !lane.outlives_a_broken_exchange() {
                    return again;
                }
                if let Some(flight) = again {
                    shard.dispatch(flight);
                }
            }
            Exchanged::Broken(fault) => {
                flight.broken(fault, lane.stamps(), shard.clock.now());
                if !lane.outlives_a_broken_exchange() {
                    return None;
                }
            }
        }
        if !lane.ready(shard.limits.requests_per_connection).await {
            return None;
        }
        flight = match shard.next_for_idle() {
            Some(waiting) => waiting,
            None => wait_for_work(shard, lane).await?,
        };
    }
}

/// The first time, a request that nobody took up is sent again.
fn resend_unprocessed<C: Connect>(
    shard: &Shard<C>,
    mut flight: InFlightArrival<C>,
    stamps: &Stamps,
    fault: Fault,
) -> Option<InFlightArrival<C>> {
    shard.ledger.borrow_mut().unprocessed(flight.arrival.due, fault);
    if flight.replayed {
        flight.broken(fault, stamps, shard.clock.now());
        return None;
    }
    flight.replayed = true;
    shard.ledger.borrow_mut().stale_replay(flight.arrival.due);
    Some(flight)
}

impl<C: Connect> Transport<C> {
    async fn exchange(
        &mut self,
        shard: &Shard<C>,
        flight: &InFlightArrival<C>,
        deadline: &mut Deadline,
    ) -> Exchanged {
        let arrival = &flight.arrival;
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

type OpenTransport<C> = (Transport<C>, Option<Driver<<C as Connect>::Stream>>);

async fn open<C: Connect>(
    shard: &Rc<Shard<C>>,
    flight: Option<&InFlightArrival<C>>,
    stamps: &Rc<Stamps>,
) -> Result<OpenTransport<C>, Fault> {
    let patience = flight.map_or(shard.limits.connect_timeout, InFlightArrival::connect_timeout);
    let connect = Instant::now() + patience;
    let total = flight.map_or(connect, |flight| shard.clock.instant(flight.deadline()));
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

/// Waits for the next flight; `None` when the peer hangs up first, or nothing
/// comes for the idle time.
async fn wait_for_work<C: Connect>(
    shard: &Rc<Shard<C>>,
    lane: &mut Transport<C>,
) -> Option<InFlightArrival<C>> {
    let seat = Rc::new(IdleSlot::new());
    shard.park(&seat);
    let mut patience =
        shard.limits.idle.map(|most| Box::pin(tokio::time::sleep_until(Instant::now() + most)));
    let next = poll_fn(|cx| {
        if let Some(flight) = seat.assigned.take() {
            return Poll::Ready(Some(flight));
        }
        let out_of_patience = patience.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready());
        if out_of_patience || lane.poll_closed(cx).is_ready() {
            return Poll::Ready(None);
        }
        seat.waker.borrow_mut().clone_from(cx.waker());
        Poll::Pending
    })
    .await;
    if next.is_none() {
        shard.unpark(&seat);
    }
    next
}
