//! The rate over time as a still picture, for those who print the page or run
//! no scripts.

use crate::Timeline;
use crate::text::format::per_second;
use downpour_core::units::approximate;
use std::fmt::Write;

/// The width of the picture in its own units; its height is a sixth.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 120.0;

/// Two lines in one picture.
#[derive(Debug)]
pub(super) struct StaticChart {
    /// The path of what was offered.
    pub(super) offered: String,
    /// The path of what was good.
    pub(super) good: String,
    /// The highest rate in it.
    pub(super) highest: String,
    /// The second it ends at.
    pub(super) end: u64,
}

impl StaticChart {
    /// Nothing for a run without seconds.
    pub(super) fn of(timeline: &Timeline) -> Option<Self> {
        let points = timeline.points();
        let mean = |sum: u64, seconds: u64| approximate(sum) / approximate(seconds.max(1));
        let offered: Vec<_> =
            points.iter().map(|p| (p.seconds > 0).then(|| mean(p.offered.sum, p.seconds))).collect();
        let good: Vec<_> =
            points.iter().map(|p| (p.seconds > 0).then(|| mean(p.good.sum, p.seconds))).collect();
        let highest = offered.iter().chain(&good).flatten().copied().fold(0.0, f64::max);
        (highest > 0.0).then(|| Self {
            offered: path(&offered, highest),
            good: path(&good, highest),
            highest: per_second(highest),
            end: timeline.end(),
        })
    }
}

/// A gap in the values is a gap in the path.
fn path(values: &[Option<f64>], highest: f64) -> String {
    let mut path = String::new();
    let step = WIDTH / approximate(values.len() as u64);
    let mut pen = 'M';
    let mut left = 0.0;
    for value in values {
        let right = left + step;
        match value {
            Some(value) => {
                let y = HEIGHT * (1.0 - value / highest);
                write!(path, "{pen}{left:.1} {y:.1}H{right:.1}").expect("a string takes what is written");
                pen = 'L';
            }
            None => pen = 'M',
        }
        left = right;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IntervalLine;

    #[test]
    fn a_gap_is_left_open() {
        let mut timeline = Timeline::default();
        assert!(StaticChart::of(&timeline).is_none());
        for (t_s, offered) in [(0, 10), (2, 5), (3, 10)] {
            timeline.add(&IntervalLine { t_s, offered, passed: offered / 2, ..IntervalLine::default() });
        }
        let still = StaticChart::of(&timeline).unwrap();
        assert_eq!(still.offered, "M0.0 0.0H180.0M360.0 60.0H540.0L540.0 0.0H720.0");
        assert_eq!((still.highest.as_str(), still.end), ("10.0/s", 4));
    }
}
