//! From requests to arrivals: which are played, and when each one is due.
//!
//! A schedule is a pure map. It knows the pace and the window of the run, takes
//! requests in order of arrival and gives each a due time counted from the
//! start of the run. It never sleeps and never looks at a clock; the engine
//! does the waiting.
//!
//! Its parts: a *process* says how many arrivals lie before each one, a rate or
//! a *profile* when that many have come, a *sample* which requests are played at
//! all, and an *amplifier* plays them more than once.

pub mod amplify;
mod pace;
pub mod process;
pub mod profile;
pub mod sample;

pub use self::pace::{PEAK_MAX, Pace, check_peak};

use self::amplify::Amplifier;
use self::process::{Process, Spacing};
use self::sample::Sample;
use downpour_core::agent::ClientKind;
use downpour_core::units::{Offset, Stamp};
use downpour_trace::client::ClientKey;
use downpour_trace::{Method, TraceRequest};
use http::uri::PathAndQuery;
use std::time::Duration;

/// One intention: what to ask for, and when it is due.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Number in the whole run, counted from 0. Worker and shard follow from it.
    pub sequence: u64,
    /// When it is due, since the start of the run.
    pub due: Offset,
    /// When its client asked, in the log's time since the first record; where
    /// the record has no time, when it is due. It tells sessions apart.
    pub recorded_offset: Offset,
    /// The method to send.
    pub method: Method,
    /// The target to send, byte for byte.
    pub target: PathAndQuery,
    /// The recorded status; [`downpour_core::status::sent_status`] tells whether a server
    /// sent it.
    pub recorded_status: Option<u16>,
    /// Who asked, where that is known.
    pub client: Option<ClientKey>,
    /// What kind of client that is.
    pub kind: ClientKind,
}

/// Where a run ends, if before its trace: `-d` and `-n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunLimits {
    /// Arrivals due at this offset or later are not part of the run.
    pub duration: Option<Duration>,
    /// No more arrivals than this.
    pub requests: Option<u64>,
}

/// What became of a request that was given to a schedule, or of a copy of it.
#[derive(Debug)]
pub enum ScheduleOutcome {
    /// It is due.
    Due(Arrival),
    /// It lies beyond the window, and so will everything after it.
    BeyondLimits,
    /// Its target is not one that can be sent. Not told of copies.
    Unsendable,
    /// The pace follows the record and the record has no time.
    MissingTime,
}

/// Gives requests their due times.
///
/// Takes one request after the other with [`Schedule::offer`]; what became of
/// them, and of copies made of them, comes out of [`Schedule::next_arrival`].
#[derive(Debug)]
pub struct Schedule {
    pace: Pace,
    limits: RunLimits,
    process: Process,
    sample: Option<Sample>,
    amplifier: Amplifier,
    /// Longer recorded gaps are shortened to this many nanoseconds.
    max_gap_ns: Option<u64>,
    /// The request that was offered last and is not placed yet.
    next: Option<TraceRequest>,
    counts: ScheduleCounts,
    last_due: Offset,
    pass: TracePass,
}

/// What a schedule has done with the requests it was offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScheduleCounts {
    /// Arrivals, copies among them.
    pub arrivals: u64,
    /// Arrivals that are copies.
    pub copies: u64,
    /// Requests that the sample left out.
    pub sampled_out: u64,
    /// Requests without a client, whose target decided in a sample of clients.
    pub without_client: u64,
}

/// One pass over the trace; `--loop` makes several.
#[derive(Clone, Copy, Debug, Default)]
struct TracePass {
    /// Where the pass begins in the run.
    base: Offset,
    /// Where it begins in the log's time, the passes before it laid end to end.
    recorded_base: Offset,
    /// The stamps of its first and its last request.
    span: Option<(Stamp, Stamp)>,
    /// How many requests it has, whether they are played or not.
    requests: u64,
    /// What was taken off its gaps.
    removed_ns: u64,
}

/// Whether a request stands in the trace or was made from one that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ArrivalOrigin {
    Trace,
    Copy,
}

/// When a request is due.
enum DueTime {
    At(Offset),
    Never,
    Unknown,
}

impl Schedule {
    /// A schedule that has placed nothing yet: evenly spaced at a rate of its
    /// own, every request once.
    pub fn new(pace: Pace, window: RunLimits) -> Self {
        let process = pace.uniform();
        Self {
            pace,
            limits: window,
            process,
            sample: None,
            amplifier: Amplifier::default(),
            max_gap_ns: None,
            next: None,
            counts: ScheduleCounts::default(),
            last_due: Offset::ZERO,
            pass: TracePass::default(),
        }
    }

    /// The same with this spacing. Nothing changes where the pace is recorded:
    /// its gaps are.
    #[must_use]
    pub fn with_spacing(self, spacing: Spacing, seed: u64) -> Self {
        let process = match spacing {
            Spacing::Uniform => self.pace.uniform(),
            Spacing::Poisson => Process::poisson(seed),
        };
        Self { process, ..self }
    }

    /// The same, playing this sample of the trace only.
    #[must_use]
    pub fn with_sample(self, sample: Sample) -> Self {
        Self { sample: Some(sample), ..self }
    }

    /// The same with these copies: for the recorded pace, where nothing else
    /// says how many arrivals there are.
    #[must_use]
    pub fn with_amplifier(self, amplifier: Amplifier) -> Self {
        Self { amplifier, ..self }
    }

    /// The same, with recorded gaps that are longer than this shortened to it.
    #[must_use]
    pub fn with_max_gap(self, most: Option<Duration>) -> Self {
        Self { max_gap_ns: most.map(|most| u64::try_from(most.as_nanos()).unwrap_or(u64::MAX)), ..self }
    }

    /// Takes the next request of the trace. All that came of the one before
    /// must have been placed.
    pub fn offer(&mut self, request: TraceRequest) {
        if let Some(at) = request.at {
            let (first, last) = self.pass.span.unwrap_or((at, at));
            if let Some(most) = self.max_gap_ns {
                self.pass.removed_ns += at.nanos_since(last).saturating_sub(most);
            }
            self.pass.span = Some((first, at));
        }
        self.pass.requests += 1;
        if let Some(sample) = self.sample {
            self.counts.without_client += u64::from(sample.lacks_client(&request));
            if !sample.keeps(&request) {
                self.counts.sampled_out += 1;
                return;
            }
        }
        self.next = Some(request);
    }

    /// Places what is next: the request that was offered, or copies that are
    /// due before it. `None` until another is offered. Due times never
    /// decrease, given requests whose stamps do not.
    pub fn next_arrival(&mut self) -> Option<ScheduleOutcome> {
        let next = self.next.take()?;
        let due = match self.due(next.at) {
            DueTime::At(due) => due,
            outcome @ (DueTime::Never | DueTime::Unknown) => {
                self.next = Some(next);
                return Some(if matches!(outcome, DueTime::Never) {
                    ScheduleOutcome::BeyondLimits
                } else {
                    ScheduleOutcome::MissingTime
                });
            }
        };
        if let Some((copy, copy_due)) = self.amplifier.due_before(due) {
            self.next = Some(next);
            return Some(self.schedule(copy, copy_due, ArrivalOrigin::Copy));
        }
        // Sharing a target costs an allocation, so it is not done for nothing.
        let original = self.amplifier.is_enabled().then(|| next.clone());
        let placed = self.schedule(next, due, ArrivalOrigin::Trace);
        if let (Some(original), ScheduleOutcome::Due(_)) = (&original, &placed) {
            self.amplifier.copy(original, due);
        }
        Some(placed)
    }

    /// Places a copy that is left when the trace is over.
    pub fn next_remaining_copy(&mut self) -> Option<ScheduleOutcome> {
        let (copy, due) = self.amplifier.due_before(Offset::from_nanos(u64::MAX))?;
        Some(self.schedule(copy, due, ArrivalOrigin::Copy))
    }

    /// Begins another pass over the same trace. A recorded trace starts again
    /// one mean gap after its last request, so that the seam is neither a burst
    /// nor a pause.
    pub fn begin_pass(&mut self) {
        let span = self.pass.span.map_or(0, |(first, last)| self.scale_to_pace(self.played_ns(first, last)));
        let gaps = self.pass.requests.saturating_sub(1);
        let mean_gap = span.checked_div(gaps).unwrap_or(0).max(1);
        let base = self.pass.base.after(Duration::from_nanos(span.saturating_add(mean_gap)));
        let recorded = self.pass.span.map_or(0, |(first, last)| last.nanos_since(first));
        let seam = recorded.checked_div(gaps).unwrap_or(0).max(1);
        let asked_base = self.pass.recorded_base.after(Duration::from_nanos(recorded.saturating_add(seam)));
        self.pass = TracePass { base, recorded_base: asked_base, ..TracePass::default() };
    }

    /// How long arrivals are placed at most; `None` for as long as there are
    /// requests.
    pub fn length(&self) -> Option<Duration> {
        self.limits.duration
    }

    /// What became of the requests so far.
    pub fn counts(&self) -> ScheduleCounts {
        self.counts
    }

    /// Whether a request was offered and has no place: the run is over before
    /// it.
    pub fn has_pending(&self) -> bool {
        self.next.is_some()
    }

    /// `request` is put back where it lies beyond the window.
    fn schedule(&mut self, request: TraceRequest, due: Offset, origin: ArrivalOrigin) -> ScheduleOutcome {
        let due = due.max(self.last_due);
        let beyond_time = self.limits.duration.is_some_and(|end| due >= Offset::from(end));
        let beyond_count = self.limits.requests.is_some_and(|most| self.counts.arrivals >= most);
        if beyond_time || beyond_count {
            if origin == ArrivalOrigin::Trace {
                self.next = Some(request);
            }
            return ScheduleOutcome::BeyondLimits;
        }
        let Ok(target) = PathAndQuery::from_maybe_shared(request.target) else {
            return ScheduleOutcome::Unsendable;
        };
        let since_first = request.at.zip(self.pass.span).map(|(at, (first, _))| at.nanos_since(first));
        let asked =
            since_first.map_or(due, |nanos| self.pass.recorded_base.after(Duration::from_nanos(nanos)));
        let sequence = self.counts.arrivals;
        self.counts.arrivals += 1;
        self.counts.copies += u64::from(origin == ArrivalOrigin::Copy);
        self.process.advance();
        self.last_due = due;
        ScheduleOutcome::Due(Arrival {
            sequence,
            due,
            recorded_offset: asked,
            method: request.method,
            target,
            recorded_status: request.status,
            client: request.client,
            kind: request.kind,
        })
    }

    fn due(&self, at: Option<Stamp>) -> DueTime {
        match &self.pace {
            Pace::Constant(rate) => DueTime::At(process::due_at_rate(*rate, self.process.position())),
            Pace::Profile(profile) => {
                profile.due(self.process.position()).map_or(DueTime::Never, DueTime::At)
            }
            // The engine says when; here they only have an order.
            Pace::Max => DueTime::At(Offset::ZERO),
            Pace::Recorded(speed) => {
                let Some((at, (first, _))) = at.zip(self.pass.span) else { return DueTime::Unknown };
                let since_first = speed.shrink(self.played_ns(first, at));
                DueTime::At(self.pass.base.after(Duration::from_nanos(since_first)))
            }
        }
    }

    /// From the first stamp of the pass to that one, without what was taken off
    /// its gaps.
    fn played_ns(&self, first: Stamp, at: Stamp) -> u64 {
        at.nanos_since(first).saturating_sub(self.pass.removed_ns)
    }

    /// Recorded nanoseconds as the run plays them.
    fn scale_to_pace(&self, nanos: u64) -> u64 {
        match &self.pace {
            Pace::Recorded(speed) => speed.shrink(nanos),
            Pace::Constant(_) | Pace::Profile(_) | Pace::Max => nanos,
        }
    }
}

#[cfg(test)]
mod tests;
