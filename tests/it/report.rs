//! A fixed run, the founding incident, as every rendering shows it.

use downpour_core::fault::Fault;
use downpour_core::units::{Offset, Rate, Stamp, approximate};
use downpour_metrics::{
    Accounting, ArrivalAdjustments, ArrivalOutcome, Attempt, AttemptEnd, AttemptKind, Coverage,
    FaultObservation, Gauges, Interval, IntervalMerger, JudgedRedirect, Leads, Totals, Unchecked,
};
use downpour_report::RunKind;
use downpour_report::{
    Assessment, DirectoryError, Ending, FAILURES_PER_FAULT, FailureLine, Generator, GeneratorFacts,
    IntervalLine, IntervalLog, Plan, PlanInput, ReportInput, RunDirectory, RunReport, SCHEMA, Verdict,
    summary,
};
use downpour_trace::TraceAccounting;
use downpour_verify::Depth;
use downpour_verify::Tier;
use downpour_verify::probe::net::ProbeStats;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const GLUED: &str = "static.crates.iocrates";
const PER_SECOND: u64 = 4_700;

/// Twenty seconds at 4,700 a second; from second 5 up to 15 the deployment has
/// lost its slash.
pub(crate) fn incident() -> (Vec<Interval>, Totals) {
    let rate: Rate = "4.7k/s".parse().unwrap();
    let mut fold = IntervalMerger::new(1);
    let mut out = Vec::new();
    let mut interval = Interval::new(0);
    for second in 0..20 {
        interval.reset(second);
        for n in second * PER_SECOND..(second + 1) * PER_SECOND {
            download(&mut interval, n, rate.due(n));
        }
        interval.set_gauges(Gauges { in_flight: 6, waiting: 0, connections_open: 32 });
        interval.bytes_in(PER_SECOND * 250);
        if second == 0 {
            (0..32).for_each(|_| interval.connection_opened());
        }
        out.extend(fold.add(0, &interval));
    }
    let (rest, totals) = fold.close();
    out.extend(rest);
    (out, totals)
}

fn download(interval: &mut Interval, n: u64, due: Offset) {
    let after = |micros: u64| Offset::from_nanos(due.as_nanos() + micros * 1_000);
    let (sent, done) = (after(20 + n % 37), after(800 + n % 1_009));
    interval.offered();
    let end = AttemptEnd::Status(302);
    let attempt = Attempt { due, sent: Some(sent), first_byte: Some(done), done, end };
    interval.attempt(&attempt, AttemptKind::First);
    let broken = (5..15).contains(&due.second());
    let (host, fault) = if broken { (GLUED, Some(Fault::DnsNxdomain)) } else { ("static.crates.io", None) };
    interval.redirect(&JudgedRedirect {
        at: done,
        leads: Leads::To(host),
        fault,
        cache_lifetime: None,
        tiers: [Coverage::Checked; Tier::ALL.len()],
    });
    if let Some(fault) = fault {
        let version = format!("1.{}.0", n % 13);
        let path = format!("/api/v1/crates/smallvec/{version}/download");
        let location = format!("https://{GLUED}/smallvec/smallvec-{version}.crate");
        interval.example(&FaultObservation {
            fault,
            at: done,
            path: path.as_bytes(),
            location: Some(location.as_bytes()),
            detail: "no answer holds this name",
        });
    }
    interval.arrival(fault.map_or(ArrivalOutcome::Passed, ArrivalOutcome::Failed), due, done);
}

pub(crate) fn plan() -> Plan {
    Plan {
        command: RunKind::Replay,
        version: "0.1.0".into(),
        inputs: vec![PlanInput {
            name: "incident.log.gz".into(),
            format: "cloudfront".into(),
            compression: "gzip".into(),
        }],
        target: "http://127.0.0.1:8080".into(),
        rate: "4.7k/s".into(),
        speed: Some(1.0),
        duration_s: Some(20.0),
        verify: Depth::Dns,
        out: Some("reports/incident".into()),
        started_at: "2023-07-20T12:17:04Z".into(),
        ..Plan::default()
    }
}

fn accounting_of(totals: &Totals) -> Accounting {
    let trace = TraceAccounting {
        read: 94_003,
        accepted: 94_001,
        skipped: [("header", 2)].into(),
        filtered: [("method", 1)].into(),
        ..TraceAccounting::default()
    };
    Accounting::close(trace, ArrivalAdjustments::default(), totals).unwrap()
}

pub(crate) fn report_with(plan: Plan, totals: &Totals) -> RunReport {
    let generator = GeneratorFacts {
        cpu_s: 3.76,
        peak_rss_bytes: 48 << 20,
        threads: 2,
        wall_s: 20.1,
        offering_s: 20.0,
        lookups: 2,
        probes: ProbeStats::default(),
        throttled_s: Some(0.0),
    };
    let (books, ending, thresholds) = (&accounting_of(totals), Ending::Finished, Assessment::default());
    RunReport::build(ReportInput {
        plan,
        accounting: books,
        totals,
        generator,
        ending,
        thresholds,
        notices: Vec::new(),
    })
}

/// Compares bytes with a file under `tests/golden`.
#[track_caller]
pub(crate) fn check_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let expected = fs::read_to_string(&path).unwrap_or_default();
    if text != expected {
        let found = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&found, text).unwrap();
        let same =
            text.lines().zip(expected.lines()).take_while(|(found, expected)| found == expected).count();
        let lines = (text.lines().nth(same), expected.lines().nth(same));
        panic!("{} differs from {} from line {} on: {lines:?}", found.display(), path.display(), same + 1);
    }
}

#[test]
fn the_incident_is_understood_in_ten_seconds() {
    let (_, totals) = incident();
    let text = summary(&report_with(plan(), &totals));
    check_golden("incident-summary.txt", &text);
    assert!(text.lines().all(|line| line.chars().count() <= 80));
    let first = text.lines().take(4).collect::<Vec<_>>().join(" ");
    for needed in ["FAILED", "47,000 of 94,000", GLUED, "NXDOMAIN", "from second 5 to 15"] {
        assert!(first.contains(needed), "{needed} is not in {first}");
    }
}

#[test]
fn the_published_result_keeps_its_names_and_can_be_read_back() {
    let (_, totals) = incident();
    let report = report_with(plan(), &totals);
    let text = serde_json::to_string_pretty(&report).unwrap() + "\n";
    check_golden("incident-run.json", &text);
    assert_eq!(serde_json::from_str::<RunReport>(&text).unwrap(), report);
    assert_eq!((report.schema.as_str(), report.verdict), (SCHEMA, Verdict::Failed));
    assert_eq!(report.exit().code(), 3);
    // A later minor version adds keys, an earlier one lacks some.
    let other: RunReport = serde_json::from_str(r#"{"verdict":"passed","new":{"a":1}}"#).unwrap();
    assert_eq!(other.verdict, Verdict::Passed);
}

#[test]
fn checks_that_were_off_are_said_before_anything_else() {
    let (_, totals) = incident();
    let text = summary(&report_with(Plan { verify: Depth::Policy, ..plan() }, &totals));
    assert!(text.starts_with("! redirect targets were NOT resolved (--verify policy)\nFAILED"), "{text}");
}

#[test]
fn a_run_that_could_not_offer_its_load_says_what_to_do() {
    let mut interval = Interval::new(0);
    for n in 0..10 {
        interval.offered();
        if n < 4 {
            interval.shed();
        } else {
            interval.arrival(ArrivalOutcome::Passed, Offset::ZERO, Offset::from_nanos(1_000_000));
        }
    }
    let mut totals = Totals::default();
    totals.absorb(&interval);
    let trace = TraceAccounting { read: 10, accepted: 10, ..TraceAccounting::default() };
    let books = Accounting::close(trace, ArrivalAdjustments::default(), &totals).unwrap();
    let report = RunReport::build(ReportInput {
        plan: plan(),
        accounting: &books,
        totals: &totals,
        generator: GeneratorFacts::default(),
        ending: Ending::Finished,
        thresholds: Assessment::default(),
        notices: Vec::new(),
    });
    let text = summary(&report);
    assert!(text.starts_with("INVALID"), "{text}");
    assert!(
        text.contains("4 of 10 arrivals were not sent") && text.contains("Remedy: raise --max-in-flight")
    );
    assert_eq!(report.exit().code(), 5);

    let plan = Plan { allow_invalid: true, ..plan() };
    let (books, generator) = (&books, GeneratorFacts::default());
    let parts = ReportInput {
        plan,
        accounting: books,
        totals: &totals,
        generator,
        ending: Ending::Finished,
        thresholds: Assessment::default(),
        notices: Vec::new(),
    };
    let text = summary(&RunReport::build(parts));
    assert!(text.starts_with("PASSED: 6 of 10 downloads were good; the others were not judged"), "{text}");
    assert!(text.contains("Note: 4 of 10 arrivals were not sent"), "{text}");
}

#[test]
fn what_the_machine_did_not_give_has_a_line_only_then() {
    let (_, totals) = incident();
    let sound = report_with(plan(), &totals);
    assert!(!summary(&sound).contains("impaired"));
    let mut report = sound.clone();
    report.generator.throttled_s = Some(1.25);
    report.generator.trace_lag_s = 0.5;
    let text = summary(&report);
    let line = "  impaired   throttled by a cgroup for 1.25 s, trace lag for 0.50 s\n";
    assert!(text.contains(line), "{text}");
    report.generator = sound.generator;
    report.generator.saturated_arrivals = 2_000;
    assert!(summary(&report).contains("  impaired   saturated for 2,000 arrivals\n"));
    // A report of an earlier version does not know.
    report.generator = Generator { throttled_s: None, ..sound.generator };
    assert!(!summary(&report).contains("impaired"));
}

#[test]
fn hostile_texts_reach_neither_terminal_nor_margin() {
    let (_, totals) = incident();
    let mut report = report_with(plan(), &totals);
    let hostile = "\u{1b}[2J\r\n\u{202e}".repeat(10_000);
    report.targets.hosts[0].host.clone_from(&hostile);
    report.faults[0].id.clone_from(&hostile);
    report.faults[0].meaning.clone_from(&hostile);
    let example = &mut report.faults[0].examples[0];
    (example.path, example.location, example.detail) =
        (hostile.clone(), Some(hostile.clone()), hostile.clone());
    report.statuses.insert(hostile.clone(), 1);
    report.plan.inputs[0].name = hostile;
    let text = summary(&report);
    assert!(text.chars().all(|c| matches!(c, '\n' | ' '..='~' | 'µ')));
    assert!(text.lines().all(|line| line.chars().count() <= 80));
}

#[test]
fn every_second_is_in_the_interval_log_to_the_last_sample() {
    let (intervals, totals) = incident();
    let mut bytes = Vec::new();
    let started: Stamp = Stamp::from_nanos(1_689_855_424_000_000_000);
    let mut log = IntervalLog::begin(&mut bytes, started).unwrap();
    for interval in &intervals {
        log.write(interval).unwrap();
    }

    let mut merged: BTreeMap<String, Histogram<u64>> = BTreeMap::new();
    let mut stamps = Vec::new();
    for entry in IntervalLogIterator::new(&bytes) {
        match entry.unwrap() {
            LogEntry::StartTime(at) | LogEntry::BaseTime(at) => assert_eq!(at.as_secs(), 1_689_855_424),
            LogEntry::Interval(line) => {
                let packed = base64_bytes(line.encoded_histogram());
                let histogram: Histogram<u64> =
                    Deserializer::new().deserialize(&mut packed.as_slice()).unwrap();
                let milliseconds = approximate(histogram.max()) / 1_000.0;
                assert!((line.max() - milliseconds).abs() < 0.001);
                let tag = line.tag().unwrap().as_str().to_owned();
                stamps.push((line.start_timestamp().as_secs(), tag.clone()));
                merged.entry(tag).or_insert_with(|| Histogram::new(3).unwrap()).add(&histogram).unwrap();
            }
        }
    }
    let counts: Vec<_> = merged.iter().map(|(tag, histogram)| (tag.as_str(), histogram.len())).collect();
    let good_and_failed = [("latency", 47_000), ("latency_failed", 47_000)];
    let every_attempt = [("lateness", 94_000), ("service", 94_000)];
    assert_eq!(counts, [good_and_failed, every_attempt].concat());
    assert_eq!(merged["latency"].value_at_quantile(0.99), totals.times.latency.quantile(0.99));
    assert_eq!((stamps[0].0, stamps[stamps.len() - 1].0, stamps.len()), (0, 19, 60));
    let headers = String::from_utf8(bytes).unwrap().lines().filter(|line| line.starts_with('#')).count();
    assert_eq!(headers, 4);
}

/// RFC 4648 §4, enough for a test.
fn base64_bytes(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter(|&b| b != b'=').map(|b| DIGITS.iter().position(|&d| d == b).unwrap());
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_usize, 0);
    for digit in digits {
        (bits, held) = (bits << 6 | digit, held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xFF).unwrap());
        }
    }
    bytes
}

#[test]
fn a_run_directory_holds_the_run() {
    let (intervals, totals) = incident();
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("reports/incident");
    let mut directory = RunDirectory::create(&path, Stamp::from_nanos(0)).unwrap();
    for interval in &intervals {
        directory.append(interval).unwrap();
    }
    let report = report_with(plan(), &totals);
    directory.finish(&report).unwrap();

    let read = |name: &str| fs::read_to_string(path.join(name)).unwrap();
    assert_eq!(serde_json::from_str::<RunReport>(&read("run.json")).unwrap(), report);
    assert_eq!(read("summary.txt"), summary(&report));
    let lines: Vec<IntervalLine> =
        read("intervals.ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 20);
    assert_eq!(lines.iter().map(|line| line.failed).sum::<u64>(), 47_000);
    assert_eq!((lines[7].t_s, lines[7].faults["dns.nxdomain"]), (7, PER_SECOND));
    let failures: Vec<FailureLine> =
        read("failures.ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(failures.len(), FAILURES_PER_FAULT);
    assert!(failures[0].example.location.as_ref().unwrap().contains(GLUED));
    let mut names: Vec<_> =
        fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "failures.ndjson",
            "intervals.ndjson",
            "latency.hlog",
            "metrics.prom",
            "report.html",
            "run.json",
            "summary.txt"
        ]
    );
}

#[test]
fn examples_of_failures_do_not_grow_with_the_run() {
    let (intervals, _) = incident();
    let scratch = tempfile::tempdir().unwrap();
    let mut directory = RunDirectory::create(scratch.path(), Stamp::from_nanos(0)).unwrap();
    for _ in 0..FAILURES_PER_FAULT {
        directory.append(&intervals[7]).unwrap();
    }
    let text = fs::read_to_string(scratch.path().join("failures.ndjson")).unwrap();
    assert_eq!(text.lines().count(), FAILURES_PER_FAULT);
}

#[test]
fn a_run_is_never_overwritten() {
    let scratch = tempfile::tempdir().unwrap();
    drop(RunDirectory::create(scratch.path(), Stamp::from_nanos(0)).unwrap());
    let error = RunDirectory::create(scratch.path(), Stamp::from_nanos(0)).unwrap_err();
    assert!(matches!(&error, DirectoryError::Occupied(path) if path == scratch.path()), "{error}");
}

#[test]
fn a_killed_run_leaves_a_readable_result() {
    let (intervals, _) = incident();
    let mut interval = intervals[0].clone();
    interval.offered();
    let mut totals = Totals::default();
    totals.absorb(&interval);
    let scratch = tempfile::tempdir().unwrap();
    let directory = RunDirectory::create(scratch.path(), Stamp::from_nanos(0)).unwrap();
    let report = RunReport::build(ReportInput {
        plan: plan(),
        accounting: &Accounting::so_far(&totals).unwrap(),
        totals: &totals,
        generator: GeneratorFacts::default(),
        ending: Ending::Interrupted,
        thresholds: Assessment::default(),
        notices: Vec::new(),
    });
    directory.checkpoint(&report).unwrap();
    drop(directory);
    let text = fs::read_to_string(scratch.path().join("run.json")).unwrap();
    let left: RunReport = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (left.verdict, left.arrivals.offered, left.arrivals.unfinished),
        (Verdict::Interrupted, 4_701, 1)
    );
    assert_eq!(left.exit().code(), 130);
    assert!(summary(&left).starts_with("INTERRUPTED"));
}

#[test]
fn an_error_names_the_file_and_spares_the_others() {
    let (_, totals) = incident();
    let scratch = tempfile::tempdir().unwrap();
    let directory = RunDirectory::create(scratch.path(), Stamp::from_nanos(0)).unwrap();
    fs::create_dir_all(scratch.path().join("run.json/in the way")).unwrap();
    let error = directory.finish(&report_with(plan(), &totals)).unwrap_err();
    assert!(error.to_string().contains("run.json"), "{error}");
    assert!(scratch.path().join("summary.txt").is_file());
    let file = scratch.path().join("summary.txt");
    let error = RunDirectory::create(&file, Stamp::from_nanos(0)).unwrap_err();
    assert!(error.to_string().contains("summary.txt"), "{error}");
}

#[test]
fn unchecked_redirects_are_counted_by_reason() {
    let mut interval = Interval::new(0);
    let off = Coverage::Unchecked(Unchecked::TierOff);
    let checked = Coverage::Checked;
    let tiers = |policy| [checked, policy, off, off, off, off, off];
    for (leads, tiers) in [
        (Leads::To("h"), tiers(checked)),
        (Leads::Home, tiers(checked)),
        (Leads::Nowhere, tiers(Coverage::Broken)),
    ] {
        interval.redirect(&JudgedRedirect {
            at: Offset::ZERO,
            leads,
            fault: None,
            cache_lifetime: None,
            tiers,
        });
    }
    let mut totals = Totals::default();
    totals.absorb(&interval);
    let books =
        Accounting::close(TraceAccounting::default(), ArrivalAdjustments::default(), &totals).unwrap();
    let targets = RunReport::build(ReportInput {
        plan: plan(),
        accounting: &books,
        totals: &totals,
        generator: GeneratorFacts::default(),
        ending: Ending::Finished,
        thresholds: Assessment::default(),
        notices: Vec::new(),
    })
    .targets;
    assert_eq!((targets.redirects, targets.checked), (3, 2));
    assert_eq!((targets.to_candidate, targets.no_host), (1, 1));
    assert_eq!((targets.broken, targets.unchecked), (1, BTreeMap::new()));
    assert_eq!(targets.tiers["dns"].unchecked["tier_off"], 3);
}
