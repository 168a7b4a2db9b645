//! Target checks against hosts on loopback: each fault provoked, each bound
//! kept, and nobody connected to who must not be.

use crate::support::dns::DnsServer;
use crate::support::store::{FILE, Store};
use crate::support::tls::{Answers, Certificate, TlsOrigin};
use downpour_core::fault::Fault;
use downpour_core::units::Rate;
use downpour_verify::Tier;
use downpour_verify::address::PrivateAddresses;
use downpour_verify::lookup::Resolver;
use downpour_verify::probe::net::{
    Candidate, ConnectOverride, ProbeOptions, ProbeRejected, ProbeStats, Probes,
};
use downpour_verify::probe::{
    ExpectedFile, ProbeDepth, ProbeExpectation, ProbeLimits, ProbeRequest, TargetKey, TargetVerdict,
};
use downpour_verify::targets::TargetAnswer;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use url::Url;

/// Patient with everything, and allowed to meet this machine.
fn options(reach: ProbeDepth) -> ProbeOptions {
    ProbeOptions {
        limits: ProbeLimits { depth: reach, hops: 3, body: 1 << 16 },
        rate: None,
        queue_timeout: Some(Duration::from_secs(10)),
        concurrency: NonZeroUsize::new(8).unwrap(),
        connect_timeout: Duration::from_secs(30),
        timeout: Duration::from_secs(30),
        download_timeout: Duration::from_secs(30),
        pause: Duration::ZERO,
        resolver: Resolver::Servers(vec![(Ipv4Addr::LOCALHOST, 9).into()]),
        private_addresses: PrivateAddresses::Allow,
        connect_overrides: Vec::new(),
        candidate: None,
        tls: trusting(None),
        at_start: || {},
    }
}

fn trusting(authority: Option<&str>) -> Arc<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    if let Some(file) = authority {
        roots.add(CertificateDer::from_pem_file(file).unwrap()).unwrap();
    }
    let builder = rustls::ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

fn question(url: Url, expect: ExpectedFile) -> ProbeRequest {
    ProbeRequest { key: TargetKey::of_file(&url), url, expectation: ProbeExpectation::File(expect) }
}

/// Asks one target and returns what was found, and how much was done for it.
fn ask(options: ProbeOptions, url: Url, expect: ExpectedFile) -> (TargetVerdict, ProbeStats) {
    let probes = Probes::start(options).unwrap();
    let (reply, mut answers) = mpsc::channel(1);
    probes.handle().submit(question(url, expect), reply).unwrap();
    let found = answers.blocking_recv().unwrap().verdict.unwrap();
    assert_eq!(found.valid_for, found.value.valid_for());
    (found.value, probes.stats())
}

#[track_caller]
fn check(reach: ProbeDepth, path: &str, fault: Option<Fault>, asked: &[&str]) -> TargetVerdict {
    let store = Store::start();
    let (verdict, stats) = ask(options(reach), store.url(path), ExpectedFile::default());
    assert_eq!((verdict.fault, verdict.tier), (fault, Tier::Fetch), "{path}: {:?}", verdict.detail);
    assert_eq!(store.asked(), asked, "{path}");
    assert_eq!((stats.questions, stats.targets, stats.left_out), (1, 1, 0));
    verdict
}

#[test]
fn a_file_that_is_there_is_asked_for_once() {
    check(ProbeDepth::Head, "/sound/a.crate", None, &["HEAD /sound/a.crate x1"]);
    check(ProbeDepth::Get, "/sound/a.crate", None, &["GET /sound/a.crate x1", "HEAD /sound/a.crate x1"]);
    check(ProbeDepth::Digest, "/sound/a.crate", None, &["GET /sound/a.crate x1"]);
    check(ProbeDepth::Head, "/nohead/a.crate", None, &["GET /nohead/a.crate x1", "HEAD /nohead/a.crate x1"]);
    check(ProbeDepth::Head, "/shaky/a.crate", None, &["HEAD /shaky/a.crate x2"]);
}

#[test]
fn each_answer_that_is_no_download_has_its_fault() {
    let forbidden = check(
        ProbeDepth::Head,
        "/status-403/a.crate",
        Some(Fault::TargetForbidden),
        &["GET /status-403/a.crate x1", "HEAD /status-403/a.crate x1"],
    );
    assert!(forbidden.detail.unwrap().contains("/status-403/a.crate: status 403 (at 127.0.0.1:"));
    let asked = |name: &str, fault, methods: &[&str]| {
        let path = format!("/{name}/a.crate");
        let asked: Vec<_> =
            methods.iter().map(|method| method.replacen(' ', &format!(" {path} "), 1)).collect();
        let asked: Vec<_> = asked.iter().map(String::as_str).collect();
        check(ProbeDepth::Get, &path, Some(fault), &asked);
    };
    asked("status-404", Fault::TargetNotFound, &["GET x1", "HEAD x1"]);
    asked("status-410", Fault::TargetNotFound, &["GET x1", "HEAD x1"]);
    asked("status-503", Fault::TargetServerError, &["HEAD x2"]);
    asked("status-429", Fault::TargetServerError, &["HEAD x2"]);
    asked("status-418", Fault::TargetStatus, &["HEAD x1"]);
    // Answers to what was not asked: no Range, no condition.
    asked("status-206", Fault::TargetStatus, &["HEAD x1"]);
    asked("status-304", Fault::TargetStatus, &["HEAD x1"]);
    asked("status-204", Fault::TargetStatus, &["HEAD x1"]);
    asked("otherpart", Fault::TargetStatus, &["GET x1", "HEAD x1"]);
    asked("emptyget", Fault::TargetLength, &["GET x1", "HEAD x1"]);
    asked("html", Fault::TargetNotAnArchive, &["HEAD x1"]);
    asked("truncated", Fault::TargetTruncated, &["GET x2", "HEAD x1"]);
    asked("garbage", Fault::TargetBroken, &["HEAD x2"]);
    asked("close", Fault::TargetBroken, &["HEAD x2"]);
    asked("loop", Fault::TargetLoop, &["HEAD x1"]);
    asked("nowhere", Fault::TargetBadRedirect, &["HEAD x1"]);
}

#[test]
fn a_file_that_head_does_not_know_is_there_if_get_has_it() {
    for reach in [ProbeDepth::Head, ProbeDepth::Get] {
        check(reach, "/headless/a.crate", None, &["GET /headless/a.crate x1", "HEAD /headless/a.crate x1"]);
    }
    check(
        ProbeDepth::Digest,
        "/status-206/a.crate",
        Some(Fault::TargetStatus),
        &["GET /status-206/a.crate x1"],
    );
}

#[test]
fn redirects_of_a_target_are_followed_up_to_the_limit() {
    let store = Store::start();
    let end = |path: &str| ask(options(ProbeDepth::Get), store.url(path), ExpectedFile::default());
    let (verdict, stats) = end("/hop-3/a.crate");
    assert_eq!((verdict.fault, stats.requests), (None, 5));
    assert_eq!(stats.connections, 1, "the connection is kept");
    let (verdict, stats) = end("/hop-4/a.crate");
    assert_eq!((verdict.fault, stats.requests), (Some(Fault::TargetTooManyHops), 4));
    let told = verdict.detail.unwrap();
    assert!(
        told.contains("more than 3 redirects (at 127.0.0.1:")
            && told.contains("; redirected with 302 by http://"),
        "{told}"
    );
}

#[test]
fn a_file_is_held_against_its_length_and_its_digest() {
    let store = Store::start();
    let right: [u8; 32] = Sha256::digest(FILE).into();
    let end = |reach, length, sha256| {
        let (verdict, _) = ask(options(reach), store.url("/sound/a.crate"), ExpectedFile { length, sha256 });
        (verdict.fault, verdict.tier)
    };
    assert_eq!(end(ProbeDepth::Digest, Some(1_000), Some(right)), (None, Tier::Digest));
    assert_eq!(end(ProbeDepth::Digest, None, Some([0; 32])), (Some(Fault::TargetDigest), Tier::Digest));
    for reach in [ProbeDepth::Head, ProbeDepth::Get, ProbeDepth::Digest] {
        assert_eq!(end(reach, Some(999), None), (Some(Fault::TargetLength), Tier::Fetch));
        assert_eq!(end(reach, Some(1_000), None), (None, Tier::Fetch));
    }
}

#[test]
fn a_download_has_a_bound() {
    let store = Store::start();
    let end = |reach| ask(options(reach), store.url("/endless/a.crate"), ExpectedFile::default()).0.fault;
    assert_eq!(end(ProbeDepth::Digest), Some(Fault::TargetUnchecked));
    assert_eq!(end(ProbeDepth::Get), None, "the first bytes are enough");
}

#[test]
fn silence_is_a_time_out_once_it_was_asked_twice() {
    let store = Store::start();
    let hasty = ProbeOptions { timeout: Duration::from_millis(50), ..options(ProbeDepth::Head) };
    let (verdict, stats) = ask(hasty, store.url("/silent/a.crate"), ExpectedFile::default());
    assert_eq!(verdict.fault, Some(Fault::TargetTimeout));
    assert_eq!((stats.requests, stats.repeated), (2, 1));
}

#[test]
fn a_port_without_a_listener_refuses() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url: Url = format!("http://{free}/a.crate").parse().unwrap();
    for reach in [ProbeDepth::Connect, ProbeDepth::Head] {
        let (verdict, _) = ask(options(reach), url.clone(), ExpectedFile::default());
        assert_eq!((verdict.fault, verdict.tier), (Some(Fault::TargetRefused), Tier::Connect));
    }
}

#[test]
fn certificates_and_handshakes_are_judged() {
    let end = |certificate, trust: bool| {
        let room = tempfile::tempdir().unwrap();
        let origin = TlsOrigin::start(room.path(), certificate, Answers::Redirects(1));
        let tls = trusting(trust.then(|| origin.authority()));
        let detours = vec![ConnectOverride { host: "localhost".into(), port: None, to: origin.address }];
        let options = ProbeOptions { tls, connect_overrides: detours, ..options(ProbeDepth::Connect) };
        let (verdict, _) = ask(options, origin.url().parse().unwrap(), ExpectedFile::default());
        assert_eq!(verdict.tier, Tier::Connect);
        verdict.fault
    };
    assert_eq!(end(Certificate::Valid, true), None);
    assert_eq!(end(Certificate::Valid, false), Some(Fault::TargetTlsCertificate));
    assert_eq!(end(Certificate::Expired, true), Some(Fault::TargetTlsCertificate));
    assert_eq!(end(Certificate::ForAnotherName, true), Some(Fault::TargetTlsCertificate));
    let store = Store::start();
    let plain: Url = format!("https://{}/", store.address()).parse().unwrap();
    let (verdict, _) = ask(options(ProbeDepth::Connect), plain, ExpectedFile::default());
    assert_eq!(verdict.fault, Some(Fault::TargetTlsHandshake));
}

#[test]
fn an_inner_address_is_never_connected_to() {
    let (store, dns) = (Store::start(), DnsServer::start());
    let guarded = || ProbeOptions {
        private_addresses: PrivateAddresses::Refuse,
        resolver: Resolver::Servers(vec![dns.address()]),
        ..options(ProbeDepth::Get)
    };
    let port = store.address().port();
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "loopback.example"] {
        let url = format!("http://{host}:{port}/a.crate").parse().unwrap();
        let (verdict, _) = ask(guarded(), url, ExpectedFile::default());
        assert_eq!((verdict.fault, verdict.tier), (Some(Fault::DnsPrivateAddress), Tier::Connect), "{host}");
    }
    assert_eq!(store.connections(), 0);
    // A detour is the operator's word, and it is for one host.
    let detour = ConnectOverride { host: "cdn.test".into(), port: Some(80), to: store.address() };
    let detoured = ProbeOptions { connect_overrides: vec![detour], ..guarded() };
    let (verdict, _) =
        ask(detoured.clone(), "http://cdn.test/a.crate".parse().unwrap(), ExpectedFile::default());
    assert_eq!((verdict.fault, store.connections()), (None, 1));
    let (verdict, _) = ask(detoured, store.url("/a.crate"), ExpectedFile::default());
    assert_eq!((verdict.fault, store.connections()), (Some(Fault::DnsPrivateAddress), 1));
}

/// A name that is public when it is looked up first and loopback after that:
/// what a check connects to is what it has judged itself.
#[test]
fn a_name_that_moves_after_its_lookup_is_not_followed_inside() {
    use downpour_verify::HostVerdict;
    use downpour_verify::lookup::{LookupOptions, Lookups};
    let (store, dns) = (Store::start(), DnsServer::start());
    let resolver = Resolver::Servers(vec![dns.address()]);
    let lookups = Lookups::start(&resolver, LookupOptions::default()).unwrap();
    let (reply, mut answers) = mpsc::channel(1);
    lookups.handle().look_up("rebind.example".into(), reply).unwrap();
    assert_eq!(answers.blocking_recv().unwrap().verdict, HostVerdict::Resolved);
    let guarded =
        ProbeOptions { private_addresses: PrivateAddresses::Refuse, resolver, ..options(ProbeDepth::Get) };
    let url = format!("http://rebind.example:{}/a.crate", store.address().port()).parse().unwrap();
    let (verdict, _) = ask(guarded, url, ExpectedFile::default());
    assert_eq!((verdict.fault, store.connections()), (Some(Fault::DnsPrivateAddress), 0));
}

#[test]
fn a_host_that_does_not_resolve_keeps_its_own_fault() {
    let dns = DnsServer::start();
    let resolver = Resolver::Servers(vec![dns.address()]);
    let url = "http://nxdomain.example/a.crate".parse().unwrap();
    let (verdict, _) =
        ask(ProbeOptions { resolver, ..options(ProbeDepth::Head) }, url, ExpectedFile::default());
    assert_eq!((verdict.fault, verdict.tier), (Some(Fault::DnsNxdomain), Tier::Connect));
}

#[test]
fn nothing_that_could_be_a_credential_is_sent() {
    let store = Store::start();
    ask(options(ProbeDepth::Get), store.url("/sound/a.crate?v=1"), ExpectedFile::default());
    let names: Vec<String> = store
        .lines()
        .iter()
        .skip(5)
        .filter(|line| !line.starts_with("GET "))
        .map(|line| line.split(':').next().unwrap().to_ascii_lowercase())
        .collect();
    assert_eq!(names, ["host", "user-agent", "accept", "accept-encoding", "range"]);
}

#[test]
fn a_target_is_asked_once_however_many_want_to_know() {
    let store = Store::start();
    let probes = Probes::start(options(ProbeDepth::Head)).unwrap();
    let (narrow, mut answers) = mpsc::channel(1);
    for n in 0..300 {
        let url = store.url(&format!("/sound/{}.crate?X-Amz-Date={n}", n % 3));
        probes.handle().submit(question(url, ExpectedFile::default()), narrow.clone()).unwrap();
    }
    drop(narrow);
    let mut answered = 0;
    while let Some(TargetAnswer { verdict: found, .. }) = answers.blocking_recv() {
        assert_eq!(found.unwrap().value.fault, None);
        answered += 1;
    }
    assert_eq!((answered, probes.stats().targets, probes.stats().requests), (300, 3, 3));
    assert_eq!(store.asked().len(), 3);
}

#[test]
fn what_the_rate_has_no_room_for_is_left_out() {
    let store = Store::start();
    // One in an hour: the first is asked at once, and nobody waits for a second.
    let hourly = Rate::new(NonZeroU64::MIN, NonZeroU64::new(3_600_000_000_000).unwrap());
    let concurrency = NonZeroUsize::MIN;
    let probes =
        Probes::start(ProbeOptions { rate: Some(hourly), concurrency, ..options(ProbeDepth::Head) }).unwrap();
    let (reply, mut answers) = mpsc::channel(10);
    for n in 0..10 {
        let asked = question(store.url(&format!("/sound/{n}.crate")), ExpectedFile::default());
        probes.handle().submit(asked, reply.clone()).unwrap();
    }
    drop(reply);
    let some: Vec<bool> = (0..8).map(|_| answers.blocking_recv().unwrap().verdict.is_some()).collect();
    assert!(some.iter().filter(|found| **found).count() <= 1, "{some:?}");
    let handle = probes.handle();
    drop(probes);
    let (reply, _answers) = mpsc::channel(1);
    let late = question(store.url("/sound/a.crate"), ExpectedFile::default());
    assert_eq!(handle.submit(late, reply), Err(ProbeRejected::Stopped));
    assert!(store.asked().len() <= 1, "{:?}", store.asked());
}

#[test]
fn whoever_is_patient_is_left_out_by_no_rate() {
    let store = Store::start();
    let hourly = Rate::new(NonZeroU64::MIN, NonZeroU64::new(3_600_000_000_000).unwrap());
    let (concurrency, patience) = (NonZeroUsize::MIN, None);
    let patient = ProbeOptions {
        rate: Some(hourly),
        concurrency,
        queue_timeout: patience,
        ..options(ProbeDepth::Head)
    };
    let probes = Probes::start(patient).unwrap();
    let (reply, mut answers) = mpsc::channel(20);
    let ask = |n: usize| {
        let asked = question(store.url(&format!("/sound/{n}.crate")), ExpectedFile::default());
        let key = asked.key;
        probes.handle().submit(asked, reply.clone()).unwrap();
        key
    };
    let first = ask(0);
    assert!(answers.blocking_recv().unwrap().verdict.is_some());
    // What is known is told at once, after all that was asked before it.
    let others: Vec<TargetKey> = (1..10).chain([0]).map(ask).collect();
    assert_eq!(others.last(), Some(&first));
    let next = answers.blocking_recv().unwrap();
    assert_eq!((next.key, next.verdict.is_some()), (first, true));
    assert_eq!((probes.stats().questions, probes.stats().left_out), (11, 0));
}

#[test]
fn addresses_of_the_metadata_services_are_refused() {
    for inner in ["169.254.169.254", "[fd00:ec2::254]", "100.100.100.200"] {
        let host: IpAddr = inner.trim_matches(['[', ']']).parse().unwrap();
        assert!(!downpour_verify::address::is_public(host));
        let url = format!("http://{inner}/latest/meta-data").parse().unwrap();
        let guarded =
            ProbeOptions { private_addresses: PrivateAddresses::Refuse, ..options(ProbeDepth::Connect) };
        assert_eq!(
            ask(guarded, url, ExpectedFile::default()).0.fault,
            Some(Fault::DnsPrivateAddress),
            "{inner}"
        );
    }
}

/// The candidate at `store`, under a name of its own, with what nobody else may
/// know.
fn candidate(store: &Store, url: Url) -> Candidate {
    let headers = [(AUTHORIZATION, "Bearer secret"), (COOKIE, "session=secret")];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    let headers = HeaderMap::from_iter(headers);
    Candidate { url, addresses: vec![store.address()], tls: None, headers }
}

#[test]
fn what_is_for_the_candidate_crosses_to_no_other_origin() {
    let (own, store) = (Store::start(), Store::start());
    let options = ProbeOptions { candidate: Some(candidate(&own, own.url("/"))), ..options(ProbeDepth::Get) };
    let path = format!("/away-{}/a.crate", store.address().port());
    let (verdict, stats) = ask(options, own.url(&path), ExpectedFile::default());
    assert_eq!((verdict.fault, stats.requests), (None, 3));
    let secrets = |store: &Store| store.lines().iter().filter(|line| line.contains("secret")).count();
    assert_eq!((secrets(&own), secrets(&store)), (2, 0));
    assert_eq!(store.asked(), ["GET /sound/a.crate x1", "HEAD /sound/a.crate x1"]);
}

#[test]
fn another_origin_cannot_spend_what_is_for_the_candidate() {
    let (own, cdn) = (Store::start(), Store::start());
    let asked = |first: Url| {
        let options =
            ProbeOptions { candidate: Some(candidate(&own, own.url("/"))), ..options(ProbeDepth::Get) };
        let (verdict, stats) = ask(options, first, ExpectedFile::default());
        assert_eq!((verdict.fault, stats.requests), (None, 3));
    };
    let secrets = |store: &Store| store.lines().iter().filter(|line| line.contains("secret")).count();
    asked(cdn.url(&format!("/away-{}/a.crate", own.address().port())));
    assert_eq!((secrets(&own), secrets(&cdn)), (0, 0), "sent on by another origin");
    assert_eq!(own.asked(), ["GET /sound/a.crate x1", "HEAD /sound/a.crate x1"]);
    asked(own.url("/hop-1/a.crate"));
    assert_eq!(secrets(&own), 6, "three requests that the candidate itself led to");
}

#[test]
fn the_candidates_address_is_reached_by_its_very_origin_alone() {
    let (store, dns) = (Store::start(), DnsServer::start());
    let end = |url: &str| {
        let guarded = ProbeOptions {
            candidate: Some(candidate(&store, "http://candidate.test:81/".parse().unwrap())),
            private_addresses: PrivateAddresses::Refuse,
            resolver: Resolver::Servers(vec![dns.address()]),
            ..options(ProbeDepth::Get)
        };
        ask(guarded, url.parse().unwrap(), ExpectedFile::default()).0.fault
    };
    assert_eq!(end("http://candidate.test:81/sound/a.crate"), None);
    assert_eq!(end("http://CANDIDATE.test:81/hop-2/a.crate"), None);
    let unknown = Some(Fault::DnsNoAddress);
    assert_eq!(end("http://candidate.test/sound/a.crate"), unknown);
    assert_eq!(end("https://candidate.test:81/sound/a.crate"), unknown);
    let by_address = format!("http://{}/sound/a.crate", store.address());
    assert_eq!(end(&by_address), Some(Fault::DnsPrivateAddress));
    // Nor does the candidate lead there itself.
    let away = format!("http://candidate.test:81/away-{}/a.crate", store.address().port());
    assert_eq!(end(&away), Some(Fault::DnsPrivateAddress));
    assert_eq!(store.connections(), 3);
}

#[test]
fn a_place_that_refused_is_not_tried_by_its_next_target() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let probes = Probes::start(options(ProbeDepth::Get)).unwrap();
    let told = ["/a.crate", "/b.crate"].map(|path| {
        let (reply, mut answers) = mpsc::channel(1);
        let url = format!("http://{free}{path}").parse().unwrap();
        probes.handle().submit(question(url, ExpectedFile::default()), reply).unwrap();
        let verdict = answers.blocking_recv().unwrap().verdict.unwrap().value;
        assert_eq!((verdict.fault, verdict.tier), (Some(Fault::TargetRefused), Tier::Connect));
        verdict.detail.unwrap()
    });
    assert!(
        !told[0].contains("a moment ago")
            && told[1].contains("/b.crate")
            && told[1].ends_with(", in a probe a moment ago")
    );
    assert_eq!((probes.stats().targets, probes.stats().requests), (2, 1));
}
