//! Asks a control for what the candidate was asked for, and compares.
//!
//! A thread of its own, with connections of its own, that comes second where it
//! shares a core with a worker. Workers hand over a seeded share of the answers
//! through a bounded queue and never wait for it; the control is asked at a
//! bounded rate, so that a load test of the candidate is none of the control.
//! Every fourth request is sent to the control twice, which shows how far it
//! differs from itself.

use super::clock::RunClock;
use super::connect::{Connect, Opened, Protocol, Tcp, secured};
use super::exchange::{Deadline, Exchanged, Http1, Received};
use super::limits::{AnswerLimits, HEAD_BYTES};
use super::threads::{on_local_runtime, panic_text};
use super::wire::{Stamper, Stamps};
use super::{EngineError, RequestTemplate, TlsPlan, priority};
use downpour_core::fault::Fault;
use downpour_core::units::{Rate, Share};
use downpour_load::schedule::Arrival;
use downpour_load::schedule::sample::{Sample, SamplePurpose, SampleUnit};
use downpour_metrics::{ComparisonSubject, ControlCounts, ControlResults};
use downpour_verify::control::{ControlComparison, Observed};
use hyper_util::rt::TokioIo;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Requests to the control under way at once, those that wait for their turn
/// included.
const CONCURRENT_MAX: usize = 32;

/// For how long answers may wait: a control that changes meanwhile would be
/// compared with a candidate of another time.
const QUEUE_WAIT_MAX: Duration = Duration::from_secs(5);

/// Answers that may wait at least and at most, whatever the rate is.
const QUEUE_LENGTH_BOUNDS: (u64, u64) = (16, 1_024);

/// The share of the requests to the control that are sent twice: a quarter.
const NOISE_PPM: u32 = 250_000;

/// How the control is asked.
#[derive(Clone, Debug)]
pub(crate) struct ControlPlan {
    /// What is compared.
    pub(crate) comparison: ControlComparison,
    /// `scheme://host:port` of the candidate.
    pub(crate) candidate: String,
    /// The same of the control.
    pub(crate) control: String,
    /// Where the control listens; used in turn.
    pub(crate) addresses: Vec<SocketAddr>,
    /// What every request to it says beside its target.
    pub(crate) request_template: RequestTemplate,
    /// What connections to it are secured with.
    pub(crate) tls: Option<TlsPlan>,
    /// The share of the answers that is compared.
    pub(crate) share: Share,
    /// What chooses them.
    pub(crate) seed: u64,
    /// Most requests to the control.
    pub(crate) rate: Rate,
    /// From the sending of a request to the end of its answer.
    pub(crate) timeout: Duration,
    /// From the attempt to connect to the connection.
    pub(crate) connect_timeout: Duration,
    /// Most bytes of an answer's body.
    pub(crate) max_body: u64,
}

/// The thread that asks the control. Dropping it ends what is under way.
#[derive(Debug)]
pub(crate) struct ControlThread {
    handle: Option<ControlHandle>,
    /// Says until when what is under way may end.
    stop: Option<oneshot::Sender<Instant>>,
    thread: Option<JoinHandle<io::Result<()>>>,
    results: Arc<Mutex<ControlResults>>,
}

impl ControlThread {
    /// Starts the thread. Nobody is connected to until there is something to
    /// ask.
    pub(crate) fn start(plan: ControlPlan) -> Result<Self, EngineError> {
        let (queue, questions) = mpsc::channel(queue_length(plan.rate));
        let (stop, stopped) = oneshot::channel();
        let tally = Arc::new(Mutex::new(ControlResults::default()));
        let line = ControlHandle {
            queue,
            comparison: plan.comparison.clone(),
            candidate: plan.candidate.as_str().into(),
            sample: Sample::drawn(plan.share, SampleUnit::Target, plan.seed, SamplePurpose::Control),
            noise_sample: Share::from_ppm(NOISE_PPM)
                .map(|share| Sample::drawn(share, SampleUnit::Target, plan.seed, SamplePurpose::Noise)),
        };
        let kept = Arc::clone(&tally);
        let thread = thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || {
                priority::lower_priority();
                on_local_runtime(async move {
                    let tcp = Tcp::new(plan.addresses.clone(), Protocol::Http1);
                    let lines = (questions, stopped);
                    match plan.tls.clone() {
                        None => serve(ControlClient::new(tcp, plan, kept), lines).await,
                        Some(tls) => serve(ControlClient::new(secured(tcp, tls), plan, kept), lines).await,
                    }
                    Ok(())
                })
            })
            .map_err(EngineError::Control)?;
        Ok(Self { handle: Some(line), stop: Some(stop), thread: Some(thread), results: tally })
    }

    /// A worker's way to hand answers over.
    pub(crate) fn handle(&self) -> Option<ControlHandle> {
        self.handle.clone()
    }

    /// What has come of it so far.
    pub(crate) fn results(&self) -> ControlResults {
        lock(&self.results).clone()
    }

    /// Lets what waits or is under way end within `patience`. Returns what came
    /// of it all, and why the thread ended early if it did.
    pub(crate) fn finish(mut self, patience: Duration) -> (ControlResults, Option<String>) {
        drop(self.handle.take());
        if let Some(stop) = self.stop.take() {
            // A thread that is gone needs no word.
            stop.send(Instant::now() + patience).ok();
        }
        let trouble = match self.thread.take().map(JoinHandle::join) {
            None | Some(Ok(Ok(()))) => None,
            Some(Ok(Err(error))) => Some(format!("the control was not used: {error}")),
            Some(Err(panic)) => Some(format!("the control thread panicked: {}", panic_text(&*panic))),
        };
        (self.results(), trouble)
    }
}

impl Drop for ControlThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Whoever wants to know how it ended asks it to finish.
            drop(thread.join());
        }
    }
}

fn queue_length(rate: Rate) -> usize {
    let (least, most) = QUEUE_LENGTH_BOUNDS;
    usize::try_from(rate.due_before(QUEUE_WAIT_MAX.into()).clamp(least, most)).unwrap_or(CONCURRENT_MAX)
}

fn lock(tally: &Mutex<ControlResults>) -> MutexGuard<'_, ControlResults> {
    // Every change of a tally is whole or panics before it.
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An answer of the candidate, to be held against the control's.
#[derive(Debug)]
struct ComparisonJob {
    arrival: Arrival,
    observed: Observed,
    measure_noise: bool,
}

/// A worker's way to have answers compared.
#[derive(Clone, Debug)]
pub(crate) struct ControlHandle {
    queue: mpsc::Sender<ComparisonJob>,
    comparison: ControlComparison,
    candidate: Arc<str>,
    sample: Sample,
    noise_sample: Option<Sample>,
}

impl ControlHandle {
    /// Hands an answer over if the sample takes it and there is room. Never
    /// waits.
    pub(crate) fn offer(&self, arrival: &Arrival, received: &Received) -> ControlCounts {
        // Each request for itself: what is asked for often is compared often.
        let number = arrival.sequence.to_le_bytes();
        if !self.sample.includes(&number) {
            return ControlCounts { sampled_out: 1, ..ControlCounts::default() };
        }
        let Ok(room) = self.queue.try_reserve() else {
            return ControlCounts { queue_full: 1, ..ControlCounts::default() };
        };
        let observed = self.comparison.observe(&self.candidate, received.status, &received.head);
        let twice = self.noise_sample.is_some_and(|sample| sample.includes(&number));
        room.send(ComparisonJob { arrival: arrival.clone(), observed, measure_noise: twice });
        ControlCounts { handed_over: 1, ..ControlCounts::default() }
    }
}

/// Takes questions up until there will be no more and all are answered, or
/// until it is stopped.
async fn serve<C: Connect>(
    asker: ControlClient<C>,
    (mut questions, stop): (mpsc::Receiver<ComparisonJob>, oneshot::Receiver<Instant>),
) {
    let asker = Rc::new(asker);
    let ask_all = async {
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                Some(ended) = tasks.join_next() => resume_panic(ended),
                question = questions.recv(), if tasks.len() < CONCURRENT_MAX => match question {
                    Some(question) => drop(tasks.spawn_local(Rc::clone(&asker).compare(question))),
                    None => break,
                },
            }
        }
        while let Some(ended) = tasks.join_next().await {
            resume_panic(ended);
        }
    };
    let stopped = async {
        if let Ok(until) = stop.await {
            tokio::time::sleep_until(until).await;
        }
    };
    tokio::select! {
        biased;
        () = ask_all => {}
        () = stopped => {}
    }
}

fn resume_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

/// What asks the control.
struct ControlClient<C: Connect> {
    connector: C,
    plan: ControlPlan,
    clock: RunClock,
    limits: AnswerLimits,
    idle: RefCell<Vec<Http1<TokioIo<C::Stream>>>>,
    /// When the next request may leave.
    next_send: Cell<Instant>,
    results: Arc<Mutex<ControlResults>>,
}

impl<C: Connect> ControlClient<C> {
    fn new(connector: C, plan: ControlPlan, tally: Arc<Mutex<ControlResults>>) -> Self {
        let limits = AnswerLimits { body: plan.max_body, head: HEAD_BYTES };
        let clock = RunClock::starting_in(Duration::ZERO);
        let next_turn = Cell::new(Instant::now());
        Self {
            connector,
            plan,
            clock,
            limits,
            idle: RefCell::default(),
            next_send: next_turn,
            results: tally,
        }
    }

    async fn compare(self: Rc<Self>, question: ComparisonJob) {
        let ComparisonJob { arrival, observed, measure_noise: twice } = question;
        let Some(first) = self.compare_with(&arrival, ComparisonSubject::Candidate, &observed).await else {
            return;
        };
        if twice {
            self.compare_with(&arrival, ComparisonSubject::Itself, &first).await;
        }
    }

    /// Asks, and books how the answer differs from `other`.
    async fn compare_with(
        &self,
        arrival: &Arrival,
        against: ComparisonSubject,
        other: &Observed,
    ) -> Option<Observed> {
        let comparison = &self.plan.comparison;
        let answer = self.ask(arrival).await;
        let path = arrival.target.as_str();
        match answer {
            Ok(answer) => {
                let observed = comparison.observe(&self.plan.control, answer.status, &answer.head);
                let found = comparison.differences(other, &observed);
                lock(&self.results).compared(against, path, &found);
                Some(observed)
            }
            Err(fault) => {
                lock(&self.results).failed(against, path, fault);
                None
            }
        }
    }

    async fn ask(&self, arrival: &Arrival) -> Result<Received, Fault> {
        self.wait_for_rate_limit().await;
        let deadline = Instant::now() + self.plan.timeout;
        // Each round uses up a connection that was closed meanwhile, or ends.
        loop {
            let idle = self.idle.borrow_mut().pop();
            let mut wire = match idle {
                Some(wire) => wire,
                None => self.open(deadline).await?,
            };
            match wire
                .exchange(arrival, &self.plan.request_template.headers, &mut Deadline::new(deadline))
                .await
            {
                Exchanged::Answered(received) => {
                    if wire.ready().await {
                        self.idle.borrow_mut().push(wire);
                    }
                    return Ok(received);
                }
                Exchanged::Broken(fault) => return Err(fault),
                Exchanged::Unprocessed(_) => {}
            }
        }
    }

    /// Waits until another request may leave.
    async fn wait_for_rate_limit(&self) {
        let turn = self.next_send.get().max(Instant::now());
        self.next_send.set(turn + self.plan.rate.due(1).as_duration());
        tokio::time::sleep_until(turn).await;
    }

    async fn open(&self, deadline: Instant) -> Result<Http1<TokioIo<C::Stream>>, Fault> {
        let stamps = Rc::new(Stamps::default());
        let opening = async {
            let stamper = Stamper::new(self.clock, Rc::clone(&stamps));
            let Opened { stream, .. } = self.connector.connect(stamper).await?;
            Http1::handshake(stream, stamps, self.limits).await.map_err(|_| Fault::HttpReset)
        };
        let connect = Instant::now() + self.plan.connect_timeout;
        tokio::time::timeout_at(connect.min(deadline), opening).await.map_err(|_| Fault::ConnectTimeout)?
    }
}
