//! What the ids of reasons and warnings mean: what `downpour explain` tells of
//! them. What was found in a run stands in its report, with the numbers.

/// A reason why a run is not valid, or a warning about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonMeaning {
    /// The stable id.
    pub id: &'static str,
    /// What it is.
    pub about: &'static str,
    /// What it means, and what follows from it.
    pub meaning: &'static str,
}

/// Ids of reasons and warnings with their meaning. Those that begin with
/// `generator.` are faults, too, and are listed there.
pub const REASON_MEANINGS: &[ReasonMeaning] = &[
    invalid(
        "lateness",
        "more than 1 % of the requests were sent later than --max-lateness allows: the times are not valid",
    ),
    invalid(
        "trace_lag",
        "the trace was read more slowly than it was played, so that requests left late or connections waited",
    ),
    invalid(
        "generator_cpu",
        "the threads of this program had no processor time left: the times are its own, not the candidate's",
    ),
    invalid(
        "cgroup_throttled",
        "the processor limit of a cgroup stopped this program: the times are not valid",
    ),
    invalid(
        "shed",
        "requests were not sent, because --max-in-flight others were open: the load was not offered",
    ),
    invalid(
        "records_lost",
        "records of the trace were lost, so that another load was sent than the recorded one",
    ),
    invalid("nothing_offered", "no request was sent: the trace, the filters or the window left none"),
    invalid("unfinished", "requests had no answer yet when --grace was over, and were not judged"),
    invalid("nothing_good", "no download was good, and none failed for certain: nothing was judged"),
    invalid(
        "no_rule_matched",
        "no request matches a rule of --rules: nothing was judged by them; often a --rewrite is missing",
    ),
    invalid(
        "catalog_unused",
        "no redirect could be looked up in --catalog, because no rule says which file a request is for",
    ),
    invalid(
        "catalog_none_listed",
        "the catalogue of --catalog lists none of the files that were asked for: nothing was compared with it",
    ),
    invalid(
        "redirects_gone",
        "the log has redirects, there are no rules, and no answer was a redirect: nothing was checked",
    ),
    warning("simulated", "nothing was sent: a modelled service answered"),
    warning(
        "verify_off",
        "redirects were not judged, or their hosts not looked up, because --verify says so",
    ),
    warning("tls_unverified", "the candidate's certificate was not verified, because --insecure says so"),
    warning(
        "host_limit",
        "redirects led to more distinct hosts than are looked up: those of the others were not",
    ),
    warning("few_rules_matched", "less than half of the answers were judged by a rule"),
    warning("catalog_little_used", "less than half of the redirects were looked up in --catalog"),
    warning("catalog_few_listed", "less than half of the files that were asked for are listed in --catalog"),
    warning(
        "fewer_redirects",
        "there are no rules, and some answers were content where the log has redirects",
    ),
    warning(
        "no_redirects",
        "no redirect was seen, and the log has no statuses that say whether there should have been one",
    ),
    warning(
        "rewrite_forgotten",
        "the candidate does not know the requests, and they look like those that a built-in --rewrite is for",
    ),
    warning("control_silent", "the control of --control answered nothing: nothing was compared with it"),
    warning("control_differs", "the candidate answers otherwise than the control of --control"),
    warning(
        "target_budget",
        "redirect targets were not asked: --verify-rate or the end of the run left no time for them",
    ),
    warning(
        "target_sample",
        "redirect targets were not asked: they are not in the sample of --verify-sample",
    ),
    warning("own_origin", "redirects lead back to the candidate and were not followed"),
    warning("no_digest", "files were not compared with a digest, because no digest of them is known"),
    warning(
        "json_budget",
        "redirects were not asked for in JSON: --verify-rate or the end of the run left no time",
    ),
    warning(
        "cacheable_wrong",
        "wrong redirects that caches may keep: going back to the old build does not reach those caches",
    ),
    warning("hidden_by_retries", "wrong redirects that users did not see, because their clients tried again"),
    warning(
        "aborted_sessions",
        "most failed downloads were not sent: another one of their client's session had failed",
    ),
    warning(
        "asked_again",
        "more distinct requests than are remembered: some may have been asked more than once",
    ),
    warning("sample", "only a part of the log was played, because --sample says so"),
    warning(
        "sample_without_client",
        "requests do not tell who asked, and were sampled by target, not by client",
    ),
    warning("trace_ended", "the trace had fewer requests than -n asks for"),
    warning(
        "checkpoint",
        "the run did not end by itself: what was on disk at its last checkpoint is all there is",
    ),
    warning("input", "an input could not be read to its end, or was left out"),
    warning("few_descriptors", "this process may open fewer files than the connections of the run need"),
    warning(
        "unreachable_address",
        "an address of the candidate took no connection: requests that meet it fail",
    ),
];

const fn invalid(id: &'static str, meaning: &'static str) -> ReasonMeaning {
    ReasonMeaning { id, about: "a reason why a run is invalid", meaning }
}

const fn warning(id: &'static str, meaning: &'static str) -> ReasonMeaning {
    ReasonMeaning { id, about: "a warning about a run", meaning }
}

#[cfg(test)]
mod tests {
    use super::super::{InvalidReason, LeftOut};
    use super::*;
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let of = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
        entries.flat_map(of).filter(|path| path.extension().is_some_and(|ext| ext == "rs")).collect()
    }

    /// Ids in the source: those of lists, and those that stand in the text.
    fn used() -> BTreeSet<String> {
        let listed = InvalidReason::LISTED.iter().map(|doubt| doubt.id());
        let mut used: BTreeSet<String> =
            listed.chain(LeftOut::ALL.iter().map(|left_out| left_out.id())).map(str::to_owned).collect();
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for path in ["src", "crates"].iter().flat_map(|folder| sources(&workspace.join(folder))) {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            // In a literal, and as the first argument.
            for begin in ["Reason {", "reason("] {
                for part in code.split(begin).skip(1).map(str::trim_start) {
                    let part = part.strip_prefix("id: ").unwrap_or(part);
                    let id = part.strip_prefix('"').and_then(|id| id.split('"').next());
                    // Other functions of that name take sentences.
                    let id = id.filter(|id| id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
                    used.extend(id.map(str::to_owned));
                }
            }
        }
        used
    }

    #[test]
    fn each_reason_and_warning_has_a_meaning() {
        let explained: BTreeSet<String> = REASON_MEANINGS.iter().map(|reason| reason.id.to_owned()).collect();
        assert_eq!(explained.len(), REASON_MEANINGS.len(), "named twice");
        assert_eq!(explained, used());
    }
}
