//! What came of a scenario beside what must: a table for people.

use super::{ExpectedOutcome, Scenario};
use downpour_core::units::{approximate, grouped};
use downpour_report::{RunReport, StormSection};

impl Scenario {
    /// The numbers of a run beside those that are known, 80 columns wide;
    /// `None` where nothing is known. A storm that was not is all zeros.
    pub fn compare_with_expected(&self, report: &RunReport) -> Option<String> {
        let expected = self.expected.as_ref()?;
        let storm = report.storm.unwrap_or_default();
        let head = row("", "this run", "expected", "");
        let rows: String = rows(&storm, expected)
            .into_iter()
            .map(|[what, found, known, verdict]| row(&what, &found, &known, &verdict))
            .collect();
        Some(format!("Compared with the known numbers\n{head}{rows}"))
    }

    /// Whether the run came out as is known; nothing is known of most.
    pub fn matches_expected(&self, report: &RunReport) -> bool {
        let storm = report.storm.unwrap_or_default();
        self.expected.as_ref().is_none_or(|expected| {
            rows(&storm, expected).iter().all(|[.., verdict]| !verdict.starts_with(OUTSIDE))
        })
    }
}

const OUTSIDE: &str = "OUTSIDE";

/// What goodput may be off by, as a part of what is asked for: what was on its
/// way when the fault began still comes out well.
const GOODPUT_NOISE: f64 = 0.001;

fn row(what: &str, found: &str, known: &str, verdict: &str) -> String {
    let line = format!("  {what:<26}{found:>12}{known:>14}   {verdict}");
    format!("{}\n", line.trim_end())
}

fn rows(storm: &StormSection, expected: &ExpectedOutcome) -> [[String; 4]; 4] {
    let tolerance = f64::from(expected.tolerance.ppm()) / 1e6;
    let off = |found: f64, known: f64| {
        let off = found / known - 1.0;
        let verdict = if off.abs() <= tolerance { "" } else { OUTSIDE };
        let gap = if verdict.is_empty() { "" } else { ": " };
        format!("{verdict}{gap}{:+.1} %", off * 100.0)
    };
    let attempts = expected.attempts.per_second_f64();
    let within = expected.recovered_within;
    let recovered = storm.time_to_recover_s;
    // Recovery is told in whole seconds, which may begin with less than one.
    let is_in_time = recovered.is_some_and(|after| approximate(after) <= within.as_secs_f64().ceil());
    let good = storm.goodput_during_fault_per_s;
    let first = storm.first_rate_during_fault_per_s;
    let is_as_good = (good - expected.goodput_per_s).abs() <= first * GOODPUT_NOISE;
    let told = |is_right: bool| if is_right { String::new() } else { OUTSIDE.to_owned() };
    [
        [
            "requests per second".to_owned(),
            per_second(storm.attempt_rate_during_fault_per_s),
            per_second(attempts),
            off(storm.attempt_rate_during_fault_per_s, attempts),
        ],
        [
            "failed requests".to_owned(),
            grouped(storm.failed_attempts),
            grouped(expected.failed_attempts),
            off(approximate(storm.failed_attempts), approximate(expected.failed_attempts)),
        ],
        [
            "good downloads per second".to_owned(),
            format!("{good:.1}"),
            format!("{:.1}", expected.goodput_per_s),
            told(is_as_good),
        ],
        [
            "seconds to recover".to_owned(),
            recovered.map_or_else(|| "never".to_owned(), grouped),
            format!("at most {}", within.as_secs_f64().ceil()),
            told(is_in_time),
        ],
    ]
}

/// Whole, but where that would hide half of it.
fn per_second(rate: f64) -> String {
    if rate < 100.0 { format!("{rate:.1}") } else { grouped(whole(rate)) }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate, for display")]
fn whole(rate: f64) -> u64 {
    rate.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(attempts: f64, failed: u64, recovered: Option<u64>) -> RunReport {
        let storm = StormSection {
            first_rate_during_fault_per_s: 1_495.0,
            attempt_rate_during_fault_per_s: attempts,
            failed_attempts: failed,
            time_to_recover_s: recovered,
            ..StormSection::default()
        };
        RunReport { storm: Some(storm), ..RunReport::default() }
    }

    #[test]
    fn each_number_stands_beside_the_known_one() {
        let incident = Scenario::built_in("incident").unwrap();
        let good = report(4_698.0, 3_670_000, Some(7));
        assert!(incident.matches_expected(&good));
        let told = incident.compare_with_expected(&good).unwrap();
        assert!(
            told.contains("\n  requests per second              4,698         4,710   -0.3 %\n"),
            "{told}"
        );
        assert!(told.contains("\n  seconds to recover                   7    at most 12\n"), "{told}");
        assert!(told.lines().all(|line| line.len() <= 80), "{told}");
        for bad in [
            report(4_500.0, 3_670_000, Some(7)),
            report(4_710.0, 0, Some(7)),
            report(4_710.0, 3_670_000, None),
        ] {
            assert!(!incident.matches_expected(&bad));
            assert!(incident.compare_with_expected(&bad).unwrap().contains("   OUTSIDE"));
        }
        assert!(!incident.matches_expected(&RunReport::default()));
        assert_eq!(Scenario::built_in("metastable").unwrap().compare_with_expected(&good), None);
    }
}
