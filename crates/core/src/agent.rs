//! Which client asks, by its user agent.
//!
//! A table of how known clients introduce themselves, and one of the operator's
//! own before it. What is in neither is
//! `none`, a client that asks once: a storm is not made of guesses. The text
//! comes from a log, so only its beginning is looked at, byte by byte, and none
//! of it goes further than its line: a kind is one of the names below.

mod table;

pub use table::{AgentCounts, AgentPattern, AgentTable};

use crate::route::hex_pair;
use std::borrow::Cow;
use std::fmt;

/// How much of a user agent is looked at.
const AGENT_MAX: usize = 256;

/// The kinds that are told apart, by the names of their built-in models.
const NAMES: [&str; 20] = [
    "none",
    "cargo-1.69",
    "cargo-1.70",
    "cargo-1.89",
    "pip",
    "uv",
    "npm",
    "pnpm",
    "yarn",
    "curl",
    "docker",
    "containerd",
    "apt",
    "homebrew",
    "maven",
    "gradle",
    "go",
    "huggingface",
    "aws-standard",
    "grpc",
];

/// A kind of client, as found by a user agent: the place of its name in a
/// table, and a byte of memory.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKind(u8);

enum AgentMarker {
    /// The user agent begins so.
    Prefix(&'static str),
    /// It holds that somewhere.
    Substring(&'static str),
}

use AgentMarker::{Prefix, Substring};

/// What is told by the version, which follows the sign.
type KindFromVersion = fn(AgentVersion<'_>) -> ClientKind;

enum AgentKindRule {
    Fixed(ClientKind),
    FromVersion(KindFromVersion),
}

use AgentKindRule::{Fixed, FromVersion};

/// The first sign that is found counts, so those of clients that name others
/// stand above them.
const AGENT_MARKERS: &[(AgentMarker, AgentKindRule)] = &[
    (Prefix("cargo "), FromVersion(cargo)),
    (Prefix("cargo/"), FromVersion(cargo)),
    (Prefix("pip/"), Fixed(named("pip"))),
    (Prefix("uv/"), Fixed(named("uv"))),
    (Prefix("pnpm/"), Fixed(named("pnpm"))),
    (Prefix("yarn/"), Fixed(named("yarn"))),
    (Prefix("npm/"), Fixed(named("npm"))),
    (Prefix("Homebrew/"), Fixed(named("homebrew"))),
    (Prefix("curl/"), Fixed(named("curl"))),
    (Prefix("docker/"), Fixed(named("docker"))),
    (Prefix("Docker-Client/"), Fixed(named("docker"))),
    (Prefix("containerd/"), Fixed(named("containerd"))),
    (Prefix("buildkit/"), Fixed(named("containerd"))),
    (Substring(" APT-HTTP/"), FromVersion(apt)),
    (Prefix("Apache-Maven/"), Fixed(named("maven"))),
    (Prefix("Gradle/"), Fixed(named("gradle"))),
    (Prefix("Go-http-client/"), Fixed(named("go"))),
    (Substring("hf_hub/"), Fixed(named("huggingface"))),
    (Prefix("aws-cli/"), Fixed(named("aws-standard"))),
    (Prefix("aws-sdk-"), Fixed(named("aws-standard"))),
    (Prefix("Boto3/"), Fixed(named("aws-standard"))),
    (Prefix("Botocore/"), Fixed(named("aws-standard"))),
    (Prefix("grpc-"), Fixed(named("grpc"))),
];

/// The kind of that name, which must be in the table: found when this is
/// compiled.
const fn named(name: &str) -> ClientKind {
    let mut place = 0;
    while !is_same(NAMES[place as usize].as_bytes(), name.as_bytes()) {
        place += 1;
    }
    ClientKind(place)
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

impl fmt::Debug for ClientKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.preset())
    }
}

impl ClientKind {
    /// One that asks once.
    pub const NONE: Self = named("none");

    /// Every built-in kind.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).zip(NAMES).map(|(place, _)| Self(place))
    }

    /// The kind whose model has that name.
    pub fn of_preset(name: &str) -> Option<Self> {
        Self::all().find(|kind| kind.preset() == name)
    }

    /// Its place among all kinds, from 0.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The client that introduces itself so, percent-encoded up to twice as
    /// some logs have it.
    pub fn of_encoded(user_agent: &[u8]) -> Self {
        let agent = user_agent.get(..AGENT_MAX).unwrap_or(user_agent);
        Self::of(&decoded(&decoded(agent)))
    }

    /// The client that introduces itself so.
    ///
    /// ```
    /// use downpour_core::agent::ClientKind;
    ///
    /// assert_eq!(ClientKind::of(b"cargo 1.70.0 (ec8a8a0ca 2023-04-25)").preset(), "cargo-1.70");
    /// assert_eq!(ClientKind::of(b"Mozilla/5.0 (X11; Linux x86_64)").preset(), "none");
    /// ```
    pub fn of(user_agent: &[u8]) -> Self {
        let agent = user_agent.get(..AGENT_MAX).unwrap_or(user_agent);
        let found = AGENT_MARKERS.iter().find_map(|(sign, kind)| {
            let rest = match sign {
                Prefix(sign) => agent.strip_prefix(sign.as_bytes())?,
                Substring(sign) => agent.get(memchr::memmem::find(agent, sign.as_bytes())? + sign.len()..)?,
            };
            Some(match kind {
                Fixed(preset) => *preset,
                FromVersion(version) => version(AgentVersion::of(rest)),
            })
        });
        found.unwrap_or(Self::NONE)
    }

    /// The name of its model; `own` for all of the operator's own.
    pub const fn preset(self) -> &'static str {
        if self.index() < NAMES.len() { NAMES[self.index()] } else { "own" }
    }

    /// The kind of the operator's own client at that place of their list; `None`
    /// where a byte has no room for it.
    pub fn user_defined(place: usize) -> Option<Self> {
        u8::try_from(NAMES.len().checked_add(place)?).ok().map(Self)
    }

    /// Its place in the operator's list, where it is on that.
    pub const fn user_defined_index(self) -> Option<usize> {
        self.index().checked_sub(NAMES.len())
    }
}

fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let (mut rest, mut out) = (text, Vec::with_capacity(text.len()));
    while let Some((&first, behind)) = rest.split_first() {
        let byte = match behind {
            [high, low, ..] if first == b'%' => hex_pair(*high, *low),
            _ => None,
        };
        out.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &behind[2..] } else { behind };
    }
    Cow::Owned(out)
}

/// The numbers that a version begins with. What is missing or no number is 0.
#[derive(Clone, Copy)]
struct AgentVersion<'a> {
    major: u32,
    minor: u32,
    patch: u32,
    /// What stands behind the first brackets.
    rest: &'a [u8],
}

impl<'a> AgentVersion<'a> {
    fn of(text: &'a [u8]) -> Self {
        let mut numbers = text.split(|byte| *byte == b'.').map(leading_number);
        let mut next = || numbers.next().unwrap_or(0);
        let (major, minor, patch) = (next(), next(), next());
        let bracket = memchr::memchr(b'(', text).and_then(|at| text.get(at + 1..));
        Self { major, minor, patch, rest: bracket.unwrap_or_default() }
    }
}

/// The digits that `text` begins with; a number without end is the largest.
fn leading_number(text: &[u8]) -> u32 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number: u32, digit| number.saturating_mul(10).saturating_add(u32::from(digit - b'0')))
}

/// cargo 1.N; the library calls itself 0.N+1.
fn cargo(version: AgentVersion<'_>) -> ClientKind {
    const KINDS: [ClientKind; 3] = [named("cargo-1.69"), named("cargo-1.70"), named("cargo-1.89")];
    let minor = if version.major == 0 { version.minor.saturating_sub(1) } else { version.minor };
    match (version.major, minor) {
        (0 | 1, ..70) => KINDS[0],
        (0 | 1, 70..89) => KINDS[1],
        (..) => KINDS[2],
    }
}

/// `APT-HTTP/1.3 (2.6.1)`: retries came with 2.3.2.
fn apt(version: AgentVersion<'_>) -> ClientKind {
    const APT: ClientKind = named("apt");
    let apt = AgentVersion::of(version.rest);
    if (apt.major, apt.minor, apt.patch) >= (2, 3, 2) { APT } else { ClientKind::NONE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(user_agent: &str, preset: &str) {
        assert_eq!(ClientKind::of(user_agent.as_bytes()).preset(), preset, "{user_agent}");
    }

    #[test]
    fn cargo_is_told_by_its_version() {
        check("cargo 1.69.0 (6e9a83356 2023-04-12)", "cargo-1.69");
        check("cargo 1.70.0 (ec8a8a0ca 2023-04-25)", "cargo-1.70");
        check("cargo 1.70.0-nightly (9880b408a 2023-03-30)", "cargo-1.70");
        check("cargo/1.88.0 (873a06493 2025-05-10)", "cargo-1.70");
        check("cargo/1.89.0 (c24e10642 2025-06-23)", "cargo-1.89");
        check("cargo 0.70.1", "cargo-1.69");
        check("cargo 0.71.0", "cargo-1.70");
        check("cargo/2.0.0", "cargo-1.89");
        check("cargo 99999999999999999999.1", "cargo-1.89");
        check("cargo-binstall/1.6.4", "none");
        check("cargo", "none");
    }

    #[test]
    fn clients_are_told_by_how_they_introduce_themselves() {
        check("pip/23.2.1 {\"ci\":null,\"cpu\":\"x86_64\"}", "pip");
        check("uv/0.4.18 {\"installer\":{\"name\":\"uv\"}}", "uv");
        check("npm/10.8.2 node/v20.17.0 linux x64 workspaces/false", "npm");
        check("pnpm/9.11.0 npm/? node/v20.17.0 linux x64", "pnpm");
        check("yarn/1.22.22 npm/? node/v20.17.0 linux x64", "yarn");
        check("curl/8.7.1", "curl");
        check("Homebrew/4.3.24 (Macintosh; arm64 Mac OS X 14.6.1) curl/8.7.1", "homebrew");
        check("docker/24.0.7 go/go1.20.10 UpstreamClient(Docker-Client/24.0.7 \\(linux\\))", "docker");
        check("Docker-Client/24.0.7 (linux)", "docker");
        check("containerd/v1.7.22", "containerd");
        check("Debian APT-HTTP/1.3 (2.6.1)", "apt");
        check("Ubuntu APT-HTTP/1.3 (2.3.2)", "apt");
        check("Debian APT-HTTP/1.3 (1.8.2.3)", "none");
        check("Debian APT-HTTP/1.3", "none");
        check("Apache-Maven/3.9.9 (Java 21.0.4; Linux 6.8.0)", "maven");
        check("Gradle/8.10 (Linux;6.8.0;amd64) (Eclipse Adoptium;21.0.4)", "gradle");
        check("Go-http-client/2.0", "go");
        check("unknown/None; hf_hub/0.25.1; python/3.11.9", "huggingface");
        check("Boto3/1.35.29 md/Botocore#1.35.29 ua/2.0", "aws-standard");
        check("grpc-go/1.67.0", "grpc");
        check("python-requests/2.32.3", "none");
        check("", "none");
        check("Pip/23.2.1", "none");
    }

    #[test]
    fn what_stands_far_back_is_not_looked_at() {
        let mut long = vec![b'x'; 1 << 20];
        long.extend_from_slice(b" hf_hub/0.25.1");
        assert_eq!(ClientKind::of(&long), ClientKind::NONE);
    }

    #[test]
    fn a_kind_is_a_byte_and_comes_back_from_its_name() {
        assert_eq!(size_of::<ClientKind>(), 1);
        for (place, kind) in ClientKind::all().enumerate() {
            assert_eq!(kind.index(), place);
            assert_eq!(ClientKind::of_preset(kind.preset()), Some(kind));
        }
        assert_eq!(ClientKind::of_preset("cargo"), None);
    }

    #[test]
    fn agents_that_are_encoded_are_told_too() {
        let kind = |agent: &str| ClientKind::of_encoded(agent.as_bytes()).preset();
        assert_eq!(kind("cargo%201.70.0%20(ec8a8a0ca)"), "cargo-1.70");
        assert_eq!(kind("Debian%2520APT-HTTP/1.3%2520(2.6.1)"), "apt");
        assert_eq!(kind("curl/8.7.1%"), "curl");
        assert_eq!(kind("%zz%2"), "none");
    }

    proptest! {
        #[test]
        fn any_bytes_are_some_client(sign in 0..AGENT_MARKERS.len(), tail: Vec<u8>) {
            let (Prefix(text) | Substring(text)) = AGENT_MARKERS[sign].0;
            let agent = [text.as_bytes(), &tail].concat();
            prop_assert!(!ClientKind::of(&agent).preset().is_empty());
            prop_assert!(!ClientKind::of(&tail).preset().is_empty());
        }
    }
}
