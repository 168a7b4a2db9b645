//! From a trace to the workers' queues, on a thread of its own.
//!
//! The feeder reads, schedules and hands arrivals out in batches, arrival `i`
//! to worker `i mod N`, through bounded channels: it runs ahead of the clock by
//! a bounded number of arrivals and never grows. It is the only part of a run
//! that may block on a file. If it cannot keep up, arrivals reach their worker
//! late; the worker counts them, and the report says so.

use crate::schedule::{Arrival, Placed, Schedule, ScheduleCounts};
use crate::trace::{Request, TraceBooks};
use crate::units::Offset;
use std::time::Duration;
use tokio::sync::mpsc;

/// Most arrivals in a batch.
const BATCH: usize = 256;
/// Most batches that wait for a worker.
pub(crate) const QUEUED_BATCHES: usize = 24;
/// A batch is handed over when it spans this much of the schedule, so that a
/// slow trace does not wait for a batch to fill.
const SPAN: Duration = Duration::from_millis(50);

/// Requests in order of arrival, from wherever they come.
pub trait Requests: Send {
    /// The next one; `None` at the end of a pass.
    fn next(&mut self) -> Result<Option<Request>, String>;

    /// Begins another pass.
    fn rewind(&mut self) -> Result<(), String>;

    /// Reading is over: what is still held back is counted as undelivered.
    fn stop(&mut self);

    /// Where the lines went so far.
    fn books(&self) -> TraceBooks;

    /// What went wrong on the way without ending it, as whole sentences.
    fn notices(&self) -> Vec<String>;
}

/// What happens when the trace ends before the run's window does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtEndOfTrace {
    /// The run ends too.
    Stop,
    /// The trace begins again: `--loop`.
    Loop,
}

/// What a feeder has to say at its end.
#[derive(Debug, Default)]
pub(crate) struct Fed {
    /// Where the lines went.
    pub(crate) books: TraceBooks,
    /// Requests handed out by the trace that did not become arrivals at a
    /// worker: beyond the window, or the run had ended.
    pub(crate) unreleased: u64,
    /// Requests that were sampled out, and copies that were made.
    pub(crate) counts: ScheduleCounts,
    /// What went wrong without ending it.
    pub(crate) notices: Vec<String>,
    /// Why reading ended early.
    pub(crate) trouble: Option<String>,
}

pub(crate) struct Feeder {
    requests: Box<dyn Requests>,
    schedule: Schedule,
    at_end: AtEndOfTrace,
    workers: Vec<Batcher>,
    fed: Fed,
    /// Requests whose target no HTTP client can send.
    unsendable: u64,
}

struct Batcher {
    batch: Vec<Arrival>,
    queue: mpsc::Sender<Vec<Arrival>>,
}

/// Whether there is anyone left to feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queue {
    Open,
    Closed,
}

impl Feeder {
    pub(crate) fn new(
        requests: Box<dyn Requests>,
        schedule: Schedule,
        at_end: AtEndOfTrace,
        queues: Vec<mpsc::Sender<Vec<Arrival>>>,
    ) -> Self {
        let workers =
            queues.into_iter().map(|queue| Batcher { batch: Vec::with_capacity(BATCH), queue }).collect();
        Self { requests, schedule, at_end, workers, fed: Fed::default(), unsendable: 0 }
    }

    /// Feeds until the trace or the window ends, or nobody takes any more.
    /// Blocks; not to be called on a runtime.
    pub(crate) fn run(mut self) -> Fed {
        if let Err(trouble) = self.feed() {
            self.fed.trouble = Some(trouble);
        }
        self.requests.stop();
        self.fed.unreleased += u64::from(self.schedule.holds_one());
        self.fed.counts = self.schedule.counts();
        for mut worker in std::mem::take(&mut self.workers) {
            if let (Queue::Closed, left) = worker.flush() {
                self.fed.unreleased += left;
            }
        }
        self.fed.notices = self.requests.notices();
        self.fed.books = self.requests.books();
        if self.unsendable > 0 {
            *self.fed.books.filtered.entry("unsendable").or_default() += self.unsendable;
        }
        self.fed
    }

    fn feed(&mut self) -> Result<(), String> {
        let mut pass_begins_at = 0;
        loop {
            if let Some(request) = self.requests.next()? {
                self.schedule.offer(request);
                while let Some(placed) = self.schedule.place_next() {
                    if self.take(placed)? == Queue::Closed {
                        return Ok(());
                    }
                }
                continue;
            }
            let placed = self.schedule.counts().placed;
            let is_fruitless = placed == pass_begins_at;
            if self.at_end == AtEndOfTrace::Stop || is_fruitless {
                break;
            }
            self.requests.rewind()?;
            self.schedule.begin_pass();
            pass_begins_at = placed;
        }
        while let Some(placed) = self.schedule.place_rest() {
            if self.take(placed)? == Queue::Closed {
                break;
            }
        }
        Ok(())
    }

    /// Hands an arrival out, or counts why it is none. The queue is closed where
    /// the run is over, too.
    fn take(&mut self, placed: Placed) -> Result<Queue, String> {
        match placed {
            Placed::Due(arrival) => Ok(self.hand_out(arrival)),
            Placed::Over => Ok(Queue::Closed),
            Placed::Unsendable => {
                self.unsendable += 1;
                Ok(Queue::Open)
            }
            Placed::Timeless => Err("the trace has no times to follow: give a rate with --rate".to_owned()),
        }
    }

    fn hand_out(&mut self, arrival: Arrival) -> Queue {
        let workers = u64::try_from(self.workers.len()).unwrap_or(1).max(1);
        let index = usize::try_from(arrival.sequence % workers).unwrap_or(0);
        let worker = &mut self.workers[index];
        worker.batch.push(arrival);
        if !worker.is_ripe() {
            return Queue::Open;
        }
        let (queue, left) = worker.flush();
        self.fed.unreleased += left;
        queue
    }
}

impl Batcher {
    fn is_ripe(&self) -> bool {
        let span = |first: &Arrival, last: &Arrival| last.due.nanos_since(first.due);
        let spanned = match self.batch.as_slice() {
            [first, .., last] => span(first, last),
            [_] | [] => 0,
        };
        self.batch.len() >= BATCH || Offset::from_nanos(spanned) >= Offset::from(SPAN)
    }

    /// Hands the batch over, waiting for room. Tells how many arrivals nobody
    /// took.
    fn flush(&mut self) -> (Queue, u64) {
        if self.batch.is_empty() {
            return (Queue::Open, 0);
        }
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        match self.queue.blocking_send(batch) {
            Ok(()) => (Queue::Open, 0),
            Err(mpsc::error::SendError(batch)) => {
                (Queue::Closed, u64::try_from(batch.len()).unwrap_or(u64::MAX))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::amplify::Amplifier;
    use crate::schedule::sample::{Sample, Unit};
    use crate::schedule::{Pace, Window};
    use crate::trace::Method;
    use crate::units::{Factor, Stamp};

    /// A request every millisecond, each for a target of its own.
    struct Every {
        count: u64,
        read: u64,
    }

    impl Requests for Every {
        fn next(&mut self) -> Result<Option<Request>, String> {
            if self.read == self.count {
                return Ok(None);
            }
            self.read += 1;
            let at = Stamp::from_nanos(i64::try_from(self.read).unwrap() * 1_000_000);
            let target = format!("/{}", self.read).into();
            Ok(Some(Request { at: Some(at), method: Method::Get, target, status: None, client: None }))
        }

        fn rewind(&mut self) -> Result<(), String> {
            Err("there is one pass only".to_owned())
        }

        fn stop(&mut self) {}

        fn books(&self) -> TraceBooks {
            TraceBooks { accepted: self.read, ..TraceBooks::default() }
        }

        fn notices(&self) -> Vec<String> {
            Vec::new()
        }
    }

    /// Feeds two workers, the second of which may be gone, and checks that every
    /// request and every copy is somewhere. Tells how many were handed out.
    #[track_caller]
    fn check(window: Window, is_second_gone: bool) -> u64 {
        let schedule = Schedule::new(Pace::AS_RECORDED, window)
            .sampled(Sample::of("80%".parse().unwrap(), Unit::Target, 1))
            .amplified(Amplifier::new("2.5".parse().unwrap(), Factor::ONE, 1));
        let (first, mut of_first) = mpsc::channel(1_000);
        let (second, mut of_second) = mpsc::channel(1_000);
        if is_second_gone {
            of_second.close();
        }
        let requests = Box::new(Every { count: 3_000, read: 0 });
        let fed = Feeder::new(requests, schedule, AtEndOfTrace::Stop, vec![first, second]).run();
        let mut received = 0;
        for queue in [&mut of_first, &mut of_second] {
            while let Ok(batch) = queue.try_recv() {
                received += batch.len() as u64;
            }
        }
        assert_eq!(
            fed.books.accepted + fed.counts.amplified,
            received + fed.unreleased + fed.counts.sampled_out
        );
        received
    }

    #[test]
    fn every_request_and_every_copy_is_accounted_for() {
        let all = check(Window::default(), false);
        assert!((5_500..6_500).contains(&all), "{all}");
        assert_eq!(check(Window { requests: Some(1_001), duration: None }, false), 1_001);
        let second = Window { requests: None, duration: Some(Duration::from_millis(1_500)) };
        assert!((1_200..all).contains(&check(second, false)));
        assert!(check(Window::default(), true) < all);
    }
}
