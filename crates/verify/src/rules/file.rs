//! Rule files: from TOML to rules, or to a mistake with its place and remedy.
//!
//! What the file says and what it means are two types. Everything a rule
//! relies on is checked here, so that judging meets no surprise.
//! [`Rules::load`] is the one edge: it reads a file.

mod spellings;
mod texts;

use super::canonical::Canonical;
use super::headers::{Element, FieldCondition, HeaderDemand};
use super::hosts::{HostPattern, is_usable};
use super::{Authority, ExpectedLocation, Provenance, Relative, Rule, Rules, Scheme, StatusTransitions};
use crate::finding::Level;
use downpour_core::route::{Pattern, Template};
use downpour_core::suggest::did_you_mean;
use downpour_core::toml_file::{self, Spanned, TomlError, TomlMistake, error_at};
use downpour_core::units::parse_duration;
use http::HeaderName;
use serde::Deserialize;
use spellings::spellings;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use texts::Texts;
use url::Url;

/// The shape of rule files that this version reads.
const SHAPE: u32 = 1;

/// The largest file that is read as rules.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Rules that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// There is no built-in set of that name.
    #[error(
        "{name:?} is not a built-in set of rules{}; known sets: {}",
        did_you_mean(name, Rules::builtin_names()),
        names()
    )]
    UnknownSet {
        /// What was asked for.
        name: String,
    },
    /// The file could not be read.
    #[error(
        "read rules from {}{}; built-in sets are {}",
        path.display(),
        did_you_mean(&path.to_string_lossy(), Rules::builtin_names()),
        names()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is larger than any set of rules.
    #[error("read rules from {}: it is larger than {FILE_BYTES_MAX} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The text is no set of rules.
    #[error(transparent)]
    Mistake(#[from] TomlError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRules {
    shape: Option<Spanned<u32>>,
    #[serde(default, rename = "rule")]
    rules: Vec<FileRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRule {
    #[serde(rename = "match")]
    pattern: Spanned<String>,
    status: Spanned<FileStatuses>,
    transitions: Option<Vec<Spanned<String>>>,
    location: Option<Spanned<String>>,
    #[serde(default)]
    hosts: Vec<Spanned<String>>,
    relative: Option<Spanned<FileRelative>>,
    scheme: Option<Spanned<Scheme>>,
    min_ttl: Option<Spanned<String>>,
    #[serde(default)]
    level: Level,
    since: Option<Spanned<String>>,
    why: Option<String>,
    source: Option<String>,
    json: Option<Spanned<String>>,
    #[serde(default)]
    canonical: BTreeMap<Spanned<String>, Canonical>,
    #[serde(default)]
    headers: BTreeMap<Spanned<String>, Spanned<FileCondition>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a status such as 302, or a list of them")]
enum FileStatuses {
    One(u16),
    Many(Vec<u16>),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "true, false or \"only\"")]
enum FileRelative {
    Allowed(bool),
    Word(Only),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Only {
    Only,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "true, false, a text, a list of texts, or { is, contains, lacks, at_least, at_most, level, since, why, source }"
)]
enum FileCondition {
    Present(bool),
    Is(String),
    OneOf(Vec<String>),
    Elements(FileElements),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct FileElements {
    is: Option<FileIs>,
    contains: Texts,
    lacks: Texts,
    at_least: BTreeMap<String, u64>,
    at_most: BTreeMap<String, u64>,
    level: Level,
    since: Option<String>,
    why: Option<String>,
    source: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum FileIs {
    Present(bool),
    One(String),
    Many(Vec<String>),
}

type Checked<T> = Result<T, TomlMistake>;

impl Rules {
    /// The rules that `text` states. `origin` is what mistakes call it: the
    /// path of the file, or the name of a set.
    pub fn parse(text: &str, origin: &str) -> Result<Self, RulesError> {
        Ok(read(text).map_err(|mistake| mistake.into_error(text, origin))?)
    }

    /// What `--rules` names: a built-in set, or else a file.
    pub fn load(name_or_path: &str) -> Result<Self, RulesError> {
        let path = Path::new(name_or_path);
        if let Some(text) = Self::builtin_text(name_or_path) {
            return Self::parse(text, name_or_path);
        }
        // A bare word that is no file was meant as the name of a set.
        if path.extension().is_none() && path.components().count() == 1 && !path.exists() {
            return Err(RulesError::UnknownSet { name: name_or_path.to_owned() });
        }
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
        match read {
            Ok(len) if len as u64 > FILE_BYTES_MAX => Err(RulesError::TooLarge { path: path.to_owned() }),
            Ok(_) => Self::parse(&text, name_or_path).and_then(|rules| rules.require_rules(name_or_path)),
            Err(source) => Err(RulesError::Read { path: path.to_owned(), source }),
        }
    }

    /// A file without a rule would judge nothing, and pass everything.
    fn require_rules(self, origin: &str) -> Result<Self, RulesError> {
        if !self.is_empty() {
            return Ok(self);
        }
        let what = "there is no rule: begin with [[rule]], or copy a set that downpour rules lists";
        Err(TomlMistake { span: 0..0, what: what.to_owned() }.into_error("", origin).into())
    }
}

fn read(text: &str) -> Checked<Rules> {
    let file: FileRules = toml_file::read(text)?;
    if let Some(shape) = file.shape.filter(|shape| *shape.get_ref() != SHAPE) {
        let what = format!("shape {} is not supported; this version reads {SHAPE}", shape.get_ref());
        return Err(error_at(&shape, what));
    }
    let mut rules: Vec<Rule> = Vec::with_capacity(file.rules.len());
    for file in file.rules {
        let (at, rule) = (file.pattern.span(), rule(file)?);
        if let Some(first) = rules.iter().find(|first| first.pattern.is_same_as(&rule.pattern)) {
            let what = format!(
                "{} matches the paths of an earlier rule, which takes precedence: {}",
                rule.pattern, first.pattern
            );
            return Err(TomlMistake { span: at, what });
        }
        rules.push(Rule { index: rules.len(), ..rule });
    }
    Ok(Rules { rules })
}

fn names() -> String {
    Rules::builtin_names().collect::<Vec<_>>().join(", ")
}

fn rule(file: FileRule) -> Checked<Rule> {
    let pattern = Pattern::parse(file.pattern.get_ref()).map_err(|error| error_at(&file.pattern, error))?;
    let mut location = file.location.as_ref().map(|text| expected(text, &pattern)).transpose()?;
    let text = file.location.as_ref().map_or("", |text| text.get_ref());
    if let Some(spellings) = spellings(file.canonical, &pattern, text)?
        && let Some((expected, _)) = &mut location
    {
        expected.spellings = Some(spellings);
    }
    let stays = location.as_ref().is_some_and(|(expected, _)| expected.authority.is_none());
    let own_scheme = location.as_ref().map_or(Some(Scheme::Https), |(_, scheme)| *scheme);
    let scheme = file
        .scheme
        .map(|scheme| consistent_scheme(&scheme, own_scheme.filter(|_| location.is_some())))
        .transpose()?;
    Ok(Rule {
        index: 0,
        pattern,
        statuses: statuses(file.status)?,
        transitions: file.transitions.map(|list| transitions(&list)).transpose()?,
        relative: relative(file.relative.as_ref(), location.as_ref().map(|_| stays))?,
        location: location.map(|(expected, _)| expected),
        hosts: each_once(&file.hosts, HostPattern::parse)?,
        scheme: scheme.or(own_scheme),
        headers: demands(file.headers)?,
        min_ttl: file.min_ttl.map(|text| min_ttl(&text)).transpose()?,
        level: file.level,
        provenance: provenance(
            file.since.as_ref().map(|since| (since.get_ref().as_str(), since.span())),
            file.why,
            file.source,
        )?,
        json: file.json.map(member).transpose()?,
    })
}

/// The values of a list, of which none may stand there twice.
fn each_once<T: PartialEq, E: Display>(
    list: &[Spanned<String>],
    parse: impl Fn(&str) -> Result<T, E>,
) -> Checked<Vec<T>> {
    let mut values = Vec::with_capacity(list.len());
    for text in list {
        let value = parse(text.get_ref()).map_err(|error| error_at(text, error))?;
        if values.contains(&value) {
            return Err(error_at(text, format!("{:?} is named twice", text.get_ref())));
        }
        values.push(value);
    }
    Ok(values)
}

fn transitions(list: &[Spanned<String>]) -> Checked<StatusTransitions> {
    each_once(list, str::parse).map(StatusTransitions::new)
}

/// What a rule says of relative Locations, or what follows from its own.
/// `stays` tells of a location whether it is on the candidate itself.
fn relative(named: Option<&Spanned<FileRelative>>, stays: Option<bool>) -> Checked<Relative> {
    let Some(named) = named else {
        return Ok(if stays == Some(true) { Relative::Allowed } else { Relative::Never });
    };
    match named.get_ref() {
        FileRelative::Allowed(true) => Ok(Relative::Allowed),
        FileRelative::Allowed(false) => Ok(Relative::Never),
        FileRelative::Word(Only::Only) if stays == Some(false) => {
            Err(error_at(named, "the location is on another host, so it cannot be relative; write /path"))
        }
        FileRelative::Word(Only::Only) => Ok(Relative::Only),
    }
}

fn min_ttl(text: &Spanned<String>) -> Checked<std::time::Duration> {
    parse_duration(text.get_ref()).map_err(|error| error_at(text, error))
}

fn member(text: Spanned<String>) -> Checked<String> {
    if text.get_ref().is_empty() {
        return Err(error_at(&text, "the name of the member is empty; write it like \"url\""));
    }
    Ok(text.into_inner())
}

fn demands(fields: BTreeMap<Spanned<String>, Spanned<FileCondition>>) -> Checked<Vec<HeaderDemand>> {
    let mut fields: Vec<_> = fields.into_iter().collect();
    fields.sort_unstable_by_key(|(name, _)| name.span().start);
    let mut demands: Vec<HeaderDemand> = Vec::with_capacity(fields.len());
    for (text, due) in fields {
        let name = HeaderName::from_bytes(text.get_ref().as_bytes())
            .map_err(|_| error_at(&text, format!("{:?} is not the name of a field", text.get_ref())))?;
        if demands.iter().any(|demand| demand.name == name) {
            return Err(error_at(&text, format!("{name} is named twice")));
        }
        let span = due.span();
        let demand = demand(name.clone(), due.into_inner(), &span)?;
        let due = &demand.condition;
        if matches!(due, FieldCondition::OneOf(list) if list.is_empty())
            || matches!(due, FieldCondition::Elements(list) if list.is_empty())
        {
            let what = format!("the rule requires nothing of {name}; write true (present) or false (absent)");
            return Err(TomlMistake { span, what });
        }
        demands.push(demand);
    }
    Ok(demands)
}

fn demand(name: HeaderName, file: FileCondition, span: &Range<usize>) -> Checked<HeaderDemand> {
    let plain = |due| (due, Level::Fail, Provenance::default());
    let (due, level, provenance) = match file {
        FileCondition::Present(there) => plain(field_condition(FileIs::Present(there))),
        FileCondition::Is(value) => plain(field_condition(FileIs::One(value))),
        FileCondition::OneOf(values) => plain(field_condition(FileIs::Many(values))),
        FileCondition::Elements(FileElements {
            is,
            contains,
            lacks,
            at_least,
            at_most,
            level,
            since,
            why,
            source,
        }) => {
            let contains = contains.into_vec().into_iter().map(Element::Contains);
            let lacks = lacks.into_vec().into_iter().map(Element::Lacks);
            let at_least = at_least.into_iter().map(|(name, number)| Element::AtLeast(name, number));
            let at_most = at_most.into_iter().map(|(name, number)| Element::AtMost(name, number));
            let elements: Vec<_> = contains.chain(lacks).chain(at_least).chain(at_most).collect();
            if is.is_some() && !elements.is_empty() {
                let what = format!("{name} has a required value and required elements; remove one of them");
                return Err(TomlMistake { span: span.clone(), what });
            }
            let due = is.map_or(FieldCondition::Elements(elements), field_condition);
            (due, level, provenance(since.as_deref().map(|since| (since, span.clone())), why, source)?)
        }
    };
    Ok(HeaderDemand { name, condition: due, level, provenance })
}

fn field_condition(is: FileIs) -> FieldCondition {
    match is {
        FileIs::Present(true) => FieldCondition::Present,
        FileIs::Present(false) => FieldCondition::Absent,
        FileIs::One(value) => FieldCondition::OneOf(vec![value]),
        FileIs::Many(values) => FieldCondition::OneOf(values),
    }
}

/// Since when, why and by which source something is demanded.
fn provenance(
    since: Option<(&str, Range<usize>)>,
    why: Option<String>,
    source: Option<String>,
) -> Checked<Provenance> {
    let date = |(text, span): (&str, Range<usize>)| {
        let what = || format!("{text:?} is not a date; write it like \"2026-06-02\"");
        text.parse().map_err(|_| TomlMistake { span, what: what() })
    };
    Ok(Provenance { since: since.map(date).transpose()?, why, source })
}

/// The scheme a rule names, which must not contradict that of its location.
fn consistent_scheme(named: &Spanned<Scheme>, of_location: Option<Scheme>) -> Checked<Scheme> {
    match (*named.get_ref(), of_location) {
        (Scheme::Any, _) | (_, None) => Ok(*named.get_ref()),
        (scheme, Some(own)) if scheme == own => Ok(scheme),
        (Scheme::Https | Scheme::Http, Some(_)) => Err(TomlMistake {
            span: named.span(),
            what: "the location has another scheme; remove one of them, or allow any".to_owned(),
        }),
    }
}

fn statuses(file: Spanned<FileStatuses>) -> Checked<Vec<u16>> {
    let span = file.span();
    let statuses = match file.into_inner() {
        FileStatuses::One(status) => vec![status],
        FileStatuses::Many(statuses) => statuses,
    };
    let wrong = statuses.iter().enumerate().find_map(|(at, status)| {
        if !(100..600).contains(status) {
            Some(format!("{status} is not a status; use 100 to 599"))
        } else if statuses[..at].contains(status) {
            Some(format!("{status} is named twice"))
        } else {
            None
        }
    });
    let none = || Some("the list is empty; name at least one status, such as 302".to_owned());
    match wrong.or_else(|| none().filter(|_| statuses.is_empty())) {
        Some(what) => Err(TomlMistake { span, what }),
        None => Ok(statuses),
    }
}

/// The place a template describes and the scheme it names. Its host is always
/// spelled out: a host made of what a client sent could be any host.
fn expected(text: &Spanned<String>, pattern: &Pattern) -> Checked<(ExpectedLocation, Option<Scheme>)> {
    let template = Template::parse(text.get_ref(), pattern).map_err(|error| error_at(text, error))?;
    let wrong =
        |what: &str| TomlMistake { span: text.span(), what: format!("location {:?} {what}", text.get_ref()) };
    if text.get_ref().starts_with('/') && !text.get_ref().starts_with("//") {
        return Ok((ExpectedLocation { template, authority: None, spellings: None }, None));
    }
    let Some((scheme, rest)) = text.get_ref().split_once("://") else {
        return Err(wrong("is not a URL; write https://host/path, or /path for the candidate itself"));
    };
    let known = match scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        _ => return Err(wrong("must begin with https:// or http://")),
    };
    let Some((authority, _)) = rest.split_once('/') else {
        return Err(wrong("needs a path after its host"));
    };
    if authority.contains(['{', '@']) {
        return Err(wrong("must have a host without {names}; further hosts go into hosts = [...]"));
    }
    let url = Url::parse(&format!("{scheme}://{authority}/")).ok().filter(|_| !authority.is_empty());
    let host = url.as_ref().and_then(Url::host).map(|host| host.to_owned()).filter(is_usable);
    match (host, url) {
        (Some(host), Some(url)) => {
            let authority = Some(Authority { host, port: url.port() });
            Ok((ExpectedLocation { template, authority, spellings: None }, Some(known)))
        }
        (None, _) | (_, None) => Err(wrong("has no valid host")),
    }
}

#[cfg(test)]
mod tests;
