//! Downloads that are tried again: which ones, and when.
//!
//! One [`Retries`] a worker, in plain cells like the rest of it. It asks the
//! clients about each download that has failed, remembers those that wait in a
//! bounded heap, and hands them out when they are due. It knows neither
//! clock nor wire; what becomes of a download is booked by the ledger.

use downpour_core::agent::ClientKind;
use downpour_core::fault::{Fault, FaultSet};
use downpour_core::units::Offset;
use downpour_load::client::sessions::SESSIONS_MAX;
use downpour_load::client::{ClientBehavior, ClientModel, ClientPlan, LastAttempt, RetryContext};
use downpour_load::schedule::Arrival;
use downpour_metrics::DownloadEnd;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Most downloads of a worker that wait for a retry: 64 MB.
pub(crate) const WAITING_MAX: usize = 500_000;

/// A download whose attempt has ended, on its way to a judgement.
#[derive(Clone, Debug)]
pub(crate) struct EndedAttempt {
    pub(crate) arrival: Arrival,
    pub(crate) retry_context: RetryContext,
    /// The answer's status and what it says of when to come back.
    pub(crate) answer: Option<(u16, Option<Duration>)>,
    /// When the client knew how it had gone.
    pub(crate) known_at: Offset,
}

impl EndedAttempt {
    fn last(&self, fault: Fault) -> LastAttempt {
        match self.answer {
            Some((status, retry_after)) => LastAttempt::answered(status, Some(fault), retry_after),
            None => LastAttempt::unanswered(fault),
        }
    }
}

/// A download that waits for its next attempt.
#[derive(Debug)]
pub(crate) struct WaitingRetry {
    pub(crate) due: Offset,
    pub(crate) arrival: Arrival,
    pub(crate) retry_context: RetryContext,
}

const _: () = assert!(size_of::<WaitingRetry>() <= 144, "a storm holds hundreds of thousands of them");

impl WaitingRetry {
    /// Downloads that are due at once leave in the order of their arrivals.
    const fn order_key(&self) -> (Offset, u64) {
        (self.due, self.arrival.sequence)
    }
}

impl PartialEq for WaitingRetry {
    fn eq(&self, other: &Self) -> bool {
        self.order_key() == other.order_key()
    }
}

impl Eq for WaitingRetry {}

impl PartialOrd for WaitingRetry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for WaitingRetry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order_key().cmp(&other.order_key())
    }
}

/// What becomes of a download that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryDecision {
    /// It is tried again.
    Retry,
    /// It has failed for good.
    Final(DownloadEnd),
}

/// The downloads of one worker that have failed and may be tried again.
#[derive(Debug)]
pub(crate) struct Retries {
    clients: ClientBehavior,
    waiting: BinaryHeap<Reverse<WaitingRetry>>,
    capacity: usize,
    earlier_due: Arc<Notify>,
}

impl Retries {
    pub(crate) fn new(plan: Arc<ClientPlan>, most: usize) -> Self {
        let clients = ClientBehavior::new(plan, SESSIONS_MAX);
        Self { clients, waiting: BinaryHeap::new(), capacity: most, earlier_due: Arc::default() }
    }

    /// Told when something waits that is due before all else.
    pub(crate) fn earlier_due(&self) -> Arc<Notify> {
        Arc::clone(&self.earlier_due)
    }

    /// Whether clients are told apart.
    pub(crate) fn is_mixed(&self) -> bool {
        self.clients.is_mixed()
    }

    /// The model that clients of that kind follow.
    pub(crate) fn model(&self, client: ClientKind) -> &ClientModel {
        self.clients.model(client)
    }

    /// When the next one is due.
    pub(crate) fn next_due(&self) -> Option<Offset> {
        self.waiting.peek().map(|Reverse(waiting)| waiting.due)
    }

    /// Begins a download; `None` where its client has ended with another one,
    /// and would not have asked.
    pub(crate) fn begin(&mut self, arrival: &Arrival) -> Option<RetryContext> {
        self.clients.begin(arrival)
    }

    /// A download came out well.
    pub(crate) fn succeeded(&mut self, trial: &RetryContext) {
        self.clients.succeeded(trial);
    }

    /// What becomes of a download that has `fault`.
    pub(crate) fn failed(&mut self, tried: &EndedAttempt, fault: Fault, others: FaultSet) -> RetryDecision {
        let (mut retry_context, sequence) = (tried.retry_context, tried.arrival.sequence);
        retry_context.keep_others(others);
        let next =
            self.clients.failed((&mut retry_context, sequence), (tried.last(fault), fault), tried.known_at);
        let ended = match next {
            Ok(due) if self.waiting.len() < self.capacity => {
                self.enqueue(WaitingRetry { due, arrival: tried.arrival.clone(), retry_context });
                return RetryDecision::Retry;
            }
            Ok(_) => DownloadEnd::NoRoom,
            Err(over) => DownloadEnd::from(over),
        };
        if ended != DownloadEnd::Aborted {
            self.end_session(&retry_context, tried.known_at);
        }
        RetryDecision::Final(ended)
    }

    /// Takes out what is due first, if it is due at `now`. Those whose client
    /// has begun to run again meanwhile go with the new run.
    pub(crate) fn take_due(&mut self, now: Offset) -> Option<WaitingRetry> {
        loop {
            let due = self.next_due()?;
            let Reverse(mut waiting) = (due <= now).then(|| self.waiting.pop())??;
            let Some(later) = self.clients.move_to_current_run(&mut waiting.retry_context, waiting.due)
            else {
                return Some(waiting);
            };
            waiting.due = later;
            self.enqueue(waiting);
        }
    }

    /// When the client of a download ended with another one, if it did.
    pub(crate) fn aborted_at(&self, trial: &RetryContext) -> Option<Offset> {
        self.clients.aborted_at(trial)
    }

    /// A download has failed for good at `now`; its client may end with it.
    pub(crate) fn end_session(&mut self, trial: &RetryContext, now: Offset) {
        self.clients.end_session(trial, now);
    }

    /// All that wait: nobody will come for them.
    pub(crate) fn abandon(&mut self) -> impl Iterator<Item = WaitingRetry> + use<> {
        std::mem::take(&mut self.waiting).into_iter().map(|Reverse(waiting)| waiting)
    }

    fn enqueue(&mut self, waiting: WaitingRetry) {
        if self.next_due().is_none_or(|first| waiting.due < first) {
            self.earlier_due.notify_one();
        }
        self.waiting.push(Reverse(waiting));
    }
}
