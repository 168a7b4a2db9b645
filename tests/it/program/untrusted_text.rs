//! Foreign text in messages: files, run directories and clients' tables may be
//! written by anybody, and must not steer the terminal that shows a mistake.

use super::{Call, Ended};
use std::fs;

/// What sets a window's title, clears the screen and turns the text round.
const EVIL: &str = "\\u001b]0;pwned\\u0007\\u001b[2J\\u202eEVIL";

#[track_caller]
fn check(call: &Call, shown: &str) {
    let Ended { code, stdout, stderr, .. } = call.run();
    assert_ne!(code, Some(0));
    assert!(stderr.contains(shown), "{stderr:?}");
    for text in [stdout, stderr] {
        let hidden = |c: char| c.is_control() && c != '\n' && c != '\t' || c == '\u{202e}';
        assert!(!text.contains(hidden), "{text:?}");
    }
}

#[test]
fn a_run_directory_cannot_steer_the_terminal() {
    let run = format!("{{\"schema\": \"downpour.run/1\", \"verdict\": \"{EVIL}\"}}");
    let shown = "\\u{1b}]0;pwned\\u{7}\\u{1b}[2J\\u{202e}EVIL";
    check(&Call::new(&["report", "."]).without_out().file("run.json", &run), shown);
    check(&Call::new(&["compare", ".", "."]).without_out().file("run.json", &run), shown);
}

#[test]
fn a_file_name_cannot_steer_the_terminal() {
    let call = Call::new(&["inspect", "logs"]).without_out();
    fs::create_dir(call.path("logs")).unwrap();
    fs::write(call.path("logs/b\u{1b}[31m.gz"), [0x1f, 0x8b, 8, 0, 1]).unwrap();
    check(&call, "b\\u{1b}[31m.gz");
}

#[test]
fn a_clients_table_cannot_steer_the_terminal() {
    let table = format!("[[client]]\nid = \"x\"\njitter = \"{EVIL}\"\n\"{EVIL}\" = 1\n");
    let call = Call::new(&["clients", "--client-file", "x.toml"]).without_out().file("x.toml", &table);
    check(&call, "x.toml");
}
