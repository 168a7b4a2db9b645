//! Due times, windows, passes, samples and copies.

use super::profile::Profile;
use super::sample::SampleUnit;
use super::*;
use bytes::Bytes;
use downpour_core::units::Factor;
use proptest::prelude::*;

fn request(at_ms: i64) -> TraceRequest {
    TraceRequest {
        at: Some(Stamp::from_nanos(at_ms * 1_000_000)),
        method: Method::Get,
        target: Bytes::from_static(b"/x"),
        status: None,
        client: None,
        kind: ClientKind::NONE,
    }
}

/// When a request is due, in milliseconds; `None` if it is not.
fn place(schedule: &mut Schedule, request: TraceRequest) -> Option<u64> {
    schedule.offer(request);
    match schedule.next_arrival() {
        Some(ScheduleOutcome::Due(arrival)) => Some(arrival.due.as_micros() / 1_000),
        Some(ScheduleOutcome::BeyondLimits | ScheduleOutcome::Unsendable | ScheduleOutcome::MissingTime)
        | None => None,
    }
}

#[track_caller]
fn check(pace: &str, window: RunLimits, stamps_ms: &[i64], due_ms: &[u64]) {
    let mut schedule = Schedule::new(pace.parse().unwrap(), window);
    let placed: Vec<u64> = stamps_ms.iter().map_while(|&at| place(&mut schedule, request(at))).collect();
    assert_eq!(placed, due_ms);
}

#[test]
fn recorded_gaps_are_kept_or_scaled() {
    let all = RunLimits::default();
    check("recorded", all, &[5_000, 5_010, 5_010, 5_400], &[0, 10, 10, 400]);
    check("2x", all, &[5_000, 5_010, 5_400], &[0, 5, 200]);
    check("0.5x", all, &[5_000, 5_010], &[0, 20]);
    check("max", all, &[5_000, 5_010], &[0, 0]);
    check("100/s", all, &[5_000, 5_001, 99_000], &[0, 10, 20]);
}

#[test]
fn the_window_ends_before_its_end() {
    let two = RunLimits { requests: Some(2), duration: None };
    check("recorded", two, &[0, 1, 2], &[0, 1]);
    let short = RunLimits { requests: None, duration: Some(Duration::from_millis(10)) };
    check("recorded", short, &[0, 9, 10, 11], &[0, 9]);
}

#[test]
fn another_pass_begins_one_mean_gap_after_the_last() {
    let mut schedule = Schedule::new(Pace::AS_RECORDED, RunLimits::default());
    let mut due = Vec::new();
    for _ in 0..2 {
        for at in [100, 110, 140] {
            due.extend(place(&mut schedule, request(at)));
        }
        schedule.begin_pass();
    }
    assert_eq!(due, [0, 10, 40, 60, 70, 100]);
}

#[test]
fn when_clients_asked_is_told_in_the_log_s_time_at_any_pace() {
    let asked = |pace: &str, stamps_ms: [Option<i64>; 3]| {
        let mut schedule = Schedule::new(pace.parse().unwrap(), RunLimits::default());
        let mut asked = Vec::new();
        for _ in 0..2 {
            for at in stamps_ms {
                let at = at.map(|ms| Stamp::from_nanos(ms * 1_000_000));
                schedule.offer(TraceRequest { at, ..request(0) });
                if let Some(ScheduleOutcome::Due(arrival)) = schedule.next_arrival() {
                    asked.push(arrival.recorded_offset.as_micros() / 1_000);
                }
            }
            schedule.begin_pass();
        }
        asked
    };
    let stamps = [100, 110, 140].map(Some);
    for pace in ["recorded", "100x", "0.5x", "1k/s", "max"] {
        assert_eq!(asked(pace, stamps), [0, 10, 40, 60, 70, 100], "{pace}");
    }
    // Without times, it is the run's.
    assert_eq!(asked("100/s", [None; 3]), [0, 10, 20, 30, 40, 50]);
}

#[test]
fn gaps_beyond_the_most_are_shortened_in_every_pass() {
    let all = Schedule::new(Pace::AS_RECORDED, RunLimits::default());
    let mut schedule = all.with_max_gap(Some(Duration::from_millis(50)));
    let mut due = Vec::new();
    for _ in 0..2 {
        for at in [100, 110, 9_000, 9_050, 99_000] {
            due.extend(place(&mut schedule, request(at)));
        }
        schedule.begin_pass();
    }
    assert_eq!(due, [0, 10, 60, 110, 160, 200, 210, 260, 310, 360]);
}

#[test]
fn a_request_without_a_time_has_no_recorded_place() {
    let timeless = TraceRequest { at: None, ..request(0) };
    let mut schedule = Schedule::new(Pace::AS_RECORDED, RunLimits::default());
    schedule.offer(timeless.clone());
    assert!(matches!(schedule.next_arrival(), Some(ScheduleOutcome::MissingTime)));
    assert!(schedule.has_pending());
    let mut schedule = Schedule::new("10".parse().unwrap(), RunLimits::default());
    assert_eq!(place(&mut schedule, timeless), Some(0));
}

proptest! {
    #[test]
    fn due_times_never_decrease(mut stamps in prop::collection::vec(0_i64..100_000, 1..50), speed in 1_u32..9) {
        stamps.sort_unstable();
        let mut schedule = Schedule::new(format!("{speed}x").parse().unwrap(), RunLimits::default());
        let due: Vec<_> = stamps.iter().map_while(|&at| place(&mut schedule, request(at))).collect();
        prop_assert_eq!(due.len(), stamps.len());
        prop_assert!(due.is_sorted());
    }

    #[test]
    fn copies_come_in_order_and_none_is_lost(
        mut stamps in prop::collection::vec(0_i64..3_000, 1..50), factor in 1_u64..5, seed: u64
    ) {
        stamps.sort_unstable();
        let factor_given = factor.to_string().parse().unwrap();
        let mut schedule = Schedule::new(Pace::AS_RECORDED, RunLimits::default())
            .with_amplifier(Amplifier::new(factor_given, Factor::ONE, seed));
        let mut dues = Vec::new();
        let mut note = |placed| if let ScheduleOutcome::Due(Arrival { due, .. }) = placed { dues.push(due) };
        for &at in &stamps {
            schedule.offer(request(at));
            while let Some(placed) = schedule.next_arrival() {
                note(placed);
            }
        }
        while let Some(placed) = schedule.next_remaining_copy() {
            note(placed);
        }
        prop_assert!(dues.is_sorted());
        prop_assert_eq!(dues.len() as u64, stamps.len() as u64 * factor);
        let expected = stamps.len() as u64 * (factor - 1);
        prop_assert_eq!(schedule.counts().copies, expected);
    }
}

#[test]
fn a_profile_and_a_process_end_where_their_time_does() {
    let stages = ["0s:10/s", "1s:10/s"].map(|stage| stage.parse().unwrap());
    let pace = Pace::Profile(Profile::new(stages.to_vec()).unwrap());
    let mut even = Schedule::new(pace.clone(), RunLimits::default());
    let due: Vec<_> = (0..50).map_while(|_| place(&mut even, request(0))).collect();
    assert_eq!(due, [100, 200, 300, 400, 500, 600, 700, 800, 900, 1_000]);
    assert!(even.has_pending());
    let mut random = Schedule::new(pace, RunLimits::default()).with_spacing(Spacing::Poisson, 4);
    let due: Vec<_> = (0..50).map_while(|_| place(&mut random, request(0))).collect();
    assert!((1..50).contains(&due.len()) && due.is_sorted(), "{due:?}");
    assert_eq!(random.counts().arrivals, due.len() as u64);
}

#[test]
fn what_a_sample_leaves_out_still_takes_its_time() {
    let target = |n: i64| TraceRequest { target: format!("/{n}").into(), ..request(n * 10) };
    let sample = Sample::of("50%".parse().unwrap(), SampleUnit::Target, 0);
    let mut schedule = Schedule::new(Pace::AS_RECORDED, RunLimits::default()).with_sample(sample);
    let mut placed = Vec::new();
    for pass in 0..2 {
        for n in 0..100 {
            let due = place(&mut schedule, target(n));
            let kept = sample.keeps(&target(n));
            assert_eq!(due, kept.then_some(u64::try_from(n * 10 + pass * 1_000).unwrap()));
            placed.extend(due);
        }
        schedule.begin_pass();
    }
    let counts = schedule.counts();
    assert_eq!((counts.arrivals, counts.sampled_out), (placed.len() as u64, 200 - placed.len() as u64));
    assert!((50..150).contains(&placed.len()));
}
