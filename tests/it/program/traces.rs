//! What a replay takes in: every format, packed and unpacked, from wherever.

use super::{Call, Report, Serving, every, sample};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;

/// Folders of samples and the format that each is read as.
const SAMPLES: [(&str, &str); 10] = [
    ("apache-combined", "combined"),
    ("apache-combined-usec", "combined-usec"),
    ("apache-common", "common"),
    ("cloudfront-v1", "cloudfront-v1"),
    ("fastly-clf", "fastly-clf"),
    ("fastly-cratesio-2024", "fastly-cratesio"),
    ("fastly-cratesio-2025", "fastly-cratesio"),
    ("nginx-combined-timed", "combined-timed"),
    ("trace", "trace"),
    ("url-list", "url-list"),
];

fn gz(content: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(content.as_bytes()).unwrap();
    packed.finish().unwrap()
}

/// A replay at a constant rate, of which every arrival is answered. Samples
/// hold requests for what the candidate has not; those fail by their status
/// and by nothing else.
#[track_caller]
fn replayed(call: &Call) -> Report {
    let ended = call.run();
    let report = Report::read(&ended.out);
    report.check_everything(&ended.out);
    let not_found = report.times("/statuses", "404");
    assert_eq!(report.times("/statuses", "302") + not_found, report.offered(), "{}", ended.stdout);
    assert!(report.faults().iter().all(|(id, count)| *id == "status.4xx" && *count <= not_found));
    assert_eq!(ended.code, Some(if report.faults().is_empty() { 0 } else { 3 }));
    report
}

#[test]
fn every_format_is_recognised_and_every_line_accounted_for() {
    let candidate = Serving::healthy();
    for (folder, format) in SAMPLES {
        let path = sample(folder, "well-formed.log");
        let log = fs::read(&path).unwrap();
        let lines = log.split_inclusive(|&b| b == b'\n').count() as u64;
        let report = replayed(&Call::replay(path.to_str().unwrap(), &candidate).with(&["--rate", "500"]));
        assert_eq!(report.number("/lines/read"), lines, "{folder}");
        assert_eq!(report.text("/plan/inputs/0/format"), format);
        let records = fs::read_to_string(sample(folder, "well-formed.expected.jsonl"));
        let records = records.map_or(lines, |text| text.lines().count() as u64);
        assert_eq!(report.number("/lines/accepted"), records, "{folder}");
    }
}

#[test]
fn odd_lines_are_counted_under_their_reason() {
    let candidate = Serving::healthy();
    for (folder, format) in SAMPLES {
        let Ok(verdicts) = fs::read_to_string(sample(folder, "edge-cases.verdicts")) else { continue };
        let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
        for line in verdicts.lines().filter(|line| !line.starts_with('#')) {
            *expected.entry(line.split(' ').nth(1).unwrap()).or_default() += 1;
        }
        let path = sample(folder, "edge-cases.log");
        let call = Call::replay(path.to_str().unwrap(), &candidate).with(&[
            "--rate",
            "500",
            "--input-format",
            format,
        ]);
        let report = replayed(&call);
        let mut found = BTreeMap::from([("accepted".to_owned(), report.offered())]);
        for (map, fate) in [
            ("/lines/skipped", "skipped"),
            ("/lines/rejected", "rejected"),
            ("/records/filtered", "filtered"),
        ] {
            found.extend(report.map(map).map(|(reason, count)| (format!("{fate}({reason})"), count)));
        }
        let found: BTreeMap<&str, u64> = found.iter().map(|(fate, count)| (fate.as_str(), *count)).collect();
        assert_eq!(found, expected, "{folder}");
    }
}

#[test]
fn packed_inputs_are_unpacked_whatever_their_name() {
    let candidate = Serving::healthy();
    let members = [gz(&every(5, 40)), gz(&every(5, 30))].concat();
    let zstd = zstd::encode_all(every(5, 50).as_bytes(), 1).unwrap();
    for (name, content, compression, count) in [("log", members, "gzip", 70), ("log.txt", zstd, "zstd", 50)] {
        let report = replayed(&Call::replay(name, &candidate).file(name, content).with(&["--rate", "500"]));
        assert_eq!(report.text("/plan/inputs/0/compression"), compression);
        assert_eq!((report.offered(), report.number("/lines/read")), (count, count));
    }
}

#[test]
fn files_directories_patterns_and_standard_input_make_one_trace() {
    let candidate = Serving::healthy();
    let check = |traces: &[&str], inputs: usize, count: u64| {
        let call = Call::replay(traces[0], &candidate)
            .with(&traces[1..])
            .with(&["--rate", "500"])
            .file("logs/a.1", every(7, 10))
            .file("logs/a.2.gz", gz(&every(5, 20)))
            .file("logs/b", every(3, 40))
            .file("logs/.hidden", every(3, 1_000))
            .stdin(every(2, 80));
        let report = replayed(&call);
        assert_eq!((report.list("/plan/inputs").len(), report.offered()), (inputs, count), "{traces:?}");
    };
    check(&["logs/a.1", "logs/b"], 2, 50);
    check(&["logs"], 3, 70);
    check(&["logs/a*"], 2, 30);
    check(&["-"], 1, 80);
    check(&["-", "logs/a.*", "logs/b"], 4, 150);
}

#[test]
fn a_log_of_the_store_is_asked_of_the_api() {
    let candidate = Serving::healthy();
    let path = sample("fastly-cratesio-2025", "well-formed.log");
    let call = Call::replay(path.to_str().unwrap(), &candidate).with(&[
        "--rate",
        "500",
        "--rewrite",
        "crates-io",
        "--rules",
        "crates-io",
    ]);
    let report = call.report(0);
    assert_eq!(report.times("/statuses", "302"), report.offered());
    assert!(report.offered() > 5);
}

#[test]
fn a_log_cut_off_in_its_middle_is_replayed_as_far_as_it_goes_and_said() {
    let candidate = Serving::healthy();
    let whole = gz(&every(5, 400));
    let cut = &whole[..whole.len() / 2];
    let call = Call::replay("cut.gz", &candidate).file("cut.gz", cut).with(&["--rate", "1000"]);
    let report = call.report(0);
    assert_eq!(report.times("/lines/rejected", "truncated"), 1);
    assert!((1..400).contains(&report.offered()), "{}", report.offered());
    assert_eq!(report.number("/lines/read"), report.offered() + 1);
    let told = report.text("/warnings/0/detail");
    assert!(told.contains("cut.gz, line ") && told.contains("truncated or damaged"), "{told}");
    let summary = fs::read_to_string(call.path("run/summary.txt")).unwrap();
    assert!(summary.contains("Note: cut.gz, line "), "{summary}");
}

#[test]
fn a_log_that_is_not_what_was_packed_is_said() {
    let candidate = Serving::healthy();
    let mut broken = gz(&every(5, 400));
    let checksum = broken.len() - 8;
    broken[checksum] ^= 1;
    let report =
        Call::replay("broken.gz", &candidate).file("broken.gz", broken).with(&["--rate", "1000"]).report(0);
    assert!((399..=400).contains(&report.offered()), "{}", report.offered());
    assert!(report.text("/warnings/0/detail").contains("broken.gz, line "));
}

#[test]
fn what_cannot_be_read_of_a_directory_is_said_and_kept_in_the_report() {
    let candidate = Serving::healthy();
    let call = Call::replay("logs", &candidate)
        .with(&["--rate", "500"])
        .file("logs/a.log", every(5, 40))
        .file("logs/b.xz", b"\xfd7zXZ\0\0");
    let ended = call.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("warning: logs/b.xz is left out: it is an xz file"), "{}", ended.stderr);
    assert!(ended.stdout.contains("Note: 1 input could not be read: logs/b.xz"), "{}", ended.stdout);
    let report = Report::read(&ended.out);
    assert_eq!(report.text("/plan/inputs_skipped/0/name"), "logs/b.xz");
    assert_eq!(report.text("/plan/inputs_skipped/0/reason"), "it is an xz file");
    assert_eq!(report.offered(), 40);
    Call::replay("b.xz", &candidate).file("b.xz", b"\xfd7zXZ\0\0").refused(1, &["b.xz", "xz -dc FILE"]);
}

#[test]
fn the_summary_of_a_log_shows_rejected_lines_and_what_they_mean() {
    let log = every(5, 40) + "hello\n";
    let call = Call::new(&["inspect", "log"]).file("log", &log);
    let text = call.run().stdout;
    for part in ["1  bad_json", "not the JSON that the format", "first log:41", "hello"] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let json = Call::new(&["inspect", "log", "--format", "json"]).file("log", &log).run().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["rejections"][0]["examples"][0]["line"], 41);
    assert_eq!(json["rejections"][0]["examples"][0]["text"], "hello");
}
