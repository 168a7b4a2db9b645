//! The built-in models against what the real clients were seen to do with a
//! server that fails on purpose.

use super::*;
use std::ops::RangeInclusive;

type SecondsRange = RangeInclusive<f64>;

/// That a client waits so, whatever is drawn.
#[track_caller]
fn check(name: &str, last: LastAttempt, expected: &[SecondsRange]) {
    let model = model(name);
    for seed in 0..50 {
        let (waits, _) = waits(&model, last, seed);
        assert_eq!(waits.len(), expected.len(), "{name} after {last:?}: {waits:?}");
        for (wait, seconds) in waits.iter().zip(expected) {
            assert!(seconds.contains(&wait.as_secs_f64()), "{name} after {last:?}: {waits:?}");
        }
    }
}

fn exactly<const N: usize>(seconds: [f64; N]) -> [SecondsRange; N] {
    seconds.map(|seconds| seconds..=seconds)
}

const fn status(status: u16) -> LastAttempt {
    LastAttempt::answered(status, Some(Fault::StatusServerError), None)
}

const fn told(status: u16, seconds: u64) -> LastAttempt {
    LastAttempt::answered(status, None, Some(Duration::from_secs(seconds)))
}

/// A redirect whose target is broken.
const fn target(fault: Fault) -> LastAttempt {
    LastAttempt::answered(302, Some(fault), None)
}

#[test]
fn cargo() {
    let waits = [0.5..=1.5, 3.5..=3.5, 6.5..=6.5];
    for last in [
        status(500),
        status(502),
        status(503),
        status(504),
        status(429),
        LastAttempt::unanswered(Fault::HttpReset),
        LastAttempt::unanswered(Fault::HttpTruncated),
        LastAttempt::unanswered(Fault::ConnectRefused),
        target(Fault::DnsNxdomain),
    ] {
        check("cargo-1.89", last, &waits);
    }
    check("cargo-1.89", told(429, 3), &exactly([3.0; 3]));
    check("cargo-1.89", told(503, 2), &exactly([2.0; 3]));
    check("cargo-1.89", told(503, 3_600), &exactly([10.0; 3]));
    for last in [
        status(404),
        status(403),
        LastAttempt::unanswered(Fault::HttpClosed),
        LastAttempt::unanswered(Fault::TlsName),
        target(Fault::LocationMissing),
        target(Fault::LocationLoop),
    ] {
        check("cargo-1.89", last, &[]);
    }
    check("cargo-1.70", told(503, 2), &waits);
    check("cargo-1.70", status(429), &[]);
    check("cargo-1.69", target(Fault::DnsNxdomain), &exactly([0.0; 2]));
}

#[test]
fn pip() {
    let waits = exactly([0.0, 0.5, 1.0, 2.0, 4.0]);
    for last in [
        status(500),
        status(502),
        status(503),
        LastAttempt::unanswered(Fault::HttpReset),
        LastAttempt::unanswered(Fault::HttpClosed),
    ] {
        check("pip", last, &waits);
    }
    for last in [status(504), status(429), status(403), status(404)] {
        check("pip", last, &[]);
    }
    check("pip", told(429, 3), &exactly([3.0; 5]));
    check("pip", told(503, 2), &exactly([2.0; 5]));
}

#[test]
fn uv() {
    let waits = [1.0..=2.0, 1.0..=4.0, 1.0..=8.0];
    for last in [status(500), status(503), status(504), told(429, 60)] {
        check("uv", last, &waits);
    }
    check("uv", LastAttempt::unanswered(Fault::HttpClosed), &waits);
    check("uv", status(404), &[]);
}

#[test]
fn npm() {
    for last in [status(500), status(502), status(504), told(429, 3)] {
        check("npm", last, &exactly([10.0, 60.0]));
    }
    check("npm", LastAttempt::unanswered(Fault::HttpReset), &exactly([10.0, 60.0]));
    for last in [status(403), status(404)] {
        check("npm", last, &[]);
    }
    check("npm", LastAttempt::unanswered(Fault::HttpTruncated), &[]);
}

#[test]
fn curl() {
    check("curl", status(503), &exactly([1.0, 2.0, 4.0]));
    check("curl", told(429, 3), &exactly([3.0; 3]));
    check("curl", status(404), &[]);
    for fault in [Fault::HttpReset, Fault::HttpClosed, Fault::HttpTruncated, Fault::ConnectRefused] {
        check("curl", LastAttempt::unanswered(fault), &[]);
    }
}

/// As their source says.
#[test]
fn others() {
    check("docker", status(500), &exactly([5.0, 10.0, 15.0, 20.0]));
    check("containerd", status(503), &exactly([0.0]));
    check("containerd", status(429), &exactly([0.0; 4]));
    check("containerd", LastAttempt::unanswered(Fault::HttpClosed), &exactly([0.05; 4]));
    check("containerd", target(Fault::DnsNxdomain), &[]);
    check("apt", status(504), &exactly([1.0, 2.0, 4.0]));
    check("apt", told(429, 3), &exactly([4.0, 5.0, 7.0]));
    check("maven", status(503), &exactly([5.0, 10.0, 15.0]));
    check("maven", told(503, 7), &exactly([7.0; 3]));
    check("maven", told(503, 301), &[]);
    check("maven", LastAttempt::unanswered(Fault::HttpReset), &exactly([0.0; 3]));
    check("maven", target(Fault::DnsNxdomain), &[]);
    check("huggingface", status(503), &exactly([1.0, 2.0, 4.0, 8.0, 8.0]));
    check("huggingface", told(429, 3), &exactly([4.0; 5]));
    check("yarn", told(413, 3), &exactly([3.0; 3]));
    check("yarn", status(413), &[]);
    check("yarn", status(503), &[1.0..=1.1, 2.0..=2.1, 4.0..=4.1]);
    check("aws-standard", status(503), &[0.0..=1.0, 0.0..=2.0]);
    check("grpc", status(503), &[0.08..=0.12, 0.16..=0.24, 0.32..=0.48]);
    check("homebrew", status(503), &exactly([1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 4.0]));
    for once in ["go", "none"] {
        check(once, status(503), &[]);
    }
}

#[test]
fn a_broken_target_comes_back_to_the_candidate_by_whole_chains_alone() {
    let gone = target(Fault::DnsNxdomain);
    let asks = |name: &str, last| model(name).asks_candidate_again(last);
    for chain in ["cargo-1.69", "cargo-1.70", "cargo-1.89", "curl", "docker", "pnpm"] {
        assert!(asks(chain, gone), "{chain}");
    }
    for hop in ["pip", "uv", "npm", "huggingface"] {
        assert!(!asks(hop, gone), "{hop}");
        assert!(asks(hop, status(503)) && asks(hop, LastAttempt::unanswered(Fault::HttpReset)), "{hop}");
    }
}

#[test]
fn a_hastened_client_waits_for_a_fraction() {
    let gone = target(Fault::DnsNxdomain);
    for (name, last) in
        [("cargo-1.70", gone), ("uv", status(503)), ("yarn", status(503)), ("apt", told(429, 0))]
    {
        let (slow, fast) = (model(name), model(name).time_scaled("20x".parse().unwrap()));
        for seed in 0..20 {
            let ((slow, _), (fast, _)) = (waits(&slow, last, seed), waits(&fast, last, seed));
            assert_eq!(slow.len(), fast.len());
            for (slow, fast) in slow.iter().zip(fast) {
                // Both are rounded to microseconds, the draw before it is scaled.
                assert!(slow.abs_diff(fast * 20) <= Duration::from_micros(60), "{name}: {slow:?}, {fast:?}");
            }
        }
    }
}

#[test]
fn a_client_says_why_it_gives_up() {
    let why = |name: &str, last| waits(&model(name), last, 1).1;
    assert_eq!(why("cargo-1.89", status(503)), GiveUp::Exhausted);
    assert_eq!(why("cargo-1.89", status(404)), GiveUp::NotRetried);
    assert_eq!(why("maven", told(503, 3_600)), GiveUp::TooLong);
    let strict = written("attempts = 4\ndelays = [\"0s\"]\nstatuses = [503]\nbudget = { ratio = \"1%\" }");
    assert_eq!(waits(&strict, status(503), 1), (Vec::new(), GiveUp::Budget));
    let ids = [GiveUp::Exhausted, GiveUp::NotRetried, GiveUp::TooLong, GiveUp::Budget].map(GiveUp::id);
    assert_eq!(ids, ["exhausted", "not_retried", "retry_after", "budget"]);
}

#[test]
fn every_model_names_its_sources_and_ends() {
    for model in ClientModels::built_in().iter() {
        assert!(!model.sources.is_empty() && !model.about.is_empty(), "{}", model.name);
        for fault in Fault::ALL {
            let (waits, _) = waits(model, LastAttempt::unanswered(*fault), 3);
            assert!(waits.len() < model.attempts_max() as usize, "{} after {fault}", model.name);
        }
    }
}

#[test]
fn draws_depend_on_seed_arrival_and_attempt_alone() {
    let first = RetryState::NEW;
    let second = RetryState { ended: 1, ..first };
    let draw = |seed, arrival, state| retry_rng(seed, arrival, &state).next_u64();
    assert_eq!(draw(1, 7, first), draw(1, 7, first));
    let all = [draw(1, 7, first), draw(2, 7, first), draw(1, 8, first), draw(1, 7, second)];
    assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), 4);
}
