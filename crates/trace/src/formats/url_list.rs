//! One URL or path a line, without times.
//!
//! White space around it and `#` remarks are allowed. A host without a scheme
//! is refused, because it can't be told from a relative path; so are the
//! look-alikes of other programs (`GET url`, `url POST body`), which mean more
//! than a URL.

use crate::reasons::{Notes, ParsedLine, Reject, Skip};
use crate::target::{SplitUrl, of_url};
use crate::{Record, StampKind};
use downpour_core::units::NANOS_PER_SECOND;
use std::borrow::Cow;

/// The fate of one line.
pub(crate) fn parse(line: &[u8]) -> ParsedLine<'_> {
    let line = line.trim_ascii();
    match line.first() {
        None => ParsedLine::Skipped(Skip::Blank),
        Some(b'#') => ParsedLine::Skipped(Skip::Comment),
        Some(_) => record(line).into(),
    }
}

fn record(line: &[u8]) -> Result<Record<'_>, Reject> {
    let mut words = line.split(|&b| b == b' ' || b == b'\t');
    let starts_with_method = words.next().is_some_and(is_method);
    if starts_with_method || words.any(is_method) || line.iter().any(|&b| b < b' ' && b != b'\t') {
        return Err(Reject::BadUrl);
    }
    let SplitUrl { authority, target } = of_url(line)?;
    Ok(Record {
        at: None,
        stamp: StampKind::Start,
        resolution_ns: NANOS_PER_SECOND,
        duration_ns: None,
        method: b"GET",
        authority: authority.map(Cow::Borrowed),
        target,
        status: None,
        response_bytes: None,
        client: None,
        kind: None,
        notes: Notes::NONE,
    })
}

fn is_method(word: &[u8]) -> bool {
    matches!(word, b"GET" | b"HEAD" | b"POST" | b"PUT" | b"PATCH" | b"DELETE" | b"OPTIONS")
}
