//! Conversations as tables: what was heard, step by step, and how it ends.

use super::*;
use crate::json::ExpectedJson;

const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\xff and then some";
const FILE: &str = "https://cdn.test/crates/a/a-1.0.0.crate";
const PLACES: [&str; 9] = ["/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8", "/9"];
const LIMITS: ProbeLimits = ProbeLimits { depth: ProbeDepth::Head, hops: 3, body: 1 << 20 };

fn status(status: u16) -> ProbeEvent<'static> {
    ProbeEvent::Answered(reply(status))
}

fn reply(status: u16) -> ProbeResponse<'static> {
    ProbeResponse {
        status,
        locations: Locations::None,
        content_type: Some(b"application/gzip"),
        content_length: Some(1_000),
        content_range: None,
        first: GZIP,
        received: 1_000,
        sha256: None,
    }
}

fn to(location: &'static str) -> ProbeEvent<'static> {
    ProbeEvent::Answered(ProbeResponse { locations: Locations::One(location.as_bytes()), ..reply(302) })
}

fn with(change: impl FnOnce(&mut ProbeResponse<'static>)) -> ProbeEvent<'static> {
    let mut reply = reply(200);
    change(&mut reply);
    ProbeEvent::Answered(reply)
}

/// The steps asked for, those asked again marked, and the verdict.
fn talk(
    url: &str,
    (reach, expect): (ProbeDepth, ExpectedFile),
    heard: &[ProbeEvent<'_>],
) -> (String, TargetVerdict) {
    let limits = ProbeLimits { depth: reach, ..LIMITS };
    converse(url, ProbeExpectation::File(expect), limits, heard)
}

fn converse(
    url: &str,
    want: ProbeExpectation,
    limits: ProbeLimits,
    heard: &[ProbeEvent<'_>],
) -> (String, TargetVerdict) {
    let (mut conversation, mut next) = ProbeSession::begin(url.parse().unwrap(), want, limits);
    let mut steps = Vec::new();
    let mut heard = heard.iter();
    loop {
        let (step, mark) = match next {
            ProbeAction::Ask(step) => (step, ""),
            ProbeAction::AskAgain(step) => (step, "!"),
            ProbeAction::Done(verdict) => {
                assert_eq!(heard.len(), 0, "it ended early with {verdict:?}");
                return (steps.join(" "), verdict);
            }
        };
        steps.push(format!("{step:?}{mark}"));
        next = conversation.handle_event(heard.next().expect("it goes on without an end"));
    }
}

#[track_caller]
fn check(reach: ProbeDepth, heard: &[ProbeEvent<'_>], steps: &str, expected: (Option<Fault>, Tier)) {
    let (asked, verdict) = talk(FILE, (reach, ExpectedFile::default()), heard);
    assert_eq!((asked.as_str(), verdict.fault, verdict.tier), (steps, expected.0, expected.1));
    assert_eq!(verdict.detail.is_some(), expected.0.is_some());
}

const SOUND: (Option<Fault>, Tier) = (None, Tier::Fetch);

const fn at_fetch(fault: Fault) -> (Option<Fault>, Tier) {
    (Some(fault), Tier::Fetch)
}

#[test]
fn each_reach_asks_in_its_way() {
    check(ProbeDepth::Connect, &[ProbeEvent::Connected], "Connect", (None, Tier::Connect));
    check(ProbeDepth::Head, &[status(200)], "Head", SOUND);
    // What HEAD finds, the first bytes must not hide: they ask for a part.
    check(ProbeDepth::Get, &[status(200), status(200)], "Head FirstBytes", SOUND);
    check(ProbeDepth::Get, &[status(200), part(b"bytes 0-511/1000")], "Head FirstBytes", SOUND);
    check(ProbeDepth::Digest, &[status(200)], "Whole", SOUND);
    for reach in [ProbeDepth::Head, ProbeDepth::Get] {
        for not_asked in [204, 205, 206, 226, 304] {
            check(reach, &[status(not_asked)], "Head", at_fetch(Fault::TargetStatus));
        }
    }
    check(ProbeDepth::Digest, &[part(b"bytes 0-511/1000")], "Whole", at_fetch(Fault::TargetStatus));
    let (_, verdict) = talk(FILE, (ProbeDepth::Get, ExpectedFile::default()), &[status(206)]);
    assert!(verdict.detail.unwrap().contains("status 206, although the request had no Range"));
}

/// The part that was asked for, under that `Content-Range`.
fn part(range: &'static [u8]) -> ProbeEvent<'static> {
    with(|reply| (reply.status, reply.content_range, reply.received) = (206, Some(range), 512))
}

#[test]
fn only_the_part_that_was_asked_for_will_do() {
    let end = |heard: ProbeEvent<'_>| {
        talk(FILE, (ProbeDepth::Get, ExpectedFile::default()), &[status(200), heard]).1
    };
    for right in [&b"bytes 0-511/1000"[..], b"bytes 0-511/*"] {
        assert_eq!(end(part(right)).fault, None, "{}", right.escape_ascii());
    }
    for wrong in [
        &b"bytes 1-512/1000"[..],
        b"bytes 488-999/1000",
        b"bytes 0-999/1000",
        b"bytes 0-511/100",
        b"0-511/1000",
    ] {
        let verdict = end(part(wrong));
        assert_eq!(verdict.fault, Some(Fault::TargetStatus), "{}", wrong.escape_ascii());
        assert!(verdict.detail.unwrap().contains("but the first 512 were requested"));
    }
    assert_eq!(end(status(206)).fault, Some(Fault::TargetStatus), "no Content-Range at all");
    let shorter =
        with(|r| (r.status, r.content_range, r.received) = (206, Some(&b"bytes 0-511/1000"[..]), 100));
    assert_eq!(end(shorter).fault, Some(Fault::TargetStatus), "fewer bytes than it says");
}

#[test]
fn an_empty_body_is_no_file_where_head_told_of_one() {
    let empty = || with(|r| (r.received, r.first, r.content_length) = (0, b"", Some(0)));
    let asked = |head: ProbeEvent<'_>| {
        talk("https://cdn.test/blob", (ProbeDepth::Get, ExpectedFile::default()), &[head, empty()])
    };
    let (steps, verdict) = asked(status(200));
    assert_eq!((steps.as_str(), verdict.fault), ("Head FirstBytes", Some(Fault::TargetLength)));
    assert_eq!(asked(with(|r| r.content_length = None)).1.fault, None, "a file may be empty");
}

#[test]
fn three_hundred_with_a_location_is_followed() {
    let choice = ProbeEvent::Answered(ProbeResponse { locations: Locations::One(b"/b"), ..reply(300) });
    check(ProbeDepth::Head, &[choice, status(200)], "Head Head", SOUND);
    check(ProbeDepth::Head, &[status(300)], "Head", at_fetch(Fault::TargetStatus));
}

#[test]
fn who_was_asked_is_told_beside_the_fault() {
    let (mut conversation, _) =
        ProbeSession::begin(FILE.parse().unwrap(), ProbeExpectation::File(ExpectedFile::default()), LIMITS);
    conversation.set_peer("at 192.0.2.1:443: the certificate has expired".to_owned());
    let ProbeAction::Done(verdict) =
        conversation.handle_event(&ProbeEvent::NotConnected(Fault::TargetTlsCertificate))
    else {
        panic!("it goes on");
    };
    let told = verdict.detail.unwrap();
    assert!(told.contains("(at 192.0.2.1:443: the certificate has expired)"), "{told}");
}

#[test]
fn a_signed_place_is_asked_with_get_at_once() {
    let sound = (ProbeDepth::Head, ExpectedFile::default());
    assert_eq!(talk("https://s3.test/f?X-Amz-Signature=1", sound, &[status(200)]).0, "FirstBytes");
    assert_eq!(talk("https://s3.test/f?v=1", sound, &[status(200)]).0, "Head");
}

#[test]
fn where_head_is_refused_the_first_bytes_are_asked_for() {
    for refusal in [401, 403, 404, 405, 410, 501] {
        for reach in [ProbeDepth::Head, ProbeDepth::Get] {
            check(reach, &[status(refusal), part(b"bytes 0-511/1000")], "Head FirstBytes", SOUND);
        }
    }
    let forbidden = at_fetch(Fault::TargetForbidden);
    check(ProbeDepth::Head, &[status(403), status(403)], "Head FirstBytes", forbidden);
    check(ProbeDepth::Head, &[status(405), status(404)], "Head FirstBytes", at_fetch(Fault::TargetNotFound));
}

#[test]
fn statuses_come_to_their_faults() {
    for gone in [404, 410] {
        check(
            ProbeDepth::Head,
            &[status(gone), status(gone)],
            "Head FirstBytes",
            at_fetch(Fault::TargetNotFound),
        );
    }
    for other in [204, 300, 304, 400, 402, 416, 418] {
        let wrong = at_fetch(Fault::TargetStatus);
        check(ProbeDepth::Get, &[status(other)], "Head", wrong);
        check(ProbeDepth::Get, &[status(200), status(other)], "Head FirstBytes", wrong);
    }
}

#[test]
fn what_settles_nothing_is_asked_once_more() {
    for passing in [429, 500, 503] {
        check(ProbeDepth::Head, &[status(passing), status(200)], "Head Head!", SOUND);
        let failing = at_fetch(Fault::TargetServerError);
        check(ProbeDepth::Head, &[status(passing), status(502)], "Head Head!", failing);
    }
    for fault in [Fault::TargetTimeout, Fault::TargetBroken, Fault::TargetTruncated] {
        let broken = || ProbeEvent::Broken(fault);
        check(ProbeDepth::Get, &[broken(), broken()], "Head Head!", at_fetch(fault));
        let both = [broken(), status(200), broken(), status(200)];
        check(ProbeDepth::Get, &both, "Head Head! FirstBytes FirstBytes!", SOUND);
    }
    let late = || ProbeEvent::NotConnected(Fault::TargetConnectTimeout);
    let expected = (Some(Fault::TargetConnectTimeout), Tier::Connect);
    check(ProbeDepth::Head, &[late(), late()], "Head Head!", expected);
    let refused = [ProbeEvent::NotConnected(Fault::TargetRefused)];
    check(ProbeDepth::Head, &refused, "Head", (Some(Fault::TargetRefused), Tier::Connect));
    let certificate = [ProbeEvent::NotConnected(Fault::TargetTlsCertificate)];
    check(ProbeDepth::Connect, &certificate, "Connect", (Some(Fault::TargetTlsCertificate), Tier::Connect));
}

#[test]
fn redirects_of_the_target_are_followed_within_bounds() {
    check(ProbeDepth::Head, &[to("/b"), to("https://other.test/c"), status(200)], "Head Head Head", SOUND);
    let signed = to("https://s3.test/f?Signature=1");
    check(ProbeDepth::Head, &[signed, part(b"bytes 0-511/1000")], "Head FirstBytes", SOUND);
    let circle = at_fetch(Fault::TargetLoop);
    check(ProbeDepth::Head, &[to("/b"), to("/crates/a/a-1.0.0.crate#x")], "Head Head", circle);
    check(ProbeDepth::Head, &[to("")], "Head", at_fetch(Fault::TargetBadRedirect));
    check(ProbeDepth::Head, &[to("?a"), to("?a")], "Head Head", at_fetch(Fault::TargetLoop));
    let endless = [to("/1"), to("/2"), to("/3"), to("/4")];
    check(ProbeDepth::Head, &endless, "Head Head Head Head", at_fetch(Fault::TargetTooManyHops));
    check(ProbeDepth::Get, &[to("http://cdn.test/b")], "Head", at_fetch(Fault::TargetDowngrade));
    // Each place has a second chance of its own.
    let shaky = [status(503), to("/b"), status(503), status(200)];
    check(ProbeDepth::Head, &shaky, "Head Head! Head Head!", SOUND);
    // The first host took a connection; that the second does not is found later.
    let away = [to("https://other.test/"), ProbeEvent::NotConnected(Fault::TargetRefused)];
    check(ProbeDepth::Head, &away, "Head Head", at_fetch(Fault::TargetRefused));
}

#[test]
fn no_place_is_asked_that_no_client_should_follow_to() {
    for place in
        ["ftp://cdn.test/f", "https://u@cdn.test/f", "https://@cdn.test/f", "https:///f", "https://a..b/f"]
    {
        check(ProbeDepth::Head, &[to(place)], "Head", at_fetch(Fault::TargetBadRedirect));
    }
    check(ProbeDepth::Head, &[to("https://cdn.test/a b")], "Head", at_fetch(Fault::TargetBadRedirect));
    let many = ProbeEvent::Answered(ProbeResponse { locations: Locations::Many, ..reply(307) });
    check(ProbeDepth::Head, &[many], "Head", at_fetch(Fault::TargetBadRedirect));
    check(ProbeDepth::Head, &[status(302)], "Head", at_fetch(Fault::TargetBadRedirect));
    for url in ["ftp://cdn.test/f", "https://u:p@cdn.test/f"] {
        let (steps, verdict) = talk(url, (ProbeDepth::Head, ExpectedFile::default()), &[]);
        assert_eq!((steps.as_str(), verdict.fault), ("", Some(Fault::TargetBadRedirect)));
    }
}

#[test]
fn what_is_no_archive_is_found_by_type_by_length_and_by_its_first_bytes() {
    let fault = at_fetch(Fault::TargetNotAnArchive);
    check(ProbeDepth::Head, &[with(|r| r.content_type = Some(b"text/html; charset=x"))], "Head", fault);
    check(ProbeDepth::Head, &[with(|r| r.content_length = Some(3))], "Head", fault);
    check(ProbeDepth::Get, &[status(200), with(|r| r.first = b"<!DOCTYPE html>")], "Head FirstBytes", fault);
    check(ProbeDepth::Head, &[with(|r| r.first = b"")], "Head", SOUND);
    check(ProbeDepth::Get, &[status(200), with(|r| r.content_type = None)], "Head FirstBytes", SOUND);
    let empty = with(|r| (r.status, r.content_range, r.first) = (416, Some(&b"bytes */0"[..]), b""));
    check(ProbeDepth::Get, &[with(|r| r.content_length = None), empty], "Head FirstBytes", fault);
    // A name that promises nothing is held to nothing; one that did is held to
    // it wherever its redirects end.
    let page = || with(|r| (r.content_type, r.first) = (Some(&b"text/html"[..]), b"<p>"));
    let promise = |url| talk(url, (ProbeDepth::Get, ExpectedFile::default()), &[page(), page()]).1.fault;
    assert_eq!(promise("https://cdn.test/simple/a/"), None);
    check(ProbeDepth::Get, &[to("/error"), page()], "Head Head", fault);
}

#[test]
fn length_and_digest_are_held_against_what_is_known() {
    let expect = ExpectedFile { length: Some(1_000), sha256: Some([7; 32]) };
    let end = |reach, heard: ProbeEvent<'_>| {
        let heard = if reach == ProbeDepth::Get { vec![status(200), heard] } else { vec![heard] };
        let verdict = talk(FILE, (reach, expect), &heard).1;
        (verdict.fault, verdict.tier)
    };
    let length = at_fetch(Fault::TargetLength);
    assert_eq!(end(ProbeDepth::Head, status(200)), SOUND);
    assert_eq!(end(ProbeDepth::Head, with(|r| r.content_length = Some(999))), length);
    assert_eq!(end(ProbeDepth::Head, with(|r| r.content_length = None)), SOUND);
    assert_eq!(end(ProbeDepth::Get, part(b"bytes 0-511/1001")), length);
    assert_eq!(end(ProbeDepth::Get, part(b"bytes 0-511/1000")), SOUND);
    assert_eq!(end(ProbeDepth::Get, part(b"bytes 0-511/*")), SOUND);
    assert_eq!(end(ProbeDepth::Digest, with(|r| r.received = 999)), length);
    assert_eq!(end(ProbeDepth::Digest, with(|r| r.sha256 = Some([7; 32]))), (None, Tier::Digest));
    let other = (Some(Fault::TargetDigest), Tier::Digest);
    assert_eq!(end(ProbeDepth::Digest, with(|r| r.sha256 = Some([8; 32]))), other);
}

#[test]
fn what_is_told_names_the_place_and_the_way_there_but_no_query() {
    let heard = [to("https://s3.test/bucket/f?X-Amz-Signature=secret"), status(403)];
    let told = talk(FILE, (ProbeDepth::Head, ExpectedFile::default()), &heard).1.detail.unwrap();
    assert_eq!(
        &*told,
        "GET of the first bytes of https://s3.test/bucket/f?...: status 403; redirected with 302 by \
         https://cdn.test/crates/a/a-1.0.0.crate"
    );
    let long = format!("https://cdn.test/{}", "a".repeat(5_000));
    let told = talk(&long, (ProbeDepth::Head, ExpectedFile::default()), &[status(404), status(404)])
        .1
        .detail
        .unwrap();
    assert!(told.len() < 200, "{told}");
}

#[test]
fn each_hop_on_the_way_is_told_as_far_as_there_is_room() {
    let far = ProbeLimits { hops: 9, ..LIMITS };
    let way = |hops: usize| {
        let mut heard: Vec<_> = PLACES.iter().take(hops).map(|place| to(place)).collect();
        heard.extend([status(404), status(404)]);
        converse(FILE, ProbeExpectation::File(ExpectedFile::default()), far, &heard).1.detail.unwrap()
    };
    let told = way(3);
    let by = |place| format!("; redirected with 302 by https://cdn.test{place}");
    assert_eq!(
        *told,
        *format!(
            "GET of the first bytes of https://cdn.test/3: status 404{}{}{}",
            by("/2"),
            by("/1"),
            by("/crates/a/a-1.0.0.crate")
        )
    );
    let told = way(9);
    assert!(told.len() < 448 && told.ends_with("; 2 more before that"), "{told}");
}

fn json(heard: &[ProbeEvent<'_>]) -> (String, TargetVerdict) {
    let form = ExpectedJson { member: "url".into(), location: FILE.as_bytes().into() };
    converse("http://candidate.test/download", ProbeExpectation::Json(form), LIMITS, heard)
}

#[test]
fn the_form_in_json_is_asked_for_and_not_followed() {
    let says = |body: &'static str| with(|reply| reply.first = body.as_bytes());
    let sound = says(r#"{"url":"https://cdn.test/crates/a/a-1.0.0.crate"}"#);
    assert_eq!(json(std::slice::from_ref(&sound)), ("Json".to_owned(), TargetVerdict::ok(Tier::Json)));
    assert_eq!(json(&[status(503), sound]), ("Json Json!".to_owned(), TargetVerdict::ok(Tier::Json)));
    let found = |heard: &[ProbeEvent<'_>], steps: &str, fault, why: &str| {
        let (asked, verdict) = json(heard);
        assert_eq!((asked.as_str(), verdict.fault, verdict.tier), (steps, Some(fault), Tier::Json));
        assert!(verdict.detail.as_deref().is_some_and(|told| told.contains(why)), "{:?}", verdict.detail);
    };
    let (missing, mismatch) = (Fault::JsonMissing, Fault::JsonMismatch);
    found(&[says(r#"{"url":"https://cdn.test/b"}"#)], "Json", mismatch, "it names https://cdn.test/b");
    found(&[says("{}")], "Json", missing, "the member \"url\" is missing or is not a text");
    found(&[to(FILE)], "Json", missing, "status 302");
    found(&[status(404)], "Json", missing, "status 404");
    found(&[status(500), status(500)], "Json Json!", missing, "status 500");
    let refused = ProbeEvent::NotConnected(Fault::TargetRefused);
    found(&[refused], "Json", missing, "refuse");
}

#[test]
fn a_place_that_was_dead_a_moment_ago_is_not_tried() {
    let refused = (Some(Fault::TargetRefused), Tier::Connect);
    check(ProbeDepth::Get, &[ProbeEvent::RecentlyUnreachable(Fault::TargetRefused)], "Head", refused);
    let late = (Some(Fault::TargetConnectTimeout), Tier::Connect);
    check(ProbeDepth::Get, &[ProbeEvent::RecentlyUnreachable(Fault::TargetConnectTimeout)], "Head", late);
}
