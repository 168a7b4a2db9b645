//! What only a rule can demand: one table for each of its keys.

use super::*;

#[track_caller]
fn rule(lines: &str) -> Judge {
    with_rule(lines, "https://candidate.example")
}

/// Fault and note of a 302 to `location` with these fields.
fn judged(
    judge: &mut Judge,
    location: &str,
    lines: &[(&'static str, &'static str)],
) -> (Option<Fault>, String) {
    let mut headers = HeaderMap::new();
    for &(name, value) in lines {
        headers.append(name, HeaderValue::from_static(value));
    }
    let asked = JudgedRequest { target: b"/get/a+b", recorded_status: None };
    let locations = Locations::One(location.as_bytes());
    let judgement =
        judge.judge(&asked, &JudgedResponse { status: 302, locations, headers: &headers, at: NOW });
    let note = judgement.findings.worst().map(|worst| worst.note.clone()).unwrap_or_default();
    (judgement.findings.outcome(), note)
}

#[test]
fn r26_r29_fields_that_are_not_as_they_should_be() {
    let mut judge = rule(concat!(
        "headers.vary = { contains = [\"accept\", \"origin\"] }\n",
        "headers.cache-control = { contains = \"immutable\", at_least = { max-age = 60 } }\n",
        "headers.content-type = \"application/gzip\"\n",
        "headers.access-control-allow-origin = \"*\"\n",
        "headers.set-cookie = false\n",
    ));
    let sound = [
        ("vary", "accept, origin"),
        ("cache-control", "max-age=60, immutable"),
        ("content-type", "application/gzip"),
        ("access-control-allow-origin", "*"),
    ];
    assert_eq!(judged(&mut judge, "https://h.example/x", &sound), (None, String::new()));
    for (spoiled, fault, note) in [
        (("vary", "accept"), Fault::HeadersVary, "vary must contain accept and contain origin"),
        (
            ("cache-control", "max-age=59, immutable"),
            Fault::HeadersCacheControl,
            "cache-control must contain immutable and contain max-age of 60 or more",
        ),
        (("content-type", "text/html"), Fault::HeadersContentType, "content-type must be application/gzip"),
        (
            ("access-control-allow-origin", "https://a.example"),
            Fault::HeadersCors,
            "access-control-allow-origin must be *",
        ),
    ] {
        let lines = sound.map(|line| if line.0 == spoiled.0 { spoiled } else { line });
        assert_eq!(judged(&mut judge, "https://h.example/x", &lines), (Some(fault), note.to_owned()));
    }
    let with_cookie = [&sound[..], &[("set-cookie", "a=b")]].concat();
    let (fault, note) = judged(&mut judge, "https://h.example/x", &with_cookie);
    assert_eq!((fault, note.as_str()), (Some(Fault::HeadersOther), "set-cookie must be absent"));
    // Where it leads says more than what is written beside it.
    let (fault, _) = judged(&mut judge, "http://h.example/x", &[]);
    assert_eq!(fault, Some(Fault::LocationDowngrade));
}

/// All findings of a 302 to `location` without further fields, with their
/// levels.
fn all(judge: &mut Judge, location: &str) -> Vec<(Fault, Level)> {
    let (asked, headers) = (JudgedRequest { target: b"/get/x", recorded_status: None }, HeaderMap::new());
    let locations = Locations::One(location.as_bytes());
    let found =
        judge.judge(&asked, &JudgedResponse { status: 302, locations, headers: &headers, at: NOW }).findings;
    found.iter().map(|finding| (finding.fault, finding.level)).collect()
}

#[test]
fn one_finding_does_not_hide_another() {
    use Fault::{HeadersOther, HeadersVary, LocationDowngrade, LocationMismatch, LocationWrongHost};
    let mut judge =
        rule("location = \"https://h.example/{file}\"\nheaders.vary = \"accept\"\nheaders.etag = true");
    let faults = |found: Vec<(Fault, Level)>| found.into_iter().map(|(fault, _)| fault).collect::<Vec<_>>();
    assert_eq!(faults(all(&mut judge, "https://h.example/x")), [HeadersVary, HeadersOther]);
    assert_eq!(
        faults(all(&mut judge, "http://evil.example/y")),
        [LocationWrongHost, LocationDowngrade, LocationMismatch, HeadersVary, HeadersOther]
    );
    // What a lost slash does to the path is no finding of its own.
    assert_eq!(faults(all(&mut judge, "https://h.examplex"))[..2], [Fault::LocationGluedHost, HeadersVary]);
}

#[test]
fn a_rule_or_a_single_demand_may_only_warn() {
    let field = "headers.vary = { is = \"accept\", level = \"warn\", since = \"2026-06-02\" }";
    let mut judge = rule(field);
    assert_eq!(all(&mut judge, "https://h.example/x"), [(Fault::HeadersVary, Level::Warn)]);
    let mut whole = rule("level = \"warn\"\nlocation = \"https://h.example/{file}\"\nheaders.etag = true");
    assert_eq!(
        all(&mut whole, "https://evil.example/x"),
        [(Fault::LocationWrongHost, Level::Warn), (Fault::HeadersOther, Level::Warn)]
    );
    // What no rule is needed for fails all the same.
    assert_eq!(all(&mut whole, "ftp://h.example/x")[0], (Fault::LocationUnparsable, Level::Fail));
    assert_eq!(all(&mut whole, "http://h.example/x")[0], (Fault::LocationDowngrade, Level::Fail));
    check_status(&mut whole, "/get/x", 503, None, Some(Fault::StatusServerError));
    check_status(&mut whole, "/get/x", 301, None, None);
}

#[test]
fn what_no_client_minds_is_a_warning_without_a_rule() {
    use Fault::{LocationDoubleSlash, LocationExpiresSoon};
    let signed = format!("https://h.example/x?Expires={}&Signature=s&Key-Pair-Id=k", NOW.epoch_second() + 59);
    let embedded = "https://mirror.example/https://files.example/a.tgz";
    let mut plain = no_rules("https://candidate.example");
    assert_eq!(all(&mut plain, &signed), [(LocationExpiresSoon, Level::Warn)]);
    assert_eq!(all(&mut plain, embedded), [(LocationDoubleSlash, Level::Warn)]);
    let mut allowed = rule("hosts = [\"mirror.example\", \"h.example\"]");
    assert_eq!(all(&mut allowed, &signed), [(LocationExpiresSoon, Level::Warn)]);
    assert_eq!(all(&mut allowed, embedded), [(LocationDoubleSlash, Level::Warn)]);
    let mut patient = rule("min_ttl = \"60s\"");
    assert_eq!(all(&mut patient, &signed), [(LocationExpiresSoon, Level::Fail)]);
    let mut exact = rule("location = \"https://mirror.example/{file}\"");
    assert_eq!(all(&mut exact, "https://mirror.example//x"), [(LocationDoubleSlash, Level::Fail)]);
}

#[test]
fn a_relative_redirect_keeps_the_scheme_of_the_candidate() {
    let plain = "http://127.0.0.1:28092";
    let mut pypi = judge_of(Rules::builtin("pypi").unwrap(), plain);
    let asked = JudgedRequest { target: b"/simple/foo-bar", recorded_status: None };
    let headers = HeaderMap::new();
    let locations = Locations::One(b"/simple/foo-bar/");
    let answer = JudgedResponse { status: 301, locations, headers: &headers, at: NOW };
    assert!(pypi.judge(&asked, &answer).findings.is_empty());
    let mut relative = with_rule("hosts = [\"h.example\"]\nrelative = true", plain);
    assert_eq!(all(&mut relative, "/y"), []);
    assert_eq!(all(&mut relative, "//h.example/y"), []);
    assert_eq!(all(&mut relative, "http://h.example/y"), [(Fault::LocationDowngrade, Level::Fail)]);
}

#[test]
fn fields_are_demanded_of_answers_with_a_due_status() {
    let text = "[[rule]]\nmatch = \"/{x}\"\nstatus = [200, 302]\nheaders.etag = true";
    let mut judge = judge_of(Rules::parse(text, "test").unwrap(), "https://candidate.example");
    let headers = HeaderMap::new();
    let mut fault = |status, recorded_status, depth| {
        judge.depth = depth;
        let asked = JudgedRequest { target: b"/x", recorded_status };
        let locations = Locations::One(b"https://h.example/");
        judge
            .judge(&asked, &JudgedResponse { status, locations, headers: &headers, at: NOW })
            .findings
            .outcome()
    };
    assert_eq!(fault(200, None, Depth::Policy), Some(Fault::HeadersOther));
    assert_eq!(fault(302, None, Depth::Dns), Some(Fault::HeadersOther));
    assert_eq!(fault(404, Some(404), Depth::Dns), None);
    assert_eq!(fault(503, None, Depth::Dns), Some(Fault::StatusServerError));
    assert_eq!(fault(200, None, Depth::Off), None);
}

#[test]
fn only_listed_changes_of_status_are_accepted() {
    let text =
        "[[rule]]\nmatch = \"/{x}\"\nstatus = [200, 302]\ntransitions = [\"200 -> 302\", \"4xx -> 410\"]";
    let mut judge = judge_of(Rules::parse(text, "test").unwrap(), "https://candidate.example");
    let mut check = |recorded: Option<u16>, answered: u16, expected: Option<Fault>| {
        check_status(&mut judge, "/x", answered, recorded, expected);
    };
    let refused = Some(Fault::StatusTransition);
    check(Some(200), 302, None);
    check(Some(200), 200, None);
    check(Some(302), 200, refused);
    check(Some(404), 302, refused);
    check(Some(404), 410, None);
    check(Some(404), 404, None);
    check(Some(200), 410, Some(Fault::StatusClientError));
    check(Some(200), 503, Some(Fault::StatusServerError));
    check(Some(200), 204, Some(Fault::StatusUnexpected));
    check(Some(499), 302, None);
    check(None, 302, None);
}

#[test]
fn r09_a_url_where_a_path_is_due() {
    let absolute = (Some(Fault::LocationAbsolute), "");
    let mut own = rule("location = \"/files/{file:pchar}\"\nrelative = \"only\"");
    check(&mut own, "/get/x", "/files/x", (None, ""));
    check(&mut own, "/get/x", "../files/x", (None, ""));
    check(&mut own, "/get/x", "https://candidate.example/files/x", absolute);
    check(&mut own, "/get/x", "//candidate.example/files/x", absolute);
    check(&mut own, "/get/x", "https://h.example/files/x", (Some(Fault::LocationWrongHost), "h.example"));
    let mut any = rule("relative = \"only\"");
    check(&mut any, "/get/x", "/y", (None, ""));
    check(&mut any, "/get/x", "https://h.example/y", (Some(Fault::LocationAbsolute), "h.example"));
    // A path stays on the candidate, whatever hosts and ports URLs may name.
    let mut both = with_rule("hosts = [\"cdn.example\"]\nrelative = true", "https://candidate.example:8443");
    check(&mut both, "/get/x", "/y", (None, ""));
    check(&mut both, "/get/x", "https://cdn.example/y", (None, "cdn.example"));
    check(&mut both, "/get/x", "//candidate.example:8443/y", (Some(Fault::LocationWrongHost), ""));
}

#[test]
fn hosts_by_pattern() {
    let mut judge = rule("hosts = [\"*.cdn.example\", \"cdn.example\"]");
    check(&mut judge, "/get/x", "https://eu.cdn.example/y", (None, "eu.cdn.example"));
    check(&mut judge, "/get/x", "https://cdn.example/y", (None, "cdn.example"));
    let host = "a.eu.cdn.example";
    check(&mut judge, "/get/x", "https://a.eu.cdn.example/y", (Some(Fault::LocationWrongHost), host));
    let host = "cdn.examplex";
    check(&mut judge, "/get/x", "https://cdn.examplex/y", (Some(Fault::LocationGluedHost), host));
}

#[test]
fn r10_encodings_of_one_path() {
    let mut judge = rule("location = \"https://h.example/{file}\"");
    for (path, fault) in [
        ("a%2Bb", None),
        ("a%2bb", None),
        ("a+b", Some(Fault::LocationEncoding)),
        ("a%252Bb", Some(Fault::LocationEncoding)),
        ("a%20b", Some(Fault::LocationEncoding)),
        ("a%2Bb?", Some(Fault::LocationMismatch)),
        ("a%2Bb/", Some(Fault::LocationMismatch)),
        ("ab", Some(Fault::LocationMismatch)),
    ] {
        assert_eq!(judged(&mut judge, &format!("https://h.example/{path}"), &[]).0, fault, "{path}");
    }
}

#[test]
fn r27_signatures_in_time() {
    let signed = |seconds: i64| {
        let expires = NOW.epoch_second() + seconds;
        format!("https://h.example/x?Expires={expires}&Signature=s&Key-Pair-Id=k")
    };
    let mut patient = rule("min_ttl = \"5m\"");
    let mut plain = no_rules("https://candidate.example");
    let soon = Some(Fault::LocationExpiresSoon);
    for (seconds, by_rule, without) in [
        (300, None, None),
        (299, soon, None),
        (59, soon, None),
        (-1, Some(Fault::LocationExpired), Some(Fault::LocationExpired)),
    ] {
        assert_eq!(judged(&mut patient, &signed(seconds), &[]).0, by_rule, "{seconds}");
        assert_eq!(judged(&mut plain, &signed(seconds), &[]).0, without, "{seconds}");
    }
    let (_, note) = judged(&mut plain, &signed(-7), &[]);
    assert_eq!(note, "the signature expired 7 s before the answer");
    let early = "https://h.example/x?X-Amz-Date=20231120T111500Z&X-Amz-Expires=900&X-Amz-Signature=0";
    assert_eq!(judged(&mut plain, early, &[]).0, Some(Fault::LocationNotYetValid));
    // A stranger's signature is a stranger's business.
    let mut strict = rule("hosts = [\"cdn.example\"]");
    assert_eq!(judged(&mut strict, &signed(-7), &[]).0, Some(Fault::LocationWrongHost));
}

#[test]
fn r32_a_rule_tells_which_redirects_have_a_form_in_json() {
    let member = |mut judge: Judge, target: &str, status| {
        let asked = JudgedRequest { target: target.as_bytes(), recorded_status: None };
        let (locations, headers) = (Locations::One(GOOD.as_bytes()), fields());
        let judgement =
            judge.judge(&asked, &JudgedResponse { status, locations, headers: &headers, at: NOW });
        judgement.json.map(|json| json.member.to_owned())
    };
    assert_eq!(member(crates_io(), CRATE, 302).as_deref(), Some("url"));
    assert_eq!(member(crates_io(), CRATE, 200), None);
    assert_eq!(member(crates_io(), "/other", 302), None);
    assert_eq!(member(rule(""), "/get/x", 302), None);
    assert!(crates_io().checks_json() && !rule("").checks_json());
}

#[test]
fn a_canonical_part_may_be_spelled_otherwise_in_one_way() {
    let (asked, base) = ("/api/v1/crates/serde-json/1.0.0%2Bx/download", "https://static.crates.io/crates");
    let ok = (None, "static.crates.io");
    for same in ["serde_json", "serde-json", "Serde_JSON"] {
        check(&mut crates_io(), asked, &format!("{base}/{same}/{same}-1.0.0%2Bx.crate"), ok);
    }
    let mismatch = (Some(Fault::LocationMismatch), "static.crates.io");
    for wrong in [
        "serde_json/serde-json-1.0.0%2Bx.crate",
        "serdejson/serdejson-1.0.0%2Bx.crate",
        "serde_json/serde_json-1.0.1%2Bx.crate",
        "serde.json/serde.json-1.0.0%2Bx.crate",
    ] {
        check(&mut crates_io(), asked, &format!("{base}/{wrong}"), mismatch);
    }
    let encoding = (Some(Fault::LocationEncoding), "static.crates.io");
    check(&mut crates_io(), asked, &format!("{base}/serde_json/serde_json-1.0.0+x.crate"), encoding);
    let lines = "location = \"https://h.example/p/{file}/\"\ncanonical.file = \"pep503\"";
    check(
        &mut rule(lines),
        "/get/Zope.Interface",
        "https://h.example/p/zope-interface/",
        (None, "h.example"),
    );
    let other = (Some(Fault::LocationMismatch), "h.example");
    check(&mut rule(lines), "/get/Zope.Interface", "https://h.example/p/zopeinterface/", other);
    // Without the word, names are compared byte for byte.
    let plain = "location = \"https://h.example/p/{file}/\"";
    check(&mut rule(plain), "/get/a-b", "https://h.example/p/a_b/", other);
}
