//! A log of clients that retry holds their retries. Played through a client
//! model, each of them would be retried once more, and the storm squared. Here
//! only the first request of a client for a target passes; its repeats within a
//! window are left out and counted.
//!
//! The window is counted from the request that passed, so a client that asks
//! for ever is heard once a window. Memory is bounded by requests that pass
//! within a window, and by a limit of its own: where that is reached, the oldest
//! request is forgotten before its time, and counted.

use downpour_core::units::Stamp;
use downpour_trace::keyed_hash::sip_hash;
use std::collections::{HashSet, VecDeque};
use std::num::NonZeroUsize;
use std::time::Duration;

/// The window where nothing else is said: cargo's last attempt comes up to
/// 11.5 s and three exchanges after its first.
pub const REPEAT_WINDOW: Duration = Duration::from_secs(15);

/// Requests that are remembered where nothing else is said: about sixty
/// megabytes, and fifteen seconds at 70,000 a second.
pub const REMEMBERED_MAX: NonZeroUsize = NonZeroUsize::new(1 << 20).expect("it is not zero");

/// Lets the first of a client's requests for a target pass.
#[derive(Clone, Debug)]
pub struct FirstAttempts {
    window: u64,
    capacity: NonZeroUsize,
    known: HashSet<RequestKey>,
    /// The same in the order of time.
    order: VecDeque<(Stamp, RequestKey)>,
    repeats: u64,
    forgotten: u64,
}

/// A client's key and the hash of what it asked for.
type RequestKey = (u64, u64);

impl FirstAttempts {
    /// Repeats within `window` are left out; at most `capacity` requests are
    /// remembered.
    pub fn new(window: Duration, capacity: NonZeroUsize) -> Self {
        Self {
            window: u64::try_from(window.as_nanos()).unwrap_or(u64::MAX),
            capacity,
            known: HashSet::new(),
            order: VecDeque::new(),
            repeats: 0,
            forgotten: 0,
        }
    }

    /// Whether the request of `client` for `target` at `at` is a first one.
    /// Requests come in order of time.
    pub fn passes(&mut self, client: u64, target: &[u8], at: Stamp) -> bool {
        while let Some((first, request)) = self.order.front().copied()
            && at.nanos_since(first) >= self.window
        {
            self.forget(request);
        }
        let request = (client, sip_hash([client, u64::from_le_bytes(*b"attempts")], target));
        if self.known.contains(&request) {
            self.repeats += 1;
            return false;
        }
        if self.order.len() >= self.capacity.get()
            && let Some((_, oldest)) = self.order.front().copied()
        {
            self.forget(oldest);
            self.forgotten += 1;
        }
        self.known.insert(request);
        self.order.push_back((at, request));
        true
    }

    /// How many repeats were left out.
    pub const fn repeats(&self) -> u64 {
        self.repeats
    }

    /// How many requests had to be forgotten before their time. Repeats of
    /// those may have passed.
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn forget(&mut self, request: RequestKey) {
        self.order.pop_front();
        self.known.remove(&request);
    }
}

impl Default for FirstAttempts {
    fn default() -> Self {
        Self::new(REPEAT_WINDOW, REMEMBERED_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Stamp {
        Stamp::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn cargos_retries_are_left_out() {
        let mut filter = FirstAttempts::default();
        let passed: Vec<bool> =
            [0, 700, 4_300, 10_900, 16_000].iter().map(|ms| filter.passes(1, b"/a", at(*ms))).collect();
        assert_eq!(passed, [true, false, false, false, true]);
        assert_eq!((filter.repeats(), filter.forgotten()), (3, 0));
    }

    #[test]
    fn another_client_or_target_is_no_repeat() {
        let mut filter = FirstAttempts::default();
        for (client, target) in [(1, "/a"), (2, "/a"), (1, "/b"), (1, "/a?x=1")] {
            assert!(filter.passes(client, target.as_bytes(), at(0)), "{client} {target}");
        }
        assert!(!filter.passes(2, b"/a", at(0)));
    }

    #[test]
    fn a_window_ends_as_it_says_and_none_lets_everything_pass() {
        let window = |ms| FirstAttempts::new(Duration::from_millis(ms), REMEMBERED_MAX);
        let mut filter = window(1_000);
        let passed: Vec<bool> =
            [0, 999, 1_000, 1_500, 2_000].iter().map(|ms| filter.passes(1, b"/a", at(*ms))).collect();
        assert_eq!(passed, [true, false, true, false, true]);
        let mut open = window(0);
        assert!((0..5).all(|_| open.passes(1, b"/a", at(0))));
    }

    #[test]
    fn memory_is_bounded_and_what_is_forgotten_is_counted() {
        let mut filter = FirstAttempts::new(REPEAT_WINDOW, NonZeroUsize::new(10).unwrap());
        for client in 0..1_000 {
            assert!(filter.passes(client, b"/a", at(1)));
            assert!(filter.known.len() <= 10 && filter.order.len() == filter.known.len());
        }
        assert_eq!(filter.forgotten(), 990);
        assert!(filter.passes(0, b"/a", at(2)) && !filter.passes(999, b"/a", at(2)));
        // Time that has passed frees memory.
        assert!(filter.passes(1, b"/b", at(60_000)));
        assert_eq!(filter.known.len(), 1);
    }
}
