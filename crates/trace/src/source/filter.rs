//! From a record to the request that is replayed, and the books about it.
//!
//! Filter, rewrite and scrub, in this order: what is left out for its method is
//! never looked at further. Every record that comes in here is counted as
//! accepted, and as filtered if it does not come out.

use crate::client::ClientKey;
use crate::excerpt::redacted_excerpt;
use crate::losses::{LossCounts, LossReason};
use crate::pending_record::PendingRecord;
use crate::reasons::{Filter, Note, Notes, Reject, Skip};
use crate::rewrite::Rewrites;
use crate::scrub::Scrub;
use crate::target::{MAX_TARGET, before_fragment, reencoded};
use crate::{Method, Record, StampKind, TraceAccounting, TraceRequest};
use bytes::Bytes;
use downpour_core::agent::ClientKind;
use downpour_core::units::Stamp;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The most rejected lines that are kept for each reason.
const MAX_EXAMPLES: usize = 3;

/// The most recorded hosts that are told apart.
const MAX_AUTHORITIES: usize = 1_000;

/// RFC 9110 §15.2.2: the recorded client had asked for another protocol, which
/// is not part of a log and not replayed.
const SWITCHING_PROTOCOLS: u16 = 101;

/// The hosts that a trace was recorded at, with how many records each has.
///
/// In lower case, with the port where it was not the scheme's own. A replay
/// looks here so as not to hit the recorded service by mistake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorities {
    counts: BTreeMap<Vec<u8>, u64>,
    others: u64,
}

impl Authorities {
    /// Hosts and numbers of records; 0 for one that was only seen in the first
    /// lines of an input, before it was read.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.counts.iter().map(|(host, count)| (host.as_slice(), *count))
    }

    /// How many hosts are told apart.
    pub fn known(&self) -> usize {
        self.counts.len()
    }

    /// Records of hosts beyond the first thousand.
    pub fn others(&self) -> u64 {
        self.others
    }

    pub(super) fn add_uncounted(&mut self, hosts: BTreeSet<Vec<u8>>) {
        for host in hosts {
            if self.counts.len() < MAX_AUTHORITIES {
                self.counts.entry(host).or_default();
            }
        }
    }

    fn count(&mut self, host: &[u8]) {
        // Nearly always known and in lower case already: no allocation.
        if let Some(count) = self.counts.get_mut(host) {
            *count += 1;
            return;
        }
        let host = host.to_ascii_lowercase();
        if self.counts.len() < MAX_AUTHORITIES || self.counts.contains_key(&host) {
            *self.counts.entry(host).or_default() += 1;
        } else {
            self.others += 1;
        }
    }
}

/// How far the lines of a trace were from being in order, input by input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disorder {
    /// Records that began before one that stands above them in their input.
    /// Lines with a wrong clock do not count.
    pub inversions: u64,
    /// By how many nanoseconds at most.
    pub deepest_ns: u64,
}

/// A record that will be replayed. Borrows from its line where nothing had to
/// be changed.
#[derive(Debug)]
pub(super) struct ReplayableRecord<'l> {
    /// The logged stamp.
    pub(super) at: Option<Stamp>,
    pub(super) method: Method,
    pub(super) target: Cow<'l, [u8]>,
    pub(super) status: Option<u16>,
    pub(super) client: Option<ClientKey>,
    pub(super) kind: ClientKind,
}

impl ReplayableRecord<'_> {
    /// What is handed out where there is no order to be put in.
    pub(super) fn into_request(self) -> TraceRequest {
        let Self { at, method, target, status, client, kind } = self;
        TraceRequest { at, method, target: Bytes::from(target.into_owned()), status, client, kind }
    }
}

/// A line that was rejected, as an example of its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedLine {
    /// The input's name.
    pub input: String,
    /// The line's number in it, counted from 1.
    pub line: u64,
    /// The line, shortened, printable, without addresses and secrets; empty for
    /// one that was not read whole.
    pub text: String,
}

/// The way in.
#[derive(Debug)]
pub(super) struct RecordFilter {
    rewrites: Rewrites,
    scrub: Scrub,
    /// The first lines of each reason.
    pub(super) rejections: BTreeMap<Reject, Vec<RejectedLine>>,
    pub(super) accounting: TraceAccounting,
    pub(super) authorities: Authorities,
    pub(super) disorder: Disorder,
    /// The coarsest resolution of a stamp.
    pub(super) resolution_ns: u64,
}

impl RecordFilter {
    pub(super) fn new(rewrites: Rewrites, scrub: Scrub, inputs: impl Iterator<Item = String>) -> Self {
        Self {
            rewrites,
            scrub,
            rejections: BTreeMap::new(),
            accounting: TraceAccounting {
                lost: LossCounts::for_inputs(inputs),
                ..TraceAccounting::default()
            },
            authorities: Authorities::default(),
            disorder: Disorder::default(),
            resolution_ns: 0,
        }
    }

    pub(super) fn skip(&mut self, reason: Skip) {
        *self.accounting.skipped.entry(reason.id()).or_default() += 1;
    }

    /// Counts a line that is no request, and keeps the first few as examples.
    pub(super) fn reject(&mut self, reason: Reject, (input, line): (&str, u64), text: &[u8]) {
        *self.accounting.rejected.entry(reason.id()).or_default() += 1;
        let examples = self.rejections.entry(reason).or_default();
        if examples.len() < MAX_EXAMPLES {
            examples.push(RejectedLine { input: input.to_owned(), line, text: redacted_excerpt(text) });
        }
    }

    /// The most frequent reason for which lines were rejected.
    pub(super) fn main_rejection(&self) -> Option<Reject> {
        let count = |reason: &Reject| self.accounting.rejected.get(reason.id()).copied().unwrap_or_default();
        self.rejections.keys().copied().max_by_key(count)
    }

    /// Counts a record whose start lies so far behind the newest of its input.
    pub(super) fn count_disorder(&mut self, behind_ns: u64) {
        if behind_ns > 0 {
            self.disorder.inversions += 1;
            self.disorder.deepest_ns = self.disorder.deepest_ns.max(behind_ns);
            self.accounting.lost.window_needed_ns = self.disorder.deepest_ns;
        }
    }

    /// Counts a record that has no place in the order.
    pub(super) fn count_loss(&mut self, loss: LossReason, held: &PendingRecord<'_>, is_long: bool) {
        self.accounting.late += 1;
        let input = usize::try_from(held.input).unwrap_or(usize::MAX);
        self.accounting.lost.count_loss(loss, (input, held.line), is_long);
    }

    /// What is replayed of a record, unless it is filtered. Its time is the
    /// stamp's.
    pub(super) fn apply<'l>(&mut self, record: Record<'l>) -> Option<ReplayableRecord<'l>> {
        self.accounting.accepted += 1;
        if let Some(host) = &record.authority {
            self.authorities.count(host);
        }
        if record.at.is_some() {
            self.resolution_ns = self.resolution_ns.max(record.resolution_ns);
        }
        let mut notes = record.notes;
        if record.stamp == StampKind::End && record.duration_ns.is_none() {
            notes = notes.with(Note::NoDuration);
        }
        let admitted = self.filter_and_rewrite(record, &mut notes);
        if !notes.is_empty() {
            for note in notes.iter() {
                *self.accounting.notes.entry(note.id()).or_default() += 1;
            }
        }
        admitted.map_err(|reason| *self.accounting.filtered.entry(reason.id()).or_default() += 1).ok()
    }

    fn filter_and_rewrite<'l>(
        &self,
        record: Record<'l>,
        notes: &mut Notes,
    ) -> Result<ReplayableRecord<'l>, Filter> {
        let method = match record.method {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            _ => return Err(Filter::Method),
        };
        if !record.target.starts_with(b"/") {
            return Err(Filter::Target);
        }
        if record.status == Some(SWITCHING_PROTOCOLS) {
            return Err(Filter::Upgrade);
        }
        let mut asked = record.target;
        let length = before_fragment(&asked).len();
        if length < asked.len() {
            *notes = notes.with(Note::TargetReencoded);
            asked = match asked {
                Cow::Borrowed(whole) => Cow::Borrowed(whole.get(..length).unwrap_or(whole)),
                Cow::Owned(mut whole) => {
                    whole.truncate(length);
                    Cow::Owned(whole)
                }
            };
        }
        let mut target = self.rewrites.apply(asked)?;
        if let Some(scrubbed) = self.scrub.replacement(&target) {
            *notes = notes.with(Note::QueryScrubbed);
            target = Cow::Owned(scrubbed);
        }
        if let Some(encoded) = reencoded(&target) {
            *notes = notes.with(Note::TargetReencoded);
            target = Cow::Owned(encoded);
        }
        if target.len() > MAX_TARGET {
            return Err(Filter::Target);
        }
        let Record { at, status, client, kind, .. } = record;
        Ok(ReplayableRecord { at, method, target, status, client, kind: kind.unwrap_or_default() })
    }
}
