//! Faults below HTTP: what a connection does instead of answering, or besides.
//!
//! When one begins, all earlier answers have been written and the fault has been
//! counted.

use super::stream::ServerStream;
use super::{AfterResponse, Connection};
use crate::api::ResponseSummary;
use crate::plan::WireFault;
use crate::request_head::{MockRequestHead, Verb};
use crate::response::ResponseWriter;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

/// Bytes of content in a chunk that never is the last.
const CHUNK_BYTES: usize = 64 * 1024;

impl Connection {
    /// Lets `fault` befall the answer to `head`; `until` is when it passes by
    /// itself, and `next` what would come after a sound answer.
    pub(super) async fn apply_wire_fault(
        &mut self,
        fault: WireFault,
        head: &MockRequestHead<'_>,
        until: Option<Instant>,
        next: AfterResponse,
    ) -> io::Result<AfterResponse> {
        match fault {
            WireFault::Stall => {
                tokio::select! {
                    biased;
                    () = client_closed(self.stream.tcp()) => return Ok(AfterResponse::Abort),
                    () = wait_until(until) => {}
                }
                self.encode(head, None);
                Ok(next)
            }
            WireFault::Slow => {
                self.encode(head, None);
                self.state.counters.add(&mut self.out.counted);
                write_slowly(&mut self.stream, &self.out.bytes).await?;
                self.out.bytes.clear();
                Ok(next)
            }
            WireFault::Reset => {
                // A linger of zero makes closing a reset instead of a goodbye.
                socket2::SockRef::from(self.stream.tcp()).set_linger(Some(Duration::ZERO))?;
                Ok(AfterResponse::Abort)
            }
            WireFault::HalfClose => {
                self.stream.shutdown().await?;
                drain(&mut self.stream).await?;
                Ok(AfterResponse::Abort)
            }
            WireFault::EndlessBody => {
                ResponseWriter::begin(&mut self.out.bytes, head, 200).chunked();
                self.log_access(Some(200));
                self.count(ResponseSummary::default());
                self.flush().await?;
                if head.verb == Verb::Head {
                    return Ok(next);
                }
                let mut chunk = format!("{CHUNK_BYTES:x}\r\n").into_bytes();
                chunk.resize(chunk.len() + CHUNK_BYTES, b'x');
                chunk.extend_from_slice(b"\r\n");
                loop {
                    self.stream.write_all(&chunk).await?;
                }
            }
            WireFault::EarlyClose => {
                self.encode(head, None);
                Ok(AfterResponse::Close)
            }
        }
    }
}

/// Takes what the client sends until it closes its side.
async fn drain(stream: &mut ServerStream) -> io::Result<()> {
    let mut scratch = [0; 1024];
    while stream.read(&mut scratch).await? > 0 {}
    Ok(())
}

/// Returns at `deadline`; never, without one.
async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Returns when the client has closed its side. A client that has sent more
/// requests in the meantime is taken for present, since what it sent hides the
/// end of the stream.
pub(super) async fn client_closed(stream: &TcpStream) {
    match stream.peek(&mut [0]).await {
        Ok(0) | Err(_) => {}
        Ok(_) => std::future::pending().await,
    }
}

/// Writes one byte a second, the first one at once.
async fn write_slowly(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    let mut due = Instant::now();
    for byte in bytes {
        sleep_until(due).await;
        to.write_all(std::slice::from_ref(byte)).await?;
        due += Duration::from_secs(1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_dribble_takes_a_second_a_byte() {
        let (mut client, mut server) = tokio::io::duplex(64);
        let start = Instant::now();
        write_slowly(&mut server, b"0123456789").await.unwrap();
        drop(server);
        let mut all = Vec::new();
        client.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"0123456789");
        assert_eq!(start.elapsed(), Duration::from_secs(9));
    }
}
