//! Recorded against answered: which status the log shows for a request, and
//! which one the candidate gave.
//!
//! Every answered attempt is counted once: under its pair of statuses, or as
//! one whose record holds no status that a server sent. A pair is not right or
//! wrong by itself, since one path may redirect where another must not; so the
//! answers that were refused are counted beside it. A hostile log and a hostile
//! candidate could make half a million pairs: the most frequent are kept, the
//! others are counted together.

use downpour_core::status::sent_status;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Pairs of statuses kept, in a second and in a run.
pub const PAIRS_KEPT: usize = 256;

/// A recorded status and the one that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StatusPair {
    /// What the log shows.
    pub recorded: u16,
    /// What the candidate answered.
    pub answered: u16,
}

/// How many answers there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransitionCount {
    /// All of them.
    pub count: u64,
    /// Those whose status was found wrong.
    pub refused: u64,
}

impl TransitionCount {
    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.refused += other.refused;
    }
}

/// Answers by recorded and answered status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransitionCounts {
    pairs: BTreeMap<StatusPair, TransitionCount>,
    other: TransitionCount,
    /// By what stands in the log: one of a dozen statuses, or none.
    recorded_none: BTreeMap<Option<u16>, u64>,
}

impl TransitionCounts {
    /// The pairs kept, in order of status.
    pub fn pairs(&self) -> impl Iterator<Item = (StatusPair, TransitionCount)> {
        self.pairs.iter().map(|(&pair, &transition)| (pair, transition))
    }

    /// Answers of pairs that were not kept.
    pub const fn other(&self) -> TransitionCount {
        self.other
    }

    /// Answers to requests whose record holds no status that a server sent.
    pub fn recorded_none(&self) -> u64 {
        self.recorded_none.values().sum()
    }

    /// The same by what the record holds instead, if it holds something.
    pub fn by_unsent_status(&self) -> impl Iterator<Item = (Option<u16>, u64)> {
        self.recorded_none.iter().map(|(&status, &count)| (status, count))
    }

    /// All answers.
    pub fn total(&self) -> u64 {
        self.pairs.values().map(|transition| transition.count).sum::<u64>()
            + self.other.count
            + self.recorded_none()
    }

    /// Counts an answer to a request with that recorded status; `refused` where
    /// the answer was judged to be wrong.
    pub fn count(&mut self, recorded: Option<u16>, answered: u16, refused: bool) {
        let Some(recorded) = sent_status(recorded) else {
            *self.recorded_none.entry(recorded).or_default() += 1;
            return;
        };
        let one = TransitionCount { count: 1, refused: u64::from(refused) };
        let pair = StatusPair { recorded, answered };
        if let Some(known) = self.pairs.get_mut(&pair) {
            known.merge(one);
        } else if self.pairs.len() < PAIRS_KEPT {
            self.pairs.insert(pair, one);
        } else {
            self.other.merge(one);
        }
    }

    /// Independent of order as long as there are no more pairs than are kept.
    pub(super) fn merge(&mut self, more: &Self) {
        self.other.merge(more.other);
        for (&status, count) in &more.recorded_none {
            *self.recorded_none.entry(status).or_default() += count;
        }
        for (&pair, &transition) in &more.pairs {
            self.pairs.entry(pair).or_default().merge(transition);
        }
        self.drop_rarest();
    }

    fn drop_rarest(&mut self) {
        if self.pairs.len() <= PAIRS_KEPT {
            return;
        }
        let mut by_weight: Vec<_> = self.pairs().collect();
        by_weight.sort_unstable_by_key(|(pair, transition)| (Reverse(transition.count), *pair));
        for (pair, transition) in by_weight.split_off(PAIRS_KEPT) {
            self.pairs.remove(&pair);
            self.other.merge(transition);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Answer = (Option<u16>, u16, bool);

    fn of(answers: &[Answer]) -> TransitionCounts {
        let mut transitions = TransitionCounts::default();
        for &(recorded, answered, refused) in answers {
            transitions.count(recorded, answered, refused);
        }
        transitions
    }

    fn merged(parts: &[&TransitionCounts]) -> TransitionCounts {
        let mut whole = TransitionCounts::default();
        for part in parts {
            whole.merge(part);
        }
        whole
    }

    fn refused(transitions: &TransitionCounts) -> u64 {
        transitions.pairs().map(|(_, pair)| pair.refused).sum::<u64>() + transitions.other().refused
    }

    #[test]
    fn a_pair_may_be_right_on_one_path_and_wrong_on_another() {
        let counted = of(&[(Some(200), 302, false), (Some(200), 302, true), (None, 302, false)]);
        let pair = StatusPair { recorded: 200, answered: 302 };
        assert_eq!(counted.pairs().collect::<Vec<_>>(), [(pair, TransitionCount { count: 2, refused: 1 })]);
        assert_eq!((counted.recorded_none(), counted.total()), (1, 3));
    }

    #[test]
    fn what_no_server_sent_is_compared_with_nothing_and_counted_by_name() {
        let recorded = [None, Some(0), Some(444), Some(460), Some(499), Some(499), Some(500)];
        let counted = of(&recorded.map(|recorded| (recorded, 302, false)));
        let made_up = [(None, 1), (Some(0), 1), (Some(444), 1), (Some(460), 1), (Some(499), 2)];
        let twice = made_up.map(|(status, count)| (status, 2 * count));
        assert_eq!(
            (counted.pairs().count(), counted.by_unsent_status().collect::<Vec<_>>()),
            (1, made_up.to_vec())
        );
        assert_eq!(merged(&[&counted, &counted]).by_unsent_status().collect::<Vec<_>>(), twice);
    }

    #[test]
    fn a_status_for_every_answer_does_not_grow_the_tally() {
        let mut frequent = vec![(Some(302), 302, false); 9];
        frequent.extend((100..999).map(|status| (Some(200), status, true)));
        let one = of(&frequent);
        assert_eq!(one.pairs().count(), PAIRS_KEPT);
        let other = of(&(100..999).map(|status| (Some(201), status, false)).collect::<Vec<_>>());
        let both = merged(&[&one, &other]);
        assert_eq!(both.pairs().count(), PAIRS_KEPT);
        assert_eq!(both.total(), one.total() + other.total());
        assert_eq!(refused(&both), 899);
        assert!(both.pairs().any(|(pair, kept)| pair.recorded == 302 && kept.count == 9));
    }

    fn answers(statuses: std::ops::Range<u16>) -> impl Strategy<Value = Vec<Answer>> {
        let one = (prop::option::of(statuses.clone()), statuses, any::<bool>());
        prop::collection::vec(one, 0..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn merging_is_associative_and_commutative(
            a in answers(200..206), b in answers(200..206), c in answers(200..206)
        ) {
            let [a, b, c] = [of(&a), of(&b), of(&c)];
            let left = merged(&[&merged(&[&a, &b]), &c]);
            prop_assert_eq!(&left, &merged(&[&a, &merged(&[&b, &c])]));
            prop_assert_eq!(&left, &merged(&[&c, &b, &a]));
        }

        #[test]
        fn no_answer_is_lost_beyond_the_bound(parts in prop::collection::vec(answers(100..999), 0..12)) {
            let counted: Vec<_> = parts.iter().map(|part| of(part)).collect();
            let whole = merged(&counted.iter().collect::<Vec<_>>());
            prop_assert_eq!(whole.total(), parts.iter().map(|part| part.len() as u64).sum::<u64>());
            prop_assert_eq!(refused(&whole), counted.iter().map(refused).sum::<u64>());
            prop_assert!(whole.pairs().count() <= PAIRS_KEPT);
        }
    }
}
