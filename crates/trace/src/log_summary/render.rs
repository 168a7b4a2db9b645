//! A census as text, at most 80 columns wide.
//!
//! Written for a person in front of a terminal: what it is, whether anything
//! was lost, how fast it was, what it asks for. Long names are cut in their
//! middle, where paths differ least.

use super::{ArrivalSummary, LogSummary, Rejection, TopEntries};
use crate::losses::LossReason;
use downpour_core::units::{NANOS_PER_SECOND, grouped};
use downpour_core::visible;
use std::collections::BTreeMap;
use std::fmt;

const WIDTH: usize = 80;

/// Columns left of a value.
const LABEL: usize = 12;

impl fmt::Display for LogSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for input in self.inputs.iter().take(super::TOP_COUNT) {
            let what = format!("{}, {}", input.format.unwrap_or("empty"), input.compression);
            row(f, "input", &format!("{}  {what}", cut(&input.name, WIDTH - LABEL - 2 - what.len())))?;
        }
        if self.inputs.len() > super::TOP_COUNT {
            row(f, "", &format!("and {} more", self.inputs.len() - super::TOP_COUNT))?;
        }
        for (place, input) in self.left_out.iter().take(super::TOP_COUNT).enumerate() {
            let reason = cut(&input.reason, WIDTH - LABEL);
            row(f, if place == 0 { "not read" } else { "" }, &cut(&input.name, WIDTH - LABEL))?;
            row(f, "", &reason)?;
        }
        if self.left_out.len() > super::TOP_COUNT {
            row(f, "", &format!("and {} more", self.left_out.len() - super::TOP_COUNT))?;
        }
        row(
            f,
            "lines",
            &format!("{} read, {} accepted", grouped(self.lines.read), grouped(self.lines.accepted)),
        )?;
        reasons(f, "skipped", &self.lines.skipped)?;
        for (place, rejection) in self.rejections.iter().enumerate() {
            let label = if place == 0 { "rejected" } else { "" };
            let Rejection { count, reason, meaning, .. } = *rejection;
            let first = rejection.examples.first();
            let first = first.map(|first| (first.input.as_str(), first.line, first.text.as_str()));
            write_reason(f, label, count, reason, meaning, first)?;
        }
        let records = &self.records;
        let late = if records.late > 0 { format!(", {} lost", grouped(records.late)) } else { String::new() };
        let head = match self.methods.head {
            0 => String::new(),
            n => format!(", {} of them HEAD", grouped(n)),
        };
        row(f, "requests", &format!("{}{head}{late}", grouped(records.requests)))?;
        reasons(f, "filtered", &records.filtered)?;
        for (place, lost) in self.losses.iter().enumerate() {
            let label = if place == 0 { "lost" } else { "" };
            let first = Some((lost.input.as_str(), lost.line, ""));
            write_reason(f, label, lost.count, lost.reason, lost.meaning, first)?;
        }
        if records.is_much_lost {
            row(f, "", "a replay of it would be invalid (records_lost): too much is lost")?;
        }
        reasons(f, "notes", &self.notes)?;
        match &self.time {
            Some(time) => self.write_time(f, time)?,
            None if records.requests == 0 => row(f, "time", "none: no request remains")?,
            None => row(f, "time", "none: replay needs --rate")?,
        }
        table(f, "routes", &self.routes)?;
        table(f, "statuses", &self.statuses)?;
        table(f, "hosts", &self.hosts)?;
        for warning in &self.warnings {
            row(f, "warning", &cut(warning, WIDTH - LABEL))?;
        }
        Ok(())
    }
}

impl LogSummary {
    fn write_time(&self, f: &mut fmt::Formatter<'_>, time: &ArrivalSummary) -> fmt::Result {
        row(f, "from", &time.first)?;
        row(f, "to", &format!("{}, {}", time.last, duration(time.span_ns)))?;
        row(f, "rate", &rates(time))?;
        row(f, "longest gap", &duration(time.longest_gap_ns))?;
        if time.resolution_ns >= NANOS_PER_SECOND {
            row(f, "timestamps", "in seconds: times within a second are made up")?;
        }
        let disorder = match self.disorder.inversions {
            0 => "none: lines are in order of time".to_owned(),
            1 => format!("1 line, by {}", duration(self.disorder.deepest_ns)),
            n => format!("{} lines, by {} at most", grouped(n), duration(self.disorder.deepest_ns)),
        };
        row(f, "disorder", &disorder)?;
        if self.records.late_by_reason.contains_key(LossReason::OutOfOrder.id()) {
            let needed_s = self.disorder.deepest_ns.div_ceil(NANOS_PER_SECOND) + 1;
            row(f, "", &format!("--reorder-window {needed_s}s keeps all, if memory allows; do not join"))?;
            row(f, "", "files with cat: give each file as an argument")?;
        }
        Ok(())
    }
}

fn row(f: &mut fmt::Formatter<'_>, label: &str, value: &str) -> fmt::Result {
    writeln!(f, "{label:<LABEL$}{value}")
}

fn reasons(f: &mut fmt::Formatter<'_>, label: &str, account: &BTreeMap<String, u64>) -> fmt::Result {
    for (place, (reason, count)) in account.iter().enumerate() {
        row(f, if place == 0 { label } else { "" }, &format!("{:>10}  {reason}", grouped(*count)))?;
    }
    Ok(())
}

/// A reason, what it means, and the first of its lines: input, number, text.
fn write_reason(
    f: &mut fmt::Formatter<'_>,
    label: &str,
    count: u64,
    reason: &str,
    meaning: &str,
    first: Option<(&str, u64, &str)>,
) -> fmt::Result {
    const INDENT: usize = LABEL + 12;
    row(f, label, &format!("{:>10}  {reason}", grouped(count)))?;
    for line in wrapped(meaning, WIDTH - INDENT) {
        writeln!(f, "{:INDENT$}{line}", "")?;
    }
    let Some((input, line, text)) = first else { return Ok(()) };
    let place = format!(":{}", grouped(line));
    let input = cut(input, WIDTH - INDENT - 6 - place.len());
    writeln!(f, "{:INDENT$}first {input}{place}", "")?;
    if text.is_empty() {
        return Ok(());
    }
    writeln!(f, "{:INDENT$}{}", "", cut(text, WIDTH - INDENT))
}

/// Words in lines of at most `width` columns.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

fn table(f: &mut fmt::Formatter<'_>, label: &str, top: &TopEntries) -> fmt::Result {
    for (place, entry) in top.entries.iter().enumerate() {
        let name = cut(&entry.name, WIDTH - LABEL - 12);
        row(f, if place == 0 { label } else { "" }, &format!("{:>10}  {name}", grouped(entry.count)))?;
    }
    if top.others > 0 {
        row(f, "", &format!("{:>10}  others", grouped(top.others)))?;
    }
    Ok(())
}

/// `text`, made visible, in at most `width` columns.
fn cut(text: &str, width: usize) -> String {
    let text = visible::line(text);
    let length = text.chars().count();
    if length <= width {
        return text.into_owned();
    }
    let kept = width.saturating_sub(3);
    let head: String = text.chars().take(kept / 2).collect();
    let tail: String = text.chars().skip(length - (kept - kept / 2)).collect();
    format!("{head}...{tail}")
}

/// Mean and peak. A mean below one a second is told by the hour, and then the
/// peak as a count: two units of rate in one line are easily misread.
fn rates(time: &ArrivalSummary) -> String {
    let (peak, at) = (grouped(time.peak_in_one_second), &time.peak_at);
    match time.mean_per_s {
        None => format!("no mean, {peak} in the busiest second, {at}"),
        Some(mean) if mean < 1.0 => {
            format!("{:.1}/h mean, {peak} in the busiest second, {at}", mean * 3_600.0)
        }
        Some(mean) => format!("{mean:.1}/s mean, {peak}/s peak at {at}"),
    }
}

fn duration(nanos: u64) -> String {
    let seconds = nanos / 1_000_000_000;
    match seconds {
        0 => format!("{}.{:03} ms", nanos / 1_000_000, nanos / 1_000 % 1_000),
        1..120 => format!("{seconds}.{:03} s", nanos / 1_000_000 % 1_000),
        120..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m{:02}s", seconds / 3_600, seconds / 60 % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::super::LogSummaryBuilder;
    use super::*;
    use crate::{ReadOptions, Source};

    fn census(name: &str, log: String) -> LogSummary {
        let mut source = Source::over(vec![(name.to_owned(), log.into())], ReadOptions::default()).unwrap();
        let mut counting = LogSummaryBuilder::default();
        while let Some(request) = source.next().unwrap() {
            counting.add(&request);
        }
        counting.finish(&source)
    }

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        let long = "x".repeat(300);
        let log = format!("https://{long}.example/{long}/1\n{long}\n/y\n# remark\n");
        let text = census(&long, log).to_string();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.contains("no_path"), "{text}");
        assert!(text.contains("the request has no path"), "{text}");
        assert!(text.contains("first xxx") && text.contains(":2\n"), "{text}");
    }

    #[test]
    fn both_forms_tell_the_same() {
        let line = |at: u64| format!("{{\"at_ns\":{at}000000000,\"target\":\"/a\",\"status\":302}}\n");
        let census = census("t", [1, 3, 2].map(line).concat());
        let json = serde_json::to_value(&census).unwrap();
        assert_eq!(json["records"]["requests"], 3);
        assert_eq!(json["disorder"]["inversions"], 1);
        assert_eq!(json["time"]["mean_per_s"], 1.0);
        let text = census.to_string();
        for part in ["3 read, 3 accepted", "1.0/s mean", "1 line, by 1.000 s", "3  302"] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }

    #[test]
    fn lengths_of_time_are_readable() {
        let told = [1_500_000, 30_000_000_000, 605_000_000_000, 3_725_000_000_000].map(duration);
        assert_eq!(told, ["1.500 ms", "30.000 s", "10m05s", "1h02m05s"]);
    }
}
