//! Logs whose lines are out of order, or whose clocks are wrong.

use super::*;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;

/// The targets in order and the books, with room for `most` records, of which
/// `least` wait at least.
fn read_of(
    log: String,
    (most, least): (usize, usize),
    window: Option<Duration>,
) -> (Vec<Bytes>, TraceAccounting) {
    let options = ReadOptions { reorder_window: window, ..ReadOptions::default() };
    let mut source = Source::over(vec![("memory".to_owned(), log.into())], options).unwrap();
    (source.pass.max_pending, source.pass.min_pending) = (most, least);
    let requests: Vec<_> = std::iter::from_fn(|| source.next().unwrap()).collect();
    assert!(requests.is_sorted_by_key(|request| request.at));
    let books = source.accounting().clone();
    assert!(books.is_balanced(requests.len() as u64));
    (requests.into_iter().map(|request| request.target).collect(), books)
}

/// The same with an hour's window and no least.
fn read(log: String, most: usize) -> (Vec<Bytes>, TraceAccounting) {
    read_of(log, (most, 0), Some(Duration::from_hours(1)))
}

const SECOND: i64 = 1_000_000_000;
const YEAR: i64 = 365 * 86_400;
const START: i64 = 1_772_719_380;

/// A line a second of these.
fn log_of(seconds: impl IntoIterator<Item = i64>) -> String {
    let line = |(i, second): (usize, i64)| format!("{{\"at_ns\":{},\"target\":\"/{i}\"}}\n", second * SECOND);
    seconds.into_iter().enumerate().map(line).collect()
}

#[test]
fn a_full_waiting_room_hands_out_its_oldest_early() {
    // More lines than a batch, then one that belongs before all of them.
    let count = 2 * BATCH;
    let line = |at: usize| format!("{{\"at_ns\":{at},\"target\":\"/{at}\"}}\n");
    let log = (1..=count).chain([0]).map(line).collect::<String>();
    let (all, books) = read(log.clone(), MAX_PENDING_RECORDS);
    assert_eq!((all.len(), books.late), (count + 1, 0));
    let (some, books) = read(log, 10);
    assert_eq!((some.len(), books.late), (count, 1));
}

#[test]
fn lines_that_are_all_left_out_are_no_reason_to_wait_for_their_end() {
    let line = "192.0.2.1 - - [05/Mar/2026:14:03:07 +0000] \"POST / HTTP/1.1\" 200 1\n";
    let log = line.repeat(400_000);
    let mut source = Source::over(vec![("memory".to_owned(), log.into())], ReadOptions::default()).unwrap();
    assert_eq!(source.next_or_idle().unwrap(), ReadOutcome::Idle);
    assert!(source.accounting().filtered["method"] < 400_000);
}

#[test]
fn a_quiet_stream_does_not_keep_others_from_being_read() {
    let (first, mut to_first) = io::pipe().unwrap();
    let (second, mut to_second) = io::pipe().unwrap();
    to_first.write_all(log_of([START]).as_bytes()).unwrap();
    to_second.write_all(log_of([START + 1]).as_bytes()).unwrap();
    let names = [&first, &second].map(|pipe| format!("/dev/fd/{}", pipe.as_raw_fd()));
    let live = Some(Stamp::from_nanos(START * SECOND));
    let mut source = Source::open(&names, ReadOptions { live, ..ReadOptions::default() }).unwrap();
    to_second.write_all(log_of((0..1_000).map(|i| START + 2 + i)).as_bytes()).unwrap();
    while source.accounting().read < 1_002 {
        assert_eq!(source.next_or_idle().unwrap(), ReadOutcome::Idle);
    }
    // Its lines still find their place.
    to_first.write_all(log_of((0..100).map(|i| START + 2 + i)).as_bytes()).unwrap();
    drop((to_first, to_second));
    let requests: Vec<_> = std::iter::from_fn(|| source.next().unwrap()).collect();
    assert_eq!((requests.len(), source.accounting().late), (1_102, 0));
}

#[test]
fn seconds_that_are_drawn_early_stay_in_order() {
    let line = |i: usize| {
        let second = i / 100;
        format!("192.0.2.1 - - [05/Mar/2026:14:03:{second:02} +0000] \"GET /{i} HTTP/1.1\" 200 1\n")
    };
    let log = (0..2_000).map(line).collect::<String>();
    let (all, _) = read(log.clone(), MAX_PENDING_RECORDS);
    let (early, books) = read(log, 150);
    assert_eq!(all.len(), 2_000);
    assert_eq!(early.len() as u64 + books.late, 2_000);
}

#[test]
fn files_joined_with_cat_are_put_in_order_as_far_as_room_allows() {
    let edges = || (0..3).flat_map(|edge| (0..1_200).map(move |i| START + 3 * i + edge));
    let (all, books) = read_of(log_of(edges()), (MAX_PENDING_RECORDS, MIN_PENDING_RECORDS), None);
    assert_eq!((all.len(), books.late), (3_600, 0));
    assert_eq!(all[..4], ["/0", "/1200", "/2400", "/1"]);
    assert_eq!(books.lost.window_needed_ns, 3_596_000_000_000);
    let (_, books) = read_of(log_of(edges()), (MAX_PENDING_RECORDS, 100), None);
    assert!(books.late > 1_500, "{}", books.late);
    assert_eq!(books.lost.by_reason["out_of_order"], books.late);
}

#[test]
fn a_wrong_clock_costs_its_own_lines() {
    let sound = |count: i64| (0..count).map(|i| START + i);
    let cases: [(&str, Vec<i64>, u64, u64); 5] = [
        ("1970 first", [7].into_iter().chain(sound(59)).collect(), 0, 1),
        ("2036 in the middle", sound(25).chain([START + 10 * YEAR]).chain(sound(25)).collect(), 1, 0),
        ("2036 last", sound(50).chain([START + 10 * YEAR]).collect(), 1, 0),
        (
            "three of 5,000 a year ahead",
            sound(5_000).map(|at| if at % 1_700 == 3 { at + YEAR } else { at }).collect(),
            sound(5_000).filter(|at| at % 1_700 == 3).count() as u64,
            0,
        ),
        (
            "one of 50 two hours ahead",
            sound(3_000).enumerate().map(|(i, at)| if i % 50 == 9 { at + 7_200 } else { at }).collect(),
            60,
            0,
        ),
    ];
    for (name, seconds, ahead, behind) in cases {
        for least in [0, MIN_PENDING_RECORDS] {
            let count = seconds.len() as u64;
            let (all, books) = read_of(log_of(seconds.clone()), (MAX_PENDING_RECORDS, least), None);
            let of = |reason| books.lost.by_reason.get(reason).copied().unwrap_or_default();
            assert_eq!((of("clock_ahead"), of("clock_behind")), (ahead, behind), "{name}");
            assert_eq!((all.len() as u64, books.late), (count - ahead - behind, ahead + behind), "{name}");
        }
    }
}

#[test]
fn a_clock_that_is_minutes_ahead_costs_nothing() {
    let seconds = (0..5_000).map(|i| START + i + if i % 50 == 9 { 600 } else { 0 });
    let (all, books) = read_of(log_of(seconds), (MAX_PENDING_RECORDS, 0), None);
    assert_eq!((all.len(), books.late), (5_000, 0));
}

/// Lines written at the end of exchanges, one a second; each hundredth took ten
/// minutes.
fn long_exchanges(count: i64) -> String {
    let line = |i: i64| {
        let (end, took) = (START + i, if i % 100 == 50 { "600.000" } else { "0.040" });
        let at = jiff::Timestamp::from_second(end).unwrap().strftime("%d/%b/%Y:%H:%M:%S +0000");
        format!("192.0.2.1 - - [{at}] \"GET /{i} HTTP/1.1\" 200 1 \"-\" \"curl/8\" {end}.000 {took}\n")
    };
    (0..count).map(line).collect()
}

#[test]
fn the_longest_exchanges_are_kept_where_lines_tell_the_end() {
    let (all, books) = read_of(long_exchanges(3_000), (MAX_PENDING_RECORDS, MIN_PENDING_RECORDS), None);
    assert_eq!((all.len(), books.late), (3_000, 0));
    assert!(books.lost.window_needed_ns > 590_000_000_000, "{}", books.lost.window_needed_ns);
    // With little room the first of them widen the window for the others.
    let (_, books) = read_of(long_exchanges(3_000), (MAX_PENDING_RECORDS, 0), None);
    assert_eq!(books.late, 0);
    // A window that was given is kept: those behind the first batch of lines are
    // lost, which is most of a kind, and said.
    let (_, books) = read_of(long_exchanges(3_000), (MAX_PENDING_RECORDS, 0), Some(Duration::from_secs(30)));
    assert_eq!((books.late, books.lost.long.lost, books.lost.long.records), (25, 25, 30));
    assert_eq!(books.lost.mostly_lost_group().unwrap().name, "exchanges of more than 30 s");
}
