//! Rule files: from TOML to rules, or to a mistake with its place and remedy.
//!
//! What the file says and what it means are two types. Everything a rule
//! relies on is checked here, so that judging meets no surprise.
//! [`Rules::load`] is the one edge: it reads a file.

use super::{Authority, Expected, Rule, Rules, Scheme};
use crate::route::{Pattern, RouteError, Template};
use crate::verify::location::is_host_name;
use serde::Deserialize;
use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use url::{Host, Url};

/// The largest file that is read as rules.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Rules that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// There is no built-in set of that name.
    #[error("{name:?} is no built-in set of rules; there are: {}", Rules::BUILTIN.join(", "))]
    UnknownSet {
        /// What was asked for.
        name: String,
    },
    /// The file could not be read.
    #[error("read rules from {}", path.display())]
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
    #[error("{origin}:{line}:{column}: {what}")]
    Mistake {
        /// The name of the file or set.
        origin: String,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// What is wrong, and what would be right.
        what: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRules {
    #[serde(default, rename = "rule")]
    rules: Vec<FileRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRule {
    #[serde(rename = "match")]
    pattern: Spanned<String>,
    status: Spanned<OneOrMany>,
    location: Option<Spanned<String>>,
    #[serde(default)]
    hosts: Vec<Spanned<String>>,
    relative: Option<bool>,
    scheme: Option<Spanned<Scheme>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a status such as 302, or a list of them")]
enum OneOrMany {
    One(u16),
    Many(Vec<u16>),
}

/// A mistake and the bytes of the file it is about.
struct Mistake {
    span: Range<usize>,
    what: String,
}

type Checked<T> = Result<T, Mistake>;

impl Rules {
    /// The rules that `text` states. `origin` is what mistakes call it: the
    /// path of the file, or the name of a set.
    pub fn parse(text: &str, origin: &str) -> Result<Self, RulesError> {
        read(text).map_err(|mistake| {
            let (line, column) = place(text, mistake.span.start);
            RulesError::Mistake { origin: origin.to_owned(), line, column, what: mistake.what }
        })
    }

    /// What `--rules` names: a built-in set, or else a file.
    pub fn load(name_or_path: &str) -> Result<Self, RulesError> {
        let path = Path::new(name_or_path);
        if Self::BUILTIN.contains(&name_or_path) {
            return Self::builtin(name_or_path);
        }
        // A bare word that is no file was meant as the name of a set.
        if path.extension().is_none() && path.components().count() == 1 && !path.exists() {
            return Err(RulesError::UnknownSet { name: name_or_path.to_owned() });
        }
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
        match read {
            Ok(len) if len as u64 > FILE_BYTES_MAX => Err(RulesError::TooLarge { path: path.to_owned() }),
            Ok(_) => Self::parse(&text, name_or_path),
            Err(source) => Err(RulesError::Read { path: path.to_owned(), source }),
        }
    }
}

fn read(text: &str) -> Checked<Rules> {
    let file: FileRules = toml::from_str(text).map_err(|error| Mistake {
        span: error.span().unwrap_or_default(),
        what: error.message().trim_end().replace('\n', ", "),
    })?;
    let rules = file.rules.into_iter().map(rule).collect::<Checked<Vec<_>>>()?;
    Ok(Rules { rules })
}

/// Line and column of a byte, both counted from 1.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

fn rule(file: FileRule) -> Checked<Rule> {
    let pattern = Pattern::parse(file.pattern.get_ref()).map_err(|error| mistake(&file.pattern, &error))?;
    let location = file.location.map(|text| expected(&text, &pattern)).transpose()?;
    let hosts = file.hosts.iter().map(host).collect::<Checked<Vec<_>>>()?;
    let stays = location.as_ref().is_some_and(|(expected, _)| expected.authority.is_none());
    let own_scheme = location.as_ref().map_or(Some(Scheme::Https), |(_, scheme)| *scheme);
    let scheme =
        file.scheme.map(|scheme| agreed(&scheme, own_scheme.filter(|_| location.is_some()))).transpose()?;
    Ok(Rule {
        pattern,
        statuses: statuses(file.status)?,
        location: location.map(|(expected, _)| expected),
        hosts,
        relative: file.relative.unwrap_or(stays),
        scheme: scheme.or(own_scheme),
    })
}

fn mistake<T>(at: &Spanned<T>, what: &RouteError) -> Mistake {
    Mistake { span: at.span(), what: what.to_string() }
}

/// The scheme a rule names, which must not contradict that of its location.
fn agreed(named: &Spanned<Scheme>, of_location: Option<Scheme>) -> Checked<Scheme> {
    match (*named.get_ref(), of_location) {
        (Scheme::Any, _) | (_, None) => Ok(*named.get_ref()),
        (scheme, Some(own)) if scheme == own => Ok(scheme),
        (Scheme::Https | Scheme::Http, Some(_)) => Err(Mistake {
            span: named.span(),
            what: "the location has the other scheme; leave one of them out, or allow any".to_owned(),
        }),
    }
}

fn statuses(file: Spanned<OneOrMany>) -> Checked<Vec<u16>> {
    let span = file.span();
    let statuses = match file.into_inner() {
        OneOrMany::One(status) => vec![status],
        OneOrMany::Many(statuses) => statuses,
    };
    if statuses.is_empty() {
        return Err(Mistake {
            span,
            what: "no status is allowed; name at least one, such as 302".to_owned(),
        });
    }
    match statuses.iter().find(|status| !(100..600).contains(*status)) {
        Some(status) => Err(Mistake { span, what: format!("{status} is not a status; use 100 to 599") }),
        None => Ok(statuses),
    }
}

/// The place a template describes and the scheme it names. Its host is always
/// spelled out: a host made of what a client sent could be any host.
fn expected(text: &Spanned<String>, pattern: &Pattern) -> Checked<(Expected, Option<Scheme>)> {
    let template = Template::parse(text.get_ref(), pattern).map_err(|error| mistake(text, &error))?;
    let wrong =
        |what: &str| Mistake { span: text.span(), what: format!("location {:?} {what}", text.get_ref()) };
    if text.get_ref().starts_with('/') && !text.get_ref().starts_with("//") {
        return Ok((Expected { template, authority: None }, None));
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
        return Err(wrong("needs a path behind its host"));
    };
    if authority.contains(['{', '@']) {
        return Err(wrong("must spell its host out; further hosts go into hosts = [...]"));
    }
    let url = Url::parse(&format!("{scheme}://{authority}/")).ok().filter(|_| !authority.is_empty());
    let host = url.as_ref().and_then(Url::host).map(|host| host.to_owned()).filter(is_usable);
    match (host, url) {
        (Some(host), Some(url)) => {
            let authority = Some(Authority { host, port: url.port() });
            Ok((Expected { template, authority }, Some(known)))
        }
        (None, _) | (_, None) => Err(wrong("has no usable host")),
    }
}

fn host(text: &Spanned<String>) -> Checked<Host> {
    Host::parse(text.get_ref()).ok().filter(is_usable).ok_or_else(|| Mistake {
        span: text.span(),
        what: format!("{:?} is not a host; write it like static.example.net, without a port", text.get_ref()),
    })
}

fn is_usable(host: &Host) -> bool {
    match host {
        Host::Domain(name) => is_host_name(name),
        Host::Ipv4(_) | Host::Ipv6(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, place: (usize, usize), names: &str) {
        let error = Rules::parse(text, "my.toml").unwrap_err();
        let RulesError::Mistake { origin, line, column, what } = error else { panic!("{error}") };
        assert_eq!((origin.as_str(), (line, column)), ("my.toml", place), "{what}");
        assert!(what.contains(names), "{what:?} does not name {names:?}");
        assert!(!what.contains('\n'), "{what:?}");
    }

    fn with(line: &str) -> String {
        format!("[[rule]]\nmatch = \"/{{a}}\"\nstatus = 302\n{line}\n")
    }

    #[test]
    fn mistakes_have_a_place_and_a_remedy() {
        check("[[rule]]\nmatch = \"a\"\nstatus = 302", (2, 9), "does not begin with /");
        check("[[rule]]\nmatch = \"/{a}{b}\"\nstatus = 302", (2, 9), "more than one part");
        check("[[rule]]\nstatus = 302", (1, 1), "missing field `match`");
        check("[[rule]]\nmatch = \"/\"", (1, 1), "missing field `status`");
        check("[[rule]]\nmatch = \"/\"\nstatus = []", (3, 10), "at least one");
        check("[[rule]]\nmatch = \"/\"\nstatus = [302, 999]", (3, 10), "100 to 599");
        check("[[rule]]\nmatch = \"/\"\nstatus = \"302\"", (3, 10), "a status such as 302");
        check("[[rules]]\nmatch = \"/\"", (1, 3), "expected `rule`");
        check(&with("loction = \"\""), (4, 1), "`location`");
        check(&with("scheme = \"ftp\""), (4, 10), "`https`, `http`");
        check(&with("relative = 1"), (4, 12), "expected a boolean");
        check("[[rule", (1, 7), "");
    }

    #[test]
    fn locations_and_hosts_are_checked_when_they_are_read() {
        check(&with("location = \"https://h/{b}\""), (4, 12), "{b} is not captured");
        check(&with("location = \"h/{a}\""), (4, 12), "write https://host/path");
        check(&with("location = \"//h/{a}\""), (4, 12), "write https://host/path");
        check(&with("location = \"ftp://h/{a}\""), (4, 12), "https:// or http://");
        check(&with("location = \"https://h{a}\""), (4, 12), "needs a path");
        check(&with("location = \"https://{a}.h/\""), (4, 12), "spell its host out");
        check(&with("location = \"https://u@h/\""), (4, 12), "spell its host out");
        check(&with("location = \"https:///{a}\""), (4, 12), "no usable host");
        check(&with("location = \"https://a b/{a}\""), (4, 12), "no usable host");
        check(&with("hosts = [\"ok\", \"not ok\"]"), (4, 16), "\"not ok\" is not a host");
        check(&with("hosts = [\"h:80\"]"), (4, 10), "without a port");
        check(&with("location = \"http://h/\"\nscheme = \"https\""), (5, 10), "other scheme");
    }

    #[test]
    fn what_is_left_out_has_a_meaning() {
        let rule = |line: &str| Rules::parse(&with(line), "x").unwrap().rules.remove(0);
        let absolute = rule("location = \"http://H:81/{a}\"");
        assert_eq!((absolute.relative, absolute.scheme), (false, Some(Scheme::Http)));
        let authority = absolute.location.unwrap().authority;
        assert_eq!(authority, Some(Authority { host: Host::Domain("h".to_owned()), port: Some(81) }));
        let own = rule("location = \"/x/{a}\"");
        assert_eq!((own.relative, own.scheme), (true, None));
        assert_eq!(own.location.unwrap().authority, None);
        let hosts_only = rule("hosts = [\"A.example\"]");
        assert_eq!((hosts_only.relative, hosts_only.scheme), (false, Some(Scheme::Https)));
        assert_eq!(hosts_only.hosts, [Host::Domain("a.example".to_owned())]);
        assert_eq!(rule("scheme = \"any\"").scheme, Some(Scheme::Any));
        assert_eq!(rule("relative = true").statuses, [302]);
    }

    #[test]
    fn rules_are_loaded_by_name_or_path() {
        assert_eq!(Rules::load("crates-io").unwrap().len(), 2);
        assert!(matches!(Rules::load("crates-oi"), Err(RulesError::UnknownSet { .. })));
        assert!(matches!(Rules::load("no/such.toml"), Err(RulesError::Read { .. })));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine.toml");
        std::fs::write(&path, with("")).unwrap();
        assert_eq!(Rules::load(path.to_str().unwrap()).unwrap().len(), 1);
        std::fs::write(&path, vec![b'#'; usize::try_from(FILE_BYTES_MAX).unwrap() + 1]).unwrap();
        assert!(matches!(Rules::load(path.to_str().unwrap()), Err(RulesError::TooLarge { .. })));
    }
}
