//! What the plans of two runs have different, by the keys of `run.json`.

use crate::Plan;
use crate::text::format::safe;
use serde_json::Value;

/// Keys that two runs have different as a matter of course, or that a reader is
/// told of elsewhere.
const IGNORED_KEYS: &[&str] = &["out", "started_at", "target", "version", "simulated"];

/// Keys that decide which request is due when. Where they and the seconds
/// agree, both runs had the same load second by second.
const LOAD_KEYS: &[&str] = &[
    "inputs",
    "rate",
    "speed",
    "stages",
    "arrivals",
    "sample",
    "sample_by",
    "amplify",
    "duration_s",
    "warmup_s",
    "requests",
    "loop",
    "seed",
    "subsecond",
    "reorder_window_s",
    "rewrite",
    "first_attempts_s",
];

/// The longest value told.
const LONGEST: usize = 60;

/// A key of the plan that two runs have different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanDifference {
    /// Its name in `run.json`.
    pub key: String,
    /// A's value; `-` for none.
    pub a: String,
    /// B's.
    pub b: String,
}

/// The keys that differ, those of the load first.
pub(super) fn differences(a: &Plan, b: &Plan) -> Vec<PlanDifference> {
    let [a, b] = [a, b].map(|plan| serde_json::to_value(plan).unwrap_or_default());
    let mut keys: Vec<&String> =
        [&a, &b].into_iter().filter_map(Value::as_object).flat_map(|o| o.keys()).collect();
    keys.sort_by_key(|key| (!LOAD_KEYS.contains(&key.as_str()), key.as_str()));
    keys.dedup();
    let differs =
        |key: &&String| !IGNORED_KEYS.contains(&key.as_str()) && a.get(key.as_str()) != b.get(key.as_str());
    let told = |key: &String| PlanDifference { key: key.clone(), a: text(a.get(key)), b: text(b.get(key)) };
    keys.into_iter().filter(differs).map(told).collect()
}

/// Whether one of them changes the load.
pub(super) fn is_load(difference: &PlanDifference) -> bool {
    LOAD_KEYS.contains(&difference.key.as_str())
}

fn text(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(values)) => values.iter().map(text_of_one).collect::<Vec<_>>().join(" "),
        Some(other) => other.to_string(),
    };
    let text = safe(&text);
    if text.is_empty() { "-".to_owned() } else { crate::text::format::shortened(&text, LONGEST).into_owned() }
}

fn text_of_one(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // An input is told by its name.
        Value::Object(fields) => fields.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_and_the_load_comes_first() {
        let a = Plan { rate: "4700/s".into(), threads: 2, target: "http://a".into(), ..Plan::default() };
        let b =
            Plan { rate: "2000/s\u{1b}".into(), threads: 4, target: "http://b".into(), ..Plan::default() };
        assert_eq!(differences(&a, &a.clone()), []);
        let found = differences(&a, &b);
        let told: Vec<_> = found.iter().map(|d| (d.key.as_str(), d.a.as_str(), d.b.as_str())).collect();
        assert_eq!(told, [("rate", "4700/s", "2000/s?"), ("threads", "2", "4")]);
        assert_eq!(found.iter().map(is_load).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn every_key_of_the_load_is_one_of_the_plan() {
        let plan = serde_json::to_value(Plan { first_attempts_s: Some(1.0), ..Plan::default() }).unwrap();
        for key in LOAD_KEYS {
            assert!(plan.get(key).is_some(), "{key}");
        }
    }
}
