//! The closed list of what the candidate can do wrong.
//!
//! Faults are grouped by what they spoil, so that each layer of the candidate
//! handles its own group to the last one and knows no other: where a redirect
//! points to, the answer around it, or the connection below. One table a group
//! holds the names, which are public, and what help and manual say of them.

use super::{Capacity, PlanError};
use downpour_core::suggest::did_you_mean;
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
        MissingSlash = "missing-slash", "joins host and path without a slash: the incident";
        NoLocation = "no-location", "redirects without a Location";
        TwoLocations = "two-locations", "redirects with two Locations";
        WrongHost = "wrong-host", "redirects to another environment's host";
        Downgrade = "downgrade", "redirects to `http://`";
        Userinfo = "userinfo", "puts a user name before the host";
        Port = "port", "adds a port to the host";
        GluedHost = "glued-host", "redirects to a foreign host that begins like the right one";
        DoubleSlash = "double-slash", "puts two slashes after the host";
        PlusDecoded = "plus-decoded", "writes `+` where the store needs `%2B`";
        DoubleEncoded = "double-encoded", "writes `%252B` where the store needs `%2B`";
        RawBytes = "raw-bytes", "leaves a space in the path";
        Backslash = "backslash", "leaves a `\\` in the path";
        Placeholder = "placeholder", "leaves `{crate}` in the path";
        Relative = "relative", "redirects to a path without a host";
        Loop = "loop", "redirects back to the requested URL";
        Expired = "expired", "signs the URL for a time in the past";
        ExpiresSoon = "expires-soon", "signs the URL for 10 seconds";
        NotYetValid = "not-yet-valid", "signs the URL for a time that begins in 2099";
        WrongJsonUrl = "wrong-json-url", "names another environment's host in the JSON form";
        OtherFile = "other-file", "redirects to another crate's file";
        NoScheme = "no-scheme", "leaves out `https://`, so the host is read as a path";
        BadPort = "bad-port", "adds a port that is not a number";
        NoJsonUrl = "no-json-url", "names no URL in the JSON form";
        ViaSelf = "via-self", "redirects to another path on its own host, then to the file";
    }
}

faults! {
    /// What is wrong with an answer as a whole.
    AnswerFault {
        Permanent = "permanent", "redirects with 301";
        Cacheable = "cacheable", "redirects to another environment's host, cacheable for 7 days";
        VaryMissing = "vary-missing", "leaves out `Vary`";
        JsonToAll = "json-to-all", "answers every client with 200 and JSON";
        HtmlPage = "html-page", "answers 200 with an HTML page";
        RetryAfter = "retry-after", "answers 503 with `Retry-After: 2`";
        TooMany = "too-many", "answers 429 with `Retry-After: 2`";
        Truncate = "truncate", "announces more content than it sends, and closes";
        WrongLength = "wrong-length", "sends more content than it announced; harmless, clients stop at the announced length";
        Garbage = "garbage", "answers with bytes that are not HTTP, and closes";
        HugeHeaders = "huge-headers", "adds a header field of 1 MiB";
        ManyHeaders = "many-headers", "adds 1,000 header fields";
        Body = "body", "adds 4 KiB of content; harmless";
        Informational = "informational", "sends 103 and 100 before the answer; harmless";
        Http10 = "http10", "answers as HTTP/1.0 does, and closes; harmless";
    }
}

faults! {
    /// What is wrong on the connection, whatever the answer is.
    WireFault {
        Stall = "stall", "delays answers until the window ends";
        Slow = "slow", "sends one byte per second";
        Reset = "reset", "resets the connection";
        HalfClose = "half-close", "closes its sending side without an answer, and keeps reading";
        EndlessBody = "endless-body", "answers 200 with content that never ends";
        EarlyClose = "early-close", "answers, announces keep-alive, and closes";
    }
}

faults! {
    /// What the CDN makes of a file. Only there: see [`FaultKind::applies_to_cdn`].
    StoreFault {
        ErrorPage = "error-page", "the CDN answers 200 with a page in place of the file";
        OtherBytes = "other-bytes", "the CDN serves other bytes of the right length";
        ShortFile = "short-file", "the CDN serves the file without its last byte";
        CutFile = "cut-file", "the CDN announces the file, sends half of it, and closes";
        NoHead = "no-head", "the CDN answers 405 to HEAD; harmless";
        Circle = "circle", "the CDN redirects to itself";
        OneHop = "one-hop", "the CDN redirects once more, to the file; harmless";
        HopToHttp = "hop-to-http", "the CDN redirects to `http://`";
        HopNowhere = "hop-nowhere", "the CDN redirects without a Location";
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
            Self::Status(_) => "answers with this status, 200 to 599",
            Self::Answer(fault) => fault.does(),
            Self::Wire(fault) => fault.does(),
            Self::Store(fault) => fault.does(),
            Self::Capacity(_) => "answers RPS requests per second, queues QUEUE, others get 503",
            Self::Delay(_) => "delays answers by TIME",
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
pub fn with_argument() -> [(&'static str, FaultKind); 3] {
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
        let manual = include_str!("../../../../docs/src/reference/mock-faults.md");
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
