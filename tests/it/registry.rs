//! The embedded registry on the wire: its contract, each of its faults, and
//! its DNS, seen by plain clients over loopback.

use crate::support::wait_until;
use downpour_mock::dns::{DnsAnswer, Zone};
use downpour_mock::plan::FaultPlan;
use downpour_mock::{MockConfig, MockError, MockRegistry, crate_file};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;

mod capacity;
mod incident;
mod json;
mod names;

const DOWNLOAD: &str = "/api/v1/crates/serde/1.0.217/download";
const REDIRECT: &str = "HTTP/1.1 302 Found\r\nlocation: https://static.crates.io/crates/serde/serde-1.0.217.crate\r\n\
                        vary: accept\r\ncontent-length: 0\r\n\r\n";

fn with_faults(faults: &[&str]) -> MockRegistry {
    let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    let plan = FaultPlan::new(faults, 1);
    MockRegistry::start(MockConfig { plan, ..MockConfig::default() }).unwrap()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: crates.io\r\n\r\n")
}

fn last(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: crates.io\r\nconnection: close\r\n\r\n")
}

/// Sends all of `pieces`, each in a segment of its own, and reads to the end.
fn exchange(addr: SocketAddr, pieces: &[&str]) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in pieces {
        stream.write_all(piece.as_bytes()).unwrap();
    }
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn answers_come_in_order_and_the_last_one_closes() {
    let registry = with_faults(&[]);
    let many = get(DOWNLOAD).repeat(500) + &last("/nothing");
    let all = exchange(registry.api(), &[&many]);
    assert_eq!(all.matches(REDIRECT).count(), 500);
    let (redirects, end) = all.split_at(500 * REDIRECT.len());
    assert!(redirects.ends_with(REDIRECT));
    assert!(end.starts_with("HTTP/1.1 404 ") && end.contains("connection: close\r\n"), "{end}");
    let served = registry.stop();
    assert_eq!((served.answers, served.redirects, served.connections), (501, 500, 1));
}

#[test]
fn a_request_may_come_in_pieces() {
    let registry = with_faults(&[]);
    let request = last(DOWNLOAD);
    let (head, rest) = request.split_at(9);
    let (middle, tail) = rest.split_at(rest.len() - 1);
    let all = exchange(registry.api(), &[head, middle, tail]);
    assert!(all.starts_with("HTTP/1.1 302 Found\r\n"), "{all}");
    registry.stop();
}

#[test]
fn what_cannot_be_answered_is_refused_and_the_connection_closed() {
    let registry = with_faults(&[]);
    let check = |request: &str, status: &str| {
        let all = exchange(registry.api(), &[request]);
        assert!(all.starts_with(status) && all.contains("connection: close"), "{all}");
        assert_eq!(all.matches("HTTP/1.1").count(), 1, "{all}");
    };
    check("\x16\x03\x01\r\n\r\n", "HTTP/1.1 400 ");
    check("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ");
    check("PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n", "HTTP/1.1 413 ");
    let large = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(200_000));
    check(&large, "HTTP/1.1 431 ");
    registry.stop();
}

#[test]
fn the_cdn_serves_what_the_redirect_points_to() {
    let registry = with_faults(&[]);
    let all = exchange(registry.cdn(), &[&last("/crates/serde/serde-1.0.217.crate")]);
    let (head, _) = all.split_once("\r\n\r\n").unwrap();
    let length = crate_file("serde", "1.0.217").len();
    assert!(head.contains("content-type: application/gzip"), "{head}");
    assert!(head.contains(&format!("content-length: {length}\r\n")), "{head}");
    let denied = exchange(registry.cdn(), &[&last("//crates/serde/serde-1.0.217.crate")]);
    assert!(denied.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{denied}");
    assert_eq!(registry.stop().targets, 2);
}

#[test]
fn spoiled_redirects_are_counted_by_name() {
    let registry = with_faults(&["missing-slash"]);
    let all = exchange(registry.api(), &[&get(DOWNLOAD), &last("/nothing")]);
    assert!(all.contains("location: https://static.crates.iocrates/serde/serde-1.0.217.crate\r\n"), "{all}");
    let served = registry.stop();
    assert_eq!(served.faulted["missing-slash"], 1);
    assert_eq!((served.answers, served.redirects), (2, 1));
}

#[test]
fn a_share_spoils_the_same_answers_in_every_run() {
    let run = || {
        let registry = with_faults(&["status-503:20%"]);
        let all = exchange(registry.api(), &[&get(DOWNLOAD).repeat(200), &last("/nothing")]);
        let statuses: Vec<bool> = all
            .lines()
            .filter(|line| line.starts_with("HTTP/1.1 "))
            .map(|line| line.contains("503"))
            .collect();
        let counted = registry.stop().faulted["status-503"];
        assert_eq!(statuses.iter().filter(|spoiled| **spoiled).count() as u64, counted);
        statuses
    };
    let first = run();
    assert!(first.contains(&true) && first.contains(&false));
    assert_eq!(first, run());
}

#[test]
fn a_reset_is_a_reset() {
    let registry = with_faults(&["reset"]);
    let mut stream = TcpStream::connect(registry.api()).unwrap();
    stream.write_all(get(DOWNLOAD).as_bytes()).unwrap();
    let error = stream.read(&mut [0; 64]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let served = registry.stop();
    assert_eq!((served.answers, served.faulted["reset"]), (0, 1));
}

#[test]
fn a_stall_ends_with_its_window_and_keeps_the_order() {
    let registry = with_faults(&["stall@..200ms"]);
    let all = exchange(registry.api(), &[&(get(DOWNLOAD) + &last("/nothing"))]);
    assert!(all.starts_with(REDIRECT) && all.contains("404 Not Found"), "{all}");
    let served = registry.stop();
    assert_eq!((served.answers, served.faulted["stall"]), (2, 1));
}

#[test]
fn an_endless_stall_answers_nothing_and_ends_with_the_registry() {
    let registry = with_faults(&["stall"]);
    let mut stream = TcpStream::connect(registry.api()).unwrap();
    stream.write_all(get(DOWNLOAD).as_bytes()).unwrap();
    wait_until("a stall", || registry.stats().faulted["stall"] > 0);
    let served = registry.stop();
    let mut all = Vec::new();
    // Closed or reset, but nothing was said.
    stream.read_to_end(&mut all).unwrap_or_default();
    assert_eq!((served.answers, all.len()), (0, 0));
}

#[test]
fn a_slow_answer_does_not_come_at_once() {
    let registry = with_faults(&["slow"]);
    let mut stream = TcpStream::connect(registry.api()).unwrap();
    stream.write_all(get(DOWNLOAD).as_bytes()).unwrap();
    let mut begin = [0; REDIRECT.len()];
    let read = stream.read(&mut begin).unwrap();
    assert!(begin.starts_with(b"H") && read < REDIRECT.len());
    registry.stop();
}

#[test]
fn several_threads_share_one_address() {
    let threads = NonZeroUsize::new(2).unwrap();
    let registry = MockRegistry::start(MockConfig { threads, ..MockConfig::default() }).unwrap();
    for _ in 0..20 {
        assert!(exchange(registry.api(), &[&last(DOWNLOAD)]).starts_with("HTTP/1.1 302 "));
    }
    assert_eq!(registry.stop().connections, 20);
}

#[test]
fn an_address_in_use_is_named_with_its_flag() {
    let first = with_faults(&[]);
    for threads in [1, 2] {
        let threads = NonZeroUsize::new(threads).unwrap();
        let config = MockConfig { cdn: first.cdn(), threads, ..MockConfig::default() };
        let error = MockRegistry::start(config).unwrap_err();
        assert_eq!(error.to_string(), format!("listen at --cdn-listen {}", first.cdn()));
        assert!(matches!(error, MockError::Bind { source, .. } if source.kind() == ErrorKind::AddrInUse));
    }
    first.stop();
}

fn with_zone(zone: Zone) -> MockRegistry {
    MockRegistry::start(MockConfig { zone, ..MockConfig::default() }).unwrap()
}

fn odd_names() -> Zone {
    Zone::default()
        .with("nodata.test", DnsAnswer::NoData)
        .with("servfail.test", DnsAnswer::ServFail)
        .with("refused.test", DnsAnswer::Refused)
        .with("silence.test", DnsAnswer::NoReply)
}
