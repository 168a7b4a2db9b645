//! One worker's way into its interval: what is warm-up is told from what counts.
//!
//! An arrival belongs to the warm-up if it was *due* before the end of it,
//! however late its outcome comes. Offsets come in on the clock of the run and
//! are kept counted from the end of the warm-up, so that nothing behind this
//! file knows that there was one.

use super::{
    ArrivalOutcome, Attempt, AttemptKind, ClientCounts, ControlCounts, CpuSample, FaultObservation, Gauges,
    Interval, JudgedRedirect, RetryCounts, RuleCounts,
};
use downpour_core::agent::ClientKind;
use downpour_core::fault::{Fault, FaultSet};
use downpour_core::units::Offset;
use downpour_verify::catalog::CatalogMatch;
use std::time::Duration;

/// Records what happens to a worker, second by second.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    /// Where the warm-up ends, on the clock of the run.
    warmup: Offset,
    interval: Interval,
    /// Arrivals that count, over all seconds.
    offered: u64,
}

impl Recorder {
    /// A recorder at the start of a run that begins with a warm-up of this
    /// length, which may be nothing.
    pub fn new(warmup: Duration) -> Self {
        Self { warmup: Offset::from(warmup), interval: Interval::new(0), offered: 0 }
    }

    /// When the warm-up ends, on the clock of the run.
    pub const fn warmup_ends(&self) -> Offset {
        self.warmup
    }

    /// When the second under way ends, on the clock of the run. The first one
    /// ends a second after the warm-up, and takes in what that held.
    pub fn second_ends(&self) -> Offset {
        self.warmup.after(Duration::from_secs(self.interval.second().saturating_add(1)))
    }

    /// An arrival was released.
    pub fn offered(&mut self, due: Offset) {
        if self.is_warmup(due) {
            self.interval.warmup().arrivals.offered += 1;
        } else {
            self.interval.offered();
            self.offered += 1;
        }
    }

    /// Arrivals that count, released since the start.
    pub const fn offered_so_far(&self) -> u64 {
        self.offered
    }

    /// The worker has measured how busy it was, since the warm-up ended.
    pub fn cpu_sample(&mut self, lap: &CpuSample) {
        self.interval.cpu_sample(lap);
    }

    /// The worker had nothing in hand for that long, and these were due before
    /// it got them.
    pub fn trace_lag(&mut self, time: Duration, late: impl Iterator<Item = Offset>) {
        let counted = late.filter(|&due| !self.is_warmup(due)).count();
        if counted > 0 {
            self.interval.trace_lag(time, u64::try_from(counted).unwrap_or(u64::MAX));
        }
    }

    /// A released arrival was not sent: over the limit.
    pub fn shed(&mut self, due: Offset) {
        if self.is_warmup(due) {
            self.interval.warmup().arrivals.shed += 1;
        } else {
            self.interval.shed();
        }
    }

    /// An attempt is over. `due` is when its arrival was.
    pub fn attempt(&mut self, due: Offset, attempt: &Attempt, kind: AttemptKind) {
        let attempt = Attempt {
            due: self.counted(attempt.due),
            sent: attempt.sent.map(|at| self.counted(at)),
            first_byte: attempt.first_byte.map(|at| self.counted(at)),
            done: self.counted(attempt.done),
            end: attempt.end,
        };
        if self.is_warmup(due) {
            self.interval.warmup().attempts.count(&attempt, kind);
        } else {
            self.interval.attempt(&attempt, kind);
        }
    }

    /// An arrival's fate is known.
    pub fn arrival(&mut self, fate: ArrivalOutcome, due: Offset, done: Offset) {
        self.arrival_with(fate, FaultSet::EMPTY, due, done);
    }

    /// The same of an arrival that failed and has these faults besides the one
    /// that is its outcome.
    pub fn arrival_with(&mut self, fate: ArrivalOutcome, others: FaultSet, due: Offset, done: Offset) {
        if self.is_warmup(due) {
            self.interval.warmup().arrivals.count(fate);
        } else {
            self.interval.arrival_with(fate, others, self.counted(due), self.counted(done));
        }
    }

    /// What was found of a wrong attempt besides its worst fault.
    pub fn other_faults(&mut self, due: Offset, faults: FaultSet, done: Offset) {
        if !faults.is_empty() && !self.is_warmup(due) {
            self.interval.other_faults(faults, self.counted(done));
        }
    }

    /// An attempt that was over at `done` was found to have `fault`; its
    /// arrival was due at `due`.
    pub fn wrong_attempt(&mut self, due: Offset, fault: Fault, done: Offset) {
        if !self.is_warmup(due) {
            self.interval.wrong_attempt(fault, self.counted(done));
        }
    }

    /// An answer that redirects was judged; its arrival was due at `due`.
    pub fn redirect(&mut self, due: Offset, redirect: &JudgedRedirect<'_>) {
        if !self.is_warmup(due) {
            self.interval.redirect(&JudgedRedirect { at: self.counted(redirect.at), ..*redirect });
        }
    }

    /// Whether an example of `fault` at `at` would be kept for an arrival that
    /// was due at `due`: nothing need be said about it otherwise.
    pub fn keeps_example(&self, due: Offset, fault: Fault, at: Offset) -> bool {
        !self.is_warmup(due) && self.interval.examples().keeps(fault, self.counted(at))
    }

    /// A fault was seen at an arrival that was due at `due`.
    pub fn example(&mut self, due: Offset, sighting: &FaultObservation<'_>) {
        if !self.is_warmup(due) {
            self.interval.example(&FaultObservation { at: self.counted(sighting.at), ..*sighting });
        }
    }

    /// The answer to an arrival that was due at `due` had a fault that fails
    /// nothing.
    pub fn warn(&mut self, due: Offset, sighting: &FaultObservation<'_>) {
        if !self.is_warmup(due) {
            self.interval.warn(&FaultObservation { at: self.counted(sighting.at), ..*sighting });
        }
    }

    /// A status was answered where another, or the same, was recorded.
    pub fn transition(&mut self, due: Offset, (recorded, answered): (Option<u16>, u16), refused: bool) {
        if !self.is_warmup(due) {
            self.interval.transition(recorded, answered, refused);
        }
    }

    /// Which rules judged the answers, for one whose arrival was due at `due`;
    /// nothing where that was in the warm-up.
    pub fn rules(&mut self, due: Offset) -> Option<&mut RuleCounts> {
        (!self.is_warmup(due)).then(|| self.interval.rules())
    }

    /// What clients did about failures, for a download that was due at `due`;
    /// nothing where that was in the warm-up.
    pub fn retries(&mut self, due: Offset) -> Option<&mut RetryCounts> {
        (!self.is_warmup(due)).then(|| self.interval.retries())
    }

    /// What clients of one kind did, for an arrival that was due at `due`;
    /// nothing where that was in the warm-up.
    pub fn client(&mut self, due: Offset, kind: ClientKind) -> Option<&mut ClientCounts> {
        (!self.is_warmup(due)).then(|| self.interval.client(kind))
    }

    /// A redirect's file was looked up in the catalogue.
    pub fn looked_up_in_catalog(&mut self, due: Offset, known: CatalogMatch) {
        if !self.is_warmup(due) {
            self.interval.looked_up_in_catalog(known);
        }
    }

    /// Offers an answer to the control, which is not asked for the warm-up.
    pub fn offered_to_control(&mut self, due: Offset, offer: impl FnOnce() -> ControlCounts) {
        if !self.is_warmup(due) {
            self.interval.offered_to_control(offer());
        }
    }

    /// Bytes of an answer came in.
    pub fn bytes_in(&mut self, due: Offset, bytes: u64) {
        if !self.is_warmup(due) {
            self.interval.bytes_in(bytes);
        }
    }

    /// A request was repeated because its kept connection was closed.
    pub fn stale_replay(&mut self, due: Offset) {
        if !self.is_warmup(due) {
            self.interval.stale_replay();
        }
    }

    /// An HTTP/2 connection was closed by GOAWAY under a request.
    pub fn gone_away(&mut self, due: Offset) {
        if !self.is_warmup(due) {
            self.interval.gone_away();
        }
    }

    /// The peer refused a stream to a request.
    pub fn stream_refused(&mut self, due: Offset) {
        if !self.is_warmup(due) {
            self.interval.stream_refused();
        }
    }

    /// The peer announced how many streams a connection may have. That holds
    /// for the whole run, so it is kept from the warm-up too.
    pub fn stream_limit(&mut self, limit: u32) {
        self.interval.stream_limit(limit);
    }

    /// A connection was opened, with a handshake of this length, and whether it
    /// resumed a session, if it has TLS. It belongs to no arrival, so `now`
    /// decides.
    pub fn connection_opened(&mut self, now: Offset, handshake: Option<(Duration, bool)>) {
        if self.is_warmup(now) {
            self.interval.warmup().connections_opened += 1;
            return;
        }
        self.interval.connection_opened();
        if let Some((took, resumed)) = handshake {
            self.interval.handshake(took, resumed);
        }
    }

    /// What is going on as the second ends.
    pub fn set_gauges(&mut self, gauges: Gauges) {
        self.interval.set_gauges(gauges);
    }

    /// Takes the numbers of the second under way out and begins those of the
    /// second that `now` lies in.
    pub fn take(&mut self, now: Offset) -> Interval {
        let begun = Interval::new(self.counted(now).second());
        std::mem::replace(&mut self.interval, begun)
    }

    /// Takes numbers back that could not be delivered.
    pub fn put_back(&mut self, undelivered: &Interval) {
        self.interval.merge(undelivered);
    }

    fn is_warmup(&self, due: Offset) -> bool {
        due < self.warmup
    }

    /// An offset of the run as it is kept.
    fn counted(&self, at: Offset) -> Offset {
        Offset::from_nanos(at.nanos_since(self.warmup))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Leads;
    use crate::{Accounting, AttemptEnd, Coverage, Totals};

    fn ms(millis: u64) -> Offset {
        Offset::from(Duration::from_millis(millis))
    }

    /// An arrival that is sent when it is due, answered, and led astray.
    fn fail(recorder: &mut Recorder, due: u64, done: u64) {
        let (due, done) = (ms(due), ms(done));
        let fault = Fault::DnsNxdomain;
        recorder.offered(due);
        recorder.connection_opened(due, Some((Duration::from_millis(1), false)));
        let end = AttemptEnd::Status(302);
        let attempt = Attempt { due, sent: Some(due), first_byte: Some(done), done, end };
        recorder.attempt(due, &attempt, AttemptKind::First);
        recorder.bytes_in(due, 100);
        recorder.stale_replay(due);
        recorder.gone_away(due);
        let tiers = [Coverage::Checked; downpour_verify::Tier::ALL.len()];
        recorder.redirect(
            due,
            &JudgedRedirect {
                at: done,
                leads: Leads::To("h"),
                fault: Some(fault),
                cache_lifetime: None,
                tiers,
            },
        );
        recorder.arrival(ArrivalOutcome::Failed(fault), due, done);
        let sighting = FaultObservation { fault, at: done, path: b"/x", location: None, detail: "" };
        recorder.example(due, &sighting);
    }

    fn totals(mut recorder: Recorder) -> Totals {
        let mut totals = Totals::default();
        totals.absorb(&recorder.take(ms(60_000)));
        totals
    }

    #[test]
    fn what_was_due_in_the_warm_up_is_in_no_other_number() {
        let mut recorder = Recorder::new(Duration::from_secs(2));
        // Due within it: over within it, over after it, and never sent.
        fail(&mut recorder, 0, 5);
        fail(&mut recorder, 1_999, 9_000);
        recorder.offered(ms(1_500));
        recorder.shed(ms(1_500));
        recorder.trace_lag(Duration::from_secs(1), [ms(1_000), ms(1_999)].into_iter());
        assert_eq!(recorder.offered_so_far(), 0);
        let totals = totals(recorder);
        let warmup = &totals.counts.warmup;
        let arrivals = warmup.arrivals;
        assert_eq!((arrivals.offered, arrivals.failed, arrivals.shed), (3, 2, 1));
        assert_eq!((warmup.attempts.total(), warmup.attempts.completed()), (2, 2));
        assert_eq!(warmup.connections_opened, 2);
        let mut rest = totals;
        rest.counts.warmup = super::super::WarmupCounts::default();
        assert_eq!(rest, Totals::default());
    }

    #[test]
    fn what_counts_is_the_same_as_without_a_warm_up_but_for_where_time_begins() {
        let (mut with, mut without) = (Recorder::new(Duration::from_millis(2_500)), Recorder::default());
        for (due, done) in [(0, 3), (700, 1_900)] {
            fail(&mut with, 2_500 + due, 2_500 + done);
            fail(&mut without, due, done);
        }
        with.trace_lag(Duration::from_secs(1), [ms(2_499), ms(2_500)].into_iter());
        without.trace_lag(Duration::from_secs(1), [ms(0)].into_iter());
        assert_eq!((with.offered_so_far(), without.offered_so_far()), (2, 2));
        assert_eq!((with.second_ends(), without.second_ends()), (ms(3_500), ms(1_000)));
        let after = |recorder: &Recorder, now| {
            let mut recorder = recorder.clone();
            assert_eq!(recorder.take(ms(now)).second(), 0);
            recorder.second_ends()
        };
        assert_eq!(after(&with, 2_499), ms(3_500));
        assert_eq!((after(&with, 4_500), after(&without, 2_000)), (ms(5_500), ms(3_000)));
        let (with, without) = (totals(with), totals(without));
        assert_eq!(with, without);
        assert_eq!(with.counts.faults.get(Fault::DnsNxdomain).seen, Some((ms(3), ms(1_900))));
    }

    #[test]
    fn books_with_a_warm_up_that_goes_on_hold_its_arrivals() {
        let mut recorder = Recorder::new(Duration::from_secs(1));
        recorder.offered(ms(10));
        recorder.offered(ms(1_010));
        let books = Accounting::so_far(&totals(recorder)).unwrap();
        assert_eq!((books.outstanding(), books.outstanding_of_warmup()), (1, 1));
    }
}
