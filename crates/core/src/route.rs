//! Paths with named parts: `/crates/{crate}/{crate}-{version}.crate`.
//!
//! A pattern takes a request target apart, a template puts one together from
//! the parts. Rewrites of a trace and rules for a redirect are both pairs of
//! the two. Parts are bytes as they stood on the wire; how they are encoded
//! when they are put back is the template's own statement, because `+` and
//! `%2B` are different objects to a store. One part of a pattern may span
//! several segments, as `/v2/{name..}/blobs/{digest}` does.

mod encoding;

pub use encoding::{Encoding, decoded_part, hex_pair, push_percent};

use encoding::encode_part;
use std::fmt;

/// The most distinct names a pattern may hold.
const MAX_NAMES: usize = 8;

/// A pattern or template that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// A brace without its partner.
    #[error("{0:?} has an unbalanced brace")]
    UnbalancedBrace(String),
    /// `{}` or a name with other characters than letters, digits and `_`.
    #[error("{{{0}}} is not a name: use letters, digits and _")]
    BadName(String),
    /// Two unknown parts in one segment cannot be told apart.
    #[error("segment {0:?} is ambiguous: it can capture only one new name")]
    Ambiguous(String),
    /// A pattern is matched against an origin-form target.
    #[error("{0:?} does not begin with /")]
    NotAPath(String),
    /// More names than a pattern may hold.
    #[error("{0:?} has more than {MAX_NAMES} names")]
    TooManyNames(String),
    /// A template uses a name that its pattern does not capture.
    #[error("{{{0}}} is not captured by the pattern")]
    UnknownName(String),
    /// An encoding other than the known ones.
    #[error("{{{name}:{encoding}}}: the encoding must be strict, pchar, raw or pep503")]
    UnknownEncoding {
        /// The part's name.
        name: String,
        /// What stood behind the colon.
        encoding: String,
    },
    /// A pattern takes bytes as they are; only a template encodes.
    #[error("{{{0}}} has an encoding, which is allowed in templates only; remove it")]
    EncodingInPattern(String),
    /// A part that spans segments, where that cannot be.
    #[error("{{{0}..}} must fill a whole segment, occur once in a pattern, and have a unique name")]
    MisplacedRest(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum SegmentPart {
    Literal(Vec<u8>),
    Name { index: usize, encoding: Encoding },
}

/// Takes the path of a request target apart.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    /// All segments, or those before the part that spans several.
    segments: Vec<Vec<SegmentPart>>,
    rest: Option<MultiSegmentPart>,
    names: Vec<String>,
}

/// `{name..}`, and the segments behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct MultiSegmentPart {
    index: usize,
    after: Vec<Vec<SegmentPart>>,
}

/// What a pattern found: the parts as they stood on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Captures<'t> {
    values: [&'t [u8]; MAX_NAMES],
}

impl Pattern {
    /// Compiles a pattern. It must begin with `/`; within a segment at most
    /// one part may be unknown from the left. `{name..}` stands for one
    /// segment or more.
    pub fn parse(text: &str) -> Result<Self, RouteError> {
        let Some(path) = text.strip_prefix('/') else {
            return Err(RouteError::NotAPath(text.to_owned()));
        };
        let mut pattern = Self { text: text.to_owned(), segments: Vec::new(), rest: None, names: Vec::new() };
        for segment in path.split('/') {
            if let Some(name) = segment.strip_prefix('{').and_then(|name| name.strip_suffix("..}")) {
                pattern.add_multi_segment_part(name)?;
                continue;
            }
            let parts = pattern.parts_of(segment)?;
            match &mut pattern.rest {
                Some(rest) => rest.after.push(parts),
                None => pattern.segments.push(parts),
            }
        }
        if pattern.names.len() > MAX_NAMES {
            return Err(RouteError::TooManyNames(text.to_owned()));
        }
        Ok(pattern)
    }

    /// Adds a part that spans segments.
    fn add_multi_segment_part(&mut self, name: &str) -> Result<(), RouteError> {
        check_name(name)?;
        if self.rest.is_some() || self.names.iter().any(|known| known == name) {
            return Err(RouteError::MisplacedRest(name.to_owned()));
        }
        self.rest = Some(MultiSegmentPart { index: self.names.len(), after: Vec::new() });
        self.names.push(name.to_owned());
        Ok(())
    }

    fn parts_of(&mut self, segment: &str) -> Result<Vec<SegmentPart>, RouteError> {
        let names = &mut self.names;
        let known = names.len();
        let parts = parse_parts(segment, &mut |name| {
            if let Some(name) = name.strip_suffix("..") {
                return Err(RouteError::MisplacedRest(name.to_owned()));
            }
            check_name(name)?;
            Ok(names.iter().position(|n| n == name).unwrap_or_else(|| {
                names.push(name.to_owned());
                names.len() - 1
            }))
        })?;
        let mut unknown = 0;
        for part in &parts {
            let SegmentPart::Name { index, encoding } = part else { continue };
            if *encoding != Encoding::default() {
                return Err(RouteError::EncodingInPattern(names[*index].clone()));
            }
            unknown += usize::from(*index >= known);
        }
        if unknown > 1 { Err(RouteError::Ambiguous(segment.to_owned())) } else { Ok(parts) }
    }

    /// Whether it matches the very paths that `other` matches, whatever the
    /// names are.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.segments == other.segments && self.rest == other.rest
    }

    /// The names it captures, in order of appearance.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Matches the path of `target`; a query is not looked at. A part is never
    /// empty, and holds a `/` only if it may span segments, of which none is
    /// empty either.
    pub fn captures<'t>(&self, target: &'t [u8]) -> Option<Captures<'t>> {
        let mut left = Some(path_of(target).strip_prefix(b"/")?);
        let mut values: [&[u8]; MAX_NAMES] = [b""; MAX_NAMES];
        for parts in &self.segments {
            match_segment(parts, next_segment(&mut left)?, &mut values)?;
        }
        match &self.rest {
            None if left.is_some() => return None,
            None => {}
            Some(rest) => rest.captures(left?, &mut values)?,
        }
        Some(Captures { values })
    }
}

impl MultiSegmentPart {
    fn captures<'t>(&self, path: &'t [u8], values: &mut [&'t [u8]; MAX_NAMES]) -> Option<()> {
        let mut end = path.len();
        for _ in &self.after {
            end = memchr::memrchr(b'/', &path[..end])?;
        }
        let spanned = &path[..end];
        if spanned.split(|&b| b == b'/').any(<[u8]>::is_empty) {
            return None;
        }
        values[self.index] = spanned;
        let mut left = path.get(end + 1..);
        for parts in &self.after {
            match_segment(parts, next_segment(&mut left)?, values)?;
        }
        Some(())
    }
}

/// Takes the first segment of what is left of a path; after the last one,
/// nothing is left.
fn next_segment<'t>(left: &mut Option<&'t [u8]>) -> Option<&'t [u8]> {
    let path = (*left)?;
    if let Some(slash) = memchr::memchr(b'/', path) {
        *left = Some(&path[slash + 1..]);
        return Some(&path[..slash]);
    }
    left.take()
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'t> Captures<'t> {
    /// The part with that position in [`Pattern::names`].
    pub fn value(&self, index: usize) -> &'t [u8] {
        self.values[index]
    }

    /// Puts another value in place of that part.
    pub fn replace(&mut self, index: usize, value: &'t [u8]) {
        self.values[index] = value;
    }
}

/// The part of a target before its query.
pub fn path_of(target: &[u8]) -> &[u8] {
    target.split(|&b| b == b'?').next().unwrap_or(target)
}

fn match_segment<'t>(
    parts: &[SegmentPart],
    segment: &'t [u8],
    values: &mut [&'t [u8]; MAX_NAMES],
) -> Option<()> {
    // Known parts are taken from the left up to the unknown one, then from the
    // right; what is left over is the unknown one.
    let mut rest = segment;
    let mut parts = parts;
    while let [first, tail @ ..] = parts {
        let Some(known) = known(first, values) else { break };
        rest = rest.strip_prefix(known)?;
        parts = tail;
    }
    while let [head @ .., last] = parts {
        let Some(known) = known(last, values) else { break };
        rest = rest.strip_suffix(known)?;
        parts = head;
    }
    match parts {
        [] => rest.is_empty().then_some(()),
        [SegmentPart::Name { index, .. }] if !rest.is_empty() => {
            values[*index] = rest;
            Some(())
        }
        _ => None,
    }
}

fn known<'p>(part: &'p SegmentPart, values: &[&'p [u8]; MAX_NAMES]) -> Option<&'p [u8]> {
    match part {
        SegmentPart::Literal(bytes) => Some(bytes),
        SegmentPart::Name { index, .. } => Some(values[*index]).filter(|value| !value.is_empty()),
    }
}

/// Puts a path or URL together from captured parts.
#[derive(Clone, Debug)]
pub struct Template {
    text: String,
    parts: Vec<SegmentPart>,
}

impl Template {
    /// Compiles a template over the names of `pattern`. A part is written
    /// `{name}`, `{name:pchar}`, `{name:raw}` or `{name:pep503}`, see
    /// [`Encoding`]. The slashes of a part that spans segments stay.
    pub fn parse(text: &str, pattern: &Pattern) -> Result<Self, RouteError> {
        let parts = parse_parts(text, &mut |name| {
            check_name(name)?;
            let position = pattern.names.iter().position(|n| n == name);
            position.ok_or_else(|| RouteError::UnknownName(name.to_owned()))
        })?;
        Ok(Self { text: text.to_owned(), parts })
    }

    /// Appends the filled-in template to `out`.
    pub fn render(&self, captures: &Captures<'_>, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                SegmentPart::Literal(bytes) => out.extend_from_slice(bytes),
                SegmentPart::Name { index, encoding } => encode_part(captures.value(*index), *encoding, out),
            }
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn parse_parts(
    text: &str,
    index_of: &mut dyn FnMut(&str) -> Result<usize, RouteError>,
) -> Result<Vec<SegmentPart>, RouteError> {
    let unbalanced = || RouteError::UnbalancedBrace(text.to_owned());
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (literal, tail) = rest.split_once('{').unwrap_or((rest, ""));
        if literal.contains('}') {
            return Err(unbalanced());
        }
        if !literal.is_empty() {
            parts.push(SegmentPart::Literal(literal.as_bytes().to_vec()));
        }
        if literal.len() == rest.len() {
            break;
        }
        let (inside, tail) = tail.split_once('}').ok_or_else(unbalanced)?;
        let (name, encoding) = name_and_encoding(inside)?;
        parts.push(SegmentPart::Name { index: index_of(name)?, encoding });
        rest = tail;
    }
    Ok(parts)
}

fn name_and_encoding(inside: &str) -> Result<(&str, Encoding), RouteError> {
    let (name, encoding) = inside.split_once(':').unwrap_or((inside, "strict"));
    let encoding = match encoding {
        "strict" => Encoding::Strict,
        "pchar" => Encoding::Pchar,
        "raw" => Encoding::Raw,
        "pep503" => Encoding::Pep503,
        other => {
            return Err(RouteError::UnknownEncoding { name: name.to_owned(), encoding: other.to_owned() });
        }
    };
    Ok((name, encoding))
}

fn check_name(name: &str) -> Result<(), RouteError> {
    let legal = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if legal { Ok(()) } else { Err(RouteError::BadName(name.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, template: &str, target: &str, expected: Option<&str>) {
        let pattern = Pattern::parse(pattern).unwrap();
        let template = Template::parse(template, &pattern).unwrap();
        let rendered = pattern.captures(target.as_bytes()).map(|captures| {
            let mut out = Vec::new();
            template.render(&captures, &mut out);
            String::from_utf8(out).unwrap()
        });
        assert_eq!(rendered.as_deref(), expected, "{target}");
    }

    #[test]
    fn a_cdn_path_becomes_the_path_of_the_api() {
        let (from, to) =
            ("/crates/{crate}/{crate}-{version}.crate", "/api/v1/crates/{crate}/{version}/download");
        check(from, to, "/crates/serde/serde-1.0.0.crate", Some("/api/v1/crates/serde/1.0.0/download"));
        check(from, to, "/crates/a-b/a-b-1.0.0-rc.1.crate", Some("/api/v1/crates/a-b/1.0.0-rc.1/download"));
        check(from, to, "/crates/x/x-1.0.0%2B2.crate?q=1", Some("/api/v1/crates/x/1.0.0%2B2/download"));
        check(from, to, "/crates/x/x-1.0.0+2.crate", Some("/api/v1/crates/x/1.0.0%2B2/download"));
        check(from, to, "/crates/x/y-1.0.0.crate", None);
        check(from, to, "/crates/x/x-.crate", None);
        check(from, to, "/crates/x/x-1.crate/more", None);
        check(from, to, "/crates//-1.crate", None);
        check(from, to, "crates/x/x-1.crate", None);
    }

    #[test]
    fn the_template_states_how_a_part_is_encoded() {
        check("/{v}", "{v}", "/1+2%2b%7E", Some("1%2B2%2B~"));
        check("/{v}", "{v:pchar}", "/1+2%2b%7E", Some("1+2+~"));
        check("/{v}", "{v:raw}", "/1+2%2b%7E", Some("1+2%2b%7E"));
        check("/{v}", "{v}", "/%zz%2", Some("%25zz%252"));
        check("/{v}", "{v:pep503}", "/Zope.-_Interface%2eX%2B", Some("zope-interface-x%2B"));
        check("/{v..}", "{v:pep503}", "/A_%5f/B%2F", Some("a-/b%2F"));
    }

    #[test]
    fn a_part_may_span_segments() {
        let (blobs, to) = ("/v2/{name..}/blobs/{digest}", "{name}|{digest:pchar}");
        check(blobs, to, "/v2/a/blobs/sha256:00", Some("a|sha256:00"));
        check(blobs, to, "/v2/a/b+c/d/blobs/sha256:00?x=/", Some("a/b%2Bc/d|sha256:00"));
        check(blobs, to, "/v2/blobs/blobs/blobs/x", Some("blobs/blobs|x"));
        check(blobs, to, "/v2/a%2Fb/c/blobs/x", Some("a%2Fb/c|x"));
        for other in
            ["/v2/blobs/x", "/v2//blobs/x", "/v2/a//b/blobs/x", "/v2/a/blobs/", "/v2/a/blobs/x/y", "/v2"]
        {
            check(blobs, to, other, None);
        }
        check("/{all..}", "{all:raw}", "/a/%2f+", Some("a/%2f+"));
        check("/{all..}", "{all}", "/", None);
        check("/{all..}", "{all}", "/a/", None);
        check("/{a}/{b..}/{a}-{c}", "{b}.{c}", "/x/y/z/x-1", Some("y/z.1"));
        check("/{a}/{b..}/{a}-{c}", "{b}.{c}", "/x/y/z/w-1", None);
    }

    #[test]
    fn patterns_are_the_same_whatever_their_names() {
        let same = |left: &str, right: &str| {
            Pattern::parse(left).unwrap().is_same_as(&Pattern::parse(right).unwrap())
        };
        assert!(same("/{a}/x/{a}-{b}", "/{c}/x/{c}-{d}"));
        assert!(same("/{a..}/x", "/{b..}/x"));
        assert!(!same("/{a}/{a}", "/{a}/{b}"));
        assert!(!same("/{a}/x", "/{a..}/x"));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(matches!(Pattern::parse("x"), Err(RouteError::NotAPath(_))));
        assert!(matches!(Pattern::parse("/{a}{b}"), Err(RouteError::Ambiguous(_))));
        assert!(matches!(Pattern::parse("/{a"), Err(RouteError::UnbalancedBrace(_))));
        assert!(matches!(Pattern::parse("/a}"), Err(RouteError::UnbalancedBrace(_))));
        assert!(matches!(Pattern::parse("/{}"), Err(RouteError::BadName(_))));
        for rest in ["/{a..}/{b..}", "/{a}/{a..}", "/x{a..}", "/{a..}x"] {
            assert!(matches!(Pattern::parse(rest), Err(RouteError::MisplacedRest(_))), "{rest}");
        }
        assert!(matches!(Pattern::parse("/{..}"), Err(RouteError::BadName(_))));
        assert!(matches!(Pattern::parse("/{a:raw}"), Err(RouteError::EncodingInPattern(_))));
        let pattern = Pattern::parse("/{a}").unwrap();
        assert!(matches!(Template::parse("{a..}", &pattern), Err(RouteError::BadName(_))));
        assert!(matches!(Template::parse("{b}", &pattern), Err(RouteError::UnknownName(_))));
        assert!(matches!(Template::parse("{a:x}", &pattern), Err(RouteError::UnknownEncoding { .. })));
    }
}
