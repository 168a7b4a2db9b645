//! What one worker holds: its connections, the arrivals in flight, its books.
//!
//! A worker is one thread, so all of this is plain cells without locks. An
//! arrival that has been released is a [`Flight`]; whatever happens to the task
//! that carries it, its end is booked exactly once, if only as cut.

use super::clock::RunClock;
use super::connection;
use super::exchange::{AnswerLimits, Received};
use super::ledger::Ledger;
use super::supply::Supply;
use super::wire::{Connect, Stamps};
use crate::fault::Fault;
use crate::schedule::Arrival;
use crate::tally::{Attempt, AttemptEnd, Gauges};
use crate::units::Offset;
use http::HeaderMap;
use std::cell::{Cell, RefCell, RefMut};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// One worker's share of the run's limits.
#[derive(Clone, Debug)]
pub(crate) struct ShardLimits {
    /// Most arrivals in flight; one more is shed.
    pub(crate) in_flight: usize,
    /// Most connections open at once.
    pub(crate) active: usize,
    /// From due to the end of the answer.
    pub(crate) timeout: Duration,
    /// From the attempt to connect to the connection.
    pub(crate) connect_timeout: Duration,
    /// What an answer may hold.
    pub(crate) answer: AnswerLimits,
}

/// One worker.
pub(crate) struct Shard<C: Connect> {
    pub(crate) clock: RunClock,
    pub(crate) limits: ShardLimits,
    pub(crate) headers: HeaderMap,
    pub(crate) connector: C,
    pub(crate) ledger: RefCell<Ledger>,
    pool: RefCell<Pool<C>>,
    in_flight: Cell<usize>,
    /// Told when nothing is in flight and no outcome waits for a verdict.
    pub(crate) settled: Notify,
    /// What free connections take from in a closed loop; empty in an open one.
    supply: RefCell<Supply>,
    /// Told when the supply wants more.
    pub(crate) low: Notify,
}

struct Pool<C: Connect> {
    /// Connections that wait for work; the one used last is used next, so that
    /// the others can fall idle as those of real clients do.
    idle: Vec<Rc<Seat<C>>>,
    open: usize,
    waiting: VecDeque<Flight<C>>,
    tasks: JoinSet<()>,
    closing: bool,
}

/// Where an idle connection waits for its next flight.
pub(crate) struct Seat<C: Connect> {
    pub(crate) flight: Cell<Option<Flight<C>>>,
    pub(crate) waker: RefCell<Waker>,
}

/// A released arrival on its way to an end.
pub(crate) struct Flight<C: Connect> {
    shard: Rc<Shard<C>>,
    pub(crate) arrival: Arrival,
    /// A connection has taken it: its attempt has begun.
    pub(crate) begun: bool,
    /// It was sent once more after a stale connection.
    pub(crate) replayed: bool,
    ended: bool,
}

impl<C: Connect> Shard<C> {
    pub(crate) fn new(
        (clock, limits): (RunClock, ShardLimits),
        headers: HeaderMap,
        connector: C,
        ledger: Ledger,
    ) -> Self {
        let pool = Pool {
            idle: Vec::new(),
            open: 0,
            waiting: VecDeque::new(),
            tasks: JoinSet::new(),
            closing: false,
        };
        Self {
            clock,
            limits,
            headers,
            connector,
            ledger: RefCell::new(ledger),
            pool: RefCell::new(pool),
            in_flight: Cell::new(0),
            settled: Notify::new(),
            supply: RefCell::new(Supply::new(None)),
            low: Notify::new(),
        }
    }

    /// Releases an arrival whose time has come. Never waits.
    pub(crate) fn release(self: &Rc<Self>, arrival: Arrival) {
        self.ledger.borrow_mut().offered();
        if self.in_flight.get() >= self.limits.in_flight {
            self.ledger.borrow_mut().shed();
            return;
        }
        self.dispatch(self.take_off(arrival));
    }

    /// Gives every connection that may be had something to do: the start of a
    /// closed loop, and what brings connections back that were lost in it.
    pub(crate) fn engage(self: &Rc<Self>) {
        while self.has_room()
            && let Some(flight) = self.next_supplied()
        {
            self.dispatch(flight);
        }
    }

    /// The closed loop's arrivals.
    pub(crate) fn supply(&self) -> RefMut<'_, Supply> {
        self.supply.borrow_mut()
    }

    fn take_off(self: &Rc<Self>, arrival: Arrival) -> Flight<C> {
        self.in_flight.set(self.in_flight.get() + 1);
        Flight { shard: Rc::clone(self), arrival, begun: false, replayed: false, ended: false }
    }

    fn has_room(&self) -> bool {
        let pool = self.pool.borrow();
        !pool.idle.is_empty() || pool.open < self.limits.active
    }

    fn next_supplied(self: &Rc<Self>) -> Option<Flight<C>> {
        let arrival = self.supply.borrow_mut().take(self.clock.now(), &self.low)?;
        self.ledger.borrow_mut().offered();
        Some(self.take_off(arrival))
    }

    fn dispatch(self: &Rc<Self>, flight: Flight<C>) {
        let mut pool = self.pool.borrow_mut();
        if let Some(seat) = pool.idle.pop() {
            drop(pool);
            seat.flight.set(Some(flight));
            seat.waker.borrow().wake_by_ref();
        } else if pool.open < self.limits.active {
            pool.open += 1;
            pool.tasks.spawn_local(connection::carry(Rc::clone(self), flight));
        } else {
            pool.waiting.push_back(flight);
        }
    }

    /// The next waiting flight for a connection that has become free; those
    /// whose time-out has passed meanwhile are ended on the way.
    pub(crate) fn next_waiting(self: &Rc<Self>) -> Option<Flight<C>> {
        loop {
            let waiting = self.pool.borrow_mut().waiting.pop_front();
            let Some(flight) = waiting else { return self.next_supplied() };
            let deadline = flight.deadline();
            if deadline > self.clock.now() {
                return Some(flight);
            }
            flight.broken(Fault::TimeoutTotal, &Stamps::default(), deadline);
        }
    }

    /// A connection waits for work on `seat`.
    pub(crate) fn sit(&self, seat: &Rc<Seat<C>>) {
        self.pool.borrow_mut().idle.push(Rc::clone(seat));
    }

    /// The connection on `seat` is gone.
    pub(crate) fn leave(&self, seat: &Rc<Seat<C>>) {
        self.pool.borrow_mut().idle.retain(|other| !Rc::ptr_eq(other, seat));
    }

    /// A connection has ended; a waiting flight may have one of its own now.
    pub(crate) fn closed(self: &Rc<Self>) {
        self.pool.borrow_mut().open -= 1;
        if self.pool.borrow().closing {
            return;
        }
        if let Some(flight) = self.next_waiting() {
            self.dispatch(flight);
        }
    }

    /// Joins tasks that have ended, so that they do not pile up, and raises
    /// their panics here.
    pub(crate) fn reap(&self) {
        while let Some(ended) = self.pool.borrow_mut().tasks.try_join_next() {
            raise(ended);
        }
    }

    /// Whether nothing is left to wait for.
    pub(crate) fn is_settled(&self) -> bool {
        self.in_flight.get() == 0 && self.ledger.borrow().parked() == 0
    }

    /// Tells whoever waits for the last outcome, if this was it.
    pub(crate) fn tell_if_settled(&self) {
        if self.is_settled() {
            self.settled.notify_one();
        }
    }

    /// What is going on just now.
    pub(crate) fn gauges(&self) -> Gauges {
        let pool = self.pool.borrow();
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        Gauges {
            in_flight: count(self.in_flight.get()),
            waiting: count(pool.waiting.len()),
            connections_open: count(pool.open),
        }
    }

    /// Ends every connection and what is still in flight on it, as cut.
    pub(crate) async fn cut(&self) {
        let (mut tasks, waiting) = {
            let mut pool = self.pool.borrow_mut();
            pool.closing = true;
            pool.idle.clear();
            (std::mem::take(&mut pool.tasks), std::mem::take(&mut pool.waiting))
        };
        drop(waiting);
        tasks.abort_all();
        while let Some(ended) = tasks.join_next().await {
            raise(ended);
        }
    }
}

fn raise(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

impl<C: Connect> Flight<C> {
    /// When its time-out passes, counted from when it was due: that is when its
    /// user began to wait.
    pub(crate) fn deadline(&self) -> Offset {
        self.arrival.due.after(self.shard.limits.timeout)
    }

    /// It got an answer.
    pub(crate) fn answered(mut self, received: &Received, stamps: &Stamps) {
        self.ended = true;
        let attempt = self.attempt(stamps, AttemptEnd::Status(received.status), self.shard.clock.now());
        self.shard.ledger.borrow_mut().answered(&self.arrival, &attempt, received);
    }

    /// It got none.
    pub(crate) fn broken(mut self, fault: Fault, stamps: &Stamps, done: Offset) {
        self.ended = true;
        let attempt = self.attempt(stamps, AttemptEnd::Fault(fault), done);
        self.shard.ledger.borrow_mut().broken(&self.arrival, &attempt, fault);
    }

    fn attempt(&self, stamps: &Stamps, end: AttemptEnd, done: Offset) -> Attempt {
        Attempt { due: self.arrival.due, sent: stamps.sent(), first_byte: stamps.first_byte(), done, end }
    }
}

impl<C: Connect> Drop for Flight<C> {
    fn drop(&mut self) {
        let shard = &self.shard;
        if !self.ended {
            let attempt =
                self.begun.then(|| self.attempt(&Stamps::default(), AttemptEnd::Cut, shard.clock.now()));
            shard.ledger.borrow_mut().cut(attempt.as_ref());
        }
        shard.in_flight.set(shard.in_flight.get() - 1);
        shard.tell_if_settled();
    }
}
