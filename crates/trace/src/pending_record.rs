//! Requests while they wait to be put in order, packed.
//!
//! Half a million of them wait when a busy CDN's log is read, so each costs
//! what it holds and little else: 32 bytes, its target's, and 8 for its client
//! where it tells one, with neither an allocation of its own nor a reference
//! count. Clients and targets lie one after another
//! on a [`RecordArena`] that is shared by the requests of a second and thrown away
//! with the last of them.

use super::client::ClientKey;
use super::{Method, TraceRequest};
use bytes::Bytes;
use downpour_core::agent::ClientKind;
use downpour_core::units::Stamp;
use std::cmp::Ordering;
use std::num::NonZeroU16;
use std::ops::Range;

/// A shelf is tidied up when it holds more gaps than this, and more gaps than
/// targets.
const MIN_GAP_BYTES: usize = 64 * 1024;

/// The bytes of a client's key on a shelf.
const CLIENT_KEY_LEN: usize = size_of::<ClientKey>();

/// A request on its way, with its place among those of the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PendingRecord<'t> {
    /// When it arrived.
    pub(crate) start: Stamp,
    /// The input it came from, in the order of inputs.
    pub(crate) input: u32,
    /// Its line there.
    pub(crate) line: u64,
    pub(crate) method: Method,
    pub(crate) status: Option<u16>,
    pub(crate) client: Option<ClientKey>,
    pub(crate) kind: ClientKind,
    pub(crate) target: &'t [u8],
}

impl PendingRecord<'_> {
    /// What is handed out.
    pub(crate) fn to_request(self) -> TraceRequest {
        let Self { start, method, status, client, kind, target, .. } = self;
        TraceRequest { at: Some(start), method, target: Bytes::copy_from_slice(target), status, client, kind }
    }
}

/// A [`PendingRecord`] whose target lies on a shelf, behind its client's key if it has
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackedRecord {
    start: Stamp,
    line: u64,
    input: u32,
    /// Where it begins on the shelf.
    from: u32,
    /// A target is at most 32 KiB long.
    length: u16,
    status: Option<NonZeroU16>,
    method: Method,
    has_client: bool,
    kind: ClientKind,
}

impl PackedRecord {
    fn sort_key(&self) -> (Stamp, u32, u64) {
        (self.start, self.input, self.line)
    }

    /// Its input and its line there.
    pub(crate) fn input_and_line(&self) -> (u32, u64) {
        (self.input, self.line)
    }

    /// When it arrived.
    pub(crate) fn start(&self) -> Stamp {
        self.start
    }

    /// How many bytes its target has.
    pub(crate) fn target_len(&self) -> usize {
        usize::from(self.length)
    }

    fn span(&self) -> Range<usize> {
        let from = usize::try_from(self.from).unwrap_or(usize::MAX);
        from..from.saturating_add(self.arena_len())
    }

    /// How many bytes it takes on the shelf.
    fn arena_len(&self) -> usize {
        self.target_len() + if self.has_client { CLIENT_KEY_LEN } else { 0 }
    }
}

impl Ord for PackedRecord {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sort_key().cmp(&other.sort_key())
    }
}

impl PartialOrd for PackedRecord {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What packed requests hold of no fixed length.
#[derive(Debug, Default)]
pub(crate) struct RecordArena {
    bytes: Vec<u8>,
    /// Bytes of requests that nobody will ask for again.
    gaps: usize,
}

impl RecordArena {
    /// Puts a request on the shelf.
    pub(crate) fn pack(&mut self, held: &PendingRecord<'_>) -> PackedRecord {
        let from = u32::try_from(self.bytes.len()).expect("what waits is bounded far below 4 GiB");
        let length = u16::try_from(held.target.len()).expect("longer targets are filtered");
        if let Some(client) = held.client {
            self.bytes.extend_from_slice(&client.to_bytes());
        }
        self.bytes.extend_from_slice(held.target);
        PackedRecord {
            start: held.start,
            line: held.line,
            input: held.input,
            from,
            length,
            // One more than it is: 000 is a status, too.
            status: held.status.and_then(|status| NonZeroU16::new(status.saturating_add(1))),
            method: held.method,
            has_client: held.client.is_some(),
            kind: held.kind,
        }
    }

    /// What was packed.
    pub(crate) fn unpack(&self, packed: &PackedRecord) -> PendingRecord<'_> {
        let taken = self.bytes.get(packed.span()).unwrap_or_default();
        let key = taken.split_first_chunk::<CLIENT_KEY_LEN>().filter(|_| packed.has_client);
        let (client, target) =
            key.map_or((None, taken), |(key, target)| (ClientKey::from_bytes(*key), target));
        PendingRecord {
            start: packed.start,
            input: packed.input,
            line: packed.line,
            method: packed.method,
            status: packed.status.map(|status| status.get() - 1),
            client,
            kind: packed.kind,
            target,
        }
    }

    /// Says that a packed request is gone.
    pub(crate) fn release(&mut self, packed: &PackedRecord) {
        self.gaps += packed.arena_len();
    }

    /// Throws everything away and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.gaps = 0;
    }

    /// How many bytes it has, gaps included.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the gaps are worth the work of closing them.
    pub(crate) fn is_fragmented(&self) -> bool {
        self.gaps > MIN_GAP_BYTES.max(self.bytes.len() / 2)
    }

    /// Moves what is left together.
    pub(crate) fn compact<'p>(&mut self, left: impl Iterator<Item = &'p mut PackedRecord>) {
        let old = std::mem::take(self);
        for packed in left {
            *packed = self.pack(&old.unpack(packed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ClientKeys;

    #[test]
    fn a_packed_request_is_small() {
        assert_eq!(size_of::<PackedRecord>(), 32);
    }

    #[test]
    fn closing_gaps_keeps_what_is_left() {
        let held = |line, client: &str, target| PendingRecord {
            start: Stamp::from_nanos(7),
            input: 3,
            line,
            method: Method::Head,
            status: Some(302),
            client: ClientKeys::seeded(0).of(client.as_bytes()),
            kind: ClientKind::of_preset("curl").unwrap(),
            target,
        };
        let (first, second) = (held(1, "-", &b"/first"[..]), held(2, "192.0.2.1", &b"/second"[..]));
        let mut shelf = RecordArena::default();
        let gone = shelf.pack(&first);
        let mut left = [shelf.pack(&second)];
        shelf.release(&gone);
        assert!(!shelf.is_fragmented());
        shelf.compact(left.iter_mut());
        assert_eq!(shelf.unpack(&left[0]), second);
        assert_eq!((shelf.bytes.len(), shelf.gaps), (CLIENT_KEY_LEN + "/second".len(), 0));
    }
}
