//! What only a rule can demand of a candidate, from the file to the report.

use super::{Call, INCIDENT, Report, Serving};

const COUNT: u64 = 60;

/// A rule for downloads with these lines.
fn rule(lines: &str) -> String {
    format!("[[rule]]\nmatch = \"/api/v1/crates/{{crate}}/{{version}}/download\"\n{lines}\n")
}

fn against(candidate: &Serving, rule: &str) -> Call {
    let call = Call::replay(INCIDENT, candidate).with(&["--rate", "300", "-n", &COUNT.to_string()]);
    call.file("mine.toml", rule).with(&["--rules", "mine.toml"])
}

/// Every answer breaks the rule in one way, and the example says which.
#[track_caller]
fn check(candidate: &Serving, lines: &str, id: &str, detail: &str) -> Report {
    let report = against(candidate, &rule(lines)).report(3);
    assert_eq!(report.faults(), [(id, COUNT)], "{lines}");
    let told = report.text("/faults/0/examples/0/detail");
    assert!(told.contains(detail), "{told}");
    report
}

#[test]
fn fields_that_a_rule_demands() {
    let candidate = Serving::sound();
    for (field, id, detail) in [
        ("vary = { contains = \"origin\" }", "headers.vary", "vary must contain origin"),
        ("content-type = \"text/html\"", "headers.content_type", "content-type must be text/html"),
        ("cache-control = { contains = \"immutable\" }", "headers.cache_control", "contain immutable"),
        ("access-control-allow-origin = \"*\"", "headers.cors", "access-control-allow-origin must be *"),
        ("etag = true", "headers.other", "etag must be present"),
    ] {
        check(&candidate, &format!("status = 302\nheaders.{field}"), id, detail);
    }
    let sound = "status = 302\nheaders.vary = \"accept\"\nheaders.etag = false";
    assert_eq!(against(&candidate, &rule(sound)).report(0).number("/arrivals/passed"), COUNT);
}

#[test]
fn the_url_that_was_expected_stands_alone_beside_other_findings() {
    let candidate = Serving::sound();
    let demands = "status = 302\nlocation = \"https://static.crates.io/{crate}/{version}/a.crate\"\nheaders.etag = true";
    let call = against(&candidate, &rule(demands));
    let ended = call.run();
    let report = Report::read(&ended.out);
    assert_eq!(report.found(), [("location.mismatch", COUNT), ("headers.other", COUNT)]);
    let told = report.text("/faults/0/examples/0/detail");
    assert!(told.starts_with("also headers.other; ") && told.ends_with("/a.crate"), "{told}");
    let expected: Vec<_> = ended.stdout.lines().filter(|line| line.trim().starts_with("expected ")).collect();
    assert!(!expected.is_empty() && expected.iter().all(|line| line.ends_with("/a.crate")), "{expected:?}");
}

#[test]
fn a_url_where_a_path_is_due() {
    let candidate = Serving::sound();
    check(&candidate, "status = 302\nrelative = \"only\"", "location.absolute", "");
    let candidate = Serving::with_faults(&["relative"]);
    let sound = "status = 302\nrelative = \"only\"\nlocation = \"/crates/{crate}/{crate}-{version}.crate\"";
    assert_eq!(against(&candidate, &rule(sound)).report(0).number("/arrivals/passed"), COUNT);
}

#[test]
fn a_change_from_what_was_recorded() {
    let candidate = Serving::sound();
    let line = |status: u16| {
        format!("{{\"at_ns\":0,\"target\":\"/api/v1/crates/a/1.0.0/download\",\"status\":{status}}}\n")
    };
    let trace = line(200) + &line(404) + &line(302);
    let call = |transitions: &str| {
        let rule = rule(&format!("status = 302\ntransitions = {transitions}"));
        let call = Call::replay("trace", &candidate).file("trace", &trace).with(&["--rate", "100"]);
        call.file("mine.toml", rule).with(&["--rules", "mine.toml"])
    };
    assert_eq!(call("[\"200 -> 302\", \"4xx -> 302\"]").report(0).number("/arrivals/passed"), 3);
    assert_eq!(call("[\"200 -> 302\"]").report(3).faults(), [("status.transition", 1)]);
    assert_eq!(call("[]").report(3).faults(), [("status.transition", 2)]);
}

#[test]
fn hosts_by_pattern_and_signatures_by_time() {
    let candidate = Serving::with_faults(&["expires-soon"]);
    let pattern = "status = 302\nhosts = [\"*.crates.io\"]";
    let patient = format!("{pattern}\nmin_ttl = \"1m\"");
    let report = check(&candidate, &patient, "location.expires_soon", "the signature expires ");
    assert_eq!(report.text("/targets/hosts/0/host"), "static.crates.io");
    for (line, warned) in [("min_ttl = \"0s\"", 0), ("", COUNT)] {
        let report = against(&candidate, &rule(&format!("{pattern}\n{line}"))).report(0);
        assert_eq!(report.number("/arrivals/passed"), COUNT);
        assert_eq!(report.warned().iter().map(|(_, answers)| answers).sum::<u64>(), warned, "{line}");
    }
    check(&candidate, "status = 302\nhosts = [\"*.static.crates.io\"]", "location.wrong_host", "host ");
}

#[test]
fn a_wrong_redirect_that_outlives_a_roll_back_is_said() {
    let candidate = Serving::with_faults(&["cacheable:50%"]);
    let count = COUNT.to_string();
    let call =
        Call::replay(INCIDENT, &candidate).with(&["--rate", "300", "-n", &count, "--rules", "crates-io"]);
    let ended = call.run();
    let report = Report::read(&ended.out);
    report.check_everything(&ended.out);
    let wrong = report.number("/arrivals/failed");
    assert!((1..COUNT).contains(&wrong));
    assert_eq!(report.number("/targets/cacheable_wrong"), wrong);
    assert_eq!(report.number("/targets/cacheable_wrong_max_s"), 604_800);
    assert_eq!(report.number("/targets/cacheable_wrong_without_end"), 0);
    let told = report.text("/faults/0/examples/0/detail");
    assert!(told.starts_with("cacheable for 7 d; "), "{told}");
    assert!(ended.stdout.contains("wrong redirects are cacheable for 7 d"), "{}", ended.stdout);
    // What may be kept and is right is nobody's trouble.
    let candidate = Serving::with_faults(&["permanent"]);
    let call = Call::replay(INCIDENT, &candidate).with(&["--rate", "300", "-n", &count]);
    assert_eq!(call.report(0).number("/targets/cacheable_wrong"), 0);
}

#[test]
fn sets_are_listed_printed_and_checked() {
    let list = Call::new(&["rules"]).run();
    assert_eq!((list.code, list.stderr.as_str()), (Some(0), ""));
    for line in list.stdout.lines().filter(|line| !line.starts_with(' ')) {
        let name = line.split_whitespace().next().unwrap();
        let printed = Call::new(&["rules", name]).run().stdout;
        let checked = Call::new(&["rules", "copy.toml"]).file("copy.toml", &printed).run();
        assert_eq!(checked.code, Some(0), "{name}: {}", checked.stderr);
        assert!(checked.stdout.contains("no mistakes\n"), "{}", checked.stdout);
    }
    let wrong = rule("status = 302\nhosts = [\"*.net\"]");
    Call::new(&["rules", "mine.toml"])
        .file("mine.toml", &wrong)
        .refused(2, &["mine.toml:4:10: ", "*.example.net"]);
    Call::new(&["rules", "cargo"]).refused(2, &["known sets: crates-io"]);
}

#[test]
fn faults_are_explained() {
    let told = Call::new(&["explain", "dns.nxdomain"]).run();
    assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""));
    assert!(told.stdout.contains("retries: this causes the storm"), "{}", told.stdout);
    Call::new(&["explain", "nxdomain"]).refused(2, &["is no fault", "did you mean dns.nxdomain?"]);
    let dns = Call::new(&["explain", "dns"]).run();
    assert!(dns.code == Some(0) && dns.stdout.contains("dns.private_address"), "{}", dns.stdout);
    let line = Call::new(&["explain", "bad_field_count"]).run();
    assert!(line.code == Some(0) && line.stdout.contains("too few columns"), "{}", line.stdout);
}

/// A rule for downloads of another version of the API: what a mistyped match
/// is.
const MISTYPED: &str = "[[rule]]\nmatch = \"/api/v2/crates/{crate}/{version}/download\"\nstatus = 302\n";

#[test]
fn rules_that_match_nothing_make_no_pass() {
    let candidate = Serving::sound();
    let report = against(&candidate, MISTYPED).report(5);
    assert_eq!((report.verdict(), report.number("/arrivals/passed")), ("invalid", COUNT));
    assert_eq!(report.text("/invalid_reasons/0/id"), "no_rule_matched");
    assert_eq!((report.number("/rules/judged/0/count"), report.number("/rules/without")), (0, COUNT));
    against(&candidate, MISTYPED).with(&["--allow-invalid"]).report(5);
    // Every answer is judged by the one that counts, and the report says so.
    let both = MISTYPED.to_owned() + &rule("status = 302");
    let call = against(&candidate, &both);
    let report = call.report(0);
    assert_eq!((report.number("/rules/judged/1/count"), report.number("/rules/without")), (COUNT, 0));
    let summary = std::fs::read_to_string(call.path("run/summary.txt")).unwrap();
    assert!(summary.contains("\nRules\n  60 of 60 requests have a rule\n"), "{summary}");
}

#[test]
fn rules_that_match_little_are_warned_about_above_the_verdict() {
    let candidate = Serving::sound();
    let lines = (0..10).map(|n| format!("/api/v1/crates/a/1.0.{n}/download\n"));
    let list: String = lines.chain(["/api/v1/crates/b/1.0.0/download\n".to_owned()]).collect();
    let one = "[[rule]]\nmatch = \"/api/v1/crates/b/{version}/download\"\nstatus = 302\n";
    let call = Call::replay("list", &candidate).file("list", list).file("mine.toml", one);
    let ended = call.with(&["--rate", "100", "--rules", "mine.toml"]).run();
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    let said = "! only 1 of 11 answers were judged by a rule of mine.toml; the others were NOT\nPASSED: ";
    assert!(ended.stdout.starts_with(said), "{}", ended.stdout);
}

#[test]
fn a_rewrite_that_was_forgotten_is_named() {
    let candidate = Serving::sound();
    let line = |n: usize| format!("/crates/serde/serde-1.0.{n}.crate\n");
    let list: String = (0..49).map(line).chain(["/robots.txt\n".to_owned()]).collect();
    let call = Call::replay("list", &candidate).file("list", list);
    let call = call.with(&["--rate", "200", "--rules", "crates-io", "--verify", "policy"]);
    // The candidate does not know them: that has failed whatever the rules say.
    let report = call.report(3);
    let reason = report.text("/invalid_reasons/0/detail");
    assert!(reason.contains("; 98 % of them look like --rewrite crates-io"), "{reason}");
    assert_eq!(report.text("/invalid_reasons/0/remedy"), "add --rewrite crates-io");
    let report = call.out("rewritten").with(&["--rewrite", "crates-io"]).report(0);
    assert_eq!((report.offered(), report.number("/rules/without")), (49, 0));
}

#[test]
fn a_file_without_a_rule_is_refused() {
    for text in ["", "# nothing yet\n", "shape = 1\n"] {
        let told = ["mine.toml:1:1: there is no rule: begin with [[rule]]"];
        Call::new(&["rules", "mine.toml"]).file("mine.toml", text).refused(2, &told);
        let call = Call::new(&["replay", INCIDENT, "--target", "http://127.0.0.1:1", "--rules", "mine.toml"]);
        call.file("mine.toml", text).refused(2, &told);
    }
}
