//! What the clients of a run do about their downloads, one after the other.
//!
//! The models, the sessions and the draws together: asked about each download
//! that begins, comes out or is due again, live or simulated. It knows neither
//! clock nor wire nor books, and keeps nothing of a download but a [`RetryContext`]
//! that its owner carries, so a seed gives the same waits in both.

use super::sessions::{ClientRun, JoinedSession, SessionId, Sessions};
use super::{
    Budget, ClientMix, ClientModel, GiveUp, LastAttempt, NextStep, OnFailure, RetryState, retry_rng,
};
use crate::schedule::Arrival;
use downpour_core::agent::ClientKind;
use downpour_core::fault::{Fault, FaultSet};
use downpour_core::units::Offset;
use downpour_trace::client::ClientKey;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

/// What the clients of a run do when a download fails.
#[derive(Clone, Debug)]
pub struct ClientPlan {
    /// What each of them is.
    pub clients: ClientMix,
    /// The gap between two requests of a client that ends its session, in the
    /// log's time; zero for no sessions: each download is a client's only one.
    pub session_gap: Duration,
    /// The longest that a session lasts, in the log's time.
    pub session_max: Duration,
    /// What random waits depend on.
    pub seed: u64,
}

impl ClientPlan {
    /// Whether it matters which downloads are of one client.
    pub fn has_sessions(&self) -> bool {
        !self.session_gap.is_zero() && self.clients.knows_sessions()
    }
}

/// What is known of a download beside its arrival.
#[derive(Clone, Copy, Debug)]
pub struct RetryContext {
    state: RetryState,
    session: Option<SessionId>,
    /// Whose model it follows.
    client: ClientKind,
    /// Attempts that have ended.
    attempts: u32,
    /// What the last of them ended with; nothing reads it before.
    fault: Fault,
    /// What else was found of the last of them.
    others: FaultSet,
}

impl RetryContext {
    /// What kind of client asks.
    pub const fn client(&self) -> ClientKind {
        self.client
    }

    /// Attempts that have ended.
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// What the last of them ended with.
    pub const fn fault(&self) -> Fault {
        self.fault
    }

    /// What else was found of the last of them.
    pub const fn others(&self) -> FaultSet {
        self.others
    }

    /// Keeps what else was found of the last attempt.
    pub const fn keep_others(&mut self, others: FaultSet) {
        self.others = others;
    }
}

/// Why a client does not try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRetryReason {
    /// It gave up.
    GaveUp(GiveUp),
    /// It would ask for the target again, and not for the redirect to it.
    Hop,
    /// It had ended with another download.
    Aborted,
}

/// The clients of a run, or of a part of it that no client's downloads leave.
#[derive(Debug)]
pub struct ClientBehavior {
    plan: Arc<ClientPlan>,
    /// `None` where they make no difference.
    sessions: Option<Sessions>,
}

impl ClientBehavior {
    /// None yet; at most so many sessions are remembered.
    pub fn new(plan: Arc<ClientPlan>, sessions_max: NonZeroUsize) -> Self {
        let sessions =
            plan.has_sessions().then(|| Sessions::new(plan.session_gap, plan.session_max, sessions_max));
        Self { plan, sessions }
    }

    /// Whether clients are told apart by their kind.
    pub fn is_mixed(&self) -> bool {
        self.plan.clients.is_mixed()
    }

    /// The model that clients of that kind follow.
    pub fn model(&self, client: ClientKind) -> &ClientModel {
        self.plan.clients.model(client)
    }

    /// Begins the download of an arrival; `None` where its client has ended with
    /// another one, and would not have asked.
    pub fn begin(&mut self, arrival: &Arrival) -> Option<RetryContext> {
        let (client, due) = (arrival.kind, arrival.due);
        let member = arrival.client.map(|key| self.member(key, client));
        let budget = self.model(client).budget;
        let joined = member.zip(self.sessions.as_mut());
        let session = match joined
            .map(|(member, sessions)| sessions.join(member, arrival.recorded_offset, due, budget))
        {
            None => None,
            Some(JoinedSession::Opened(id) | JoinedSession::Member(id)) => Some(id),
            Some(JoinedSession::Aborted(_)) => return None,
        };
        let state = RetryState::of_run(0);
        let mut trial = RetryContext {
            state,
            session,
            client,
            attempts: 0,
            fault: Fault::ClientAborted,
            others: FaultSet::EMPTY,
        };
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

    /// A download came out well.
    pub fn succeeded(&mut self, trial: &RetryContext) {
        self.with_budget(trial, |model, budget| model.succeeded(&trial.state, budget));
    }

    /// When a download is tried again whose attempt has ended as `last` says,
    /// with `fault`, as its client knew at `known`; or why it is not. `sequence`
    /// is its arrival's.
    pub fn failed(
        &mut self,
        (trial, sequence): (&mut RetryContext, u64),
        (last, fault): (LastAttempt, Fault),
        known: Offset,
    ) -> Result<Offset, NoRetryReason> {
        trial.attempts += 1;
        trial.fault = fault;
        if self.aborted_at(trial).is_some() {
            return Err(NoRetryReason::Aborted);
        }
        if let Some(due) = self.move_to_current_run(trial, known) {
            return Ok(due);
        }
        let mut random = retry_rng(self.plan.seed, sequence, &trial.state);
        let mut state = trial.state;
        let next = self.with_budget(trial, |model, budget| model.next(&mut state, budget, last, &mut random));
        match next {
            NextStep::GiveUp(reason) => Err(NoRetryReason::GaveUp(reason)),
            NextStep::RetryAfter(_) if !self.model(trial.client).asks_candidate_again(last) => {
                Err(NoRetryReason::Hop)
            }
            NextStep::RetryAfter(wait) => {
                let due = known.after(wait);
                self.note_run(trial, state.runs(), due);
                trial.state = state;
                Ok(due)
            }
        }
    }

    /// Where the run that a download belongs to has failed under it and its
    /// client runs again, the download goes with the new run, and begins then
    /// or at `due`.
    pub fn move_to_current_run(&mut self, trial: &mut RetryContext, due: Offset) -> Option<Offset> {
        let run = self.run(trial);
        (run.number > trial.state.runs()).then(|| {
            self.begin_run(trial, run.number);
            due.max(run.begins)
        })
    }

    /// When the client of a download ended with another one, if it did.
    pub fn aborted_at(&self, trial: &RetryContext) -> Option<Offset> {
        self.sessions.as_ref()?.aborted_at(trial.session?)
    }

    /// A download has failed for good at `now`; its client may end with it.
    pub fn end_session(&mut self, trial: &RetryContext, now: Offset) {
        let aborts = self.model(trial.client).on_failure == OnFailure::Abort;
        if let (true, Some(session), Some(sessions)) = (aborts, trial.session, self.sessions.as_mut()) {
            sessions.abort(session, now);
        }
    }

    /// Sessions that had to be forgotten for others.
    pub fn forgotten(&self) -> u64 {
        self.sessions.as_ref().map_or(0, Sessions::forgotten)
    }

    /// The run that a download's client is in.
    fn run(&self, trial: &RetryContext) -> ClientRun {
        let known = self.sessions.as_ref().zip(trial.session);
        known.and_then(|(sessions, session)| sessions.run(session)).unwrap_or_default()
    }

    /// The download is taken up by this run of its client.
    fn begin_run(&mut self, trial: &mut RetryContext, number: u8) {
        self.with_budget(trial, ClientModel::begin);
        trial.state = RetryState::of_run(number);
    }

    /// Where a download that failed for good has its client run again, and the
    /// client ends all of a run at once, the run of the whole session ends.
    fn note_run(&mut self, trial: &RetryContext, runs: u8, begins: Offset) {
        let model = self.plan.clients.model(trial.client);
        let ends_all = runs > trial.state.runs() && model.on_failure == OnFailure::Abort;
        if let (true, Some(session), Some(sessions)) = (ends_all, trial.session, self.sessions.as_mut()) {
            sessions.run_again(session, begins, model.budget);
        }
    }

    /// What a download's client has left. One that is not known, or was
    /// forgotten, has a budget of its own.
    fn with_budget<T>(
        &mut self,
        trial: &RetryContext,
        act: impl FnOnce(&ClientModel, &mut Budget) -> T,
    ) -> T {
        let model = self.plan.clients.model(trial.client);
        let known = trial.session.zip(self.sessions.as_mut());
        match known.and_then(|(session, sessions)| sessions.budget(session)) {
            Some(budget) => act(model, budget),
            None => act(model, &mut Budget::new(model.budget)),
        }
    }
}
