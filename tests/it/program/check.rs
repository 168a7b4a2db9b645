//! Each distinct request once, down to the file: what a pipeline runs before it
//! promotes a build.

use super::accounting::Report;
use super::targets::{TlsDeployment, downloads, tier};
use super::{Call, Ended, Serving, every};
use downpour_mock::crate_file;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

/// Tiers that were judged, with how many redirects each.
fn tiers(report: &Report) -> Vec<u64> {
    let judged = |name| tier(report, name, "")[0];
    ["headers", "policy", "dns", "connect", "fetch", "digest", "json"].map(judged).to_vec()
}

#[test]
fn a_sound_deployment_passes_with_each_path_asked_once_and_every_tier_checked() {
    let stage = TlsDeployment::with(&[]);
    let call = stage.check(&downloads(20, 3), &["--junit", "check.xml"]);
    let report = call.report(0);
    assert_eq!((report.offered(), report.number("/arrivals/passed")), (20, 20));
    assert_eq!(report.map("/records/filtered").collect::<Vec<_>>(), [("duplicate", 40)]);
    assert_eq!(tiers(&report), [20, 20, 20, 20, 20, 0, 20]);
    assert_eq!(report.list("/warnings").len(), 0);
    let junit = Junit::read(&call);
    assert_eq!((junit.suite["failures"].as_str(), junit.suite["errors"].as_str()), ("0", "0"));
    assert_eq!(
        (junit.suite["skipped"].parse(), junit.suite["tests"].parse()),
        (Ok(junit.skipped), Ok(junit.cases.len()))
    );
    // No catalogue and no client model; the certificate of a plain candidate.
    assert!(junit.skipped >= 5, "{}", junit.skipped);
    assert!(junit.cases.iter().any(|(name, failed)| name == "target.403" && !failed), "{:?}", junit.cases);
    let served = stage.stop();
    // Each path twice: as a redirect, and as JSON; each target by HEAD and GET.
    assert_eq!((served.answers, served.targets), (40, 40));
}

#[test]
fn nothing_is_written_but_what_was_asked_for() {
    let stage = TlsDeployment::with(&[]);
    let call = stage.check(&downloads(3, 1), &["--quiet"]);
    // Without the run directory that the other checks here ask for.
    let args: Vec<String> =
        call.args.iter().filter(|arg| *arg != "--out" && *arg != "run").cloned().collect();
    let call = Call { args, ..call };
    let ended = call.run();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    assert!(ended.stdout.starts_with("PASSED: all 3 distinct requests were good\n"), "{}", ended.stdout);
    let left: Vec<_> =
        fs::read_dir(call.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["list"]);
    let ended = call.with(&["--format", "json"]).run();
    assert_eq!(Report::parse(&ended.stdout).offered(), 3);
}

/// A check against this stage ends with these faults and exit code 3.
#[track_caller]
fn check(stage: &[&str], flags: &[&str], faults: &[(&str, u64)]) -> (Ended, Junit) {
    let stage = TlsDeployment::with(stage);
    let call = stage.check(&downloads(5, 4), flags).with(&["--junit", "check.xml"]);
    let ended = call.run();
    assert_eq!(ended.code, Some(3), "{}{}", ended.stdout, ended.stderr);
    let report = Report::read(&ended.out);
    report.check_everything(&ended.out);
    assert_eq!(report.faults(), faults);
    (ended, Junit::read(&call))
}

#[test]
fn what_is_broken_is_told_with_what_clients_make_of_it() {
    let (ended, junit) = check(&["--cdn-fault", "status-403"], &[], &[("target.403", 5)]);
    let text = &ended.stdout;
    assert!(text.starts_with("FAILED: 5 of 5 distinct requests failed (100.0 %)\n"), "{text}");
    for part in [
        "  target.403                             5   100.0 %\n    the target answers 403",
        "    A client such as cargo: gives up\n    To do: Check that the file exists",
        "\n      /api/v1/crates/serde/1.0.",
        "        -> https://static.crates.io/crates/serde/",
        "downpour explain ID",
    ] {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    assert_eq!(junit.suite["failures"], "1");
    let failed: Vec<_> = junit.cases.iter().filter(|(_, failed)| *failed).map(|(name, _)| name).collect();
    assert_eq!(failed, ["target.403"]);
    assert!(junit.text.contains("5 of 5 distinct requests (100.0 %)"), "{}", junit.text);
    assert_eq!(junit.text.matches("status 403").count(), 5);
    check(&["--cdn-fault", "error-page"], &[], &[("target.not_an_archive", 5)]);
    check(&["--fault", "missing-slash"], &[], &[("dns.nxdomain", 5)]);
}

#[test]
fn with_a_catalogue_files_are_downloaded_and_compared() {
    let mut catalogue = "name,version,size,sha256\n".to_owned();
    for n in 0..5 {
        let file = crate_file("serde", &format!("1.0.{n}"));
        let digest = Sha256::digest(&file).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        writeln!(catalogue, "serde,1.0.{n},{},{digest}", file.len()).unwrap();
    }
    for (stage, code, faults) in
        [(&[][..], 0, &[][..]), (&["--cdn-fault", "other-bytes"], 3, &[("target.digest", 5)])]
    {
        let stage = TlsDeployment::with(stage);
        let call = stage.check(&downloads(5, 2), &["--catalog", "files.csv"]);
        let report = call.file("files.csv", &catalogue).report(code);
        assert_eq!((report.faults(), tiers(&report)), (faults.to_vec(), vec![5, 5, 5, 5, 5, 5, 5]));
        assert_eq!(report.text("/plan/verify"), "digest");
    }
}

/// A candidate that answers faster than its targets can be asked is asked more
/// slowly; more wait in all than any queue holds.
#[test]
fn nothing_is_left_unchecked_for_want_of_room() {
    let stage = TlsDeployment::with(&[]);
    let flags = ["--verify", "head", "--verify-concurrency", "1", "--connections", "64"];
    let report = stage.check(&downloads(6_000, 1), &flags).report(0);
    assert_eq!(tiers(&report), [6_000, 6_000, 6_000, 6_000, 6_000, 0, 6_000]);
    assert_eq!(stage.stop().targets, 6_000);
}

/// Where the order does not matter, nothing comes too late for it.
#[test]
fn a_log_that_is_not_in_order_is_asked_for_all_the_same() {
    let stage = TlsDeployment::with(&[]);
    let trace: String =
        every(60_000, 30).lines().rev().fold(String::new(), |trace, line| trace + line + "\n");
    let report = stage.check(&trace, &[]).report(0);
    assert_eq!((report.offered(), report.number("/records/late")), (30, 0));
}

#[test]
fn hostile_text_stays_text_in_junit() {
    let stage = TlsDeployment::with(&[]);
    let list = "/a'b&c]]>/<d>\n/\"e\"&amp;\n/api/v1/crates/serde/1.0.0/download\n";
    let call = stage.check(list, &["--junit", "check.xml", "--verify", "off"]);
    assert_eq!(call.report(3).faults(), [("status.4xx", 2)]);
    let junit = Junit::read(&call);
    assert!(junit.text.contains("/a'b&c%5D%5D%3E/%3Cd%3E"), "{}", junit.text);
    assert!(junit.text.contains("&amp;"), "{}", junit.text);
}

#[test]
fn a_check_that_no_rule_fits_is_a_mistake_in_what_it_was_given() {
    let stage = TlsDeployment::with(&[]);
    let typed = "[[rule]]\nmatch = \"/api/v2/crates/{crate}/{version}/download\"\nstatus = 302\n";
    let call = stage.check(&downloads(5, 1), &["--rules", "mine.toml"]).file("mine.toml", typed);
    let ended = call.run();
    assert_eq!(ended.code, Some(2), "{}{}", ended.stdout, ended.stderr);
    let report = Report::read(&ended.out);
    report.check_everything(&ended.out);
    assert_eq!(report.text("/invalid_reasons/0/id"), "no_rule_matched");
    assert_eq!((report.number("/rules/judged/0/count"), report.number("/rules/without")), (0, 5));
    let text = ended.stdout.replace("\n  ", " ");
    for part in [
        "INVALID: no request matches a rule; this is neither a pass nor a fail\n",
        "No request matches a rule of mine.toml: 5 answers were not judged by a rule.",
        "0 of 5 requests have a rule",
        "0  /api/v2/crates/{crate}/{version}/download",
    ] {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

/// Nothing says that the content is wrong, and nothing was checked.
#[test]
fn a_check_in_which_every_recorded_redirect_became_content_is_no_pass() {
    let candidate = Serving::with_faults(&["html-page"]);
    let recorded = every(1, 6).replace('}', ",\"status\":302}");
    let check = |log: &str| {
        let flags = ["--target", &candidate.api, "--verify", "dns", "--out", "run"];
        let ended = Call::new(&["check", "log"]).file("log", log).with(&flags).run();
        (ended.code, ended.stdout.replace("\n  ", " "))
    };
    let (code, text) = check(&recorded);
    assert_eq!(code, Some(2), "{text}");
    for part in [
        "INVALID: no answer was a redirect, where the log has redirects; this is neither\n",
        "No rules: 6 of 6 answers were 200 where the log has 302; no redirect was checked.",
        "Recorded and answered status",
    ] {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    let (code, text) = check(&every(1, 6));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with("! no redirect was seen, and the log has no statuses"), "{text}");
}

#[test]
fn what_is_left_from_the_check_before_does_not_pass_for_this_one() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let target = format!("http://{nobody}");
    let call = Call::new(&["check", "list", "--target", &target, "--junit", "check.xml"]);
    let call = call.file("list", downloads(1, 1)).file("check.xml", "<testsuites/>");
    call.refused(1, &["connect to --target"]);
    assert_eq!(fs::read_to_string(call.path("check.xml")).unwrap(), "");
    call.with(&["--junit", "nowhere/check.xml"]).refused(2, &["cannot write --junit nowhere/check.xml"]);
}

#[test]
fn flags_about_load_have_no_place_in_a_check() {
    for flag in ["--rate", "--stage", "--loop", "--amplify", "--warmup", "--sample", "--duration", "--speed"]
    {
        Call::new(&["check", "list", "--target", "http://127.0.0.1:1", flag, "1"]).refused(2, &[flag]);
    }
}

/// What is in a file of JUnit's XML.
struct Junit {
    suite: BTreeMap<String, String>,
    /// Names of test cases, and whether each failed.
    cases: Vec<(String, bool)>,
    /// How many of them were skipped.
    skipped: usize,
    /// All text, in elements and attributes, as it was meant.
    text: String,
}

impl Junit {
    #[track_caller]
    fn read(call: &Call) -> Self {
        let xml = fs::read_to_string(call.path("check.xml")).unwrap();
        let mut junit = Self { suite: BTreeMap::new(), cases: Vec::new(), skipped: 0, text: String::new() };
        let mut reader = Reader::from_str(&xml);
        loop {
            match reader.read_event().unwrap() {
                Event::Eof => break,
                Event::Start(element) | Event::Empty(element) => junit.take(&element),
                Event::Text(text) => junit.text.push_str(&text),
                Event::GeneralRef(name) => {
                    let meant = quick_xml::escape::resolve_xml_entity(&name).unwrap();
                    junit.text.push_str(meant);
                }
                Event::End(_) | Event::Decl(_) => {}
                other @ (Event::CData(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_)) => {
                    panic!("{other:?} in {xml}")
                }
            }
        }
        assert_eq!(junit.suite["tests"], junit.cases.len().to_string());
        junit
    }

    fn take(&mut self, element: &BytesStart<'_>) {
        let attributes: BTreeMap<String, String> = element
            .attributes()
            .map(|attribute| {
                let attribute = attribute.unwrap();
                let value = attribute.normalized_value(XmlVersion::Explicit1_0).unwrap().into_owned();
                (attribute.key.as_ref().to_owned(), value)
            })
            .collect();
        self.text.extend(attributes.values().map(String::as_str));
        match element.name().as_ref() {
            "testsuite" => self.suite = attributes,
            "testcase" => self.cases.push((attributes["name"].clone(), false)),
            "failure" => self.cases.last_mut().unwrap().1 = true,
            "skipped" => self.skipped += 1,
            "testsuites" | "properties" | "property" | "system-out" | "system-err" => {}
            other => panic!("{other}"),
        }
    }
}
