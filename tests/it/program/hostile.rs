//! A candidate that means harm: each thing it does is told by its own name, no
//! worker dies of it, and what is odd but sound passes.

use super::{Call, Ended, INCIDENT, Report, Serving};

const COUNT: u64 = 100;

fn call(candidate: &Serving, flags: &[&str]) -> Call {
    let count = COUNT.to_string();
    let limited = ["--rate", "250", "-n", &count, "--connections", "10"];
    Call::replay(INCIDENT, candidate).with(&limited).with(flags)
}

/// The report of a run that came to its proper end, whatever it found.
#[track_caller]
pub(super) fn report_of(call: &Call) -> Report {
    let Ended { code, stdout, stderr, out } = call.run();
    assert!(matches!(code, Some(0 | 3)), "{code:?}\n{stdout}{stderr}");
    for word in ["INTERRUPTED", "panicked"] {
        assert!(!stdout.contains(word) && !stderr.contains(word), "{stdout}{stderr}");
    }
    let report = Report::read(&out);
    report.check_everything(&out);
    report
}

/// How many connections a run that meets nothing but the fault opens.
#[derive(Clone, Copy)]
enum Connections {
    /// One for each arrival.
    OneEach,
    /// At most ten at a time, which are used again.
    Kept,
}

/// Every answer spoiled by `fault` comes to the fault `id`, or to none. A share
/// of them does to as many arrivals, and the others pass.
#[track_caller]
fn check(fault: &str, flags: &[&str], id: Option<&str>, connections: Connections) -> Report {
    let candidate = Serving::with_faults(&[fault]);
    let report = report_of(&call(&candidate, flags));
    let expected: Vec<(&str, u64)> = id.into_iter().map(|id| (id, COUNT)).collect();
    assert_eq!(report.faults(), expected, "{fault}");
    let opened = report.number("/connections/opened");
    match connections {
        Connections::OneEach => {
            let replays = report.number("/connections/stale_replays");
            assert!((COUNT..=COUNT + replays).contains(&opened), "{fault}: {opened} for {COUNT}");
        }
        Connections::Kept => assert!((1..=10).contains(&opened), "{fault}: {opened} for {COUNT}"),
    }
    assert_eq!(candidate.stop().faulted, COUNT, "{fault}");

    let candidate = Serving::with_faults(&[&format!("{fault}:25%")]);
    let report = report_of(&call(&candidate, flags));
    let failed = report.number("/arrivals/failed");
    assert!(report.faults().iter().all(|(found, _)| Some(*found) == id), "{fault}: {:?}", report.faults());
    assert!(failed < COUNT && report.number("/arrivals/passed") == COUNT - failed, "{fault}");
    let (served, replays) = (candidate.stop(), report.number("/connections/stale_replays"));
    assert!(served.faulted >= 1);
    match id {
        // A request whose reused connection closed is sent once more, and
        // may be lucky then.
        Some(_) => assert!((served.faulted - replays..=served.faulted).contains(&failed), "{fault}"),
        None => assert_eq!(failed, 0, "{fault}"),
    }
    report
}

const RULES: &[&str] = &["--rules", "crates-io"];
const NO_RULES: &[&str] = &[];

#[test]
fn redirects_that_mislead_are_told_apart() {
    for (fault, flags, id) in [
        ("two-locations", NO_RULES, "location.multiple"),
        ("raw-bytes", NO_RULES, "location.bytes"),
        ("placeholder", NO_RULES, "location.placeholder"),
        ("userinfo", NO_RULES, "location.userinfo"),
        ("loop", NO_RULES, "location.loop"),
        ("downgrade", RULES, "location.downgrade"),
        ("port", RULES, "location.port"),
        ("relative", RULES, "location.relative"),
        ("backslash", NO_RULES, "location.bytes"),
        ("expired", NO_RULES, "location.expired"),
        ("not-yet-valid", NO_RULES, "location.not_yet_valid"),
        ("glued-host", RULES, "location.glued_host"),
        ("other-file", RULES, "location.mismatch"),
        ("no-scheme", RULES, "location.relative"),
        ("bad-port", NO_RULES, "location.unparsable"),
    ] {
        check(fault, flags, Some(id), Connections::Kept);
    }
}

#[test]
fn answers_of_another_form_are_told_apart() {
    for (fault, flags, id) in [
        ("permanent", RULES, Some("status.unexpected")),
        ("json-to-all", RULES, Some("status.unexpected")),
        ("html-page", RULES, Some("status.unexpected")),
        // The rules warn of it.
        ("vary-missing", RULES, None),
        // Nothing is wrong with them where nobody says what would be right; content
        // in place of every redirect is no pass.
        ("permanent", NO_RULES, None),
        ("vary-missing", NO_RULES, None),
        ("expires-soon", NO_RULES, None),
    ] {
        check(fault, flags, id, Connections::Kept);
    }
}

#[test]
fn answers_that_are_no_answers_are_told_apart() {
    for (fault, id) in [
        ("truncate", "http.truncated"),
        ("garbage", "http.garbage"),
        ("half-close", "http.closed"),
        ("huge-headers", "http.headers_too_large"),
        ("many-headers", "http.headers_too_large"),
    ] {
        check(fault, RULES, Some(id), Connections::OneEach);
    }
    let report = check("retry-after", RULES, Some("status.5xx"), Connections::Kept);
    assert!(report.times("/statuses", "503") >= 1);
}

#[test]
fn content_without_end_is_given_up_at_the_limit() {
    let candidate = Serving::with_faults(&["endless-body"]);
    let few = Call::replay(INCIDENT, &candidate).with(&["--rate", "100", "-n", "4"]);
    let report = report_of(&few);
    assert_eq!(report.faults(), [("http.body_too_large", 4)]);
    assert_eq!(report.number("/connections/opened"), 4);
}

#[test]
fn what_is_odd_but_sound_passes() {
    check("informational", RULES, None, Connections::Kept);
    check("body", RULES, None, Connections::Kept);
    check("http10", RULES, None, Connections::OneEach);
    check("early-close", RULES, None, Connections::OneEach);
}

#[test]
fn what_follows_an_answer_is_not_taken_for_the_next_one() {
    let report = check("wrong-length", RULES, None, Connections::OneEach);
    // The excess says 404.
    let statuses: Vec<_> = report.map("/statuses").collect();
    assert_eq!(statuses, [("302", COUNT)]);
}

#[test]
fn a_run_goes_on_when_the_harm_is_over() {
    for fault in ["truncate", "garbage", "half-close", "huge-headers", "reset", "early-close"] {
        let candidate = Serving::with_faults(&[&format!("{fault}@..50ms")]);
        let report = report_of(&call(&candidate, RULES));
        let (failed, faulted) = (report.number("/arrivals/failed"), candidate.stop().faulted);
        assert!(faulted >= 1 && failed <= faulted, "{fault}: {failed} failed of {faulted}");
        // The window opens with the first request, so whoever passes came later.
        let passed = report.number("/arrivals/passed");
        assert!(passed >= 1 && passed == COUNT - failed, "{fault}: {passed} passed");
    }
}
