//! Runs in virtual time: the same arrivals and clients against a modelled
//! service.
//!
//! What cannot be run can be asked: a thousand times the load, thirteen minutes
//! of an incident, a hundred triggers in search of the one that a service never
//! recovers from. Arrivals come from a trace or a scenario by way of the same
//! schedule as in a live run, clients retry by the same models and draws, and
//! what happens is counted in the same books; only the wire is missing, and in
//! its place stands a queue with servers. Nothing here knows a clock, so a seed
//! gives the same result to the last byte.
//!
//! [`simulate`] is one run. [`sweep`] makes many, to find out which loss of
//! capacity leaves a service down that would be well without its clients'
//! retries.

mod event_queue;
mod outcome;
mod run;
pub mod scenario;
mod service_queue;
pub mod sweep;

#[cfg(test)]
mod tests;

pub use run::simulate;

use crate::scenario::Service;
use downpour_load::client::ClientPlan;
use downpour_mock::plan::{FaultKind, FaultPlan, PlannedFault};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

/// What is simulated, but for the arrivals.
#[derive(Clone, Debug)]
pub struct SimulationPlan {
    /// What clients do when a download fails.
    pub clients: Arc<ClientPlan>,
    /// From when an attempt was due until its client no longer waits.
    pub timeout: Duration,
    /// What answers.
    pub service: Service,
    /// What goes wrong with the answers, first come, first served; see
    /// [`is_modelled`].
    pub faults: Vec<PlannedFault>,
    /// What is due before that is not counted.
    pub warmup: Duration,
    /// Most attempts in flight; one more is shed.
    pub max_in_flight: usize,
    /// Most downloads that wait for a retry; one more fails.
    pub max_waiting: usize,
    /// What every random choice but those of clients depends on.
    pub seed: u64,
}

/// Attempts in flight where nothing else is said, and downloads that wait for a
/// retry: about a hundred bytes each.
pub const DEFAULT_LIMIT: usize = 500_000;

/// Sessions that are remembered: more than in a live run, since a simulated one
/// may be a thousand times as large. They take memory only as they come.
const SESSIONS_MAX: NonZeroUsize = NonZeroUsize::new(1 << 20).expect("it is not zero");

impl SimulationPlan {
    fn fault_plan(&self) -> FaultPlan {
        FaultPlan::new(self.faults.clone(), self.seed)
    }
}

/// Whether a simulation can say what clients meet when this fault takes their
/// answer.
pub fn is_modelled(kind: FaultKind) -> bool {
    outcome::AttemptOutcome::of_fault(kind).is_some()
}

/// The names of the faults that [`is_modelled`] is true of.
pub fn modelled_names() -> String {
    let names = outcome::modelled().map(|kind| kind.to_string());
    names.chain(std::iter::once("status-CODE".to_owned())).collect::<Vec<_>>().join(", ")
}
