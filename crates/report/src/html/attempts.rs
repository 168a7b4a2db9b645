//! What clients did about failures: how many tries downloads took, as bars, and
//! what came of it, in sentences.

use super::shown;
use crate::text::format::{counted, share};
use crate::{RetriesSection, RunReport};
use downpour_core::units::{approximate, grouped};
use std::collections::BTreeMap;

/// Bars of single numbers of tries; the rest is one.
const BARS: u32 = 6;

/// Kinds of failure and reasons named.
const NAMED: usize = 10;

/// Tries by how many a download took.
pub(super) struct AttemptsChart {
    pub(super) bars: Vec<Bar>,
    pub(super) sentences: Vec<String>,
}

/// How many of all downloads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) count: String,
    pub(super) share: String,
    /// Its length in hundredths of the longest possible.
    pub(super) length: String,
    pub(super) is_wrong: bool,
}

impl AttemptsChart {
    pub(super) fn of(report: &RunReport) -> Option<Self> {
        let retries = report.retries.as_ref()?;
        Some(Self { bars: bars(retries, report), sentences: sentences(retries, report) })
    }
}

fn bars(retries: &RetriesSection, report: &RunReport) -> Vec<Bar> {
    let all = retries.by_attempts.values().fold(0_u64, |sum, &count| sum.saturating_add(count));
    let bar = |name: String, count: u64, is_wrong| Bar {
        name,
        count: grouped(count),
        share: share(count, all),
        length: format!("{:.1}", (100.0 * approximate(count) / approximate(all.max(1))).min(100.0)),
        is_wrong,
    };
    let single = retries.by_attempts.range(..=BARS);
    let mut bars: Vec<_> = single.map(|(&tries, &count)| bar(name(tries), count, false)).collect();
    let more =
        retries.by_attempts.range(BARS + 1..).fold(0_u64, |sum, (_, &count)| sum.saturating_add(count));
    bars.extend((more > 0).then(|| bar(format!("more than {BARS} attempts"), more, false)));
    bars.push(bar("gave up".to_owned(), report.arrivals.failed, report.arrivals.failed > 0));
    bars
}

fn name(tries: u32) -> String {
    counted(tries.into(), "attempt")
}

fn sentences(retries: &RetriesSection, report: &RunReport) -> Vec<String> {
    let arrivals = &report.arrivals;
    let met = arrivals.recovered.saturating_add(arrivals.failed);
    let mut told = Vec::new();
    told.extend((met > 0).then(|| {
        format!(
            "{} of {} with a failed attempt recovered ({}).",
            grouped(arrivals.recovered),
            counted(met, "download"),
            share(arrivals.recovered, met)
        )
    }));
    told.extend((!retries.ended.is_empty()).then(|| {
        let each = list(&retries.ended, |why, count| format!("{} {}", grouped(count), reason(why)));
        format!("Gave up: {each}.")
    }));
    told.extend((!retries.retried_failures.is_empty()).then(|| {
        let each = list(&retries.retried_failures, |fault, count| {
            format!("{} of {}", grouped(count), shown(fault, 60))
        });
        format!("Failed attempts that were retried: {each}.")
    }));
    told.extend((retries.redirects_hidden_by_retries > 0).then(|| {
        let redirects = counted(retries.redirects_hidden_by_retries, "wrong redirect");
        format!("Retries hid {redirects} from users; the redirects are still wrong.")
    }));
    told.extend(
        (retries.shed > 0).then(|| {
            format!("Retries not sent, because too many were in flight: {}.", grouped(retries.shed))
        }),
    );
    told
}

fn list(counts: &BTreeMap<String, u64>, told: impl Fn(&str, u64) -> String) -> String {
    let each = counts.iter().take(NAMED).map(|(name, &count)| told(name, count));
    each.collect::<Vec<_>>().join(", ")
}

/// Why no further attempt was made, as the end of "so many ...".
fn reason(id: &str) -> String {
    let known = match id {
        "not_retried" => "on a failure that their client does not retry",
        "exhausted" => "after the last attempt of their client",
        "retry_after" => "because Retry-After was longer than their client waits",
        "budget" => "because their client's retry budget was spent",
        "aborted" => "because an earlier failure had ended their session",
        other => return shown(other, 60),
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Arrivals;

    #[test]
    fn tries_are_bars_and_sentences_without_keys_and_fractions() {
        let retries = RetriesSection {
            by_attempts: [(1, 600), (2, 300), (9, 100)].into(),
            ended: [("exhausted".to_owned(), 50)].into(),
            retried_failures: [("dns.nxdomain".to_owned(), 1_200)].into(),
            recovered_share: 0.875,
            ..RetriesSection::default()
        };
        let arrivals =
            Arrivals { offered: 1_000, passed: 600, recovered: 350, failed: 50, ..Arrivals::default() };
        let report = RunReport { retries: Some(retries), arrivals, ..RunReport::default() };
        let tries = AttemptsChart::of(&report).unwrap();
        let bars: Vec<_> =
            tries.bars.iter().map(|bar| format!("{}: {}, {}", bar.name, bar.share, bar.length)).collect();
        let expected = [
            "1 attempt: 60.0 %, 60.0",
            "2 attempts: 30.0 %, 30.0",
            "more than 6 attempts: 10.0 %, 10.0",
            "gave up: 5.0 %, 5.0",
        ];
        assert_eq!(bars.iter().map(|bar| bar.replace('\u{a0}', " ")).collect::<Vec<_>>(), expected);
        let told = tries.sentences.join(" ").replace('\u{a0}', " ");
        assert_eq!(
            told,
            "350 of 400 downloads with a failed attempt recovered (87.5 %). Gave up: 50 after the last attempt \
             of their client. Failed attempts that were retried: 1,200 of dns.nxdomain."
        );
    }
}
