//! What moves on a terminal: drawn as long as a run lasts, and gone after it.

use super::{Call, Serving};
use nix::pty::{Winsize, openpty};
use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;

/// Runs it with a terminal of 80 columns for stderr, and gives back what was
/// written there.
fn on_a_terminal(call: &Call) -> (Option<i32>, String) {
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = openpty(&size, None).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_downpour"));
    command.args(call.all_args()).current_dir(call.dir.path()).env("TERM", "xterm").env_remove("CI");
    command.env_remove("NO_COLOR").env_remove("GITHUB_STEP_SUMMARY").env_remove("DOWNPOUR_LOG");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(terminal.slave);
    let mut child = command.spawn().unwrap();
    // It holds the only other copy of the terminal's end that is written to.
    drop(command);
    let mut screen = File::from(terminal.master);
    let reader = thread::spawn(move || {
        let (mut written, mut some) = (Vec::new(), [0; 4_096]);
        // A terminal whose other end is closed gives an error, not an end.
        while let Ok(length @ 1..) = screen.read(&mut some) {
            written.extend_from_slice(&some[..length]);
        }
        String::from_utf8(written).unwrap()
    });
    let code = child.wait().unwrap().code();
    (code, reader.join().unwrap())
}

/// The columns of the longest line, without what moves the cursor or colours.
fn widest(written: &str) -> usize {
    let mut plain = String::new();
    let mut rest = written;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        let (_, text) = after.split_once(|c: char| c.is_ascii_alphabetic()).unwrap();
        rest = text;
    }
    plain.push_str(rest);
    plain.split(['\r', '\n']).map(|line| line.chars().count()).max().unwrap()
}

#[test]
fn a_check_draws_a_bar_and_takes_it_away() {
    let slow = Serving::with_faults(&["delay:100ms"]);
    let list = super::targets::downloads(15, 1);
    let target = ["--target", &slow.api, "--resolver", &slow.dns, "--rules", "crates-io", "--verify", "dns"];
    let call = Call::new(&["check", "list", "-c", "1", "--allow-private"]).file("list", list).with(&target);
    let (code, written) = on_a_terminal(&call);
    assert_eq!(code, Some(0), "{written}");
    assert!(written.contains("\r[####") && written.contains(" of 15, 0 failed"), "{written:?}");
    assert!(written.contains("\r\u{1b}[K"), "{written:?}");
    assert!(widest(&written) <= 80, "{written}");
}

#[test]
fn a_run_is_seen_as_it_goes_and_leaves_no_picture() {
    let candidate = Serving::with_faults(&["missing-slash:50%"]);
    let list = "/api/v1/crates/serde/1.0.0/download\n".repeat(300);
    let call = Call::replay("list", &candidate).file("list", list).with(&["--rate", "200"]);
    let (code, written) = on_a_terminal(&call);
    assert_eq!(code, Some(3), "{written}");
    for told in ["offered", "p99", "dns.nxdomain", "\u{1b}[J"] {
        assert!(written.contains(told), "{told}: {written:?}");
    }
    let (_, after) = written.rsplit_once("\u{1b}[J").unwrap();
    assert!(!after.contains("offered"), "{after:?}");
    assert!(widest(&written) <= 80, "{written}");
}
