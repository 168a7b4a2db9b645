//! Sessions: which downloads belong to one run of a client.
//!
//! A build asks for many files at once, and some clients end all of it when one
//! file has failed for good. What a log tells of that is a client's key and the
//! time: requests of one key with no long gap between them count as one
//! session. A key may stand for many machines behind one address, so an aborted
//! session is over a gap after its end, whatever still arrives under its key, and
//! every session is over after a time.
//!
//! These times are the log's: how fast it is played says nothing of which
//! requests belong together. Each arrival comes with two: when its client
//! *asked*, on the log's clock, and when it is *due*, on the run's.
//!
//! The table is bounded. Where it is full, the session that was not heard of for
//! the longest time is forgotten, and counted.

use super::budget::{Budget, BudgetRule};
use downpour_core::units::Offset;
use std::collections::{BTreeMap, HashMap};
use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

/// The gap that ends a session where nothing else is said: longer than the
/// pauses within a build, shorter than those between two.
pub const SESSION_GAP: Duration = Duration::from_mins(1);

/// The longest that a session lasts where nothing else is said: longer than most
/// builds. An address that never rests, such as a proxy's, is not one build.
pub const SESSION_MAX: Duration = Duration::from_mins(30);

/// Sessions that are remembered where nothing else is said: about ten megabytes.
pub const SESSIONS_MAX: NonZeroUsize = NonZeroUsize::new(65_536).expect("it is not zero");

/// One session of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId {
    client: u64,
    ordinal: NonZeroU64,
}

/// What an arrival of a client finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinedSession {
    /// No session: it begins one.
    Opened(SessionId),
    /// Its session.
    Member(SessionId),
    /// Its session, which has been aborted: the client would not have asked.
    Aborted(SessionId),
}

/// The sessions that are under way.
#[derive(Clone, Debug)]
pub struct Sessions {
    gap: u64,
    longest: u64,
    /// The arrival that asked last.
    latest_arrival: ArrivalTimes,
    capacity: NonZeroUsize,
    by_client: HashMap<u64, SessionState>,
    /// Clients by when they were heard of last, the longest ago first.
    by_use: BTreeMap<u64, u64>,
    /// One more than the arrivals so far, but for those that changed nothing.
    uses: NonZeroU64,
    forgotten: u64,
}

/// When an arrival was asked for and is due.
#[derive(Clone, Copy, Debug, Default)]
struct ArrivalTimes {
    /// On the log's clock.
    asked: Offset,
    /// On the run's.
    due: Offset,
}

/// When a session was aborted.
#[derive(Clone, Copy, Debug)]
struct Aborted {
    /// On the log's clock.
    asked: Offset,
    /// On the run's.
    at: Offset,
}

#[derive(Clone, Debug)]
struct SessionState {
    ordinal: NonZeroU64,
    /// When its first download was asked for, on the log's clock, as the next.
    begun: Offset,
    /// The same of its last one.
    last_asked: Offset,
    aborted: Option<Aborted>,
    used: u64,
    budget: Budget,
    run: ClientRun,
}

/// One run of a session's client: what runs it again after a failure begins
/// another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientRun {
    /// Runs before it.
    pub number: u8,
    /// When it begins.
    pub begins: Offset,
}

impl Sessions {
    /// No sessions yet; `gap` without an arrival ends one, none lasts for longer
    /// than `longest`, and at most `capacity` are remembered.
    pub fn new(gap: Duration, longest: Duration, capacity: NonZeroUsize) -> Self {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self {
            gap: nanos(gap),
            longest: nanos(longest),
            latest_arrival: ArrivalTimes::default(),
            capacity,
            by_client: HashMap::new(),
            by_use: BTreeMap::new(),
            uses: NonZeroU64::MIN,
            forgotten: 0,
        }
    }

    /// The session that an arrival of `client` belongs to, which was `asked` for
    /// on the log's clock and is `due` on the run's. A session begins with a full
    /// budget of `rule`.
    pub fn join(&mut self, client: u64, asked: Offset, due: Offset, rule: BudgetRule) -> JoinedSession {
        if asked >= self.latest_arrival.asked {
            self.latest_arrival = ArrivalTimes { asked, due };
        }
        // Zero is never used, and an ordinal so not zero.
        self.uses = self.uses.saturating_add(1);
        let used = self.uses;
        let (gap, longest) = (self.gap, self.longest);
        if let Some(session) = self.by_client.get_mut(&client) {
            let id = SessionId { client, ordinal: session.ordinal };
            let is_over = asked.nanos_since(session.last_asked) > gap
                || asked.nanos_since(session.begun) > longest
                || session.aborted.is_some_and(|end| asked.nanos_since(end.asked) > gap);
            if session.used + 1 == used.get() && !is_over {
                // A build asks for many files in a row: it is the newest already.
                self.uses = NonZeroU64::new(used.get() - 1).unwrap_or(NonZeroU64::MIN);
            } else {
                self.by_use.remove(&session.used);
                self.by_use.insert(used.get(), client);
                session.used = used.get();
            }
            if !is_over {
                session.last_asked = session.last_asked.max(asked);
                return if session.aborted.is_some() {
                    JoinedSession::Aborted(id)
                } else {
                    JoinedSession::Member(id)
                };
            }
        } else {
            self.make_room();
            self.by_use.insert(used.get(), client);
        }
        // The number of an arrival is as good a name for what it opened.
        let session = SessionState {
            ordinal: used,
            begun: asked,
            last_asked: asked,
            aborted: None,
            used: used.get(),
            budget: Budget::new(rule),
            run: ClientRun { number: 0, begins: due },
        };
        self.by_client.insert(client, session);
        JoinedSession::Opened(SessionId { client, ordinal: used })
    }

    /// Ends a session: one of its downloads has failed for good at `now`, on the
    /// run's clock. On the log's that is when the latest arrival asked, and what
    /// has passed since it was due.
    pub fn abort(&mut self, id: SessionId, now: Offset) {
        let since = Duration::from_nanos(now.nanos_since(self.latest_arrival.due));
        let asked = self.latest_arrival.asked.after(since);
        if let Some(session) = self.of(id) {
            session.aborted.get_or_insert(Aborted { asked, at: now });
        }
    }

    /// Has a session's client run again from `begins` on, with a full budget:
    /// one of its downloads has failed for good, and so the run before it.
    pub fn run_again(&mut self, id: SessionId, begins: Offset, rule: BudgetRule) {
        if let Some(session) = self.of(id) {
            session.run = ClientRun { number: session.run.number.saturating_add(1), begins };
            session.budget = Budget::new(rule);
        }
    }

    /// The run that a session's client is in; `None` where it was forgotten.
    pub fn run(&self, id: SessionId) -> Option<ClientRun> {
        self.by_client.get(&id.client).filter(|session| session.ordinal == id.ordinal).map(|s| s.run)
    }

    /// When a session was aborted, if it was and is not forgotten.
    pub fn aborted_at(&self, id: SessionId) -> Option<Offset> {
        self.by_client
            .get(&id.client)
            .filter(|session| session.ordinal == id.ordinal)?
            .aborted
            .map(|end| end.at)
    }

    /// What a session has left for retries; `None` where it was forgotten or a
    /// later one has taken its place.
    pub fn budget(&mut self, id: SessionId) -> Option<&mut Budget> {
        self.of(id).map(|session| &mut session.budget)
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.by_client.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.by_client.is_empty()
    }

    /// How many had to be forgotten for others.
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn of(&mut self, id: SessionId) -> Option<&mut SessionState> {
        self.by_client.get_mut(&id.client).filter(|session| session.ordinal == id.ordinal)
    }

    fn make_room(&mut self) {
        if self.by_client.len() >= self.capacity.get()
            && let Some((_, client)) = self.by_use.pop_first()
        {
            self.by_client.remove(&client);
            self.forgotten += 1;
        }
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self::new(SESSION_GAP, SESSION_MAX, SESSIONS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Offset {
        Offset::from(Duration::from_secs(seconds))
    }

    fn join(sessions: &mut Sessions, client: u64, seconds: u64) -> JoinedSession {
        sessions.join(client, at(seconds), at(seconds), BudgetRule::Unlimited)
    }

    #[track_caller]
    fn opened(sessions: &mut Sessions, client: u64, seconds: u64) -> SessionId {
        let JoinedSession::Opened(id) = join(sessions, client, seconds) else { panic!("it was known") };
        id
    }

    #[test]
    fn arrivals_within_a_gap_belong_together() {
        let mut sessions = Sessions::default();
        let id = opened(&mut sessions, 1, 0);
        let other = opened(&mut sessions, 2, 1);
        assert_ne!(id, other);
        // Each arrival extends it.
        for seconds in [60, 120, 180] {
            assert_eq!(join(&mut sessions, 1, seconds), JoinedSession::Member(id));
        }
        let next = opened(&mut sessions, 1, 241);
        assert_ne!(id, next);
        assert!(sessions.budget(id).is_none() && sessions.budget(next).is_some());
        assert_eq!(sessions.len(), 2);
    }

    #[test]
    fn an_aborted_session_tells_its_later_arrivals_for_a_gap() {
        let mut sessions = Sessions::default();
        let id = opened(&mut sessions, 1, 0);
        let other = opened(&mut sessions, 2, 0);
        sessions.abort(id, at(11));
        sessions.abort(id, at(40));
        assert!(sessions.aborted_at(id).is_some() && sessions.aborted_at(other).is_none());
        for seconds in [11, 50, 71] {
            assert_eq!(join(&mut sessions, 1, seconds), JoinedSession::Aborted(id));
        }
        // Many machines may share a key; they are not silent for ever.
        let next = opened(&mut sessions, 1, 72);
        sessions.abort(id, at(73));
        assert!(sessions.aborted_at(id).is_none() && sessions.aborted_at(next).is_none());
        assert_eq!(join(&mut sessions, 2, 30), JoinedSession::Member(other));
    }

    #[test]
    fn the_log_tells_which_requests_belong_together_however_fast_it_is_played() {
        let mut sessions = Sessions::default();
        // A hundred times as fast: a minute of the log takes 600 ms.
        let mut ask = |seconds: u64| {
            sessions.join(
                1,
                at(seconds),
                Offset::from(Duration::from_millis(seconds * 10)),
                BudgetRule::Unlimited,
            )
        };
        let JoinedSession::Opened(first) = ask(0) else { panic!("it was known") };
        assert_eq!(ask(60), JoinedSession::Member(first));
        let JoinedSession::Opened(second) = ask(121) else { panic!("there was a gap") };
        assert_eq!(ask(130), JoinedSession::Member(second));
        // The run's clock is at 1.4 s: on the log's that is about second 130.
        sessions.abort(second, Offset::from(Duration::from_millis(1_400)));
        assert_eq!(sessions.aborted_at(second), Some(Offset::from(Duration::from_millis(1_400))));
        assert_eq!(join(&mut sessions, 1, 190), JoinedSession::Aborted(second));
        assert_ne!(opened(&mut sessions, 1, 192), second);
    }

    #[test]
    fn a_client_that_never_rests_is_not_one_session() {
        let mut sessions = Sessions::new(SESSION_GAP, Duration::from_secs(100), SESSIONS_MAX);
        let first = opened(&mut sessions, 1, 0);
        for seconds in [40, 80, 100] {
            assert_eq!(join(&mut sessions, 1, seconds), JoinedSession::Member(first));
        }
        let second = opened(&mut sessions, 1, 101);
        assert_eq!(join(&mut sessions, 1, 150), JoinedSession::Member(second));
        sessions.abort(second, at(190));
        assert_eq!(join(&mut sessions, 1, 200), JoinedSession::Aborted(second));
        assert_ne!(opened(&mut sessions, 1, 202), second);
    }

    #[test]
    fn the_one_not_heard_of_for_the_longest_time_is_forgotten() {
        let mut sessions = Sessions::new(SESSION_GAP, SESSION_MAX, NonZeroUsize::new(2).unwrap());
        assert!(sessions.is_empty());
        let first = opened(&mut sessions, 1, 0);
        let second = opened(&mut sessions, 2, 1);
        assert_eq!(join(&mut sessions, 1, 2), JoinedSession::Member(first));
        opened(&mut sessions, 3, 3);
        assert_eq!((sessions.len(), sessions.forgotten()), (2, 1));
        assert!(sessions.budget(second).is_none());
        assert_eq!(join(&mut sessions, 1, 4), JoinedSession::Member(first));
        assert_ne!(opened(&mut sessions, 2, 5), second);
    }

    #[test]
    fn memory_is_bounded_whatever_arrives() {
        let capacity = NonZeroUsize::new(100).unwrap();
        let mut sessions = Sessions::new(SESSION_GAP, SESSION_MAX, capacity);
        for n in 0..10_000_u64 {
            join(&mut sessions, n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 1_000, n / 100);
            assert!(sessions.len() <= 100 && sessions.by_use.len() == sessions.len());
        }
        assert!(sessions.forgotten() > 0);
    }

    #[test]
    fn a_session_has_a_budget_of_its_own() {
        let mut sessions = Sessions::default();
        let id = opened(&mut sessions, 1, 0);
        sessions.budget(id).unwrap().began();
        assert_eq!(join(&mut sessions, 1, 1), JoinedSession::Member(id));
        assert_ne!(*sessions.budget(id).unwrap(), Budget::default());
        let other = opened(&mut sessions, 2, 1);
        assert_eq!(*sessions.budget(other).unwrap(), Budget::default());
    }
}
