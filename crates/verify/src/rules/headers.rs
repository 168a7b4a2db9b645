//! Fields that a rule demands of an answer, or forbids.
//!
//! Which fault a broken demand is, is the field's name to say: caches, browsers
//! and clients each suffer from another. Fields are compared as bytes; nothing
//! here allocates but the text of a demand for people.

use super::Provenance;
use crate::finding::Level;
use downpour_core::fault::Fault;
use http::{HeaderMap, HeaderName};
use std::fmt;

/// What one field of an answer has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeaderDemand {
    pub(super) name: HeaderName,
    pub(super) condition: FieldCondition,
    /// What it does to the run where it is not so.
    pub(crate) level: Level,
    /// Where it comes from.
    pub(super) provenance: Provenance,
}

/// What is demanded of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FieldCondition {
    /// It is there, whatever it says.
    Present,
    /// It is not there.
    Absent,
    /// It is there once and says one of these. Of a Content-Type, parameters
    /// count only where the demand has some.
    OneOf(Vec<String>),
    /// Its elements, from all of its lines, keep all of these.
    Elements(Vec<Element>),
}

/// What is demanded of the comma-separated elements of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Element {
    /// One of them is this: `immutable`, `max-age` or `max-age=600`.
    Contains(String),
    /// None of them is.
    Lacks(String),
    /// A directive has a number of at least this.
    AtLeast(String, u64),
    /// Of at most this.
    AtMost(String, u64),
}

impl HeaderDemand {
    /// Whether an answer's fields keep it.
    pub(crate) fn holds(&self, headers: &HeaderMap) -> bool {
        let lines = || headers.get_all(&self.name).into_iter().map(http::HeaderValue::as_bytes);
        match &self.condition {
            FieldCondition::Present => headers.contains_key(&self.name),
            FieldCondition::Absent => !headers.contains_key(&self.name),
            FieldCondition::OneOf(values) => {
                let mut lines = lines();
                match (lines.next(), lines.next()) {
                    (Some(line), None) => values.iter().any(|value| self.is_value(line, value)),
                    (None, _) | (Some(_), Some(_)) => false,
                }
            }
            FieldCondition::Elements(elements) => elements
                .iter()
                .all(|element| self.is_whole_value(headers, element) || element.holds(lines(), &self.name)),
        }
    }

    /// Whether the demanded element is all that the field's first line says, as
    /// it is nearly always: then nothing needs to be taken apart.
    fn is_whole_value(&self, headers: &HeaderMap, element: &Element) -> bool {
        let Element::Contains(due) = element else { return false };
        headers.get(&self.name).is_some_and(|line| line.as_bytes().eq_ignore_ascii_case(due.as_bytes()))
    }

    fn is_value(&self, line: &[u8], value: &str) -> bool {
        if self.name != http::header::CONTENT_TYPE {
            return line == value.as_bytes();
        }
        let essence = line.split(|&b| b == b';').next().unwrap_or_default().trim_ascii_end();
        let compared = if value.contains(';') { line } else { essence };
        compared.eq_ignore_ascii_case(value.as_bytes())
    }

    /// The fault of an answer that does not keep it.
    pub(crate) fn fault(&self) -> Fault {
        match self.name.as_str() {
            "vary" => Fault::HeadersVary,
            "content-type" => Fault::HeadersContentType,
            "cache-control" => Fault::HeadersCacheControl,
            name if name.starts_with("access-control-") => Fault::HeadersCors,
            _ => Fault::HeadersOther,
        }
    }
}

impl Element {
    fn holds<'h>(&self, lines: impl Iterator<Item = &'h [u8]>, name: &HeaderName) -> bool {
        let mut elements = lines.flat_map(|line| line.split(|&b| b == b',').map(<[u8]>::trim_ascii));
        match self {
            // `Vary: *` is said to vary by everything (RFC 9110 §12.5.5).
            Self::Contains(due) => elements
                .any(|element| is_element(element, due) || element == b"*" && name == http::header::VARY),
            Self::Lacks(due) => !elements.any(|element| is_element(element, due)),
            Self::AtLeast(directive, least) => {
                elements.any(|element| number(element, directive).is_some_and(|number| number >= *least))
            }
            Self::AtMost(directive, most) => {
                elements.any(|element| number(element, directive).is_some_and(|number| number <= *most))
            }
        }
    }
}

/// Whether `element` is `due`, or a directive of that name.
fn is_element(element: &[u8], due: &str) -> bool {
    let named = || directive(element).is_some_and(|(name, _)| name.eq_ignore_ascii_case(due.as_bytes()));
    element.eq_ignore_ascii_case(due.as_bytes()) || named()
}

/// Name and value of `name=value`.
pub(crate) fn directive(element: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = memchr::memchr(b'=', element)?;
    Some((element[..equals].trim_ascii(), element[equals + 1..].trim_ascii()))
}

/// The number of the directive `due`, quoted or not.
fn number(element: &[u8], due: &str) -> Option<u64> {
    let (name, value) = directive(element)?;
    if !name.eq_ignore_ascii_case(due.as_bytes()) {
        return None;
    }
    delta_seconds(value)
}

/// A number of seconds (RFC 9111 §1.2.2), quoted or not; one too large to hold
/// is the largest.
pub(crate) fn delta_seconds(text: &[u8]) -> Option<u64> {
    let digits = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        digits
            .iter()
            .fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'))),
    )
}

impl fmt::Display for HeaderDemand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_condition(f)?;
        self.provenance.since.map_or(Ok(()), |since| write!(f, " (since {since})"))
    }
}

impl HeaderDemand {
    /// What is demanded, without where that comes from.
    pub(super) fn demand_text(&self) -> String {
        Self { provenance: Provenance::default(), ..self.clone() }.to_string()
    }

    fn write_condition(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must ", self.name)?;
        match &self.condition {
            FieldCondition::Present => f.write_str("be present"),
            FieldCondition::Absent => f.write_str("be absent"),
            FieldCondition::OneOf(values) => write!(f, "be {}", values.join(" or ")),
            FieldCondition::Elements(elements) => {
                for (at, element) in elements.iter().enumerate() {
                    f.write_str(if at == 0 { "" } else { " and " })?;
                    match element {
                        Element::Contains(due) => write!(f, "contain {due}"),
                        Element::Lacks(due) => write!(f, "not contain {due}"),
                        Element::AtLeast(name, number) => write!(f, "contain {name} of {number} or more"),
                        Element::AtMost(name, number) => write!(f, "contain {name} of {number} or less"),
                    }?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn demand(name: &str, due: FieldCondition) -> HeaderDemand {
        HeaderDemand {
            name: name.parse().unwrap(),
            condition: due,
            level: Level::Fail,
            provenance: Provenance::default(),
        }
    }

    #[track_caller]
    fn check(demand: &HeaderDemand, lines: &[&str], holds: bool) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&demand.name, HeaderValue::from_str(line).unwrap());
        }
        assert_eq!(demand.holds(&headers), holds, "{demand}: {lines:?}");
    }

    #[test]
    fn there_or_not() {
        check(&demand("etag", FieldCondition::Present), &["x"], true);
        check(&demand("etag", FieldCondition::Present), &[""], true);
        check(&demand("etag", FieldCondition::Present), &[], false);
        check(&demand("set-cookie", FieldCondition::Absent), &[], true);
        check(&demand("set-cookie", FieldCondition::Absent), &["a=b"], false);
    }

    #[test]
    fn one_of_some_values() {
        let of = |name, values: &[&str]| {
            demand(name, FieldCondition::OneOf(values.iter().map(|&v| v.to_owned()).collect()))
        };
        let server = of("server", &["a", "b c"]);
        check(&server, &["a"], true);
        check(&server, &["b c"], true);
        check(&server, &["A"], false);
        check(&server, &["a", "a"], false);
        check(&server, &[], false);
        let archive = of("content-type", &["application/gzip", "application/x-tar"]);
        check(&archive, &["application/gzip"], true);
        check(&archive, &["Application/X-Tar ; q=1"], true);
        check(&archive, &["application/gzip2"], false);
        check(&archive, &["text/html"], false);
        let page = of("content-type", &["text/html; charset=utf-8"]);
        check(&page, &["text/html; charset=UTF-8"], true);
        check(&page, &["text/html"], false);
    }

    #[test]
    fn elements_of_all_lines() {
        let elements = |name, elements: &[Element]| demand(name, FieldCondition::Elements(elements.to_vec()));
        let vary = elements("vary", &[Element::Contains("accept".into())]);
        for good in [&["accept"][..], &["Accept"], &["origin, ACCEPT"], &["origin", "accept"], &["*"]] {
            check(&vary, good, true);
        }
        for bad in [&[][..], &[""], &["accept-encoding"], &["x-accept"], &["origin,"]] {
            check(&vary, bad, false);
        }
        let long = elements(
            "cache-control",
            &[
                Element::Contains("immutable".into()),
                Element::Lacks("private".into()),
                Element::AtLeast("max-age".into(), 600),
                Element::AtMost("s-maxage".into(), 9),
            ],
        );
        check(&long, &["max-age=600, immutable", "S-MaxAge=\"9\""], true);
        check(&long, &["max-age=99999999999999999999999, immutable, s-maxage=0"], true);
        check(&long, &["max-age=599, immutable, s-maxage=9"], false);
        check(&long, &["max-age=600, immutable"], false);
        check(&long, &["max-age=600, s-maxage=1"], false);
        check(&long, &["max-age=600, immutable, s-maxage=1, private=\"x\""], false);
        check(&long, &["max-age=-1, immutable, s-maxage=1"], false);
        let exact = elements("cache-control", &[Element::Contains("max-age=600".into())]);
        check(&exact, &["public, max-age=600"], true);
        check(&exact, &["max-age=6000"], false);
        check(&elements("cache-control", &[Element::Contains("max-age".into())]), &["max-age=1"], true);
    }

    #[test]
    fn the_name_says_which_fault_it_is() {
        for (name, fault, told) in [
            ("vary", Fault::HeadersVary, "vary must be present"),
            ("content-type", Fault::HeadersContentType, "content-type must be present"),
            ("cache-control", Fault::HeadersCacheControl, "cache-control must be present"),
            (
                "access-control-allow-origin",
                Fault::HeadersCors,
                "access-control-allow-origin must be present",
            ),
            ("x-repo-commit", Fault::HeadersOther, "x-repo-commit must be present"),
        ] {
            let demand = demand(name, FieldCondition::Present);
            assert_eq!((demand.fault(), demand.to_string().as_str()), (fault, told));
        }
    }
}
