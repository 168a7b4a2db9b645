//! What was found of one answer: none, one or several faults, each with its
//! level.
//!
//! A judgement does not end with its first finding: a tolerated fault must not
//! hide what lies behind it. Each fault is in the list at most once, so the
//! list is as short as the list of faults; without findings it allocates
//! nothing.

use downpour_core::fault::{Fault, FaultSet};

/// What a finding does to a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It is counted and reported, and fails nothing.
    Warn,
    /// The download fails.
    #[default]
    Fail,
}

impl Level {
    /// The name in rule files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub fault: Fault,
    /// What it does to the run.
    pub level: Level,
    /// More about it, such as what was expected; empty where there is no more
    /// to say.
    pub note: String,
}

impl Finding {
    /// A finding that fails its download.
    pub const fn fail(fault: Fault, note: String) -> Self {
        Self { fault, level: Level::Fail, note }
    }
}

impl From<Fault> for Finding {
    fn from(fault: Fault) -> Self {
        Self::fail(fault, String::new())
    }
}

/// All findings of one answer, in the order in which they were made; each
/// fault at most once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// Adds one. Of two with the same fault the one that fails is kept.
    pub fn add(&mut self, finding: Finding) {
        match self.0.iter_mut().find(|known| known.fault == finding.fault) {
            Some(known) if known.level < finding.level => *known = finding,
            Some(_) => {}
            None => self.0.push(finding),
        }
    }

    /// Whether nothing was found at all.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The finding that is the outcome: of those that fail, the most severe,
    /// and the first of equals.
    pub fn worst(&self) -> Option<&Finding> {
        let failing = self.0.iter().filter(|finding| finding.level == Level::Fail);
        failing
            .reduce(|worst, next| if next.fault.severity() > worst.fault.severity() { next } else { worst })
    }

    /// The fault of [`Findings::worst`].
    pub fn outcome(&self) -> Option<Fault> {
        self.worst().map(|finding| finding.fault)
    }

    /// The faults that fail the download.
    pub fn failing(&self) -> FaultSet {
        let failing = self.0.iter().filter(|finding| finding.level == Level::Fail);
        failing.map(|finding| finding.fault).collect()
    }

    /// Takes the warnings out.
    pub fn take_warnings(&mut self) -> Vec<Finding> {
        self.0.extract_if(.., |finding| finding.level == Level::Warn).collect()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter()
    }

    /// All of them, to say more about each.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Finding> {
        self.0.iter_mut()
    }
}

impl From<Fault> for Findings {
    fn from(fault: Fault) -> Self {
        Self(vec![fault.into()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning(fault: Fault) -> Finding {
        Finding { level: Level::Warn, ..fault.into() }
    }

    #[test]
    fn the_worst_finding_is_the_outcome_and_all_are_kept() {
        let mut findings = Findings::default();
        assert_eq!((findings.outcome(), findings.is_empty()), (None, true));
        for fault in [Fault::HeadersVary, Fault::HeadersCors, Fault::TargetRefused, Fault::StatusUnexpected] {
            findings.add(fault.into());
        }
        assert_eq!(findings.outcome(), Some(Fault::TargetRefused));
        assert_eq!(findings.failing().iter().count(), 4);
        let headers: Findings = Findings(findings.0[..2].to_vec());
        assert_eq!(headers.outcome(), Some(Fault::HeadersVary));
    }

    #[test]
    fn a_warning_is_never_the_outcome_and_hides_nothing() {
        let mut findings = Findings::default();
        findings.add(warning(Fault::LocationWrongHost));
        assert_eq!((findings.outcome(), findings.failing()), (None, FaultSet::EMPTY));
        findings.add(Fault::HeadersVary.into());
        assert_eq!(findings.outcome(), Some(Fault::HeadersVary));
        findings.add(warning(Fault::HeadersVary));
        findings.add(warning(Fault::StatusUnexpected));
        findings.add(Fault::StatusUnexpected.into());
        let taken = findings.take_warnings();
        assert_eq!(taken.iter().map(|finding| finding.fault).collect::<Vec<_>>(), [Fault::LocationWrongHost]);
        assert_eq!(findings.failing().iter().count(), 2);
    }
}
