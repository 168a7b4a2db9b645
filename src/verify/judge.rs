//! The offline judgement of an answer: its status, its Location's bytes, and
//! the place it leads to, held against the rules.
//!
//! Pure, and called for every answer: a Location that is byte for byte what
//! the rule's template gives is compared and done, without an allocation.
//! Only when it differs is it parsed, to say *how* it differs. Of several
//! findings the most specific is told, in a fixed order.

use super::location::{self, Form};
use super::rules::headers::HeaderDemand;
use super::rules::hosts::HostPattern;
use super::rules::{Authority, MIN_TTL, Relative, Rule, Rules, Scheme};
use super::signed::untimely;
use super::{Answer, Asked, Depth, HostToCheck, Judgement, Locations, Redirect, is_redirect};
use crate::fault::Fault;
use crate::units::Stamp;
use std::borrow::Cow;
use std::net::IpAddr;
use url::{Host, Url};

/// Judges the answers of one candidate by one set of rules.
#[derive(Clone, Debug)]
pub struct Judge {
    rules: Rules,
    depth: Depth,
    /// Path and query are never looked at.
    candidate: Url,
    /// `scheme://host:port` of the candidate.
    origin: String,
    /// What the rule's template gives for the answer in hand.
    expected: Vec<u8>,
}

/// The URL of a candidate that no HTTP client could ask.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no candidate: use http://host or https://host")]
pub struct NotACandidateError(String);

impl Judge {
    /// A judge of the answers that `candidate` gives. Its scheme, host and
    /// port are what relative Locations are resolved against.
    pub fn new(rules: Rules, candidate: &Url, depth: Depth) -> Result<Self, NotACandidateError> {
        if !matches!(candidate.scheme(), "http" | "https") || !candidate.has_host() {
            return Err(NotACandidateError(candidate.to_string()));
        }
        let origin = candidate.origin().ascii_serialization();
        Ok(Self { rules, depth, candidate: candidate.clone(), origin, expected: Vec::new() })
    }

    /// How far this judge goes.
    pub const fn depth(&self) -> Depth {
        self.depth
    }

    /// Where the redirect judged last had to lead, byte for byte; `None` where
    /// no rule names one place.
    pub fn expected(&self) -> Option<&str> {
        str::from_utf8(&self.expected).ok().filter(|expected| !expected.is_empty())
    }

    /// Where a client that asked for `target` would go by `location`: the
    /// reference resolved as in RFC 3986 §5.2. `None` where no client could.
    pub fn place(&self, target: &[u8], location: &[u8]) -> Option<Url> {
        resolved(&self.origin, target, location).map(|(_, url)| url)
    }

    /// Where a client asks for `target`; `None` where no client could.
    pub fn asked_url(&self, target: &[u8]) -> Option<Url> {
        asked_url(&self.origin, target)
    }

    /// What is wrong with `answer`, as far as can be known offline.
    ///
    /// The status, by RFC 9110 §15:
    /// - one that the rule lists as a transition from the recorded one is right;
    /// - one that the rule demands is right, or [`Fault::StatusTransition`]
    ///   where the rule lists transitions and not this one;
    /// - any other 5xx is [`Fault::StatusServerError`], recorded or not: what
    ///   was down then is no excuse now;
    /// - any other 4xx is [`Fault::StatusClientError`], unless the recorded
    ///   service gave the same: people do ask for what is not there;
    /// - anything else passes without a rule if it is a 2xx or 3xx, and is
    ///   [`Fault::StatusUnexpected`] otherwise.
    ///
    /// The Location of a redirect is judged whatever the status is worth; the
    /// other fields where the status is one that the rule demands.
    pub fn judge(&mut self, asked: &Asked<'_>, answer: &Answer<'_>) -> Judgement<'_> {
        let Self { rules, depth, candidate, origin, expected } = self;
        expected.clear();
        let found = rules.find(asked.target);
        let rule = found.as_ref().map(|(rule, _)| *rule);
        let status = status_fault(rule, answer.status, asked.recorded_status);
        if *depth == Depth::Off {
            return Judgement { fault: status, status, note: String::new(), redirect: None, json: None };
        }
        let demand = rule
            .filter(|rule| rule.statuses.contains(&answer.status))
            .and_then(|rule| rule.headers.iter().find(|demand| !demand.holds(answer.headers)));
        let own = status.or_else(|| demand.map(HeaderDemand::fault));
        let own_note = || demand.filter(|_| status.is_none()).map_or_else(String::new, ToString::to_string);
        if !is_redirect(answer.status) {
            return Judgement { fault: own, status, note: own_note(), redirect: None, json: None };
        }
        if let Some((rule, captures)) = &found
            && let Some(location) = &rule.location
        {
            location.template.render(captures, expected);
        }
        let case = Case { rule, asked: asked.target, candidate, origin, expected, now: answer.at };
        let (redirect, note) = case.judge(answer.locations);
        let json = rule.and_then(|rule| rule.json.as_deref());
        let (fault, note) = match redirect.headers.or(redirect.policy) {
            Some(fault) => (Some(fault), note),
            None => (own, own_note()),
        };
        Judgement { fault, status, note, redirect: Some(redirect), json }
    }

    /// Whether any rule states a form in JSON.
    pub fn knows_json(&self) -> bool {
        self.rules.know_json()
    }
}

fn status_fault(rule: Option<&Rule>, status: u16, recorded: Option<u16>) -> Option<Fault> {
    let change = rule.and_then(|rule| Some((rule.transitions.as_ref()?, recorded?)));
    if change.is_some_and(|(transitions, recorded)| transitions.list(recorded, status)) {
        return None;
    }
    if rule.is_some_and(|rule| rule.statuses.contains(&status)) {
        let welcome = change.is_none_or(|(transitions, recorded)| transitions.accept(recorded, status));
        return (!welcome).then_some(Fault::StatusTransition);
    }
    match status {
        500..=599 => Some(Fault::StatusServerError),
        400..=499 => (recorded != Some(status)).then_some(Fault::StatusClientError),
        200..=399 if rule.is_none() => None,
        _ => Some(Fault::StatusUnexpected),
    }
}

/// One redirect, with all it is judged by.
struct Case<'r, 'a> {
    rule: Option<&'r Rule>,
    asked: &'a [u8],
    candidate: &'a Url,
    origin: &'a str,
    /// What the rule's template gives; empty without one.
    expected: &'a [u8],
    now: Stamp,
}

impl<'r> Case<'r, '_> {
    /// What is wrong, and more about it.
    fn judge(&self, locations: Locations<'_>) -> (Redirect<'r>, String) {
        let headers =
            |fault| (Redirect { headers: Some(fault), policy: None, host: HostToCheck::None }, String::new());
        let location = match locations {
            // Clients treat an empty Location as none.
            Locations::None | Locations::One(b"") => return headers(Fault::LocationMissing),
            Locations::Many => return headers(Fault::LocationMultiple),
            Locations::One(location) => location,
        };
        if let Some(fault) = location::bytes_fault(location) {
            return headers(fault);
        }
        if let Some(host) = self.exactly_as_demanded(location) {
            return (Redirect { headers: None, policy: None, host }, String::new());
        }
        let (policy, host) = self.judge_place(location);
        let (policy, note) = policy.map_or((None, String::new()), |found| (Some(found.fault), found.note));
        (Redirect { headers: None, policy, host }, note)
    }

    /// The host of a Location that is the very text the template gives.
    fn exactly_as_demanded(&self, location: &[u8]) -> Option<HostToCheck<'r>> {
        let rule = self.rule?;
        let expected = rule.location.as_ref()?;
        if location != self.expected {
            return None;
        }
        match &expected.authority {
            Some(_) if rule.relative == Relative::Only => None,
            Some(Authority { host, port }) if !self.is_candidate(host, *port) => Some(match host {
                Host::Domain(name) => HostToCheck::Name(Cow::Borrowed(name)),
                Host::Ipv4(address) => HostToCheck::Address(IpAddr::V4(*address)),
                Host::Ipv6(address) => HostToCheck::Address(IpAddr::V6(*address)),
            }),
            Some(_) => Some(HostToCheck::None),
            None => (rule.relative != Relative::Never).then_some(HostToCheck::None),
        }
    }

    fn is_candidate<S>(&self, host: &Host<S>, port: Option<u16>) -> bool
    where
        S: for<'s> PartialEq<&'s str>,
    {
        port == self.candidate.port() && self.candidate.host().is_some_and(|own| *host == own)
    }

    fn judge_place(&self, location: &[u8]) -> (Option<Found>, HostToCheck<'r>) {
        let placeholder =
            location::has_placeholder(location, self.asked).then(|| Found::from(Fault::LocationPlaceholder));
        let Some((form, url, host)) = self.resolve(location) else {
            return (placeholder.or_else(|| Some(Fault::LocationUnparsable.into())), HostToCheck::None);
        };
        let userinfo =
            || location::has_userinfo(location, form).then(|| Found::from(Fault::LocationUserinfo));
        let found = placeholder.or_else(userinfo).or_else(|| self.policy_fault(form, &url));
        (found, host)
    }

    /// Where a client would go, and the host to connect to. `None` where no
    /// client could.
    fn resolve(&self, location: &[u8]) -> Option<(Form, Url, HostToCheck<'r>)> {
        let (form, url) = resolved(self.origin, self.asked, location)?;
        let host = url.host()?;
        let own = url.scheme() == self.candidate.scheme() && self.is_candidate(&host, url.port());
        let to_check = match host {
            Host::Domain(name) if !location::is_host_name(name) => return None,
            _ if own => HostToCheck::None,
            Host::Domain(name) => HostToCheck::Name(Cow::Owned(name.to_owned())),
            Host::Ipv4(address) => HostToCheck::Address(IpAddr::V4(address)),
            Host::Ipv6(address) => HostToCheck::Address(IpAddr::V6(address)),
        };
        Some((form, url, to_check))
    }

    fn asked_url(&self) -> Option<Url> {
        asked_url(self.origin, self.asked)
    }

    /// What the policy says of a place that is not exactly the demanded one.
    ///
    /// Placeholders, unusable URLs and user information come before this. Then
    /// in order, each telling more than those after it: a loop; a path where a
    /// URL is due; a wrong host; a URL without a scheme; http for https; a
    /// port; a URL where a path is due; a signature that has ended; a double
    /// slash; a path encoded in another way; any other difference from the
    /// template.
    fn policy_fault(&self, form: Form, url: &Url) -> Option<Found> {
        if self.is_loop(url) {
            return Some(Fault::LocationLoop.into());
        }
        let downgrade = || {
            let found = self.candidate.scheme() == "https" && url.scheme() == "http";
            found.then_some(Fault::LocationDowngrade)
        };
        let place = match self.rule {
            Some(rule) => self.place_fault(rule, form, url),
            None => downgrade(),
        };
        let min_ttl = self.rule.map_or(MIN_TTL, |rule| rule.min_ttl);
        let signature = || {
            let found = untimely(url.query()?, self.now, min_ttl)?;
            Some(Found { fault: found.fault(), note: found.to_string() })
        };
        place.map(Found::from).or_else(signature).or_else(|| self.path_fault(url).map(Found::from))
    }

    /// What is wrong with path and query, or with a scheme that is not a
    /// downgrade.
    fn path_fault(&self, url: &Url) -> Option<Fault> {
        let double_slash = || url.path().contains("//").then_some(Fault::LocationDoubleSlash);
        let Some(rule) = self.rule else { return double_slash() };
        let due = match rule.scheme {
            Some(Scheme::Any) => true,
            Some(Scheme::Https) => url.scheme() == "https",
            Some(Scheme::Http) => url.scheme() == "http",
            None => url.scheme() == self.candidate.scheme(),
        };
        let likeness = if rule.location.is_some() { self.likeness(url) } else { Likeness::Same };
        match (due, likeness) {
            (true, Likeness::Same) if rule.location.is_some() => None,
            (true, Likeness::Same) => double_slash(),
            (true, Likeness::Encoding) => double_slash().or(Some(Fault::LocationEncoding)),
            (false, _) | (_, Likeness::None) => double_slash().or(Some(Fault::LocationMismatch)),
        }
    }

    /// What is wrong with where the URL leads, but for its path.
    fn place_fault(&self, rule: &Rule, form: Form, url: &Url) -> Option<Fault> {
        let https_due = match rule.scheme {
            Some(Scheme::Https) => true,
            Some(Scheme::Http | Scheme::Any) => false,
            None => self.candidate.scheme() == "https",
        };
        let port_due = match rule.location.as_ref().map(|expected| &expected.authority) {
            Some(Some(authority)) => authority.port,
            Some(None) => self.candidate.port(),
            None if form == Form::Path => self.candidate.port(),
            None => None,
        };
        let never = rule.relative == Relative::Never;
        if form == Form::Path && never {
            Some(Fault::LocationRelative)
        } else if let Some(fault) = self.host_fault(rule, form, url) {
            Some(fault)
        } else if form == Form::NetworkPath && never {
            Some(Fault::LocationRelative)
        } else if https_due && url.scheme() == "http" {
            Some(Fault::LocationDowngrade)
        } else if url.port() != port_due {
            Some(Fault::LocationPort)
        } else if form != Form::Path && rule.relative == Relative::Only {
            Some(Fault::LocationAbsolute)
        } else {
            None
        }
    }

    fn host_fault(&self, rule: &Rule, form: Form, url: &Url) -> Option<Fault> {
        let host = url.host()?;
        let demanded = rule.location.as_ref().map(|expected| &expected.authority);
        let own = match demanded {
            Some(Some(authority)) => authority.host == host,
            Some(None) => self.candidate.host().as_ref() == Some(&host),
            // A path stays where it is; that it may has been asked before.
            None => rule.hosts.is_empty() || form == Form::Path,
        };
        if own || rule.hosts.iter().any(|allowed| allowed.allows(&host)) {
            return None;
        }
        let is_glued = |demanded: &str| url.domain().is_some_and(|host| location::is_glued(host, demanded));
        let glued = match demanded {
            Some(Some(Authority { host: Host::Domain(name), .. })) => is_glued(name),
            Some(Some(_) | None) | None => false,
        } || rule.hosts.iter().filter_map(HostPattern::exact_name).any(is_glued);
        Some(if glued { Fault::LocationGluedHost } else { Fault::LocationWrongHost })
    }

    /// How much path, query and fragment are those of the template. The rest
    /// of the URL may differ as far as the rule allows.
    fn likeness(&self, url: &Url) -> Likeness {
        let Ok(expected) = str::from_utf8(self.expected) else { return Likeness::None };
        let demanded = if expected.starts_with('/') {
            Url::parse(&format!("{}{expected}", self.origin))
        } else {
            Url::parse(expected)
        };
        let Ok(demanded) = demanded else { return Likeness::None };
        let query = |url: &'_ Url| url.query().unwrap_or_default().to_owned();
        if same_resource(&demanded, url) && same(demanded.fragment(), url.fragment()) {
            Likeness::Same
        } else if location::same_decoded(demanded.path(), url.path())
            && location::same_decoded(&query(&demanded), &query(url))
            && demanded.query().is_some() == url.query().is_some()
            && same(demanded.fragment(), url.fragment())
        {
            Likeness::Encoding
        } else {
            Likeness::None
        }
    }

    fn is_loop(&self, url: &Url) -> bool {
        url.scheme() == self.candidate.scheme()
            && url.host().is_some_and(|host| self.is_candidate(&host, url.port()))
            && self.asked_url().is_some_and(|asked| same_resource(&asked, url))
    }
}

fn asked_url(origin: &str, target: &[u8]) -> Option<Url> {
    let target = str::from_utf8(target).ok().filter(|target| target.starts_with('/'))?;
    Url::parse(&format!("{origin}{target}")).ok()
}

fn resolved(origin: &str, target: &[u8], location: &[u8]) -> Option<(Form, Url)> {
    let form = location::form(location)?;
    let text = str::from_utf8(location).ok()?;
    let url = match form {
        Form::Absolute => Url::parse(text).ok()?,
        Form::NetworkPath | Form::Path => asked_url(origin, target)?.join(text).ok()?,
    };
    Some((form, url))
}

/// A finding, and more about it.
struct Found {
    fault: Fault,
    note: String,
}

impl From<Fault> for Found {
    fn from(fault: Fault) -> Self {
        Self { fault, note: String::new() }
    }
}

/// How like a URL is to the demanded one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Likeness {
    Same,
    /// The same but for the encoding.
    Encoding,
    None,
}

fn same_resource(left: &Url, right: &Url) -> bool {
    location::same_text(left.path(), right.path()) && same(left.query(), right.query())
}

fn same(left: Option<&str>, right: Option<&str>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => location::same_text(left, right),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

#[cfg(test)]
mod tests;
