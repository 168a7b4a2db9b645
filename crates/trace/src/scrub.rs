//! Query values that must not leave a log.
//!
//! Signatures, tokens, addresses and search text travel in queries. All values
//! are replaced by filler of the same length, so that sizes and numbers of
//! keys stay alike, except those whose name was allowed.
//!
//! A `?` or `#` that was encoded (`%3F`, `%23`) is a part of the path to servers,
//! and yet some client meant a query: what has the form `name=value` behind it
//! is replaced, too, and the rest of the path stays as it is.

use std::collections::BTreeSet;

/// Which query values are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scrub {
    /// All of them.
    KeepAll,
    /// Only those with one of these names, compared as they stand in the query.
    KeepNamed(BTreeSet<Vec<u8>>),
}

impl Default for Scrub {
    fn default() -> Self {
        Self::KeepNamed(BTreeSet::new())
    }
}

impl Scrub {
    /// The same target without the values that are not kept; `None` where
    /// there is nothing to replace. A part of the query without `=` is taken
    /// for a value.
    pub fn replacement(&self, target: &[u8]) -> Option<Vec<u8>> {
        let Self::KeepNamed(names) = self else { return None };
        let QueryOffsets { encoded, raw } = QueryOffsets::of(target)?;
        let mut out = target.to_vec();
        let (path, query) = out.split_at_mut(raw);
        let changed = [
            path.split_mut(|&b| b == b'?').next().is_some_and(|path| {
                scrub(path.get_mut(encoded..).unwrap_or_default(), names, KeylessValue::Kept)
            }),
            scrub(query, names, KeylessValue::Replaced),
        ];
        changed.contains(&true).then_some(out)
    }
}

/// What happens to a part of a query without `=`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeylessValue {
    Kept,
    Replaced,
}

/// Replaces the values in a query; `true` if that changed something.
fn scrub(query: &mut [u8], names: &BTreeSet<Vec<u8>>, bare: KeylessValue) -> bool {
    let mut changed = false;
    for part in query.split_mut(|&b| b == b'&' || b == b';') {
        let equals = memchr::memchr(b'=', part);
        if equals.is_none() && bare == KeylessValue::Kept {
            continue;
        }
        let (name, value) = part.split_at_mut(equals.map_or(0, |at| at + 1));
        if name.strip_suffix(b"=").is_some_and(|name| names.contains(name)) {
            continue;
        }
        changed |= value.iter().any(|&b| b != b'x');
        value.fill(b'x');
    }
    changed
}

/// Where the parts of a target begin that may hold secrets; at its end, if it
/// has none.
struct QueryOffsets {
    /// Behind the first `%3F` or `%23` of the path.
    encoded: usize,
    /// Behind the first `?`.
    raw: usize,
}

impl QueryOffsets {
    fn of(target: &[u8]) -> Option<Self> {
        let end = target.len();
        let mut encoded = None;
        for at in memchr::memchr2_iter(b'?', b'%', target) {
            match target.get(at..) {
                Some([b'?', ..]) => return Some(Self { encoded: encoded.unwrap_or(end), raw: at + 1 }),
                Some([b'%', b'3', b'f' | b'F', ..] | [b'%', b'2', b'3', ..]) => {
                    encoded = encoded.or(Some(at + 3));
                }
                Some(_) | None => {}
            }
        }
        encoded.map(|encoded| Self { encoded, raw: end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(allowed: &[&str], target: &str, expected: &str) {
        let scrub = Scrub::KeepNamed(allowed.iter().map(|name| name.as_bytes().to_vec()).collect());
        let found = scrub.replacement(target.as_bytes());
        let found = String::from_utf8(found.unwrap_or_else(|| target.into())).unwrap();
        assert_eq!(found, expected);
    }

    #[test]
    fn values_become_filler_of_the_same_length() {
        check(&[], "/x", "/x");
        check(&[], "/x?", "/x?");
        check(&[], "/x?q=a%20b&sig=1", "/x?q=xxxxx&sig=x");
        check(&[], "/x?token", "/x?xxxxx");
        check(&[], "/x?a=b=c&&=d", "/x?a=xxx&&=x");
        check(&["page"], "/x?page=2&q=3;page=4", "/x?page=2&q=x;page=4");
    }

    #[test]
    fn a_query_that_was_encoded_is_one_where_it_has_the_form() {
        check(&[], "/x%3Ftoken=SECRET", "/x%3Ftoken=xxxxxx");
        check(&[], "/x%3ftoken=SECRET&b=1?c=2", "/x%3ftoken=xxxxxx&b=x?c=x");
        check(&[], "/x%23sig=SECRET", "/x%23sig=xxxxxx");
        check(&["page"], "/x%3Fpage=2", "/x%3Fpage=2");
        check(&[], "/x%23y?token", "/x%23y?xxxxx");
        check(&[], "/nuget/C%23/1.0", "/nuget/C%23/1.0");
        check(&[], "/a%2Fb%3F", "/a%2Fb%3F");
    }

    #[test]
    fn all_are_kept_where_that_was_asked_for() {
        assert_eq!(Scrub::KeepAll.replacement(b"/x?q=1"), None);
    }
}
