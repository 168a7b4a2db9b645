//! Query values that must not leave a log.
//!
//! Signatures, tokens, addresses and search text travel in queries. All values
//! are replaced by filler of the same length, so that sizes and numbers of
//! keys stay alike, except those whose name was allowed.

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
        let question = memchr::memchr(b'?', target)?;
        let mut out = target.to_vec();
        let mut changed = false;
        for part in out[question + 1..].split_mut(|&b| b == b'&' || b == b';') {
            let equals = memchr::memchr(b'=', part);
            let (name, value) = part.split_at_mut(equals.map_or(0, |at| at + 1));
            if name.strip_suffix(b"=").is_some_and(|name| names.contains(name)) {
                continue;
            }
            changed |= value.iter().any(|&b| b != b'x');
            value.fill(b'x');
        }
        changed.then_some(out)
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
    fn all_are_kept_where_that_was_asked_for() {
        assert_eq!(Scrub::KeepAll.replacement(b"/x?q=1"), None);
    }
}
