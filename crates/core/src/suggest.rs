//! What was meant by a name that nothing has: one rule for flags, ids, clients,
//! formats and whatever else is chosen by its name.

/// How alike two names must be for one to be suggested; 1 is the same.
const LIKENESS: f64 = 0.75;

/// How much of what was typed is looked at, in bytes.
const TYPED_MAX: usize = 100;

/// The one of `known` that `typed` looks most like, if any does. Case and the
/// marks between words do not count, and of an id such as `dns.nxdomain` the
/// last part may be all that was typed.
///
/// ```
/// use downpour_core::suggest::nearest;
///
/// let known = ["crates-io", "huggingface", "dns.nxdomain"];
/// assert_eq!(nearest("crates.io", known), Some("crates-io"));
/// assert_eq!(nearest("nxdomain", known), Some("dns.nxdomain"));
/// assert_eq!(nearest("/etc/passwd", known), None);
/// ```
pub fn nearest<'k>(typed: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let typed = plain(typed.get(..TYPED_MAX).unwrap_or(typed));
    let scored = known.into_iter().map(|name| (likeness(&typed, name), name));
    // Of equals the first counts.
    let best = scored.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.filter(|(score, _)| *score > LIKENESS).map(|(_, name)| name)
}

/// ` (did you mean crates-io?)`, or nothing where nothing looks alike.
pub fn did_you_mean<'k>(typed: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    nearest(typed, known).map_or_else(String::new, |near| format!(" (did you mean {near}?)"))
}

fn likeness(typed: &str, name: &str) -> f64 {
    let whole = strsim::jaro_winkler(typed, &plain(name));
    let is_last_part = name.rsplit_once('.').is_some_and(|(_, last)| plain(last) == typed);
    if is_last_part { whole.max(0.99) } else { whole }
}

fn plain(name: &str) -> String {
    name.chars()
        .map(|c| if matches!(c, '-' | '_' | '.' | ' ') { '-' } else { c.to_ascii_lowercase() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_alike_name_is_suggested() {
        let check = |typed: &str, known: &[&str], near: Option<&str>| {
            assert_eq!(nearest(typed, known.iter().copied()), near, "{typed}");
        };
        check("misingslash", &["missing-slash", "status-503", "double-slash"], Some("missing-slash"));
        check("carog", &["npm", "cargo", "cargo-1.70"], Some("cargo"));
        check("Incident", &["incident", "metastable"], Some("incident"));
        check("zzz", &["location.missing", "target.404"], None);
        check("", &["a"], None);
        check(&"x".repeat(1 << 20), &["xx"], None);
        assert_eq!(did_you_mean("json-", ["html", "json"]), " (did you mean json?)");
        assert_eq!(did_you_mean("zip", ["html", "json"]), "");
    }
}
