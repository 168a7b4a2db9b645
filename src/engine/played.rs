//! A trace as it is played: its requests, placed one after the other.
//!
//! The feeder hands these arrivals to workers; a simulation takes them as they
//! come. Both play the same ones, and account for the rest alike.

use crate::schedule::{Arrival, Placed, Schedule, ScheduleCounts};
use crate::trace::fate::Filter;
use crate::trace::source::Next;
use crate::trace::{Request, TraceBooks};

/// Requests in order of arrival, from wherever they come.
pub trait Requests: Send {
    /// The next one; `None` at the end of a pass.
    fn next(&mut self) -> Result<Option<Request>, String>;

    /// The same, or word that nothing comes for the moment, so that whoever
    /// waits can look around. What never waits for a stream need not say it.
    fn next_or_idle(&mut self) -> Result<Next, String> {
        Ok(self.next()?.map_or(Next::End, Next::Request))
    }

    /// Begins another pass.
    fn rewind(&mut self) -> Result<(), String>;

    /// Reading is over: what is still held back is counted as undelivered.
    fn stop(&mut self);

    /// Where the lines went so far.
    fn books(&self) -> TraceBooks;

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
    stage: Stage,
    /// How many arrivals lay before the present pass.
    pass_begins_at: u64,
    /// Requests whose target no HTTP client can send.
    unsendable: u64,
}

/// What is left to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Trace,
    /// Copies of what was in the trace.
    Copies,
    Nothing,
}

/// What comes next of a trace that is played.
#[derive(Debug)]
pub enum Coming {
    /// An arrival.
    Arrival(Arrival),
    /// Nothing for the moment.
    Idle,
    /// Nothing more.
    End,
}

/// Where a trace went that was played.
#[derive(Debug, Default)]
pub struct PlayedBooks {
    /// Where its lines went.
    pub trace: TraceBooks,
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
        Self { requests, schedule, at_end, stage: Stage::Trace, pass_begins_at: 0, unsendable: 0 }
    }

    /// The next arrival; `None` where the trace or the window has ended. May
    /// block on a file.
    #[expect(clippy::should_implement_trait, reason = "it may fail, and ends with that")]
    pub fn next(&mut self) -> Result<Option<Arrival>, String> {
        loop {
            match self.next_or_idle()? {
                Coming::Arrival(arrival) => return Ok(Some(arrival)),
                Coming::Idle => {}
                Coming::End => return Ok(None),
            }
        }
    }

    /// The same, for who has other things to do while the trace is quiet.
    pub fn next_or_idle(&mut self) -> Result<Coming, String> {
        loop {
            let placed = match self.stage {
                Stage::Trace => self.schedule.place_next(),
                Stage::Copies => self.schedule.place_rest(),
                Stage::Nothing => return Ok(Coming::End),
            };
            match placed {
                Some(Placed::Due(arrival)) => return Ok(Coming::Arrival(arrival)),
                Some(Placed::Over) => self.stage = Stage::Nothing,
                Some(Placed::Unsendable) => self.unsendable += 1,
                Some(Placed::Timeless) => {
                    return Err("the log has no times to follow: set a rate with --rate".to_owned());
                }
                None if self.go_on()? => {}
                None => return Ok(Coming::Idle),
            }
        }
    }

    /// Reading is over, at the end or before it.
    pub fn end(mut self) -> PlayedBooks {
        self.requests.stop();
        let mut trace = self.requests.books();
        if self.unsendable > 0 {
            *trace.filtered.entry(Filter::Unsendable.id()).or_default() += self.unsendable;
        }
        PlayedBooks {
            trace,
            unreleased: u64::from(self.schedule.holds_one()),
            counts: self.schedule.counts(),
            notices: self.requests.notices(),
        }
    }

    /// All that was offered to the schedule has been placed. `false` if nothing
    /// comes for the moment.
    fn go_on(&mut self) -> Result<bool, String> {
        if self.stage == Stage::Copies {
            self.stage = Stage::Nothing;
            return Ok(true);
        }
        match self.requests.next_or_idle()? {
            Next::Request(request) => {
                self.schedule.offer(request);
                return Ok(true);
            }
            Next::Idle => return Ok(false),
            Next::End => {}
        }
        let placed = self.schedule.counts().placed;
        let is_fruitless = placed == self.pass_begins_at;
        if self.at_end == AtEndOfTrace::Stop || is_fruitless {
            self.stage = Stage::Copies;
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
