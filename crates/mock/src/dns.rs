//! The DNS responder, which knows only what should resolve.
//!
//! A resolver that is pointed here finds the hosts of a sound deployment and
//! learns that everything else does not exist, as with the host in
//! `https://static.crates.iocrates/…`. Answering is a pure function of packet
//! and zone. Names can be given any other answer, silence included, to rehearse
//! what a resolver may meet.

use super::state::MockState;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, SOA};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until};

/// The names a deployment of crates.io needs.
const CRATES_IO: [&str; 3] = ["static.crates.io", "crates.io", "index.crates.io"];
/// A stranger's host that begins with the right name, and exists: that is the
/// danger.
const GLUED_HOST: &str = "static.crates.io.mirror.example";
const TTL_S: u32 = 5;
/// Larger queries are cut by the kernel and thus malformed.
const MAX_QUERY: usize = 4_096;
/// Without EDNS an answer has at most this size (RFC 1035 section 4.2.1).
const MAX_PLAIN_ANSWER: usize = 512;
/// More addresses than this are not given for one name.
const MAX_ADDRESSES: usize = 16;

/// What a resolver learns about a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsAnswer {
    /// These addresses, each to the question for its family.
    Addresses(Vec<IpAddr>),
    /// The name exists and has no address.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// The server could not find out.
    ServFail,
    /// The server does not want to say.
    Refused,
    /// Nothing comes back.
    NoReply,
}

/// Text that is no [`DnsAnswer`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an answer; use an address, no-data, nxdomain, servfail, refused or silence")]
pub struct ParseDnsAnswerError(String);

impl FromStr for DnsAnswer {
    type Err = ParseDnsAnswerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "no-data" => Self::NoData,
            "nxdomain" => Self::NxDomain,
            "servfail" => Self::ServFail,
            "refused" => Self::Refused,
            "silence" => Self::NoReply,
            address => {
                let address = address.parse().map_err(|_| ParseDnsAnswerError(text.to_owned()))?;
                Self::Addresses(vec![address])
            }
        })
    }
}

/// Names with their answers; names that are not in it do not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    answers: BTreeMap<String, DnsAnswer>,
}

impl Zone {
    /// A zone in which nothing exists.
    pub const fn empty() -> Self {
        Self { answers: BTreeMap::new() }
    }

    /// The same zone with this answer for `name`, whatever its letters' case.
    #[must_use]
    pub fn with(mut self, name: &str, answer: DnsAnswer) -> Self {
        self.answers.insert(key(name), answer);
        self
    }

    /// The same zone in which `name` is this machine.
    #[must_use]
    pub fn with_local(self, name: &str) -> Self {
        self.with(name, DnsAnswer::Addresses(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]))
    }

    fn answer(&self, name: &Name) -> &DnsAnswer {
        self.answers.get(&key(&name.to_ascii())).unwrap_or(&DnsAnswer::NxDomain)
    }
}

impl Default for Zone {
    /// The hosts of crates.io on this machine, and a stranger's, with a time to live of 5 s.
    fn default() -> Self {
        let own = CRATES_IO.iter().fold(Self::empty(), |zone, name| zone.with_local(name));
        own.with_local(GLUED_HOST)
    }
}

fn key(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// Answers for ever.
pub(super) async fn respond(socket: UdpSocket, zone: Zone, site: Arc<MockState>) {
    const ERROR_PAUSE: Duration = Duration::from_millis(10);
    let mut query = [0; MAX_QUERY];
    loop {
        let (length, client) = match socket.recv_from(&mut query).await {
            Ok(received) => received,
            Err(error) => {
                tracing::warn!(%error, "the mock registry could not receive a query");
                sleep_until(Instant::now() + ERROR_PAUSE).await;
                continue;
            }
        };
        site.counters.query();
        if let Some(answer) = answer_to(&query[..length], &zone)
            && let Err(error) = socket.send_to(&answer, client).await
        {
            tracing::debug!(%error, "the mock registry could not answer a query");
        }
    }
}

/// The packet to send back, if any. Packets that are themselves answers get
/// none, or two servers could talk for ever.
fn answer_to(packet: &[u8], zone: &Zone) -> Option<Vec<u8>> {
    let Ok(query) = Message::from_vec(packet) else { return format_error(packet) };
    if query.metadata.message_type == MessageType::Response {
        return None;
    }
    let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
    answer.metadata.recursion_desired = query.metadata.recursion_desired;
    answer.metadata.recursion_available = true;
    answer.edns = query.edns.as_ref().map(|_| Edns::new());
    answer.add_queries(query.queries.iter().cloned());
    match (query.metadata.op_code, query.queries.as_slice()) {
        (OpCode::Query, [question]) => fill(&mut answer, question, zone)?,
        (OpCode::Query, _) => answer.metadata.response_code = ResponseCode::FormErr,
        _ => answer.metadata.response_code = ResponseCode::NotImp,
    }
    encode(&answer)
}

/// Puts what the zone says into `answer`; `None` where it says nothing.
fn fill(answer: &mut Message, question: &Query, zone: &Zone) -> Option<()> {
    if question.query_class() != DNSClass::IN {
        answer.metadata.response_code = ResponseCode::Refused;
        return Some(());
    }
    answer.metadata.response_code = match zone.answer(question.name()) {
        DnsAnswer::Addresses(addresses) => {
            let records = addresses.iter().filter_map(|&ip| record(ip, question));
            answer.add_answers(records.take(MAX_ADDRESSES));
            ResponseCode::NoError
        }
        DnsAnswer::NoData => ResponseCode::NoError,
        DnsAnswer::NxDomain => ResponseCode::NXDomain,
        DnsAnswer::ServFail => ResponseCode::ServFail,
        DnsAnswer::Refused => ResponseCode::Refused,
        DnsAnswer::NoReply => return None,
    };
    let denies = matches!(answer.metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain);
    if denies && answer.answers.is_empty() {
        // RFC 2308 section 3: a denial is cached for as long as its SOA says.
        answer.add_authority(authority(question.name()));
    }
    Some(())
}

fn record(ip: IpAddr, question: &Query) -> Option<Record> {
    let data = match (ip, question.query_type()) {
        (IpAddr::V4(ip), RecordType::A | RecordType::ANY) => RData::A(A(ip)),
        (IpAddr::V6(ip), RecordType::AAAA | RecordType::ANY) => RData::AAAA(AAAA(ip)),
        _ => return None,
    };
    Some(Record::from_rdata(question.name().clone(), TTL_S, data))
}

/// The SOA of the name's own top-level domain; its lifetimes are the zone's.
fn authority(name: &Name) -> Record {
    let zone = name.trim_to(1);
    let lifetime = i32::try_from(TTL_S).unwrap_or(i32::MAX);
    let soa = SOA::new(zone.clone(), zone.clone(), 1, lifetime, lifetime, lifetime, TTL_S);
    Record::from_rdata(zone, TTL_S, RData::SOA(soa))
}

fn encode(answer: &Message) -> Option<Vec<u8>> {
    let bytes = answer.to_vec().ok()?;
    if bytes.len() <= MAX_PLAIN_ANSWER || answer.edns.is_some() {
        return Some(bytes);
    }
    answer.truncate().to_vec().ok()
}

/// What to say to a packet that cannot be read but has the header of a query:
/// its id, and that it was malformed.
fn format_error(packet: &[u8]) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    const IS_RESPONSE: u8 = 0x80;
    let header = packet.get(..HEADER)?;
    if header[2] & IS_RESPONSE != 0 {
        return None;
    }
    let id = u16::from_be_bytes([header[0], header[1]]);
    Message::error_msg(id, OpCode::Query, ResponseCode::FormErr).to_vec().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    fn ask(name: &str, kind: RecordType, zone: &Zone) -> Option<Message> {
        let mut query = Message::query();
        let mut name = Name::from_ascii(name).unwrap();
        name.set_fqdn(true);
        query.add_query(Query::query(name, kind));
        let answer = answer_to(&query.to_vec().unwrap(), zone)?;
        let answer = Message::from_vec(&answer).unwrap();
        assert_eq!(answer.metadata.id, query.metadata.id);
        assert_eq!(answer.queries, query.queries);
        Some(answer)
    }

    #[track_caller]
    fn check(name: &str, kind: RecordType, expected: Option<(ResponseCode, usize, usize)>) {
        let v6 = "2001:db8::1".parse().unwrap();
        let zone = Zone::default()
            .with("Dual.test.", DnsAnswer::Addresses(vec![v6, IpAddr::V4(Ipv4Addr::LOCALHOST)]))
            .with("nodata.test", DnsAnswer::NoData)
            .with("servfail.test", DnsAnswer::ServFail)
            .with("refused.test", DnsAnswer::Refused)
            .with("silence.test", DnsAnswer::NoReply);
        let seen = ask(name, kind, &zone)
            .map(|answer| (answer.metadata.response_code, answer.answers.len(), answer.authorities.len()));
        assert_eq!(seen, expected, "{name} {kind}");
    }

    #[test]
    fn each_name_has_its_answer() {
        use RecordType::{A, AAAA, ANY, TXT};
        use ResponseCode::{NXDomain, NoError, Refused, ServFail};
        check("static.crates.io.", A, Some((NoError, 1, 0)));
        check("STATIC.Crates.IO", A, Some((NoError, 1, 0)));
        check("static.crates.io", AAAA, Some((NoError, 0, 1)));
        check("static.crates.io", TXT, Some((NoError, 0, 1)));
        check("static.crates.iocrates", A, Some((NXDomain, 0, 1)));
        check("dual.test", AAAA, Some((NoError, 1, 0)));
        check("dual.test", ANY, Some((NoError, 2, 0)));
        check("nodata.test", A, Some((NoError, 0, 1)));
        check("servfail.test", A, Some((ServFail, 0, 0)));
        check("refused.test", A, Some((Refused, 0, 0)));
        check("silence.test", A, None);
        check(".", A, Some((NXDomain, 0, 1)));
    }

    #[test]
    fn a_denial_says_how_long_it_holds() {
        let denied = ask("nowhere.test", RecordType::A, &Zone::empty()).unwrap();
        let soa = &denied.authorities[0];
        assert_eq!(soa.name.to_ascii(), "test.");
        assert_eq!(soa.ttl, TTL_S);
        assert!(matches!(&soa.data, RData::SOA(soa) if soa.minimum == TTL_S));
    }

    #[test]
    fn malformed_queries_are_told_and_answers_are_ignored() {
        let malformed = [0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xff];
        let answer = Message::from_vec(&answer_to(&malformed, &Zone::default()).unwrap()).unwrap();
        assert_eq!((answer.metadata.id, answer.metadata.response_code), (0xabcd, ResponseCode::FormErr));
        let response = Message::response(1, OpCode::Query).to_vec().unwrap();
        assert_eq!(answer_to(&response, &Zone::default()), None);
        assert_eq!(answer_to(&[0; 11], &Zone::default()), None);
    }

    /// Must hold for any packet: no panic, and never an answer to an answer.
    #[track_caller]
    fn survives(packet: &[u8]) {
        let answer = answer_to(packet, &Zone::default());
        if packet.len() < 3 || packet[2] & 0x80 != 0 {
            assert_eq!(answer, None);
        }
        assert!(answer.is_none_or(|bytes| bytes.len() >= 12));
    }

    #[test]
    fn mutated_packets_do_no_harm() {
        let mut query = Message::query();
        query.add_query(Query::query(Name::from_ascii("static.crates.io.").unwrap(), RecordType::A));
        query.set_edns(Edns::new());
        let sound = query.to_vec().unwrap();
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        for _ in 0..6_000 {
            let mut packet = sound.clone();
            for _ in 0..random.random_range(1..5) {
                let at = random.random_range(0..packet.len());
                match random.random_range(0..3) {
                    0 => packet[at] = random.random(),
                    1 => packet.insert(at, random.random()),
                    _ => packet.truncate(at.max(1)),
                }
            }
            survives(&packet);
        }
    }
}
