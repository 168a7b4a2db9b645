//! What waits for a lookup across the end of the warm-up.

use super::*;
use crate::schedule::Arrival;
use crate::metrics::{AttemptEnd, Totals};
use crate::trace::Method;
use crate::trace::agent::ClientKind;
use crate::verify::lookup::{LookupOptions, Lookups, Resolver};
use crate::verify::rules::Rules;
use http::header::LOCATION;
use std::net::UdpSocket;

fn ms(millis: u64) -> Offset {
    Offset::from(Duration::from_millis(millis))
}

/// An answer that comes 10 ms after its request was due and redirects to a
/// host nobody knows yet.
fn answer(ledger: &mut Ledger, due: u64) {
    let arrival = Arrival {
        sequence: 0,
        due: ms(due),
        recorded_offset: ms(due),
        method: Method::Get,
        target: PathAndQuery::from_static("/x"),
        recorded_status: None,
        client: None,
        kind: ClientKind::NONE,
    };
    let head = [(LOCATION, HeaderValue::from_static("https://cdn.test/x"))].into_iter().collect();
    let received = Received { status: 302, head, body_bytes: 0, peer: None };
    let (sent, done, end) = (Some(ms(due)), ms(due + 10), AttemptEnd::Status(302));
    let attempt = Attempt { due: ms(due), sent, first_byte: sent, done, end };
    ledger.offered(&arrival);
    ledger.answered((&arrival, None), &attempt, &received);
}

#[test]
fn a_lookup_that_outlasts_the_warm_up_still_belongs_to_it() {
    // A resolver that never answers, so that the test does.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let resolver = Resolver::Servers(vec![silent.local_addr().unwrap()]);
    let lookups = Lookups::start(&resolver, LookupOptions::default()).unwrap();
    let (reply, _answers) = mpsc::channel(1);
    let line = LookupChannel { handle: lookups.handle(), reply };
    let candidate = "http://candidate.test".parse().unwrap();
    let judge = Judge::new(Rules::none(), &candidate, Depth::Dns).unwrap();
    let recorder = Recorder::new(Duration::from_secs(1));
    let mut ledger = Ledger::new(recorder, (judge, PrivateAddresses::Allow), Some(line));
    for due in [500, 999, 1_000] {
        answer(&mut ledger, due);
    }
    assert_eq!(ledger.parked(), 3);
    ledger.host_answered(&HostAnswer::denied("cdn.test".into(), Fault::DnsNxdomain, None), ms(2_500));
    let mut totals = Totals::default();
    totals.absorb(&ledger.take_interval(ms(2_500)));
    let counts = &totals.counts;
    assert_eq!((counts.warmup.arrivals.offered, counts.warmup.arrivals.failed), (2, 2));
    assert_eq!((counts.arrivals.offered, counts.arrivals.failed, counts.redirects.seen), (1, 1, 1));
    let [example] = totals.examples.of(Fault::DnsNxdomain) else { panic!("{:?}", totals.examples) };
    assert_eq!(example.at, ms(10));
}
