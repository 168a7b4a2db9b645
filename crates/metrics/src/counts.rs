//! Counters that a second and a whole run have in common.
//!
//! All of them merge by addition, by minimum or by maximum, so that the order
//! in which workers and seconds are merged does not matter.

use super::generator_health::GeneratorHealth;
use super::redirects::{HostTable, RedirectCounts};
use super::retries::RetryCounts;
use super::{
    ArrivalOutcome, Attempt, AttemptEnd, AttemptKind, ClientMixCounts, ControlCounts, RuleCounts,
    TransitionCounts, WarmupCounts,
};
use downpour_core::fault::{Fault, FaultSet};
use downpour_core::units::Offset;
use downpour_verify::catalog::CatalogMatch;
use std::collections::BTreeMap;

/// What happened, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Arrivals by fate.
    pub arrivals: ArrivalCounts,
    /// Why arrivals failed: the worst fault of each.
    pub faults: FaultTable,
    /// The worst fault of each attempt that was found wrong, whatever came of
    /// its arrival. An arrival that was never sent has none.
    pub wrong_attempts: FaultTable,
    /// The other faults of those attempts.
    pub other_faults: FaultTable,
    /// Arrivals that were good after a retry, by the fault of the attempt
    /// before it. The sum is the number of those that recovered.
    pub saved_by_retries: FaultTable,
    /// All faults of arrivals that failed, the worst and others.
    pub found: FoundTable,
    /// What was found wrong with answers and fails nothing.
    pub warned: FaultTable,
    /// Attempts by end.
    pub attempts: AttemptCounts,
    /// What clients did about failures.
    pub retries: RetryCounts,
    /// What each kind of client did, where they are told apart.
    pub clients: ClientMixCounts,
    /// Recorded against answered status.
    pub transitions: TransitionCounts,
    /// Answers by the rule that judged them.
    pub rules: RuleCounts,
    /// Redirects by what the catalogue says of their file.
    pub catalog: CatalogCounts,
    /// Answers and whether they were handed over to be compared.
    pub control: ControlCounts,
    /// Redirects and how far they were judged.
    pub redirects: RedirectCounts,
    /// Where redirects led.
    pub hosts: HostTable,
    /// Connections opened to the candidate.
    pub connections_opened: u64,
    /// TLS handshakes made in full.
    pub handshakes_full: u64,
    /// TLS handshakes that resumed a session.
    pub handshakes_resumed: u64,
    /// Requests that the candidate left unprocessed by GOAWAY.
    pub gone_away: u64,
    /// HTTP/2 streams that the candidate refused.
    pub streams_refused: u64,
    /// The lowest limit of streams that it announced.
    pub stream_limit: Option<u32>,
    /// Requests sent once more because they were not taken up.
    pub stale_replays: u64,
    /// Bytes of answers, headers included.
    pub bytes_in: u64,
    /// What the warm-up held, which no other number here does.
    pub warmup: WarmupCounts,
    /// What held the workers themselves back.
    pub generator_health: GeneratorHealth,
}

impl Counts {
    /// Attempts in which a fault was found, as the worst or beside another.
    pub fn attempts_with(&self, fault: Fault) -> FaultCount {
        let mut all = self.wrong_attempts.get(fault);
        all.merge(self.other_faults.get(fault));
        all
    }

    /// Adds the counts of another worker or second.
    pub fn merge(&mut self, other: &Self) {
        self.arrivals.merge(&other.arrivals);
        self.faults.merge(&other.faults);
        self.wrong_attempts.merge(&other.wrong_attempts);
        self.other_faults.merge(&other.other_faults);
        self.saved_by_retries.merge(&other.saved_by_retries);
        self.found.merge(&other.found);
        self.warned.merge(&other.warned);
        self.attempts.merge(&other.attempts);
        self.retries.merge(&other.retries);
        self.clients.merge(&other.clients);
        self.transitions.merge(&other.transitions);
        self.rules.merge(&other.rules);
        self.catalog.merge(other.catalog);
        self.control.merge(other.control);
        self.redirects.merge(&other.redirects);
        self.hosts.merge(&other.hosts);
        self.connections_opened += other.connections_opened;
        self.handshakes_full += other.handshakes_full;
        self.handshakes_resumed += other.handshakes_resumed;
        self.gone_away += other.gone_away;
        self.streams_refused += other.streams_refused;
        self.stream_limit = self.stream_limit.into_iter().chain(other.stream_limit).min();
        self.stale_replays += other.stale_replays;
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.warmup.merge(&other.warmup);
        self.generator_health.merge(&other.generator_health);
    }
}

/// Redirects by what the catalogue says of the file they are for.
///
/// Invariant of a run with a catalogue: the sum is the number of redirects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CatalogCounts {
    /// It is listed.
    pub listed: u64,
    /// It is not.
    pub missing: u64,
    /// No rule says which file it is.
    pub unnamed: u64,
}

impl CatalogCounts {
    pub(super) fn count(&mut self, known: CatalogMatch) {
        match known {
            CatalogMatch::Listed(_) => self.listed += 1,
            CatalogMatch::Missing => self.missing += 1,
            CatalogMatch::NoRule => self.unnamed += 1,
        }
    }

    fn merge(&mut self, other: Self) {
        self.listed += other.listed;
        self.missing += other.missing;
        self.unnamed += other.unnamed;
    }
}

/// Arrivals by fate. In a closed run `offered` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArrivalCounts {
    /// Released by the schedule.
    pub offered: u64,
    /// Good at the first attempt.
    pub passed: u64,
    /// Good after a retry.
    pub recovered: u64,
    /// Not good.
    pub failed: u64,
    /// Not sent: over the limit.
    pub shed: u64,
    /// Not over when the run was.
    pub unfinished: u64,
}

impl ArrivalCounts {
    /// Those whose fate is known.
    pub const fn settled(&self) -> u64 {
        self.passed + self.recovered + self.failed + self.shed + self.unfinished
    }

    pub(super) fn count(&mut self, fate: ArrivalOutcome) {
        match fate {
            ArrivalOutcome::Passed => self.passed += 1,
            ArrivalOutcome::Recovered(_) => self.recovered += 1,
            ArrivalOutcome::Failed(_) => self.failed += 1,
            ArrivalOutcome::Unfinished => self.unfinished += 1,
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.offered += other.offered;
        self.passed += other.passed;
        self.recovered += other.recovered;
        self.failed += other.failed;
        self.shed += other.shed;
        self.unfinished += other.unfinished;
    }
}

/// Attempts by kind and by end.
///
/// Invariant: `first + retries` = the sum of `statuses` + the sum of `faults` +
/// `cut`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptCounts {
    /// First attempts.
    pub first: u64,
    /// Repetitions.
    pub retries: u64,
    /// Those of which a byte was sent.
    pub sent: u64,
    /// Complete answers by status. At most 65,536 keys, in practice a handful.
    pub statuses: BTreeMap<u16, u64>,
    /// Attempts without a complete answer, by fault.
    pub faults: FaultTable,
    /// Attempts that the end of the run cut off.
    pub unfinished: u64,
    /// When the last byte of a request was sent.
    pub last_sent: Offset,
    /// When the last attempt was over.
    pub last_done: Offset,
}

impl AttemptCounts {
    /// All attempts.
    pub const fn total(&self) -> u64 {
        self.first + self.retries
    }

    /// Attempts that got a complete answer.
    pub fn completed(&self) -> u64 {
        self.statuses.values().sum()
    }

    pub(super) fn count(&mut self, attempt: &Attempt, kind: AttemptKind) {
        match kind {
            AttemptKind::First => self.first += 1,
            AttemptKind::Retry => self.retries += 1,
        }
        match attempt.end {
            AttemptEnd::Status(status) => *self.statuses.entry(status).or_default() += 1,
            AttemptEnd::Fault(fault) => self.faults.count(fault, attempt.done),
            AttemptEnd::Unfinished => self.unfinished += 1,
        }
        if let Some(sent) = attempt.sent {
            self.sent += 1;
            self.last_sent = self.last_sent.max(sent);
        }
        self.last_done = self.last_done.max(attempt.done);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.first += other.first;
        self.retries += other.retries;
        self.sent += other.sent;
        for (&status, count) in &other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.faults.merge(&other.faults);
        self.unfinished += other.unfinished;
        self.last_sent = self.last_sent.max(other.last_sent);
        self.last_done = self.last_done.max(other.last_done);
    }
}

/// How often a fault was seen, and from when to when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCount {
    /// How often.
    pub count: u64,
    /// The earliest and the latest `done` it was seen at; `None` for none.
    pub seen: Option<(Offset, Offset)>,
}

/// A count for each fault there is. Boxed, since a worker has many of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultTable(Box<[FaultCount; Fault::ALL.len()]>);

impl FaultTable {
    /// Counts one sighting of `fault` at `done`.
    pub fn count(&mut self, fault: Fault, done: Offset) {
        self.0[fault as usize].merge(FaultCount { count: 1, seen: Some((done, done)) });
    }

    /// What is known of one fault.
    pub fn get(&self, fault: Fault) -> FaultCount {
        self.0[fault as usize]
    }

    /// The faults that were seen, in the order of [`Fault::ALL`].
    pub fn seen(&self) -> impl Iterator<Item = (Fault, FaultCount)> {
        Fault::ALL.iter().map(|&fault| (fault, self.get(fault))).filter(|(_, entry)| entry.count > 0)
    }

    /// All sightings of all faults.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|entry| entry.count).sum()
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, &theirs) in self.0.iter_mut().zip(other.0.iter()) {
            mine.merge(theirs);
        }
    }
}

impl Default for FaultTable {
    fn default() -> Self {
        Self(Box::new([FaultCount::default(); Fault::ALL.len()]))
    }
}

/// How many arrivals that failed had each fault, and a fault of each family.
/// An arrival has one outcome and may have several faults.
///
/// Invariant: of no fault it counts less than the table of outcomes does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundTable {
    faults: FaultTable,
    /// Those with any fault of a family; there are a dozen.
    families: BTreeMap<&'static str, u64>,
}

impl FoundTable {
    /// Counts an arrival that has these faults, `done` when it failed.
    pub fn count(&mut self, faults: FaultSet, done: Offset) {
        let mut families = [""; Fault::ALL.len()];
        for (at, fault) in faults.iter().enumerate() {
            self.faults.count(fault, done);
            let family = fault.family();
            if !families[..at].contains(&family) {
                *self.families.entry(family).or_default() += 1;
            }
            families[at] = family;
        }
    }

    /// What is known of one fault.
    pub fn get(&self, fault: Fault) -> FaultCount {
        self.faults.get(fault)
    }

    /// How many had any fault of that family.
    pub fn of_family(&self, family: &str) -> u64 {
        self.families.get(family).copied().unwrap_or_default()
    }

    /// The faults that were found, in the order of [`Fault::ALL`].
    pub fn seen(&self) -> impl Iterator<Item = (Fault, FaultCount)> {
        self.faults.seen()
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.faults.merge(&other.faults);
        for (&family, count) in &other.families {
            *self.families.entry(family).or_default() += count;
        }
    }
}

impl FaultCount {
    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.seen = match (self.seen, other.seen) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (mine, theirs) => mine.or(theirs),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_own_count() {
        let mut table = FaultTable::default();
        for (n, &fault) in Fault::ALL.iter().enumerate() {
            for _ in 0..=n {
                table.count(fault, Offset::from_nanos(n as u64));
            }
        }
        for (n, (fault, entry)) in table.seen().enumerate() {
            assert_eq!((fault, entry.count), (Fault::ALL[n], n as u64 + 1));
        }
        let n = Fault::ALL.len() as u64;
        assert_eq!(table.total(), n * (n + 1) / 2);
    }

    #[test]
    fn an_arrival_with_several_faults_is_one_of_a_family() {
        let mut found = FoundTable::default();
        let both = [Fault::HeadersVary, Fault::HeadersCors, Fault::TargetRefused];
        found.count(both.into_iter().collect(), Offset::ZERO);
        found.count([Fault::HeadersVary].into_iter().collect(), Offset::ZERO);
        let mut twice = found.clone();
        twice.merge(&found);
        assert_eq!((twice.get(Fault::HeadersVary).count, twice.get(Fault::HeadersCors).count), (4, 2));
        assert_eq!(["headers", "target", "dns"].map(|family| twice.of_family(family)), [4, 2, 0]);
    }

    #[test]
    fn of_limits_the_lowest_is_kept() {
        let of = |stream_limit| Counts { stream_limit, ..Counts::default() };
        let merged = |a, b| {
            let mut counts = of(a);
            counts.merge(&of(b));
            counts.stream_limit
        };
        assert_eq!(merged(None, None), None);
        assert_eq!((merged(Some(3), None), merged(None, Some(3))), (Some(3), Some(3)));
        assert_eq!((merged(Some(3), Some(0)), merged(Some(3), Some(100))), (Some(0), Some(3)));
    }

    #[test]
    fn a_fault_remembers_from_when_to_when() {
        let at = Offset::from_nanos;
        let mut table = FaultTable::default();
        assert_eq!(table.get(Fault::DnsNxdomain), FaultCount::default());
        for nanos in [7, 3, 5] {
            table.count(Fault::DnsNxdomain, at(nanos));
        }
        let seen = Some((at(3), at(7)));
        assert_eq!(table.get(Fault::DnsNxdomain), FaultCount { count: 3, seen });
    }
}
