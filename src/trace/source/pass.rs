//! One pass over the inputs: where each of them stands, and what waits.

use super::reader::Reader;
use super::{Input, LEAST_HELD, LEAST_HELD_BYTES, MAX_HELD, MAX_HELD_BYTES};
use crate::trace::Request;
use crate::trace::order::Order;
use crate::trace::spread::Spread;
use crate::units::Stamp;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// What one pass over the inputs keeps.
#[derive(Debug)]
pub(super) struct Pass {
    /// Inputs that are not at their end, the one that lies back furthest first.
    pub(super) fronts: BinaryHeap<Reverse<(Stamp, usize)>>,
    /// The open ones, by input.
    pub(super) readers: Vec<Option<Reader>>,
    pub(super) open: usize,
    pub(super) spread: Spread,
    pub(super) order: Order,
    /// Requests of a trace without times.
    pub(super) ready: VecDeque<Request>,
    /// The most records that wait: [`MAX_HELD`] but in tests.
    pub(super) most: usize,
    /// How many records wait at least, however old they are: [`LEAST_HELD`] but
    /// in tests.
    pub(super) least: usize,
    /// How long the longest exchange took, where stamps tell its end.
    pub(super) longest_ns: i64,
}

impl Pass {
    pub(super) fn new(inputs: &[Input], readers: Vec<Option<Reader>>, spread: Spread) -> Self {
        let fronts = inputs.iter().enumerate().map(|(index, input)| Reverse((input.earliest, index)));
        Self {
            fronts: fronts.collect(),
            open: readers.iter().flatten().count(),
            readers,
            spread,
            order: Order::default(),
            ready: VecDeque::new(),
            most: MAX_HELD,
            least: LEAST_HELD,
            longest_ns: 0,
        }
    }

    /// Takes where an input stands out of the fronts: mostly it is the first.
    pub(super) fn take_front(&mut self, index: usize) -> Option<Stamp> {
        let Reverse((front, first)) = self.fronts.peek()?;
        if *first == index {
            let front = *front;
            self.fronts.pop();
            return Some(front);
        }
        let found = self.fronts.iter().find(|Reverse((_, other))| *other == index);
        let front = found.map(|Reverse((front, _))| *front);
        self.fronts.retain(|Reverse((_, other))| *other != index);
        front
    }

    /// How far the open inputs have come: the newest start that was read.
    pub(super) fn reached(&self) -> Option<Stamp> {
        self.readers.iter().flatten().filter_map(Reader::reached).max()
    }

    pub(super) fn is_full(&self) -> bool {
        self.spread.len() + self.order.len() >= self.most
            || self.spread.bytes() + self.order.bytes() >= MAX_HELD_BYTES
    }

    /// Whether so much waits that the oldest may go.
    pub(super) fn is_deep(&self) -> bool {
        self.spread.len() + self.order.len() > self.least
            || self.spread.bytes() + self.order.bytes() > LEAST_HELD_BYTES
    }

    /// How many records wait, for whatever.
    pub(super) fn held(&self) -> usize {
        let doubted = self.readers.iter().flatten().map(Reader::doubted).sum::<usize>();
        self.spread.len() + self.order.len() + self.ready.len() + doubted
    }
}
