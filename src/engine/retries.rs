//! Downloads that are tried again: which ones, and when.
//!
//! One [`Retries`] a worker, in plain cells like the rest of it. It asks the
//! clients about each download that has failed, remembers those that wait in a
//! bounded heap, and hands them out when they are due. It knows neither
//! clock nor wire; what becomes of a download is booked by the ledger.

use crate::client::sessions::SESSIONS_MAX;
use crate::client::{ClientModel, ClientPlan, Conduct, LastAttempt, Trial};
use crate::fault::{Fault, FaultSet};
use crate::schedule::Arrival;
use crate::tally::Ended;
use crate::trace::agent::ClientKind;
use crate::units::Offset;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Most downloads of a worker that wait for a retry: 64 MB.
pub(crate) const WAITING_MAX: usize = 500_000;

/// A download whose attempt has ended, on its way to a judgement.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    pub(crate) arrival: Arrival,
    pub(crate) trial: Trial,
    /// The answer's status and what it says of when to come back.
    pub(crate) answer: Option<(u16, Option<Duration>)>,
    /// When the client knew how it had gone.
    pub(crate) known: Offset,
}

impl Tried {
    fn last(&self, fault: Fault) -> LastAttempt {
        match self.answer {
            Some((status, retry_after)) => LastAttempt::answered(status, Some(fault), retry_after),
            None => LastAttempt::broke(fault),
        }
    }
}

/// A download that waits for its next attempt.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) due: Offset,
    pub(crate) arrival: Arrival,
    pub(crate) trial: Trial,
}

const _: () = assert!(size_of::<Waiting>() <= 144, "a storm holds hundreds of thousands of them");

impl Waiting {
    /// Downloads that are due at once leave in the order of their arrivals.
    const fn place(&self) -> (Offset, u64) {
        (self.due, self.arrival.sequence)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place().cmp(&other.place())
    }
}

/// What becomes of a download that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is tried again.
    Again,
    /// It has failed for good.
    Over(Ended),
}

/// The downloads of one worker that have failed and may be tried again.
#[derive(Debug)]
pub(crate) struct Retries {
    clients: Conduct,
    waiting: BinaryHeap<Reverse<Waiting>>,
    most: usize,
    sooner: Arc<Notify>,
}

impl Retries {
    pub(crate) fn new(plan: Arc<ClientPlan>, most: usize) -> Self {
        let clients = Conduct::new(plan, SESSIONS_MAX);
        Self { clients, waiting: BinaryHeap::new(), most, sooner: Arc::default() }
    }

    /// Told when something waits that is due before all else.
    pub(crate) fn sooner(&self) -> Arc<Notify> {
        Arc::clone(&self.sooner)
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
    pub(crate) fn begin(&mut self, arrival: &Arrival) -> Option<Trial> {
        self.clients.begin(arrival)
    }

    /// A download came out well.
    pub(crate) fn succeeded(&mut self, trial: &Trial) {
        self.clients.succeeded(trial);
    }

    /// What becomes of a download that has `fault`.
    pub(crate) fn failed(&mut self, tried: &Tried, fault: Fault, others: FaultSet) -> Verdict {
        let (mut trial, sequence) = (tried.trial, tried.arrival.sequence);
        trial.keep_others(others);
        let next = self.clients.failed((&mut trial, sequence), (tried.last(fault), fault), tried.known);
        let ended = match next {
            Ok(due) if self.waiting.len() < self.most => {
                self.wait(Waiting { due, arrival: tried.arrival.clone(), trial });
                return Verdict::Again;
            }
            Ok(_) => Ended::NoRoom,
            Err(over) => Ended::from(over),
        };
        if ended != Ended::Aborted {
            self.end_session(&trial, tried.known);
        }
        Verdict::Over(ended)
    }

    /// Takes out what is due first, if it is due at `now`. Those whose client
    /// has begun to run again meanwhile go with the new run.
    pub(crate) fn take_due(&mut self, now: Offset) -> Option<Waiting> {
        loop {
            let due = self.next_due()?;
            let Reverse(mut waiting) = (due <= now).then(|| self.waiting.pop())??;
            let Some(later) = self.clients.moved(&mut waiting.trial, waiting.due) else {
                return Some(waiting);
            };
            waiting.due = later;
            self.wait(waiting);
        }
    }

    /// When the client of a download ended with another one, if it did.
    pub(crate) fn aborted_at(&self, trial: &Trial) -> Option<Offset> {
        self.clients.aborted_at(trial)
    }

    /// A download has failed for good at `now`; its client may end with it.
    pub(crate) fn end_session(&mut self, trial: &Trial, now: Offset) {
        self.clients.end_session(trial, now);
    }

    /// All that wait: nobody will come for them.
    pub(crate) fn abandon(&mut self) -> impl Iterator<Item = Waiting> + use<> {
        std::mem::take(&mut self.waiting).into_iter().map(|Reverse(waiting)| waiting)
    }

    fn wait(&mut self, waiting: Waiting) {
        if self.next_due().is_none_or(|first| waiting.due < first) {
            self.sooner.notify_one();
        }
        self.waiting.push(Reverse(waiting));
    }
}
