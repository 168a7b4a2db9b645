//! Listeners that are no servers: they take connections and do not keep their
//! side of the bargain.

use super::{Call, hostile::report_of};
use crate::support::listener::{Listener, takes_head};
use socket2::{Domain, Socket, Type};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

const COUNT: u64 = 20;

fn call(addr: SocketAddr, flags: &[&str]) -> Call {
    let (target, count) = (format!("http://{addr}"), COUNT.to_string());
    let call = Call::new(&["replay", "list", "--target", &target, "--rate", "200", "-n", &count]);
    let offline = call.with(&["--verify", "policy", "--max-lateness", "60s"]).with(flags);
    offline.file("list", "/api/v1/crates/serde/1.0.217/download\n".repeat(20))
}

#[test]
fn one_that_never_answers_costs_the_time_out() {
    // The kernel takes the connections, and nobody takes them from it.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let report = report_of(&call(addr, &["--timeout", "300ms"]));
    assert_eq!(report.faults(), [("timeout.total", COUNT)]);
    assert_eq!(report.number("/connections/opened"), COUNT);
    assert!(report.number("/latency_failed_us/min") >= 300_000);
}

#[test]
fn one_whose_queue_is_full_costs_the_connect_time_out() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    // The shortest queue holds one or two; knocking before the run takes one.
    socket.listen(0).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    let report = report_of(&call(addr, &["--connect-timeout", "200ms", "--timeout", "600ms"]));
    let late = report.times("/attempts/faults", "connect.timeout");
    let taken = report.times("/attempts/faults", "timeout.total");
    assert!(late >= COUNT - 2, "{late} of {COUNT}");
    assert_eq!((late + taken, report.number("/connections/opened")), (COUNT, taken));
}

#[test]
fn one_that_closes_after_a_byte_has_truncated_its_answer() {
    let origin = Listener::start(|mut stream| {
        if takes_head(&mut stream) {
            stream.write_all(b"H").unwrap();
        }
    });
    let report = report_of(&call(origin.addr, &[]));
    assert_eq!(report.faults(), [("http.truncated", COUNT)]);
    assert_eq!(report.number("/connections/opened"), COUNT);
    origin.stop();
}

#[test]
fn one_that_closes_without_a_byte_has_not_answered() {
    let origin = Listener::start(|mut stream| {
        takes_head(&mut stream);
    });
    let report = report_of(&call(origin.addr, &[]));
    assert_eq!(report.faults(), [("http.closed", COUNT)]);
    assert_eq!(report.number("/connections/stale_replays"), 0);
    origin.stop();
}

#[test]
fn a_control_byte_in_a_location_is_no_http() {
    let origin = Listener::start(|mut stream| {
        if takes_head(&mut stream) {
            let answer = b"HTTP/1.1 302 Found\r\nlocation: https://a.test/\x01\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).unwrap();
        }
    });
    let report = report_of(&call(origin.addr, &[]));
    assert_eq!(report.faults(), [("http.garbage", COUNT)]);
    origin.stop();
}
