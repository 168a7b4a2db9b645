//! What clients did about failures, as it is published.

use super::{RunReport, StormSection};
use downpour_core::agent::ClientKind;
use downpour_core::units::approximate;
use downpour_load::client::GiveUp;
use downpour_metrics::{ClientCounts, Counts, DownloadEnd, Storm, StormSeries};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;

/// What modelled clients did after failures: the section `retries` of
/// `run.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RetriesSection {
    /// Downloads that ended, by number of attempts.
    pub by_attempts: BTreeMap<u32, u64>,
    /// Failed downloads, by the reason why no further attempt was made.
    pub ended: BTreeMap<String, u64>,
    /// The same by client model, if each record has its own client.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub clients: BTreeMap<String, ClientLine>,
    /// Failed attempts that were retried, by fault.
    pub retried_failures: BTreeMap<String, u64>,
    /// Those of them that were wrong redirects.
    pub redirects_hidden_by_retries: u64,
    /// Retries that were not sent, because `--max-in-flight` was reached.
    pub shed: u64,
    /// Downloads without a further attempt, because the retry budget was spent.
    pub budget_exhausted: u64,
    /// The share of downloads with a failed attempt that recovered.
    pub recovered_share: f64,
    /// Downloads that waited for a retry when the run ended. They count as
    /// failed, with the fault of their last attempt.
    pub waiting_at_end: u64,
    /// The longest wait that a `Retry-After` field named and whose client would
    /// retry, in seconds; null if there was none.
    pub retry_after_max_s: Option<f64>,
}

/// The downloads of the clients that follow one model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ClientLine {
    /// Downloads offered by the schedule.
    pub offered: u64,
    /// Good at the first attempt.
    pub passed: u64,
    /// Good after a retry.
    pub recovered: u64,
    /// The last attempt failed.
    pub failed: u64,
    /// Not sent: `--max-in-flight` was reached.
    pub shed: u64,
    /// Not ended when the run ended.
    pub unfinished: u64,
    /// First attempts.
    pub first: u64,
    /// Retries.
    pub retries: u64,
    /// Attempts divided by first attempts; 1 if there was no first attempt.
    pub amplification: f64,
}

impl From<&ClientCounts> for ClientLine {
    fn from(counts: &ClientCounts) -> Self {
        let &ClientCounts { arrivals, first, retries } = counts;
        Self {
            offered: arrivals.offered,
            passed: arrivals.passed,
            recovered: arrivals.recovered,
            failed: arrivals.failed,
            shed: arrivals.shed,
            unfinished: arrivals.unfinished,
            first,
            retries,
            amplification: if first == 0 { 1.0 } else { approximate(first + retries) / approximate(first) },
        }
    }
}

impl RunReport {
    /// Adds what clients did about failures, and the storm they made, if any;
    /// nothing where no client was modelled, and so no `series` kept.
    #[must_use]
    pub fn with_retries(mut self, counts: &Counts, series: Option<&StormSeries>) -> Self {
        let Some(series) = series else { return self };
        let (counts, mix) = (&counts.retries, &counts.clients);
        let failed_attempts = self.failed_attempts();
        let storm = Storm::of(series, None).map(|storm| Storm { failed_attempts, ..storm });
        self.storm = storm.as_ref().map(StormSection::from);
        let hidden =
            counts.hidden_by_retries.seen().map(|(fault, entry)| (fault.id().to_owned(), entry.count));
        let met = self.arrivals.recovered + self.arrivals.failed;
        self.retries = Some(RetriesSection {
            by_attempts: counts.by_attempts.clone(),
            ended: counts.ended.iter().map(|(why, &count)| (why.id().to_owned(), count)).collect(),
            retried_failures: hidden.collect(),
            clients: mix.iter().map(|(kind, of)| (self.name_of(kind), ClientLine::from(of))).collect(),
            redirects_hidden_by_retries: counts.redirects_hidden_by_retries(),
            waiting_at_end: counts.waiting_at_end,
            retry_after_max_s: counts.retry_after_max.map(|wait| wait.as_secs_f64()),
            shed: counts.shed(),
            budget_exhausted: counts.count_of(DownloadEnd::GaveUp(GiveUp::Budget)),
            recovered_share: if met == 0 {
                0.0
            } else {
                approximate(self.arrivals.recovered) / approximate(met)
            },
        });
        self
    }
}

impl RunReport {
    /// Counts the storm from when the fault was planned to begin to when it was
    /// planned to end, and not by what was seen of it.
    #[must_use]
    pub fn with_storm_within(mut self, series: &StormSeries, fault: Range<u64>) -> Self {
        let failed_attempts = self.failed_attempts();
        let storm = Storm::of(series, Some(fault)).map(|storm| Storm { failed_attempts, ..storm });
        self.storm = storm.as_ref().map(StormSection::from);
        self
    }

    fn name_of(&self, kind: ClientKind) -> String {
        let own = kind.user_defined_index().and_then(|place| self.plan.own_clients.get(place));
        own.map_or_else(|| kind.preset().to_owned(), Clone::clone)
    }

    /// Over the whole run: a verdict may come a second after its attempt.
    fn failed_attempts(&self) -> u64 {
        let good = self.arrivals.passed + self.arrivals.recovered;
        self.attempts.total.saturating_sub(self.attempts.unfinished + good)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downpour_core::fault::Fault;
    use downpour_core::units::Offset;
    use downpour_metrics::StormSecond;

    #[test]
    fn what_clients_did_is_told_by_stable_names() {
        let mut all = Counts::default();
        let counts = &mut all.retries;
        for why in
            [DownloadEnd::GaveUp(GiveUp::Budget), DownloadEnd::Shed, DownloadEnd::Shed, DownloadEnd::Hop]
        {
            counts.finished(2);
            counts.ended(why);
        }
        counts.finished(1);
        counts.hidden_attempt(Fault::DnsNxdomain, Offset::ZERO);
        counts.hidden_attempt(Fault::StatusServerError, Offset::ZERO);
        let pip = all.clients.of(ClientKind::of(b"pip/25.0"));
        (pip.arrivals.failed, pip.first, pip.retries) = (3, 4, 6);
        let mut report = RunReport::default();
        (report.arrivals.recovered, report.arrivals.failed) = (12, 4);
        let report = report.with_retries(&all, Some(&StormSeries::default()));
        let retries = report.retries.unwrap();
        assert_eq!(
            (report.storm, retries.redirects_hidden_by_retries, retries.shed, retries.budget_exhausted),
            (None, 1, 2, 1)
        );
        assert_eq!(retries.by_attempts, [(1, 1), (2, 4)].into());
        let ended: Vec<_> = retries.ended.iter().map(|(why, &count)| (why.as_str(), count)).collect();
        assert_eq!(ended, [("budget", 1), ("hop", 1), ("shed", 2)]);
        let pip = retries.clients["pip"];
        assert_eq!((retries.clients.len(), pip.failed, pip.retries), (1, 3, 6));
        assert!((pip.amplification - 2.5).abs() < 1e-9);
        assert!((retries.recovered_share - 0.75).abs() < 1e-9);
        assert_eq!(RunReport::default().with_retries(&all, None), RunReport::default());
    }

    #[test]
    fn a_planned_fault_lasts_as_long_as_planned() {
        let mut series = StormSeries::default();
        for second in 0..20 {
            let failed_attempts = if second < 15 { 10 } else { 0 };
            let passed = 10 - failed_attempts;
            series.add(second, StormSecond { first: 10, attempts: 10, passed, failed_attempts });
        }
        let mut report = RunReport::default();
        (report.attempts.total, report.arrivals.passed) = (200, 50);
        let storm = report.with_storm_within(&series, 2..10).storm.unwrap();
        assert_eq!((storm.fault_from_s, storm.fault_to_s, storm.failed_attempts), (2, 10, 150));
        assert_eq!(storm.time_to_recover_s, Some(5));
    }

    #[test]
    fn a_run_that_failed_had_a_storm() {
        let mut series = StormSeries::default();
        series.add(0, StormSecond { first: 10, attempts: 30, passed: 0, failed_attempts: 30 });
        let mut report = RunReport::default();
        report.attempts.total = 30;
        let report = report.with_retries(&Counts::default(), Some(&series));
        let storm = report.storm.unwrap();
        assert_eq!((storm.failed_attempts, storm.time_to_recover_s), (30, None));
        assert!((storm.amplification_during_fault - 3.0).abs() < 1e-9);
    }
}
