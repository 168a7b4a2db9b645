//! `downpour report`: what it makes of a run is what the run made itself.

use super::{Call, INCIDENT, Serving};
use std::fs;

#[test]
fn a_run_is_rendered_as_it_was_when_it_ended() {
    let candidate = Serving::with_faults(&["missing-slash:30%"]);
    let call = Call::replay(INCIDENT, &candidate).with(&["--rate", "500", "-n", "200"]);
    assert_eq!(call.run().code, Some(3));
    let whole = |name: &str| fs::read_to_string(call.path(&format!("run/{name}"))).unwrap();
    let run = call.path("run");
    let report = |args: &[&str]| {
        let ended = Call::new(&["report", run.to_str().unwrap()]).with(args).run();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{args:?}");
        ended.stdout
    };
    assert_eq!(report(&[]), whole("summary.txt"));
    assert_eq!(report(&["--format", "json"]), whole("run.json"));
    assert!(report(&["--format", "html"]) == whole("report.html"));

    let file = call.path("again.html");
    assert_eq!(report(&["-o", file.to_str().unwrap()]), "");
    assert!(fs::read_to_string(&file).unwrap() == whole("report.html"));
}

#[test]
fn what_cannot_be_rendered_is_told() {
    Call::new(&["report", "nowhere"]).refused(1, &["nowhere/run.json: no such file"]);
    Call::new(&["report", "x", "--format", "pdf"]).refused(2, &["'pdf'", "--format"]);
    let torn = Call::new(&["report", "."]).file("run.json", "{\"schema\": \"downpour.run/1\",\n");
    torn.refused(1, &["run.json: not the result of a run: EOF", "line 2"]);
    let call = Call::new(&["report", ".", "-o", "no/such/place.html"]);
    let call = call.file("run.json", "{\"schema\": \"downpour.run/1\"}").file("intervals.ndjson", "");
    call.refused(1, &["no/such/place.html: cannot write"]);
}
