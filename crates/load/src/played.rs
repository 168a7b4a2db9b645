//! A trace as it is played: its requests, placed one after the other.
//!
//! The feeder hands these arrivals to workers; a simulation takes them as they
//! come. Both play the same ones, and account for the rest alike.

use crate::schedule::{Arrival, Schedule, ScheduleCounts, ScheduleOutcome};
use downpour_trace::live::Search;
use downpour_trace::reasons::Filter;
use downpour_trace::source::ReadOutcome;
use downpour_trace::{TraceAccounting, TraceRequest};

/// Requests in order of arrival, from wherever they come.
pub trait Requests: Send {
    /// The next one, or [`ReadOutcome::Idle`] if none is found soon, so that the caller
    /// can hand over what it has and see whether the run ends.
    fn next_or_idle(&mut self) -> Result<ReadOutcome, String>;

    /// The next one, however long that takes; `None` at the end of a pass.
    fn next(&mut self) -> Result<Option<TraceRequest>, String> {
        loop {
            match self.next_or_idle()? {
                ReadOutcome::Request(request) => return Ok(Some(request)),
                ReadOutcome::Idle => {}
                ReadOutcome::End => return Ok(None),
            }
        }
    }

    /// Begins another pass.
    fn rewind(&mut self) -> Result<(), String>;

    /// Reading is over: what is still held back is counted as undelivered.
    fn stop(&mut self);

    /// Where the lines went so far.
    fn accounting(&self) -> TraceAccounting;

    /// What went wrong on the way without ending it, as whole sentences.
    fn notices(&self) -> Vec<String>;
}

/// What happens when the trace ends before the run's window does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtEndOfTrace {
    /// The run ends too.
    Stop,
    /// The trace begins again: `--loop`.
    Loop,
}

/// The arrivals that a trace and a schedule make together.
pub struct Played {
    requests: Box<dyn Requests>,
    schedule: Schedule,
    at_end: AtEndOfTrace,
    stage: PlayStage,
    /// How many arrivals lay before the present pass.
    pass_begins_at: u64,
    /// Requests whose target no HTTP client can send.
    unsendable: u64,
}

/// What is left to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PlayStage {
    Trace,
    /// Copies of what was in the trace.
    Copies,
    Nothing,
}

/// What comes next of a trace that is played.
#[derive(Debug)]
pub enum NextArrival {
    /// An arrival.
    Arrival(Arrival),
    /// Nothing for the moment.
    Idle,
    /// Nothing more.
    End,
}

/// Where a trace went that was played.
#[derive(Debug, Default)]
pub struct PlayedAccounting {
    /// Where its lines went.
    pub trace: TraceAccounting,
    /// Requests that it handed out and that lie beyond the window.
    pub unreleased: u64,
    /// Requests that were sampled out, and copies that were made.
    pub counts: ScheduleCounts,
    /// What went wrong without ending it.
    pub notices: Vec<String>,
}

impl Played {
    /// Nothing has been played yet.
    pub fn new(requests: Box<dyn Requests>, schedule: Schedule, at_end: AtEndOfTrace) -> Self {
        Self { requests, schedule, at_end, stage: PlayStage::Trace, pass_begins_at: 0, unsendable: 0 }
    }

    /// The next arrival; `None` where the trace or the window has ended. May
    /// block on a file.
    #[expect(clippy::should_implement_trait, reason = "it may fail, and ends with that")]
    pub fn next(&mut self) -> Result<Option<Arrival>, String> {
        loop {
            match self.next_or_idle()? {
                NextArrival::Arrival(arrival) => return Ok(Some(arrival)),
                NextArrival::Idle => {}
                NextArrival::End => return Ok(None),
            }
        }
    }

    /// The same, for who has other things to do while no arrival is found.
    pub fn next_or_idle(&mut self) -> Result<NextArrival, String> {
        let mut search = Search::default();
        loop {
            let placed = match self.stage {
                PlayStage::Trace => self.schedule.next_arrival(),
                PlayStage::Copies => self.schedule.next_remaining_copy(),
                PlayStage::Nothing => return Ok(NextArrival::End),
            };
            match placed {
                Some(ScheduleOutcome::Due(arrival)) => return Ok(NextArrival::Arrival(arrival)),
                Some(ScheduleOutcome::BeyondLimits) => self.stage = PlayStage::Nothing,
                Some(ScheduleOutcome::Unsendable) => self.unsendable += 1,
                Some(ScheduleOutcome::MissingTime) => {
                    return Err("the log has no times to follow: set a rate with --rate".to_owned());
                }
                None if self.advance()? => {
                    if search.is_long() {
                        return Ok(NextArrival::Idle);
                    }
                }
                None => return Ok(NextArrival::Idle),
            }
        }
    }

    /// Reading is over, at the end or before it.
    pub fn end(mut self) -> PlayedAccounting {
        self.requests.stop();
        let mut trace = self.requests.accounting();
        if self.unsendable > 0 {
            *trace.filtered.entry(Filter::Unsendable.id()).or_default() += self.unsendable;
        }
        PlayedAccounting {
            trace,
            unreleased: u64::from(self.schedule.has_pending()),
            counts: self.schedule.counts(),
            notices: self.requests.notices(),
        }
    }

    /// All that was offered to the schedule has been placed. `false` if nothing
    /// comes for the moment.
    fn advance(&mut self) -> Result<bool, String> {
        if self.stage == PlayStage::Copies {
            self.stage = PlayStage::Nothing;
            return Ok(true);
        }
        match self.requests.next_or_idle()? {
            ReadOutcome::Request(request) => {
                self.schedule.offer(request);
                return Ok(true);
            }
            ReadOutcome::Idle => return Ok(false),
            ReadOutcome::End => {}
        }
        let placed = self.schedule.counts().arrivals;
        let is_fruitless = placed == self.pass_begins_at;
        if self.at_end == AtEndOfTrace::Stop || is_fruitless {
            self.stage = PlayStage::Copies;
            return Ok(true);
        }
        self.requests.rewind()?;
        self.schedule.begin_pass();
        self.pass_begins_at = placed;
        Ok(true)
    }
}

impl std::fmt::Debug for Played {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Played").field("schedule", &self.schedule).finish_non_exhaustive()
    }
}
