//! What a deployment is expected to answer, as data.
//!
//! A rule says for the paths it matches which status is due and where a
//! redirect has to lead. Sets of rules are TOML files, some of them built in;
//! [`mod@file`] reads them and names every mistake by line. Whether an answer
//! keeps a rule is for [`super::judge`] to say.
//!
//! ```toml
//! shape = 1                      # of this file; 1 is the only one yet
//!
//! [[rule]]
//! match = "/api/v1/crates/{crate}/{version}/download"
//! status = [302]                 # one, or a list
//! transitions = ["200 -> 302"]   # recorded -> answered; no other change will do
//! location = "https://static.crates.io/crates/{crate}/{crate}-{version}.crate"
//! hosts = ["*.example.net"]      # allowed besides the location's own; * is one label, **. one or more
//! relative = false               # may the Location leave out scheme and host? or "only"
//! scheme = "https"               # https, http or any; the location's own
//! min_ttl = "60s"                # how long a signed URL must be good for
//! json = "url"                   # the member that names the place to clients of JSON
//! level = "warn"                 # a broken demand is reported and fails nothing; else "fail"
//! since = "2026-06-02"           # from when on the service answers so; it changes no result
//! why = "caches need it"         # and neither do these two
//! source = "https://example.net/changes"
//! canonical.crate = "crates-io"  # the location may spell this part otherwise; or "pep503"
//!
//! [rule.headers]                 # of answers with a status that is due
//! vary = { contains = "accept" }
//! cache-control = { lacks = ["public"], at_most = { max-age = 60 } }
//! content-type = ["application/gzip", "application/x-tar"]
//! set-cookie = false
//! ```
//!
//! Everything but `match` and `status` may be left out. Without a `location`
//! any path on one of the `hosts` will do, which is what presigned URLs need;
//! without `hosts` either, any host. A location that begins with `/` is one on
//! the candidate itself, and may be given as a relative one. The first rule
//! that matches counts. How parts are encoded: [`downpour_core::route::Encoding`].
//!
//! A part that is canonical may be spelled otherwise in the Location, in one way
//! throughout, if it names the same: by the rules of crates.io (`-` is `_`, and
//! case does not count) or of PEP 503 (so do runs of `-`, `_` and `.`).
//!
//! A field is demanded by a text (it is that), a list (one of them), `true` or
//! `false` (it is there or not), or by its comma-separated elements. In braces,
//! `is` takes the first three forms, and `level`, `since`, `why` and `source`
//! are those of this field alone: `vary = { is = true, level = "warn" }`.
//!
//! `level = "warn"` is about what the rule demands. An error of the server, a
//! redirect that leads nowhere and a file that is not there fail all the same.

pub(super) mod canonical;

pub mod file;

pub(super) mod headers;

pub(super) mod hosts;

mod transitions;

pub use file::RulesError;
pub use transitions::{ParseTransitionError, StatusTransition, StatusTransitions};

use super::JsonDemand;
use super::finding::Level;
use canonical::Spellings;
use downpour_core::route::{Captures, Pattern, Template};
use headers::HeaderDemand;
use hosts::HostPattern;
use jiff::civil::Date;
use std::fmt;
use std::time::Duration;
use url::Host;

/// How long a signed URL should be good for where no rule says: a client queues,
/// resolves and connects before it asks the store. Less is a warning.
pub(super) const MIN_TTL: Duration = Duration::from_mins(1);

/// The built-in sets, by name.
const SETS: [(&str, &str); 7] = [
    ("crates-io", include_str!("rules/crates-io.toml")),
    ("github-releases", include_str!("rules/github-releases.toml")),
    ("huggingface", include_str!("rules/huggingface.toml")),
    ("npm", include_str!("rules/npm.toml")),
    ("oci", include_str!("rules/oci.toml")),
    ("pypi", include_str!("rules/pypi.toml")),
    ("pypi-files", include_str!("rules/pypi-files.toml")),
];

/// A set of rules, in the order in which they are tried.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
}

/// One rule, ready to be held against answers.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Its place among the rules, counted from 0.
    pub(super) index: usize,
    pub(super) pattern: Pattern,
    /// The statuses that are due; never empty.
    pub(super) statuses: Vec<u16>,
    /// Where a redirect has to lead, if exactly one place will do.
    pub(super) location: Option<ExpectedLocation>,
    /// The changes from a recorded status that are welcome; `None` for any.
    pub(super) transitions: Option<StatusTransitions>,
    /// The hosts that are allowed besides the location's own.
    pub(super) hosts: Vec<HostPattern>,
    /// Whether a relative Location is welcome.
    pub(super) relative: Relative,
    /// The scheme that is due; `None` for the candidate's own.
    pub(super) scheme: Option<Scheme>,
    /// What the fields of an answer with a due status have to be.
    pub(super) headers: Vec<HeaderDemand>,
    /// How long a signed URL must be good for, where the rule says so.
    pub(super) min_ttl: Option<Duration>,
    /// What a broken demand does to the run.
    pub(super) level: Level,
    /// Where it comes from.
    pub(super) provenance: Provenance,
    /// The member that names the place to clients that ask for JSON.
    pub(super) json: Option<String>,
}

impl Rule {
    /// What it demands of the form in JSON, if anything.
    pub(super) fn json_demand(&self) -> Option<JsonDemand<'_>> {
        Some(JsonDemand { member: self.json.as_deref()?, level: self.level })
    }
}

/// Where a demand comes from: what a service answers changes, and a rule that
/// does not say since when it holds grows wrong unnoticed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Provenance {
    /// The first day on which the service answered so.
    pub(super) since: Option<Date>,
    /// Why it is demanded.
    pub(super) why: Option<String>,
    /// Where that can be read.
    pub(super) source: Option<String>,
}

impl Provenance {
    const fn is_empty(&self) -> bool {
        self.since.is_none() && self.why.is_none() && self.source.is_none()
    }
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since.map(|since| format!("since {since}"));
        let source = self.source.as_ref().map(|source| format!("source: {source}"));
        let parts = [since, self.why.clone(), source];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join("; "))
    }
}

/// Whether a Location may leave out scheme and host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relative {
    /// It may not.
    Never,
    /// It may.
    Allowed,
    /// It must.
    Only,
}

/// The one place a redirect has to lead to.
#[derive(Clone, Debug)]
pub(super) struct ExpectedLocation {
    pub(super) template: Template,
    /// Where it stands; `None` for the candidate itself, in which case the
    /// template begins with `/`.
    pub(super) authority: Option<Authority>,
    /// The parts that may be spelled otherwise, if there are any.
    pub(super) spellings: Option<Spellings>,
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
    /// Whether any of them states a form in JSON.
    pub(super) fn any_json(&self) -> bool {
        self.rules.iter().any(|rule| rule.json.is_some())
    }

    /// The names of the built-in sets.
    pub fn builtin_names() -> impl Iterator<Item = &'static str> {
        SETS.iter().map(|(name, _)| *name)
    }

    /// The text of the built-in set of that name, as one would write it.
    pub fn builtin_text(name: &str) -> Option<&'static str> {
        SETS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
    }

    /// No rules: statuses are judged by their class and the record, redirects
    /// by what no rule is needed for.
    pub const fn none() -> Self {
        Self { rules: Vec::new() }
    }

    /// The built-in set of that name.
    pub fn builtin(name: &str) -> Result<Self, RulesError> {
        match Self::builtin_text(name) {
            Some(text) => Self::parse(text, name),
            None => Err(RulesError::UnknownSet { name: name.to_owned() }),
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

    /// What each of them matches, in order.
    pub fn matches(&self) -> impl Iterator<Item = String> {
        self.rules.iter().map(|rule| rule.pattern.to_string())
    }

    /// What its rules say of levels and origins, a line each and each once:
    /// what only warns, since when something is demanded, why, and the source.
    pub fn remarks(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for rule in &self.rules {
            let mut line = |level: Level, what: &str, provenance: &Provenance| {
                if level == Level::Fail && provenance.is_empty() {
                    return;
                }
                let from = if provenance.is_empty() { String::new() } else { format!("; {provenance}") };
                let text = format!("{}: {what}{from}", level.name());
                if !lines.contains(&text) {
                    lines.push(text);
                }
            };
            line(rule.level, &format!("all requirements of {}", rule.pattern), &rule.provenance);
            for demand in &rule.headers {
                line(demand.level.min(rule.level), &demand.demand_text(), &demand.provenance);
            }
        }
        lines
    }

    /// The patterns of its rules, in order.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.rules.iter().map(|rule| &rule.pattern)
    }

    /// Whether a rule judges the answer to a request for `target`.
    pub fn has_rule_for(&self, target: &[u8]) -> bool {
        self.find(target).is_some()
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
        for name in Rules::builtin_names() {
            assert!(!Rules::builtin(name).unwrap().is_empty(), "{name}");
            let text = Rules::builtin_text(name).unwrap();
            assert!(text.starts_with("# What "), "{name} does not introduce itself");
        }
        let unknown = Rules::builtin("cargo").unwrap_err();
        assert!(unknown.to_string().contains("crates-io, github-releases"), "{unknown}");
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
