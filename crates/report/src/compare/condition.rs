//! `--fail-on 'latency.p99 > +10%'`: by how much a number may change.
//!
//! A regression counts if two things hold: the change is beyond the limit, and
//! its interval lies wholly on that side of no change. The first alone would
//! fail builds on noise; demanding that the whole interval lies beyond the limit
//! would pass nearly every regression close to it.

use super::change::{Change, ChangeKind};
use super::metric::Metric;
use crate::threshold::{Measure, MeasureUnit};
use std::fmt;
use std::str::FromStr;

/// By how much, and which way, a number may not change.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    text: String,
    metric: Metric,
    limit: Limit,
}

/// Of B − A; negative where a fall counts.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Limit {
    /// As a part of A's number.
    Relative(f64),
    /// In the metric's unit.
    Absolute(f64),
}

/// What came of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionResult {
    /// The change is not beyond the limit.
    Met,
    /// It is, and it is more than chance.
    Violated,
    /// It is, and may be chance.
    Inconclusive,
    /// Nothing can be said.
    Unjudged,
}

/// A condition that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConditionError(String);

impl Condition {
    /// What is compared.
    pub fn metric(&self) -> &Metric {
        &self.metric
    }

    /// Whether that change is a regression.
    pub(super) fn judge(&self, change: &Change) -> ConditionResult {
        let (Some(a), Some(difference)) = (change.a, change.difference()) else {
            return ConditionResult::Unjudged;
        };
        let beyond = match self.limit {
            // Beyond a limit of +0 or -0 lies what goes its way: infinitely more.
            Limit::Absolute(limit) => difference / limit > 1.0,
            // Of nothing, anything is more than so many per cent.
            Limit::Relative(limit) => self.is_against(difference) && difference.abs() > limit.abs() * a,
        };
        match (beyond, change.kind) {
            (_, ChangeKind::TooShort | ChangeKind::TooFew) => ConditionResult::Unjudged,
            (false, _) => ConditionResult::Met,
            (true, ChangeKind::Indistinguishable) => ConditionResult::Inconclusive,
            (true, _) => ConditionResult::Violated,
        }
    }

    /// Whether a difference goes the way that counts.
    fn is_against(&self, difference: f64) -> bool {
        let (Limit::Relative(limit) | Limit::Absolute(limit)) = self.limit;
        if limit.is_sign_negative() { difference < 0.0 } else { difference > 0.0 }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        let wrong = |why: String| Err(ConditionError(why));
        let Some(at) = text.find(['<', '>']) else {
            return wrong("expected a measure, > or <, and a change, as in latency.p99 > +10%".to_owned());
        };
        let (name, rest) = text.split_at(at);
        let (name, rises) = (name.trim(), rest.starts_with('>'));
        let change = rest.trim_start_matches(['<', '>']).trim();
        let measure = name.parse::<Measure>().map_err(|error| ConditionError(error.to_string()))?;
        let metric = match Metric::of(measure) {
            Ok(metric) => metric,
            Err(why) => return wrong(format!("{name} cannot be compared, {why}")),
        };
        let sign = if rises { '+' } else { '-' };
        if !change.starts_with(sign) {
            let way = if rises { "rises" } else { "falls" };
            let sides = if rises { "> +10%" } else { "< -10%" };
            return wrong(format!(
                "{change:?} must say with a sign by how much it {way}, as in {name} {sides}"
            ));
        }
        let size = change.trim_start_matches(sign).trim();
        let Some(limit) = limit(size, metric.unit) else {
            return wrong(format!(
                "{size:?} is not a change of {name}; write 10% (of A's number) or {}",
                example(metric.unit)
            ));
        };
        let signed = |size: f64| if rises { size } else { -size };
        let limit = match limit {
            Limit::Relative(size) => Limit::Relative(signed(size)),
            Limit::Absolute(size) => Limit::Absolute(signed(size)),
        };
        let text = format!("{name} {} {change}", if rises { ">" } else { "<" });
        Ok(Self { text, metric, limit })
    }
}

/// A size without its sign, in per cent or in units that suit the metric.
fn limit(text: &str, unit: MeasureUnit) -> Option<Limit> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let number: f64 = number.parse().ok().filter(|n: &f64| n.is_finite())?;
    let scale = match (suffix.trim(), unit) {
        ("%", _) => return Some(Limit::Relative(number / 100.0)),
        ("us" | "\u{b5}s", MeasureUnit::Micros)
        | ("" | "/s", MeasureUnit::PerSecond)
        | ("", MeasureUnit::Ratio | MeasureUnit::Count) => 1.0,
        ("ms", MeasureUnit::Micros) | ("k" | "k/s", MeasureUnit::PerSecond) => 1e3,
        ("s", MeasureUnit::Micros) => 1e6,
        ("pp", MeasureUnit::Share) => 0.01,
        _ => return None,
    };
    Some(Limit::Absolute(number * scale))
}

const fn example(unit: MeasureUnit) -> &'static str {
    match unit {
        MeasureUnit::Micros => "5ms",
        MeasureUnit::PerSecond => "100/s",
        MeasureUnit::Share => "0.1pp (percentage points)",
        MeasureUnit::Ratio => "0.1",
        MeasureUnit::Count => "10",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(text: &str, told: &str) {
        let error = text.parse::<Condition>().unwrap_err().to_string();
        assert!(error.contains(told), "{text}: {error}");
    }

    #[test]
    fn mistakes_are_told_with_what_would_be_right() {
        check_refused("latency.p99", "as in latency.p99 > +10%");
        check_refused("latensy.p99 > +10%", "did you mean latency?");
        check_refused("latency.max > +10%", "compare a percentile");
        check_refused(
            "latency.p99 > 10%",
            "must say with a sign by how much it rises, as in latency.p99 > +10%",
        );
        check_refused("good.per_s < +5%", "by how much it falls, as in good.per_s < -10%");
        check_refused("latency.p99 > +5", "\"5\" is not a change of latency.p99");
        check_refused("good.per_s < -5ms", "or 100/s");
        check_refused("failed.rate > +0.1", "0.1pp");
        check_refused("failed > +", "\"\" is not a change");
        check_refused("failed > +1e3", "\"1e3\" is not a change");
    }

    fn change(name: &str, numbers: (f64, f64), interval: Option<(f64, f64)>, word: ChangeKind) -> Change {
        let metric = Metric::of(name.parse().unwrap()).unwrap();
        Change { metric, a: Some(numbers.0), b: Some(numbers.1), interval, kind: word }
    }

    #[track_caller]
    fn check(condition: &str, numbers: (f64, f64), word: ChangeKind, expected: ConditionResult) {
        let condition: Condition = condition.parse().unwrap();
        let change = change(condition.metric().name(), numbers, None, word);
        assert_eq!(condition.judge(&change), expected, "{condition}");
    }

    #[test]
    fn a_regression_is_beyond_the_limit_and_more_than_chance() {
        let p99 = "latency.p99 > +10%";
        check(p99, (1_000.0, 1_111.0), ChangeKind::Slower, ConditionResult::Violated);
        check(p99, (1_000.0, 1_111.0), ChangeKind::Indistinguishable, ConditionResult::Inconclusive);
        check(p99, (1_000.0, 1_099.0), ChangeKind::Slower, ConditionResult::Met);
        check(p99, (1_000.0, 500.0), ChangeKind::Faster, ConditionResult::Met);
        check(p99, (1_000.0, 9_000.0), ChangeKind::TooFew, ConditionResult::Unjudged);
        check(p99, (1_000.0, 1_000.0), ChangeKind::TooShort, ConditionResult::Unjudged);
        check("latency.p99>+5ms", (1_000.0, 6_001.0), ChangeKind::Slower, ConditionResult::Violated);
        check("latency.p99>+5ms", (1_000.0, 5_999.0), ChangeKind::Slower, ConditionResult::Met);
        check("good.per_s < -5%", (100.0, 94.0), ChangeKind::Lower, ConditionResult::Violated);
        check("good.per_s < -5%", (100.0, 96.0), ChangeKind::Lower, ConditionResult::Met);
        check("good.per_s < -5%", (100.0, 200.0), ChangeKind::Higher, ConditionResult::Met);
        check("good.per_s < -100/s", (4_700.0, 4_590.0), ChangeKind::Lower, ConditionResult::Violated);
        check("failed.rate > +0.1pp", (0.001, 0.0021), ChangeKind::Higher, ConditionResult::Violated);
        check("failed.rate > +0.1pp", (0.001, 0.0019), ChangeKind::Higher, ConditionResult::Met);
        check("amplification > +0.1", (1.0, 1.2), ChangeKind::Higher, ConditionResult::Violated);
    }

    #[test]
    fn what_never_happened_before_needs_no_interval() {
        check("fault(dns.nxdomain) > +0", (0.0, 1.0), ChangeKind::New, ConditionResult::Violated);
        check("fault(dns.nxdomain) > +0", (0.0, 0.0), ChangeKind::Indistinguishable, ConditionResult::Met);
        check("fault(dns.nxdomain) > +10%", (0.0, 1.0), ChangeKind::New, ConditionResult::Violated);
        check("failed > +10", (0.0, 10.0), ChangeKind::New, ConditionResult::Met);
        check("status(302) < -0", (5.0, 0.0), ChangeKind::Gone, ConditionResult::Violated);
        check("status(302) < -50%", (5.0, 0.0), ChangeKind::Gone, ConditionResult::Violated);
    }
}
