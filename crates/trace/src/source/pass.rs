//! One pass over the inputs: where each of them stands, and what waits.

use super::reader::InputReader;
use super::{MAX_PENDING_BYTES, MAX_PENDING_RECORDS, MIN_PENDING_BYTES, MIN_PENDING_RECORDS, TraceInput};
use crate::TraceRequest;
use crate::reorder_buffer::ReorderBuffer;
use crate::subsecond::SubsecondAssigner;
use downpour_core::units::Stamp;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// What one pass over the inputs keeps.
#[derive(Debug)]
pub(super) struct ReadPass {
    /// Inputs that are not at their end, the one that lies back furthest first.
    pub(super) watermarks: BinaryHeap<Reverse<(Stamp, usize)>>,
    /// The open ones, by input.
    pub(super) readers: Vec<Option<InputReader>>,
    pub(super) open: usize,
    pub(super) subsecond: SubsecondAssigner,
    pub(super) reorder: ReorderBuffer,
    /// Requests of a trace without times.
    pub(super) ready: VecDeque<TraceRequest>,
    /// The most records that wait: [`MAX_PENDING_RECORDS`] but in tests.
    pub(super) max_pending: usize,
    /// How many records wait at least, however old they are: [`MIN_PENDING_RECORDS`] but
    /// in tests.
    pub(super) min_pending: usize,
    /// How long the longest exchange took, where stamps tell its end.
    pub(super) longest_ns: i64,
}

impl ReadPass {
    pub(super) fn new(
        inputs: &[TraceInput],
        readers: Vec<Option<InputReader>>,
        spread: SubsecondAssigner,
    ) -> Self {
        let fronts = inputs.iter().enumerate().map(|(index, input)| Reverse((input.earliest, index)));
        Self {
            watermarks: fronts.collect(),
            open: readers.iter().flatten().count(),
            readers,
            subsecond: spread,
            reorder: ReorderBuffer::default(),
            ready: VecDeque::new(),
            max_pending: MAX_PENDING_RECORDS,
            min_pending: MIN_PENDING_RECORDS,
            longest_ns: 0,
        }
    }

    /// Takes where an input stands out of the fronts: mostly it is the first.
    pub(super) fn take_front(&mut self, index: usize) -> Option<Stamp> {
        let Reverse((front, first)) = self.watermarks.peek()?;
        if *first == index {
            let front = *front;
            self.watermarks.pop();
            return Some(front);
        }
        let found = self.watermarks.iter().find(|Reverse((_, other))| *other == index);
        let front = found.map(|Reverse((front, _))| *front);
        self.watermarks.retain(|Reverse((_, other))| *other != index);
        front
    }

    /// How far the open inputs have come: the newest start that was read.
    pub(super) fn reached(&self) -> Option<Stamp> {
        self.readers.iter().flatten().filter_map(InputReader::newest_start).max()
    }

    pub(super) fn is_full(&self) -> bool {
        self.subsecond.len() + self.reorder.len() >= self.max_pending
            || self.subsecond.bytes() + self.reorder.bytes() >= MAX_PENDING_BYTES
    }

    /// Whether so much waits that the oldest may go.
    pub(super) fn exceeds_minimum(&self) -> bool {
        self.subsecond.len() + self.reorder.len() > self.min_pending
            || self.subsecond.bytes() + self.reorder.bytes() > MIN_PENDING_BYTES
    }

    /// How many records wait, for whatever.
    pub(super) fn pending(&self) -> usize {
        let doubted = self.readers.iter().flatten().map(InputReader::suspects).sum::<usize>();
        self.subsecond.len() + self.reorder.len() + self.ready.len() + doubted
    }
}
