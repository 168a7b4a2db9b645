//! Numbers, changes and intervals as a comparison shows them.

use super::change::Change;
use crate::text::thresholds::in_unit;
use crate::threshold::MeasureUnit;

/// A number with its unit; `-` for none.
pub(super) fn number(unit: MeasureUnit, value: Option<f64>) -> String {
    // Nothing has no sign.
    value.map_or_else(|| "-".to_owned(), |value| in_unit(value + 0.0, unit.name()))
}

/// What lies further from A's number than so many per cent of it is told as it
/// is.
const PERCENT_MAX: f64 = 1_000.0;

/// How a change is told: as a part of A's number, or, for shares and where A has
/// nothing to be a part of, as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    Relative,
    Points,
    Absolute,
}

pub(super) fn scale(change: &Change) -> Scale {
    match change.metric.unit {
        MeasureUnit::Share => Scale::Points,
        MeasureUnit::Micros | MeasureUnit::Count | MeasureUnit::PerSecond | MeasureUnit::Ratio => {
            // Blocks of a run that was broken for a while may lie thousands of times
            // A's number apart, which nobody reads as a percentage.
            let most = change.a.unwrap_or(0.0).abs() * PERCENT_MAX / 100.0;
            let is_told = change.interval.is_none_or(|(low, high)| low.abs().max(high.abs()) <= most);
            if change.relative().is_some() && is_told { Scale::Relative } else { Scale::Absolute }
        }
    }
}

/// B − A, with its sign.
pub(super) fn difference(change: &Change) -> String {
    change.difference().map_or_else(String::new, |difference| signed(change, difference, true))
}

/// Between what it lies, such as `+8.1 to +12.4 %`.
pub(super) fn interval(change: &Change) -> String {
    let Some((low, high)) = change.interval else { return String::new() };
    format!("{} to {}", signed(change, low, false), signed(change, high, true))
}

fn signed(change: &Change, value: f64, with_unit: bool) -> String {
    let (value, unit) = match scale(change) {
        Scale::Relative => (value * 100.0 / change.a.unwrap_or(1.0), " %"),
        Scale::Points => (value * 100.0, " pp"),
        Scale::Absolute => {
            let sign = if value < 0.0 { '-' } else { '+' };
            return format!("{sign}{}", number(change.metric.unit, Some(value.abs())));
        }
    };
    let decimals = match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 0.1 || v == 0.0 => 1,
        _ if unit == " pp" => 3,
        _ => 2,
    };
    let text = format!("{value:+.decimals$}");
    // No direction where nothing is left of it.
    let zero = text.chars().all(|c| matches!(c, '+' | '-' | '0' | '.'));
    let text = if zero { "0" } else { &text };
    if with_unit { format!("{text}{unit}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::change::ChangeKind;
    use super::super::metric::Metric;
    use super::*;

    #[track_caller]
    fn check(name: &str, numbers: (f64, f64), interval_of: (f64, f64), expected: (&str, &str)) {
        let change = Change {
            metric: Metric::of(name.parse().unwrap()).unwrap(),
            a: Some(numbers.0),
            b: Some(numbers.1),
            interval: Some(interval_of),
            kind: ChangeKind::Indistinguishable,
        };
        assert_eq!((difference(&change).as_str(), interval(&change).as_str()), expected);
    }

    #[test]
    fn changes_are_told_in_the_way_that_suits_them() {
        check("latency.p99", (1_000.0, 1_123.0), (81.0, 124.0), ("+12.3 %", "+8.1 to +12.4 %"));
        check("latency.p99", (1_000.0, 1_000.0), (-0.01, 0.0), ("0 %", "0 to 0 %"));
        check("latency.p99", (1_000.0, 999.5), (-20.0, 5_000.0), ("-0.05 %", "-2.0 to +500 %"));
        check("latency.p50", (116.0, 145.0), (-4.7e6, 4.8e6), ("+29 µs", "-4.70 s to +4.80 s"));
        check("failed.rate", (0.0, 0.041), (0.0, 0.0821), ("+4.1 pp", "0 to +8.2 pp"));
        check("failed.rate", (0.0, 0.000_05), (0.0, 0.000_1), ("+0.005 pp", "0 to +0.010 pp"));
        check("good.per_s", (0.0, 1_500.0), (1_000.0, 2_000.0), ("+1,500/s", "+1,000/s to +2,000/s"));
    }
}
