//! One client's connection, from its first request to its end.
//!
//! Answers all the requests that have arrived with a single write, in order,
//! from buffers that live as long as the connection; the usual path allocates
//! nothing. Trouble of the client's making ends the connection and is nobody
//! else's business.

mod stream;
mod wire_faults;

use super::access::{self, AccessEntry};
use super::api::ResponseSummary;
use super::cdn;
use super::plan::FaultKind;
use super::request_head::{self, MAX_HEAD, MockRequestHead, Persistence};
use super::response;
use super::state::{MockHost, MockState, PendingCounts};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use stream::ServerStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

/// Answers waiting to be written are written at this size at the latest.
const WRITE_AT: usize = 64 * 1024;

/// Capacity that one answer of unusual size may leave behind.
const KEPT_BYTES: usize = 4 * WRITE_AT;

/// How much a client may still send after the last answer, and for how long.
const MAX_UNREAD: usize = 1 << 20;
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves `stream` until one side ends it.
pub(super) async fn serve(stream: TcpStream, site: Arc<MockState>, host: MockHost) {
    let served = async {
        let stream = ServerStream::begin(stream, site.tls.as_ref().filter(|_| host == MockHost::Cdn)).await?;
        Connection { stream, state: site, host, out: Outbox::default(), access_entry: None }.run().await
    };
    if let Err(error) = served.await {
        tracing::trace!(%error, "a client's connection ended");
    }
}

struct Connection {
    stream: ServerStream,
    state: Arc<MockState>,
    host: MockHost,
    out: Outbox,
    /// The request that is being answered, where requests are written down.
    access_entry: Option<AccessEntry>,
}

/// Answers that are composed and not yet written.
#[derive(Default)]
struct Outbox {
    bytes: Vec<u8>,
    counted: PendingCounts,
    scratch: Vec<u8>,
}

/// What comes after an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AfterResponse {
    /// The next request.
    KeepOpen,
    /// The end, said properly.
    Close,
    /// The end, without a word.
    Abort,
}

impl Connection {
    async fn run(mut self) -> io::Result<()> {
        let mut input = vec![0; MAX_HEAD];
        let mut filled = 0;
        loop {
            let mut start = 0;
            let next = self.answer_all(&input[..filled], &mut start).await?;
            self.flush().await?;
            match next {
                AfterResponse::KeepOpen => {}
                AfterResponse::Close => return self.close(&mut input).await,
                AfterResponse::Abort => return Ok(()),
            }
            input.copy_within(start..filled, 0);
            filled -= start;
            match self.stream.read(&mut input[filled..]).await? {
                0 => return Ok(()),
                read => filled += read,
            }
        }
    }

    /// Answers every complete request in `input`, of which `start` bytes are
    /// done with.
    async fn answer_all(&mut self, input: &[u8], start: &mut usize) -> io::Result<AfterResponse> {
        loop {
            let head = match request_head::parse(&input[*start..]) {
                Ok(Some(head)) => head,
                Ok(None) => return Ok(AfterResponse::KeepOpen),
                Err(refusal) => {
                    response::push_refusal(&mut self.out.bytes, refusal);
                    self.count(ResponseSummary::default());
                    return Ok(AfterResponse::Close);
                }
            };
            *start += head.length;
            match self.answer(&head).await? {
                AfterResponse::KeepOpen => {}
                end @ (AfterResponse::Close | AfterResponse::Abort) => return Ok(end),
            }
            if self.out.bytes.len() >= WRITE_AT {
                self.flush().await?;
            }
        }
    }

    async fn answer(&mut self, head: &MockRequestHead<'_>) -> io::Result<AfterResponse> {
        let next = if head.persistence == Persistence::Close {
            AfterResponse::Close
        } else {
            AfterResponse::KeepOpen
        };
        if self.host == MockHost::Api && self.state.access_log.is_some() {
            self.access_entry = Some(AccessEntry::begin(head));
        }
        let answered = self.respond(head, next).await;
        self.log_access(None);
        answered
    }

    /// Answers `head` as the plan of faults will have it.
    async fn respond(
        &mut self,
        head: &MockRequestHead<'_>,
        next: AfterResponse,
    ) -> io::Result<AfterResponse> {
        let Some(lot) = self.state.next_fault(self.host) else {
            self.encode(head, None);
            return Ok(next);
        };
        if let Some(index) = lot.overloaded {
            self.state.counters.faulted(index);
            self.encode(head, Some(FaultKind::Status(503)));
            return Ok(next);
        }
        if let Some(ready) = lot.ready {
            self.flush().await?;
            tokio::select! {
                biased;
                () = wire_faults::client_closed(self.stream.tcp()) => return Ok(AfterResponse::Abort),
                () = sleep_until(ready) => {}
            }
            if let Some(index) = lot.delayed {
                self.state.counters.faulted(index);
            }
        }
        let Some(befallen) = lot.fault else {
            self.encode(head, None);
            return Ok(next);
        };
        if let FaultKind::Wire(fault) = befallen.fault.kind {
            self.flush().await?;
            self.state.counters.faulted(befallen.index);
            return self.apply_wire_fault(fault, head, befallen.until, next).await;
        }
        let said = self.encode(head, Some(befallen.fault.kind));
        if said.is_faulty {
            self.state.counters.faulted(befallen.index);
        }
        Ok(if said.closes { AfterResponse::Close } else { next })
    }

    /// Appends the answer to the outbox.
    fn encode(&mut self, head: &MockRequestHead<'_>, fault: Option<FaultKind>) -> ResponseSummary {
        let out = &mut self.out;
        let begin = out.bytes.len();
        let said = match self.host {
            MockHost::Api => self.state.api.answer(head, fault, &mut out.bytes),
            MockHost::Cdn => cdn::answer(head, fault, &mut out.scratch, &mut out.bytes),
        };
        self.count(said);
        if self.access_entry.is_some() {
            self.log_access(access::status_of(&self.out.bytes[begin..]));
        }
        said
    }

    /// Writes down how the request ended, unless that was done.
    fn log_access(&mut self, status: Option<u16>) {
        if let (Some(visit), Some(log)) = (self.access_entry.take(), &self.state.access_log) {
            visit.end(status, log);
        }
    }

    fn count(&mut self, said: ResponseSummary) {
        let counted = &mut self.out.counted;
        match self.host {
            MockHost::Api => counted.answers += 1,
            MockHost::Cdn => counted.targets += 1,
        }
        counted.redirects += u64::from(said.redirect);
    }

    /// Says goodbye and takes what the client is still sending, within limits:
    /// closing on unread bytes would be a reset, which can take back an answer
    /// that the client has not read yet (RFC 9112 section 9.6).
    async fn close(mut self, input: &mut [u8]) -> io::Result<()> {
        self.stream.shutdown().await?;
        let deadline = Instant::now() + CLOSE_TIMEOUT;
        let mut left = MAX_UNREAD;
        while left > 0 {
            let read = tokio::select! {
                read = self.stream.read(input) => read?,
                () = sleep_until(deadline) => 0,
            };
            if read == 0 {
                break;
            }
            left = left.saturating_sub(read);
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.out.bytes.is_empty() {
            return Ok(());
        }
        self.state.counters.add(&mut self.out.counted);
        self.stream.write_all(&self.out.bytes).await?;
        self.stream.flush().await?;
        self.out.bytes.clear();
        if self.out.bytes.capacity() > KEPT_BYTES {
            self.out.bytes.shrink_to(WRITE_AT);
        }
        Ok(())
    }
}
