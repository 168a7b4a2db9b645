//! Client models as a list for people, 80 columns wide.

use super::delays::{Delay, Delays};
use super::{ClientModel, ClientModels, Scope};
use downpour_core::units::approximate;
use std::fmt;

const COLUMNS: usize = 80;

/// Columns of the waits.
const WAITS: usize = 19;

/// Waits that are listed before the rest is left to be guessed.
const WAITS_MAX: usize = 6;

impl fmt::Display for ClientModels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.names().map(str::len).max().unwrap_or(0).max("client".len());
        let rest = COLUMNS - (name + "  attempts  from   ".len() + WAITS + 2);
        writeln!(f, "{:name$}  attempts  from   {:WAITS$}  retries on", "client", "waits (s)")?;
        for model in self.iter() {
            let from = match model.scope {
                Scope::Chain => "start",
                Scope::Hop => "hop",
            };
            let waits = wrapped(&waits(model), WAITS);
            let retried = wrapped(&retried(model), rest);
            for line in 0..waits.len().max(retried.len()).max(1) {
                let cell = |lines: &[String]| lines.get(line).cloned().unwrap_or_default();
                let head = match line {
                    0 => format!("{:name$}  {:>8}  {from:5}", model.name, model.attempts_max()),
                    _ => " ".repeat(name + "  attempts  from ".len()),
                };
                let text = format!("{head}  {:WAITS$}  {}", cell(&waits), cell(&retried));
                writeln!(f, "{}", text.trim_end())?;
            }
        }
        for (family, newest) in self.families() {
            writeln!(f, "{family:name$}  means {newest}, the newest one")?;
        }
        Ok(())
    }
}

/// The wait before each retry, as a range where it is drawn.
fn waits(model: &ClientModel) -> String {
    let retries = model.attempts.get() - 1;
    let after_answer = listed(model, &model.delays, retries);
    let after_fault = (model.delays_after_fault != model.delays)
        .then(|| format!("faults {}", listed(model, &model.delays_after_fault, retries)));
    let again =
        (model.outer_loop.runs.get() > 1).then(|| format!("rerun after {}", seconds(model.outer_loop.pause)));
    [Some(after_answer), after_fault, again].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn listed(model: &ClientModel, delays: &Delays, retries: u8) -> String {
    let mut previous = Delay::ZERO;
    let mut waits: Vec<String> = Vec::new();
    for number in 1..=retries {
        let (low, high) = model.jitter.range(number, delays.before(number), previous);
        previous = high;
        waits.push(if low == high { seconds(low) } else { format!("{}-{}", seconds(low), seconds(high)) });
    }
    if waits.windows(2).all(|pair| pair[0] == pair[1]) {
        waits.truncate(1);
    }
    let more = if waits.len() > WAITS_MAX { ", ..." } else { "" };
    waits.truncate(WAITS_MAX);
    format!("{}{more}", waits.join(", "))
}

/// To the millisecond, in as few digits as tell it.
fn seconds(delay: Delay) -> String {
    (approximate((u64::from(delay.as_micros()) + 500) / 1_000) / 1e3).to_string()
}

fn retried(model: &ClientModel) -> String {
    let retried = &model.retry_conditions;
    let once = Some(retried.statuses_once).filter(|set| !set.is_empty());
    let told = Some(retried.statuses_with_retry_after).filter(|set| !set.is_empty());
    let parts = [
        retried.statuses.to_string(),
        once.map(|set| format!("{set} once")).unwrap_or_default(),
        told.map(|set| format!("{set} with Retry-After")).unwrap_or_default(),
        retried.faults.to_string(),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// Words in lines of at most `width` columns.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_fits_a_terminal() {
        let text = ClientModels::built_in().to_string();
        assert_eq!(text.lines().find(|line| line.len() > COLUMNS), None);
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap();
        assert_eq!(
            line("cargo-1.70"),
            "cargo-1.70           4  start  0.5-1.5, 3.5, 6.5    5xx, connect tls.handshake"
        );
        assert!(line("pip").contains("  6  hop    0, 0.5, 1, 2, 4 "), "{}", line("pip"));
        assert!(line("homebrew").contains("8  start"), "{}", line("homebrew"));
        assert_eq!(line("none"), "none                 1  start");
    }

    #[test]
    fn the_longest_names_fit_too() {
        let long = "[[client]]\nname = \"abcdefghijklmnop\"\nattempts = 100\njitter = \"equal\"\n\
                    delays = { base = \"123457ms\", factor = 1.01, cap = \"1h\" }\nfaults = [\"http2.go_away\", \"http.headers_too_large\"]";
        let text = ClientModels::parse(long, "x").unwrap().to_string();
        assert_eq!(text.lines().find(|line| line.len() > COLUMNS), None, "{text}");
        assert!(text.contains("..."), "{text}");
    }
}
