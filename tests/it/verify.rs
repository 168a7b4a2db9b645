//! Lookups against a DNS server on loopback, and rule files against mutations.

use crate::support::dns::DnsServer;
use downpour_core::fault::Fault;
use downpour_core::units::{Offset, Stamp};
use downpour_verify::address::PrivateAddresses;
use downpour_verify::hosts::{HOST_BOUNDS, HostAnswer, HostCache};
use downpour_verify::judge::Judge;
use downpour_verify::lookup::{LookupOptions, LookupRejected, LookupStats, Lookups, Resolver};
use downpour_verify::rules::Rules;
use downpour_verify::single_flight::CacheReply;
use downpour_verify::{Depth, HostToCheck, HostVerdict, JudgedRequest, JudgedResponse, Locations};
use http::HeaderMap;
use rand::{RngExt as _, SeedableRng as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use url::Url;

const OPTIONS: LookupOptions = LookupOptions {
    timeout: Duration::from_millis(50),
    pause: Duration::ZERO,
    private_addresses: PrivateAddresses::Refuse,
};

/// Time enough for any answer of a server on this machine, however busy.
const LONG_TIMEOUT: LookupOptions = LookupOptions { timeout: Duration::from_secs(30), ..OPTIONS };

fn start(server: &DnsServer, options: LookupOptions) -> Lookups {
    Lookups::start(&Resolver::Servers(vec![server.address()]), options).unwrap()
}

fn look_up(host: &str, options: LookupOptions) -> (HostAnswer, LookupStats) {
    let server = DnsServer::start();
    let lookups = start(&server, options);
    let (reply, mut answers) = mpsc::channel(1);
    lookups.handle().look_up(host.into(), reply).unwrap();
    (answers.blocking_recv().unwrap(), lookups.stats())
}

#[track_caller]
fn check(host: &str, expected: HostVerdict, valid_s: u64, questions: u64) {
    let (answer, stats) = look_up(host, LONG_TIMEOUT);
    let expected =
        HostAnswer { host: host.into(), verdict: expected, valid_for: Duration::from_secs(valid_s) };
    assert_eq!((answer, stats.questions), (expected, questions), "{host}");
}

#[test]
fn hosts_with_an_address_of_either_kind_resolve() {
    check("v4.example", HostVerdict::Resolved, 60, 1);
    check("v6.example", HostVerdict::Resolved, 60, 1);
}

#[test]
fn denials_count_at_once() {
    check("nxdomain.example", HostVerdict::Broken(Fault::DnsNxdomain), 5, 1);
    check("nodata.example", HostVerdict::Broken(Fault::DnsNoAddress), 5, 1);
    check("private.example", HostVerdict::Broken(Fault::DnsPrivateAddress), 60, 1);
}

#[test]
fn a_name_that_does_not_exist_has_no_address_whatever_the_answer_holds() {
    let (answer, _) = look_up("ghost.example", LONG_TIMEOUT);
    assert_eq!(answer.verdict, HostVerdict::Broken(Fault::DnsNxdomain));
}

#[test]
fn a_code_that_nobody_knows_settles_nothing_and_is_asked_again() {
    let (answer, stats) = look_up("unassigned.example", LONG_TIMEOUT);
    assert_eq!(answer.verdict, HostVerdict::Broken(Fault::DnsFailed));
    assert_eq!((stats.questions, stats.repeated), (3, 2));
}

#[test]
fn what_settles_nothing_is_asked_again_before_it_counts() {
    assert_eq!(look_up("hiccup.example", LONG_TIMEOUT).0.verdict, HostVerdict::Resolved);
    check("servfail.example", HostVerdict::Broken(Fault::DnsServfail), 1, 3);
    check("refused.example", HostVerdict::Broken(Fault::DnsRefused), 1, 3);
    check("notimp.example", HostVerdict::Broken(Fault::DnsFailed), 1, 3);
}

#[test]
fn silence_is_a_time_out() {
    // The last question is whether the server says anything about anything.
    let options = LookupOptions { timeout: Duration::from_millis(500), ..OPTIONS };
    let (answer, stats) = look_up("silent.example", options);
    assert_eq!(answer.verdict, HostVerdict::Broken(Fault::DnsTimeout));
    let expected = LookupStats { lookups: 1, shared: 0, questions: 4, repeated: 2, inconclusive: 1 };
    assert_eq!(stats, expected);
}

#[test]
fn the_silence_of_all_resolvers_is_our_own_trouble() {
    let deaf = [(); 2].map(|()| std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
    let servers = deaf.each_ref().map(|socket| socket.local_addr().unwrap());
    let alive = DnsServer::start();
    for (servers, expected) in [
        (servers.to_vec(), HostVerdict::Broken(Fault::GeneratorResolver)),
        (vec![servers[0], alive.address()], HostVerdict::Resolved),
    ] {
        let options = LookupOptions { timeout: Duration::from_millis(500), ..OPTIONS };
        let lookups = Lookups::start(&Resolver::Servers(servers), options).unwrap();
        let (reply, mut answers) = mpsc::channel(1);
        lookups.handle().look_up("v4.example".into(), reply).unwrap();
        assert_eq!(answers.blocking_recv().unwrap().verdict, expected);
    }
}

#[test]
fn names_that_are_none_are_not_asked() {
    check("a b.example", HostVerdict::Broken(Fault::DnsFailed), 1, 0);
    check(&"a".repeat(64), HostVerdict::Broken(Fault::DnsFailed), 1, 0);
}

#[test]
fn private_addresses_can_be_allowed() {
    let options = LookupOptions { private_addresses: PrivateAddresses::Allow, ..LONG_TIMEOUT };
    assert_eq!(look_up("private.example", options).0.verdict, HostVerdict::Resolved);
}

#[test]
fn everybody_who_asks_is_answered_also_through_a_narrow_channel() {
    let server = DnsServer::start();
    let lookups = start(&server, LONG_TIMEOUT);
    let handle = lookups.handle();
    let (narrow, mut answers) = mpsc::channel(1);
    for n in 0..600 {
        let host: Arc<str> = format!("v4.host{}.example", n % 3).into();
        handle.look_up(host, narrow.clone()).unwrap();
    }
    drop(narrow);
    let mut answered = 0;
    while let Some(answer) = answers.blocking_recv() {
        assert_eq!(answer.verdict, HostVerdict::Resolved);
        answered += 1;
    }
    assert_eq!(answered, 600);
    let stats = lookups.stats();
    assert_eq!((stats.lookups, stats.shared + stats.questions), (600, 600));
}

#[test]
fn lookups_end_when_they_are_dropped() {
    let server = DnsServer::start();
    let lookups = start(&server, LONG_TIMEOUT);
    let handle = lookups.handle();
    let (reply, mut answers) = mpsc::channel(1);
    handle.look_up("silent.example".into(), reply.clone()).unwrap();
    drop(lookups);
    assert_eq!(handle.look_up("v4.example".into(), reply), Err(LookupRejected::Stopped));
    assert_eq!(answers.blocking_recv(), None);
}

/// The incident, from the answer to the fault: the offline tiers see a wrong
/// host, its lookup says what clients would meet.
#[test]
fn a_glued_host_ends_as_the_fault_that_clients_see() {
    let server = DnsServer::start();
    let lookups = start(&server, LONG_TIMEOUT);
    let candidate = Url::parse("http://127.0.0.1:8080").unwrap();
    let rule =
        "[[rule]]\nmatch = \"/{crate}\"\nstatus = 302\nlocation = \"https://nxdomain.crates.io/{crate}\"";
    let mut judge = Judge::new(Rules::parse(rule, "test").unwrap(), &candidate, Depth::Dns).unwrap();
    let asked = JudgedRequest { target: b"/serde", recorded_status: Some(302) };
    let location = b"https://nxdomain.crates.ioserde";
    let (locations, headers) = (Locations::One(location), HeaderMap::new());
    let answer = JudgedResponse { status: 302, locations, headers: &headers, at: Stamp::from_nanos(0) };
    let judgement = judge.judge(&asked, &answer);
    assert_eq!(judgement.findings.outcome(), Some(Fault::LocationGluedHost));
    let HostToCheck::Name(host) = judgement.redirect.unwrap().host else {
        panic!("a name is to be asked for")
    };

    let mut hosts = HostCache::new(HOST_BOUNDS);
    let asked = hosts.ask(host.as_ref().into(), Offset::ZERO, judgement.findings.clone());
    assert_eq!(asked, CacheReply::Parked { ask: true });
    let (reply, mut answers) = mpsc::channel(1);
    lookups.handle().look_up(host.as_ref().into(), reply).unwrap();
    let answer = answers.blocking_recv().unwrap();
    let mut parked = hosts.settle(&answer.host, Some(&answer.cached()), Offset::ZERO);
    let HostVerdict::Broken(fault) = answer.verdict else { panic!("the host does not exist") };
    parked[0].add(fault.into());
    assert_eq!(parked[0].outcome(), Some(Fault::DnsNxdomain));
    assert!(parked[0].failing().contains(Fault::LocationGluedHost));
}

/// Whatever a rule file holds, reading it ends in rules or in a mistake whose
/// place lies within the file.
fn survives(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(mistake) = Rules::parse(&text, "rules.toml") {
        assert!(mistake.to_string().starts_with("rules.toml:"), "{mistake}");
    }
}

#[test]
fn mutations_of_rule_files_are_survived() {
    let seed = concat!(
        "[[rule]]\nmatch = \"/{a}/x-{b}.c\"\nstatus = [302, 307]\nlocation = \"https://h:8/{a:raw}/{b}\"\n",
        "hosts = [\"a.example\", \"*.b.example\", \"[::1]\"]\nrelative = true\nscheme = \"any\"\n",
        "transitions = [\"2xx -> 302\"]\nmin_ttl = \"60s\"\njson = \"url\"\n",
        "headers.vary = { contains = \"accept\", lacks = [\"x\"] }\nheaders.etag = true\n",
        "headers.cache-control = { at_most = { max-age = 60 } }\n",
    );
    assert_eq!(Rules::parse(seed, "seed").unwrap().len(), 1);
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    for _ in 0..3_000 {
        let mut bytes = seed.as_bytes().to_vec();
        for _ in 0..random.random_range(1..8) {
            let at = random.random_range(0..bytes.len());
            match random.random_range(0..3) {
                0 => bytes[at] = random.random(),
                1 => bytes.insert(at, *b"{}[]\"=/:\n#".get(random.random_range(0..10)).unwrap()),
                _ => drop(bytes.drain(at..bytes.len().min(at + 9))),
            }
            bytes.push(b'\n');
        }
        survives(&bytes);
    }
}
