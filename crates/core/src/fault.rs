//! The closed list of what can go wrong with an arrival.
//!
//! A fault is a name, not a text: it keys counters, it is compared, it is
//! merged across machines. Its id is public API. What the candidate sent and
//! what was expected instead belong to the example beside it, never to the
//! fault.

mod client_reaction;
mod set;

pub use set::FaultSet;

use std::fmt;

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident = $id:literal, $meaning:literal;)+) => {
        /// Why an arrival did not end well.
        ///
        /// Ids are stable: `family.name`, lower case. The R numbers in the
        /// variants' documentation are those of the project's taxonomy of
        /// redirect failures, which `ARCHITECTURE.md` lists.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Fault {
            $($(#[$doc])* $variant,)+
        }

        impl Fault {
            /// Every fault, in the order in which reports list equals.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable id, such as `dns.nxdomain`.
            pub const fn id(self) -> &'static str {
                match self {
                    $(Self::$variant => $id,)+
                }
            }

            /// One line for a person who has never met this fault.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)+
                }
            }
        }
    };
}

faults! {
    /// R17, on the candidate itself.
    ConnectRefused = "connect.refused", "the candidate refused the connection";
    /// No answer to the connection attempt within the connect time-out.
    ConnectTimeout = "connect.timeout", "the candidate did not accept the connection in time";
    /// No route, or the network said no.
    ConnectUnreachable = "connect.unreachable", "the candidate cannot be reached from here";
    /// R18, on the candidate itself: the handshake failed, but for its
    /// certificate.
    TlsHandshake = "tls.handshake", "the TLS handshake with the candidate failed";
    /// R18: the certificate is for another name.
    TlsName = "tls.name", "the candidate's certificate is for another name";
    /// R18: the certificate is not valid now.
    TlsExpired = "tls.expired", "the candidate's certificate is not valid at this time";
    /// R18: the certificate is not signed by anyone trusted here.
    TlsUntrusted = "tls.untrusted", "the candidate's certificate is not trusted here";
    /// The connection was reset before the answer was complete.
    HttpReset = "http.reset", "the connection was reset before the answer was complete";
    /// The connection was closed before the first byte of an answer.
    HttpClosed = "http.closed", "the connection was closed without an answer";
    /// The connection was closed in the middle of an answer.
    HttpTruncated = "http.truncated", "the answer ended before it was complete";
    /// What came was not HTTP. So is a field with a control byte, a Location
    /// too (RFC 9110 §5.5): the HTTP library refuses the whole answer, and
    /// nobody sees what else was in it. So is content in a transfer coding that
    /// was not asked for (RFC 9112 §6.1): no client can undo it.
    HttpGarbage = "http.garbage", "the answer is not valid HTTP";
    /// More header bytes or fields than the limit, however the network cut
    /// them.
    HttpHeadersTooLarge = "http.headers_too_large", "the answer's headers exceed the limit";
    /// More body bytes than the limit.
    HttpBodyTooLarge = "http.body_too_large", "the answer's body exceeds the limit";
    /// RFC 9113 §6.4: the candidate gave the stream up.
    Http2Reset = "http2.reset", "the candidate reset the HTTP/2 stream";
    /// RFC 9113 §8.7: the candidate took the stream up neither the first time
    /// nor the second.
    Http2Refused = "http2.refused", "the candidate refused the HTTP/2 stream twice";
    /// RFC 9113 §6.8: the candidate closed the connection to the request.
    Http2GoAway = "http2.go_away", "the candidate sent GOAWAY before it answered";
    /// No byte of an answer within the first-byte time-out.
    TimeoutFirstByte = "timeout.first_byte", "no byte of an answer within the first-byte timeout";
    /// Not complete within the total time-out, counted from the due time.
    TimeoutTotal = "timeout.total", "no complete answer within the timeout";
    /// A 4xx that the rules do not expect and the record does not show.
    StatusClientError = "status.4xx", "a client error that neither the log nor a rule expects";
    /// A 5xx.
    StatusServerError = "status.5xx", "a server error";
    /// R30: another status than the rule demands; without a rule, one that
    /// answers what was not asked, such as 206 without a Range.
    StatusUnexpected = "status.unexpected", "not the status that the rule requires, or one that does not answer a plain request";
    /// A status that the rule does not accept in place of the recorded one.
    StatusTransition = "status.transition", "a status that the rules do not accept in place of the recorded one";
    /// R29: what a cache needs to tell the variants of the answer apart.
    HeadersVary = "headers.vary", "the answer's Vary is not what the rules require";
    /// R26.
    HeadersContentType = "headers.content_type", "the answer's Content-Type is not what the rules require";
    /// R26, R28: caching that the rule does not allow, or lacks.
    HeadersCacheControl = "headers.cache_control", "the answer's Cache-Control is not what the rules require";
    /// R26: what browsers ask for before they let a page read an answer.
    HeadersCors = "headers.cors", "the answer's CORS fields are not what the rules require";
    /// Any other field that a rule names.
    HeadersOther = "headers.other", "a field of the answer is not what the rules require";
    /// R32: no JSON object with the member that the rule names.
    JsonMissing = "json.missing", "the JSON answer does not contain the download URL";
    /// R32: the same question, two answers.
    JsonMismatch = "json.mismatch", "the JSON answer names a different URL than the redirect";
    /// R01.
    LocationMissing = "location.missing", "a redirect without a Location";
    /// R02.
    LocationMultiple = "location.multiple", "a redirect with several Locations";
    /// R03: a byte that no URI may hold, or a Location longer than the limit.
    /// Control bytes never come this far: they are [`Fault::HttpGarbage`].
    LocationBytes = "location.bytes", "the Location contains bytes that are not allowed in a URL";
    /// R04: does not parse, or not to http(s) with a host.
    LocationUnparsable = "location.unparsable", "the Location is not a usable URL";
    /// R05, R06: the demanded host with more glued to it: a lost slash, or a
    /// stranger's domain that begins with the right name.
    LocationGluedHost = "location.glued_host", "the Location's host is the expected one with extra text attached";
    /// R07: a host that the rules do not allow.
    LocationWrongHost = "location.wrong_host", "the Location names a host that the rules do not allow";
    /// R08.
    LocationDowngrade = "location.downgrade", "the Location uses http in place of https";
    /// R06, RFC 9110 §4.2.4.
    LocationUserinfo = "location.userinfo", "the Location contains a user name or a password";
    /// R06: another port than the rules allow.
    LocationPort = "location.port", "the Location names an unexpected port";
    /// R09: relative where the rule demands an absolute URL.
    LocationRelative = "location.relative", "the Location is relative, but must be an absolute URL";
    /// R09, the other way round.
    LocationAbsolute = "location.absolute", "the Location is an absolute URL, but must be relative";
    /// R10: the path has an empty segment.
    LocationDoubleSlash = "location.double_slash", "the Location's path has a double slash";
    /// R11: a placeholder was never filled in.
    LocationPlaceholder = "location.placeholder", "the Location contains a placeholder that was not filled in";
    /// R12: the redirect points to what was asked for.
    LocationLoop = "location.loop", "the redirect points back to itself";
    /// R10: the demanded path, had its parts been encoded once.
    LocationEncoding = "location.encoding", "the Location's path is not encoded, or encoded twice";
    /// R27.
    LocationExpired = "location.expired", "the Location's signature has expired";
    /// R27.
    LocationExpiresSoon = "location.expires_soon", "the Location's signature expires too soon";
    /// R27: the clocks of the signer and of this machine disagree.
    LocationNotYetValid = "location.not_yet_valid", "the Location's signature is not valid yet";
    /// R10: right host, other path or query than the rule's template.
    LocationMismatch = "location.mismatch", "the Location differs from the rule's template";
    /// R20, known before anybody asks.
    LocationNotInCatalog = "location.not_in_catalog", "a redirect for a file that the catalogue does not list, although the log shows a success for it";
    /// R13.
    DnsNxdomain = "dns.nxdomain", "the Location's host does not exist (NXDOMAIN)";
    /// R14: the name exists and has no address.
    DnsNoAddress = "dns.no_address", "the Location's host has no address";
    /// R15.
    DnsServfail = "dns.servfail", "the resolver failed to look up the Location's host (SERVFAIL)";
    /// R15.
    DnsRefused = "dns.refused", "the resolver refused to look up the Location's host";
    /// R15.
    DnsTimeout = "dns.timeout", "the resolver did not answer the lookup of the Location's host";
    /// R15: any other failure of the lookup.
    DnsFailed = "dns.failed", "the lookup of the Location's host failed";
    /// R16.
    DnsPrivateAddress = "dns.private_address", "the Location's host has a private address";
    /// The bound on distinct hosts was reached: unknown is not resolved.
    DnsUnchecked = "dns.unchecked", "the Location's host was not looked up: too many distinct hosts";
    /// R17: nobody listens where the redirect leads.
    TargetRefused = "target.refused", "the target's host refused the connection";
    /// R17.
    TargetUnreachable = "target.unreachable", "the target's host cannot be reached from here";
    /// R17.
    TargetConnectTimeout = "target.connect_timeout", "the target's host did not accept the connection in time";
    /// R18: the handshake failed, but for the certificate.
    TargetTlsHandshake = "target.tls_handshake", "the TLS handshake with the target's host failed";
    /// R18: the certificate is for another name, not valid now, or untrusted.
    TargetTlsCertificate = "target.tls_certificate", "the certificate of the target's host is not valid";
    /// R19.
    TargetForbidden = "target.403", "the target answers 403: the store does not know the file, or rejects the signature";
    /// R20: 404 or 410.
    TargetNotFound = "target.404", "there is no file at the target (404 or 410)";
    /// R22: 429 or 5xx, also when asked again.
    TargetServerError = "target.5xx", "the target's host fails or is overloaded (5xx or 429)";
    /// Any other status that is neither success nor a redirect.
    TargetStatus = "target.status", "the target's status is neither a download nor a redirect";
    /// R23.
    TargetNotAnArchive = "target.not_an_archive", "the content at the target is not the archive that its name says";
    /// R24.
    TargetLength = "target.length", "the file at the target does not have the expected length";
    /// R24.
    TargetTruncated = "target.truncated", "the file at the target ended before it was complete";
    /// R25.
    TargetDigest = "target.digest", "the file at the target does not have the expected SHA-256";
    /// R12, behind the target.
    TargetLoop = "target.loop", "the target redirects in a loop";
    /// R12, behind the target.
    TargetTooManyHops = "target.too_many_hops", "the target redirects more often than allowed";
    /// R08, behind the target.
    TargetDowngrade = "target.downgrade", "the target redirects from https to http";
    /// R01 to R04, behind the target.
    TargetBadRedirect = "target.bad_redirect", "the target redirects to an unusable URL";
    /// No answer within the time-out of a target check.
    TargetTimeout = "target.timeout", "the target's host did not answer in time";
    /// Closed or reset before an answer, or an answer that is no HTTP.
    TargetBroken = "target.broken", "the target's host gave no valid answer";
    /// A bound was reached: unknown is not good.
    TargetUnchecked = "target.unchecked", "the file at the target is larger than what is downloaded to check it";
    /// Another download of the same session had failed for good, and the client
    /// with it.
    ClientAborted = "client.aborted", "the client ended its session before it sent this request";
    /// This machine had no local port left.
    GeneratorPorts = "generator.no_ports", "this machine has no free local port";
    /// The whole time-out had passed before this process could send the request:
    /// it was too far behind, and the candidate never heard of it.
    GeneratorLate = "generator.late", "this process was behind by more than the timeout and did not send the request";
    /// This process had no file descriptor left.
    GeneratorDescriptors = "generator.no_descriptors", "this process has no free file descriptor";
    /// None of the resolvers that this run asks answers anything at all.
    GeneratorResolver = "generator.no_resolver", "no resolver answers any query of this machine";
}

impl Fault {
    /// The fault with that id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| fault.id() == id)
    }

    /// What stands before the dot of the id.
    pub fn family(self) -> &'static str {
        self.id().split_once('.').map_or("", |(family, _)| family)
    }

    /// Whether a redirect leads to the wrong place, or to one that is not
    /// there: what a cache must not keep.
    pub fn is_bad_redirect(self) -> bool {
        let unknown = matches!(self, Self::DnsUnchecked);
        matches!(self.family(), "location" | "dns" | "target") && !unknown
    }

    /// Whether something took too long, as this machine measured it.
    pub fn is_timeout(self) -> bool {
        let elsewhere =
            [Self::ConnectTimeout, Self::DnsTimeout, Self::TargetTimeout, Self::TargetConnectTimeout];
        self.family() == "timeout" || elsewhere.contains(&self)
    }

    /// Whether the load generator, not the candidate, is to blame.
    pub const fn is_generator_fault(self) -> bool {
        self.generator_remedy().is_some()
    }

    /// What to do where the load generator is to blame; `None` where it is not.
    pub const fn generator_remedy(self) -> Option<&'static str> {
        if matches!(self, Self::GeneratorPorts) {
            Some("lower --connections, or widen net.ipv4.ip_local_port_range")
        } else if matches!(self, Self::GeneratorDescriptors) {
            Some("raise the limit of open files (ulimit -n)")
        } else if matches!(self, Self::GeneratorLate) {
            Some("lower the rate, add --threads or machines, or stop other load on this machine")
        } else if matches!(self, Self::GeneratorResolver) {
            Some(
                "name a resolver that this machine can reach with --resolver IP:PORT, or use --verify policy",
            )
        } else {
            None
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_unique_and_lead_back_to_their_fault() {
        let ids: BTreeSet<_> = Fault::ALL.iter().map(|fault| fault.id()).collect();
        assert_eq!(ids.len(), Fault::ALL.len());
        for &fault in Fault::ALL {
            assert_eq!(Fault::from_id(fault.id()), Some(fault));
            assert!(fault.id().contains('.'), "{fault} has no family");
        }
        assert_eq!(Fault::from_id("dns"), None);
    }

    /// The rows of the taxonomy in the book: number and ids.
    fn taxonomy() -> Vec<(&'static str, Vec<&'static str>)> {
        let rows =
            include_str!("../../../docs/src/reference/redirect-failures.md").lines().filter_map(|line| {
                let mut cells = line.strip_prefix("| R")?.strip_suffix(" |")?.split(" | ");
                let (number, ids) = (cells.next()?, cells.nth(2)?);
                Some((number, ids.split('`').filter(|part| part.contains('.')).collect()))
            });
        rows.collect()
    }

    #[test]
    fn the_taxonomy_lists_every_failure_of_a_redirect() {
        let rows = taxonomy();
        let numbers: Vec<String> = (1..=32).map(|number| format!("{number:02}")).collect();
        assert_eq!(rows.iter().map(|(number, _)| *number).collect::<Vec<_>>(), numbers);
        let listed: BTreeSet<&str> = rows.into_iter().flat_map(|(_, ids)| ids).collect();
        for id in &listed {
            assert!(Fault::from_id(id).is_some() || id.starts_with("target."), "{id} is no fault");
        }
        for fault in
            Fault::ALL.iter().filter(|f| matches!(f.family(), "location" | "dns" | "headers" | "json"))
        {
            assert!(
                listed.contains(fault.id()),
                "docs/src/reference/redirect-failures.md does not place {fault}"
            );
        }
    }

    #[test]
    fn what_misleads_is_about_the_place() {
        for fault in [Fault::LocationWrongHost, Fault::LocationExpired, Fault::DnsNxdomain] {
            assert!(fault.is_bad_redirect(), "{fault}");
        }
        for fault in [Fault::StatusUnexpected, Fault::HeadersVary, Fault::DnsUnchecked, Fault::HttpReset] {
            assert!(!fault.is_bad_redirect(), "{fault}");
        }
    }
}
