//! Rewrites of a trace, as data: what was asked of a CDN becomes what is asked
//! of the candidate.
//!
//! A set is a TOML file: `unmatched = "keep"` or `"drop"`, then `[[rewrite]]`
//! tables with `match` and `to` (see [`downpour_core::route`]) and, if wanted,
//! `query = "keep"` and `version = "name"`: the part that must be a semantic
//! version, or else the target is left out. The first rule that matches wins; it drops the query
//! unless it says otherwise. A mistake names its line and column.

use super::reasons::Filter;
use super::semver::is_version;
use downpour_core::route::{Pattern, Template};
use downpour_core::toml_file::{self, Spanned, TomlError, TomlMistake, error_at};
use serde::Deserialize;
use std::borrow::Cow;

/// What becomes of a target that no rule matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnmatchedTarget {
    /// It is replayed as it is.
    #[default]
    Keep,
    /// It is left out and counted as `filtered(route)`.
    Drop,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RewriteQuery {
    #[default]
    Drop,
    Keep,
}

/// A set of rewrites, ready for use.
#[derive(Clone, Debug, Default)]
pub struct Rewrites {
    rules: Vec<RewriteRule>,
    unmatched: UnmatchedTarget,
}

#[derive(Clone, Debug)]
struct RewriteRule {
    from: Pattern,
    to: Template,
    query: RewriteQuery,
    /// The captured part that must be a semantic version.
    version: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RewriteFile {
    #[serde(default)]
    unmatched: UnmatchedTarget,
    #[serde(default)]
    rewrite: Vec<RewriteFileRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RewriteFileRule {
    r#match: Spanned<String>,
    to: Spanned<String>,
    #[serde(default)]
    query: RewriteQuery,
    version: Option<Spanned<String>>,
}

impl RewriteFileRule {
    fn check(self) -> Result<RewriteRule, TomlMistake> {
        let from = Pattern::parse(self.r#match.get_ref()).map_err(|error| error_at(&self.r#match, error))?;
        let to = Template::parse(self.to.get_ref(), &from).map_err(|error| error_at(&self.to, error))?;
        if !self.to.get_ref().starts_with('/') {
            return Err(error_at(&self.to, "a target must begin with /"));
        }
        let version = |name: &Spanned<String>| {
            let place = from.names().iter().position(|known| known == name.get_ref());
            place.ok_or_else(|| error_at(name, format!("{{{}}} is not captured by match", name.get_ref())))
        };
        let version = self.version.as_ref().map(version).transpose()?;
        Ok(RewriteRule { from, to, query: self.query, version })
    }
}

impl Rewrites {
    /// The names of the built-in sets.
    pub const BUILT_IN: &'static [&'static str] = &["crates-io"];

    /// The built-in set of that name. A test keeps them free of mistakes.
    pub fn built_in(name: &str) -> Option<Result<Self, TomlError>> {
        let text = match name {
            "crates-io" => include_str!("rewrites/crates-io.toml"),
            _ => return None,
        };
        Some(Self::parse(name, text))
    }

    /// A set from the text of the file `name`.
    pub fn parse(name: &str, text: &str) -> Result<Self, TomlError> {
        let file: RewriteFile = toml_file::parse(text, name)?;
        let rules = file.rewrite.into_iter().map(RewriteFileRule::check).collect::<Result<_, _>>();
        let rules = rules.map_err(|mistake: TomlMistake| mistake.into_error(text, name))?;
        Ok(Self { rules, unmatched: file.unmatched })
    }

    /// What is asked in place of `target`, or why it is left out.
    pub fn apply<'t>(&self, target: Cow<'t, [u8]>) -> Result<Cow<'t, [u8]>, Filter> {
        for rule in &self.rules {
            let Some(captures) = rule.from.captures(&target) else { continue };
            if rule.version.is_some_and(|place| !is_version(captures.value(place))) {
                return Err(Filter::Version);
            }
            let mut out = Vec::with_capacity(target.len() + 16);
            rule.to.render(&captures, &mut out);
            if rule.query == RewriteQuery::Keep {
                out.extend(target.iter().skip_while(|b| **b != b'?'));
            }
            return Ok(Cow::Owned(out));
        }
        match self.unmatched {
            UnmatchedTarget::Keep => Ok(target),
            UnmatchedTarget::Drop => Err(Filter::Route),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rewrites: &Rewrites, target: &str, expected: Result<&str, Filter>) {
        let found = rewrites.apply(Cow::Borrowed(target.as_bytes()));
        let found = found.map(|target| String::from_utf8(target.into_owned()).unwrap());
        assert_eq!(found.as_deref().map_err(|reason| *reason), expected, "{target}");
    }

    #[track_caller]
    fn check_error(text: &str, expected: &str) {
        let error = Rewrites::parse("r.toml", text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }

    #[test]
    fn the_cdn_of_crates_io_becomes_its_api() {
        let rewrites = Rewrites::built_in("crates-io").unwrap().unwrap();
        let api = Ok("/api/v1/crates/a-b/1.0.0%2B2/download");
        check(&rewrites, "/crates/a-b/a-b-1.0.0+2.crate?mirror=1", api);
        check(&rewrites, "/crates/a-b/1.0.0%2B2/download", api);
        check(&rewrites, "/api/v1/crates/a-b/1.0.0%2B2/download?x=1", api);
        let as_it_is = "/api/v1/crates/a/1.0.0+2/download";
        check(&rewrites, as_it_is, Ok(as_it_is));
        check(&rewrites, "/robots.txt", Err(Filter::Route));
    }

    #[test]
    fn what_no_client_can_ask_is_left_out() {
        let rewrites = Rewrites::built_in("crates-io").unwrap().unwrap();
        check(&rewrites, "/crates/strsim/strsim-0.0.0%C2%A7foo.crate", Err(Filter::Version));
        check(&rewrites, "/crates/strsim/strsim-0.10.crate", Err(Filter::Version));
        check(&rewrites, "/crates/strsim/latest/download", Err(Filter::Version));
        check(&rewrites, "/api/v1/crates/strsim/latest/download", Err(Filter::Version));
        let text = "[[rewrite]]\nmatch = \"/{v}\"\nto = \"/{v}\"\nversion = \"w\"";
        check_error(text, "r.toml:4:11: {w} is not captured");
    }

    #[test]
    fn a_rule_may_keep_the_query_and_a_set_the_rest() {
        let text = "[[rewrite]]\nmatch = \"/a/{x}\"\nto = \"/b/{x}\"\nquery = \"keep\"\n";
        let rewrites = Rewrites::parse("r.toml", text).unwrap();
        check(&rewrites, "/a/1?q=2", Ok("/b/1?q=2"));
        check(&rewrites, "/c", Ok("/c"));
        assert!(Rewrites::built_in("npm").is_none());
    }

    #[test]
    fn mistakes_name_their_place() {
        check_error("unmatched = \"lose\"", "r.toml:1:13: ");
        check_error("[[rewrite]]\nmatch = \"x\"\nto = \"/\"", "r.toml:2:9: \"x\" does not begin with /");
        check_error("[[rewrite]]\nmatch = \"/\"\nto = \"/{v}\"", "r.toml:3:6: {v} is not captured");
        check_error("[[rewrite]]\nmatch = \"/{v}\"\nto = \"http://h/\"", "r.toml:3:6: a target must begin");
        check_error("[[rewrite]]\nmach = \"/\"", "r.toml:2:1: ");
        check_error("[[rewrite", "r.toml:1:");
    }
}
