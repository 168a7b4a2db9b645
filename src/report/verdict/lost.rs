//! Records of the trace that were lost: what was sent is then another load than
//! the recorded one.

use super::reason;
use crate::report::Reason;
use crate::trace::TraceBooks;
use crate::trace::lost::Loss;
use crate::units::grouped;

/// A run is invalid that lost more than one record of this many.
const ONE_OF: u64 = 100;

/// The widest window that is worth recommending, in seconds.
const WIDEST_S: u64 = 3_600;

/// What the trace lost, as a reason, and whether that makes a run invalid.
pub(super) fn found(trace: &TraceBooks) -> Option<(Reason, IsMuch)> {
    let is_much = trace.late.saturating_mul(ONE_OF) > trace.accepted || trace.lost.lost_kind().is_some();
    Some((lost(trace)?, if is_much { IsMuch::Yes } else { IsMuch::No }))
}

/// Whether so much was lost that what was sent is another load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IsMuch {
    Yes,
    No,
}

fn lost(trace: &TraceBooks) -> Option<Reason> {
    if trace.late == 0 {
        return None;
    }
    let of = |loss: Loss| trace.lost.by_reason.get(loss.id()).copied().unwrap_or_default();
    let reasons = [
        (of(Loss::OutOfOrder), "began before records that were already sent"),
        (of(Loss::ClockAhead), "have times ahead of the lines around them (clock_ahead)"),
        (of(Loss::ClockBehind), "have times behind the lines around them (clock_behind)"),
    ];
    let reasons = reasons.iter().filter(|(count, _)| *count > 0);
    let reasons: Vec<_> = reasons.map(|(count, what)| format!("{} {what}", grouped(*count))).collect();
    let kind = trace.lost.lost_kind().map_or_else(String::new, |kind| {
        let (lost, records) = (grouped(kind.lost), grouped(kind.records));
        format!("; of {}, {lost} of {records} are lost", kind.name)
    });
    let detail = format!(
        "{} of {} records ({}) were lost and not sent: {}{kind}",
        grouped(trace.late),
        grouped(trace.accepted),
        share(trace.late, trace.accepted),
        reasons.join(", "),
    );
    Some(reason("records_lost", detail, &remedy(trace, of(Loss::OutOfOrder))))
}

fn remedy(trace: &TraceBooks, out_of_order: u64) -> String {
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
    use crate::fault::Fault;
    use crate::report::verdict::judge_played;
    use crate::report::{Assessment, Ending, GeneratorFacts, Judgement, Plan, Verdict};
    use crate::tally::Totals;
    use crate::trace::lost::{Kind, Lost};
    use crate::units::Offset;

    fn judged(late: u64, accepted: u64, lost: Lost, allow_invalid: bool) -> Judgement {
        let mut totals = Totals::default();
        (totals.counts.arrivals.offered, totals.counts.arrivals.passed) = (100, 100);
        judged_of(&totals, late, accepted, (lost, allow_invalid))
    }

    fn judged_of(
        totals: &Totals,
        late: u64,
        accepted: u64,
        (lost, allow_invalid): (Lost, bool),
    ) -> Judgement {
        let trace = TraceBooks { accepted, late, lost, ..TraceBooks::default() };
        let plan = Plan { allow_invalid, ..Plan::default() };
        let (facts, thresholds) = (GeneratorFacts::default(), Assessment::default());
        judge_played(totals, &plan, &facts, (&Ending::Finished, &thresholds), Some(&trace))
    }

    #[test]
    fn more_than_one_of_a_hundred_makes_a_run_invalid() {
        let lost = |count| Lost {
            by_reason: [(Loss::OutOfOrder.id(), count)].into(),
            window_needed_ns: 9 * 60_000_000_000,
            ..Lost::default()
        };
        assert_eq!(judged(0, 100, Lost::default(), false).warnings, []);
        let some = judged(10, 1_000, lost(10), false);
        assert_eq!((some.verdict, some.warnings.len()), (Verdict::Passed, 1));
        let many = judged(11, 1_000, lost(11), false);
        assert_eq!(many.verdict, Verdict::Invalid);
        let reason = &many.invalid_reasons[0];
        assert_eq!(reason.id, "records_lost");
        assert_eq!(
            reason.detail,
            "11 of 1,000 records (1.1 %) were lost and not sent: 11 began before records that were already \
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
    fn so_does_a_kind_that_is_lost() {
        let long = Kind { name: "exchanges of more than 30 s".to_owned(), records: 8, lost: 8 };
        let by_reason = [(Loss::OutOfOrder.id(), 8), (Loss::ClockAhead.id(), 1)].into();
        let judgement = judged(9, 100_000, Lost { by_reason, long, ..Lost::default() }, false);
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
