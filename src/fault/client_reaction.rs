//! What clients make of each fault.
//!
//! A fault that makes clients retry multiplies its own load, one that they
//! follow in silence is seen by nobody: whoever reads a report has to know
//! which. The words are cargo's behaviour where it has one; the manual prints
//! the same.

use super::Fault;

impl Fault {
    /// What a client such as cargo does when it meets this fault.
    pub const fn client_reaction(self) -> &'static str {
        match self {
            Self::ConnectRefused
            | Self::ConnectTimeout
            | Self::ConnectUnreachable
            | Self::TlsHandshake
            | Self::HttpReset
            | Self::HttpTruncated
            | Self::Http2Reset
            | Self::Http2GoAway
            | Self::Http2Refused
            | Self::StatusServerError
            | Self::DnsNoAddress
            | Self::DnsServfail
            | Self::DnsRefused
            | Self::DnsTimeout
            | Self::DnsFailed
            | Self::TargetRefused
            | Self::TargetUnreachable
            | Self::TargetConnectTimeout
            | Self::TargetTlsHandshake
            | Self::TargetServerError
            | Self::TargetTruncated
            | Self::TargetBroken => "retries",
            Self::TargetNotAnArchive | Self::TargetLength | Self::TargetDigest => "fails by its checksum",
            Self::TargetTimeout => "retries when data stalls",
            Self::TargetLoop | Self::TargetTooManyHops => "follows to its limit, gives up",
            Self::DnsNxdomain => "retries: this makes the storm",
            Self::DnsPrivateAddress => "tries to connect, then retries",
            Self::DnsUnchecked | Self::TargetUnchecked => "unknown, so it is not a pass",
            Self::TlsName | Self::TlsExpired | Self::TlsUntrusted | Self::TargetTlsCertificate => {
                "fails at once"
            }
            Self::HttpClosed => "an empty reply: gives up",
            Self::HttpGarbage
            | Self::HttpHeadersTooLarge
            | Self::HttpBodyTooLarge
            | Self::LocationMultiple => "depends on the client",
            Self::TimeoutFirstByte => "retries after 30 s without data",
            Self::TimeoutTotal => "cargo has no such limit; it retries when data stalls",
            Self::StatusClientError => "gives up (429: retries since cargo 1.89)",
            Self::StatusUnexpected | Self::StatusTransition => "often nothing: silent",
            Self::HeadersVary => "takes what a cache kept for another kind of client: JSON for a file",
            Self::HeadersContentType => "nothing: silent; some clients unpack by it",
            Self::HeadersCacheControl => "nothing: silent; caches keep too much or too little",
            Self::HeadersCors => "nothing; browsers refuse to show it to a page",
            Self::HeadersOther => "nothing: silent",
            Self::JsonMissing | Self::JsonMismatch => "clients of the JSON form fail or fetch another file",
            Self::LocationMissing
            | Self::LocationBytes
            | Self::LocationUnparsable
            | Self::TargetForbidden
            | Self::TargetNotFound
            | Self::TargetStatus
            | Self::TargetBadRedirect
            | Self::ClientAborted => "gives up",
            Self::LocationGluedHost => "retries if it does not resolve; else takes a stranger's file",
            Self::LocationWrongHost => "follows: may get the wrong file, or none",
            Self::LocationDowngrade | Self::TargetDowngrade => "follows, silently; some clients refuse",
            Self::LocationUserinfo => "may follow to a host you did not mean",
            Self::LocationPort => "follows; fails if nobody listens",
            Self::LocationRelative | Self::LocationAbsolute => "usually works",
            Self::LocationPlaceholder => "varies",
            Self::LocationLoop => "runs in circles up to its redirect limit",
            Self::LocationExpired | Self::LocationNotYetValid => "403 from the store: gives up",
            Self::LocationExpiresSoon => "403 from the store if it is slow or queues: gives up",
            Self::LocationDoubleSlash
            | Self::LocationEncoding
            | Self::LocationMismatch
            | Self::LocationNotInCatalog => "403 or 404 from the store: gives up",
            Self::GeneratorPorts
            | Self::GeneratorDescriptors
            | Self::GeneratorLate
            | Self::GeneratorResolver => "nothing: your clients are not concerned",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last cell of the manual's row about `fault`.
    fn told_of(fault: Fault) -> Option<&'static str> {
        let manual = include_str!("../../docs/src/reference/faults.md");
        let mut rows = manual.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
            let (ids, _meaning, reaction) = (cells.next()?, cells.next()?, cells.next()?);
            ids.split(", ").any(|id| id == format!("`{fault}`")).then_some(reaction)
        });
        let row = rows.next();
        assert_eq!(rows.next(), None, "docs/src/reference/faults.md has two rows for {fault}");
        row
    }

    #[test]
    fn the_manual_tells_of_each_fault_in_the_same_words() {
        for &fault in Fault::ALL {
            let Some(reaction) = told_of(fault) else {
                panic!("docs/src/reference/faults.md lacks: | `{fault}` | {} | {} |", fault.meaning(), fault.client_reaction());
            };
            assert_eq!(reaction.replace("**", ""), fault.client_reaction(), "{fault}");
        }
    }
}
