//! A trace as a stream: inputs opened, merged, put in order, handed out.
//!
//! The only part of the chapter that touches files. Inputs are read where the
//! merged time stands: always the one whose newest stamp is oldest, opened when
//! its turn comes and closed at its end. Memory is bounded whatever the inputs
//! hold: at most [`MAX_HELD`] records and [`MAX_HELD_BYTES`] of targets wait to
//! be put in order, at most [`MAX_OPEN`] inputs are open. Beyond the first two
//! bounds the oldest record is handed out early, and what then turns out to be
//! older is counted as late; beyond the third, reading ends with an error.

mod consensus;
mod doubts;
mod findings;
mod holding;
mod intake;
mod options;
mod pass;
mod placing;
mod reader;
mod reading;

pub use findings::{InputReport, Unreadable, Warning};
pub use options::{Next, ReadOptions, Sequence};

pub use intake::{Authorities, Disorder, RejectedLine};

use super::client::Agents;
use super::error::TraceError;
use super::fate::Reject;
use super::live::{CaughtUp, Holding, Search};
use super::lost::Loss;
use super::open::{self, Expanded, Origin, Spec};
use super::order::Late;
use super::spread::{Second, Spread, Subsecond};
use super::windows::Windows;
use super::{Request, TraceBooks};
use crate::units::Stamp;
use bytes::Bytes;
use intake::Intake;
use pass::Pass;
use reader::Reader;
use reading::Progress;
use std::cmp::Reverse;
use std::time::Duration;

/// The most records that wait to be put in order.
pub const MAX_HELD: usize = 1_000_000;

/// The most bytes that the targets of waiting records may have together.
pub const MAX_HELD_BYTES: usize = 256 * 1024 * 1024;

/// The most inputs that are open at once.
pub const MAX_OPEN: usize = 256;

/// How many records wait at least: a log of no more lines is put in order as a
/// whole, whatever its disorder. A few MiB.
pub const LEAST_HELD: usize = 50_000;

/// From this many bytes of targets on that does not hold.
pub const LEAST_HELD_BYTES: usize = 16 * 1024 * 1024;

/// How far back the start of an exchange may lie behind those of the lines
/// around it, unless told otherwise.
///
/// CDNs write what many machines saw, servers write when an exchange has ended:
/// no log is in order of arrival. Half a minute of a busy CDN's log is 15 to 20
/// MiB. In a log that stamps the end, exchanges that take longer widen the
/// window, up to [`WIDEST_WINDOW`]. What comes too late is counted and never
/// silently lost.
pub const REORDER_WINDOW: Duration = Duration::from_secs(30);

/// How far long exchanges widen the window, unless it is given.
pub const WIDEST_WINDOW: Duration = Duration::from_mins(15);

/// The most warnings that are kept; the books count all of them.
const MAX_WARNINGS: usize = 100;

/// How many lines of an input are read before another one is looked at.
const BATCH: usize = 512;

/// What the inputs of a source share.
#[derive(Clone, Debug, Default)]
struct Shared {
    /// What the windows of open zstd inputs may take together.
    windows: Windows,
    caught_up: CaughtUp,
}

#[derive(Debug)]
struct Input {
    spec: Spec,
    report: InputReport,
    /// The least stamp of its first lines: when it has to be opened.
    earliest: Stamp,
}

/// Requests of a trace, in order of arrival.
///
/// ```
/// use downpour::trace::{ReadOptions, Source};
///
/// let list = "https://crates.io/a\n# not one\n/b\n";
/// let inputs = vec![("list".to_owned(), list.into())];
/// let mut source = Source::over(inputs, ReadOptions::default()).unwrap();
/// assert_eq!(source.next().unwrap().unwrap().target, "/a");
/// assert_eq!(source.next().unwrap().unwrap().target, "/b");
/// assert!(source.next().unwrap().is_none());
/// assert_eq!(source.books().skipped["comment"], 1);
/// ```
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each tells another thing of the inputs")]
pub struct Source {
    inputs: Vec<Input>,
    left_out: Vec<Unreadable>,
    subsecond: Subsecond,
    seed: u64,
    agents: Agents,
    shared: Shared,
    /// How long the records of a live input wait.
    holding: Option<Holding>,
    window_ns: i64,
    /// How far exchanges that take long may widen the window.
    widest_ns: i64,
    timed: bool,
    /// Whether an input is a stream, which may be slow.
    has_streams: bool,
    tells_clients: bool,
    tells_agents: bool,
    pass: Pass,
    intake: Intake,
    warnings: Vec<Warning>,
    stopped: bool,
}

impl Source {
    /// Opens the inputs that `names` stand for: files, directories, patterns,
    /// `-`. Fails early: each one is unpacked and its format found out.
    pub fn open(names: &[String], options: ReadOptions) -> Result<Self, TraceError> {
        let Expanded { specs, broken } = open::expand(names)?;
        let left_out = broken.into_iter().map(|(name, error)| Unreadable { name, reason: error.to_string() });
        Self::new(specs, left_out.collect(), options)
    }

    /// The same over named bytes.
    pub fn over(inputs: Vec<(String, Bytes)>, options: ReadOptions) -> Result<Self, TraceError> {
        let spec = |(name, bytes)| Spec { name, origin: Origin::Memory(bytes), is_named: true };
        Self::new(inputs.into_iter().map(spec).collect(), Vec::new(), options)
    }

    fn new(
        specs: Vec<Spec>,
        mut left_out: Vec<Unreadable>,
        options: ReadOptions,
    ) -> Result<Self, TraceError> {
        let holding = options.live.map(Holding::since);
        let shared = Shared::default();
        let mut authorities = Vec::new();
        let mut inputs = Vec::with_capacity(specs.len());
        let mut readers = Vec::with_capacity(specs.len());
        let mut timed: [Option<String>; 2] = [None, None];
        let mut tells_clients = false;
        let mut tells_agents = false;
        let mut first_refusal = None;
        for spec in specs {
            let who = (options.seed, options.agents);
            let opened = Reader::open(&spec, inputs.len(), options.format, &shared, who);
            let (reader, examined) = match opened {
                // One file of many that cannot be read costs only itself.
                Err(error) if !spec.is_named => {
                    left_out.push(Unreadable { name: spec.name, reason: error.reason() });
                    first_refusal.get_or_insert(error);
                    continue;
                }
                opened => opened?,
            };
            let format = examined.as_ref().map(|examined| examined.format);
            let report = InputReport { name: spec.name.clone(), packing: reader.packing(), format };
            let mut earliest = Stamp::from_nanos(i64::MIN);
            if let Some(examined) = examined {
                tells_clients |= examined.tells_clients;
                tells_agents |= examined.tells_agents;
                earliest = examined.earliest.unwrap_or(earliest);
                if let Some(has_times) = examined.timed {
                    timed[usize::from(has_times)].get_or_insert_with(|| spec.name.clone());
                }
                authorities.push(examined.authorities);
            }
            readers.push(Some(reader).filter(|_| !spec.is_repeatable()));
            inputs.push(Input { spec, report, earliest });
        }
        if inputs.is_empty()
            && let Some(refusal) = first_refusal
        {
            return Err(TraceError::NoneReadable { count: left_out.len(), source: Box::new(refusal) });
        }
        let names = inputs.iter().map(|input: &Input| input.spec.name.clone());
        let mut intake = Intake::new(options.rewrites, options.scrub, names);
        for hosts in authorities {
            intake.authorities.expect(hosts);
        }
        let has_times = timed[1].is_some() && options.sequence == Sequence::OfArrival;
        if has_times && let [Some(untimed), Some(timed)] = timed {
            return Err(TraceError::MixedTimes { timed, untimed });
        }
        if inputs.iter().all(|input| input.report.format.is_none()) {
            return Err(empty(&inputs, 0, None));
        }
        let nanos = |window: Duration| i64::try_from(window.as_nanos()).unwrap_or(i64::MAX);
        let window_ns = nanos(options.reorder_window.unwrap_or(REORDER_WINDOW));
        let widest_ns = nanos(options.reorder_window.unwrap_or(WIDEST_WINDOW));
        let has_streams = inputs.iter().any(|input| !input.spec.is_repeatable());
        let is_live = options.reorder_window.is_none() && has_streams;
        let pass = Pass::new(&inputs, readers, Spread::new(options.subsecond, options.seed));
        Ok(Self {
            inputs,
            left_out,
            subsecond: options.subsecond,
            seed: options.seed,
            agents: options.agents,
            shared,
            holding: holding.filter(|_| is_live),
            window_ns,
            widest_ns,
            timed: has_times,
            has_streams,
            tells_clients,
            tells_agents,
            pass,
            intake,
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
    pub fn next(&mut self) -> Result<Option<Request>, TraceError> {
        loop {
            match self.next_or_idle()? {
                Next::Request(request) => return Ok(Some(request)),
                Next::Idle => {}
                Next::End => return Ok(None),
            }
        }
    }

    /// The same, for who has other things to do while no request is found.
    pub fn next_or_idle(&mut self) -> Result<Next, TraceError> {
        let mut search = Search::default();
        loop {
            if let Some(request) = self.due() {
                return Ok(Next::Request(request));
            }
            match self.read_some()? {
                Progress::Some if search.is_long() => return Ok(Next::Idle),
                Progress::Some => continue,
                Progress::None => return Ok(Next::Idle),
                Progress::Ended => {}
            }
            let request = self.pass.order.pop();
            let books = &self.intake.books;
            if request.is_none() && books.accepted == 0 && !self.stopped {
                return Err(empty(&self.inputs, books.read, self.intake.main_rejection()));
            }
            return Ok(request.map_or(Next::End, Next::Request));
        }
    }

    /// Where the lines went, up to now. Lines whose requests are still being
    /// put in order are accepted and in no other account until they are handed
    /// out or reading is stopped.
    pub fn books(&self) -> &TraceBooks {
        &self.intake.books
    }

    /// Ends the reading. What was read and not handed out is undelivered.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.intake.books.undelivered += u64::try_from(self.pass.held()).unwrap_or(u64::MAX);
        self.pass = Pass::new(&[], Vec::new(), Spread::new(self.subsecond, self.seed));
    }

    /// Begins again at the first record, with the same draws. The books go on.
    pub fn rewind(&mut self) -> Result<(), TraceError> {
        if let Some(input) = self.inputs.iter().find(|input| !input.spec.is_repeatable()) {
            return Err(TraceError::NotRepeatable { name: input.spec.name.clone() });
        }
        self.stop();
        self.stopped = false;
        let readers = self.inputs.iter().map(|_| None).collect();
        self.pass = Pass::new(&self.inputs, readers, Spread::new(self.subsecond, self.seed));
        Ok(())
    }

    /// What was found out about each input, in their order.
    pub fn inputs(&self) -> impl Iterator<Item = &InputReport> {
        self.inputs.iter().map(|input| &input.report)
    }

    /// The files of directories and patterns that cannot be read, and are left
    /// out.
    pub fn left_out(&self) -> &[Unreadable] {
        &self.left_out
    }

    /// The first few of the lines that were rejected, by reason.
    pub fn rejections(&self) -> impl Iterator<Item = (Reject, &[RejectedLine])> {
        self.intake.rejections.iter().map(|(reason, lines)| (*reason, lines.as_slice()))
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
        self.timed
    }

    /// Whether the first lines of an input tell who asked.
    pub fn tells_clients(&self) -> bool {
        self.tells_clients
    }

    /// Whether the first lines of an input tell what kind of client asked.
    pub fn tells_agents(&self) -> bool {
        self.tells_agents
    }

    /// The recorded hosts: those of each input's first lines right after
    /// opening, the others as they are read.
    pub fn authorities(&self) -> &Authorities {
        &self.intake.authorities
    }

    /// How far the lines were from being in order of their stamps.
    pub fn disorder(&self) -> Disorder {
        self.intake.disorder
    }

    /// The coarsest resolution of the stamps read, in nanoseconds; 0 before
    /// the first. Gaps that are shorter are made up, and reports say so.
    pub fn resolution_ns(&self) -> u64 {
        self.intake.coarsest_ns
    }

    /// What went wrong and did not end the reading; the first hundred.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// A request that can be handed out without reading on.
    fn due(&mut self) -> Option<Request> {
        if !self.timed {
            return self.pass.ready.pop_front();
        }
        if let Some(request) = self.held_long_enough() {
            return Some(request);
        }
        if let Some(Reverse((front, _))) = self.pass.fronts.peek() {
            let front = *front;
            while let Some(drawn) = self.pass.spread.complete(front) {
                self.put_in_order(drawn);
            }
            // A second that is not drawn yet may still hold something older.
            let known = self.pass.spread.oldest().map_or(front, |oldest| oldest.min(front));
            let window_ns = self.window_ns.max(self.pass.longest_ns.min(self.widest_ns));
            if self.pass.is_deep()
                && let Some(request) = self.pass.order.pop_until(known.plus_nanos(-window_ns))
            {
                return Some(request);
            }
            if !self.pass.is_full() {
                return None;
            }
            // Full: the oldest goes early, from a second drawn early if need be.
            let waiting = self.pass.order.oldest();
            if self.pass.spread.oldest().is_some_and(|second| waiting.is_none_or(|start| second <= start)) {
                let drawn = self.pass.spread.draw_oldest();
                self.put_in_order(drawn);
            }
        } else {
            while self.pass.spread.len() > 0 {
                let drawn = self.pass.spread.draw_oldest();
                self.put_in_order(drawn);
            }
        }
        self.pass.order.pop()
    }

    fn put_in_order(&mut self, drawn: Second) {
        for (held, shift_ns) in drawn.placed() {
            if let Err(Late) = self.pass.order.push(&held) {
                self.intake.lose(Loss::OutOfOrder, &held, doubts::is_long(shift_ns));
            }
        }
        self.pass.spread.take_back(drawn);
    }
}

/// The error that names the first of the inputs, and how many more there are.
fn empty(inputs: &[Input], lines: u64, reason: Option<Reject>) -> TraceError {
    let first = inputs.first().map_or("no input", |input| input.spec.name.as_str());
    let names = match inputs.len() {
        0 | 1 => first.to_owned(),
        more => format!("{first} and {} more", more - 1),
    };
    TraceError::Empty { names, lines, reason }
}

#[cfg(test)]
mod tests;
