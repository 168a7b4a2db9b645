//! The end-of-test summary of k6, as its `--summary-export` writes it: what
//! GitLab's load performance report and scripts made for k6 read.
//!
//! The names are k6's, times are in milliseconds. k6 starts its clock when a
//! request is sent, so `http_req_duration` and `http_req_waiting` are service
//! times here (to the last byte; of a redirect that is the first one, too).
//! `latency`, `latency_failed` and `lateness` are metrics of our own beside
//! them. Pure.

use super::text::format::{safe, shortened};
use super::{RunReport, ThresholdLine, TimeSummary};
use downpour_core::units::approximate;
use serde_json::{Map, Value, json};

/// The summary, with a line feed at its end.
pub fn k6_summary(report: &RunReport) -> String {
    let (arrivals, rate) = (&report.arrivals, &report.rate);
    let good = arrivals.passed.saturating_add(arrivals.recovered);
    let settled = good.saturating_add(arrivals.failed);
    let dropped = json!({"count": arrivals.shed, "rate": per_second(arrivals.shed, report)});
    let mut metrics = Map::new();
    let mut put = |name: &str, value: Value| metrics.insert(name.to_owned(), value);
    put("checks", json!({"passes": good, "fails": arrivals.failed, "value": share(good, settled)}));
    if arrivals.shed > 0 {
        put("dropped_iterations", dropped);
    }
    put("http_req_duration", trend(&report.service_us));
    // k6 counts the other way round: a pass is a request that failed.
    put(
        "http_req_failed",
        json!({"passes": arrivals.failed, "fails": good, "value": share(arrivals.failed, settled)}),
    );
    put("http_req_waiting", trend(&report.service_us));
    put("http_reqs", json!({"count": report.attempts.sent, "rate": rate.sent_per_s}));
    put("iteration_duration", trend(&report.latency_us));
    put("iterations", json!({"count": settled, "rate": per_second(settled, report)}));
    for (name, times) in [
        ("latency", &report.latency_us),
        ("latency_failed", &report.latency_failed_us),
        ("lateness", &report.lateness_us),
    ] {
        put(name, trend(times));
    }
    for line in &report.thresholds {
        threshold(line, &mut metrics);
    }
    let check = json!({
        "name": "download is good", "path": "::download is good", "id": CHECK_ID,
        "passes": good, "fails": arrivals.failed,
    });
    let group = json!({
        "name": "", "path": "", "id": ROOT_ID, "groups": {}, "checks": {"download is good": check},
    });
    let summary = json!({"metrics": metrics, "root_group": group});
    format!("{summary:#}\n")
}

/// The longest name of a metric or a threshold.
const NAME: usize = 200;

/// What k6 calls the group of everything: the MD5 of its empty path.
const ROOT_ID: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// The MD5 of `::download is good`.
const CHECK_ID: &str = "b2b8d627f0588f9502ac223f747439ba";

/// A threshold stands with the metric that it is about: `false` says that it was
/// not crossed. What k6 has no metric for gets one of its own, of one value.
fn threshold(line: &ThresholdLine, metrics: &mut Map<String, Value>) {
    let clock = line.measure.split('.').next().unwrap_or_default();
    let name = match clock {
        "service" => "http_req_duration",
        "latency" | "latency_failed" | "lateness" => clock,
        _ => &printable(&line.measure),
    };
    let metric = metrics.entry(name).or_insert_with(|| json!({"value": line.value}));
    metric["thresholds"][printable(&line.expression)] = Value::Bool(!line.passed);
}

/// An expression is the operator's; what was read from a file may be anyone's.
fn printable(text: &str) -> String {
    shortened(&safe(text), NAME).into_owned()
}

fn trend(times: &TimeSummary) -> Value {
    let ms = |micros: u64| approximate(micros) / 1e3;
    json!({
        "avg": times.mean / 1e3, "min": ms(times.min), "med": ms(times.p50), "max": ms(times.max),
        "p(90)": ms(times.p90), "p(95)": ms(times.p95), "p(99)": ms(times.p99),
    })
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { approximate(part) / approximate(whole) }
}

/// Of the time in which arrivals were offered.
fn per_second(count: u64, report: &RunReport) -> f64 {
    let offered = approximate(report.arrivals.offered);
    if offered == 0.0 { 0.0 } else { approximate(count) * report.rate.offered_per_s / offered }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arrivals, Rates};

    #[test]
    fn shares_and_rates_are_those_of_k6() {
        let report = RunReport {
            arrivals: Arrivals {
                offered: 100,
                passed: 60,
                recovered: 10,
                failed: 20,
                shed: 10,
                unfinished: 0,
            },
            rate: Rates { offered_per_s: 50.0, sent_per_s: 45.5, completed_per_s: 45.0 },
            thresholds: [
                ("latency.p99 < 50ms", "latency.p99", true),
                ("shed.count == 0", "shed.count", false),
            ]
            .map(|(expression, measure, passed)| ThresholdLine {
                expression: expression.to_owned(),
                measure: measure.to_owned(),
                passed,
                ..ThresholdLine::default()
            })
            .to_vec(),
            service_us: TimeSummary { count: 1, p90: 1_500, ..TimeSummary::default() },
            ..RunReport::default()
        };
        let summary: Value = serde_json::from_str(&k6_summary(&report)).unwrap();
        let at = |path: &str| summary.pointer(path).unwrap().clone();
        assert_eq!(at("/metrics/http_req_waiting/p(90)"), json!(1.5));
        assert_eq!(at("/metrics/http_reqs/rate"), json!(45.5));
        assert_eq!((at("/metrics/checks/passes"), at("/metrics/checks/fails")), (json!(70), json!(20)));
        assert_eq!(at("/metrics/http_req_failed/passes"), json!(20));
        assert_eq!(at("/metrics/dropped_iterations"), json!({"count": 10, "rate": 5.0}));
        assert_eq!(at("/metrics/iterations/count"), json!(90));
        assert_eq!(at("/metrics/latency/thresholds"), json!({"latency.p99 < 50ms": false}));
        assert_eq!(at("/metrics/shed.count/thresholds"), json!({"shed.count == 0": true}));
    }
}
