//! Answers that do not fit a plain request: no Range, no condition, no Upgrade
//! was sent. And what an example says when a connection was the trouble.

use super::{Call, Report};
use crate::support::listener::{Listener, head_of};
use std::io::Write as _;

const COUNT: u64 = 20;

/// A candidate that gives the same bytes to each request and then closes.
fn answering(answer: &'static str) -> Listener {
    Listener::start(move |mut stream| {
        if head_of(&mut stream).is_some() {
            stream.write_all(answer.as_bytes()).unwrap_or_default();
        }
    })
}

/// `COUNT` requests with that recorded status.
fn recorded(status: u16) -> String {
    let line = |n| format!("{{\"at_ns\":{},\"target\":\"/{n}\",\"status\":{status}}}", n * 1_000_000);
    (0..COUNT).map(line).collect::<Vec<_>>().join("\n")
}

fn replay(candidate: &Listener, trace: &str, flags: &[&str]) -> Report {
    let target = format!("http://{}", candidate.addr);
    let call = Call::new(&["replay", "trace", "--target", &target]).file("trace", trace);
    let flags = [&["--rate", "500", "--verify", "policy", "--max-lateness", "60s"], flags].concat();
    // The call keeps the directory that the run is in.
    let call = call.with(&flags);
    let ended = call.run();
    let report = Report::read(&ended.out);
    report.check_everything(&ended.out);
    report
}

fn detail(report: &Report) -> String {
    report.text("/faults/0/examples/0/detail").to_owned()
}

#[test]
fn answers_to_what_was_not_asked_are_faults_without_any_rule() {
    for (answer, why) in [
        (
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/50\r\nContent-Length: 2\r\n\r\nab",
            "no Range",
        ),
        ("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", "no condition"),
        ("HTTP/1.1 204 No Content\r\n\r\n", "no content"),
    ] {
        let candidate = answering(answer);
        let report = replay(&candidate, &recorded(200), &[]);
        assert_eq!(report.faults(), [("status.unexpected", COUNT)], "{answer}");
        assert_eq!(report.text("/verdict"), "failed");
        let told = detail(&report);
        assert!(told.starts_with("status 2") || told.starts_with("status 3"), "{told}");
        assert!(told.contains(why), "{told}");
        candidate.stop();
    }
}

#[test]
fn a_recorded_304_or_206_is_answered_by_the_file() {
    let candidate = answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab");
    for status in [304, 206, 404, 200] {
        let report = replay(&candidate, &recorded(status), &[]);
        assert_eq!((report.number("/arrivals/passed"), report.faults().len()), (COUNT, 0), "{status}");
    }
    candidate.stop();
}

#[test]
fn three_hundred_with_a_location_is_judged_as_a_redirect() {
    let to =
        "HTTP/1.1 300 Multiple Choices\r\nLocation: https://user@h.example/x\r\nContent-Length: 0\r\n\r\n";
    let candidate = answering(to);
    let report = replay(&candidate, &recorded(302), &[]);
    assert_eq!(report.faults(), [("location.userinfo", COUNT)]);
    assert_eq!(report.number("/targets/redirects"), COUNT);
    candidate.stop();
}

#[test]
fn a_request_that_nginx_refused_in_silence_may_be_refused_so_again() {
    let candidate = answering("");
    let report = replay(&candidate, &recorded(444), &[]);
    assert_eq!((report.number("/arrivals/passed"), report.faults().len()), (COUNT, 0));
    assert_eq!(report.number("/transitions_left_out/recorded_none"), 0);
    let report = replay(&candidate, &recorded(200), &[]);
    assert_eq!(report.faults(), [("http.closed", COUNT)]);
    candidate.stop();
}

#[test]
fn an_answer_in_http1_where_http2_was_demanded_says_so() {
    let candidate = Listener::start(|mut stream| {
        let refusal = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        stream.write_all(refusal.as_bytes()).unwrap_or_default();
        std::io::copy(&mut stream, &mut std::io::sink()).map(drop).unwrap_or_default();
    });
    let report = replay(&candidate, &recorded(200), &["--http", "2"]);
    assert_eq!(report.number("/arrivals/failed"), COUNT);
    let told = detail(&report);
    assert!(told.contains("answers in HTTP/1.1: leave out --http 2"), "{told}");
    candidate.stop();
}

#[test]
fn a_time_out_after_a_whole_head_tells_the_status() {
    let candidate = Listener::start(|mut stream| {
        if head_of(&mut stream).is_some() {
            let head = "HTTP/1.1 302 Found\r\nLocation: https://h.example/x\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap_or_default();
            std::io::copy(&mut stream, &mut std::io::sink()).map(drop).unwrap_or_default();
        }
    });
    let report = replay(&candidate, &recorded(302), &["--timeout", "300ms"]);
    assert_eq!(report.faults(), [("timeout.total", COUNT)]);
    let told = detail(&report);
    assert!(told.contains("the head of the answer arrived, with status 302"), "{told}");
    candidate.stop();
}
