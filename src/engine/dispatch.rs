//! From a trace to the workers' queues, on a thread of its own.
//!
//! The feeder reads, schedules and hands arrivals out in batches, arrival `i`
//! to worker `i mod N` or all of a client to the same one, through bounded
//! channels: it runs ahead of the clock by a bounded number of arrivals and
//! never grows. It is the only part of a run
//! that may block on a file. If it cannot keep up, arrivals reach their worker
//! late; the worker counts them, and the report says so.

use downpour_core::units::Offset;
use downpour_load::played::{NextArrival, Played, PlayedAccounting};
use downpour_load::schedule::Arrival;
use std::time::Duration;
use tokio::sync::mpsc;

/// Most arrivals in a batch.
const BATCH: usize = 256;
/// Most batches that wait for a worker.
pub(crate) const QUEUED_BATCHES: usize = 24;
/// A batch is handed over when it spans this much of the schedule, so that a
/// slow trace does not wait for a batch to fill.
const BATCH_SPAN: Duration = Duration::from_millis(50);

/// A gap from which on the operator hears of it.
const LONG_GAP: Duration = Duration::from_mins(5);

/// What a feeder has to say at its end.
#[derive(Debug, Default)]
pub(crate) struct DispatchSummary {
    /// Where the trace went. Requests and copies that a worker did not take,
    /// because the run had ended, count as beyond the window.
    pub(crate) played: PlayedAccounting,
    /// Why reading ended early.
    pub(crate) read_error: Option<String>,
}

/// Which worker an arrival belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Partition {
    /// Each in turn.
    RoundRobin,
    /// The same for all arrivals of a client, since its session is one thing;
    /// each in turn where nobody knows who asked.
    ByClient,
}

pub(crate) struct Dispatcher {
    played: Played,
    partition: Partition,
    /// Every worker has had a batch, if only an empty one: the run begins when
    /// all of them have.
    begun: bool,
    workers: Vec<Batcher>,
    /// Every worker has had a batch since the trace was quiet.
    has_begun: bool,
    /// When the last arrival was due, and the longest gap that was told of.
    last_due: Offset,
    longest_gap: Duration,
    /// Arrivals that nobody took.
    untaken: u64,
    /// Whether the run ends: asked while the trace is quiet.
    run_ends: Box<dyn Fn() -> bool + Send>,
}

struct Batcher {
    batch: Vec<Arrival>,
    queue: mpsc::Sender<Vec<Arrival>>,
}

/// Whether there is anyone left to feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum QueueState {
    Open,
    Closed,
}

impl Dispatcher {
    pub(crate) fn new(played: Played, deal: Partition, queues: Vec<mpsc::Sender<Vec<Arrival>>>) -> Self {
        let workers =
            queues.into_iter().map(|queue| Batcher { batch: Vec::with_capacity(BATCH), queue }).collect();
        let (begun, has_begun, ends) = (deal == Partition::RoundRobin, false, Box::new(|| false));
        let (last_due, longest_gap) = (Offset::ZERO, Duration::ZERO);
        Self {
            played,
            partition: deal,
            begun,
            workers,
            has_begun,
            last_due,
            longest_gap,
            untaken: 0,
            run_ends: ends,
        }
    }

    /// The same, for a run of which `ends` says whether it ends.
    pub(crate) fn until(self, ends: impl Fn() -> bool + Send + 'static) -> Self {
        Self { run_ends: Box::new(ends), ..self }
    }

    /// Feeds until the trace or the window ends, or nobody takes any more.
    /// Blocks; not to be called on a runtime.
    pub(crate) fn run(mut self) -> DispatchSummary {
        let trouble = self.dispatch_all().err();
        for mut worker in std::mem::take(&mut self.workers) {
            if let (QueueState::Closed, left) = worker.flush() {
                self.untaken += left;
            }
        }
        let mut played = self.played.end();
        played.unreleased += self.untaken;
        DispatchSummary { played, read_error: trouble }
    }

    fn dispatch_all(&mut self) -> Result<(), String> {
        loop {
            let queue = match self.played.next_or_idle()? {
                NextArrival::Arrival(arrival) => self.assign(arrival),
                NextArrival::Idle if self.is_over() => break,
                NextArrival::Idle => self.flush_all(),
                NextArrival::End => break,
            };
            if queue == QueueState::Closed {
                break;
            }
        }
        Ok(())
    }

    /// Whether the run has ended, or ends, though the trace has not.
    fn is_over(&self) -> bool {
        self.workers.iter().all(|worker| worker.queue.is_closed()) || (self.run_ends)()
    }

    /// Hands over what there is, since nothing follows for the moment. The first
    /// time every worker gets a batch: the run begins.
    fn flush_all(&mut self) -> QueueState {
        let begins = !self.has_begun && self.workers.iter().any(|worker| !worker.batch.is_empty());
        self.has_begun |= begins;
        let mut all = QueueState::Open;
        for worker in &mut self.workers {
            let (queue, left) = if begins { worker.send() } else { worker.flush() };
            self.untaken += left;
            if queue == QueueState::Closed {
                all = QueueState::Closed;
            }
        }
        self.begun |= begins;
        all
    }

    fn assign(&mut self, arrival: Arrival) -> QueueState {
        let workers = u64::try_from(self.workers.len()).unwrap_or(1).max(1);
        let key = arrival.client.filter(|_| self.partition == Partition::ByClient);
        let place = key.map_or(arrival.sequence, |key| u64::from_le_bytes(key.to_bytes()));
        let index = usize::try_from(place % workers).unwrap_or(0);
        let due = arrival.due;
        self.report_gap(due);
        self.workers[index].batch.push(arrival);
        if self.partition == Partition::ByClient {
            return self.flush_due(due);
        }
        let worker = &mut self.workers[index];
        if !worker.is_due(due) {
            return QueueState::Open;
        }
        let (queue, left) = worker.flush();
        self.untaken += left;
        queue
    }

    /// Says that nothing is due for long: a run that waits looks like one that
    /// hangs. Each gap that is much longer than those before is told of.
    fn report_gap(&mut self, due: Offset) {
        let gap = Duration::from_nanos(due.nanos_since(self.last_due));
        self.last_due = due;
        if gap >= LONG_GAP && gap > self.longest_gap * 2 {
            self.longest_gap = gap;
            let (hours, minutes) = (gap.as_secs() / 3_600, gap.as_secs() / 60 % 60);
            tracing::warn!(
                gap.s = gap.as_secs(),
                "the next request is {hours} h {minutes} min after the one before it; --max-gap shortens gaps"
            );
        }
    }

    /// Hands over what is ripe as `due` is reached, for whichever worker: one
    /// whose clients are quiet must not wait for its next arrival.
    fn flush_due(&mut self, due: Offset) -> QueueState {
        let mut all = QueueState::Open;
        let begins = !self.begun && self.workers.iter().any(|worker| worker.is_due(due));
        for worker in &mut self.workers {
            let (queue, left) = match (begins, worker.is_due(due)) {
                (true, _) => worker.send(),
                (false, true) => worker.flush(),
                (false, false) => continue,
            };
            self.untaken += left;
            if queue == QueueState::Closed {
                all = QueueState::Closed;
            }
        }
        self.begun |= begins;
        all
    }
}

impl Batcher {
    /// Whether it is time to hand the batch over, as `due` is reached.
    fn is_due(&self, due: Offset) -> bool {
        let spanned = self.batch.first().map_or(0, |first| due.nanos_since(first.due));
        self.batch.len() >= BATCH || Offset::from_nanos(spanned) >= Offset::from(BATCH_SPAN)
    }

    /// Hands the batch over, waiting for room. Tells how many arrivals nobody
    /// took.
    fn flush(&mut self) -> (QueueState, u64) {
        if self.batch.is_empty() {
            return (QueueState::Open, 0);
        }
        self.send()
    }

    /// The same of a batch that may be empty.
    fn send(&mut self) -> (QueueState, u64) {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        match self.queue.blocking_send(batch) {
            Ok(()) => (QueueState::Open, 0),
            Err(mpsc::error::SendError(batch)) => {
                (QueueState::Closed, u64::try_from(batch.len()).unwrap_or(u64::MAX))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downpour_core::agent::ClientKind;
    use downpour_core::units::{Factor, Stamp};
    use downpour_load::played::{AtEndOfTrace, Requests};
    use downpour_load::schedule::amplify::Amplifier;
    use downpour_load::schedule::sample::{Sample, SampleUnit};
    use downpour_load::schedule::{Pace, RunLimits, Schedule};
    use downpour_trace::source::ReadOutcome;
    use downpour_trace::{Method, TraceAccounting, TraceRequest};
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A request every millisecond, each for a target of its own.
    struct CountedRequests {
        count: u64,
        read: u64,
    }

    impl Requests for CountedRequests {
        fn next_or_idle(&mut self) -> Result<ReadOutcome, String> {
            if self.read == self.count {
                return Ok(ReadOutcome::End);
            }
            self.read += 1;
            let at = Stamp::from_nanos(i64::try_from(self.read).unwrap() * 1_000_000);
            let target = format!("/{}", self.read).into();
            Ok(ReadOutcome::Request(TraceRequest {
                at: Some(at),
                method: Method::Get,
                target,
                status: None,
                client: None,
                kind: ClientKind::NONE,
            }))
        }

        fn rewind(&mut self) -> Result<(), String> {
            Err("there is one pass only".to_owned())
        }

        fn stop(&mut self) {}

        fn accounting(&self) -> TraceAccounting {
            TraceAccounting { accepted: self.read, ..TraceAccounting::default() }
        }

        fn notices(&self) -> Vec<String> {
            Vec::new()
        }
    }

    /// Feeds two workers, the second of which may be gone, and checks that every
    /// request and every copy is somewhere. Tells how many were handed out.
    #[track_caller]
    fn check(window: RunLimits, is_second_gone: bool) -> u64 {
        let schedule = Schedule::new(Pace::AS_RECORDED, window)
            .with_sample(Sample::of("80%".parse().unwrap(), SampleUnit::Target, 1))
            .with_amplifier(Amplifier::new("2.5".parse().unwrap(), Factor::ONE, 1));
        let (first, mut of_first) = mpsc::channel(1_000);
        let (second, mut of_second) = mpsc::channel(1_000);
        if is_second_gone {
            of_second.close();
        }
        let requests = Box::new(CountedRequests { count: 3_000, read: 0 });
        let played = Played::new(requests, schedule, AtEndOfTrace::Stop);
        let fed = Dispatcher::new(played, Partition::RoundRobin, vec![first, second]).run();
        let mut received = 0;
        for queue in [&mut of_first, &mut of_second] {
            while let Ok(batch) = queue.try_recv() {
                received += batch.len() as u64;
            }
        }
        assert_eq!(
            fed.played.trace.accepted + fed.played.counts.copies,
            received + fed.played.unreleased + fed.played.counts.sampled_out
        );
        received
    }

    /// A request, and then a stream that stays quiet.
    struct IdleRequests(CountedRequests);

    impl Requests for IdleRequests {
        fn next_or_idle(&mut self) -> Result<ReadOutcome, String> {
            Ok(self.0.next()?.map_or(ReadOutcome::Idle, ReadOutcome::Request))
        }

        fn rewind(&mut self) -> Result<(), String> {
            self.0.rewind()
        }

        fn stop(&mut self) {}

        fn accounting(&self) -> TraceAccounting {
            self.0.accounting()
        }

        fn notices(&self) -> Vec<String> {
            Vec::new()
        }
    }

    #[test]
    fn a_quiet_trace_lets_a_run_begin_and_end() {
        let quiet = || {
            let requests = Box::new(IdleRequests(CountedRequests { count: 1, read: 0 }));
            Played::new(requests, Schedule::new(Pace::AS_RECORDED, RunLimits::default()), AtEndOfTrace::Stop)
        };
        for deal in [Partition::RoundRobin, Partition::ByClient] {
            let (first, mut of_first) = mpsc::channel(9);
            let (second, mut of_second) = mpsc::channel(9);
            let asked = AtomicU64::new(0);
            let ends = move || asked.fetch_add(1, Ordering::Relaxed) == 2;
            let fed = Dispatcher::new(quiet(), deal, vec![first, second]).until(ends).run();
            assert_eq!((fed.played.trace.accepted, fed.played.unreleased), (1, 0));
            let batches = [of_first.try_recv().unwrap(), of_second.try_recv().unwrap()];
            assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), 1);
            assert!(of_first.try_recv().is_err() && of_second.try_recv().is_err());
        }
        let (gone, mut of_gone) = mpsc::channel(9);
        of_gone.close();
        let fed = Dispatcher::new(quiet(), Partition::RoundRobin, vec![gone]).run();
        assert_eq!((fed.played.trace.accepted, fed.played.unreleased), (1, 1));
    }

    #[test]
    fn a_trace_that_is_sampled_out_lets_a_run_end() {
        let schedule = Schedule::new(Pace::AS_RECORDED, RunLimits::default()).with_sample(Sample::of(
            "0.0001%".parse().unwrap(),
            SampleUnit::Target,
            1,
        ));
        let requests = Box::new(CountedRequests { count: u64::MAX, read: 0 });
        let played = Played::new(requests, schedule, AtEndOfTrace::Stop);
        let (queue, _received) = mpsc::channel(1_000_000);
        let fed = Dispatcher::new(played, Partition::RoundRobin, vec![queue]).until(|| true).run();
        assert!(fed.played.counts.sampled_out > 0);
    }

    #[test]
    fn every_request_and_every_copy_is_accounted_for() {
        let all = check(RunLimits::default(), false);
        assert!((5_500..6_500).contains(&all), "{all}");
        assert_eq!(check(RunLimits { requests: Some(1_001), duration: None }, false), 1_001);
        let second = RunLimits { requests: None, duration: Some(Duration::from_millis(1_500)) };
        assert!((1_200..all).contains(&check(second, false)));
        assert!(check(RunLimits::default(), true) < all);
    }
}
