//! HTTP/2 against an origin that keeps the letter of it, or does not: limits,
//! GOAWAY, refusals, and each way of breaking an answer under its own name.

use super::hostile::report_of;
use super::{Call, Report};
use crate::support::h2::{INTERNAL_ERROR, REFUSED_STREAM, Wire};
use crate::support::listener::{Listener, reset};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

const COUNT: u64 = 30;

/// Thirty requests with prior knowledge, unless `flags` say otherwise.
fn call(origin: &Listener, flags: &[&str]) -> Call {
    let target = format!("http://{}", origin.addr);
    let call = Call::new(&["replay", "list", "--target", &target, "--rate", "1000", "-n", "30"]);
    let offline = call.with(&["--http", "2", "--threads", "1", "--verify", "off", "--max-lateness", "60s"]);
    offline.with(flags).file("list", "/api/v1/crates/serde/1.0.217/download\n".repeat(30))
}

/// A listener whose connections, each with a request on it, `serve` deals with;
/// it announces `limit`.
fn origin(limit: Option<u32>, serve: impl Fn(&mut Wire) + Send + Sync + 'static) -> Listener {
    Listener::start(move |stream| {
        if let Some(mut wire) = Wire::begin(stream, limit) {
            serve(&mut wire);
            wire.flush();
        }
    })
}

#[track_caller]
fn check_counts(report: &Report, expected: [(&str, u64); 4]) {
    for (key, count) in expected {
        assert_eq!(report.number(&format!("/connections/{key}")), count, "{key}");
    }
}

/// Every request comes to `fault`.
#[track_caller]
fn check_fault(fault: &str, flags: &[&str], serve: impl Fn(&mut Wire) + Send + Sync + 'static) -> Report {
    let origin = origin(None, serve);
    let report = report_of(&call(&origin, flags));
    assert_eq!(report.faults(), [(fault, COUNT)]);
    let told = report.text("/faults/0/examples/0/detail");
    assert!(told.starts_with(&format!("at {}", origin.addr)), "{told}");
    origin.stop();
    report
}

/// Deals with each request of a connection in the same way.
fn each(wire: &mut Wire, deal: impl Fn(&mut Wire, u32)) {
    while let Some(stream) = wire.request() {
        deal(wire, stream);
        wire.flush();
    }
}

#[test]
fn a_lower_limit_of_streams_is_kept_and_told() {
    // Answers only when it has three at once, so fewer would never end.
    let origin = origin(Some(3), |wire| {
        while let Some(streams) = wire.requests(3) {
            wire.answer_all(&streams);
            wire.flush();
        }
    });
    let report = call(&origin, &["-c", "1", "--streams", "10"]).report(0);
    origin.stop();
    assert_eq!(report.number("/arrivals/passed"), COUNT);
    assert_eq!(report.number("/plan/streams"), 10);
    check_counts(
        &report,
        [("opened", 1), ("stream_limit_seen", 3), ("streams_refused", 0), ("stale_replays", 0)],
    );
}

#[test]
fn a_closed_loop_uses_every_stream() {
    let origin = origin(None, |wire| {
        while let Some(streams) = wire.requests(5) {
            wire.answer_all(&streams);
            wire.flush();
        }
    });
    let report = call(&origin, &["-c", "1", "--streams", "5", "--rate", "max"]).report(0);
    origin.stop();
    assert_eq!((report.number("/arrivals/passed"), report.number("/connections/opened")), (COUNT, 1));
}

#[test]
fn requests_beyond_the_limit_take_another_connection() {
    // Nobody is answered before four connections have three requests each.
    let all = Barrier::new(4);
    let origin = origin(Some(3), move |wire| {
        let Some(streams) = wire.requests(3) else { return };
        all.wait();
        wire.answer_all(&streams);
        wire.flush();
        wire.ignore();
    });
    let report = call(&origin, &["-n", "12", "-c", "4", "--streams", "10"]).report(0);
    origin.stop();
    assert_eq!(report.number("/arrivals/passed"), 12);
    check_counts(
        &report,
        [("opened", 4), ("stream_limit_seen", 3), ("streams_refused", 0), ("stale_replays", 0)],
    );
}

#[test]
fn requests_that_goaway_leaves_out_are_sent_again() {
    let first = AtomicBool::new(true);
    let origin = origin(None, move |wire| {
        if first.swap(false, Ordering::SeqCst) {
            // Looks at three of five.
            let streams = wire.requests(5).unwrap();
            wire.go_away(streams[2]);
            wire.answer_all(&streams[..3]);
            wire.flush();
            wire.ignore();
        } else {
            each(wire, Wire::answer);
        }
    });
    let call = call(&origin, &["-c", "1", "--streams", "5"]);
    let report = call.report(0);
    origin.stop();
    let summary = std::fs::read_to_string(call.path("run/summary.txt")).unwrap();
    assert!(summary.contains("2 unprocessed after GOAWAY"), "{summary}");
    assert_eq!(report.number("/arrivals/passed"), COUNT);
    check_counts(&report, [("gone_away", 2), ("stale_replays", 2), ("opened", 2), ("streams_refused", 0)]);
}

#[test]
fn an_origin_that_rotates_its_connections_costs_nothing() {
    let origin = origin(None, |wire| {
        let Some(streams) = wire.requests(1) else { return };
        let mut last = streams[0];
        for _ in 1..10 {
            wire.answer(last);
            wire.flush();
            let Some(stream) = wire.request() else { return };
            last = stream;
        }
        wire.go_away(last);
        wire.answer(last);
        wire.flush();
        wire.ignore();
    });
    let report = call(&origin, &["-c", "1", "--streams", "1"]).report(0);
    origin.stop();
    assert_eq!((report.number("/arrivals/passed"), report.number("/connections/opened")), (COUNT, 3));
}

#[test]
fn a_refused_stream_is_sent_once_more() {
    let first = AtomicBool::new(true);
    let origin = origin(None, move |wire| {
        if first.swap(false, Ordering::SeqCst)
            && let Some(streams) = wire.requests(5)
        {
            for stream in streams {
                wire.reset(stream, REFUSED_STREAM);
            }
            wire.flush();
        }
        each(wire, Wire::answer);
    });
    let report = call(&origin, &["-c", "1", "--streams", "5"]).report(0);
    origin.stop();
    assert_eq!(report.number("/arrivals/passed"), COUNT);
    check_counts(&report, [("streams_refused", 5), ("stale_replays", 5), ("opened", 1), ("gone_away", 0)]);
}

#[test]
fn a_stream_that_is_refused_twice_or_reset_is_a_fault() {
    let flags = ["-c", "1"];
    let report = check_fault("http2.refused", &flags, |wire| {
        each(wire, |wire, stream| wire.reset(stream, REFUSED_STREAM));
    });
    check_counts(
        &report,
        [("streams_refused", 2 * COUNT), ("stale_replays", COUNT), ("opened", 1), ("gone_away", 0)],
    );
    let report = check_fault("http2.reset", &flags, |wire| {
        each(wire, |wire, stream| wire.reset(stream, INTERNAL_ERROR));
    });
    check_counts(&report, [("streams_refused", 0), ("stale_replays", 0), ("opened", 1), ("gone_away", 0)]);
    let report = check_fault("http2.reset", &flags, |wire| {
        each(wire, |wire, stream| {
            wire.begin_answer(stream);
            wire.reset(stream, INTERNAL_ERROR);
        });
    });
    assert_eq!(report.number("/connections/opened"), 1);
}

#[test]
fn a_goaway_to_every_request_is_a_fault() {
    let report = check_fault("http2.go_away", &["-c", "2", "--streams", "1"], |wire| {
        if wire.request().is_some() {
            wire.go_away(0);
            wire.flush();
            wire.ignore();
        }
    });
    check_counts(
        &report,
        [("gone_away", 2 * COUNT), ("stale_replays", COUNT), ("opened", 2 * COUNT), ("streams_refused", 0)],
    );
}

#[test]
fn what_is_no_http2_is_garbage() {
    let alone = ["-c", "30", "--streams", "1"];
    for noise in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &[0; 9], &[0xff; 64]] {
        check_fault("http.garbage", &alone, move |wire| {
            if wire.request().is_some() {
                wire.raw(noise);
                wire.flush();
                wire.ignore();
            }
        });
    }
}

#[test]
fn a_head_over_the_limit_is_told_however_long_it_is() {
    for bytes in [66_000, 100_000, 1_000_000] {
        let report = check_fault("http.headers_too_large", &["-c", "30", "--streams", "1"], move |wire| {
            each(wire, |wire, stream| wire.large_head(stream, bytes));
        });
        assert_eq!(report.number("/connections/stale_replays"), 0);
    }
}

#[test]
fn an_answer_that_breaks_off_is_truncated_closed_or_reset() {
    let alone = ["-c", "30", "--streams", "1"];
    check_fault("http.truncated", &alone, |wire| {
        if let Some(stream) = wire.request() {
            wire.begin_answer(stream);
            wire.end();
        }
    });
    check_fault("http.closed", &alone, |wire| {
        wire.request();
        wire.end();
    });
    check_fault("http.reset", &alone, |wire| {
        wire.request();
        reset(wire.socket());
    });
}

#[test]
fn a_connection_on_which_nothing_is_heard_is_left() {
    let flags = ["-c", "3", "--streams", "5", "--timeout", "300ms"];
    let report = check_fault("timeout.total", &flags, Wire::ignore);
    assert!(report.number("/connections/opened") >= 3);
    // Those who wait behind a stalled answer end at their own time, too.
    let flags = ["-c", "1", "--streams", "2", "--first-byte-timeout", "100ms"];
    let origin = origin(None, |wire| {
        each(wire, |wire, stream| {
            // One in two is never answered.
            if stream % 4 == 1 {
                wire.answer(stream);
            }
        });
    });
    let report = report_of(&call(&origin, &flags));
    origin.stop();
    let late = report.times("/attempts/faults", "timeout.first_byte");
    assert!(late >= 1 && report.number("/arrivals/passed") == COUNT - late, "{late}");
}

#[test]
fn a_connection_carries_no_more_requests_than_it_may() {
    let opened = |flags: &[&str]| {
        let origin = origin(None, |wire| each(wire, Wire::answer));
        let report = call(&origin, flags).report(0);
        origin.stop();
        assert_eq!(report.number("/arrivals/passed"), COUNT);
        report.number("/connections/opened")
    };
    assert_eq!(opened(&["-c", "1", "--no-keepalive"]), COUNT);
    assert_eq!(opened(&["-c", "1", "--max-requests-per-connection", "10"]), 3);
    assert_eq!(opened(&["-c", "1"]), 1);
    assert!(opened(&["-c", "1", "--streams", "1", "--rate", "50", "--idle-timeout", "1ms"]) > 3);
}
