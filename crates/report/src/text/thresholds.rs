//! Thresholds in words: what was asked, what came of it, and how near it was.

use super::format::{TextPage, counted, micros, per_second, safe, shortened, whole};
use crate::threshold::MeasureUnit;
use crate::{AbortLine, Relation, RunReport, ThresholdLine};
use downpour_core::units::grouped;

/// Columns of an expression, and of a value.
const EXPRESSION: usize = 35;
const VALUE: usize = 11;

pub(super) fn write(report: &RunReport, page: &mut TextPage) {
    if report.thresholds.is_empty() {
        return;
    }
    page.heading("Thresholds");
    for line in &report.thresholds {
        let expression = safe(&line.expression);
        let (word, value) = (word(line), value(line));
        let shown = shortened(&expression, EXPRESSION);
        page.line(&format!("  {word:<8} {shown:<EXPRESSION$} {value:>VALUE$}  {}", room(line)));
        if shown != expression {
            page.wrapped(10, &expression);
        }
        for note in [window(line), few(line)].into_iter().flatten() {
            page.wrapped(10, &note);
        }
    }
}

/// What came of it, in a word.
pub(crate) const fn word(line: &ThresholdLine) -> &'static str {
    if line.passed { "met" } else { "VIOLATED" }
}

/// What was measured.
pub(crate) fn value(line: &ThresholdLine) -> String {
    line.value.map_or_else(|| "-".to_owned(), |value| in_unit(value, &line.unit))
}

/// How much room was left, or how much it was too much.
pub(crate) fn room(line: &ThresholdLine) -> String {
    let Some(margin) = line.margin else {
        return match line.over_s {
            Some(seconds) => format!("no window of {} s", grouped(seconds)),
            None => "no samples".to_owned(),
        };
    };
    let relation = Relation::ALL.into_iter().find(|relation| relation.sign() == line.relation);
    let by = in_unit(margin.abs(), &line.unit);
    match relation {
        Some(Relation::Is | Relation::IsNot) | None if line.passed => String::new(),
        Some(Relation::Is) => format!("off by {by}"),
        Some(Relation::IsNot) | None => String::new(),
        Some(_) if line.passed => format!("{by} to spare"),
        Some(_) if margin >= 0.0 => "on the bound".to_owned(),
        Some(Relation::Below | Relation::AtMost) => format!("{by} too high"),
        Some(Relation::Above | Relation::AtLeast) => format!("{by} too low"),
    }
}

/// Where it was worst.
pub(crate) fn window(line: &ThresholdLine) -> Option<String> {
    let window = line.worst_window?;
    let worst = if line.passed { "closest" } else { "worst" };
    Some(format!("{worst} window: second {} to {}", grouped(window.from_s), grouped(window.to_s)))
}

/// That there were too few samples for its percentile.
pub(crate) fn few(line: &ThresholdLine) -> Option<String> {
    let samples = counted(line.few_samples?, "sample");
    let percentile = line.measure.split_once('.').map_or("a percentile", |(_, percentile)| percentile);
    Some(format!("{samples}: too few for {}, judged by the highest", safe(percentile)))
}

/// Why a run ended itself. Where the rate changes, that of the moment is told.
pub(crate) fn aborted(report: &RunReport, why: &AbortLine) -> String {
    let value = in_unit(why.value, &why.unit);
    let rate = match why.offered_per_s {
        Some(offered) if !report.plan.stages.is_empty() => format!(" at {}/s", grouped(offered)),
        Some(_) | None => String::new(),
    };
    format!("ended after {} s{rate}: {} came true ({value})", grouped(why.at_s), safe(&why.expression))
}

/// A number in the unit of that name, as `run.json` has both.
pub(crate) fn in_unit(value: f64, unit: &str) -> String {
    match MeasureUnit::from_name(unit) {
        Some(MeasureUnit::Micros) => micros(whole(value)),
        Some(MeasureUnit::Count) => grouped(whole(value)),
        Some(MeasureUnit::Share) => percent(value),
        Some(MeasureUnit::PerSecond) => per_second(value),
        Some(MeasureUnit::Ratio) => format!("{value:.2}"),
        None => format!("{value}"),
    }
}

/// A share to a thousandth of a per cent. Never rounds something to nothing,
/// nor almost all to all.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.0005 {
        return "< 0.001 %".to_owned();
    }
    if (99.9995..100.0).contains(&percent) {
        return "> 99.999 %".to_owned();
    }
    let digits = format!("{percent:.3}");
    format!("{} %", digits.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A threshold as it would be read from `run.json`.
    fn line(
        (expression, relation, unit): (&str, &str, &str),
        value: Option<f64>,
        bound: f64,
    ) -> ThresholdLine {
        let parsed = Relation::ALL.into_iter().find(|known| known.sign() == relation).unwrap();
        let ceiling = matches!(parsed, Relation::Below | Relation::AtMost);
        let room = |value: f64| if ceiling { bound - value } else { value - bound };
        ThresholdLine {
            expression: expression.to_owned(),
            relation: relation.to_owned(),
            unit: unit.to_owned(),
            value,
            bound,
            margin: value.map(|value| if parsed == Relation::Is { -room(value).abs() } else { room(value) }),
            passed: value.is_some_and(|value| parsed.holds(value, bound)),
            ..ThresholdLine::default()
        }
    }

    #[track_caller]
    fn check(line: &ThresholdLine, told: &str) {
        let report = RunReport { thresholds: vec![line.clone()], ..RunReport::default() };
        let mut page = TextPage::default();
        write(&report, &mut page);
        let text = page.into_text();
        assert_eq!(text.trim_start_matches("\nThresholds\n"), told);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn a_threshold_has_a_line() {
        let latency = ("latency.p99 < 50ms", "<", "us");
        check(
            &line(latency, Some(12_400.0), 50_000.0),
            "  met      latency.p99 < 50ms                      12.4 ms  37.6 ms to spare\n",
        );
        check(
            &line(latency, Some(61_200.0), 50_000.0),
            "  VIOLATED latency.p99 < 50ms                      61.2 ms  11.2 ms too high\n",
        );
        check(
            &line(latency, Some(50_000.0), 50_000.0),
            "  VIOLATED latency.p99 < 50ms                      50.0 ms  on the bound\n",
        );
        check(
            &line(latency, None, 50_000.0),
            "  VIOLATED latency.p99 < 50ms                            -  no samples\n",
        );
        check(
            &line(("completed.per_s >= 4.7k", ">=", "per_s"), Some(4_600.0), 4_700.0),
            "  VIOLATED completed.per_s >= 4.7k                 4,600/s  100/s too low\n",
        );
        check(
            &line(("fault(dns.nxdomain) == 0", "==", "count"), Some(3.0), 0.0),
            "  VIOLATED fault(dns.nxdomain) == 0                      3  off by 3\n",
        );
        check(
            &line(("fault(dns.nxdomain) == 0", "==", "count"), Some(0.0), 0.0),
            "  met      fault(dns.nxdomain) == 0                      0\n",
        );
    }

    #[test]
    fn a_window_is_told_and_a_long_expression_twice() {
        let expression = "fault(target.tls_certificate).rate over 10m <= 0.1%";
        let worst_window = Some(crate::WindowLine { from_s: 1_200, to_s: 1_800 });
        let long = line((expression, "<=", "share"), Some(0.000_25), 0.001);
        check(
            &ThresholdLine { over_s: Some(600), worst_window, ..long },
            "  met      fault(target.tls_certi...0m <= 0.1%     0.025 %  0.075 % to spare\n          \
             fault(target.tls_certificate).rate over 10m <= 0.1%\n          \
             closest window: second 1,200 to 1,800\n",
        );
        let few = ThresholdLine {
            measure: "latency.p99.9".to_owned(),
            few_samples: Some(5),
            ..line(("latency.p99.9 < 50ms", "<", "us"), Some(61_200.0), 50_000.0)
        };
        check(
            &few,
            "  VIOLATED latency.p99.9 < 50ms                    61.2 ms  11.2 ms too high\n          \
             5 samples: too few for p99.9, judged by the highest\n",
        );
        let hostile = ThresholdLine { expression: "\u{1b}[2J".to_owned(), ..ThresholdLine::default() };
        check(&hostile, "  VIOLATED ?[2J                                          -  no samples\n");
    }

    #[test]
    fn a_share_is_told_to_a_thousandth_of_a_per_cent() {
        for (share, told) in [
            (0.0, "0 %"),
            (0.000_001, "< 0.001 %"),
            (0.041, "4.1 %"),
            (0.999_999, "> 99.999 %"),
            (1.0, "100 %"),
        ] {
            assert_eq!(percent(share), told);
        }
    }
}
