//! The published schema for machines: JSON Schema (2020-12) of `run.json` and of
//! the lines of `intervals.ndjson` and `failures.ndjson`.
//!
//! It is derived from the types that write them, so that it cannot say another
//! thing. It demands the keys that this version writes and allows others, since
//! keys are only ever added: what an earlier minor version wrote may lack some.

use super::{FailureLine, IntervalLine, RunReport};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

/// What a schema is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// `run.json`.
    Run,
    /// A line of `intervals.ndjson`.
    Interval,
    /// A line of `failures.ndjson`.
    Failure,
}

/// The schema of a document, with a line feed at its end.
pub fn json_schema(document: Document) -> String {
    let schema = match document {
        Document::Run => of::<RunReport>("downpour.run/1"),
        Document::Interval => of::<IntervalLine>("downpour.run/1, a line of intervals.ndjson"),
        Document::Failure => of::<FailureLine>("downpour.run/1, a line of failures.ndjson"),
    };
    format!("{:#}\n", Value::from(schema))
}

fn of<T: JsonSchema>(title: &str) -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    if let Some(root) = schema.as_object_mut() {
        plain(root);
    }
    schema
}

/// Descriptions are written for rustdoc: links and code marks go. Defaults are
/// about reading, and would repeat every section in full.
fn plain(schema: &mut Map<String, Value>) {
    // A property may be called "default"; a keyword of that name is no schema.
    schema.remove("default");
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace(['`', '[', ']'], "").replace('\n', " ");
    }
    for (key, value) in schema.iter_mut() {
        match (key.as_str(), value) {
            ("properties" | "$defs" | "patternProperties", Value::Object(named)) => {
                named.values_mut().filter_map(Value::as_object_mut).for_each(plain);
            }
            (_, Value::Object(inner)) => plain(inner),
            (_, Value::Array(all)) => all.iter_mut().filter_map(Value::as_object_mut).for_each(plain),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// The committed copy is what tools outside of this program are pointed to,
    /// and what shows in a review when a name changes.
    #[test]
    fn the_committed_schema_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/run.schema.json");
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        let is_same = committed == json_schema(Document::Run);
        assert!(is_same, "{} is not what `downpour schema` prints", path.display());
    }
}
