//! What is known of the targets that redirects lead to, and who waits for it.
//!
//! Pure, and the twin of [`super::hosts`]: a distinct target is asked for once,
//! those that come meanwhile are parked and handed back when it is settled, and
//! what is known runs out in time. There are far more targets than hosts, so
//! they are known by a digest alone, and beyond the bound the oldest are
//! forgotten, to be asked for again, instead of new ones refused. Workers have
//! one each; the thread that asks has one for all of them.

use super::probe::{TargetKey, TargetVerdict};
use crate::units::Offset;
use std::collections::{HashMap, VecDeque};
use std::mem;
use std::time::Duration;

/// How many targets are looked at for one that can make room.
const EVICTION_SCAN: usize = 8;

/// What asking for a target came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetAnswer {
    /// What was asked for.
    pub key: TargetKey,
    /// What is now known of it; `None` where the budget left it out.
    pub found: Option<Found>,
}

/// What is known of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whether it is good.
    pub verdict: TargetVerdict,
    /// How long that holds.
    pub valid_for: Duration,
}

/// How much a [`TargetCache`] may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetBounds {
    /// Distinct targets, at about a hundred bytes each, and up to 256 more for
    /// what is told of a broken one.
    pub targets: usize,
    /// Parked entries, over all targets.
    pub parked: usize,
}

impl TargetBounds {
    /// For one worker: 65,536 targets, and as many parked.
    pub const WORKER: Self = Self { targets: 65_536, parked: 65_536 };

    /// For all of them: 262,144 targets, about 25 MB.
    pub const ALL: Self = Self { targets: 262_144, parked: 65_536 };
}

/// What a [`TargetCache`] says of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetReply<P> {
    /// It is known; what was to be parked comes back.
    Known(Found, P),
    /// It is not; what was parked comes back from [`TargetCache::settle`].
    Parked {
        /// Whether the caller is to ask: it is the first.
        ask: bool,
    },
    /// A bound was reached.
    Refused(P),
}

/// Targets, each known, or asked for with those who wait.
///
/// Invariant: `parked` is the sum of what all targets hold, and `turns` holds
/// each target once.
#[derive(Debug)]
pub struct TargetCache<P> {
    targets: HashMap<TargetKey, State<P>>,
    /// The targets, oldest first but for those that were waited for when their
    /// turn to go came.
    turns: VecDeque<TargetKey>,
    bounds: TargetBounds,
    parked: usize,
}

#[derive(Debug)]
enum State<P> {
    Known { verdict: TargetVerdict, until: Offset },
    Asking(Vec<P>),
}

impl<P> TargetCache<P> {
    /// An empty cache.
    pub fn new(bounds: TargetBounds) -> Self {
        Self { targets: HashMap::new(), turns: VecDeque::new(), bounds, parked: 0 }
    }

    /// What is known of the target at `now`; otherwise `waiter` is parked.
    pub fn ask(&mut self, key: TargetKey, now: Offset, waiter: P) -> TargetReply<P> {
        match self.targets.get_mut(&key) {
            Some(State::Known { verdict, until }) if now < *until => {
                let valid_for = Duration::from_nanos(until.nanos_since(now));
                TargetReply::Known(Found { verdict: verdict.clone(), valid_for }, waiter)
            }
            _ if self.parked >= self.bounds.parked => TargetReply::Refused(waiter),
            Some(State::Asking(waiters)) => {
                waiters.push(waiter);
                self.count_parked(false)
            }
            Some(expired @ State::Known { .. }) => {
                *expired = State::Asking(vec![waiter]);
                self.count_parked(true)
            }
            None => {
                if !self.make_room() {
                    return TargetReply::Refused(waiter);
                }
                self.turns.push_back(key);
                self.targets.insert(key, State::Asking(vec![waiter]));
                self.count_parked(true)
            }
        }
    }

    /// Takes in what was found and hands back all who waited for it, in the
    /// order in which they came. What the budget left out stays unknown, and
    /// is asked for anew by the next who comes. An answer nobody asked for is
    /// ignored.
    pub fn settle(&mut self, answer: &TargetAnswer, now: Offset) -> Vec<P> {
        let Some(state @ State::Asking(_)) = self.targets.get_mut(&answer.key) else {
            return Vec::new();
        };
        let known = match &answer.found {
            Some(found) => State::Known { verdict: found.verdict.clone(), until: now.after(found.valid_for) },
            None => State::Known { verdict: TargetVerdict::UNKNOWN, until: Offset::ZERO },
        };
        let State::Asking(waiters) = mem::replace(state, known) else {
            return Vec::new();
        };
        self.parked -= waiters.len();
        waiters
    }

    /// Hands back all who still wait, with no target settled. Forgets all.
    pub fn abandon(&mut self) -> Vec<P> {
        let mut abandoned = Vec::with_capacity(self.parked);
        for key in mem::take(&mut self.turns) {
            if let Some(State::Asking(waiters)) = self.targets.remove(&key) {
                abandoned.extend(waiters);
            }
        }
        self.parked = 0;
        abandoned
    }

    /// How many wait.
    pub const fn parked(&self) -> usize {
        self.parked
    }

    fn count_parked(&mut self, ask: bool) -> TargetReply<P> {
        self.parked += 1;
        TargetReply::Parked { ask }
    }

    fn make_room(&mut self) -> bool {
        if self.targets.len() < self.bounds.targets {
            return true;
        }
        for _ in 0..EVICTION_SCAN {
            let Some(key) = self.turns.pop_front() else { return false };
            if matches!(self.targets.get(&key), Some(State::Known { .. })) {
                self.targets.remove(&key);
                return true;
            }
            self.turns.push_back(key);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Fault;
    use crate::verify::Tier;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn at(seconds: u64) -> Offset {
        Offset::from(Duration::from_secs(seconds))
    }

    fn key(n: u8) -> TargetKey {
        TargetKey::of_file(&format!("https://cdn.test/{n}").parse().unwrap())
    }

    fn found(n: u8) -> TargetAnswer {
        let verdict = TargetVerdict::broken(Fault::TargetForbidden, Tier::Fetch, "told");
        TargetAnswer { key: key(n), found: Some(Found { verdict, valid_for: Duration::from_secs(10) }) }
    }

    fn cache(targets: usize, parked: usize) -> TargetCache<u32> {
        TargetCache::new(TargetBounds { targets, parked })
    }

    const ASKS: TargetReply<u32> = TargetReply::Parked { ask: true };
    const WAITS: TargetReply<u32> = TargetReply::Parked { ask: false };

    #[test]
    fn a_target_is_asked_for_once_and_all_who_waited_come_back_in_order() {
        let mut cache = cache(10, 10);
        assert_eq!(cache.ask(key(1), at(0), 1), ASKS);
        assert_eq!(cache.ask(key(1), at(0), 2), WAITS);
        assert_eq!(cache.ask(key(2), at(0), 3), ASKS);
        assert_eq!(cache.settle(&found(1), at(1)), [1, 2]);
        let left = |seconds| Found { valid_for: Duration::from_secs(seconds), ..found(1).found.unwrap() };
        assert_eq!(cache.ask(key(1), at(5), 4), TargetReply::Known(left(6), 4));
        assert_eq!(cache.ask(key(1), at(11), 5), ASKS, "what is known runs out");
        assert!(cache.settle(&found(3), at(1)).is_empty());
        assert_eq!(cache.abandon(), [5, 3]);
        assert_eq!(cache.parked(), 0);
    }

    #[test]
    fn what_the_budget_left_out_is_asked_for_by_the_next() {
        let mut cache = cache(10, 10);
        assert_eq!(cache.ask(key(1), at(0), 1), ASKS);
        assert_eq!(cache.settle(&TargetAnswer { found: None, ..found(1) }, at(0)), [1]);
        assert_eq!(cache.ask(key(1), at(0), 2), ASKS);
    }

    #[test]
    fn beyond_its_bounds_it_forgets_the_oldest_and_parks_no_more() {
        let mut cache = cache(2, 3);
        assert_eq!(cache.ask(key(1), at(0), 1), ASKS);
        assert_eq!(cache.ask(key(2), at(0), 2), ASKS);
        assert_eq!(cache.ask(key(3), at(0), 3), TargetReply::Refused(3), "both are waited for");
        assert_eq!(cache.settle(&found(2), at(0)), [2]);
        assert_eq!(cache.ask(key(3), at(0), 4), ASKS);
        assert_eq!(cache.settle(&found(3), at(0)), [4]);
        assert_eq!(cache.ask(key(2), at(0), 5), ASKS, "it was forgotten");
        assert_eq!(cache.ask(key(1), at(0), 6), WAITS);
        assert_eq!(cache.ask(key(1), at(0), 7), TargetReply::Refused(7));
    }

    proptest! {
        /// Whatever is asked and settled in whatever order: nobody is lost,
        /// nobody comes back twice, and the bounds hold.
        #[test]
        fn nobody_is_lost(steps in prop::collection::vec((0..6_u8, 0..3_u8, 0..9_u64), 0..200)) {
            let mut cache = cache(3, 8);
            let (mut now, mut back) = (0, Vec::new());
            let asked = u32::try_from(steps.len()).unwrap();
            for (waiter, (n, settle, pass)) in (0..).zip(steps) {
                now += pass;
                match cache.ask(key(n), at(now), waiter) {
                    TargetReply::Known(_, waiter) | TargetReply::Refused(waiter) => back.push(waiter),
                    TargetReply::Parked { .. } => {}
                }
                match settle {
                    0 => {}
                    1 => back.extend(cache.settle(&found(n), at(now))),
                    _ => back.extend(cache.settle(&TargetAnswer { found: None, ..found(n) }, at(now))),
                }
                prop_assert!(cache.targets.len() <= 3 && cache.turns.len() == cache.targets.len());
                prop_assert!(cache.parked() <= 8);
            }
            back.extend(cache.abandon());
            prop_assert_eq!(back.len(), asked as usize);
            prop_assert_eq!(back.into_iter().collect::<BTreeSet<_>>(), (0..asked).collect());
        }
    }
}
