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
            Self::TargetNotAnArchive | Self::TargetLength | Self::TargetDigest => "fails: wrong checksum",
            Self::TargetTimeout => "retries when data stalls",
            Self::TargetLoop | Self::TargetTooManyHops => "follows up to its limit, then gives up",
            Self::DnsNxdomain => "retries: this causes the storm",
            Self::DnsPrivateAddress => "tries to connect, then retries",
            Self::DnsUnchecked | Self::TargetUnchecked => "unknown, so it does not count as passed",
            Self::TlsName | Self::TlsExpired | Self::TlsUntrusted | Self::TargetTlsCertificate => {
                "fails at once"
            }
            Self::HttpClosed => "gives up: the reply is empty",
            Self::HttpGarbage
            | Self::HttpHeadersTooLarge
            | Self::HttpBodyTooLarge
            | Self::LocationMultiple
            | Self::LocationPlaceholder => "depends on the client",
            Self::TimeoutFirstByte => "retries after 30 s without data",
            Self::TimeoutTotal => "cargo has no such limit; it retries when data stalls",
            Self::StatusClientError => "gives up (429: retries since cargo 1.89)",
            Self::StatusUnexpected | Self::StatusTransition => "often accepts it without an error",
            Self::HeadersVary => "may get an answer cached for another kind of client, such as JSON",
            Self::HeadersContentType => "accepts it; some clients choose how to unpack by it",
            Self::HeadersCacheControl => "accepts it; caches keep the answer too long, or not long enough",
            Self::HeadersCors => "accepts it; browsers hide the answer from a page",
            Self::HeadersOther => "accepts it without an error",
            Self::JsonMissing | Self::JsonMismatch => {
                "clients that use the JSON form fail or download another file"
            }
            Self::LocationMissing
            | Self::LocationBytes
            | Self::LocationUnparsable
            | Self::TargetForbidden
            | Self::TargetNotFound
            | Self::TargetStatus
            | Self::TargetBadRedirect
            | Self::ClientAborted => "gives up",
            Self::LocationGluedHost => {
                "retries if the host does not resolve; otherwise downloads a stranger's file"
            }
            Self::LocationWrongHost => "follows it; may get the wrong file, or none",
            Self::LocationDowngrade | Self::TargetDowngrade => {
                "follows it without an error; some clients refuse"
            }
            Self::LocationUserinfo => "may connect to another host than intended",
            Self::LocationPort => "follows it; fails if nothing listens there",
            Self::LocationRelative | Self::LocationAbsolute => "usually works",
            Self::LocationLoop => "follows up to its redirect limit, then gives up",
            Self::LocationExpired | Self::LocationNotYetValid => "gives up: the store answers 403",
            Self::LocationExpiresSoon => "gives up if it is so slow that the store answers 403",
            Self::LocationDoubleSlash
            | Self::LocationEncoding
            | Self::LocationMismatch
            | Self::LocationNotInCatalog => "gives up: the store answers 403 or 404",
            Self::GeneratorPorts
            | Self::GeneratorDescriptors
            | Self::GeneratorLate
            | Self::GeneratorResolver => "nothing: your clients are not affected",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last cell of the manual's row about `fault`.
    fn told_of(fault: Fault) -> Option<&'static str> {
        let manual = include_str!("../../../../docs/src/reference/faults.md");
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
                panic!(
                    "docs/src/reference/faults.md lacks: | `{fault}` | {} | {} |",
                    fault.meaning(),
                    fault.client_reaction()
                );
            };
            assert_eq!(reaction.replace("**", ""), fault.client_reaction(), "{fault}");
        }
    }
}
