//! The forms that a run is given out in: equal bytes from the run and from its
//! directory, nothing from outside that is more than text, and sizes that do not
//! grow with what a server made up.

use super::report::{incident, plan, report_with};
use downpour_core::units::{Stamp, approximate};
use downpour_metrics::Gauges;
use downpour_report::{
    Dialect, Document, FailureLine, IntervalLine, Rendering, RunDirectory, RunReport, SavedRun, exposition,
    json_schema, read,
};
use quick_xml::events::Event;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Of an hour's page; everything else is smaller.
const LARGEST: usize = 300 * 1_024;

/// The incident, as a run writes it.
pub(crate) fn written() -> (TempDir, RunReport) {
    let (intervals, totals) = incident();
    let room = tempfile::tempdir().unwrap();
    let mut directory = RunDirectory::create(room.path(), Stamp::from_nanos(0)).unwrap();
    for interval in &intervals {
        directory.append(interval).unwrap();
    }
    let report = report_with(plan(), &totals);
    directory.finish(&report).unwrap();
    (room, report)
}

fn rendered(directory: &Path, rendering: Rendering) -> String {
    let mut out = Vec::new();
    let missing = SavedRun::open(directory).unwrap().render(rendering, &mut out).unwrap();
    assert_eq!(missing, None, "{rendering:?}");
    String::from_utf8(out).unwrap()
}

#[test]
fn a_run_and_its_directory_give_the_same_bytes() {
    let (room, report) = written();
    for rendering in Rendering::ALL {
        let text = rendered(room.path(), rendering);
        assert!(text == rendered(room.path(), rendering), "{rendering:?} differs from itself");
        assert_eq!(rendering.of(&report).is_none(), rendering.needs_directory());
        assert!(rendering.of(&report).is_none_or(|of_the_run| of_the_run == text), "{rendering:?}");
        assert!(text.len() < LARGEST, "{rendering:?} has {} bytes", text.len());
    }
    for (rendering, file) in [
        (Rendering::Text, "summary.txt"),
        (Rendering::Html, "report.html"),
        (Rendering::Json, "run.json"),
        (Rendering::Prometheus, "metrics.prom"),
    ] {
        assert!(
            fs::read_to_string(room.path().join(file)).unwrap() == rendered(room.path(), rendering),
            "{file}"
        );
    }
}

#[test]
fn percentiles_read_back_are_those_of_the_run() {
    let (room, report) = written();
    let text = rendered(room.path(), Rendering::from_name("hgrm").unwrap());
    let cells =
        |line: &str| line.split_whitespace().map(|cell| cell.parse::<f64>().unwrap()).collect::<Vec<_>>();
    let rows: Vec<_> = text.lines().skip(2).take_while(|line| !line.starts_with('#')).map(cells).collect();
    let [.., last] = &rows[..] else { panic!("{text}") };
    assert_eq!((last[1], last[2]), (1.0, approximate(report.latency_us.count)));
    let median = rows.iter().find(|row| row[1] >= 0.5).unwrap()[0] * 1e3;
    let told = approximate(report.latency_us.p50);
    assert!((median - told).abs() / told < 0.002, "{median} is not {told}");
    // Seconds in which nothing failed have no line of that clock.
    let failed = rendered(room.path(), Rendering::from_name("hgrm-failed").unwrap());
    assert!(failed.contains(&format!("{:>12}]", report.latency_failed_us.count)), "{failed}");
}

/// What a log or a server may come up with.
const HOSTILE: [&str; 7] = [
    "<img src=x onerror=alert(1)><script>alert(1)</script>",
    "\"]]>--><x y='z'>&lt;&#0;<!DOCTYPE x>",
    "\u{1b}[2J\u{0}\r\n\u{202e}\u{7f}\u{85}",
    "=HYPERLINK(\"http://x\",\"y\"),\n+1,-1,@x",
    "`**b**` ``` [l](javascript:x) | ![i](http://x) <q>",
    "x\"} 1\n# EOF\ny{z=\"\\",
    "{{ template }} ${x} %s \\",
];

/// Every text in it, and names beside those that the schema knows.
fn replace_texts(value: &mut Value, text: &str, key: &str) {
    match value {
        Value::String(found) if !matches!(key, "schema" | "verdict" | "command" | "verify" | "arrivals") => {
            text.clone_into(found);
        }
        Value::Array(all) => all.iter_mut().for_each(|inner| replace_texts(inner, text, key)),
        Value::Object(named) => {
            named.iter_mut().for_each(|(key, inner)| replace_texts(inner, text, key));
            if ["statuses", "faults", "wrong_attempts", "skipped", "rejected", "filtered", "unchecked"]
                .contains(&key)
            {
                named.insert(text.to_owned(), 7.into());
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A run directory in which everything that is a text is this one.
fn directory_with_text(text: &str) -> TempDir {
    let (room, report) = written();
    let reason = json!({"id": "r", "detail": "d", "remedy": "m"});
    let mut run = serde_json::to_value(report).unwrap();
    run["invalid_reasons"] = json!([reason]);
    run["warnings"] = json!([reason, reason]);
    run["plan"]["headers"] = json!(["h"]);
    run["thresholds"] =
        json!([{"expression": "e", "measure": "m", "unit": "u", "relation": "r", "passed": false}]);
    replace_texts(&mut run, text, "");
    fs::write(room.path().join("run.json"), run.to_string()).unwrap();
    let lines = fs::read_to_string(room.path().join("intervals.ndjson")).unwrap();
    let lines = lines.lines().map(|line| {
        let mut line = serde_json::from_str(line).unwrap();
        replace_texts(&mut line, text, "");
        format!("{line}\n")
    });
    fs::write(room.path().join("intervals.ndjson"), lines.collect::<String>()).unwrap();
    room
}

#[test]
fn nothing_from_outside_is_more_than_text() {
    for text in HOSTILE {
        let room = directory_with_text(text);
        for rendering in Rendering::ALL {
            let shown = rendered(room.path(), rendering);
            let stray = shown.chars().find(|c| *c != '\n' && c.is_control() || *c == '\u{202e}');
            // JSON holds what was found, escaped in its own way.
            assert!(rendering == Rendering::Json || stray.is_none(), "{rendering:?} of {text:?}: {stray:?}");
            check_form(rendering, &shown);
        }
    }
}

#[test]
fn a_megabyte_of_text_is_shortened() {
    // JSON keeps it; all else would be as large as what somebody sent.
    let (room, mut report) = written();
    let text = "http://x/<q>".repeat((1 << 20) / 12);
    report.faults[0].meaning.clone_from(&text);
    report.faults[0].id.clone_from(&text);
    report.faults[0].examples[0].path.clone_from(&text);
    report.faults[0].examples[0].location = Some(text.clone());
    report.targets.hosts[0].host.clone_from(&text);
    report.statuses.insert(text.clone(), 1);
    report.plan.inputs[0].name.clone_from(&text);
    let run = serde_json::to_string(&report).unwrap();
    fs::write(room.path().join("run.json"), run).unwrap();
    for rendering in Rendering::ALL.into_iter().filter(|rendering| *rendering != Rendering::Json) {
        let shown = rendered(room.path(), rendering);
        assert!(shown.len() < LARGEST, "{rendering:?} has {} bytes", shown.len());
        check_form(rendering, &shown);
    }
}

/// Whether it is what its readers take it for.
#[track_caller]
fn check_form(rendering: Rendering, text: &str) {
    match rendering {
        Rendering::Text => assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}"),
        Rendering::Html => {
            for markup in ["<img", "<x", "<script>alert", "<q>"] {
                assert!(!text.contains(markup), "{markup}");
            }
        }
        Rendering::Json | Rendering::K6 => drop(serde_json::from_str::<Value>(text).unwrap()),
        Rendering::Markdown => check_markdown(text),
        Rendering::Junit => check_junit(text),
        Rendering::Prometheus => text.lines().for_each(check_sample),
        Rendering::Csv => check_csv(text),
        Rendering::Hgrm(_) => assert!(text.starts_with("       Value     Percentile")),
    }
}

/// What is left without code spans and escaped letters is no markup but our own.
#[track_caller]
fn check_markdown(text: &str) {
    for line in text.lines() {
        let mut plain = String::new();
        let mut letters = line.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '`' => assert!(letters.any(|c| c == '`'), "a code span has no end: {line}"),
                '\\' => drop(letters.next()),
                other => plain.push(other),
            }
        }
        let plain = plain.replace("**", "");
        assert!(!plain.contains(['<', '[', ']', '*', '@', '&']), "{line}");
        assert!(!plain.contains("://"), "{line}");
        // Rows of a table have the cells of their head.
        assert!(!plain.starts_with('|') || matches!(plain.matches('|').count(), 4..=6), "{line}");
    }
}

#[track_caller]
fn check_junit(text: &str) {
    const OURS: [&str; 10] = [
        "testsuites",
        "testsuite",
        "properties",
        "property",
        "testcase",
        "skipped",
        "failure",
        "error",
        "system-out",
        "system-err",
    ];
    let mut reader = quick_xml::Reader::from_str(text);
    loop {
        match reader.read_event().unwrap() {
            Event::Eof => break,
            Event::Start(element) | Event::Empty(element) => {
                assert!(OURS.contains(&element.name().as_ref()), "{element:?}");
            }
            Event::DocType(_) | Event::Comment(_) | Event::CData(_) | Event::PI(_) => {
                panic!("markup: {text}")
            }
            Event::End(_) | Event::Decl(_) | Event::GeneralRef(_) | Event::Text(_) => {}
        }
    }
}

/// A line of the text format: a comment, or a name, labels and a number.
#[track_caller]
fn check_sample(line: &str) {
    if line.starts_with("# ") {
        return;
    }
    let (series, value) = line.rsplit_once(' ').unwrap();
    value.parse::<f64>().unwrap();
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{line}");
    let mut rest = labels.strip_suffix('}').unwrap();
    while !rest.is_empty() {
        let (key, text) = rest.split_once("=\"").unwrap();
        assert!(key.trim_start_matches(',').bytes().all(|b| b.is_ascii_lowercase()), "{line}");
        let mut end = None;
        let mut letters = text.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' => assert!(matches!(letters.next(), Some((_, '\\' | '"' | 'n'))), "{line}"),
                '"' => {
                    end = Some(at);
                    break;
                }
                _ => {}
            }
        }
        rest = text.get(end.unwrap() + 1..).unwrap();
    }
}

/// Every record has as many cells as the first, and none is a formula.
#[track_caller]
fn check_csv(text: &str) {
    let (mut records, mut cell, mut quoted) = (vec![Vec::new()], String::new(), false);
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' | '\n' if !quoted => {
                assert!(!cell.starts_with(['=', '+', '-', '@', '\t']), "{cell}");
                records.last_mut().unwrap().push(std::mem::take(&mut cell));
                if letter == '\n' {
                    records.push(Vec::new());
                }
            }
            other => cell.push(other),
        }
    }
    assert!(!quoted && records.pop().is_some_and(|last| last.is_empty()), "{text}");
    let columns = records[0].len();
    assert!(columns > 30 && records.iter().all(|record| record.len() == columns), "{text}");
    assert_eq!(records.len(), 21);
}

#[test]
fn what_is_written_keeps_the_published_schema() {
    let (room, _) = written();
    let text = |file: &str| fs::read_to_string(room.path().join(file)).unwrap();
    let validator = |document| {
        let schema: Value = serde_json::from_str(&json_schema(document)).unwrap();
        jsonschema::validator_for(&schema).unwrap()
    };
    let run: Value = serde_json::from_str(&text("run.json")).unwrap();
    let whole = validator(Document::Run);
    assert_eq!(
        whole.iter_errors(&run).map(|error| error.to_string()).collect::<Vec<_>>(),
        Vec::<String>::new()
    );
    for (document, file) in [(Document::Interval, "intervals.ndjson"), (Document::Failure, "failures.ndjson")]
    {
        let validator = validator(document);
        let mut lines =
            text(file).lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
        assert!(lines.len() > 5 && lines.iter().all(|line| validator.is_valid(line)), "{file}");
        lines[0]["detail"] = 1.into();
        lines[0]["offered"] = "many".into();
        assert!(!validator.is_valid(&lines[0]), "{file}");
    }
    let mut other = run.clone();
    other["arrivals"]["failed"] = "many".into();
    assert!(!whole.is_valid(&other));
    let mut other = run.clone();
    other.as_object_mut().unwrap().remove("verdict");
    assert!(!whole.is_valid(&other));
    let mut other = run;
    other["a key of a later version"] = json!({"x": 1});
    assert!(whole.is_valid(&other));
}

#[test]
fn what_earlier_versions_wrote_is_still_rendered() {
    let earlier = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/earlier");
    let mut seen = 0;
    for file in fs::read_dir(earlier).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let report = read::run(&bytes).unwrap();
        assert_eq!((report.arrivals.offered, report.arrivals.failed), (94_000, 47_000));
        let room = tempfile::tempdir().unwrap();
        fs::write(room.path().join("run.json"), &bytes).unwrap();
        for rendering in Rendering::ALL {
            let mut out = Vec::new();
            SavedRun::open(room.path()).unwrap().render(rendering, &mut out).unwrap();
            assert!(!out.is_empty(), "{rendering:?}");
        }
        // Without buckets, a histogram is one bucket of everything.
        check_form(Rendering::Prometheus, &rendered(room.path(), Rendering::Prometheus));
        seen += 1;
    }
    assert!(seen > 0);
}

/// The queries of the dashboard, and what a run that goes on exports.
#[test]
fn the_dashboard_asks_for_what_there_is() {
    let (_, report) = written();
    let text = exposition(&report, Some(&Gauges::default()), Dialect::Prometheus);
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let exported: BTreeSet<_> = samples.filter_map(|line| line.split(['{', ' ']).next()).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana.json");
    let dashboard = fs::read_to_string(path).unwrap();
    drop(serde_json::from_str::<Value>(&dashboard).unwrap());
    let asked = dashboard.match_indices("downpour_").map(|(at, _)| {
        let rest = dashboard.get(at..).unwrap();
        rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap()
    });
    let asked: BTreeSet<_> = asked.collect();
    assert!(asked.len() > 10, "{asked:?}");
    let unknown: Vec<_> = asked.difference(&exported).collect();
    assert!(unknown.is_empty(), "{unknown:?} is not exported");
}

/// Lines of both kinds, so that the helpers above spoil what they should.
#[test]
fn a_spoiled_run_is_spoiled_everywhere() {
    let room = directory_with_text("spoilt");
    let run = read::run(&fs::read(room.path().join("run.json")).unwrap()).unwrap();
    assert_eq!(run.faults[0].examples[0].path, "spoilt");
    assert_eq!(run.statuses["spoilt"], 7);
    let lines = fs::read_to_string(room.path().join("intervals.ndjson")).unwrap();
    let line: IntervalLine = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(line.faults["spoilt"], 7);
    let failures = fs::read_to_string(room.path().join("failures.ndjson")).unwrap();
    assert!(serde_json::from_str::<FailureLine>(failures.lines().next().unwrap()).is_ok());
}
