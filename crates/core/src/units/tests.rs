//! Units read, told and reckoned with.

use super::*;

#[track_caller]
fn check_rate(text: &str, per_second: Option<f64>) {
    let parsed = text.parse::<Rate>().ok().map(Rate::per_second_f64);
    assert_eq!(parsed, per_second, "{text}");
}

#[test]
fn rates_as_users_of_other_tools_write_them() {
    check_rate("4700", Some(4700.0));
    check_rate("4.7k", Some(4700.0));
    check_rate("4.7k/s", Some(4700.0));
    check_rate("282k/m", Some(4700.0));
    check_rate("50/1s", Some(50.0));
    check_rate("1/10s", Some(0.1));
    check_rate("0.5/s", Some(0.5));
    check_rate("1m", Some(1_000_000.0));
    for wrong in ["", "0", "-1", "x", "1/", "1/0s", "1/fortnight", "1.2.3", ".", "1e3", "1/s/s"] {
        check_rate(wrong, None);
    }
}

#[test]
fn a_rate_is_multiplied() {
    let of = |rate: &str, factor: &str| rate.parse::<Rate>().unwrap().times(factor.parse().unwrap());
    assert_eq!(of("1495/s", "0.1x"), "149.5/s".parse().unwrap());
    assert_eq!(of("1/3s", "3x"), "1/s".parse().unwrap());
    let most = Rate::new(NonZeroU64::MAX, NonZeroU64::MAX);
    assert!((most.times("7x".parse().unwrap()).per_second_f64() / 7e9 - 1.0).abs() < 1e-9);
}

#[test]
fn due_times_do_not_overflow_within_a_year_at_a_million_a_second() {
    let rate = Rate::per_second(NonZeroU64::new(1_000_000).unwrap());
    let year = 365 * 24 * 3_600;
    assert_eq!(rate.due(year * 1_000_000).second(), year);
}

#[test]
fn arrivals_before_an_end_are_exactly_those_due_before_it() {
    for (rate, end_s, count) in [("4700", 60, 282_000), ("3", 1, 3), ("1/10s", 25, 3), ("7", 0, 0)] {
        let rate: Rate = rate.parse().unwrap();
        let end = Offset::from_nanos(end_s * NANOS_PER_SECOND);
        assert_eq!(rate.due_before(end), count);
        assert!(rate.due(count) >= end);
        assert!(count == 0 || rate.due(count - 1) < end);
    }
}

#[test]
fn durations_and_counts() {
    assert_eq!(parse_duration("500ms").unwrap(), Duration::from_millis(500));
    assert_eq!(parse_duration("1h30m").unwrap(), Duration::from_mins(90));
    assert_eq!(parse_duration("20").unwrap(), Duration::from_secs(20));
    assert_eq!(parse_duration("0.25").unwrap(), Duration::from_millis(250));
    assert!(parse_duration("-3s").is_err());
    assert!(parse_duration("soon").is_err());
    assert_eq!(parse_count("10k").unwrap(), 10_000);
    assert_eq!(parse_count("1.5m").unwrap(), 1_500_000);
    assert!(parse_count("1.5").is_err());
}

#[test]
fn factors_shrink_gaps() {
    assert_eq!("2x".parse::<Factor>().unwrap().shrink(3_000), 1_500);
    assert_eq!("0.5".parse::<Factor>().unwrap().shrink(3_000), 6_000);
    assert_eq!("2.5x".parse::<Factor>().unwrap().stretch(3), 7);
    assert!("0x".parse::<Factor>().is_err());
    assert!("2kx".parse::<Factor>().is_err());
}
