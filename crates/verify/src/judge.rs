//! The offline judgement of an answer: its status, its Location's bytes, and
//! the place it leads to, held against the rules.
//!
//! Pure, and called for every answer: a Location that is byte for byte what
//! the rule's template gives is compared and done, without an allocation.
//! Only when it differs is it parsed, to say *how* it differs. All findings
//! are kept, in a fixed order, each with its level: what a rule demands, or no
//! client can do without, fails; the rest is a warning.

mod example_detail;

use super::finding::{Finding, Findings, Level};
use super::location::{self, ReferenceForm};
use super::rules::hosts::HostPattern;
use super::rules::{Authority, MIN_TTL, Relative, Rule, Rules, Scheme};
use super::signature::signature_fault;
use super::status::wrong_status;
use super::{
    Depth, HostToCheck, JudgedRequest, JudgedResponse, Judgement, Locations, RedirectJudgement, Tier,
    redirects,
};
use downpour_core::fault::Fault;
use downpour_core::units::Stamp;
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
#[error("{0} is not a candidate: use http://host or https://host")]
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
    pub fn resolve_location(&self, target: &[u8], location: &[u8]) -> Option<Url> {
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
    /// - any other 2xx or 3xx is [`Fault::StatusUnexpected`] where a rule
    ///   demands another, and without a rule where it answers what was not
    ///   asked, such as 206 without a Range: `verify/status.rs` has the table.
    ///
    /// The Location of a redirect is judged whatever the status is worth; the
    /// other fields where the status is one that the rule demands. Every
    /// finding is kept: one that a threshold tolerates must not hide another.
    pub fn judge(&mut self, asked: &JudgedRequest<'_>, answer: &JudgedResponse<'_>) -> Judgement<'_> {
        let Self { rules, depth, candidate, origin, expected } = self;
        expected.clear();
        let matched = rules.find(asked.target);
        let rule = matched.as_ref().map(|(rule, _)| *rule);
        let place = rule.map(|rule| rule.index);
        let by_rule = rule.map_or(Level::Fail, |rule| rule.level);
        let mut found = Findings::default();
        let status = status_fault(rule, answer, asked.recorded_status)
            .map(|fault| Finding { level: status_level(fault, rule), ..fault.into() });
        let wrong_status =
            status.as_ref().filter(|status| status.level == Level::Fail).map(|status| status.fault);
        let is_redirect = *depth > Depth::Off && redirects(answer.status, answer.locations);
        let redirect = is_redirect.then(|| {
            if let Some((rule, captures)) = &matched
                && let Some(location) = &rule.location
            {
                location.template.render(captures, expected);
            }
            let asked = asked.target;
            let mut case = RedirectCheck {
                rule,
                rule_level: by_rule,
                asked,
                candidate,
                origin,
                expected,
                now: answer.at,
                findings: &mut found,
            };
            case.judge(answer.locations)
        });
        if let Some(status) = status {
            found.add(status);
        }
        if let Some(rule) = rule.filter(|rule| *depth > Depth::Off && rule.statuses.contains(&answer.status))
        {
            for demand in rule.headers.iter().filter(|demand| !demand.holds(answer.headers)) {
                let level = demand.level.min(by_rule);
                found.add(Finding { fault: demand.fault(), level, note: demand.to_string() });
            }
        }
        let json = rule.filter(|_| redirect.is_some()).and_then(Rule::json_demand);
        Judgement { rule: place, findings: found, status: wrong_status, redirect, json }
    }

    /// What answers are held against.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether any rule states a form in JSON.
    pub fn checks_json(&self) -> bool {
        self.rules.any_json()
    }
}

fn status_fault(rule: Option<&Rule>, answer: &JudgedResponse<'_>, recorded: Option<u16>) -> Option<Fault> {
    let status = answer.status;
    let change = rule.and_then(|rule| Some((rule.transitions.as_ref()?, recorded?)));
    if change.is_some_and(|(transitions, recorded)| transitions.list(recorded, status)) {
        return None;
    }
    if rule.is_some_and(|rule| rule.statuses.contains(&status)) {
        let welcome = change.is_none_or(|(transitions, recorded)| transitions.accept(recorded, status));
        return (!welcome).then_some(Fault::StatusTransition);
    }
    let refused = || rule.filter(|_| status < 400).map(|_| Fault::StatusUnexpected);
    wrong_status(status, recorded, answer.locations).or_else(refused)
}

/// What a wrong status does to the run. An error of the server or the client
/// fails whatever a rule says of its own demands.
fn status_level(fault: Fault, rule: Option<&Rule>) -> Level {
    match (fault, rule) {
        (Fault::StatusUnexpected | Fault::StatusTransition, Some(rule)) => rule.level,
        _ => Level::Fail,
    }
}

/// One redirect, with all it is judged by.
struct RedirectCheck<'r, 'a> {
    rule: Option<&'r Rule>,
    /// What a broken demand of the rule does to the run.
    rule_level: Level,
    asked: &'a [u8],
    candidate: &'a Url,
    origin: &'a str,
    /// What the rule's template gives; empty without one.
    expected: &'a [u8],
    now: Stamp,
    /// What was found, of this redirect and otherwise.
    findings: &'a mut Findings,
}

impl<'r> RedirectCheck<'r, '_> {
    fn judge(&mut self, locations: Locations<'_>) -> RedirectJudgement<'r> {
        let location = match locations {
            // Clients treat an empty Location as none.
            Locations::None | Locations::One(b"") => {
                return self.stop_at(Tier::Headers, Fault::LocationMissing);
            }
            Locations::Many => return self.stop_at(Tier::Headers, Fault::LocationMultiple),
            Locations::One(location) => location,
        };
        if let Some(fault) = location::bytes_fault(location) {
            return self.stop_at(Tier::Headers, fault);
        }
        match self.exact_match_host(location) {
            Some(host) => RedirectJudgement { stopped_at: None, host },
            None => self.judge_url(location),
        }
    }

    /// A fault behind which there is nothing to look at.
    fn stop_at(&mut self, tier: Tier, fault: Fault) -> RedirectJudgement<'r> {
        self.findings.add(fault.into());
        RedirectJudgement { stopped_at: Some(tier), host: HostToCheck::None }
    }

    /// A demand of the rule is broken.
    fn add_rule_finding(&mut self, fault: Fault) {
        self.findings.add(Finding { level: self.rule_level, ..fault.into() });
    }

    /// Something that no client minds, and no rule forbids.
    fn add_warning(&mut self, fault: Fault) {
        self.findings.add(Finding { level: Level::Warn, ..fault.into() });
    }

    /// The host of a Location that is the very text the template gives.
    fn exact_match_host(&self, location: &[u8]) -> Option<HostToCheck<'r>> {
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
            Some(_) => Some(HostToCheck::Own),
            None => (rule.relative != Relative::Never).then_some(HostToCheck::Own),
        }
    }

    fn is_candidate<S>(&self, host: &Host<S>, port: Option<u16>) -> bool
    where
        S: for<'s> PartialEq<&'s str>,
    {
        port == self.candidate.port() && self.candidate.host().is_some_and(|own| *host == own)
    }

    /// Judges a Location that is not exactly the demanded one.
    ///
    /// The first finding is the outcome, so the order is from what tells most
    /// to what tells least: a placeholder; user information; a loop; a path
    /// where a URL is due; a wrong host; a URL without a scheme; http for
    /// https; a port; a URL where a path is due; a signature that is not valid;
    /// a double slash; a path encoded in another way; any other difference from
    /// the template. What only follows from an earlier finding is left out.
    fn judge_url(&mut self, location: &[u8]) -> RedirectJudgement<'r> {
        let has_placeholder = location::has_placeholder(location, self.asked);
        if has_placeholder {
            self.findings.add(Fault::LocationPlaceholder.into());
        }
        let Some((form, url, host)) = self.resolve(location) else {
            let fault = if has_placeholder { Fault::LocationPlaceholder } else { Fault::LocationUnparsable };
            return self.stop_at(Tier::Policy, fault);
        };
        if location::has_userinfo(location, form) {
            self.findings.add(Fault::LocationUserinfo.into());
        }
        if self.is_loop(&url) {
            self.findings.add(Fault::LocationLoop.into());
            return RedirectJudgement { stopped_at: Some(Tier::Policy), host };
        }
        let is_glued = self.judge_origin(form, &url);
        self.judge_signature(&url);
        if !has_placeholder && !is_glued {
            self.judge_path(form, &url);
        }
        RedirectJudgement { stopped_at: None, host }
    }

    /// Where a client would go, and the host to connect to. `None` where no
    /// client could.
    fn resolve(&self, location: &[u8]) -> Option<(ReferenceForm, Url, HostToCheck<'r>)> {
        let (form, url) = resolved(self.origin, self.asked, location)?;
        let host = url.host()?;
        let own = url.scheme() == self.candidate.scheme() && self.is_candidate(&host, url.port());
        let to_check = match host {
            Host::Domain(name) if !location::is_host_name(name) => return None,
            _ if own => HostToCheck::Own,
            Host::Domain(name) => HostToCheck::Name(Cow::Owned(name.to_owned())),
            Host::Ipv4(address) => HostToCheck::Address(IpAddr::V4(address)),
            Host::Ipv6(address) => HostToCheck::Address(IpAddr::V6(address)),
        };
        Some((form, url, to_check))
    }

    fn asked_url(&self) -> Option<Url> {
        asked_url(self.origin, self.asked)
    }

    fn judge_signature(&mut self, url: &Url) {
        let demanded = self.rule.and_then(|rule| rule.min_ttl);
        let untimely =
            url.query().and_then(|query| signature_fault(query, self.now, demanded.unwrap_or(MIN_TTL)));
        let Some(untimely) = untimely else { return };
        let level = match (untimely.fault(), demanded) {
            // The client is there in time, as far as anybody has said.
            (Fault::LocationExpiresSoon, None) => Level::Warn,
            (Fault::LocationExpiresSoon, Some(_)) => self.rule_level,
            _ => Level::Fail,
        };
        self.findings.add(Finding { fault: untimely.fault(), level, note: untimely.to_string() });
    }

    /// Judges path and query, and a scheme that is wrong without being a
    /// downgrade.
    fn judge_path(&mut self, form: ReferenceForm, url: &Url) {
        let double_slash = url.path().contains("//");
        let template = self.rule.filter(|rule| rule.location.is_some());
        let likeness = if template.is_some() { self.likeness(url) } else { Likeness::Same };
        let is_due = match self.rule.map(|rule| rule.scheme) {
            Some(Some(Scheme::Http)) => form != ReferenceForm::Absolute || url.scheme() == "http",
            Some(None) => url.scheme() == self.candidate.scheme() || url.scheme() == "http",
            // What is not https is a downgrade, and has been found as one.
            Some(Some(Scheme::Any | Scheme::Https)) | None => true,
        };
        match likeness {
            Likeness::Same if !is_due => self.add_rule_finding(Fault::LocationMismatch),
            // An empty segment is a segment (RFC 3986 §3.3): a path may hold a URL.
            Likeness::Same if double_slash && template.is_none() => {
                self.add_warning(Fault::LocationDoubleSlash);
            }
            Likeness::Same => {}
            Likeness::Encoding | Likeness::None if double_slash => {
                self.add_rule_finding(Fault::LocationDoubleSlash);
            }
            Likeness::Encoding => self.add_rule_finding(Fault::LocationEncoding),
            Likeness::None => self.add_rule_finding(Fault::LocationMismatch),
        }
    }

    /// Judges where the URL leads, but for its path; returns whether its host
    /// is glued to what should be its path.
    fn judge_origin(&mut self, form: ReferenceForm, url: &Url) -> bool {
        // A reference without a scheme keeps that of the request.
        let is_plain = form == ReferenceForm::Absolute && url.scheme() == "http";
        let leaves_https = is_plain && self.candidate.scheme() == "https";
        let Some(rule) = self.rule else {
            if leaves_https {
                self.findings.add(Fault::LocationDowngrade.into());
            }
            return false;
        };
        let never = rule.relative == Relative::Never;
        if form == ReferenceForm::Path && never {
            // All else about its origin follows from that.
            self.add_rule_finding(Fault::LocationRelative);
            return false;
        }
        let host = self.host_fault(rule, form, url);
        if let Some(fault) = host {
            // Where one place is demanded, the ledger says which.
            let note = if rule.location.is_some() {
                String::new()
            } else {
                format!("host {}", url.host_str().unwrap_or_default())
            };
            self.findings.add(Finding { fault, level: self.rule_level, note });
        }
        if form == ReferenceForm::NetworkPath && never {
            self.add_rule_finding(Fault::LocationRelative);
        }
        match rule.scheme {
            Some(Scheme::Https) | None if leaves_https => self.findings.add(Fault::LocationDowngrade.into()),
            Some(Scheme::Https) if is_plain => self.add_rule_finding(Fault::LocationDowngrade),
            Some(_) | None => {}
        }
        let port_due = match rule.location.as_ref().map(|expected| &expected.authority) {
            Some(Some(authority)) => authority.port,
            Some(None) => self.candidate.port(),
            None if form == ReferenceForm::Path => self.candidate.port(),
            None => None,
        };
        // Another host has ports of its own.
        if host.is_none() && url.port() != port_due {
            self.add_rule_finding(Fault::LocationPort);
        }
        if host.is_none() && form != ReferenceForm::Path && rule.relative == Relative::Only {
            self.add_rule_finding(Fault::LocationAbsolute);
        }
        host == Some(Fault::LocationGluedHost)
    }

    fn host_fault(&self, rule: &Rule, form: ReferenceForm, url: &Url) -> Option<Fault> {
        let host = url.host()?;
        let demanded = rule.location.as_ref().map(|expected| &expected.authority);
        let own = match demanded {
            Some(Some(authority)) => authority.host == host,
            Some(None) => self.candidate.host().as_ref() == Some(&host),
            // A path stays where it is; that it may has been asked before.
            None => rule.hosts.is_empty() || form == ReferenceForm::Path,
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

    /// How much path, query and fragment are those of the template, in a
    /// spelling that names the same. The rest of the URL may differ as far as
    /// the rule allows.
    fn likeness(&self, url: &Url) -> Likeness {
        match (self.likeness_to(self.expected, url), self.respelled(url)) {
            (Likeness::Encoding | Likeness::None, Some(respelled)) => self.likeness_to(&respelled, url),
            (likeness, _) => likeness,
        }
    }

    /// What the template gives with the spellings that `url` has, where the
    /// rule allows several.
    fn respelled(&self, url: &Url) -> Option<Vec<u8>> {
        let rule = self.rule?;
        let expected = rule.location.as_ref()?;
        let captures = rule.pattern.captures(self.asked)?;
        expected.spellings.as_ref()?.respelled(expected, &captures, url.path().as_bytes())
    }

    fn likeness_to(&self, expected: &[u8], url: &Url) -> Likeness {
        let Ok(expected) = str::from_utf8(expected) else { return Likeness::None };
        let demanded = if expected.starts_with('/') {
            Url::parse(&format!("{}{expected}", self.origin))
        } else {
            Url::parse(expected)
        };
        let Ok(demanded) = demanded else { return Likeness::None };
        let query = |url: &'_ Url| url.query().unwrap_or_default().to_owned();
        if location::same_resource(&demanded, url) && location::same_part(demanded.fragment(), url.fragment())
        {
            Likeness::Same
        } else if location::same_decoded(demanded.path(), url.path())
            && location::same_decoded(&query(&demanded), &query(url))
            && demanded.query().is_some() == url.query().is_some()
            && location::same_part(demanded.fragment(), url.fragment())
        {
            Likeness::Encoding
        } else {
            Likeness::None
        }
    }

    fn is_loop(&self, url: &Url) -> bool {
        url.scheme() == self.candidate.scheme()
            && url.host().is_some_and(|host| self.is_candidate(&host, url.port()))
            && self.asked_url().is_some_and(|asked| {
                // A server takes an empty query for none. One that takes the
                // `?` away has told the two apart.
                let gains_nothing = asked.query().is_none() && url.query() == Some("");
                location::same_resource(&asked, url)
                    || gains_nothing && location::same_text(asked.path(), url.path())
            })
    }
}

fn asked_url(origin: &str, target: &[u8]) -> Option<Url> {
    let target = str::from_utf8(target).ok().filter(|target| target.starts_with('/'))?;
    Url::parse(&format!("{origin}{target}")).ok()
}

fn resolved(origin: &str, target: &[u8], location: &[u8]) -> Option<(ReferenceForm, Url)> {
    let form = location::reference_form(location)?;
    let text = str::from_utf8(location).ok()?;
    let url = match form {
        ReferenceForm::Absolute => Url::parse(text).ok()?,
        ReferenceForm::NetworkPath | ReferenceForm::Path => asked_url(origin, target)?.join(text).ok()?,
    };
    Some((form, url))
}

/// How like a URL is to the demanded one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Likeness {
    Same,
    /// The same but for the encoding.
    Encoding,
    None,
}

#[cfg(test)]
mod tests;
