//! Passes that would prove nothing: rules, a catalogue or a run that had
//! nothing to judge.

use super::{Plan, Reason, Totals, reason};
use crate::fault::Fault;
use crate::tally::{Counts, RuleCounts};
use crate::units::{approximate, grouped};

/// Reasons that are no pass even under `--allow-invalid`: nothing was judged.
const NEVER_A_PASS: [&str; 4] = ["nothing_offered", "no_rule_matched", "catalog_unused", "nothing_good"];

const NAME_THE_FILE: &str = "name the file in the match of a rule, as in /crates/{crate}/{version}/download";

const COMPARE_CATALOG: &str = "check that the catalogue is of this registry and as new as the log; names and \
     versions are compared byte for byte";

/// Whether `--allow-invalid` turns a reason into a warning.
pub(super) fn may_be_allowed(reason: &Reason) -> bool {
    !NEVER_A_PASS.contains(&reason.id.as_str())
}

/// Rules or a catalogue that judged nothing at all. A file that is not listed
/// is no fault where nobody knows that it was there, so a wrong catalogue may
/// find nothing.
pub(super) fn judged_nothing(totals: &Totals, plan: &Plan) -> Vec<Reason> {
    let counts = &totals.counts;
    let mut reasons = Vec::new();
    if let Some(rules) = &plan.rules
        && counts.rules.judged() == 0
        && counts.rules.without() > 0
    {
        reasons.push(reason(
            "no_rule_matched",
            format!(
                "no request matches a rule of {rules}: {} answers were not judged by a rule{}",
                grouped(counts.rules.without()),
                looks_like(&counts.rules)
            ),
            &remedy(&counts.rules),
        ));
    }
    let catalog = counts.catalog;
    if plan.catalog.is_some() && catalog.listed + catalog.missing == 0 && catalog.unnamed > 0 {
        reasons.push(reason(
            "catalog_unused",
            format!(
                "the catalogue was not used: no rule says which files {} redirects are for",
                grouped(catalog.unnamed)
            ),
            NAME_THE_FILE,
        ));
    }
    if plan.catalog.is_some() && catalog.listed == 0 && catalog.missing > 0 {
        reasons.push(reason(
            "catalog_none_listed",
            format!(
                "the catalogue lists none of the files that {} redirects are for",
                grouped(catalog.missing)
            ),
            COMPARE_CATALOG,
        ));
    }
    reasons
}

/// Rules or a catalogue that judged less than half.
pub(super) fn judged_little(totals: &Totals, plan: &Plan) -> Vec<Reason> {
    let counts = &totals.counts;
    let mut warnings = Vec::new();
    let (judged, without) = (counts.rules.judged(), counts.rules.without());
    if let Some(rules) = &plan.rules
        && judged > 0
        && judged < without
    {
        warnings.push(reason(
            "few_rules_matched",
            format!(
                "only {} of {} answers were judged by a rule of {rules}; the others were NOT{}",
                grouped(judged),
                grouped(judged + without),
                looks_like(&counts.rules)
            ),
            &remedy(&counts.rules),
        ));
    }
    let catalog = counts.catalog;
    let named = catalog.listed + catalog.missing;
    if plan.catalog.is_some() && named > 0 && named < catalog.unnamed {
        warnings.push(reason(
            "catalog_little_used",
            format!(
                "only {} of {} redirects were looked up in the catalogue: no rule says which file the others are for",
                grouped(named),
                grouped(named + catalog.unnamed)
            ),
            NAME_THE_FILE,
        ));
    }
    if plan.catalog.is_some() && catalog.listed > 0 && catalog.listed < catalog.missing {
        warnings.push(reason(
            "catalog_few_listed",
            format!(
                "only {} of {} redirects are for files that the catalogue lists",
                grouped(catalog.listed),
                grouped(named)
            ),
            COMPARE_CATALOG,
        ));
    }
    warnings
}

/// A built-in rewrite that would make most of the requests match.
fn forgotten(rules: &RuleCounts) -> Option<(&'static str, f64)> {
    let (name, count) = rules.rewritable().max_by_key(|(_, count)| *count)?;
    (count * 2 >= rules.sampled()).then(|| (name, approximate(count) * 100.0 / approximate(rules.sampled())))
}

fn looks_like(rules: &RuleCounts) -> String {
    forgotten(rules).map_or_else(String::new, |(name, percent)| {
        format!("; --rewrite {name} fits {:.0} % of them", percent.floor())
    })
}

fn remedy(rules: &RuleCounts) -> String {
    forgotten(rules).map_or_else(
        || "compare the match of each rule with the routes that downpour inspect shows".to_owned(),
        |(name, _)| format!("add --rewrite {name}"),
    )
}

/// Downloads that clients got, tolerated findings in other header fields
/// included.
pub(super) fn served(counts: &Counts) -> u64 {
    let beside = |fault: &Fault| matches!(fault.family(), "headers" | "json");
    let served = counts.faults.seen().filter(|(fault, _)| beside(fault)).map(|(_, entry)| entry.count);
    counts.arrivals.passed + counts.arrivals.recovered + served.sum::<u64>()
}

/// That nothing was good and nothing failed: no pass, whatever is allowed.
pub(super) fn nothing_good(counts: &Counts) -> Reason {
    reason(
        "nothing_good",
        format!("none of {} downloads was good", grouped(counts.arrivals.offered)),
        "see the notes: they say why no download was good",
    )
}
