//! Which client asks, by its user agent.
//!
//! A table of how known clients introduce themselves. What is not in it is
//! `none`, a client that asks once: a storm is not made of guesses. The text
//! comes from a log, so only its beginning is looked at, byte by byte.

/// How much of a user agent is looked at.
const AGENT_MAX: usize = 256;

/// A built-in client model, as found by a user agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientKind(&'static str);

enum Sign {
    /// The user agent begins so.
    Begins(&'static str),
    /// It holds that somewhere.
    Holds(&'static str),
}

use Sign::{Begins, Holds};

/// What is told by the version, which follows the sign.
type ByVersion = fn(Version<'_>) -> &'static str;

enum Kind {
    Is(&'static str),
    By(ByVersion),
}

use Kind::{By, Is};

/// The first sign that is found counts, so those of clients that name others
/// stand above them.
const SIGNS: &[(Sign, Kind)] = &[
    (Begins("cargo "), By(cargo)),
    (Begins("cargo/"), By(cargo)),
    (Begins("pip/"), Is("pip")),
    (Begins("uv/"), Is("uv")),
    (Begins("pnpm/"), Is("pnpm")),
    (Begins("yarn/"), Is("yarn")),
    (Begins("npm/"), Is("npm")),
    (Begins("Homebrew/"), Is("homebrew")),
    (Begins("curl/"), Is("curl")),
    (Begins("docker/"), Is("docker")),
    (Begins("Docker-Client/"), Is("docker")),
    (Begins("containerd/"), Is("containerd")),
    (Begins("buildkit/"), Is("containerd")),
    (Holds(" APT-HTTP/"), By(apt)),
    (Begins("Apache-Maven/"), Is("maven")),
    (Begins("Gradle/"), Is("gradle")),
    (Begins("Go-http-client/"), Is("go")),
    (Holds("hf_hub/"), Is("huggingface")),
    (Begins("aws-cli/"), Is("aws-standard")),
    (Begins("aws-sdk-"), Is("aws-standard")),
    (Begins("Boto3/"), Is("aws-standard")),
    (Begins("Botocore/"), Is("aws-standard")),
    (Begins("grpc-"), Is("grpc")),
];

impl ClientKind {
    /// One that asks once.
    pub const NONE: Self = Self("none");

    /// The client that introduces itself so.
    ///
    /// ```
    /// use downpour::client::agent::ClientKind;
    ///
    /// assert_eq!(ClientKind::of(b"cargo 1.70.0 (ec8a8a0ca 2023-04-25)").preset(), "cargo-1.70");
    /// assert_eq!(ClientKind::of(b"Mozilla/5.0 (X11; Linux x86_64)").preset(), "none");
    /// ```
    pub fn of(user_agent: &[u8]) -> Self {
        let agent = user_agent.get(..AGENT_MAX).unwrap_or(user_agent);
        let found = SIGNS.iter().find_map(|(sign, kind)| {
            let rest = match sign {
                Begins(sign) => agent.strip_prefix(sign.as_bytes())?,
                Holds(sign) => agent.get(memchr::memmem::find(agent, sign.as_bytes())? + sign.len()..)?,
            };
            Some(match kind {
                Is(preset) => *preset,
                By(version) => version(Version::of(rest)),
            })
        });
        found.map_or(Self::NONE, Self)
    }

    /// The name of its model.
    pub const fn preset(self) -> &'static str {
        self.0
    }
}

/// The numbers that a version begins with. What is missing or no number is 0.
#[derive(Clone, Copy)]
struct Version<'a> {
    major: u32,
    minor: u32,
    patch: u32,
    /// What stands behind the first brackets.
    rest: &'a [u8],
}

impl<'a> Version<'a> {
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
fn cargo(version: Version<'_>) -> &'static str {
    let minor = if version.major == 0 { version.minor.saturating_sub(1) } else { version.minor };
    match (version.major, minor) {
        (0 | 1, ..70) => "cargo-1.69",
        (0 | 1, 70..89) => "cargo-1.70",
        (..) => "cargo-1.89",
    }
}

/// `APT-HTTP/1.3 (2.6.1)`: retries came with 2.3.2.
fn apt(version: Version<'_>) -> &'static str {
    let apt = Version::of(version.rest);
    if (apt.major, apt.minor, apt.patch) >= (2, 3, 2) { "apt" } else { "none" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ClientModels;
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
    fn every_name_in_the_table_is_that_of_a_model() {
        let models = ClientModels::built_in();
        let of_version = |pick: ByVersion| {
            let texts = ["1.0", "1.70", "1.90", "1.3 (2.6.1)"];
            texts.map(|text| pick(Version::of(text.as_bytes()))).to_vec()
        };
        for (_, kind) in SIGNS {
            let names = match kind {
                Is(name) => vec![*name],
                By(pick) => of_version(*pick),
            };
            for name in names {
                assert!(models.find(name).is_some(), "{name}");
            }
        }
        assert!(models.find(ClientKind::NONE.preset()).is_some());
    }

    proptest! {
        #[test]
        fn any_bytes_are_some_client(sign in 0..SIGNS.len(), tail: Vec<u8>) {
            let (Begins(text) | Holds(text)) = SIGNS[sign].0;
            let agent = [text.as_bytes(), &tail].concat();
            prop_assert!(!ClientKind::of(&agent).preset().is_empty());
            prop_assert!(!ClientKind::of(&tail).preset().is_empty());
        }
    }
}
