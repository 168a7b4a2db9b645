//! The sections that only some runs have: thresholds, a storm, recorded against
//! answered statuses.

use super::facts::Fact;
use super::shown;
use crate::report::text::format::{measured, per_second, share};
use crate::report::text::storm::{plateau, recovered};
use crate::report::threshold::{ThresholdLine, Unit};
use crate::report::{RunReport, TransitionLine};
use crate::units::grouped;

/// Thresholds, and pairs of statuses, that are shown.
const ROWS_SHOWN: usize = 40;

/// The longest expression.
const LONGEST: usize = 200;

/// What came of one threshold.
pub(super) struct ThresholdRow {
    pub(super) expression: String,
    pub(super) value: String,
    pub(super) margin: String,
    pub(super) when: String,
    pub(super) word: &'static str,
    pub(super) is_wrong: bool,
}

/// Answers with one recorded and one answered status.
pub(super) struct TransitionRow {
    pub(super) name: String,
    pub(super) count: String,
    pub(super) share: String,
    pub(super) refused: String,
    pub(super) is_wrong: bool,
}

pub(super) fn thresholds(report: &RunReport) -> Vec<ThresholdRow> {
    report.thresholds.iter().take(ROWS_SHOWN).map(threshold).collect()
}

fn threshold(line: &ThresholdLine) -> ThresholdRow {
    let unit = Unit::from_name(&line.unit).unwrap_or(Unit::Count);
    let told = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| measured(unit, value));
    let margin = line.margin.map_or_else(String::new, |margin| {
        let room = told(Some(margin.abs()));
        if line.passed { format!("{room} of room") } else { format!("{room} too much") }
    });
    let window = line.worst_window.map(|window| format!("worst window: second {} to {}", window.from_s, window.to_s));
    ThresholdRow {
        expression: shown(&line.expression, LONGEST),
        value: told(line.value),
        margin,
        when: window.unwrap_or_default(),
        word: match (line.passed, line.value) {
            (true, _) => "kept",
            (false, Some(_)) => "broken",
            (false, None) => "not measured",
        },
        is_wrong: !line.passed,
    }
}

/// The same, every change of it, and what is not known.
pub(super) fn transitions(report: &RunReport) -> Vec<TransitionRow> {
    let left_out = &report.transitions_left_out;
    let compared = report.transitions.iter().fold(left_out.other, |sum, line| sum.saturating_add(line.count));
    let row = |name: String, count, refused| TransitionRow {
        name,
        count: grouped(count),
        share: share(count, compared),
        refused: if refused == 0 { String::new() } else { grouped(refused) },
        is_wrong: refused > 0,
    };
    let pair = |line: &TransitionLine| {
        row(format!("{} \u{2192} {}", line.recorded, line.answered), line.count, line.refused)
    };
    let mut rows: Vec<_> = report.transitions.iter().take(ROWS_SHOWN).map(pair).collect();
    let rest = report.transitions.iter().skip(ROWS_SHOWN);
    let others = rest.fold((left_out.other, left_out.other_refused), |(count, refused), line| {
        (line.count.saturating_add(count), line.refused.saturating_add(refused))
    });
    rows.extend((others.0 > 0).then(|| row("(others)".to_owned(), others.0, others.1)));
    if left_out.recorded_none > 0 && !rows.is_empty() {
        let count = grouped(left_out.recorded_none);
        let (share, refused) = (String::new(), String::new());
        rows.push(TransitionRow { name: "not recorded".to_owned(), count, share, refused, is_wrong: false });
    }
    rows
}

/// What a fault made of the load; empty where there was no storm.
pub(super) fn storm(report: &RunReport) -> Vec<Fact> {
    let Some(storm) = &report.storm else { return Vec::new() };
    let fact = |name: &str, value| Fact { name: name.to_owned(), value };
    vec![
        fact("fault", format!("second {} to {}", grouped(storm.fault_from_s), grouped(storm.fault_to_s))),
        fact("first attempts", per_second(storm.first_rate_during_fault_per_s)),
        fact(
            "attempts",
            format!(
                "{}, amplification {:.2}",
                per_second(storm.attempt_rate_during_fault_per_s),
                storm.amplification_during_fault
            ),
        ),
        fact("goodput", per_second(storm.goodput_during_fault_per_s)),
        fact("failed attempts", grouped(storm.failed_attempts)),
        fact("plateau", plateau(storm)),
        fact("recovered", recovered(storm)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_told_with_its_margin() {
        let line = ThresholdLine {
            expression: "latency.p99 < 50ms".into(),
            unit: "us".into(),
            value: Some(61_000.0),
            margin: Some(-11_000.0),
            ..ThresholdLine::default()
        };
        let row = threshold(&line);
        assert_eq!((row.value.as_str(), row.margin.as_str(), row.word), ("61.0 ms", "11.0 ms too much", "broken"));
        let row = threshold(&ThresholdLine { margin: Some(2_000.0), passed: true, ..line.clone() });
        assert_eq!((row.margin.as_str(), row.word, row.is_wrong), ("2.00 ms of room", "kept", false));
        let row = threshold(&ThresholdLine { value: None, margin: None, ..line });
        assert_eq!((row.value.as_str(), row.word, row.is_wrong), ("-", "not measured", true));
    }

    #[test]
    fn changed_statuses_have_a_row_each_and_none_is_lost() {
        let line = |answered, count, refused| {
            TransitionLine { recorded: 200, answered, count, refused, accepted: refused == 0 }
        };
        let transitions = (0..50).map(|n| line(300 + n, 10, u64::from(n == 1))).collect();
        let rows = super::transitions(&RunReport { transitions, ..RunReport::default() });
        assert_eq!((rows.len(), rows[0].name.as_str(), rows[1].is_wrong), (41, "200 \u{2192} 300", true));
        assert_eq!((rows[40].name.as_str(), rows[40].count.as_str()), ("(others)", "100"));
    }
}
