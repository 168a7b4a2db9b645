//! The tiers after DNS: a redirect that nothing speaks against goes on to its
//! target, which is asked for once and remembered.
//!
//! A target that the budget left out does not fail the arrival, since nothing
//! is known against it; nor is it passed over in silence: it is counted, and
//! the report says so before its verdict.

use super::form::Form;
use super::{Case, Ledger};
use crate::engine::coverage::{self, Tiers};
use crate::tally::{Coverage, Leads, Unchecked};
use crate::units::Offset;
use crate::verify::Tier;
use crate::verify::catalog::Known;
use crate::verify::finding::{Finding, Level};
use crate::verify::json::JsonForm;
use crate::verify::probe::net::ProbeHandle;
use crate::verify::probe::sample::Sampling;
use crate::verify::probe::{Expect, Question, Reach, TargetKey, TargetVerdict, Want};
use crate::verify::single_flight::Reply;
use crate::verify::targets::{TargetAnswer, TargetCache, WORKER_BOUNDS};
use tokio::sync::mpsc;

/// Most answers about targets that wait for a worker to take them.
pub(crate) const TARGET_ANSWERS: usize = 1_024;

/// A worker's way to the thread that checks targets, and what it has heard.
pub(crate) struct TargetLine {
    handle: ProbeHandle,
    reply: mpsc::Sender<TargetAnswer>,
    /// `None` where targets are not asked, and the other form of redirects is.
    reach: Option<Reach>,
    sampling: Sampling,
    known: TargetCache<Waiting>,
}

/// A redirect that waits to be known.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) case: Case,
    /// `None` for the candidate itself.
    pub(super) host: Option<Box<str>>,
    pub(super) work: Work,
}

/// What a redirect waits for.
#[derive(Debug)]
pub(super) enum Work {
    /// Its target.
    Target,
    /// Its other form; how far it was judged otherwise, and what another place
    /// there does to the run.
    Form(Tiers, Level),
}

impl TargetLine {
    pub(crate) fn new(
        handle: ProbeHandle,
        reply: mpsc::Sender<TargetAnswer>,
        reach: Option<Reach>,
        sampling: Sampling,
    ) -> Self {
        Self { handle, reply, reach, sampling, known: TargetCache::new(WORKER_BOUNDS) }
    }

    pub(super) const fn parked(&self) -> usize {
        self.known.parked()
    }

    /// Whether targets are asked.
    pub(super) const fn asks(&self) -> bool {
        self.reach.is_some()
    }

    /// Whether redirects back to the candidate are followed.
    pub(super) fn leads_home(&self) -> bool {
        self.asks() && self.handle.reaches_candidate()
    }
}

impl Ledger {
    /// A redirect to `host`, or back to the candidate, was judged as far as
    /// `tiers` say: its download is over, or its other form is looked at.
    pub(super) fn judged(&mut self, mut case: Case, host: Option<&str>, tiers: Tiers, now: Offset) {
        if let Form::Due(member, level) = &case.form {
            let (member, level) = (member.clone(), *level);
            if let Some(question) = self.question(&case, member) {
                let waiting = Waiting { case, host: host.map(Into::into), work: Work::Form(tiers, level) };
                return self.ask(question, waiting, now);
            }
            case.form.leave(Unchecked::NoLocation);
        }
        let mut redirect = case.redirect(host, case.found.outcome(), tiers);
        if host.is_none() {
            redirect.leads = Leads::Home;
        }
        self.recorder.redirect(case.due, &redirect);
        self.settle(&case);
    }

    fn question(&self, case: &Case, member: Box<str>) -> Option<Question> {
        let (path, location) = (case.path.as_str(), case.location.as_ref()?.as_bytes());
        let place = self.judge.place(path.as_bytes(), location)?;
        let url = self.judge.asked_url(path.as_bytes())?;
        let want = Want::Json(JsonForm { member, due: location.into() });
        Some(Question { key: TargetKey::of_json(path, &place), url, want })
    }

    /// The thread that checks targets has answered.
    pub(crate) fn target_answered(&mut self, answer: &TargetAnswer, now: Offset) {
        let Some(targets) = &mut self.targets else { return };
        let verdict = answer.found.as_ref().map(|found| &found.value);
        for mut waiting in targets.known.settle(&answer.key, answer.found.as_ref(), now) {
            waiting.case.known(now, verdict.and_then(|verdict| verdict.fault));
            self.settle_target(waiting, verdict, now);
        }
    }

    /// Nobody waits for target checks any more: what waited is judged by what
    /// is known of it.
    pub(super) fn leave_targets(&mut self) {
        let Some(targets) = &mut self.targets else { return };
        for (_, mut waiting) in targets.known.abandon() {
            waiting.case.form.leave(Unchecked::Budget);
            let now = waiting.case.done;
            self.settle_target(waiting, None, now);
        }
    }

    /// The host of a redirect resolves.
    pub(super) fn reached(&mut self, case: Case, host: &str, tiers: Tiers, now: Offset) {
        if self.targets.as_ref().is_some_and(TargetLine::asks) {
            self.go_on(case, Some(host), now);
        } else {
            self.judged(case, Some(host), tiers, now);
        }
    }

    /// Goes on with a redirect whose host resolves, or that leads back to the
    /// candidate. What else is wrong with it does not matter here: a fault
    /// that a threshold tolerates must not hide those of the target.
    pub(super) fn go_on(&mut self, case: Case, host: Option<&str>, now: Offset) {
        let location = case.location.as_ref().map_or(&b""[..], http::HeaderValue::as_bytes);
        let asked = case.path.as_str().as_bytes();
        let place = self.judge.place(asked, location);
        let expect = self.catalog.as_ref().map(|catalog| expectation(catalog.expect(asked)));
        let up_to_host = |depth, reason| coverage::up_to(depth, Tier::Dns, reason);
        let targets = self.targets.as_ref().and_then(|targets| Some((targets.reach?, targets.sampling)));
        let (Some(url), Some((reach, sampling))) = (place, targets) else {
            return self.judged(case, host, up_to_host(self.judge.depth(), Unchecked::NoLocation), now);
        };
        let mut key = reach.key(&url);
        let expect = expect.unwrap_or_default();
        if reach != Reach::Connect {
            if !sampling.takes(key, &url) {
                return self.judged(case, host, up_to_host(self.judge.depth(), Unchecked::SampledOut), now);
            }
            key = key.expecting(&expect);
        }
        let waiting = Waiting { case, host: host.map(Into::into), work: Work::Target };
        self.ask(Question { key, url, want: Want::File(expect) }, waiting, now);
    }

    /// Has a question answered, by what is known or by the thread.
    pub(super) fn ask(&mut self, question: Question, waiting: Waiting, now: Offset) {
        let Some(targets) = &mut self.targets else { return self.settle_target(waiting, None, now) };
        let key = question.key;
        match targets.known.ask(key, now, waiting) {
            Reply::Known(found, waiting) => self.settle_target(waiting, Some(&found.value), now),
            Reply::Refused(waiting) => self.settle_target(waiting, None, now),
            Reply::Parked { ask: false } => {}
            Reply::Parked { ask: true } => {
                if targets.handle.ask(question, targets.reply.clone()).is_err() {
                    self.target_answered(&TargetAnswer { key, found: None }, now);
                }
            }
        }
    }

    fn settle_target(&mut self, waiting: Waiting, verdict: Option<&TargetVerdict>, now: Offset) {
        let Waiting { mut case, host, work } = waiting;
        let finding = |level| {
            let fault = verdict.and_then(|verdict| verdict.fault)?;
            let note = verdict.and_then(|verdict| verdict.told.as_deref()).unwrap_or_default().to_owned();
            Some(Finding { fault, level, note })
        };
        let (tiers, finding) = match work {
            Work::Target => (coverage::to_target(self.judge.depth(), verdict), finding(Level::Fail)),
            Work::Form(tiers, level) => {
                let left = Coverage::Unchecked(Unchecked::Budget);
                case.form = Form::Is(verdict.map_or(left, |_| Coverage::Checked));
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
fn expectation(known: Known) -> Expect {
    match known {
        Known::Listed(entry) => Expect { length: entry.size, sha256: entry.sha256 },
        Known::Missing | Known::Unnamed => Expect::default(),
    }
}
