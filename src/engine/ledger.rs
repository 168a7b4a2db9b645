//! One worker's books: answers are judged here, and counted.
//!
//! An attempt is counted when it ends. Its arrival is counted when its fate is
//! known, which for a redirect to a host not seen before is a lookup later, and
//! for a target not asked before a check later; it is parked until then, with
//! its latency already fixed. Nothing here waits, and nothing here knows of
//! the warm-up but the recorder.

mod form;
mod retried;
mod targets;
#[cfg(test)]
mod tests;

pub(crate) use retried::{Begun, Sent};
pub(crate) use targets::{TARGET_ANSWERS, TargetLine};

use super::clock::wall_now;
use super::connect::Handshake;
use super::control::ControlLine;
use super::coverage::{self, Tiers};
use super::exchange::Received;
use super::retries::{Retries, Tried};
use crate::fault::Fault;
use crate::schedule::Arrival;
use crate::schedule::sample::Sample;
use crate::tally::{
    Attempt, AttemptEnd, Fate, Gauges, Interval, Lap, Recorder, Redirect, Sighting, Unchecked,
};
use crate::trace::sent_status;
use crate::units::Offset;
use crate::verify::address::PrivateAddresses;
use crate::verify::catalog::{Catalogued, Known};
use crate::verify::hosts::{HOST_BOUNDS, HostAnswer, HostCache};
use crate::verify::judge::Judge;
use crate::verify::lasting::{Lasting, lasting};
use crate::verify::lookup::LookupHandle;
use crate::verify::single_flight::Reply;
use crate::verify::{Answer, Asked, Depth, HostToCheck, HostVerdict, Tier, final_fault, is_redirect};
use form::Form;
use http::HeaderValue;
use http::uri::PathAndQuery;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Most answers of the resolver that wait for a worker to take them.
pub(crate) const HOST_ANSWERS: usize = 1_024;

/// A worker's way to the resolver: where to ask, and where answers come back.
pub(crate) struct LookupLine {
    pub(crate) handle: LookupHandle,
    pub(crate) reply: mpsc::Sender<HostAnswer>,
}

pub(crate) struct Ledger {
    recorder: Recorder,
    judge: Judge,
    private: PrivateAddresses,
    hosts: HostCache<Case>,
    lookups: Option<LookupLine>,
    targets: Option<TargetLine>,
    /// Which redirects are asked for in JSON, too.
    forms: Option<Sample>,
    catalog: Option<Arc<Catalogued>>,
    control: Option<ControlLine>,
    retries: Option<Retries>,
}

/// An answer that redirects, judged as far as it can be without asking anyone.
#[derive(Debug)]
struct Case {
    due: Offset,
    done: Offset,
    path: PathAndQuery,
    location: Option<HeaderValue>,
    /// What the tiers before the lookup, or the status, found.
    offline: Option<Fault>,
    /// Where it had to lead instead, if that is what they found.
    expected: Option<Box<str>>,
    /// What else they said of it.
    note: String,
    /// How long caches may keep it.
    lasting: Option<Lasting>,
    /// What its client may do if it failed, where clients are modelled.
    tried: Option<Box<Tried>>,
    /// What becomes of its form in JSON.
    form: Form,
}

impl Ledger {
    pub(crate) fn new(
        recorder: Recorder,
        (judge, private): (Judge, PrivateAddresses),
        lookups: Option<LookupLine>,
    ) -> Self {
        let hosts = HostCache::new(HOST_BOUNDS);
        Self {
            recorder,
            judge,
            private,
            hosts,
            lookups,
            targets: None,
            forms: None,
            catalog: None,
            control: None,
            retries: None,
        }
    }

    /// A ledger that asks targets, and for these redirects in JSON, too.
    pub(crate) fn with_targets(self, targets: Option<TargetLine>, forms: Option<Sample>) -> Self {
        Self { targets, forms, ..self }
    }

    /// Has redirects looked up in a catalogue, if there is one.
    pub(crate) fn listed_in(self, catalog: Option<Arc<Catalogued>>) -> Self {
        Self { catalog, ..self }
    }

    /// Has answers compared with those of a control, if there is one.
    pub(crate) fn compared_by(self, control: Option<ControlLine>) -> Self {
        Self { control, ..self }
    }

    /// Has downloads that fail tried again, if clients are modelled.
    pub(crate) fn retried_by(self, retries: Option<Retries>) -> Self {
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
    pub(crate) fn lap(&mut self, lap: &Lap) {
        self.recorder.lap(lap);
    }

    /// The reader of the trace did not keep up: these came after they were due.
    pub(crate) fn starved(&mut self, time: Duration, late: impl Iterator<Item = Offset>) {
        self.recorder.starved(time, late);
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
    pub(crate) fn not_taken(&mut self, due: Offset, fault: Fault) {
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
        self.hosts.parked() + self.targets.as_ref().map_or(0, TargetLine::parked)
    }

    /// What is going on as the second ends.
    pub(crate) fn gauges(&mut self, gauges: Gauges) {
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

    /// An arrival will have no outcome, because the run is over. `attempt` is
    /// what was under way for it.
    pub(crate) fn cut(&mut self, (arrival, trial): Sent<'_>, attempt: Option<&Attempt>) {
        let due = arrival.due;
        if let Some(attempt) = attempt {
            self.attempted((arrival, trial), attempt);
        }
        self.recorder.arrival(Fate::Cut, due, due);
        self.of_client(arrival, |counts| counts.arrivals.cut += 1);
    }

    /// Nobody waits for answers any more: arrivals that wait for the resolver
    /// are cut, those that wait for their target are judged without it.
    pub(crate) fn cut_parked(&mut self) {
        self.leave_targets();
        for mut case in self.hosts.abandon() {
            case.form.leave(Unchecked::Cut);
            let tiers = coverage::up_to(self.judge.depth(), Tier::Policy, Unchecked::Cut);
            self.count_redirect(&case, None, None, tiers);
            self.recorder.arrival(Fate::Cut, case.due, case.done);
            self.of_case(&case, |counts| counts.arrivals.cut += 1);
        }
    }

    /// An attempt at `peer` ended without an answer, and its arrival with it.
    pub(crate) fn broken(
        &mut self,
        (arrival, trial): Sent<'_>,
        attempt: &Attempt,
        fault: Fault,
        peer: Option<SocketAddr>,
    ) {
        self.attempted((arrival, trial), attempt);
        let case = Case {
            due: arrival.due,
            done: attempt.done,
            path: arrival.target.clone(),
            location: None,
            offline: Some(fault),
            expected: None,
            note: String::new(),
            lasting: None,
            tried: trial.map(|trial| Tried::broken(arrival, trial, attempt.done)),
            form: Form::OFF,
        };
        let detail = peer.map_or_else(String::new, |peer| format!("at {peer}"));
        self.settle(&case, Some(fault), &detail);
    }

    /// An attempt ended with an answer.
    pub(crate) fn answered(&mut self, (arrival, trial): Sent<'_>, attempt: &Attempt, received: &Received) {
        self.attempted((arrival, trial), attempt);
        self.recorder.bytes_in(arrival.due, received.body_bytes);
        if let Some(control) = &self.control {
            self.recorder.offered_to_control(arrival.due, || control.offer(arrival, received));
        }
        let target = arrival.target.as_str().as_bytes();
        let asked = Asked { target, recorded_status: sent_status(arrival.recorded_status) };
        let depth = self.judge.depth();
        let asks = depth >= Depth::Dns;
        let answer = Answer {
            status: received.status,
            locations: received.locations(),
            headers: &received.head,
            at: wall_now(),
        };
        let missing = self.not_listed(arrival.due, received.status, &asked);
        let judgement = self.judge.judge(&asked, &answer);
        let pair = (arrival.recorded_status, received.status);
        self.recorder.transition(arrival.due, pair, judgement.status.is_some());
        let offline = judgement.fault.or(missing);
        let form = Form::of(self.forms.as_ref(), judgement.json, target);
        if offline.is_none()
            && !self.targets.as_ref().is_some_and(TargetLine::asks)
            && let Form::Is(json) = form
            && self.retries.is_none()
            && let Some(HostToCheck::Name(host)) = judgement.redirect.as_ref().map(|redirect| &redirect.host)
            && (!asks || self.hosts.known(&**host, attempt.done) == Some(&HostVerdict::Resolved))
        {
            // What nearly every answer of a sound candidate is: counted without
            // a copy of anything.
            let tiers = coverage::beside(coverage::to_host(depth, HostVerdict::Resolved), json);
            let (at, host) = (attempt.done, Some(&**host));
            self.recorder.redirect(arrival.due, &Redirect { at, host, fault: None, lasting: None, tiers });
            return self.recorder.arrival(Fate::Passed, attempt.due, at);
        }
        let mut case = Case {
            due: arrival.due,
            done: attempt.done,
            path: arrival.target.clone(),
            location: received.location().cloned(),
            offline,
            expected: None,
            note: judgement.note,
            lasting: None,
            tried: trial.map(|trial| Tried::answered((arrival, trial), received, attempt.done)),
            form,
        };
        let Some(redirect) = judgement.redirect else {
            if is_redirect(received.status) {
                self.count_redirect(&case, None, case.offline, coverage::off());
            }
            return self.settle_offline(&case, attempt);
        };
        case.lasting = lasting(received.status, &received.head);
        if asks && let HostToCheck::Name(host) = redirect.host {
            let host: Arc<str> = host.into();
            if leads_elsewhere(case.offline) {
                case.expected = self.judge.expected().map(Into::into);
            }
            let reply = self.hosts.ask(Arc::clone(&host), attempt.done, case);
            return self.replied(&host, reply, attempt.done);
        }
        let found_in_headers = redirect.headers.is_some();
        let host = match redirect.host {
            HostToCheck::Name(name) => Some(name.into_owned()),
            HostToCheck::Address(address) => return self.settle_address(case, address, asks),
            HostToCheck::None => None,
        };
        self.settle_unasked(case, host.as_deref(), found_in_headers, attempt);
    }

    /// What the catalogue has against a redirect, if there is one.
    fn not_listed(&mut self, due: Offset, status: u16, asked: &Asked<'_>) -> Option<Fault> {
        let catalog = self.catalog.as_ref().filter(|_| is_redirect(status))?;
        let known = catalog.expect(asked.target);
        self.recorder.looked_up_in_catalog(due, known);
        not_in_catalog(known, asked)
    }

    /// A redirect whose host is not asked about: that tier is off, something
    /// was found before, or it is the candidate itself.
    fn settle_unasked(&mut self, case: Case, host: Option<&str>, found_in_headers: bool, attempt: &Attempt) {
        let tiers = coverage::without_host(self.judge.depth(), found_in_headers, case.offline);
        if case.offline.is_some() {
            self.count_redirect(&case, host, case.offline, tiers);
            self.settle_offline(&case, attempt);
        } else if host.is_none() && self.targets.as_ref().is_some_and(TargetLine::leads_home) {
            self.go_on(case, None, attempt.done);
        } else {
            self.sound(case, host, tiers, attempt.done);
        }
    }

    /// The resolver has answered.
    pub(crate) fn host_answered(&mut self, answer: &HostAnswer, now: Offset) {
        for mut case in self.hosts.settle(&answer.host, Some(&answer.held()), now) {
            case.known(now);
            self.settle_host(&answer.host, case, answer.verdict, now);
        }
    }

    fn replied(&mut self, host: &Arc<str>, reply: Reply<HostVerdict, Case>, now: Offset) {
        match reply {
            Reply::Known(found, case) => self.settle_host(host, case, found.value, now),
            Reply::Refused(case) => {
                self.settle_host(host, case, HostVerdict::Broken(Fault::DnsUnchecked), now);
            }
            Reply::Parked { ask: false } => {}
            Reply::Parked { ask: true } => self.look_up(Arc::clone(host), now),
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

    fn settle_host(&mut self, host: &str, case: Case, verdict: HostVerdict, now: Offset) {
        let fault = final_fault(case.offline, verdict);
        let tiers = coverage::to_host(self.judge.depth(), verdict);
        let Some(fault) = fault else { return self.reached(case, host, tiers, now) };
        self.count_redirect(&case, Some(host), Some(fault), tiers);
        let detail = match (case.offline, &case.expected) {
            (Some(also), _) if also != fault => format!("host {host}; also {also}"),
            (_, Some(expected)) => format!("expected {expected}"),
            (_, None) => format!("host {host}"),
        };
        self.settle(&case, Some(fault), &detail);
    }

    fn settle_address(&mut self, case: Case, address: IpAddr, asks: bool) {
        let verdict = if asks { self.private.judge([address]) } else { HostVerdict::Resolved };
        let fault = final_fault(case.offline, verdict);
        let (tiers, host) = (coverage::to_host(self.judge.depth(), verdict), address.to_string());
        if fault.is_none() {
            let now = case.done;
            return self.reached(case, &host, tiers, now);
        }
        self.count_redirect(&case, Some(&host), fault, tiers);
        self.settle(&case, fault, "");
    }

    fn settle_offline(&mut self, case: &Case, attempt: &Attempt) {
        let Some(fault) = case.offline else { return self.settle(case, None, "") };
        let expected = self.judge.expected().filter(|_| leads_elsewhere(Some(fault)));
        let detail = match (expected, attempt.end) {
            (Some(expected), _) => format!("expected {expected}"),
            (None, AttemptEnd::Status(status)) => format!("status {status}"),
            (None, AttemptEnd::Fault(_) | AttemptEnd::Cut) => String::new(),
        };
        self.settle(case, Some(fault), &detail);
    }

    fn count_redirect(&mut self, case: &Case, host: Option<&str>, fault: Option<Fault>, tiers: Tiers) {
        let (lasting, tiers) = (case.lasting, coverage::beside(tiers, case.form.coverage()));
        self.recorder.redirect(case.due, &Redirect { at: case.done, host, fault, lasting, tiers });
    }

    fn settle(&mut self, case: &Case, fault: Option<Fault>, detail: &str) {
        let Some(fault) = fault else { return self.passed(case) };
        self.failed(case, fault);
        if !self.recorder.keeps_example(case.due, fault, case.done) {
            return;
        }
        let detail = case.detail(fault, detail);
        let sighting = Sighting {
            fault,
            at: case.done,
            path: case.path.as_str().as_bytes(),
            location: case.location.as_ref().map(HeaderValue::as_bytes),
            detail: &detail,
        };
        self.recorder.example(case.due, &sighting);
    }
}

/// A file that is not listed is the candidate's fault only if it was there when
/// the log was written: people do ask for what never was, and a redirect for it
/// is right by services that do not look.
fn not_in_catalog(known: Known, asked: &Asked<'_>) -> Option<Fault> {
    let was_there = asked.recorded_status.is_some_and(|status| (200..400).contains(&status));
    (known == Known::Missing && was_there).then_some(Fault::LocationNotInCatalog)
}

impl Case {
    /// What the example says: what was found, more about it, and how long it
    /// stays with caches if it leads astray.
    fn detail(&self, told: Fault, found: &str) -> String {
        let note = if self.offline == Some(told) { self.note.as_str() } else { "" };
        let lasting = self.lasting.filter(|_| told.misleads()).map(|lasting| lasting.to_string());
        let parts = [lasting.as_deref().unwrap_or_default(), note, found];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    }
}

/// Whether the finding is that a redirect leads to another place than the one
/// demanded.
const fn leads_elsewhere(finding: Option<Fault>) -> bool {
    matches!(
        finding,
        Some(
            Fault::LocationMismatch
                | Fault::LocationEncoding
                | Fault::LocationGluedHost
                | Fault::LocationWrongHost
        )
    )
}
