//! The clock of a run: offsets since its start.
//!
//! All workers of a run share one start instant, so their offsets compare. The
//! clock is tokio's, which tests can pause.

use downpour_core::units::{Offset, Stamp};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use tokio::time::Instant;

/// Where the run began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunClock {
    start: Instant,
}

impl RunClock {
    /// A run that begins after `lead`, which gives every worker the time to
    /// reach its first wait.
    pub(crate) fn starting_in(lead: Duration) -> Self {
        Self { start: Instant::now() + lead }
    }

    /// Now, since the start; zero before it.
    pub(crate) fn now(self) -> Offset {
        Offset::from(Instant::now().saturating_duration_since(self.start))
    }

    /// Whether that offset lies ahead. Not the same as comparing with
    /// [`RunClock::now`], which is zero until the run begins.
    pub(crate) fn is_before(self, offset: Offset) -> bool {
        Instant::now() < self.instant(offset)
    }

    /// The instant at that offset. Offsets beyond what the clock can hold are
    /// a hundred years away, which no run reaches.
    pub(crate) fn instant(self, offset: Offset) -> Instant {
        const CENTURY: Duration = Duration::from_hours(876_600);
        self.start + offset.as_duration().min(CENTURY)
    }
}

/// Now, by the wall clock: what a signed URL ends by. It may jump, so nothing
/// is timed with it.
pub(crate) fn wall_now() -> Stamp {
    let now = clock_gettime(ClockId::Realtime);
    Stamp::from_nanos(now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec))
}
