//! What one judgement costs: the redirect as it should be, a wrong one, and a
//! path that no rule matches. The budget is 2 µs.

use criterion::{Criterion, criterion_group, criterion_main};
use downpour_core::units::Stamp;
use downpour_verify::judge::Judge;
use downpour_verify::rules::Rules;
use downpour_verify::{Depth, JudgedRequest, JudgedResponse, Locations};
use http::{HeaderMap, HeaderValue, header};
use std::hint::black_box;
use url::Url;

const DOWNLOAD: &[u8] = b"/api/v1/crates/serde_derive/1.0.173/download";
const GOOD: &[u8] = b"https://static.crates.io/crates/serde_derive/serde_derive-1.0.173.crate";
const GLUED: &[u8] = b"https://static.crates.iocrates/serde_derive/serde_derive-1.0.173.crate";

fn judgements(c: &mut Criterion) {
    let candidate = Url::parse("http://127.0.0.1:8080").expect("the URL is written out");
    let rules = Rules::builtin("crates-io").expect("the set is built in");
    let mut judge = Judge::new(rules, &candidate, Depth::Dns).expect("the candidate is an http URL");
    // What crates.io sends with a redirect, as far as anybody looks at it.
    let headers = HeaderMap::from_iter([
        (header::LOCATION, HeaderValue::from_static("https://static.crates.io")),
        (header::VARY, HeaderValue::from_static("accept")),
        (header::CONTENT_LENGTH, HeaderValue::from_static("0")),
    ]);
    for (name, target, location) in [
        ("good redirect", DOWNLOAD, GOOD),
        ("wrong host", DOWNLOAD, GLUED),
        ("unmatched rule", &b"/api/v1/crates/serde_derive"[..], GOOD),
    ] {
        let asked = JudgedRequest { target, recorded_status: Some(302) };
        let (locations, at) = (Locations::One(location), Stamp::from_nanos(0));
        let answer = JudgedResponse { status: 302, locations, headers: &headers, at };
        c.bench_function(name, |b| {
            b.iter(|| judge.judge(black_box(&asked), black_box(&answer)).findings.outcome());
        });
    }
}

criterion_group!(benches, judgements);
criterion_main!(benches);
