//! What is known of the hosts that redirects point to, and who waits for it.
//!
//! Pure: time comes in, a lookup goes out as a word to the caller. A host is
//! asked for once, however many answers name it; those that come meanwhile are
//! parked here and handed back when it is settled. What is known is forgotten
//! in time, so that the end of an outage is noticed. Both the hosts and the
//! parked are bounded, because a candidate may name a new host in each answer.

use super::HostVerdict;
use crate::fault::Fault;
use crate::units::Offset;
use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

/// The longest host name, without a last dot: RFC 1035 §2.3.4.
pub const HOST_BYTES_MAX: usize = 253;

/// How many hosts are looked at for one that can make room.
const EVICTION_SCAN: usize = 8;

/// A host that cannot be asked about is not asked about again for so long.
const INCONCLUSIVE_VALIDITY: Duration = Duration::from_secs(1);

const POSITIVE_VALIDITY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));

/// RFC 2308 §5 would allow hours; the wish to notice a repair allows seconds.
const NEGATIVE_VALIDITY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// What a lookup found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAnswer {
    /// The name that was asked for, as it was asked.
    pub host: Arc<str>,
    /// What is now known of it.
    pub verdict: HostVerdict,
    /// How long that holds.
    pub valid_for: Duration,
}

impl HostAnswer {
    /// The host has addresses, whose records live for `ttl`. What the verdict
    /// on them is, [`super::address::PrivateAddresses`] says. Held for 1 to
    /// 300 seconds.
    pub fn found(host: Arc<str>, verdict: HostVerdict, ttl: Duration) -> Self {
        let (least, most) = POSITIVE_VALIDITY;
        Self { host, verdict, valid_for: ttl.clamp(least, most) }
    }

    /// The host certainly has no address. `ttl` is the negative one of
    /// RFC 2308 §5, if an SOA came with the answer. Held for 1 to 10 seconds.
    pub fn denied(host: Arc<str>, fault: Fault, ttl: Option<Duration>) -> Self {
        let (least, most) = NEGATIVE_VALIDITY;
        let valid_for = ttl.unwrap_or(least).clamp(least, most);
        Self { host, verdict: HostVerdict::Broken(fault), valid_for }
    }

    /// Nobody can tell: the resolver failed, or could not be asked. Held for
    /// one second, the least that RFC 9520 §3.2 asks of a resolver.
    pub const fn inconclusive(host: Arc<str>, fault: Fault) -> Self {
        Self { host, verdict: HostVerdict::Broken(fault), valid_for: INCONCLUSIVE_VALIDITY }
    }
}

/// How much a [`HostCache`] may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostBounds {
    /// Distinct hosts.
    pub hosts: usize,
    /// Parked entries, over all hosts.
    pub parked: usize,
}

impl Default for HostBounds {
    /// 4,096 hosts, 65,536 parked: the answers of ten seconds at 6.5 thousand
    /// a second, which is longer than a silent resolver takes to be given up.
    fn default() -> Self {
        Self { hosts: 4_096, parked: 65_536 }
    }
}

/// What a [`HostCache`] says of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostReply<P> {
    /// It is known; what was to be parked comes back.
    Known(HostVerdict, P),
    /// It is not; what was parked comes back from [`HostCache::settle`].
    Parked {
        /// Whether the caller is to start the lookup: it is the first to ask.
        lookup: bool,
    },
    /// A bound was reached, or the name is none: [`Fault::DnsUnchecked`].
    Refused(P),
}

/// What a [`HostCache`] was asked, by what it said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostStats {
    /// Known at once.
    pub hits: u64,
    /// Parked behind a lookup, the first to ask included.
    pub parked: u64,
    /// Lookups that the caller was told to start.
    pub lookups: u64,
    /// Refused because of a bound.
    pub refused: u64,
}

/// The hosts of one worker, each known, or asked for with those who wait.
///
/// Invariant: `parked` is the sum of what all hosts hold, and `turns` holds
/// each host once.
#[derive(Debug)]
pub struct HostCache<P> {
    hosts: HashMap<Arc<str>, State<P>>,
    /// The hosts in the order in which they are looked at for room.
    turns: VecDeque<Arc<str>>,
    bounds: HostBounds,
    parked: usize,
    stats: HostStats,
}

#[derive(Debug)]
enum State<P> {
    Known { verdict: HostVerdict, until: Offset },
    Asking(Vec<P>),
}

impl<P> HostCache<P> {
    /// An empty cache.
    pub fn new(bounds: HostBounds) -> Self {
        let (hosts, turns) = (HashMap::new(), VecDeque::new());
        Self { hosts, turns, bounds, parked: 0, stats: HostStats::default() }
    }

    /// What is known of `host` at `now`, for those who would not wait.
    pub fn known(&mut self, host: &str, now: Offset) -> Option<HostVerdict> {
        match self.hosts.get(host) {
            Some(&State::Known { verdict, until }) if now < until => {
                self.stats.hits += 1;
                Some(verdict)
            }
            Some(_) | None => None,
        }
    }

    /// What is known of `host` at `now`; otherwise `waiter` is parked.
    ///
    /// When all hosts are taken, one whose knowledge has run out makes room;
    /// a few are looked at each time, so the cost does not grow. A host that
    /// somebody waits for, or that is still known, never makes room.
    pub fn ask(&mut self, host: &str, now: Offset, waiter: P) -> HostReply<P> {
        match self.hosts.get_mut(host) {
            Some(&mut State::Known { verdict, until }) if now < until => {
                self.stats.hits += 1;
                HostReply::Known(verdict, waiter)
            }
            _ if self.parked >= self.bounds.parked => self.refuse(waiter),
            Some(State::Asking(waiters)) => {
                waiters.push(waiter);
                self.count_parked(false)
            }
            Some(expired @ State::Known { .. }) => {
                *expired = State::Asking(vec![waiter]);
                self.count_parked(true)
            }
            None => self.ask_new(host, now, waiter),
        }
    }

    /// Takes in what a lookup found and hands back all who waited for it, in
    /// the order in which they came. An answer nobody asked for is ignored.
    pub fn settle(&mut self, answer: &HostAnswer, now: Offset) -> Vec<P> {
        let Some(state @ State::Asking(_)) = self.hosts.get_mut(&answer.host) else {
            return Vec::new();
        };
        let known = State::Known { verdict: answer.verdict, until: now.after(answer.valid_for) };
        let State::Asking(waiters) = mem::replace(state, known) else {
            return Vec::new();
        };
        self.parked -= waiters.len();
        waiters
    }

    /// Hands back all who still wait, with no host settled: the run has ended,
    /// or lookups have. Forgets all hosts.
    pub fn abandon(&mut self) -> Vec<P> {
        let mut abandoned = Vec::with_capacity(self.parked);
        for host in mem::take(&mut self.turns) {
            if let Some(State::Asking(waiters)) = self.hosts.remove(&host) {
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

    /// What it was asked so far.
    pub const fn stats(&self) -> HostStats {
        self.stats
    }

    fn ask_new(&mut self, host: &str, now: Offset, waiter: P) -> HostReply<P> {
        // With one byte for a last dot.
        if host.len() > HOST_BYTES_MAX + 1 || !self.make_room(now) {
            return self.refuse(waiter);
        }
        let host: Arc<str> = host.into();
        self.turns.push_back(Arc::clone(&host));
        self.hosts.insert(host, State::Asking(vec![waiter]));
        self.count_parked(true)
    }

    fn refuse(&mut self, waiter: P) -> HostReply<P> {
        self.stats.refused += 1;
        HostReply::Refused(waiter)
    }

    fn count_parked(&mut self, lookup: bool) -> HostReply<P> {
        self.parked += 1;
        self.stats.parked += 1;
        self.stats.lookups += u64::from(lookup);
        HostReply::Parked { lookup }
    }

    fn make_room(&mut self, now: Offset) -> bool {
        if self.hosts.len() < self.bounds.hosts {
            return true;
        }
        for _ in 0..EVICTION_SCAN {
            let Some(host) = self.turns.pop_front() else { return false };
            if matches!(self.hosts.get(&host), Some(&State::Known { until, .. }) if until <= now) {
                self.hosts.remove(&host);
                return true;
            }
            self.turns.push_back(host);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const NXDOMAIN: HostVerdict = HostVerdict::Broken(Fault::DnsNxdomain);

    fn at(seconds: u64) -> Offset {
        Offset::from(Duration::from_secs(seconds))
    }

    fn cache(hosts: usize, parked: usize) -> HostCache<u32> {
        HostCache::new(HostBounds { hosts, parked })
    }

    fn nxdomain(host: &str) -> HostAnswer {
        HostAnswer::denied(host.into(), Fault::DnsNxdomain, Some(Duration::from_hours(1)))
    }

    #[test]
    fn a_host_is_asked_for_once_and_all_who_waited_come_back_in_order() {
        let mut cache = cache(10, 10);
        assert_eq!(cache.ask("a", at(0), 1), HostReply::Parked { lookup: true });
        assert_eq!(cache.ask("a", at(0), 2), HostReply::Parked { lookup: false });
        assert_eq!(cache.ask("b", at(0), 3), HostReply::Parked { lookup: true });
        assert_eq!(cache.settle(&nxdomain("a"), at(1)), [1, 2]);
        assert_eq!(cache.ask("a", at(1), 4), HostReply::Known(NXDOMAIN, 4));
        assert!(cache.settle(&nxdomain("a"), at(1)).is_empty());
        assert!(cache.settle(&nxdomain("c"), at(1)).is_empty());
        assert_eq!(cache.parked(), 1);
        assert_eq!(cache.abandon(), [3]);
        assert_eq!(cache.stats(), HostStats { hits: 1, parked: 3, lookups: 2, refused: 0 });
    }

    #[test]
    fn the_end_of_an_outage_is_noticed() {
        let mut cache = cache(10, 10);
        cache.ask("a", at(0), 1);
        cache.settle(&nxdomain("a"), at(0));
        assert_eq!(cache.ask("a", at(9), 2), HostReply::Known(NXDOMAIN, 2));
        assert_eq!(cache.ask("a", at(10), 3), HostReply::Parked { lookup: true });
        assert_eq!(cache.ask("a", at(10), 4), HostReply::Parked { lookup: false });
        let found = HostAnswer::found("a".into(), HostVerdict::Resolved, Duration::from_mins(1));
        assert_eq!(cache.settle(&found, at(11)), [3, 4]);
        assert_eq!(cache.ask("a", at(70), 5), HostReply::Known(HostVerdict::Resolved, 5));
    }

    #[test]
    fn validity_is_clamped() {
        let seconds = |answer: HostAnswer| answer.valid_for.as_secs();
        let found =
            |ttl| seconds(HostAnswer::found("a".into(), HostVerdict::Resolved, Duration::from_secs(ttl)));
        assert_eq!([found(0), found(60), found(86_400)], [1, 60, 300]);
        let denied = |ttl: Option<u64>| {
            seconds(HostAnswer::denied("a".into(), Fault::DnsNxdomain, ttl.map(Duration::from_secs)))
        };
        assert_eq!([denied(None), denied(Some(0)), denied(Some(5)), denied(Some(900))], [1, 1, 5, 10]);
        assert_eq!(seconds(HostAnswer::inconclusive("a".into(), Fault::DnsTimeout)), 1);
    }

    #[test]
    fn beyond_its_bounds_it_refuses_until_knowledge_has_run_out() {
        let mut cache = cache(2, 3);
        cache.ask("a", at(0), 1);
        cache.ask("b", at(0), 2);
        assert_eq!(cache.ask("c", at(0), 3), HostReply::Refused(3));
        cache.ask("b", at(0), 4);
        assert_eq!(cache.ask("b", at(0), 5), HostReply::Refused(5));
        assert_eq!(cache.settle(&nxdomain("a"), at(0)), [1]);
        assert_eq!(cache.ask("c", at(9), 6), HostReply::Refused(6), "a is still known");
        assert_eq!(cache.ask("c", at(10), 7), HostReply::Parked { lookup: true });
        assert_eq!(cache.ask(&"x".repeat(255), at(10), 8), HostReply::Refused(8));
        assert_eq!(cache.stats().refused, 4);
    }

    proptest! {
        /// Whatever is asked and settled in whatever order: nobody is lost,
        /// nobody comes back twice, and the bounds hold.
        #[test]
        fn nobody_is_lost(steps in prop::collection::vec((0..6_u8, any::<bool>(), 0..4_u64), 0..200)) {
            let mut cache = cache(3, 8);
            let (mut now, mut back) = (0, Vec::new());
            let asked = u32::try_from(steps.len()).unwrap();
            for (waiter, (host, settle, pass)) in (0..).zip(steps) {
                now += pass;
                let host = host.to_string();
                match cache.ask(&host, at(now), waiter) {
                    HostReply::Known(_, waiter) | HostReply::Refused(waiter) => back.push(waiter),
                    HostReply::Parked { .. } => {}
                }
                if settle {
                    back.extend(cache.settle(&nxdomain(&host), at(now)));
                }
                prop_assert!(cache.hosts.len() <= 3 && cache.turns.len() == cache.hosts.len());
                prop_assert!(cache.parked() <= 8);
            }
            back.extend(cache.abandon());
            prop_assert_eq!(back.len(), asked as usize);
            prop_assert_eq!(back.into_iter().collect::<BTreeSet<_>>(), (0..asked).collect());
        }
    }
}
