//! The tiers after DNS: a redirect that nothing speaks against goes on to its
//! target, which is asked for once and remembered.
//!
//! A target that the budget left out does not fail the arrival, since nothing
//! is known against it; nor is it passed over in silence: it is counted, and
//! the report says so before its verdict.

use super::json_variant::JsonVariant;
use super::{JudgedAttempt, Ledger};
use crate::engine::coverage::{self, Tiers};
use downpour_core::units::Offset;
use downpour_metrics::{Coverage, Leads, Unchecked};
use downpour_verify::Tier;
use downpour_verify::catalog::CatalogMatch;
use downpour_verify::finding::{Finding, Level};
use downpour_verify::json::ExpectedJson;
use downpour_verify::probe::net::ProbeHandle;
use downpour_verify::probe::sample::ProbeSampling;
use downpour_verify::probe::{
    ExpectedFile, ProbeDepth, ProbeExpectation, ProbeRequest, TargetKey, TargetVerdict,
};
use downpour_verify::single_flight::CacheReply;
use downpour_verify::targets::{TargetAnswer, TargetCache, WORKER_BOUNDS};
use tokio::sync::mpsc;

/// Most answers about targets that wait for a worker to take them.
pub(crate) const TARGET_ANSWERS: usize = 1_024;

/// A worker's way to the thread that checks targets, and what it has heard.
pub(crate) struct TargetChecker {
    handle: ProbeHandle,
    reply: mpsc::Sender<TargetAnswer>,
    /// `None` where targets are not asked, and the other form of redirects is.
    probe_depth: Option<ProbeDepth>,
    sampling: ProbeSampling,
    cache: TargetCache<WaitingRedirect>,
}

/// A redirect that waits to be known.
#[derive(Debug)]
pub(super) struct WaitingRedirect {
    pub(super) case: JudgedAttempt,
    /// `None` for the candidate itself.
    pub(super) host: Option<Box<str>>,
    pub(super) check: PendingCheck,
}

/// What a redirect waits for.
#[derive(Debug)]
pub(super) enum PendingCheck {
    /// Its target.
    Target,
    /// Its other form; how far it was judged otherwise, and what another place
    /// there does to the run.
    Json(Tiers, Level),
}

impl TargetChecker {
    pub(crate) fn new(
        handle: ProbeHandle,
        reply: mpsc::Sender<TargetAnswer>,
        reach: Option<ProbeDepth>,
        sampling: ProbeSampling,
    ) -> Self {
        Self { handle, reply, probe_depth: reach, sampling, cache: TargetCache::new(WORKER_BOUNDS) }
    }

    pub(super) const fn parked(&self) -> usize {
        self.cache.parked()
    }

    /// Whether targets are asked.
    pub(super) const fn probes_targets(&self) -> bool {
        self.probe_depth.is_some()
    }

    /// Whether redirects back to the candidate are followed.
    pub(super) fn follows_own_redirects(&self) -> bool {
        self.probes_targets() && self.handle.reaches_candidate()
    }
}

impl Ledger {
    /// A redirect to `host`, or back to the candidate, was judged as far as
    /// `tiers` say: its download is over, or its other json is looked at.
    pub(super) fn judged(&mut self, mut case: JudgedAttempt, host: Option<&str>, tiers: Tiers, now: Offset) {
        if let JsonVariant::Pending(member, level) = &case.json {
            let (member, level) = (member.clone(), *level);
            if let Some(question) = self.json_probe(&case, member) {
                let waiting = WaitingRedirect {
                    case,
                    host: host.map(Into::into),
                    check: PendingCheck::Json(tiers, level),
                };
                return self.probe(question, waiting, now);
            }
            case.json.abandon(Unchecked::NoLocation);
        }
        let mut redirect = case.redirect(host, case.found.outcome(), tiers);
        if host.is_none() {
            redirect.leads = Leads::Home;
        }
        self.recorder.redirect(case.due, &redirect);
        self.settle(&case);
    }

    fn json_probe(&self, case: &JudgedAttempt, member: Box<str>) -> Option<ProbeRequest> {
        let (path, location) = (case.path.as_str(), case.location.as_ref()?.as_bytes());
        let place = self.judge.resolve_location(path.as_bytes(), location)?;
        let url = self.judge.asked_url(path.as_bytes())?;
        let want = ProbeExpectation::Json(ExpectedJson { member, location: location.into() });
        Some(ProbeRequest { key: TargetKey::of_json(path, &place), url, expectation: want })
    }

    /// The thread that checks targets has answered.
    pub(crate) fn target_answered(&mut self, answer: &TargetAnswer, now: Offset) {
        let Some(targets) = &mut self.targets else { return };
        let verdict = answer.verdict.as_ref().map(|found| &found.value);
        for mut waiting in targets.cache.settle(&answer.key, answer.verdict.as_ref(), now) {
            waiting.case.set_known_at(now, verdict.and_then(|verdict| verdict.fault));
            self.settle_target(waiting, verdict, now);
        }
    }

    /// Nobody waits for target checks any more: what waited is judged by what
    /// is known of it.
    pub(super) fn abandon_targets(&mut self) {
        let Some(targets) = &mut self.targets else { return };
        for (_, mut waiting) in targets.cache.abandon() {
            waiting.case.json.abandon(Unchecked::Budget);
            let now = waiting.case.done;
            self.settle_target(waiting, None, now);
        }
    }

    /// The host of a redirect resolves.
    pub(super) fn host_resolved(&mut self, case: JudgedAttempt, host: &str, tiers: Tiers, now: Offset) {
        if self.targets.as_ref().is_some_and(TargetChecker::probes_targets) {
            self.check_target(case, Some(host), now);
        } else {
            self.judged(case, Some(host), tiers, now);
        }
    }

    /// Goes on with a redirect whose host resolves, or that leads back to the
    /// candidate. What else is wrong with it does not matter here: a fault
    /// that a threshold tolerates must not hide those of the target.
    pub(super) fn check_target(&mut self, case: JudgedAttempt, host: Option<&str>, now: Offset) {
        let location = case.location.as_ref().map_or(&b""[..], http::HeaderValue::as_bytes);
        let asked = case.path.as_str().as_bytes();
        let place = self.judge.resolve_location(asked, location);
        let expect = self.catalog.as_ref().map(|catalog| expectation(catalog.expect(asked)));
        let up_to_host = |depth, reason| coverage::up_to(depth, Tier::Dns, reason);
        let targets =
            self.targets.as_ref().and_then(|targets| Some((targets.probe_depth?, targets.sampling)));
        let (Some(url), Some((reach, sampling))) = (place, targets) else {
            return self.judged(case, host, up_to_host(self.judge.depth(), Unchecked::NoLocation), now);
        };
        let mut key = reach.key(&url);
        let expect = expect.unwrap_or_default();
        if reach != ProbeDepth::Connect {
            if !sampling.takes(key, &url) {
                return self.judged(case, host, up_to_host(self.judge.depth(), Unchecked::SampledOut), now);
            }
            key = key.expecting(&expect);
        }
        let waiting = WaitingRedirect { case, host: host.map(Into::into), check: PendingCheck::Target };
        self.probe(ProbeRequest { key, url, expectation: ProbeExpectation::File(expect) }, waiting, now);
    }

    /// Has a question answered, by what is known or by the thread.
    pub(super) fn probe(&mut self, question: ProbeRequest, waiting: WaitingRedirect, now: Offset) {
        let Some(targets) = &mut self.targets else { return self.settle_target(waiting, None, now) };
        let key = question.key;
        match targets.cache.ask(key, now, waiting) {
            CacheReply::Known(found, waiting) => self.settle_target(waiting, Some(&found.value), now),
            CacheReply::Refused(waiting) => self.settle_target(waiting, None, now),
            CacheReply::Parked { ask: false } => {}
            CacheReply::Parked { ask: true } => {
                if targets.handle.submit(question, targets.reply.clone()).is_err() {
                    self.target_answered(&TargetAnswer { key, verdict: None }, now);
                }
            }
        }
    }

    fn settle_target(&mut self, waiting: WaitingRedirect, verdict: Option<&TargetVerdict>, now: Offset) {
        let WaitingRedirect { mut case, host, check: work } = waiting;
        let finding = |level| {
            let fault = verdict.and_then(|verdict| verdict.fault)?;
            let note = verdict.and_then(|verdict| verdict.detail.as_deref()).unwrap_or_default().to_owned();
            Some(Finding { fault, level, note })
        };
        let (tiers, finding) = match work {
            PendingCheck::Target => (coverage::to_target(self.judge.depth(), verdict), finding(Level::Fail)),
            PendingCheck::Json(tiers, level) => {
                let left = Coverage::Unchecked(Unchecked::Budget);
                case.json = JsonVariant::Settled(verdict.map_or(left, |_| Coverage::Checked));
                (tiers, finding(level))
            }
        };
        if let Some(finding) = finding {
            case.found.add(finding);
        }
        self.warn(&mut case);
        self.judged(case, host.as_deref(), tiers, now);
    }
}

/// What a catalogue's word on a file comes to for its target.
fn expectation(known: CatalogMatch) -> ExpectedFile {
    match known {
        CatalogMatch::Listed(entry) => ExpectedFile { length: entry.size, sha256: entry.sha256 },
        CatalogMatch::Missing | CatalogMatch::NoRule => ExpectedFile::default(),
    }
}
