//! The tiers after DNS: a redirect that nothing speaks against goes on to its
//! target, which is asked for once and remembered.
//!
//! A target that the budget left out does not fail the arrival, since nothing
//! is known against it; nor is it passed over in silence: it is counted, and
//! the report says so before its verdict.

use super::{Case, Ledger};
use crate::engine::coverage;
use crate::tally::Unchecked;
use crate::units::Offset;
use crate::verify::Tier;
use crate::verify::catalog::Known;
use crate::verify::probe::net::ProbeHandle;
use crate::verify::probe::sample::Sampling;
use crate::verify::probe::{Expect, Question, Reach, TargetVerdict};
use crate::verify::targets::{TargetAnswer, TargetBounds, TargetCache, TargetReply};
use tokio::sync::mpsc;

/// Most answers about targets that wait for a worker to take them.
pub(crate) const TARGET_ANSWERS: usize = 1_024;

/// A worker's way to the thread that checks targets, and what it has heard.
pub(crate) struct TargetLine {
    handle: ProbeHandle,
    reply: mpsc::Sender<TargetAnswer>,
    reach: Reach,
    sampling: Sampling,
    known: TargetCache<Waiting>,
}

/// A redirect to a host that resolves, whose target is not known yet.
#[derive(Debug)]
pub(super) struct Waiting {
    case: Case,
    host: Box<str>,
}

impl TargetLine {
    pub(crate) fn new(
        handle: ProbeHandle,
        reply: mpsc::Sender<TargetAnswer>,
        reach: Reach,
        sampling: Sampling,
    ) -> Self {
        Self { handle, reply, reach, sampling, known: TargetCache::new(TargetBounds::WORKER) }
    }

    pub(super) const fn parked(&self) -> usize {
        self.known.parked()
    }
}

impl Ledger {
    /// The thread that checks targets has answered.
    pub(crate) fn target_answered(&mut self, answer: &TargetAnswer, now: Offset) {
        let Some(targets) = &mut self.targets else { return };
        let verdict = answer.found.as_ref().map(|found| &found.verdict);
        for waiting in targets.known.settle(answer, now) {
            self.settle_target(&waiting, verdict);
        }
    }

    /// Nobody waits for target checks any more: what waited is judged by what
    /// is known of it.
    pub(super) fn leave_targets(&mut self) {
        let Some(targets) = &mut self.targets else { return };
        for waiting in targets.known.abandon() {
            self.settle_target(&waiting, None);
        }
    }

    /// Goes on with a redirect whose host resolves. `case` has no fault so far.
    pub(super) fn go_on(&mut self, case: Case, host: &str, now: Offset) {
        let location = case.location.as_ref().map_or(&b""[..], http::HeaderValue::as_bytes);
        let asked = case.path.as_str().as_bytes();
        let place = self.judge.place(asked, location);
        let expect = self.catalog.as_ref().map(|catalog| expectation(catalog.expect(asked)));
        let (Some(url), Some(targets)) = (place, &mut self.targets) else {
            let tiers = coverage::up_to(self.judge.depth(), Tier::Dns, Unchecked::NoLocation);
            return self.pass(&case, host, tiers);
        };
        let mut key = targets.reach.key(&url);
        let expect = expect.unwrap_or_default();
        if targets.reach != Reach::Connect {
            if !targets.sampling.takes(key, &url) {
                let tiers = coverage::up_to(self.judge.depth(), Tier::Dns, Unchecked::SampledOut);
                return self.pass(&case, host, tiers);
            }
            key = key.expecting(&expect);
        }
        match targets.known.ask(key, now, Waiting { case, host: host.into() }) {
            TargetReply::Known(found, waiting) => self.settle_target(&waiting, Some(&found.verdict)),
            TargetReply::Refused(waiting) => self.settle_target(&waiting, None),
            TargetReply::Parked { ask: false } => {}
            TargetReply::Parked { ask: true } => {
                let question = Question { key, url, expect };
                if targets.handle.ask(question, targets.reply.clone()).is_err() {
                    self.target_answered(&TargetAnswer { key, found: None }, now);
                }
            }
        }
    }

    fn settle_target(&mut self, Waiting { case, host }: &Waiting, verdict: Option<&TargetVerdict>) {
        let tiers = coverage::to_target(self.judge.depth(), verdict);
        let fault = verdict.and_then(|verdict| verdict.fault);
        self.count_redirect(case, Some(host), fault, tiers);
        let told = verdict.and_then(|verdict| verdict.told.as_deref());
        self.settle(case, fault, told.unwrap_or_default());
    }

    fn pass(&mut self, case: &Case, host: &str, tiers: coverage::Tiers) {
        self.count_redirect(case, Some(host), None, tiers);
        self.settle(case, None, "");
    }
}

/// What a catalogue's word on a file comes to for its target.
fn expectation(known: Known) -> Expect {
    match known {
        Known::Listed(entry) => Expect { length: entry.size, sha256: entry.sha256 },
        Known::Missing | Known::Unnamed => Expect::default(),
    }
}
