//! Clients that try again: exact counts and times, on the paused clock.

use super::*;
use downpour_core::agent::ClientKind;
use downpour_load::client::sessions;
use downpour_load::client::{
    Budget, ClientMix, ClientModel, ClientModels, GiveUp, LastAttempt, NextStep, retry_rng,
};
use downpour_metrics::{Accounting, Counts, DownloadEnd};
use downpour_trace::client::ClientKeys;

const SEED: u64 = 7;

fn built_in(name: &str) -> ClientModel {
    ClientModels::built_in().find(name).unwrap().clone()
}

fn written(lines: &str) -> ClientModel {
    let text = format!("[[client]]\nname = \"own\"\n{lines}\n");
    ClientModels::parse(&text, "own.toml").unwrap().find("own").unwrap().clone()
}

fn scene(model: ClientModel, rate: u64, paths: Vec<String>) -> TestRun {
    let clients = ClientMix::of(model);
    let plan = ClientPlan {
        clients,
        session_gap: sessions::SESSION_GAP,
        session_max: sessions::SESSION_MAX,
        seed: SEED,
    };
    TestRun { clients: Some(plan), ..TestRun::of(rate, paths) }
}

fn alike(model: ClientModel, rate: u64, arrivals: usize, path: &str) -> TestRun {
    scene(model, rate, vec![path.to_owned(); arrivals])
}

fn one_client() -> Option<ClientKey> {
    ClientKeys::seeded(SEED).of(b"192.0.2.1")
}

/// Plays a scene, and holds what it left behind against each other.
#[track_caller]
fn play(scene: TestRun) -> Totals {
    let (totals, _) = scene.play(origin().0);
    Accounting::so_far(&totals).unwrap();
    let Counts { arrivals, attempts, retries, .. } = &totals.counts;
    assert_eq!(arrivals.offered, arrivals.settled());
    let never_sent = totals.counts.faults.get(Fault::ClientAborted).count;
    let over = arrivals.passed + arrivals.recovered + arrivals.failed - never_sent;
    assert_eq!(retries.by_attempts.values().sum::<u64>(), over);
    if arrivals.unfinished == 0 {
        let attempts_of_all: u64 = retries.by_attempts.iter().map(|(&n, count)| u64::from(n) * count).sum();
        assert_eq!(attempts_of_all, attempts.total());
        assert_eq!(retries.ended.values().sum::<u64>(), arrivals.failed - never_sent);
    }
    totals
}

/// When a download is over whose attempts all take `answer_ms` and end in 503,
/// from when it was due, in microseconds. Timers of the simulation tick in
/// milliseconds.
fn gives_up_after_us(model: &ClientModel, arrival: u64, answer_ms: u64) -> u64 {
    let mut budget = Budget::new(model.budget);
    let mut state = model.begin(&mut budget);
    let mut done_ms = answer_ms;
    loop {
        let mut random = retry_rng(SEED, arrival, &state);
        let last = LastAttempt::answered(503, Some(Fault::StatusServerError), None);
        match model.next(&mut state, &mut budget, last, &mut random) {
            NextStep::RetryAfter(wait) => {
                done_ms += u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap() + answer_ms;
            }
            NextStep::GiveUp(_) => return done_ms * 1_000,
        }
    }
}

#[test]
fn cargo_asks_four_times_and_waits_as_its_source_says() {
    let cargo = built_in("cargo-1.70");
    let totals = play(alike(cargo.clone(), 10, 20, "/down-10"));
    let counts = &totals.counts;
    assert_eq!((counts.arrivals.offered, counts.arrivals.failed), (20, 20));
    assert_eq!((counts.attempts.first, counts.attempts.retries), (20, 60));
    assert_eq!(counts.attempts.statuses.get(&503), Some(&80));
    assert_eq!(counts.retries.by_attempts, [(4, 20)].into());
    assert_eq!(counts.retries.count_of(DownloadEnd::GaveUp(GiveUp::Exhausted)), 20);
    let expected = (0..20).map(|arrival| gives_up_after_us(&cargo, arrival, 10));
    let latency = &totals.times.latency_failed;
    assert_eq!((latency.min(), latency.max()), (expected.clone().min().unwrap(), expected.max().unwrap()));
    // A retry has a due time of its own.
    assert!(totals.times.lateness.max() < 1_000, "{}", totals.times.lateness.max());
    assert_eq!((totals.times.service.min(), totals.times.service.max()), (10_000, 10_000));
}

#[test]
fn what_helps_is_a_recovery_whose_latency_holds_the_wait() {
    let model = written("attempts = 3\ndelays = [\"200ms\"]\nstatuses = [\"5xx\"]");
    let paths = (0..30).map(|n| format!("/flaky-10?{n}")).chain(["/good-10".to_owned()]).collect();
    let totals = play(scene(model, 100, paths));
    let counts = &totals.counts;
    assert_eq!((counts.arrivals.passed, counts.arrivals.recovered, counts.arrivals.failed), (1, 30, 0));
    assert_eq!((counts.attempts.first, counts.attempts.retries), (31, 30));
    assert_eq!(counts.retries.by_attempts, [(1, 1), (2, 30)].into());
    assert_eq!(counts.retries.hidden_by_retries.get(Fault::StatusServerError).count, 30);
    assert_eq!((totals.times.latency.min(), totals.times.latency.max()), (10_000, 220_000));
    assert!(counts.faults.total() == 0 && totals.times.latency_failed.is_empty());
    // What every retry hides is counted by attempt, and has examples.
    let (wrong, saved) = (&counts.wrong_attempts, &counts.saved_by_retries);
    assert_eq!((wrong.get(Fault::StatusServerError).count, wrong.total()), (30, 30));
    assert_eq!((saved.get(Fault::StatusServerError).count, saved.total()), (30, 30));
    let examples = totals.examples.of(Fault::StatusServerError);
    assert_eq!((examples.len(), examples[0].path.as_str()), (2, "/flaky-10?x"));
}

/// A download that fails for good after 11 seconds was wrong from the start.
#[test]
fn a_fault_is_seen_from_the_first_attempt_to_the_last() {
    let cargo = built_in("cargo-1.70");
    let last_us = gives_up_after_us(&cargo, 0, 10);
    let counts = play(alike(cargo, 10, 1, "/down-10")).counts;
    let fault = Fault::StatusServerError;
    let (wrong, failed) = (counts.wrong_attempts.get(fault), counts.faults.get(fault));
    assert_eq!((wrong.count, failed.count, counts.saved_by_retries.total()), (4, 1, 0));
    let us = |at: Offset| at.as_micros();
    assert_eq!(wrong.seen.map(|(first, last)| (us(first), us(last))), Some((10_000, last_us)));
    assert_eq!(failed.seen.map(|(first, _)| us(first)), Some(last_us));
}

#[test]
fn an_answer_may_say_when_to_come_back() {
    let totals = play(alike(built_in("cargo-1.89"), 10, 5, "/told-10"));
    assert_eq!((totals.counts.attempts.first, totals.counts.attempts.retries), (5, 15));
    let latency = &totals.times.latency_failed;
    assert_eq!((latency.min(), latency.max()), (9_040_000, 9_040_000));
    // cargo did not look at it before.
    let cargo = built_in("cargo-1.70");
    let older = play(alike(cargo.clone(), 10, 1, "/told-10"));
    assert_eq!(older.times.latency_failed.max(), gives_up_after_us(&cargo, 0, 10));
}

#[test]
fn a_budget_is_that_of_the_whole_session() {
    let lines = "attempts = 2\ndelays = [\"100ms\"]\nstatuses = [\"5xx\"]\nbudget = { ratio = \"10%\" }";
    let scene = TestRun { client: one_client(), ..alike(written(lines), 1_000, 100, "/down-10") };
    let counts = play(scene).counts;
    assert_eq!((counts.attempts.first, counts.attempts.retries), (100, 10));
    assert_eq!(counts.retries.count_of(DownloadEnd::GaveUp(GiveUp::Budget)), 90);
    assert_eq!(counts.retries.count_of(DownloadEnd::GaveUp(GiveUp::Exhausted)), 10);
}

#[test]
fn a_storm_over_the_limit_is_shed_and_ends() {
    // A thousand a second for 10 ms each, then each of them twice more: three
    // thousand a second do not fit into 15 in flight.
    let model = written("attempts = 3\ndelays = [\"50ms\"]\nstatuses = [\"5xx\"]");
    let totals = play(TestRun { in_flight: 15, ..alike(model, 1_000, 500, "/down-10") });
    let Counts { arrivals, attempts, retries, .. } = &totals.counts;
    assert_eq!(arrivals.failed + arrivals.shed, 500);
    assert!(retries.shed() > 0 && retries.shed() < attempts.first, "{retries:?}");
    assert_eq!(attempts.first, arrivals.failed);
    assert_eq!(totals.counts.faults.get(Fault::StatusServerError).count, arrivals.failed);
}

#[test]
fn what_nobody_remembers_is_not_tried_again() {
    // The scene remembers a thousand downloads that wait.
    let model = written("attempts = 2\ndelays = [\"10s\"]\nstatuses = [\"5xx\"]");
    let counts = play(alike(model, 1_000, 1_200, "/down-0")).counts;
    assert_eq!((counts.retries.count_of(DownloadEnd::NoRoom), counts.attempts.retries), (200, 1_000));
}

#[test]
fn a_client_that_gives_up_takes_its_session_with_it() {
    let cargo = built_in("cargo-1.70");
    let end_us = gives_up_after_us(&cargo, 0, 10);
    let scene = TestRun { client: one_client(), ..alike(cargo, 1, 30, "/down-10") };
    let totals = play(scene);
    let counts = &totals.counts;
    let sent = end_us / 1_000_000 + 1;
    assert_eq!(counts.attempts.first, sent);
    assert_eq!((counts.arrivals.offered, counts.arrivals.failed), (30, 30));
    assert_eq!(counts.faults.get(Fault::ClientAborted).count, 30 - sent);
    assert_eq!(counts.faults.get(Fault::StatusServerError).count, sent);
    assert_eq!(counts.retries.count_of(DownloadEnd::GaveUp(GiveUp::Exhausted)), 1);
    assert_eq!(counts.retries.count_of(DownloadEnd::Aborted), sent - 1);
    // Nobody waits for longer than the first.
    assert_eq!(totals.times.latency_failed.max(), end_us);
    // Clients that nobody knows end alone.
    let strangers = play(alike(built_in("cargo-1.70"), 1, 30, "/down-10")).counts;
    assert_eq!((strangers.attempts.first, strangers.attempts.retries), (30, 90));
}

#[test]
fn what_waits_for_a_retry_when_the_run_ends_has_failed() {
    let cargo = built_in("cargo-1.70");
    let totals = play(TestRun { grace_ms: 400, ..alike(cargo.clone(), 1_000, 5, "/down-10") });
    let counts = &totals.counts;
    assert_eq!((counts.arrivals.unfinished, counts.arrivals.failed), (0, 5));
    assert_eq!((counts.attempts.total(), counts.attempts.unfinished), (5, 0));
    assert_eq!(counts.faults.get(Fault::StatusServerError).count, 5);
    assert_eq!((counts.retries.waiting_at_end, counts.retries.count_of(DownloadEnd::RunOver)), (5, 5));
    assert_eq!(counts.retries.retry_after_max, None);
    let totals = play(TestRun { stop: Some((600, Phase::Stopping)), ..alike(cargo, 10, 20, "/down-10") });
    // The seventh is still on the wire, and never had an answer.
    let arrivals = totals.counts.arrivals;
    assert_eq!((arrivals.offered, arrivals.failed, arrivals.unfinished), (7, 6, 1));
    // The wait that an answer asked for is known.
    let told = play(TestRun { grace_ms: 400, ..alike(built_in("cargo-1.89"), 10, 1, "/told-10") });
    assert_eq!((told.counts.arrivals.failed, told.counts.retries.waiting_at_end), (1, 1));
    assert_eq!(told.counts.retries.retry_after_max, Some(Duration::from_secs(3)));
}

#[test]
fn a_retry_under_way_when_the_run_ends_does_not_undo_the_failure() {
    let model = written("attempts = 3\ndelays = [\"100ms\"]\nstatuses = [\"5xx\"]");
    // Half a second for each answer: the run ends in the second attempt.
    let scene = alike(model, 1_000, 5, "/down-500");
    let totals = play(TestRun { stop: Some((800, Phase::Stopping)), ..scene });
    let counts = &totals.counts;
    assert_eq!((counts.arrivals.unfinished, counts.arrivals.failed), (0, 5));
    assert_eq!(
        (counts.attempts.total(), counts.attempts.unfinished, counts.retries.waiting_at_end),
        (10, 5, 0)
    );
    assert_eq!(counts.retries.by_attempts, [(2, 5)].into());
    assert_eq!(counts.faults.get(Fault::StatusServerError).count, 5);
}

#[test]
fn retries_of_the_warm_up_are_not_counted() {
    let model = written("attempts = 2\ndelays = [\"2s\"]\nstatuses = [\"5xx\"]");
    let totals = play(TestRun { warmup_ms: 500, ..alike(model, 10, 10, "/down-10") });
    let counts = &totals.counts;
    assert_eq!((counts.warmup.arrivals.failed, counts.warmup.attempts.retries), (5, 5));
    assert_eq!((counts.arrivals.failed, counts.attempts.retries), (5, 5));
    assert_eq!(counts.retries.by_attempts, [(2, 5)].into());
}

#[test]
fn equal_seeds_give_equal_seconds() {
    let play = || {
        let scene = alike(built_in("cargo-1.70"), 100, 300, "/down-10");
        let (totals, _) = scene.play(origin().0);
        (totals.counts, totals.times.latency_failed.max())
    };
    assert_eq!(play(), play());
}

#[test]
fn each_client_of_a_mix_follows_its_own_model() {
    let kind = |agent: &str| ClientKind::of(agent.as_bytes());
    let agents = ["cargo/1.80.0 (376290515 2024-07-16)", "pip/25.0 {}", "Mozilla/5.0"];
    let clients = ClientMix::by_agent(&ClientModels::built_in());
    let plan =
        ClientPlan { clients, session_gap: Duration::ZERO, session_max: sessions::SESSION_MAX, seed: SEED };
    let scene = TestRun::of(10, vec!["/down-10".to_owned(); 30]);
    let totals = play(TestRun { clients: Some(plan), kinds: agents.map(kind).to_vec(), ..scene });
    let of = |name: &str| {
        let (_, counts) = totals.counts.clients.iter().find(|(kind, _)| kind.preset() == name).unwrap();
        (counts.arrivals.offered, counts.arrivals.failed, counts.first, counts.retries)
    };
    assert_eq!(
        (of("cargo-1.70"), of("pip"), of("none")),
        ((10, 10, 10, 30), (10, 10, 10, 50), (10, 10, 10, 0))
    );
    assert_eq!(totals.counts.clients.iter().count(), 3);
}

#[test]
fn what_runs_a_client_again_begins_the_whole_session_anew() {
    let lines = "attempts = 2\ndelays = [\"100ms\"]\nstatuses = [\"5xx\"]\non-failure = \"abort\"\n\
                 outer-loop = { runs = 2, pause = \"1s\" }";
    let scene = TestRun { client: one_client(), ..alike(written(lines), 100, 3, "/down-15") };
    let totals = play(scene);
    // The first download fails its run at 130 ms. Meanwhile the second is asked
    // for the second time, and the third never is: all begin again at 1,130.
    assert_eq!(totals.counts.retries.by_attempts, [(3, 1), (4, 2)].into());
    assert_eq!(totals.counts.arrivals.failed, 3);
    assert_eq!(totals.times.latency_failed.max(), 1_260_000);
}

#[test]
fn a_client_has_the_patience_of_its_model() {
    let impatient = |timeouts: &str| {
        let lines =
            format!("attempts = 2\ndelays = [\"100ms\"]\nfaults = [\"timeout\"]\ntimeouts = {timeouts}");
        play(alike(written(&lines), 10, 3, "/silent-0"))
    };
    let total = impatient("{ total = \"50ms\" }");
    assert_eq!(total.counts.attempts.faults.get(Fault::TimeoutTotal).count, 6);
    assert_eq!(total.times.latency_failed.max(), 200_000);
    let read = impatient("{ read = \"70ms\" }");
    assert_eq!(read.counts.attempts.faults.get(Fault::TimeoutFirstByte).count, 6);
    // The run's own limit is the most.
    let scene = alike(built_in("npm"), 10, 1, "/silent-0");
    let counts = play(TestRun { timeout_ms: 20, grace_ms: 90_000, ..scene }).counts;
    assert_eq!(counts.attempts.faults.get(Fault::TimeoutTotal).count, 3);
}
