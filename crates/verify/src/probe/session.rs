//! What to ask a target next, and what its answers come to.
//!
//! Pure: the edge asks as told by [`ProbeAction`] and reports what it [`ProbeEvent`]. A
//! redirect of the target is followed by the same rules as the first one, each
//! place once; what settles nothing is asked once more; HEAD gives way to the
//! first bytes where a service or a signature does not allow it. Each reach
//! holds those before it: where the first bytes are wanted, HEAD comes first,
//! because what is answered without Range is what clients get.

mod content_range;

use super::archive::{self, ARCHIVE_BYTES_MIN};
use super::{ExpectedFile, ProbeDepth, ProbeExpectation, ProbeLimits, TargetVerdict, volatile};
use crate::json::{ExpectedJson, JSON_BYTES_MAX};
use crate::location::{self, ReferenceForm};
use crate::{Locations, Tier, redirects};
use content_range::first_part;
use downpour_core::fault::Fault;
use std::fmt::Write as _;
use url::{Host, Url};

/// Most characters of a URL in what is told.
const URL_SHOWN: usize = 96;

/// Most bytes of what is told that redirects on the way may fill.
const HOPS_BYTES: usize = 384;

/// One thing to be done at [`ProbeSession::url`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeStep {
    /// Connect, with TLS where the URL says so.
    Connect,
    /// Ask with HEAD.
    Head,
    /// Ask with GET for the first [`ProbeStep::FIRST_BYTES`].
    FirstBytes,
    /// Ask with GET for all of it.
    Whole,
    /// Ask with GET for the form in JSON.
    Json,
}

impl ProbeStep {
    /// How many bytes [`ProbeStep::FirstBytes`] asks for.
    pub const FIRST_BYTES: usize = archive::FIRST_BYTES;

    const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connecting to",
            Self::Head => "HEAD",
            Self::FirstBytes => "GET of the first bytes of",
            Self::Whole => "GET",
            Self::Json => "GET as JSON of",
        }
    }

    /// The most content that is kept of a successful answer; what comes beyond
    /// it is counted at best.
    pub(super) const fn body_bytes_kept(self) -> usize {
        match self {
            Self::Connect | Self::Head | Self::FirstBytes | Self::Whole => Self::FIRST_BYTES,
            // One byte tells that there is more than is read.
            Self::Json => JSON_BYTES_MAX + 1,
        }
    }
}

/// What came of a [`ProbeStep`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeEvent<'a> {
    /// No connection could be had; the host's address is part of that.
    NotConnected(Fault),
    /// None was tried: there was none to be had a moment ago.
    RecentlyUnreachable(Fault),
    /// A connection, and it was all that was wanted.
    Connected,
    /// A connection, and no whole answer on it.
    Broken(Fault),
    /// An answer.
    Answered(ProbeResponse<'a>),
}

/// An answer of a target, as far as it is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeResponse<'a> {
    /// The status.
    pub status: u16,
    /// Its `Location` fields.
    pub locations: Locations<'a>,
    /// `Content-Type`, as it came.
    pub content_type: Option<&'a [u8]>,
    /// `Content-Length`.
    pub content_length: Option<u64>,
    /// `Content-Range`, as it came.
    pub content_range: Option<&'a [u8]>,
    /// The first bytes of the content.
    pub first: &'a [u8],
    /// Bytes of content received.
    pub received: u64,
    /// The digest of the whole content, where all of it was taken.
    pub sha256: Option<[u8; 32]>,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeAction {
    /// This, at [`ProbeSession::url`].
    Ask(ProbeStep),
    /// The same once more, after a pause: the answer settled nothing.
    AskAgain(ProbeStep),
    /// Nothing: this is known.
    Done(TargetVerdict),
}

/// One redirect of a target, followed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hop {
    status: u16,
    from: String,
}

/// The check of one target from its first step to its verdict.
#[derive(Debug)]
pub struct ProbeSession {
    url: Url,
    expectation: ProbeExpectation,
    limits: ProbeLimits,
    step: ProbeStep,
    /// The places asked so far. Their whole text counts: a place that sends its
    /// client on with a token and then answers is no circle.
    visited: Vec<Url>,
    hops: Vec<Hop>,
    connected: bool,
    repeated: bool,
    /// The length that HEAD told of the place asked now.
    head_length: Option<u64>,
    /// What is known of the connection in use: an address, a cause.
    peer: String,
}

impl ProbeSession {
    /// Begins the check of `url`, and says what to do first.
    pub fn begin(mut url: Url, want: ProbeExpectation, limits: ProbeLimits) -> (Self, ProbeAction) {
        url.set_fragment(None);
        let refused = url_problem(&url);
        let step = match &want {
            ProbeExpectation::File(_) => first_step(limits.depth, &url),
            ProbeExpectation::Json(_) => ProbeStep::Json,
        };
        let visited = vec![url.clone()];
        let begun = Self {
            url,
            expectation: want,
            limits,
            step,
            visited,
            hops: Vec::new(),
            connected: false,
            repeated: false,
            head_length: None,
            peer: String::new(),
        };
        let next = match refused {
            Some(why) => begun.fail(Fault::TargetBadRedirect, Tier::Connect, why),
            None => ProbeAction::Ask(step),
        };
        (begun, next)
    }

    /// Where to ask.
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// Whether each place asked so far, this one too, is of one origin: nobody
    /// else had a say in what is asked there. What was meant for the candidate
    /// is for such requests alone, however they lead back to it.
    pub fn is_single_origin(&self) -> bool {
        self.visited.iter().all(|url| url.origin() == self.url.origin())
    }

    /// How many redirects of the target's own were followed so far.
    pub const fn hops(&self) -> usize {
        self.hops.len()
    }

    /// Who was asked in the last step, or why there was no connection: told
    /// beside a fault. In ASCII.
    pub fn set_peer(&mut self, peer: String) {
        self.peer = peer;
    }

    /// Takes in what came of the last step.
    pub fn handle_event(&mut self, heard: &ProbeEvent<'_>) -> ProbeAction {
        match heard {
            ProbeEvent::NotConnected(fault) => self.repeat_or_fail(*fault, fault.meaning()),
            ProbeEvent::RecentlyUnreachable(fault) => {
                self.repeated = true;
                self.repeat_or_fail(*fault, &format!("{}, in a probe a moment ago", fault.meaning()))
            }
            ProbeEvent::Connected => ProbeAction::Done(TargetVerdict::ok(Tier::Connect)),
            ProbeEvent::Broken(fault) => {
                self.connected = true;
                self.repeat_or_fail(*fault, fault.meaning())
            }
            ProbeEvent::Answered(reply) => {
                self.connected = true;
                self.handle_response(reply)
            }
        }
    }

    fn handle_response(&mut self, reply: &ProbeResponse<'_>) -> ProbeAction {
        let told = format!("status {}", reply.status);
        if let ProbeExpectation::Json(form) = &self.expectation {
            return match reply.status {
                200 => self.judge_json(form, reply),
                429 | 500..=599 => self.repeat_or_fail(Fault::TargetServerError, &told),
                _ => self.fail(Fault::JsonMissing, Tier::Json, &told),
            };
        }
        match reply.status {
            // A service that refuses HEAD, or does not know it, may have the file.
            401 | 403 | 404 | 405 | 410 | 501 if self.step == ProbeStep::Head => {
                self.step = ProbeStep::FirstBytes;
                ProbeAction::Ask(self.step)
            }
            200 => self.handle_content(reply, reply.content_length),
            206 if self.step == ProbeStep::FirstBytes => {
                if let Some(part) = first_part(reply) {
                    self.handle_content(reply, part.whole)
                } else {
                    let range = reply.content_range.map_or_else(
                        || "no Content-Range".to_owned(),
                        |range| format!("Content-Range \"{}\"", bounded(range)),
                    );
                    let why = format!(
                        "{told} with {range} and {} bytes, but the first {} were requested",
                        reply.received,
                        ProbeStep::FIRST_BYTES
                    );
                    self.fail(Fault::TargetStatus, Tier::Fetch, &why)
                }
            }
            // RFC 9110 §15.3.7, §15.4.5: answers to what was not asked.
            206 => self.fail(
                Fault::TargetStatus,
                Tier::Fetch,
                &format!("{told}, although the request had no Range"),
            ),
            304 => self.fail(
                Fault::TargetStatus,
                Tier::Fetch,
                &format!("{told}, although the request had no condition"),
            ),
            // RFC 9110 §15.5.17: no byte of an empty file can be had.
            416 if self.step == ProbeStep::FirstBytes && reply.content_range == Some(b"bytes */0") => {
                self.handle_content(reply, Some(0))
            }
            status if redirects(status, reply.locations) => self.follow(reply),
            403 => self.fail(Fault::TargetForbidden, Tier::Fetch, &told),
            404 | 410 => self.fail(Fault::TargetNotFound, Tier::Fetch, &told),
            429 | 500..=599 => self.repeat_or_fail(Fault::TargetServerError, &told),
            _ => self.fail(Fault::TargetStatus, Tier::Fetch, &told),
        }
    }

    fn judge_json(&self, form: &ExpectedJson, reply: &ProbeResponse<'_>) -> ProbeAction {
        match form.fault(reply.first) {
            None => ProbeAction::Done(TargetVerdict::ok(Tier::Json)),
            Some((fault, why)) => self.fail(fault, Tier::Json, &why),
        }
    }

    /// What is known of the file beforehand.
    const fn expected_file(&self) -> ExpectedFile {
        match self.expectation {
            ProbeExpectation::File(expect) => expect,
            ProbeExpectation::Json(_) => ExpectedFile { length: None, sha256: None },
        }
    }

    /// Judges a successful answer, and goes on from HEAD to the first bytes
    /// where those are wanted; `length` is that of the whole file.
    fn handle_content(&mut self, reply: &ProbeResponse<'_>, length: Option<u64>) -> ProbeAction {
        let judged = self.judge_content(reply, length);
        let sound = matches!(&judged, ProbeAction::Done(verdict) if verdict.fault.is_none());
        if sound && self.step == ProbeStep::Head && self.limits.depth == ProbeDepth::Get {
            self.head_length = length;
            self.repeated = false;
            self.step = ProbeStep::FirstBytes;
            return ProbeAction::Ask(self.step);
        }
        judged
    }

    fn judge_content(&self, reply: &ProbeResponse<'_>, length: Option<u64>) -> ProbeAction {
        let length = if self.step == ProbeStep::Whole { Some(reply.received) } else { length };
        if let Some(head_length) =
            self.head_length.filter(|&head_length| head_length > 0 && reply.received == 0)
        {
            let why = format!("no content, but HEAD announced {head_length} bytes");
            return self.fail(Fault::TargetLength, Tier::Fetch, &why);
        }
        if let Some(why) = self.archive_problem(reply, length) {
            return self.fail(Fault::TargetNotAnArchive, Tier::Fetch, &why);
        }
        if let (Some(expected), Some(length)) = (self.expected_file().length, length)
            && expected != length
        {
            let why = format!("{length} bytes, expected {expected}");
            return self.fail(Fault::TargetLength, Tier::Fetch, &why);
        }
        let (Some(expected), Some(found)) = (self.expected_file().sha256, reply.sha256) else {
            return ProbeAction::Done(TargetVerdict::ok(Tier::Fetch));
        };
        if expected == found {
            return ProbeAction::Done(TargetVerdict::ok(Tier::Digest));
        }
        let why = format!("SHA-256 {}..., expected {}...", hex_start(&found), hex_start(&expected));
        self.fail(Fault::TargetDigest, Tier::Digest, &why)
    }

    fn archive_problem(&self, reply: &ProbeResponse<'_>, length: Option<u64>) -> Option<String> {
        // Whatever it was redirected to in between, this is what was asked for.
        let named_so = self.visited.iter().any(|url| archive::has_archive_name(url.path()));
        if !named_so {
            return None;
        }
        if let Some(media_type) = reply.content_type.filter(|media_type| archive::is_page(media_type)) {
            return Some(format!("content type {}", media_type.escape_ascii()));
        }
        if let Some(length) = length.filter(|length| *length < ARCHIVE_BYTES_MIN) {
            return Some(format!("{length} bytes are too few for an archive"));
        }
        let looked = self.step != ProbeStep::Head;
        (looked && !archive::has_archive_magic(reply.first)).then(|| {
            let first = reply.first.get(..8).unwrap_or(reply.first);
            format!("it begins with \"{}\"", first.escape_ascii())
        })
    }

    fn follow(&mut self, reply: &ProbeResponse<'_>) -> ProbeAction {
        let bad = |this: &Self, why: &str| this.fail(Fault::TargetBadRedirect, Tier::Fetch, why);
        let location = match reply.locations {
            Locations::None | Locations::One(b"") => return bad(self, "a redirect without a Location"),
            Locations::Many => return bad(self, "a redirect with several Locations"),
            Locations::One(location) => location,
        };
        let Some(url) = resolve(&self.url, location) else {
            return bad(self, "a redirect to an unusable URL");
        };
        if let Some(why) = url_problem(&url) {
            return bad(self, why);
        }
        if self.url.scheme() == "https" && url.scheme() == "http" {
            let why = format!("a redirect to {}", shortened(&url));
            return self.fail(Fault::TargetDowngrade, Tier::Fetch, &why);
        }
        self.hops.push(Hop { status: reply.status, from: shortened(&self.url) });
        self.url = url;
        if self.visited.contains(&self.url) {
            return self.fail(Fault::TargetLoop, Tier::Fetch, "this URL was visited before");
        }
        if self.hops.len() > self.limits.hops {
            let why = format!("more than {} redirects", self.limits.hops);
            return self.fail(Fault::TargetTooManyHops, Tier::Fetch, &why);
        }
        self.visited.push(self.url.clone());
        self.head_length = None;
        self.step = first_step(self.limits.depth, &self.url);
        self.repeated = false;
        ProbeAction::Ask(self.step)
    }

    /// A failure, or the wish to ask once more where that may help.
    fn repeat_or_fail(&mut self, fault: Fault, why: &str) -> ProbeAction {
        let may_pass = matches!(
            fault,
            Fault::TargetConnectTimeout
                | Fault::TargetTimeout
                | Fault::TargetBroken
                | Fault::TargetTruncated
                | Fault::TargetServerError
        );
        if may_pass && !std::mem::replace(&mut self.repeated, true) {
            return ProbeAction::AskAgain(self.step);
        }
        let (fault, tier) = match (&self.expectation, self.connected) {
            // Whatever keeps the form from being had: the redirect was had.
            (ProbeExpectation::Json(_), _) => (Fault::JsonMissing, Tier::Json),
            (ProbeExpectation::File(_), true) => (fault, Tier::Fetch),
            (ProbeExpectation::File(_), false) => (fault, Tier::Connect),
        };
        self.fail(fault, tier, why)
    }

    fn fail(&self, fault: Fault, tier: Tier, why: &str) -> ProbeAction {
        let mut told = match self.expectation {
            ProbeExpectation::File(_) => format!("{} {}: {why}", self.step.name(), shortened(&self.url)),
            // The place is the one that the redirect was asked of.
            ProbeExpectation::Json(_) => format!("as JSON: {why}"),
        };
        if !self.peer.is_empty() {
            write!(told, " ({})", self.peer).expect("a string takes all that is written");
        }
        for (at, Hop { status, from }) in self.hops.iter().enumerate().rev() {
            let hop = format!("; redirected with {status} by {from}");
            if told.len() + hop.len() > HOPS_BYTES {
                write!(told, "; {} more before that", at + 1).expect("a string takes all that is written");
                break;
            }
            told.push_str(&hop);
        }
        ProbeAction::Done(TargetVerdict::broken(fault, tier, &told))
    }
}

/// What to ask of a place first. A signature is made for one method, and it is
/// GET that clients use.
fn first_step(reach: ProbeDepth, url: &Url) -> ProbeStep {
    match reach {
        ProbeDepth::Connect => ProbeStep::Connect,
        ProbeDepth::Head | ProbeDepth::Get if !volatile::is_signed(url) => ProbeStep::Head,
        ProbeDepth::Head | ProbeDepth::Get => ProbeStep::FirstBytes,
        ProbeDepth::Digest => ProbeStep::Whole,
    }
}

/// What speaks against connecting to where a URL leads, as far as the URL tells.
fn url_problem(url: &Url) -> Option<&'static str> {
    if !matches!(url.scheme(), "http" | "https") {
        return Some("the URL is neither http nor https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("the URL contains a user name or a password");
    }
    match url.host() {
        Some(Host::Domain(name)) if !location::is_host_name(name) => Some("the URL has no valid host name"),
        Some(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)) => None,
        None => Some("the URL has no host"),
    }
}

/// Where a `Location` of the answer from `base` leads.
fn resolve(base: &Url, location: &[u8]) -> Option<Url> {
    if location::bytes_fault(location).is_some() {
        return None;
    }
    let form = location::reference_form(location)?;
    // The parser takes an empty user for none.
    if location::has_userinfo(location, form) {
        return None;
    }
    let text = str::from_utf8(location).ok()?;
    let mut url = match form {
        ReferenceForm::Absolute => Url::parse(text).ok()?,
        ReferenceForm::NetworkPath | ReferenceForm::Path => base.join(text).ok()?,
    };
    url.set_fragment(None);
    Some(url)
}

/// Most bytes of a foreign field that are told.
const FIELD_BYTES: usize = 64;

fn bounded(field: &[u8]) -> String {
    field.get(..FIELD_BYTES).unwrap_or(field).escape_ascii().to_string()
}

/// A URL as it is told: without its query, which may hold secrets, and bounded.
/// A parsed URL is visible ASCII.
fn shortened(url: &Url) -> String {
    let whole = url.as_str();
    let bare = whole.split(['?', '#']).next().unwrap_or_default();
    let mut shown: String = bare.chars().take(URL_SHOWN).collect();
    if shown.len() < bare.len() {
        shown.push_str("...");
    } else if bare.len() < whole.len() {
        shown.push_str("?...");
    }
    shown
}

fn hex_start(digest: &[u8; 32]) -> String {
    let [a, b, c, d, ..] = *digest;
    format!("{:08x}", u32::from_be_bytes([a, b, c, d]))
}

#[cfg(test)]
mod tests;
