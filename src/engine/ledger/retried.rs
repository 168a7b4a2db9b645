//! Downloads that failed and are not over: the ledger's part in retries.
//!
//! Whether a download has failed is known here and nowhere else, for some only
//! after a lookup, so this is where its client is asked what to do. Attempts
//! are booked as they end, the arrival once, when its client is done with it.

use super::{JudgedAttempt, Ledger};
use crate::engine::clock::wall_now;
use crate::engine::exchange::Received;
use crate::engine::retries::{EndedAttempt, Retries, RetryDecision, WaitingRetry};
use downpour_core::fault::Fault;
use downpour_core::units::Offset;
use downpour_load::client::{FirstMethod, GiveUp, RetryContext, Timeouts};
use downpour_load::schedule::Arrival;
use downpour_metrics::{ArrivalOutcome, Attempt, AttemptKind, ClientCounts, DownloadEnd, FaultObservation};
use http::HeaderMap;
use http::header::RETRY_AFTER;
use jiff::fmt::rfc2822::DateTimeParser;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// An arrival that was sent, and what its client may do about a failure.
pub(crate) type Sent<'a> = (&'a Arrival, Option<&'a RetryContext>);

/// How an arrival begins.
pub(crate) enum FirstAttempt {
    /// It is asked for once: no client is modelled.
    Once,
    /// It is asked for, and may be again.
    Retryable(RetryContext),
    /// Its client had ended with another download and does not ask. It is
    /// booked.
    Never,
}

impl EndedAttempt {
    pub(super) fn broken(arrival: &Arrival, &trial: &RetryContext, known: Offset) -> Box<Self> {
        Box::new(Self { arrival: arrival.clone(), retry_context: trial, answer: None, known_at: known })
    }

    pub(super) fn answered(
        (arrival, &trial): (&Arrival, &RetryContext),
        received: &Received,
        known: Offset,
    ) -> Box<Self> {
        let answer = Some((received.status, retry_after(&received.head)));
        Box::new(Self { arrival: arrival.clone(), retry_context: trial, answer, known_at: known })
    }
}

impl JudgedAttempt {
    /// A check has ended, with this fault if any: its client knows only now how
    /// it went, unless it had failed before of something as bad. A client whose
    /// download has failed does not wait for our checks.
    pub(super) fn set_known_at(&mut self, now: Offset, fault: Option<Fault>) {
        let is_news = |before: Fault| fault.is_some_and(|fault| fault.severity() > before.severity());
        if self.found.outcome().is_none_or(is_news)
            && let Some(tried) = &mut self.ended_attempt
        {
            tried.known_at = tried.known_at.max(now);
        }
    }
}

impl Ledger {
    /// An attempt is over.
    pub(super) fn attempted(&mut self, (arrival, trial): Sent<'_>, attempt: &Attempt) {
        let kind = AttemptKind::after(trial.map_or(0, RetryContext::attempts));
        self.recorder.attempt(arrival.due, attempt, kind);
        self.of_client(arrival, |counts| counts.attempt(kind));
    }

    /// Books something with the kind of client that an arrival is of, where
    /// clients are told apart.
    pub(super) fn of_client(&mut self, arrival: &Arrival, book: impl FnOnce(&mut ClientCounts)) {
        if self.retries.as_ref().is_some_and(Retries::is_mixed)
            && let Some(counts) = self.recorder.client(arrival.due, arrival.kind)
        {
            book(counts);
        }
    }

    /// The same for an arrival on its way to a judgement.
    pub(super) fn of_case(&mut self, case: &JudgedAttempt, book: impl FnOnce(&mut ClientCounts)) {
        if let Some(tried) = &case.ended_attempt {
            self.of_client(&tried.arrival, book);
        }
    }

    /// How long the client of an arrival waits for what, and how it begins.
    pub(crate) fn client_limits(&self, arrival: &Arrival) -> (Timeouts, FirstMethod) {
        let model = self.retries.as_ref().map(|retries| retries.model(arrival.kind));
        model.map_or_else(Default::default, |model| (model.timeouts, model.first_method))
    }

    /// An arrival is about to be sent for the first time.
    pub(crate) fn begin(&mut self, arrival: &Arrival) -> FirstAttempt {
        let Some(retries) = &mut self.retries else { return FirstAttempt::Once };
        if let Some(trial) = retries.begin(arrival) {
            return FirstAttempt::Retryable(trial);
        }
        let (fault, due) = (Fault::ClientAborted, arrival.due);
        self.recorder.arrival(ArrivalOutcome::Failed(fault), due, due);
        self.of_client(arrival, |counts| counts.arrivals.failed += 1);
        let path = arrival.target.as_str().as_bytes();
        let detail = "another download of its session had failed for good";
        self.recorder.example(due, &FaultObservation { fault, at: due, path, location: None, detail });
        FirstAttempt::Never
    }

    /// Told when a retry is due before all others; `None` where none will be.
    pub(crate) fn earlier_retry(&self) -> Option<Arc<Notify>> {
        self.retries.as_ref().map(Retries::earlier_due)
    }

    /// When the next retry is due.
    pub(crate) fn next_retry_due(&self) -> Option<Offset> {
        self.retries.as_ref()?.next_due()
    }

    /// Takes out the next retry that is due at `now` and is to be sent. Those
    /// whose client has ended meanwhile have failed, and so have those for
    /// which there is no room.
    pub(crate) fn next_retry(&mut self, now: Offset, has_room: bool) -> Option<WaitingRetry> {
        loop {
            let retries = self.retries.as_mut()?;
            let waiting = retries.take_due(now)?;
            let (done, why) = match retries.aborted_at(&waiting.retry_context) {
                // It did not wait for longer, and what failed it last stands.
                Some(aborted) => (aborted.max(waiting.arrival.due), DownloadEnd::Aborted),
                None if has_room => return Some(waiting),
                None => {
                    retries.end_session(&waiting.retry_context, now);
                    (now, DownloadEnd::Shed)
                }
            };
            self.fail_waiting_retry(&waiting, done, why);
        }
    }

    /// Nobody will send what waits for a retry any more: those downloads have
    /// failed of what they failed of last.
    pub(crate) fn fail_waiting(&mut self, now: Offset) {
        let Some(retries) = &mut self.retries else { return };
        let waiting: Vec<_> = retries.abandon().collect();
        for waiting in waiting {
            if let Some(counts) = self.recorder.retries(waiting.arrival.due) {
                counts.waiting_at_end += 1;
            }
            self.fail_waiting_retry(&waiting, now, DownloadEnd::RunOver);
        }
    }

    /// The run is over before a download is whose earlier attempts have
    /// failed: it has failed of what they failed of.
    pub(super) fn fail_unfinished(
        &mut self,
        (arrival, trial): (&Arrival, &RetryContext),
        attempts: u32,
        now: Offset,
    ) {
        if let Some(counts) = self.recorder.retries(arrival.due) {
            counts.finished(attempts);
            counts.ended(DownloadEnd::RunOver);
        }
        self.fail_with(arrival, trial, now);
    }

    /// A download is well.
    pub(super) fn passed(&mut self, case: &JudgedAttempt) {
        let mut fate = ArrivalOutcome::Passed;
        if let (Some(tried), Some(retries)) = (&case.ended_attempt, &mut self.retries) {
            retries.succeeded(&tried.retry_context);
            if tried.retry_context.attempts() > 0 {
                fate = ArrivalOutcome::Recovered(tried.retry_context.fault());
            }
            if let Some(counts) = self.recorder.retries(case.due) {
                counts.finished(tried.retry_context.attempts() + 1);
            }
        }
        self.recorder.arrival(fate, case.due, case.done);
        self.of_case(case, |counts| match fate {
            ArrivalOutcome::Recovered(_) => counts.arrivals.recovered += 1,
            ArrivalOutcome::Passed | ArrivalOutcome::Failed(_) | ArrivalOutcome::Unfinished => {
                counts.arrivals.passed += 1;
            }
        });
    }

    /// An attempt failed; the download did, too, unless its client tries again.
    pub(super) fn failed(&mut self, case: &JudgedAttempt, fault: Fault) {
        self.recorder.wrong_attempt(case.due, fault, case.done);
        let others = case.found.failing().without(fault);
        self.recorder.other_faults(case.due, others, case.done);
        let mut verdict = RetryDecision::Final(DownloadEnd::GaveUp(GiveUp::NotRetried));
        if let (Some(ended_attempt), Some(retries)) = (&case.ended_attempt, &mut self.retries) {
            verdict = retries.failed(ended_attempt, fault, others);
            match (verdict, self.recorder.retries(case.due)) {
                (RetryDecision::Retry, Some(counts)) => {
                    counts.hidden_attempt(fault, case.done);
                    let asked = ended_attempt.answer.and_then(|(_, retry_after)| retry_after);
                    counts.retry_after_max = counts.retry_after_max.max(asked);
                }
                (RetryDecision::Final(why), Some(counts)) => {
                    counts.finished(ended_attempt.retry_context.attempts() + 1);
                    counts.ended(why);
                }
                (RetryDecision::Retry | RetryDecision::Final(_), None) => {}
            }
        }
        if verdict != RetryDecision::Retry {
            self.recorder.arrival_with(ArrivalOutcome::Failed(fault), others, case.due, case.done);
            self.of_case(case, |counts| counts.arrivals.failed += 1);
        }
    }

    /// A download that waited for a retry has failed of what it failed of
    /// last, which an example was given of then.
    fn fail_waiting_retry(&mut self, waiting: &WaitingRetry, done: Offset, why: DownloadEnd) {
        if let Some(counts) = self.recorder.retries(waiting.arrival.due) {
            counts.finished(waiting.retry_context.attempts());
            counts.ended(why);
        }
        self.fail_with(&waiting.arrival, &waiting.retry_context, done);
    }

    /// A download whose attempts are counted, with an example, has failed of
    /// what was found of its last attempt.
    fn fail_with(&mut self, arrival: &Arrival, trial: &RetryContext, done: Offset) {
        let due = arrival.due;
        self.recorder.arrival_with(ArrivalOutcome::Failed(trial.fault()), trial.others(), due, done);
        self.of_client(arrival, |counts| counts.arrivals.failed += 1);
    }
}

/// How long an answer asks to wait: seconds, or a date. What is neither is
/// nothing.
fn retry_after(head: &HeaderMap) -> Option<Duration> {
    static DATES: DateTimeParser = DateTimeParser::new();
    let text = head.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DATES.parse_timestamp(text).ok()?;
    let nanos = date.as_nanosecond().saturating_sub(i128::from(wall_now().as_nanos()));
    Some(Duration::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX)))
}
