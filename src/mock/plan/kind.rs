//! The closed list of what the candidate can do wrong.
//!
//! Faults are grouped by what they spoil, so that each layer of the candidate
//! handles its own group to the last one and knows no other: where a redirect
//! points to, the answer around it, or the connection below. One table a group
//! holds the names, which are public, and what help and manual say of them.

use super::{Capacity, PlanError};
use crate::suggest::did_you_mean;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

const STATUS_PREFIX: &str = "status-";
const CAPACITY: &str = "capacity";
pub(super) const DELAY: &str = "delay";

macro_rules! faults {
    ($(#[$doc:meta])* $group:ident { $($variant:ident = $name:literal, $does:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $group {
            $(
                #[doc = concat!("`", $name, "`: ", $does, ".")]
                $variant,
            )+
        }

        impl $group {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            const fn does(self) -> &'static str {
                match self {
                    $(Self::$variant => $does,)+
                }
            }
        }
    };
}

faults! {
    /// What is wrong with the place that a redirect points to. The answer is
    /// sound but for that.
    LocationFault {
        MissingSlash = "missing-slash", "glues host and path together: the incident";
        NoLocation = "no-location", "redirects to nowhere";
        TwoLocations = "two-locations", "redirects to two places at once";
        WrongHost = "wrong-host", "redirects to another environment's host";
        Downgrade = "downgrade", "redirects to `http://`";
        Userinfo = "userinfo", "puts a user's name before the host";
        Port = "port", "puts a port behind the host";
        GluedHost = "glued-host", "redirects to a stranger's host that begins with the right one";
        DoubleSlash = "double-slash", "puts two slashes after the host";
        PlusDecoded = "plus-decoded", "writes `+` where the store wants `%2B`";
        DoubleEncoded = "double-encoded", "writes `%252B` where the store wants `%2B`";
        RawBytes = "raw-bytes", "leaves a space in the path";
        Backslash = "backslash", "leaves a `\\` in the path";
        Placeholder = "placeholder", "leaves `{crate}` in the path";
        Relative = "relative", "redirects to a path without a host";
        Loop = "loop", "redirects back to what was asked for";
        Expired = "expired", "signs the URL for a time that is over";
        ExpiresSoon = "expires-soon", "signs the URL for 10 seconds";
        NotYetValid = "not-yet-valid", "signs the URL from 2099 on";
        WrongJsonUrl = "wrong-json-url", "names another environment's host to clients of JSON";
        OtherFile = "other-file", "redirects to another crate's file";
        NoScheme = "no-scheme", "leaves `https://` out, so that the host reads as a path";
        BadPort = "bad-port", "writes a port that is no number";
        NoJsonUrl = "no-json-url", "names no place to clients of JSON";
        ViaSelf = "via-self", "redirects to a path of its own, and from there to the file";
    }
}

faults! {
    /// What is wrong with an answer as a whole.
    AnswerFault {
        Permanent = "permanent", "redirects with 301";
        Cacheable = "cacheable", "redirects to another environment's host, to be kept for 7 days";
        VaryMissing = "vary-missing", "leaves `Vary` out";
        JsonToAll = "json-to-all", "answers 200 with JSON, whoever asks";
        HtmlPage = "html-page", "answers 200 with a page for people";
        RetryAfter = "retry-after", "answers 503 with `Retry-After: 2`";
        TooMany = "too-many", "answers 429 with `Retry-After: 2`";
        Truncate = "truncate", "promises more content than comes, and closes";
        WrongLength = "wrong-length", "sends more content than it promised; harmless, clients stop at the promised length";
        Garbage = "garbage", "answers with bytes that are no HTTP, and closes";
        HugeHeaders = "huge-headers", "adds a header field of 1 MiB";
        ManyHeaders = "many-headers", "adds 1,000 header fields";
        Body = "body", "adds 4 KiB of content; harmless";
        Informational = "informational", "sends a 103 and a 100 first; harmless";
        Http10 = "http10", "answers as HTTP/1.0 does, and closes; harmless";
    }
}

faults! {
    /// What is wrong on the connection, whatever the answer is.
    WireFault {
        Stall = "stall", "holds answers back until the window ends";
        Slow = "slow", "sends one byte a second";
        Reset = "reset", "resets the connection";
        HalfClose = "half-close", "ends its side without an answer, reads on";
        EndlessBody = "endless-body", "answers 200 with content that never ends";
        EarlyClose = "early-close", "answers, promises to stay, and closes";
    }
}

faults! {
    /// What the CDN makes of a file. Only there: see [`FaultKind::befalls_cdn`].
    StoreFault {
        ErrorPage = "error-page", "the CDN answers 200 with a page in place of the file";
        OtherBytes = "other-bytes", "the CDN serves other bytes, as many as are due";
        ShortFile = "short-file", "the CDN serves a file that lacks its last byte";
        CutFile = "cut-file", "the CDN promises the file, sends half of it, and closes";
        NoHead = "no-head", "the CDN answers 405 to HEAD; harmless";
        Circle = "circle", "the CDN redirects to itself";
        OneHop = "one-hop", "the CDN redirects once more, to the file; harmless";
        HopToHttp = "hop-to-http", "the CDN redirects to `http://`";
        HopNowhere = "hop-nowhere", "the CDN redirects without saying where";
    }
}

/// What the candidate does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// The place that a redirect points to.
    Location(LocationFault),
    /// This status (200 to 599) and no redirect.
    Status(u16),
    /// The answer around it.
    Answer(AnswerFault),
    /// The connection below.
    Wire(WireFault),
    /// The file on the CDN.
    Store(StoreFault),
    /// How much it can do at all; whatever else befalls an answer comes on top.
    Capacity(Capacity),
    /// How long an answer is held back; the same goes for it.
    Delay(Duration),
}

impl FaultKind {
    /// Every fault without an argument, in the order of the manual.
    pub fn plain() -> impl Iterator<Item = Self> {
        let places = LocationFault::ALL.iter().map(|&fault| Self::Location(fault));
        let answers = AnswerFault::ALL.iter().map(|&fault| Self::Answer(fault));
        let wires = WireFault::ALL.iter().map(|&fault| Self::Wire(fault));
        let stores = StoreFault::ALL.iter().map(|&fault| Self::Store(fault));
        places.chain(answers).chain(wires).chain(stores)
    }

    /// Whether the API host can have this fault.
    pub const fn applies_to_api(self) -> bool {
        !matches!(self, Self::Store(_))
    }

    /// Whether the CDN can have this fault.
    pub const fn applies_to_cdn(self) -> bool {
        matches!(self, Self::Store(_) | Self::Status(_) | Self::Wire(_) | Self::Capacity(_) | Self::Delay(_))
    }

    /// What it does, in a few words that follow its name.
    pub const fn does(self) -> &'static str {
        match self {
            Self::Location(fault) => fault.does(),
            Self::Status(_) => "answers with that status, 200 to 599",
            Self::Answer(fault) => fault.does(),
            Self::Wire(fault) => fault.does(),
            Self::Store(fault) => fault.does(),
            Self::Capacity(_) => "answers RPS requests a second, has QUEUE wait, the others get 503",
            Self::Delay(_) => "holds answers back for TIME",
        }
    }

    /// Whether it befalls answers beside what else does.
    pub(super) const fn is_additive(self) -> bool {
        matches!(self, Self::Capacity(_) | Self::Delay(_))
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Location(fault) => f.write_str(fault.name()),
            Self::Status(code) => write!(f, "{STATUS_PREFIX}{code}"),
            Self::Answer(fault) => f.write_str(fault.name()),
            Self::Wire(fault) => f.write_str(fault.name()),
            Self::Store(fault) => f.write_str(fault.name()),
            Self::Capacity(capacity) => write!(f, "{CAPACITY}:{capacity}"),
            Self::Delay(delay) => write!(f, "{DELAY}:{delay:?}"),
        }
    }
}

impl FromStr for FaultKind {
    type Err = PlanError;

    fn from_str(name: &str) -> Result<Self, PlanError> {
        if let Some(code) = name.strip_prefix(STATUS_PREFIX) {
            let number = code.parse().ok().filter(|n| code.len() == 3 && (200..=599).contains(n));
            return number.map(Self::Status).ok_or_else(|| PlanError::Status(code.to_owned()));
        }
        let known = Self::plain().find(|kind| kind.to_string() == name);
        known.ok_or_else(|| PlanError::Unknown(name.to_owned()))
    }
}

/// Whether arguments follow that name, each behind a colon.
pub(super) fn is_with_argument(name: &str) -> bool {
    matches!(name, CAPACITY | DELAY)
}

/// Faults with an argument, as help and manual write them.
pub(crate) fn with_argument() -> [(&'static str, FaultKind); 3] {
    let capacity = Capacity { per_second: 1, queue: 0 };
    [
        ("status-CODE", FaultKind::Status(200)),
        ("delay:TIME", FaultKind::Delay(Duration::ZERO)),
        ("capacity:RPS:QUEUE", FaultKind::Capacity(capacity)),
    ]
}

/// Which fault was meant, where one looks alike.
pub(super) fn meant(typed: &str) -> String {
    let names: Vec<_> = FaultKind::plain().map(|kind| kind.to_string()).collect();
    did_you_mean(typed, names.iter().map(String::as_str))
}

pub(super) fn known_names() -> String {
    let plain = FaultKind::plain().map(|kind| kind.to_string());
    let others = with_argument().map(|(written, _)| written.to_owned());
    plain.chain(others).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_leads_back_to_its_fault() {
        let names: std::collections::BTreeSet<_> = FaultKind::plain().map(|kind| kind.to_string()).collect();
        assert_eq!(names.len(), FaultKind::plain().count());
        for kind in FaultKind::plain() {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
    }

    #[test]
    fn the_manual_lists_each_fault_in_the_same_words() {
        let manual = include_str!("../../../docs/src/reference/mock-faults.md");
        for kind in FaultKind::plain() {
            let row = format!("| `{kind}` | {} |", kind.does());
            assert!(manual.contains(&row), "docs/src/reference/mock-faults.md lacks: {row}");
        }
        for (written, kind) in with_argument() {
            let row = format!("| `{written}` | {} |", kind.does());
            assert!(manual.contains(&row), "docs/src/reference/mock-faults.md lacks: {row}");
        }
    }
}
