//! The connections of a worker: idle ones, shared ones, and the work that waits for
//! one.
//!
//! Our own, because the pools of client libraries race connections and retry in
//! silence: one request would be two on the wire, and a load generator must not
//! hide that.

use super::clock::RunClock;
use super::http2::{Http2Connection, Http2Stream};
use super::limits::{AnswerLimits, Reuse};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;
use tokio::task::JoinSet;

/// Where an idle connection waits for its next work.
pub(super) struct IdleSlot<W> {
    pub(super) assigned: Cell<Option<W>>,
    pub(super) waker: RefCell<Waker>,
}

impl<W> IdleSlot<W> {
    pub(super) fn new() -> Self {
        Self { assigned: Cell::new(None), waker: RefCell::new(Waker::noop().clone()) }
    }
}

/// The connections of one worker, and the work `W` for them.
pub(super) struct ConnectionPool<W> {
    /// Connections that wait for work, the one idle longest first.
    pub(super) idle: VecDeque<Rc<IdleSlot<W>>>,
    /// HTTP/2 connections with streams to give.
    pub(super) http2: Vec<Rc<Http2Connection>>,
    /// Connections that are open or being opened.
    pub(super) open: usize,
    /// Work without a connection, in order.
    pub(super) waiting: VecDeque<W>,
    /// Everything that runs.
    pub(super) tasks: JoinSet<()>,
    /// The run is over: nothing is opened any more.
    pub(super) closing: bool,
    reuse: Reuse,
}

impl<W> ConnectionPool<W> {
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

    /// Takes the idle connection that is to be used next.
    pub(super) fn next_idle(&mut self) -> Option<Rc<IdleSlot<W>>> {
        match self.reuse {
            Reuse::Lifo => self.idle.pop_back(),
            Reuse::Fifo => self.idle.pop_front(),
        }
    }

    /// Takes a stream that is not in use, of the first connection that has one.
    pub(super) fn free_stream(&self, clock: RunClock, limits: AnswerLimits) -> Option<Http2Stream> {
        self.http2.iter().find_map(|shared| shared.take_stream(clock, limits))
    }

    /// Whether work would not have to wait if at most `active` connections may be open.
    pub(super) fn has_room(&self, active: usize) -> bool {
        !self.idle.is_empty()
            || self.open < active
            || self.http2.iter().any(|shared| shared.has_free_stream())
    }

    /// Lets idle connections look whether they are still open.
    pub(super) fn wake_idle(&self) {
        for slot in &self.idle {
            slot.waker.borrow().wake_by_ref();
        }
    }
}
