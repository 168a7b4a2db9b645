//! The first few sightings of each fault, safe to print and to publish.
//!
//! What a log or a server sent is hostile: every text is made printable, cut to
//! a limit, and stripped of what may be a secret (query values, fragments, user
//! information) before it is kept. Of each fault the earliest few are kept, by
//! time and not by who was merged first, so merging is independent of order.

use super::mask::{EXAMPLE_TEXT_BYTES, mask_url};
use downpour_core::fault::Fault;
use downpour_core::units::Offset;
use std::collections::BTreeMap;

/// Examples kept of each fault, in a second and in a run.
pub const EXAMPLES_PER_FAULT: usize = 10;

const ELLIPSIS: &str = "...";

/// A fault as the engine saw it, before anything was copied.
#[derive(Clone, Copy, Debug)]
pub struct FaultObservation<'a> {
    /// What went wrong.
    pub fault: Fault,
    /// When the attempt was over.
    pub at: Offset,
    /// The request target.
    pub path: &'a [u8],
    /// The answer's Location, as it came.
    pub location: Option<&'a [u8]>,
    /// What was expected or found, in our words.
    pub detail: &'a str,
}

/// A sighting that can be kept, printed and published.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Example {
    /// When the attempt was over.
    pub at: Offset,
    /// The request target, values of its query masked.
    pub path: String,
    /// The answer's Location, masked likewise.
    pub location: Option<String>,
    /// What was expected or found.
    pub detail: String,
}

impl From<&FaultObservation<'_>> for Example {
    fn from(sighting: &FaultObservation<'_>) -> Self {
        let url = |raw| printable(&mask_url(raw), EXAMPLE_TEXT_BYTES);
        Self {
            at: sighting.at,
            path: url(sighting.path),
            location: sighting.location.map(url),
            detail: printable(sighting.detail.as_bytes(), EXAMPLE_TEXT_BYTES),
        }
    }
}

/// The earliest [`EXAMPLES_PER_FAULT`] of each fault that differ in more than
/// their time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examples(BTreeMap<Fault, Vec<Example>>);

impl Examples {
    /// Keeps a sighting if it is among the earliest of its fault. What is not
    /// kept is not copied either.
    pub fn observe(&mut self, sighting: &FaultObservation<'_>) {
        if self.keeps(sighting.fault, sighting.at) {
            insert(self.0.entry(sighting.fault).or_default(), Example::from(sighting));
        }
    }

    /// Whether one of `fault` at `at` is among the earliest, if it differs from
    /// those that are kept.
    pub fn keeps(&self, fault: Fault, at: Offset) -> bool {
        let kept = self.of(fault);
        kept.len() < EXAMPLES_PER_FAULT || kept.last().is_some_and(|last| at < last.at)
    }

    /// The examples of one fault, earliest first.
    pub fn of(&self, fault: Fault) -> &[Example] {
        self.0.get(&fault).map_or(&[], Vec::as_slice)
    }

    /// The examples of every fault that has some.
    pub fn iter(&self) -> impl Iterator<Item = (Fault, &[Example])> {
        self.0.iter().map(|(&fault, kept)| (fault, kept.as_slice()))
    }

    /// Adds those of another worker or second.
    pub fn merge(&mut self, other: &Self) {
        for (&fault, theirs) in &other.0 {
            let kept = self.0.entry(fault).or_default();
            for example in theirs {
                insert(kept, example.clone());
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Of equal sightings only the earliest is kept: five times the same path tells
/// no more than once.
fn insert(kept: &mut Vec<Example>, example: Example) {
    let same = |known: &Example| {
        (&known.path, &known.location, &known.detail) == (&example.path, &example.location, &example.detail)
    };
    match kept.iter().position(same) {
        Some(known) if kept[known].at <= example.at => return,
        Some(known) => drop(kept.remove(known)),
        None => {}
    }
    let place = kept.partition_point(|earlier| *earlier <= example);
    if place < EXAMPLES_PER_FAULT {
        kept.insert(place, example);
        kept.truncate(EXAMPLES_PER_FAULT);
    }
}

/// `raw` as at most `limit` bytes of printable ASCII.
///
/// Everything else becomes `\xHH`, a backslash `\\`: what a server sent must
/// not steer a terminal, hide in a look-alike letter or turn the direction of
/// the text. What does not fit is cut, never within an escape, and ends in
/// `...`. Costs no more than the limit, however long `raw` is.
pub fn printable(raw: &[u8], limit: usize) -> String {
    let mut text = String::with_capacity(raw.len().min(limit));
    let mut fits = 0;
    for &byte in raw {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.extend(hex_escape(byte)),
        }
        if text.len() > limit {
            text.truncate(fits);
            text.push_str(ELLIPSIS);
            return text;
        }
        if text.len() + ELLIPSIS.len() <= limit {
            fits = text.len();
        }
    }
    text
}

fn hex_escape(byte: u8) -> [char; 4] {
    let digit = |n: u8| char::from(b"0123456789ABCDEF"[usize::from(n)]);
    ['\\', 'x', digit(byte >> 4), digit(byte & 15)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_printable(raw: &[u8], limit: usize, expected: &str) {
        let text = printable(raw, limit);
        assert_eq!(text, expected);
        assert!(text.len() <= limit);
    }

    #[test]
    fn only_printable_ascii_is_kept_as_it_is() {
        check_printable(b"/crates/serde", 99, "/crates/serde");
        check_printable(b"\x1b]0;x\x07\r\n\0", 99, "\\x1B]0;x\\x07\\x0D\\x0A\\x00");
        check_printable("й\u{202e}".as_bytes(), 99, "\\xD0\\xB9\\xE2\\x80\\xAE");
        check_printable(b"a\\x1B", 99, "a\\\\x1B");
        check_printable(b"\xff\xfe", 99, "\\xFF\\xFE");
        check_printable(b"", 99, "");
    }

    #[test]
    fn long_text_is_cut_between_escapes() {
        check_printable(b"12345678", 8, "12345678");
        check_printable(b"123456789", 8, "12345...");
        check_printable(b"12\x01\x01", 8, "12...");
        check_printable(&vec![b'\n'; 1 << 20], 11, "\\x0A\\x0A...");
    }

    #[test]
    fn a_megabyte_of_location_is_cut() {
        let location = [b"https://h/?".as_slice(), &vec![b'\x1b'; 1 << 20]].concat();
        let sighting = FaultObservation {
            fault: Fault::LocationBytes,
            at: Offset::ZERO,
            path: &location,
            location: Some(&location),
            detail: &"\u{1b}".repeat(1 << 20),
        };
        let example = Example::from(&sighting);
        assert!(example.path.len() <= EXAMPLE_TEXT_BYTES);
        assert!(example.location.unwrap().len() <= EXAMPLE_TEXT_BYTES);
        assert!(example.detail.len() <= EXAMPLE_TEXT_BYTES && !example.detail.contains('\u{1b}'));
    }

    #[test]
    fn the_earliest_examples_are_kept() {
        let mut examples = Examples::default();
        for nanos in (0..100).rev() {
            let path = nanos.to_string();
            examples.observe(&FaultObservation {
                fault: Fault::LocationMissing,
                at: Offset::from_nanos(nanos),
                path: path.as_bytes(),
                location: None,
                detail: "",
            });
        }
        let kept: Vec<_> = examples.of(Fault::LocationMissing).iter().map(|e| e.path.as_str()).collect();
        assert_eq!(kept, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        assert!(examples.of(Fault::DnsNxdomain).is_empty());
    }
}
