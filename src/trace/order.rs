//! Records put in order of arrival, within a window.
//!
//! Logs are written when an exchange ends, by many machines, so their lines
//! are out of order. A record waits here until no line that is still expected
//! can be older. One that is older than what was already handed out is late:
//! to send it at once would add load that was never there.

use super::Request;
use crate::units::Stamp;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A request on its way, with its place among those of the same instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// When it arrived.
    pub(crate) start: Stamp,
    /// The input it came from, in the order of inputs.
    pub(crate) input: usize,
    /// Its line there.
    pub(crate) line: u64,
    pub(crate) request: Request,
}

impl Held {
    fn place(&self) -> (Stamp, usize, u64) {
        (self.start, self.input, self.line)
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A record that came too late to be put in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Late;

/// The waiting room: a heap, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Order {
    waiting: BinaryHeap<Reverse<Held>>,
    bytes: usize,
    handed_out: Option<Stamp>,
}

impl Order {
    /// Puts a record in its place, unless a younger one is already gone. One
    /// of the same instant is not late.
    pub(crate) fn push(&mut self, held: Held) -> Result<(), Late> {
        if self.handed_out.is_some_and(|newest| held.start < newest) {
            return Err(Late);
        }
        self.bytes += held.request.target.len();
        self.waiting.push(Reverse(held));
        Ok(())
    }

    /// The oldest record, if it arrived at or before `due`.
    pub(crate) fn pop_until(&mut self, due: Stamp) -> Option<Request> {
        self.waiting.peek().filter(|Reverse(oldest)| oldest.start <= due)?;
        self.pop()
    }

    /// The oldest record.
    pub(crate) fn pop(&mut self) -> Option<Request> {
        let Reverse(held) = self.waiting.pop()?;
        self.bytes -= held.request.target.len();
        self.handed_out = Some(held.start);
        Some(Request { at: Some(held.start), ..held.request })
    }

    /// When the oldest record arrived.
    pub(crate) fn oldest(&self) -> Option<Stamp> {
        self.waiting.peek().map(|Reverse(held)| held.start)
    }

    /// How many records wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// How many bytes the targets of the waiting records have.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::trace::Method;
    use bytes::Bytes;
    use proptest::prelude::*;

    pub(crate) fn held(start: i64, input: usize, line: u64) -> Held {
        let target = Bytes::from(format!("/{input}/{line}"));
        let request = Request { at: None, method: Method::Get, target, status: None };
        Held { start: Stamp::from_nanos(start), input, line, request }
    }

    proptest! {
        #[test]
        fn what_comes_out_is_in_order_and_nothing_is_lost(
            starts in proptest::collection::vec((-50_i64..50, 0_usize..3), 0..100),
            window in 0_i64..30,
        ) {
            let mut order = Order::default();
            let (mut late, mut out, mut newest) = (0, Vec::new(), i64::MIN);
            for (line, &(start, input)) in (0..).zip(&starts) {
                newest = newest.max(start);
                late += usize::from(order.push(held(start, input, line)).is_err());
                while let Some(request) = order.pop_until(Stamp::from_nanos(newest - window)) {
                    out.push(request);
                }
            }
            while let Some(request) = order.pop() {
                out.push(request);
            }
            prop_assert_eq!(out.len() + late, starts.len());
            prop_assert!(out.is_sorted_by_key(|request| request.at));
            prop_assert_eq!((order.len(), order.bytes()), (0, 0));
        }
    }

    #[test]
    fn equal_instants_keep_the_order_of_inputs_and_lines() {
        let mut order = Order::default();
        for (input, line) in [(1, 1), (0, 2), (0, 1)] {
            order.push(held(5, input, line)).unwrap();
        }
        let targets: Vec<_> = std::iter::from_fn(|| order.pop()).map(|request| request.target).collect();
        assert_eq!(targets, ["/0/1", "/0/2", "/1/1"]);
        assert_eq!(order.push(held(5, 0, 3)), Ok(()));
        assert_eq!(order.push(held(4, 0, 3)), Err(Late));
    }
}
