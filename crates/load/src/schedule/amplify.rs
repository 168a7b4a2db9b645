//! More of the same: copies of the recorded arrivals, each a little later.
//!
//! A copy is the whole trace once more, moved by one delay that the seed draws
//! from the second after each original. Within a copy every gap is the recorded
//! one, so bursts and retries keep their shape, and from second to second the
//! load is the recorded one, so many times over. The factor's fraction is a copy
//! of a sample of the targets.
//!
//! Copies wait in a heap until they are due. It holds those of one second and
//! is bounded: beyond the bound the earliest copies are played too early rather
//! than left out.

use super::sample::{Sample, SamplePurpose, SampleUnit};
use downpour_core::seed::random_key;
use downpour_core::units::{Factor, NANOS_PER_SECOND, Offset};
use downpour_trace::TraceRequest;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Most copies that wait to be due.
const MAX_PENDING_COPIES: usize = 1 << 18;

/// The highest factor.
pub const MAX_FACTOR: u64 = 1_000;

/// Keeps these random numbers apart from others of the same seed.
const DELAYS: &[u8; 8] = b"amplify.";

/// Copies requests and hands the copies out when they are due.
#[derive(Clone, Debug, Default)]
pub struct Amplifier {
    /// The delay of each whole copy.
    whole: Vec<Duration>,
    /// The copy of a sample: its delay, and what is in it.
    fraction: Option<(Duration, Sample)>,
    pending: BinaryHeap<Reverse<PendingCopy>>,
    made: u64,
}

/// A copy that waits. Those due at the same time leave as they were made.
#[derive(Clone, Debug)]
struct PendingCopy {
    due: Offset,
    number: u64,
    request: TraceRequest,
}

impl Amplifier {
    /// Makes the load `factor` times what it was: at least 1, at most [`MAX_FACTOR`];
    /// what is below or above is taken as that. Delays are drawn from the
    /// recorded second, which passes `speed` times as fast.
    pub fn new(factor: Factor, speed: Factor, seed: u64) -> Self {
        let (whole, fraction) = factor.split();
        let mut random = ChaCha8Rng::from_seed(random_key(seed, *DELAYS));
        let mut delay = || {
            let nanos = (u128::from(random.next_u64()) * u128::from(NANOS_PER_SECOND)) >> 64;
            Duration::from_nanos(speed.shrink(u64::try_from(nanos).unwrap_or(0)))
        };
        // The first is the original.
        let whole = (1..whole.min(MAX_FACTOR)).map(|_| delay()).collect();
        let fraction = fraction.filter(|_| factor.split().0 > 0);
        let fraction = fraction
            .map(|share| (delay(), Sample::drawn(share, SampleUnit::Target, seed, SamplePurpose::Amplify)));
        Self { whole, fraction, pending: BinaryHeap::new(), made: 0 }
    }

    /// Whether it makes any copies.
    pub(crate) fn is_enabled(&self) -> bool {
        !self.whole.is_empty() || self.fraction.is_some()
    }

    /// Makes the copies of a request that is due at `due`.
    pub(crate) fn copy(&mut self, request: &TraceRequest, due: Offset) {
        for &delay in &self.whole {
            push(&mut self.pending, &mut self.made, (request, due.after(delay)));
        }
        if let Some((delay, sample)) = &self.fraction
            && sample.keeps(request)
        {
            push(&mut self.pending, &mut self.made, (request, due.after(*delay)));
        }
    }

    /// The earliest copy, if it is due before an original that is due at
    /// `next`, or if too many wait; never due later than that.
    pub(crate) fn due_before(&mut self, next: Offset) -> Option<(TraceRequest, Offset)> {
        let Reverse(first) = self.pending.peek()?;
        if first.due > next && self.pending.len() < MAX_PENDING_COPIES {
            return None;
        }
        let Reverse(copy) = self.pending.pop()?;
        Some((copy.request, copy.due.min(next)))
    }
}

fn push(
    waiting: &mut BinaryHeap<Reverse<PendingCopy>>,
    made: &mut u64,
    (request, due): (&TraceRequest, Offset),
) {
    waiting.push(Reverse(PendingCopy { due, number: *made, request: request.clone() }));
    *made += 1;
}

impl Ord for PendingCopy {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

impl PartialOrd for PendingCopy {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for PendingCopy {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for PendingCopy {}

#[cfg(test)]
mod tests {
    use super::*;
    use downpour_core::agent::ClientKind;
    use downpour_trace::Method;

    fn request(n: u64) -> TraceRequest {
        TraceRequest {
            at: None,
            method: Method::Get,
            target: format!("/{n}").into(),
            status: None,
            client: None,
            kind: ClientKind::NONE,
        }
    }

    fn amplifier(factor: &str, seed: u64) -> Amplifier {
        Amplifier::new(factor.parse().unwrap(), Factor::ONE, seed)
    }

    /// The copies of a hundred requests, ten milliseconds apart.
    fn copies(factor: &str, seed: u64) -> Vec<(String, u64)> {
        let mut amplifier = amplifier(factor, seed);
        for n in 0..100 {
            amplifier.copy(&request(n), Offset::from_nanos(n * 10_000_000));
        }
        let next = || amplifier.due_before(Offset::from_nanos(u64::MAX));
        std::iter::from_fn(next)
            .map(|(request, due)| (String::from_utf8_lossy(&request.target).into_owned(), due.as_nanos()))
            .collect()
    }

    #[test]
    fn there_are_as_many_copies_as_the_factor_says() {
        assert_eq!(copies("1", 0), []);
        assert_eq!(copies("0.5", 0), []);
        assert_eq!(copies("2", 0).len(), 100);
        assert!(copies("9", 0).is_sorted_by_key(|copy| copy.1));
        assert_eq!(copies("4x", 0).len(), 300);
        let more_than_two = copies("2.5", 0).len();
        assert!((130..170).contains(&more_than_two), "{more_than_two}");
        assert_eq!(copies("2.5", 7), copies("2.5", 7));
        assert_ne!(copies("2.5", 7), copies("2.5", 8));
    }

    #[test]
    fn a_copy_is_the_trace_again_within_a_second() {
        let copies = copies("2", 5);
        let delay = copies[0].1;
        assert!(delay < NANOS_PER_SECOND);
        for (n, copy) in (0..).zip(&copies) {
            assert_eq!(*copy, (format!("/{n}"), delay + n * 10_000_000));
        }
    }

    #[test]
    fn a_copy_waits_for_its_time_and_for_no_room() {
        let mut amplifier = amplifier("2", 5);
        amplifier.copy(&request(0), Offset::ZERO);
        assert!(amplifier.due_before(Offset::ZERO).is_none());
        for n in 1..MAX_PENDING_COPIES as u64 {
            amplifier.copy(&request(n), Offset::ZERO);
        }
        let early = amplifier.due_before(Offset::ZERO).unwrap();
        assert_eq!(early, (request(0), Offset::ZERO));
        assert!(amplifier.due_before(Offset::ZERO).is_none());
    }
}
