//! The offline judgement of an answer: its status, its Location's bytes, and
//! the place it leads to, held against the rules.
//!
//! Pure, and called for every answer: a Location that is byte for byte what
//! the rule's template gives is compared and done, without an allocation.
//! Only when it differs is it parsed, to say *how* it differs. Of several
//! findings the most specific is told, in a fixed order.

use super::location::{self, Form};
use super::rules::{Authority, Rule, Rules, Scheme};
use super::{Answer, Asked, Depth, HostToCheck, Judgement, Locations, Redirect, is_redirect};
use crate::fault::Fault;
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

    /// What is wrong with `answer`, as far as can be known offline.
    ///
    /// The status, by RFC 9110 §15:
    /// - one that the rule demands is right;
    /// - any other 5xx is [`Fault::StatusServerError`], recorded or not: what
    ///   was down then is no excuse now;
    /// - any other 4xx is [`Fault::StatusClientError`], unless the recorded
    ///   service gave the same: people do ask for what is not there;
    /// - anything else passes without a rule if it is a 2xx or 3xx, and is
    ///   [`Fault::StatusUnexpected`] otherwise.
    ///
    /// The Location of a redirect is judged whatever the status is worth.
    pub fn judge(&mut self, asked: &Asked<'_>, answer: &Answer<'_>) -> Judgement<'_> {
        let Self { rules, depth, candidate, origin, expected } = self;
        expected.clear();
        let found = rules.find(asked.target);
        let demanded = found.as_ref().map(|(rule, _)| rule.statuses.as_slice());
        let status = status_fault(demanded, answer.status, asked.recorded_status);
        if *depth == Depth::Off || !is_redirect(answer.status) {
            return Judgement { fault: status, status, redirect: None };
        }
        let rule = found.map(|(rule, captures)| {
            if let Some(location) = &rule.location {
                location.template.render(&captures, expected);
            }
            rule
        });
        let case = Case { rule, asked: asked.target, candidate, origin, expected };
        let redirect = case.judge(answer.locations);
        let fault = redirect.headers.or(redirect.policy).or(status);
        Judgement { fault, status, redirect: Some(redirect) }
    }
}

fn status_fault(demanded: Option<&[u16]>, status: u16, recorded: Option<u16>) -> Option<Fault> {
    if demanded.is_some_and(|statuses| statuses.contains(&status)) {
        return None;
    }
    match status {
        500..=599 => Some(Fault::StatusServerError),
        400..=499 => (recorded != Some(status)).then_some(Fault::StatusClientError),
        200..=399 if demanded.is_none() => None,
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
}

impl<'r> Case<'r, '_> {
    fn judge(&self, locations: Locations<'_>) -> Redirect<'r> {
        let headers = |fault| Redirect { headers: Some(fault), policy: None, host: HostToCheck::None };
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
            return Redirect { headers: None, policy: None, host };
        }
        let (policy, host) = self.judge_place(location);
        Redirect { headers: None, policy, host }
    }

    /// The host of a Location that is the very text the template gives.
    fn exactly_as_demanded(&self, location: &[u8]) -> Option<HostToCheck<'r>> {
        let rule = self.rule?;
        let expected = rule.location.as_ref()?;
        if location != self.expected {
            return None;
        }
        match &expected.authority {
            Some(Authority { host, port }) if !self.is_candidate(host, *port) => Some(match host {
                Host::Domain(name) => HostToCheck::Name(Cow::Borrowed(name)),
                Host::Ipv4(address) => HostToCheck::Address(IpAddr::V4(*address)),
                Host::Ipv6(address) => HostToCheck::Address(IpAddr::V6(*address)),
            }),
            Some(_) => Some(HostToCheck::None),
            None => rule.relative.then_some(HostToCheck::None),
        }
    }

    fn is_candidate<S>(&self, host: &Host<S>, port: Option<u16>) -> bool
    where
        S: for<'s> PartialEq<&'s str>,
    {
        port == self.candidate.port() && self.candidate.host().is_some_and(|own| *host == own)
    }

    fn judge_place(&self, location: &[u8]) -> (Option<Fault>, HostToCheck<'r>) {
        let placeholder =
            location::has_placeholder(location, self.asked).then_some(Fault::LocationPlaceholder);
        let Some((form, url, host)) = self.resolve(location) else {
            return (placeholder.or(Some(Fault::LocationUnparsable)), HostToCheck::None);
        };
        let userinfo = || location::has_userinfo(location, form).then_some(Fault::LocationUserinfo);
        let fault = placeholder.or_else(userinfo).or_else(|| self.policy_fault(form, &url));
        (fault, host)
    }

    /// Where a client would go: the reference resolved as in RFC 3986 §5.2,
    /// and the host to connect to. `None` where no client could.
    fn resolve(&self, location: &[u8]) -> Option<(Form, Url, HostToCheck<'r>)> {
        let form = location::form(location)?;
        let text = str::from_utf8(location).ok()?;
        let url = match form {
            Form::Absolute => Url::parse(text).ok()?,
            Form::NetworkPath | Form::Path => self.asked_url()?.join(text).ok()?,
        };
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
        let target = str::from_utf8(self.asked).ok().filter(|target| target.starts_with('/'))?;
        Url::parse(&format!("{}{target}", self.origin)).ok()
    }

    /// What the policy says of a place that is not exactly the demanded one.
    ///
    /// Placeholders, unusable URLs and user information come before this. Then
    /// in order, each telling more than those after it: a loop; a path where a
    /// URL is due; a wrong host; a URL without a scheme; http for https; a
    /// port; a double slash; any other difference from the template.
    fn policy_fault(&self, form: Form, url: &Url) -> Option<Fault> {
        if self.is_loop(url) {
            return Some(Fault::LocationLoop);
        }
        let double_slash = || url.path().contains("//").then_some(Fault::LocationDoubleSlash);
        let Some(rule) = self.rule else {
            let downgrade = self.candidate.scheme() == "https" && url.scheme() == "http";
            return if downgrade { Some(Fault::LocationDowngrade) } else { double_slash() };
        };
        self.place_fault(rule, form, url).or_else(|| {
            let due = match rule.scheme {
                Some(Scheme::Any) => true,
                Some(Scheme::Https) => url.scheme() == "https",
                Some(Scheme::Http) => url.scheme() == "http",
                None => url.scheme() == self.candidate.scheme(),
            };
            let as_demanded = rule.location.is_none() || self.equals_template(url);
            match (due, as_demanded) {
                (true, true) if rule.location.is_some() => None,
                (true, true) => double_slash(),
                (false, _) | (_, false) => double_slash().or(Some(Fault::LocationMismatch)),
            }
        })
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
            None => None,
        };
        if form == Form::Path && !rule.relative {
            Some(Fault::LocationRelative)
        } else if !self.is_allowed_host(rule, url) {
            Some(Fault::LocationWrongHost)
        } else if form == Form::NetworkPath && !rule.relative {
            Some(Fault::LocationRelative)
        } else if https_due && url.scheme() == "http" {
            Some(Fault::LocationDowngrade)
        } else if url.port() != port_due {
            Some(Fault::LocationPort)
        } else {
            None
        }
    }

    fn is_allowed_host(&self, rule: &Rule, url: &Url) -> bool {
        let Some(host) = url.host() else { return false };
        let own = match rule.location.as_ref().map(|expected| &expected.authority) {
            Some(Some(authority)) => authority.host == host,
            Some(None) => self.candidate.host() == Some(host.clone()),
            None => rule.hosts.is_empty(),
        };
        own || rule.hosts.iter().any(|allowed| *allowed == host)
    }

    /// Whether path, query and fragment are those of the template. The rest
    /// of the URL may differ as far as the rule allows.
    fn equals_template(&self, url: &Url) -> bool {
        let Ok(expected) = str::from_utf8(self.expected) else { return false };
        let demanded = if expected.starts_with('/') {
            Url::parse(&format!("{}{expected}", self.origin))
        } else {
            Url::parse(expected)
        };
        demanded
            .is_ok_and(|demanded| same_resource(&demanded, url) && same(demanded.fragment(), url.fragment()))
    }

    fn is_loop(&self, url: &Url) -> bool {
        url.scheme() == self.candidate.scheme()
            && url.host().is_some_and(|host| self.is_candidate(&host, url.port()))
            && self.asked_url().is_some_and(|asked| same_resource(&asked, url))
    }
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
