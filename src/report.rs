//! The published result of a run.
//!
//! [`RunReport`] is the schema of `run.json`; it is made from a plan, closed
//! books, totals and what is known of the generator, and it says one verdict.
//! The summary, the interval log and the run directory are renderings of it and
//! of the intervals. Only [`RunDirectory`] touches files.

mod build;
mod directory;
mod hlog;
mod plan;
mod schema;
mod storm;
mod text;
mod verdict;

pub use build::{Ending, GeneratorFacts, Parts};
pub use directory::{DirectoryError, FAILURES_PER_FAULT, RunDirectory};
pub use hlog::IntervalLog;
pub use plan::{Input, Modelled, Plan};
pub use schema::{
    Arrivals, Attempts, Connections, ExampleLine, FailureLine, FaultLine, Generator, HostLine, IntervalLine,
    IntervalTimes, Lines, Rates, Reason, Records, RunReport, SCHEMA, Targets, TierLine, Times, Verdict,
    Warmup,
};
pub use storm::StormSection;
pub(crate) use text::micros;
pub use text::summary;
pub use verdict::{Exit, Judgement, judge};
