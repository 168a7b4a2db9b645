//! Numbers of a run: counters, histograms and the books they must balance in.
//!
//! The engine tells a [`Recorder`] what happened, as plain values: attempts,
//! fates of arrivals, redirects. It keeps the warm-up apart and fills an
//! [`Interval`]. Intervals of many workers are merged second by second by a
//! [`IntervalMerger`], which keeps the [`Totals`]; when the run is over the [`Accounting`] are
//! closed over them. Nothing here grows with the length of the run, and nothing
//! here knows a clock, a file or a socket.
//!
//! ```
//! use downpour_metrics::{ArrivalOutcome, Interval, IntervalMerger};
//! use downpour_core::units::Offset;
//!
//! let mut second = Interval::new(0);
//! second.offered();
//! second.arrival(ArrivalOutcome::Passed, Offset::ZERO, Offset::from_nanos(2_000_000));
//! let mut merger = IntervalMerger::new(1);
//! assert_eq!(merger.add(0, &second), [second.clone()]);
//! assert_eq!(merger.totals().times.latency.max(), 2_000);
//! ```

mod accounting;
mod clients;
mod control;
mod counts;
mod example;
mod fold;
mod generator_health;
mod histogram;
mod interval;
mod mask;
mod observer;
mod recorder;
mod redirects;
mod retries;
mod rule_counts;
mod sliding_histogram;
mod storm;
mod totals;
mod transitions;
mod warmup;

pub use accounting::{Accounting, ArrivalAdjustments, Imbalance};
pub use clients::{ClientCounts, ClientMixCounts};
pub use control::{
    ComparisonSubject, Comparisons, ControlCounts, ControlExample, ControlResults, EXAMPLES_PER_KIND,
};
pub use counts::{ArrivalCounts, AttemptCounts, CatalogCounts, Counts, FaultCount, FaultTable, FoundTable};
pub use example::{EXAMPLES_PER_FAULT, Example, Examples, FaultObservation, printable};
pub use fold::{IntervalMerger, PENDING_SECONDS};
pub use generator_health::{CpuSample, GeneratorHealth, SATURATED_PERMILLE};
pub use histogram::{HIGHEST_US, Histogram, TimeHistograms};
pub use interval::{Gauges, Interval};
pub use mask::{EXAMPLE_TEXT_BYTES, mask_url};
pub use observer::{Observer, RunEnd};
pub use recorder::Recorder;
pub use redirects::{
    CacheableWrong, Coverage, HostCounts, HostTable, JudgedRedirect, Leads, RedirectCounts, Unchecked,
};
pub use retries::{DownloadEnd, RetryCounts};
pub use rule_counts::RuleCounts;
pub use sliding_histogram::SlidingHistogram;
pub use storm::{Storm, StormSecond, StormSeries};
pub use totals::Totals;
pub use transitions::{PAIRS_KEPT, StatusPair, TransitionCount, TransitionCounts};
pub use warmup::WarmupCounts;

use downpour_core::fault::Fault;
use downpour_core::units::Offset;

/// One exchange on the wire, or the try at one.
///
/// Invariant: `sent` and `first_byte`, where known, are not later than `done`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it should have been sent.
    pub due: Offset,
    /// When its first byte went to the kernel; `None` if none ever did.
    pub sent: Option<Offset>,
    /// When the first byte of an answer came in.
    pub first_byte: Option<Offset>,
    /// When it was over, one way or the other.
    pub done: Offset,
    /// How it ended.
    pub end: AttemptEnd,
}

/// How an attempt ended: each in exactly one of these ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptEnd {
    /// A complete answer with this status, whatever its redirect is worth.
    Status(u16),
    /// No complete answer, for this reason.
    Fault(Fault),
    /// The run ended first.
    Unfinished,
}

/// Whether an attempt is an arrival's first or a repetition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptKind {
    /// The arrival's own attempt.
    First,
    /// A repetition, as the client model would send it.
    Retry,
}

impl AttemptKind {
    /// What the attempt is that follows so many of the same arrival.
    pub const fn after(attempts: u32) -> Self {
        if attempts == 0 { Self::First } else { Self::Retry }
    }
}

/// How an arrival that was not shed came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrivalOutcome {
    /// The first attempt was good, its redirect included.
    Passed,
    /// A retry was good; the fault of the attempt before it.
    Recovered(Fault),
    /// No attempt was good; the last one's fault.
    Failed(Fault),
    /// The run ended first.
    Unfinished,
}
