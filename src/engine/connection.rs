//! The life of one connection: opened for a flight, kept for the next.
//!
//! Each connection is one task. It opens, carries one exchange after the
//! other, sits idle in between, and notices by itself when the peer hangs up.
//! A time-out or a broken answer ends it: in HTTP/1 there is no way to give up
//! an exchange and keep the connection.

use super::exchange::{Deadline, Exchanged, Http1, classify_connect};
use super::shard::{Flight, Seat, Shard};
use super::wire::{Connect, Stamped, Stamps};
use crate::fault::Fault;
use hyper_util::rt::TokioIo;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use tokio::time::Instant;

type Wire<C> = Http1<TokioIo<Stamped<<C as Connect>::Stream>>>;

/// Carries `flight` on a new connection, and others after it for as long as
/// the connection lasts.
pub(crate) async fn carry<C: Connect>(shard: Rc<Shard<C>>, flight: Flight<C>) {
    let _open = Open(Rc::clone(&shard));
    let stamps = Rc::new(Stamps::default());
    let mut deadline = Deadline::new(shard.clock.instant(flight.deadline()));
    let mut next = Some(flight);
    while let Some(mut flight) = next.take() {
        flight.begun = true;
        deadline.set(shard.clock.instant(flight.deadline()));
        match open(&shard, &stamps, &flight).await {
            Ok(mut wire) => next = carry_on(&shard, &mut wire, &stamps, &mut deadline, flight).await,
            Err(fault) => flight.broken(fault, &Stamps::default(), shard.clock.now()),
        }
    }
}

/// Carries flights on an open connection. Returns the one that must be sent
/// again on a fresh connection, if the peer had hung up before it.
async fn carry_on<C: Connect>(
    shard: &Rc<Shard<C>>,
    wire: &mut Wire<C>,
    stamps: &Stamps,
    deadline: &mut Deadline,
    mut flight: Flight<C>,
) -> Option<Flight<C>> {
    loop {
        flight.begun = true;
        deadline.set(shard.clock.instant(flight.deadline()));
        match wire.exchange(&flight.arrival, &shard.headers, deadline).await {
            Exchanged::Answered(received) => flight.answered(&received, stamps),
            Exchanged::Stale if !flight.replayed => {
                flight.replayed = true;
                shard.ledger.borrow_mut().stale_replay();
                return Some(flight);
            }
            Exchanged::Stale => {
                flight.broken(Fault::HttpClosed, stamps, shard.clock.now());
                return None;
            }
            Exchanged::Broken(fault) => {
                flight.broken(fault, stamps, shard.clock.now());
                return None;
            }
        }
        if !wire.ready().await {
            return None;
        }
        flight = match shard.next_waiting() {
            Some(waiting) => waiting,
            None => idle(shard, wire).await?,
        };
    }
}

async fn open<C: Connect>(
    shard: &Rc<Shard<C>>,
    stamps: &Rc<Stamps>,
    flight: &Flight<C>,
) -> Result<Wire<C>, Fault> {
    let total = shard.clock.instant(flight.deadline());
    let connect = Instant::now() + shard.limits.connect_timeout;
    let late = if connect < total { Fault::ConnectTimeout } else { Fault::TimeoutTotal };
    let stream = tokio::time::timeout_at(connect.min(total), shard.connector.connect())
        .await
        .map_err(|_| late)?
        .map_err(|error| classify_connect(&error))?;
    shard.ledger.borrow_mut().connection_opened();
    let stamped = Stamped::new(stream, shard.clock, Rc::clone(stamps));
    // The handshake of HTTP/1 exchanges no bytes; it fails on no peer.
    Http1::handshake(stamped, Rc::clone(stamps), shard.limits.answer).await.map_err(|_| Fault::HttpReset)
}

/// Waits for the next flight; `None` when the peer hangs up first.
async fn idle<C: Connect>(shard: &Rc<Shard<C>>, wire: &mut Wire<C>) -> Option<Flight<C>> {
    let seat = Rc::new(Seat { flight: Cell::new(None), waker: RefCell::new(Waker::noop().clone()) });
    shard.sit(&seat);
    let next = poll_fn(|cx| {
        if let Some(flight) = seat.flight.take() {
            return Poll::Ready(Some(flight));
        }
        if wire.poll_closed(cx).is_ready() {
            return Poll::Ready(None);
        }
        seat.waker.borrow_mut().clone_from(cx.waker());
        Poll::Pending
    })
    .await;
    if next.is_none() {
        shard.leave(&seat);
    }
    next
}

/// Counts the connection while its task lives.
struct Open<C: Connect>(Rc<Shard<C>>);

impl<C: Connect> Drop for Open<C> {
    fn drop(&mut self) {
        self.0.closed();
    }
}
