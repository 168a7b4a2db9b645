//! What clients meet: how an attempt comes out, and what planned faults make of
//! it.
//!
//! A simulation judges no redirect. It knows what a client meets when a fault of
//! the plan takes its answer, for those faults of which that can be said
//! without the answer.

use downpour_core::fault::Fault;
use downpour_load::client::LastAttempt;
use downpour_metrics::AttemptEnd;
use downpour_mock::plan::{AnswerFault, FaultKind, LocationFault, WireFault};
use std::time::Duration;

/// How an attempt comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AttemptOutcome {
    /// The status of the answer; `None` where there was none.
    status: Option<u16>,
    /// What is wrong, if anything.
    pub(super) fault: Option<Fault>,
    /// How many seconds the answer asks to wait.
    retry_after_s: Option<u8>,
}

impl AttemptOutcome {
    /// A redirect that leads somewhere.
    pub(super) const OK: Self = Self { status: Some(302), fault: None, retry_after_s: None };
    /// There was no room in the queue.
    pub(super) const REFUSED: Self =
        Self { status: Some(503), fault: Some(Fault::StatusServerError), retry_after_s: None };
    /// The client no longer waited.
    pub(super) const TIMED_OUT: Self = Self::broken(Fault::TimeoutTotal);

    const fn broken(fault: Fault) -> Self {
        Self { status: None, fault: Some(fault), retry_after_s: None }
    }

    const fn wrong_redirect(fault: Fault) -> Self {
        Self { status: Some(302), fault: Some(fault), retry_after_s: None }
    }

    /// What a planned fault makes of a sound answer; `None` for one of which
    /// that can't be said.
    pub(super) fn of_fault(kind: FaultKind) -> Option<Self> {
        if let FaultKind::Status(status) = kind {
            return Some(Self { status: Some(status), fault: Some(of_status(status)), retry_after_s: None });
        }
        MODELLED.iter().find(|(known, _)| *known == kind).map(|(_, outcome)| *outcome)
    }

    /// As the books have it.
    pub(super) fn end(self) -> AttemptEnd {
        match (self.status, self.fault) {
            (Some(status), _) => AttemptEnd::Status(status),
            (None, fault) => AttemptEnd::Fault(fault.unwrap_or(Fault::HttpClosed)),
        }
    }

    /// As the client sees it, which has failed for `fault`.
    pub(super) fn as_last_attempt(self, fault: Fault) -> LastAttempt {
        let asked = self.retry_after_s.map(|seconds| Duration::from_secs(u64::from(seconds)));
        match self.status {
            Some(status) => LastAttempt::answered(status, Some(fault), asked),
            None => LastAttempt::unanswered(fault),
        }
    }

    /// Whether it is the status that is wrong.
    pub(super) fn has_wrong_status(self) -> bool {
        let of_status = [Fault::StatusClientError, Fault::StatusServerError, Fault::StatusUnexpected];
        self.fault.is_some_and(|fault| of_status.contains(&fault))
    }

    /// Whether the client knows of it only after it has looked up a host.
    pub(super) fn takes_a_lookup(self) -> bool {
        self.fault == Some(Fault::DnsNxdomain)
    }
}

/// The faults that a simulation knows, but for `status-CODE`.
pub(super) fn modelled() -> impl Iterator<Item = FaultKind> {
    MODELLED.iter().map(|(kind, _)| *kind)
}

/// Such an answer has no `Location`.
const fn of_status(status: u16) -> Fault {
    match status {
        301 | 302 | 303 | 307 | 308 => Fault::LocationMissing,
        400..500 => Fault::StatusClientError,
        500.. => Fault::StatusServerError,
        _ => Fault::StatusUnexpected,
    }
}

/// A stalled answer is sound; it is late.
const MODELLED: [(FaultKind, AttemptOutcome); 10] = [
    (FaultKind::Location(LocationFault::MissingSlash), AttemptOutcome::wrong_redirect(Fault::DnsNxdomain)),
    (FaultKind::Location(LocationFault::NoLocation), AttemptOutcome::wrong_redirect(Fault::LocationMissing)),
    (FaultKind::Location(LocationFault::WrongHost), AttemptOutcome::wrong_redirect(Fault::LocationWrongHost)),
    (FaultKind::Location(LocationFault::Loop), AttemptOutcome::wrong_redirect(Fault::LocationLoop)),
    (
        FaultKind::Answer(AnswerFault::RetryAfter),
        AttemptOutcome { status: Some(503), fault: Some(Fault::StatusServerError), retry_after_s: Some(2) },
    ),
    (FaultKind::Answer(AnswerFault::Truncate), AttemptOutcome::broken(Fault::HttpTruncated)),
    (FaultKind::Answer(AnswerFault::Garbage), AttemptOutcome::broken(Fault::HttpGarbage)),
    (FaultKind::Wire(WireFault::Reset), AttemptOutcome::broken(Fault::HttpReset)),
    (FaultKind::Wire(WireFault::HalfClose), AttemptOutcome::broken(Fault::HttpClosed)),
    (FaultKind::Wire(WireFault::Stall), AttemptOutcome::OK),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: &str, fault: Option<Fault>, end: AttemptEnd) {
        let outcome = AttemptOutcome::of_fault(kind.parse().unwrap()).unwrap();
        assert_eq!((outcome.fault, outcome.end()), (fault, end), "{kind}");
    }

    #[test]
    fn faults_are_what_a_live_run_calls_them() {
        check("missing-slash", Some(Fault::DnsNxdomain), AttemptEnd::Status(302));
        check("status-429", Some(Fault::StatusClientError), AttemptEnd::Status(429));
        check("status-503", Some(Fault::StatusServerError), AttemptEnd::Status(503));
        check("status-307", Some(Fault::LocationMissing), AttemptEnd::Status(307));
        check("status-200", Some(Fault::StatusUnexpected), AttemptEnd::Status(200));
        check("reset", Some(Fault::HttpReset), AttemptEnd::Fault(Fault::HttpReset));
        check("stall", None, AttemptEnd::Status(302));
        assert_eq!(AttemptOutcome::of_fault("plus-decoded".parse().unwrap()), None);
    }

    #[test]
    fn a_retry_after_reaches_the_client() {
        let outcome = AttemptOutcome::of_fault("retry-after".parse().unwrap()).unwrap();
        let told = LastAttempt::answered(503, Some(Fault::StatusServerError), Some(Duration::from_secs(2)));
        assert_eq!(outcome.as_last_attempt(Fault::StatusServerError), told);
        assert_eq!(
            AttemptOutcome::TIMED_OUT.as_last_attempt(Fault::TimeoutTotal),
            LastAttempt::unanswered(Fault::TimeoutTotal)
        );
    }
}
