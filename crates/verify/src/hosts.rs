//! What is known of the hosts that redirects point to, and for how long.
//!
//! Pure. Who waits for it is kept by [`super::single_flight`], for each worker
//! by itself.

use super::HostVerdict;
use super::single_flight::{CacheBounds, Cached, Eviction, SingleFlight};
use downpour_core::fault::Fault;
use std::sync::Arc;
use std::time::Duration;

/// The longest host name, without a last dot: RFC 1035 §2.3.4.
pub const HOST_BYTES_MAX: usize = 253;

/// The hosts of one worker: 4,096 of them, which make room when their knowledge
/// has run out, and 65,536 answers that wait for one: those of ten seconds at
/// 6.5 thousand a second, which is longer than a silent resolver takes to be
/// given up.
pub const HOST_BOUNDS: CacheBounds = CacheBounds { keys: 4_096, parked: 65_536, eviction: Eviction::Expired };

/// Hosts, each known, or asked for with those who wait.
pub type HostCache<P> = SingleFlight<Arc<str>, HostVerdict, P>;

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

    /// What is known, and for how long.
    pub const fn cached(&self) -> Cached<HostVerdict> {
        Cached { value: self.verdict, valid_for: self.valid_for }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
