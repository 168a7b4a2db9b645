//! The loop of the thread that checks targets: takes questions in, asks each
//! target once, and sees that everybody who asked is answered.
//!
//! Bounded on all sides: targets remembered, questions that wait, checks under
//! way, and answers being delivered.

use super::exchange::ChosenBy;
use super::pool::{NotConnected, ProbePool};
use super::{QueuedProbe, count};
use crate::probe::{
    ProbeAction, ProbeEvent, ProbeRequest, ProbeSession, ProbeStep, TargetKey, TargetVerdict,
};
use crate::single_flight;
use crate::targets::{ALL_BOUNDS, CachedVerdict, TargetAnswer, TargetCache};
use downpour_core::fault::Fault;
use downpour_core::units::Offset;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

/// Most targets that wait to be asked, whatever the rate.
const PENDING_MAX: usize = 16_384;

/// Deliveries under way at a time.
const DELIVERIES_MAX: usize = 256;

type VerdictSender = mpsc::Sender<TargetAnswer>;

/// What a task has done.
enum ProbeTaskDone {
    Probed(TargetKey, TargetVerdict),
    Delivered,
}

pub(super) struct ProbeQueue {
    pool: Arc<ProbePool>,
    known: TargetCache<VerdictSender>,
    /// Targets that wait to be asked, first come first served.
    pending: VecDeque<ProbeRequest>,
    pending_max: usize,
    concurrency: usize,
    tasks: JoinSet<ProbeTaskDone>,
    in_progress: usize,
    begun: Instant,
}

impl ProbeQueue {
    pub(super) fn new(lines: ProbePool) -> Self {
        let concurrency = lines.options.concurrency.get();
        let limits = lines.options.rate.zip(lines.options.queue_timeout);
        let within = limits.map_or(u64::MAX, |(rate, patience)| rate.due_before(Offset::from(patience)));
        let within = usize::try_from(within).unwrap_or(usize::MAX);
        Self {
            pending_max: within.clamp(concurrency.min(PENDING_MAX), PENDING_MAX),
            pool: Arc::new(lines),
            known: TargetCache::new(ALL_BOUNDS),
            pending: VecDeque::new(),
            concurrency,
            tasks: JoinSet::new(),
            in_progress: 0,
            begun: Instant::now(),
        }
    }

    /// Serves `requests` until `stop` is dropped.
    pub(super) async fn serve(
        mut self,
        mut requests: mpsc::Receiver<QueuedProbe>,
        mut stop: oneshot::Receiver<Infallible>,
    ) {
        loop {
            while self.in_progress < self.concurrency
                && let Some(question) = self.pending.pop_front()
            {
                self.start(question);
            }
            let has_room = self.tasks.len() < self.in_progress + DELIVERIES_MAX;
            tokio::select! {
                biased;
                _ = &mut stop => return,
                Some(done) = self.tasks.join_next() => self.finish(done),
                Some(request) = requests.recv(), if has_room => self.accept(request),
            }
        }
    }

    fn now(&self) -> Offset {
        Offset::from(self.begun.elapsed())
    }

    fn accept(&mut self, QueuedProbe { request: question, reply }: QueuedProbe) {
        count(&self.pool.counts.questions);
        let key = question.key;
        match self.known.ask(key, self.now(), reply) {
            single_flight::CacheReply::Known(found, reply) => {
                self.deliver(TargetAnswer { key, verdict: Some(found) }, vec![reply]);
            }
            single_flight::CacheReply::Refused(reply) => self.skip(key, vec![reply]),
            single_flight::CacheReply::Parked { ask: false } => {}
            single_flight::CacheReply::Parked { ask: true } if self.pending.len() < self.pending_max => {
                self.pending.push_back(question);
            }
            single_flight::CacheReply::Parked { ask: true } => {
                let waiting = self.known.settle(&key, None, self.now());
                self.skip(key, waiting);
            }
        }
    }

    fn skip(&mut self, key: TargetKey, waiting: Vec<VerdictSender>) {
        let questions = u64::try_from(waiting.len()).unwrap_or(u64::MAX);
        self.pool.counts.left_out.fetch_add(questions, Ordering::Relaxed);
        self.deliver(TargetAnswer { key, verdict: None }, waiting);
    }

    fn start(&mut self, question: ProbeRequest) {
        self.in_progress += 1;
        count(&self.pool.counts.targets);
        let lines = Arc::clone(&self.pool);
        self.tasks
            .spawn(async move { ProbeTaskDone::Probed(question.key, run_probe(&lines, question).await) });
    }

    fn finish(&mut self, done: Result<ProbeTaskDone, JoinError>) {
        match done {
            Ok(ProbeTaskDone::Probed(key, verdict)) => {
                self.in_progress -= 1;
                let found = CachedVerdict { valid_for: verdict.valid_for(), value: verdict };
                let waiting = self.known.settle(&key, Some(&found), self.now());
                let answer = TargetAnswer { key, verdict: Some(found) };
                self.deliver(answer, waiting);
            }
            Ok(ProbeTaskDone::Delivered) => {}
            Err(error) => {
                if let Ok(panicked) = error.try_into_panic() {
                    panic::resume_unwind(panicked);
                }
            }
        }
    }

    /// Answers all; those without room are waited for, and delay nobody else.
    /// One who is gone needs no answer.
    fn deliver(&mut self, answer: TargetAnswer, waiting: Vec<VerdictSender>) {
        let full: Vec<VerdictSender> = waiting
            .into_iter()
            .filter(|reply| matches!(reply.try_send(answer.clone()), Err(TrySendError::Full(_))))
            .collect();
        if full.is_empty() {
            return;
        }
        self.tasks.spawn(async move {
            for reply in full {
                reply.send(answer.clone()).await.ok();
            }
            ProbeTaskDone::Delivered
        });
    }
}

/// Asks one target to the end.
async fn run_probe(lines: &ProbePool, question: ProbeRequest) -> TargetVerdict {
    let limits = lines.options.limits;
    let (mut conversation, mut next) = ProbeSession::begin(question.url, question.expectation, limits);
    loop {
        let step = match next {
            ProbeAction::Done(verdict) => {
                lines.counts.count_hops(conversation.hops());
                if let Some(fault) = verdict.fault.filter(|fault| is_unreachable(*fault)) {
                    lines.mark_unreachable(conversation.url(), fault);
                }
                return verdict;
            }
            ProbeAction::Ask(step) => step,
            ProbeAction::AskAgain(step) => {
                count(&lines.counts.repeated);
                sleep_until(Instant::now() + lines.options.pause).await;
                step
            }
        };
        let url = conversation.url().clone();
        if let Some(fault) = lines.recently_unreachable(&url) {
            conversation.set_peer(String::new());
            next = conversation.handle_event(&ProbeEvent::RecentlyUnreachable(fault));
            continue;
        }
        lines.wait_for_rate().await;
        count(&lines.counts.requests);
        next = if step == ProbeStep::Connect {
            match lines.connect(&url).await {
                Ok(_) => conversation.handle_event(&ProbeEvent::Connected),
                Err(NotConnected { fault, why }) => {
                    conversation.set_peer(why);
                    conversation.handle_event(&ProbeEvent::NotConnected(fault))
                }
            }
        } else {
            let among_itself = conversation.is_single_origin();
            let chosen_by = if among_itself { ChosenBy::ItsOrigin } else { ChosenBy::AnotherOrigin };
            let asked = lines.ask(&url, step, chosen_by).await;
            conversation.set_peer(asked.peer);
            conversation.handle_event(&asked.outcome.as_event())
        };
    }
}

/// Whether it is the place that takes no connections, whatever is asked of it.
const fn is_unreachable(fault: Fault) -> bool {
    matches!(fault, Fault::TargetRefused | Fault::TargetUnreachable | Fault::TargetConnectTimeout)
}
