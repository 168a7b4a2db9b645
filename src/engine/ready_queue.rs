//! The closed loop: connections that take the next arrival when they are free.
//!
//! With `--rate max` nothing is due at a time of its own; an arrival is due
//! when a connection is free for it, so latency is service time and says
//! nothing of a queue. The report calls such a run what it is. Connections take
//! arrivals here without waking the worker's loop, which only refills.

use downpour_core::units::Offset;
use downpour_load::schedule::Arrival;
use std::collections::VecDeque;
use tokio::sync::Notify;

/// Below this many arrivals the supply asks for more.
const LOW_MARK: usize = 256;

/// Arrivals that nobody has taken yet.
#[derive(Debug)]
pub(crate) struct ReadyQueue {
    arrivals: VecDeque<Arrival>,
    /// Nothing is handed out from here on.
    until: Option<Offset>,
    /// Since when a connection has wanted an arrival that nobody had read.
    empty_since: Option<Offset>,
}

impl ReadyQueue {
    /// A supply that hands out until that offset, or for as long as it has
    /// something.
    pub(crate) fn new(until: Option<Offset>) -> Self {
        Self { arrivals: VecDeque::new(), until, empty_since: None }
    }

    /// The next arrival, due now. Tells `low` when more is wanted.
    pub(crate) fn take(&mut self, now: Offset, low: &Notify) -> Option<Arrival> {
        if self.is_over(now) {
            low.notify_one();
            return None;
        }
        let Some(mut arrival) = self.arrivals.pop_front() else {
            self.empty_since = self.empty_since.or(Some(now));
            return None;
        };
        arrival.due = now;
        if self.arrivals.len() < LOW_MARK {
            low.notify_one();
        }
        Some(arrival)
    }

    /// Adds arrivals; since when connections have waited for them, if they had.
    pub(crate) fn refill(&mut self, arrivals: Vec<Arrival>) -> Option<Offset> {
        self.arrivals.extend(arrivals);
        self.empty_since.take()
    }

    /// Whether more is wanted.
    pub(crate) fn is_low(&self) -> bool {
        self.arrivals.len() < LOW_MARK
    }

    /// Whether it has nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.arrivals.is_empty()
    }

    /// Whether its time is up.
    pub(crate) fn is_over(&self, now: Offset) -> bool {
        self.until.is_some_and(|until| now >= until)
    }

    /// Ends it, and counts what nobody took.
    pub(crate) fn close(&mut self) -> usize {
        self.until = Some(Offset::ZERO);
        std::mem::take(&mut self.arrivals).len()
    }
}
