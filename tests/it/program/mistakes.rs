//! Input that cannot be used: each mistake has its exit code and a message that
//! names the file, line or flag, and no run is begun.

use super::{Call, INCIDENT, Serving, every, sample};
use std::net::TcpListener;

/// A replay that is refused before anything is sent: nobody listens there.
fn nobody() -> String {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("http://{free}")
}

fn replay(trace: &str, flags: &[&str]) -> Call {
    let call = Call::new(&["replay", trace, "--target", &nobody(), "--verify", "off"]);
    call.with(&["--rate", "10"]).with(flags)
}

#[test]
fn traces_that_cannot_be_opened_or_read() {
    replay("nowhere.log", &[]).refused(1, &["open nowhere.log", "No such file"]);
    replay("no*.log", &[]).refused(1, &["no*.log"]);
    replay("empty/", &[]).file("other", "").refused(1, &["empty/"]);
    // Opens, and gives an error on the first read.
    let call = replay("unreadable", &[]);
    std::os::unix::fs::symlink("/proc/self/mem", call.path("unreadable")).unwrap();
    call.refused(1, &["open unreadable", "error"]);
    replay("-", &["-"]).refused(1, &["standard input twice"]);
}

#[test]
fn values_that_make_no_sense_say_what_would() {
    let check = |flags: &[&str], parts: &[&str]| {
        replay("trace", flags).file("trace", every(1, 5)).refused(2, parts);
    };
    check(&["--pacing-grain", "10000h"], &["--pacing-grain", "at most 1s"]);
    check(&["--resolve", "1.2.3"], &["--resolve", "like 127.0.0.1"]);
    check(&["--metrics-addr", "127.0.0.1"], &["--metrics-addr", "like 127.0.0.1:8080"]);
    for idle in [["--retry-budget", "10%"], ["--session-gap", "5s"], ["--client-file", "/dev/null"]] {
        check(&idle, &[idle[0], "name one with --client"]);
    }
    let serve =
        |flags: &[&str], parts: &[&str]| Call::new(&["serve"]).without_out().with(flags).refused(2, parts);
    serve(&["--threads", "100000000"], &["--threads", "from 1 to 1024"]);
    serve(&["--listen", ""], &["--listen", "like 127.0.0.1:8080"]);
    // A time stands behind the one @, a password may before the other.
    serve(&["--fault", "missing-slash@5s..1s"], &["missing-slash@5s..1s", "is not a window"]);
    let base = Call::new(&["serve", "--location-base", "http://user:secret@x"]).without_out().run();
    assert!(base.stderr.contains("(hidden)") && !base.stderr.contains("secret"), "{}", base.stderr);
}

#[test]
fn traces_in_no_known_format() {
    let call = replay("notes.txt", &[]).file("notes.txt", "hello world\nthis is no log\n");
    call.refused(
        1,
        &[
            "recognise the format of notes.txt",
            "cloudfront-v1 (0 %, mostly no_header)",
            "fastly-cratesio (0 %",
            "url-list (0 %",
        ],
    );
    let asked = ["--input-format", "cloudfront-v1"];
    replay("trace", &asked).file("trace", every(1, 5)).refused(1, &["cloudfront-v1 (0 %, mostly no_header)"]);
    replay("trace", &["--input-format", "nginx"])
        .refused(2, &["\"nginx\" is not a format", "combined-timed"]);
}

#[test]
fn traces_with_nothing_in_them() {
    replay("nothing", &[]).file("nothing", "").refused(1, &["find a request in nothing: 0 lines"]);
    let both = replay("nothing", &["void"]).file("nothing", "").file("void", "");
    both.refused(1, &["in nothing and 1 more"]);
}

#[test]
fn a_trace_of_remarks_alone_begins_no_run() {
    let candidate = Serving::sound();
    let call = Call::replay("remarks", &candidate).file("remarks", "# a\n# b\n").with(&["--rate", "10"]);
    call.refused(1, &["find a request in remarks: 2 lines were read"]);
}

#[test]
fn what_cannot_be_read_again_is_not_looped() {
    replay("-", &["--loop"]).stdin(every(1, 5)).refused(2, &["--loop", "a stream cannot"]);
}

#[test]
fn headers_that_frame_a_message_are_not_for_a_flag() {
    replay(INCIDENT, &["-H", "Content-Length: 5"]).refused(2, &["content-length", "framed"]);
}

#[test]
fn traces_with_times_do_not_go_with_traces_without() {
    let list = sample("url-list", "well-formed.log");
    replay(INCIDENT, &[list.to_str().unwrap()]).refused(1, &["which has none", "replay them separately"]);
    let target = nobody();
    Call::new(&["replay", list.to_str().unwrap(), "--target", &target])
        .refused(2, &["no times to follow", "--rate 100/s"]);
}

#[test]
fn targets_that_cannot_be_used() {
    let check = |target: &str, parts: &[&str]| {
        Call::new(&["replay", INCIDENT, "--target", target]).refused(2, parts);
    };
    check("localhost:8080", &["--target", "write it like http://127.0.0.1:8080"]);
    check("127.0.0.1", &["write it like"]);
    check("http://", &["write it like"]);
    check("http://127.0.0.1:99999", &["write it like"]);
    check("ftp://127.0.0.1", &["not http or https"]);
    check("http://127.0.0.1:1/api", &["leave out \"/api\""]);
    check("http://127.0.0.1:1/?q", &["leave out \"/?q\""]);
}

#[test]
fn passwords_are_not_repeated() {
    for (flag, value) in [
        ("--target", "http://user:secret@127.0.0.1:1"),
        ("--target", "https://user:secret@127.0.0.1:1"),
        ("--target", "user:secret@127.0.0.1:1"),
        ("--header", "Authorization secret"),
    ] {
        let ended = Call::new(&["replay", INCIDENT, flag, value]).run();
        assert_eq!(ended.code, Some(2));
        assert!(ended.stderr.contains(flag) && !ended.stderr.contains("secret"), "{}", ended.stderr);
    }
}

#[test]
fn a_candidate_that_is_not_there() {
    let target = nobody();
    let call = Call::new(&["replay", INCIDENT, "--target", &target]);
    call.refused(1, &["connect to --target", &target, "refused"]);
}

#[test]
fn paces_that_contradict_themselves() {
    replay(INCIDENT, &["--speed", "2x"]).refused(2, &["--speed", "scales the recorded pace"]);
    let twice = Call::new(&["replay", INCIDENT, "--target", &nobody(), "--rate", "2x", "--speed", "2x"]);
    twice.refused(2, &["--speed", "--rate 2x", "give one"]);
    for (flag, value) in
        [("--speed", "0"), ("-d", "soon"), ("-n", "-1"), ("--threads", "0"), ("--connections", "0")]
    {
        replay(INCIDENT, &[&format!("{flag}={value}")]).refused(2, &["invalid value", value]);
    }
    let zero = Call::new(&["replay", INCIDENT, "--target", &nobody(), "--rate", "0"]);
    zero.refused(2, &["--rate", "4.7k/s", "recorded", "2x"]);
}

#[test]
fn rules_and_rewrites_name_the_place_of_a_mistake() {
    let candidate = Serving::sound();
    let check = |flag: &str, content: &str, parts: &[&str]| {
        let call = Call::replay(INCIDENT, &candidate).file("mine.toml", content);
        call.with(&[flag, "mine.toml"]).refused(2, parts);
    };
    check(
        "--rules",
        "[[rule]]\nmatch = \"/{a}\"\nstauts = 302\n",
        &["mine.toml:3:1: ", "`stauts`", "`status`"],
    );
    check("--rules", "[[rule]]\nmatch = \"/{a}\"\nstatus = \n", &["mine.toml:3:"]);
    check("--rewrite", "[[rewrite]]\nmatch = \"/x/{a}\"\nto = \"/y/{b}\"\n", &["mine.toml:3:6: ", "{b}"]);
    check("--rewrite", "unmatched = 3\n", &["mine.toml:1:13: "]);
    for flag in ["--rules", "--rewrite"] {
        let missing = Call::replay(INCIDENT, &candidate).with(&[flag, "missing.toml"]);
        missing.refused(2, &["missing.toml", "No such file"]);
    }
    Call::replay(INCIDENT, &candidate).with(&["--rules", "crates-oi"]).refused(2, &["known sets: crates-io"]);
    Call::new(&["inspect", INCIDENT, "--rewrite", "missing.toml"]).refused(2, &["missing.toml"]);
}

#[test]
fn places_that_cannot_be_written() {
    let candidate = Serving::sound();
    let call = Call::replay(INCIDENT, &candidate).file("file", "").with(&["--rate", "100", "-n", "10"]);
    let ended = call.out("file/run").run();
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert!(ended.stderr.contains("file/run: cannot make the directory"), "{}", ended.stderr);
    assert_eq!(candidate.stop().answers, 0);
}

#[test]
fn more_connections_than_the_process_may_open() {
    let candidate = Serving::sound();
    let many = Call::replay(INCIDENT, &candidate).with(&["--connections", "1000m"]);
    many.refused(2, &["--connections 1000000000", "at most", "ulimit"]);
}

#[test]
fn the_host_that_a_trace_was_recorded_at_takes_a_second_word() {
    let candidate = Serving::sound();
    let target = format!("http://localhost:{}", candidate.port());
    let target = target.as_str();
    let log = |hosts: &[&str]| {
        let line = |(at, host): (usize, &&str)| {
            let download = "/api/v1/crates/serde/1.0.217/download";
            format!("{{\"at_ns\":{at},\"target\":\"{download}\",\"authority\":\"{host}\"}}\n")
        };
        hosts.iter().enumerate().map(line).collect::<String>()
    };
    let call = |log: String| {
        Call::new(&["replay", "log", "--target", target, "--verify", "off", "--rate", "1000"])
            .with(&["--max-lateness", "60s"])
            .file("log", log)
    };
    for host in ["localhost", "LocalHost:443"] {
        call(log(&["crates.io", host])).refused(2, &["recorded at localhost", "--allow-recorded-host"]);
    }
    let own = call(log(&["localhost"])).with(&["--allow-recorded-host"]);
    assert_eq!(own.report(0).offered(), 1);
    // Further down than is looked at beforehand: what was sent by then is told.
    let hosts: Vec<&str> = (0..1_200).map(|n| if n < 1_100 { "crates.io" } else { "localhost" }).collect();
    let late = call(log(&hosts));
    let ended = late.run();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("--allow-recorded-host"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("balance"), "{}", ended.stderr);
    let report = super::Report::read(&ended.out);
    report.check_everything(&ended.out);
    assert_eq!(report.verdict(), "cut");
    assert!(report.offered() < 1_200);
}

#[test]
fn a_place_that_is_taken_is_named_with_its_flag() {
    let first = Serving::sound();
    let place = format!("127.0.0.1:{}", first.port());
    Call::new(&["serve", "--listen", &place]).refused(1, &["--listen", &place, "in use"]);
    Call::new(&["serve", "--dns-listen", &first.dns]).refused(1, &["--dns-listen", &first.dns, "in use"]);
    Call::new(&["serve", "--fault", "mising-slash"]).refused(2, &["known faults: missing-slash"]);
    Call::new(&["serve", "--fault", "stall:0%"]).refused(2, &["write it like 10%"]);
    Call::new(&["serve", "--fault", "stall@5s..1s"]).refused(2, &["write it like 5s..15s"]);
}
