//! One worker's books: answers are judged here, and counted.
//!
//! An attempt is counted when it ends. Its arrival is counted when its fate is
//! known, which for a redirect to a host not seen before is a lookup later, and
//! for a target not asked before a check later; it is parked until then, with
//! its latency already fixed. Nothing here waits, and nothing here knows of
//! the warm-up but the recorder.

mod findings;
mod json_variant;
mod retried;
mod rewrite_suggestion;
mod targets;
#[cfg(test)]
mod tests;

pub(crate) use retried::{FirstAttempt, Sent};
pub(crate) use targets::{TARGET_ANSWERS, TargetChecker};

use super::clock::wall_now;
use super::connect::Handshake;
use super::control::ControlHandle;
use super::coverage::{self, Tiers};
use super::exchange::Received;
use super::retries::{EndedAttempt, Retries};
use downpour_core::fault::Fault;
use downpour_core::units::Offset;
use downpour_load::schedule::Arrival;
use downpour_load::schedule::sample::Sample;
use downpour_metrics::{
    ArrivalOutcome, Attempt, CpuSample, FaultObservation, Gauges, Interval, JudgedRedirect, Leads, Recorder,
    Unchecked,
};
use downpour_verify::address::PrivateAddresses;
use downpour_verify::cache_lifetime::{CacheLifetime, cache_lifetime};
use downpour_verify::catalog::CatalogLookup;
use downpour_verify::finding::{Finding, Findings};
use downpour_verify::hosts::{HOST_BOUNDS, HostAnswer, HostCache};
use downpour_verify::judge::Judge;
use downpour_verify::lookup::LookupHandle;
use downpour_verify::single_flight::CacheReply;
use downpour_verify::status::CLOSED_UNANSWERED;
use downpour_verify::{Depth, HostToCheck, HostVerdict, JudgedRequest, JudgedResponse, Tier, redirects};
use findings::{is_closing, not_in_catalog};
use http::HeaderValue;
use http::uri::PathAndQuery;
use json_variant::JsonVariant;
use rewrite_suggestion::RewriteSuggester;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Most answers of the resolver that wait for a worker to take them.
pub(crate) const HOST_ANSWERS: usize = 1_024;

/// A worker's way to the resolver: where to ask, and where answers come back.
pub(crate) struct LookupChannel {
    pub(crate) handle: LookupHandle,
    pub(crate) reply: mpsc::Sender<HostAnswer>,
}

pub(crate) struct Ledger {
    recorder: Recorder,
    judge: Judge,
    unmatched: RewriteSuggester,
    private_addresses: PrivateAddresses,
    hosts: HostCache<JudgedAttempt>,
    lookups: Option<LookupChannel>,
    targets: Option<TargetChecker>,
    /// Which redirects are asked for in JSON, too.
    json_sample: Option<Sample>,
    catalog: Option<Arc<CatalogLookup>>,
    control: Option<ControlHandle>,
    retries: Option<Retries>,
}

/// An answer that redirects, judged as far as it can be without asking anyone.
#[derive(Debug)]
struct JudgedAttempt {
    due: Offset,
    done: Offset,
    path: PathAndQuery,
    location: Option<HeaderValue>,
    /// What was found so far, and fails the download.
    found: Findings,
    /// How long caches may keep it.
    cache_lifetime: Option<CacheLifetime>,
    /// What its client may do if it failed, where clients are modelled.
    ended_attempt: Option<Box<EndedAttempt>>,
    /// What becomes of its form in JSON.
    json: JsonVariant,
}

/// Where a redirect leads, as far as the next check must know.
enum RedirectHost {
    /// The candidate itself, or nowhere.
    Own,
    Host(Arc<str>),
    Address(IpAddr),
}

impl From<HostToCheck<'_>> for RedirectHost {
    fn from(host: HostToCheck<'_>) -> Self {
        match host {
            HostToCheck::None | HostToCheck::Own => Self::Own,
            HostToCheck::Name(name) => Self::Host(name.into()),
            HostToCheck::Address(address) => Self::Address(address),
        }
    }
}

impl Ledger {
    pub(crate) fn new(
        recorder: Recorder,
        (judge, private): (Judge, PrivateAddresses),
        lookups: Option<LookupChannel>,
    ) -> Self {
        let hosts = HostCache::new(HOST_BOUNDS);
        Self {
            recorder,
            unmatched: RewriteSuggester::of(judge.rules()),
            judge,
            private_addresses: private,
            hosts,
            lookups,
            targets: None,
            json_sample: None,
            catalog: None,
            control: None,
            retries: None,
        }
    }

    /// A ledger that asks targets, and for these redirects in JSON, too.
    pub(crate) fn with_targets(self, targets: Option<TargetChecker>, forms: Option<Sample>) -> Self {
        Self { targets, json_sample: forms, ..self }
    }

    /// Has redirects looked up in a catalogue, if there is one.
    pub(crate) fn with_catalog(self, catalog: Option<Arc<CatalogLookup>>) -> Self {
        Self { catalog, ..self }
    }

    /// Has answers compared with those of a control, if there is one.
    pub(crate) fn with_control(self, control: Option<ControlHandle>) -> Self {
        Self { control, ..self }
    }

    /// Has downloads that fail tried again, if clients are modelled.
    pub(crate) fn with_retries(self, retries: Option<Retries>) -> Self {
        Self { retries, ..self }
    }

    /// An arrival was released.
    pub(crate) fn offered(&mut self, arrival: &Arrival) {
        self.recorder.offered(arrival.due);
        self.of_client(arrival, |counts| counts.arrivals.offered += 1);
    }

    /// Arrivals that count, released since the start.
    pub(crate) fn offered_so_far(&self) -> u64 {
        self.recorder.offered_so_far()
    }

    /// The worker has measured how busy it was.
    pub(crate) fn cpu_sample(&mut self, lap: &CpuSample) {
        self.recorder.cpu_sample(lap);
    }

    /// The reader of the trace did not keep up: these came after they were due.
    pub(crate) fn trace_lag(&mut self, time: Duration, late: impl Iterator<Item = Offset>) {
        self.recorder.trace_lag(time, late);
    }

    /// It was over the limit, and not sent.
    pub(crate) fn shed(&mut self, arrival: &Arrival) {
        self.recorder.shed(arrival.due);
        self.of_client(arrival, |counts| counts.arrivals.shed += 1);
    }

    /// A connection was opened, with this handshake if it has TLS.
    pub(crate) fn connection_opened(&mut self, now: Offset, handshake: Option<Handshake>) {
        let handshake = handshake.map(|Handshake { took, resumed }| (took, resumed));
        self.recorder.connection_opened(now, handshake);
    }

    /// The candidate announced how many streams a connection may have.
    pub(crate) fn stream_limit(&mut self, limit: u32) {
        self.recorder.stream_limit(limit);
    }

    /// The candidate did not take a request up.
    pub(crate) fn unprocessed(&mut self, due: Offset, fault: Fault) {
        if fault == Fault::Http2GoAway {
            self.recorder.gone_away(due);
        } else if fault == Fault::Http2Refused {
            self.recorder.stream_refused(due);
        }
    }

    /// A request that was not taken up was sent once more.
    pub(crate) fn stale_replay(&mut self, due: Offset) {
        self.recorder.stale_replay(due);
    }

    /// Redirects whose host is being looked up or whose target is being asked.
    pub(crate) fn parked(&self) -> usize {
        self.hosts.parked() + self.targets.as_ref().map_or(0, TargetChecker::parked)
    }

    /// What is going on as the second ends.
    pub(crate) fn set_gauges(&mut self, gauges: Gauges) {
        self.recorder.set_gauges(gauges);
    }

    /// When the warm-up ends: at the start of the run where there is none.
    pub(crate) fn warmup_ends(&self) -> Offset {
        self.recorder.warmup_ends()
    }

    /// When the second under way ends.
    pub(crate) fn second_ends(&self) -> Offset {
        self.recorder.second_ends()
    }

    /// Takes the second's numbers out and begins those of the one it is `now`.
    pub(crate) fn take_interval(&mut self, now: Offset) -> Interval {
        self.recorder.take(now)
    }

    /// Takes numbers back that could not be delivered.
    pub(crate) fn put_back(&mut self, undelivered: &Interval) {
        self.recorder.put_back(undelivered);
    }

    /// The run is over before an arrival is. `attempt` is what was under way
    /// for it. One whose earlier attempts have failed has failed; one without
    /// any has no outcome.
    pub(crate) fn unfinished(&mut self, (arrival, trial): Sent<'_>, attempt: Option<&Attempt>, now: Offset) {
        let due = arrival.due;
        if let Some(attempt) = attempt {
            self.attempted((arrival, trial), attempt);
        }
        if let Some(trial) = trial.filter(|trial| trial.attempts() > 0) {
            let attempts = trial.attempts() + u32::from(attempt.is_some());
            return self.fail_unfinished((arrival, trial), attempts, now);
        }
        self.recorder.arrival(ArrivalOutcome::Unfinished, due, due);
        self.of_client(arrival, |counts| counts.arrivals.unfinished += 1);
    }

    /// Nobody waits for answers any more. Arrivals that wait for the resolver
    /// have failed where something was found before the lookup, or an earlier
    /// attempt did; the others are cut. Those that wait for their target are
    /// judged without it.
    pub(crate) fn end_parked(&mut self, now: Offset) {
        self.abandon_targets();
        for (host, mut case) in self.hosts.abandon() {
            case.json.abandon(Unchecked::RunEnded);
            let tiers = coverage::up_to(self.judge.depth(), Tier::Policy, Unchecked::RunEnded);
            self.count_redirect(&case, Some(&*host), tiers);
            if case.found.outcome().is_some() {
                self.settle(&case);
                continue;
            }
            if let Some(ended_attempt) =
                case.ended_attempt.as_ref().filter(|ended_attempt| ended_attempt.retry_context.attempts() > 0)
            {
                let attempts = ended_attempt.retry_context.attempts() + 1;
                self.fail_unfinished((&ended_attempt.arrival, &ended_attempt.retry_context), attempts, now);
                continue;
            }
            self.recorder.arrival(ArrivalOutcome::Unfinished, case.due, case.done);
            self.of_case(&case, |counts| counts.arrivals.unfinished += 1);
        }
    }

    /// An attempt ended without an answer, and its arrival with it. `told` is
    /// where it led and why it failed, as far as that is known.
    pub(crate) fn broken(
        &mut self,
        (arrival, trial): Sent<'_>,
        attempt: &Attempt,
        fault: Fault,
        told: String,
    ) {
        self.attempted((arrival, trial), attempt);
        let mut case = JudgedAttempt {
            due: arrival.due,
            done: attempt.done,
            path: arrival.target.clone(),
            location: None,
            found: Findings::default(),
            cache_lifetime: None,
            ended_attempt: trial.map(|trial| EndedAttempt::broken(arrival, trial, attempt.done)),
            json: JsonVariant::OFF,
        };
        // What the recorded server did to this request, this one does, too.
        let as_recorded = arrival.recorded_status == Some(CLOSED_UNANSWERED) && is_closing(fault, attempt);
        if !as_recorded {
            case.found.add(Finding::fail(fault, told));
        }
        self.settle(&case);
    }

    /// An attempt ended with an answer.
    pub(crate) fn answered(&mut self, (arrival, trial): Sent<'_>, attempt: &Attempt, received: &Received) {
        self.attempted((arrival, trial), attempt);
        self.recorder.bytes_in(arrival.due, received.body_bytes);
        if let Some(control) = &self.control {
            self.recorder.offered_to_control(arrival.due, || control.offer(arrival, received));
        }
        let target = arrival.target.as_str().as_bytes();
        let asked = JudgedRequest { target, recorded_status: arrival.recorded_status };
        let depth = self.judge.depth();
        let asks = depth >= Depth::Dns;
        let answer = JudgedResponse {
            status: received.status,
            locations: received.locations(),
            headers: &received.head,
            at: wall_now(),
        };
        let missing = self.not_listed(arrival.due, &asked, &answer);
        let mut judgement = self.judge.judge(&asked, &answer);
        let pair = (arrival.recorded_status, received.status);
        self.recorder.transition(arrival.due, pair, judgement.status.is_some());
        if let Some(counts) = self.recorder.rules(arrival.due) {
            counts.count(judgement.rule);
            if judgement.rule.is_none()
                && let Some(looked) = self.unmatched.check(target)
            {
                counts.sample(looked.rewrite);
            }
        }
        if let Some(missing) = missing {
            judgement.findings.add(missing.into());
        }
        let form = JsonVariant::of(self.json_sample.as_ref(), judgement.json, target);
        if judgement.findings.is_empty()
            && !self.targets.as_ref().is_some_and(TargetChecker::probes_targets)
            && let JsonVariant::Settled(json) = form
            && self.retries.is_none()
            && let Some(HostToCheck::Name(host)) = judgement.redirect.as_ref().map(|redirect| &redirect.host)
            && (!asks || self.hosts.known(&**host, attempt.done) == Some(&HostVerdict::Resolved))
        {
            // What nearly every answer of a sound candidate is: counted without
            // a copy of anything.
            let tiers = coverage::with_json(coverage::to_host(depth, HostVerdict::Resolved), json);
            let (at, leads) = (attempt.done, Leads::To(host));
            self.recorder.redirect(
                arrival.due,
                &JudgedRedirect { at, leads, fault: None, cache_lifetime: None, tiers },
            );
            return self.recorder.arrival(ArrivalOutcome::Passed, attempt.due, at);
        }
        let redirect =
            judgement.redirect.map(|redirect| (redirect.stopped_at, RedirectHost::from(redirect.host)));
        let mut case = JudgedAttempt {
            due: arrival.due,
            done: attempt.done,
            path: arrival.target.clone(),
            location: received.location().cloned(),
            found: judgement.findings,
            cache_lifetime: None,
            ended_attempt: trial
                .map(|trial| EndedAttempt::answered((arrival, trial), received, attempt.done)),
            json: form,
        };
        self.explain(&mut case, &asked, received);
        self.warn(&mut case);
        let Some((ends, place)) = redirect else {
            if redirects(received.status, received.locations()) {
                self.count_redirect(&case, None, coverage::location_unchecked());
            }
            return self.settle(&case);
        };
        case.cache_lifetime = cache_lifetime(received.status, &received.head);
        self.follow(case, ends, place, attempt.done);
    }

    /// Goes on with a redirect that was judged offline, unless that has ended
    /// at a tier.
    fn follow(&mut self, case: JudgedAttempt, ends: Option<Tier>, place: RedirectHost, now: Offset) {
        let depth = self.judge.depth();
        if let Some(tier) = ends {
            self.count_redirect(&case, None, coverage::broken_at(depth, tier));
            return self.settle(&case);
        }
        match place {
            RedirectHost::Host(host) if depth >= Depth::Dns => {
                let reply = self.hosts.ask(Arc::clone(&host), now, case);
                self.host_looked_up(&host, reply, now);
            }
            RedirectHost::Host(host) => {
                self.judged(case, Some(&*host), coverage::to_host(depth, HostVerdict::Resolved), now);
            }
            RedirectHost::Address(address) => self.settle_address(case, address),
            RedirectHost::Own if self.targets.as_ref().is_some_and(TargetChecker::follows_own_redirects) => {
                self.check_target(case, None, now);
            }
            RedirectHost::Own => self.judged(case, None, coverage::own_origin(depth), now),
        }
    }

    /// What the catalogue has against a redirect, if there is one.
    fn not_listed(
        &mut self,
        due: Offset,
        asked: &JudgedRequest<'_>,
        answer: &JudgedResponse<'_>,
    ) -> Option<Fault> {
        let catalog = self.catalog.as_ref().filter(|_| redirects(answer.status, answer.locations))?;
        let known = catalog.expect(asked.target);
        self.recorder.looked_up_in_catalog(due, known);
        not_in_catalog(known, asked)
    }

    /// The resolver has answered.
    pub(crate) fn host_answered(&mut self, answer: &HostAnswer, now: Offset) {
        for mut case in self.hosts.settle(&answer.host, Some(&answer.cached()), now) {
            case.set_known_at(now, answer.verdict.fault());
            self.settle_host(&answer.host, case, answer.verdict, now);
        }
    }

    fn host_looked_up(
        &mut self,
        host: &Arc<str>,
        reply: CacheReply<HostVerdict, JudgedAttempt>,
        now: Offset,
    ) {
        match reply {
            CacheReply::Known(found, case) => self.settle_host(host, case, found.value, now),
            CacheReply::Refused(case) => {
                self.settle_host(host, case, HostVerdict::Broken(Fault::DnsUnchecked), now);
            }
            CacheReply::Parked { ask: false } => {}
            CacheReply::Parked { ask: true } => self.look_up(Arc::clone(host), now),
        }
    }

    fn look_up(&mut self, host: Arc<str>, now: Offset) {
        let asked = self
            .lookups
            .as_ref()
            .is_some_and(|line| line.handle.look_up(Arc::clone(&host), line.reply.clone()).is_ok());
        if !asked {
            // The resolver's queue is full: unknown is not resolved.
            self.host_answered(&HostAnswer::inconclusive(host, Fault::DnsUnchecked), now);
        }
    }

    fn settle_host(&mut self, host: &str, mut case: JudgedAttempt, verdict: HostVerdict, now: Offset) {
        let tiers = coverage::to_host(self.judge.depth(), verdict);
        let HostVerdict::Broken(fault) = verdict else { return self.host_resolved(case, host, tiers, now) };
        case.found.add(Finding::fail(fault, format!("host {host}")));
        self.count_redirect(&case, Some(host), tiers);
        self.settle(&case);
    }

    fn settle_address(&mut self, mut case: JudgedAttempt, address: IpAddr) {
        let asks = self.judge.depth() >= Depth::Dns;
        let verdict = if asks { self.private_addresses.judge([address]) } else { HostVerdict::Resolved };
        let (tiers, host) = (coverage::to_host(self.judge.depth(), verdict), address.to_string());
        let HostVerdict::Broken(fault) = verdict else {
            let now = case.done;
            return self.host_resolved(case, &host, tiers, now);
        };
        case.found.add(Finding::fail(fault, format!("address {host}")));
        self.count_redirect(&case, Some(&host), tiers);
        self.settle(&case);
    }

    fn count_redirect(&mut self, case: &JudgedAttempt, host: Option<&str>, tiers: Tiers) {
        let redirect = case.redirect(host, case.found.outcome(), tiers);
        self.recorder.redirect(case.due, &redirect);
    }

    /// An attempt was judged: its download has passed, has failed, or is tried
    /// again.
    fn settle(&mut self, case: &JudgedAttempt) {
        let Some(fault) = case.found.outcome() else { return self.passed(case) };
        self.failed(case, fault);
        for finding in case.found.iter() {
            if !self.recorder.keeps_example(case.due, finding.fault, case.done) {
                continue;
            }
            let detail = case.detail(finding, fault);
            let sighting = FaultObservation {
                fault: finding.fault,
                at: case.done,
                path: case.path.as_str().as_bytes(),
                location: case.location.as_ref().map(HeaderValue::as_bytes),
                detail: &detail,
            };
            self.recorder.example(case.due, &sighting);
        }
    }
}
