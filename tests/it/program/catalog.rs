//! Files that are listed nowhere are found without asking for them, and only
//! where the log shows that they were there.

use super::{Call, Report, Serving};
use std::fmt::Write as _;

/// Ten downloads of each: listed or not, with this recorded status.
fn trace(statuses: &[Option<u16>]) -> String {
    let mut trace = String::new();
    for (crate_number, status) in statuses.iter().enumerate() {
        let status = status.map_or_else(String::new, |status| format!(r#","status":{status}"#));
        for version in 0..10 {
            let target = format!("/api/v1/crates/c{crate_number}/1.0.{version}%2Bx/download");
            writeln!(trace, r#"{{"at_ns":{},"target":"{target}"{status}}}"#, version * 1_000_000).unwrap();
        }
    }
    trace
}

fn call(candidate: &Serving, trace: &str, catalog: &str) -> Call {
    Call::replay("trace", candidate).file("trace", trace).file("files.csv", catalog).with(&[
        "--rules",
        "crates-io",
        "--catalog",
        "files.csv",
        "--reorder-window",
        "0s",
    ])
}

#[track_caller]
fn check_accounting(report: &Report) {
    let told: u64 = report.map("/catalog").map(|(_, count)| count).sum();
    assert_eq!(told, report.number("/targets/redirects"));
}

#[test]
fn a_file_that_was_there_and_is_not_listed_is_a_fault() {
    let candidate = Serving::healthy();
    let trace = trace(&[Some(200), Some(302), Some(404), None]);
    let listed = |crates: &[u32]| {
        let file = |&number: &u32| (0..10).map(move |version| format!("c{number},1.0.{version}+x\n"));
        "name,version\n".to_owned() + &crates.iter().flat_map(file).collect::<String>()
    };
    let report = call(&candidate, &trace, &listed(&[0, 1, 2, 3])).report(0);
    check_accounting(&report);
    assert_eq!(report.number("/catalog/listed"), 40);

    let ended = call(&candidate, &trace, &listed(&[0]));
    let report = ended.report(3);
    check_accounting(&report);
    assert_eq!(report.faults(), [("location.not_in_catalog", 10)]);
    assert_eq!((report.number("/catalog/listed"), report.number("/catalog/missing")), (10, 30));
    let path = report.text("/faults/0/examples/0/path");
    assert!(path.starts_with("/api/v1/crates/c1/"), "{path}");
    assert_eq!(report.text("/plan/catalog"), "files.csv");
}

#[test]
fn a_catalogue_in_which_nothing_is_found_is_no_pass() {
    let candidate = Serving::healthy();
    let trace = trace(&[None, Some(404)]);
    let other = "name,version\nother,1\n";
    let report = call(&candidate, &trace, other).report(5);
    check_accounting(&report);
    assert_eq!(report.text("/invalid_reasons/0/id"), "catalog_none_listed");
    let few = call(&candidate, &trace, "name,version\nc0,1.0.0+x\n").report(0);
    assert_eq!(few.text("/warnings/0/id"), "catalog_few_listed");
    let allowed = call(&candidate, &trace, other).with(&["--allow-invalid"]).report(0);
    assert_eq!(allowed.text("/warnings/0/id"), "catalog_none_listed");

    let check = Call::new(&["check", "trace", "--target", &candidate.api, "--resolver", &candidate.dns]);
    let check = check.file("trace", &trace).file("files.csv", other).with(&["--allow-private"]);
    let ended = check
        .with(&["--rules", "crates-io", "--catalog", "files.csv", "--verify", "dns", "--verify-json", "off"])
        .run();
    assert_eq!(ended.code, Some(2), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("the catalogue lists none of the requested files"), "{}", ended.stdout);
}

#[test]
fn a_host_that_does_not_exist_outranks_a_file_that_is_not_listed() {
    let candidate = Serving::with_faults(&["missing-slash"]);
    let report = call(&candidate, &trace(&[Some(200)]), "name,version\nother,1\n").report(3);
    check_accounting(&report);
    assert_eq!(report.faults(), [("dns.nxdomain", 10)]);
}

#[test]
fn catalogues_that_cannot_be_used_are_refused() {
    let candidate = Serving::healthy();
    let trace = trace(&[None]);
    call(&candidate, &trace, "name,version\na\n").refused(2, &["files.csv:2: it has 1 fields"]);
    let twice = ["files.csv:1: columns 1 (\"name\") and 3 (\"name\") mean the same"];
    call(&candidate, &trace, "name,version,name\na,1,b\n").refused(2, &twice);
    call(&candidate, &trace, "a list\n").refused(2, &["files.csv:1: there is no column name"]);
    call(&candidate, &trace, "name,version\n").refused(2, &["files.csv lists no file"]);
    let good = || call(&candidate, &trace, "name,version\na,1\n");
    good().with(&["--verify", "off"]).refused(2, &["--catalog", "--verify is off"]);
    let nameless = "[[rule]]\nmatch = \"/{path}\"\nstatus = 302\n";
    let other_rules = Call::replay("trace", &candidate).file("trace", &trace).file("r.toml", nameless);
    let other_rules = other_rules.file("files.csv", "name,version\na,1\n");
    other_rules
        .with(&["--rules", "r.toml", "--catalog", "files.csv"])
        .refused(2, &["--catalog with these --rules", "{version}"]);
    let nowhere = Call::replay("trace", &candidate).file("trace", &trace);
    nowhere
        .with(&["--rules", "crates-io", "--catalog", "nowhere"])
        .refused(2, &["failed to read the catalogue nowhere: "]);
}
