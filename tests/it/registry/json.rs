//! The two forms of a download's answer, asked one after the other and held
//! against each other.

use super::{DOWNLOAD, exchange, last, with_faults};
use downpour::fault::Fault;
use downpour::verify::Depth;
use downpour::verify::judge::Judge;
use downpour::verify::rules::Rules;

/// What is wrong between the redirect and its JSON form, at a candidate with
/// this fault.
#[track_caller]
fn check(faults: &[&str], expected: Option<Fault>) {
    let registry = with_faults(faults);
    let redirect = exchange(registry.api(), &[&last(DOWNLOAD)]);
    let location = redirect.lines().find_map(|line| line.strip_prefix("location: "));
    let asked = last(DOWNLOAD).replace("host:", "accept: application/json\r\nhost:");
    let json = exchange(registry.api(), &[&asked]);
    let (_, body) = json.split_once("\r\n\r\n").unwrap();
    let candidate = "http://127.0.0.1:8080".parse().unwrap();
    let mut judge = Judge::new(Rules::builtin("crates-io").unwrap(), &candidate, Depth::Dns).unwrap();
    assert_eq!(judge.json_member(DOWNLOAD.as_bytes()), Some("url"));
    let fault = judge.judge_json(DOWNLOAD.as_bytes(), location.map(str::as_bytes), body.as_bytes());
    assert_eq!(fault, expected, "{faults:?}: {location:?}, {body}");
    registry.stop();
}

#[test]
fn a_sound_candidate_says_the_same_in_both() {
    check(&[], None);
    // Both are wrong, and agree.
    check(&["wrong-host"], None);
}

#[test]
fn the_json_form_may_name_another_place_or_none() {
    check(&["wrong-json-url"], Some(Fault::JsonMismatch));
    check(&["backslash"], None);
    check(&["html-page"], Some(Fault::JsonMissing));
    // With no redirect to compare, the rule's template is what is due.
    check(&["json-to-all"], None);
}
