//! What clients did about failures, counted.
//!
//! Beside the books: attempts and arrivals balance without these numbers. They
//! say how retries came about and why they ended, which is what tells a storm
//! that a client model makes from one that it would stop.

use downpour_core::fault::Fault;
use downpour_load::client::{GiveUp, NoRetryReason};
use std::collections::BTreeMap;
use std::time::Duration;

/// Why no further attempt was made at a download that had failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DownloadEnd {
    /// Its client gave up.
    GaveUp(GiveUp),
    /// Its client would have asked for the target again, and not for the
    /// redirect to it.
    Hop,
    /// Its client had ended with another download.
    Aborted,
    /// The retry was due over the limit of arrivals in flight.
    Shed,
    /// Too many others waited for a retry.
    NoRoom,
    /// The run was over before the retry was, or before it was due.
    RunOver,
}

impl From<NoRetryReason> for DownloadEnd {
    fn from(over: NoRetryReason) -> Self {
        match over {
            NoRetryReason::GaveUp(reason) => Self::GaveUp(reason),
            NoRetryReason::Hop => Self::Hop,
            NoRetryReason::Aborted => Self::Aborted,
        }
    }
}

impl DownloadEnd {
    /// The stable name under which it is counted.
    pub const fn id(self) -> &'static str {
        match self {
            Self::GaveUp(reason) => reason.id(),
            Self::Hop => "hop",
            Self::Aborted => "aborted",
            Self::Shed => "shed",
            Self::NoRoom => "no_room",
            Self::RunOver => "run_over",
        }
    }
}

/// What clients did, counted; all zero where none was modelled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetryCounts {
    /// Downloads that came out, well or not, by how many attempts it took. As
    /// many keys as a client makes attempts at most.
    pub by_attempts: BTreeMap<u32, u64>,
    /// Downloads that failed, by why no further attempt was made.
    pub ended: BTreeMap<DownloadEnd, u64>,
    /// Attempts that failed and were followed by another, by fault.
    pub hidden_by_retries: super::FaultTable,
    /// Downloads that waited for a retry when the run was over. They have
    /// failed.
    pub waiting_at_end: u64,
    /// The longest wait that an answer asked for in `Retry-After` (RFC 9110
    /// §10.2.3) and that was followed by a retry, or would have been.
    pub retry_after_max: Option<Duration>,
}

impl RetryCounts {
    /// Retries that were due over the limit of arrivals in flight, and not made.
    pub fn shed(&self) -> u64 {
        self.count_of(DownloadEnd::Shed)
    }

    /// Failed attempts that another followed, because a redirect led astray.
    pub fn redirects_hidden_by_retries(&self) -> u64 {
        self.hidden_by_retries
            .seen()
            .filter(|(fault, _)| fault.is_bad_redirect())
            .map(|(_, entry)| entry.count)
            .sum()
    }

    /// How many downloads ended so.
    pub fn count_of(&self, ended: DownloadEnd) -> u64 {
        self.ended.get(&ended).copied().unwrap_or_default()
    }

    /// A download is over after so many attempts.
    pub fn finished(&mut self, attempts: u32) {
        *self.by_attempts.entry(attempts).or_default() += 1;
    }

    /// A download failed for good.
    pub fn ended(&mut self, why: DownloadEnd) {
        *self.ended.entry(why).or_default() += 1;
    }

    /// An attempt failed at `done`, and another will follow.
    pub fn hidden_attempt(&mut self, fault: Fault, done: downpour_core::units::Offset) {
        self.hidden_by_retries.count(fault, done);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (&attempts, count) in &other.by_attempts {
            *self.by_attempts.entry(attempts).or_default() += count;
        }
        for (&why, count) in &other.ended {
            *self.ended.entry(why).or_default() += count;
        }
        self.hidden_by_retries.merge(&other.hidden_by_retries);
        self.waiting_at_end += other.waiting_at_end;
        self.retry_after_max = self.retry_after_max.max(other.retry_after_max);
    }
}
