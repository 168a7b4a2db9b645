//! One worker's numbers of one second of the run.
//!
//! The engine records into it on the hot path: no locks, no allocation for an
//! ordinary attempt, and after [`Interval::reset`] it is reused. Merging is
//! associative and commutative, so it does not matter which worker reports
//! first.

use super::{
    ArrivalOutcome, Attempt, AttemptKind, ClientCounts, ControlCounts, Counts, CpuSample, Examples,
    FaultObservation, JudgedRedirect, RetryCounts, RuleCounts, TimeHistograms, WarmupCounts,
};
use downpour_core::agent::ClientKind;
use downpour_core::fault::{Fault, FaultSet};
use downpour_core::units::Offset;
use downpour_verify::catalog::CatalogMatch;
use std::time::Duration;

/// What is going on at the end of a second, rather than what happened in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Attempts on the wire.
    pub in_flight: u64,
    /// Arrivals that are due and wait for a connection.
    pub waiting: u64,
    /// Open connections to the candidate.
    pub connections_open: u64,
}

impl Gauges {
    /// The sum over workers.
    pub(super) fn add(&mut self, other: Self) {
        self.in_flight += other.in_flight;
        self.waiting += other.waiting;
        self.connections_open += other.connections_open;
    }

    /// The highest over seconds.
    pub(super) fn raise_to(&mut self, other: Self) {
        self.in_flight = self.in_flight.max(other.in_flight);
        self.waiting = self.waiting.max(other.waiting);
        self.connections_open = self.connections_open.max(other.connections_open);
    }
}

/// What one worker, or several merged, did in one second of the run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interval {
    second: u64,
    counts: Counts,
    gauges: Gauges,
    examples: Examples,
    /// Of warnings.
    warned: Examples,
    times: TimeHistograms<u32>,
}

impl Interval {
    /// An empty interval for that second of the run, 0 for the first.
    pub fn new(second: u64) -> Self {
        Self { second, ..Self::default() }
    }

    /// Empties it for another second; histograms keep their memory.
    pub fn reset(&mut self, second: u64) {
        self.second = second;
        self.counts = Counts::default();
        self.gauges = Gauges::default();
        self.examples.clear();
        self.warned.clear();
        self.times.reset();
    }

    /// The second of the run.
    pub const fn second(&self) -> u64 {
        self.second
    }

    /// An arrival was released by the schedule, whatever becomes of it.
    pub fn offered(&mut self) {
        self.counts.arrivals.offered += 1;
    }

    /// A released arrival was not sent: over the limit.
    pub fn shed(&mut self) {
        self.counts.arrivals.shed += 1;
    }

    /// An attempt is over. Its service time and lateness count if it was sent;
    /// the time of one that was cut off is not known.
    pub fn attempt(&mut self, attempt: &Attempt, kind: AttemptKind) {
        self.counts.attempts.count(attempt, kind);
        let Some(sent) = attempt.sent else { return };
        self.times.lateness.record(micros(attempt.due, sent));
        if attempt.end != super::AttemptEnd::Unfinished {
            self.times.service.record(micros(sent, attempt.done));
        }
    }

    /// An arrival's fate is known. Its latency counts among the good or the
    /// failed ones; one that was cut off has none.
    pub fn arrival(&mut self, fate: ArrivalOutcome, due: Offset, done: Offset) {
        self.arrival_with(fate, FaultSet::EMPTY, due, done);
    }

    /// The same of an arrival that failed and has these faults besides the one
    /// that is its outcome.
    pub fn arrival_with(&mut self, fate: ArrivalOutcome, others: FaultSet, due: Offset, done: Offset) {
        self.counts.arrivals.count(fate);
        match fate {
            ArrivalOutcome::Passed => self.times.latency.record(micros(due, done)),
            ArrivalOutcome::Recovered(fault) => {
                self.counts.saved_by_retries.count(fault, done);
                self.times.latency.record(micros(due, done));
            }
            ArrivalOutcome::Failed(fault) => {
                self.counts.faults.count(fault, done);
                let mut found = others;
                found.insert(fault);
                self.counts.found.count(found, done);
                self.times.latency_failed.record(micros(due, done));
            }
            ArrivalOutcome::Unfinished => {}
        }
    }

    /// What was found of a wrong attempt besides its worst fault.
    pub fn other_faults(&mut self, faults: FaultSet, done: Offset) {
        faults.iter().for_each(|fault| self.counts.other_faults.count(fault, done));
    }

    /// An attempt that was over at `done` was found to have `fault`.
    pub fn wrong_attempt(&mut self, fault: Fault, done: Offset) {
        self.counts.wrong_attempts.count(fault, done);
    }

    /// An answer's status was held against the recorded one; `refused` says
    /// that it was found wrong.
    pub fn transition(&mut self, recorded: Option<u16>, answered: u16, refused: bool) {
        self.counts.transitions.count(recorded, answered, refused);
    }

    /// Which rules judged the answers.
    pub fn rules(&mut self) -> &mut RuleCounts {
        &mut self.counts.rules
    }

    /// What clients did about failures.
    pub fn retries(&mut self) -> &mut RetryCounts {
        &mut self.counts.retries
    }

    /// What clients of one kind did.
    pub fn client(&mut self, kind: ClientKind) -> &mut ClientCounts {
        self.counts.clients.of(kind)
    }

    /// A redirect's file was looked up in the catalogue.
    pub fn looked_up_in_catalog(&mut self, known: CatalogMatch) {
        self.counts.catalog.count(known);
    }

    /// An answer was left out by the control's sample, did not fit into its
    /// queue, or was handed over.
    pub fn offered_to_control(&mut self, counts: ControlCounts) {
        self.counts.control.merge(counts);
    }

    /// An answer that redirects was judged.
    pub fn redirect(&mut self, redirect: &JudgedRedirect<'_>) {
        self.counts.redirects.count(redirect);
        self.counts.hosts.count(redirect);
    }

    /// A fault was seen; kept as an example if it is among the earliest.
    pub fn example(&mut self, sighting: &FaultObservation<'_>) {
        self.examples.observe(sighting);
    }

    /// An answer had a fault that fails nothing; kept as an example likewise.
    pub fn warn(&mut self, sighting: &FaultObservation<'_>) {
        self.counts.warned.count(sighting.fault, sighting.at);
        self.warned.observe(sighting);
    }

    /// A connection to the candidate was opened.
    pub fn connection_opened(&mut self) {
        self.counts.connections_opened += 1;
    }

    /// A TLS handshake was made.
    pub fn handshake(&mut self, took: Duration, resumed: bool) {
        let counted =
            if resumed { &mut self.counts.handshakes_resumed } else { &mut self.counts.handshakes_full };
        *counted += 1;
        self.times.handshake.record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// A request was left unprocessed by GOAWAY.
    pub fn gone_away(&mut self) {
        self.counts.gone_away += 1;
    }

    /// An HTTP/2 stream was refused.
    pub fn stream_refused(&mut self) {
        self.counts.streams_refused += 1;
    }

    /// A limit of streams was announced.
    pub fn stream_limit(&mut self, limit: u32) {
        let lowest = self.counts.stream_limit.map_or(limit, |lowest| lowest.min(limit));
        self.counts.stream_limit = Some(lowest);
    }

    /// A request was sent once more because it was not taken up.
    pub fn stale_replay(&mut self) {
        self.counts.stale_replays += 1;
    }

    /// Bytes of an answer came in.
    pub fn bytes_in(&mut self, bytes: u64) {
        self.counts.bytes_in = self.counts.bytes_in.saturating_add(bytes);
    }

    /// What the warm-up held.
    pub(super) fn warmup(&mut self) -> &mut WarmupCounts {
        &mut self.counts.warmup
    }

    /// The worker has measured how busy it was.
    pub fn cpu_sample(&mut self, lap: &CpuSample) {
        self.counts.generator_health.add_cpu_sample(lap);
    }

    /// The worker had nothing in hand for that long though something was due;
    /// so many arrivals came too late for that.
    pub fn trace_lag(&mut self, time: Duration, arrivals: u64) {
        self.counts.generator_health.add_trace_lag(time, arrivals);
    }

    /// What is going on as the second ends.
    pub fn set_gauges(&mut self, gauges: Gauges) {
        self.gauges = gauges;
    }

    /// Adds another worker's numbers of the same second. The second of a merge
    /// of several is the latest.
    pub fn merge(&mut self, other: &Self) {
        self.second = self.second.max(other.second);
        self.gauges.add(other.gauges);
        self.merge_history(other);
    }

    /// Adds what happened in another interval, not what was going on at its
    /// end.
    pub(super) fn merge_history(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
        self.examples.merge(&other.examples);
        self.warned.merge(&other.warned);
        self.times.merge(&other.times);
    }

    /// Whether nothing happened and nothing is going on.
    pub fn is_empty(&self) -> bool {
        self.counts == Counts::default() && self.gauges == Gauges::default() && self.examples.is_empty()
    }

    /// Its counters.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What was going on at its end.
    pub const fn gauges(&self) -> Gauges {
        self.gauges
    }

    /// Its examples.
    pub const fn examples(&self) -> &Examples {
        &self.examples
    }

    /// Its examples of warnings.
    pub const fn warned(&self) -> &Examples {
        &self.warned
    }

    /// Its histograms.
    pub const fn times(&self) -> &TimeHistograms<u32> {
        &self.times
    }
}

fn micros(from: Offset, to: Offset) -> u64 {
    to.nanos_since(from) / 1_000
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::Leads;
    use crate::{AttemptEnd, Coverage, Unchecked};
    use downpour_verify::Tier;
    use proptest::prelude::*;

    fn ms(millis: u64) -> Offset {
        Offset::from_nanos(millis * 1_000_000)
    }

    fn attempt(sent: Option<u64>, done: u64, end: AttemptEnd) -> Attempt {
        Attempt { due: ms(10), sent: sent.map(ms), first_byte: None, done: ms(done), end }
    }

    #[test]
    fn the_three_clocks_start_and_stop_where_they_should() {
        let mut interval = Interval::new(0);
        interval.attempt(&attempt(Some(12), 40, AttemptEnd::Status(302)), AttemptKind::First);
        interval.arrival(ArrivalOutcome::Passed, ms(10), ms(40));
        let times = interval.times();
        assert_eq!(times.lateness.max(), 2_000);
        assert_eq!(times.service.max(), 28_000);
        assert_eq!(times.latency.max(), 30_000);
        assert!(times.latency_failed.is_empty());
    }

    #[test]
    fn what_was_never_sent_has_no_service_time_but_a_failed_latency() {
        let mut interval = Interval::new(0);
        let refused = AttemptEnd::Fault(Fault::ConnectRefused);
        interval.attempt(&attempt(None, 11, refused), AttemptKind::First);
        interval.arrival(ArrivalOutcome::Failed(Fault::ConnectRefused), ms(10), ms(11));
        let (times, counts) = (interval.times(), interval.counts());
        assert!(times.service.is_empty() && times.lateness.is_empty() && times.latency.is_empty());
        assert_eq!(times.latency_failed.max(), 1_000);
        assert_eq!(counts.faults.total(), 1);
        assert_eq!(counts.attempts.faults.get(Fault::ConnectRefused).count, 1);
    }

    #[test]
    fn the_end_of_the_run_invents_no_times() {
        let mut interval = Interval::new(0);
        interval.attempt(&attempt(Some(10), 99, AttemptEnd::Unfinished), AttemptKind::Retry);
        interval.arrival(ArrivalOutcome::Unfinished, ms(10), ms(99));
        let times = interval.times();
        assert!(times.service.is_empty() && times.latency.is_empty() && times.latency_failed.is_empty());
        assert_eq!((interval.counts().attempts.unfinished, interval.counts().arrivals.unfinished), (1, 1));
    }

    #[test]
    fn a_reset_interval_is_a_new_one() {
        let mut interval = Interval::new(3);
        assert!(interval.is_empty());
        interval.offered();
        interval.bytes_in(u64::MAX);
        interval.set_gauges(Gauges { in_flight: 2, waiting: 1, connections_open: 4 });
        assert!(!interval.is_empty());
        interval.reset(4);
        assert_eq!(interval, Interval::new(4));
    }

    /// One thing that can happen to a worker.
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Happening {
        Pass(u64),
        Fail(u64, usize),
        Shed,
    }

    pub(crate) fn happenings() -> impl Strategy<Value = Vec<Happening>> {
        let one = prop_oneof![
            (0..5_000_u64).prop_map(Happening::Pass),
            (0..5_000_u64, 0..Fault::ALL.len()).prop_map(|(at, fault)| Happening::Fail(at, fault)),
            Just(Happening::Shed),
        ];
        prop::collection::vec(one, 0..20)
    }

    pub(crate) fn interval_of(second: u64, happenings: &[Happening]) -> Interval {
        let mut interval = Interval::new(second);
        for &happening in happenings {
            interval.offered();
            match happening {
                Happening::Pass(at) => settle(&mut interval, at, None),
                Happening::Fail(at, fault) => settle(&mut interval, at, Some(Fault::ALL[fault])),
                Happening::Shed => interval.shed(),
            }
        }
        interval.set_gauges(Gauges { in_flight: 1, ..Gauges::default() });
        interval
    }

    fn settle(interval: &mut Interval, at: u64, fault: Option<Fault>) {
        let (at, host) = (ms(at), format!("host-{}", at % 7));
        let sent = Some(at);
        let end = AttemptEnd::Status(302);
        let attempt = Attempt { due: at, sent, first_byte: sent, done: at, end };
        interval.attempt(&attempt, AttemptKind::First);
        let unchecked = Coverage::Unchecked(Unchecked::NoLocation);
        let tiers = Tier::ALL.map(|tier| if tier <= Tier::Policy { Coverage::Checked } else { unchecked });
        interval.redirect(&JudgedRedirect {
            at,
            leads: Leads::To(&host),
            fault,
            cache_lifetime: None,
            tiers,
        });
        if let Some(fault) = fault {
            let path = host.as_bytes();
            interval.example(&FaultObservation { fault, at, path, location: None, detail: "" });
        }
        interval.arrival(fault.map_or(ArrivalOutcome::Passed, ArrivalOutcome::Failed), at, at);
    }

    fn merged(parts: &[&Interval]) -> Interval {
        let mut whole = Interval::new(0);
        for part in parts {
            whole.merge(part);
        }
        whole
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn merging_is_associative_and_commutative(
            a in happenings(), b in happenings(), c in happenings()
        ) {
            let [a, b, c] = [a, b, c].map(|list| interval_of(0, &list));
            let left = merged(&[&merged(&[&a, &b]), &c]);
            prop_assert_eq!(&left, &merged(&[&a, &merged(&[&b, &c])]));
            prop_assert_eq!(&left, &merged(&[&c, &b, &a]));
        }
    }
}
