//! One run: the loop of events, and what each does to the books.
//!
//! There are three kinds of event. An arrival comes from the schedule; each puts
//! the next one on the agenda, so that there is never more than one. An attempt
//! comes out, well or not; how was known when it was sent, since nothing that
//! comes later changes it. A retry is due. What is under way lies in a slab, and
//! events name its places.

use super::event_queue::EventQueue;
use super::outcome::AttemptOutcome;
use super::service_queue::{Admission, ServiceQueue};
use super::{SESSIONS_MAX, SimulationPlan};
use downpour_core::agent::ClientKind;
use downpour_core::fault::Fault;
use downpour_core::units::{Offset, grouped};
use downpour_load::client::{ClientBehavior, RetryContext};
use downpour_load::played::{NextArrival, Played};
use downpour_load::schedule::Arrival;
use downpour_metrics::{
    ArrivalOutcome, Attempt, AttemptEnd, AttemptKind, ClientCounts, DownloadEnd, FaultObservation, Gauges,
    Recorder, Totals,
};
use downpour_metrics::{Observer, RunEnd};
use downpour_mock::plan::{FaultKind, FaultPlan, WireFault};
use http::uri::PathAndQuery;
use std::sync::Arc;
use std::time::Duration;

/// Events after which a simulation asks whether it was stopped, however little
/// virtual time they took.
const EVENTS_BETWEEN_STOP_CHECKS: u32 = 4_096;

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The next arrival is due.
    Arrival,
    /// The attempt at this download has come out, and its client knows.
    AttemptDone(u32),
    /// A retry of this download is due.
    Retry(u32),
}

/// A download that has begun and is not over.
#[derive(Clone, Debug)]
struct ActiveDownload {
    state: DownloadState,
    target: PathAndQuery,
}

const _: () = assert!(size_of::<ActiveDownload>() <= 144, "a storm holds a million of them");

/// What is known of it beside its target.
#[derive(Clone, Copy, Debug)]
struct DownloadState {
    /// When its arrival was due.
    due: Offset,
    sequence: u64,
    recorded_status: Option<u16>,
    trial: RetryContext,
    /// When the attempt under way, or the last one, was due.
    sent: Offset,
    /// How that comes out.
    outcome: AttemptOutcome,
}

impl DownloadState {
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
    queue: ServiceQueue,
    clients: ClientBehavior,
    events: EventQueue<Event>,
    active: Vec<ActiveDownload>,
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
            Ok(NextArrival::Arrival(arrival)) => return Some(arrival),
            Ok(NextArrival::Idle) if !is_stopped() => {}
            Ok(NextArrival::Idle | NextArrival::End) => return None,
            Err(error) => {
                trouble.push(error);
                return None;
            }
        }
    };
    let mut next = pull();
    run.schedule_arrival(next.as_ref());
    let (mut now, mut interrupted) = (Offset::ZERO, false);
    let mut unlooked = 0;
    while let Some((at, event)) = run.events.next() {
        unlooked += 1;
        if at >= run.recorder.second_ends() {
            run.end_second(at, observer);
            unlooked = EVENTS_BETWEEN_STOP_CHECKS;
        }
        if unlooked >= EVENTS_BETWEEN_STOP_CHECKS {
            unlooked = 0;
            interrupted |= is_stopped();
        }
        now = at;
        if interrupted {
            run.mark_unfinished(at, event);
            continue;
        }
        match event {
            Event::Arrival => {
                if let Some(arrival) = next.take() {
                    run.arrive(arrival);
                }
                next = pull();
                run.schedule_arrival(next.as_ref());
            }
            Event::AttemptDone(place) => run.attempt_done(at, place),
            Event::Retry(place) => run.retry(at, place),
        }
    }
    run.end_second(now, observer);
    interrupted |= is_stopped();
    let mut played = arrivals.end();
    played.unreleased += u64::from(next.is_some());
    played.notices.extend(run.forgotten_notice());
    RunEnd {
        totals: run.totals,
        accounting: played.trace,
        unreleased: played.unreleased,
        scheduled: played.counts,
        last_due: run.last_due,
        wall: now.as_duration(),
        cpu: Duration::ZERO,
        interrupted,
        notices: played.notices,
        failures: trouble,
    }
}

impl<'p> Simulation<'p> {
    fn new(plan: &'p SimulationPlan) -> Self {
        Self {
            plan,
            faults: plan.fault_plan(),
            queue: ServiceQueue::new(&plan.service, plan.seed),
            clients: ClientBehavior::new(Arc::clone(&plan.clients), SESSIONS_MAX),
            events: EventQueue::new(),
            active: Vec::new(),
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
    fn schedule_arrival(&mut self, arrival: Option<&Arrival>) {
        if let Some(arrival) = arrival {
            self.events.schedule(arrival.due, Event::Arrival);
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        let Arrival { due, sequence, recorded_status, .. } = arrival;
        self.last_due = due;
        self.recorder.offered(due);
        self.count_client(due, arrival.kind, |counts| counts.arrivals.offered += 1);
        if self.in_flight >= self.plan.max_in_flight {
            self.count_client(due, arrival.kind, |counts| counts.arrivals.shed += 1);
            return self.recorder.shed(due);
        }
        let Some(trial) = self.clients.begin(&arrival) else {
            self.count_client(due, arrival.kind, |counts| counts.arrivals.failed += 1);
            let (fault, path) = (Fault::ClientAborted, arrival.target.as_str().as_bytes());
            let detail = "another download of its session had failed for good";
            self.recorder.arrival(ArrivalOutcome::Failed(fault), due, due);
            return self
                .recorder
                .example(due, &FaultObservation { fault, at: due, path, location: None, detail });
        };
        let state =
            DownloadState { due, sequence, recorded_status, trial, sent: due, outcome: AttemptOutcome::OK };
        let place = self.insert(ActiveDownload { state, target: arrival.target });
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
        let admission = self.queue.admit(comes_in, gives_up.after(half));
        let (done, outcome) = match admission {
            Admission::Refused => (comes_in, AttemptOutcome::REFUSED),
            Admission::Dropped => (gives_up, AttemptOutcome::TIMED_OUT),
            Admission::Served(done) => self.apply_fault(done, spoiled),
        };
        let done = done.after(self.plan.service.round_trip.saturating_sub(half));
        // Whoever no longer waits does not see what comes.
        let (done, outcome) =
            if done > gives_up { (gives_up, AttemptOutcome::TIMED_OUT) } else { (done, outcome) };
        let known = done.after(self.lookup(outcome));
        let state = self.state(place);
        (state.sent, state.outcome) = (now, outcome);
        self.events.schedule(known, Event::AttemptDone(place));
    }

    /// What a planned fault makes of a sound answer.
    fn apply_fault(&self, done: Offset, fault: Option<usize>) -> (Offset, AttemptOutcome) {
        let Some(fault) = fault.and_then(|index| self.faults.faults().get(index)) else {
            return (done, AttemptOutcome::OK);
        };
        let held = match (fault.kind, fault.window.end()) {
            (FaultKind::Wire(WireFault::Stall), Some(end)) => done.max(end.into()),
            (FaultKind::Wire(WireFault::Stall), None) => Offset::from_nanos(u64::MAX),
            (_, _) => done,
        };
        (held, AttemptOutcome::of_fault(fault.kind).unwrap_or(AttemptOutcome::OK))
    }

    /// How long a client takes to know what an answer is worth.
    fn lookup(&self, outcome: AttemptOutcome) -> Duration {
        if outcome.takes_a_lookup() { self.plan.service.lookup } else { Duration::ZERO }
    }

    fn attempt_done(&mut self, now: Offset, place: u32) {
        self.in_flight -= 1;
        let state = *self.state(place);
        let DownloadState { due, recorded_status, trial, outcome, .. } = state;
        let done = Offset::from(now.as_duration().saturating_sub(self.lookup(outcome)));
        let end = outcome.end();
        self.recorder.attempt(due, &state.attempt(done, end), state.kind());
        self.count_client(due, trial.client(), |counts| counts.attempt(state.kind()));
        if let AttemptEnd::Status(status) = end {
            self.recorder.transition(due, (recorded_status, status), outcome.has_wrong_status());
        }
        if let Some(fault) = outcome.fault {
            return self.attempt_failed((now, done), place, fault);
        }
        self.clients.succeeded(&trial);
        if let Some(counts) = self.recorder.retries(due) {
            counts.finished(trial.attempts() + 1);
        }
        let is_first = state.kind() == AttemptKind::First;
        let fate = if is_first { ArrivalOutcome::Passed } else { ArrivalOutcome::Recovered(trial.fault()) };
        self.count_client(due, trial.client(), |counts| {
            *(if is_first { &mut counts.arrivals.passed } else { &mut counts.arrivals.recovered }) += 1;
        });
        self.recorder.arrival(fate, due, done);
        self.vacant.push(place);
    }

    /// An attempt failed; the download did, too, unless its client tries again.
    fn attempt_failed(&mut self, (now, done): (Offset, Offset), place: u32, fault: Fault) {
        let DownloadState { due, sequence, mut trial, outcome, .. } = *self.state(place);
        self.recorder.wrong_attempt(due, fault, done);
        if self.recorder.keeps_example(due, fault, done) {
            let path = self.active[place as usize].target.as_str().as_bytes();
            self.recorder
                .example(due, &FaultObservation { fault, at: done, path, location: None, detail: "" });
        }
        let next = self.clients.failed((&mut trial, sequence), (outcome.as_last_attempt(fault), fault), now);
        self.state(place).trial = trial;
        let why = match next {
            Ok(_) if self.waiting >= self.plan.max_waiting => DownloadEnd::NoRoom,
            Ok(again) => {
                if let Some(counts) = self.recorder.retries(due) {
                    counts.hidden_attempt(fault, done);
                }
                self.waiting += 1;
                return self.events.schedule(again, Event::Retry(place));
            }
            Err(over) => DownloadEnd::from(over),
        };
        if why != DownloadEnd::Aborted {
            self.clients.end_session(&trial, now);
        }
        self.fail_download(place, fault, done, why);
    }

    fn retry(&mut self, now: Offset, place: u32) {
        let DownloadState { due, mut trial, .. } = *self.state(place);
        let moved = self.clients.move_to_current_run(&mut trial, now);
        self.state(place).trial = trial;
        if let Some(later) = moved.filter(|&begins| begins > now) {
            return self.events.schedule(later, Event::Retry(place));
        }
        self.waiting -= 1;
        let fault = trial.fault();
        if let Some(aborted) = self.clients.aborted_at(&trial) {
            // It did not wait for longer, and what failed it last stands.
            self.fail_download(place, fault, aborted.max(due), DownloadEnd::Aborted);
        } else if self.in_flight >= self.plan.max_in_flight {
            self.clients.end_session(&trial, now);
            self.fail_download(place, fault, now, DownloadEnd::Shed);
        } else {
            self.send(now, place);
        }
    }

    /// A download has failed for good.
    fn fail_download(&mut self, place: u32, fault: Fault, done: Offset, why: DownloadEnd) {
        let DownloadState { due, trial, .. } = *self.state(place);
        if let Some(counts) = self.recorder.retries(due) {
            counts.finished(trial.attempts());
            counts.ended(why);
        }
        self.count_client(due, trial.client(), |counts| counts.arrivals.failed += 1);
        self.recorder.arrival(ArrivalOutcome::Failed(fault), due, done);
        self.vacant.push(place);
    }

    /// The run was stopped: nobody will see how this ends. Where an earlier
    /// attempt has failed the download has, too.
    fn mark_unfinished(&mut self, now: Offset, event: Event) {
        let (Event::AttemptDone(place) | Event::Retry(place)) = event else { return };
        let state = *self.state(place);
        let is_waiting = matches!(event, Event::Retry(_));
        if !is_waiting {
            self.recorder.attempt(
                state.due,
                &state.attempt(state.sent, AttemptEnd::Unfinished),
                state.kind(),
            );
            self.count_client(state.due, state.trial.client(), |counts| counts.attempt(state.kind()));
        }
        if state.trial.attempts() > 0 {
            if let Some(counts) = self.recorder.retries(state.due) {
                counts.finished(state.trial.attempts() + u32::from(!is_waiting));
                counts.ended(DownloadEnd::RunOver);
                counts.waiting_at_end += u64::from(is_waiting);
            }
            self.count_client(state.due, state.trial.client(), |counts| counts.arrivals.failed += 1);
            return self.recorder.arrival(ArrivalOutcome::Failed(state.trial.fault()), state.due, now);
        }
        self.recorder.arrival(ArrivalOutcome::Unfinished, state.due, state.due);
        self.count_client(state.due, state.trial.client(), |counts| counts.arrivals.unfinished += 1);
    }

    /// Books something with a kind of client, where they are told apart.
    fn count_client(&mut self, due: Offset, kind: ClientKind, book: impl FnOnce(&mut ClientCounts)) {
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
            waiting: count(self.queue.waiting(second_ends.min(now))),
            connections_open: 0,
        });
        let interval = self.recorder.take(now);
        self.totals.absorb(&interval);
        self.totals.raise_peak(&interval);
        observer.second(&interval, &self.totals);
    }

    /// Takes a place in the slab.
    fn insert(&mut self, flight: ActiveDownload) -> u32 {
        if let Some(place) = self.vacant.pop() {
            self.active[place as usize] = flight;
            return place;
        }
        self.active.push(flight);
        u32::try_from(self.active.len() - 1).expect("limits keep the slab far below that")
    }

    fn state(&mut self, place: u32) -> &mut DownloadState {
        &mut self.active[place as usize].state
    }

    fn forgotten_notice(&self) -> Option<String> {
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
