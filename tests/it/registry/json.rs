//! The two forms of a download's answer, asked one after the other and held
//! against each other.

use super::{DOWNLOAD, exchange, last, with_faults};
use downpour_core::fault::Fault;
use downpour_verify::json::ExpectedJson;

/// What is wrong between the redirect and its JSON form, at a candidate with
/// this fault.
#[track_caller]
fn check(faults: &[&str], expected: Option<Fault>) {
    let registry = with_faults(faults);
    let redirect = exchange(registry.api(), &[&last(DOWNLOAD)]);
    let location = redirect.lines().find_map(|line| line.strip_prefix("location: ")).unwrap();
    let asked = last(DOWNLOAD).replace("host:", "accept: application/json\r\nhost:");
    let json = exchange(registry.api(), &[&asked]);
    let (_, body) = json.split_once("\r\n\r\n").unwrap();
    let form = ExpectedJson { member: "url".into(), location: location.as_bytes().into() };
    let fault = form.fault(body.as_bytes()).map(|(fault, _)| fault);
    assert_eq!(fault, expected, "{faults:?}: {location:?}, {body}");
    registry.stop();
}

#[test]
fn a_sound_candidate_says_the_same_in_both() {
    check(&[], None);
    // Both are wrong, and agree.
    check(&["wrong-host"], None);
    check(&["backslash"], None);
}

#[test]
fn the_json_form_may_name_another_place_or_none() {
    check(&["wrong-json-url"], Some(Fault::JsonMismatch));
    check(&["no-json-url"], Some(Fault::JsonMissing));
}
