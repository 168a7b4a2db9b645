//! Run directories read back: whole ones, killed ones, foreign ones.

use super::report::{incident, plan, report_with};
use downpour::report::{RunDirectory, SavedRun, html, read, summary};
use downpour::units::Stamp;
use std::error::Error;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const RESULT: &str = include_str!("../golden/incident-run.json");

/// A run directory with these files.
fn directory(files: &[(&str, &str)]) -> TempDir {
    let room = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(room.path().join(name), text).unwrap();
    }
    room
}

#[test]
fn a_whole_run_is_rendered_again_byte_for_byte() {
    let (intervals, totals) = incident();
    let room = tempfile::tempdir().unwrap();
    let mut directory = RunDirectory::create(room.path(), Stamp::from_nanos(0)).unwrap();
    for interval in &intervals {
        directory.append(interval).unwrap();
    }
    let report = report_with(plan(), &totals);
    directory.finish(&report).unwrap();

    let saved = SavedRun::open(room.path()).unwrap();
    assert_eq!((&saved.report, &saved.notes), (&report, &Vec::new()));
    assert_eq!(saved.timeline.offered(), report.arrivals.offered);
    let written = |name: &str| fs::read_to_string(room.path().join(name)).unwrap();
    assert_eq!(summary(&saved.report), written("summary.txt"));
    assert!(html(&saved.report, &saved.timeline, &saved.notes) == written("report.html"));
}

/// Reads a directory whose intervals are these; the note must hold these words.
#[track_caller]
fn check_note(intervals: Option<&str>, offered: u64, words: &[&str]) {
    let room = directory(&[("run.json", RESULT)]);
    if let Some(text) = intervals {
        fs::write(room.path().join("intervals.ndjson"), text).unwrap();
    }
    let saved = SavedRun::open(room.path()).unwrap();
    assert_eq!(saved.timeline.offered(), offered);
    assert_eq!(saved.notes.len(), usize::from(!words.is_empty()), "{:?}", saved.notes);
    for word in words {
        assert!(saved.notes[0].contains(word), "{word:?} is not in {:?}", saved.notes);
    }
}

#[test]
fn what_is_missing_of_a_run_is_said() {
    let two = "{\"t_s\":0,\"offered\":3}\n{\"t_s\":1,\"offered\":4,\"key of a later version\":[]}\n";
    check_note(Some(two), 7, &[]);
    check_note(None, 0, &["intervals.ndjson", "nothing to chart"]);
    check_note(
        Some(&format!("{two}{{\"t_s\":2,\"offe")),
        7,
        &["intervals.ndjson, line 3: torn", "what stands before it"],
    );
    check_note(
        Some(&format!("{two}noise\n{two}")),
        7,
        &["intervals.ndjson, line 3: expected", "what stands before it"],
    );
}

#[test]
fn a_killed_run_says_that_its_numbers_are_older_than_its_charts() {
    let checkpoint = RESULT.replace("\"warnings\": []", "\"warnings\": [{\"id\": \"unfinished\"}]");
    let room = directory(&[("run.json", &checkpoint), ("intervals.ndjson", "{\"t_s\":8,\"offered\":1}\n")]);
    let notes = SavedRun::open(room.path()).unwrap().notes;
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains("was killed") && notes[0].ends_with("reach to second 9"), "{notes:?}");
}

/// Refuses to read a directory with this `run.json`, for this reason.
#[track_caller]
fn check_refused(path: &Path, words: &[&str]) {
    let error = SavedRun::open(path).unwrap_err();
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    for word in words {
        assert!(told.contains(word), "{word:?} is not in {told:?}");
    }
}

#[test]
fn what_is_no_run_is_refused_with_file_and_line() {
    let refused = |text: &str, words: &[&str]| check_refused(directory(&[("run.json", text)]).path(), words);
    refused("", &["run.json: not the result of a run: EOF", "line 1"]);
    let wrong = RESULT.replace("\"failed\": 47000", "\"failed\": \"many\"");
    let line = wrong.lines().position(|line| line.contains("many")).unwrap() + 1;
    refused(&wrong, &["run.json: not the result of a run: invalid type", &format!("at line {line} column")]);
    refused(
        &RESULT.replace("run/1", "run/2"),
        &["run.json: its schema is \"downpour.run/2\"", "use the version that wrote it"],
    );
    refused("{}", &["run.json: not the result of a run: \"schema\" is missing"]);
    let room = directory(&[("run.json", RESULT)]);
    check_refused(&room.path().join("run.json"), &["run.json: a file; name the run directory"]);
    check_refused(&room.path().join("nowhere"), &["nowhere/run.json: no such file"]);
}

/// Someone may hand on a run whose numbers are as large as numbers get.
#[test]
fn no_number_brings_a_rendering_down() {
    for number in ["18446744073709551615", "0", "1"] {
        let mut text = String::new();
        let mut rest = RESULT;
        while let Some(at) = rest.find(": ") {
            let (key, value) = rest.split_at(at + 2);
            text.push_str(key);
            let digits =
                value.len() - value.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
            text.push_str(if digits == 0 { "" } else { number });
            rest = value.get(digits..).unwrap();
        }
        text.push_str(rest);
        let report = read::run(text.as_bytes()).unwrap();
        assert_eq!(report.arrivals.offered.to_string(), number);
        let room = directory(&[("run.json", &text)]);
        let saved = SavedRun::open(room.path()).unwrap();
        assert!(summary(&saved.report).lines().all(|line| line.chars().count() <= 80));
        assert!(html(&saved.report, &saved.timeline, &saved.notes).ends_with("</html>\n"));
    }
}
