//! Records of the trace that were lost: what was sent is then another load than
//! the recorded one.

use super::{InvalidReason, invalid_reason};
use crate::Reason;
use downpour_core::units::grouped;
use downpour_trace::TraceAccounting;
use downpour_trace::losses::LossReason;

/// The widest window that is worth recommending, in seconds.
const WIDEST_S: u64 = 3_600;

/// What the trace lost, as a reason, and whether that makes a run invalid.
pub(super) fn assess(trace: &TraceAccounting) -> Option<(Reason, LossSeverity)> {
    let severity = if trace.is_much_lost() { LossSeverity::Significant } else { LossSeverity::Minor };
    Some((loss_reason(trace)?, severity))
}

/// Whether so much was lost that what was sent is another load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LossSeverity {
    Significant,
    Minor,
}

fn loss_reason(trace: &TraceAccounting) -> Option<Reason> {
    if trace.late == 0 {
        return None;
    }
    let of = |loss: LossReason| trace.lost.by_reason.get(loss.id()).copied().unwrap_or_default();
    let reasons = [
        (of(LossReason::OutOfOrder), "began before records that were already sent"),
        (of(LossReason::ClockAhead), "have times ahead of the lines around them (clock_ahead)"),
        (of(LossReason::ClockBehind), "have times behind the lines around them (clock_behind)"),
    ];
    let reasons = reasons.iter().filter(|(count, _)| *count > 0);
    let reasons: Vec<_> = reasons.map(|(count, what)| format!("{} {what}", grouped(*count))).collect();
    let kind = trace.lost.mostly_lost_group().map_or_else(String::new, |kind| {
        let (lost, records) = (grouped(kind.lost), grouped(kind.records));
        format!("; of {}, {lost} of {records} are lost", kind.name)
    });
    let detail = format!(
        "{} of {} records to be replayed ({}) were lost and not sent: {}{kind}",
        grouped(trace.late),
        grouped(trace.to_be_replayed()),
        share(trace.late, trace.to_be_replayed()),
        reasons.join(", "),
    );
    Some(invalid_reason(InvalidReason::RecordsLost, detail, &remedy(trace, of(LossReason::OutOfOrder))))
}

fn remedy(trace: &TraceAccounting, out_of_order: u64) -> String {
    let clocks = (out_of_order < trace.late)
        .then_some("correct the times of machines whose clock or time zone is wrong, or omit their logs");
    let order = (out_of_order > 0).then(|| {
        let needed_s = trace.lost.window_needed_ns.div_ceil(1_000_000_000) + 1;
        let window = match needed_s {
            ..=120 => format!("--reorder-window {needed_s}s"),
            _ => format!("--reorder-window {}m", needed_s.div_ceil(60)),
        };
        let files = "pass the files one by one instead of joined with cat, or sort the log by time";
        if needed_s <= WIDEST_S { format!("{files}, or add {window}") } else { files.to_owned() }
    });
    [order.as_deref(), clocks].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// A share of records, never rounded to nothing.
fn share(part: u64, whole: u64) -> String {
    let tenths = part.saturating_mul(1_000).checked_div(whole).unwrap_or_default();
    match tenths {
        0 => "less than 0.1 %".to_owned(),
        1..100 => format!("{}.{} %", tenths / 10, tenths % 10),
        _ => format!("{} %", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::judge_played;
    use crate::{Assessment, Ending, GeneratorFacts, Plan, RunJudgement, Verdict};
    use downpour_core::fault::Fault;
    use downpour_core::units::Offset;
    use downpour_metrics::Totals;
    use downpour_trace::losses::{LossCounts, LossGroup};

    fn judged(late: u64, accepted: u64, lost: LossCounts, allow_invalid: bool) -> RunJudgement {
        let mut totals = Totals::default();
        (totals.counts.arrivals.offered, totals.counts.arrivals.passed) = (100, 100);
        judged_of(&totals, late, accepted, (lost, allow_invalid))
    }

    fn judged_of(
        totals: &Totals,
        late: u64,
        accepted: u64,
        (lost, allow_invalid): (LossCounts, bool),
    ) -> RunJudgement {
        let trace = TraceAccounting { accepted, late, lost, ..TraceAccounting::default() };
        let plan = Plan { allow_invalid, ..Plan::default() };
        let (facts, thresholds) = (GeneratorFacts::default(), Assessment::default());
        judge_played(totals, &plan, &facts, (&Ending::Finished, &thresholds), Some(&trace))
    }

    #[test]
    fn more_than_one_of_a_hundred_makes_a_run_invalid() {
        let lost = |count| LossCounts {
            by_reason: [(LossReason::OutOfOrder.id(), count)].into(),
            window_needed_ns: 9 * 60_000_000_000,
            ..LossCounts::default()
        };
        assert_eq!(judged(0, 100, LossCounts::default(), false).warnings, []);
        let some = judged(10, 1_000, lost(10), false);
        assert_eq!((some.verdict, some.warnings.len()), (Verdict::Passed, 1));
        let many = judged(11, 1_000, lost(11), false);
        assert_eq!(many.verdict, Verdict::Invalid);
        let reason = &many.invalid_reasons[0];
        assert_eq!(reason.id, "records_lost");
        assert_eq!(
            reason.detail,
            "11 of 1,000 records to be replayed (1.1 %) were lost and not sent: 11 began before records that were already \
             sent"
        );
        assert!(
            reason.remedy.ends_with("joined with cat, or sort the log by time, or add --reorder-window 10m")
        );
        // What failed has failed whatever was lost.
        let mut totals = Totals::default();
        (totals.counts.arrivals.offered, totals.counts.arrivals.failed) = (1, 1);
        totals.counts.faults.count(Fault::DnsNxdomain, Offset::ZERO);
        let failed = judged_of(&totals, 11, 1_000, (lost(11), false));
        assert_eq!((failed.verdict, failed.timing_valid), (Verdict::Failed, false));
        let allowed = judged(11, 1_000, lost(11), true);
        assert_eq!((allowed.verdict, allowed.warnings.len()), (Verdict::Passed, 1));
    }

    #[test]
    fn what_is_filtered_is_no_part_of_the_load() {
        let books = |filtered| TraceAccounting {
            accepted: 10_000,
            late: 90,
            filtered: [("method", filtered)].into(),
            ..TraceAccounting::default()
        };
        assert_eq!(assess(&books(0)).unwrap().1, LossSeverity::Minor);
        let (reason, is_much) = assess(&books(9_500)).unwrap();
        assert_eq!(is_much, LossSeverity::Significant);
        assert!(
            reason.detail.starts_with("90 of 500 records to be replayed (18 %) were lost"),
            "{}",
            reason.detail
        );
    }

    #[test]
    fn so_does_a_kind_that_is_lost() {
        let long = LossGroup { name: "exchanges of more than 30 s".to_owned(), records: 8, lost: 8 };
        let by_reason = [(LossReason::OutOfOrder.id(), 8), (LossReason::ClockAhead.id(), 1)].into();
        let judgement = judged(9, 100_000, LossCounts { by_reason, long, ..LossCounts::default() }, false);
        let reason = &judgement.invalid_reasons[0];
        assert!(
            reason.detail.ends_with("of exchanges of more than 30 s, 8 of 8 are lost"),
            "{}",
            reason.detail
        );
        assert!(reason.detail.contains("(less than 0.1 %)"), "{}", reason.detail);
        assert!(reason.remedy.contains("time zone is wrong"), "{}", reason.remedy);
    }
}
