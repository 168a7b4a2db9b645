//! Requests while they wait to be put in order, packed.
//!
//! Half a million of them wait when a busy CDN's log is read, so each costs
//! what it holds and little else: 32 bytes, its target's, and 8 for its client
//! where it tells one, with neither an allocation of its own nor a reference
//! count. Clients and targets lie one after another
//! on a [`Shelf`] that is shared by the requests of a second and thrown away
//! with the last of them.

use super::agent::ClientKind;
use super::client::ClientKey;
use super::{Method, Request};
use crate::units::Stamp;
use bytes::Bytes;
use std::cmp::Ordering;
use std::num::NonZeroU16;
use std::ops::Range;

/// A shelf is tidied up when it holds more gaps than this, and more gaps than
/// targets.
const GAPS: usize = 64 * 1024;

/// The bytes of a client's key on a shelf.
const KEY: usize = size_of::<ClientKey>();

/// A request on its way, with its place among those of the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held<'t> {
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

impl Held<'_> {
    /// What is handed out.
    pub(crate) fn to_request(self) -> Request {
        let Self { start, method, status, client, kind, target, .. } = self;
        Request { at: Some(start), method, target: Bytes::copy_from_slice(target), status, client, kind }
    }
}

/// A [`Held`] whose target lies on a shelf, behind its client's key if it has
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
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

impl Packed {
    fn place(&self) -> (Stamp, u32, u64) {
        (self.start, self.input, self.line)
    }

    /// Its input and its line there.
    pub(crate) fn source(&self) -> (u32, u64) {
        (self.input, self.line)
    }

    /// When it arrived.
    pub(crate) fn start(&self) -> Stamp {
        self.start
    }

    /// How many bytes its target has.
    pub(crate) fn length(&self) -> usize {
        usize::from(self.length)
    }

    fn span(&self) -> Range<usize> {
        let from = usize::try_from(self.from).unwrap_or(usize::MAX);
        from..from.saturating_add(self.taken())
    }

    /// How many bytes it takes on the shelf.
    fn taken(&self) -> usize {
        self.length() + if self.has_client { KEY } else { 0 }
    }
}

impl Ord for Packed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for Packed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What packed requests hold of no fixed length.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    bytes: Vec<u8>,
    /// Bytes of requests that nobody will ask for again.
    gaps: usize,
}

impl Shelf {
    /// Puts a request on the shelf.
    pub(crate) fn pack(&mut self, held: &Held<'_>) -> Packed {
        let from = u32::try_from(self.bytes.len()).expect("what waits is bounded far below 4 GiB");
        let length = u16::try_from(held.target.len()).expect("longer targets are filtered");
        if let Some(client) = held.client {
            self.bytes.extend_from_slice(&client.to_bytes());
        }
        self.bytes.extend_from_slice(held.target);
        Packed {
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
    pub(crate) fn unpack(&self, packed: &Packed) -> Held<'_> {
        let taken = self.bytes.get(packed.span()).unwrap_or_default();
        let key = taken.split_first_chunk::<KEY>().filter(|_| packed.has_client);
        let (client, target) =
            key.map_or((None, taken), |(key, target)| (ClientKey::from_bytes(*key), target));
        Held {
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
    pub(crate) fn forget(&mut self, packed: &Packed) {
        self.gaps += packed.taken();
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
    pub(crate) fn is_gappy(&self) -> bool {
        self.gaps > GAPS.max(self.bytes.len() / 2)
    }

    /// Moves what is left together.
    pub(crate) fn close_gaps<'p>(&mut self, left: impl Iterator<Item = &'p mut Packed>) {
        let old = std::mem::take(self);
        for packed in left {
            *packed = self.pack(&old.unpack(packed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::client::ClientKeys;

    #[test]
    fn a_packed_request_is_small() {
        assert_eq!(size_of::<Packed>(), 32);
    }

    #[test]
    fn closing_gaps_keeps_what_is_left() {
        let held = |line, client: &str, target| Held {
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
        let mut shelf = Shelf::default();
        let gone = shelf.pack(&first);
        let mut left = [shelf.pack(&second)];
        shelf.forget(&gone);
        assert!(!shelf.is_gappy());
        shelf.close_gaps(left.iter_mut());
        assert_eq!(shelf.unpack(&left[0]), second);
        assert_eq!((shelf.bytes.len(), shelf.gaps), (KEY + "/second".len(), 0));
    }
}
