//! `--config`: a file of options, and a `run.json` that repeats its run.

use super::{Call, INCIDENT, Serving};

#[test]
fn a_saved_run_is_repeated_with_the_same_arrivals() {
    let candidate = Serving::with_faults(&["missing-slash:20%"]);
    let flags = ["--rate", "100", "-n", "150", "--arrivals", "poisson", "--sample", "30%", "--seed", "5"];
    let call = Call::replay(INCIDENT, &candidate).with(&flags).with(&["--rules", "crates-io"]);
    let first = call.report(3);
    let saved = call.path("run/run.json").to_str().unwrap().to_owned();
    let again = Call::new(&["replay", "--config", &saved]).report(3);
    for key in ["/records/offered", "/records/sampled_out", "/arrivals/offered"] {
        assert_eq!(again.number(key), first.number(key), "{key}");
    }
    assert!(first.number("/records/sampled_out") > 0);
    for key in ["/plan/rate", "/plan/rules", "/plan/target", "/plan/config/load/rate"] {
        assert_eq!(again.text(key), first.text(key), "{key}");
    }
}

#[test]
fn a_file_is_enough_and_a_flag_wins() {
    let candidate = Serving::healthy();
    let file = format!(
        "[trace]\ntraces = [{INCIDENT:?}]\n[load]\ntarget = {:?}\nrate = 1\nrequests = 7\n\
         [verify]\nverify = \"policy\"\n[thresholds]\nmax-lateness = \"60s\"\n",
        candidate.api
    );
    let call = Call::new(&["replay", "--config", "run.toml", "--rate", "200"]).file("run.toml", file);
    let report = call.report(0);
    assert_eq!((report.offered(), report.text("/plan/rate")), (7, "200/s"));
}

#[test]
fn a_mistake_in_a_file_is_told_with_its_place() {
    let file = "[load]\nrate = \"fast\"\n";
    let call = Call::new(&["replay", "log", "--target", "http://127.0.0.1:1", "--config", "run.toml"]);
    let ended = call.file("run.toml", file).run();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("the value is from run.toml:2:1"), "{}", ended.stderr);
    let unknown = Call::new(&["check", "--config", "run.toml"]).file("run.toml", "[load]\nrat = 1\n");
    let ended = unknown.run();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.starts_with("error: run.toml:2:1: unknown key rat"), "{}", ended.stderr);
}
