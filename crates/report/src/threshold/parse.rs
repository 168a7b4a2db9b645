//! From what was typed to a threshold.
//!
//! One pass from left to right. The first thing that makes no sense is told
//! with its column and with what would be right there.

use super::{
    CONTROL_DIFFER, CountMeasure, LONGEST_WINDOW_S, Measure, MeasureUnit, Relation, Threshold, TimeMetric,
    TimeStatistic,
};
use downpour_core::fault::Fault;
use downpour_core::suggest::nearest;
use downpour_core::units::{Rate, Share, approximate, decimal, parse_duration};
use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

/// Expressions longer than that are no expressions.
const LONGEST: usize = 200;

/// An expression that makes no sense: where, and what would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseThresholdError {
    text: String,
    /// Counted from 1, in characters.
    column: usize,
    message: String,
}

impl ParseThresholdError {
    /// The column of what makes no sense, counted from 1 in characters.
    pub const fn column(&self) -> usize {
        self.column
    }
}

impl fmt::Display for ParseThresholdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, column, message: told } = self;
        // What was typed is shown as one line, whatever is in it.
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let before = column.saturating_sub(1);
        write!(f, "column {column}: {told}\n\n    {text}\n    {}^", " ".repeat(before))
    }
}

impl std::error::Error for ParseThresholdError {}

impl FromStr for Threshold {
    type Err = ParseThresholdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let short: String = text.chars().take(LONGEST).collect();
        let mut cursor = Cursor { text: &short, at: 0 };
        let parsed = if short.len() < text.len() {
            Err((LONGEST, format!("an expression has at most {LONGEST} characters")))
        } else {
            threshold(&mut cursor)
        };
        parsed.map_err(|(at, told)| {
            let before = short.get(..at).unwrap_or(&short);
            ParseThresholdError { column: before.chars().count() + 1, message: told, text: short.clone() }
        })
    }
}

impl FromStr for Measure {
    type Err = ParseThresholdError;

    /// The left side of an expression alone, such as `latency.p99`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut cursor = Cursor { text, at: 0 };
        let parsed = subject(&mut cursor).and_then(|Subject { measure, .. }| {
            cursor.skip_spaces();
            if cursor.rest().is_empty() {
                Ok(measure)
            } else {
                cursor.failure("unexpected input after the measure")
            }
        });
        parsed.map_err(|(at, told)| {
            let before = text.get(..at).unwrap_or(text);
            ParseThresholdError { column: before.chars().count() + 1, message: told, text: text.to_owned() }
        })
    }
}

/// Where it makes no sense, in bytes, and what would.
type ParseFailure = (usize, String);

struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_spaces(&mut self) {
        self.take_while(char::is_whitespace);
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn take(&mut self, wanted: &str) -> bool {
        let found = self.rest().starts_with(wanted);
        self.at += if found { wanted.len() } else { 0 };
        found
    }

    fn failure<T>(&self, told: impl Into<String>) -> Result<T, ParseFailure> {
        Err((self.at, told.into()))
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn threshold(cursor: &mut Cursor<'_>) -> Result<Threshold, ParseFailure> {
    cursor.skip_spaces();
    let Subject { measure, bare_is_ms } = subject(cursor)?;
    cursor.skip_spaces();
    let begin = cursor.at;
    let over_s = over(cursor)?;
    if over_s.is_some() && measure.is_of_control() {
        return Err((begin, format!("{measure} is counted over the whole run: omit the window")));
    }
    cursor.skip_spaces();
    let relation = relation(cursor)?;
    cursor.skip_spaces();
    let bound = bound(cursor, measure.unit(), bare_is_ms)?;
    Ok(Threshold { text: cursor.text.trim().to_owned(), measure, over_s, relation, bound })
}

/// What is measured, and whether a bare number of it is in milliseconds, as it
/// is for k6.
struct Subject {
    measure: Measure,
    bare_is_ms: bool,
}

impl Subject {
    const fn of(measure: Measure) -> Self {
        Self { measure, bare_is_ms: false }
    }
}

fn subject(cursor: &mut Cursor<'_>) -> Result<Subject, ParseFailure> {
    let begin = cursor.at;
    let name = cursor.take_while(is_of_name);
    if let Some(clock) = TimeMetric::ALL.into_iter().find(|clock| clock.name() == name) {
        if !cursor.take(".") {
            return cursor
                .failure(format!("expected a statistic, as in {name}.p99, {name}.mean or {name}.max"));
        }
        return Ok(Subject::of(Measure::Time(clock, statistic(cursor)?)));
    }
    if let Some((_, counted)) = CountMeasure::NAMED.into_iter().find(|(known, _)| *known == name) {
        return counted_as(cursor, counted);
    }
    match name {
        "amplification" => Ok(Subject::of(Measure::Amplification)),
        "fault" => {
            let fault = argument(cursor, "fault(dns.nxdomain), or fault(dns) for all of its family", fault)?;
            counted_as(cursor, fault)
        }
        "status" => {
            let status = argument(cursor, "status(503) or status(5xx)", status)?;
            counted_as(cursor, status)
        }
        "control" => {
            if !cursor.take(".differ") {
                return cursor.failure("expected .differ, as in control.differ.count or control.differ.rate");
            }
            counted_as(cursor, CountMeasure::ControlDiffer)
        }
        "rate" | "count" => {
            cursor.at = begin;
            cursor.failure(format!(
                "expected a measure before {name}, as in failed.{name} or status(5xx).{name}"
            ))
        }
        // What k6 writes of http_req_duration.
        _ => {
            cursor.at = begin;
            let is_percentile = name.strip_prefix('p').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
            let statistic = match statistic(cursor) {
                Err(_) if !is_percentile => {
                    cursor.at = begin;
                    return cursor.failure(unknown_measure(name));
                }
                found => found?,
            };
            Ok(Subject { measure: Measure::Time(TimeMetric::Latency, statistic), bare_is_ms: true })
        }
    }
}

fn unknown_measure(name: &str) -> String {
    let clocks = TimeMetric::ALL.iter().map(|clock| clock.name());
    let counted = CountMeasure::NAMED.iter().map(|(name, _)| *name);
    let known: Vec<_> =
        clocks.chain(counted).chain(["amplification", CONTROL_DIFFER, "fault(ID)", "status(CODE)"]).collect();
    if name.is_empty() {
        return "expected a measure, as in latency.p99 < 50ms or failed.rate <= 0.1%".to_owned();
    }
    let meant = match nearest(name, known.iter().copied()) {
        Some(near) => format!(": did you mean {near}?"),
        None => ".".to_owned(),
    };
    format!("{name} is not a measure{meant} Measures: {}", known.join(", "))
}

fn statistic(cursor: &mut Cursor<'_>) -> Result<TimeStatistic, ParseFailure> {
    let begin = cursor.at;
    match cursor.take_while(|c| c.is_ascii_alphabetic()) {
        "min" => Ok(TimeStatistic::Min),
        "mean" | "avg" => Ok(TimeStatistic::Mean),
        "med" => Ok(TimeStatistic::Percentile(Share::from_ppm(500_000).unwrap_or(Share::ALL))),
        "max" => Ok(TimeStatistic::Max),
        "p" => {
            let bracketed = cursor.take("(");
            let at = cursor.at;
            let number = cursor.take_while(|c| c.is_ascii_digit() || matches!(c, '.' | '_'));
            let share = format!("{}%", number.trim_end_matches('.').replace('_', ".")).parse();
            let closed = !bracketed || cursor.take(")");
            match share {
                Ok(share) if closed => Ok(TimeStatistic::Percentile(share)),
                Ok(_) => cursor.failure("expected ), as in p(99)"),
                Err(_) => Err((
                    at,
                    "a percentile must be above 0 and at most 100, as in p50, p99.9 or p(99)".to_owned(),
                )),
            }
        }
        _ => {
            cursor.at = begin;
            cursor.failure("expected min, mean, max or a percentile such as p50")
        }
    }
}

/// What stands in brackets behind a name.
fn argument<T>(
    cursor: &mut Cursor<'_>,
    forms: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T, ParseFailure> {
    if !cursor.take("(") {
        return cursor.failure(format!("expected an argument, as in {forms}"));
    }
    cursor.skip_spaces();
    let begin = cursor.at;
    let argument = cursor.take_while(|c| is_of_name(c) || matches!(c, '.' | '*'));
    let read = read(argument).map_err(|told| (begin, format!("{told} Write {forms}")))?;
    cursor.skip_spaces();
    if cursor.take(")") { Ok(read) } else { cursor.failure("expected )") }
}

fn fault(id: &str) -> Result<CountMeasure, String> {
    if let Some(fault) = Fault::from_id(id) {
        return Ok(CountMeasure::Fault(fault));
    }
    let family = id.trim_end_matches(".*");
    if let Some(fault) = Fault::ALL.iter().find(|fault| fault.family() == family) {
        return Ok(CountMeasure::Family(fault.family()));
    }
    let meant = match nearest(id, Fault::ALL.iter().map(|fault| fault.id())) {
        Some(near) => format!("did you mean {near}?"),
        None => "downpour explain lists them.".to_owned(),
    };
    Err(format!("{id:?} is not a fault: {meant}"))
}

fn status(code: &str) -> Result<CountMeasure, String> {
    let class = code.strip_suffix("xx").and_then(|class| class.parse::<u16>().ok());
    if let Some(class @ 1..=5) = class {
        return Ok(CountMeasure::Status(class * 100, class * 100 + 99));
    }
    match code.parse::<u16>() {
        Ok(code @ 100..=599) => Ok(CountMeasure::Status(code, code)),
        Ok(_) | Err(_) => Err(format!("{code:?} is not a status.")),
    }
}

/// How something is counted: as it is, as a share, or by the second.
fn counted_as(cursor: &mut Cursor<'_>, counted: CountMeasure) -> Result<Subject, ParseFailure> {
    if !cursor.take(".") {
        return Ok(Subject::of(Measure::Count(counted)));
    }
    let begin = cursor.at;
    match cursor.take_while(is_of_name) {
        "count" => Ok(Subject::of(Measure::Count(counted))),
        "rate" if counted == CountMeasure::Offered || counted == CountMeasure::Attempts => {
            cursor.at = begin;
            cursor
                .failure("this measure is the whole, so it has no share: write per_s for the rate per second")
        }
        "rate" => Ok(Subject::of(Measure::Share(counted))),
        "per_s" if counted == CountMeasure::ControlDiffer => {
            cursor.at = begin;
            cursor.failure(
                "only a sample is sent to the control, so it has no rate per second: write count or rate",
            )
        }
        "per_s" => Ok(Subject::of(Measure::PerSecond(counted))),
        _ => {
            cursor.at = begin;
            cursor.failure("expected count, rate (the share) or per_s (the rate per second)")
        }
    }
}

fn over(cursor: &mut Cursor<'_>) -> Result<Option<NonZeroU64>, ParseFailure> {
    let begin = cursor.at;
    let word = cursor.take_while(char::is_alphabetic);
    if word.is_empty() {
        return Ok(None);
    }
    if word != "over" {
        cursor.at = begin;
        return cursor.failure(format!("unexpected {word}: write a window as in over 30s"));
    }
    cursor.skip_spaces();
    let begin = cursor.at;
    let typed = cursor.take_while(|c| c.is_alphanumeric() || matches!(c, '.' | 'µ' | 'μ'));
    let told = || {
        (
            begin,
            format!("a window must be whole seconds from 1s to {}m, as in over 30s", LONGEST_WINDOW_S / 60),
        )
    };
    let length = parse_duration(typed).map_err(|_| told())?;
    let seconds = NonZeroU64::new(length.as_secs()).filter(|seconds| seconds.get() <= LONGEST_WINDOW_S);
    match seconds {
        Some(seconds) if length.subsec_nanos() == 0 => Ok(Some(seconds)),
        Some(_) | None => Err(told()),
    }
}

fn relation(cursor: &mut Cursor<'_>) -> Result<Relation, ParseFailure> {
    // k6 takes the strict form of equality, too.
    if cursor.take("===") {
        return Ok(Relation::Is);
    }
    match Relation::ALL.into_iter().find(|relation| cursor.take(relation.sign())) {
        Some(relation) => Ok(relation),
        None => cursor.failure("expected a comparison operator: < <= > >= == !="),
    }
}

fn bound(cursor: &mut Cursor<'_>, unit: MeasureUnit, bare_is_ms: bool) -> Result<f64, ParseFailure> {
    let begin = cursor.at;
    let typed = cursor.rest().trim_end();
    let number = typed.trim_end_matches(|c: char| !c.is_ascii_digit() && c != '.');
    let suffix = typed.get(number.len()..).unwrap_or_default().trim_start();
    let plain = decimal(number.trim()).filter(|_| number.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
    let behind = begin + typed.len() - suffix.len();
    match unit {
        MeasureUnit::Micros => {
            let (n, d) = plain.ok_or_else(|| (begin, "expected a time, as in 50ms".to_owned()))?;
            let micros = match suffix {
                "us" | "µs" | "μs" => 1,
                "ms" => 1_000,
                "s" => 1_000_000,
                "m" | "min" => 60_000_000,
                "h" => 3_600_000_000,
                "" if bare_is_ms => 1_000,
                "" => return Err((behind, format!("a time needs a unit, as in {number}ms"))),
                _ => {
                    return Err((
                        behind,
                        "the unit of a time must be us, ms, s, m or h, as in 50ms".to_owned(),
                    ));
                }
            };
            n.checked_mul(micros)
                .map(|n| quotient(n, d))
                .ok_or_else(|| (begin, "this time is too long".to_owned()))
        }
        MeasureUnit::Share => {
            let told = "expected a share from 0% to 100%, or 0.001 for 0.1%";
            let (n, d) = plain.ok_or_else(|| (begin, told.to_owned()))?;
            match suffix {
                "%" if n <= d.saturating_mul(100) => Ok(quotient(n, d.saturating_mul(100))),
                // 1 may be meant as a hundredth, or as all.
                "" if n < d || n == 0 => Ok(quotient(n, d)),
                "" => Err((begin, format!("a share without % must be below 1: write {number}% or 100%"))),
                "%" => Err((begin, "a share must be at most 100%".to_owned())),
                _ => Err((begin, told.to_owned())),
            }
        }
        MeasureUnit::Count => match decimal(typed) {
            Some((count, 1)) => Ok(approximate(count)),
            Some(_) | None if typed.ends_with('%') => {
                Err((begin, "this measure is a count: write .rate for a share".to_owned()))
            }
            Some(_) | None => Err((begin, "expected a whole number, as in 0, 250 or 10k".to_owned())),
        },
        MeasureUnit::PerSecond => match (typed.parse::<Rate>(), plain) {
            (Ok(rate), _) => Ok(rate.per_second_f64()),
            (Err(_), Some((0, _))) => Ok(0.0),
            (Err(_), _) => Err((begin, "expected a rate, as in 4700, 4.7k/s or 280k/m".to_owned())),
        },
        MeasureUnit::Ratio => match plain {
            Some((n, d)) if matches!(suffix, "" | "x") => Ok(quotient(n, d)),
            Some(_) | None => Err((begin, "expected a factor, as in 1.05".to_owned())),
        },
    }
}

fn quotient(numerator: u64, denominator: u64) -> f64 {
    approximate(numerator) / approximate(denominator)
}

#[cfg(test)]
mod tests;
