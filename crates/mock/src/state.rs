//! What the threads of a registry share: its settings, the clock and order of
//! its fault plan, and its counters.
//!
//! Numbers are added to the counters before the bytes they stand for are
//! written, so a client that has read its answer finds it counted.

use super::MockStats;
use super::access::AccessLog;
use super::api::Api;
use super::location_base::LocationBase;
use super::plan::{CapacityDecision, CapacityQueue, FaultPlan, PlannedFault};
use rustls::ServerConfig;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Which of the two hosts a connection belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MockHost {
    /// `crates.io`.
    Api,
    /// `static.crates.io`.
    Cdn,
}

/// How long an answer takes that never comes.
const NEVER: Duration = Duration::from_hours(24 * 365);

/// The shared state of one registry.
#[derive(Debug)]
pub(super) struct MockState {
    pub(super) api: Api,
    pub(super) counters: MockCounters,
    api_faults: FaultSchedule,
    cdn_faults: FaultSchedule,
    /// What the CDN speaks TLS with, where it does.
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// Where the API host's requests are written down, if anywhere.
    pub(super) access_log: Option<AccessLog>,
}

/// The fault plan of one host, with the clock and order of its requests.
#[derive(Debug)]
struct FaultSchedule {
    plan: FaultPlan,
    /// Where its faults stand among the counters.
    offset: usize,
    first_request: OnceLock<Instant>,
    next_sequence: AtomicU64,
    /// Who waits for what it can do, where that is bounded.
    capacity_queue: Option<Mutex<CapacityQueue>>,
}

impl MockState {
    pub(super) fn new(
        base: LocationBase,
        api: FaultPlan,
        cdn: FaultPlan,
        tls: Option<Arc<ServerConfig>>,
        access_log: Option<AccessLog>,
    ) -> Self {
        let of_api = api.faults().len();
        Self {
            api: Api::new(base),
            counters: MockCounters::new(of_api + cdn.faults().len()),
            api_faults: FaultSchedule::new(api, 0),
            cdn_faults: FaultSchedule::new(cdn, of_api),
            tls,
            access_log,
        }
    }

    /// Numbers a request of `host` and looks up its fate.
    pub(super) fn next_fault(&self, host: MockHost) -> Option<FaultDecision> {
        match host {
            MockHost::Api => self.api_faults.next_fault(),
            MockHost::Cdn => self.cdn_faults.next_fault(),
        }
    }

    pub(super) fn stats(&self) -> MockStats {
        let counters = &self.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut served = MockStats {
            answers: read(&counters.answers),
            redirects: read(&counters.redirects),
            targets: read(&counters.targets),
            queries: read(&counters.queries),
            connections: read(&counters.connections),
            faulted: std::collections::BTreeMap::new(),
        };
        let faults = self.api_faults.plan.faults().iter().chain(self.cdn_faults.plan.faults());
        for (fault, count) in faults.zip(&counters.faulted) {
            *served.faulted.entry(fault.kind.to_string()).or_default() += read(count);
        }
        served
    }
}

impl FaultSchedule {
    fn new(plan: FaultPlan, offset: usize) -> Self {
        let capacity_queue = CapacityQueue::of(plan.faults()).map(Mutex::new);
        Self {
            plan,
            offset,
            first_request: OnceLock::new(),
            next_sequence: AtomicU64::new(0),
            capacity_queue,
        }
    }

    /// Without a plan this costs nothing, not even a look at the clock.
    fn next_fault(&self) -> Option<FaultDecision> {
        if self.plan.faults().is_empty() {
            return None;
        }
        let now = Instant::now();
        let first = *self.first_request.get_or_init(|| now);
        let sequence = self.next_sequence.fetch_add(1, Ordering::Relaxed);
        let elapsed = now.saturating_duration_since(first);
        let fault = self.plan.pick(sequence, elapsed).map(|index| {
            let fault = self.plan.faults()[index];
            let until = fault.window.end().and_then(|end| first.checked_add(end));
            ActiveFault { index: self.offset + index, fault, until }
        });
        let delay = self.plan.delay(sequence, elapsed);
        let mut ready = delay.and_then(|(_, delay)| now.checked_add(delay));
        let mut overloaded = None;
        if let Some(desk) = &self.capacity_queue {
            // A thread that panicked has left whole numbers.
            match desk.lock().unwrap_or_else(PoisonError::into_inner).admit(elapsed) {
                CapacityDecision::ReadyAt(turn) => {
                    let held = delay.map_or(Duration::ZERO, |(_, delay)| delay);
                    ready = first.checked_add(turn.saturating_add(held)).or_else(|| now.checked_add(NEVER));
                }
                CapacityDecision::Full => {
                    overloaded = self.plan.capacity(elapsed).map(|index| self.offset + index);
                }
            }
        }
        let delayed = delay.map(|(index, _)| self.offset + index);
        Some(FaultDecision { fault, ready, delayed, overloaded })
    }
}

/// What comes to one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct FaultDecision {
    /// The fault that takes it, if one does.
    pub(super) fault: Option<ActiveFault>,
    /// When its answer is ready; at once where nothing is said.
    pub(super) ready: Option<Instant>,
    /// The delay that it meets, by its place among the counters.
    pub(super) delayed: Option<usize>,
    /// The capacity that it is beyond, likewise.
    pub(super) overloaded: Option<usize>,
}

/// A fault that takes one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct ActiveFault {
    /// Its place among the counters.
    pub(super) index: usize,
    pub(super) fault: PlannedFault,
    /// When its window ends, if it does.
    pub(super) until: Option<Instant>,
}

/// Counts since the start. Relaxed: they are read by people and after joins.
#[derive(Debug)]
pub(super) struct MockCounters {
    answers: AtomicU64,
    redirects: AtomicU64,
    targets: AtomicU64,
    queries: AtomicU64,
    connections: AtomicU64,
    faulted: Box<[AtomicU64]>,
}

impl MockCounters {
    fn new(faults: usize) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            answers: zero(),
            redirects: zero(),
            targets: zero(),
            queries: zero(),
            connections: zero(),
            faulted: std::iter::repeat_with(zero).take(faults).collect(),
        }
    }

    pub(super) fn connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn query(&self) {
        self.queries.fetch_add(1, Ordering::Relaxed);
    }

    /// One answer spoiled by the fault with this place in the plan.
    pub(super) fn faulted(&self, index: usize) {
        self.faulted[index].fetch_add(1, Ordering::Relaxed);
    }

    /// Moves what a batch counted.
    pub(super) fn add(&self, batch: &mut PendingCounts) {
        let PendingCounts { answers, redirects, targets } = std::mem::take(batch);
        self.answers.fetch_add(answers, Ordering::Relaxed);
        self.redirects.fetch_add(redirects, Ordering::Relaxed);
        self.targets.fetch_add(targets, Ordering::Relaxed);
    }
}

/// Counts of answers that were composed and not yet written.
#[derive(Debug, Default)]
pub(super) struct PendingCounts {
    pub(super) answers: u64,
    pub(super) redirects: u64,
    pub(super) targets: u64,
}
