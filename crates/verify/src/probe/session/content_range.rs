//! The part of a file that came, held against the part that was asked for.

use super::{ProbeResponse, ProbeStep};

/// The first bytes of a file, as they were asked for.
pub(super) struct FirstPart {
    /// The length of the whole file in bytes, where the answer says it.
    pub(super) whole: Option<u64>,
}

/// The part that was asked for: RFC 9110 §14.4 and §15.3.7.1. `None` for any
/// other part, which a client would take for the beginning.
pub(super) fn first_part(reply: &ProbeResponse<'_>) -> Option<FirstPart> {
    let text = str::from_utf8(reply.content_range?).ok()?;
    let (range, length) = text.strip_prefix("bytes ")?.rsplit_once('/')?;
    let end: u64 = range.strip_prefix("0-")?.parse().ok()?;
    let bytes = end.checked_add(1)?;
    let asked_for = u64::try_from(ProbeStep::FIRST_BYTES).unwrap_or(u64::MAX);
    let whole = match length {
        "*" => None,
        number => Some(number.parse::<u64>().ok()?),
    };
    let fits = bytes <= asked_for && bytes == reply.received && whole.is_none_or(|whole| bytes <= whole);
    fits.then_some(FirstPart { whole })
}
