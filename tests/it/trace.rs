//! Traces as files: what the formats' samples come to, packed and unpacked,
//! whole and broken, and that every line is accounted for.

use bytes::Bytes;
use downpour_trace::client::ClientKey;
use downpour_trace::formats::Format;
use downpour_trace::reasons::{Filter, Note, ParsedLine, Skip};
use downpour_trace::{InputCompression, Method, ReadOptions, Record, Source, StampKind, TraceError};
use downpour_trace::{TraceRequest, rewrite::Rewrites, scrub::Scrub, subsecond::Subsecond};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write as _;
use std::{fs, path::Path, path::PathBuf};

/// The samples' folders and the format each is of.
const SAMPLES: [(&str, Format); 10] = [
    ("cloudfront-v1", Format::CloudfrontV1),
    ("fastly-cratesio-2024", Format::FastlyCratesio),
    ("fastly-cratesio-2025", Format::FastlyCratesio),
    ("fastly-clf", Format::FastlyClf),
    ("apache-common", Format::Common),
    ("apache-combined", Format::Combined),
    ("apache-combined-usec", Format::CombinedUsec),
    ("nginx-combined-timed", Format::CombinedTimed),
    ("trace", Format::Trace),
    ("url-list", Format::UrlList),
];

fn sample(folder: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("traces").join(folder).join(file)
}

fn bytes_of(folder: &str, file: &str) -> Vec<u8> {
    fs::read(sample(folder, file)).unwrap()
}

/// Lines with whether they lack their LF.
fn lines(bytes: &[u8]) -> Vec<(&[u8], bool)> {
    let cut = |line: &'_ [u8]| line.last() != Some(&b'\n');
    bytes.split_inclusive(|&b| b == b'\n').map(|l| (l.strip_suffix(b"\n").unwrap_or(l), cut(l))).collect()
}

fn over(bytes: impl Into<Bytes>, options: ReadOptions) -> Result<Source, TraceError> {
    Source::over(vec![("memory".to_owned(), bytes.into())], options)
}

fn drain(source: &mut Source) -> Vec<TraceRequest> {
    std::iter::from_fn(|| source.next().unwrap()).collect()
}

/// The place of a client among those seen so far, counted from 1: a key itself
/// tells nothing that a file could expect.
fn number_of(client: ClientKey, clients: &mut Vec<ClientKey>) -> usize {
    let known = clients.iter().position(|&other| other == client);
    let place = known.unwrap_or_else(|| {
        clients.push(client);
        clients.len() - 1
    });
    place + 1
}

fn as_expected(line: usize, record: &Record<'_>, clients: &mut Vec<ClientKey>) -> Value {
    let client = record.client.map(|key| number_of(key, clients));
    let mut expected = serde_json::json!({
        "line": line,
        "ts_ns": record.at.unwrap().as_nanos(),
        "ts_kind": match record.stamp { StampKind::Start => "start", StampKind::End => "end" },
        "ts_res_ns": record.resolution_ns,
        "method": String::from_utf8_lossy(record.method),
        "target": String::from_utf8_lossy(&record.target),
        "status": record.status,
        "resp_bytes": record.response_bytes,
        "client": client,
    });
    if let Some(duration) = record.duration_ns {
        expected["duration_ns"] = duration.into();
    }
    if let Some(authority) = &record.authority {
        expected["authority"] = String::from_utf8_lossy(authority).into();
    }
    expected
}

#[test]
fn well_formed_logs_give_exactly_their_records() {
    for (folder, format) in SAMPLES {
        let expected = sample(folder, "well-formed.expected.jsonl");
        if !expected.exists() {
            continue;
        }
        let log = bytes_of(folder, "well-formed.log");
        let mut parser = format.parser();
        let (mut found, mut clients) = (Vec::new(), Vec::new());
        for (number, (line, cut)) in lines(&log).into_iter().enumerate() {
            match parser.parse(line, cut) {
                ParsedLine::Record(record) => found.push(as_expected(number + 1, &record, &mut clients)),
                ParsedLine::Skipped(Skip::Header) => {}
                other @ (ParsedLine::Skipped(_) | ParsedLine::Rejected(_)) => {
                    panic!("{folder}:{}: {other:?}", number + 1)
                }
            }
        }
        let text = fs::read_to_string(expected).unwrap();
        let expected: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(found, expected, "{folder}");
    }
}

#[test]
fn formats_of_the_same_events_agree() {
    let events = |(folder, _): &(&str, Format)| {
        let mut source = over(bytes_of(folder, "well-formed.log"), ReadOptions::default()).unwrap();
        let requests = drain(&mut source).into_iter();
        let mut events: Vec<_> = requests.map(|r| (r.target, r.method == Method::Head, r.status)).collect();
        events.sort();
        events
    };
    for same in [&SAMPLES[..3], &SAMPLES[4..9]] {
        let all: Vec<_> = same.iter().map(events).collect();
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{same:?}: {all:#?}");
    }
}

#[test]
fn a_client_is_the_same_in_every_pass_and_another_for_another_seed() {
    let clients_of = |source: &mut Source| -> Vec<_> { drain(source).iter().map(|r| r.client).collect() };
    for (folder, format) in SAMPLES {
        let log = Bytes::from(bytes_of(folder, "well-formed.log"));
        let source = |seed| {
            let options = ReadOptions { seed, subsecond: Subsecond::Even, ..ReadOptions::default() };
            over(log.clone(), options).unwrap()
        };
        let mut first = source(1);
        let clients = clients_of(&mut first);
        first.rewind().unwrap();
        assert_eq!(clients_of(&mut first), clients, "{folder}");
        assert_eq!(clients_of(&mut source(1)), clients, "{folder}");
        let others = clients_of(&mut source(2));
        let differ = clients.iter().zip(&others).filter(|(one, other)| one.is_some() && one != other);
        let known = clients.iter().flatten().count();
        assert_eq!(known > 0, format != Format::UrlList, "{folder}");
        assert_eq!(differ.count(), known, "{folder}");
    }
}

/// What a line came to, in the words of a `.verdicts` file.
fn verdict(fate: &ParsedLine<'_>, alone: Option<&mut Source>) -> Vec<String> {
    let record = match fate {
        ParsedLine::Skipped(reason) => return vec![format!("skipped({})", reason.id())],
        ParsedLine::Rejected(reason) => return vec![format!("rejected({})", reason.id())],
        ParsedLine::Record(record) => record,
    };
    let mut words: Vec<String> = record.notes.iter().map(|note| note.id().to_owned()).collect();
    if record.authority.is_none() {
        words.push("no_authority".to_owned());
    }
    if record.response_bytes.is_none() {
        words.push("no_bytes".to_owned());
    }
    let source = alone.expect("an accepted line can be read alone");
    source.next().unwrap();
    let books = source.accounting();
    words.extend(books.notes.keys().map(|&note| note.to_owned()));
    let filtered = books.filtered.keys().next().map(|reason| format!("filtered({reason})"));
    words.insert(0, filtered.unwrap_or_else(|| "accepted".to_owned()));
    words
}

/// The line as an input of its own, behind the headers it needs.
fn alone(format: Format, headers: &[u8], line: &[u8]) -> Source {
    let bytes = [headers, line, b"\n"].concat();
    over(bytes, ReadOptions { format: Some(format), ..ReadOptions::default() }).unwrap()
}

#[test]
fn odd_lines_come_to_their_verdicts() {
    for (folder, format) in SAMPLES {
        let Ok(verdicts) = fs::read_to_string(sample(folder, "edge-cases.verdicts")) else { continue };
        let log = bytes_of(folder, "edge-cases.log");
        let lines = lines(&log);
        let mut expected = verdicts.lines().filter(|line| !line.starts_with('#'));
        let mut parser = format.parser();
        let mut headers: Vec<u8> = Vec::new();
        for (number, (line, cut)) in lines.into_iter().enumerate() {
            let fate = parser.parse(line, cut);
            if fate == ParsedLine::Skipped(Skip::Header) {
                headers.extend_from_slice(line);
                headers.push(b'\n');
            }
            let mut source = matches!(fate, ParsedLine::Record(_)).then(|| alone(format, &headers, line));
            let found = verdict(&fate, source.as_mut());
            let mut words = expected.next().unwrap().split(' ');
            assert_eq!(words.next().unwrap(), (number + 1).to_string(), "{folder}");
            for word in words {
                assert!(found.iter().any(|w| w == word), "{folder}:{}: {word} not in {found:?}", number + 1);
            }
        }
        assert_eq!(expected.next(), None, "{folder}");
    }
}

#[test]
fn a_line_beyond_the_bound_is_rejected_and_the_next_one_read() {
    let long = "a".repeat(70_000);
    let list = format!("/1\nhttps://crates.io/{long}\n/2\n");
    let mut source = over(list, ReadOptions::default()).unwrap();
    assert_eq!(drain(&mut source).len(), 2);
    assert_eq!(source.accounting().rejected["line_too_long"], 1);
    assert_eq!(source.accounting().read, 3);
}

#[test]
fn every_sample_is_recognised_for_what_it_is() {
    for (folder, format) in SAMPLES {
        let mut source = over(bytes_of(folder, "well-formed.log"), ReadOptions::default()).unwrap();
        assert_eq!(source.inputs().next().unwrap().format, Some(format), "{folder}");
        let requests = drain(&mut source);
        assert!(!requests.is_empty(), "{folder}");
        assert_eq!(source.has_times(), format != Format::UrlList);
        assert!(requests.is_sorted_by_key(|request| request.at), "{folder}");
        assert!(
            source.accounting().is_balanced(requests.len() as u64),
            "{folder}: {:?}",
            source.accounting()
        );
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn packed_logs_hold_what_plain_ones_do() {
    for (folder, _) in SAMPLES {
        let log = bytes_of(folder, "well-formed.log");
        let plain = drain(&mut over(log.clone(), ReadOptions::default()).unwrap());
        let (first, second) = log.split_at(log.len() / 2);
        let frames = [first, second].map(|half| zstd::encode_all(half, 3).unwrap()).concat();
        let packed = [
            (gzip(&log), InputCompression::Gzip),
            ([gzip(first), gzip(second)].concat(), InputCompression::Gzip),
            (zstd::encode_all(&log[..], 3).unwrap(), InputCompression::Zstd),
            (frames, InputCompression::Zstd),
        ];
        for (bytes, compression) in packed {
            let mut source = over(bytes, ReadOptions::default()).unwrap();
            assert_eq!(source.inputs().next().unwrap().compression, compression);
            assert_eq!(drain(&mut source), plain, "{folder} {compression}");
        }
    }
}

#[test]
fn of_a_cut_file_the_whole_lines_are_kept_and_the_next_input_is_read() {
    let mut random = 7_u64;
    let mut list = String::new();
    for _ in 0..20_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        writeln!(list, "/{random:x}").unwrap();
    }
    let packed = [gzip(list.as_bytes()), zstd::encode_all(list.as_bytes(), 3).unwrap()];
    for whole in packed {
        let cut = whole[..whole.len() / 2].to_vec();
        let inputs = vec![("cut".to_owned(), Bytes::from(cut)), ("next".to_owned(), Bytes::from("/z\n"))];
        let mut source = Source::over(inputs, ReadOptions::default()).unwrap();
        let requests = drain(&mut source);
        assert!(requests.len() > 1_000);
        let (last, kept) = requests.split_last().unwrap();
        assert!(list.lines().zip(kept).all(|(line, request)| line.as_bytes() == request.target));
        assert_eq!(last.target, "/z");
        assert_eq!(source.accounting().rejected["truncated"], 1);
        let [warning] = source.warnings() else { panic!("{:?}", source.warnings()) };
        assert_eq!((warning.name.as_str(), warning.line), ("cut", requests.len() as u64));
        assert!(source.accounting().is_balanced(requests.len() as u64));
    }
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let refusal = |bytes: &str, format: Option<Format>| {
        let options = ReadOptions { format, ..ReadOptions::default() };
        over(bytes.to_owned(), options).and_then(|mut source| source.next()).unwrap_err().to_string()
    };
    let unknown = refusal("hello\nworld\n", None);
    for part in [
        "memory",
        "cloudfront-v1 (0 %, mostly no_header)",
        "url-list (0 %, mostly no_path)",
        "a list of URLs",
    ] {
        assert!(unknown.contains(part), "{part} is not in {unknown}");
    }
    assert!(refusal("/x\n", Some(Format::Combined)).contains("combined (0 %, mostly bad_field_count)"));
    assert!(refusal("", None).contains("0 lines"));
    assert!(refusal("#Version: 1.0\n\n", None).contains("2 lines"));
    let missing = Source::open(&["/nowhere.log".to_owned()], ReadOptions::default()).unwrap_err();
    assert!(missing.to_string().contains("/nowhere.log"));
}

fn trace_of(starts: &[i64]) -> Bytes {
    let line = |(i, at): (usize, &i64)| format!("{{\"at_ns\":{at},\"target\":\"/{i}\"}}\n");
    Bytes::from(starts.iter().enumerate().map(line).collect::<String>())
}

#[test]
fn inputs_are_merged_by_time_whatever_their_order() {
    let log = bytes_of("fastly-cratesio-2024", "well-formed.log");
    let whole = drain(&mut over(log.clone(), ReadOptions::default()).unwrap());
    let all = lines(&log);
    let part = |keep: usize| {
        let kept = all.iter().enumerate().filter(|(i, _)| i % 3 == keep);
        kept.flat_map(|(_, (line, _))| [line, &b"\n"[..]].concat()).collect::<Vec<u8>>()
    };
    let inputs = [2, 0, 1].map(|keep| (keep.to_string(), Bytes::from(part(keep))));
    let mut source = Source::over(inputs.to_vec(), ReadOptions::default()).unwrap();
    assert_eq!(drain(&mut source), whole);
}

#[test]
fn many_inputs_one_after_the_other_are_not_open_at_once() {
    let second = 1_000_000_000;
    let of = |i: i64| (format!("{i}"), trace_of(&[i * 60 * second, (i * 60 + 1) * second]));
    let mut source = Source::over((0..400).map(of).collect(), ReadOptions::default()).unwrap();
    assert_eq!(drain(&mut source).len(), 800);

    let log = trace_of(&(0..100).map(|n| n * second).collect::<Vec<_>>());
    let overlapping = (0..400).map(|i| (i.to_string(), log.clone())).collect();
    let mut source = Source::over(overlapping, ReadOptions::default()).unwrap();
    let error = std::iter::from_fn(|| source.next().transpose()).find_map(Result::err).unwrap();
    assert!(matches!(error, TraceError::TooManyOpen { limit: 256, .. }), "{error}");
}

#[test]
fn end_stamps_become_starts() {
    let log = bytes_of("nginx-combined-timed", "well-formed.log");
    let requests = drain(&mut over(log, ReadOptions::default()).unwrap());
    let slow = requests.iter().find(|request| request.status == Some(503)).unwrap();
    assert_eq!(slow.at.unwrap().as_nanos(), 1_772_719_389_222_000_000);
}

#[test]
fn a_replay_is_the_same_on_every_pass() {
    let options = ReadOptions { seed: 7, ..ReadOptions::default() };
    let mut source = over(bytes_of("cloudfront-v1", "well-formed.log"), options).unwrap();
    let first = drain(&mut source);
    source.rewind().unwrap();
    assert_eq!(drain(&mut source), first);
    assert_eq!(source.accounting().read, 28);
    assert!(source.accounting().is_balanced(2 * first.len() as u64));
}

#[test]
fn the_recorded_hosts_are_known_before_the_first_request() {
    let mut source = over(bytes_of("cloudfront-v1", "well-formed.log"), ReadOptions::default()).unwrap();
    let hosts =
        |source: &Source| source.authorities().iter().map(|(h, n)| (h.to_vec(), n)).collect::<Vec<_>>();
    assert_eq!(hosts(&source), [(b"static.crates.io".to_vec(), 0)]);
    drain(&mut source);
    assert_eq!(hosts(&source), [(b"static.crates.io".to_vec(), 12)]);
}

#[test]
fn records_are_rewritten_scrubbed_and_filtered() {
    let options =
        ReadOptions { rewrites: Rewrites::built_in("crates-io").unwrap().unwrap(), ..ReadOptions::default() };
    let mut source = over(bytes_of("cloudfront-v1", "well-formed.log"), options).unwrap();
    let requests = drain(&mut source);
    assert!(requests.iter().all(|request| request.target.ends_with(b"/download")));
    assert!(
        requests.iter().any(|request| request.target.starts_with(b"/api/v1/crates/curl-sys/0.4.79%2Bcurl"))
    );
    assert_eq!(source.accounting().filtered["route"], 1);

    let list = "/x?q=secret&page=2\n";
    let mut source = over(list, ReadOptions::default()).unwrap();
    assert_eq!(drain(&mut source)[0].target, "/x?q=xxxxxx&page=x");
    assert_eq!(source.accounting().notes[Note::QueryScrubbed.id()], 1);
    let mut source = over(list, ReadOptions { scrub: Scrub::KeepAll, ..ReadOptions::default() }).unwrap();
    assert_eq!(drain(&mut source)[0].target, "/x?q=secret&page=2");
}

#[test]
fn a_recorded_change_of_protocol_is_not_replayed() {
    let line = |target: &str, status: u16| {
        format!(
            "192.0.2.1 - - [30/Nov/2026:12:00:00 +0000] \"GET {target} HTTP/1.1\" {status} 0 \"-\" \"x/1\"\n"
        )
    };
    let log = [line("/a", 302), line("/live", 101), line("/b", 302), line("/live", 101)].concat();
    let mut source = over(log, ReadOptions::default()).unwrap();
    let requests = drain(&mut source);
    assert_eq!(requests.iter().map(|request| &request.target[..]).collect::<Vec<_>>(), [b"/a", b"/b"]);
    assert_eq!(source.accounting().filtered[Filter::Upgrade.id()], 2);
    assert!(source.accounting().is_balanced(2));
}

#[test]
fn times_in_some_inputs_only_are_refused_and_in_some_lines_only_counted() {
    let inputs = vec![("a".to_owned(), Bytes::from("/x\n")), ("b".to_owned(), trace_of(&[1]))];
    let error = Source::over(inputs, ReadOptions::default()).unwrap_err();
    assert!(matches!(error, TraceError::MixedTimes { .. }), "{error}");
    let lines = "{\"at_ns\":1,\"target\":\"/x\"}\n{\"target\":\"/y\"}\n";
    let mut source = over(lines, ReadOptions::default()).unwrap();
    assert_eq!(drain(&mut source).len(), 1);
    assert_eq!(source.accounting().rejected["missing_timestamp"], 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_books_balance_wherever_reading_stops(
        starts in proptest::collection::vec(0_i64..200, 1..200),
        noise in proptest::collection::vec(0_usize..200, 0..40),
        taken in 0_usize..250,
        window_s in 0_u64..50,
    ) {
        let mut lines: Vec<String> = starts.iter().enumerate().map(|(i, at)| {
            let method = if i % 5 == 0 { "POST" } else { "GET" };
            format!("{{\"at_ns\":{},\"target\":\"/{i}\",\"method\":\"{method}\"}}\n", at * 1_000_000_000)
        }).collect();
        for at in noise {
            let junk = ["\n", "{\n", "# remark\n"][at % 3];
            lines.insert(at.min(lines.len()), junk.to_owned());
        }
        let options = ReadOptions {
            format: None,
            reorder_window: Some(std::time::Duration::from_secs(window_s)),
            ..ReadOptions::default()
        };
        let Ok(mut source) = over(lines.concat(), options) else { return Ok(()) };
        let mut out = Vec::new();
        while out.len() < taken {
            match source.next().unwrap() {
                Some(request) => out.push(request),
                None => break,
            }
        }
        source.stop();
        prop_assert!(source.accounting().is_balanced(out.len() as u64), "{:?}", source.accounting());
        prop_assert_eq!(source.accounting().handed_out(), out.len() as u64);
        prop_assert!(out.is_sorted_by_key(|request| request.at));
        prop_assert_eq!(source.next().unwrap(), None);
    }
}

/// Reads hostile bytes to their end, or to a refusal. A fuzz target.
fn survives(bytes: &[u8]) {
    for format in Format::ALL.iter().copied().map(Some).chain([None]) {
        if let Some(format) = format {
            let mut parser = format.parser();
            for (line, cut) in lines(bytes) {
                drop(parser.parse(line, cut));
            }
        }
        let options = ReadOptions { format, ..ReadOptions::default() };
        let Ok(mut source) = over(bytes.to_vec(), options) else { continue };
        let mut count = 0;
        while let Ok(Some(request)) = source.next() {
            assert!(request.target.iter().all(u8::is_ascii_graphic), "{request:?}");
            count += 1;
        }
        source.stop();
        assert!(source.accounting().is_balanced(count), "{:?}", source.accounting());
    }
}

#[test]
fn hostile_bytes_are_survived() {
    let mut random = 1_u64;
    let mut draw = move |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap() % below
    };
    for (folder, _) in SAMPLES {
        for file in ["well-formed.log", "edge-cases.log"] {
            let Ok(original) = fs::read(sample(folder, file)) else { continue };
            survives(&original);
            for round in 0..60 {
                let mut bytes = original.clone();
                for _ in 0..=draw(8) {
                    let at = draw(bytes.len());
                    match draw(4) {
                        0 => bytes[at] = u8::try_from(draw(256)).unwrap(),
                        1 => bytes.truncate(at.max(1)),
                        2 => bytes[at] = b"\"\\[]{}%\t\n <"[draw(11)],
                        _ => bytes.insert(at, b"0-:.9"[draw(5)]),
                    }
                }
                let packed = if round % 6 == 0 { gzip(&bytes) } else { bytes };
                survives(&packed);
            }
        }
    }
}
