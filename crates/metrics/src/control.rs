//! How the candidate's answers differ from a control's.
//!
//! Workers count what became of each answer: left out by the sample, refused by
//! a full queue, or handed over. Whoever asks the control keeps a
//! [`ControlResults`] of what came of that. A share is asked twice, and how the
//! control differs from itself is kept apart, as the noise that the differences
//! stand against.

use super::EXAMPLE_TEXT_BYTES;
use super::example::printable;
use super::mask::mask_url;
use downpour_core::fault::Fault;
use downpour_verify::control::{Difference, DifferenceKind};
use std::collections::BTreeMap;

/// Examples kept of each kind of difference.
pub const EXAMPLES_PER_KIND: usize = 5;

/// What an example of a control that gave no answer is called.
const CONTROL_FAILED: &str = "control_failed";

/// What became of the candidate's answers, as workers count it.
///
/// Invariant of a run with a control: the sum is the number of complete answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ControlCounts {
    /// Left out by the sample.
    pub sampled_out: u64,
    /// Left out because the control could not be asked as fast as that.
    pub queue_full: u64,
    /// Handed over, to be compared.
    pub handed_over: u64,
}

impl ControlCounts {
    pub(super) fn merge(&mut self, other: Self) {
        self.sampled_out += other.sampled_out;
        self.queue_full += other.queue_full;
        self.handed_over += other.handed_over;
    }
}

/// What is held against the control's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparisonSubject {
    /// The candidate's.
    Candidate,
    /// Another one of its own.
    Itself,
}

/// Comparisons of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparisons {
    /// Comparisons made.
    pub compared: u64,
    /// Those that could not be: why the control gave no answer.
    pub failed: BTreeMap<Fault, u64>,
    /// Comparisons that found a difference, or several.
    pub differing: u64,
    /// Differences by kind.
    pub differences: BTreeMap<String, u64>,
}

impl Comparisons {
    /// Requests that the control was asked for.
    pub fn asked(&self) -> u64 {
        self.compared + self.failed.values().sum::<u64>()
    }
}

/// One difference, safe to print and to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlExample {
    /// In what, or `control_failed`.
    pub kind: String,
    /// The request target, values of its query masked.
    pub path: String,
    /// What the candidate said, if anything.
    pub candidate: Option<String>,
    /// What the control said, if anything; or why it said nothing.
    pub control: Option<String>,
}

/// What came of asking the control.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlResults {
    candidate: Comparisons,
    noise: Comparisons,
    examples: Vec<ControlExample>,
}

impl ControlResults {
    /// The candidate's answers held against the control's.
    pub const fn candidate(&self) -> &Comparisons {
        &self.candidate
    }

    /// The control's held against each other.
    pub const fn noise(&self) -> &Comparisons {
        &self.noise
    }

    /// The first few of each kind.
    pub fn examples(&self) -> &[ControlExample] {
        &self.examples
    }

    /// A comparison was made for `path`.
    pub fn compared(&mut self, against: ComparisonSubject, path: &str, found: &[Difference]) {
        let comparisons = self.comparisons(against);
        comparisons.compared += 1;
        comparisons.differing += u64::from(!found.is_empty());
        for difference in found {
            *comparisons.differences.entry(difference.kind.to_string()).or_default() += 1;
        }
        if against == ComparisonSubject::Candidate {
            for difference in found {
                self.keep(example(path, difference));
            }
        }
    }

    /// The control gave no answer for `path`.
    pub fn failed(&mut self, against: ComparisonSubject, path: &str, fault: Fault) {
        *self.comparisons(against).failed.entry(fault).or_default() += 1;
        if against == ComparisonSubject::Candidate {
            let (kind, path) = (CONTROL_FAILED.to_owned(), shown_url(path.as_bytes()));
            self.keep(ControlExample { kind, path, candidate: None, control: Some(fault.id().to_owned()) });
        }
    }

    fn comparisons(&mut self, against: ComparisonSubject) -> &mut Comparisons {
        match against {
            ComparisonSubject::Candidate => &mut self.candidate,
            ComparisonSubject::Itself => &mut self.noise,
        }
    }

    /// Kinds are bounded by what is compared, so examples are bounded too.
    fn keep(&mut self, example: ControlExample) {
        let known = self.examples.iter().filter(|known| known.kind == example.kind);
        if known.count() < EXAMPLES_PER_KIND {
            self.examples.push(example);
        }
    }
}

fn example(path: &str, difference: &Difference) -> ControlExample {
    let shown = |value: &Vec<u8>| match difference.kind {
        DifferenceKind::Location => shown_url(value),
        DifferenceKind::Status | DifferenceKind::Header(_) => printable(value, EXAMPLE_TEXT_BYTES),
    };
    ControlExample {
        kind: difference.kind.to_string(),
        path: shown_url(path.as_bytes()),
        candidate: difference.candidate.as_ref().map(shown),
        control: difference.control.as_ref().map(shown),
    }
}

fn shown_url(raw: &[u8]) -> String {
    printable(&mask_url(raw), EXAMPLE_TEXT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(candidate: &str, control: Option<&str>) -> Difference {
        let bytes = |text: &str| text.as_bytes().to_vec();
        Difference {
            kind: DifferenceKind::Location,
            candidate: Some(bytes(candidate)),
            control: control.map(bytes),
        }
    }

    fn status() -> Difference {
        Difference {
            kind: DifferenceKind::Status,
            candidate: Some(b"503".to_vec()),
            control: Some(b"302".to_vec()),
        }
    }

    #[test]
    fn differences_are_counted_apart_from_noise() {
        let mut tally = ControlResults::default();
        tally.compared(ComparisonSubject::Candidate, "/a", &[status(), location("/x", None)]);
        tally.compared(ComparisonSubject::Candidate, "/b", &[]);
        tally.compared(ComparisonSubject::Itself, "/b", &[status()]);
        tally.failed(ComparisonSubject::Candidate, "/c", Fault::ConnectRefused);
        let candidate = tally.candidate();
        assert_eq!((candidate.asked(), candidate.compared, candidate.differing), (3, 2, 1));
        assert_eq!(candidate.differences.values().sum::<u64>(), 2);
        assert_eq!((tally.noise().asked(), tally.noise().differing), (1, 1));
        let kinds: Vec<_> = tally.examples().iter().map(|example| example.kind.as_str()).collect();
        assert_eq!(kinds, ["status", "location", "control_failed"]);
    }

    #[test]
    fn examples_are_few_and_hold_no_secrets() {
        let mut tally = ControlResults::default();
        for _ in 0..100 {
            tally.compared(
                ComparisonSubject::Candidate,
                "/a?key=secret",
                &[location("//u:secret@h/\u{1b}?s=secret", None)],
            );
        }
        assert_eq!(tally.examples().len(), EXAMPLES_PER_KIND);
        let example = &tally.examples()[0];
        assert_eq!(example.path, "/a?key=xxxxxx");
        assert_eq!(example.candidate.as_deref(), Some("//xxxxxxxx@h/\\x1B?s=xxxxxx"));
        assert_eq!(example.control, None);
    }
}
