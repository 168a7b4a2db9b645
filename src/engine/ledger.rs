//! One worker's books: answers are judged here, and counted.
//!
//! An attempt is counted when it ends. Its arrival is counted when its fate is
//! known, which for a redirect to a host not seen before is a lookup later, and
//! for a target not asked before a check later; it is parked until then, with
//! its latency already fixed. Nothing here waits.

mod targets;

pub(crate) use targets::{TARGET_ANSWERS, TargetLine};

use super::connect::Handshake;
use super::coverage::{self, Tiers};
use super::exchange::Received;
use crate::fault::Fault;
use crate::schedule::Arrival;
use crate::tally::{
    Attempt, AttemptEnd, AttemptKind, Fate, Gauges, Interval, Lap, Redirect, Sighting, Unchecked,
};
use crate::units::Offset;
use crate::verify::address::PrivateAddresses;
use crate::verify::hosts::{HostAnswer, HostBounds, HostCache, HostReply};
use crate::verify::judge::Judge;
use crate::verify::lookup::LookupHandle;
use crate::verify::{
    Answer, Asked, Depth, HostToCheck, HostVerdict, Locations, Tier, final_fault, is_redirect,
};
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
    interval: Interval,
    /// Arrivals released since the start.
    offered: u64,
    judge: Judge,
    private: PrivateAddresses,
    hosts: HostCache<Case>,
    lookups: Option<LookupLine>,
    targets: Option<TargetLine>,
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
}

impl Ledger {
    pub(crate) fn new(judge: Judge, private: PrivateAddresses, lookups: Option<LookupLine>) -> Self {
        let hosts = HostCache::new(HostBounds::default());
        Self { interval: Interval::new(0), offered: 0, judge, private, hosts, lookups, targets: None }
    }

    /// A ledger that asks targets, too.
    pub(crate) fn with_targets(self, targets: Option<TargetLine>) -> Self {
        Self { targets, ..self }
    }

    /// An arrival was released.
    pub(crate) fn offered(&mut self) {
        self.interval.offered();
        self.offered += 1;
    }

    /// Arrivals released since the start.
    pub(crate) fn offered_so_far(&self) -> u64 {
        self.offered
    }

    /// The worker has measured how busy it was.
    pub(crate) fn lap(&mut self, lap: &Lap) {
        self.interval.lap(lap);
    }

    /// The reader of the trace did not keep up.
    pub(crate) fn starved(&mut self, time: Duration, arrivals: usize) {
        self.interval.starved(time, u64::try_from(arrivals).unwrap_or(u64::MAX));
    }

    /// It was over the limit, and not sent.
    pub(crate) fn shed(&mut self) {
        self.interval.shed();
    }

    /// A connection was opened, with this handshake if it has TLS.
    pub(crate) fn connection_opened(&mut self, handshake: Option<Handshake>) {
        self.interval.connection_opened();
        if let Some(Handshake { took, resumed }) = handshake {
            self.interval.handshake(took, resumed);
        }
    }

    /// The candidate announced how many streams a connection may have.
    pub(crate) fn stream_limit(&mut self, limit: u32) {
        self.interval.stream_limit(limit);
    }

    /// The candidate did not take a request up.
    pub(crate) fn not_taken(&mut self, fault: Fault) {
        if fault == Fault::Http2GoAway {
            self.interval.gone_away();
        } else if fault == Fault::Http2Refused {
            self.interval.stream_refused();
        }
    }

    /// A request that was not taken up was sent once more.
    pub(crate) fn stale_replay(&mut self) {
        self.interval.stale_replay();
    }

    /// Redirects whose host is being looked up or whose target is being asked.
    pub(crate) fn parked(&self) -> usize {
        self.hosts.parked() + self.targets.as_ref().map_or(0, TargetLine::parked)
    }

    /// What is going on as the second ends.
    pub(crate) fn gauges(&mut self, gauges: Gauges) {
        self.interval.set_gauges(gauges);
    }

    /// Takes the second's numbers out and begins those of `second`.
    pub(crate) fn take_interval(&mut self, second: u64) -> Interval {
        std::mem::replace(&mut self.interval, Interval::new(second))
    }

    /// Takes numbers back that could not be delivered.
    pub(crate) fn put_back(&mut self, undelivered: &Interval) {
        self.interval.merge(undelivered);
    }

    /// An arrival will have no outcome, because the run is over. `attempt` is
    /// what was under way for it.
    pub(crate) fn cut(&mut self, attempt: Option<&Attempt>) {
        if let Some(attempt) = attempt {
            self.interval.attempt(attempt, AttemptKind::First);
        }
        self.interval.arrival(Fate::Cut, Offset::ZERO, Offset::ZERO);
    }

    /// Nobody waits for answers any more: arrivals that wait for the resolver
    /// are cut, those that wait for their target are judged without it.
    pub(crate) fn cut_parked(&mut self) {
        self.leave_targets();
        for case in self.hosts.abandon() {
            let tiers = coverage::up_to(self.judge.depth(), Tier::Policy, Unchecked::Cut);
            self.interval.redirect(&Redirect { at: case.done, host: None, fault: None, tiers });
            self.interval.arrival(Fate::Cut, case.due, case.done);
        }
    }

    /// An attempt at `peer` ended without an answer, and its arrival with it.
    pub(crate) fn broken(
        &mut self,
        arrival: &Arrival,
        attempt: &Attempt,
        fault: Fault,
        peer: Option<SocketAddr>,
    ) {
        self.interval.attempt(attempt, AttemptKind::First);
        let case = Case {
            due: attempt.due,
            done: attempt.done,
            path: arrival.target.clone(),
            location: None,
            offline: Some(fault),
            expected: None,
        };
        let detail = peer.map_or_else(String::new, |peer| format!("at {peer}"));
        self.settle(&case, Some(fault), &detail);
    }

    /// An attempt ended with an answer.
    pub(crate) fn answered(&mut self, arrival: &Arrival, attempt: &Attempt, received: &Received) {
        self.interval.attempt(attempt, AttemptKind::First);
        self.interval.bytes_in(received.body_bytes);
        let target = arrival.target.as_str().as_bytes();
        let asked = Asked { target, recorded_status: arrival.recorded_status };
        let locations = match &received.location {
            None => Locations::None,
            Some(only) if received.locations == 1 => Locations::One(only.as_bytes()),
            Some(_) => Locations::Many,
        };
        let depth = self.judge.depth();
        let asks = depth >= Depth::Dns;
        let judgement = self.judge.judge(&asked, &Answer { status: received.status, locations });
        let mut case = Case {
            due: attempt.due,
            done: attempt.done,
            path: arrival.target.clone(),
            location: received.location.clone(),
            offline: judgement.fault,
            expected: None,
        };
        let Some(redirect) = judgement.redirect else {
            if is_redirect(received.status) {
                self.count_redirect(&case, None, case.offline, coverage::off());
            }
            return self.settle_offline(&case, attempt);
        };
        if asks && let HostToCheck::Name(host) = &redirect.host {
            if leads_elsewhere(case.offline) {
                let host = host.clone().into_owned();
                case.expected = self.judge.expected().map(Into::into);
                let reply = self.hosts.ask(&host, attempt.done, case);
                return self.replied(&host, reply, attempt.done);
            }
            let reply = self.hosts.ask(host, attempt.done, case);
            if self.targets.is_none()
                && let HostReply::Known(HostVerdict::Resolved, Case { offline: None, due, done, .. }) = reply
            {
                // What nearly every answer of a sound candidate is: counted
                // without making a text.
                let tiers = coverage::to_host(depth, HostVerdict::Resolved);
                let redirect = Redirect { at: done, host: Some(host), fault: None, tiers };
                self.interval.redirect(&redirect);
                return self.interval.arrival(Fate::Passed, due, done);
            }
            let host = host.clone().into_owned();
            return self.replied(&host, reply, attempt.done);
        }
        let found_in_headers = redirect.headers.is_some();
        let host = match redirect.host {
            HostToCheck::Name(name) => Some(name.into_owned()),
            HostToCheck::Address(address) => return self.settle_address(case, address, asks),
            HostToCheck::None => None,
        };
        let tiers = match case.offline {
            _ if found_in_headers => coverage::up_to(depth, Tier::Headers, Unchecked::NoLocation),
            Some(_) => coverage::up_to(depth, Tier::Dns, Unchecked::FaultBefore),
            None => coverage::up_to(depth, Tier::Dns, Unchecked::OwnOrigin),
        };
        self.count_redirect(&case, host.as_deref(), case.offline, tiers);
        self.settle_offline(&case, attempt);
    }

    /// The resolver has answered.
    pub(crate) fn host_answered(&mut self, answer: &HostAnswer, now: Offset) {
        for case in self.hosts.settle(answer, now) {
            self.settle_host(&answer.host, case, answer.verdict, now);
        }
    }

    fn replied(&mut self, host: &str, reply: HostReply<Case>, now: Offset) {
        match reply {
            HostReply::Known(verdict, case) => self.settle_host(host, case, verdict, now),
            HostReply::Refused(case) => {
                self.settle_host(host, case, HostVerdict::Broken(Fault::DnsUnchecked), now);
            }
            HostReply::Parked { lookup: false } => {}
            HostReply::Parked { lookup: true } => self.look_up(host, now),
        }
    }

    fn look_up(&mut self, host: &str, now: Offset) {
        let host: Arc<str> = host.into();
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
        if fault.is_none() && self.targets.is_some() {
            return self.go_on(case, host, now);
        }
        self.count_redirect(&case, Some(host), fault, coverage::to_host(self.judge.depth(), verdict));
        let detail = match (fault, case.offline, &case.expected) {
            (None, _, _) => String::new(),
            (Some(told), Some(also), _) if also != told => format!("host {host}; also {also}"),
            (Some(_), _, Some(expected)) => format!("expected {expected}"),
            (Some(_), _, None) => format!("host {host}"),
        };
        self.settle(&case, fault, &detail);
    }

    fn settle_address(&mut self, case: Case, address: IpAddr, asks: bool) {
        let verdict = if asks { self.private.judge([address]) } else { HostVerdict::Resolved };
        let fault = final_fault(case.offline, verdict);
        if fault.is_none() && self.targets.is_some() {
            let now = case.done;
            return self.go_on(case, &address.to_string(), now);
        }
        let tiers = coverage::to_host(self.judge.depth(), verdict);
        self.count_redirect(&case, Some(&address.to_string()), fault, tiers);
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
        self.interval.redirect(&Redirect { at: case.done, host, fault, tiers });
    }

    fn settle(&mut self, case: &Case, fault: Option<Fault>, detail: &str) {
        let Some(fault) = fault else {
            return self.interval.arrival(Fate::Passed, case.due, case.done);
        };
        self.interval.arrival(Fate::Failed(fault), case.due, case.done);
        self.interval.example(&Sighting {
            fault,
            at: case.done,
            path: case.path.as_str().as_bytes(),
            location: case.location.as_ref().map(HeaderValue::as_bytes),
            detail,
        });
    }
}

/// Whether the finding is that a redirect leads to another place than the one
/// demanded.
const fn leads_elsewhere(finding: Option<Fault>) -> bool {
    matches!(finding, Some(Fault::LocationMismatch | Fault::LocationWrongHost))
}
