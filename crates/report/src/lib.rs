//! The published result of a run.
//!
//! [`RunReport`] is the schema of `run.json`; it is made from a plan, closed
//! books, totals and what is known of the generator, and it says one verdict.
//! A [`ThresholdMonitor`] holds a run against the [`Threshold`]s it must keep.
//! The summary, the interval log and the run directory are renderings of it and
//! of the intervals. Only [`RunDirectory`] touches files.

pub mod advice;
mod buckets;
mod build;
pub mod compare;
mod control;
mod csv;
mod curve;
mod directory;
mod fault_line;
mod hgrm;
mod hlog;
mod html;
mod json_schema;
mod junit;
mod k6;
mod markdown;
mod plan;
mod prometheus;
pub mod read;
mod rendering;
mod retries;
mod rules;
mod saved;
mod schema;
mod second;
mod storm;
mod text;
pub mod threshold;
mod timeline;
mod verdict;

pub use buckets::{BOUNDS_US, Buckets, MetricBuckets};
pub use build::{Ending, GeneratorFacts, ReportInput};
pub use control::{ComparisonsLine, ControlExampleLine, ControlReport};
pub use curve::Curve;
pub use directory::{DirectoryError, FAILURES_PER_FAULT, RunDirectory};
pub use hlog::IntervalLog;
pub use html::html;
pub use json_schema::{Document, json_schema};
pub use junit::junit;
pub use k6::k6_summary;
pub use markdown::markdown;
pub use plan::{
    ArrivalSpacing, ConfigValue, Plan, PlanInput, RunConfig, RunKind, SimulatedService, SkippedInput,
};
pub use prometheus::{Dialect, exposition};
pub use rendering::Rendering;
pub use retries::{ClientLine, RetriesSection};
pub use rules::{RuleLine, RulesReport};
pub use saved::{SavedRun, SavedRunError};
pub use schema::{
    Arrivals, Attempts, CatalogReport, Connections, Curves, ExampleLine, FailureLine, FaultLine, Generator,
    HostLine, IntervalLine, IntervalTimes, LineCounts, Rates, Reason, RecordCounts, RunReport, SCHEMA,
    Targets, TierLine, TimeSummary, TransitionLine, TransitionsLeftOut, Verdict, Warmup, WarningLine,
};
pub use storm::StormSection;
pub use text::micros;
pub use text::{painted, summary};
pub use threshold::{
    AbortLine, Allowed, Assessment, Measure, ParseThresholdError, Relation, Threshold, ThresholdLine,
    ThresholdMonitor, WindowLine,
};
pub use timeline::{MAX_POINTS, Timeline};
pub use verdict::{Exit, REASON_MEANINGS, ReasonMeaning, RunJudgement, judge};
