//! What is said of the findings of an answer, and what becomes of those that
//! fail nothing.

use super::{JudgedAttempt, Ledger};
use crate::engine::coverage::{self, Tiers};
use crate::engine::exchange::Received;
use downpour_core::fault::Fault;
use downpour_metrics::{Attempt, FaultObservation, JudgedRedirect, Leads};
use downpour_verify::JudgedRequest;
use downpour_verify::catalog::CatalogMatch;
use downpour_verify::finding::Finding;
use http::HeaderValue;

impl Ledger {
    /// Says what was expected of an answer where its findings do not.
    pub(super) fn explain(&self, case: &mut JudgedAttempt, asked: &JudgedRequest<'_>, received: &Received) {
        if case.found.is_empty() {
            return;
        }
        let peer = received.peer.map_or_else(String::new, |peer| format!("answered by {peer}"));
        for finding in case.found.iter_mut() {
            // A URL comes last, so that it can be compared with the Location.
            let more = self.judge.example_detail(finding.fault, asked, received.status);
            let parts = [finding.note.as_str(), peer.as_str(), more.as_str()];
            finding.note = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
        }
    }

    /// Counts what was found and fails nothing, once for this answer.
    pub(super) fn warn(&mut self, case: &mut JudgedAttempt) {
        for warning in case.found.take_warnings() {
            let sighting = FaultObservation {
                fault: warning.fault,
                at: case.done,
                path: case.path.as_str().as_bytes(),
                location: case.location.as_ref().map(HeaderValue::as_bytes),
                detail: &warning.note,
            };
            self.recorder.warn(case.due, &sighting);
        }
    }
}

/// Whether a connection was closed before a byte of an answer came.
pub(super) const fn is_closing(fault: Fault, attempt: &Attempt) -> bool {
    let ends = matches!(fault, Fault::HttpClosed | Fault::HttpReset | Fault::Http2Reset | Fault::Http2GoAway);
    ends && attempt.first_byte.is_none()
}

/// A file that is not listed is the candidate's fault only if it was there when
/// the log was written: people do ask for what never was, and a redirect for it
/// is right by services that do not look.
pub(super) fn not_in_catalog(known: CatalogMatch, asked: &JudgedRequest<'_>) -> Option<Fault> {
    let was_there = asked.recorded_status.is_some_and(|status| (200..400).contains(&status));
    (known == CatalogMatch::Missing && was_there).then_some(Fault::LocationNotInCatalog)
}

impl JudgedAttempt {
    /// What the accounting says of the redirect: it leads to `host`, or nowhere.
    pub(super) fn redirect<'c>(
        &self,
        host: Option<&'c str>,
        fault: Option<Fault>,
        tiers: Tiers,
    ) -> JudgedRedirect<'c> {
        let tiers = coverage::with_json(tiers, self.json.coverage());
        let leads = host.map_or(Leads::Nowhere, Leads::To);
        JudgedRedirect { at: self.done, leads, fault, cache_lifetime: self.cache_lifetime, tiers }
    }

    /// What the example of a finding says: how long it stays with caches if it
    /// leads astray, what else was found, and what was found here. That comes
    /// last, because it ends with the URL that was expected, if there is one.
    pub(super) fn detail(&self, finding: &Finding, worst: Fault) -> String {
        let lasting = self
            .cache_lifetime
            .filter(|_| finding.fault.is_bad_redirect())
            .map(|lasting| lasting.to_string());
        let others = self.found.iter().map(|other| other.fault.id()).filter(|id| *id != worst.id());
        let others = others.collect::<Vec<_>>().join(", ");
        let also = if finding.fault == worst && !others.is_empty() {
            format!("also {others}")
        } else {
            String::new()
        };
        let parts = [lasting.as_deref().unwrap_or_default(), &also, &finding.note];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    }
}
