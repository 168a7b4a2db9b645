//! Records that were lost because no place in the order could be given to them.
//!
//! They are counted by reason, by input and by the length of their exchange:
//! when all of one kind is lost, what is left is another load than the
//! recorded one, however small its share is.

use std::collections::BTreeMap;

/// Why a record has no place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LossReason {
    /// It began before what had already been handed out.
    OutOfOrder,
    /// Its time is far ahead of that of the lines around it.
    ClockAhead,
    /// Its time is far behind that of the lines around it.
    ClockBehind,
}

impl LossReason {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::OutOfOrder, Self::ClockAhead, Self::ClockBehind];

    /// What it means for the operator: a phrase that follows the id.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::OutOfOrder => {
                "the request began before others that had already been handed out: the log is out of order by \
                 more than --reorder-window"
            }
            Self::ClockAhead => {
                "the time is far ahead of that of the lines around it: a wrong clock or time zone"
            }
            Self::ClockBehind => {
                "the time is far behind that of the lines around it: a wrong clock or time zone"
            }
        }
    }

    /// The stable id.
    pub const fn id(self) -> &'static str {
        match self {
            Self::OutOfOrder => "out_of_order",
            Self::ClockAhead => "clock_ahead",
            Self::ClockBehind => "clock_behind",
        }
    }
}

/// Records of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LossGroup {
    /// What they have in common.
    pub name: String,
    /// How many there are.
    pub records: u64,
    /// How many of them were lost.
    pub lost: u64,
}

impl LossGroup {
    /// How many must be lost before the kind is looked at.
    const MIN_LOST: u64 = 5;

    /// Whether most of them were lost.
    pub fn is_mostly_lost(&self) -> bool {
        self.lost >= Self::MIN_LOST && self.lost * 2 > self.records
    }
}

/// What was lost of a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LossCounts {
    /// How many records, by reason ([`LossReason::id`]).
    pub by_reason: BTreeMap<&'static str, u64>,
    /// The first record of each reason: its input and its line there.
    pub first: BTreeMap<LossReason, (usize, u64)>,
    /// By how many nanoseconds records lay behind the newest start of their
    /// input at most: the window that keeps all of them. Wrong clocks do not
    /// count.
    pub window_needed_ns: u64,
    /// Exchanges that took longer than the window that is the default.
    pub long: LossGroup,
    /// The inputs, in their order.
    pub inputs: Vec<LossGroup>,
}

impl LossCounts {
    /// Nothing is lost yet of inputs with these names.
    pub(crate) fn for_inputs(inputs: impl Iterator<Item = String>) -> Self {
        let kind = |name| LossGroup { name, ..LossGroup::default() };
        Self {
            long: kind("exchanges of more than 30 s".to_owned()),
            inputs: inputs.map(kind).collect(),
            ..Self::default()
        }
    }

    /// A record came in.
    pub(crate) fn count_record(&mut self, input: usize, is_long: bool) {
        if let Some(kind) = self.inputs.get_mut(input) {
            kind.records += 1;
        }
        self.long.records += u64::from(is_long);
    }

    /// A record was lost.
    pub(crate) fn count_loss(&mut self, reason: LossReason, (input, line): (usize, u64), is_long: bool) {
        self.first.entry(reason).or_insert((input, line));
        *self.by_reason.entry(reason.id()).or_default() += 1;
        if let Some(kind) = self.inputs.get_mut(input) {
            kind.lost += 1;
        }
        self.long.lost += u64::from(is_long);
    }

    /// A kind of which most was lost, beside others that were not.
    pub fn mostly_lost_group(&self) -> Option<&LossGroup> {
        let inputs = self.inputs.iter().filter(|_| self.inputs.len() > 1);
        std::iter::once(&self.long).chain(inputs).find(|kind| kind.is_mostly_lost())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_lost_when_most_of_it_is() {
        let mut lost = LossCounts::for_inputs(["a", "b"].map(str::to_owned).into_iter());
        for record in 0..1_000 {
            lost.count_record(record % 2, record < 10);
        }
        assert_eq!(lost.mostly_lost_group(), None);
        (0..6).for_each(|_| lost.count_loss(LossReason::OutOfOrder, (0, 9), true));
        assert_eq!(lost.mostly_lost_group().unwrap().name, "exchanges of more than 30 s");
        let mut lost = LossCounts::for_inputs(["a", "b"].map(str::to_owned).into_iter());
        (0..100).for_each(|_| lost.count_record(0, false));
        (0..8).for_each(|_| lost.count_record(1, false));
        (0..8).for_each(|_| lost.count_loss(LossReason::ClockAhead, (1, 7), false));
        assert_eq!(lost.mostly_lost_group().unwrap().name, "b");
        assert_eq!((lost.by_reason["clock_ahead"], lost.first[&LossReason::ClockAhead]), (8, (1, 7)));
    }
}
