//! `--fail-on 'latency.p99 > +10%'`: by how much a number may change.
//!
//! A regression counts if two things hold: the change is beyond the limit, and
//! its interval lies wholly on that side of no change. The first alone would
//! fail builds on noise; demanding that the whole interval lies beyond the limit
//! would pass nearly every regression close to it.

use super::change::{Change, Word};
use super::metric::Metric;
use crate::report::threshold::{Measure, Unit};
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
pub enum Held {
    /// The change is not beyond the limit.
    Yes,
    /// It is, and it is more than chance.
    No,
    /// It is, and may be chance.
    NotShown,
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
    pub(super) fn judge(&self, change: &Change) -> Held {
        let (Some(a), Some(difference)) = (change.a, change.difference()) else { return Held::Unjudged };
        let beyond = match self.limit {
            // Beyond a limit of +0 or -0 lies what goes its way: infinitely more.
            Limit::Absolute(limit) => difference / limit > 1.0,
            // Of nothing, anything is more than so many per cent.
            Limit::Relative(limit) => self.is_against(difference) && difference.abs() > limit.abs() * a,
        };
        match (beyond, change.word) {
            (_, Word::TooShort | Word::TooFew) => Held::Unjudged,
            (false, _) => Held::Yes,
            (true, Word::Indistinguishable) => Held::NotShown,
            (true, _) => Held::No,
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
fn limit(text: &str, unit: Unit) -> Option<Limit> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let number: f64 = number.parse().ok().filter(|n: &f64| n.is_finite())?;
    let scale = match (suffix.trim(), unit) {
        ("%", _) => return Some(Limit::Relative(number / 100.0)),
        ("us" | "\u{b5}s", Unit::Micros) | ("" | "/s", Unit::PerSecond) | ("", Unit::Ratio | Unit::Count) => {
            1.0
        }
        ("ms", Unit::Micros) | ("k" | "k/s", Unit::PerSecond) => 1e3,
        ("s", Unit::Micros) => 1e6,
        ("pp", Unit::Share) => 0.01,
        _ => return None,
    };
    Some(Limit::Absolute(number * scale))
}

const fn example(unit: Unit) -> &'static str {
    match unit {
        Unit::Micros => "5ms",
        Unit::PerSecond => "100/s",
        Unit::Share => "0.1pp (percentage points)",
        Unit::Ratio => "0.1",
        Unit::Count => "10",
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

    fn change(name: &str, numbers: (f64, f64), interval: Option<(f64, f64)>, word: Word) -> Change {
        let metric = Metric::of(name.parse().unwrap()).unwrap();
        Change { metric, a: Some(numbers.0), b: Some(numbers.1), interval, word }
    }

    #[track_caller]
    fn check(condition: &str, numbers: (f64, f64), word: Word, expected: Held) {
        let condition: Condition = condition.parse().unwrap();
        let change = change(condition.metric().name(), numbers, None, word);
        assert_eq!(condition.judge(&change), expected, "{condition}");
    }

    #[test]
    fn a_regression_is_beyond_the_limit_and_more_than_chance() {
        let p99 = "latency.p99 > +10%";
        check(p99, (1_000.0, 1_111.0), Word::Slower, Held::No);
        check(p99, (1_000.0, 1_111.0), Word::Indistinguishable, Held::NotShown);
        check(p99, (1_000.0, 1_099.0), Word::Slower, Held::Yes);
        check(p99, (1_000.0, 500.0), Word::Faster, Held::Yes);
        check(p99, (1_000.0, 9_000.0), Word::TooFew, Held::Unjudged);
        check(p99, (1_000.0, 1_000.0), Word::TooShort, Held::Unjudged);
        check("latency.p99>+5ms", (1_000.0, 6_001.0), Word::Slower, Held::No);
        check("latency.p99>+5ms", (1_000.0, 5_999.0), Word::Slower, Held::Yes);
        check("good.per_s < -5%", (100.0, 94.0), Word::Lower, Held::No);
        check("good.per_s < -5%", (100.0, 96.0), Word::Lower, Held::Yes);
        check("good.per_s < -5%", (100.0, 200.0), Word::Higher, Held::Yes);
        check("good.per_s < -100/s", (4_700.0, 4_590.0), Word::Lower, Held::No);
        check("failed.rate > +0.1pp", (0.001, 0.0021), Word::Higher, Held::No);
        check("failed.rate > +0.1pp", (0.001, 0.0019), Word::Higher, Held::Yes);
        check("amplification > +0.1", (1.0, 1.2), Word::Higher, Held::No);
    }

    #[test]
    fn what_never_happened_before_needs_no_interval() {
        check("fault(dns.nxdomain) > +0", (0.0, 1.0), Word::New, Held::No);
        check("fault(dns.nxdomain) > +0", (0.0, 0.0), Word::Indistinguishable, Held::Yes);
        check("fault(dns.nxdomain) > +10%", (0.0, 1.0), Word::New, Held::No);
        check("failed > +10", (0.0, 10.0), Word::New, Held::Yes);
        check("status(302) < -0", (5.0, 0.0), Word::Gone, Held::No);
        check("status(302) < -50%", (5.0, 0.0), Word::Gone, Held::No);
    }
}
