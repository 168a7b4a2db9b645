//! Sockets: binding them, and accepting from them.
//!
//! Binding happens on the caller's thread, so that a port in use is an error of
//! the start and not of a thread. With several threads each has its own
//! listeners on the same addresses, and the kernel shares connections out.

use super::MockError;
use super::connection;
use super::state::{MockHost, MockState};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// How many connections may wait to be accepted: a storm's worth.
const BACKLOG: i32 = 4_096;
/// Open connections per listener; more wait in the backlog. Bounds memory at
/// about 16 KiB each.
const MAX_CONNECTIONS: usize = 16_384;
/// How long accepting rests after an error, which is most often a lack of file
/// descriptors and does not go away by trying.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// A place to listen at, and the flag that names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListenAddress {
    pub(super) flag: &'static str,
    pub(super) addr: SocketAddr,
}

impl ListenAddress {
    /// One listener for each of `threads`, all on one address.
    pub(super) fn listeners(self, threads: usize) -> Result<Vec<TcpListener>, MockError> {
        if threads > 1 && self.addr.port() != 0 {
            // Shared ports would hide that the port is taken by another process
            // that shares; an exclusive listener finds out.
            self.listener(Sharing::Exclusive)?;
        }
        let sharing = if threads > 1 { Sharing::Shared } else { Sharing::Exclusive };
        let mut listeners = vec![self.listener(sharing)?];
        let addr = listeners[0].local_addr().map_err(|source| self.error(source))?;
        while listeners.len() < threads {
            listeners.push(Self { addr, ..self }.listener(sharing)?);
        }
        Ok(listeners)
    }

    fn listener(self, sharing: Sharing) -> Result<TcpListener, MockError> {
        let bind = || {
            let domain = Domain::for_address(self.addr);
            let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
            socket.set_nonblocking(true)?;
            // A restart need not wait for the last run's closed connections.
            socket.set_reuse_address(true)?;
            socket.set_reuse_port(sharing == Sharing::Shared)?;
            socket.bind(&self.addr.into())?;
            socket.listen(BACKLOG)?;
            Ok(socket.into())
        };
        bind().map_err(|source| self.error(source))
    }

    /// A socket for datagrams.
    pub(super) fn datagrams(self) -> Result<UdpSocket, MockError> {
        let bind = || {
            let socket = UdpSocket::bind(self.addr)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        bind().map_err(|source| self.error(source))
    }

    const fn error(self, source: io::Error) -> MockError {
        MockError::Bind { flag: self.flag, addr: self.addr, source }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Exclusive,
    Shared,
}

/// Accepts and serves for ever; a connection that panics takes this with it.
pub(super) async fn accept(listener: tokio::net::TcpListener, site: Arc<MockState>, host: MockHost) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    site.counters.connection();
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "a connection keeps its delay");
                    }
                    connections.spawn_local(connection::serve(stream, Arc::clone(&site), host));
                }
                Err(error) => {
                    tracing::warn!(%error, "the mock registry could not accept a connection");
                    sleep_until(Instant::now() + ERROR_PAUSE).await;
                }
            },
            Some(ended) = connections.join_next() => reraise(ended),
        }
    }
}

/// Passes a task's panic on to whoever waits for the task.
pub(super) fn reraise(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}
