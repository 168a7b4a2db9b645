//! The traffic of the incident against a sound registry: every redirect leads
//! to a file. And the program that serves it: ready when it says so, gone when
//! asked.

use super::{exchange, last, with_faults};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

const LOG: &[u8] = include_bytes!("../../../traces/incident/api-requests.log.gz");
const BASE: &str = "https://static.crates.io";

/// The targets of all requests in the log, as they were on the wire.
fn targets() -> Vec<String> {
    let mut log = String::new();
    flate2::read::GzDecoder::new(LOG).read_to_string(&mut log).unwrap();
    let lines = log.lines().filter(|line| !line.starts_with('#'));
    let stems = lines.map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        assert_eq!(columns.len(), 33, "{line}");
        columns[7].replace("%25", "%")
    });
    stems.collect()
}

/// Asks for all of `paths` with `HEAD`, a hundred at a time, and returns the
/// heads of the answers in order.
fn heads(addr: SocketAddr, paths: &[String]) -> Vec<String> {
    let mut heads = Vec::new();
    for some in paths.chunks(100) {
        let mut requests = String::new();
        for path in some {
            write!(requests, "HEAD {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        }
        let all = exchange(addr, &[&requests, &last("/")]);
        heads.extend(all.split("\r\n\r\n").take(some.len()).map(str::to_owned));
    }
    heads
}

fn locations(heads: &[String]) -> Vec<String> {
    let location = |head: &String| {
        assert!(head.starts_with("HTTP/1.1 302 Found\r\n"), "{head}");
        head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap().to_owned()
    };
    heads.iter().map(location).collect()
}

/// crates.io refuses to publish a crate whose name differs from another's only
/// by `-` and `_`, or by case.
#[test]
fn no_two_crates_of_the_log_have_one_name_to_a_registry() {
    let names: BTreeSet<String> =
        targets().iter().filter_map(|target| target.split('/').nth(4)).map(str::to_owned).collect();
    let canonical: BTreeSet<String> =
        names.iter().map(|name| name.to_ascii_lowercase().replace('_', "-")).collect();
    assert!(names.len() > 1_000 && names.iter().any(|name| name.contains('_')));
    assert_eq!(names.len(), canonical.len());
}

#[test]
fn a_sound_registry_leads_every_recorded_request_to_a_file() {
    let registry = with_faults(&[]);
    let targets = targets();
    assert_eq!(targets.len(), 4_710);
    assert!(targets.iter().any(|target| target.contains('+')));
    assert!(targets.iter().any(|target| target.contains("%2B")));
    let paths: Vec<String> = locations(&heads(registry.api(), &targets))
        .iter()
        .map(|location| location.strip_prefix(BASE).unwrap().to_owned())
        .collect();
    for (head, path) in heads(registry.cdn(), &paths).iter().zip(&paths) {
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {head}");
    }
    assert_eq!(registry.stop().redirects, 4_710);
}

#[test]
fn in_the_incident_every_answer_is_a_redirect_and_none_leads_anywhere() {
    let registry = with_faults(&["missing-slash"]);
    for location in locations(&heads(registry.api(), &targets())) {
        assert!(location.starts_with("https://static.crates.iocrates/"), "{location}");
    }
    assert_eq!(registry.stop().faulted["missing-slash"], 4_710);
}

#[test]
fn serve_says_where_it_is_and_ends_when_asked() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_downpour"))
        .args(["serve", "--fault", "no-location"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let mut address = |prefix: &str| -> SocketAddr {
        lines.next().unwrap().unwrap().strip_prefix(prefix).unwrap().parse().unwrap()
    };
    let api = address("api http://");
    address("cdn http://");
    address("dns ");
    let all = exchange(api, &[&last("/api/v1/crates/a/1.0.0/download")]);
    assert!(all.starts_with("HTTP/1.1 302 Found\r\nvary: accept\r\n"), "{all}");
    let process = rustix::process::Pid::from_child(&program);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    let ended = program.wait_with_output().unwrap();
    assert!(ended.status.success());
    let count = String::from_utf8(ended.stderr).unwrap();
    assert!(count.starts_with("served 1 answers (1 redirects, 1 with faults), "), "{count}");
}
