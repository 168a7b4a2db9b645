//! A trace as a stream: inputs opened, merged, put in order, handed out.
//!
//! The only part of the chapter that touches files. Inputs are read where the
//! merged time stands: always the one whose newest stamp is oldest, opened when
//! its turn comes and closed at its end. Memory is bounded whatever the inputs
//! hold: at most [`MAX_PENDING_RECORDS`] records and [`MAX_PENDING_BYTES`] of targets wait to
//! be put in order, at most [`MAX_OPEN`] inputs are open. Beyond the first two
//! bounds the oldest record is handed out early, and what then turns out to be
//! older is counted as late; beyond the third, reading ends with an error.

mod clock_consensus;
mod filter;
mod input_report;
mod live_release;
mod options;
mod pass;
mod reader;
mod reading;
mod sequencer;
mod suspects;

pub use input_report::{InputReport, UnreadableInput, Warning};
pub use options::{ReadOptions, ReadOutcome, RequestOrder};

pub use filter::{Authorities, Disorder, RejectedLine};

use super::client::AgentParsing;
use super::error::TraceError;
use super::live::{CaughtUpFlag, LiveDelay, Search};
use super::losses::LossReason;
use super::open::{self, ExpandedInputs, InputOrigin, InputSpec};
use super::reasons::Reject;
use super::reorder_buffer::LateRecord;
use super::subsecond::{SecondBatch, Subsecond, SubsecondAssigner};
use super::zstd_windows::ZstdWindowBudget;
use super::{TraceAccounting, TraceRequest};
use bytes::Bytes;
use downpour_core::units::Stamp;
use filter::RecordFilter;
use pass::ReadPass;
use reader::{InputReader, ParserSetup};
use reading::ReadProgress;
use std::cmp::Reverse;
use std::time::Duration;

/// The most records that wait to be put in order.
pub const MAX_PENDING_RECORDS: usize = 1_000_000;

/// The most bytes that the targets of waiting records may have together.
pub const MAX_PENDING_BYTES: usize = 256 * 1024 * 1024;

/// The most inputs that are open at once.
pub const MAX_OPEN: usize = 256;

/// How many records wait at least: a log of no more lines is put in order as a
/// whole, whatever its disorder. A few MiB.
pub const MIN_PENDING_RECORDS: usize = 50_000;

/// From this many bytes of targets on that does not hold.
pub const MIN_PENDING_BYTES: usize = 16 * 1024 * 1024;

/// How far back the start of an exchange may lie behind those of the lines
/// around it, unless told otherwise.
///
/// CDNs write what many machines saw, servers write when an exchange has ended:
/// no log is in order of arrival. Half a minute of a busy CDN's log is 15 to 20
/// MiB. In a log that stamps the end, exchanges that take longer widen the
/// window, up to [`MAX_REORDER_WINDOW`]. What comes too late is counted and never
/// silently lost.
pub const REORDER_WINDOW: Duration = Duration::from_secs(30);

/// How far long exchanges widen the window, unless it is given.
pub const MAX_REORDER_WINDOW: Duration = Duration::from_mins(15);

/// The most warnings that are kept; the books count all of them.
const MAX_WARNINGS: usize = 100;

/// How many lines of an input are read before another one is looked at.
const BATCH: usize = 512;

/// What the inputs of a source share.
#[derive(Clone, Debug, Default)]
struct SharedReadState {
    /// What the windows of open zstd inputs may take together.
    zstd_windows: ZstdWindowBudget,
    caught_up: CaughtUpFlag,
}

#[derive(Debug)]
struct TraceInput {
    spec: InputSpec,
    report: InputReport,
    /// The least stamp of its first lines: when it has to be opened.
    earliest: Stamp,
}

/// Requests of a trace, in order of arrival.
///
/// ```
/// use downpour_trace::{ReadOptions, Source};
///
/// let list = "https://crates.io/a\n# not one\n/b\n";
/// let inputs = vec![("list".to_owned(), list.into())];
/// let mut source = Source::over(inputs, ReadOptions::default()).unwrap();
/// assert_eq!(source.next().unwrap().unwrap().target, "/a");
/// assert_eq!(source.next().unwrap().unwrap().target, "/b");
/// assert!(source.next().unwrap().is_none());
/// assert_eq!(source.accounting().skipped["comment"], 1);
/// ```
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each tells another thing of the inputs")]
pub struct Source {
    inputs: Vec<TraceInput>,
    unreadable: Vec<UnreadableInput>,
    subsecond: Subsecond,
    seed: u64,
    agents: AgentParsing,
    shared_state: SharedReadState,
    /// How long the records of a live input wait.
    live_delay: Option<LiveDelay>,
    window_ns: i64,
    /// How far exchanges that take long may widen the window.
    max_window_ns: i64,
    has_times: bool,
    /// Whether an input is a stream, which may be slow.
    has_streams: bool,
    has_clients: bool,
    has_agents: bool,
    pass: ReadPass,
    filter: RecordFilter,
    warnings: Vec<Warning>,
    stopped: bool,
}

impl Source {
    /// Opens the inputs that `names` stand for: files, directories, patterns,
    /// `-`. Fails early: each one is unpacked and its format found out.
    pub fn open(names: &[String], options: ReadOptions) -> Result<Self, TraceError> {
        let ExpandedInputs { specs, broken } = open::expand(names)?;
        let left_out =
            broken.into_iter().map(|(name, error)| UnreadableInput { name, reason: error.to_string() });
        Self::new(specs, left_out.collect(), options)
    }

    /// The same over named bytes.
    pub fn over(inputs: Vec<(String, Bytes)>, options: ReadOptions) -> Result<Self, TraceError> {
        let spec = |(name, bytes)| InputSpec { name, origin: InputOrigin::Memory(bytes), is_named: true };
        Self::new(inputs.into_iter().map(spec).collect(), Vec::new(), options)
    }

    fn new(
        specs: Vec<InputSpec>,
        mut left_out: Vec<UnreadableInput>,
        options: ReadOptions,
    ) -> Result<Self, TraceError> {
        let holding = options.live.map(LiveDelay::since);
        let shared = SharedReadState::default();
        let mut authorities = Vec::new();
        let mut inputs = Vec::with_capacity(specs.len());
        let mut readers = Vec::with_capacity(specs.len());
        let mut timed: [Option<String>; 2] = [None, None];
        let mut tells_clients = false;
        let mut tells_agents = false;
        let mut first_refusal = None;
        for spec in specs {
            let setup = ParserSetup { seed: options.seed, agents: options.agents };
            let opened = InputReader::open(&spec, inputs.len(), options.format, &shared, setup);
            let (reader, examined) = match opened {
                // One file of many that cannot be read costs only itself.
                Err(error) if !spec.is_named => {
                    left_out.push(UnreadableInput { name: spec.name, reason: error.reason() });
                    first_refusal.get_or_insert(error);
                    continue;
                }
                opened => opened?,
            };
            let format = examined.as_ref().map(|examined| examined.format);
            let report = InputReport { name: spec.name.clone(), compression: reader.compression(), format };
            let mut earliest = Stamp::from_nanos(i64::MIN);
            if let Some(examined) = examined {
                tells_clients |= examined.has_clients;
                tells_agents |= examined.has_agents;
                earliest = examined.earliest.unwrap_or(earliest);
                if let Some(has_times) = examined.has_times {
                    timed[usize::from(has_times)].get_or_insert_with(|| spec.name.clone());
                }
                authorities.push(examined.authorities);
            }
            readers.push(Some(reader).filter(|_| !spec.is_repeatable()));
            inputs.push(TraceInput { spec, report, earliest });
        }
        if inputs.is_empty()
            && let Some(refusal) = first_refusal
        {
            return Err(TraceError::NoneReadable { count: left_out.len(), source: Box::new(refusal) });
        }
        let names = inputs.iter().map(|input: &TraceInput| input.spec.name.clone());
        let mut intake = RecordFilter::new(options.rewrites, options.scrub, names);
        for hosts in authorities {
            intake.authorities.add_uncounted(hosts);
        }
        let has_times = timed[1].is_some() && options.order == RequestOrder::ByArrival;
        if has_times && let [Some(untimed), Some(timed)] = timed {
            return Err(TraceError::MixedTimes { timed, untimed });
        }
        if inputs.iter().all(|input| input.report.format.is_none()) {
            return Err(no_request_error(&inputs, 0, None));
        }
        let nanos = |window: Duration| i64::try_from(window.as_nanos()).unwrap_or(i64::MAX);
        let window_ns = nanos(options.reorder_window.unwrap_or(REORDER_WINDOW));
        let widest_ns = nanos(options.reorder_window.unwrap_or(MAX_REORDER_WINDOW));
        let has_streams = inputs.iter().any(|input| !input.spec.is_repeatable());
        let is_live = options.reorder_window.is_none() && has_streams;
        let pass = ReadPass::new(&inputs, readers, SubsecondAssigner::new(options.subsecond, options.seed));
        Ok(Self {
            inputs,
            unreadable: left_out,
            subsecond: options.subsecond,
            seed: options.seed,
            agents: options.agents,
            shared_state: shared,
            live_delay: holding.filter(|_| is_live),
            window_ns,
            max_window_ns: widest_ns,
            has_times,
            has_streams,
            has_clients: tells_clients,
            has_agents: tells_agents,
            pass,
            filter: intake,
            warnings: Vec::new(),
            stopped: false,
        })
    }

    /// The next request: in order of arrival where the trace has times, else
    /// in order of inputs and lines. `None` at the end. A trace in which no
    /// line is a request ends with an error.
    #[expect(
        clippy::should_implement_trait,
        reason = "reading can fail, and the books are looked at in between"
    )]
    pub fn next(&mut self) -> Result<Option<TraceRequest>, TraceError> {
        loop {
            match self.next_or_idle()? {
                ReadOutcome::Request(request) => return Ok(Some(request)),
                ReadOutcome::Idle => {}
                ReadOutcome::End => return Ok(None),
            }
        }
    }

    /// The same, for who has other things to do while no request is found.
    pub fn next_or_idle(&mut self) -> Result<ReadOutcome, TraceError> {
        let mut search = Search::default();
        loop {
            if let Some(request) = self.next_ready() {
                return Ok(ReadOutcome::Request(request));
            }
            match self.read_some()? {
                ReadProgress::Some if search.is_long() => return Ok(ReadOutcome::Idle),
                ReadProgress::Some => continue,
                ReadProgress::None => return Ok(ReadOutcome::Idle),
                ReadProgress::Ended => {}
            }
            let request = self.pass.reorder.pop();
            let books = &self.filter.accounting;
            if request.is_none() && books.accepted == 0 && !self.stopped {
                return Err(no_request_error(&self.inputs, books.read, self.filter.main_rejection()));
            }
            return Ok(request.map_or(ReadOutcome::End, ReadOutcome::Request));
        }
    }

    /// Where the lines went, up to now. Lines whose requests are still being
    /// put in order are accepted and in no other account until they are handed
    /// out or reading is stopped.
    pub fn accounting(&self) -> &TraceAccounting {
        &self.filter.accounting
    }

    /// Ends the reading. What was read and not handed out is undelivered.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.filter.accounting.undelivered += u64::try_from(self.pass.pending()).unwrap_or(u64::MAX);
        self.pass = ReadPass::new(&[], Vec::new(), SubsecondAssigner::new(self.subsecond, self.seed));
    }

    /// Begins again at the first record, with the same draws. The books go on.
    pub fn rewind(&mut self) -> Result<(), TraceError> {
        if let Some(input) = self.inputs.iter().find(|input| !input.spec.is_repeatable()) {
            return Err(TraceError::NotRepeatable { name: input.spec.name.clone() });
        }
        self.stop();
        self.stopped = false;
        let readers = self.inputs.iter().map(|_| None).collect();
        self.pass = ReadPass::new(&self.inputs, readers, SubsecondAssigner::new(self.subsecond, self.seed));
        Ok(())
    }

    /// What was found out about each input, in their order.
    pub fn inputs(&self) -> impl Iterator<Item = &InputReport> {
        self.inputs.iter().map(|input| &input.report)
    }

    /// The files of directories and patterns that cannot be read, and are left
    /// out.
    pub fn unreadable(&self) -> &[UnreadableInput] {
        &self.unreadable
    }

    /// The first few of the lines that were rejected, by reason.
    pub fn rejections(&self) -> impl Iterator<Item = (Reject, &[RejectedLine])> {
        self.filter.rejections.iter().map(|(reason, lines)| (*reason, lines.as_slice()))
    }

    /// How far back a record may lie and still be put in order.
    pub fn reorder_window(&self) -> Duration {
        Duration::from_nanos(self.window_ns.unsigned_abs())
    }

    /// Whether all inputs can be read again; a stream cannot.
    pub fn is_repeatable(&self) -> bool {
        self.inputs.iter().all(|input| input.spec.is_repeatable())
    }

    /// Whether requests have a time of arrival.
    pub fn has_times(&self) -> bool {
        self.has_times
    }

    /// Whether the first lines of an input tell who asked.
    pub fn has_clients(&self) -> bool {
        self.has_clients
    }

    /// Whether the first lines of an input tell what kind of client asked.
    pub fn has_agents(&self) -> bool {
        self.has_agents
    }

    /// The recorded hosts: those of each input's first lines right after
    /// opening, the others as they are read.
    pub fn authorities(&self) -> &Authorities {
        &self.filter.authorities
    }

    /// How far the lines were from being in order of their stamps.
    pub fn disorder(&self) -> Disorder {
        self.filter.disorder
    }

    /// The coarsest resolution of the stamps read, in nanoseconds; 0 before
    /// the first. Gaps that are shorter are made up, and reports say so.
    pub fn resolution_ns(&self) -> u64 {
        self.filter.resolution_ns
    }

    /// What went wrong and did not end the reading; the first hundred.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// A request that can be handed out without reading on.
    fn next_ready(&mut self) -> Option<TraceRequest> {
        if !self.has_times {
            return self.pass.ready.pop_front();
        }
        if let Some(request) = self.pop_live() {
            return Some(request);
        }
        if let Some(Reverse((front, _))) = self.pass.watermarks.peek() {
            let front = *front;
            while let Some(drawn) = self.pass.subsecond.draw_complete(front) {
                self.put_in_order(drawn);
            }
            // A second that is not drawn yet may still hold something older.
            let known = self.pass.subsecond.oldest().map_or(front, |oldest| oldest.min(front));
            let window_ns = self.window_ns.max(self.pass.longest_ns.min(self.max_window_ns));
            if self.pass.exceeds_minimum()
                && let Some(request) = self.pass.reorder.pop_until(known.plus_nanos(-window_ns))
            {
                return Some(request);
            }
            if !self.pass.is_full() {
                return None;
            }
            // Full: the oldest goes early, from a second drawn early if need be.
            let waiting = self.pass.reorder.oldest();
            if self.pass.subsecond.oldest().is_some_and(|second| waiting.is_none_or(|start| second <= start))
            {
                let drawn = self.pass.subsecond.draw_oldest();
                self.put_in_order(drawn);
            }
        } else {
            while self.pass.subsecond.len() > 0 {
                let drawn = self.pass.subsecond.draw_oldest();
                self.put_in_order(drawn);
            }
        }
        self.pass.reorder.pop()
    }

    fn put_in_order(&mut self, drawn: SecondBatch) {
        for (held, shift_ns) in drawn.with_starts() {
            if let Err(LateRecord) = self.pass.reorder.push(&held) {
                self.filter.count_loss(LossReason::OutOfOrder, &held, suspects::is_long(shift_ns));
            }
        }
        self.pass.subsecond.recycle(drawn);
    }
}

/// The error that names the first of the inputs, and how many more there are.
fn no_request_error(inputs: &[TraceInput], lines: u64, reason: Option<Reject>) -> TraceError {
    let first = inputs.first().map_or("no input", |input| input.spec.name.as_str());
    let names = match inputs.len() {
        0 | 1 => first.to_owned(),
        more => format!("{first} and {} more", more - 1),
    };
    TraceError::Empty { names, lines, reason }
}

#[cfg(test)]
mod tests;
