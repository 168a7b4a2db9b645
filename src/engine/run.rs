//! A run from start to end: threads, the start signal, the collector.

use super::clock::RunClock;
use super::connect::{Connect, Tcp, secured};
use super::control::ControlThread;
use super::cpu_meter::thread_cpu;
use super::dispatch::{DispatchSummary, Dispatcher, Partition, QUEUED_BATCHES};
use super::ledger::{HOST_ANSWERS, Ledger, LookupChannel, TARGET_ANSWERS, TargetChecker};
use super::limits::{AnswerLimits, HEAD_BYTES, ShardLimits};
use super::pacer::Pacer;
use super::priority;
use super::retries::{Retries, WAITING_MAX};
use super::shard::Shard;
use super::threads::{on_local_runtime, panic_text};
use super::worker::{Delivery, LoopMode, Phase, WorkerInputs, WorkerSummary, run_worker};
use super::{EngineError, EnginePlan, Judging, Overload, RequestTemplate};
use downpour_core::units::Offset;
use downpour_load::played::{AtEndOfTrace, Played, Requests};
use downpour_load::schedule::{Arrival, Schedule, ScheduleCounts};
use downpour_metrics::{IntervalMerger, Recorder, Totals};
use downpour_metrics::{Observer, RunEnd};
use downpour_verify::probe::ProbeDepth;
use std::io;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// From the start signal to the first due time: long enough for every worker to
/// be waiting by then.
const LEAD: Duration = Duration::from_millis(20);

/// The same where connections are opened ahead of need.
const LEAD_TO_CONNECT: Duration = Duration::from_secs(1);

/// Most deliveries on their way to the collector: a minute of one worker.
const DELIVERIES: usize = 64;

/// What a worker thread returns, and the processor time it took.
type WorkerResult = (io::Result<WorkerSummary>, Duration);

/// Carries out a run and returns when it is over.
///
/// `phase` is how the world stops it: see [`Phase`]. Blocks the calling thread,
/// which becomes the collector and, where it shares a core with a worker, comes
/// second from then on.
pub(crate) fn run(
    plan: &EnginePlan,
    trace: (Box<dyn Requests>, Schedule, AtEndOfTrace),
    judging: &Judging,
    phase: &watch::Receiver<Phase>,
    observer: &mut dyn Observer,
) -> Result<RunEnd, EngineError> {
    let (deliveries, delivered) = sync_channel(DELIVERIES);
    let mut start = StartSignal::default();
    let workers = (0..plan.threads)
        .map(|index| spawn_worker(index, (plan, judging), phase.clone(), deliveries.clone(), &mut start))
        .collect::<io::Result<Vec<_>>>()
        .map_err(EngineError::Worker)?;
    drop(deliveries);
    let (requests, schedule, at_end) = trace;
    let has_sessions = plan.clients.as_ref().is_some_and(|clients| clients.has_sessions());
    let deal = if has_sessions { Partition::ByClient } else { Partition::RoundRobin };
    let length = schedule.length();
    let played = Played::new(requests, schedule, at_end);
    let started = Arc::new(OnceLock::<RunClock>::new());
    let (dispatcher_start, dispatcher_phase) = (Arc::clone(&started), phase.clone());
    // Asked while a stream is quiet: nothing else would end such a run.
    let ends = move || {
        let is_past = |clock: &RunClock| length.is_some_and(|end| clock.now() >= Offset::from(end));
        *dispatcher_phase.borrow() > Phase::Running || dispatcher_start.get().is_some_and(is_past)
    };
    let dispatcher = Dispatcher::new(played, deal, std::mem::take(&mut start.queues)).until(ends);
    let dispatcher = thread::Builder::new()
        .name("dispatcher".to_owned())
        .spawn(move || {
            priority::lower_priority();
            (dispatcher.run(), thread_cpu())
        })
        .map_err(EngineError::Worker)?;
    let clock = start.send(if plan.connection_plan.open_ahead > 0 { LEAD_TO_CONNECT } else { LEAD });
    started.get_or_init(|| clock);
    let mut end = RunEnd {
        totals: collect(plan.threads, &delivered, observer),
        accounting: downpour_trace::TraceAccounting::default(),
        unreleased: 0,
        scheduled: ScheduleCounts::default(),
        last_due: Offset::ZERO,
        wall: clock.now().as_duration(),
        cpu: Duration::ZERO,
        interrupted: *phase.borrow() > Phase::Running,
        notices: Vec::new(),
        failures: Vec::new(),
    };
    join(&mut end, workers, dispatcher);
    Ok(end)
}

/// The start signal: given when every worker has its first arrivals.
#[derive(Default)]
struct StartSignal {
    queues: Vec<mpsc::Sender<Vec<Arrival>>>,
    ready: Vec<oneshot::Receiver<()>>,
    go: Vec<oneshot::Sender<RunClock>>,
}

impl StartSignal {
    fn send(self, lead: Duration) -> RunClock {
        for ready in self.ready {
            // A worker that died before it was ready says so when it is joined.
            drop(ready.blocking_recv());
        }
        let clock = RunClock::starting_in(lead);
        for go in self.go {
            if go.send(clock).is_err() {
                tracing::debug!("a worker thread ended before the start");
            }
        }
        clock
    }
}

fn spawn_worker(
    index: usize,
    (plan, judging): (&EnginePlan, &Judging),
    phase: watch::Receiver<Phase>,
    deliveries: SyncSender<Delivery>,
    start: &mut StartSignal,
) -> io::Result<JoinHandle<WorkerResult>> {
    let (queue, arrivals) = mpsc::channel(QUEUED_BATCHES);
    let (ready, is_ready) = oneshot::channel();
    let (go, started) = oneshot::channel();
    start.queues.push(queue);
    start.ready.push(is_ready);
    start.go.push(go);
    let (answers, host_answers) = mpsc::channel(HOST_ANSWERS);
    let lookups =
        judging.lookups.as_ref().map(|lookups| LookupChannel { handle: lookups.handle(), reply: answers });
    let (found, target_answers) = mpsc::channel(TARGET_ANSWERS);
    let reach = ProbeDepth::of(judging.judge.depth());
    let targets = judging.probes.as_ref();
    let targets = targets.map(|probes| TargetChecker::new(probes.handle(), found, reach, judging.sampling));
    let control = judging.control.as_ref().and_then(ControlThread::handle);
    let recorder = Recorder::new(plan.warmup);
    let ledger = Ledger::new(recorder, (judging.judge.clone(), judging.private_addresses), lookups)
        .with_targets(targets, judging.json_sample)
        .with_catalog(judging.catalog.clone())
        .with_retries(plan.clients.clone().map(|clients| Retries::new(clients, WAITING_MAX)))
        .with_control(control);
    let limits = worker_limits(plan, index);
    let (pacing, grain) = (plan.pacing, plan.batch_interval);
    let ahead = plan.connection_plan.open_ahead.div_ceil(plan.threads);
    let (origin, tcp, tls) =
        (plan.request_template.clone(), Tcp::new(plan.addresses.clone(), plan.protocol), plan.tls.clone());
    let lines = WorkerInputs {
        index,
        arrivals,
        first_batch: None,
        phase,
        host_answers,
        target_answers,
        deliveries,
        grace: plan.grace,
        loop_mode: plan.loop_mode,
        cpu: thread_cpu,
    };
    let core = plan.pin.then_some(index);
    thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
        priority::tune_worker_thread(core);
        let worked = on_local_runtime(async move {
            let mut lines = lines;
            lines.first_batch = lines.arrivals.recv().await;
            ready.send(()).map_err(|()| io::Error::other("the run was stopped before it began"))?;
            let clock = started.await.map_err(|_| io::Error::other("the run was stopped before it began"))?;
            let pacer = Pacer::new(pacing, grain, clock)?;
            let about = (clock, limits, ahead);
            match tls {
                None => run_shard(about, origin, tcp, ledger, (pacer, lines)).await,
                Some(tls) => run_shard(about, origin, secured(tcp, tls), ledger, (pacer, lines)).await,
            }
        });
        (worked, thread_cpu())
    })
}

async fn run_shard<C: Connect>(
    (clock, limits, ahead): (RunClock, ShardLimits, usize),
    origin: RequestTemplate,
    connector: C,
    ledger: Ledger,
    (pacer, lines): (Pacer, WorkerInputs),
) -> io::Result<WorkerSummary> {
    let shard = Rc::new(Shard::new((clock, limits), origin, connector, ledger));
    shard.open_ahead(ahead);
    run_worker(shard, pacer, lines).await
}

/// One worker's share of the limits. The first workers take what does not
/// divide evenly; nobody gets none.
fn worker_limits(plan: &EnginePlan, index: usize) -> ShardLimits {
    let part = |whole: usize| (whole / plan.threads + usize::from(index < whole % plan.threads)).max(1);
    let (connections, most) = (part(plan.connections), part(plan.max_in_flight));
    let (active, in_flight) = match plan.overload {
        Overload::Shed => (connections, most),
        Overload::Queue => (connections.min(most), most.saturating_mul(10)),
    };
    ShardLimits {
        connections: active,
        in_flight,
        open_arrivals: match plan.loop_mode {
            LoopMode::Closed { open, .. } => open.map(part),
            LoopMode::Open => None,
        },
        streams: plan.connection_plan.streams.max(1),
        reuse: plan.connection_plan.reuse,
        requests_per_connection: plan.connection_plan.requests_per_connection,
        idle: plan.connection_plan.idle,
        first_byte: plan.connection_plan.first_byte,
        timeout: plan.timeout,
        connect_timeout: plan.connect_timeout,
        answer: AnswerLimits { body: plan.max_body, head: HEAD_BYTES },
    }
}

fn collect(workers: usize, delivered: &Receiver<Delivery>, observer: &mut dyn Observer) -> Totals {
    priority::lower_priority();
    let mut fold = IntervalMerger::new(workers);
    // The channel ends when the last worker has ended, in whatever way.
    while let Ok(Delivery { worker, interval }) = delivered.recv() {
        let complete = match interval {
            Some(interval) => fold.add(worker, &interval),
            None => fold.finish(worker),
        };
        for interval in complete {
            observer.second(&interval, fold.totals());
        }
    }
    let (rest, totals) = fold.close();
    for interval in rest {
        observer.second(&interval, &totals);
    }
    totals
}

fn join(
    end: &mut RunEnd,
    workers: Vec<JoinHandle<WorkerResult>>,
    dispatcher: JoinHandle<(DispatchSummary, Duration)>,
) {
    for worker in workers {
        match worker.join() {
            Ok((Ok(worked), cpu)) => {
                end.unreleased += worked.unreleased;
                end.last_due = end.last_due.max(worked.last_due);
                end.cpu += cpu;
            }
            Ok((Err(error), cpu)) => {
                end.cpu += cpu;
                end.failures.push(format!("a worker thread ended early: {error}"));
            }
            Err(panic) => end.failures.push(format!("a worker thread panicked: {}", panic_text(&*panic))),
        }
    }
    match dispatcher.join() {
        Ok((fed, cpu)) => {
            end.cpu += cpu;
            end.accounting = fed.played.trace;
            end.unreleased += fed.played.unreleased;
            end.scheduled = fed.played.counts;
            end.notices = fed.played.notices;
            end.failures.extend(fed.read_error);
        }
        Err(panic) => end.failures.push(format!("the trace reader panicked: {}", panic_text(&*panic))),
    }
}
