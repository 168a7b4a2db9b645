//! Which rules judged the answers of a run.

use std::collections::BTreeMap;

/// Answers by the rule that they were judged by.
///
/// Invariant of a run: the sum is the number of complete answers. There are as
/// many counts as there are rules, and as many rewrites as are built in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleCounts {
    by_rule: Vec<u64>,
    without: u64,
    sampled: u64,
    rewritable: BTreeMap<&'static str, u64>,
}

impl RuleCounts {
    /// An answer was judged by the rule at that place, or by none.
    pub fn count(&mut self, rule: Option<usize>) {
        let Some(place) = rule else {
            self.without += 1;
            return;
        };
        if self.by_rule.len() <= place {
            self.by_rule.resize(place + 1, 0);
        }
        self.by_rule[place] += 1;
    }

    /// A request without a rule was looked at more closely: it would match one
    /// after this built-in rewrite, or after none.
    pub fn sample(&mut self, rewrite: Option<&'static str>) {
        self.sampled += 1;
        if let Some(name) = rewrite {
            *self.rewritable.entry(name).or_default() += 1;
        }
    }

    /// Answers that a rule judged.
    pub fn judged(&self) -> u64 {
        self.by_rule.iter().sum()
    }

    /// Answers that the rule at that place judged.
    pub fn of(&self, place: usize) -> u64 {
        self.by_rule.get(place).copied().unwrap_or_default()
    }

    /// Answers to requests that no rule matches.
    pub const fn without(&self) -> u64 {
        self.without
    }

    /// Those of them that were looked at more closely: a bounded number, the
    /// first ones.
    pub const fn sampled(&self) -> u64 {
        self.sampled
    }

    /// Those of the sampled ones that would match a rule after a built-in
    /// rewrite, by its name.
    pub fn rewritable(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.rewritable.iter().map(|(&name, &count)| (name, count))
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if self.by_rule.len() < other.by_rule.len() {
            self.by_rule.resize(other.by_rule.len(), 0);
        }
        for (mine, theirs) in self.by_rule.iter_mut().zip(&other.by_rule) {
            *mine += theirs;
        }
        self.without += other.without;
        self.sampled += other.sampled;
        for (&name, count) in &other.rewritable {
            *self.rewritable.entry(name).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_workers_add_up() {
        let of = |rules: &[Option<usize>]| {
            let mut counts = RuleCounts::default();
            for rule in rules {
                counts.count(*rule);
            }
            counts
        };
        let (a, b) = (of(&[Some(0), None]), of(&[Some(2), Some(0), None, None]));
        let (mut left, mut right) = (a.clone(), b.clone());
        left.merge(&b);
        right.merge(&a);
        assert_eq!(left, right);
        assert_eq!((left.of(0), left.of(1), left.of(2), left.of(3)), (2, 0, 1, 0));
        assert_eq!((left.judged(), left.without()), (3, 3));
    }
}
