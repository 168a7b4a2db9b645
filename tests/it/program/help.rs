//! Help, versions and flags that do not exist.

use super::{Call, INCIDENT, every, sample};
use serde_json::Value;

const COMMANDS: [&str; 15] = [
    "demo",
    "simulate",
    "scenarios",
    "schema",
    "replay",
    "check",
    "inspect",
    "report",
    "compare",
    "rules",
    "explain",
    "serve",
    "clients",
    "completions",
    "man",
];

#[test]
fn every_subcommand_helps() {
    for args in [&["--help"][..], &["help"], &["-h"], &["--version"]] {
        let ended = Call::new(args).run();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{args:?}");
        assert!(ended.stdout.contains("downpour"));
    }
    for command in COMMANDS {
        let long = Call::new(&[command, "--help"]).run();
        assert_eq!((long.code, long.stderr.as_str()), (Some(0), ""), "{command}");
        assert!(long.stdout.contains(&format!("Usage: downpour {command}")), "{}", long.stdout);
        assert!(long.stdout.contains(&format!("\n  downpour {command}")), "no example: {}", long.stdout);
        assert_eq!(Call::new(&["help", command]).run().stdout, long.stdout);
        assert_eq!(Call::new(&[command, "-h"]).run().code, Some(0));
    }
}

/// Lines of a terminal that show the help at once.
const SCREEN: usize = 60;

/// What `-h` prints on a terminal of 80 columns.
fn short_help(args: &[&str]) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_downpour"));
    let output = command.args(args).env("COLUMNS", "80").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn short_help_is_one_screen() {
    for args in std::iter::once(vec!["-h"]).chain(COMMANDS.map(|command| vec![command, "-h"])) {
        let help = short_help(&args);
        let lines = help.lines().count();
        assert!((5..=SCREEN).contains(&lines), "{args:?}: {lines} lines\n{help}");
        let broad = help.lines().find(|line| line.chars().count() > 80);
        assert_eq!(broad, None, "{args:?}");
    }
}

#[test]
fn short_help_has_the_main_options_and_long_help_all() {
    let (short, long) = (short_help(&["replay", "-h"]), Call::new(&["replay", "--help"]).run().stdout);
    for main in ["--target", "--rate", "--duration", "--rules", "--verify", "--threshold", "--out"] {
        assert!(short.contains(&format!("{main} <")) && long.contains(&format!("{main} <")), "{main}");
    }
    for rare in ["--batch-interval", "--verify-hops", "--subsecond", "--reuse"] {
        assert!(!short.contains(rare) && long.contains(&format!("{rare} <")), "{rare}");
    }
}

#[test]
fn commands_are_listed_in_groups() {
    let help = short_help(&["-h"]);
    let groups =
        ["\nRun:\n  replay ", "\nLook:\n  inspect ", "\nPractise:\n  serve ", "\nReference:\n  rules "];
    for group in groups {
        assert!(help.contains(group), "{help}");
    }
    for command in COMMANDS {
        assert_eq!(help.matches(&format!("\n  {command} ")).count(), 1, "{command}: {help}");
    }
}

#[test]
fn old_spellings_are_still_accepted() {
    let replay = ["replay", INCIDENT, "--target", "http://127.0.0.1:1", "--pacing-grain", "2s"];
    Call::new(&replay).refused(2, &["--batch-interval <TIME>", "at most 1s"]);
    Call::new(&["serve", "--cdn-certificate", "sound"]).refused(2, &["--ca-out <FILE>"]);
}

#[test]
fn serve_lists_its_faults() {
    let help = Call::new(&["serve", "--help"]).run().stdout;
    let (_, faults) = help.split_once("\nFaults:\n").unwrap();
    assert!(faults.starts_with("  missing-slash       joins host and path without a slash"), "{faults}");
    assert!(faults.contains("\n  status-CODE         answers with this status"), "{faults}");
}

#[test]
fn what_is_no_flag_or_subcommand_is_a_usage_error() {
    Call::new(&["replya"]).refused(2, &["'replya'", "replay"]);
    for command in COMMANDS {
        Call::new(&[command, "--no-such-flag"]).refused(2, &["'--no-such-flag'", "--help"]);
    }
    Call::new(&["replay", INCIDENT]).refused(2, &["--target <URL>"]);
    Call::new(&["replay", "--target", "http://127.0.0.1:1"]).refused(2, &["<TRACE>"]);
    Call::new(&["inspect"]).refused(2, &["<TRACE>"]);
    assert_eq!(Call::new(&[]).run().code, Some(2));
}

#[test]
fn a_census_fits_a_terminal_and_is_an_object_for_programs() {
    let well_formed = sample("cloudfront-v1", "well-formed.log");
    let odd = sample("apache-common", "edge-cases.log");
    let list = sample("url-list", "well-formed.log");
    for path in [INCIDENT, well_formed.to_str().unwrap(), odd.to_str().unwrap(), list.to_str().unwrap()] {
        let text = Call::new(&["inspect", path]).run();
        assert_eq!((text.code, text.stderr.as_str()), (Some(0), ""), "{path}");
        let broad = text.stdout.lines().find(|line| line.chars().count() > 80);
        assert_eq!(broad, None, "{path}");
        let json = Call::new(&["inspect", path, "--format", "json"]).run();
        assert_eq!((json.code, json.stderr.as_str()), (Some(0), ""), "{path}");
        let census: Value = serde_json::from_str(&json.stdout).unwrap();
        assert!(census["lines"]["accepted"].as_u64() > Some(0), "{census}");
    }
}

#[test]
fn a_census_counts() {
    let call = Call::new(&["inspect", "a", "b", "--format", "json"]);
    let census = call.file("a", every(10, 30)).file("b", every(10, 12)).run();
    let census: Value = serde_json::from_str(&census.stdout).unwrap();
    assert_eq!(census["lines"]["read"], 42);
    assert_eq!(census["lines"]["accepted"], 42);
}

#[test]
fn completions_and_man_pages_know_every_subcommand() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = Call::new(&["completions", shell]).run();
        assert_eq!((script.code, script.stderr.as_str()), (Some(0), ""), "{shell}");
        assert!(script.stdout.contains("abort-on"), "{shell}");
    }
    Call::new(&["completions", "tcsh"]).refused(2, &["'tcsh'", "<SHELL>"]);
    let page = Call::new(&["man"]).run();
    assert!(page.stdout.contains(".TH downpour 1"), "{}", page.stdout);
    let call = Call::new(&["man", "pages/man1"]);
    assert_eq!((call.run().code, call.run().stdout.as_str()), (Some(0), ""));
    for command in COMMANDS {
        let page = std::fs::read_to_string(call.path(&format!("pages/man1/downpour-{command}.1"))).unwrap();
        assert!(page.contains("Examples") || page.contains("Example:"), "{command}");
    }
    Call::new(&["man", "file"]).file("file", "").refused(1, &["file: cannot write"]);
}
