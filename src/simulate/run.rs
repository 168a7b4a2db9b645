//! One run: the loop of events, and what each does to the books.
//!
//! There are three kinds of event. An arrival comes from the schedule; each puts
//! the next one on the agenda, so that there is never more than one. An attempt
//! comes out, well or not; how was known when it was sent, since nothing that
//! comes later changes it. A retry is due. What is under way lies in a slab, and
//! events name its places.

use super::agenda::Agenda;
use super::desk::{Admission, Desk};
use super::outcome::Outcome;
use super::{SESSIONS_MAX, SimulationPlan};
use crate::client::{Conduct, Trial};
use crate::engine::{Coming, Observer, Played, RunEnd};
use crate::fault::Fault;
use crate::registry::plan::{FaultKind, FaultPlan, WireFault};
use crate::schedule::Arrival;
use crate::tally::{
    Attempt, AttemptEnd, AttemptKind, ClientCounts, Ended, Fate, Gauges, Recorder, Sighting, Totals,
};
use crate::trace::agent::ClientKind;
use crate::units::{Offset, grouped};
use http::uri::PathAndQuery;
use std::sync::Arc;
use std::time::Duration;

/// Events after which a simulation asks whether it was stopped, however little
/// virtual time they took.
const EVENTS_BETWEEN_LOOKS: u32 = 4_096;

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The next arrival is due.
    Arrival,
    /// The attempt at this download has come out, and its client knows.
    Out(u32),
    /// A retry of this download is due.
    Retry(u32),
}

/// A download that has begun and is not over.
#[derive(Clone, Debug)]
struct Flight {
    state: State,
    target: PathAndQuery,
}

const _: () = assert!(size_of::<Flight>() <= 128, "a storm holds a million of them");

/// What is known of it beside its target.
#[derive(Clone, Copy, Debug)]
struct State {
    /// When its arrival was due.
    due: Offset,
    sequence: u64,
    recorded_status: Option<u16>,
    trial: Trial,
    /// When the attempt under way, or the last one, was due.
    sent: Offset,
    /// How that comes out.
    outcome: Outcome,
}

impl State {
    const fn kind(&self) -> AttemptKind {
        AttemptKind::after(self.trial.attempts())
    }

    /// The attempt as the books have it: a simulated one is sent when it is
    /// due.
    const fn attempt(&self, done: Offset, end: AttemptEnd) -> Attempt {
        Attempt { due: self.sent, sent: Some(self.sent), first_byte: None, done, end }
    }
}

/// A run under way.
struct Simulation<'p> {
    plan: &'p SimulationPlan,
    faults: FaultPlan,
    desk: Desk,
    clients: Conduct,
    agenda: Agenda<Event>,
    flights: Vec<Flight>,
    /// Places of the slab that are free.
    vacant: Vec<u32>,
    recorder: Recorder,
    totals: Totals,
    in_flight: usize,
    waiting: usize,
    /// Requests that have been sent.
    requests: u64,
    last_due: Offset,
}

/// Simulates a run to its end, or until `is_stopped`. `observer` sees each
/// second in which something happened.
pub fn simulate(
    plan: &SimulationPlan,
    mut arrivals: Played,
    observer: &mut dyn Observer,
    is_stopped: &dyn Fn() -> bool,
) -> RunEnd {
    let mut run = Simulation::new(plan);
    let mut trouble = Vec::new();
    let mut pull = || loop {
        match arrivals.next_or_idle() {
            Ok(Coming::Arrival(arrival)) => return Some(arrival),
            Ok(Coming::Idle) if !is_stopped() => {}
            Ok(Coming::Idle | Coming::End) => return None,
            Err(error) => {
                trouble.push(error);
                return None;
            }
        }
    };
    let mut next = pull();
    run.expect(next.as_ref());
    let (mut now, mut interrupted) = (Offset::ZERO, false);
    let mut unlooked = 0;
    while let Some((at, event)) = run.agenda.next() {
        unlooked += 1;
        if at >= run.recorder.second_ends() {
            run.end_second(at, observer);
            unlooked = EVENTS_BETWEEN_LOOKS;
        }
        if unlooked >= EVENTS_BETWEEN_LOOKS {
            unlooked = 0;
            interrupted |= is_stopped();
        }
        now = at;
        if interrupted {
            run.cut(at, event);
            continue;
        }
        match event {
            Event::Arrival => {
                if let Some(arrival) = next.take() {
                    run.arrive(arrival);
                }
                next = pull();
                run.expect(next.as_ref());
            }
            Event::Out(place) => run.comes_out(at, place),
            Event::Retry(place) => run.retry(at, place),
        }
    }
    run.end_second(now, observer);
    interrupted |= is_stopped();
    let mut played = arrivals.end();
    played.unreleased += u64::from(next.is_some());
    played.notices.extend(run.forgotten());
    RunEnd {
        totals: run.totals,
        books: played.trace,
        unreleased: played.unreleased,
        scheduled: played.counts,
        last_due: run.last_due,
        wall: now.as_duration(),
        cpu: Duration::ZERO,
        interrupted,
        notices: played.notices,
        trouble,
    }
}

impl<'p> Simulation<'p> {
    fn new(plan: &'p SimulationPlan) -> Self {
        Self {
            plan,
            faults: plan.fault_plan(),
            desk: Desk::new(&plan.service, plan.seed),
            clients: Conduct::new(Arc::clone(&plan.clients), SESSIONS_MAX),
            agenda: Agenda::new(),
            flights: Vec::new(),
            vacant: Vec::new(),
            recorder: Recorder::new(plan.warmup),
            totals: Totals::default(),
            in_flight: 0,
            waiting: 0,
            requests: 0,
            last_due: Offset::ZERO,
        }
    }

    /// The next arrival is known.
    fn expect(&mut self, arrival: Option<&Arrival>) {
        if let Some(arrival) = arrival {
            self.agenda.put(arrival.due, Event::Arrival);
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        let Arrival { due, sequence, recorded_status, .. } = arrival;
        self.last_due = due;
        self.recorder.offered(due);
        self.of_client(due, arrival.kind, |counts| counts.arrivals.offered += 1);
        if self.in_flight >= self.plan.max_in_flight {
            self.of_client(due, arrival.kind, |counts| counts.arrivals.shed += 1);
            return self.recorder.shed(due);
        }
        let Some(trial) = self.clients.begin(&arrival) else {
            self.of_client(due, arrival.kind, |counts| counts.arrivals.failed += 1);
            let (fault, path) = (Fault::ClientAborted, arrival.target.as_str().as_bytes());
            let detail = "another download of its session had failed for good";
            self.recorder.arrival(Fate::Failed(fault), due, due);
            return self.recorder.example(due, &Sighting { fault, at: due, path, location: None, detail });
        };
        let state = State { due, sequence, recorded_status, trial, sent: due, outcome: Outcome::SOUND };
        let place = self.seat(Flight { state, target: arrival.target });
        self.send(due, place);
    }

    /// An attempt leaves; how it comes out is known from here on.
    fn send(&mut self, now: Offset, place: u32) {
        self.in_flight += 1;
        let half = self.plan.service.round_trip / 2;
        let gives_up = now.after(self.plan.timeout);
        let comes_in = now.after(half);
        let spoiled = self.faults.pick(self.requests, comes_in.as_duration());
        self.requests += 1;
        let admission = self.desk.admit(comes_in, gives_up.after(half));
        let (done, outcome) = match admission {
            Admission::Refused => (comes_in, Outcome::REFUSED),
            Admission::Dropped => (gives_up, Outcome::TIMED_OUT),
            Admission::Served(done) => self.spoil(done, spoiled),
        };
        let done = done.after(self.plan.service.round_trip.saturating_sub(half));
        // Whoever no longer waits does not see what comes.
        let (done, outcome) = if done > gives_up { (gives_up, Outcome::TIMED_OUT) } else { (done, outcome) };
        let known = done.after(self.lookup(outcome));
        let state = self.state(place);
        (state.sent, state.outcome) = (now, outcome);
        self.agenda.put(known, Event::Out(place));
    }

    /// What a planned fault makes of a sound answer.
    fn spoil(&self, done: Offset, fault: Option<usize>) -> (Offset, Outcome) {
        let Some(fault) = fault.and_then(|index| self.faults.faults().get(index)) else {
            return (done, Outcome::SOUND);
        };
        let held = match (fault.kind, fault.window.end()) {
            (FaultKind::Wire(WireFault::Stall), Some(end)) => done.max(end.into()),
            (FaultKind::Wire(WireFault::Stall), None) => Offset::from_nanos(u64::MAX),
            (_, _) => done,
        };
        (held, Outcome::spoiled(fault.kind).unwrap_or(Outcome::SOUND))
    }

    /// How long a client takes to know what an answer is worth.
    fn lookup(&self, outcome: Outcome) -> Duration {
        if outcome.takes_a_lookup() { self.plan.service.lookup } else { Duration::ZERO }
    }

    fn comes_out(&mut self, now: Offset, place: u32) {
        self.in_flight -= 1;
        let state = *self.state(place);
        let State { due, recorded_status, trial, outcome, .. } = state;
        let done = Offset::from(now.as_duration().saturating_sub(self.lookup(outcome)));
        let end = outcome.end();
        self.recorder.attempt(due, &state.attempt(done, end), state.kind());
        self.of_client(due, trial.client(), |counts| counts.attempt(state.kind()));
        if let AttemptEnd::Status(status) = end {
            self.recorder.transition(due, (recorded_status, status), outcome.has_wrong_status());
        }
        if let Some(fault) = outcome.fault {
            return self.fails((now, done), place, fault);
        }
        self.clients.succeeded(&trial);
        if let Some(counts) = self.recorder.retries(due) {
            counts.over(trial.attempts() + 1);
        }
        let is_first = state.kind() == AttemptKind::First;
        let fate = if is_first { Fate::Passed } else { Fate::Recovered(trial.fault()) };
        self.of_client(due, trial.client(), |counts| {
            *(if is_first { &mut counts.arrivals.passed } else { &mut counts.arrivals.recovered }) += 1;
        });
        self.recorder.arrival(fate, due, done);
        self.vacant.push(place);
    }

    /// An attempt failed; the download did, too, unless its client tries again.
    fn fails(&mut self, (now, done): (Offset, Offset), place: u32, fault: Fault) {
        let State { due, sequence, mut trial, outcome, .. } = *self.state(place);
        self.recorder.wrong_attempt(due, fault, done);
        if self.recorder.keeps_example(due, fault, done) {
            let path = self.flights[place as usize].target.as_str().as_bytes();
            self.recorder.example(due, &Sighting { fault, at: done, path, location: None, detail: "" });
        }
        let next = self.clients.failed((&mut trial, sequence), (outcome.last(fault), fault), now);
        self.state(place).trial = trial;
        let why = match next {
            Ok(_) if self.waiting >= self.plan.max_waiting => Ended::NoRoom,
            Ok(again) => {
                if let Some(counts) = self.recorder.retries(due) {
                    counts.hid(fault, done);
                }
                self.waiting += 1;
                return self.agenda.put(again, Event::Retry(place));
            }
            Err(over) => Ended::from(over),
        };
        if why != Ended::Aborted {
            self.clients.end_session(&trial, now);
        }
        self.gives_up(place, fault, done, why);
    }

    fn retry(&mut self, now: Offset, place: u32) {
        let State { due, mut trial, .. } = *self.state(place);
        let moved = self.clients.moved(&mut trial, now);
        self.state(place).trial = trial;
        if let Some(later) = moved.filter(|&begins| begins > now) {
            return self.agenda.put(later, Event::Retry(place));
        }
        self.waiting -= 1;
        let fault = trial.fault();
        if let Some(aborted) = self.clients.aborted_at(&trial) {
            // It did not wait for longer, and what failed it last stands.
            self.gives_up(place, fault, aborted.max(due), Ended::Aborted);
        } else if self.in_flight >= self.plan.max_in_flight {
            self.clients.end_session(&trial, now);
            self.gives_up(place, fault, now, Ended::Shed);
        } else {
            self.send(now, place);
        }
    }

    /// A download has failed for good.
    fn gives_up(&mut self, place: u32, fault: Fault, done: Offset, why: Ended) {
        let State { due, trial, .. } = *self.state(place);
        if let Some(counts) = self.recorder.retries(due) {
            counts.over(trial.attempts());
            counts.ended(why);
        }
        self.of_client(due, trial.client(), |counts| counts.arrivals.failed += 1);
        self.recorder.arrival(Fate::Failed(fault), due, done);
        self.vacant.push(place);
    }

    /// The run was stopped: nobody will see how this ends. Where an earlier
    /// attempt has failed the download has, too.
    fn cut(&mut self, now: Offset, event: Event) {
        let (Event::Out(place) | Event::Retry(place)) = event else { return };
        let state = *self.state(place);
        let is_waiting = matches!(event, Event::Retry(_));
        if !is_waiting {
            self.recorder.attempt(state.due, &state.attempt(state.sent, AttemptEnd::Cut), state.kind());
            self.of_client(state.due, state.trial.client(), |counts| counts.attempt(state.kind()));
        }
        if state.trial.attempts() > 0 {
            if let Some(counts) = self.recorder.retries(state.due) {
                counts.over(state.trial.attempts() + u32::from(!is_waiting));
                counts.ended(Ended::RunOver);
                counts.waiting_at_end += u64::from(is_waiting);
            }
            self.of_client(state.due, state.trial.client(), |counts| counts.arrivals.failed += 1);
            return self.recorder.arrival(Fate::Failed(state.trial.fault()), state.due, now);
        }
        self.recorder.arrival(Fate::Cut, state.due, state.due);
        self.of_client(state.due, state.trial.client(), |counts| counts.arrivals.cut += 1);
    }

    /// Books something with a kind of client, where they are told apart.
    fn of_client(&mut self, due: Offset, kind: ClientKind, book: impl FnOnce(&mut ClientCounts)) {
        if self.clients.is_mixed()
            && let Some(counts) = self.recorder.client(due, kind)
        {
            book(counts);
        }
    }

    fn end_second(&mut self, now: Offset, observer: &mut dyn Observer) {
        let second_ends = self.recorder.second_ends();
        self.recorder.set_gauges(Gauges {
            in_flight: count(self.in_flight),
            waiting: count(self.desk.waiting(second_ends.min(now))),
            connections_open: 0,
        });
        let interval = self.recorder.take(now);
        self.totals.absorb(&interval);
        self.totals.raise_peak(&interval);
        observer.second(&interval, &self.totals);
    }

    /// Takes a place in the slab.
    fn seat(&mut self, flight: Flight) -> u32 {
        if let Some(place) = self.vacant.pop() {
            self.flights[place as usize] = flight;
            return place;
        }
        self.flights.push(flight);
        u32::try_from(self.flights.len() - 1).expect("limits keep the slab far below that")
    }

    fn state(&mut self, place: u32) -> &mut State {
        &mut self.flights[place as usize].state
    }

    fn forgotten(&self) -> Option<String> {
        let forgotten = self.clients.forgotten();
        (forgotten > 0).then(|| {
            format!(
                "memory for sessions was full: {} sessions ended early, and their downloads continued without a session",
                grouped(forgotten)
            )
        })
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
