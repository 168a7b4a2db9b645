//! Jitter under optimistic concurrency control: many clients want to write one
//! record, each reads its version first, and a write counts only if nobody else
//! wrote meanwhile. How long they wait before they try again decides how often
//! they must. After the AWS study of exponential backoff and jitter, made anew:
//! a hop takes 10 ms, give or take 2 ms; waits begin with 5 ms and end at 2 s.

use super::*;
use crate::event_queue::EventQueue;
use downpour_core::units::Offset;
use downpour_load::client::{Budget, LastAttempt, NextStep, RetryState, retry_rng};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

#[derive(Clone, Copy)]
enum ContentionEvent {
    /// A read comes in.
    Read,
    /// The version comes back.
    Write(u32),
    /// A write that is based on a version comes in.
    Written(u32),
    /// What came of it comes back.
    Told(bool),
}

/// A normally distributed delay, nearly: the mean of twelve draws.
fn hop(random: &mut ChaCha8Rng) -> Duration {
    let sum: f64 = (0..12).map(|_| f64::from(random.next_u32()) / f64::from(u32::MAX)).sum();
    Duration::from_secs_f64((10.0 + 2.0 * (sum - 6.0)).max(0.0) / 1e3)
}

/// Writes until all of `clients` have had theirs, and how long that took.
fn contest(client: &ClientModel, clients: u32, seed: u64) -> (u32, Duration) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut agenda = EventQueue::new();
    let mut budget = Budget::new(client.budget);
    let mut states: Vec<RetryState> = (0..clients).map(|_| client.begin(&mut budget)).collect();
    for of in 0..clients {
        agenda.schedule(Offset::from(hop(&mut random)), (of, ContentionEvent::Read));
    }
    let (mut version, mut writes) = (0, 0);
    let mut end = Offset::ZERO;
    while let Some((now, (of, step))) = agenda.next() {
        end = now;
        let next = match step {
            ContentionEvent::Read => ContentionEvent::Write(version),
            ContentionEvent::Write(read) => ContentionEvent::Written(read),
            ContentionEvent::Written(read) => {
                writes += 1;
                let is_first = read == version;
                version += u32::from(is_first);
                ContentionEvent::Told(is_first)
            }
            ContentionEvent::Told(true) => continue,
            ContentionEvent::Told(false) => {
                let state = &mut states[of as usize];
                let mut drawn = retry_rng(seed, u64::from(of), state);
                let NextStep::RetryAfter(wait) =
                    client.next(state, &mut budget, LastAttempt::answered(503, None, None), &mut drawn)
                else {
                    panic!("a hundred attempts were not enough");
                };
                agenda.schedule(now.after(wait).after(hop(&mut random)), (of, ContentionEvent::Read));
                continue;
            }
        };
        agenda.schedule(now.after(hop(&mut random)), (of, next));
    }
    (writes, end.as_duration())
}

#[test]
fn more_jitter_makes_fewer_calls() {
    const TRIALS: u64 = 20;
    let backoff = "delays = { base = \"5ms\", factor = 2, cap = \"2s\" }\n";
    let kinds = [
        ("full", format!("{backoff}jitter = \"full\"")),
        ("equal", format!("{backoff}jitter = \"equal\"")),
        ("decorrelated", format!("{backoff}jitter = \"decorrelated\"")),
        ("exponential", backoff.to_owned()),
        ("none", "delays = [\"0s\"]".to_owned()),
    ];
    let calls = kinds.map(|(name, lines)| {
        let client = written(&format!("attempts = 100\nstatuses = [503]\n{lines}"));
        let writes: u32 = (0..TRIALS).map(|seed| contest(&client, 50, seed).0).sum();
        (name, f64::from(writes) / 20.0)
    });
    let [full, equal, decorrelated, exponential, none] = calls.map(|(_, writes)| writes);
    assert!(full <= equal, "{calls:?}");
    assert!(equal < decorrelated && decorrelated < exponential && exponential < none, "{calls:?}");
    // About half as many as without any, as the study has it.
    assert!(full < 0.6 * none, "{calls:?}");
}
