//! Downloads that are tried again: which ones, and when.
//!
//! One [`Retries`] a worker, in plain cells like the rest of it. It asks the
//! client model about each download that has failed, remembers those that wait
//! in a bounded heap, and hands them out when they are due. It knows neither
//! clock nor wire; what becomes of a download is booked by the ledger.

use crate::client::sessions::{Joined, Run, SESSIONS_MAX, SessionId, Sessions};
use crate::client::{Budget, ClientModel, Clientele, LastAttempt, Next, RetryState, Siblings, draws};
use crate::fault::Fault;
use crate::schedule::Arrival;
use crate::tally::{AttemptKind, Ended};
use crate::trace::agent::ClientKind;
use crate::trace::client::ClientKey;
use crate::units::Offset;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Most downloads of a worker that wait for a retry: 64 MB.
pub(crate) const WAITING_MAX: usize = 500_000;

/// What the clients of a run do when a download fails.
#[derive(Clone, Debug)]
pub struct ClientPlan {
    /// What each of them is.
    pub clients: Clientele,
    /// The gap between two requests of a client that ends its session; zero for
    /// no sessions: each download is a client's only one.
    pub session_gap: Duration,
    /// What random waits depend on.
    pub seed: u64,
}

impl ClientPlan {
    /// Whether downloads of one client have to meet in one worker.
    pub(crate) fn has_sessions(&self) -> bool {
        !self.session_gap.is_zero()
    }
}

/// What is known of a download beside its arrival.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trial {
    state: RetryState,
    session: Option<SessionId>,
    /// Whose model it follows.
    client: ClientKind,
    /// Attempts that have ended.
    attempts: u32,
    /// What the last of them ended with; nothing reads it before.
    fault: Fault,
}

impl Trial {
    /// What its next attempt is.
    pub(crate) const fn kind(&self) -> AttemptKind {
        if self.attempts == 0 { AttemptKind::First } else { AttemptKind::Retry }
    }

    /// Attempts that have ended.
    pub(crate) const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// What the last of them ended with.
    pub(crate) const fn fault(&self) -> Fault {
        self.fault
    }
}

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

const _: () = assert!(size_of::<Waiting>() <= 128, "a storm holds hundreds of thousands of them");

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
    plan: Arc<ClientPlan>,
    sessions: Sessions,
    waiting: BinaryHeap<Reverse<Waiting>>,
    most: usize,
    sooner: Arc<Notify>,
}

impl Retries {
    pub(crate) fn new(plan: Arc<ClientPlan>, most: usize) -> Self {
        let sessions = Sessions::new(plan.session_gap, SESSIONS_MAX);
        Self { plan, sessions, waiting: BinaryHeap::new(), most, sooner: Arc::default() }
    }

    /// Told when something waits that is due before all else.
    pub(crate) fn sooner(&self) -> Arc<Notify> {
        Arc::clone(&self.sooner)
    }

    /// Whether clients are told apart.
    pub(crate) fn is_mixed(&self) -> bool {
        self.plan.clients.is_mixed()
    }

    /// The model that clients of that kind follow.
    pub(crate) fn model(&self, client: ClientKind) -> &ClientModel {
        self.plan.clients.model(client)
    }

    /// When the next one is due.
    pub(crate) fn next_due(&self) -> Option<Offset> {
        self.waiting.peek().map(|Reverse(waiting)| waiting.due)
    }

    /// Begins a download; `None` where its client has ended with another one,
    /// and would not have asked.
    pub(crate) fn begin(&mut self, arrival: &Arrival) -> Option<Trial> {
        let client = arrival.kind;
        let key = arrival.client.filter(|_| self.plan.has_sessions());
        let budget = self.model(client).budget;
        let session = match key.map(|key| self.sessions.join(self.member(key, client), arrival.due, budget)) {
            None => None,
            Some(Joined::Opened(id) | Joined::Member(id)) => Some(id),
            Some(Joined::Aborted(_)) => return None,
        };
        let mut trial =
            Trial { state: RetryState::of_run(0), session, client, attempts: 0, fault: Fault::ClientAborted };
        let run = self.run(&trial);
        self.begin_run(&mut trial, run.number);
        Some(trial)
    }

    /// One address may stand for several clients; of those that are told apart,
    /// each has sessions of its own.
    fn member(&self, key: ClientKey, client: ClientKind) -> u64 {
        let key = u64::from_le_bytes(key.to_bytes());
        if self.is_mixed() { key ^ (client.index() as u64).rotate_right(8) } else { key }
    }

    /// The run that a download's client is in.
    fn run(&self, trial: &Trial) -> Run {
        trial.session.and_then(|session| self.sessions.run(session)).unwrap_or_default()
    }

    /// The download is taken up by this run of its client.
    fn begin_run(&mut self, trial: &mut Trial, number: u8) {
        self.with_budget(trial, ClientModel::begin);
        trial.state = RetryState::of_run(number);
    }

    /// A download came out well.
    pub(crate) fn succeeded(&mut self, trial: &Trial) {
        self.with_budget(trial, |model, budget| model.succeeded(&trial.state, budget));
    }

    /// What becomes of a download that has `fault`.
    pub(crate) fn failed(&mut self, tried: &Tried, fault: Fault) -> Verdict {
        let mut trial = tried.trial;
        trial.attempts += 1;
        trial.fault = fault;
        if self.aborted_at(&trial).is_some() {
            return Verdict::Over(Ended::Aborted);
        }
        let last = tried.last(fault);
        let run = self.run(&trial);
        let ended = if run.number > trial.state.runs() {
            // Its client's run had failed under it, and the next begins again.
            self.begin_run(&mut trial, run.number);
            self.again(Waiting { due: tried.known.max(run.begins), arrival: tried.arrival.clone(), trial })
        } else {
            let mut random = draws(self.plan.seed, tried.arrival.sequence, &trial.state);
            let mut state = trial.state;
            let next =
                self.with_budget(&trial, |model, budget| model.next(&mut state, budget, last, &mut random));
            match next {
                Next::GiveUp(reason) => Some(Ended::GaveUp(reason)),
                Next::RetryAfter(_) if !self.model(trial.client).asks_candidate_again(last) => {
                    Some(Ended::Hop)
                }
                Next::RetryAfter(wait) => {
                    let due = tried.known.after(wait);
                    self.note_run(&trial, state.runs(), due);
                    trial.state = state;
                    self.again(Waiting { due, arrival: tried.arrival.clone(), trial })
                }
            }
        };
        let Some(ended) = ended else { return Verdict::Again };
        self.end_session(&trial, tried.known);
        Verdict::Over(ended)
    }

    /// Has a download wait; tells why not, where there is no room.
    fn again(&mut self, waiting: Waiting) -> Option<Ended> {
        if self.waiting.len() >= self.most {
            return Some(Ended::NoRoom);
        }
        self.wait(waiting);
        None
    }

    /// Where a download that failed for good has its client run again, and
    /// the client ends all of a run at once, the run of the whole session ends.
    fn note_run(&mut self, trial: &Trial, runs: u8, begins: Offset) {
        let model = self.plan.clients.model(trial.client);
        if let (true, Siblings::Abort, Some(session)) =
            (runs > trial.state.runs(), model.siblings, trial.session)
        {
            self.sessions.run_again(session, begins, model.budget);
        }
    }

    /// Takes out what is due first, if it is due at `now`. Those whose client
    /// has begun to run again meanwhile go with the new run.
    pub(crate) fn take_due(&mut self, now: Offset) -> Option<Waiting> {
        loop {
            let due = self.next_due()?;
            let Reverse(mut waiting) = (due <= now).then(|| self.waiting.pop())??;
            let run = self.run(&waiting.trial);
            if run.number <= waiting.trial.state.runs() {
                return Some(waiting);
            }
            self.begin_run(&mut waiting.trial, run.number);
            waiting.due = waiting.due.max(run.begins);
            self.wait(waiting);
        }
    }

    /// When the client of a download ended with another one, if it did.
    pub(crate) fn aborted_at(&self, trial: &Trial) -> Option<Offset> {
        self.sessions.aborted_at(trial.session?)
    }

    /// A download has failed for good at `now`; its client may end with it.
    pub(crate) fn end_session(&mut self, trial: &Trial, now: Offset) {
        if let (Siblings::Abort, Some(session)) = (self.model(trial.client).siblings, trial.session) {
            self.sessions.abort(session, now);
        }
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

    /// What a download's client has left. One that is not known, or was
    /// forgotten, has a budget of its own.
    fn with_budget<T>(&mut self, trial: &Trial, act: impl FnOnce(&ClientModel, &mut Budget) -> T) -> T {
        let model = self.plan.clients.model(trial.client);
        match trial.session.and_then(|session| self.sessions.budget(session)) {
            Some(budget) => act(model, budget),
            None => act(model, &mut Budget::new(model.budget)),
        }
    }
}
