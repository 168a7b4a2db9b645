//! Tests of layers and files, by the arguments that the parser gets.

use super::super::{Cli, help};
use super::*;
use clap::{FromArgMatches, Parser};
use std::fs;

/// The arguments of a command line with these variables, or why there are none.
fn layered(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Vec<String>, String> {
    let arguments = ["downpour"].iter().chain(arguments).map(OsString::from).collect();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value)));
    let layered = Layered::of(&help::program(), arguments, variables);
    let texts = |layered: Layered| {
        layered.arguments.into_iter().map(|argument| argument.into_string().unwrap()).collect()
    };
    layered.map(texts).map_err(|error| error.to_string())
}

struct Room(tempfile::TempDir);

impl Room {
    fn with(text: &str) -> Self {
        let room = tempfile::tempdir().unwrap();
        fs::write(room.path().join("run.toml"), text).unwrap();
        Self(room)
    }

    fn file(&self) -> String {
        self.0.path().join("run.toml").to_str().unwrap().to_owned()
    }

    /// What becomes of `command --config FILE more...`, without the file's name.
    #[track_caller]
    fn check(&self, command: &[&str], variables: &[(&str, &str)], expected: &str) {
        let file = self.file();
        let arguments = [&command[..1], &["--config", &file], &command[1..]].concat();
        let merged = layered(&arguments, variables).unwrap_or_else(|error| vec![error]);
        let merged = merged.join(" ").replace(&format!("--config {file} "), "").replace(&file, "FILE");
        assert_eq!(merged, format!("downpour {expected}"));
    }
}

const RUN: &str = "[trace]\ntraces = [\"a.log\", \"b.log\"]\nseed = 7\n\n[load]\n\
    target = \"http://127.0.0.1:1\"\nrate = \"4.7k/s\"\nloop = true\nyes = false\n\n[thresholds]\n\
    threshold = [\"latency.p99 < 50ms\"]\n";

#[test]
fn a_file_stands_before_the_command_line() {
    let expected = "replay --rate=4.7k/s --loop --target=http://127.0.0.1:1 \
                    --threshold=latency.p99 < 50ms --seed=7 -q -- a.log b.log";
    // Sections and keys are read in the order of their names.
    let room = Room::with(RUN);
    let file = room.file();
    let merged = layered(&["replay", "--config", &file, "-q"], &[]).unwrap();
    let mut merged: Vec<_> = merged.into_iter().filter(|part| *part != "--config" && *part != file).collect();
    let mut expected: Vec<_> = std::iter::once("downpour")
        .chain(expected.split(' ').filter(|part| !["latency.p99", "<", "50ms"].contains(part)))
        .map(|part| part.replace("--threshold=latency.p99", "--threshold=latency.p99 < 50ms"))
        .collect();
    merged.sort();
    expected.sort();
    assert_eq!(merged, expected);
    assert!(Cli::try_parse_from(layered(&["replay", "--config", &file], &[]).unwrap()).is_ok());
}

#[test]
fn a_flag_wins_over_a_variable_and_a_variable_over_the_file() {
    let room = Room::with("[load]\nrate = \"1/s\"\ntarget = \"http://127.0.0.1:1\"\n");
    let target = "--target=http://127.0.0.1:1";
    room.check(&["replay", "log"], &[], &format!("replay --rate=1/s {target} log"));
    let variable = [("DOWNPOUR_RATE", "2/s")];
    room.check(&["replay", "log"], &variable, &format!("replay --rate=2/s {target} log"));
    room.check(&["replay", "log"], &[("DOWNPOUR_RATE", "")], &format!("replay --rate=1/s {target} log"));
    for typed in [&["--rate", "3/s"][..], &["-R3/s"], &["-r", "3/s"]] {
        let command = [&["replay", "log"], typed].concat();
        room.check(&command, &variable, &format!("replay {target} log {}", typed.join(" ")));
    }
    // What conflicts with a flag is dropped, in both directions.
    let stage = ["replay", "log", "--stage", "1s:5/s"];
    room.check(&stage, &variable, &format!("replay {target} log --stage 1s:5/s"));
    let staged = Room::with("[load]\nstage = [\"1s:5/s\"]\n");
    staged.check(&["replay", "log", "--rate", "3/s"], &[], "replay log --rate 3/s");
    staged.check(&["replay", "log"], &variable, "replay --rate=2/s log");
    // A list is replaced, not continued.
    let rules = Room::with("[thresholds]\nthreshold = [\"failed.rate < 1%\"]\n");
    let typed = ["check", "log", "--threshold", "x"];
    rules.check(&typed, &[], "check log --threshold x");
}

#[test]
fn a_variable_of_an_option_without_a_value_is_true_or_false() {
    let room = Room::with("[load]\nloop = true\n");
    room.check(&["replay", "log"], &[("DOWNPOUR_LOOP", "false")], "replay log");
    room.check(&["replay", "log"], &[("DOWNPOUR_YES", "true")], "replay --yes --loop log");
    for wrong in ["1", "yes", "TRUE", "garbage"] {
        let error = layered(&["replay", "log"], &[("DOWNPOUR_LOOP", wrong)]).unwrap_err();
        assert_eq!(error, "the variable DOWNPOUR_LOOP: must be true or false");
    }
}

#[test]
fn other_commands_know_no_variables() {
    let rate = [("DOWNPOUR_RATE", "2/s"), ("DOWNPOUR_LISTEN", "127.0.0.1:1")];
    for arguments in [&["serve"][..], &["inspect", "log"], &["--version"], &[]] {
        let expected = ["downpour"].iter().chain(arguments).map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(layered(arguments, &rate).unwrap(), expected);
    }
}

#[test]
fn mistakes_are_named_with_their_place() {
    let check = |text: &str, expected: &str| {
        let room = Room::with(text);
        let file = room.file();
        let error = layered(&["replay", "--config", &file], &[]).unwrap_err();
        assert!(error.replace(&file, "run.toml").starts_with(expected), "{error}");
    };
    check("[load]\nrat = 1\n", "run.toml:2:1: unknown key rat (did you mean rate?)");
    check("[laod]\nrate = 1\n", "run.toml:2:1: unknown section [laod] (did you mean load?)");
    check("[trace]\nrate = 1\n", "run.toml:2:1: rate belongs to section [load]");
    check("rate = 1\n", "run.toml:1:8: rate: ");
    check("[load]\nloop = 1\n", "run.toml:2:1: loop: must be true or false");
    check("[load]\nrate = true\n", "run.toml:2:1: rate: takes a value");
    check("[load]\nrate = { x = 1 }\n", "run.toml:2:1: rate: must be a text");
    check("[load\n", "run.toml:1:");
    check("{}", "run.toml: it begins like a run.json, but is none");
    check(
        "{\"plan\":{\"command\":\"check\"}}",
        "run.toml: this is a run of check: repeat it with downpour check",
    );
    check("{\"plan\":{\"command\":\"replay\"}}", "run.toml: it has no plan.config");
    let missing = layered(&["replay", "--config", "/nowhere.toml"], &[]).unwrap_err();
    assert_eq!(missing, "failed to read --config /nowhere.toml");
}

#[test]
fn a_refused_value_is_told_with_its_origin() {
    let room = Room::with("[load]\nrate = \"fast\"\n");
    let arguments = ["downpour", "replay", "--config", &room.file(), "log", "--target", "http://127.0.0.1:1"];
    let layered = Layered::of(&help::program(), arguments.map(OsString::from).to_vec(), []).unwrap();
    let mut error = help::program().try_get_matches_from(&layered.arguments).unwrap_err();
    layered.name_origin(&mut error);
    let text = error.to_string();
    assert!(text.contains("invalid value 'fast' for '--rate <RATE>'"), "{text}");
    assert!(text.contains("run.toml:2:1"), "{text}");
}

/// Parses, and gives back the configuration with its command.
fn effective_of(arguments: &[String]) -> (RunConfig, Cli) {
    let program = help::program();
    let matches = program.clone().try_get_matches_from(arguments).unwrap();
    (effective(&program, &matches), Cli::from_arg_matches(&matches).unwrap())
}

#[test]
fn a_saved_configuration_repeats_the_command() {
    let calls: [&[&str]; 4] = [
        &[
            "replay",
            "a.log",
            "b.log",
            "--target",
            "http://127.0.0.1:1",
            "--rate",
            "2x",
            "--loop",
            "-d",
            "3s",
            "--seed",
            "9",
            "--client",
            "auto",
            "--threshold",
            "failed.rate < 1%",
            "--abort-on",
            "p99 > 5s",
            "--sample",
            "50%",
            "--sample-by",
            "client",
            "--out",
            "x",
            "--verify-rate",
            "max",
            "--http",
            "2",
        ],
        &["replay", "--scenario", "incident", "--speed", "40x"],
        &["check", "a.log", "--target", "https://c.test", "--catalog", "c", "--rules", "npm", "-k"],
        &["simulate", "a.log", "--stage", "1s:5/s", "--servers", "4"],
    ];
    for call in calls {
        let arguments: Vec<String> = ["downpour"].iter().chain(call).map(ToString::to_string).collect();
        let (config, _) = effective_of(&arguments);
        let text = serde_json::json!({ "plan": { "command": call[0], "config": config } }).to_string();
        let room = Room::with(&text);
        let repeated = layered(&[call[0], "--config", &room.file()], &[]).unwrap();
        let (mut again, _) = effective_of(&repeated);
        let mut config = config;
        for sections in [&mut config, &mut again] {
            for key in OUTPUT {
                sections.sections.values_mut().for_each(|keys| drop(keys.remove(key)));
            }
        }
        assert_eq!(again, config, "{repeated:?}");
    }
}

#[test]
fn values_of_header_fields_are_not_kept_and_not_forgotten() {
    let call =
        ["downpour", "check", "a.log", "--target", "http://c.test", "-H", "Authorization: Bearer s3cret"];
    let (config, _) = effective_of(&call.map(str::to_owned));
    let text = serde_json::json!({ "plan": { "command": "check", "config": config } }).to_string();
    assert!(text.contains("Authorization") && !text.contains("s3cret"), "{text}");
    let room = Room::with(&text);
    for more in [&[][..], &["-H", "X-Other: 1"]] {
        let error = layered(&[&["check", "--config", &room.file()], more].concat(), &[]).unwrap_err();
        assert!(error.contains("does not contain the values") && error.contains("authorization"), "{error}");
    }
    let again = ["check", "--config", &room.file(), "-H", "Authorization: Bearer s3cret"];
    assert!(Cli::try_parse_from(layered(&again, &[]).unwrap()).is_ok());
}

#[test]
fn each_option_is_in_a_section_that_is_listed() {
    for name in CONFIGURABLE {
        let mut command = help::program().find_subcommand(name).unwrap().clone();
        command.build();
        for arg in configured(&command) {
            assert!(SECTIONS_LISTED.contains(&section_of(arg)), "{}", arg.get_id());
            let heading = arg.get_help_heading();
            let is_trace = section_of(arg) == "trace";
            assert!(
                !is_trace || heading.is_none_or(|heading| heading == "Input"),
                "{}: {heading:?}",
                arg.get_id()
            );
        }
    }
}
