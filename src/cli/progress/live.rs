//! Draws a run that goes on, ten times a second, on a thread of its own.
//!
//! The collector hands it what it saw once a second, through a channel that
//! never holds it up; in between, only the time moves on. The cursor rests where
//! the picture begins: what else is written to the terminal stands above the
//! next one, and a change of its size leaves nothing behind.

use super::view::{DisplayLine, ExpectedLength, ProgressSnapshot, Tone, view};
use crate::engine::Phase;
use anstyle::{AnsiColor, Style};
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use terminal_size::{Height, Width, terminal_size_of};
use tokio::sync::watch;
use tokio::time::Instant;

/// The time between two pictures.
const FRAME: Duration = Duration::from_millis(100);

/// Columns and rows of a terminal that does not tell.
const DEFAULT_SIZE: (usize, usize) = (80, 24);

/// The thread; the picture goes away with this.
#[derive(Debug)]
pub(super) struct Live {
    /// `None` once it is over.
    seconds: Option<SyncSender<ProgressSnapshot>>,
    thread: Option<JoinHandle<()>>,
}

impl Live {
    /// Begins to draw; `None` where there can be no thread for it.
    pub(super) fn start(expected: ExpectedLength, phase: watch::Receiver<Phase>) -> Option<Self> {
        let (seconds, seen) = sync_channel(4);
        let drawn = thread::Builder::new().name("progress".to_owned()).spawn(move || {
            crate::engine::lower_priority();
            draw_until_over(&expected, &phase, &seen);
        });
        Some(Self { seconds: Some(seconds), thread: Some(drawn.ok()?) })
    }

    /// A second is complete. One that can't be taken is left out.
    pub(super) fn second(&self, seen: ProgressSnapshot) {
        if let Some(seconds) = &self.seconds {
            // The next one tells what matters again.
            drop(seconds.try_send(seen));
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.seconds = None;
        if let Some(thread) = self.thread.take() {
            // What went wrong in drawing is not worth a word.
            drop(thread.join());
        }
    }
}

fn draw_until_over(
    expected: &ExpectedLength,
    phase: &watch::Receiver<Phase>,
    seconds: &Receiver<ProgressSnapshot>,
) {
    let mut began = Instant::now();
    let mut seen: Option<ProgressSnapshot> = None;
    let is_coloured = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    loop {
        match seconds.recv_timeout(FRAME) {
            Ok(next) => {
                // The engine knows the time better.
                let elapsed = expected.warmup + Duration::from_secs(next.seconds);
                began = Instant::now().checked_sub(elapsed).unwrap_or(began);
                seen = Some(next);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        let (columns, rows) = size();
        // A line that is as wide as the terminal may wrap.
        let mut lines = view(expected, began.elapsed(), seen.as_ref(), columns.saturating_sub(1));
        if *phase.borrow() != Phase::Running {
            lines[0] = super::view::ending(began.elapsed().saturating_sub(expected.warmup));
        }
        lines.truncate(rows.saturating_sub(1).max(1));
        show(&picture(&lines, is_coloured));
    }
    show("\r\u{1b}[J");
}

/// What is written: the old picture is wiped, and the cursor returned to where
/// the new one begins.
fn picture(lines: &[DisplayLine], is_coloured: bool) -> String {
    let wrong = Style::new().fg_color(Some(AnsiColor::Red.into()));
    let shown = lines.iter().map(|DisplayLine { text, tone }| match tone {
        Tone::Wrong if is_coloured => format!("{wrong}{text}{wrong:#}"),
        Tone::Wrong | Tone::Plain => text.clone(),
    });
    let text = shown.collect::<Vec<_>>().join("\r\n");
    let up = match lines.len().saturating_sub(1) {
        0 => String::new(),
        rows => format!("\u{1b}[{rows}A"),
    };
    format!("\r\u{1b}[J{text}\r{up}")
}

fn size() -> (usize, usize) {
    match terminal_size_of(io::stderr()) {
        Some((Width(columns @ 1..), Height(rows @ 1..))) => (usize::from(columns), usize::from(rows)),
        Some(_) | None => DEFAULT_SIZE,
    }
}

/// Where nobody looks any more, the run goes on.
fn show(text: &str) {
    let mut stderr = io::stderr().lock();
    stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_rests_where_the_picture_begins() {
        let line = |text: &str, tone| DisplayLine { text: text.to_owned(), tone };
        let lines = [line("a", Tone::Plain), line("b", Tone::Wrong), line("c", Tone::Plain)];
        assert_eq!(picture(&lines, false), "\r\u{1b}[Ja\r\nb\r\nc\r\u{1b}[2A");
        assert_eq!(picture(&lines[1..2], true), "\r\u{1b}[J\u{1b}[31mb\u{1b}[0m\r");
    }
}
