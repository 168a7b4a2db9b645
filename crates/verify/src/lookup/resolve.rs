//! One host's question: both kinds of address, told apart by code, and asked
//! again where the answer settles nothing.
//!
//! What a resolver says falls into three: it has addresses, it certainly has
//! none, or nobody can tell. Only the last is asked again. The same failure of
//! a resolver that merely hiccups must not count as a broken redirect.

use super::{LookupCounters, LookupOptions, count};
use crate::HostVerdict;
use crate::hosts::HostAnswer;
use crate::location::is_host_name;
use downpour_core::fault::Fault;
use hickory_resolver::TokioResolver;
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RecordType};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How often an inconclusive answer is asked for again.
const REPEATS: usize = 2;

/// Asks one resolver.
pub(super) struct ResolverClient {
    pub(super) resolver: TokioResolver,
    pub(super) options: LookupOptions,
    pub(super) counts: Arc<LookupCounters>,
}

/// What an answer, or two, come to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum LookupFinding {
    /// Addresses, never none, and how long they may be remembered.
    Found(Vec<IpAddr>, Duration),
    /// Certainly none, and the negative time to live.
    Denied(Fault, Option<Duration>),
    /// Nobody can tell.
    Inconclusive(Fault),
    /// Nobody says anything.
    Silent(Fault),
}

impl ResolverClient {
    /// Looks `host` up.
    pub(super) async fn resolve(&self, host: Arc<str>) -> HostAnswer {
        match self.find(&host).await {
            LookupFinding::Found(addresses, ttl) => {
                HostAnswer::found(host, self.options.private_addresses.judge(addresses), ttl)
            }
            LookupFinding::Denied(fault, ttl) => HostAnswer::denied(host, fault, ttl),
            LookupFinding::Inconclusive(fault) | LookupFinding::Silent(fault) => {
                count(&self.counts.inconclusive);
                HostAnswer::inconclusive(host, fault)
            }
        }
    }

    /// The addresses of `host`, all of which may be connected to.
    pub(super) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Fault> {
        match self.find(host).await {
            LookupFinding::Found(addresses, _) => {
                match self.options.private_addresses.judge(addresses.iter().copied()) {
                    HostVerdict::Resolved => Ok(addresses),
                    HostVerdict::Broken(fault) => Err(fault),
                }
            }
            LookupFinding::Denied(fault, _)
            | LookupFinding::Inconclusive(fault)
            | LookupFinding::Silent(fault) => Err(fault),
        }
    }

    /// Asks, and asks again while the answer settles nothing.
    async fn find(&self, host: &str) -> LookupFinding {
        let Some(name) = absolute(host) else { return LookupFinding::Inconclusive(Fault::DnsFailed) };
        let mut finding = self.query_once(&name).await;
        for _ in 0..REPEATS {
            if !matches!(finding, LookupFinding::Inconclusive(_) | LookupFinding::Silent(_)) {
                break;
            }
            sleep_until(Instant::now() + self.options.pause).await;
            count(&self.counts.repeated);
            finding = self.query_once(&name).await;
        }
        if matches!(finding, LookupFinding::Silent(_)) && self.resolvers_are_silent().await {
            return LookupFinding::Silent(Fault::GeneratorResolver);
        }
        finding
    }

    /// Whether the resolvers are silent about the root, too, of which every one
    /// that works knows something, if only that it must not say it. Silence
    /// about one name may be that name's own.
    async fn resolvers_are_silent(&self) -> bool {
        count(&self.counts.questions);
        let root = self.resolver.lookup(Name::root(), RecordType::NS).await;
        root.is_err_and(|error| is_silence(&error))
    }

    /// Asks for both kinds at once, as clients do.
    async fn query_once(&self, name: &Name) -> LookupFinding {
        count(&self.counts.questions);
        let kind = |kind| self.resolver.lookup(name.clone(), kind);
        let (a, aaaa) = tokio::join!(kind(RecordType::A), kind(RecordType::AAAA));
        combine(classify(a), classify(aaaa))
    }
}

fn absolute(host: &str) -> Option<Name> {
    let mut name = Name::from_ascii(host).ok().filter(|_| is_host_name(host))?;
    name.set_fqdn(true);
    Some(name)
}

/// What two answers for one name come to. Either kind of address will do; a
/// name that does not exist has no records of any kind (RFC 8020 §2).
fn combine(a: LookupFinding, aaaa: LookupFinding) -> LookupFinding {
    use LookupFinding::{Denied, Found, Inconclusive, Silent};
    match (a, aaaa) {
        (Found(mut some, ttl), Found(more, other_ttl)) => {
            some.extend(more);
            Found(some, ttl.min(other_ttl))
        }
        (found @ Found(..), _) | (_, found @ Found(..)) => found,
        (denied @ Denied(Fault::DnsNxdomain, _), _) | (_, denied @ Denied(Fault::DnsNxdomain, _)) => denied,
        (unknown @ Inconclusive(_), _) | (_, unknown @ Inconclusive(_)) => unknown,
        (silence @ Silent(_), _) | (_, silence @ Silent(_)) => silence,
        (Denied(fault, ttl), Denied(_, other_ttl)) => Denied(fault, ttl.min(other_ttl)),
    }
}

fn classify(answer: Result<Lookup, NetError>) -> LookupFinding {
    let error = match answer {
        Ok(lookup) => return classify_addresses(&lookup),
        Err(error) => error,
    };
    if is_silence(&error) {
        return LookupFinding::Silent(classify_error(&error));
    }
    let NetError::Dns(DnsError::NoRecordsFound(none)) = &error else {
        return LookupFinding::Inconclusive(classify_error(&error));
    };
    let ttl = none.negative_ttl.map(|seconds| Duration::from_secs(seconds.into()));
    by_code(none.response_code, ttl)
}

/// What an answer without addresses says. A code that we do not know tells
/// nothing for certain (RFC 6895 §2.3 leaves most of them unassigned).
fn by_code(code: ResponseCode, ttl: Option<Duration>) -> LookupFinding {
    if code == ResponseCode::NXDomain {
        LookupFinding::Denied(Fault::DnsNxdomain, ttl)
    } else if code == ResponseCode::NoError {
        LookupFinding::Denied(Fault::DnsNoAddress, ttl)
    } else {
        LookupFinding::Inconclusive(by_failure(code))
    }
}

/// The addresses of an answer. An alias that ends nowhere comes without any.
fn classify_addresses(lookup: &Lookup) -> LookupFinding {
    let code = lookup.message().metadata.response_code;
    if code != ResponseCode::NoError {
        // RFC 8020 §2: the code says that there is no such name, whatever
        // stands in the answer section. The system's resolvers read it so.
        return by_code(code, None);
    }
    let addresses: Vec<IpAddr> = lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect();
    let ttl = lookup.answers().iter().map(|record| record.ttl).min().unwrap_or(0);
    if addresses.is_empty() {
        LookupFinding::Denied(Fault::DnsNoAddress, None)
    } else {
        LookupFinding::Found(addresses, Duration::from_secs(ttl.into()))
    }
}

/// Whether nothing came back, as against something that settles nothing.
const fn is_silence(error: &NetError) -> bool {
    matches!(error, NetError::Timeout | NetError::NoConnections | NetError::Io(_))
}

fn classify_error(error: &NetError) -> Fault {
    if let NetError::Timeout = error {
        return Fault::DnsTimeout;
    }
    let NetError::Dns(DnsError::ResponseCode(code)) = error else {
        return Fault::DnsFailed;
    };
    by_failure(*code)
}

fn by_failure(code: ResponseCode) -> Fault {
    if code == ResponseCode::ServFail {
        Fault::DnsServfail
    } else if code == ResponseCode::Refused {
        Fault::DnsRefused
    } else {
        Fault::DnsFailed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(address: &str, ttl: u64) -> LookupFinding {
        LookupFinding::Found(vec![address.parse().unwrap()], Duration::from_secs(ttl))
    }

    fn denied(fault: Fault, ttl: u64) -> LookupFinding {
        LookupFinding::Denied(fault, Some(Duration::from_secs(ttl)))
    }

    /// Both ways round: neither kind of address counts for more.
    #[track_caller]
    fn check(one: &LookupFinding, other: &LookupFinding, expected: &LookupFinding) {
        assert_eq!(combine(one.clone(), other.clone()), *expected);
        assert_eq!(combine(other.clone(), one.clone()), *expected);
    }

    #[test]
    fn two_answers_come_to_one_finding() {
        let (address, timeout) = (some("1.1.1.1", 60), LookupFinding::Silent(Fault::DnsTimeout));
        let servfail = LookupFinding::Inconclusive(Fault::DnsServfail);
        check(&servfail, &timeout, &servfail);
        let (nxdomain, no_data) = (denied(Fault::DnsNxdomain, 9), denied(Fault::DnsNoAddress, 9));
        for other in [&nxdomain, &no_data, &timeout] {
            check(&address, other, &address);
        }
        check(&nxdomain, &no_data, &nxdomain);
        check(&nxdomain, &timeout, &nxdomain);
        check(&no_data, &timeout, &timeout);
        check(&no_data, &denied(Fault::DnsNoAddress, 5), &denied(Fault::DnsNoAddress, 5));
        let both = combine(address, some("::1", 30));
        let addresses = ["1.1.1.1", "::1"].map(|address| address.parse().unwrap());
        assert_eq!(both, LookupFinding::Found(addresses.to_vec(), Duration::from_secs(30)));
    }

    #[test]
    fn failures_are_told_apart_by_code() {
        let code = |code| classify_error(&NetError::Dns(DnsError::ResponseCode(code)));
        assert_eq!(code(ResponseCode::ServFail), Fault::DnsServfail);
        assert_eq!(code(ResponseCode::Refused), Fault::DnsRefused);
        assert_eq!(code(ResponseCode::NotImp), Fault::DnsFailed);
        assert_eq!(classify_error(&NetError::Timeout), Fault::DnsTimeout);
        assert_eq!(classify_error(&NetError::NoConnections), Fault::DnsFailed);
        assert!(is_silence(&NetError::Timeout) && is_silence(&NetError::NoConnections));
        assert!(!is_silence(&NetError::Dns(DnsError::ResponseCode(ResponseCode::Refused))));
    }

    #[test]
    fn only_two_codes_say_for_certain_that_there_is_no_address() {
        let finding = |code| by_code(code, None);
        assert_eq!(finding(ResponseCode::NXDomain), LookupFinding::Denied(Fault::DnsNxdomain, None));
        assert_eq!(finding(ResponseCode::NoError), LookupFinding::Denied(Fault::DnsNoAddress, None));
        assert_eq!(finding(ResponseCode::from(0, 15)), LookupFinding::Inconclusive(Fault::DnsFailed));
        assert_eq!(finding(ResponseCode::ServFail), LookupFinding::Inconclusive(Fault::DnsServfail));
    }

    #[test]
    fn names_are_asked_as_absolute() {
        assert!(absolute("static.crates.iocrates").unwrap().is_fqdn());
        assert_eq!(absolute("a.b."), absolute("a.b"));
        assert_eq!(absolute("a..b"), None);
        assert_eq!(absolute("a b"), None);
    }
}
