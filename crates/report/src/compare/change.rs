//! One number of two runs, and the word for what lies between them.

use super::blocks::{BlockStatistic, Blocks};
use super::bootstrap::{Draws, difference};
use super::metric::Metric;
use crate::threshold::MeasureUnit;
use downpour_core::units::approximate;

/// Samples beyond a percentile below which it is not compared: a single one of
/// them would decide.
const MIN_SAMPLES_BEYOND: f64 = 10.0;

/// What can be said of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// Chance alone would make one as large.
    Indistinguishable,
    /// A time that is longer in B.
    Slower,
    /// A time that is shorter in B.
    Faster,
    /// A count, rate or share that is higher in B.
    Higher,
    /// A count, rate or share that is lower in B.
    Lower,
    /// A never had one, B did: a fact that no interval is needed for.
    New,
    /// A had some, B none.
    Gone,
    /// There are not ten samples beyond the percentile in both runs.
    TooFew,
    /// One of the runs is too short to tell chance from change.
    TooShort,
}

impl ChangeKind {
    /// As it is printed.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Indistinguishable => "indistinguishable",
            Self::Slower => "slower",
            Self::Faster => "faster",
            Self::Higher => "higher",
            Self::Lower => "lower",
            Self::New => "new",
            Self::Gone => "gone",
            Self::TooFew => "too few samples",
            Self::TooShort => "too short",
        }
    }

    /// Whether the runs differ in it.
    pub const fn is_difference(self) -> bool {
        match self {
            Self::Slower | Self::Faster | Self::Higher | Self::Lower | Self::New | Self::Gone => true,
            Self::Indistinguishable | Self::TooFew | Self::TooShort => false,
        }
    }
}

/// A number of both runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What is compared.
    pub metric: Metric,
    /// A's; nothing where it has none.
    pub a: Option<f64>,
    /// B's.
    pub b: Option<f64>,
    /// The least and the most that B − A may be.
    pub interval: Option<(f64, f64)>,
    /// What can be said.
    pub kind: ChangeKind,
}

impl Change {
    /// Compares one number. Without draws a run is too short for an interval.
    pub(super) fn of(metric: Metric, runs: [&Blocks; 2], draws: Option<&Draws>) -> Self {
        let number = |run: &Blocks| run.evaluate(&metric.statistic, &vec![1; run.layout().blocks()]);
        let [a, b] = runs.map(number);
        let mut change = Self { metric, a, b, interval: None, kind: ChangeKind::TooShort };
        if !change.has_enough(runs) {
            change.kind = ChangeKind::TooFew;
        } else if let Some(draws) = draws {
            match difference(runs[0], runs[1], &change.metric.statistic, draws) {
                Some(found) => {
                    change.interval = Some((found.low, found.high));
                    change.kind = change.kind_for(found.low, found.high);
                }
                None => change.kind = ChangeKind::TooFew,
            }
        }
        change.kind = change.fact().unwrap_or(change.kind);
        change
    }

    /// B − A.
    pub fn difference(&self) -> Option<f64> {
        Some(self.b? - self.a?)
    }

    /// The same as a part of A's; nothing where A's is 0.
    pub fn relative(&self) -> Option<f64> {
        let a = self.a.filter(|a| *a > 0.0)?;
        Some(self.difference()? / a)
    }

    fn has_enough(&self, runs: [&Blocks; 2]) -> bool {
        let BlockStatistic::Quantile(clock, share) = self.metric.statistic else {
            return self.a.is_some() && self.b.is_some();
        };
        // A little less, since 1 − 0.99 is a little more than 0.01.
        let enough =
            |run: &Blocks| approximate(run.samples(clock)) * (1.0 - share) >= MIN_SAMPLES_BEYOND - 1e-6;
        runs.into_iter().all(enough)
    }

    fn kind_for(&self, low: f64, high: f64) -> ChangeKind {
        let is_time = self.metric.unit == MeasureUnit::Micros;
        match (low > 0.0, high < 0.0) {
            (true, _) if is_time => ChangeKind::Slower,
            (_, true) if is_time => ChangeKind::Faster,
            (true, _) => ChangeKind::Higher,
            (_, true) => ChangeKind::Lower,
            (false, false) => ChangeKind::Indistinguishable,
        }
    }

    /// What happened in one run only, of the things that are counted one by one.
    fn fact(&self) -> Option<ChangeKind> {
        let is_counted = matches!(self.metric.unit, MeasureUnit::Count | MeasureUnit::Share);
        let (a, b) = (self.a?, self.b?);
        match (a > 0.0, b > 0.0) {
            (false, true) if is_counted => Some(ChangeKind::New),
            (true, false) if is_counted => Some(ChangeKind::Gone),
            _ => None,
        }
    }
}
