//! The clock of a run: offsets since its start, and how to wait for one.
//!
//! All workers of a run share one start instant, so their offsets compare. The
//! clock is tokio's, which tests can pause; only the timerfd below reads the
//! system's monotonic clock, once, to know where the start lies on it.

use crate::units::Offset;
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

    /// Whether that offset has come. Unlike a comparison with [`Self::now`], this
    /// tells the time before the start from the start itself, so that what is
    /// due at zero does not go out early.
    pub(crate) fn has_reached(self, offset: Offset) -> bool {
        Instant::now() >= self.instant(offset)
    }

    /// The instant at that offset. Offsets beyond what the clock can hold are
    /// a hundred years away, which no run reaches.
    pub(crate) fn instant(self, offset: Offset) -> Instant {
        const CENTURY: Duration = Duration::from_hours(876_600);
        self.start + offset.as_duration().min(CENTURY)
    }
}

/// Waits until an offset of the run, as exactly as the system can.
#[derive(Debug)]
pub(crate) struct Pacer {
    #[cfg(target_os = "linux")]
    timer: timerfd::Timer,
    #[cfg(not(target_os = "linux"))]
    clock: RunClock,
}

impl Pacer {
    /// The most exact pacer there is here: a timerfd on Linux, tokio's timers
    /// elsewhere.
    pub(crate) fn exact(clock: RunClock) -> std::io::Result<Self> {
        Ok(Self {
            #[cfg(target_os = "linux")]
            timer: timerfd::Timer::new(clock)?,
            #[cfg(not(target_os = "linux"))]
            clock,
        })
    }

    /// Returns once `offset` is reached, at once where it lies in the past.
    pub(crate) async fn until(&self, offset: Offset) -> std::io::Result<()> {
        #[cfg(target_os = "linux")]
        return self.timer.until(offset).await;
        #[cfg(not(target_os = "linux"))]
        {
            tokio::time::sleep_until(self.clock.instant(offset)).await;
            Ok(())
        }
    }
}

#[cfg(target_os = "linux")]
mod timerfd {
    //! Tokio's timers tick in milliseconds, and wake half a millisecond late or
    //! more at the median; a timerfd armed with an absolute time is a matter of
    //! tens of microseconds.

    use super::RunClock;
    use crate::units::{NANOS_PER_SECOND, Offset};
    use rustix::time::{
        ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
        timerfd_create, timerfd_settime,
    };
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Duration;
    use tokio::io::unix::AsyncFd;
    use tokio::time::Instant;

    #[derive(Debug)]
    pub(super) struct Timer {
        fd: AsyncFd<OwnedFd>,
        clock: RunClock,
        /// The run's start on `CLOCK_MONOTONIC`.
        start: Duration,
    }

    impl Timer {
        pub(super) fn new(clock: RunClock) -> io::Result<Self> {
            let fd =
                timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
            let now = clock_gettime(ClockId::Monotonic);
            let now = Duration::new(now.tv_sec.unsigned_abs(), 0)
                + Duration::from_nanos(now.tv_nsec.unsigned_abs());
            let start = clock.instant(Offset::ZERO);
            let lead = start.saturating_duration_since(Instant::now());
            let elapsed = Instant::now().saturating_duration_since(start);
            #[expect(
                deprecated,
                reason = "the successor is an unsafe function; an OwnedFd keeps the promise it asks for"
            )]
            let fd = AsyncFd::new(fd)?;
            Ok(Self { fd, clock, start: (now + lead).saturating_sub(elapsed) })
        }

        pub(super) async fn until(&self, offset: Offset) -> io::Result<()> {
            if self.clock.has_reached(offset) {
                return Ok(());
            }
            self.arm(self.start + offset.as_duration())?;
            loop {
                let mut ready = self.fd.readable().await?;
                let fired = ready.try_io(|fd| {
                    let mut expirations = [0_u8; 8];
                    Ok(rustix::io::read(fd, &mut expirations)?)
                });
                // A timer of an earlier wait, given up before it fired, may
                // have left the descriptor ready.
                if matches!(fired, Ok(Ok(_))) && self.clock.has_reached(offset) {
                    return Ok(());
                }
                if self.clock.has_reached(offset) {
                    return Ok(());
                }
            }
        }

        fn arm(&self, at: Duration) -> io::Result<()> {
            let nanos = i64::from(at.subsec_nanos());
            let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
            debug_assert!(nanos < NANOS_PER_SECOND.cast_signed());
            let once = Itimerspec {
                it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
                it_value: Timespec { tv_sec: seconds, tv_nsec: nanos },
            };
            timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &once)?;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_due_at_zero_waits_for_the_start() {
        let clock = RunClock::starting_in(Duration::from_millis(50));
        assert_eq!(clock.now(), Offset::ZERO);
        assert!(!clock.has_reached(Offset::ZERO), "the run has not begun");
        tokio::time::advance(Duration::from_millis(50)).await;
        assert!(clock.has_reached(Offset::ZERO));
        assert!(!clock.has_reached(Offset::from_nanos(1)));
    }
}
