//! Inputs as they are found: columns in any order, containers' prefixes, files
//! that are damaged or no logs at all.

use bytes::Bytes;
use downpour_trace::client::{AgentParsing, ClientKey};
use downpour_trace::formats::Format;
use downpour_trace::rewrite::Rewrites;
use downpour_trace::subsecond::Subsecond;
use downpour_trace::{ReadOptions, Source, TraceError, TraceRequest};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;

fn options(format: Option<Format>) -> ReadOptions {
    ReadOptions {
        format,
        agents: AgentParsing::BuiltIn,
        subsecond: Subsecond::Burst,
        ..ReadOptions::default()
    }
}

fn over(log: impl Into<Bytes>, format: Option<Format>) -> Result<Source, TraceError> {
    Source::over(vec![("memory".to_owned(), log.into())], options(format))
}

fn drain(source: &mut Source) -> Vec<TraceRequest> {
    std::iter::from_fn(|| source.next().unwrap()).collect()
}

fn refusal(log: impl Into<Bytes>, format: Option<Format>) -> String {
    let refused = over(log, format).and_then(|mut source| {
        while source.next()?.is_some() {}
        Ok(())
    });
    refused.unwrap_err().to_string()
}

const REQUEST: &str =
    r#"[05/Mar/2026:14:03:07 +0000] "GET /x HTTP/1.1" 302 0 "-" "cargo/1.84.0 (66221abde 2024-11-19)""#;

/// Twenty lines of ten clients; `AT` stands for an address and `N` for a number.
fn lines(pattern: &str) -> String {
    let line = |n: usize| pattern.replace("AT", &format!("192.0.2.{}", n % 10)).replace('N', &n.to_string());
    (0..20).map(|n| line(n) + "\n").collect()
}

/// What a log in that pattern is taken for: its format, its recorded hosts, and
/// what was noted of its lines. In each there are ten clients, all of them cargo.
#[track_caller]
fn check(pattern: &str, format: Format, hosts: &[&str], notes: &[&str]) {
    let mut source = over(lines(pattern), None).unwrap();
    assert_eq!(source.inputs().next().unwrap().format, Some(format), "{pattern}");
    assert!(source.has_agents(), "{pattern}");
    let requests = drain(&mut source);
    let clients: BTreeSet<_> =
        requests.iter().map(|request| request.client.map(ClientKey::to_bytes)).collect();
    assert_eq!((requests.len(), clients.len()), (20, 10), "{pattern}");
    assert!(requests.iter().all(|request| request.client.is_some()), "{pattern}");
    assert!(requests.iter().all(|request| request.kind.preset().starts_with("cargo")), "{pattern}");
    let found: Vec<_> = source.authorities().iter().map(|(host, _)| String::from_utf8_lossy(host)).collect();
    assert_eq!(found, hosts, "{pattern}");
    assert_eq!(source.accounting().notes.keys().copied().collect::<Vec<_>>(), notes, "{pattern}");
}

#[test]
fn columns_are_known_by_what_they_hold() {
    let after = |tail: &str| format!("AT - - {REQUEST}{tail}");
    check(&after(""), Format::Combined, &[], &[]);
    check(&after(" \"-\""), Format::Combined, &[], &[]);
    check(&after(" \"198.51.100.7, 10.0.0.1\""), Format::Combined, &[], &[]);
    check(&after(" 0.007"), Format::Combined, &[], &[]);
    check(&after(" 0.007 0.006"), Format::Combined, &[], &[]);
    check(&after(" 0.007 - \"-\" N"), Format::Combined, &[], &["extra_fields"]);
    check(&after(" 1772719387.021 0.007"), Format::CombinedTimed, &[], &[]);
    check(&after(" 0.007 1772719387.021"), Format::Combined, &[], &[]);
    check(&after(" 18000 512"), Format::Combined, &[], &["extra_fields"]);
    check(&after(" 18000 crates.example"), Format::Combined, &[], &["extra_fields"]);
    let traefik = " N \"registry@docker\" \"http://10.0.0.7:8080\" 7ms";
    check(&after(traefik), Format::Combined, &[], &["extra_fields"]);
    let haproxy = " 51502 014 \"http-in\" \"web\" \"app2\" 0 0 1 6 7 ---- 12 12 3 1 0 0 0";
    check(&after(haproxy), Format::Combined, &[], &["extra_fields"]);
}

#[test]
fn a_client_is_an_address_and_no_prefix() {
    let before = |head: &str| format!("{head} - - {REQUEST}");
    check(&before("crates.example:443 AT"), Format::Combined, &["crates.example"], &[]);
    check(&before("crates.example AT"), Format::Combined, &["crates.example"], &[]);
    check(&before("[2001:db8::9]:443 AT"), Format::Combined, &["[2001:db8::9]"], &[]);
    check(&before("crates.example:443:AT"), Format::Combined, &["crates.example"], &[]);
    check(&before("AT, 198.51.100.7, 10.0.0.1"), Format::Combined, &[], &[]);
    check(&before("\"AT, 198.51.100.7\" 10.0.0.1"), Format::Combined, &[], &[]);
    check(&before("nginx-1  | AT"), Format::Combined, &[], &[]);
    check(&before("2026-03-05T14:00:00.00000000NZ stdout F AT"), Format::Combined, &[], &[]);
    check(&before("2026-03-05T14:00:00.00000000NZ AT"), Format::Combined, &[], &[]);
    check(&before("[pod/web-0/nginx] AT"), Format::Combined, &[], &[]);
    check(&before("Mar  5 14:03:07 webN nginx: AT"), Format::Combined, &[], &[]);
    check(&before("<190>Mar  5 14:03:07 webN nginx: AT"), Format::FastlyClf, &[], &[]);
    check(&before("<134>1 2026-03-05T14:03:07Z webN nginx N - - AT"), Format::FastlyClf, &[], &[]);
    check(&before("<134>1 2026-03-05T14:03:07Z webN nginx N - [a b=\"]\"] AT"), Format::FastlyClf, &[], &[]);
    check(&format!("\"AT - - {REQUEST}\"\r"), Format::Combined, &[], &[]);
    let iso = REQUEST.replace("05/Mar/2026:14:03:07 +0000", "2026-03-05T14:03:07+00:00");
    check(&format!("AT - - {iso}"), Format::Combined, &[], &[]);
}

#[test]
fn a_time_of_the_exchange_leads_from_its_end_to_its_start() {
    let at = |tail: &str| {
        let mut source = over(format!("192.0.2.1 - - {REQUEST}{tail}\n"), None).unwrap();
        drain(&mut source)[0].at.unwrap().as_nanos() / 1_000_000
    };
    assert_eq!(at(""), 1_772_719_387_000);
    assert_eq!(at(" 0.250"), 1_772_719_386_750);
    assert_eq!(at(" 0.250 0.240"), 1_772_719_386_750);
    assert_eq!(at(" 1772719387.500 0.250"), 1_772_719_387_250);
    assert_eq!(at(" 0.250 1772719387.500"), 1_772_719_387_250);
    assert_eq!(at(" 250"), 1_772_719_387_000);
    assert_eq!(at(" 2 \"web@docker\" \"http://10.0.0.66:8080\" 250ms"), 1_772_719_387_000);
}

#[test]
fn a_format_that_was_asked_for_is_used_however_few_lines_fit() {
    let junk = |count: usize| "no line of a log\n".repeat(count);
    let good = format!("192.0.2.1 - - {REQUEST}\n");
    for (before, after) in [(0, 100), (100, 0), (3_000, 10)] {
        let log = junk(before) + &good + &junk(after);
        assert!(refusal(log.clone(), None).contains("no format accepts half"), "{before}");
        let mut source = over(log, Some(Format::Combined)).unwrap();
        let requests = drain(&mut source);
        assert!(requests.len() == 1 && requests[0].at.is_some(), "{before}");
        assert_eq!(source.accounting().rejected["bad_field_count"], (before + after) as u64);
    }
    let none = refusal(junk(100), Some(Format::Combined));
    assert!(none.contains("combined (0 %, mostly bad_field_count): none of its 100 lines fits"), "{none}");
    let none = refusal(junk(100_000), Some(Format::Combined));
    assert!(
        none.contains("100000 lines were read, none of them is a request; mostly bad_field_count"),
        "{none}"
    );
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn zeros_before_the_first_line_cost_that_line_at_most() {
    let log = lines(&format!("AT - - {REQUEST}"));
    for (zeros, expected) in [(1_000, 20), (100_000, 19), (2_000_000, 19)] {
        let log = [vec![0; zeros], log.clone().into_bytes()].concat();
        for (log, format) in [(log.clone(), None), (gzip(&log), None), (gzip(&log), Some(Format::Combined))] {
            let mut source = over(log, format).unwrap();
            assert_eq!(drain(&mut source).len(), expected, "{zeros}");
            let rejected: u64 = source.accounting().rejected.values().sum();
            assert_eq!(rejected, 20 - expected as u64, "{:?}", source.accounting());
            assert!(source.accounting().is_balanced(expected as u64));
        }
    }
}

#[test]
fn what_follows_compressed_data_is_padding_or_ignored() {
    let log = lines(&format!("AT - - {REQUEST}"));
    let (first, second) = log.split_at(log.len() / 2);
    let zstd = |text: &str| zstd::encode_all(text.as_bytes(), 3).unwrap();
    let packings: [fn(&str) -> Vec<u8>; 2] = [|text| gzip(text.as_bytes()), zstd];
    for pack in packings {
        for (between, behind, warnings) in [
            (0, &b""[..], 0),
            (0, &[0; 512], 0),
            (512, &[0; 5], 0),
            (0, b"garbage", 1),
            (0, b"\0\0garbage", 1),
        ] {
            let packed = [pack(first), vec![0; between], pack(second), behind.to_vec()].concat();
            let mut source = over(packed, None).unwrap();
            assert_eq!(drain(&mut source).len(), 20, "{behind:?}");
            assert!(source.accounting().rejected.is_empty(), "{behind:?}: {:?}", source.accounting());
            assert_eq!(source.warnings().len(), warnings, "{behind:?}: {:?}", source.warnings());
            assert!(source.warnings().iter().all(|warning| warning.message.contains("ignored")));
        }
    }
}

#[test]
fn what_is_no_log_is_named() {
    let log = lines(&format!("AT - - {REQUEST}"));
    let utf_16: Vec<u8> = log.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf_32 =
        |bytes: fn(u32) -> [u8; 4]| -> Vec<u8> { log.chars().flat_map(|c| bytes(c.into())).collect() };
    let (utf_32_le, utf_32_be) = (utf_32(u32::to_le_bytes), utf_32(u32::to_be_bytes));
    for (bytes, parts) in [
        ([b"\xff\xfe\0\0", &utf_32_le[..]].concat(), ["text in UTF-32", "iconv -f utf-32le -t utf-8"]),
        ([b"\0\0\xfe\xff", &utf_32_be[..]].concat(), ["text in UTF-32", "iconv -f utf-32be -t utf-8"]),
        (utf_32_le, ["text in UTF-32", "iconv -f utf-32le -t utf-8"]),
        (utf_32_be, ["text in UTF-32", "iconv -f utf-32be -t utf-8"]),
        ([b"\xff\xfe", &utf_16[..]].concat(), ["text in UTF-16", "iconv -f utf-16le -t utf-8"]),
        (utf_16, ["text in UTF-16", "iconv -f utf-16le -t utf-8"]),
        (gzip(&gzip(log.as_bytes())), ["compressed twice", "gzip -dc FILE | downpour ... -"]),
        (gzip(b"\xfd7zXZ\0\0"), ["an xz file", "gzip -dc FILE | xz -dc | downpour ... -"]),
        (b"PAR1\x15\x04".to_vec(), ["a Parquet file", "lines of JSON"]),
        (log.replace('\n', "\r").into_bytes(), ["carriage returns alone", "sed 's/\\r/\\n/g' FILE"]),
        (b"{\"ts\":1,\"request\":{}}\n".repeat(5), ["JSON with the keys request, ts", "jq -c"]),
    ] {
        for format in [None, Some(Format::Combined)] {
            let refused = refusal(bytes.clone(), format);
            let is_forced_json = format.is_some() && parts[1] == "jq -c";
            assert!(is_forced_json || parts.iter().all(|part| refused.contains(part)), "{refused}");
        }
    }
}

#[test]
fn a_file_of_a_directory_that_cannot_be_read_costs_only_itself() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("a.log"), lines(&format!("AT - - {REQUEST}"))).unwrap();
    fs::write(path("b.xz"), b"\xfd7zXZ\0\0").unwrap();
    fs::write(path("c.txt"), "hello\nworld\n").unwrap();
    symlink("nowhere", path("d")).unwrap();
    symlink("e", path("e")).unwrap();
    let open = |name: &str| Source::open(&[name.to_owned()], options(None));
    for name in [directory.path().to_owned(), path("*")] {
        let mut source = open(name.to_str().unwrap()).unwrap();
        let left_out: Vec<_> =
            source.unreadable().iter().map(|input| input.name.rsplit('/').next().unwrap()).collect();
        assert_eq!(left_out.iter().collect::<BTreeSet<_>>(), ["b.xz", "c.txt", "d", "e"].iter().collect());
        assert!(source.unreadable().iter().any(|input| input.reason == "it is an xz file"));
        assert_eq!((drain(&mut source).len(), source.inputs().count()), (20, 1));
    }
    // What was asked for by name is not left out.
    for name in ["b.xz", "c.txt", "d", "e"] {
        let refused = open(path(name).to_str().unwrap()).unwrap_err().to_string();
        assert!(refused.contains(name), "{refused}");
    }
    fs::remove_file(path("a.log")).unwrap();
    let refused = open(directory.path().to_str().unwrap()).unwrap_err();
    assert!(matches!(refused, TraceError::NoneReadable { count: 4, .. }), "{refused}");
}

#[test]
fn rejected_lines_are_shown_with_their_place() {
    let good = format!("192.0.2.1 - - {REQUEST}\n");
    let torn = "192.0.2.1 - - [05/Mar/2026:14:03:07 +0000] \"\\x16\\x03\" 400 0 \"-\" \"-\"\n";
    let log = [good.repeat(20), torn.repeat(5), "?token=secret\n".to_owned(), good].concat();
    let mut source = over(log, None).unwrap();
    drain(&mut source);
    let found: Vec<_> = source.rejections().map(|(reason, lines)| (reason.id(), lines.to_vec())).collect();
    let [(first, malformed), (second, requests)] = &found[..] else { panic!("{found:?}") };
    assert_eq!((*first, *second), ("bad_field_count", "bad_request_line"));
    assert_eq!((malformed[0].line, malformed[0].text.as_str()), (26, "?token=xxxxxx"));
    assert_eq!(requests.iter().map(|example| example.line).collect::<Vec<_>>(), [21, 22, 23]);
    assert!(requests[0].text.starts_with("ADDRESS - - [05/Mar/2026:14:03:07 +0000] \"\\x16"), "{requests:?}");
}

#[test]
fn what_no_client_can_ask_for_is_filtered() {
    let line = |path: &str| {
        format!(
            "{{\"date_time\":\"2026-03-05T14:03:07Z\",\"method\":\"GET\",\"status\":200,\"url\":\"https://static.crates.io{path}\",\"version\":\"1\"}}\n"
        )
    };
    let log = line("/crates/strsim/strsim-0.10.0.crate")
        + &line("/crates/strsim/strsim-0.0.0\u{a7}foo.crate")
        + &line("/readmes/strsim/strsim-0.10.0.html");
    let rewrites = Rewrites::built_in("crates-io").unwrap().unwrap();
    let options = ReadOptions { rewrites, ..options(None) };
    let mut source = Source::over(vec![("memory".to_owned(), log.into())], options).unwrap();
    assert_eq!(drain(&mut source)[0].target, "/api/v1/crates/strsim/0.10.0/download");
    let filtered = &source.accounting().filtered;
    assert_eq!((filtered["version"], filtered["route"], filtered.len()), (1, 1, 2));
}
