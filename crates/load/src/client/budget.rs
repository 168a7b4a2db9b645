//! Budgets: what a client has left for retries, over all its downloads.
//!
//! A retry rule limits one download, a budget the sum of them. Its state is a
//! handful of numbers, starts full and merges: two halves of a client that were
//! driven apart from each other, each from a full budget, add up to what they
//! owe together. Tokens are counted in thousandths, exactly.

use downpour_core::units::Share;

/// The largest number of tokens a budget may hold.
pub const TOKENS_MAX: u32 = 1_000_000;

/// Tokens, in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tokens(u32);

impl Tokens {
    /// Not one.
    pub const NONE: Self = Self(0);

    /// From a number of tokens, rounded to thousandths; `None` where it is
    /// negative, no number, or beyond [`TOKENS_MAX`].
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just before")]
    pub fn new(count: f64) -> Option<Self> {
        (0.0..=f64::from(TOKENS_MAX)).contains(&count).then(|| Self((count * 1_000.0).round() as u32))
    }

    /// Whether there are none.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// What limits the retries of one client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BudgetRule {
    /// Nothing.
    #[default]
    Unlimited,
    /// A bucket of tokens that retries are paid from.
    TokenBucket {
        /// How many it holds, and begins with.
        capacity: Tokens,
        /// What a retry costs.
        cost: Tokens,
        /// What it costs after a time-out.
        timeout_cost: Tokens,
        /// What a success puts back.
        gain: Tokens,
        /// Whether a success after a retry puts back what that retry cost, in
        /// place of the gain.
        refund: Refund,
    },
    /// gRPC's: a failure takes a token, a success puts `ratio` of one back, and
    /// retries are made while more than half are there.
    Throttle {
        /// How many tokens there are at most, and in the beginning.
        max_tokens: Tokens,
        /// What a success puts back.
        ratio: Tokens,
    },
    /// At most this share as many retries as first attempts.
    Ratio(Share),
}

/// What a success after a retry puts back into a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refund {
    /// The gain, as any other success.
    Gain,
    /// What the retry had cost.
    Cost,
}

/// What one client has left.
///
/// Invariant: `owed` never exceeds what the rule's bucket holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    rule: BudgetRule,
    /// What is missing from a full bucket.
    owed: Tokens,
    firsts: u64,
    retries: u64,
}

impl Budget {
    /// A full budget.
    pub const fn new(rule: BudgetRule) -> Self {
        Self { rule, owed: Tokens::NONE, firsts: 0, retries: 0 }
    }

    /// Retries paid for so far.
    pub const fn retries(&self) -> u64 {
        self.retries
    }

    /// Adds what `other` owes and did, where both began full.
    ///
    /// # Panics
    ///
    /// Where the two are budgets of different rules.
    pub fn merge(&mut self, other: &Self) {
        assert!(self.rule == other.rule, "budgets of different rules do not add up");
        self.owe(other.owed);
        self.firsts += other.firsts;
        self.retries += other.retries;
    }

    pub(super) const fn began(&mut self) {
        self.firsts += 1;
    }

    /// Books a failure that the client would try again.
    pub(super) fn failed(&mut self) {
        if let BudgetRule::Throttle { .. } = self.rule {
            self.owe(Tokens(1_000));
        }
    }

    /// Pays for a retry: what it cost, or `None` where there is not enough.
    pub(super) fn pay(&mut self, after: Failure) -> Option<Tokens> {
        let paid = match self.rule {
            BudgetRule::Unlimited => Some(Tokens::NONE),
            BudgetRule::TokenBucket { capacity, cost, timeout_cost, .. } => {
                let cost = if after == Failure::Timeout { timeout_cost } else { cost };
                (self.owed.0 + cost.0 <= capacity.0).then_some(cost)
            }
            BudgetRule::Throttle { max_tokens, .. } => {
                let left = max_tokens.0 - self.owed.0;
                (2 * u64::from(left) > u64::from(max_tokens.0)).then_some(Tokens::NONE)
            }
            BudgetRule::Ratio(share) => {
                let allowed = u128::from(self.firsts) * u128::from(share.ppm());
                ((u128::from(self.retries) + 1) * 1_000_000 <= allowed).then_some(Tokens::NONE)
            }
        }?;
        self.owe(paid);
        self.retries += 1;
        Some(paid)
    }

    /// Books a success, after a retry that cost `paid` if it was one.
    pub(super) fn succeeded(&mut self, paid: Option<Tokens>) {
        let back = match (self.rule, paid) {
            (BudgetRule::TokenBucket { refund: Refund::Cost, .. }, Some(paid)) => paid,
            (BudgetRule::TokenBucket { gain, .. }, _) => gain,
            (BudgetRule::Throttle { ratio, .. }, _) => ratio,
            (BudgetRule::Unlimited | BudgetRule::Ratio(_), _) => Tokens::NONE,
        };
        self.owed.0 = self.owed.0.saturating_sub(back.0);
    }

    fn owe(&mut self, more: Tokens) {
        let most = match self.rule {
            BudgetRule::TokenBucket { capacity, .. } => capacity,
            BudgetRule::Throttle { max_tokens, .. } => max_tokens,
            BudgetRule::Unlimited | BudgetRule::Ratio(_) => Tokens::NONE,
        };
        // Both are at most a thousand million, so their sum fits.
        self.owed = Tokens(self.owed.0 + more.0).min(most);
    }
}

/// What a retry comes after, as far as its price depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Timeout,
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tokens(count: f64) -> Tokens {
        Tokens::new(count).unwrap()
    }

    fn bucket(refund: Refund) -> BudgetRule {
        BudgetRule::TokenBucket {
            capacity: tokens(20.0),
            cost: tokens(5.0),
            timeout_cost: tokens(10.0),
            gain: tokens(1.0),
            refund,
        }
    }

    #[test]
    fn tokens_have_limits() {
        assert_eq!(Tokens::new(0.1), Some(Tokens(100)));
        for wrong in [-0.1, f64::NAN, f64::INFINITY, 1_000_000.1] {
            assert_eq!(Tokens::new(wrong), None);
        }
    }

    #[test]
    fn a_bucket_is_emptied_by_retries_and_filled_by_successes() {
        let mut budget = Budget::new(bucket(Refund::Cost));
        assert_eq!(budget.pay(Failure::Timeout), Some(tokens(10.0)));
        assert_eq!(budget.pay(Failure::Other), Some(tokens(5.0)));
        assert_eq!(budget.pay(Failure::Timeout), None);
        let paid = budget.pay(Failure::Other);
        assert_eq!(budget.pay(Failure::Other), None);
        budget.succeeded(None);
        assert_eq!(budget.pay(Failure::Other), None);
        budget.succeeded(paid);
        assert_eq!(budget.pay(Failure::Other), paid);
        assert_eq!(budget.retries(), 4);
        let mut gaining = Budget::new(bucket(Refund::Gain));
        let paid = (0..4).filter_map(|_| gaining.pay(Failure::Other)).last();
        gaining.succeeded(paid);
        assert_eq!(gaining.pay(Failure::Other), None);
    }

    #[test]
    fn a_bucket_never_holds_more_than_it_began_with() {
        let mut budget = Budget::new(bucket(Refund::Gain));
        (0..100).for_each(|_| budget.succeeded(None));
        assert_eq!((0..100).filter_map(|_| budget.pay(Failure::Other)).count(), 4);
    }

    #[test]
    fn a_ratio_counts_first_attempts() {
        let mut budget = Budget::new(BudgetRule::Ratio("10%".parse().unwrap()));
        let paid = (0..25).filter(|_| {
            budget.began();
            budget.pay(Failure::Other).is_some()
        });
        assert_eq!(paid.count(), 2);
    }

    fn any_rule() -> impl Strategy<Value = BudgetRule> {
        prop_oneof![
            Just(BudgetRule::Unlimited),
            Just(bucket(Refund::Cost)),
            Just(BudgetRule::Throttle { max_tokens: tokens(10.0), ratio: tokens(0.1) }),
            Just(BudgetRule::Ratio("50%".parse().unwrap())),
        ]
    }

    fn lived(rule: BudgetRule, life: &[u8]) -> Budget {
        let mut budget = Budget::new(rule);
        for event in life {
            match event % 4 {
                0 => budget.began(),
                1 => budget.failed(),
                2 => drop(budget.pay(Failure::Other)),
                _ => budget.succeeded(None),
            }
        }
        budget
    }

    fn merged(a: Budget, b: &Budget) -> Budget {
        let mut sum = a;
        sum.merge(b);
        sum
    }

    proptest! {
        #[test]
        fn merging_is_commutative_and_associative(rule in any_rule(), lives: [Vec<u8>; 3]) {
            let [a, b, c] = lives.map(|life| lived(rule, &life));
            prop_assert_eq!(merged(a, &b), merged(b, &a));
            prop_assert_eq!(merged(merged(a, &b), &c), merged(a, &merged(b, &c)));
            prop_assert_eq!(merged(a, &Budget::new(rule)), a);
        }
    }
}
