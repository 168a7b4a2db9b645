//! `downpour compare` on run directories made up to the microsecond: what it
//! says, in each form, and how it ends.

use assert_cmd::cargo::cargo_bin_cmd;
use downpour_core::fault::Fault;
use downpour_core::units::{Offset, Stamp};
use downpour_metrics::{ArrivalOutcome, Attempt, AttemptEnd, AttemptKind, Interval};
use downpour_report::RunKind;
use downpour_report::{Arrivals, Plan, Rates, RunDirectory, RunReport, SCHEMA, TimeSummary, Verdict};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const SECONDS: u64 = 30;
const PER_SECOND: u64 = 50;

/// What a made-up run is like.
#[derive(Clone, Copy)]
struct SyntheticRun {
    seed: u64,
    longer_us: u64,
    failing: bool,
}

const HEALTHY: SyntheticRun = SyntheticRun { seed: 1, longer_us: 0, failing: false };

fn plan() -> Plan {
    Plan {
        command: RunKind::Replay,
        rate: "50/s".into(),
        target: "http://127.0.0.1:1".into(),
        ..Plan::default()
    }
}

/// Writes a run of half a minute; from second 10 to 13 its redirects may lead
/// nowhere.
fn write(path: &Path, made: SyntheticRun, plan: Plan) {
    let mut directory = RunDirectory::create(path, Stamp::from_nanos(0)).unwrap();
    let mut draw = made.seed;
    let mut failed = 0;
    for second in 0..SECONDS {
        let mut interval = Interval::new(second);
        for n in 0..PER_SECOND {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let due = Offset::from_nanos(second * 1_000_000_000 + n * 20_000_000);
            let after = |micros: u64| Offset::from_nanos(due.as_nanos() + micros * 1_000);
            let done = after(2_000 + (draw >> 33) % 1_000 + made.longer_us);
            let is_wrong = made.failing && (10..13).contains(&second);
            interval.offered();
            let end = AttemptEnd::Status(302);
            let sent = Some(after(20));
            interval.attempt(&Attempt { due, sent, first_byte: sent, done, end }, AttemptKind::First);
            let fate =
                if is_wrong { ArrivalOutcome::Failed(Fault::DnsNxdomain) } else { ArrivalOutcome::Passed };
            failed += u64::from(is_wrong);
            interval.arrival(fate, due, done);
        }
        directory.append(&interval).unwrap();
    }
    let offered = SECONDS * PER_SECOND;
    let report = RunReport {
        schema: SCHEMA.into(),
        verdict: if failed > 0 { Verdict::Failed } else { Verdict::Passed },
        plan,
        arrivals: Arrivals { offered, passed: offered - failed, failed, ..Arrivals::default() },
        rate: Rates { offered_per_s: 50.0, sent_per_s: 50.0, completed_per_s: 50.0 },
        latency_us: TimeSummary {
            count: offered - failed,
            max: 3_000 + made.longer_us,
            ..TimeSummary::default()
        },
        ..RunReport::default()
    };
    directory.finish(&report).unwrap();
}

/// A directory with these runs in it.
struct Runs(TempDir);

impl Runs {
    fn of(b: SyntheticRun) -> Self {
        Self::with_plans(b, plan(), plan())
    }

    fn with_plans(b: SyntheticRun, plan_a: Plan, plan_b: Plan) -> Self {
        let room = tempfile::tempdir().unwrap();
        write(&room.path().join("a"), HEALTHY, plan_a);
        write(&room.path().join("b"), b, plan_b);
        Self(room)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `downpour compare a b` with these flags: exit code, stdout and stderr.
    fn compare(&self, flags: &[&str]) -> (i32, String, String) {
        let output = cargo_bin_cmd!("downpour")
            .args(["compare", "a", "b"])
            .args(flags)
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    #[track_caller]
    fn check(&self, flags: &[&str], code: i32, words: &[&str]) {
        let (found, out, errors) = self.compare(flags);
        assert_eq!(found, code, "{out}{errors}");
        assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
        let flat = out.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(flat.contains(word), "{word:?} is not in {out}");
        }
    }
}

#[test]
fn equal_runs_are_indistinguishable_and_hold_every_condition() {
    let runs = Runs::of(SyntheticRun { seed: 2, ..HEALTHY });
    runs.check(&[], 0, &["INDISTINGUISHABLE: none of", "10 blocks of 3.0 s", "of both runs together"]);
    let gates =
        ["--fail-on", "latency.p99 > +10%", "--fail-on", "failed > +0", "--fail-on", "good.per_s < -1%"];
    runs.check(&gates, 0, &["MET: 3 conditions met", "met latency.p99 > +10%"]);
}

#[test]
fn a_slower_run_is_a_regression_where_it_is_beyond_the_limit() {
    let runs = Runs::of(SyntheticRun { seed: 2, longer_us: 500, ..HEALTHY });
    runs.check(&[], 0, &["DIFFERENT: ", "latency p50: +", "slower"]);
    runs.check(
        &["--fail-on", "latency.p50 > +10%"],
        4,
        &["REGRESSED: 1 of 1 condition violated: latency.p50 > +10%"],
    );
    runs.check(&["--fail-on", "latency.p50 > +600us"], 0, &["MET: 1 condition met"]);
    let both = ["--fail-on", "latency.p50 > +400us", "--fail-on", "latency.p99.99 > +10%"];
    runs.check(
        &both,
        4,
        &["violated latency.p50 > +400us", "not judged latency.p99.99 > +10%", "too few samples"],
    );
    runs.check(
        &["--fail-on", "latency.p99.99 > +10%"],
        5,
        &["UNJUDGED: 1 of 1 condition could not be judged"],
    );
}

#[test]
fn a_fault_that_is_new_is_told_first_and_needs_no_interval() {
    let runs = Runs::of(SyntheticRun { failing: true, ..HEALTHY });
    runs.check(&[], 0, &["failed: new in B, 10 %", "faults dns.nxdomain: new in B, 10 %"]);
    // Without a condition, too, nobody can miss that one side is broken.
    let (_, out, _) = runs.compare(&[]);
    assert!(out.starts_with("! B FAILED: 150 of 1,500 downloads failed"), "{out}");
    assert!(out.contains("\nDIFFERENT: "), "{out}");
    let gate = ["--fail-on", "fault(dns.nxdomain) > +0", "-o", "page.html"];
    let (code, out, _) = runs.compare(&gate);
    assert_eq!(code, 4);
    assert!(out.contains("\nREGRESSED: 1 of 1 condition violated: fault(dns.nxdomain) > +0\n"), "{out}");
    let page = fs::read_to_string(runs.path("page.html")).unwrap();
    assert!(page.contains("<p class=\"left-out\">B FAILED: 150 of 1,500"), "{page}");
    runs.check(&["--fail-on", "fault(dns.nxdomain) > +0"], 4, &["violated fault(dns.nxdomain) > +0: +150"]);
}

/// Times that fall by much, and vary much: no interval reaches below nothing.
#[test]
fn no_time_falls_by_more_than_all_of_it() {
    let room = tempfile::tempdir().unwrap();
    write(&room.path().join("a"), SyntheticRun { seed: 1, longer_us: 900_000, failing: true }, plan());
    write(&room.path().join("b"), HEALTHY, plan());
    let runs = Runs(room);
    let (_, json, _) = runs.compare(&["--format", "json"]);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    for metric in value["metrics"].as_array().unwrap() {
        if let (Some(a), Some(low)) = (metric["a"].as_f64(), metric["difference_low"].as_f64()) {
            assert!(low >= -a, "{metric}");
        }
    }
}

#[test]
fn runs_that_do_not_compare_are_named() {
    let other = Plan { rate: "60/s".into(), threads: 4, ..plan() };
    let runs = Runs::with_plans(HEALTHY, plan(), other);
    runs.check(
        &[],
        0,
        &["Different plans, with different load", "rate 50/s 60/s", "threads 0 4", "of each run"],
    );
    let invalid = fs::read_to_string(runs.path("b/run.json")).unwrap().replace("\"passed\"", "\"invalid\"");
    fs::write(runs.path("b/run.json"), invalid).unwrap();
    let gate = ["--fail-on", "latency.p50 > +10%"];
    runs.check(&gate, 5, &["Note: B is invalid: "]);
    runs.check(&[gate[0], gate[1], "--allow-invalid"], 0, &["MET"]);
}

#[test]
fn a_torn_run_is_read_as_far_as_it_goes() {
    let runs = Runs::of(HEALTHY);
    for name in ["b/intervals.ndjson", "b/latency.hlog"] {
        let bytes = fs::read(runs.path(name)).unwrap();
        fs::write(runs.path(name), &bytes[..bytes.len() * 2 / 3]).unwrap();
    }
    let (code, out, errors) = runs.compare(&[]);
    assert_eq!(code, 0, "{errors}");
    assert!(
        errors.contains("intervals.ndjson, line 2") && errors.contains("latency.hlog, line "),
        "{errors}"
    );
    assert!(out.contains("Note: B is incomplete") && out.contains("over 30 s, B over 20 s"), "{out}");
    fs::remove_file(runs.path("b/latency.hlog")).unwrap();
    let (code, out, _) = runs.compare(&["--fail-on", "latency.p50 > +10%"]);
    assert_eq!(code, 5, "{out}");
    fs::write(runs.path("b/run.json"), "{\"schema\": \"downpour.run/2\"}").unwrap();
    let (code, out, errors) = runs.compare(&[]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(errors.contains("b/run.json") && errors.contains("downpour.run/2"), "{errors}");
}

#[test]
fn each_form_says_the_same() {
    let hostile = Plan { target: "http://x/<script>|`".into(), ..plan() };
    let runs = Runs::with_plans(SyntheticRun { seed: 2, longer_us: 500, ..HEALTHY }, plan(), hostile);
    let (_, json, _) = runs.compare(&["--format", "json", "--fail-on", "latency.p50 > +10%"]);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&value["schema"], &value["verdict"]), (&"downpour.compare/1".into(), &"regressed".into()));
    assert_eq!(value["conditions"][0]["outcome"], "violated");
    let p50 =
        value["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == "latency.p50").unwrap();
    assert!(
        p50["difference_low"].as_f64() < Some(500.0) && p50["difference_high"].as_f64() > Some(500.0),
        "{p50}"
    );
    assert_eq!(json, runs.compare(&["--format", "json", "--fail-on", "latency.p50 > +10%"]).1);

    let (_, markdown, _) = runs.compare(&["--format", "markdown"]);
    assert!(markdown.starts_with("## DIFFERENT") && markdown.contains("| p50 |"), "{markdown}");
    assert!(!markdown.contains("<script>") && markdown.contains("&lt;script&gt;\\|\\`"), "{markdown}");

    let (code, out, errors) = runs.compare(&["-o", "page.html"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(out.starts_with("DIFFERENT: ") && out.ends_with("written: page.html\n"), "{out}");
    let page = fs::read_to_string(runs.path("page.html")).unwrap();
    assert!(page.contains("DIFFERENT") && page.contains("&#60;script&#62;") && page.len() < 300_000);
    let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let latency = data["charts"].as_array().unwrap().iter().find(|chart| chart["id"] == "latency").unwrap();
    assert_eq!(latency["lines"].as_array().unwrap().len(), 4);
}

#[test]
fn mistakes_are_told() {
    let runs = Runs::of(HEALTHY);
    for (flags, words) in [
        (&["--fail-on", "latency.p99 > 10%"][..], "as in latency.p99 > +10%"),
        (&["--fail-on", "latensy.p99 > +10%"], "did you mean latency?"),
        (&["--fail-on", "latency.max > +10%"], "compare a percentile"),
        (&["--format", "pdf"], "'pdf'"),
    ] {
        let (code, out, errors) = runs.compare(flags);
        assert_eq!((code, out.as_str()), (2, ""), "{errors}");
        assert!(errors.contains(words), "{errors}");
    }
    let (code, _, errors) = runs.compare(&["-o", "no/such/page.html"]);
    assert_eq!(code, 1);
    assert!(errors.contains("no/such/page.html: cannot write"), "{errors}");
}
