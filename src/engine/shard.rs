//! What one worker holds: its connections, the arrivals in flight, its ledger.
//!
//! A worker is one thread, so all of this is plain cells without locks. An
//! arrival that has been released is an [`InFlightArrival`]; whatever happens to the task
//! that sends it, its end is counted exactly once, if only as unfinished. Which
//! connection it takes is in `connection.rs`.

use super::clock::RunClock;
use super::connect::Connect;
use super::exchange::Received;
use super::http2::Http2Connection;
use super::ledger::{FirstAttempt, Ledger, Sent};
use super::limits::ShardLimits;
use super::pool::{ConnectionPool, IdleSlot};
use super::ready_queue::ReadyQueue;
use super::request_template::RequestTemplate;
use super::retries::WaitingRetry;
use super::wire::Stamps;
use downpour_core::fault::Fault;
use downpour_core::units::Offset;
use downpour_load::client::{FirstMethod, RetryContext, Timeouts};
use downpour_load::schedule::Arrival;
use downpour_metrics::{Attempt, AttemptEnd, Gauges};
use downpour_trace::Method;
use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;

/// One worker.
pub(crate) struct Shard<C: Connect> {
    pub(crate) clock: RunClock,
    pub(crate) limits: ShardLimits,
    pub(crate) request_template: RequestTemplate,
    pub(crate) connector: C,
    pub(crate) ledger: RefCell<Ledger>,
    pub(super) pool: RefCell<ConnectionPool<InFlightArrival<C>>>,
    in_flight: Cell<usize>,
    /// Told when nothing is in flight and no outcome waits for a verdict.
    pub(crate) settled: Notify,
    /// What free connections take from in a closed loop; empty in an open one.
    ready_queue: RefCell<ReadyQueue>,
    /// Told when the supply wants more, or may be taken from again.
    pub(crate) ready_queue_low: Notify,
}

/// A released arrival on its way to an end.
pub(crate) struct InFlightArrival<C: Connect> {
    shard: Rc<Shard<C>>,
    pub(crate) arrival: Arrival,
    /// What its client may do about a failure, where clients are modelled.
    attempt_context: Option<Box<AttemptContext>>,
    /// A connection has taken it: its attempt has begun.
    pub(crate) begun: bool,
    /// It was sent once more after a stale connection.
    pub(crate) replayed: bool,
    ended: bool,
}

/// An attempt at a download that may be tried again.
struct AttemptContext {
    /// When this attempt was due; its arrival says when the first one was.
    due: Offset,
    retry_context: RetryContext,
    /// How long its client waits for what.
    timeouts: Timeouts,
}

impl<C: Connect> Shard<C> {
    pub(crate) fn new(
        (clock, limits): (RunClock, ShardLimits),
        origin: RequestTemplate,
        connector: C,
        ledger: Ledger,
    ) -> Self {
        let pool = RefCell::new(ConnectionPool::new(limits.reuse));
        Self {
            clock,
            limits,
            request_template: origin,
            connector,
            ledger: RefCell::new(ledger),
            pool,
            in_flight: Cell::new(0),
            settled: Notify::new(),
            ready_queue: RefCell::new(ReadyQueue::new(None)),
            ready_queue_low: Notify::new(),
        }
    }

    /// Releases an arrival whose time has come. Never waits.
    pub(crate) fn release(self: &Rc<Self>, arrival: Arrival) {
        self.ledger.borrow_mut().offered(&arrival);
        if self.in_flight.get() >= self.limits.in_flight {
            self.ledger.borrow_mut().shed(&arrival);
            return;
        }
        if let Some(flight) = self.begin_arrival(arrival) {
            self.dispatch(flight);
        }
    }

    /// Releases an arrival that was due before the worker came to it. One whose
    /// whole time-out has passed meanwhile is not sent: that is our fault, and
    /// sending it would make the others later still.
    pub(crate) fn release_late(self: &Rc<Self>, arrival: Arrival) {
        if self.clock.is_before(arrival.due.after(self.limits.timeout)) {
            return self.release(arrival);
        }
        self.ledger.borrow_mut().offered(&arrival);
        if let Some(flight) = self.begin_arrival(arrival) {
            let deadline = flight.deadline();
            flight.broken(Fault::GeneratorLate, &Stamps::default(), deadline);
        }
    }

    /// Sends retries that are due, `most` of them; whether more may be due.
    pub(crate) fn retry(self: &Rc<Self>, most: u32) -> bool {
        for _ in 0..most {
            let has_room = self.in_flight.get() < self.limits.in_flight;
            let waiting = self.ledger.borrow_mut().next_retry(self.clock.now(), has_room);
            let Some(WaitingRetry { due, arrival, retry_context: trial }) = waiting else {
                self.notify_if_settled();
                return false;
            };
            self.dispatch(self.put_in_flight(arrival, Some((due, trial))));
        }
        true
    }

    /// Gives every connection and stream that may be had something to do: the
    /// start of a closed loop, and what brings those back that were lost in it.
    /// In an open one there is nothing to give.
    pub(crate) fn fill_idle(self: &Rc<Self>) {
        while self.has_room()
            && let Some(flight) = self.next_ready()
        {
            self.dispatch(flight);
        }
    }

    /// The closed loop's arrivals.
    pub(crate) fn ready_queue(&self) -> RefMut<'_, ReadyQueue> {
        self.ready_queue.borrow_mut()
    }

    /// `None` where its client had ended before it.
    fn begin_arrival(self: &Rc<Self>, arrival: Arrival) -> Option<InFlightArrival<C>> {
        let begun = self.ledger.borrow_mut().begin(&arrival);
        let trial = match begun {
            FirstAttempt::Once => None,
            FirstAttempt::Retryable(trial) => Some((arrival.due, trial)),
            FirstAttempt::Never => return None,
        };
        Some(self.put_in_flight(arrival, trial))
    }

    fn put_in_flight(
        self: &Rc<Self>,
        mut arrival: Arrival,
        trial: Option<(Offset, RetryContext)>,
    ) -> InFlightArrival<C> {
        self.in_flight.set(self.in_flight.get() + 1);
        let tried = trial.map(|(due, trial)| {
            let (timeouts, opening) = self.ledger.borrow().client_limits(&arrival);
            if opening == FirstMethod::Head {
                // It gets its file from where this leads, and asks nothing else
                // of the candidate.
                arrival.method = Method::Head;
            }
            Box::new(AttemptContext { due, retry_context: trial, timeouts })
        });
        InFlightArrival {
            shard: Rc::clone(self),
            arrival,
            attempt_context: tried,
            begun: false,
            replayed: false,
            ended: false,
        }
    }

    fn has_room(&self) -> bool {
        self.pool.borrow().has_room(self.limits.connections)
    }

    /// Connections that could carry an arrival and have none.
    pub(crate) fn unused_connections(&self) -> usize {
        self.limits.connections.saturating_sub(self.in_flight.get())
    }

    fn next_ready(self: &Rc<Self>) -> Option<InFlightArrival<C>> {
        if self.limits.open_arrivals.is_some_and(|most| self.open_arrivals() >= most) {
            return None;
        }
        loop {
            let arrival = self.ready_queue.borrow_mut().take(self.clock.now(), &self.ready_queue_low)?;
            self.ledger.borrow_mut().offered(&arrival);
            if let Some(flight) = self.begin_arrival(arrival) {
                return Some(flight);
            }
        }
    }

    /// An HTTP/2 connection is open: its streams may be used.
    pub(crate) fn add_http2(&self, shared: &Rc<Http2Connection>) {
        self.pool.borrow_mut().http2.push(Rc::clone(shared));
    }

    /// An HTTP/2 connection takes no more, and its idle streams look for that.
    pub(crate) fn remove_http2(&self, shared: &Rc<Http2Connection>) {
        let mut pool = self.pool.borrow_mut();
        pool.http2.retain(|other| !Rc::ptr_eq(other, shared));
        pool.wake_idle();
    }

    /// Runs a task for as long as the worker does.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.pool.borrow_mut().tasks.spawn_local(task);
    }

    /// The next flight for a lane that has become free: one that waits, or in
    /// a closed loop the next there is.
    pub(crate) fn next_for_idle(self: &Rc<Self>) -> Option<InFlightArrival<C>> {
        self.next_waiting().or_else(|| self.next_ready())
    }

    /// The next that waits; those whose time-out has passed meanwhile are ended
    /// on the way.
    pub(super) fn next_waiting(&self) -> Option<InFlightArrival<C>> {
        loop {
            let flight = self.pool.borrow_mut().waiting.pop_front()?;
            let deadline = flight.deadline();
            if deadline > self.clock.now() {
                return Some(flight);
            }
            flight.broken(Fault::TimeoutTotal, &Stamps::default(), deadline);
        }
    }

    /// A connection waits for work on `slot`.
    pub(crate) fn park(&self, slot: &Rc<IdleSlot<InFlightArrival<C>>>) {
        self.pool.borrow_mut().idle.push_back(Rc::clone(slot));
    }

    /// The connection on `slot` is gone.
    pub(crate) fn unpark(&self, slot: &Rc<IdleSlot<InFlightArrival<C>>>) {
        self.pool.borrow_mut().idle.retain(|other| !Rc::ptr_eq(other, slot));
    }

    /// A connection has ended; a waiting flight may have one of its own now.
    pub(crate) fn closed(self: &Rc<Self>) {
        self.pool.borrow_mut().open -= 1;
        if self.pool.borrow().closing {
            return;
        }
        if let Some(flight) = self.next_for_idle() {
            self.dispatch(flight);
        }
    }

    /// Joins tasks that have ended, so that they do not pile up, and raises
    /// their panics here.
    pub(crate) fn join_finished(&self) {
        while let Some(ended) = self.pool.borrow_mut().tasks.try_join_next() {
            resume_panic(ended);
        }
    }

    /// Whether nothing is left to wait for.
    pub(crate) fn is_settled(&self) -> bool {
        self.open_arrivals() == 0 && self.ledger.borrow().next_retry_due().is_none()
    }

    /// Arrivals that are in flight or wait to be judged.
    fn open_arrivals(&self) -> usize {
        self.in_flight.get() + self.ledger.borrow().parked()
    }

    /// What waited to be judged has been: a closed loop that was held back by
    /// it may go on, and if it was the last, so may whoever waits for that.
    pub(crate) fn judged(&self) {
        if self.limits.open_arrivals.is_some() {
            self.ready_queue_low.notify_one();
        }
        self.notify_if_settled();
    }

    /// Tells whoever waits for the last outcome, if this was it.
    fn notify_if_settled(&self) {
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
    pub(crate) async fn abort(&self) {
        let (mut tasks, waiting) = {
            let mut pool = self.pool.borrow_mut();
            pool.closing = true;
            pool.idle.clear();
            (std::mem::take(&mut pool.tasks), std::mem::take(&mut pool.waiting))
        };
        drop(waiting);
        tasks.abort_all();
        while let Some(ended) = tasks.join_next().await {
            resume_panic(ended);
        }
    }
}

fn resume_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

impl<C: Connect> InFlightArrival<C> {
    /// When its time-out passes, counted from when it was due: that is when its
    /// user began to wait. The run's or its client's, whichever is shorter.
    pub(crate) fn deadline(&self) -> Offset {
        let timeout = self.shard.limits.timeout;
        self.due().after(self.timeouts().total.map_or(timeout, |own| own.min(timeout)))
    }

    /// How long a connection for it may take to open.
    pub(crate) fn connect_timeout(&self) -> Duration {
        let timeout = self.shard.limits.connect_timeout;
        self.timeouts().connect.map_or(timeout, |own| own.min(timeout))
    }

    /// How long it waits for the first byte of its answer, once it was sent.
    pub(crate) fn first_byte_timeout(&self) -> Option<Duration> {
        self.timeouts().read.into_iter().chain(self.shard.limits.first_byte).min()
    }

    fn timeouts(&self) -> Timeouts {
        self.attempt_context.as_ref().map(|tried| tried.timeouts).unwrap_or_default()
    }

    fn due(&self) -> Offset {
        self.attempt_context.as_ref().map_or(self.arrival.due, |tried| tried.due)
    }

    fn sent(&self) -> Sent<'_> {
        (&self.arrival, self.attempt_context.as_ref().map(|tried| &tried.retry_context))
    }

    /// It got an answer.
    pub(crate) fn answered(mut self, received: &Received, stamps: &Stamps) {
        self.ended = true;
        let attempt = self.attempt(stamps, AttemptEnd::Status(received.status), self.shard.clock.now());
        self.shard.ledger.borrow_mut().answered(self.sent(), &attempt, received);
    }

    /// It got none.
    pub(crate) fn broken(mut self, fault: Fault, stamps: &Stamps, done: Offset) {
        self.ended = true;
        let attempt = self.attempt(stamps, AttemptEnd::Fault(fault), done);
        self.shard.ledger.borrow_mut().broken(self.sent(), &attempt, fault, stamps.failure_note());
    }

    fn attempt(&self, stamps: &Stamps, end: AttemptEnd, done: Offset) -> Attempt {
        Attempt { due: self.due(), sent: stamps.sent(), first_byte: stamps.first_byte(), done, end }
    }
}

impl<C: Connect> Drop for InFlightArrival<C> {
    fn drop(&mut self) {
        let shard = &self.shard;
        if !self.ended {
            let now = shard.clock.now();
            let attempt = self.begun.then(|| self.attempt(&Stamps::default(), AttemptEnd::Unfinished, now));
            shard.ledger.borrow_mut().unfinished(self.sent(), attempt.as_ref(), now);
        }
        shard.in_flight.set(shard.in_flight.get() - 1);
        shard.notify_if_settled();
    }
}
