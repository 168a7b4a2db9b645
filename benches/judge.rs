//! What one judgement costs: the redirect as it should be, a wrong one, and a
//! path that no rule matches. The budget is 2 µs.

use criterion::{Criterion, criterion_group, criterion_main};
use downpour::verify::judge::Judge;
use downpour::verify::rules::Rules;
use downpour::verify::{Answer, Asked, Depth, Locations};
use std::hint::black_box;
use url::Url;

const DOWNLOAD: &[u8] = b"/api/v1/crates/serde_derive/1.0.173/download";
const GOOD: &[u8] = b"https://static.crates.io/crates/serde_derive/serde_derive-1.0.173.crate";
const GLUED: &[u8] = b"https://static.crates.iocrates/serde_derive/serde_derive-1.0.173.crate";

fn judgements(c: &mut Criterion) {
    let candidate = Url::parse("http://127.0.0.1:8080").expect("the URL is written out");
    let rules = Rules::builtin("crates-io").expect("the set is built in");
    let mut judge = Judge::new(rules, &candidate, Depth::Dns).expect("the candidate is an http URL");
    for (name, target, location) in [
        ("good redirect", DOWNLOAD, GOOD),
        ("wrong host", DOWNLOAD, GLUED),
        ("unmatched rule", &b"/api/v1/crates/serde_derive"[..], GOOD),
    ] {
        let asked = Asked { target, recorded_status: Some(302) };
        let answer = Answer { status: 302, locations: Locations::One(location) };
        c.bench_function(name, |b| b.iter(|| judge.judge(black_box(&asked), black_box(&answer)).fault));
    }
}

criterion_group!(benches, judgements);
criterion_main!(benches);
