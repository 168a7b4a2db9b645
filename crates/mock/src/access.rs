//! What was asked of the API host, a line a request, as the `trace` format has
//! it: a log that can be replayed, and what tests of real clients look at.
//!
//! Of who asked only the kind of client is written. Lines come in the order in
//! which requests were done with.

use super::request_head::{MockRequestHead, Verb};
use downpour_core::agent::ClientKind;
use serde::Serialize;
use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// Where lines go.
#[derive(Clone)]
pub struct AccessLog(Arc<Log>);

struct Log {
    to: Mutex<Box<dyn Write + Send>>,
    /// Whether a line could not be written: told once.
    is_broken: AtomicBool,
}

impl AccessLog {
    /// A log that is written to `to`, each line at once.
    pub fn new(to: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Log { to: Mutex::new(Box::new(to)), is_broken: AtomicBool::new(false) }))
    }

    fn write(&self, line: &AccessLogLine<'_>) {
        let mut text = serde_json::to_vec(line).expect("a line is text and numbers");
        text.push(b'\n');
        // A thread that panicked while it wrote has left half a line at worst.
        let mut to = self.0.to.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Err(error) = to.write_all(&text).and_then(|()| to.flush())
            && !self.0.is_broken.swap(true, Ordering::Relaxed)
        {
            tracing::warn!("the access log cannot be written: {error}");
        }
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog").finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct AccessLogLine<'l> {
    at_ns: u64,
    method: &'static str,
    target: &'l str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    duration_ns: u64,
    kind: &'static str,
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct AccessEntry {
    started: Instant,
    at_ns: u64,
    method: &'static str,
    target: String,
    kind: ClientKind,
}

impl AccessEntry {
    pub(super) fn begin(head: &MockRequestHead<'_>) -> Self {
        let method = match head.verb {
            Verb::Get => "GET",
            Verb::Head => "HEAD",
            Verb::Other => "OTHER",
        };
        Self {
            started: Instant::now(),
            at_ns: u64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(0),
            method,
            target: String::from_utf8_lossy(head.target).into_owned(),
            kind: ClientKind::of(head.agent),
        }
    }

    /// It is over: with this status, or without an answer.
    pub(super) fn end(self, status: Option<u16>, log: &AccessLog) {
        let Self { started: came, at_ns, method, ref target, kind } = self;
        let took: Duration = came.elapsed();
        let duration_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        log.write(&AccessLogLine { at_ns, method, target, status, duration_ns, kind: kind.preset() });
    }
}

/// The status of an answer as it is sent, behind interim ones; `None` where it
/// is no HTTP.
pub(super) fn status_of(mut answer: &[u8]) -> Option<u16> {
    loop {
        let digits = answer.strip_prefix(b"HTTP/1.")?.get(2..5)?;
        let status: u16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        if status >= 200 {
            return Some(status);
        }
        answer = &answer[memchr::memmem::find(answer, b"\r\n\r\n")? + 4..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interim_answers_are_passed_over() {
        assert_eq!(status_of(b"HTTP/1.1 302 Found\r\n\r\n"), Some(302));
        assert_eq!(status_of(b"HTTP/1.1 103 Early\r\nx: y\r\n\r\nHTTP/1.0 200 OK\r\n\r\n"), Some(200));
        assert_eq!(status_of(b"HTTP/1.1 100 Continue\r\n\r\n"), None);
        assert_eq!(status_of(b"\x01\x02"), None);
        assert_eq!(status_of(b"HTTP/1.1 3"), None);
    }
}
