//! How many lines a second one thread reads, from memory.
//!
//! `parse` is a format's parser alone, `source` all of the chapter: detection,
//! parsing, spreading, order. The buffers repeat the samples under `traces/`,
//! so that what is measured has the shape of what is recorded.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use downpour_trace::formats::Format;
use downpour_trace::reasons::ParsedLine;
use downpour_trace::{ReadOptions, Source};
use std::hint::black_box;
use std::path::Path;

/// Lines in a buffer.
const LINES: usize = 100_000;

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

/// So many lines of a sample, with times that ascend by 5,000 lines a second.
/// Repeated as they are, the times of a sample would jump back after each pass, and
/// what was measured were lines that come too late.
fn buffer(folder: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces").join(folder).join("well-formed.log");
    let sample = std::fs::read(&path).expect("the samples are part of the repository");
    let (headers, rows): (Vec<_>, Vec<_>) =
        sample.split_inclusive(|&b| b == b'\n').partition(|line| line.starts_with(b"#"));
    let rows: Vec<_> = rows.into_iter().filter(|row| row.ends_with(b"\n")).collect();
    let mut log = headers.concat();
    for (line, row) in rows.into_iter().cycle().take(LINES).enumerate() {
        let start = log.len();
        log.extend_from_slice(row);
        set_second(&mut log[start..], line / 5_000);
    }
    Bytes::from(log)
}

/// Sets all times of day to five minutes past the hour and a second, and those since
/// 1970 to the same: the samples are of 2026-03-05, 14:00 to 15:00 UTC.
fn set_second(row: &mut [u8], second: usize) {
    let are_digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
    let is_clock = |at: &[u8]| {
        at[2] == b':'
            && at[5] == b':'
            && are_digits(&at[..2])
            && are_digits(&at[3..5])
            && are_digits(&at[6..8])
    };
    let is_epoch = |at: &[u8]| at.starts_with(b"17727") && are_digits(at);
    let (clock, epoch) = (format!("05:{second:02}"), format!("17727195{second:02}"));
    let starts = |len: usize| 0..(row.len() + 1).saturating_sub(len);
    let clocks: Vec<_> = starts(8).filter(|&at| is_clock(&row[at..at + 8])).collect();
    let epochs: Vec<_> = starts(10).filter(|&at| is_epoch(&row[at..at + 10])).collect();
    for at in clocks {
        row[at + 3..at + 8].copy_from_slice(clock.as_bytes());
    }
    for at in epochs {
        row[at..at + 10].copy_from_slice(epoch.as_bytes());
    }
}

fn parse(log: &[u8], format: Format) -> usize {
    let mut parser = format.parser();
    let mut from = 0;
    let mut records = 0;
    for to in memchr::memchr_iter(b'\n', log) {
        if let ParsedLine::Record(record) = parser.parse(&log[from..to], false) {
            black_box(&record);
            records += 1;
        }
        from = to + 1;
    }
    records
}

fn source(log: &Bytes) -> usize {
    let inputs = vec![("memory".to_owned(), log.clone())];
    let mut source = Source::over(inputs, ReadOptions::default()).expect("the samples are well formed");
    let mut requests = 0;
    while let Some(request) = source.next().expect("memory can be read") {
        black_box(&request);
        requests += 1;
    }
    assert!(requests > LINES * 9 / 10, "{requests} of {LINES} lines: what is lost costs nothing");
    requests
}

fn read(criterion: &mut Criterion) {
    for (folder, format) in SAMPLES {
        let log = buffer(folder);
        let mut group = criterion.benchmark_group(folder);
        group.throughput(Throughput::Elements(LINES as u64)).sample_size(10);
        group.bench_function("parse", |bencher| bencher.iter(|| parse(&log, format)));
        group.bench_function("source", |bencher| bencher.iter(|| source(&log)));
        group.finish();
    }
}

criterion_group!(benches, read);
criterion_main!(benches);
