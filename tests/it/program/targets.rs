//! Redirects judged down to the file: the stand-in's CDN, over TLS, is asked
//! for what redirects lead to, once each, and nobody else is.

use super::accounting::Report;
use super::{Call, Served, Serving};
use downpour_mock::crate_file;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use tempfile::TempDir;

/// A candidate whose CDN speaks TLS with a certificate of its own.
pub(super) struct TlsDeployment {
    dir: TempDir,
    candidate: Serving,
}

impl TlsDeployment {
    pub(super) fn with(flags: &[&str]) -> Self {
        let room = tempfile::tempdir().unwrap();
        let authority = room.path().join("ca.pem");
        let with_authority = [flags, &["--ca-out", authority.to_str().unwrap()]].concat();
        let candidate = Serving::with(&with_authority);
        Self { dir: room, candidate }
    }

    /// A replay of `requests`, judged as deep as `verify`.
    fn call(&self, requests: &str, verify: &str, flags: &[&str]) -> Call {
        let call = Call::replay("list", &self.candidate).file("list", requests).with(&[
            "--rate",
            "1000",
            "--verify",
            verify,
            "--verify-rate",
            "max",
        ]);
        self.reach_targets(call).with(flags)
    }

    /// A check of `requests`, with a run directory.
    pub(super) fn check(&self, requests: &str, flags: &[&str]) -> Call {
        let Serving { api, dns, .. } = &self.candidate;
        let call = Call::new(&["check", "list", "--target", api, "--resolver", dns, "--out", "run"]);
        self.reach_targets(call.file("list", requests)).with(&["--allow-private"]).with(flags)
    }

    /// A call that knows what is right and where the CDN stands.
    fn reach_targets(&self, call: Call) -> Call {
        let authority = self.dir.path().join("ca.pem");
        let instead = format!("static.crates.io:443:{}", self.candidate.cdn);
        call.with(&["--rules", "crates-io", "--verify-connect-to", &instead]).with(&[
            "--roots",
            "none",
            "--cacert",
            authority.to_str().unwrap(),
        ])
    }

    fn targets(self) -> u64 {
        self.stop().targets
    }

    /// Ends it and tells what it counted itself.
    pub(super) fn stop(self) -> Served {
        self.candidate.stop()
    }
}

/// `times` downloads of each of `distinct` releases.
pub(super) fn downloads(distinct: usize, times: usize) -> String {
    let mut list = String::new();
    for n in (0..times).flat_map(|_| 0..distinct) {
        writeln!(list, "/api/v1/crates/serde/1.0.{n}/download").unwrap();
    }
    list
}

/// `[checked, unchecked for reason]` of a tier.
pub(super) fn tier(report: &Report, tier: &str, reason: &str) -> [u64; 2] {
    let unchecked = report.times(&format!("/targets/tiers/{tier}/unchecked"), reason);
    [report.number(&format!("/targets/tiers/{tier}/checked")), unchecked]
}

#[test]
fn each_distinct_target_is_asked_once_however_many_workers_meet_it() {
    for (verify, asked) in [("head", 20), ("get", 40), ("digest", 20)] {
        let stage = TlsDeployment::with(&[]);
        let report = stage.call(&downloads(20, 10), verify, &["--threads", "2"]).report(0);
        assert_eq!(report.number("/arrivals/passed"), 200, "{verify}");
        assert_eq!(tier(&report, "fetch", "tier_off"), [200, 0], "{verify}");
        assert_eq!(report.number("/targets/requests"), asked, "{verify}");
        assert_eq!(stage.targets(), asked, "{verify}");
    }
}

#[test]
fn a_connection_is_enough_where_no_more_is_wanted() {
    let stage = TlsDeployment::with(&[]);
    let report = stage.call(&downloads(20, 2), "connect", &[]).report(0);
    assert_eq!(tier(&report, "connect", "tier_off"), [40, 0]);
    assert_eq!(tier(&report, "fetch", "tier_off"), [0, 40]);
    assert_eq!((report.number("/targets/requests"), stage.targets()), (1, 0));
}

/// Every target spoiled by `fault` fails its downloads with `id`.
#[track_caller]
fn check(fault: &str, verify: &str, id: &str) -> Report {
    let stage = TlsDeployment::with(&["--cdn-fault", fault]);
    let report = stage.call(&downloads(5, 4), verify, &[]).report(3);
    assert_eq!(report.faults(), [(id, 20)], "{fault}");
    report
}

#[test]
fn each_fault_of_the_store_is_found() {
    let report = check("status-403", "head", "target.403");
    let told = report.text("/faults/0/examples/0/detail");
    assert!(told.contains(".crate: status 403 (at 127.0.0.1:"), "{told}");
    assert!(told.starts_with("GET of the first bytes of https://static.crates.io/crates/serde/"), "{told}");
    check("status-404", "head", "target.404");
    check("status-503", "head", "target.5xx");
    check("error-page", "head", "target.not_an_archive");
    check("status-402", "head", "target.status");
    check("circle", "head", "target.loop");
    check("hop-to-http", "head", "target.downgrade");
    check("hop-nowhere", "head", "target.bad_redirect");
    check("cut-file", "digest", "target.truncated");
    check("reset", "get", "target.broken");
}

#[test]
fn a_store_that_never_answers_is_not_waited_for() {
    let stage = TlsDeployment::with(&["--cdn-fault", "stall"]);
    let flags = ["--verify-timeout", "100ms"];
    let report = stage.call(&downloads(5, 2), "head", &flags).report(3);
    assert_eq!(report.faults(), [("target.timeout", 10)]);
}

#[test]
fn a_file_too_large_to_be_downloaded_is_no_pass() {
    let stage = TlsDeployment::with(&[]);
    let report = stage.call(&downloads(5, 2), "digest", &["--max-body", "10"]).report(3);
    assert_eq!(report.faults(), [("target.unchecked", 10)]);
}

#[test]
fn a_redirect_of_the_store_itself_is_followed_and_told() {
    let stage = TlsDeployment::with(&["--cdn-fault", "one-hop"]);
    let report = stage.call(&downloads(5, 4), "head", &[]).report(0);
    assert_eq!((report.number("/arrivals/passed"), report.number("/targets/requests")), (20, 10));
    assert_eq!((report.number("/targets/redirected_on"), report.number("/targets/most_hops")), (5, 1));
}

#[test]
fn a_store_that_refuses_head_alone_is_sound() {
    let stage = TlsDeployment::with(&["--cdn-fault", "no-head"]);
    let report = stage.call(&downloads(5, 4), "head", &[]).report(0);
    assert_eq!((report.number("/arrivals/passed"), report.number("/targets/requests")), (20, 10));
}

#[test]
fn the_stores_certificate_is_judged() {
    for certificate in ["expired", "other-name"] {
        let stage = TlsDeployment::with(&["--cdn-certificate", certificate]);
        let report = stage.call(&downloads(5, 2), "head", &[]).report(3);
        assert_eq!(report.faults(), [("target.tls_certificate", 10)], "{certificate}");
        assert_eq!(tier(&report, "connect", ""), [10, 0]);
        assert_eq!([tier(&report, "fetch", "")[0], report.number("/targets/tiers/fetch/broken")], [0, 10]);
        assert_eq!(stage.targets(), 0);
    }
}

#[test]
fn a_redirect_to_nowhere_is_broken_before_its_target_is_asked() {
    let stage = TlsDeployment::with(&["--fault", "no-location"]);
    let report = stage.call(&downloads(5, 2), "get", &[]).report(3);
    assert_eq!(report.faults(), [("location.missing", 10)]);
    for name in ["policy", "dns", "connect", "fetch"] {
        let broken = report.number(&format!("/targets/tiers/{name}/broken"));
        assert_eq!((tier(&report, name, "")[0], broken), (0, 10), "{name}");
    }
    assert_eq!((report.number("/targets/broken"), stage.targets()), (10, 0));
}

#[test]
fn a_wrong_path_is_asked_all_the_same() {
    let stage = TlsDeployment::with(&["--fault", "double-slash"]);
    let report = stage.call(&downloads(5, 2), "get", &[]).report(3);
    assert_eq!(report.faults(), [("location.double_slash", 10)]);
    assert_eq!((tier(&report, "fetch", "")[0], report.number("/targets/broken")), (10, 0));
    assert!(stage.targets() > 0);
}

/// A store that takes no connection fails a run, whatever else is wrong with
/// the redirects to it and tolerated.
#[test]
fn a_tolerated_fault_hides_no_other() {
    let list = downloads(5, 2);
    let tolerant = |candidate: &Serving, rules: &str, tolerated: &str, verify: &str| {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let instead = format!("static.crates.io:443:{closed}");
        let call = Call::replay("list", candidate).file("list", &list).file("rules.toml", rules);
        let call = call.with(&["--rules", "rules.toml", "--rate", "1000", "--verify", verify]);
        let deep = ["--verify-rate", "max", "--verify-connect-to", &instead, "--roots", "webpki"];
        let call = if verify == "connect" { call.with(&deep) } else { call };
        call.with(&["--threshold", &format!("fault({tolerated}).rate <= 100%")])
    };
    let exact = "[[rule]]\nmatch = \"/api/v1/crates/{crate}/{version}/download\"\nstatus = 302\n\
                 location = \"https://static.crates.io/crates/{crate}/{crate}-{version}.crate\"\n";
    let vary = format!("{exact}headers.vary = {{ contains = \"accept\" }}\n");
    let (varies, slashes) =
        (Serving::with_faults(&["vary-missing"]), Serving::with_faults(&["double-slash"]));
    let report = tolerant(&varies, &vary, "headers.vary", "connect").report(3);
    assert_eq!(report.faults(), [("target.refused", 10)]);
    assert_eq!(report.found(), [("target.refused", 10), ("headers.vary", 10)]);
    let report = tolerant(&slashes, exact, "location.double_slash", "connect").report(3);
    assert_eq!(report.faults(), [("location.double_slash", 10)]);
    assert_eq!(report.found(), [("location.double_slash", 10), ("target.refused", 10)]);
    // Tolerated alone, it is tolerated.
    let report = tolerant(&varies, &vary, "headers.vary", "policy").report(0);
    assert_eq!((report.faults(), report.verdict()), (vec![("headers.vary", 10)], "passed"));
}

#[test]
fn a_loopback_target_is_not_connected_to_unless_that_is_allowed() {
    let candidate = Serving::with(&["--location-base", "http://cdn.test:1", "--dns-name", "cdn.test"]);
    let list = downloads(5, 2);
    let flags = ["--target", &candidate.api, "--resolver", &candidate.dns, "--max-lateness", "60s"];
    let call = Call::new(&["replay", "list"]).with(&flags).file("list", &list);
    let report = call.with(&["--rate", "1000", "--verify", "get", "--roots", "webpki"]).report(3);
    assert_eq!(report.faults(), [("dns.private_address", 10)]);
    assert_eq!(report.number("/targets/requests"), 0);
    assert_eq!(candidate.stop().targets, 0);
}

#[test]
fn what_was_not_asked_is_the_first_thing_said() {
    let stage = TlsDeployment::with(&[]);
    let said = |verify, flags: &[&str]| {
        let call = stage.call(&downloads(100, 1), verify, flags);
        let ended = call.run();
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        let report = Report::read(&ended.out);
        report.check_everything(&ended.out);
        assert_eq!(report.number("/arrivals/passed"), 100);
        (ended.stdout, report)
    };
    let (text, report) = said("head", &["--verify-sample", "10%"]);
    let [asked, left] = tier(&report, "fetch", "sampled_out");
    assert!(asked > 0 && left > 50 && asked + left == 100, "{asked} {left}");
    assert!(text.starts_with(&format!("! {left} of 100 redirect targets were NOT probed")), "{text}");
    let (text, report) =
        said("head", &["--verify-rate", "1/s", "--verify-concurrency", "1", "--grace", "5s"]);
    let [asked, left] = tier(&report, "fetch", "budget");
    assert!(left > 50 && asked + left == 100, "{asked} {left}");
    assert!(text.starts_with(&format!("! {left} of 100 redirect targets were NOT probed")), "{text}");
    let (text, report) = said("digest", &[]);
    assert_eq!(tier(&report, "digest", "no_digest"), [0, 100]);
    assert!(text.starts_with("! 100 of 100 redirect targets were NOT compared with a digest"), "{text}");
}

#[test]
fn unusual_names_are_asked_whatever_the_sample() {
    let stage = TlsDeployment::with(&[]);
    let list = "/api/v1/crates/curl-sys/0.4.79%2Bcurl-8.12.0/download\n/api/v1/crates/log/0.4.0/download\n\
                /api/v1/crates/serde/1.0.0-rc.1/download\n/api/v1/crates/Inflector/0.11.4/download\n";
    let report = stage.call(list, "head", &["--verify-sample", "0.0001%"]).report(0);
    assert_eq!(tier(&report, "fetch", "sampled_out"), [4, 0]);
}

#[test]
fn mistakes_with_target_checks_are_usage_errors() {
    let candidate = Serving::healthy();
    let check = |flags: &[&str], parts: &[&str]| {
        Call::replay("list", &candidate).file("list", downloads(1, 1)).with(flags).refused(2, parts);
    };
    check(&["--rate", "1", "--verify", "full"], &["connect, head, get or digest"]);
    check(&["--rate", "1", "--verify-rate", "fast"], &["--verify-rate"]);
    check(&["--rate", "1", "--verify-sample", "0%"], &["--verify-sample"]);
    let nowhere = ["--rate", "1", "--verify", "head", "--verify-connect-to", "static.crates.io::127.0.0.1:"];
    check(&nowhere, &["--verify-connect-to 127.0.0.1", "port to connect to is missing"]);
}

#[test]
fn files_are_held_against_a_catalogue() {
    let mut catalogue = "name,version,size,sha256\n".to_owned();
    for n in 0..5 {
        let file = crate_file("serde", &format!("1.0.{n}"));
        let digest = Sha256::digest(&file).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        writeln!(catalogue, "serde,1.0.{n},{},{digest}", file.len()).unwrap();
    }
    let against = |flags: &[&str], verify, code| {
        let stage = TlsDeployment::with(flags);
        let call = stage.call(&downloads(5, 4), verify, &["--catalog", "files.csv"]);
        call.file("files.csv", &catalogue).report(code)
    };
    let sound = against(&[], "digest", 0);
    assert_eq!((tier(&sound, "digest", "no_digest"), sound.number("/arrivals/passed")), ([20, 0], 20));
    assert_eq!(sound.list("/warnings").len(), 0);
    let other = against(&["--cdn-fault", "other-bytes"], "digest", 3);
    assert_eq!((other.faults(), tier(&other, "digest", "")), (vec![("target.digest", 20)], [20, 0]));
    let short = against(&["--cdn-fault", "short-file"], "head", 3);
    assert_eq!(short.faults(), [("target.length", 20)]);
    let told = short.text("/faults/0/examples/0/detail");
    assert!(told.contains(" bytes, expected "), "{told}");
}

/// Rules under which a redirect may stay with the candidate.
const STAYING: &str = "[[rule]]\nmatch = \"/api/v1/crates/{crate}/{version}/download\"\nstatus = 302\n\
                       hosts = [\"static.crates.io\"]\nrelative = true\nscheme = \"any\"\n";

#[test]
fn a_way_back_to_the_candidate_is_followed_to_the_file() {
    let followed = |faults: &[&str], code| {
        let stage = TlsDeployment::with(faults);
        let call = stage.call(&downloads(5, 4), "get", &["--rules", "rules.toml"]);
        let report = call.file("rules.toml", STAYING).report(code);
        (report, stage.stop())
    };
    let (sound, served) = followed(&["--fault", "via-self"], 0);
    assert_eq!((tier(&sound, "fetch", "own_origin"), sound.number("/arrivals/passed")), ([20, 0], 20));
    // Each distinct path was asked once more on its way, and each file for its
    // head and its first bytes.
    assert_eq!((served.answers, served.targets), (25, 10));
    assert_eq!(sound.number("/targets/requests"), 15);
    assert_eq!(sound.list("/warnings").len(), 0);

    let (broken, _) = followed(&["--fault", "via-self", "--cdn-fault", "status-404"], 3);
    assert_eq!(broken.faults(), [("target.404", 20)]);
    let told = broken.text("/faults/0/examples/0/detail");
    assert!(told.contains("; redirected with 302 by http://127.0.0.1:"), "{told}");

    // The stand-in has no such path of its own.
    let (missing, served) = followed(&["--fault", "relative"], 3);
    assert_eq!(missing.faults(), [("target.404", 20)]);
    assert_eq!((served.answers, served.targets), (30, 0));
}

#[test]
fn only_the_very_origin_of_the_target_leads_to_its_address() {
    // Another port of the same address is another place, and a private one.
    let other = Serving::healthy();
    let base = format!("http://127.0.0.1:{}", other.port());
    let candidate = Serving::with(&["--location-base", &base]);
    let flags = ["--target", &candidate.api, "--resolver", &candidate.dns, "--max-lateness", "60s"];
    let call = Call::new(&["replay", "list"]).with(&flags).file("list", downloads(5, 2));
    let call = call.with(&["--rate", "1000", "--verify", "get", "--roots", "webpki"]);
    let report = call.report(3);
    assert_eq!(report.faults(), [("dns.private_address", 10)]);
    assert_eq!(other.stop().answers, 0);
}

#[test]
fn a_candidate_under_another_name_is_asked_at_its_address() {
    let candidate = Serving::with(&["--fault", "via-self"]);
    let port = candidate.port().to_owned();
    let name = format!("http://candidate.test:{port}");
    let to = format!("candidate.test:{port}:127.0.0.1:{port}");
    let call = Call::new(&["replay", "list", "--target", &name, "--connect-to", &to]);
    let call = call.file("list", downloads(5, 2)).file("rules.toml", STAYING);
    let call = call.with(&["--resolver", &candidate.dns, "--max-lateness", "60s", "--rate", "1000"]);
    // The name resolves nowhere; loopback is nobody's business but the operator's.
    let report = call.with(&["--verify", "connect", "--rules", "rules.toml", "--roots", "webpki"]).report(0);
    assert_eq!(tier(&report, "connect", ""), [10, 0]);
    assert_eq!(report.number("/targets/requests"), 1);
}

#[test]
fn r12_a_way_that_is_longer_than_allowed_is_not_gone() {
    let stage = TlsDeployment::with(&["--fault", "via-self"]);
    let call = stage.call(&downloads(5, 2), "get", &["--rules", "rules.toml", "--verify-hops", "0"]);
    let report = call.file("rules.toml", STAYING).report(3);
    assert_eq!(report.faults(), [("target.too_many_hops", 10)]);
    assert_eq!(stage.stop().targets, 0);
}

/// Every redirect to `base` fails as `id`, and so many requests find that out.
#[track_caller]
fn check_base(base: &str, (id, tier_of, requests): (&str, &str, u64)) {
    let candidate = Serving::with(&["--location-base", base]);
    let call = Call::replay("list", &candidate).file("list", downloads(20, 2));
    let flags = ["--rate", "1000", "--verify", "get", "--verify-rate", "max", "--verify-concurrency", "1"];
    let report = call.with(&flags).with(&["--roots", "webpki"]).report(3);
    assert_eq!(report.faults(), [(id, 40)], "{base}");
    assert_eq!(tier(&report, tier_of, ""), [40, 0]);
    assert_eq!(report.number("/targets/requests"), requests, "{base}");
}

#[test]
fn r17_of_a_place_where_nobody_listens_one_try_is_enough() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    check_base(&format!("http://{free}"), ("target.refused", "connect", 1));
}

#[test]
fn r18_a_place_that_speaks_no_tls_is_found() {
    let plain = Serving::healthy();
    check_base(&format!("https://127.0.0.1:{}", plain.port()), ("target.tls_handshake", "connect", 20));
}
