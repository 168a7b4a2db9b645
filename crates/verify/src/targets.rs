//! What is known of the targets that redirects lead to.
//!
//! Pure. Who waits for it is kept by [`super::single_flight`]: each worker has
//! one, and the thread that asks has one for all of them. There are far more
//! targets than hosts, so they are known by a digest alone, and beyond the bound
//! the oldest are forgotten, to be asked for again, instead of new ones refused.

use super::probe::{TargetKey, TargetVerdict};
use super::single_flight::{CacheBounds, Cached, Eviction, SingleFlight};

/// What is known of a target, and for how long.
pub type CachedVerdict = Cached<TargetVerdict>;

/// Targets, each known, or asked for with those who wait.
pub type TargetCache<P> = SingleFlight<TargetKey, TargetVerdict, P>;

/// Those of one worker: 65,536, at about a hundred bytes each and up to 448 more
/// for what is told of a broken one, and as many answers that wait.
pub const WORKER_BOUNDS: CacheBounds =
    CacheBounds { keys: 65_536, parked: 65_536, eviction: Eviction::Oldest };

/// Those of all workers: 262,144, about 25 MB.
pub const ALL_BOUNDS: CacheBounds = CacheBounds { keys: 262_144, parked: 65_536, eviction: Eviction::Oldest };

/// What asking for a target came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetAnswer {
    /// What was asked for.
    pub key: TargetKey,
    /// What is now known of it; `None` where the budget left it out.
    pub verdict: Option<CachedVerdict>,
}
