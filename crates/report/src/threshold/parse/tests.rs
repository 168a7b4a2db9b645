//! Expressions as people write them, and as they mistype them.

use super::*;

/// What is read, in one spelling, with the bound in the measure's unit.
#[track_caller]
fn check(text: &str, read: &str, bound: f64) {
    let threshold: Threshold = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    let over = threshold.over_s().map_or_else(String::new, |seconds| format!(" over {seconds}s"));
    let told = format!("{}{over} {}", threshold.measure(), threshold.relation().sign());
    assert_eq!(told, read, "{text}");
    assert!((threshold.bound() - bound).abs() < 1e-9, "{text}: {}", threshold.bound());
    assert_eq!(threshold.to_string(), text.trim());
}

#[test]
fn expressions_as_people_write_them() {
    check("latency.p99 < 50ms", "latency.p99 <", 50_000.0);
    check("  latency.p99<50ms ", "latency.p99 <", 50_000.0);
    check("latency.p99.9 <= 1.5s", "latency.p99.9 <=", 1_500_000.0);
    check("latency.p99_99 <= 2m", "latency.p99.99 <=", 120_000_000.0);
    check("latency_failed.max < 250us", "latency_failed.max <", 250.0);
    check("service.mean < 0.5 ms", "service.mean <", 500.0);
    check("service.avg < 7µs", "service.mean <", 7.0);
    check("lateness.p(50) < 1ms", "lateness.p50 <", 1_000.0);
    check("latency.min > 0us", "latency.min >", 0.0);
    check("latency.p99 over 30s < 80ms", "latency.p99 over 30s <", 80_000.0);
    check("failed.rate over 1m<=0.1%", "failed.rate over 60s <=", 0.001);
    check("failed.rate <= 0.1%", "failed.rate <=", 0.001);
    check("failed.rate <= 0.001", "failed.rate <=", 0.001);
    check("good.rate >= 100%", "good.rate >=", 1.0);
    check("failed == 0", "failed.count ==", 0.0);
    check("failed.count < 1.5k", "failed.count <", 1_500.0);
    check("offered.per_s >= 4.7k/s", "offered.per_s >=", 4_700.0);
    check("completed.per_s > 4600", "completed.per_s >", 4_600.0);
    check("shed.per_s <= 0", "shed.per_s <=", 0.0);
    check("amplification < 1.05", "amplification <", 1.05);
    check("amplification < 2x", "amplification <", 2.0);
    check("fault(dns.nxdomain) == 0", "fault(dns.nxdomain).count ==", 0.0);
    check("fault( dns ).rate < 1%", "fault(dns).rate <", 0.01);
    check("fault(status.*) != 3", "fault(status).count !=", 3.0);
    check("status(302).rate >= 99%", "status(302).rate >=", 0.99);
    check("status(5xx) == 0", "status(5xx).count ==", 0.0);
    check("control.differ == 0", "control.differ.count ==", 0.0);
    check("control.differ.rate <= 0.5%", "control.differ.rate <=", 0.005);
}

#[test]
fn expressions_as_k6_writes_them() {
    check("p(99)<50", "latency.p99 <", 50_000.0);
    check("p(99.9) < 1500.5", "latency.p99.9 <", 1_500_500.0);
    check("p99<50ms", "latency.p99 <", 50_000.0);
    check("avg<200", "latency.mean <", 200_000.0);
    check("med <= 20", "latency.p50 <=", 20_000.0);
    check("max<1s", "latency.max <", 1_000_000.0);
    check("failed.rate<0.01", "failed.rate <", 0.01);
    check("failed.count===0", "failed.count ==", 0.0);
}

/// Where a mistake is seen, and a part of what is told of it.
#[track_caller]
fn refuse(text: &str, column: usize, told: &str) {
    let error = text.parse::<Threshold>().unwrap_err();
    assert!(error.to_string().contains(told), "{text}: {error}");
    assert_eq!(error.column(), column, "{text}: {error}");
}

#[test]
fn a_mistake_is_told_with_its_column_and_what_would_be_right() {
    refuse("control == 0", 8, "as in control.differ.count");
    refuse("control.differ.per_s < 1", 16, "write count or rate");
    refuse("control.differ over 3s < 1", 16, "counted over the whole run");
    refuse("", 1, "expected a measure, as in");
    refuse("latncy.p99 < 50ms", 1, "did you mean latency?");
    refuse("zzz < 50ms", 1, "zzz is not a measure. Measures: latency,");
    refuse("latency < 50ms", 8, "latency.p99");
    refuse("latency.p < 50ms", 10, "a percentile must be above 0 and at most 100");
    refuse("latency.p0 < 50ms", 10, "a percentile must be above 0 and at most 100");
    refuse("latency.p101 < 50ms", 10, "a percentile must be above 0 and at most 100");
    refuse("latency.mode < 50ms", 9, "expected min, mean, max");
    refuse("p(99<50", 5, "expected )");
    refuse("latency.p99 < 50", 17, "a time needs a unit, as in 50ms");
    refuse("latency.p99 < fast", 15, "expected a time, as in 50ms");
    refuse("latency.p99 < -5ms", 15, "expected a time");
    refuse("latency.p99 < 50 apples", 18, "the unit of a time must be us, ms, s, m or h");
    refuse("latency.p99 < 50ms and failed == 0", 15, "expected a time");
    refuse("latency.p99 50ms", 13, "expected a comparison operator");
    refuse("latency.p99 = 50ms", 13, "expected a comparison operator: < <=");
    refuse("latency.p99 =< 50ms", 13, "expected a comparison operator");
    refuse("latency.p99 within 30s < 50ms", 13, "over 30s");
    refuse("latency.p99 over 1.5s < 50ms", 18, "a window must be whole seconds from 1s to 10m");
    refuse("latency.p99 over 0s < 50ms", 18, "a window must be whole seconds");
    refuse("latency.p99 over 11m < 50ms", 18, "a window must be whole seconds");
    refuse("latency.p99 over < 50ms", 18, "a window must be whole seconds");
    refuse("failed.rate <= 1", 16, "write 1% or 100%");
    refuse("failed.rate <= 101%", 16, "at most 100%");
    refuse("failed.rate <= 5ms", 16, "expected a share");
    refuse("failed.share <= 1%", 8, "expected count, rate");
    refuse("failed <= 1%", 11, "write .rate for a share");
    refuse("failed <= 1.5", 11, "expected a whole number");
    refuse("offered.rate >= 99%", 9, "per_s");
    refuse("offered.per_s >= 4.7k/fortnight", 18, "expected a rate");
    refuse("rate < 0.01", 1, "failed.rate");
    refuse("amplification < 5%", 17, "expected a factor");
    refuse("fault == 0", 6, "fault(dns.nxdomain)");
    refuse("fault(dns.nxdomian) == 0", 7, "did you mean dns.nxdomain?");
    refuse("fault(dns.nxdomain == 0", 20, "expected )");
    refuse("status(99) == 0", 8, "\"99\" is not a status");
    refuse("status(9xx) == 0", 8, "\"9xx\" is not a status");
    refuse("latency.p99 < 99999999999999999m", 15, "this time is too long");
    refuse(&"x".repeat(300), 201, "at most 200 characters");
}

#[test]
fn a_column_is_counted_in_characters_and_pointed_at() {
    let error = "latency.p99 over 5µ < 1ms".parse::<Threshold>().unwrap_err();
    assert!(
        error.to_string().ends_with("\n\n    latency.p99 over 5µ < 1ms\n                     ^"),
        "{error}"
    );
    refuse("µµ latency", 1, "expected a measure, as in");
    let error = "failed\u{1b}[2J == 0".parse::<Threshold>().unwrap_err();
    assert!(!error.to_string().contains('\u{1b}'));
}

#[test]
fn a_measure_stands_alone_too() {
    assert_eq!("latency.p99".parse(), Ok(Measure::Time(TimeMetric::Latency, percentile("99%"))));
    assert_eq!("status(5xx).rate".parse(), Ok(Measure::Share(CountMeasure::Status(500, 599))));
    assert_eq!("latency.p99 <".parse::<Measure>().unwrap_err().column(), 13);
}

fn percentile(share: &str) -> TimeStatistic {
    TimeStatistic::Percentile(share.parse().unwrap())
}

/// What a measure is printed as is read as the same measure.
#[test]
fn printed_is_read_again() {
    let counted = CountMeasure::NAMED.into_iter().map(|(_, counted)| counted);
    let faults = Fault::ALL.iter().flat_map(|&f| [CountMeasure::Fault(f), CountMeasure::Family(f.family())]);
    let all = counted.chain(faults).chain([CountMeasure::Status(404, 404), CountMeasure::Status(500, 599)]);
    let mut measures: Vec<_> =
        all.flat_map(|c| [Measure::Count(c), Measure::Share(c), Measure::PerSecond(c)]).collect();
    measures
        .retain(|measure| !matches!(measure, Measure::Share(CountMeasure::Offered | CountMeasure::Attempts)));
    let statistics = [TimeStatistic::Min, TimeStatistic::Mean, TimeStatistic::Max, percentile("99.99%")];
    for clock in TimeMetric::ALL {
        measures.extend(statistics.map(|statistic| Measure::Time(clock, statistic)));
    }
    measures.push(Measure::Amplification);
    for measure in measures {
        assert_eq!(measure.to_string().parse(), Ok(measure));
    }
}
