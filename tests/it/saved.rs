//! Run directories read back: whole ones, killed ones, foreign ones.

use super::report::incident;
use base64::Engine;
use downpour_core::units::Stamp;
use downpour_report::{IntervalLog, Rendering, SavedRun, html, read, summary};
use hdrhistogram::serialization::Serializer;
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
    let (room, report) = super::renderings::written();
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
    check_note(None, 0, &["intervals.ndjson", "no charts can be drawn"]);
    check_note(
        Some(&format!("{two}{{\"t_s\":2,\"offe")),
        7,
        &["intervals.ndjson, line 3: incomplete", "what is before it"],
    );
    check_note(
        Some(&format!("{two}noise\n{two}")),
        7,
        &["intervals.ndjson, line 3: expected", "what is before it"],
    );
}

#[test]
fn a_killed_run_says_that_its_numbers_are_older_than_its_charts() {
    let checkpoint = RESULT.replace("\"warnings\": []", "\"warnings\": [{\"id\": \"checkpoint\"}]");
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
    check_refused(&room.path().join("run.json"), &["run.json: is a file; name the run directory"]);
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

type Break<'a> = &'a dyn Fn(&Path);

/// Whatever stands beside `run.json`: each rendering is made of what there is,
/// and no file is read without an end.
#[test]
fn a_broken_file_costs_only_what_it_would_have_shown() {
    let noise: Vec<u8> = (0..=255_u8).cycle().take(100_000).collect();
    let sparse = |path: &Path| fs::File::create(path).unwrap().set_len(1 << 40).unwrap();
    let breaks: [(&str, Break<'_>); 6] = [
        ("garbage", &|path| fs::write(path, &noise).unwrap()),
        ("nothing", &|path| fs::write(path, "").unwrap()),
        ("a tebibyte of nothing", &sparse),
        ("a line without an end", &|path| fs::write(path, "x".repeat(3 << 20)).unwrap()),
        ("a directory", &|path| fs::create_dir(path).unwrap()),
        ("a pipe", &|path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap()),
    ];
    for (what, spoil) in breaks {
        let room = directory(&[("run.json", RESULT)]);
        spoil(&room.path().join("intervals.ndjson"));
        spoil(&room.path().join("latency.hlog"));
        let saved = SavedRun::open(room.path()).unwrap();
        assert_eq!(saved.notes.len(), usize::from(what != "nothing"), "{what}: {:?}", saved.notes);
        for rendering in Rendering::ALL {
            let mut out = Vec::new();
            let note = saved.render(rendering, &mut out).unwrap();
            assert!(!out.is_empty(), "{rendering:?} of {what}");
            let is_missing = matches!(rendering, Rendering::Hgrm(_)) && what != "nothing";
            assert_eq!(note.is_some(), is_missing, "{rendering:?} of {what}: {note:?}");
        }
    }
}

#[test]
fn a_result_without_an_end_is_refused() {
    let room = directory(&[]);
    let path = room.path().join("run.json");
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    check_refused(room.path(), &["run.json: larger than 16 MiB"]);
    fs::write(&path, (0..=255_u8).cycle().take(100_000).collect::<Vec<_>>()).unwrap();
    check_refused(room.path(), &["run.json: not the result of a run"]);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    check_refused(room.path(), &["run.json: cannot read: not a regular file"]);
}

/// Percentiles of a log with these last lines; the note must hold these words.
#[track_caller]
fn check_log(lines: &str, words: &str) {
    let (intervals, _) = incident();
    let room = directory(&[("run.json", RESULT)]);
    let mut whole = Vec::new();
    let mut log = IntervalLog::begin(&mut whole, Stamp::from_nanos(0)).unwrap();
    log.write(&intervals[0]).unwrap();
    let path = room.path().join("latency.hlog");
    fs::write(&path, [whole, lines.as_bytes().to_vec()].concat()).unwrap();
    let mut out = Vec::new();
    let rendering = Rendering::from_name("hgrm").unwrap();
    let note = SavedRun::open(room.path()).unwrap().render(rendering, &mut out).unwrap();
    assert_eq!(note.is_some(), !words.is_empty(), "{note:?}");
    assert!(note.unwrap_or_default().contains(words), "{words}");
    // The second before it is told.
    assert!(String::from_utf8(out).unwrap().contains("Total count    =         4700]"));
}

#[test]
fn a_histogram_of_another_shape_is_refused_before_it_takes_memory() {
    check_log("", "");
    check_log("Tag=latency,1.000,1.0", "incomplete");
    check_log("Tag=latency,1.000,1.000,5.0,!!!!\n", "not in base64");
    check_log("Tag=service,1.000,1.000,5.0,HISTFAAAA\n", "");
    // Four digits up to a day: a hundred times our counters.
    let other = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 86_400_000_000, 5).unwrap();
    let mut packed = Vec::new();
    hdrhistogram::serialization::V2DeflateSerializer::new().serialize(&other, &mut packed).unwrap();
    let packed = base64::engine::general_purpose::STANDARD.encode(packed);
    check_log(&format!("Tag=latency,1.000,1.000,5.0,{packed}\n"), "another range than a run's");
}
