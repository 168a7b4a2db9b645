//! What a deployment is expected to answer, as data.
//!
//! A rule says for the paths it matches which status is due and where a
//! redirect has to lead. Sets of rules are TOML files, some of them built in;
//! [`mod@file`] reads them and names every mistake by line. Whether an answer
//! keeps a rule is for [`super::judge`] to say.
//!
//! ```toml
//! [[rule]]
//! match = "/api/v1/crates/{crate}/{version}/download"
//! status = [302]                 # one, or a list
//! location = "https://static.crates.io/crates/{crate}/{crate}-{version}.crate"
//! hosts = ["mirror.example.net"] # allowed besides the location's own
//! relative = false               # may the Location leave out scheme and host?
//! scheme = "https"               # https, http or any; the location's own
//! ```
//!
//! Everything but `match` and `status` may be left out. Without a `location`
//! any path on one of the `hosts` will do, which is what presigned URLs need;
//! without `hosts` either, any host. A location that begins with `/` is one on
//! the candidate itself, and may be given as a relative one. The first rule
//! that matches counts. How parts are encoded: [`crate::route::Encoding`].

pub mod file;

pub use file::RulesError;

use crate::route::{Captures, Pattern, Template};
use url::Host;

/// A set of rules, in the order in which they are tried.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
}

/// One rule, ready to be held against answers.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) pattern: Pattern,
    /// The statuses that are due; never empty.
    pub(super) statuses: Vec<u16>,
    /// Where a redirect has to lead, if exactly one place will do.
    pub(super) location: Option<Expected>,
    /// The hosts that are allowed besides the location's own.
    pub(super) hosts: Vec<Host>,
    /// Whether a relative Location is welcome.
    pub(super) relative: bool,
    /// The scheme that is due; `None` for the candidate's own.
    pub(super) scheme: Option<Scheme>,
}

/// The one place a redirect has to lead to.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) template: Template,
    /// Where it stands; `None` for the candidate itself, in which case the
    /// template begins with `/`.
    pub(super) authority: Option<Authority>,
}

/// A host as a template names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    /// A name is in lower case, and one that a resolver can be asked for.
    pub(super) host: Host,
    /// The port, if it is not the scheme's own.
    pub(super) port: Option<u16>,
}

/// Which schemes a rule allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Scheme {
    Https,
    Http,
    Any,
}

impl Rules {
    /// The names of the built-in sets.
    pub const BUILTIN: [&'static str; 1] = ["crates-io"];

    /// No rules: statuses are judged by their class and the record, redirects
    /// by what no rule is needed for.
    pub const fn none() -> Self {
        Self { rules: Vec::new() }
    }

    /// The built-in set of that name.
    pub fn builtin(name: &str) -> Result<Self, RulesError> {
        match name {
            "crates-io" => Self::parse(include_str!("rules/crates-io.toml"), "crates-io"),
            other => Err(RulesError::UnknownSet { name: other.to_owned() }),
        }
    }

    /// How many rules there are.
    pub const fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The patterns of its rules, in order.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.rules.iter().map(|rule| &rule.pattern)
    }

    /// The first rule whose pattern matches the path of `target`, and what
    /// the pattern captured.
    pub(super) fn find<'r, 't>(&'r self, target: &'t [u8]) -> Option<(&'r Rule, Captures<'t>)> {
        self.rules.iter().find_map(|rule| Some((rule, rule.pattern.captures(target)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_sets_can_be_read() {
        for name in Rules::BUILTIN {
            assert!(!Rules::builtin(name).unwrap().is_empty(), "{name}");
        }
        let unknown = Rules::builtin("pypi").unwrap_err();
        assert!(unknown.to_string().contains("crates-io"), "{unknown}");
    }

    #[test]
    fn the_first_rule_that_matches_counts() {
        let rules = Rules::builtin("crates-io").unwrap();
        let rendered = |target: &str| {
            let (rule, captures) = rules.find(target.as_bytes())?;
            let mut out = Vec::new();
            rule.location.as_ref()?.template.render(&captures, &mut out);
            Some(String::from_utf8(out).unwrap())
        };
        assert_eq!(
            rendered("/api/v1/crates/rand_core/0.6.0+x/download?a=b").unwrap(),
            "https://static.crates.io/crates/rand_core/rand_core-0.6.0%2Bx.crate"
        );
        assert_eq!(
            rendered("/api/v1/crates/x/1.0.0/readme").unwrap(),
            "https://static.crates.io/readmes/x/x-1.0.0.html"
        );
        assert_eq!(rendered("/api/v1/crates/x"), None);
    }
}
