//! Redirects: how far each was judged, and where they led.
//!
//! A redirect is checked, known to be broken, or unchecked at every tier, and
//! unchecked only for one of a closed list of reasons, so that a check that did
//! not happen can never look like one that passed. Hosts are bounded, as a broken candidate can
//! invent a new one for every answer.

use super::example::printable;
use downpour_core::fault::Fault;
use downpour_core::units::Offset;
use downpour_verify::Tier;
use downpour_verify::cache_lifetime::CacheLifetime;
use std::collections::BTreeMap;

/// Distinct hosts that one worker tells apart in one second.
const HOSTS_RECORDED: usize = 256;
/// Distinct hosts kept when workers or seconds are merged.
const HOSTS_MERGED: usize = 1_000;
/// Bytes of a host name kept. RFC 1035 §3.1 allows 255 for a real one.
const HOST_BYTES: usize = 255;

/// Why a redirect was not judged at a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unchecked {
    /// The operator left the tier out.
    TierOff,
    /// There was no place to ask for.
    NoLocation,
    /// Too many distinct hosts.
    HostLimit,
    /// The run ended first.
    RunEnded,
    /// It leads back to the candidate, which cannot be asked as targets are.
    OwnOrigin,
    /// Left out by `--verify-sample`, or `--verify-json`.
    SampledOut,
    /// The rate, or the time that was left, did not suffice.
    Budget,
    /// Nobody knows what the digest must be.
    NoDigest,
    /// The rules state no form in JSON.
    NoJson,
    /// No resolver answered.
    NoResolver,
}

impl Unchecked {
    /// All reasons.
    pub const ALL: [Self; 10] = [
        Self::TierOff,
        Self::NoLocation,
        Self::HostLimit,
        Self::RunEnded,
        Self::OwnOrigin,
        Self::SampledOut,
        Self::Budget,
        Self::NoDigest,
        Self::NoJson,
        Self::NoResolver,
    ];

    /// The stable name of the reason.
    pub const fn id(self) -> &'static str {
        match self {
            Self::TierOff => "tier_off",
            Self::NoLocation => "no_location",
            Self::HostLimit => "host_limit",
            Self::RunEnded => "run_ended",
            Self::OwnOrigin => "own_origin",
            Self::SampledOut => "sampled_out",
            Self::Budget => "budget",
            Self::NoDigest => "no_digest",
            Self::NoJson => "no_json",
            Self::NoResolver => "no_resolver",
        }
    }
}

/// Whether a redirect was judged at a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// It was, with whatever result.
    Checked,
    /// A cheaper tier had found it broken: there was nothing left to look at.
    Broken,
    /// It was not.
    Unchecked(Unchecked),
}

/// Where a redirect leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leads<'a> {
    /// To this host.
    To(&'a str),
    /// Back to the candidate: it is relative, or names it.
    Home,
    /// Nowhere: it names no usable host, or was not judged.
    Nowhere,
}

/// One answer that redirects, after it was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JudgedRedirect<'a> {
    /// When the answer was complete.
    pub at: Offset,
    /// Where it leads.
    pub leads: Leads<'a>,
    /// What is wrong with it.
    pub fault: Option<Fault>,
    /// How long caches may keep it.
    pub cache_lifetime: Option<CacheLifetime>,
    /// How far it was judged, in the order of [`Tier::ALL`].
    pub tiers: [Coverage; Tier::ALL.len()],
}

/// Redirects that lead astray and that caches may keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheableWrong {
    /// How many.
    pub count: u64,
    /// Those that may be kept for as long as the cache likes.
    pub without_end: u64,
    /// The longest that one of the others may be kept, in seconds.
    pub longest_s: u64,
}

impl CacheableWrong {
    fn count(&mut self, redirect: &JudgedRedirect<'_>) {
        let (Some(lasting), true) =
            (redirect.cache_lifetime, redirect.fault.is_some_and(Fault::is_bad_redirect))
        else {
            return;
        };
        self.count += 1;
        match lasting {
            CacheLifetime::Seconds(seconds) => self.longest_s = self.longest_s.max(seconds),
            CacheLifetime::Heuristic => self.without_end += 1,
        }
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.without_end += other.without_end;
        self.longest_s = self.longest_s.max(other.longest_s);
    }
}

/// Redirects by tier.
///
/// Invariant: at each tier, `seen` = checked + broken + the sum of unchecked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RedirectCounts {
    /// Answers that redirect.
    pub seen: u64,
    /// Those that will outlive a roll-back.
    pub cacheable_wrong: CacheableWrong,
    checked: [u64; Tier::ALL.len()],
    broken: [u64; Tier::ALL.len()],
    unchecked: [[u64; Unchecked::ALL.len()]; Tier::ALL.len()],
}

impl RedirectCounts {
    /// How many were judged at `tier`.
    pub const fn checked(&self, tier: Tier) -> u64 {
        self.checked[tier as usize]
    }

    /// How many were found broken before `tier`.
    pub const fn broken(&self, tier: Tier) -> u64 {
        self.broken[tier as usize]
    }

    /// How many were not judged at `tier`, for `reason`.
    pub const fn unchecked(&self, tier: Tier, reason: Unchecked) -> u64 {
        self.unchecked[tier as usize][reason as usize]
    }

    /// How many were not judged at `tier`, for any reason.
    pub fn unchecked_total(&self, tier: Tier) -> u64 {
        self.unchecked[tier as usize].iter().sum()
    }

    /// The deepest tier that was on for any redirect; `Headers` if none was.
    /// The form in JSON lies beside them.
    pub fn deepest(&self) -> Tier {
        let on = |tier: &Tier| self.unchecked(*tier, Unchecked::TierOff) < self.seen;
        Tier::ALL.into_iter().rev().filter(|tier| *tier != Tier::Json).find(on).unwrap_or(Tier::Headers)
    }

    pub(super) fn count(&mut self, redirect: &JudgedRedirect<'_>) {
        self.seen += 1;
        self.cacheable_wrong.count(redirect);
        for (tier, coverage) in redirect.tiers.into_iter().enumerate() {
            match coverage {
                Coverage::Checked => self.checked[tier] += 1,
                Coverage::Broken => self.broken[tier] += 1,
                Coverage::Unchecked(reason) => self.unchecked[tier][reason as usize] += 1,
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.seen += other.seen;
        self.cacheable_wrong.merge(other.cacheable_wrong);
        for tier in Tier::ALL.map(|tier| tier as usize) {
            self.checked[tier] += other.checked[tier];
            self.broken[tier] += other.broken[tier];
            for (mine, theirs) in self.unchecked[tier].iter_mut().zip(other.unchecked[tier]) {
                *mine += theirs;
            }
        }
    }
}

/// What is known of a host that redirects point to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCounts {
    /// Redirects that point to it.
    pub redirects: u64,
    /// The latest fault of a redirect that points to it, and when.
    pub last_fault: Option<(Offset, Fault)>,
}

impl HostCounts {
    fn merge(&mut self, other: Self) {
        self.redirects += other.redirects;
        self.last_fault = self.last_fault.max(other.last_fault);
    }
}

/// Where redirects led, by host.
///
/// A worker keeps the first 256 hosts of a second: a host that matters comes
/// early and often. Merging keeps the 1,000 with most redirects. What is left
/// out is counted in [`HostTable::others`], so no redirect is lost; merging is
/// independent of order as long as the limit is not reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostTable {
    known: BTreeMap<String, HostCounts>,
    others: u64,
    home: u64,
    without: u64,
}

impl HostTable {
    /// The hosts kept, by name.
    pub fn known(&self) -> impl Iterator<Item = (&str, HostCounts)> {
        self.known.iter().map(|(name, host)| (name.as_str(), *host))
    }

    /// Redirects to hosts that were not kept.
    pub const fn others(&self) -> u64 {
        self.others
    }

    /// Redirects back to the candidate.
    pub const fn home(&self) -> u64 {
        self.home
    }

    /// Redirects without a usable host.
    pub const fn without(&self) -> u64 {
        self.without
    }

    pub(super) fn count(&mut self, redirect: &JudgedRedirect<'_>) {
        let name = match redirect.leads {
            Leads::To(name) => name,
            Leads::Home => return self.home += 1,
            Leads::Nowhere => return self.without += 1,
        };
        let seen = HostCounts { redirects: 1, last_fault: redirect.fault.map(|fault| (redirect.at, fault)) };
        // Plain names, nearly all of them, are looked up without copying.
        if let Some(host) = self.known.get_mut(name) {
            host.merge(seen);
            return;
        }
        let name = printable(name.as_bytes(), HOST_BYTES);
        if self.known.len() < HOSTS_RECORDED || self.known.contains_key(&name) {
            self.known.entry(name).or_default().merge(seen);
        } else {
            self.others += 1;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.others += other.others;
        self.home += other.home;
        self.without += other.without;
        for (name, &host) in &other.known {
            match self.known.get_mut(name) {
                Some(mine) => mine.merge(host),
                None => {
                    self.known.insert(name.clone(), host);
                }
            }
        }
        self.drop_rarest();
    }

    fn drop_rarest(&mut self) {
        if self.known.len() <= HOSTS_MERGED {
            return;
        }
        let mut by_weight: Vec<(u64, String)> =
            self.known.iter().map(|(name, host)| (host.redirects, name.clone())).collect();
        by_weight.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        for (redirects, name) in by_weight.into_iter().skip(HOSTS_MERGED) {
            self.known.remove(&name);
            self.others += redirects;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(host: Option<&str>) -> JudgedRedirect<'_> {
        JudgedRedirect {
            at: Offset::ZERO,
            leads: host.map_or(Leads::Nowhere, Leads::To),
            fault: None,
            cache_lifetime: None,
            tiers: [Coverage::Checked; Tier::ALL.len()],
        }
    }

    fn redirects(hosts: &HostTable) -> u64 {
        hosts.known().map(|(_, host)| host.redirects).sum::<u64>() + hosts.others() + hosts.without()
    }

    #[test]
    fn each_tier_counts_every_redirect_once() {
        let mut counts = RedirectCounts::default();
        assert_eq!(counts.deepest(), Tier::Headers);
        let off = Coverage::Unchecked(Unchecked::TierOff);
        let tiers = |tiers| JudgedRedirect { tiers, ..to(None) };
        counts.count(&tiers([Coverage::Checked, Coverage::Checked, off, off, off, off, off]));
        counts.count(&tiers([Coverage::Checked, Coverage::Broken, off, off, off, off, Coverage::Checked]));
        assert_eq!(counts.deepest(), Tier::Policy);
        assert_eq!(counts.checked(Tier::Policy), 1);
        assert_eq!((counts.broken(Tier::Policy), counts.unchecked_total(Tier::Policy)), (1, 0));
        for tier in Tier::ALL {
            assert_eq!(
                counts.checked(tier) + counts.broken(tier) + counts.unchecked_total(tier),
                counts.seen
            );
        }
    }

    #[test]
    fn what_caches_keep_matters_where_it_is_wrong() {
        let seen = |fault, lasting| JudgedRedirect { fault, cache_lifetime: lasting, ..to(None) };
        let (mut counts, mut others) = (RedirectCounts::default(), RedirectCounts::default());
        counts.count(&seen(None, Some(CacheLifetime::Heuristic)));
        counts.count(&seen(Some(Fault::LocationWrongHost), None));
        counts.count(&seen(Some(Fault::StatusUnexpected), Some(CacheLifetime::Heuristic)));
        counts.count(&seen(Some(Fault::LocationWrongHost), Some(CacheLifetime::Seconds(7))));
        others.count(&seen(Some(Fault::DnsNxdomain), Some(CacheLifetime::Seconds(9))));
        others.count(&seen(Some(Fault::LocationLoop), Some(CacheLifetime::Heuristic)));
        counts.merge(&others);
        assert_eq!(counts.cacheable_wrong, CacheableWrong { count: 3, without_end: 1, longest_s: 9 });
    }

    #[test]
    fn a_host_for_every_answer_does_not_grow_the_tally() {
        let mut merged = HostTable::default();
        for worker in 0..8 {
            let mut hosts = HostTable::default();
            for n in 0..2_000 {
                hosts.count(&to(Some("static.crates.io")));
                hosts.count(&to(Some(&format!("{worker}-{n}.example"))));
            }
            hosts.count(&to(None));
            assert_eq!(hosts.known().count(), HOSTS_RECORDED);
            merged.merge(&hosts);
        }
        assert_eq!(merged.known().count(), HOSTS_MERGED);
        assert_eq!(redirects(&merged), 8 * 4_001);
        let main = merged.known().find(|(name, _)| *name == "static.crates.io").unwrap();
        assert_eq!(main.1.redirects, 8 * 2_000);
    }

    #[test]
    fn names_are_bounded_and_printable() {
        let mut hosts = HostTable::default();
        let long = "a".repeat(1_000_000);
        for name in [long.as_str(), long.as_str(), "\u{1b}[2J"] {
            hosts.count(&to(Some(name)));
        }
        let names: Vec<_> = hosts.known().collect();
        assert_eq!(names[0].0, "\\x1B[2J");
        assert_eq!((names[1].0.len(), names[1].1.redirects), (HOST_BYTES, 2));
    }

    #[test]
    fn the_latest_fault_of_a_host_is_kept() {
        let at = |nanos, fault| JudgedRedirect { at: Offset::from_nanos(nanos), fault, ..to(Some("h")) };
        let mut hosts = HostTable::default();
        hosts.count(&at(5, Some(Fault::DnsNxdomain)));
        hosts.count(&at(3, Some(Fault::DnsTimeout)));
        hosts.count(&at(9, None));
        let last = hosts.known().next().unwrap().1.last_fault;
        assert_eq!(last, Some((Offset::from_nanos(5), Fault::DnsNxdomain)));
    }
}
