//! Parts of a path that a store writes in its own way.
//!
//! To crates.io `serde-json` and `Serde_JSON` name one crate, and a redirect
//! leads to the file by the name that the crate was published under, which no
//! rule can know. So a part that a rule calls canonical may be spelled otherwise
//! in the Location, in one way throughout: `foo-bar/foo_bar-1.0.0.crate` is a
//! file that does not exist.

use crate::rules::ExpectedLocation;
use downpour_core::route::{Captures, Pattern, decoded_part};

/// When two spellings of a part name the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub(crate) enum Canonical {
    /// Crates of a registry of cargo's: `-` and `_` are the same, and so are
    /// ASCII letters of either case.
    #[serde(rename = "crates-io")]
    CratesIo,
    /// Projects of Python: PEP 503, runs of `-`, `_` and `.` are the same, and
    /// so are ASCII letters of either case.
    #[serde(rename = "pep503")]
    Pep503,
}

impl Canonical {
    /// The one spelling that stands for all, of a decoded part.
    fn of(self, part: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(part.len());
        for &byte in part {
            match (self, byte) {
                (Self::Pep503, b'_' | b'-' | b'.') if out.last() == Some(&b'-') => {}
                (Self::CratesIo, b'_' | b'-') | (Self::Pep503, b'_' | b'-' | b'.') => out.push(b'-'),
                (Self::CratesIo | Self::Pep503, byte) => out.push(byte.to_ascii_lowercase()),
            }
        }
        out
    }

    fn same(self, left: &[u8], right: &[u8]) -> bool {
        self.of(&decoded_part(left)) == self.of(&decoded_part(right))
    }
}

/// The parts of a location that may be spelled otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Spellings {
    /// The path of the location, taken apart.
    path: Pattern,
    /// Of each such part: its position in the rule's pattern and in `path`.
    parts: Vec<CanonicalPart>,
}

#[derive(Clone, Copy, Debug)]
struct CanonicalPart {
    asked: usize,
    found: usize,
    canonical: Canonical,
}

impl Spellings {
    /// The spellings that `parts` allow of the names of `pattern`, in a
    /// location with that path. A mistake is told with the name it is about.
    pub(super) fn of(
        parts: &[(String, Canonical)],
        pattern: &Pattern,
        location_path: &str,
    ) -> Result<Self, (usize, String)> {
        let bare = without_encodings(location_path);
        let mut all = Vec::with_capacity(parts.len());
        let path = Pattern::parse(&bare);
        for (at, (name, canonical)) in parts.iter().enumerate() {
            let position = |names: &[String]| names.iter().position(|known| known == name);
            let path = path
                .as_ref()
                .map_err(|error| (at, format!("the location cannot be compared by its parts: {error}")))?;
            let Some(asked) = position(pattern.names()) else {
                return Err((at, format!("{{{name}}} is not captured by the pattern")));
            };
            let Some(found) = position(path.names()) else {
                return Err((at, format!("the path of the location has no {{{name}}}")));
            };
            all.push(CanonicalPart { asked, found, canonical: *canonical });
        }
        match path {
            Ok(path) => Ok(Self { path, parts: all }),
            Err(error) => Err((0, error.to_string())),
        }
    }

    /// What the template gives with the spellings that the path of a Location
    /// has. `None` where that path is none of the location's, or where a part
    /// names another thing.
    pub(crate) fn respelled(
        &self,
        expected: &ExpectedLocation,
        captures: &Captures<'_>,
        location_path: &[u8],
    ) -> Option<Vec<u8>> {
        let found = self.path.captures(location_path)?;
        let mut spelled = *captures;
        for part in &self.parts {
            let (asked, found) = (captures.value(part.asked), found.value(part.found));
            if !part.canonical.same(asked, found) {
                return None;
            }
            spelled.replace(part.asked, found);
        }
        let mut out = Vec::new();
        expected.template.render(&spelled, &mut out);
        Some(out)
    }
}

/// `{name:encoding}` as a pattern writes it.
fn without_encodings(template: &str) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, tail)) = rest.split_once('{') {
        let Some((inside, after)) = tail.split_once('}') else { break };
        let name = inside.split(':').next().unwrap_or_default();
        out.push_str(before);
        out.push('{');
        out.push_str(name);
        out.push('}');
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name() {
        let crates = Canonical::CratesIo;
        for same in ["serde-json", "serde_json", "Serde_JSON", "serde%5Fjson", "serde%2Djson"] {
            assert!(crates.same(same.as_bytes(), b"serde-json"), "{same}");
        }
        for other in ["serdejson", "serde--json", "serde.json", "serde-jsonx", ""] {
            assert!(!crates.same(other.as_bytes(), b"serde-json"), "{other}");
        }
        let python = Canonical::Pep503;
        for same in ["zope-interface", "Zope.Interface", "zope__.interface", "zope%2Einterface"] {
            assert!(python.same(same.as_bytes(), b"zope-interface"), "{same}");
        }
        assert!(!python.same(b"zopeinterface", b"zope-interface"));
    }

    #[test]
    fn a_template_without_its_encodings() {
        assert_eq!(without_encodings("/a/{b:pchar}-{c}.x/{d:raw}"), "/a/{b}-{c}.x/{d}");
    }
}
