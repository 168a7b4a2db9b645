//! The parts of a location that a rule calls canonical.

use super::Checked;
use crate::rules::canonical::{Canonical, Spellings};
use downpour_core::route::Pattern;
use downpour_core::toml_file::{Spanned, TomlMistake};
use std::collections::BTreeMap;

/// The parts of `location` that a rule calls canonical; `None` where none is.
pub(super) fn spellings(
    canonical: BTreeMap<Spanned<String>, Canonical>,
    pattern: &Pattern,
    location: &str,
) -> Checked<Option<Spellings>> {
    let mut spans = Vec::with_capacity(canonical.len());
    let mut parts = Vec::with_capacity(canonical.len());
    for (name, canonical) in canonical {
        spans.push(name.span());
        parts.push((name.into_inner(), canonical));
    }
    let Some(first) = spans.first().cloned() else { return Ok(None) };
    if location.is_empty() {
        let what = "a rule with canonical parts needs a location that contains them".to_owned();
        return Err(TomlMistake { span: first, what });
    }
    let path = match location.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default(),
        None => location,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let made = Spellings::of(&parts, pattern, path);
    made.map(Some).map_err(|(at, what)| TomlMistake { span: spans.get(at).cloned().unwrap_or(first), what })
}
