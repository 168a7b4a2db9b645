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
const MOMENT: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// How long the first lines of a stream are gathered to find out its format.
const SAMPLE: Duration = Duration::from_secs(1);

/// How long a record waits for older ones once the reader has caught up with
/// the writer.
const HOLD: Duration = Duration::from_millis(1_500);

/// How long the first one waits: what is more than [`HOLD`] is a reserve, so
/// that lines which are written late are not sent late.
const HOLD_FIRST: Duration = Duration::from_secs(3);

/// After this long without a line, the last second of a log is over.
const QUIET: Duration = Duration::from_secs(6);

/// How far apart two marks are at least.
const APART: Duration = Duration::from_millis(100);

/// After this long without a find, the caller of a search looks around.
const LONG: Duration = Duration::from_millis(50);

/// Every so many steps of a search the clock is read.
const STEPS: u32 = 8;

/// A search for the next request, among others that are left out.
///
/// Nobody waits in it for ever: a busy stream may hold nothing that is played,
/// and a run must end all the same.
#[derive(Debug, Default)]
pub(crate) struct Search {
    steps: u32,
    since: Option<Instant>,
}

impl Search {
    /// Counts a step that found nothing, and tells whether the search has been
    /// long.
    pub(crate) fn is_long(&mut self) -> bool {
        self.steps += 1;
        self.steps.is_multiple_of(STEPS) && self.since.get_or_insert_with(Instant::now).elapsed() >= LONG
    }
}

/// Whether a reader had to wait for a writer since it was last asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct CaughtUp(Arc<AtomicBool>);

impl CaughtUp {
    /// Whether it had to, and forgets it.
    pub(crate) fn take(&self) -> bool {
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }
}

/// A pipe, a socket, a device.
pub(crate) struct Stream {
    file: File,
    caught_up: CaughtUp,
}

impl Stream {
    pub(crate) fn new(file: File, caught_up: CaughtUp) -> Self {
        Self { file, caught_up }
    }

    fn has_something(&self, within: &Timespec) -> io::Result<bool> {
        Ok(poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(within))? > 0)
    }
}

impl Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if !self.has_something(&Timespec { tv_sec: 0, tv_nsec: 0 })? {
            self.caught_up.0.store(true, Ordering::Relaxed);
            if !self.has_something(&MOMENT)? {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        self.file.read(out)
    }
}

/// The time in which the first lines of a stream are gathered.
#[derive(Debug)]
pub(crate) struct Sampling(Option<Instant>);

impl Sampling {
    pub(crate) const NOT_BEGUN: Self = Self(None);

    /// Whether it is over; it begins when this is asked first.
    pub(crate) fn is_over(&mut self) -> bool {
        self.0.get_or_insert_with(Instant::now).elapsed() >= SAMPLE
    }
}

/// Up to where the records of a live input have waited long enough.
#[derive(Debug, Default)]
pub(crate) struct Holding {
    /// When the reader had caught up, and how far the input was then.
    marks: VecDeque<(Instant, Stamp)>,
    ripe: Option<(Instant, Stamp)>,
}

impl Holding {
    /// The reader has caught up with a writer that is at `reached`.
    pub(crate) fn mark(&mut self, reached: Stamp) {
        let now = Instant::now();
        let last = self.marks.back().copied().or(self.ripe);
        if last.is_none_or(|(at, stamp)| now - at >= APART && stamp != reached) {
            self.marks.push_back((now, reached));
        }
    }

    /// Up to where records have waited long enough, and whether nothing newer
    /// has come for so long that the second is over.
    pub(crate) fn ripe(&mut self) -> Option<(Stamp, bool)> {
        let hold = if self.ripe.is_some() { HOLD } else { HOLD_FIRST };
        while let Some(&(at, stamp)) = self.marks.front().filter(|(at, _)| at.elapsed() >= hold) {
            self.marks.pop_front();
            self.ripe = Some((at, stamp));
        }
        self.ripe.map(|(at, stamp)| (stamp, at.elapsed() >= QUIET))
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
        let caught_up = CaughtUp::default();
        let mut stream = Stream::new(File::from(OwnedFd::from(read)), caught_up.clone());
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
        let mut holding = Holding::default();
        (0..100).for_each(|second| holding.mark(Stamp::from_nanos(second)));
        assert_eq!(holding.marks.len(), 1);
        assert_eq!(holding.ripe(), None);
    }
}
