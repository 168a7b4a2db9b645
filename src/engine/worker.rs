//! One worker's loop: wait for what is due next, release it, go on.
//!
//! The loop is open. It waits for the clock and for nothing else; what becomes
//! of a released arrival is its connection's business. Beside the loop run three
//! small tasks: one hands the second's numbers over, two take the answers about
//! hosts and targets.

use super::connect::Connect;
use super::cpu_meter::{CpuClock, CpuMeter};
use super::pacer::Pacer;
use super::ready_queue::ReadyQueue;
use super::shard::Shard;
use downpour_core::units::Offset;
use downpour_load::schedule::Arrival;
use downpour_metrics::Interval;
use downpour_verify::hosts::HostAnswer;
use downpour_verify::targets::TargetAnswer;
use std::rc::Rc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How far a run has come; it only ever goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Arrivals are released when they are due.
    Running,
    /// No more are released; those in flight may end within the grace period.
    Draining,
    /// Nothing is waited for any more.
    Stopping,
}

/// A worker's numbers of one second, or word that there will be no more.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) worker: usize,
    pub(crate) interval: Option<Interval>,
}

/// Most releases in a row before other tasks get a turn: when the worker has
/// fallen behind, answers must still be taken while it catches up.
const BURST: u32 = 64;

/// Everything a worker is connected to.
pub(crate) struct WorkerInputs {
    pub(crate) index: usize,
    pub(crate) arrivals: mpsc::Receiver<Vec<Arrival>>,
    /// Taken before the clock started, so that the first arrival is not late.
    pub(crate) first_batch: Option<Vec<Arrival>>,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) host_answers: mpsc::Receiver<HostAnswer>,
    pub(crate) target_answers: mpsc::Receiver<TargetAnswer>,
    pub(crate) deliveries: SyncSender<Delivery>,
    pub(crate) grace: Duration,
    pub(crate) loop_mode: LoopMode,
    pub(crate) cpu: CpuClock,
}

/// When an arrival leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoopMode {
    /// When it is due: the open loop.
    Open,
    /// When a connection is free for it: the closed loop.
    Closed {
        /// No more arrivals from then on.
        until: Option<Offset>,
        /// Nor while this many, over all workers, are in flight or wait for
        /// what is asked about their redirects: what asks sets the pace then,
        /// and leaves nothing out.
        open: Option<usize>,
    },
}

/// What a worker has to say at its end, beside its books.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WorkerSummary {
    /// Arrivals it received and never released.
    pub(crate) unreleased: u64,
    /// When its last arrival was due.
    pub(crate) last_due: Offset,
}

/// Works until all arrivals are released and settled, or the run is stopped.
pub(crate) async fn run_worker<C: Connect>(
    shard: Rc<Shard<C>>,
    pacer: Pacer,
    mut lines: WorkerInputs,
) -> std::io::Result<WorkerSummary> {
    let pacer = Rc::new(pacer);
    let hosts = tokio::task::spawn_local(receive_host_answers(Rc::clone(&shard), lines.host_answers));
    let targets = tokio::task::spawn_local(receive_target_answers(Rc::clone(&shard), lines.target_answers));
    let measured = (CpuMeter::start(lines.cpu), Rc::clone(&pacer));
    let deliveries = (lines.index, lines.deliveries.clone());
    let seconds = tokio::task::spawn_local(deliver_seconds(Rc::clone(&shard), measured, deliveries));
    let retries = tokio::task::spawn_local(send_retries(Rc::clone(&shard), Rc::clone(&pacer)));
    let first = lines.first_batch.take().unwrap_or_default().into_iter();
    let mut queue = ArrivalQueue { batch: first, arrivals: lines.arrivals, caught_up: Offset::ZERO };
    let released = match lines.loop_mode {
        LoopMode::Open => run_open_loop(&shard, &pacer, &mut queue, &mut lines.phase).await,
        LoopMode::Closed { until, .. } => {
            *shard.ready_queue() = ReadyQueue::new(until);
            Ok(run_closed_loop(&shard, &mut queue, &mut lines.phase).await)
        }
    };
    let untaken = u64::try_from(shard.ready_queue().close()).unwrap_or(u64::MAX);
    let unreleased = queue.close().await + untaken;
    drain(&shard, &mut lines.phase, lines.grace).await;
    hosts.abort();
    targets.abort();
    seconds.abort();
    retries.abort();
    shard.abort().await;
    let now = shard.clock.now();
    shard.ledger.borrow_mut().end_parked(now);
    shard.ledger.borrow_mut().fail_waiting(now);
    let last = shard.ledger.borrow_mut().take_interval(shard.clock.now());
    // The collector outlives the workers; if it is gone, so is the run.
    drop(lines.deliveries.send(Delivery { worker: lines.index, interval: Some(last) }));
    drop(lines.deliveries.send(Delivery { worker: lines.index, interval: None }));
    released.map(|last_due| WorkerSummary { unreleased, last_due })
}

struct ArrivalQueue {
    batch: std::vec::IntoIter<Arrival>,
    arrivals: mpsc::Receiver<Vec<Arrival>>,
    /// When something last came that had been waited for. What was due before
    /// then and comes later is late because of the reader.
    caught_up: Offset,
}

impl ArrivalQueue {
    async fn next<C: Connect>(&mut self, shard: &Shard<C>) -> Option<Arrival> {
        loop {
            if let Some(arrival) = self.batch.next() {
                return Some(arrival);
            }
            let mut lost = Duration::ZERO;
            let batch = if let Ok(batch) = self.arrivals.try_recv() {
                batch
            } else {
                let since = shard.clock.now();
                let batch = self.arrivals.recv().await?;
                self.caught_up = shard.clock.now();
                let due = batch.first().map_or(self.caught_up, |first| first.due);
                lost = Duration::from_nanos(self.caught_up.nanos_since(due.max(since)));
                batch
            };
            let late = batch.iter().map(|arrival| arrival.due).take_while(|due| *due < self.caught_up);
            shard.ledger.borrow_mut().trace_lag(lost, late);
            self.batch = batch.into_iter();
        }
    }

    async fn next_batch(&mut self) -> Option<Vec<Arrival>> {
        let begun: Vec<Arrival> = self.batch.by_ref().collect();
        if begun.is_empty() { self.arrivals.recv().await } else { Some(begun) }
    }

    /// Puts an arrival back that was not released after all.
    fn give_back(&mut self, arrival: Arrival) {
        let rest = std::mem::take(&mut self.batch);
        self.batch = std::iter::once(arrival).chain(rest).collect::<Vec<_>>().into_iter();
    }

    /// Takes no more, and counts what was left.
    async fn close(&mut self) -> u64 {
        self.arrivals.close();
        let mut left = self.batch.len();
        while let Some(batch) = self.arrivals.recv().await {
            left += batch.len();
        }
        u64::try_from(left).unwrap_or(u64::MAX)
    }
}

async fn run_open_loop<C: Connect>(
    shard: &Rc<Shard<C>>,
    pacer: &Pacer,
    queue: &mut ArrivalQueue,
    phase: &mut watch::Receiver<Phase>,
) -> std::io::Result<Offset> {
    let mut in_a_row = 0;
    let mut last_due = Offset::ZERO;
    loop {
        let arrival = tokio::select! {
            biased;
            () = phase_reached(phase, Phase::Draining) => return Ok(last_due),
            next = queue.next(shard) => match next {
                Some(arrival) => arrival,
                None => return Ok(last_due),
            },
        };
        if shard.clock.is_before(arrival.due) {
            in_a_row = 0;
            shard.join_finished();
            tokio::select! {
                biased;
                waited = pacer.until(arrival.due) => waited?,
                () = phase_reached(phase, Phase::Draining) => {
                    queue.give_back(arrival);
                    return Ok(last_due);
                }
            }
            last_due = arrival.due;
            shard.release(arrival);
        } else {
            in_a_row += 1;
            if in_a_row % BURST == 0 {
                tokio::task::yield_now().await;
            }
            last_due = arrival.due;
            shard.release_late(arrival);
        }
    }
}

/// Keeps the supply of a closed loop filled until the trace or its time ends.
async fn run_closed_loop<C: Connect>(
    shard: &Rc<Shard<C>>,
    queue: &mut ArrivalQueue,
    phase: &mut watch::Receiver<Phase>,
) -> Offset {
    tokio::time::sleep_until(shard.clock.instant(Offset::ZERO)).await;
    let mut exhausted = false;
    while !(shard.ready_queue().is_over(shard.clock.now()) || exhausted && shard.ready_queue().is_empty()) {
        shard.join_finished();
        shard.fill_idle();
        let wants_more = !exhausted && shard.ready_queue().is_low();
        tokio::select! {
            biased;
            () = phase_reached(phase, Phase::Draining) => break,
            batch = queue.next_batch(), if wants_more => match batch {
                Some(batch) => {
                    let brought = batch.len();
                    let dry = shard.ready_queue().refill(batch);
                    if let Some(since) = dry {
                        record_trace_lag(shard, since, brought);
                    }
                }
                None => exhausted = true,
            },
            () = shard.ready_queue_low.notified() => {}
        }
    }
    shard.clock.now()
}

/// Books that connections which could have taken an arrival had to wait for the
/// reader: the first ones of what it brought are those they waited for.
fn record_trace_lag<C: Connect>(shard: &Shard<C>, since: Offset, brought: usize) {
    let now = shard.clock.now();
    let waited_for = shard.unused_connections().min(brought);
    if waited_for > 0 && now > since {
        let lost = Duration::from_nanos(now.nanos_since(since));
        shard.ledger.borrow_mut().trace_lag(lost, std::iter::repeat_n(since, waited_for));
    }
}

async fn drain<C: Connect>(shard: &Rc<Shard<C>>, phase: &mut watch::Receiver<Phase>, grace: Duration) {
    let end = tokio::time::Instant::now() + grace;
    while !shard.is_settled() {
        tokio::select! {
            biased;
            () = shard.settled.notified() => {}
            () = phase_reached(phase, Phase::Stopping) => return,
            () = tokio::time::sleep_until(end) => return,
        }
    }
}

async fn phase_reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    // A sender that is gone will change nothing any more.
    if phase.wait_for(|now| *now >= wanted).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn receive_target_answers<C: Connect>(shard: Rc<Shard<C>>, mut answers: mpsc::Receiver<TargetAnswer>) {
    while let Some(answer) = answers.recv().await {
        shard.ledger.borrow_mut().target_answered(&answer, shard.clock.now());
        shard.judged();
    }
}

async fn receive_host_answers<C: Connect>(shard: Rc<Shard<C>>, mut answers: mpsc::Receiver<HostAnswer>) {
    while let Some(answer) = answers.recv().await {
        shard.ledger.borrow_mut().host_answered(&answer, shard.clock.now());
        shard.judged();
    }
}

/// Sends retries when they are due; returns at once where no client is
/// modelled. A storm is thousands of them at a time, so answers and arrivals get
/// their turn in between.
async fn send_retries<C: Connect>(shard: Rc<Shard<C>>, pacer: Rc<Pacer>) {
    let Some(sooner) = shard.ledger.borrow().earlier_retry() else { return };
    let pacer = pacer.relaxed();
    loop {
        let due = shard.ledger.borrow().next_retry_due();
        let reached = async {
            let Some(due) = due else { return std::future::pending().await };
            if pacer.until(due).await.is_err() {
                // Late is better than never.
                tokio::time::sleep_until(shard.clock.instant(due)).await;
            }
        };
        tokio::select! {
            biased;
            () = reached => while shard.retry(BURST) {
                tokio::task::yield_now().await;
            },
            () = sooner.notified() => {}
        }
    }
}

async fn deliver_seconds<C: Connect>(
    shard: Rc<Shard<C>>,
    (mut meter, pacer): (CpuMeter, Rc<Pacer>),
    (worker, deliveries): (usize, SyncSender<Delivery>),
) {
    let warmup_ends = shard.ledger.borrow().warmup_ends();
    tokio::time::sleep_until(shard.clock.instant(warmup_ends)).await;
    meter.restart(pacer.busy_waited());
    loop {
        let end = shard.ledger.borrow().second_ends();
        tokio::time::sleep_until(shard.clock.instant(end)).await;
        shard.join_finished();
        let gauges = shard.gauges();
        let mut ledger = shard.ledger.borrow_mut();
        ledger.set_gauges(gauges);
        if let Some(lap) = meter.sample(pacer.busy_waited(), ledger.offered_so_far()) {
            ledger.cpu_sample(&lap);
        }
        let interval = ledger.take_interval(shard.clock.now());
        // A collector that is behind must not hold the worker up: the numbers
        // stay here and go out with the next second's.
        match deliveries.try_send(Delivery { worker, interval: Some(interval) }) {
            Ok(()) => {}
            Err(TrySendError::Full(Delivery { interval, .. })) => {
                if let Some(undelivered) = interval {
                    ledger.put_back(&undelivered);
                }
            }
            Err(TrySendError::Disconnected(_)) => return,
        }
    }
}
