//! A DNS server for tests: the first label of a name says what it answers.

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread::JoinHandle;

/// Answers on loopback until dropped, and then raises what it panicked with.
pub(crate) struct DnsServer {
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl DnsServer {
    pub(crate) fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        Self { address, thread: Some(std::thread::spawn(move || serve(&socket))) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        // An empty datagram is the word to stop.
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.send_to(&[], self.address).unwrap();
        let Some(Err(panicked)) = self.thread.take().map(JoinHandle::join) else { return };
        if !std::thread::panicking() {
            std::panic::resume_unwind(panicked);
        }
    }
}

fn serve(socket: &UdpSocket) {
    let mut asked: HashMap<(Name, RecordType), usize> = HashMap::new();
    let mut buffer = [0; 1500];
    loop {
        let (len, client) = socket.recv_from(&mut buffer).unwrap();
        if len == 0 {
            return;
        }
        let mut message = Message::from_vec(&buffer[..len]).unwrap().into_response();
        let query = message.queries.first().unwrap().clone();
        let times = asked.entry((query.name().to_lowercase(), query.query_type())).or_default();
        *times += 1;
        let Some((code, answers, authorities)) = answer(&query, *times) else { continue };
        message.metadata.response_code = code;
        message.add_answers(answers);
        message.add_authorities(authorities);
        socket.send_to(&message.to_vec().unwrap(), client).unwrap();
    }
}

type Answer = Option<(ResponseCode, Option<Record>, Option<Record>)>;

fn answer(query: &Query, times: usize) -> Answer {
    let name = query.name().clone();
    let record = |data: RData| Some(Record::from_rdata(name.clone(), 60, data));
    let a = |address: [u8; 4]| record(RData::A(Ipv4Addr::from(address).into()));
    let soa = || record(RData::SOA(SOA::new(name.clone(), name.clone(), 1, 60, 60, 60, 5)));
    let ipv4 = query.query_type() == RecordType::A;
    // The root has no label.
    let first = String::from_utf8(name.iter().next().unwrap_or_default().to_vec()).unwrap();
    let empty = Some((ResponseCode::NoError, None, soa()));
    match (first.as_str(), ipv4) {
        ("silent", _) => None,
        ("nxdomain", _) => Some((ResponseCode::NXDomain, None, soa())),
        // What stands in the answer section does not exist either.
        ("ghost", true) => Some((ResponseCode::NXDomain, a([1, 1, 1, 1]), soa())),
        ("unassigned", _) => Some((ResponseCode::from(0, 15), None, None)),
        ("servfail", _) => Some((ResponseCode::ServFail, None, None)),
        ("hiccup", _) if times == 1 => Some((ResponseCode::ServFail, None, None)),
        ("refused", _) => Some((ResponseCode::Refused, None, None)),
        ("notimp", _) => Some((ResponseCode::NotImp, None, None)),
        ("private", true) => Some((ResponseCode::NoError, a([10, 0, 0, 1]), None)),
        ("loopback", true) => Some((ResponseCode::NoError, a([127, 0, 0, 1]), None)),
        ("rebind", true) if times > 1 => Some((ResponseCode::NoError, a([127, 0, 0, 1]), None)),
        ("v4" | "hiccup" | "rebind", true) => Some((ResponseCode::NoError, a([1, 1, 1, 1]), None)),
        ("v6", false) => {
            let address = std::net::Ipv6Addr::new(0x2606, 0x4700, 0, 0, 0, 0, 0, 0x1111);
            Some((ResponseCode::NoError, record(RData::AAAA(address.into())), None))
        }
        _ => empty,
    }
}
