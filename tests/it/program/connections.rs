//! TLS, HTTP/2 and how connections are used, against an origin that is not
//! ours.

use super::accounting::Report;
use super::{Call, Serving, every};
use crate::support::tls::{Answers, Certificate, TlsOrigin};

/// A replay of a hundred requests to a TLS origin; `location` in its answers is
/// not judged.
fn secured(origin: &TlsOrigin, flags: &[&str]) -> Call {
    Call::new(&["replay", "trace", "--target", &origin.url(), "--resolve", "127.0.0.1"])
        .with(&["--rate", "500", "--verify", "off", "--max-lateness", "60s"])
        .file("trace", every(1, 100))
        .with(flags)
}

fn origin(certificate: Certificate) -> (tempfile::TempDir, TlsOrigin) {
    let room = tempfile::tempdir().unwrap();
    let origin = TlsOrigin::start(room.path(), certificate, Answers::Redirects(100));
    (room, origin)
}

#[track_caller]
fn check_passed(report: &Report, opened: std::ops::RangeInclusive<u64>) {
    assert_eq!((report.offered(), report.number("/arrivals/passed")), (100, 100));
    let connections = report.number("/connections/opened");
    assert!(opened.contains(&connections), "{connections} opened");
    let handshakes =
        report.number("/connections/handshakes_full") + report.number("/connections/handshakes_resumed");
    assert_eq!(handshakes, connections);
    assert_eq!(report.number("/connections/handshake_us/count"), connections);
}

#[test]
fn a_trusted_origin_is_talked_to_in_either_version() {
    let (_room, origin) = origin(Certificate::Valid);
    let trust = ["--cacert", origin.authority()];
    check_passed(&secured(&origin, &trust).report(0), 1..=100);
    let two = secured(&origin, &trust).with(&["--http", "2", "-c", "2", "--streams", "10"]);
    check_passed(&two.report(0), 1..=2);
    check_passed(&secured(&origin, &trust).with(&["--http", "auto", "-c", "1"]).report(0), 1..=1);
    let ahead = secured(&origin, &trust).with(&["--http", "2", "-c", "3", "--prewarm", "3"]);
    check_passed(&ahead.report(0), 3..=3);
    assert!(origin.connections() >= 3);
}

#[test]
fn a_limit_of_streams_is_kept_over_tls() {
    let room = tempfile::tempdir().unwrap();
    let origin = TlsOrigin::start(room.path(), Certificate::Valid, Answers::Redirects(3));
    let two = ["--cacert", origin.authority(), "--http", "2", "-c", "2", "--streams", "10"];
    let report = secured(&origin, &two).with(&["--rate", "5k/s", "--prewarm", "2"]).report(0);
    check_passed(&report, 2..=2);
    let counted = ["stream_limit_seen", "streams_refused", "stale_replays", "gone_away"];
    let counted = counted.map(|key| report.number(&format!("/connections/{key}")));
    assert_eq!(counted, [3, 0, 0, 0]);
}

#[test]
fn a_certificate_that_does_not_do_has_its_own_fault() {
    let check = |certificate, flags: &[&str], fault: &str, cause: &str| {
        let (_room, origin) = origin(certificate);
        let trust = ["--cacert", origin.authority()];
        let trust = if flags.is_empty() { &trust[..] } else { flags };
        let report = secured(&origin, trust).report(3);
        assert_eq!(report.faults(), [(fault, 100)], "{certificate:?}");
        let told = report.text("/faults/0/examples/0/detail");
        assert!(told.starts_with("at 127.0.0.1:") && told.contains(cause), "{told}");
    };
    check(Certificate::Expired, &[], "tls.expired", ": the certificate expired at ");
    check(Certificate::ForAnotherName, &[], "tls.name", ", not for ");
    check(
        Certificate::Valid,
        &["--roots", "webpki"],
        "tls.untrusted",
        ": the certificate is not signed by a trusted ",
    );
}

#[test]
fn an_unverified_certificate_is_said_first() {
    let (_room, origin) = origin(Certificate::Expired);
    let ended =
        secured(&origin, &["--insecure"]).with(&["--verify", "dns", "--resolver", "127.0.0.1:1"]).run();
    let first: Vec<&str> = ended.stdout.lines().take(3).collect();
    assert!(first.iter().any(|line| line.contains("certificate was NOT verified")), "{first:?}");
}

#[test]
fn handshakes_are_resumed_unless_they_must_not_be() {
    let (_room, origin) = origin(Certificate::Valid);
    let call = |flags: &[&str]| {
        let each = ["--cacert", origin.authority(), "--no-keepalive", "-c", "1"];
        secured(&origin, &each).with(flags).report(0)
    };
    let resumed = call(&[]);
    assert!(resumed.number("/connections/handshakes_resumed") > 50);
    let full = call(&["--no-tls-resumption"]);
    assert_eq!(full.number("/connections/handshakes_full"), 100);
}

#[test]
fn plain_http_to_a_tls_port_is_no_panic() {
    let (_room, origin) = origin(Certificate::Valid);
    let target = format!("http://{}", origin.address);
    let call = Call::new(&["replay", "trace", "--target", &target, "--rate", "500", "--max-lateness", "60s"]);
    let report = call.file("trace", every(1, 20)).report(3);
    assert_eq!(report.number("/arrivals/failed"), 20);
}

#[test]
fn connections_are_used_as_asked() {
    let candidate = Serving::healthy();
    let opened = |flags: &[&str]| {
        let call = Call::replay("trace", &candidate).file("trace", every(1, 100)).with(&["--rate", "500"]);
        let report = call.with(flags).report(0);
        assert_eq!(report.number("/arrivals/passed"), 100);
        report.number("/connections/opened")
    };
    assert_eq!(opened(&["--no-keepalive"]), 100);
    assert_eq!(opened(&["--max-requests-per-connection", "10", "-c", "1"]), 10);
    assert_eq!(opened(&["-c", "1"]), 1);
    assert!(opened(&["--prewarm", "5", "-c", "5", "--reuse", "fifo"]) == 5);
    assert!(opened(&["--idle-timeout", "1ms", "--rate", "50"]) > 10);
    assert_eq!(opened(&["--rate", "max", "-c", "4"]), 4);
    assert!(opened(&["--pacing", "spin", "--batch-interval", "1ms", "--pin"]) > 0);
}

#[test]
fn another_place_can_be_connected_to() {
    let candidate = Serving::healthy();
    let place = candidate.api.trim_start_matches("http://").to_owned();
    let instead = format!("candidate.test:80:{place}");
    let call = Call::new(&["replay", "trace", "--target", "http://candidate.test", "--connect-to", &instead])
        .with(&["--resolver", &candidate.dns, "--allow-private", "--rate", "200", "--max-lateness", "60s"])
        .file("trace", every(1, 20));
    assert_eq!(call.report(0).number("/arrivals/passed"), 20);
}

#[test]
fn a_first_byte_has_a_time_out_of_its_own() {
    let candidate = Serving::with_faults(&["stall"]);
    let call = Call::replay("trace", &candidate).file("trace", every(1, 10)).with(&["--rate", "100"]);
    let report = call.with(&["--first-byte-timeout", "100ms", "--timeout", "20s"]).report(3);
    assert_eq!(report.faults(), [("timeout.first_byte", 10)]);
}

#[test]
fn mistakes_with_certificates_are_usage_errors() {
    let check = |flags: &[&str], parts: &[&str]| {
        let call = Call::new(&["replay", "trace", "--target", "https://127.0.0.1:1", "--rate", "10"]);
        call.file("trace", every(1, 5)).file("empty.pem", "").with(flags).refused(2, parts);
    };
    check(&["--roots", "none"], &["no trusted root", "--cacert"]);
    check(&["--cacert", "nowhere.pem"], &["nowhere.pem"]);
    check(&["--cacert", "empty.pem"], &["empty.pem", "no certificate"]);
    check(&["--cert", "empty.pem"], &["--key"]);
}
