//! A release in the path of a request: a crate's name and a version.
//!
//! Owns what crates.io accepts in those places, and how a version is written
//! into a path again. Versions are decoded once, into a buffer of fixed size,
//! so that `1.0.0+2` and `1.0.0%2B2` are the same release and answering costs
//! no allocation.

use downpour_core::route::{hex_pair, push_percent};

const MAX_NAME: usize = 64;
/// Longer versions are refused; real ones stay far below.
const MAX_VERSION: usize = 128;

/// A well-formed name and version. Whether they exist is not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Release<'p> {
    name: &'p [u8],
    version: [u8; MAX_VERSION],
    version_length: usize,
}

impl<'p> Release<'p> {
    /// The release that two parts of a path name, if they can name one.
    pub(super) fn parse(name: &'p [u8], version_on_wire: &[u8]) -> Option<Self> {
        if !is_crate_name(name) {
            return None;
        }
        let mut release = Self { name, version: [0; MAX_VERSION], version_length: 0 };
        let mut rest = version_on_wire;
        while let [first, tail @ ..] = rest {
            let (byte, tail) = match (first, tail) {
                (b'%', [high, low, after @ ..]) => (hex_pair(*high, *low)?, after),
                _ => (*first, tail),
            };
            *release.version.get_mut(release.version_length)? = byte;
            release.version_length += 1;
            rest = tail;
        }
        is_semver(release.version()).then_some(release)
    }

    /// The name's bytes; nothing in them needs an escape.
    pub(super) const fn name(&self) -> &'p [u8] {
        self.name
    }

    /// The version, decoded.
    pub(super) fn version(&self) -> &[u8] {
        &self.version[..self.version_length]
    }

    /// Whether the version has build metadata, and thus a `+`.
    pub(super) fn has_plus(&self) -> bool {
        self.version().contains(&b'+')
    }

    /// Appends the name of its file, `{name}-{version}.crate`, with `plus` for
    /// each `+`.
    pub(super) fn push_file(&self, plus: Plus, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name);
        out.push(b'-');
        for &byte in self.version() {
            match plus {
                Plus::Encoded if byte == b'+' => push_percent(byte, out),
                Plus::DoubleEncoded if byte == b'+' => out.extend_from_slice(b"%252B"),
                Plus::Encoded | Plus::DoubleEncoded | Plus::Bare => out.push(byte),
            }
        }
        out.extend_from_slice(b".crate");
    }
}

/// How a `+` stands in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plus {
    /// `%2B`, as object stores want it.
    Encoded,
    /// `%252B`, of which a store makes `%2B`.
    DoubleEncoded,
    /// `+`, which a store may take for a space.
    Bare,
}

fn is_crate_name(name: &[u8]) -> bool {
    let legal = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    name.first().is_some_and(u8::is_ascii_alphabetic) && name.len() <= MAX_NAME && name.iter().all(legal)
}

/// The grammar of Semantic Versioning 2.0.0.
fn is_semver(version: &[u8]) -> bool {
    let (version, build) = split_at_byte(version, b'+');
    let (core, pre) = split_at_byte(version, b'-');
    let mut numbers = core.split(|&b| b == b'.');
    let three_numbers = numbers.by_ref().take(3).filter(|n| is_number(n)).count() == 3;
    three_numbers
        && numbers.next().is_none()
        && pre.is_none_or(|pre| dotted(pre, |part| !part.iter().all(u8::is_ascii_digit) || is_number(part)))
        && build.is_none_or(|build| dotted(build, |_| true))
}

fn split_at_byte(bytes: &[u8], mark: u8) -> (&[u8], Option<&[u8]>) {
    match bytes.iter().position(|&b| b == mark) {
        Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
        None => (bytes, None),
    }
}

/// Digits without a leading zero.
fn is_number(part: &[u8]) -> bool {
    let digits = !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    digits && (part.len() == 1 || part[0] != b'0')
}

/// Identifiers with dots between them, each of which passes `rule`.
fn dotted(text: &[u8], rule: impl Fn(&[u8]) -> bool) -> bool {
    text.split(|&b| b == b'.').all(|part| {
        let legal = part.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-');
        !part.is_empty() && legal && rule(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, version: &str, expected: Option<&str>) {
        let path = Release::parse(name.as_bytes(), version.as_bytes()).map(|release| {
            let mut out = Vec::new();
            release.push_file(Plus::Encoded, &mut out);
            String::from_utf8(out).unwrap()
        });
        assert_eq!(path.as_deref(), expected, "{name} {version}");
    }

    #[test]
    fn releases_that_can_exist() {
        check("serde", "1.0.217", Some("serde-1.0.217.crate"));
        check("a", "0.0.0", Some("a-0.0.0.crate"));
        check("x_Y-z", "1.0.0-rc.1", Some("x_Y-z-1.0.0-rc.1.crate"));
        check("x", "1.0.0-0a.-", Some("x-1.0.0-0a.-.crate"));
        check("x", "1.0.0+a.01", Some("x-1.0.0%2Ba.01.crate"));
        check("x", "1.0.0-b%2ba%2Bb", None);
        check("x", "1.0.0-b%2ba", Some("x-1.0.0-b%2Ba.crate"));
        check("x", "1%2E0.0", Some("x-1.0.0.crate"));
    }

    #[test]
    fn releases_that_cannot() {
        for name in ["", "1x", "-x", "x.y", "x%20", "é", &"x".repeat(65)] {
            check(name, "1.0.0", None);
        }
        for version in ["", "1", "1.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0+", "1.0.0+a..b"] {
            check("x", version, None);
        }
        for version in ["1.0.0 ", "1.0.0%", "1.0.0%2", "1.0.0%zz", "1.0.0%0a", "v1.0.0", "1.0.0-é"] {
            check("x", version, None);
        }
        check("x", &format!("1.0.0-{}", "9a".repeat(70)), None);
    }
}
