//! The seconds of a run as a table, for spreadsheets and data frames: RFC 4180
//! with bare line feeds.
//!
//! The columns are the keys of `intervals.ndjson`, those of a clock joined by a
//! dot. Counts by name are one text a column, `302:4700 503:2`. Names that come
//! from a file are made printable, shortened, and never begin a formula. Pure.

use super::text::format::{safe, shortened};
use super::{IntervalLine, IntervalTimes};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Names told of a second; what a server makes up beyond them is left out.
const NAMES: usize = 64;

/// The longest name.
const NAME: usize = 60;

type CountOf = fn(&IntervalLine) -> u64;
type MetricOf = fn(&IntervalLine) -> &IntervalTimes;
type TimeOf = fn(&IntervalTimes) -> u64;

/// The columns that are numbers of the second.
const COUNTS: [(&str, CountOf); 18] = [
    ("t_s", |line| line.t_s),
    ("offered", |line| line.offered),
    ("sent", |line| line.sent),
    ("completed", |line| line.completed),
    ("passed", |line| line.passed),
    ("recovered", |line| line.recovered),
    ("failed", |line| line.failed),
    ("shed", |line| line.shed),
    ("unfinished", |line| line.unfinished),
    ("first", |line| line.first),
    ("retries", |line| line.retries),
    ("failed_attempts", |line| line.failed_attempts),
    ("retries_shed", |line| line.retries_shed),
    ("in_flight", |line| line.in_flight),
    ("waiting", |line| line.waiting),
    ("connections_open", |line| line.connections_open),
    ("redirects", |line| line.redirects),
    ("trace_lag_us", |line| line.trace_lag_us),
];

/// The clocks of a second.
const TIME_METRICS: [(&str, MetricOf); 4] = [
    ("latency_us", |line| &line.latency_us),
    ("latency_failed_us", |line| &line.latency_failed_us),
    ("service_us", |line| &line.service_us),
    ("lateness_us", |line| &line.lateness_us),
];

/// What is told of each. A percentile of no samples is an empty cell.
const TIME_COLUMNS: [(&str, TimeOf); 5] =
    [("count", |t| t.count), ("p50", |t| t.p50), ("p90", |t| t.p90), ("p99", |t| t.p99), ("max", |t| t.max)];

/// The line of names.
pub(super) fn header() -> String {
    let counts = COUNTS.iter().map(|(name, _)| (*name).to_owned());
    let clocks = TIME_METRICS
        .iter()
        .flat_map(|(clock, _)| TIME_COLUMNS.iter().map(move |(name, _)| format!("{clock}.{name}")));
    let others = ["worker_cpu_peak_permille", "statuses", "faults", "wrong_attempts"].map(str::to_owned);
    counts.chain(clocks).chain(others).collect::<Vec<_>>().join(",") + "\n"
}

/// The line of a second.
pub(super) fn row(line: &IntervalLine) -> String {
    let mut row = String::new();
    for (_, of) in COUNTS {
        cell(&mut row, Some(of(line)));
    }
    for (_, clock) in TIME_METRICS {
        let times = clock(line);
        for (name, of) in TIME_COLUMNS {
            cell(&mut row, (name == "count" || times.count > 0).then(|| of(times)));
        }
    }
    cell(&mut row, line.worker_cpu_peak_permille);
    row.push_str(&text(&line.statuses));
    row.push(',');
    row.push_str(&text(&line.faults));
    row.push(',');
    row.push_str(&text(&line.wrong_attempts));
    row.push('\n');
    row
}

fn cell(row: &mut String, number: Option<u64>) {
    if let Some(number) = number {
        // A string takes whatever is written to it.
        write!(row, "{number}").unwrap_or_default();
    }
    row.push(',');
}

/// Counts by name as a quoted text. A spreadsheet takes for a formula what
/// begins with one of a few letters; an apostrophe before it says text.
fn text(counts: &BTreeMap<String, u64>) -> String {
    let each = counts.iter().take(NAMES);
    let each = each.map(|(name, count)| format!("{}:{count}", shortened(&safe(name), NAME)));
    let all = each.collect::<Vec<_>>().join(" ").replace('"', "\"\"");
    let guard = if all.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    if all.is_empty() { all } else { format!("\"{guard}{all}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: &str) {
        assert_eq!(text(&[(name.to_owned(), 1)].into()), expected);
    }

    #[test]
    fn a_name_is_a_text_whatever_it_holds() {
        check("302", "\"302:1\"");
        check("=HYPERLINK(\"http://x\",\"y\")", "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\"):1\"");
        check("@SUM(1)", "\"'@SUM(1):1\"");
        check("\t=1\r\n2", "\"?=1??2:1\"");
        assert_eq!(text(&BTreeMap::new()), "");
    }

    #[test]
    fn rows_have_the_columns_that_the_header_names() {
        let mut line = IntervalLine { t_s: 7, offered: 2, ..IntervalLine::default() };
        line.latency_us = IntervalTimes { count: 1, p50: 3, p90: 3, p99: 3, max: 3 };
        let (header, row) = (header(), row(&line));
        let columns = header.trim_end().split(',').count();
        assert_eq!(row.trim_end_matches('\n').split(',').count(), columns);
        assert!(row.starts_with("7,2,0,") && row.contains(",1,3,3,3,3,0,,,,,"), "{row}");
    }

    /// A key that is added to the intervals is a column, or a decision.
    #[test]
    fn every_key_of_an_interval_is_a_column() {
        let keys = serde_json::to_value(IntervalLine::default()).unwrap();
        let header = header();
        let columns: Vec<&str> = header.trim_end().split([',', '.']).collect();
        for key in keys.as_object().unwrap().keys() {
            assert!(columns.contains(&key.as_str()), "{key} is no column of {header}");
        }
    }
}
