//! TLS that does not come about, or is cut off under an answer.

use super::hostile::report_of;
use super::{Call, Report, every};
use crate::support::listener::{Listener, reset};
use crate::support::tls::{Answers, Certificate, TlsOrigin};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

const COUNT: u64 = 20;

fn call(addr: SocketAddr, flags: &[&str]) -> Call {
    let target = format!("https://localhost:{}", addr.port());
    let call = Call::new(&["replay", "trace", "--target", &target, "--resolve", "127.0.0.1", "--insecure"]);
    let offline = call.with(&["--rate", "500", "--verify", "off", "--max-lateness", "60s"]);
    offline.with(flags).file("trace", every(1, COUNT))
}

/// No request gets past the handshake, in either version of HTTP.
#[track_caller]
fn check(fault: &str, flags: &[&str], serve: fn(TcpStream)) {
    for version in ["1.1", "2"] {
        let origin = Listener::start(serve);
        let report = report_of(&call(origin.addr, flags).with(&["--http", version]));
        assert_eq!(report.faults(), [(fault, COUNT)], "HTTP/{version}");
        let told = report.text("/faults/0/examples/0/detail");
        assert!(told.starts_with(&format!("at {}", origin.addr)), "{told}");
        assert_eq!(report.number("/connections/opened"), 0);
        assert_eq!(report.number("/attempts/sent"), 0);
        origin.stop();
    }
}

/// Takes the client's first words, if it has any.
fn takes_hello(stream: &mut TcpStream) -> bool {
    stream.read(&mut [0; 4_096]).is_ok_and(|bytes| bytes > 0)
}

#[test]
fn a_handshake_that_fails_is_told() {
    let each = ["-c", "20"];
    check("tls.handshake", &each, |mut stream| {
        takes_hello(&mut stream);
        reset(&stream);
    });
    check("tls.handshake", &each, |mut stream| {
        takes_hello(&mut stream);
    });
    check("tls.handshake", &each, |mut stream| {
        if takes_hello(&mut stream) {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n").unwrap_or_default();
        }
    });
}

#[test]
fn a_handshake_that_stalls_costs_the_connect_time_out() {
    check(
        "connect.timeout",
        &["-c", "20", "--connect-timeout", "300ms"],
        |mut stream| {
            while takes_hello(&mut stream) {}
        },
    );
}

fn answered(answers: Answers, code: i32) -> Report {
    let room = tempfile::tempdir().unwrap();
    let origin = TlsOrigin::start(room.path(), Certificate::Valid, answers);
    call(origin.address, &["-c", "20"]).report(code)
}

#[test]
fn content_that_ends_with_the_connection_needs_the_end_of_tls_too() {
    // Anybody on the way can close a TCP connection, so that is no end.
    let report = answered(Answers::Truncated, 3);
    assert_eq!(report.faults(), [("http.truncated", COUNT)]);
    assert_eq!(report.number("/connections/opened"), COUNT);
    let report = answered(Answers::UntilClosed, 0);
    assert_eq!((report.number("/arrivals/passed"), report.number("/connections/opened")), (COUNT, COUNT));
}
