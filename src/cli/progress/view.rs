//! What a run that goes on looks like: numbers in, a few lines out. Pure.

use crate::cli::signals;
use downpour_core::fault::Fault;
use downpour_core::units::{approximate, grouped};
use downpour_metrics::{Interval, Totals};
use downpour_report::micros;
use std::time::Duration;

/// Columns of the bar.
const BAR: usize = 24;

/// When a run will be over, where that is known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ExpectedLength {
    /// What is not counted at its beginning.
    pub(crate) warmup: Duration,
    /// For how long it counts after that.
    pub(crate) length: Option<Duration>,
    /// How many arrivals it offers, those of the warm-up among them.
    pub(crate) requests: Option<u64>,
}

/// What is shown of the last second and of the run so far.
#[derive(Clone, Debug, Default)]
pub(super) struct ProgressSnapshot {
    /// Seconds that are complete.
    pub(super) seconds: u64,
    offered: u64,
    sent: u64,
    completed: u64,
    in_flight: u64,
    /// The 50th and the 99th percentile and the longest of the last second;
    /// nothing for a percentile without a sample beyond it.
    latency: [Option<u64>; 3],
    lateness_p99: Option<u64>,
    all_offered: u64,
    in_warmup: u64,
    failed: u64,
    finished: u64,
    /// Attempts that failed and were tried again.
    retried_failures: u64,
    /// Attempts that were found wrong.
    wrong: u64,
    /// The same by fault, most frequent first; failed arrivals where no attempt
    /// was made.
    faults: Vec<(&'static str, u64)>,
    redirects: u64,
    unchecked: u64,
    amplification: f64,
}

impl ProgressSnapshot {
    pub(super) fn of(interval: &Interval, totals: &Totals) -> Self {
        let (counts, times, all) = (interval.counts(), interval.times(), &totals.counts);
        // In a second without a good answer, the others have times too.
        let latency = if times.latency.is_empty() { &times.latency_failed } else { &times.latency };
        let wrong = &all.wrong_attempts;
        let of = |&fault: &Fault| (fault.id(), wrong.get(fault).count.max(all.faults.get(fault).count));
        let mut faults: Vec<_> = Fault::ALL.iter().map(of).filter(|(_, count)| *count > 0).collect();
        faults.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let first = approximate(all.attempts.first.max(1));
        Self {
            seconds: interval.second() + 1,
            offered: counts.arrivals.offered,
            sent: counts.attempts.sent,
            completed: counts.attempts.completed(),
            in_flight: interval.gauges().in_flight,
            latency: {
                let ([p50, p99], count) = (latency.quantiles([0.5, 0.99]), latency.count());
                [(count > 2).then_some(p50), (count > 100).then_some(p99), (count > 0).then(|| latency.max())]
            },
            lateness_p99: (times.lateness.count() > 100).then(|| times.lateness.quantile(0.99)),
            all_offered: all.arrivals.offered,
            in_warmup: all.warmup.arrivals.offered,
            failed: all.arrivals.failed,
            finished: all.arrivals.settled(),
            retried_failures: all.retries.hidden_by_retries.total(),
            wrong: wrong.total(),
            faults,
            redirects: all.redirects.seen,
            unchecked: all.redirects.unchecked_total(all.redirects.deepest()),
            amplification: approximate(all.attempts.total()) / first,
        }
    }
}

/// A line, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DisplayLine {
    pub(super) text: String,
    pub(super) tone: Tone,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// A number like others.
    Plain,
    /// Something is wrong.
    Wrong,
}

/// The lines of a run that began `elapsed` ago, its warm-up included; none is
/// wider than `width`.
pub(super) fn view(
    expected: &ExpectedLength,
    elapsed: Duration,
    seen: Option<&ProgressSnapshot>,
    width: usize,
) -> Vec<DisplayLine> {
    let mut lines = vec![(Tone::Plain, progress(expected, elapsed, seen))];
    if let Some(seen) = seen {
        lines.push((Tone::Plain, load(seen)));
        lines.push((Tone::Plain, times(seen)));
        let tone = if seen.failed > 0 || seen.wrong > 0 { Tone::Wrong } else { Tone::Plain };
        lines.push((tone, failures(seen)));
        if !seen.faults.is_empty() {
            lines.push((tone, faults(seen, width)));
        }
        lines.push((Tone::Plain, targets(seen)));
    }
    lines
        .into_iter()
        .map(|(tone, text)| DisplayLine { text: truncate_after_number(&text, width), tone })
        .collect()
}

/// The first line of a run that was told to end: no time is left to promise.
pub(super) fn ending(elapsed: Duration) -> DisplayLine {
    DisplayLine { text: format!("{} {}", clock(elapsed), signals::ENDING), tone: Tone::Plain }
}

/// What of a line fits, up to the end of a number with its name.
fn truncate_after_number(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut fits = String::new();
    for part in text.split_inclusive("  ") {
        if fits.chars().count() + part.trim_end().chars().count() > width {
            break;
        }
        fits.push_str(part);
    }
    if fits.is_empty() { text.chars().take(width).collect() } else { fits.trim_end().to_owned() }
}

fn progress(expected: &ExpectedLength, elapsed: Duration, seen: Option<&ProgressSnapshot>) -> String {
    let Some(counted) = elapsed.checked_sub(expected.warmup) else {
        return format!(
            "warming up, {} left: nothing is counted yet",
            clock(expected.warmup.saturating_sub(elapsed))
        );
    };
    let by_time = expected.length.map(|length| (counted.as_secs_f64() / length.as_secs_f64(), length));
    let by_count = expected
        .requests
        .zip(seen)
        .map(|(all, seen)| approximate(seen.all_offered + seen.in_warmup) / approximate(all.max(1)));
    // The run ends with whichever is reached first.
    let share = by_time.map(|(share, _)| share).into_iter().chain(by_count).reduce(f64::max);
    let Some(share) = share else { return format!("{} so far", clock(counted)) };
    if share >= 1.0 {
        let open = seen.map_or(0, |seen| seen.in_flight);
        return format!("{} {} waiting for answers, {} in flight", clock(counted), bar(1.0), grouped(open));
    }
    let left = match by_time {
        Some((by_time, length)) if by_time >= share => length.saturating_sub(counted),
        _ if share > 0.0 => counted.mul_f64((1.0 - share) / share),
        _ => return format!("{} {}   0 %", clock(counted), bar(0.0)),
    };
    format!("{} {} {:>3.0} %  {} left", clock(counted), bar(share), (share * 100.0).floor(), clock(left))
}

fn bar(share: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of some columns"
    )]
    let full = ((share * BAR as f64) as usize).min(BAR);
    format!("[{}{}]", "#".repeat(full), "-".repeat(BAR - full))
}

/// `0:07`, `12:00` or `1:00:00`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

fn load(seen: &ProgressSnapshot) -> String {
    format!(
        "last second  offered {}  sent {}  completed {}  in flight {}",
        grouped(seen.offered),
        grouped(seen.sent),
        grouped(seen.completed),
        grouped(seen.in_flight)
    )
}

fn times(seen: &ProgressSnapshot) -> String {
    let told = |time: Option<u64>| time.map_or_else(|| "-".to_owned(), micros);
    let latency = match seen.latency {
        [None, None, None] => "-".to_owned(),
        [p50, p99, max] => format!("p50 {}  p99 {}  max {}", told(p50), told(p99), told(max)),
    };
    let lateness = told(seen.lateness_p99);
    format!("  latency    {latency}  send delay p99 {lateness}")
}

fn failures(seen: &ProgressSnapshot) -> String {
    let failed = format!("whole run    failed {} of {}", grouped(seen.failed), grouped(seen.finished));
    match (seen.wrong, seen.retried_failures) {
        (0, _) => failed,
        (wrong, 0) => format!("{failed}, {} attempts wrong", grouped(wrong)),
        (wrong, again) => {
            format!("{failed}, {} attempts wrong, {} retried", grouped(wrong), grouped(again))
        }
    }
}

/// As many kinds of failure as fit are named; the others are counted.
fn faults(seen: &ProgressSnapshot, width: usize) -> String {
    let mut text = " ".repeat(11);
    let more = |others: usize| match others {
        0 => String::new(),
        1 => "  and one more kind".to_owned(),
        others => format!("  and {others} more kinds"),
    };
    for (named, (id, count)) in seen.faults.iter().enumerate() {
        let kind = format!("  {id} {}", grouped(*count));
        let rest = more(seen.faults.len() - named - 1);
        if text.chars().count() + kind.len() + rest.len() > width {
            return format!("{text}{}", more(seen.faults.len() - named));
        }
        text.push_str(&kind);
    }
    text
}

fn targets(seen: &ProgressSnapshot) -> String {
    let checked = grouped(seen.redirects.saturating_sub(seen.unchecked));
    let targets = format!("             {checked} of {} redirects checked", grouped(seen.redirects));
    if seen.amplification > 1.0 {
        format!("{targets}  amplification {:.2}", seen.amplification)
    } else {
        targets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn snapshot() -> ProgressSnapshot {
        ProgressSnapshot {
            seconds: 12,
            offered: 1_500,
            sent: 3_936,
            completed: 3_930,
            in_flight: 12,
            latency: [Some(420), Some(3_100), Some(12_000)],
            lateness_p99: Some(300),
            all_offered: 18_000,
            finished: 17_000,
            redirects: 47_000,
            unchecked: 2,
            amplification: 1.0,
            ..ProgressSnapshot::default()
        }
    }

    #[track_caller]
    fn check(expected: &ExpectedLength, elapsed: u64, seen: Option<&ProgressSnapshot>, first: &str) {
        assert_eq!(view(expected, s(elapsed), seen, 80)[0].text, first);
    }

    #[test]
    fn the_first_line_tells_how_far_it_is() {
        let minute = ExpectedLength { length: Some(s(60)), ..ExpectedLength::default() };
        check(&minute, 0, None, "0:00 [------------------------]   0 %  1:00 left");
        check(&minute, 15, None, "0:15 [######------------------]  25 %  0:45 left");
        check(
            &minute,
            61,
            Some(&snapshot()),
            "1:01 [########################] waiting for answers, 12 in flight",
        );
        let warmed = ExpectedLength { warmup: s(10), ..minute };
        check(&warmed, 4, None, "warming up, 0:06 left: nothing is counted yet");
        check(&warmed, 25, None, "0:15 [######------------------]  25 %  0:45 left");
        let counted = ExpectedLength { requests: Some(72_000), ..ExpectedLength::default() };
        check(&counted, 12, Some(&snapshot()), "0:12 [######------------------]  25 %  0:36 left");
        // The end that is nearer counts.
        let both = ExpectedLength { requests: Some(36_000), ..minute };
        check(&both, 15, Some(&snapshot()), "0:15 [############------------]  50 %  0:15 left");
        check(&ExpectedLength::default(), 3_661, Some(&snapshot()), "1:01:01 so far");
    }

    #[track_caller]
    fn check_rest(seen: &ProgressSnapshot, width: usize, rest: &[(&str, Tone)]) {
        let lines = view(&ExpectedLength::default(), s(12), Some(seen), width);
        let lines: Vec<_> = lines[1..].iter().map(|line| (line.text.as_str(), line.tone)).collect();
        assert_eq!(lines, rest);
    }

    #[test]
    fn the_others_tell_the_last_second_and_the_run_so_far() {
        use Tone::{Plain, Wrong};
        check_rest(
            &snapshot(),
            80,
            &[
                ("last second  offered 1,500  sent 3,936  completed 3,930  in flight 12", Plain),
                ("  latency    p50 420 µs  p99 3.10 ms  max 12.0 ms  send delay p99 300 µs", Plain),
                ("whole run    failed 0 of 17,000", Plain),
                ("             46,998 of 47,000 redirects checked", Plain),
            ],
        );
        let faults = vec![("dns.nxdomain", 1_474), ("status.5xx", 3), ("http.reset", 2), ("tls.name", 1)];
        let storm = ProgressSnapshot {
            failed: 1_480,
            wrong: 1_480,
            faults,
            latency: [None; 3],
            amplification: 2.615,
            ..snapshot()
        };
        // What a retry hides is seen all the same.
        let hiding = ProgressSnapshot {
            retried_failures: 1_400,
            wrong: 1_400,
            faults: vec![("dns.nxdomain", 1_400)],
            ..snapshot()
        };
        let shown = view(&ExpectedLength::default(), s(12), Some(&hiding), 80);
        let told = "whole run    failed 0 of 17,000, 1,400 attempts wrong, 1,400 retried".to_owned();
        assert_eq!(shown[3], DisplayLine { text: told, tone: Wrong });
        assert_eq!(shown[4], DisplayLine { text: "             dns.nxdomain 1,400".to_owned(), tone: Wrong });
        check_rest(
            &storm,
            60,
            &[
                ("last second  offered 1,500  sent 3,936  completed 3,930", Plain),
                ("  latency    -  send delay p99 300 µs", Plain),
                ("whole run    failed 1,480 of 17,000, 1,480 attempts wrong", Wrong),
                ("             dns.nxdomain 1,474  and 3 more kinds", Wrong),
                ("             46,998 of 47,000 redirects checked", Plain),
            ],
        );
        let wide = view(&ExpectedLength::default(), s(12), Some(&storm), 120).remove(4).text;
        assert_eq!(wide, "             dns.nxdomain 1,474  status.5xx 3  http.reset 2  tls.name 1");
        let narrow = view(&ExpectedLength::default(), s(12), Some(&storm), 70).remove(4).text;
        assert_eq!(narrow, "             dns.nxdomain 1,474  status.5xx 3  and 2 more kinds");
    }

    #[test]
    fn a_run_that_was_told_to_end_promises_no_time() {
        let line = ending(s(9)).text;
        assert_eq!(line, "0:09 ending: waiting for requests in flight; Ctrl-C again to stop now");
    }
}
