//! Waiting for a due time, as exactly as the system can.
//!
//! Tokio's timers tick in milliseconds and wake half a millisecond late or more
//! at the median; a timerfd armed with an absolute time is a matter of tens of
//! microseconds, less what the pacer has learned that a wake-up takes; spinning
//! of fractions of one, at the price of a core.
//!
//! A wake-up costs more than a request. Where arrivals follow each other faster
//! than the *grain*, the pacer wakes once a grain and everything due by then
//! leaves together: late by at most a grain, never early.

use super::Pacing;
use super::clock::RunClock;
use downpour_core::units::Offset;
use std::cell::Cell;
use std::io;
use std::time::Duration;

/// Waits until offsets of the run.
#[derive(Debug)]
pub(crate) struct Pacer {
    clock: RunClock,
    batch_interval: Duration,
    /// The earliest next wake-up.
    not_before: Cell<Offset>,
    wait_method: WaitMethod,
    /// How long it has waited awake.
    busy_waited: Cell<Duration>,
}

#[derive(Debug)]
enum WaitMethod {
    #[cfg(target_os = "linux")]
    Timerfd(timerfd::Timer),
    Tokio,
    Spin,
}

impl Pacer {
    /// A pacer of that kind, to be made on the runtime that will wait on it.
    pub(crate) fn new(pacing: Pacing, grain: Duration, clock: RunClock) -> io::Result<Self> {
        let by = match pacing {
            #[cfg(target_os = "linux")]
            Pacing::Timer => WaitMethod::Timerfd(timerfd::Timer::new(clock, TimerLead::Learned)?),
            #[cfg(not(target_os = "linux"))]
            Pacing::Timer => WaitMethod::Tokio,
            Pacing::Tokio => WaitMethod::Tokio,
            Pacing::Spin => WaitMethod::Spin,
        };
        Ok(Self {
            clock,
            batch_interval: grain,
            not_before: Cell::new(Offset::ZERO),
            wait_method: by,
            busy_waited: Cell::new(Duration::ZERO),
        })
    }

    /// One beside this, for what may be late by a wake-up: it never waits awake,
    /// so a worker has no more than one that does. Where no timer is to be had,
    /// it is as coarse as tokio's.
    pub(crate) fn relaxed(&self) -> Self {
        let by = match &self.wait_method {
            #[cfg(target_os = "linux")]
            WaitMethod::Timerfd(_) | WaitMethod::Spin => timerfd::Timer::new(self.clock, TimerLead::None)
                .map_or(WaitMethod::Tokio, WaitMethod::Timerfd),
            #[cfg(not(target_os = "linux"))]
            WaitMethod::Spin => WaitMethod::Tokio,
            WaitMethod::Tokio => WaitMethod::Tokio,
        };
        let (clock, not_before, awake) = (self.clock, Cell::default(), Cell::default());
        Self { clock, batch_interval: self.batch_interval, not_before, wait_method: by, busy_waited: awake }
    }

    /// Returns once `due` is reached, at once where it lies in the past.
    pub(crate) async fn until(&self, due: Offset) -> io::Result<()> {
        let wake = due.max(self.not_before.get());
        match &self.wait_method {
            #[cfg(target_os = "linux")]
            WaitMethod::Timerfd(timer) => {
                timer.until(wake).await?;
                self.busy_wait(wake).await;
            }
            WaitMethod::Tokio => tokio::time::sleep_until(self.clock.instant(wake)).await,
            WaitMethod::Spin => self.busy_wait(wake).await,
        }
        if !self.batch_interval.is_zero() {
            self.not_before.set(self.clock.now().after(self.batch_interval));
        }
        Ok(())
    }

    /// For how long it has waited awake so far: time that a busy worker would
    /// not have had.
    pub(crate) fn busy_waited(&self) -> Duration {
        self.busy_waited.get()
    }

    async fn busy_wait(&self, wake: Offset) {
        if !self.clock.is_before(wake) {
            return;
        }
        // What goes beyond `wake` was another task's work.
        let waited = wake.nanos_since(self.clock.now());
        while self.clock.is_before(wake) {
            tokio::task::yield_now().await;
        }
        self.busy_waited.set(self.busy_waited.get().saturating_add(Duration::from_nanos(waited)));
    }
}

/// Whether a timer is set early by what a wake-up takes.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimerLead {
    Learned,
    None,
}

#[cfg(target_os = "linux")]
mod timerfd {
    //! The kernel's high-resolution timer, as a descriptor.

    use super::{RunClock, TimerLead};
    use downpour_core::units::Offset;
    use rustix::time::{
        ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
        timerfd_create, timerfd_settime,
    };
    use std::cell::Cell;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Duration;
    use tokio::io::unix::AsyncFd;
    use tokio::time::Instant;

    /// The most by which a timer is set early, in nanoseconds: a machine whose
    /// wake-ups take longer than that is late.
    const LEAD_MAX: u64 = 60_000;

    /// By how much the lead follows one wake-up, in nanoseconds.
    const LEAD_STEP: u64 = 250;

    /// The run's clock and the kernel's are read one after the other; this is
    /// how far apart the readings may lie.
    const CLOCK_SKEW_MAX: Duration = Duration::from_micros(2);

    #[derive(Debug)]
    pub(super) struct Timer {
        fd: AsyncFd<OwnedFd>,
        clock: RunClock,
        /// The run's start on `CLOCK_MONOTONIC`.
        start: Duration,
        /// How long a wake-up takes here, by the median of those seen. A core
        /// that has fallen asleep needs tens of microseconds to come back, so
        /// the timer is set that much early, and what is left over is for the
        /// pacer to wait out awake.
        lead: Cell<u64>,
        lead_max: u64,
    }

    impl Timer {
        pub(super) fn new(clock: RunClock, lead: TimerLead) -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            #[expect(
                deprecated,
                reason = "the successor is an unsafe function; an OwnedFd keeps the promise it asks for"
            )]
            let fd = AsyncFd::new(fd)?;
            let lead_max = if lead == TimerLead::Learned { LEAD_MAX } else { 0 };
            Ok(Self { fd, clock, start: start_on_monotonic(clock), lead: Cell::new(0), lead_max })
        }

        /// Returns a little before `wake`, or some time after it.
        pub(super) async fn until(&self, wake: Offset) -> io::Result<()> {
            let early = Offset::from_nanos(wake.as_nanos().saturating_sub(self.lead.get()));
            while self.clock.is_before(early) {
                self.arm(self.start + early.as_duration())?;
                // Arming forgets earlier expirations, and readiness is told
                // once for each: the counter need not be read.
                self.fd.readable().await?.clear_ready();
                self.learn(early);
            }
            Ok(())
        }

        /// Moves the lead towards what the wake-up for `early` took: as many
        /// steps up as down make it the median.
        fn learn(&self, early: Offset) {
            let took = self.clock.now().nanos_since(early);
            let lead = self.lead.get();
            let moved = if took > lead { lead + LEAD_STEP } else { lead.saturating_sub(LEAD_STEP) };
            self.lead.set(moved.min(self.lead_max));
        }

        fn arm(&self, at: Duration) -> io::Result<()> {
            let never = Timespec { tv_sec: 0, tv_nsec: 0 };
            let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
            let once = Itimerspec {
                it_interval: never,
                it_value: Timespec { tv_sec: seconds, tv_nsec: i64::from(at.subsec_nanos()) },
            };
            timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &once)?;
            Ok(())
        }
    }

    /// A thread may be put aside between two readings of a clock, which would
    /// shift every wake-up of the run; so they are repeated until they are
    /// close.
    fn start_on_monotonic(clock: RunClock) -> Duration {
        let start = clock.instant(Offset::ZERO);
        let mut last = Duration::ZERO;
        for _ in 0..1_000 {
            let before = Instant::now();
            let monotonic = clock_gettime(ClockId::Monotonic);
            let after = Instant::now();
            let monotonic = Duration::new(monotonic.tv_sec.unsigned_abs(), 0)
                + Duration::from_nanos(monotonic.tv_nsec.unsigned_abs());
            last = (monotonic + start.saturating_duration_since(before))
                .saturating_sub(before.saturating_duration_since(start));
            if after.duration_since(before) < CLOCK_SKEW_MAX {
                break;
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Offset {
        Offset::from(Duration::from_millis(millis))
    }

    async fn wake_times(grain_ms: u64, due_ms: &[u64]) -> Vec<u64> {
        let clock = RunClock::starting_in(Duration::ZERO);
        let pacer = Pacer::new(Pacing::Tokio, Duration::from_millis(grain_ms), clock).unwrap();
        let mut woken = Vec::new();
        for due in due_ms {
            pacer.until(ms(*due)).await.unwrap();
            woken.push(clock.now().as_micros() / 1_000);
        }
        woken
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_grain_each_is_waited_for() {
        assert_eq!(wake_times(0, &[3, 4, 10]).await, [3, 4, 10]);
    }

    #[tokio::test(start_paused = true)]
    async fn within_a_grain_there_is_one_wake_up() {
        assert_eq!(wake_times(5, &[3, 4, 10, 11, 30]).await, [3, 8, 13, 18, 30]);
    }

    #[tokio::test]
    async fn waiting_awake_is_counted_up_to_the_due_time() {
        let clock = RunClock::starting_in(Duration::ZERO);
        let spinning = Pacer::new(Pacing::Spin, Duration::ZERO, clock).unwrap();
        let mut due = Offset::ZERO;
        // A thread that is put aside may find the due time passed.
        while spinning.busy_waited().is_zero() {
            due = clock.now().after(Duration::from_millis(2));
            spinning.until(due).await.unwrap();
        }
        let counted = spinning.busy_waited();
        assert!(counted <= Duration::from_millis(2));
        spinning.until(due).await.unwrap();
        assert_eq!(spinning.busy_waited(), counted, "what is due already is not waited for");
    }

    #[tokio::test]
    async fn no_kind_wakes_early() {
        let clock = RunClock::starting_in(Duration::ZERO);
        for (n, pacing) in (1..).zip([Pacing::Timer, Pacing::Spin, Pacing::Tokio]) {
            let pacer = Pacer::new(pacing, Duration::ZERO, clock).unwrap();
            let relaxed = pacer.relaxed();
            for due in [ms(2 * n), ms(2 * n + 1), ms(1)] {
                pacer.until(due).await.unwrap();
                assert!(clock.now() >= due, "{pacing:?}");
                let due = due.after(Duration::from_micros(300));
                relaxed.until(due).await.unwrap();
                assert!(clock.now() >= due, "relaxed, beside {pacing:?}");
            }
            assert_eq!(relaxed.busy_waited(), Duration::ZERO, "beside {pacing:?}");
        }
    }
}
