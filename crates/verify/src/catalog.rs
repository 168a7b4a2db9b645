//! What files there are, as their owner lists them: name, version, and where
//! known the size and the digest.
//!
//! With it a redirect can be told to lead to a file that does not exist, or
//! that has other bytes, without asking a store. Entries are kept under a keyed
//! hash of name and version, not under their text: 48 bytes each, so that a
//! million take 48 MB. Two of a million would meet under one hash once in 37
//! million catalogues, and nobody who does not know the key can make them.
//! Pure; [`mod@read`] is the edge that reads files, [`mod@format`] says what a
//! line means.

pub mod format;
pub mod read;

pub use read::CatalogError;

use super::rules::Rules;
use downpour_core::route::{Pattern, hex_pair};
use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};

/// Names under which a rule may capture what a file is called.
const NAMES: [&str; 3] = ["crate", "name", "package"];

/// The name under which it captures the version.
const VERSION: &str = "version";

/// Buckets of the table, by the highest bits of a hash. They are spread evenly,
/// so a bucket of a million entries has about 15.
const BUCKET_BITS: u32 = 16;

/// What is known of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CatalogEntry {
    /// Its bytes.
    pub size: Option<u64>,
    /// Its SHA-256.
    pub sha256: Option<[u8; 32]>,
}

/// One entry as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CatalogRow {
    key: u64,
    /// [`CatalogRow::UNKNOWN`] for one that is not known.
    size: u64,
    /// All zero for one that is not known: no file has that digest.
    sha256: [u8; 32],
}

impl CatalogRow {
    const UNKNOWN: u64 = u64::MAX;

    fn new(key: u64, entry: CatalogEntry) -> Self {
        let size = entry.size.unwrap_or(Self::UNKNOWN);
        Self { key, size, sha256: entry.sha256.unwrap_or_default() }
    }

    fn entry(self) -> CatalogEntry {
        CatalogEntry {
            size: Some(self.size).filter(|size| *size != Self::UNKNOWN),
            sha256: Some(self.sha256).filter(|digest| *digest != [0; 32]),
        }
    }
}

/// The files that there are.
///
/// Invariant: rows are in order of their key, each key once; `buckets[b]` is the
/// first row whose key begins with `b` or more.
#[derive(Clone, Debug)]
pub struct Catalog {
    rows: Vec<CatalogRow>,
    buckets: Vec<usize>,
    hasher: RandomState,
}

impl Catalog {
    /// How many files it lists.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it lists none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What it says of that file; `None` where it does not list it. Names are
    /// compared byte for byte.
    pub fn expect(&self, name: &[u8], version: &[u8]) -> Option<CatalogEntry> {
        let key = self.hasher.hash_one((name, version));
        let bucket = bucket_of(key);
        let rows = self.rows.get(*self.buckets.get(bucket)?..*self.buckets.get(bucket + 1)?)?;
        let at = rows.binary_search_by_key(&key, |row| row.key).ok()?;
        rows.get(at).map(|row| row.entry())
    }
}

fn bucket_of(key: u64) -> usize {
    usize::try_from(key >> (u64::BITS - BUCKET_BITS)).unwrap_or_default()
}

/// A catalogue under construction.
#[derive(Debug, Default)]
pub(super) struct CatalogBuilder {
    rows: Vec<CatalogRow>,
    hasher: RandomState,
}

impl CatalogBuilder {
    pub(super) fn add(&mut self, name: &[u8], version: &[u8], entry: CatalogEntry) {
        self.rows.push(CatalogRow::new(self.key(name, version), entry));
    }

    /// What a file is kept under; another one for each builder.
    pub(super) fn key(&self, name: &[u8], version: &[u8]) -> u64 {
        self.hasher.hash_one((name, version))
    }

    /// Puts the entries in order. Entries that say the same are one.
    pub(super) fn sort(&mut self) {
        self.rows.sort_unstable_by_key(|row| (row.key, row.size, row.sha256));
        self.rows.dedup();
    }

    /// The key of a file that two entries say different things of.
    pub(super) fn contradiction(&self) -> Option<u64> {
        self.rows.windows(2).find(|pair| pair[0].key == pair[1].key).map(|pair| pair[0].key)
    }

    /// The catalogue of entries that were put in order and contradict each
    /// other nowhere.
    pub(super) fn finish(self) -> Catalog {
        let Self { rows, hasher } = self;
        let buckets =
            (0..=1 << BUCKET_BITS).map(|bucket| rows.partition_point(|row| bucket_of(row.key) < bucket));
        let buckets = buckets.collect();
        Catalog { rows, buckets, hasher }
    }
}

/// A catalogue, and the rules that tell which of its files a request is for.
#[derive(Clone, Debug)]
pub struct CatalogLookup {
    catalog: Catalog,
    rules: Rules,
}

/// What a catalogue says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatalogMatch {
    /// It is for this file.
    Listed(CatalogEntry),
    /// It is for a file that is not listed.
    Missing,
    /// No rule says which file it is for.
    NoRule,
}

/// Rules under which no request has a name and a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no rule captures the names that a catalogue needs: match a path with {{version}} and one of {{crate}}, {{name}} or \
     {{package}}"
)]
pub struct NoCaptureError;

impl CatalogLookup {
    /// Looks requests up by what the rule that matches them captures.
    pub fn new(catalog: Catalog, rules: Rules) -> Result<Self, NoCaptureError> {
        if rules.patterns().any(|pattern| capture_positions(pattern).is_some()) {
            Ok(Self { catalog, rules })
        } else {
            Err(NoCaptureError)
        }
    }

    /// The catalogue.
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// What is known of the file that `target` asks for.
    pub fn expect(&self, target: &[u8]) -> CatalogMatch {
        let Some((rule, captures)) = self.rules.find(target) else { return CatalogMatch::NoRule };
        let Some((name, version)) = capture_positions(&rule.pattern) else { return CatalogMatch::NoRule };
        let (name, version) = (decoded(captures.value(name)), decoded(captures.value(version)));
        match self.catalog.expect(&name, &version) {
            Some(entry) => CatalogMatch::Listed(entry),
            None => CatalogMatch::Missing,
        }
    }
}

/// Where a pattern captures name and version.
fn capture_positions(pattern: &Pattern) -> Option<(usize, usize)> {
    let place = |wanted: &str| pattern.names().iter().position(|name| name == wanted);
    Some((NAMES.into_iter().find_map(place)?, place(VERSION)?))
}

/// A part of a path without its percent-encoding.
fn decoded(part: &[u8]) -> Cow<'_, [u8]> {
    if !part.contains(&b'%') {
        return Cow::Borrowed(part);
    }
    let mut plain = Vec::with_capacity(part.len());
    let mut rest = part;
    while let [first, tail @ ..] = rest {
        let escaped = match tail {
            [high, low, after @ ..] if *first == b'%' => hex_pair(*high, *low).map(|byte| (byte, after)),
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((*first, tail));
        plain.push(byte);
        rest = after;
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(files: &[(&str, &str, CatalogEntry)]) -> Catalog {
        let mut builder = CatalogBuilder::default();
        for (name, version, entry) in files {
            builder.add(name.as_bytes(), version.as_bytes(), *entry);
        }
        builder.sort();
        assert_eq!(builder.contradiction(), None);
        builder.finish()
    }

    const KNOWN: CatalogEntry = CatalogEntry { size: Some(0), sha256: Some([7; 32]) };

    #[test]
    fn a_million_entries_take_48_bytes_each() {
        assert_eq!(size_of::<CatalogRow>(), 48);
        for entry in [KNOWN, CatalogEntry::default(), CatalogEntry { size: None, ..KNOWN }] {
            assert_eq!(CatalogRow::new(1, entry).entry(), entry);
        }
    }

    #[test]
    fn each_file_is_found_and_no_other() {
        let versions: Vec<String> = (0..20_000).map(|n| format!("1.0.{n}")).collect();
        let files: Vec<_> = versions
            .iter()
            .zip(0_u64..)
            .map(|(version, n)| ("serde", version.as_str(), CatalogEntry { size: Some(n), sha256: None }))
            .collect();
        let catalog = catalog(&files);
        assert_eq!(catalog.len(), 20_000);
        for (name, version, entry) in &files {
            assert_eq!(catalog.expect(name.as_bytes(), version.as_bytes()), Some(*entry));
            assert_eq!(catalog.expect(b"serd", format!("e{version}").as_bytes()), None);
        }
        assert_eq!(catalog.expect(b"serde", b"1.0.20000"), None);
    }

    #[test]
    fn an_empty_catalogue_holds_nothing() {
        let empty = catalog(&[]);
        assert!(empty.is_empty());
        assert_eq!(empty.expect(b"", b""), None);
    }

    #[test]
    fn entries_that_say_the_same_are_one_and_others_contradict() {
        let mut builder = CatalogBuilder::default();
        builder.add(b"a", b"1", KNOWN);
        builder.add(b"a", b"1", KNOWN);
        builder.sort();
        assert_eq!((builder.rows.len(), builder.contradiction()), (1, None));
        builder.add(b"a", b"1", CatalogEntry::default());
        builder.sort();
        assert_eq!(builder.contradiction(), Some(builder.key(b"a", b"1")));
    }

    #[test]
    fn requests_are_named_by_what_their_rule_captures() {
        let catalog = catalog(&[("curl-sys", "0.4.79+curl-8.12.0", KNOWN)]);
        let catalogued = CatalogLookup::new(catalog, Rules::builtin("crates-io").unwrap()).unwrap();
        let check =
            |target: &str, expected| assert_eq!(catalogued.expect(target.as_bytes()), expected, "{target}");
        check("/api/v1/crates/curl-sys/0.4.79%2Bcurl-8.12.0/download?x", CatalogMatch::Listed(KNOWN));
        check("/api/v1/crates/curl-sys/0.4.79+curl-8.12.0/download", CatalogMatch::Listed(KNOWN));
        check("/api/v1/crates/curl-sys/0.4.80/download", CatalogMatch::Missing);
        check("/api/v1/crates/Curl-sys/0.4.79%2Bcurl-8.12.0/download", CatalogMatch::Missing);
        check("/healthz", CatalogMatch::NoRule);
    }

    #[test]
    fn rules_that_name_nothing_are_of_no_use() {
        let rules = |text| Rules::parse(text, "x").unwrap();
        for nameless in ["", "[[rule]]\nmatch = \"/{path}/{version}\"\nstatus = 302"] {
            assert_eq!(CatalogLookup::new(catalog(&[]), rules(nameless)).unwrap_err(), NoCaptureError);
        }
        let package = rules("[[rule]]\nmatch = \"/{package}/{version}\"\nstatus = 302");
        assert_eq!(CatalogLookup::new(catalog(&[]), package).unwrap().expect(b"/a/1"), CatalogMatch::Missing);
    }

    #[test]
    fn escapes_that_are_none_stay_as_they_are() {
        for (raw, plain) in [("a%2Bb", "a+b"), ("%zz%2", "%zz%2"), ("", ""), ("%25%32", "%2")] {
            assert_eq!(decoded(raw.as_bytes()), plain.as_bytes(), "{raw}");
        }
    }
}
