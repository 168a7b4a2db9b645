//! The clients of a simulated run: their sessions, budgets and retries.
//!
//! What the engine does about a download that has failed, without its
//! connections: the same models, sessions and draws, so that a seed gives the
//! same waits as in a live run.

use crate::client::sessions::{Joined, SessionId, Sessions};
use crate::client::{Budget, BudgetRule, ClientModel, LastAttempt, Next, RetryState, Siblings, draws};
use crate::tally::Ended;
use crate::trace::client::ClientKey;
use crate::units::Offset;
use std::num::NonZeroUsize;
use std::time::Duration;

/// Sessions that are remembered: more than a live run, since a simulated one
/// may be a thousand times as large. They take memory only as they come.
const SESSIONS_MAX: NonZeroUsize = NonZeroUsize::new(1 << 20).expect("it is not zero");

/// What is known of a download beside its arrival.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    state: RetryState,
    session: Option<SessionId>,
    /// Attempts that have ended.
    pub(super) attempts: u32,
}

/// The clients of a run.
#[derive(Debug)]
pub(super) struct Clients<'p> {
    model: &'p ClientModel,
    /// `None` where they make no difference.
    sessions: Option<Sessions>,
    seed: u64,
}

impl<'p> Clients<'p> {
    pub(super) fn new(model: &'p ClientModel, session_gap: Duration, seed: u64) -> Self {
        let differ = model.siblings == Siblings::Abort || model.budget != BudgetRule::Unlimited;
        let has_sessions = differ && !session_gap.is_zero();
        let sessions = has_sessions.then(|| Sessions::new(session_gap, SESSIONS_MAX));
        Self { model, sessions, seed }
    }

    /// Begins a download; `None` where its client has ended with another one,
    /// and would not have asked.
    pub(super) fn begin(&mut self, client: Option<ClientKey>, due: Offset) -> Option<Trial> {
        let rule = self.model.budget;
        let joined = client
            .zip(self.sessions.as_mut())
            .map(|(client, sessions)| sessions.join(u64::from_le_bytes(client.to_bytes()), due, rule));
        let session = match joined {
            None => None,
            Some(Joined::Opened(id) | Joined::Member(id)) => Some(id),
            Some(Joined::Aborted(_)) => return None,
        };
        let state = self.with_budget(session, ClientModel::begin);
        Some(Trial { state, session, attempts: 0 })
    }

    /// A download came out well.
    pub(super) fn succeeded(&mut self, trial: &Trial) {
        self.with_budget(trial.session, |model, budget| model.succeeded(&trial.state, budget));
    }

    /// How long the client waits before it tries again, after an attempt that
    /// ended as `last` says; or why it does not.
    pub(super) fn failed(
        &mut self,
        trial: &mut Trial,
        sequence: u64,
        last: LastAttempt,
    ) -> Result<Duration, Ended> {
        trial.attempts += 1;
        if self.aborted_at(trial).is_some() {
            return Err(Ended::Aborted);
        }
        let mut random = draws(self.seed, sequence, &trial.state);
        let state = &mut trial.state;
        let next =
            self.with_budget(trial.session, |model, budget| model.next(state, budget, last, &mut random));
        match next {
            Next::GiveUp(reason) => Err(Ended::GaveUp(reason)),
            Next::RetryAfter(_) if !self.model.asks_candidate_again(last) => Err(Ended::Hop),
            Next::RetryAfter(wait) => Ok(wait),
        }
    }

    /// When the client of a download ended with another one, if it did.
    pub(super) fn aborted_at(&self, trial: &Trial) -> Option<Offset> {
        self.sessions.as_ref()?.aborted_at(trial.session?)
    }

    /// A download has failed for good at `now`; its client may end with it.
    pub(super) fn end_session(&mut self, trial: &Trial, now: Offset) {
        if let (Siblings::Abort, Some(session), Some(sessions)) =
            (self.model.siblings, trial.session, self.sessions.as_mut())
        {
            sessions.abort(session, now);
        }
    }

    /// Sessions that had to be forgotten for others.
    pub(super) fn forgotten(&self) -> u64 {
        self.sessions.as_ref().map_or(0, Sessions::forgotten)
    }

    /// What a download's client has left. One that is not known, or was
    /// forgotten, has a budget of its own.
    fn with_budget<T>(
        &mut self,
        session: Option<SessionId>,
        act: impl FnOnce(&ClientModel, &mut Budget) -> T,
    ) -> T {
        let known = session.zip(self.sessions.as_mut());
        match known.and_then(|(session, sessions)| sessions.budget(session)) {
            Some(budget) => act(self.model, budget),
            None => act(self.model, &mut Budget::new(self.model.budget)),
        }
    }
}
