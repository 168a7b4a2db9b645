//! The connections of a worker: idle lanes, shared connections, who waits.
//!
//! Our own, because the pools of client libraries race connections and retry in
//! silence: one request would be two on the wire, and a load generator must not
//! hide that.

use super::clock::RunClock;
use super::connect::Connect;
use super::http2::{Http2Connection, Http2Stream};
use super::limits::{AnswerLimits, Reuse};
use super::shard::{IdleSlot, InFlightArrival};
use std::collections::VecDeque;
use std::rc::Rc;
use tokio::task::JoinSet;

/// The connections of one worker.
pub(super) struct ConnectionPool<C: Connect> {
    /// Lanes that wait for work, the one idle longest first.
    pub(super) idle: VecDeque<Rc<IdleSlot<C>>>,
    /// HTTP/2 connections with streams to give.
    pub(super) http2: Vec<Rc<Http2Connection>>,
    /// Connections that are open or being opened.
    pub(super) open: usize,
    /// Flights that no connection could be had for.
    pub(super) waiting: VecDeque<InFlightArrival<C>>,
    /// Everything that runs.
    pub(super) tasks: JoinSet<()>,
    /// The run is over: nothing is opened any more.
    pub(super) closing: bool,
    reuse: Reuse,
}

impl<C: Connect> ConnectionPool<C> {
    pub(super) fn new(reuse: Reuse) -> Self {
        Self {
            idle: VecDeque::new(),
            http2: Vec::new(),
            open: 0,
            waiting: VecDeque::new(),
            tasks: JoinSet::new(),
            closing: false,
            reuse,
        }
    }

    /// Takes the idle lane that is to be used next.
    pub(super) fn next_idle(&mut self) -> Option<Rc<IdleSlot<C>>> {
        match self.reuse {
            Reuse::Lifo => self.idle.pop_back(),
            Reuse::Fifo => self.idle.pop_front(),
        }
    }

    /// Takes a stream that is not in use, of the first connection that has one.
    pub(super) fn free_stream(&self, clock: RunClock, limits: AnswerLimits) -> Option<Http2Stream> {
        self.http2.iter().find_map(|shared| shared.take_stream(clock, limits))
    }

    /// Whether a flight would not have to wait, given so many connections.
    pub(super) fn has_room(&self, active: usize) -> bool {
        !self.idle.is_empty()
            || self.open < active
            || self.http2.iter().any(|shared| shared.has_free_stream())
    }

    /// Lets idle lanes look whether their connection is still there.
    pub(super) fn wake_idle(&self) {
        for seat in &self.idle {
            seat.waker.borrow().wake_by_ref();
        }
    }
}
