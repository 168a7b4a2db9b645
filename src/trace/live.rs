//! Streams that may be quiet, and how long their records wait.
//!
//! A read from a pipe may take for ever, and whoever waits in it hears of
//! nothing else. So a stream is asked first whether it has something; one that
//! is quiet says `WouldBlock` after a moment, and the reader can look around.

use crate::units::Stamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How long a read waits for a quiet stream.
const POLL_TIMEOUT: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// How long the first lines of a stream are gathered to find out its format.
const SAMPLE_TIME: Duration = Duration::from_secs(1);

/// How long a record waits for older ones once the reader has caught up with
/// the writer.
const LIVE_DELAY: Duration = Duration::from_millis(1_500);

/// How long the first one waits: what is more than [`HOLD`] is a reserve, so
/// that lines which are written late are not sent late.
const FIRST_LIVE_DELAY: Duration = Duration::from_secs(3);

/// After this long without a line, the last second of a log is over.
const QUIET_AFTER: Duration = Duration::from_secs(6);

/// How far apart two marks are at least.
const MIN_MARK_INTERVAL: Duration = Duration::from_millis(100);

/// Whether a reader had to wait for a writer since it was last asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct CaughtUpFlag(Arc<AtomicBool>);

impl CaughtUpFlag {
    /// Whether it had to, and forgets it.
    pub(crate) fn take(&self) -> bool {
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }
}

/// A pipe, a socket, a device.
pub(crate) struct PolledStream {
    file: File,
    caught_up: CaughtUpFlag,
}

impl PolledStream {
    pub(crate) fn new(file: File, caught_up: CaughtUpFlag) -> Self {
        Self { file, caught_up }
    }

    fn is_readable(&self, within: &Timespec) -> io::Result<bool> {
        Ok(poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(within))? > 0)
    }
}

impl Read for PolledStream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if !self.is_readable(&Timespec { tv_sec: 0, tv_nsec: 0 })? {
            self.caught_up.0.store(true, Ordering::Relaxed);
            if !self.is_readable(&POLL_TIMEOUT)? {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        self.file.read(out)
    }
}

/// The time in which the first lines of a stream are gathered.
#[derive(Debug)]
pub(crate) struct SampleTimer(Option<Instant>);

impl SampleTimer {
    pub(crate) const NOT_STARTED: Self = Self(None);

    /// Whether it is over; it begins when this is asked first.
    pub(crate) fn is_over(&mut self) -> bool {
        self.0.get_or_insert_with(Instant::now).elapsed() >= SAMPLE_TIME
    }
}

/// Up to where the records of a live input have waited long enough.
#[derive(Debug, Default)]
pub(crate) struct LiveDelay {
    /// When the reader had caught up, and how far the input was then.
    marks: VecDeque<(Instant, Stamp)>,
    last_released: Option<(Instant, Stamp)>,
}

impl LiveDelay {
    /// The reader has caught up with a writer that is at `reached`.
    pub(crate) fn mark(&mut self, reached: Stamp) {
        let now = Instant::now();
        let last = self.marks.back().copied().or(self.last_released);
        if last.is_none_or(|(at, stamp)| now - at >= MIN_MARK_INTERVAL && stamp != reached) {
            self.marks.push_back((now, reached));
        }
    }

    /// Up to where records have waited long enough, and whether nothing newer
    /// has come for so long that the second is over.
    pub(crate) fn released_until(&mut self) -> Option<(Stamp, bool)> {
        let hold = if self.last_released.is_some() { LIVE_DELAY } else { FIRST_LIVE_DELAY };
        while let Some(&(at, stamp)) = self.marks.front().filter(|(at, _)| at.elapsed() >= hold) {
            self.marks.pop_front();
            self.last_released = Some((at, stamp));
        }
        self.last_released.map(|(at, stamp)| (stamp, at.elapsed() >= QUIET_AFTER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::OwnedFd;

    #[test]
    fn a_quiet_stream_says_so_and_is_read_on() {
        let (read, mut write) = io::pipe().unwrap();
        let caught_up = CaughtUpFlag::default();
        let mut stream = PolledStream::new(File::from(OwnedFd::from(read)), caught_up.clone());
        let mut out = [0; 8];
        write.write_all(b"one").unwrap();
        assert_eq!(stream.read(&mut out).unwrap(), 3);
        assert!(!caught_up.take());
        assert_eq!(stream.read(&mut out).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(caught_up.take() && !caught_up.take());
        write.write_all(b"four").unwrap();
        assert_eq!(stream.read(&mut out).unwrap(), 4);
        drop(write);
        assert_eq!(stream.read(&mut out).unwrap(), 0);
    }

    #[test]
    fn marks_are_apart_and_nothing_is_ripe_at_once() {
        let mut holding = LiveDelay::default();
        (0..100).for_each(|second| holding.mark(Stamp::from_nanos(second)));
        assert_eq!(holding.marks.len(), 1);
        assert_eq!(holding.released_until(), None);
    }
}
