//! A second deployment, the control, asked the same: where do the answers
//! differ?
//!
//! What a log and rules can't say, a deployment that is known to be good can.
//! Compared are status, Location and chosen header fields, after what differs
//! by design was taken out: signatures, each deployment's own origin, the order
//! of a list. Pure; who asks the control is the engine's business.

mod volatile;

pub use volatile::location_without_volatile;

use super::{Locations, redirects};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderName};
use std::fmt;
use std::sync::Arc;

/// Most header fields that are compared.
const FIELDS_MAX: usize = 16;

/// Bytes of a value that are kept, which is more than any report shows. What a
/// queue of answers holds must not hang on what a server sends.
const VALUE_BYTES: usize = 2_048;

/// What stands for a deployment's own origin in a Location.
const OWN_ORIGIN: &[u8] = b"{origin}";

/// What is compared, beside status and Location.
#[derive(Clone, Debug)]
pub struct ControlComparison {
    fields: Arc<[HeaderName]>,
}

/// Header fields that cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlComparisonError {
    /// There are too many.
    #[error("{0} header fields are too many to compare: name at most {FIELDS_MAX}")]
    TooMany(usize),
    /// It is compared without being named.
    #[error("location is always compared: leave it out")]
    Location,
    /// It differs by design, and is a secret.
    #[error("set-cookie differs for every client and may be a secret: leave it out")]
    Cookie,
}

/// One answer, as far as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    status: u16,
    location: Option<TruncatedValue>,
    fields: Vec<Option<TruncatedValue>>,
}

/// A value, ready to be compared. Long ones are kept in part and told apart by
/// that part and their length.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TruncatedValue {
    bytes: Vec<u8>,
    length: usize,
}

/// In what two answers differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    /// The status.
    Status,
    /// Where a redirect leads.
    Location,
    /// A header field.
    Header(HeaderName),
}

impl fmt::Display for DifferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status => f.write_str("status"),
            Self::Location => f.write_str("location"),
            Self::Header(name) => write!(f, "header:{name}"),
        }
    }
}

/// One difference, with what both answers say; `None` for a field that is not
/// there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In what.
    pub kind: DifferenceKind,
    /// The candidate's value.
    pub candidate: Option<Vec<u8>>,
    /// The control's.
    pub control: Option<Vec<u8>>,
}

impl Default for ControlComparison {
    /// The fields that decide what caches do, and what a client takes the
    /// content for.
    fn default() -> Self {
        Self { fields: [CONTENT_TYPE, CACHE_CONTROL, VARY].into() }
    }
}

impl ControlComparison {
    /// Compares these fields. One that is named twice counts once.
    pub fn of(names: &[HeaderName]) -> Result<Self, ControlComparisonError> {
        let mut fields: Vec<HeaderName> = Vec::new();
        for name in names {
            if name == LOCATION {
                return Err(ControlComparisonError::Location);
            }
            if name == SET_COOKIE {
                return Err(ControlComparisonError::Cookie);
            }
            if !fields.contains(name) {
                fields.push(name.clone());
            }
        }
        if fields.len() > FIELDS_MAX {
            return Err(ControlComparisonError::TooMany(fields.len()));
        }
        Ok(Self { fields: fields.into() })
    }

    /// The names of the fields.
    pub fn fields(&self) -> &[HeaderName] {
        &self.fields
    }

    /// What is compared of an answer that the deployment at `origin`
    /// (`scheme://host:port`) gave.
    pub fn observe(&self, origin: &str, status: u16, head: &HeaderMap) -> Observed {
        let location = joined(head, &LOCATION).map(|location| TruncatedValue::location(&location, origin));
        let field =
            |name: &HeaderName| joined(head, name).map(|value| TruncatedValue::new(&normalised(name, value)));
        Observed { status, location, fields: self.fields.iter().map(field).collect() }
    }

    /// How two answers to the same request differ.
    ///
    /// A Location is compared where both redirect, or only one does with the
    /// status of the other; fields where the statuses are the same: that an error page has another type than a redirect says
    /// nothing that the status does not.
    pub fn differences(&self, candidate: &Observed, control: &Observed) -> Vec<Difference> {
        let mut found = Vec::new();
        let same_status = candidate.status == control.status;
        if !same_status {
            let shown = |observed: &Observed| Some(observed.status.to_string().into_bytes());
            let (candidate, control) = (shown(candidate), shown(control));
            found.push(Difference { kind: DifferenceKind::Status, candidate, control });
        }
        let both_redirect = candidate.redirects() && control.redirects();
        if both_redirect || same_status && (candidate.redirects() || control.redirects()) {
            found.extend(difference(
                DifferenceKind::Location,
                candidate.location.as_ref(),
                control.location.as_ref(),
            ));
        }
        if same_status {
            let both = candidate.fields.iter().zip(&control.fields).zip(self.fields.iter());
            found.extend(both.filter_map(|((candidate, control), name)| {
                difference(DifferenceKind::Header(name.clone()), candidate.as_ref(), control.as_ref())
            }));
        }
        found
    }
}

impl Observed {
    fn redirects(&self) -> bool {
        let location = self.location.as_ref();
        redirects(self.status, location.map_or(Locations::None, |text| Locations::One(&text.bytes)))
    }
}

fn difference(
    kind: DifferenceKind,
    candidate: Option<&TruncatedValue>,
    control: Option<&TruncatedValue>,
) -> Option<Difference> {
    let bytes = |text: &TruncatedValue| text.bytes.clone();
    (candidate != control).then(|| Difference {
        kind,
        candidate: candidate.map(bytes),
        control: control.map(bytes),
    })
}

impl TruncatedValue {
    fn new(value: &[u8]) -> Self {
        let kept = value.get(..VALUE_BYTES).unwrap_or(value).to_vec();
        Self { bytes: kept, length: value.len() }
    }

    fn location(value: &[u8], origin: &str) -> Self {
        let own = value.split_at_checked(origin.len()).filter(|(start, rest)| {
            start.eq_ignore_ascii_case(origin.as_bytes()) && matches!(rest, [] | [b'/' | b'?' | b'#', ..])
        });
        let value = match own {
            Some((_, rest)) => [OWN_ORIGIN, rest].concat(),
            None => value.to_vec(),
        };
        let mut text = Self::new(&location_without_volatile(&value));
        text.hide_cut_authority();
        text
    }

    /// User information ends with a sign that may stand behind the part kept:
    /// whoever shows that part could not know what to hide.
    fn hide_cut_authority(&mut self) {
        let Some(start) = self.bytes.windows(2).position(|pair| pair == b"//").map(|at| at + 2) else {
            return;
        };
        let ends = self.bytes[start..].iter().any(|b| matches!(b, b'/' | b'?' | b'#'));
        if self.length > self.bytes.len() && !ends {
            self.bytes.truncate(start);
        }
    }
}

/// All values of a field as one: RFC 9110 §5.3.
fn joined(head: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let mut values = head.get_all(name).iter();
    let mut all = values.next()?.as_bytes().to_vec();
    for value in values {
        all.extend_from_slice(b", ");
        all.extend_from_slice(value.as_bytes());
    }
    Some(all)
}

/// A value without what has no meaning: of lists of words the order and the
/// case, of a media type the case and the blanks.
fn normalised(name: &HeaderName, mut value: Vec<u8>) -> Vec<u8> {
    if *name == VARY || *name == CACHE_CONTROL {
        value.make_ascii_lowercase();
        let mut words: Vec<&[u8]> =
            value.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|word| !word.is_empty()).collect();
        words.sort_unstable();
        words.dedup();
        return words.join(&b", "[..]);
    }
    if *name == CONTENT_TYPE {
        value.make_ascii_lowercase();
        let parts: Vec<&[u8]> = value.split(|&b| b == b';').map(<[u8]>::trim_ascii).collect();
        return parts.join(&b"; "[..]);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const CANDIDATE: &str = "http://127.0.0.1:8080";
    const CONTROL: &str = "https://crates.io";

    fn head(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut head = HeaderMap::new();
        for (name, value) in fields {
            head.append(*name, HeaderValue::from_str(value).unwrap());
        }
        head
    }

    type Side<'a> = (u16, &'a [(&'static str, &'a str)]);

    #[track_caller]
    fn check(candidate: Side<'_>, control: Side<'_>, expected: &[&str]) {
        let comparison = ControlComparison::default();
        let of = |origin, (status, fields): Side<'_>| comparison.observe(origin, status, &head(fields));
        let found = comparison.differences(&of(CANDIDATE, candidate), &of(CONTROL, control));
        let kinds: Vec<_> = found.iter().map(|difference| difference.kind.to_string()).collect();
        assert_eq!(kinds, expected, "{candidate:?} {control:?}");
    }

    #[test]
    fn status_location_and_fields_are_compared() {
        let good: Side<'_> = (302, &[("location", "https://cdn/a"), ("vary", "accept")]);
        check(good, good, &[]);
        check(good, (301, good.1), &["status"]);
        check(good, (302, &[("location", "https://cdn/b"), ("vary", "accept")]), &["location"]);
        check(good, (302, &[("location", "https://cdn/a")]), &["header:vary"]);
        check(good, (302, &[("vary", "accept")]), &["location"]);
        check(good, (307, &[("location", "https://cdn/b")]), &["status", "location"]);
        check(good, (503, &[("content-type", "text/html")]), &["status"]);
        check((200, &[("location", "/a")]), (200, &[("location", "/b")]), &[]);
        let two: Side<'_> = (302, &[("location", "https://cdn/a"), ("location", "/"), ("vary", "accept")]);
        check(good, two, &["location"]);
        let choice = |location| (300, [("location", location)]);
        let (here, there) = (choice("https://cdn/a"), choice("https://cdn/b"));
        check((here.0, &here.1), (there.0, &there.1), &["location"]);
        check((here.0, &here.1), (here.0, &here.1), &[]);
        check((here.0, &here.1), (300, &[]), &["location"]);
        check((here.0, &here.1), (302, &there.1), &["status", "location"]);
        check((300, &[]), (302, &there.1), &["status"]);
    }

    #[test]
    fn what_differs_by_design_is_no_difference() {
        let at = |location| [("location", location)];
        let same = |one, other| check((302, &at(one)), (302, &at(other)), &[]);
        let not_same = |one, other| check((302, &at(one)), (302, &at(other)), &["location"]);
        same("https://cdn/a?Signature=1&v=2", "https://cdn/a?Signature=3&v=2");
        not_same("https://cdn/a?Signature=1", "https://cdn/a");
        same("http://127.0.0.1:8080/a", "https://crates.io/a");
        same("http://127.0.0.1:8080", "HTTPS://crates.io");
        not_same("http://127.0.0.1:8080/a", "/a");
        not_same("http://127.0.0.1:80801/a", "https://crates.io/a");
        not_same("https://crates.io/a", "https://crates.io/a");
        let fields = |one: &str, other: &str, name: &'static str, differ: &[&str]| {
            check((200, &[(name, one)]), (200, &[(name, other)]), differ);
        };
        fields("Accept, Origin", "origin,accept", "vary", &[]);
        fields("public, max-age=60", "max-age=60,public", "cache-control", &[]);
        fields("public, max-age=60", "max-age=61, public", "cache-control", &["header:cache-control"]);
        fields("text/html; charset=UTF-8", "Text/HTML;charset=utf-8", "content-type", &[]);
        fields("a", "b", "x-request-id", &[]);
    }

    #[test]
    fn long_values_are_bounded_and_still_told_apart() {
        let comparison = ControlComparison::of(&[HeaderName::from_static("x-long")]).unwrap();
        let observe = |length| comparison.observe(CONTROL, 200, &head(&[("x-long", &"x".repeat(length))]));
        let found = comparison.differences(&observe(60_000), &observe(60_001));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].candidate.as_ref().unwrap().len(), VALUE_BYTES);
        assert_eq!(comparison.differences(&observe(60_000), &observe(60_000)), []);
        let secret = format!("https://{}@h/", "s".repeat(VALUE_BYTES));
        let secret = comparison.observe(CONTROL, 302, &head(&[("location", &secret)]));
        let found = comparison.differences(&secret, &comparison.observe(CONTROL, 302, &HeaderMap::new()));
        assert_eq!(found[0].candidate.as_deref(), Some(&b"https://"[..]));
    }

    #[test]
    fn fields_that_make_no_sense_are_refused() {
        let names = |count: u32| -> Vec<HeaderName> {
            (0..count).map(|n| HeaderName::try_from(format!("x-{n}")).unwrap()).collect()
        };
        assert_eq!(ControlComparison::of(&names(16)).unwrap().fields().len(), 16);
        assert_eq!(ControlComparison::of(&names(17)).unwrap_err(), ControlComparisonError::TooMany(17));
        assert_eq!(ControlComparison::of(&[VARY, VARY]).unwrap().fields(), [VARY]);
        assert_eq!(ControlComparison::of(&[LOCATION]).unwrap_err(), ControlComparisonError::Location);
        assert_eq!(ControlComparison::of(&[SET_COOKIE]).unwrap_err(), ControlComparisonError::Cookie);
    }
}
