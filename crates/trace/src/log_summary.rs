//! What is in a trace: how many, when, how fast, what for, and what was lost.
//!
//! A census is taken over the requests as they are handed out and finished
//! with the source's books. It is a plain value of bounded size: tables keep
//! the first thousand distinct entries and count the rest as `others`. It can
//! be written as JSON, and as text of 80 columns.

mod render;
mod route_shape;

use super::losses::LossReason;
use super::reasons::Reject;
use super::source::{Disorder, InputReport, RejectedLine, Source, UnreadableInput, Warning};
use super::{Method, TraceAccounting, TraceRequest};
use downpour_core::units::{NANOS_PER_SECOND, Stamp};
use route_shape::route_of;
use serde::Serialize;
use std::collections::BTreeMap;

/// The most distinct entries of a table.
const MAX_ENTRIES: usize = 1_000;

/// The most entries of a table that are told.
const TOP_COUNT: usize = 10;

/// Counts by name, bounded: entries beyond the first thousand are `others`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct CountTable {
    counts: BTreeMap<Vec<u8>, u64>,
    others: u64,
}

impl CountTable {
    fn add(&mut self, name: &[u8], count: u64) {
        if let Some(known) = self.counts.get_mut(name) {
            *known += count;
        } else if self.counts.len() < MAX_ENTRIES {
            self.counts.insert(name.to_vec(), count);
        } else {
            self.others += count;
        }
    }

    /// The largest entries, and all others together.
    fn top(&self) -> TopEntries {
        let mut entries: Vec<_> = self.counts.iter().collect();
        entries.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
        let rest: u64 = entries.iter().skip(TOP_COUNT).map(|(_, count)| **count).sum();
        let told = entries.into_iter().take(TOP_COUNT);
        let told = told.map(|(name, count)| TopEntry { name: printable(name), count: *count });
        TopEntries { entries: told.collect(), others: rest + self.others }
    }
}

/// One entry of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TopEntry {
    /// What is counted.
    pub name: String,
    /// How many there are.
    pub count: u64,
}

/// The largest entries of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TopEntries {
    /// The ten largest, largest first.
    pub entries: Vec<TopEntry>,
    /// Everything that is not among them.
    pub others: u64,
}

/// The requests of one second.
#[derive(Clone, Copy, Debug, Default)]
struct SecondCount {
    second: i64,
    requests: u64,
}

/// Counts what is in a log, request by request.
#[derive(Clone, Debug, Default)]
pub struct LogSummaryBuilder {
    requests: u64,
    heads: u64,
    first: Option<Stamp>,
    last: Option<Stamp>,
    /// The second being counted and its requests so far.
    second: SecondCount,
    peak: SecondCount,
    longest_gap_ns: u64,
    routes: CountTable,
    statuses: BTreeMap<u16, u64>,
    no_status: u64,
}

impl LogSummaryBuilder {
    /// Counts a request. They come in order of arrival.
    pub fn add(&mut self, request: &TraceRequest) {
        self.requests += 1;
        self.heads += u64::from(request.method == Method::Head);
        match request.status {
            Some(status) => *self.statuses.entry(status).or_default() += 1,
            None => self.no_status += 1,
        }
        self.routes.add(&route_of(&request.target), 1);
        let Some(at) = request.at else { return };
        self.first.get_or_insert(at);
        let gap = self.last.map_or(0, |last| at.nanos_since(last));
        self.longest_gap_ns = self.longest_gap_ns.max(gap);
        self.last = Some(at);
        let second = at.epoch_second();
        let before = if self.second.second == second { self.second.requests } else { 0 };
        self.second = SecondCount { second, requests: before + 1 };
        if self.second.requests > self.peak.requests {
            self.peak = self.second;
        }
    }

    /// The finished census of what `source` handed out.
    pub fn finish(&self, source: &Source) -> LogSummary {
        let books = source.accounting();
        let mut hosts = CountTable::default();
        for (host, count) in source.authorities().iter().filter(|(_, count)| *count > 0) {
            hosts.add(host, count);
        }
        hosts.others += source.authorities().others();
        let mut statuses = CountTable::default();
        for (status, count) in &self.statuses {
            statuses.add(format!("{status:03}").as_bytes(), *count);
        }
        if self.no_status > 0 {
            statuses.add(b"none", self.no_status);
        }
        LogSummary {
            schema: "downpour.log-summary/1",
            inputs: source.inputs().map(InputSummary::from).collect(),
            left_out: source.unreadable().iter().map(UnreadableSummary::from).collect(),
            lines: LineSummary::from(books),
            rejections: source.rejections().map(|found| Rejection::of(found, books)).collect(),
            losses: LossReason::ALL.into_iter().filter_map(|loss| LossLine::of(loss, books)).collect(),
            records: RecordSummary::of(books, self.requests),
            disorder: DisorderSummary::from(source.disorder()),
            time: self
                .first
                .zip(self.last)
                .map(|(first, last)| self.time(first, last, source.resolution_ns())),
            methods: Methods { get: self.requests - self.heads, head: self.heads },
            routes: self.routes.top(),
            statuses: statuses.top(),
            hosts: hosts.top(),
            notes: owned(&books.notes),
            warnings: source.warnings().iter().map(Warning::to_string).collect(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "for display only")]
    fn time(&self, first: Stamp, last: Stamp, resolution_ns: u64) -> ArrivalSummary {
        let span_ns = last.nanos_since(first);
        let seconds = span_ns as f64 / NANOS_PER_SECOND as f64;
        ArrivalSummary {
            first: rfc_3339(first),
            last: rfc_3339(last),
            span_ns,
            mean_per_s: (span_ns > 0).then(|| (self.requests - 1) as f64 / seconds),
            peak_in_one_second: self.peak.requests,
            peak_at: rfc_3339(Stamp::from_nanos(
                self.peak.second.saturating_mul(NANOS_PER_SECOND.cast_signed()),
            )),
            longest_gap_ns: self.longest_gap_ns,
            resolution_ns,
        }
    }
}

/// What is in a trace.
#[derive(Clone, Debug, Serialize)]
pub struct LogSummary {
    /// The name and version of this shape; keys are only ever added.
    pub schema: &'static str,
    /// The inputs, in natural order.
    pub inputs: Vec<InputSummary>,
    /// Files of directories and patterns that cannot be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<UnreadableSummary>,
    /// The fate of lines: `read = accepted + skipped + rejected`.
    pub lines: LineSummary,
    /// Why lines were rejected: what each reason means, and its first lines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rejections: Vec<Rejection>,
    /// Why records were lost: what each reason means, and its first line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<LossLine>,
    /// The fate of records: `accepted = requests + filtered + late + undelivered`.
    pub records: RecordSummary,
    /// How far lines were from being in order.
    pub disorder: DisorderSummary,
    /// When requests arrived; `None` for a trace without times.
    pub time: Option<ArrivalSummary>,
    /// Requests by method.
    pub methods: Methods,
    /// Requests by route: names, versions and numbers in paths collapsed.
    pub routes: TopEntries,
    /// Requests by recorded status.
    pub statuses: TopEntries,
    /// Records by recorded host.
    pub hosts: TopEntries,
    /// Things worth telling about accepted lines.
    pub notes: BTreeMap<String, u64>,
    /// What went wrong and did not end the reading.
    pub warnings: Vec<String>,
}

/// What an input turned out to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InputSummary {
    /// Its path.
    pub name: String,
    /// Its format's name; `None` for an input without a line.
    pub format: Option<&'static str>,
    /// How it is packed.
    pub compression: String,
}

/// A file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnreadableSummary {
    /// Its path.
    pub name: String,
    /// Why.
    pub reason: String,
}

impl From<&UnreadableInput> for UnreadableSummary {
    fn from(input: &UnreadableInput) -> Self {
        Self { name: input.name.clone(), reason: input.reason.clone() }
    }
}

/// A reason for which lines were rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejection {
    /// Its stable id.
    pub reason: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// How many lines there were.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<RejectedLine>,
}

impl Rejection {
    fn of((reason, examples): (Reject, &[RejectedLine]), books: &TraceAccounting) -> Self {
        let count = books.rejected.get(reason.id()).copied().unwrap_or_default();
        Self { reason: reason.id(), meaning: reason.meaning(), count, examples: examples.to_vec() }
    }
}

/// A reason for which records were lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LossLine {
    /// Its stable id.
    pub reason: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// How many records there were.
    pub count: u64,
    /// The input of the first.
    pub input: String,
    /// Its line there, counted from 1.
    pub line: u64,
}

impl LossLine {
    fn of(loss: LossReason, books: &TraceAccounting) -> Option<Self> {
        let (input, line) = *books.lost.first.get(&loss)?;
        let count = books.lost.by_reason.get(loss.id()).copied()?;
        let input = books.lost.inputs.get(input).map_or_else(String::new, |input| input.name.clone());
        Some(Self { reason: loss.id(), meaning: loss.meaning(), count, input, line })
    }
}

/// Lines by fate and reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LineSummary {
    /// All.
    pub read: u64,
    /// Those that became records.
    pub accepted: u64,
    /// Those that are no requests.
    pub skipped: BTreeMap<String, u64>,
    /// Those that should have been requests.
    pub rejected: BTreeMap<String, u64>,
}

/// Records by fate and reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordSummary {
    /// Handed out.
    pub requests: u64,
    /// Left out on purpose.
    pub filtered: BTreeMap<String, u64>,
    /// Lost, since they have no place in the order.
    pub late: u64,
    /// Whether that is so much that a replay would be invalid.
    pub is_much_lost: bool,
    /// The same by reason.
    pub late_by_reason: BTreeMap<String, u64>,
    /// Not handed out, because reading was stopped.
    pub undelivered: u64,
}

/// See [`Disorder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DisorderSummary {
    /// Records that began before one that stands above them in their input.
    pub inversions: u64,
    /// By how much at most: the window that keeps all of them.
    pub deepest_ns: u64,
}

/// When requests arrived.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArrivalSummary {
    /// The first arrival, RFC 3339.
    pub first: String,
    /// The last arrival, RFC 3339.
    pub last: String,
    /// From the first to the last.
    pub span_ns: u64,
    /// Gaps per second of that span; `None` where it is empty.
    pub mean_per_s: Option<f64>,
    /// The most requests within one second of the clock.
    pub peak_in_one_second: u64,
    /// That second, RFC 3339.
    pub peak_at: String,
    /// The longest time without an arrival.
    pub longest_gap_ns: u64,
    /// The coarsest resolution of the stamps: shorter gaps are made up.
    pub resolution_ns: u64,
}

/// Requests by method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Methods {
    /// `GET`
    pub get: u64,
    /// `HEAD`
    pub head: u64,
}

impl From<&InputReport> for InputSummary {
    fn from(input: &InputReport) -> Self {
        let format = input.format.map(super::formats::Format::name);
        Self { name: input.name.clone(), format, compression: input.compression.to_string() }
    }
}

impl From<&TraceAccounting> for LineSummary {
    fn from(books: &TraceAccounting) -> Self {
        Self {
            read: books.read,
            accepted: books.accepted,
            skipped: owned(&books.skipped),
            rejected: owned(&books.rejected),
        }
    }
}

impl RecordSummary {
    fn of(books: &TraceAccounting, requests: u64) -> Self {
        let TraceAccounting { filtered, late, undelivered, lost, .. } = books;
        let late_by_reason = owned(&lost.by_reason);
        Self {
            requests,
            filtered: owned(filtered),
            late: *late,
            is_much_lost: books.is_much_lost(),
            late_by_reason,
            undelivered: *undelivered,
        }
    }
}

impl From<Disorder> for DisorderSummary {
    fn from(disorder: Disorder) -> Self {
        Self { inversions: disorder.inversions, deepest_ns: disorder.deepest_ns }
    }
}

fn owned(account: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    account.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect()
}

fn rfc_3339(stamp: Stamp) -> String {
    let nanos = i128::from(stamp.as_nanos());
    jiff::Timestamp::from_nanosecond(nanos).map_or_else(|_| nanos.to_string(), |at| format!("{at:.3}"))
}

/// A log is hostile: what of it reaches a terminal is visible ASCII.
fn printable(name: &[u8]) -> String {
    name.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(target: &str, route: &str) {
        assert_eq!(String::from_utf8(route_of(target.as_bytes())).unwrap(), route);
    }

    #[test]
    fn routes_are_the_shapes_of_paths() {
        check("/api/v1/crates/serde/1.0.217/download", "/api/v1/crates/{name}/{version}/download");
        check("/api/v1/crates/h2/0.4.7/download?x=1", "/api/v1/crates/{name}/{version}/download");
        check("/crates/serde/serde-1.0.217.crate", "/crates/{name}/{file}.crate");
        check("/archive/version-downloads/2026-03-04.csv", "/archive/version-downloads/{file}.csv");
        check("/config.json", "/config.json");
        check("/", "/");
        check("", "");
    }

    #[test]
    fn a_table_is_bounded_and_says_what_it_left_out() {
        let mut table = CountTable::default();
        (0..2_000_u32).for_each(|i| table.add(i.to_string().as_bytes(), 1));
        table.add(b"5", 7);
        let top = table.top();
        assert_eq!(top.entries[0], TopEntry { name: "5".to_owned(), count: 8 });
        let told: u64 = top.entries.iter().map(|entry| entry.count).sum();
        assert_eq!((top.entries.len(), told + top.others), (TOP_COUNT, 2_007));
    }

    #[test]
    fn peaks_and_gaps() {
        let mut counting = LogSummaryBuilder::default();
        for ms in [0, 900, 1_000, 1_100, 1_999, 9_000] {
            counting.add(&TraceRequest {
                at: Some(Stamp::from_nanos(ms * 1_000_000)),
                method: Method::Get,
                target: "/".into(),
                status: None,
                client: None,
                kind: downpour_core::agent::ClientKind::NONE,
            });
        }
        let time = counting.time(counting.first.unwrap(), counting.last.unwrap(), 1);
        assert_eq!((time.peak_in_one_second, time.peak_at.as_str()), (3, "1970-01-01T00:00:01.000Z"));
        assert_eq!((time.span_ns, time.longest_gap_ns), (9_000_000_000, 7_001_000_000));
    }
}
