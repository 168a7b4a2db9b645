//! What happens next: events by time, first in, first out where times are equal.
//!
//! A radix heap. Nothing is ever put on the agenda for a time that has passed,
//! so events can lie in buckets by the highest bit in which their time differs
//! from now. Putting one there is a push onto a vector; taking the next one
//! spreads a bucket over those below it, each event at most once a bit. All of
//! it is sequential memory, which with half a million events is several times
//! as fast as a heap that is one array.

use downpour_core::units::Offset;
use std::collections::VecDeque;

/// Bits of a time, and one bucket for now.
const BUCKETS: usize = u64::BITS as usize + 1;

/// Events by time.
#[derive(Clone, Debug)]
pub(super) struct EventQueue<E> {
    /// When the last event taken was due.
    now: u64,
    /// Events that are due now.
    due: VecDeque<E>,
    /// Events by the highest bit in which their time differs from `now`,
    /// counted from 1; the first is never used.
    later: [Vec<(u64, E)>; BUCKETS],
}

impl<E: Copy> EventQueue<E> {
    pub(super) fn new() -> Self {
        Self { now: 0, due: VecDeque::new(), later: std::array::from_fn(|_| Vec::new()) }
    }

    /// Puts an event on the agenda. What should have happened happens now.
    pub(super) fn schedule(&mut self, at: Offset, event: E) {
        let at = at.as_nanos().max(self.now);
        match bucket(at, self.now) {
            0 => self.due.push_back(event),
            index => self.later[index].push((at, event)),
        }
    }

    /// Takes the next event off it; `None` where it is empty.
    pub(super) fn next(&mut self) -> Option<(Offset, E)> {
        if self.due.is_empty() {
            self.advance()?;
        }
        let event = self.due.pop_front()?;
        Some((Offset::from_nanos(self.now), event))
    }

    /// Makes the earliest time that something is due at now.
    fn advance(&mut self) -> Option<()> {
        let first = self.later.iter().position(|bucket| !bucket.is_empty())?;
        // Taken out and put back empty, so that it keeps its memory.
        let mut bucket_of_next = std::mem::take(&mut self.later[first]);
        self.now = bucket_of_next.iter().map(|(at, _)| *at).min()?;
        for (at, event) in bucket_of_next.drain(..) {
            match bucket(at, self.now) {
                0 => self.due.push_back(event),
                index => self.later[index].push((at, event)),
            }
        }
        self.later[first] = bucket_of_next;
        Some(())
    }
}

const fn bucket(at: u64, now: u64) -> usize {
    (u64::BITS - (at ^ now).leading_zeros()) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    #[test]
    fn what_is_put_first_comes_first() {
        let mut agenda = EventQueue::new();
        for (at, event) in [(7, 'c'), (3, 'a'), (7, 'd'), (3, 'b')] {
            agenda.schedule(Offset::from_nanos(at), event);
        }
        let mut order = Vec::new();
        while let Some((at, event)) = agenda.next() {
            order.push((at.as_nanos(), event));
            if event == 'b' {
                agenda.schedule(at, 'x');
                agenda.schedule(Offset::from_nanos(7), 'e');
            }
        }
        assert_eq!(order, [(3, 'a'), (3, 'b'), (3, 'x'), (7, 'c'), (7, 'd'), (7, 'e')]);
    }

    #[test]
    fn the_past_is_now() {
        let mut agenda = EventQueue::new();
        agenda.schedule(Offset::from_nanos(u64::MAX), 1);
        assert_eq!(agenda.next(), Some((Offset::from_nanos(u64::MAX), 1)));
        agenda.schedule(Offset::ZERO, 2);
        assert_eq!(agenda.next(), Some((Offset::from_nanos(u64::MAX), 2)));
        assert_eq!(agenda.next(), None);
    }

    proptest! {
        #[test]
        fn it_is_a_queue_by_time_and_turn(steps in prop::collection::vec((0..3_u8, 0..1_000_u64), 1..400)) {
            let (mut agenda, mut heap) = (EventQueue::new(), BinaryHeap::new());
            let mut now = 0;
            for (turn, (step, delay)) in steps.into_iter().enumerate() {
                if step == 0 {
                    let expected = heap.pop().map(|Reverse((at, turn))| (Offset::from_nanos(at), turn));
                    prop_assert_eq!(agenda.next(), expected);
                    now = expected.map_or(now, |(at, _)| at.as_nanos());
                } else {
                    // Delays of all orders of magnitude.
                    let at = now + (delay << (delay % 40));
                    agenda.schedule(Offset::from_nanos(at), turn);
                    heap.push(Reverse((at, turn)));
                }
            }
        }
    }
}
