//! What waits for a lookup: at the end of the run, across the end of the
//! warm-up, and beside a client that tries again. And what is looked up.

use super::*;
use crate::engine::retries::WAITING_MAX;
use downpour_core::agent::ClientKind;
use downpour_load::client::{ClientMix, ClientModels, ClientPlan, sessions};
use downpour_load::schedule::Arrival;
use downpour_metrics::{AttemptEnd, Totals};
use downpour_trace::Method;
use downpour_verify::catalog::Catalog;
use downpour_verify::lookup::{LookupOptions, Lookups, Resolver};
use downpour_verify::rules::Rules;
use http::header::LOCATION;
use std::net::UdpSocket;

/// Redirects have to lead elsewhere, and a header is missing.
const ELSEWHERE: &str = "[[rule]]\nmatch = \"/{name}/{version}\"\nstatus = [300, 302]\n\
                         location = \"https://other.test/{name}/{version}\"\nheaders.vary = { contains = \"accept\" }\n";

fn ms(millis: u64) -> Offset {
    Offset::from(Duration::from_millis(millis))
}

/// A ledger, and a resolver that never answers, so that the test does.
struct Fixture {
    ledger: Ledger,
    _lookups: Lookups,
    _silent: UdpSocket,
    _answers: mpsc::Receiver<HostAnswer>,
}

fn fixture(rules: Rules, warmup: Duration) -> Fixture {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let resolver = Resolver::Servers(vec![silent.local_addr().unwrap()]);
    let lookups = Lookups::start(&resolver, LookupOptions::default()).unwrap();
    let (reply, answers) = mpsc::channel(1);
    let line = LookupChannel { handle: lookups.handle(), reply };
    let candidate = "http://candidate.test".parse().unwrap();
    let judge = Judge::new(rules, &candidate, Depth::Dns).unwrap();
    let ledger = Ledger::new(Recorder::new(warmup), (judge, PrivateAddresses::Allow), Some(line));
    Fixture { ledger, _lookups: lookups, _silent: silent, _answers: answers }
}

/// A client that tries again, once, and 100 ms after it knows of a failure.
fn once_more() -> Retries {
    let text =
        "[[client]]\nname = \"own\"\nattempts = 2\ndelays = [\"100ms\"]\nfaults = [\"location\", \"dns\"]\n";
    let clients = ClientMix::of(ClientModels::parse(text, "own.toml").unwrap().find("own").unwrap().clone());
    let plan = ClientPlan {
        clients,
        session_gap: sessions::SESSION_GAP,
        session_max: sessions::SESSION_MAX,
        seed: 7,
    };
    Retries::new(Arc::new(plan), WAITING_MAX)
}

/// An answer that comes 10 ms after its request was due and redirects to a
/// host nobody knows yet.
fn answer(ledger: &mut Ledger, due: u64) {
    answer_with(ledger, due, 302, Some("https://cdn.test/x/1"));
}

fn answer_with(ledger: &mut Ledger, due: u64, status: u16, location: Option<&'static str>) {
    let arrival = Arrival {
        sequence: 0,
        due: ms(due),
        recorded_offset: ms(due),
        method: Method::Get,
        target: PathAndQuery::from_static("/x/1"),
        recorded_status: Some(302),
        client: None,
        kind: ClientKind::NONE,
    };
    let location = location.map(|location| (LOCATION, HeaderValue::from_static(location)));
    let received = Received { status, head: location.into_iter().collect(), body_bytes: 0, peer: None };
    let (sent, done, end) = (Some(ms(due)), ms(due + 10), AttemptEnd::Status(status));
    let attempt = Attempt { due: ms(due), sent, first_byte: sent, done, end };
    ledger.offered(&arrival);
    let trial = match ledger.begin(&arrival) {
        FirstAttempt::Retryable(trial) => Some(trial),
        FirstAttempt::Once | FirstAttempt::Never => None,
    };
    ledger.answered((&arrival, trial.as_ref()), &attempt, &received);
}

fn totals(ledger: &mut Ledger, now: Offset) -> Totals {
    let mut totals = Totals::default();
    totals.absorb(&ledger.take_interval(now));
    totals
}

#[test]
fn what_is_known_to_be_wrong_has_failed_though_its_lookup_never_ends() {
    for retries in [None, Some(once_more())] {
        let parts = fixture(Rules::parse(ELSEWHERE, "elsewhere").unwrap(), Duration::ZERO);
        let (tries_again, mut ledger) = (retries.is_some(), parts.ledger.with_retries(retries));
        (0..3).for_each(|due| answer(&mut ledger, due));
        assert_eq!(ledger.parked(), 3);
        ledger.end_parked(ms(1_000));
        ledger.fail_waiting(ms(1_000));
        let totals = totals(&mut ledger, ms(1_000));
        let (counts, fault) = (&totals.counts, Fault::LocationWrongHost);
        assert_eq!((counts.arrivals.failed, counts.arrivals.unfinished), (3, 0));
        assert_eq!((counts.faults.get(fault).count, counts.attempts_with(fault).count), (3, 3));
        assert_eq!(counts.retries.waiting_at_end, if tries_again { 3 } else { 0 });
        // Of a download that waited for its retry, all findings count, too.
        assert_eq!((counts.found.get(fault).count, counts.found.get(Fault::HeadersVary).count), (3, 3));
        assert_eq!(totals.counts.redirects.unchecked(Tier::Dns, Unchecked::RunEnded), 3);
        let hosts: Vec<_> = counts.hosts.known().map(|(name, host)| (name, host.last_fault)).collect();
        assert_eq!(hosts, [("cdn.test", Some((ms(12), fault)))]);
    }
}

#[test]
fn what_nothing_is_known_against_is_cut_with_its_lookup() {
    let parts = fixture(Rules::none(), Duration::ZERO);
    let mut ledger = parts.ledger;
    answer(&mut ledger, 0);
    ledger.end_parked(ms(1_000));
    let totals = totals(&mut ledger, ms(1_000));
    assert_eq!((totals.counts.arrivals.failed, totals.counts.arrivals.unfinished), (0, 1));
    assert_eq!(totals.counts.redirects.seen, 1);
}

#[test]
fn a_client_whose_download_has_failed_does_not_wait_for_our_lookup() {
    let next_retry = |rules, answer: HostAnswer| {
        let parts = fixture(rules, Duration::ZERO);
        let mut ledger = parts.ledger.with_retries(Some(once_more()));
        self::answer(&mut ledger, 0);
        ledger.host_answered(&answer, ms(2_500));
        ledger.next_retry_due().unwrap()
    };
    let denied = || HostAnswer::denied("cdn.test".into(), Fault::DnsNxdomain, None);
    let found = HostAnswer::found("cdn.test".into(), HostVerdict::Resolved, Duration::ZERO);
    let elsewhere = || Rules::parse(ELSEWHERE, "elsewhere").unwrap();
    assert_eq!(next_retry(elsewhere(), found), ms(110));
    // It looks the host up itself, and that is what fails it.
    assert_eq!(next_retry(elsewhere(), denied()), ms(2_600));
    assert_eq!(next_retry(Rules::none(), denied()), ms(2_600));
}

#[test]
fn what_else_was_found_stands_before_the_url_that_was_expected() {
    let parts = fixture(Rules::parse(ELSEWHERE, "elsewhere").unwrap(), Duration::ZERO);
    let mut ledger = parts.ledger;
    answer(&mut ledger, 0);
    ledger.end_parked(ms(1_000));
    let totals = totals(&mut ledger, ms(1_000));
    let [example] = totals.examples.of(Fault::LocationWrongHost) else { panic!("{:?}", totals.examples) };
    assert_eq!(example.detail, "also headers.vary; expected https://other.test/x/1");
}

#[test]
fn three_hundred_with_a_location_is_looked_up_in_the_catalogue() {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("files.csv");
    std::fs::write(&path, "name,version\ny,1\n").unwrap();
    let rules = Rules::parse(ELSEWHERE, "elsewhere").unwrap();
    let catalog = CatalogLookup::new(Catalog::read(&path).unwrap(), rules).unwrap();
    let parts = fixture(Rules::none(), Duration::ZERO);
    let mut ledger = parts.ledger.with_catalog(Some(Arc::new(catalog)));
    answer_with(&mut ledger, 0, 300, Some("https://cdn.test/x/1"));
    answer_with(&mut ledger, 0, 302, Some("https://cdn.test/x/1"));
    answer_with(&mut ledger, 0, 300, None);
    ledger.end_parked(ms(1_000));
    let counts = totals(&mut ledger, ms(1_000)).counts;
    assert_eq!((counts.catalog.missing, counts.redirects.seen), (2, 2));
    assert_eq!(counts.faults.get(Fault::LocationNotInCatalog).count, 2);
}

#[test]
fn a_lookup_that_outlasts_the_warm_up_still_belongs_to_it() {
    let parts = fixture(Rules::none(), Duration::from_secs(1));
    let mut ledger = parts.ledger;
    for due in [500, 999, 1_000] {
        answer(&mut ledger, due);
    }
    assert_eq!(ledger.parked(), 3);
    ledger.host_answered(&HostAnswer::denied("cdn.test".into(), Fault::DnsNxdomain, None), ms(2_500));
    let totals = totals(&mut ledger, ms(2_500));
    let counts = &totals.counts;
    assert_eq!((counts.warmup.arrivals.offered, counts.warmup.arrivals.failed), (2, 2));
    assert_eq!((counts.arrivals.offered, counts.arrivals.failed, counts.redirects.seen), (1, 1, 1));
    let [example] = totals.examples.of(Fault::DnsNxdomain) else { panic!("{:?}", totals.examples) };
    assert_eq!(example.at, ms(10));
}
