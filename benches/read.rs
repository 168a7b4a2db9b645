//! How many lines a second one thread reads, from memory.
//!
//! `parse` is a format's parser alone, `source` all of the chapter: detection,
//! parsing, spreading, order. The buffers repeat the samples under `traces/`,
//! so that what is measured has the shape of what is recorded.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use downpour::trace::formats::Format;
use downpour::trace::reasons::ParsedLine;
use downpour::trace::{ReadOptions, Source};
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

fn buffer(folder: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces").join(folder).join("well-formed.log");
    let sample = std::fs::read(&path).expect("the samples are part of the repository");
    let (headers, rows): (Vec<_>, Vec<_>) =
        sample.split_inclusive(|&b| b == b'\n').partition(|line| line.starts_with(b"#"));
    let rows = rows.into_iter().filter(|row| row.ends_with(b"\n")).collect::<Vec<_>>();
    Bytes::from(headers.into_iter().chain(rows.into_iter().cycle().take(LINES)).collect::<Vec<_>>().concat())
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
