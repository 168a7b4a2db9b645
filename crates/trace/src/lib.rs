//! Recorded requests: from the bytes of a log to requests in order of arrival.
//!
//! A line becomes a [`Record`], or is skipped or rejected for a named reason;
//! every line is counted once. Records are rewritten, scrubbed, filtered and
//! put in order of arrival, and leave the crate as [`TraceRequest`]s. Nothing here
//! knows where a request will be sent: the host in a log is never trusted.
//!
//! [`Source`] reads logs; the crate needs no other part of downpour. To print
//! the requests of a log of `CloudFront`:
//!
//! ```
//! use downpour_trace::{ReadOptions, Source};
//!
//! let log = "#Version: 1.0\n\
//!     #Fields: date time c-ip cs-method cs-uri-stem sc-status\n\
//!     2026-06-02\t12:00:01\t192.0.2.1\tGET\t/crates/serde/1.0.0/download\t200\n\
//!     2026-06-02\t12:00:00\t192.0.2.2\tHEAD\t/crates/rand/0.9.0/download\t304\n";
//! let inputs = vec![("E1.log".to_owned(), log.into())];
//! let mut source = Source::over(inputs, ReadOptions::default())?;
//! let mut targets = Vec::new();
//! while let Some(request) = source.next()? {
//!     println!("{:?} {}", request.method, String::from_utf8_lossy(&request.target));
//!     targets.push(request.target);
//! }
//! assert_eq!(targets, ["/crates/rand/0.9.0/download", "/crates/serde/1.0.0/download"]);
//! assert_eq!(source.accounting().read, 4);
//! # Ok::<(), downpour_trace::TraceError>(())
//! ```
//!
//! [`Source::open`] reads files and directories instead.

pub mod reasons;

mod dates;

mod target;

pub mod keyed_hash;

pub mod client;

pub mod formats;

mod line_reader;

mod zstd_windows;

mod compression;

mod unsupported;

mod convert;

mod semver;

pub mod rewrite;

pub mod scrub;

mod excerpt;

mod pending_record;

mod reorder_buffer;

pub mod subsecond;

pub mod losses;

mod time_unit;

mod error;

pub mod live;

mod open;

mod detect;

pub mod source;

pub mod log_summary;

pub use compression::InputCompression;
pub use error::{FormatShare, TraceError};
pub use open::files_of;
pub use source::{ReadOptions, Source};

use bytes::Bytes;
use client::ClientKey;
use downpour_core::agent::ClientKind;
use downpour_core::units::Stamp;
use losses::LossCounts;
use reasons::Notes;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Which end of an exchange a log's stamp tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampKind {
    /// When the request came in.
    Start,
    /// When the response had been sent; arrival is that less the duration.
    End,
}

/// One recorded request, as its line tells it. Borrows from the line where the
/// format has no escapes to undo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'l> {
    /// The logged stamp; `None` for formats without one, such as URL lists.
    pub at: Option<Stamp>,
    /// What the stamp means.
    pub stamp: StampKind,
    /// The stamp's resolution in nanoseconds: 1,000,000,000 for most logs.
    pub resolution_ns: u64,
    /// How long the exchange took, where the format says so.
    pub duration_ns: Option<u64>,
    /// The method's bytes, upper case as sent.
    pub method: &'l [u8],
    /// The recorded host. Told to the operator, never connected to.
    pub authority: Option<Cow<'l, [u8]>>,
    /// The request target on the wire: the format's escape undone exactly once.
    pub target: Cow<'l, [u8]>,
    /// The recorded status, as it stands there: [`sent_status`](downpour_core::status::sent_status) tells whether a
    /// server sent it. `None` where there is none (`-`).
    pub status: Option<u16>,
    /// Response bytes as the format counts them.
    pub response_bytes: Option<u64>,
    /// Who asked, where the format says so: never an address, only its hash.
    pub client: Option<ClientKey>,
    /// What kind of client that was, where its agent is read and the format
    /// says so: never the agent's text.
    pub kind: Option<ClientKind>,
    /// What its parser has to tell about the line.
    pub notes: Notes,
}

/// The methods that are replayed. Others are filtered: a replay must not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
}

/// A request ready to be scheduled, in order of arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceRequest {
    /// When it arrived at the recorded service; `None` where the trace has no
    /// times.
    pub at: Option<Stamp>,
    /// What was asked.
    pub method: Method,
    /// An origin-form target that is legal on the wire: visible ASCII, begins
    /// with `/`.
    pub target: Bytes,
    /// The recorded status; [`sent_status`](downpour_core::status::sent_status) tells whether a server sent it.
    pub status: Option<u16>,
    /// Who asked, where the trace says so.
    pub client: Option<ClientKey>,
    /// What kind of client that was; [`ClientKind::NONE`] where nobody knows.
    pub kind: ClientKind,
}

/// Where the lines of a trace and the records in it went.
///
/// Invariant: `read = accepted + Σ skipped + Σ rejected`, and `accepted` =
/// requests handed out + `Σ filtered` + `late` + `undelivered`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceAccounting {
    /// Lines read, over all passes.
    pub read: u64,
    /// Lines that became records.
    pub accepted: u64,
    /// Lines that are no requests, by reason: `header`, `comment`, `blank`.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Lines that should have been requests, by reason: `bad_timestamp`.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Records left out on purpose, by reason: `method`, `route`, `target`.
    pub filtered: BTreeMap<&'static str, u64>,
    /// Records that have no place in the order; [`lost`](Self::lost) tells why.
    pub late: u64,
    /// What was lost, by reason and by kind.
    pub lost: LossCounts,
    /// Records accepted and not handed out, because reading was stopped.
    pub undelivered: u64,
    /// Things worth telling about accepted lines: `target_reencoded`,
    /// `no_duration`, `extra_fields`. Not part of the balance.
    pub notes: BTreeMap<&'static str, u64>,
}

impl TraceAccounting {
    /// How many requests were handed out, by what the other accounts say.
    ///
    /// Right only once reading has ended or was stopped: until then it counts
    /// those still being put in order, too.
    pub fn handed_out(&self) -> u64 {
        let left_out = self.filtered.values().sum::<u64>() + self.late + self.undelivered;
        self.accepted.saturating_sub(left_out)
    }

    /// The records that would have been sent if none had been lost. Filtered
    /// records are not part of the load.
    pub fn to_be_replayed(&self) -> u64 {
        self.accepted.saturating_sub(self.filtered.values().sum())
    }

    /// Whether so much was lost that the rest is another load: more than 1 % of
    /// the records to be replayed, or most records of one kind. Such a run is
    /// invalid.
    pub fn is_much_lost(&self) -> bool {
        self.late.saturating_mul(100) > self.to_be_replayed() || self.lost.mostly_lost_group().is_some()
    }

    /// Whether every line read is accounted for, given the number of requests
    /// that were handed out.
    pub fn is_balanced(&self, handed_out: u64) -> bool {
        let sum = |account: &BTreeMap<&'static str, u64>| account.values().sum::<u64>();
        self.read == self.accepted + sum(&self.skipped) + sum(&self.rejected)
            && self.accepted == handed_out + sum(&self.filtered) + self.late + self.undelivered
    }
}
