//! The mix of clients: arrivals and attempts by who made them.
//!
//! Kept only where each arrival follows the model of its own client. Then every
//! arrival and every attempt that counts is in it once, so its sums are the
//! books'.

use super::{ArrivalCounts, AttemptKind};
use downpour_core::agent::ClientKind;
use std::collections::BTreeMap;

/// What clients of one kind did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCounts {
    /// Their arrivals by fate.
    pub arrivals: ArrivalCounts,
    /// First attempts.
    pub first: u64,
    /// Repetitions.
    pub retries: u64,
}

impl ClientCounts {
    /// An attempt is over.
    pub fn attempt(&mut self, kind: AttemptKind) {
        match kind {
            AttemptKind::First => self.first += 1,
            AttemptKind::Retry => self.retries += 1,
        }
    }

    fn merge(&mut self, other: &Self) {
        self.arrivals.merge(&other.arrivals);
        self.first += other.first;
        self.retries += other.retries;
    }
}

/// What the clients of each kind did; empty where that was not kept apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientMixCounts(BTreeMap<ClientKind, ClientCounts>);

impl ClientMixCounts {
    /// What is known of a kind, to be added to.
    pub fn of(&mut self, kind: ClientKind) -> &mut ClientCounts {
        self.0.entry(kind).or_default()
    }

    /// The kinds that were seen.
    pub fn iter(&self) -> impl Iterator<Item = (ClientKind, &ClientCounts)> {
        self.0.iter().map(|(kind, counts)| (*kind, counts))
    }

    /// Whether clients were not kept apart, or none came.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them together.
    pub fn sum(&self) -> ClientCounts {
        self.0.values().fold(ClientCounts::default(), |mut sum, counts| {
            sum.merge(counts);
            sum
        })
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (&kind, counts) in &other.0 {
            self.of(kind).merge(counts);
        }
    }
}
