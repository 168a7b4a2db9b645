//! Where answered statuses differ from the recorded ones.

use super::format::{TextPage, of, share};
use super::listed;
use crate::{RunReport, TransitionLine};
use downpour_core::units::grouped;

/// Pairs of statuses shown.
const PAIRS_SHOWN: usize = 8;

/// Nothing is said of a log without statuses.
pub(super) fn write(report: &RunReport, page: &mut TextPage) {
    let left_out = &report.transitions_left_out;
    if report.transitions.is_empty() {
        return;
    }
    page.heading("Recorded and answered status");
    let (same, mut changed): (Vec<&TransitionLine>, Vec<_>) =
        report.transitions.iter().partition(|line| line.recorded == line.answered);
    let compared: u64 = report.transitions.iter().map(|line| line.count).sum::<u64>() + left_out.other;
    let mut row = |what: &str, count: u64, refused: u64| {
        let wrong = if refused == 0 { String::new() } else { of(refused, "wrong") };
        page.line(&format!("  {what:<12}{:>12}  {:>8}  {wrong}", grouped(count), share(count, compared)));
    };
    let sum = |lines: &[&TransitionLine], of: fn(&TransitionLine) -> u64| -> u64 {
        lines.iter().map(|line| of(line)).sum()
    };
    row("the same", sum(&same, |line| line.count), sum(&same, |line| line.refused));
    let rest = changed.split_off(changed.len().min(PAIRS_SHOWN));
    for line in changed {
        row(&format!("{} -> {}", line.recorded, line.answered), line.count, line.refused);
    }
    let others = sum(&rest, |line| line.count) + left_out.other;
    if others > 0 {
        row("(others)", others, sum(&rest, |line| line.refused) + left_out.other_refused);
    }
    if left_out.recorded_none > 0 {
        let why = listed(&left_out.recorded_none_by_status);
        page.line(&format!("  {:<12}{:>12}  {why}", "no answer", grouped(left_out.recorded_none)));
    }
}
