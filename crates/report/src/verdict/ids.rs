//! The ids of the reasons that make a run invalid, and of the warnings that say
//! what was not checked.
//!
//! Each has one list, so a new id must state what it puts in question and its
//! short text.

use super::InvalidityScope;
use downpour_core::fault::Fault;

/// A reason that makes a run invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InvalidReason {
    Lateness,
    TraceLag,
    GeneratorCpu,
    CgroupThrottled,
    Shed,
    RecordsLost,
    NothingOffered,
    Unfinished,
    NothingGood,
    NoRuleMatched,
    CatalogUnused,
    CatalogNoneListed,
    RedirectsGone,
    /// A fault of the generator, under its own id.
    Generator(Fault),
}

impl InvalidReason {
    /// All of them but the faults.
    pub(super) const LISTED: [Self; 13] = [
        Self::Lateness,
        Self::TraceLag,
        Self::GeneratorCpu,
        Self::CgroupThrottled,
        Self::Shed,
        Self::RecordsLost,
        Self::NothingOffered,
        Self::Unfinished,
        Self::NothingGood,
        Self::NoRuleMatched,
        Self::CatalogUnused,
        Self::CatalogNoneListed,
        Self::RedirectsGone,
    ];

    /// The stable id.
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::Lateness => "lateness",
            Self::TraceLag => "trace_lag",
            Self::GeneratorCpu => "generator_cpu",
            Self::CgroupThrottled => "cgroup_throttled",
            Self::Shed => "shed",
            Self::RecordsLost => "records_lost",
            Self::NothingOffered => "nothing_offered",
            Self::Unfinished => "unfinished",
            Self::NothingGood => "nothing_good",
            Self::NoRuleMatched => "no_rule_matched",
            Self::CatalogUnused => "catalog_unused",
            Self::CatalogNoneListed => "catalog_none_listed",
            Self::RedirectsGone => "redirects_gone",
            Self::Generator(fault) => fault.id(),
        }
    }

    /// The reason of that id; `None` for one of another version.
    pub(crate) fn from_id(id: &str) -> Option<Self> {
        let listed = Self::LISTED.into_iter().find(|doubt| doubt.id() == id);
        let own = || Fault::from_id(id).filter(|fault| fault.is_generator_fault());
        listed.or_else(|| own().map(Self::Generator))
    }

    /// What it puts in question.
    pub(crate) fn question(self) -> InvalidityScope {
        match self {
            Self::Lateness
            | Self::TraceLag
            | Self::GeneratorCpu
            | Self::CgroupThrottled
            | Self::Generator(Fault::GeneratorLate) => InvalidityScope::Timing,
            Self::Unfinished | Self::NothingGood | Self::Generator(Fault::GeneratorResolver) => {
                InvalidityScope::Coverage
            }
            Self::NoRuleMatched | Self::CatalogUnused | Self::CatalogNoneListed | Self::RedirectsGone => {
                InvalidityScope::Demands
            }
            // The generator's other faults: no ports or descriptors were left.
            Self::Shed | Self::RecordsLost | Self::NothingOffered | Self::Generator(_) => {
                InvalidityScope::Load
            }
        }
    }

    /// It in a few words, as a clause.
    pub(crate) fn in_short(self) -> &'static str {
        match self {
            Self::Lateness => "requests were sent late",
            Self::TraceLag => "the trace was read late",
            Self::GeneratorCpu => "this machine was too busy",
            Self::CgroupThrottled => "a cgroup throttled this process",
            Self::Shed | Self::Generator(Fault::GeneratorLate) => "not all requests were sent",
            Self::RecordsLost => "records of the trace were lost",
            Self::NothingOffered => "nothing was offered",
            Self::Unfinished => "not all requests were answered before the end",
            Self::NothingGood => "no download was good",
            Self::NoRuleMatched => "no request matches a rule",
            Self::CatalogUnused => "no redirect could be looked up in the catalogue",
            Self::CatalogNoneListed => "the catalogue lists none of the requested files",
            Self::RedirectsGone => "no answer was a redirect, where the log has redirects",
            Self::Generator(fault) => fault.meaning(),
        }
    }

    /// Whether it is no pass even under `--allow-invalid`: nothing was judged.
    pub(super) const fn is_never_a_pass(self) -> bool {
        match self {
            Self::NothingOffered
            | Self::NothingGood
            | Self::NoRuleMatched
            | Self::CatalogUnused
            | Self::RedirectsGone => true,
            Self::Lateness
            | Self::TraceLag
            | Self::GeneratorCpu
            | Self::CgroupThrottled
            | Self::Shed
            | Self::RecordsLost
            | Self::Unfinished
            // All that was asked for may be files that never were.
            | Self::CatalogNoneListed
            | Self::Generator(_) => false,
        }
    }
}

/// A check that did not happen, or not for everything: told before the
/// verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeftOut {
    Simulated,
    VerifyOff,
    TlsUnverified,
    HostLimit,
    FewRulesMatched,
    CatalogLittleUsed,
    CatalogFewListed,
    FewerRedirects,
    NoRedirects,
    ControlSilent,
    TargetBudget,
    TargetSample,
    OwnOrigin,
    NoDigest,
    JsonBudget,
}

impl LeftOut {
    pub(super) const ALL: [Self; 15] = [
        Self::Simulated,
        Self::VerifyOff,
        Self::TlsUnverified,
        Self::HostLimit,
        Self::FewRulesMatched,
        Self::CatalogLittleUsed,
        Self::CatalogFewListed,
        Self::FewerRedirects,
        Self::NoRedirects,
        Self::ControlSilent,
        Self::TargetBudget,
        Self::TargetSample,
        Self::OwnOrigin,
        Self::NoDigest,
        Self::JsonBudget,
    ];

    /// The stable id.
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::Simulated => "simulated",
            Self::VerifyOff => "verify_off",
            Self::TlsUnverified => "tls_unverified",
            Self::HostLimit => "host_limit",
            Self::FewRulesMatched => "few_rules_matched",
            Self::CatalogLittleUsed => "catalog_little_used",
            Self::CatalogFewListed => "catalog_few_listed",
            Self::FewerRedirects => "fewer_redirects",
            Self::NoRedirects => "no_redirects",
            Self::ControlSilent => "control_silent",
            Self::TargetBudget => "target_budget",
            Self::TargetSample => "target_sample",
            Self::OwnOrigin => "own_origin",
            Self::NoDigest => "no_digest",
            Self::JsonBudget => "json_budget",
        }
    }

    /// Whether that is the id of one.
    pub(crate) fn is_one(id: &str) -> bool {
        Self::ALL.iter().any(|left_out| left_out.id() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_found_by_its_id() {
        let own = Fault::ALL.iter().copied().filter(|fault| fault.is_generator_fault());
        let mut all: Vec<_> =
            InvalidReason::LISTED.into_iter().chain(own.map(InvalidReason::Generator)).collect();
        assert_eq!(all.len(), 17);
        for doubt in &all {
            assert_eq!(InvalidReason::from_id(doubt.id()), Some(*doubt));
            assert!(!LeftOut::is_one(doubt.id()));
        }
        all.dedup();
        assert_eq!(all.len(), 17);
        assert_eq!(InvalidReason::from_id("dns.nxdomain"), None, "that is the candidate's");
    }

    #[test]
    fn what_is_not_checked_leaves_the_times_alone() {
        let spoils = |id: &str| InvalidityScope::of(id).invalidates_times();
        for id in [
            "unfinished",
            "nothing_good",
            "no_rule_matched",
            "catalog_unused",
            "catalog_none_listed",
            "generator.no_resolver",
        ] {
            assert!(!spoils(id), "{id}");
        }
        for id in ["lateness", "shed", "records_lost", "generator.late", "of_another_version"] {
            assert!(spoils(id), "{id}");
        }
    }
}
