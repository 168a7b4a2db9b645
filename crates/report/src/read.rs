//! Reads a run back: bytes to the schema's types.
//!
//! What a later minor version added is passed over, what an earlier one lacks
//! is filled in; another major version is refused. A run that was killed leaves
//! lines that are torn: what stands before them is read, and what is missing is
//! said. Files may have been written by anyone, so each has a limit.

use super::{RunReport, SCHEMA};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::io::{self, BufRead};

/// The largest `run.json` that is read. A whole one has some hundred kilobytes.
pub const RUN_BYTES: u64 = 16 << 20;

/// The longest line of an `.ndjson` file.
const LINE_BYTES: u64 = 1 << 20;

/// Why a `run.json` is refused.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It is larger than any run's.
    #[error("larger than {} MiB: not the result of a run", RUN_BYTES >> 20)]
    TooLarge,
    /// It is not JSON, or a key holds what it cannot hold.
    #[error("not the result of a run")]
    Malformed(#[from] serde_json::Error),
    /// It is JSON of something else.
    #[error("not the result of a run: \"schema\" is missing; {SCHEMA:?} is expected")]
    NoSchema,
    /// It is of another major version, or not ours.
    #[error("its schema is {0:?}, and this version reads {SCHEMA:?}: use the version that wrote it")]
    OtherSchema(String),
}

/// Reads a `run.json`.
pub fn run(bytes: &[u8]) -> Result<RunReport, RunError> {
    #[derive(Deserialize)]
    struct SchemaHeader {
        schema: Option<String>,
    }
    if bytes.len() as u64 > RUN_BYTES {
        return Err(RunError::TooLarge);
    }
    let schema = serde_json::from_slice::<SchemaHeader>(bytes)?.schema.ok_or(RunError::NoSchema)?;
    if !is_readable(&schema) {
        return Err(RunError::OtherSchema(schema.chars().take(40).collect()));
    }
    Ok(serde_json::from_slice(bytes)?)
}

/// `downpour.run/1`, or a minor version of it.
fn is_readable(schema: &str) -> bool {
    let minor = schema.strip_prefix(SCHEMA).map(|rest| rest.strip_prefix('.').unwrap_or(rest));
    match minor {
        Some("") => schema == SCHEMA,
        Some(minor) => schema.len() > SCHEMA.len() + minor.len() && minor.bytes().all(|b| b.is_ascii_digit()),
        None => false,
    }
}

/// Where a file of lines could not be read any further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableLine {
    /// The line, counted from 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: String,
}

/// Reads an `.ndjson` file line by line, as far as it goes. Its last line may be
/// torn, where the run was killed.
pub fn lines<T: DeserializeOwned>(
    mut input: impl BufRead,
    mut each: impl FnMut(T),
) -> io::Result<Option<UnreadableLine>> {
    let (mut line, mut number) = (Vec::new(), 0);
    loop {
        line.clear();
        number += 1;
        io::Read::take(&mut input, LINE_BYTES).read_until(b'\n', &mut line)?;
        let stopped = |why| Ok(Some(UnreadableLine { line: number, why }));
        if line.is_empty() {
            return Ok(None);
        }
        let torn = line.last() != Some(&b'\n');
        if torn && line.len() as u64 == LINE_BYTES {
            return stopped(format!("longer than {} MiB", LINE_BYTES >> 20));
        }
        match serde_json::from_slice(&line) {
            Ok(value) => each(value),
            Err(_) if torn => return stopped("incomplete: the run was killed while writing it".to_owned()),
            Err(error) => return stopped(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IntervalLine, Verdict};

    #[track_caller]
    fn check(json: &str, expected: Result<Verdict, &str>) {
        let found = run(json.as_bytes());
        let found = found.map(|report| report.verdict).map_err(|error| {
            std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)
        });
        assert_eq!(found, expected.map_err(str::to_owned), "{json}");
    }

    #[test]
    fn any_minor_version_is_read_and_another_major_is_not() {
        check(r#"{"schema": "downpour.run/1", "verdict": "passed"}"#, Ok(Verdict::Passed));
        check(r#"{"schema": "downpour.run/1.12", "news": [{}], "verdict": "failed"}"#, Ok(Verdict::Failed));
        check(r#"{"schema": "downpour.run/1"}"#, Ok(Verdict::Interrupted));
        for other in ["downpour.run/2", "downpour.run/10", "downpour.run/1.", "downpour.run/1.x", "k6"] {
            let told = format!(
                "its schema is {other:?}, and this version reads \"downpour.run/1\": use the version that wrote it"
            );
            check(&format!(r#"{{"schema": {other:?}}}"#), Err(&told));
        }
    }

    #[test]
    fn what_is_no_result_is_refused_with_the_place() {
        check("{}", Err("not the result of a run: \"schema\" is missing; \"downpour.run/1\" is expected"));
        check("{\"schema\":", Err("EOF while parsing a value at line 1 column 10"));
        let wrong = "{\"schema\": \"downpour.run/1\",\n \"arrivals\": {\"offered\": -1}}";
        check(wrong, Err("invalid value: integer `-1`, expected u64 at line 2 column 27"));
        let large = vec![b' '; usize::try_from(RUN_BYTES).unwrap() + 1];
        assert!(matches!(run(&large), Err(RunError::TooLarge)));
    }

    #[track_caller]
    fn check_lines(text: &str, seconds: &[u64], stopped: Option<(u64, &str)>) {
        let mut found = Vec::new();
        let end = lines(text.as_bytes(), |line: IntervalLine| found.push(line.t_s)).unwrap();
        assert_eq!(found, seconds);
        let expected = stopped.map(|(line, why)| UnreadableLine { line, why: why.to_owned() });
        assert_eq!(end, expected);
    }

    #[test]
    fn lines_are_read_as_far_as_they_go() {
        check_lines("", &[], None);
        check_lines("{\"t_s\":0}\n{\"t_s\":1,\"new\":{}}\n", &[0, 1], None);
        check_lines("{\"t_s\":0}\n{\"t_s\":1}", &[0, 1], None);
        let torn = "incomplete: the run was killed while writing it";
        check_lines("{\"t_s\":0}\n{\"t_s\":1,\"offe", &[0], Some((2, torn)));
        check_lines(
            "{\"t_s\":0}\nnoise\n{\"t_s\":2}\n",
            &[0],
            Some((2, "expected ident at line 1 column 2")),
        );
        let long = format!("{{\"t_s\":0}}\n{}", " ".repeat(2 << 20));
        check_lines(&long, &[0], Some((2, "longer than 1 MiB")));
    }
}
