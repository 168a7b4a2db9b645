//! Mistakes in client files, each with its place, its field and its remedy.

use super::*;

#[track_caller]
fn check(lines: &str, place: (usize, usize), names: &[&str]) {
    let text = format!("[[client]]\n{lines}\n");
    let error = ClientModels::parse(&text, "my.toml").unwrap_err();
    assert_eq!((error.line, error.column), place, "{error}");
    assert!(error.to_string().starts_with("my.toml:") && !error.to_string().contains('\n'), "{error}");
    for name in names {
        assert!(error.what.contains(name), "{error} does not name {name:?}");
    }
}

/// A model that is right but for what is added to it, on line 5.
#[track_caller]
fn check_added(line: &str, column: usize, names: &[&str]) {
    let lines = "name = \"own\"\nattempts = 3\nstatuses = [503]\n";
    let delays = if line.starts_with("delays =") { "" } else { "\ndelays = [\"1s\"]" };
    check(&format!("{lines}{line}{delays}"), (5, column), names);
}

#[test]
fn what_is_missing_or_unknown_is_named() {
    check("attempts = 1", (1, 1), &["missing field `name`"]);
    check("name = \"own\"", (1, 1), &["missing field `attempts`"]);
    check("name = \"own\"\nattempts = 3", (3, 12), &["delays are missing", "[\"0s\"]"]);
    check("name = \"own\"\nattempts = 3\ndelays = [\"1s\"]", (3, 12), &["no failure is retried"]);
    check("name = \"own\"\nattempts = 1\nretries = 3", (4, 1), &["`retries`", "`attempts`"]);
    check("name = \"own\"\nattempts = \"3\"", (3, 12), &["attempts: ", "string"]);
    check("name", (2, 5), &[]);
}

#[test]
fn names_are_plain_and_not_taken() {
    check("name = \"\"\nattempts = 1", (2, 8), &["name: ", "cargo-1.70"]);
    check("name = \"a b\"\nattempts = 1", (2, 8), &["\"a b\"", "a-z"]);
    check("name = \"a\\u001b[2J\"\nattempts = 1", (2, 8), &["\\u{1b}"]);
    check("name = \"abcdefghijklmnopq\"\nattempts = 1", (2, 8), &["at most 16"]);
    check("name = \"pip\"\nattempts = 1", (2, 8), &["built in"]);
    check("name = \"auto\"\nattempts = 1", (2, 8), &["built in"]);
    check("name = \"a\"\nattempts = 1\n[[client]]\nname = \"a\"\nattempts = 1", (5, 8), &["twice"]);
}

#[test]
fn a_client_that_never_gives_up_is_refused() {
    for attempts in [0, -1, 101, i64::MAX] {
        check(
            &format!("name = \"own\"\nattempts = {attempts}"),
            (3, 12),
            &["attempts: must be 1 to 100, but is "],
        );
    }
    check_added("outer-loop = { runs = 0, pause = \"1s\" }", 23, &["outer-loop: must be 1 to 100, but is 0"]);
    check_added("outer-loop = { runs = 3 }", 14, &["`pause`"]);
}

#[test]
fn waits_are_bounded() {
    check_added("delays = [\"1s\", \"2h\"]", 10, &["delays: ", "\"2h\"", "at most 1h"]);
    check_added("delays = [\"soon\"]", 10, &["delays: ", "\"soon\"", "500ms"]);
    check_added("delays = []", 10, &["delays: ", "[\"0s\"]"]);
    check_added("delays = [\"1s\", \"2s\", \"3s\"]", 10, &["3 delays for 2 retries"]);
    check_added("delays = \"1s\"", 10, &["delays: ", "a list such as"]);
    check_added("delays = { base = \"1s\", factor = 2 }", 10, &["a table such as"]);
    check_added("delays = { base = \"1s\", factor = 0.5, cap = \"9s\" }", 10, &["factor 0.5", "1 to 1000"]);
    check_added("delays = { base = \"1s\", factor = nan, cap = \"9s\" }", 10, &["factor NaN"]);
    check_added("delays = { base = \"2s\", factor = 2, cap = \"1s\" }", 10, &["cap 1s is below base 2s"]);
    check_added("delays-after-fault = [\"2h\"]", 22, &["delays-after-fault: "]);
    check_added("jitter = { additive = \"2h\" }", 10, &["jitter", "at most 1h"]);
    check_added("timeouts = { read = \"25h\" }", 21, &["timeouts", "at most 24h"]);
    check_added("retry-after = { use = \"add\", cap = \"25h\" }", 36, &["retry-after", "at most 24h"]);
}

#[test]
fn what_is_retried_is_something_a_client_meets() {
    check_added(
        "faults = [\"dns\", \"dsn\"]",
        18,
        &["\"dsn\"", "dns.nxdomain", "families connect, dns, headers, http"],
    );
    check_added("faults = [\"status.5xx\"]", 11, &["statuses = [\"5xx\"]"]);
    check_added("faults = [\"status\"]", 11, &["statuses = [\"5xx\"]"]);
    check_added("faults = [\"dns.unchecked\"]", 11, &["clients never have it"]);
    check_added("faults = [\"generator\"]", 11, &["\"generator\" is not a fault"]);
    check_added("statuses-once = [600]", 18, &["statuses-once: 600", "100 to 599"]);
    check_added("statuses-once = [\"6xx\"]", 18, &["\"6xx\"", "\"5xx\""]);
    check_added("statuses-once = [true]", 17, &["a status such as 503"]);
    check_added("retry-after = { use = \"add\", cap = \"1s\", retried = [99] }", 53, &["retry-after: 99"]);
}

#[test]
fn jitter_and_budgets_make_sense() {
    check_added("jitter = \"some\"", 10, &["jitter: ", "`full`"]);
    check_added("jitter = \"decorrelated\"", 10, &["needs a formula"]);
    check_added("jitter = { share = \"120%\" }", 10, &["\"120%\"", "up to 100%"]);
    let bucket = |rest: &str| format!("budget = {{ token-bucket = {{ {rest} }} }}");
    check_added(&bucket("capacity = 1, cost = 0, gain = 1"), 10, &["limits nothing"]);
    check_added(&bucket("capacity = 1, cost = 2, gain = 1"), 10, &["less than the cost of a retry"]);
    check_added(&bucket("capacity = 8, cost = 2, timeout-cost = 9, gain = 1"), 10, &["less than"]);
    check_added(&bucket("capacity = -1, cost = 2, gain = 1"), 40, &["budget", "-1", "0 to 1000000"]);
    check_added("budget = { throttle = { max-tokens = 0, ratio = 1 } }", 10, &["max-tokens is 0"]);
    check_added("budget = { endless = true }", 12, &["budget", "`endless`"]);
}

#[test]
fn a_client_that_tries_once_has_no_rules_of_retrying() {
    for rule in ["statuses = [503]", "faults = [\"dns\"]", "delays = [\"1s\"]", "jitter = \"full\""] {
        let (field, _) = rule.split_once(' ').unwrap();
        let text = format!("[[client]]\nname = \"own\"\nattempts = 1\n{rule}");
        let error = ClientModels::parse(&text, "x").unwrap_err();
        assert!(error.what.starts_with(field) && error.what.contains("attempts = 1"), "{error}");
        assert_eq!(error.line, 4);
    }
}

#[test]
fn the_example_of_the_documentation_can_be_read() {
    let models = ClientModels::parse(include_str!("example.toml"), "example.toml").unwrap();
    let own = models.find("ours").unwrap();
    assert_eq!((own.attempts.get(), own.outer_loop.runs.get()), (4, 3));
    assert_eq!(own.on_failure, OnFailure::GoOn);
    assert_eq!(own.retry_conditions.statuses.iter().count(), 101);
}

#[test]
fn each_built_in_table_can_be_read_by_itself() {
    let models = ClientModels::built_in();
    assert_eq!(models.iter().count(), 20);
    for name in models.names() {
        let table = models.table(name).unwrap();
        assert!(
            table.starts_with("[[client]]\n") && !table.trim_end().lines().last().unwrap().starts_with('#')
        );
        let own = table.replace(&format!("name = \"{name}\""), "name = \"own\"");
        let read = ClientModels::parse(&own, "own.toml").unwrap();
        let (own, built_in) = (read.find("own").unwrap(), models.find(name).unwrap());
        assert_eq!(ClientModel { name: name.to_owned(), ..own.clone() }, *built_in);
    }
}

#[test]
fn models_of_two_files_stand_together() {
    let own = ClientModels::parse("[[client]]\nname = \"own\"\nattempts = 1", "x").unwrap();
    let all = ClientModels::built_in().and(own);
    assert_eq!(all.names().last(), Some("own"));
    assert_eq!(all.table("own"), Some("[[client]]\nname = \"own\"\nattempts = 1"));
    assert!(all.find("nobody").is_none() && all.table("nobody").is_none());
}

#[test]
fn user_agents_are_patterns() {
    let text = "[[client]]\nname = \"ours\"\nattempts = 1\nagents = [\"renovate\", \"Wget/*\"]\n";
    let models = ClientModels::parse(text, "ours.toml").unwrap();
    let agents: Vec<_> = models.find("ours").unwrap().agents.iter().map(ToString::to_string).collect();
    assert_eq!(agents, ["renovate", "Wget/*"]);
    check_added("agents = [\"*\"]", 11, &["agents: \"*\" is not a user agent", "renovate"]);
}

#[test]
fn a_family_is_its_newest_member() {
    let models = ClientModels::built_in();
    assert_eq!(models.families(), [("cargo", "cargo-1.89")].into());
    assert_eq!(models.named("cargo").unwrap().name, "cargo-1.89");
    assert!(models.find("cargo").is_none() && models.named("aws").is_none());
    // Versions are numbers; and a client of that very name is itself.
    let client = |name: &str| format!("[[client]]\nname = \"{name}\"\nattempts = 1\n");
    let own = |names: &[&str]| {
        ClientModels::parse(&names.iter().map(|name| client(name)).collect::<String>(), "x").unwrap()
    };
    assert_eq!(own(&["ours-2", "ours-10"]).named("ours").unwrap().name, "ours-10");
    assert_eq!(built_in_and(own(&["cargo"])).named("cargo").unwrap().name, "cargo");
}

fn built_in_and(own: ClientModels) -> ClientModels {
    ClientModels::built_in().and(own)
}

#[test]
fn former_keys_are_still_read() {
    let table = "[[client]]\nname = \"own\"\nattempts = 3\nstatuses = [503]\ndelays = [\"1s\"]\n";
    let current = "retry-after = { use = \"add\", cap = \"1s\", over-cap = \"give-up\" }\non-failure = \"abort\"\n\
                   first-method = \"head\"\nouter-loop = { runs = 2, pause = \"1s\" }\n";
    let former = current
        .replace("over-cap", "beyond")
        .replace("on-failure", "siblings")
        .replace("first-method", "opening")
        .replace("outer-loop", "outer");
    let read = |keys: &str| ClientModels::parse(&format!("{table}{keys}"), "my.toml").unwrap();
    assert_eq!(read(&former).find("own"), read(current).find("own"));
    assert_eq!(read(current).find("own").unwrap().on_failure, OnFailure::Abort);
}
