//! What clients were seen to do, what mathematics says they must, and the storm
//! they make together.

mod measured;
mod oracles;
mod storm;

use super::*;
use rand_chacha::rand_core::SeedableRng;

fn model(name: &str) -> ClientModel {
    ClientModels::built_in().find(name).unwrap().clone()
}

/// A model of a user's own, from the lines of its table after the name.
fn written(lines: &str) -> ClientModel {
    let text = format!("[[client]]\nname = \"own\"\n{lines}\n");
    ClientModels::parse(&text, "own.toml").unwrap().find("own").unwrap().clone()
}

fn random(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// All waits of a download whose attempts all end in the same way, and why the
/// client gives up.
fn waits(model: &ClientModel, last: LastAttempt, seed: u64) -> (Vec<Duration>, GiveUp) {
    let mut budget = Budget::new(model.budget);
    let mut state = model.begin(&mut budget);
    let mut waits = Vec::new();
    let random = &mut random(seed);
    loop {
        match model.next(&mut state, &mut budget, last, random) {
            NextStep::RetryAfter(wait) => waits.push(wait),
            NextStep::GiveUp(reason) => return (waits, reason),
        }
    }
}

/// Downloads, each attempt of which fails as `fails` says: attempts and
/// downloads that ended well.
fn played(
    model: &ClientModel,
    budget: &mut Budget,
    downloads: u32,
    mut fails: impl FnMut() -> bool,
) -> (u32, u32) {
    let last = LastAttempt::answered(503, None, None);
    let (mut attempts, mut passed) = (0, 0);
    let random = &mut random(0);
    for _ in 0..downloads {
        let mut state = model.begin(budget);
        loop {
            attempts += 1;
            if !fails() {
                model.succeeded(&state, budget);
                passed += 1;
                break;
            }
            if let NextStep::GiveUp(_) = model.next(&mut state, budget, last, random) {
                break;
            }
        }
    }
    (attempts, passed)
}
