//! A file that is read is never written, and none is written twice: whoever
//! mistypes an output keeps the input.

use super::{Call, Serving, every};
use std::fs;
use std::os::unix::fs::symlink;

const NOBODY: [&str; 2] = ["--target", "http://127.0.0.1:1"];

/// A call with `LOG` beside it, refused before anything of it is lost.
#[track_caller]
fn keeps_the_log(args: &[&str], told: &[&str]) {
    let log = every(1, 3);
    let call = Call::new(args).file("victim.log", &log).file("logs/one.log", &log);
    fs::hard_link(call.path("victim.log"), call.path("hard")).unwrap();
    symlink("victim.log", call.path("soft")).unwrap();
    call.refused(2, told);
    for name in ["victim.log", "logs/one.log"] {
        assert_eq!(fs::read_to_string(call.path(name)).unwrap(), log, "{args:?}");
    }
}

#[test]
fn an_output_that_is_the_log_is_refused_and_the_log_kept() {
    let check = |flags: &[&str], told: &[&str]| {
        keeps_the_log(&[&["check", "victim.log", "-q"], &NOBODY[..], flags].concat(), told);
    };
    let told = ["the command reads this file (the trace victim.log) and would empty it"];
    check(&["--junit", "victim.log"], &["--junit victim.log: ", told[0]]);
    check(&["--junit", "./logs/../victim.log"], &told);
    check(&["--junit", "hard"], &told);
    check(&["--junit", "soft"], &told);
    check(&["--export", "json=victim.log"], &["--export json=victim.log: ", told[0]]);
    check(
        &["--step-summary", "soft"],
        &["--step-summary soft: ", "the command reads this file", "and would change it"],
    );
    let replay = |trace: &str, flags: &[&str]| {
        keeps_the_log(
            &[&["replay", trace, "--rate", "1"], &NOBODY[..], flags].concat(),
            &["the command reads this file"],
        );
    };
    replay("victim.log", &["--junit", "victim.log"]);
    replay("logs", &["--junit", "logs/one.log"]);
    replay("logs/*.log", &["--junit", "logs/one.log"]);
    keeps_the_log(&["simulate", "victim.log", "--junit", "victim.log"], &["the command reads this file"]);
}

#[test]
fn an_output_that_is_another_input_is_refused() {
    let call = |flags: &[&str]| {
        let call = Call::new(&["check", "list", "--junit", "mine"]).with(&NOBODY).with(flags);
        let call = call.file("list", "/x\n").file("mine", "# mine\n");
        call.refused(2, &["--junit mine: the command reads this file (--", ") and would empty it"]);
        assert_eq!(fs::read_to_string(call.path("mine")).unwrap(), "# mine\n");
    };
    call(&["--rules", "mine"]);
    call(&["--rewrite", "mine"]);
    call(&["--rules", "mine.toml", "--catalog", "mine"]);
    call(&["--rules", "mine.toml", "--catalog", "."]);
    call(&["--cacert", "mine"]);
    call(&["--cert", "mine", "--key", "other"]);
    call(&["--cert", "other", "--key", "mine"]);
    let scenario = Call::new(&["scenarios", "incident"]).run().stdout;
    for command in ["replay", "simulate"] {
        let call =
            Call::new(&[command, "--scenario", "mine", "--junit", "mine", "-q"]).file("mine", &scenario);
        call.refused(2, &["--junit mine: the command reads this file (--scenario mine)"]);
        assert_eq!(fs::read_to_string(call.path("mine")).unwrap(), scenario);
    }
    let clients = Call::new(&["simulate", "--scenario", "incident", "--client-file", "mine"]);
    clients
        .with(&["--junit", "mine"])
        .file("mine", "")
        .refused(2, &["the command reads this file (--client-file mine)"]);
}

#[test]
fn outputs_are_files_of_their_own() {
    let nobody = |flags: &[&str], told: &[&str]| {
        let call = Call::new(&["check", "list"]).with(&NOBODY).with(flags).file("list", "/x\n");
        call.refused(2, told);
    };
    nobody(&["--junit", "x", "--step-summary", "./x"], &["--step-summary ./x: this file is named twice"]);
    nobody(&["--export", "json=run/run.json", "--out", "run"], &["named twice: run.json in --out"]);
    let own = Call::new(&["check", "run/failures.ndjson", "--out", "run"]).with(&NOBODY);
    let own = own.file("run/failures.ndjson", every(1, 3));
    own.refused(
        2,
        &["failures.ndjson in --out run: the command reads this file (the trace run/failures.ndjson)"],
    );
    assert_eq!(fs::read_to_string(own.path("run/failures.ndjson")).unwrap(), every(1, 3));
    let serve = Call::new(&["serve", "--ca-out", "x", "--access-log", "x"]).without_out();
    serve.refused(2, &["--access-log x: this file is named twice: --ca-out x is the same file"]);
}

#[test]
fn a_run_is_not_lost_to_its_rendering() {
    let candidate = Serving::healthy();
    let call = Call::replay("trace", &candidate).with(&["--rate", "100"]).file("trace", every(1, 20));
    assert_eq!(call.run().code, Some(0));
    let run = call.path("run");
    let before = fs::read(run.join("run.json")).unwrap();
    let (run, result) = (run.to_str().unwrap(), run.join("run.json"));
    let result = result.to_str().unwrap();
    for args in [&["report", run, "-o", result, "--format", "text"][..], &["compare", run, run, "-o", result]]
    {
        Call::new(args).without_out().refused(2, &["the command reads this file (run.json in the run "]);
        assert_eq!(fs::read(result).unwrap(), before);
    }
    // What can be made again may be replaced.
    let page = call.path("run/report.html");
    let ended = Call::new(&["report", run, "-o", page.to_str().unwrap()]).run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}
