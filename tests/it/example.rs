//! The committed example: still read, and rendered to the bytes beside it.

use downpour_report::{SavedRun, Verdict, html, summary};
use std::fs;
use std::path::{Path, PathBuf};

/// What a reader of the repository may find too large.
const MOST_BYTES: u64 = 1 << 20;

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/incident")
}

#[test]
fn the_committed_incident_is_rendered_as_it_stands() {
    let run = SavedRun::open(&example()).unwrap();
    assert_eq!((run.report.verdict, &run.notes), (Verdict::Failed, &Vec::new()));
    assert!(run.report.faults.iter().any(|fault| fault.id == "dns.nxdomain"), "it is not the incident");
    let written = |name: &str| fs::read_to_string(example().join(name)).unwrap();
    let told = "differs: make the example again, as reports/README.md says";
    assert!(summary(&run.report) == written("summary.txt"), "summary.txt {told}");
    assert!(html(&run.report, &run.timeline, &run.notes) == written("report.html"), "report.html {told}");
}

#[test]
fn the_committed_incident_is_small_and_has_a_picture() {
    let files: Vec<_> = fs::read_dir(example()).unwrap().map(|entry| entry.unwrap()).collect();
    let bytes: u64 = files.iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(bytes < MOST_BYTES, "{bytes} bytes");
    let picture = fs::read(example().join("report.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG") && picture.len() < 250_000, "{} bytes", picture.len());
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    assert!(readme.contains("](reports/incident/report.png)"), "README.md does not show it");
}
