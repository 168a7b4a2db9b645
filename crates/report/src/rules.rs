//! Which rules judged the answers, as it is published.

use super::RunReport;
use super::text::format::shortened;
use downpour_metrics::RuleCounts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rules listed; what the others judged is in one number.
const RULES_LISTED: usize = 50;

/// The longest pattern listed.
const PATTERN: usize = 200;

/// Answers by the rule that judged them: the section `rules` of `run.json`.
/// `attempts.completed = judged + others_judged + without`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RulesReport {
    /// The first rules, in their order.
    pub judged: Vec<RuleLine>,
    /// Answers that later rules judged.
    pub others_judged: u64,
    /// Answers to requests that no rule matches.
    pub without: u64,
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RuleLine {
    /// The `match` of the rule.
    pub r#match: String,
    /// Answers that it judged.
    pub count: u64,
}

impl RulesReport {
    /// Answers that a rule judged.
    pub fn with_a_rule(&self) -> u64 {
        self.judged.iter().fold(self.others_judged, |sum, line| sum.saturating_add(line.count))
    }
}

impl RunReport {
    /// Adds what each rule judged; nothing where there are no rules.
    #[must_use]
    pub fn with_rules(mut self, counts: &RuleCounts, patterns: &[String]) -> Self {
        if patterns.is_empty() {
            return self;
        }
        let listed = patterns.iter().take(RULES_LISTED).enumerate();
        let judged: Vec<_> = listed
            .map(|(place, pattern)| RuleLine {
                r#match: shortened(pattern, PATTERN).into_owned(),
                count: counts.of(place),
            })
            .collect();
        let others_judged = counts.judged() - judged.iter().map(|line| line.count).sum::<u64>();
        self.rules = Some(RulesReport { judged, others_judged, without: counts.without() });
        self
    }
}
