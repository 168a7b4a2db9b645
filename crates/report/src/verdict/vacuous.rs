//! Passes that would prove nothing: rules, a catalogue or a run that had
//! nothing to judge.

use super::{InvalidReason, LeftOut, Plan, Reason, Totals, invalid_reason, left_out, reason};
use downpour_core::fault::Fault;
use downpour_core::units::{approximate, grouped};
use downpour_metrics::{Counts, RuleCounts};
use downpour_verify::Depth;
use downpour_verify::is_redirect;

const NAME_THE_FILE: &str = "name the file in the match of a rule, as in /crates/{crate}/{version}/download";

const COMPARE_CATALOG: &str = "check that the catalogue is of this registry and as new as the log; names and \
     versions are compared byte for byte";

/// Whether `--allow-invalid` turns a reason into a warning.
pub(super) fn may_be_allowed(reason: &Reason) -> bool {
    !InvalidReason::from_id(&reason.id).is_some_and(InvalidReason::is_never_a_pass)
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
        reasons.push(invalid_reason(
            InvalidReason::NoRuleMatched,
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
        reasons.push(invalid_reason(
            InvalidReason::CatalogUnused,
            format!(
                "the catalogue was not used: no rule says which files {} redirects are for",
                grouped(catalog.unnamed)
            ),
            NAME_THE_FILE,
        ));
    }
    if plan.catalog.is_some() && catalog.listed == 0 && catalog.missing > 0 {
        reasons.push(invalid_reason(
            InvalidReason::CatalogNoneListed,
            format!(
                "the catalogue lists none of the files that {} redirects are for",
                grouped(catalog.missing)
            ),
            COMPARE_CATALOG,
        ));
    }
    if counts.redirects.seen == 0
        && let Some(gone) = Gone::of(totals, plan)
    {
        reasons.push(invalid_reason(
            InvalidReason::RedirectsGone,
            format!("no rules: {}; no redirect was checked", gone.told()),
            NO_REDIRECT,
        ));
    }
    reasons
}

/// What to do where answers should perhaps have been redirects.
const NO_REDIRECT: &str = "see that the candidate serves the service that the log was recorded at; give --rules, such as \
     --rules crates-io, to say what the right answer is";

/// Answers that are good without rules, although the log shows a redirect.
struct Gone {
    /// How many.
    count: u64,
    /// Answers to requests that the log shows as redirects.
    of: u64,
    /// The most frequent recorded status of them.
    recorded: u16,
    /// What was answered in its place.
    answered: u16,
}

impl Gone {
    /// `None` where rules, or the operator with `--verify off`, say that it
    /// does not matter, and in a simulation.
    fn of(totals: &Totals, plan: &Plan) -> Option<Self> {
        if plan.rules.is_some() || plan.simulated.is_some() || plan.verify == Depth::Off {
            return None;
        }
        let recorded = totals.counts.transitions.pairs().filter(|(pair, _)| is_redirect(pair.recorded));
        let (mut count, mut of, mut most) = (0, 0, None);
        for (pair, answers) in recorded {
            of += answers.count;
            // What was refused has failed, and any 3xx is no content.
            let good = answers.count - answers.refused;
            if good > 0 && pair.answered < 300 {
                count += good;
                most = most.max(Some((good, pair)));
            }
        }
        most.map(|(_, pair)| Self { count, of, recorded: pair.recorded, answered: pair.answered })
    }

    fn told(&self) -> String {
        let Self { count, of, recorded, answered } = self;
        format!(
            "{} of {} answers were {answered} where the log has {recorded}",
            grouped(*count),
            grouped(*of)
        )
    }
}

/// Without rules: that answers were no redirects, where the log shows some or
/// shows no statuses at all.
pub(super) fn no_redirects(totals: &Totals, plan: &Plan) -> Option<Reason> {
    let counts = &totals.counts;
    if let Some(gone) = Gone::of(totals, plan) {
        // Without any redirect this is a reason of its own.
        let detail = format!("no rules: {}; these were NOT checked as redirects", gone.told());
        return (counts.redirects.seen > 0).then(|| left_out(LeftOut::FewerRedirects, detail, NO_REDIRECT));
    }
    let is_asked = plan.rules.is_none() && plan.simulated.is_none() && plan.verify != Depth::Off;
    let is_unknown = counts.transitions.recorded_none() > 0 && counts.transitions.pairs().next().is_none();
    let is_blind = is_asked && is_unknown && counts.redirects.seen == 0 && served(counts) > 0;
    let detail =
        "no redirect was seen, and the log has no statuses: NO redirect target was checked".to_owned();
    is_blind.then(|| left_out(LeftOut::NoRedirects, detail, NO_REDIRECT))
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
        warnings.push(left_out(
            LeftOut::FewRulesMatched,
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
        warnings.push(left_out(LeftOut::CatalogLittleUsed,
            format!(
                "only {} of {} redirects were looked up in the catalogue: no rule says which file the others are for",
                grouped(named),
                grouped(named + catalog.unnamed)
            ),
            NAME_THE_FILE,
        ));
    }
    if plan.catalog.is_some() && catalog.listed > 0 && catalog.listed < catalog.missing {
        warnings.push(left_out(
            LeftOut::CatalogFewListed,
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

/// Without rules: that most requests, to which the candidate answers that it
/// does not know them, look like those that a built-in rewrite is for.
pub(super) fn rewrite_forgotten(counts: &Counts, plan: &Plan) -> Option<Reason> {
    let unknown = counts.found.get(Fault::StatusClientError).count;
    if plan.rules.is_some() || plan.rewrite.is_some() || unknown * 2 < counts.arrivals.offered || unknown == 0
    {
        return None;
    }
    let (name, percent) = missing_rewrite(&counts.rules)?;
    let detail = format!(
        "{:.0} % of the requests look like --rewrite {name}, which was not given: the candidate may not know \
         them as they stand in the log",
        percent.floor()
    );
    Some(reason("rewrite_forgotten", detail, &remedy(&counts.rules)))
}

/// A built-in rewrite that would make most of the requests match.
fn missing_rewrite(rules: &RuleCounts) -> Option<(&'static str, f64)> {
    let (name, count) = rules.rewritable().max_by_key(|(_, count)| *count)?;
    (count * 2 >= rules.sampled()).then(|| (name, approximate(count) * 100.0 / approximate(rules.sampled())))
}

fn looks_like(rules: &RuleCounts) -> String {
    missing_rewrite(rules).map_or_else(String::new, |(name, percent)| {
        format!("; --rewrite {name} fits {:.0} % of them", percent.floor())
    })
}

fn remedy(rules: &RuleCounts) -> String {
    missing_rewrite(rules).map_or_else(
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
    invalid_reason(
        InvalidReason::NothingGood,
        format!("none of {} downloads was good", grouped(counts.arrivals.offered)),
        "see the notes: they say why no download was good",
    )
}
