//! Any plain struct as rows of a table: whatever is added to the plan or to the
//! machine is shown, named by its key and its unit by the key's suffix.

use super::shown;
use crate::text::SummaryStatistic;
use crate::text::format::{micros, per_second, seconds, whole};
use downpour_core::units::grouped;
use serde::Serialize;
use serde_json::Value;

/// The longest value shown.
const LONGEST: usize = 1_000;

/// A row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FactUnit {
    None,
    Micros,
    Seconds,
    Bytes,
    PerSecond,
}

/// Rows by name. What is empty is left out.
pub(super) fn facts(of: &impl Serialize) -> Vec<Fact> {
    let mut rows = Vec::new();
    if let Ok(Value::Object(fields)) = serde_json::to_value(of) {
        for (key, value) in &fields {
            let (name, unit) = named(key);
            add(&name, unit, value, &mut rows);
        }
    }
    rows
}

fn add(name: &str, unit: FactUnit, value: &Value, rows: &mut Vec<Fact>) {
    let Value::Object(fields) = value else {
        let value = text(value, unit);
        if !value.is_empty() {
            rows.push(Fact { name: shown(name, LONGEST), value: shown(&value, LONGEST) });
        }
        return;
    };
    // Times without a sample.
    if fields.get("count") == Some(&Value::from(0)) {
        return;
    }
    let samples = fields.get("count").and_then(Value::as_u64);
    for (key, value) in fields {
        // A percentile without a sample beyond it is the longest time.
        let statistic = SummaryStatistic::by_key(key);
        if samples.is_some_and(|samples| statistic.is_some_and(|statistic| statistic.lacks(samples))) {
            continue;
        }
        let (own_name, own_unit) = named(key);
        let plain = own_unit != FactUnit::None || matches!(key.as_str(), "count" | "saturated");
        add(&format!("{name}, {own_name}"), if plain { own_unit } else { unit }, value, rows);
    }
}

/// `cpu_us_per_attempt` is `cpu per attempt` in microseconds.
fn named(key: &str) -> (String, FactUnit) {
    if let Some(of) = key.strip_suffix("_per_s") {
        return (of.replace('_', " "), FactUnit::PerSecond);
    }
    let mut unit = FactUnit::None;
    let words = key.split('_').filter(|&word| {
        let told = match word {
            "us" => FactUnit::Micros,
            "s" => FactUnit::Seconds,
            "bytes" => FactUnit::Bytes,
            _ => return true,
        };
        unit = told;
        false
    });
    let name = words.collect::<Vec<_>>().join(" ").replace("p99 9", "p99.9");
    (name, unit)
}

fn text(value: &Value, unit: FactUnit) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(is_so) => if *is_so { "yes" } else { "no" }.to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_u64().map_or_else(
            || fraction(number.as_f64().unwrap_or_default(), unit),
            |count| match unit {
                FactUnit::None => grouped(count),
                FactUnit::Micros => micros(count),
                FactUnit::Bytes => format!("{} MiB", grouped(count >> 20)),
                FactUnit::Seconds | FactUnit::PerSecond => {
                    fraction(number.as_f64().unwrap_or_default(), unit)
                }
            },
        ),
        Value::Array(values) => list(values.iter(), ", "),
        // The name of a thing first, whatever the order of its keys.
        Value::Object(fields) => {
            let others = fields.iter().filter(|(key, _)| *key != "name").map(|(_, value)| value);
            list(fields.get("name").into_iter().chain(others), " ")
        }
    }
}

fn fraction(value: f64, unit: FactUnit) -> String {
    match unit {
        FactUnit::Micros if value < 1_000.0 => format!("{value:.1} µs"),
        FactUnit::Micros => micros(whole(value)),
        FactUnit::Seconds => seconds(value),
        FactUnit::PerSecond => per_second(value),
        FactUnit::Bytes | FactUnit::None => value.to_string(),
    }
}

fn list<'v>(values: impl Iterator<Item = &'v Value>, between: &str) -> String {
    values.map(|value| text(value, FactUnit::None)).collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TimeSummary;
    use crate::text::STATISTICS;
    use serde_json::json;

    #[test]
    fn a_percentile_is_a_fact_where_it_is_one_in_the_summary() {
        let Value::Object(keys) = serde_json::to_value(TimeSummary::default()).unwrap() else { panic!() };
        for statistic in STATISTICS {
            let key = statistic.name.replace('.', "_");
            assert!(keys.contains_key(&key) && SummaryStatistic::by_key(&key).is_some(), "{key}");
            for count in [1, 2, 3, 10, 11, 20, 21, 100, 101, 1_000, 1_001, 10_000, 10_001] {
                let rows = facts(&json!({"t": {"count": count, &*key: 7}}));
                assert_eq!(rows.len() == 2, !statistic.lacks(count), "{key} of {count}");
            }
        }
    }

    #[test]
    fn keys_become_names_and_units() {
        let value = json!({
            "cpu_us_per_attempt": 40.25, "wall_s": 20.1, "peak_rss_bytes": 48 << 20, "threads": 2,
            "offered_per_s": 4700.0, "pinned": false, "nothing": null, "empty": [], "text": "a\nb",
            "inputs": [{"name": "a", "compression": "gzip"}, {"name": "b", "compression": "plain"}],
            "handshake_us": {"count": 2000, "p99_9": 1500, "p99_99": 1600}, "idle_us": {"count": 0, "max": 0},
        });
        let rows: Vec<_> = facts(&value).into_iter().map(|f| format!("{}: {}", f.name, f.value)).collect();
        let expected = [
            "cpu per attempt: 40.2 µs",
            "handshake, count: 2,000",
            "handshake, p99.9: 1.50 ms",
            "inputs: a gzip, b plain",
            "offered: 4,700/s",
            "peak rss: 48 MiB",
            "pinned: no",
            "text: a\\u{a}b",
            "threads: 2",
            "wall: 20.1 s",
        ];
        assert_eq!(rows, expected);
    }
}
