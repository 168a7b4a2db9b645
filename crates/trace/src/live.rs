//! Streams that may be quiet, and how long their records wait.
//!
//! A read from a pipe may take for ever, and whoever waits in it hears of
//! nothing else. So a stream is asked first whether it has something; one that
//! is quiet says `WouldBlock` after a moment, and the reader can look around.

use downpour_core::units::Stamp;
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

/// How long the first one waits: what is more than [`LIVE_DELAY`] is a reserve, so
/// that lines which are written late are not sent late.
const FIRST_LIVE_DELAY: Duration = Duration::from_secs(3);

/// After this long without a line, the last second of a log is over.
const QUIET_AFTER: Duration = Duration::from_secs(6);

/// How far the newest record of a stream may lie from the time of day for the
/// stream to be written while it is read, however busy it is.
const NEAR: Duration = Duration::from_secs(30);

/// How far apart two marks are at least.
const MIN_MARK_INTERVAL: Duration = Duration::from_millis(100);

/// After this long without a find, the caller of a search looks around.
const LONG: Duration = Duration::from_millis(50);

/// Every so many steps of a search the clock is read.
const STEPS: u32 = 8;

/// A search for the next request, among others that are left out.
///
/// Nobody waits in it for ever: a busy stream may hold nothing that is played,
/// and a run must end all the same.
#[derive(Debug, Default)]
pub struct Search {
    steps: u32,
    since: Option<Instant>,
}

impl Search {
    /// Counts a step that found nothing, and tells whether the search has been
    /// long.
    pub fn is_long(&mut self) -> bool {
        self.steps += 1;
        self.steps.is_multiple_of(STEPS) && self.since.get_or_insert_with(Instant::now).elapsed() >= LONG
    }
}

/// How long a read waits for a stream that has nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// [`POLL_TIMEOUT`].
    Moment,
    /// Not at all: another stream may have something.
    No,
}

/// Whether a reader had to wait for a writer since it began to read.
#[derive(Clone, Debug, Default)]
pub(crate) struct CaughtUpFlag(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    caught_up: AtomicBool,
    /// Whether a stream that has nothing is not waited for.
    never_waits: AtomicBool,
}

impl CaughtUpFlag {
    /// A read from a stream begins.
    pub(crate) fn begin(&self, wait: Wait) {
        self.0.caught_up.store(false, Ordering::Relaxed);
        self.0.never_waits.store(wait == Wait::No, Ordering::Relaxed);
    }

    /// Whether it had to, and forgets it.
    pub(crate) fn take(&self) -> bool {
        self.0.caught_up.load(Ordering::Relaxed) && self.0.caught_up.swap(false, Ordering::Relaxed)
    }

    fn never_waits(&self) -> bool {
        self.0.never_waits.load(Ordering::Relaxed)
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
            self.caught_up.0.caught_up.store(true, Ordering::Relaxed);
            if self.caught_up.never_waits() || !self.is_readable(&POLL_TIMEOUT)? {
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
///
/// An empty pipe alone does not tell that its writer has nothing more: one that
/// copies a log is slower than the reader, too. So a reader has caught up if
/// nothing came for [`POLL_TIMEOUT`], or if the newest record is [`NEAR`] the time of
/// day. And a record has waited only if the reader has caught up again since: a
/// time in which nothing was read, because the run had enough, does not count.
#[derive(Debug)]
pub(crate) struct LiveDelay {
    /// When it began, by the time of day.
    began: Instant,
    began_at: Stamp,
    /// When the reader had caught up, and how far the input was then.
    marks: VecDeque<(Instant, Stamp)>,
    last_released: Option<(Instant, Stamp)>,
    /// When the reader had caught up last.
    caught_up: Option<Instant>,
}

impl LiveDelay {
    /// Nothing has been read; it is `now`.
    pub(crate) fn since(now: Stamp) -> Self {
        Self {
            began: Instant::now(),
            began_at: now,
            marks: VecDeque::new(),
            last_released: None,
            caught_up: None,
        }
    }

    /// A stream that has come to `reached` had nothing for an instant.
    pub(crate) fn was_empty(&mut self, reached: Stamp) {
        let passed = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let since = reached.as_nanos().saturating_sub(self.began_at.as_nanos());
        if Duration::from_nanos(since.saturating_sub_unsigned(passed).unsigned_abs()) <= NEAR {
            self.mark(Some(reached));
        }
    }

    /// No stream had anything for a moment; together they have come to
    /// `reached`, if that is known.
    pub(crate) fn was_silent(&mut self, reached: Option<Stamp>) {
        self.mark(reached);
    }

    /// The reader has caught up with a writer that is at `reached`.
    fn mark(&mut self, reached: Option<Stamp>) {
        let now = Instant::now();
        self.caught_up = Some(now);
        let last = self.marks.back().copied().or(self.last_released);
        if let Some(reached) = reached
            && last.is_none_or(|(at, stamp)| now - at >= MIN_MARK_INTERVAL && stamp < reached)
        {
            self.marks.push_back((now, reached));
        }
    }

    /// Up to where records have waited long enough, and whether nothing newer
    /// has come for so long that the second is over.
    pub(crate) fn released_until(&mut self) -> Option<(Stamp, bool)> {
        let caught_up = self.caught_up?;
        let hold = if self.last_released.is_some() { LIVE_DELAY } else { FIRST_LIVE_DELAY };
        while let Some(&mark) = self.marks.front().filter(|(at, _)| caught_up - *at >= hold) {
            self.marks.pop_front();
            self.last_released = Some(mark);
        }
        let is_last = self.marks.is_empty();
        self.last_released.map(|(at, stamp)| (stamp, is_last && caught_up - at >= QUIET_AFTER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::OwnedFd;
    use tokio::time::advance;

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
    fn a_stream_beside_others_is_not_waited_for() {
        let (read, _write) = io::pipe().unwrap();
        let caught_up = CaughtUpFlag::default();
        let mut stream = PolledStream::new(File::from(OwnedFd::from(read)), caught_up.clone());
        for wait in [Wait::No, Wait::Moment] {
            caught_up.begin(wait);
            assert_eq!(stream.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
            assert!(caught_up.take());
        }
    }

    const START: i64 = 1_772_719_380;

    fn stamp(second: i64) -> Stamp {
        Stamp::from_nanos((START + second) * 1_000_000_000)
    }

    #[tokio::test(start_paused = true)]
    async fn marks_are_apart_and_nothing_is_ripe_at_once() {
        let mut holding = LiveDelay::since(stamp(0));
        (0..100).for_each(|second| holding.was_silent(Some(stamp(second))));
        assert_eq!(holding.marks.len(), 1);
        assert_eq!(holding.released_until(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_copy_of_a_log_is_not_caught_up_with_by_an_empty_pipe() {
        let mut holding = LiveDelay::since(stamp(3_600));
        for second in 0..100 {
            holding.was_empty(stamp(second));
            advance(Duration::from_secs(1)).await;
        }
        assert_eq!((holding.marks.len(), holding.released_until()), (0, None));
        // A log that is written now is, though it is never silent.
        let mut holding = LiveDelay::since(stamp(10));
        for second in 0..6 {
            holding.was_empty(stamp(second));
            advance(Duration::from_secs(1)).await;
        }
        assert_eq!(holding.released_until(), Some((stamp(2), false)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_in_which_nothing_is_read_makes_no_record_older() {
        let mut holding = LiveDelay::since(stamp(0));
        holding.was_silent(Some(stamp(1)));
        advance(Duration::from_mins(1)).await;
        assert_eq!(holding.released_until(), None);
        holding.was_silent(Some(stamp(2)));
        assert_eq!(holding.released_until(), Some((stamp(1), false)));
        advance(Duration::from_mins(1)).await;
        assert_eq!(holding.released_until(), Some((stamp(1), false)));
        // Streams of which some were not asked: what was marked before gets older.
        holding.was_silent(None);
        assert_eq!(holding.released_until(), Some((stamp(2), true)));
    }
}
