//! What is known of something that takes time to find out, and who waits for
//! it: of hosts, and of targets.
//!
//! Pure: time comes in, and a question goes out as a word to the caller. What
//! is not known is asked for once, however many answers name it; those that
//! come meanwhile are parked here and handed back when it is settled. What is
//! known is forgotten in time, so that the end of an outage is noticed. Both
//! what is known and who waits are bounded, because a candidate may name
//! something new in each answer.

use downpour_core::units::Offset;
use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::mem;
use std::time::Duration;

/// How many keys are looked at for one that can make room, so that the cost
/// does not grow.
const EVICTION_SCAN: usize = 8;

/// How much a [`SingleFlight`] may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheBounds {
    /// Distinct keys.
    pub keys: usize,
    /// Parked entries, over all keys.
    pub parked: usize,
    /// What makes room for a new key.
    pub eviction: Eviction,
}

/// Which keys make room for a new one. One that somebody waits for never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// Those whose knowledge has run out. While there is none, new keys are
    /// refused.
    Expired,
    /// The oldest, to be asked for again.
    Oldest,
}

/// What is known, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached<V> {
    /// What was found.
    pub value: V,
    /// How long that holds.
    pub valid_for: Duration,
}

/// What a [`SingleFlight`] says of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheReply<V, P> {
    /// It is known; what was to be parked comes back.
    Known(Cached<V>, P),
    /// It is not; what was parked comes back from [`SingleFlight::settle`].
    Parked {
        /// Whether the caller is to ask: it is the first.
        ask: bool,
    },
    /// A bound was reached.
    Refused(P),
}

/// Keys, each known, or asked for with those who wait.
///
/// Invariant: `parked` is the sum of what all keys hold, and `turns` holds each
/// key once.
#[derive(Debug)]
pub struct SingleFlight<K, V, P> {
    entries: HashMap<K, KeyState<V, P>>,
    /// The keys in the order in which they are looked at for room: oldest
    /// first, but for those that could not go when their turn came.
    eviction_order: VecDeque<K>,
    bounds: CacheBounds,
    parked: usize,
}

#[derive(Debug)]
enum KeyState<V, P> {
    Known {
        value: V,
        until: Offset,
    },
    Pending(Vec<P>),
    /// It was asked for, and not answered.
    Unknown,
}

impl<K: Hash + Eq + Clone, V: Clone, P> SingleFlight<K, V, P> {
    /// An empty one.
    pub fn new(bounds: CacheBounds) -> Self {
        Self { entries: HashMap::new(), eviction_order: VecDeque::new(), bounds, parked: 0 }
    }

    /// What is known of `key` at `now`, for those who would not wait.
    pub fn known<Q>(&self, key: &Q, now: Offset) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        match self.entries.get(key) {
            Some(KeyState::Known { value, until }) if now < *until => Some(value),
            Some(_) | None => None,
        }
    }

    /// What is known of `key` at `now`; otherwise `waiter` is parked.
    pub fn ask(&mut self, key: K, now: Offset, waiter: P) -> CacheReply<V, P> {
        match self.entries.get_mut(&key) {
            Some(KeyState::Known { value, until }) if now < *until => {
                let valid_for = Duration::from_nanos(until.nanos_since(now));
                CacheReply::Known(Cached { value: value.clone(), valid_for }, waiter)
            }
            _ if self.parked >= self.bounds.parked => CacheReply::Refused(waiter),
            Some(KeyState::Pending(waiters)) => {
                waiters.push(waiter);
                self.parked += 1;
                CacheReply::Parked { ask: false }
            }
            Some(expired @ (KeyState::Known { .. } | KeyState::Unknown)) => {
                *expired = KeyState::Pending(vec![waiter]);
                self.parked += 1;
                CacheReply::Parked { ask: true }
            }
            None => {
                if !self.make_room(now) {
                    return CacheReply::Refused(waiter);
                }
                self.eviction_order.push_back(key.clone());
                self.entries.insert(key, KeyState::Pending(vec![waiter]));
                self.parked += 1;
                CacheReply::Parked { ask: true }
            }
        }
    }

    /// Takes in what was found and hands back all who waited for it, in the
    /// order in which they came. Where nothing was found it stays unknown, and
    /// is asked for anew by the next who comes. What nobody asked for is
    /// ignored.
    pub fn settle(&mut self, key: &K, found: Option<&Cached<V>>, now: Offset) -> Vec<P> {
        let Some(state @ KeyState::Pending(_)) = self.entries.get_mut(key) else { return Vec::new() };
        let settled = found.map_or(KeyState::Unknown, |Cached { value, valid_for }| KeyState::Known {
            value: value.clone(),
            until: now.after(*valid_for),
        });
        let KeyState::Pending(waiters) = mem::replace(state, settled) else { return Vec::new() };
        self.parked -= waiters.len();
        waiters
    }

    /// Hands back all who still wait, each with what it waits for and with
    /// nothing settled: the run has ended, or those who answer have. Forgets
    /// all.
    pub fn abandon(&mut self) -> Vec<(K, P)> {
        let mut abandoned = Vec::with_capacity(self.parked);
        for key in mem::take(&mut self.eviction_order) {
            if let Some(KeyState::Pending(waiters)) = self.entries.remove(&key) {
                abandoned.extend(waiters.into_iter().map(|waiter| (key.clone(), waiter)));
            }
        }
        self.parked = 0;
        abandoned
    }

    fn make_room(&mut self, now: Offset) -> bool {
        if self.entries.len() < self.bounds.keys {
            return true;
        }
        for _ in 0..EVICTION_SCAN {
            let Some(key) = self.eviction_order.pop_front() else { return false };
            let goes = match self.entries.get(&key) {
                Some(KeyState::Known { until, .. }) => {
                    self.bounds.eviction == Eviction::Oldest || *until <= now
                }
                Some(KeyState::Unknown) | None => true,
                Some(KeyState::Pending(_)) => false,
            };
            if goes {
                self.entries.remove(&key);
                return true;
            }
            self.eviction_order.push_back(key);
        }
        false
    }
}

impl<K, V, P> SingleFlight<K, V, P> {
    /// How many wait.
    pub const fn parked(&self) -> usize {
        self.parked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    type Cache = SingleFlight<u8, &'static str, u32>;

    const ASKS: CacheReply<&str, u32> = CacheReply::Parked { ask: true };
    const WAITS: CacheReply<&str, u32> = CacheReply::Parked { ask: false };

    fn at(seconds: u64) -> Offset {
        Offset::from(Duration::from_secs(seconds))
    }

    fn found(seconds: u64) -> Cached<&'static str> {
        Cached { value: "found", valid_for: Duration::from_secs(seconds) }
    }

    fn cache(keys: usize, parked: usize, room: Eviction) -> Cache {
        Cache::new(CacheBounds { keys, parked, eviction: room })
    }

    #[test]
    fn a_key_is_asked_for_once_and_all_who_waited_come_back_in_order() {
        let mut cache = cache(10, 10, Eviction::Expired);
        assert_eq!(
            [cache.ask(1, at(0), 1), cache.ask(1, at(0), 2), cache.ask(2, at(0), 3)],
            [ASKS, WAITS, ASKS]
        );
        assert_eq!(cache.settle(&1, Some(&found(10)), at(1)), [1, 2]);
        assert!(cache.settle(&1, Some(&found(10)), at(1)).is_empty(), "settled before");
        assert!(cache.settle(&3, Some(&found(10)), at(1)).is_empty(), "nobody asked");
        assert_eq!(cache.parked(), 1);
        assert_eq!((cache.abandon(), cache.parked()), (vec![(2, 3)], 0));
    }

    #[test]
    fn what_is_known_runs_out_so_that_the_end_of_an_outage_is_noticed() {
        let mut cache = cache(10, 10, Eviction::Expired);
        cache.ask(1, at(0), 1);
        assert_eq!(cache.known(&1, at(0)), None, "nobody knows yet");
        cache.settle(&1, Some(&found(10)), at(1));
        assert_eq!(cache.ask(1, at(5), 2), CacheReply::Known(found(6), 2));
        assert_eq!((cache.known(&1, at(10)), cache.known(&1, at(11))), (Some(&"found"), None));
        assert_eq!([cache.ask(1, at(11), 3), cache.ask(1, at(11), 4)], [ASKS, WAITS]);
        assert_eq!(cache.settle(&1, Some(&found(1)), at(12)), [3, 4]);
    }

    #[test]
    fn what_was_not_answered_is_asked_for_by_the_next() {
        let mut cache = cache(10, 10, Eviction::Oldest);
        assert_eq!(cache.ask(1, at(0), 1), ASKS);
        assert_eq!(cache.settle(&1, None, at(0)), [1]);
        assert_eq!(cache.ask(1, at(0), 2), ASKS);
    }

    #[test]
    fn beyond_its_bounds_it_refuses_until_knowledge_has_run_out() {
        let mut cache = cache(2, 3, Eviction::Expired);
        cache.ask(1, at(0), 1);
        cache.ask(2, at(0), 2);
        assert_eq!(cache.ask(3, at(0), 3), CacheReply::Refused(3));
        cache.ask(2, at(0), 4);
        assert_eq!(cache.ask(2, at(0), 5), CacheReply::Refused(5));
        assert_eq!(cache.settle(&1, Some(&found(10)), at(0)), [1]);
        assert_eq!(cache.ask(3, at(9), 6), CacheReply::Refused(6), "the first is still known");
        assert_eq!(cache.ask(3, at(10), 7), ASKS);
    }

    #[test]
    fn or_it_forgets_the_oldest() {
        let mut cache = cache(2, 3, Eviction::Oldest);
        assert_eq!([cache.ask(1, at(0), 1), cache.ask(2, at(0), 2)], [ASKS, ASKS]);
        assert_eq!(cache.ask(3, at(0), 3), CacheReply::Refused(3), "both are waited for");
        assert_eq!(cache.settle(&2, Some(&found(10)), at(0)), [2]);
        assert_eq!(cache.ask(3, at(0), 4), ASKS);
        assert_eq!(cache.settle(&3, Some(&found(10)), at(0)), [4]);
        assert_eq!(cache.ask(2, at(0), 5), ASKS, "it was forgotten");
        assert_eq!(cache.ask(1, at(0), 6), WAITS);
        assert_eq!(cache.ask(1, at(0), 7), CacheReply::Refused(7));
    }

    proptest! {
        /// Whatever is asked and settled in whatever order: nobody is lost,
        /// nobody comes back twice, and the bounds hold.
        #[test]
        fn nobody_is_lost(
            steps in prop::collection::vec((0..6_u8, 0..3_u8, 0..9_u64), 0..200), oldest in any::<bool>()
        ) {
            let mut cache = cache(3, 8, if oldest { Eviction::Oldest } else { Eviction::Expired });
            let (mut now, mut back) = (0, Vec::new());
            let asked = u32::try_from(steps.len()).unwrap();
            for (waiter, (key, settle, pass)) in (0..).zip(steps) {
                now += pass;
                match cache.ask(key, at(now), waiter) {
                    CacheReply::Known(_, waiter) | CacheReply::Refused(waiter) => back.push(waiter),
                    CacheReply::Parked { .. } => {}
                }
                match settle {
                    0 => {}
                    1 => back.extend(cache.settle(&key, Some(&found(10)), at(now))),
                    _ => back.extend(cache.settle(&key, None, at(now))),
                }
                prop_assert!(cache.entries.len() <= 3 && cache.eviction_order.len() == cache.entries.len());
                prop_assert!(cache.parked() <= 8);
            }
            back.extend(cache.abandon().into_iter().map(|(_, waiter)| waiter));
            prop_assert_eq!(back.len(), asked as usize);
            prop_assert_eq!(back.into_iter().collect::<BTreeSet<_>>(), (0..asked).collect());
        }
    }
}
