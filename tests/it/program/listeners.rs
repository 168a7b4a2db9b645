//! Listeners that are no servers: they take connections and do not keep their
//! side of the bargain.

use super::{Call, hostile::report_of};
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

const COUNT: u64 = 20;

fn call(addr: SocketAddr, flags: &[&str]) -> Call {
    let (target, count) = (format!("http://{addr}"), COUNT.to_string());
    let call = Call::new(&["replay", "list", "--target", &target, "--rate", "200", "-n", &count]);
    let offline = call.with(&["--verify", "policy", "--max-lateness", "60s"]).with(flags);
    offline.file("list", "/api/v1/crates/serde/1.0.217/download\n".repeat(20))
}

/// A listener that gives each connection to `serve`, one after the other.
struct Origin {
    addr: SocketAddr,
    ending: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Origin {
    fn start(serve: fn(TcpStream)) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let ending = Arc::new(AtomicBool::new(false));
        let is_ending = Arc::clone(&ending);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if is_ending.load(Ordering::Acquire) {
                    break;
                }
                serve(stream.unwrap());
            }
        });
        Self { addr, ending, thread }
    }

    /// Ends it, and passes on its panic if it had one.
    fn stop(self) {
        self.ending.store(true, Ordering::Release);
        // One more connection lets it look.
        drop(TcpStream::connect(self.addr));
        self.thread.join().unwrap();
    }
}

/// Reads one request's head, and tells whether it came to its end before the
/// client hung up.
fn takes_head(stream: &mut TcpStream) -> bool {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_exact(&mut byte).is_err() {
            return false;
        }
        head.push(byte[0]);
    }
    true
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
    let origin = Origin::start(|mut stream| {
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
    let origin = Origin::start(|mut stream| {
        takes_head(&mut stream);
    });
    let report = report_of(&call(origin.addr, &[]));
    assert_eq!(report.faults(), [("http.closed", COUNT)]);
    assert_eq!(report.number("/connections/stale_replays"), 0);
    origin.stop();
}

#[test]
fn a_control_byte_in_a_location_is_no_http() {
    let origin = Origin::start(|mut stream| {
        if takes_head(&mut stream) {
            let answer = b"HTTP/1.1 302 Found\r\nlocation: https://a.test/\x01\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).unwrap();
        }
    });
    let report = report_of(&call(origin.addr, &[]));
    assert_eq!(report.faults(), [("http.garbage", COUNT)]);
    origin.stop();
}
