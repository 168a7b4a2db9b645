//! How a trace is read, as its operator wants it, and what comes next of it.

use crate::TraceRequest;
use crate::client::AgentParsing;
use crate::formats::Format;
use crate::rewrite::Rewrites;
use crate::scrub::Scrub;
use crate::subsecond::Subsecond;
use downpour_core::units::Stamp;
use std::time::Duration;

/// How a trace is read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// The format of every input; found out for each where it is `None`.
    pub format: Option<Format>,
    /// What is asked in place of what was recorded.
    pub rewrites: Rewrites,
    /// What is kept of queries: nothing by default.
    pub scrub: Scrub,
    /// Where the lines of one-second logs lie within their second.
    pub subsecond: Subsecond,
    /// What the draws within a second and the keys of clients depend on.
    pub seed: u64,
    /// Whether user agents are read, to tell the kinds of clients.
    pub agents: AgentParsing,
    /// How far back a record may lie behind the newest of its input;
    /// [`REORDER_WINDOW`](super::REORDER_WINDOW) where it is `None`.
    pub reorder_window: Option<Duration>,
    /// In which order requests are handed out.
    pub order: RequestOrder,
    /// The time of day, where the records of a stream that is written while it
    /// is read wait seconds of real time and not the window of its log. Nothing
    /// changes where a window is given.
    pub live: Option<Stamp>,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// A request.
    Request(TraceRequest),
    /// Nothing for the moment: a stream is quiet.
    Idle,
    /// Nothing more.
    End,
}

/// In which order requests are handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestOrder {
    /// In order of arrival, where the trace has times.
    #[default]
    ByArrival,
    /// As they are read, and without their times: none is ever late.
    AsRead,
}
