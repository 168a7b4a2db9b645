//! What was found of an answer, in words: for examples, and for what only
//! warns.

use super::{Case, Ledger};
use crate::engine::coverage::{self, Tiers};
use crate::fault::Fault;
use crate::tally::{Redirect, Sighting};
use crate::verify::Asked;
use crate::verify::catalog::Known;
use crate::verify::finding::Finding;
use http::HeaderValue;

impl Ledger {
    /// Says what was expected of an answer where its findings do not.
    pub(super) fn explain(&self, case: &mut Case, status: u16) {
        if case.found.is_empty() {
            return;
        }
        let expected = self.judge.expected();
        for finding in case.found.iter_mut() {
            let more = match expected {
                Some(expected) if leads_elsewhere(finding.fault) => format!("expected {expected}"),
                Some(_) | None => format!("status {status}"),
            };
            let between = if finding.note.is_empty() { "" } else { "; " };
            finding.note = format!("{}{between}{more}", finding.note);
        }
    }

    /// Counts what was found and fails nothing, once for this answer.
    pub(super) fn warn(&mut self, case: &mut Case) {
        for warning in case.found.take_warnings() {
            let sighting = Sighting {
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

/// A file that is not listed is the candidate's fault only if it was there when
/// the log was written: people do ask for what never was, and a redirect for it
/// is right by services that do not look.
pub(super) fn not_in_catalog(known: Known, asked: &Asked<'_>) -> Option<Fault> {
    let was_there = asked.recorded_status.is_some_and(|status| (200..400).contains(&status));
    (known == Known::Missing && was_there).then_some(Fault::LocationNotInCatalog)
}

impl Case {
    /// What the accounting says of the redirect.
    pub(super) fn redirect<'c>(
        &self,
        host: Option<&'c str>,
        fault: Option<Fault>,
        tiers: Tiers,
    ) -> Redirect<'c> {
        let tiers = coverage::beside(tiers, self.form.coverage());
        Redirect { at: self.done, host, fault, lasting: self.lasting, tiers }
    }

    /// What the example of a finding says: what was found, what else was, and
    /// how long it stays with caches if it leads astray.
    pub(super) fn detail(&self, finding: &Finding, worst: Fault) -> String {
        let lasting = self.lasting.filter(|_| finding.fault.misleads()).map(|lasting| lasting.to_string());
        let others = self.found.iter().map(|other| other.fault.id()).filter(|id| *id != worst.id());
        let others = others.collect::<Vec<_>>().join(", ");
        let also = if finding.fault == worst && !others.is_empty() {
            format!("also {others}")
        } else {
            String::new()
        };
        let parts = [lasting.as_deref().unwrap_or_default(), &finding.note, &also];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    }
}

/// Whether the finding is that a redirect leads to another place than the one
/// demanded.
const fn leads_elsewhere(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::LocationMismatch
            | Fault::LocationEncoding
            | Fault::LocationGluedHost
            | Fault::LocationWrongHost
    )
}
