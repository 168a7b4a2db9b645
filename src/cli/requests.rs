//! A trace as the engine takes it, watched for hosts it must not be aimed at.

use super::chain;
use super::loop_cache::LoopCache;
use super::trace_args::TraceArgsError;
use downpour_load::played::Requests;
use downpour_trace::source::{ReadOutcome, Warning};
use downpour_trace::{Source, TraceAccounting, TraceRequest};
use std::fmt;

/// The requests of a source, unless it was recorded at the host that the run
/// is pointed at.
#[derive(Debug)]
pub(super) struct TraceRequests {
    source: Source,
    refused: Vec<RefusedHost>,
    /// How many distinct recorded hosts have been looked at.
    looked_at: usize,
    /// Requests that were read and not handed out, because of the refusal.
    withheld: u64,
    /// The first request, read to know that there is one.
    first: Option<TraceRequest>,
    loop_cache: LoopCache,
}

impl TraceRequests {
    /// Reads up to the first request, so that a trace without one is told
    /// before a run begins. `refused` are the hosts that must not appear in the
    /// log.
    pub(super) fn begin(mut source: Source, refused: Vec<RefusedHost>) -> Result<Self, TraceArgsError> {
        let first = source.next()?;
        Ok(Self { source, refused, looked_at: 0, withheld: 0, first, loop_cache: LoopCache::default() })
    }

    fn refuse_recorded_host(&mut self) -> Result<(), String> {
        let known = self.source.authorities().known();
        if self.refused.is_empty() || known == self.looked_at {
            return Ok(());
        }
        self.looked_at = known;
        let met = self.refused.iter().find(|refused| refused.recorded(&self.source));
        met.map_or(Ok(()), |refused| Err(refused.to_string()))
    }
}

/// A host that a flag names, and that the trace may have been recorded at.
#[derive(Clone, Debug)]
pub(super) struct RefusedHost {
    pub(super) flag: &'static str,
    pub(super) host: String,
}

impl RefusedHost {
    /// Whether the trace, as far as it was read, was recorded there.
    pub(super) fn recorded(&self, source: &Source) -> bool {
        let host = self.host.as_bytes();
        source.authorities().iter().any(|(authority, _)| host_of(authority).eq_ignore_ascii_case(host))
    }
}

/// The most inputs that a notice names.
const MAX_LEFT_OUT: usize = 5;

/// Why such a run is refused.
impl fmt::Display for RefusedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { flag, host } = self;
        write!(
            f,
            "the trace was recorded at {host}, and {flag} points there: a replay would load the recorded \
             service itself; if you want that, add --allow-recorded-host"
        )
    }
}

/// An authority without its port.
fn host_of(authority: &[u8]) -> &[u8] {
    let colon = authority.iter().rposition(|&b| b == b':');
    match colon {
        Some(at) if authority[at + 1..].iter().all(u8::is_ascii_digit) => &authority[..at],
        Some(_) | None => authority,
    }
}

impl Requests for TraceRequests {
    fn next_or_idle(&mut self) -> Result<ReadOutcome, String> {
        if self.loop_cache.is_playing() {
            return Ok(self.loop_cache.next().map_or(ReadOutcome::End, ReadOutcome::Request));
        }
        let request = match self.first.take() {
            Some(first) => ReadOutcome::Request(first),
            None => self.source.next_or_idle().map_err(|error| chain(&error))?,
        };
        let is_one = matches!(request, ReadOutcome::Request(_));
        self.refuse_recorded_host().inspect_err(|_| self.withheld += u64::from(is_one))?;
        if let ReadOutcome::Request(request) = &request {
            self.loop_cache.keep(request);
        }
        Ok(request)
    }

    fn rewind(&mut self) -> Result<(), String> {
        if self.loop_cache.rewind(self.source.accounting()) {
            return Ok(());
        }
        self.source.rewind().map_err(|error| chain(&error))
    }

    fn stop(&mut self) {
        self.withheld += u64::from(self.first.take().is_some());
        self.loop_cache.stop();
        self.source.stop();
    }

    fn notices(&self) -> Vec<String> {
        let told =
            |warning: &Warning| format!("{}, line {}: {}", warning.name, warning.line, warning.message);
        let left_out = self.source.unreadable();
        let count = (!left_out.is_empty()).then(|| {
            let first = left_out.iter().take(MAX_LEFT_OUT).map(ToString::to_string).collect::<Vec<_>>();
            let inputs = if left_out.len() == 1 { "input" } else { "inputs" };
            format!("{} {inputs} could not be read: {}", left_out.len(), first.join("; "))
        });
        count.into_iter().chain(self.source.warnings().iter().map(told)).collect()
    }

    fn accounting(&self) -> TraceAccounting {
        let mut books = self.source.accounting().clone();
        books.undelivered += self.withheld;
        self.loop_cache.add_to(&mut books);
        books
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_not_part_of_a_host() {
        assert_eq!(host_of(b"crates.io:443"), b"crates.io");
        assert_eq!(host_of(b"crates.io"), b"crates.io");
        assert_eq!(host_of(b"[::1]:80"), b"[::1]");
        assert_eq!(host_of(b"[::1]"), b"[::1]");
    }
}
