//! How busy a worker is, as it measures itself.
//!
//! Lateness is blind to a worker that is saturated and still just punctual: its
//! answers wait too, in the kernel, and are stamped when it gets to them. So
//! each worker reads the processor clock of its thread once a second.

use downpour_metrics::CpuSample;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use tokio::time::Instant;

/// A shorter time says nothing: it is made part of the next.
const SAMPLE_MIN: Duration = Duration::from_millis(500);

/// What a worker reads its processor time from. Tests have clocks of their own.
pub(super) type CpuClock = fn() -> Duration;

/// The processor time of the calling thread.
pub(super) fn thread_cpu() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), 0) + Duration::from_nanos(spent.tv_nsec.unsigned_abs())
}

/// A worker's own readings, from one lap to the next.
#[derive(Debug)]
pub(super) struct CpuMeter {
    cpu: CpuClock,
    last: CpuReading,
}

#[derive(Clone, Copy, Debug)]
struct CpuReading {
    at: Instant,
    cpu: Duration,
    busy_waited: Duration,
    offered: u64,
}

impl CpuMeter {
    /// Begins the first lap.
    pub(super) fn start(cpu: CpuClock) -> Self {
        Self {
            cpu,
            last: CpuReading { at: Instant::now(), cpu: cpu(), busy_waited: Duration::ZERO, offered: 0 },
        }
    }

    /// Begins the first lap again: of what was before, nothing counts. `awake` is
    /// as in [`CpuMeter::sample`].
    pub(super) fn restart(&mut self, awake: Duration) {
        self.last = CpuReading {
            at: Instant::now(),
            cpu: (self.cpu)(),
            busy_waited: awake,
            offered: self.last.offered,
        };
    }

    /// Ends a lap. `awake` is how long the pacer has waited awake, `offered` how
    /// many arrivals were released, both since the start.
    ///
    /// Waiting awake is no work, though other tasks have their turn meanwhile: a
    /// worker that has none to spare comes to no waiting at all.
    pub(super) fn sample(&mut self, awake: Duration, offered: u64) -> Option<CpuSample> {
        let now = CpuReading { at: Instant::now(), cpu: (self.cpu)(), busy_waited: awake, offered };
        let wall = now.at.duration_since(self.last.at);
        if wall < SAMPLE_MIN {
            return None;
        }
        let last = std::mem::replace(&mut self.last, now);
        let busy =
            now.cpu.saturating_sub(last.cpu).saturating_sub(now.busy_waited.saturating_sub(last.busy_waited));
        Some(CpuSample { busy, wall, arrivals: now.offered - last.offered })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_works_uses_its_processor() {
        let begun = thread_cpu();
        while thread_cpu() < begun + Duration::from_millis(1) {}
        let elsewhere = std::thread::spawn(thread_cpu).join().unwrap();
        assert!(elsewhere < thread_cpu(), "another thread has a clock of its own");
    }

    /// Half of the time goes to the processor.
    fn half() -> Duration {
        thread_local!(static BEGAN: Instant = Instant::now());
        BEGAN.with(|began| began.elapsed() / 2)
    }

    #[tokio::test(start_paused = true)]
    async fn a_lap_leaves_out_what_was_waited_awake() {
        let ms = Duration::from_millis;
        let mut meter = CpuMeter::start(half);
        tokio::time::advance(ms(100)).await;
        assert_eq!(meter.sample(ms(10), 5), None);
        tokio::time::advance(ms(900)).await;
        assert_eq!(
            meter.sample(ms(200), 50),
            Some(CpuSample { busy: ms(300), wall: ms(1_000), arrivals: 50 })
        );
        meter.restart(ms(200));
        tokio::time::advance(ms(1_000)).await;
        assert_eq!(meter.sample(ms(900), 60), Some(CpuSample { busy: ms(0), wall: ms(1_000), arrivals: 10 }));
    }
}
