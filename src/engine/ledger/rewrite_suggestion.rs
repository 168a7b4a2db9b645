//! Requests that no rule matches, and the rewrite that may have been forgotten.
//!
//! A log of a CDN holds other paths than its origin is asked for. Played as it
//! is, it matches no rule, and every answer is judged by its status alone. A
//! bounded number of such requests is held against the built-in rewrites: where
//! there are rules, one must match what a rewrite makes of the request; where
//! there are none, a rewrite must change its path.

use downpour_core::route::path_of;
use downpour_trace::rewrite::Rewrites;
use downpour_verify::rules::Rules;
use std::borrow::Cow;

/// Most requests without a rule that one of these looks at.
const CHECKS_MAX: u32 = 1_000;

/// Looks whether requests without a rule would have one after a rewrite.
#[derive(Clone, Debug)]
pub(super) struct RewriteSuggester {
    rules: Rules,
    rewrites: Vec<(&'static str, Rewrites)>,
    left: u32,
}

/// What was found of a request that no rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RewriteSuggestion {
    /// The built-in rewrite after which a rule would match.
    pub(super) rewrite: Option<&'static str>,
}

impl RewriteSuggester {
    /// For these rules, or for none.
    pub(super) fn of(rules: &Rules) -> Self {
        let built_in = |name: &&'static str| Some((*name, Rewrites::built_in(name)?.ok()?));
        let rewrites = Rewrites::BUILT_IN.iter().filter_map(built_in).collect();
        Self { rules: rules.clone(), rewrites, left: CHECKS_MAX }
    }

    /// Looks at a request that no rule matches; `None` once enough were looked
    /// at.
    pub(super) fn check(&mut self, target: &[u8]) -> Option<RewriteSuggestion> {
        self.left = self.left.checked_sub(1)?;
        let helps = |rewrites: &Rewrites| {
            let rewritten = rewrites.apply(Cow::Borrowed(target));
            rewritten.is_ok_and(|rewritten| {
                if self.rules.is_empty() {
                    path_of(&rewritten) != path_of(target)
                } else {
                    self.rules.has_rule_for(&rewritten)
                }
            })
        };
        let found = self.rewrites.iter().find(|(_, rewrites)| helps(rewrites));
        Some(RewriteSuggestion { rewrite: found.map(|(name, _)| *name) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forgotten_rewrite_is_recognised() {
        let mut unmatched = RewriteSuggester::of(&Rules::builtin("crates-io").unwrap());
        let mut check = |target: &str, rewrite| {
            assert_eq!(unmatched.check(target.as_bytes()), Some(RewriteSuggestion { rewrite }), "{target}");
        };
        check("/crates/serde/serde-1.0.0.crate", Some("crates-io"));
        check("/crates/serde/1.0.0/download", Some("crates-io"));
        check("/index.html", None);
    }

    #[test]
    fn so_many_are_looked_at_and_no_more() {
        let mut unmatched = RewriteSuggester::of(&Rules::builtin("crates-io").unwrap());
        for _ in 0..CHECKS_MAX {
            assert!(unmatched.check(b"/x").is_some());
        }
        assert_eq!(unmatched.check(b"/x"), None);
    }

    #[test]
    fn without_rules_a_rewrite_must_change_the_path() {
        let mut unmatched = RewriteSuggester::of(&Rules::none());
        let mut check = |target: &str, rewrite| {
            assert_eq!(unmatched.check(target.as_bytes()), Some(RewriteSuggestion { rewrite }), "{target}");
        };
        check("/crates/serde/serde-1.0.0.crate", Some("crates-io"));
        check("/api/v1/crates/serde/1.0.0/download?x=1", None);
        check("/index.html", None);
    }
}
