//! The taxonomy of redirect failures, one row each, and what holds for all.

use super::*;
use http::{HeaderMap, HeaderValue};

mod demands;
mod hostile;
mod sets;

const CRATE: &str = "/api/v1/crates/serde/1.0.0/download";
const GOOD: &str = "https://static.crates.io/crates/serde/serde-1.0.0.crate";

/// 2023-11-20T10:15:00Z.
const NOW: Stamp = Stamp::from_nanos(1_700_475_300_000_000_000);

/// The fields that the built-in rules for crates.io demand.
fn fields() -> HeaderMap {
    HeaderMap::from_iter([(http::header::VARY, HeaderValue::from_static("accept"))])
}

fn judge_of(rules: Rules, candidate: &str) -> Judge {
    Judge::new(rules, &Url::parse(candidate).unwrap(), Depth::Dns).unwrap()
}

fn crates_io() -> Judge {
    judge_of(Rules::builtin("crates-io").unwrap(), "https://candidate.example")
}

fn no_rules(candidate: &str) -> Judge {
    judge_of(Rules::none(), candidate)
}

fn with_rule(lines: &str, candidate: &str) -> Judge {
    let text = format!("[[rule]]\nmatch = \"/get/{{file}}\"\nstatus = 302\n{lines}");
    judge_of(Rules::parse(&text, "test").unwrap(), candidate)
}

/// The fault and the host to look up, as text.
fn found(judge: &mut Judge, target: &str, location: &[u8]) -> (Option<Fault>, String) {
    let asked = JudgedRequest { target: target.as_bytes(), recorded_status: None };
    let headers = fields();
    let answer =
        JudgedResponse { status: 302, locations: Locations::One(location), headers: &headers, at: NOW };
    let judgement = judge.judge(&asked, &answer);
    let host = match judgement.redirect.expect("302 is a redirect").host {
        HostToCheck::None | HostToCheck::Own => String::new(),
        HostToCheck::Name(name) => name.into_owned(),
        HostToCheck::Address(address) => address.to_string(),
    };
    (judgement.findings.outcome(), host)
}

#[track_caller]
fn check(judge: &mut Judge, target: &str, location: &str, expected: (Option<Fault>, &str)) {
    let (fault, host) = found(judge, target, location.as_bytes());
    assert_eq!((fault, host.as_str()), expected, "{target} -> {location}");
}

#[track_caller]
fn check_crate(location: &str, fault: Fault, host: &str) {
    check(&mut crates_io(), CRATE, location, (Some(fault), host));
}

#[test]
fn what_the_template_gives_passes_without_an_allocation() {
    let mut judge = crates_io();
    let asked = JudgedRequest { target: CRATE.as_bytes(), recorded_status: None };
    let (locations, headers) = (Locations::One(GOOD.as_bytes()), fields());
    let answer = JudgedResponse { status: 302, locations, headers: &headers, at: NOW };
    let judgement = judge.judge(&asked, &answer);
    assert_eq!(judgement.findings.outcome(), None);
    let host = judgement.redirect.unwrap().host;
    assert!(matches!(host, HostToCheck::Name(Cow::Borrowed("static.crates.io"))), "{host:?}");
}

#[test]
fn what_is_equal_after_normalisation_passes_too() {
    let ok = (None, "static.crates.io");
    for same in [
        "HTTPS://Static.Crates.IO/crates/serde/serde-1.0.0.crate",
        "https://static.crates.io:443/crates/serde/serde-1.0.0.crate",
        "https://static.crates.io/crates/%73erde/serde-1%2e0.0.crate",
        "https://static.crates.io/crates/./serde/x/../serde-1.0.0.crate",
    ] {
        check(&mut crates_io(), CRATE, same, ok);
    }
    let (target, base) = ("/api/v1/crates/x/1.0.0%2Bb/download", "https://static.crates.io/crates/x/x-1.0.0");
    check(&mut crates_io(), target, &format!("{base}%2Bb.crate"), ok);
    check(&mut crates_io(), target, &format!("{base}%2bb.crate"), ok);
    let encoding = (Some(Fault::LocationEncoding), "static.crates.io");
    check(&mut crates_io(), target, &format!("{base}+b.crate"), encoding);
    check(&mut crates_io(), target, &format!("{base}%252Bb.crate"), encoding);
    check(&mut crates_io(), target, &format!("{base}%20b.crate"), encoding);
    let mismatch = (Some(Fault::LocationMismatch), "static.crates.io");
    check(&mut crates_io(), target, &format!("{base}-b.crate"), mismatch);
}

#[test]
fn the_zoo_of_prefixes_that_were_glued_to_the_path() {
    let path = "crates/serde/serde-1.0.0.crate";
    for (prefix, fault, host) in [
        // The incident: the host without its slash.
        ("https://static.crates.io", Fault::LocationGluedHost, "static.crates.iocrates"),
        ("static.crates.io/", Fault::LocationRelative, ""),
        ("static.crates.io", Fault::LocationRelative, ""),
        ("https://static.crates.io//", Fault::LocationDoubleSlash, "static.crates.io"),
        ("https://http://static.crates.io/", Fault::LocationWrongHost, "http"),
        ("https://https://static.crates.io/", Fault::LocationWrongHost, "https"),
        ("http://static.crates.io/", Fault::LocationDowngrade, "static.crates.io"),
        ("//static.crates.io/", Fault::LocationRelative, "static.crates.io"),
        ("https:////static.crates.io/", Fault::LocationUnparsable, ""),
        ("https:///", Fault::LocationUnparsable, ""),
        ("https://", Fault::LocationWrongHost, "crates"),
        ("https:/static.crates.io/", Fault::LocationUnparsable, ""),
        ("https:", Fault::LocationUnparsable, ""),
        ("/", Fault::LocationRelative, ""),
        ("", Fault::LocationRelative, ""),
        ("//", Fault::LocationWrongHost, "crates"),
    ] {
        check_crate(&format!("{prefix}{path}"), fault, host);
    }
}

#[test]
fn r03_bytes_that_no_uri_holds() {
    for wrong in ["\r\nX: y", " ", "\\", "\u{e9}", "\"", "<b>"] {
        check_crate(&format!("https://static.crates.io/{wrong}"), Fault::LocationBytes, "");
    }
    let (fault, _) = found(&mut crates_io(), CRATE, b"https://static.crates.io/\xff");
    assert_eq!(fault, Some(Fault::LocationBytes));
    let long = format!("{GOOD}?{}", "a".repeat(8192));
    check_crate(&long, Fault::LocationBytes, "");
}

#[test]
fn r01_r02_no_location_or_several() {
    let mut judge = crates_io();
    let asked = JudgedRequest { target: CRATE.as_bytes(), recorded_status: None };
    for (locations, fault) in [
        (Locations::None, Fault::LocationMissing),
        (Locations::One(b""), Fault::LocationMissing),
        (Locations::Many, Fault::LocationMultiple),
    ] {
        let answer = JudgedResponse { status: 302, locations, headers: &fields(), at: NOW };
        let judgement = judge.judge(&asked, &answer);
        assert_eq!(judgement.findings.outcome(), Some(fault));
        let redirect = judgement.redirect.unwrap();
        assert_eq!((redirect.stopped_at, redirect.host), (Some(Tier::Headers), HostToCheck::None));
    }
}

#[test]
fn r04_what_cannot_be_used_as_a_url() {
    for wrong in [
        "ftp://static.crates.io/x",
        "javascript:alert(1)",
        "static.crates.io:443/x",
        "https://static.crates.io:99999/x",
        "https://static..crates.io/x",
        "https://-%00.crates.io/x",
        "https://[::1/x",
        "https://static.crates.io/%zz",
        "https://static!crates.io/x",
    ] {
        check_crate(wrong, Fault::LocationUnparsable, "");
    }
    let name = ["a"; 130].join(".");
    check_crate(&format!("https://{name}/x"), Fault::LocationUnparsable, "");
}

#[test]
fn r05_to_r09_another_place() {
    let path = "/crates/serde/serde-1.0.0.crate";
    for (origin, fault, host) in [
        ("https://static.staging.crates.io", Fault::LocationWrongHost, "static.staging.crates.io"),
        ("https://static.crates.io.evil.example", Fault::LocationGluedHost, "static.crates.io.evil.example"),
        ("https://static.crates.io.", Fault::LocationWrongHost, "static.crates.io."),
        ("https://static.crates.io@evil.example", Fault::LocationUserinfo, "evil.example"),
        ("https://@static.crates.io", Fault::LocationUserinfo, "static.crates.io"),
        ("https://static.crates.io:8443", Fault::LocationPort, "static.crates.io"),
        ("https://static.crates.io:80", Fault::LocationPort, "static.crates.io"),
        ("http://static.crates.io", Fault::LocationDowngrade, "static.crates.io"),
        ("http://evil.example", Fault::LocationWrongHost, "evil.example"),
        ("//evil.example", Fault::LocationWrongHost, "evil.example"),
        ("https://127.0.0.1", Fault::LocationWrongHost, "127.0.0.1"),
        ("https://0x7f.1", Fault::LocationWrongHost, "127.0.0.1"),
        ("https://[::1]", Fault::LocationWrongHost, "::1"),
        ("https://candidate.example", Fault::LocationWrongHost, ""),
        ("", Fault::LocationRelative, ""),
    ] {
        check_crate(&format!("{origin}{path}"), fault, host);
    }
}

#[test]
fn r10_another_path() {
    let host = "static.crates.io";
    for path in [
        "crates/serde/serde-1.0.1.crate",
        "crates/Serde/serde-1.0.0.crate",
        "crates/serde-1.0.0.crate",
        "crates/serde/serde-1.0.0.crate/",
        "crates/serde/serde-1.0.0.crate?",
        "crates/serde/serde-1.0.0.crate?v=1",
        "crates/serde/serde-1.0.0.crate#x",
        "",
    ] {
        check_crate(&format!("https://{host}/{path}"), Fault::LocationMismatch, host);
    }
    check_crate(&format!("https://{host}/crates//serde-1.0.0.crate"), Fault::LocationDoubleSlash, host);
    check_crate(&format!("https://{host}"), Fault::LocationMismatch, host);
}

#[test]
fn r11_placeholders_say_more_than_the_host_they_break() {
    let host = "static.crates.io";
    check_crate("https://static.crates.io/crates/{crate}/x", Fault::LocationPlaceholder, "");
    check_crate("https://static.crates.io/crates/%7Bcrate%7D/x", Fault::LocationPlaceholder, host);
    check_crate("https://static.crates.io/crates/None/x", Fault::LocationPlaceholder, host);
    check_crate("https://None/crates/serde/serde-1.0.0.crate", Fault::LocationPlaceholder, "none");
    check_crate("https://%7Bcdn%7D/crates/x", Fault::LocationPlaceholder, "");
    let ok = (None, host);
    check(
        &mut crates_io(),
        "/api/v1/crates/None/1.0.0/download",
        "https://static.crates.io/crates/None/None-1.0.0.crate",
        ok,
    );
}

#[test]
fn r12_loops() {
    for own in ["https://candidate.example", "https://CANDIDATE.example:443", "//candidate.example", ""] {
        check_crate(&format!("{own}{CRATE}"), Fault::LocationLoop, "");
    }
    for own in ["download", "#x", "#", "?", "?#x", "./download", "../1.0.0/download?"] {
        check_crate(own, Fault::LocationLoop, "");
    }
    check_crate("?again", Fault::LocationRelative, "");
    let mut plain = no_rules("http://candidate.example:8080");
    check(&mut plain, "/a?b", "http://candidate.example:8080/a?b", (Some(Fault::LocationLoop), ""));
    check(&mut plain, "/a", "http://candidate.example:8081/a", (None, "candidate.example"));
    // An upgrade to https and a missing slash are no loops.
    check(&mut plain, "/a", "https://candidate.example/a", (None, "candidate.example"));
    check(&mut plain, "/a", "/a/", (None, ""));
    // An empty query is none, and one that goes away is a correction.
    check(&mut plain, "/a", "?", (Some(Fault::LocationLoop), ""));
    check(&mut plain, "/a?", "?", (Some(Fault::LocationLoop), ""));
    check(&mut plain, "/a?b", "?", (None, ""));
    check(&mut plain, "/a?", "/a", (None, ""));
}

#[test]
fn without_a_rule_only_what_is_wrong_anywhere_is_a_fault() {
    let mut https = no_rules("https://candidate.example");
    let mut http = no_rules("http://candidate.example");
    for (location, host) in [("https://any.example/x?y#z", "any.example"), ("/x", ""), ("x", ""), ("?q", "")]
    {
        check(&mut https, "/a", location, (None, host));
        check(&mut http, "/a", location, (None, host));
    }
    check(&mut https, "/a", "http://any.example/", (Some(Fault::LocationDowngrade), "any.example"));
    check(&mut http, "/a", "http://any.example/", (None, "any.example"));
    check(&mut http, "/a", "http://10.0.0.1/", (None, "10.0.0.1"));
    check(&mut http, "/a", "http://any.example//x", (None, "any.example"));
    check(&mut http, "/a", "http://u@any.example/x", (Some(Fault::LocationUserinfo), "any.example"));
    check(&mut http, "/a", "//any.example/", (None, "any.example"));
    check(&mut http, "*", "/x", (Some(Fault::LocationUnparsable), ""));
}

#[test]
fn rules_can_allow_more() {
    let candidate = "http://127.0.0.1:8080";
    let hosts = "location = \"https://a.example/{file}\"\nhosts = [\"b.example\"]";
    let mut judge = with_rule(hosts, candidate);
    check(&mut judge, "/get/x", "https://a.example/x", (None, "a.example"));
    check(&mut judge, "/get/x", "https://b.example/x", (None, "b.example"));
    check(&mut judge, "/get/x", "https://b.example/y", (Some(Fault::LocationMismatch), "b.example"));
    check(&mut judge, "/get/x", "http://b.example/x", (Some(Fault::LocationDowngrade), "b.example"));
    let mut judge = with_rule("location = \"https://a.example/{file}\"\nscheme = \"any\"", candidate);
    check(&mut judge, "/get/x", "http://a.example/x", (None, "a.example"));
    let mut judge = with_rule("location = \"http://a.example/{file}\"", candidate);
    check(&mut judge, "/get/x", "https://a.example/x", (Some(Fault::LocationMismatch), "a.example"));
    let mut judge =
        with_rule("location = \"https://a.example/{file}\"\nrelative = true", "https://a.example");
    check(&mut judge, "/get/x", "https://a.example/x", (None, ""));
    check(&mut judge, "/get/x", "/x", (None, ""));
    check(&mut judge, "/get/x", "../x", (None, ""));
}

#[test]
fn a_rule_may_name_only_hosts_or_the_candidate_itself() {
    let candidate = "http://127.0.0.1:8080";
    let mut signed = with_rule("hosts = [\"s3.example\"]", candidate);
    check(&mut signed, "/get/x", "https://s3.example/k/9?sig=%2B", (None, "s3.example"));
    check(&mut signed, "/get/x", "https://s3.example//k", (None, "s3.example"));
    check(&mut signed, "/get/x", "https://s4.example/k", (Some(Fault::LocationWrongHost), "s4.example"));
    check(&mut signed, "/get/x", "http://s3.example/k", (Some(Fault::LocationDowngrade), "s3.example"));
    let mut own = with_rule("location = \"/files/{file}\"", candidate);
    check(&mut own, "/get/x", "/files/x", (None, ""));
    check(&mut own, "/get/x", "../files/x", (None, ""));
    check(&mut own, "/get/x", "http://127.0.0.1:8080/files/x", (None, ""));
    check(&mut own, "/get/x", "http://127.0.0.1:8081/files/x", (Some(Fault::LocationPort), "127.0.0.1"));
    check(
        &mut own,
        "/get/x",
        "http://other.example:8080/files/x",
        (Some(Fault::LocationWrongHost), "other.example"),
    );
    check(&mut own, "/get/x", "//127.0.0.1:8080/files/y", (Some(Fault::LocationMismatch), ""));
    let mut absolute = with_rule("location = \"/files/{file}\"\nrelative = false", candidate);
    check(&mut absolute, "/get/x", "/files/x", (Some(Fault::LocationRelative), ""));
    check(&mut absolute, "/get/x", "http://127.0.0.1:8080/files/x", (None, ""));
}

#[track_caller]
fn check_status(
    judge: &mut Judge,
    target: &str,
    status: u16,
    recorded: Option<u16>,
    expected: Option<Fault>,
) {
    let asked = JudgedRequest { target: target.as_bytes(), recorded_status: recorded };
    let location = if target == CRATE { GOOD } else { "https://h.example/" };
    let (locations, headers) = (Locations::One(location.as_bytes()), fields());
    let answer = JudgedResponse { status, locations, headers: &headers, at: NOW };
    assert_eq!(
        judge.judge(&asked, &answer).findings.outcome(),
        expected,
        "{target} {status}, recorded {recorded:?}"
    );
}

#[test]
fn r30_statuses_by_rule_record_and_class() {
    let mut judge = crates_io();
    let (client, server, unexpected) =
        (Some(Fault::StatusClientError), Some(Fault::StatusServerError), Some(Fault::StatusUnexpected));
    check_status(&mut judge, CRATE, 302, None, None);
    for status in [200, 204, 301, 303, 304, 307, 308, 100, 600, 0] {
        check_status(&mut judge, CRATE, status, Some(status), unexpected);
    }
    check_status(&mut judge, CRATE, 404, Some(302), client);
    check_status(&mut judge, CRATE, 404, None, client);
    check_status(&mut judge, CRATE, 404, Some(403), client);
    check_status(&mut judge, CRATE, 404, Some(404), None);
    check_status(&mut judge, CRATE, 503, Some(503), server);
    for status in [200, 300, 302, 308] {
        check_status(&mut judge, "/other", status, None, None);
    }
    for status in [204, 206, 304] {
        check_status(&mut judge, "/other", status, Some(200), unexpected);
    }
    check_status(&mut judge, "/other", 204, Some(204), None);
    check_status(&mut judge, "/other", 206, Some(206), unexpected);
    check_status(&mut judge, "/other", 404, None, client);
    check_status(&mut judge, "/other", 404, Some(404), None);
    check_status(&mut judge, "/other", 500, Some(500), server);
    check_status(&mut judge, "/other", 101, None, unexpected);
    check_status(&mut judge, "/other", 999, Some(999), unexpected);
}

#[test]
fn a_fault_of_the_location_says_more_than_an_unexpected_status() {
    let mut judge = crates_io();
    let asked = JudgedRequest { target: CRATE.as_bytes(), recorded_status: None };
    let locations = Locations::One(b"https://static.crates.iocrates/serde/serde-1.0.0.crate");
    let headers = fields();
    let answer = JudgedResponse { status: 301, locations, headers: &headers, at: NOW };
    let judgement = judge.judge(&asked, &answer);
    assert_eq!(judgement.findings.outcome(), Some(Fault::LocationGluedHost));
    // Not a redirect: its Location, if any, leads nobody anywhere.
    let judgement = judge.judge(&asked, &JudgedResponse { status: 404, ..answer });
    assert_eq!((judgement.findings.outcome(), judgement.redirect), (Some(Fault::StatusClientError), None));
}

#[test]
fn the_depth_says_how_far_to_look() {
    let asked = JudgedRequest { target: CRATE.as_bytes(), recorded_status: None };
    let (locations, headers) = (Locations::One(b"https://evil.example/"), fields());
    let answer = JudgedResponse { status: 301, locations, headers: &headers, at: NOW };
    let mut judge = crates_io();
    judge.depth = Depth::Policy;
    let judgement = judge.judge(&asked, &answer);
    assert_eq!(judgement.findings.outcome(), Some(Fault::LocationWrongHost));
    assert!(matches!(judgement.redirect.unwrap().host, HostToCheck::Name(_)));
    judge.depth = Depth::Off;
    let judgement = judge.judge(&asked, &answer);
    assert_eq!((judgement.findings.outcome(), judgement.redirect), (Some(Fault::StatusUnexpected), None));
}

#[test]
fn a_candidate_is_an_http_origin() {
    for wrong in ["ftp://h/", "file:///x", "data:,x", "mailto:a@b"] {
        let url = Url::parse(wrong).unwrap();
        assert!(Judge::new(Rules::none(), &url, Depth::Dns).is_err(), "{wrong}");
    }
}
