//! The sections that only some runs have: a storm, and recorded against answered
//! statuses.

use super::facts::Fact;
use super::shown;
use crate::text::format::{per_second, share};
use crate::text::storm::{counted_s, plateau, recovered};
use crate::{ClientLine, RunReport, TransitionLine};
use downpour_core::units::grouped;
use std::cmp::Reverse;

/// Pairs of statuses that are shown.
const ROWS_SHOWN: usize = 40;

/// The longest name of a client.
const CLIENT_COLUMNS: usize = 60;

/// Downloads offered, recovered and failed, retries and amplification of one
/// kind of client.
pub(super) struct ClientRow {
    pub(super) name: String,
    pub(super) cells: [String; 5],
}

/// Answers with one recorded and one answered status.
pub(super) struct TransitionRow {
    pub(super) name: String,
    pub(super) count: String,
    pub(super) share: String,
    pub(super) refused: String,
    pub(super) is_wrong: bool,
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
    if rows.is_empty() {
        return rows;
    }
    let made_up = left_out.recorded_none_by_status.iter().take(ROWS_SHOWN);
    rows.extend(made_up.map(|(status, &count)| {
        let name = match status.as_str() {
            "none" => "nothing recorded".to_owned(),
            status => format!("{}, not sent by a server", shown(status, 60)),
        };
        let (share, refused) = (String::new(), String::new());
        TransitionRow { name, count: grouped(count), share, refused, is_wrong: false }
    }));
    rows
}

/// The kinds of clients, those first of whom most was asked.
pub(super) fn mix(report: &RunReport) -> Vec<ClientRow> {
    let Some(retries) = &report.retries else { return Vec::new() };
    let mut lines: Vec<_> = retries.clients.iter().collect();
    lines.sort_by_key(|(name, line)| (Reverse(line.offered), name.as_str()));
    let row = |(name, line): (&String, &ClientLine)| {
        let [offered, recovered, failed, retries] =
            [line.offered, line.recovered, line.failed, line.retries].map(grouped);
        let amplification = format!("{:.2}", line.amplification);
        ClientRow {
            name: shown(name, CLIENT_COLUMNS),
            cells: [offered, recovered, failed, retries, amplification],
        }
    };
    lines.into_iter().map(row).collect()
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
        fact("good", per_second(storm.goodput_during_fault_per_s)),
        fact("failed attempts", grouped(storm.failed_attempts)),
        fact("plateau", plateau(storm)),
        fact("recovered", recovered(storm, counted_s(report))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_statuses_have_a_row_each_and_none_is_lost() {
        let line = |answered, count, refused| TransitionLine {
            recorded: 200,
            answered,
            count,
            refused,
            accepted: refused == 0,
        };
        let transitions = (0..50).map(|n| line(300 + n, 10, u64::from(n == 1))).collect();
        let rows = super::transitions(&RunReport { transitions, ..RunReport::default() });
        assert_eq!((rows.len(), rows[0].name.as_str(), rows[1].is_wrong), (41, "200 \u{2192} 300", true));
        assert_eq!((rows[40].name.as_str(), rows[40].count.as_str()), ("(others)", "100"));
    }
}
