//! Latency by percentile: what a mean hides, and a table only samples.
//!
//! The points lie where people look for them: every ten per cent up to 90, then
//! every one up to 99, every tenth up to 99.9 and so on, as far as there are
//! samples to tell them apart.

use downpour_core::units::approximate;
use downpour_metrics::Histogram;
use hdrhistogram::Counter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

/// Decades of the share that is slower: up to 99.9999 %.
const DECADES: usize = 6;

/// Nine points a decade, and the last one's end.
const POINTS: usize = 9 * DECADES + 1;

/// Pairs of a percentile and its time in microseconds, both ascending. Each list
/// is on one line.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Curve(pub Vec<(f64, u64)>);

impl Serialize for Curve {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        one_line(&self.0, serializer)
    }
}

/// Writes pairs on one line, whatever the serializer does with lists.
pub(super) fn one_line<S: Serializer>(pairs: &impl Serialize, serializer: S) -> Result<S::Ok, S::Error> {
    let text = serde_json::to_string(pairs).map_err(serde::ser::Error::custom)?;
    RawValue::from_string(text).map_err(serde::ser::Error::custom)?.serialize(serializer)
}

impl<C: Counter> From<&Histogram<C>> for Curve {
    fn from(histogram: &Histogram<C>) -> Self {
        let tails = tails();
        let times = histogram.quantiles(tails.map(|(tail, of)| approximate(of - tail) / approximate(of)));
        let told =
            tails.iter().zip(times).filter(|((tail, of), _)| histogram.count().saturating_mul(*tail) >= *of);
        // Divided once, so that 99.9 is written as that.
        Self(
            told.map(|(&(tail, of), time)| (approximate((of - tail) * 100) / approximate(of), time))
                .collect(),
        )
    }
}

/// The shares that are slower, as fractions, largest first: 10/10, 9/10 … 2/10,
/// 10/100, 9/100 …
fn tails() -> [(u64, u64); POINTS] {
    let mut tails = [(1, 10); POINTS];
    for (n, tail) in tails.iter_mut().enumerate() {
        // The last one ends its decade.
        let decade = (n / 9).min(DECADES - 1);
        let within = u64::try_from(n - decade * 9).unwrap_or_default();
        *tail = (10 - within, (0..=decade).fold(1, |power, _| power * 10));
    }
    tails
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_ends_where_the_samples_do() {
        let mut histogram = Histogram::<u64>::new();
        assert_eq!(Curve::from(&histogram), Curve::default());
        (1..=1_000).for_each(|micros| histogram.record(micros));
        let curve = Curve::from(&histogram);
        let shown = serde_json::to_string(&curve).unwrap();
        assert!(shown.starts_with("[[0.0,1],[10.0,100],[20.0,200],"), "{shown}");
        assert!(shown.contains("[80.0,800],[90.0,900],[91.0,910],"), "{shown}");
        assert!(shown.ends_with("[99.7,997],[99.8,998],[99.9,999]]"), "{shown}");
        assert_eq!(serde_json::from_str::<Curve>(&shown).unwrap(), curve);
    }

    #[test]
    fn percentiles_ascend_to_a_millionth() {
        let tails = tails();
        assert!(tails.windows(2).all(|pair| pair[0].0 * pair[1].1 > pair[1].0 * pair[0].1), "{tails:?}");
        assert_eq!((tails[0], tails[POINTS - 1]), ((10, 10), (1, 1_000_000)));
    }

    #[test]
    fn a_curve_takes_one_line_of_a_pretty_report() {
        let curve = Curve(vec![(0.0, 1), (50.0, 2)]);
        assert_eq!(serde_json::to_string_pretty(&[curve]).unwrap(), "[\n  [[0.0,1],[50.0,2]]\n]");
    }
}
