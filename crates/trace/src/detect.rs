//! Which format an input has, by its first lines.
//!
//! Every parser is tried. Of those that accept nearly as many lines as any does,
//! the one wins that leaves columns unread in fewest lines; of equals, the one
//! that learns most from the columns: clients, user agents, hosts, durations.
//! Where no format accepts half of the lines, the input is refused.

use super::client::AgentParsing;
use super::convert::{self, OtherLog};
use super::error::{FormatShare, TraceError};
use super::formats::Format;
use super::line_reader::{LineReader, LogLine};
use super::reasons::{Note, ParsedLine, Reject};
use super::time_unit::{self, WrongUnit};
use bytes::{Buf, Bytes};
use downpour_core::units::Stamp;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// How many lines are looked at.
pub(crate) const SAMPLE_LINES: usize = 1_000;

/// What the first lines of an input say in one format.
#[derive(Debug)]
pub(crate) struct FormatFit {
    pub(crate) format: Format,
    pub(crate) accepted: usize,
    considered: usize,
    /// Accepted lines with columns that the format does not explain, or without
    /// some that it promises.
    unexplained: usize,
    /// Accepted lines that are shorter than the format, as it allows.
    short: usize,
    /// What was learned of clients, agents, hosts and durations: one for each in
    /// each line.
    fields_read: usize,
    reasons: BTreeMap<Reject, usize>,
    /// The least stamp, where there are stamps.
    pub(crate) earliest: Option<Stamp>,
    /// The greatest.
    latest: Option<Stamp>,
    /// Whether the first accepted line has a stamp.
    pub(crate) has_times: Option<bool>,
    /// Whether one of them tells its client.
    pub(crate) has_clients: bool,
    /// Whether one of them tells what kind of client it is.
    pub(crate) has_agents: bool,
    /// The recorded hosts.
    pub(crate) authorities: BTreeSet<Vec<u8>>,
}

/// The beginning of an input.
#[derive(Debug)]
pub(crate) struct InputSample {
    pub(crate) bytes: Bytes,
    /// Whether that is all of it.
    pub(crate) whole: bool,
}

/// The format of the input `name`, or the one `asked` for if it fits. `None`
/// where the input has no line at all.
pub(crate) fn detect_format(
    name: &str,
    head: &InputSample,
    asked: Option<Format>,
) -> Result<Option<FormatFit>, TraceError> {
    if head.bytes.is_empty() {
        return Ok(None);
    }
    if let Some(format) = asked {
        let mut examined = try_format(format, head);
        if examined.accepted > 0 || examined.reasons.is_empty() {
            return Ok(Some(examined));
        }
        if head.whole {
            return Err(TraceError::WrongFormat { name: name.to_owned(), share: examined.share() });
        }
        // A line that fits may follow.
        examined.has_times = format.has_times();
        return Ok(Some(examined));
    }
    let all: Vec<_> = Format::ALL.iter().map(|&format| try_format(format, head)).collect();
    let most =
        all.iter().filter(|examined| examined.fits()).map(|examined| examined.accepted).max().unwrap_or(0);
    // A few torn lines make no log of a poorer format.
    let is_near = |examined: &FormatFit| examined.accepted * 50 >= most * 49;
    let worth = |(place, examined): &(usize, &FormatFit)| {
        let FormatFit { unexplained, short, fields_read: learned, accepted, .. } = **examined;
        (Reverse(unexplained), learned, Reverse(short), accepted, Reverse(*place))
    };
    let fitting = all.iter().enumerate().filter(|(_, examined)| examined.fits() && is_near(examined));
    let best = fitting.max_by_key(worth);
    if let Some((place, _)) = best {
        return Ok(all.into_iter().nth(place));
    }
    if all.iter().all(|examined| examined.accepted == 0)
        && let Some(OtherLog { what, command }) = convert::recognise(&head.bytes)
    {
        return Err(TraceError::OtherLog { name: name.to_owned(), what, command });
    }
    let shares = all.iter().map(FormatFit::share).collect();
    Err(TraceError::UnknownFormat { name: name.to_owned(), shares })
}

fn try_format(format: Format, head: &InputSample) -> FormatFit {
    let mut examined = FormatFit {
        format,
        accepted: 0,
        considered: 0,
        unexplained: 0,
        short: 0,
        fields_read: 0,
        reasons: BTreeMap::new(),
        earliest: None,
        latest: None,
        has_times: None,
        has_clients: false,
        has_agents: false,
        authorities: BTreeSet::new(),
    };
    let mut parser = format.parser().with(AgentParsing::BuiltIn);
    let mut lines = LineReader::new(Box::new(head.bytes.clone().reader()));
    for _ in 0..SAMPLE_LINES {
        // Reading from memory does not fail.
        let Ok(Some(line)) = lines.next() else { break };
        match line {
            LogLine::Whole(line) => examined.add(parser.parse(line, false)),
            LogLine::Unended(line) if head.whole => examined.add(parser.parse(line, true)),
            LogLine::Unended(_) => break,
            // Says nothing of the format: zeros of a file that was truncated under its writer.
            LogLine::TooLong => *examined.reasons.entry(Reject::LineTooLong).or_default() += 1,
        }
    }
    examined
}

impl FormatFit {
    fn add(&mut self, fate: ParsedLine<'_>) {
        match fate {
            ParsedLine::Skipped(_) => {}
            ParsedLine::Rejected(reason) => {
                self.considered += 1;
                *self.reasons.entry(reason).or_default() += 1;
            }
            ParsedLine::Record(record) => {
                self.considered += 1;
                self.accepted += 1;
                let is_short = record.notes.has(Note::MissingFields);
                // A combined log has short lines for requests that could not be read.
                let may_be_short = self.format == Format::Combined;
                let unexplained = record.notes.has(Note::ExtraFields) || is_short && !may_be_short;
                self.unexplained += usize::from(unexplained);
                self.short += usize::from(is_short);
                // What a line without the format's own columns seems to tell may be something else.
                if !is_short || may_be_short {
                    self.fields_read += usize::from(record.client.is_some())
                        + usize::from(record.kind.is_some())
                        + usize::from(record.authority.is_some())
                        + usize::from(record.duration_ns.is_some());
                }
                self.has_clients |= record.client.is_some();
                self.has_agents |= record.kind.is_some();
                let has_time = record.at.is_some();
                self.has_times.get_or_insert(has_time);
                self.earliest = self.earliest.into_iter().chain(record.at).min();
                self.latest = self.latest.max(record.at);
                if let Some(authority) = record.authority {
                    self.authorities.insert(authority.to_ascii_lowercase());
                }
            }
        }
    }

    /// The unit in which its times seem to be written, if they are not what they
    /// should be.
    pub(crate) fn wrong_unit(&self) -> Option<WrongUnit> {
        let (first, last) = self.earliest.zip(self.latest).filter(|_| self.format == Format::Trace)?;
        time_unit::wrong_unit(first, last, self.accepted)
    }

    /// Half of the lines are accepted. A file of nothing but headers fits.
    fn fits(&self) -> bool {
        if self.considered == 0 { self.reasons.is_empty() } else { self.accepted * 2 >= self.considered }
    }

    fn share(&self) -> FormatShare {
        FormatShare {
            format: self.format,
            accepted: self.accepted,
            considered: self.considered,
            reason: self.reasons.iter().max_by_key(|(_, count)| **count).map(|(reason, _)| *reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(torn: usize, expected: Format) {
        let line = "192.0.2.1 - - [05/Mar/2026:14:03:00 +0000] \"GET /x HTTP/1.1\" 302 0 \"-\" \"curl/8.0";
        let log = format!("{line}\"\n").repeat(100) + &format!("{line}\n").repeat(torn);
        let head = InputSample { bytes: log.into(), whole: true };
        assert_eq!(detect_format("log", &head, None).unwrap().unwrap().format, expected, "{torn} torn");
    }

    #[test]
    fn a_torn_line_makes_no_log_of_a_poorer_format() {
        check(0, Format::Combined);
        check(1, Format::Combined);
        check(2, Format::Combined);
        check(50, Format::Common);
    }
}
