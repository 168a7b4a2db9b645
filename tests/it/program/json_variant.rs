//! The form in JSON of a redirect: asked for beside it, of the candidate, and
//! held against it.

use super::targets::{TlsDeployment, downloads, tier};
use super::{Call, Serving};

/// A replay that asks `share` of the redirects for their form in JSON.
fn replay(candidate: &Serving, list: &str, share: &str) -> Call {
    let call = Call::replay("list", candidate).file("list", list);
    call.with(&["--rate", "1000", "--rules", "crates-io", "--verify-rate", "max", "--verify-json", share])
}

#[test]
fn each_path_is_asked_once_and_a_sound_candidate_passes() {
    let candidate = Serving::healthy();
    let call = replay(&candidate, &downloads(20, 5), "100%").with(&["--threads", "2"]);
    let report = call.report(0);
    assert_eq!(report.number("/arrivals/passed"), 100);
    assert_eq!(tier(&report, "json", "sampled_out"), [100, 0]);
    let told = std::fs::read_to_string(call.path("run/summary.txt")).unwrap();
    assert!(told.contains("100 redirects = 100 requested as JSON + 0 not requested\n"), "{told}");
    // At --verify dns, these are the only requests beside the load.
    assert_eq!(report.number("/targets/requests"), 20);
    assert_eq!(report.number("/attempts/total"), 100);
    assert_eq!(candidate.stop().answers, 120);
}

#[test]
fn r32_a_form_that_says_another_thing_fails_its_downloads() {
    for (fault, id, told) in [
        ("wrong-json-url", "json.mismatch", "it names https://static.staging.crates.io/crates/serde/"),
        ("no-json-url", "json.missing", "the member \"url\" is missing or is not a text"),
    ] {
        let candidate = Serving::with_faults(&[fault]);
        let report = replay(&candidate, &downloads(5, 4), "100%").report(3);
        assert_eq!(report.faults(), [(id, 20)], "{fault}");
        assert_eq!(tier(&report, "json", ""), [20, 0]);
        let detail = report.text("/faults/0/examples/0/detail");
        assert!(detail.starts_with(&format!("as JSON: {told}")), "{detail}");
    }
}

#[test]
fn what_is_not_asked_for_is_counted_by_its_reason() {
    let candidate = Serving::with_faults(&["wrong-json-url"]);
    let list = downloads(101, 1);
    let report = replay(&candidate, &list, "20%").report(3);
    let [asked, left] = tier(&report, "json", "sampled_out");
    assert!((5..40).contains(&asked) && asked + left == 101, "{asked} {left}");
    assert_eq!(report.faults(), [("json.mismatch", asked)]);
    let report = replay(&candidate, &list, "off").report(0);
    assert_eq!(tier(&report, "json", "tier_off"), [0, 101]);
    let plain = "[[rule]]\nmatch = \"/{any..}\"\nstatus = 302\nhosts = [\"static.crates.io\"]\n\
                 [[rule]]\nmatch = \"/never\"\njson = \"url\"\nstatus = 302\n";
    let call = Call::replay("list", &candidate).file("list", &list).file("rules.toml", plain);
    let report = call.with(&["--rate", "1000", "--rules", "rules.toml", "--verify-json", "100%"]).report(0);
    assert_eq!(tier(&report, "json", "no_json"), [0, 101]);
    let glued = Serving::with_faults(&["wrong-host"]);
    let report = replay(&glued, &list, "100%").report(3);
    assert_eq!((tier(&report, "json", "")[0], report.number("/targets/tiers/json/broken")), (0, 101));
}

#[test]
fn it_is_asked_for_at_the_rate_of_target_checks() {
    let candidate = Serving::healthy();
    let call = replay(&candidate, &downloads(50, 1), "100%");
    let slow = ["--verify-rate", "1/s", "--verify-concurrency", "1", "--grace", "3s"];
    let report = call.with(&slow).report(0);
    let [asked, left] = tier(&report, "json", "budget");
    assert!(left > 30 && asked + left == 50, "{asked} {left}");
    assert!(report.number("/targets/requests") < 20);
    assert!(report.list("/warnings").iter().any(|warning| warning["id"] == "json_budget"));
    assert_eq!((report.text("/plan/verify_rate"), report.text("/plan/verify_json")), ("1/s", "100%"));
}

#[test]
fn a_check_asks_for_each_and_goes_to_the_file_as_well() {
    let stage = TlsDeployment::with(&["--fault", "wrong-json-url:20%"]);
    let report = stage.check(&downloads(50, 1), &[]).report(3);
    let [checked, left] = [tier(&report, "json", "")[0], report.number("/targets/tiers/json/broken")];
    assert_eq!(([checked, left], tier(&report, "fetch", "")), ([50, 0], [50, 0]));
    let served = stage.stop();
    assert_eq!(report.faults(), [("json.mismatch", served.faulted)]);
    // Targets are asked by HEAD, and for their first bytes.
    assert_eq!((served.answers, served.targets), (100, 100));
}

#[test]
fn what_the_run_says_to_the_candidate_is_said_for_json_too() {
    let candidate = Serving::healthy();
    let call = replay(&candidate, &downloads(5, 1), "100%");
    // The stand-in takes whatever Host it is asked for; a wrong share is not.
    call.with(&["-H", "host: crates.io", "-H", "accept: text/html"]).report(0);
    let call = Call::replay("list", &candidate).file("list", downloads(1, 1));
    call.with(&["--rate", "1", "--verify-json", "all"]).refused(2, &["--verify-json"]);
}
