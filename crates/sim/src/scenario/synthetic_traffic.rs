//! The requests of a scenario, one after the other, from a seed.
//!
//! Sessions begin at a rate; each asks for its downloads at once. Nothing is
//! kept but the session under way, so that memory does not grow with the length
//! of a run. What is asked for is made up: downloads as crates.io's API is
//! asked for them, all equally popular, none twice in a session.

use super::{Load, SessionSize};
use bytes::Bytes;
use downpour_core::agent::ClientKind;
use downpour_core::seed::random_key;
use downpour_core::units::{Offset, Rate, Stamp};
use downpour_load::played::Requests;
use downpour_load::schedule::process::{Process, Spacing, due_at_rate};
use downpour_trace::client::ClientKey;
use downpour_trace::source::ReadOutcome;
use downpour_trace::{Method, TraceAccounting, TraceRequest};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Distinct downloads that are asked for; a prime, so that a step below it
/// meets each of them before one comes again.
const TARGETS: u64 = 4_093;

/// Keeps these random numbers apart from others of the same seed.
const SESSIONS: &[u8; 8] = b"sessions";

/// The requests of a scenario, in order of arrival.
#[derive(Clone, Debug)]
pub struct SyntheticTraffic {
    sessions: Rate,
    size: SessionSize,
    clients: Option<u64>,
    end: Offset,
    process: Process,
    /// Where the first session begins in the process: the run begins with it.
    first: Offset,
    begun: u64,
    session: SyntheticSession,
    targets: Vec<Bytes>,
    random: ChaCha8Rng,
    made: u64,
    is_over: bool,
}

/// The session under way: what it has left to ask for.
#[derive(Clone, Debug, Default)]
struct SyntheticSession {
    at: Offset,
    left: u64,
    client: Option<ClientKey>,
    target: u64,
    step: u64,
}

impl SyntheticTraffic {
    pub(super) fn new(load: &Load, seed: u64) -> Self {
        let process = match load.spacing {
            Spacing::Uniform => Process::uniform(0),
            Spacing::Poisson => Process::poisson(seed),
        };
        let sessions = load.sessions();
        let target = |n: u64| format!("/api/v1/crates/made-up-{n:04}/1.{}.{}/download", n % 7, n % 13).into();
        Self {
            sessions,
            size: load.session,
            clients: load.clients.map(|clients| u64::from(clients.get())),
            end: load.duration.into(),
            first: due_at_rate(sessions, process.position()),
            process,
            begun: 0,
            session: SyntheticSession::default(),
            targets: (0..TARGETS).map(target).collect(),
            random: ChaCha8Rng::from_seed(random_key(seed, *SESSIONS)),
            made: 0,
            is_over: false,
        }
    }

    /// The next request; `None` when no session begins any more.
    pub fn next_request(&mut self) -> Option<TraceRequest> {
        if self.session.left == 0 {
            self.begin_session()?;
        }
        let session = &mut self.session;
        session.left -= 1;
        session.target = (session.target + session.step) % TARGETS;
        self.made += 1;
        let target = usize::try_from(session.target).ok().and_then(|index| self.targets.get(index));
        Some(TraceRequest {
            at: Some(Stamp::from_nanos(i64::try_from(session.at.as_nanos()).unwrap_or(i64::MAX))),
            method: Method::Get,
            target: target.cloned().unwrap_or_default(),
            status: None,
            client: session.client,
            kind: ClientKind::NONE,
        })
    }

    fn begin_session(&mut self) -> Option<()> {
        let due = due_at_rate(self.sessions, self.process.position());
        let at = Offset::from_nanos(due.nanos_since(self.first));
        if self.is_over || at >= self.end {
            return None;
        }
        self.process.advance();
        let SessionSize { least, most } = self.size;
        let (least, most) = (u64::from(least.get()), u64::from(most.get()));
        let client = self.clients.map_or(self.begun, |clients| self.begun % clients);
        self.begun += 1;
        self.session = SyntheticSession {
            at,
            left: least + self.draw(most - least + 1),
            client: ClientKey::new(client + 1),
            target: self.draw(TARGETS),
            step: 1 + self.draw(TARGETS - 1),
        };
        Some(())
    }

    /// A number below `bound`: the high half of the product has no remainder's
    /// bias.
    fn draw(&mut self, bound: u64) -> u64 {
        if bound == 1 {
            return 0;
        }
        let drawn = (u128::from(self.random.next_u64()) * u128::from(bound)) >> 64;
        u64::try_from(drawn).unwrap_or(0)
    }
}

/// Each request counts as a line that was read.
impl Requests for SyntheticTraffic {
    fn next_or_idle(&mut self) -> Result<ReadOutcome, String> {
        Ok(self.next_request().map_or(ReadOutcome::End, ReadOutcome::Request))
    }

    fn rewind(&mut self) -> Result<(), String> {
        Err("a scenario cannot be repeated: give it a longer --duration".to_owned())
    }

    fn stop(&mut self) {
        self.is_over = true;
        self.session.left = 0;
    }

    fn accounting(&self) -> TraceAccounting {
        TraceAccounting { read: self.made, accepted: self.made, ..TraceAccounting::default() }
    }

    fn notices(&self) -> Vec<String> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scenario;
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn requests(scenario: &Scenario, seed: u64) -> Vec<TraceRequest> {
        let mut population = scenario.requests(seed);
        std::iter::from_fn(|| population.next_request()).collect()
    }

    fn incident() -> Scenario {
        Scenario::built_in("incident").unwrap()
    }

    #[test]
    fn sessions_are_asked_for_at_once_and_nothing_twice() {
        let requests = requests(&incident().load_scaled("0.1x".parse().unwrap()), 1);
        assert!(requests.is_sorted_by_key(|request| request.at));
        assert_eq!(requests[0].at, Some(Stamp::from_nanos(0)));
        let mut sessions: BTreeMap<[u8; 8], Vec<&TraceRequest>> = BTreeMap::new();
        for request in &requests {
            sessions.entry(request.client.unwrap().to_bytes()).or_default().push(request);
        }
        let sizes: BTreeSet<usize> = sessions.values().map(Vec::len).collect();
        assert_eq!((sizes.first(), sizes.last(), sizes.len()), (Some(&20), Some(&40), 21));
        for session in sessions.values() {
            assert!(session.iter().all(|request| request.at == session[0].at));
            let targets: BTreeSet<_> = session.iter().map(|request| &request.target).collect();
            assert_eq!(targets.len(), session.len());
        }
    }

    #[test]
    fn there_are_as_many_as_the_rate_says() {
        let count = u32::try_from(requests(&incident(), 1).len()).unwrap();
        // 47,840 sessions, at random: three standard deviations are 1.5 %.
        let expected = 1_495.0 * 960.0;
        assert!((f64::from(count) / expected - 1.0).abs() < 0.015, "{count}");
        let even = requests(&Scenario::built_in("metastable").unwrap(), 1);
        assert_eq!(even.len(), 83 * 60);
        let clients: BTreeSet<_> = even.iter().map(|request| request.client.unwrap().to_bytes()).collect();
        assert_eq!(clients.len(), 50);
    }

    #[test]
    fn a_seed_gives_the_same_requests_again() {
        let few = incident().load_scaled("0.01x".parse().unwrap());
        assert_eq!(requests(&few, 7), requests(&few, 7));
        assert_ne!(requests(&few, 7), requests(&few, 8));
    }

    #[test]
    fn what_was_made_is_in_the_books() {
        let mut population = incident().requests(1);
        for _ in 0..5 {
            population.next().unwrap().unwrap();
        }
        population.stop();
        assert_eq!(population.next(), Ok(None));
        assert!(population.accounting().is_balanced(5) && population.rewind().is_err());
    }
}
