//! How a worker gets a new connection to the candidate: TCP, TLS over it, and
//! which HTTP is spoken on it.
//!
//! Everything slow is done before the clock starts: names are resolved, roots
//! and certificates are read. What is left is what every client does for each
//! connection, and what goes wrong in it is told apart by type.

use super::TlsPlan;
use super::wire::{Stamped, Stamper};
use downpour_core::fault::Fault;
use downpour_verify::certificate;
use rustls::pki_types::ServerName;
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1: one exchange at a time.
    Http1,
    /// HTTP/2: many at once.
    Http2,
}

/// What a TLS handshake cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handshake {
    /// From its first byte to its end.
    pub(crate) took: Duration,
    /// Whether it resumed an earlier session.
    pub(crate) resumed: bool,
}

/// A connection, ready for a request.
#[derive(Debug)]
pub(crate) struct Opened<S> {
    pub(crate) stream: S,
    pub(crate) protocol: Protocol,
    pub(crate) handshake: Option<Handshake>,
}

/// How a worker gets a new connection. Tests hand out in-memory pipes.
pub(crate) trait Connect: 'static {
    /// What a connection is made of.
    type Stream: AsyncRead + AsyncWrite + Unpin + 'static;

    /// Opens one connection. `stamper` goes around what crosses into the
    /// kernel, below TLS.
    fn connect(&self, stamper: Stamper) -> impl Future<Output = Result<Opened<Self::Stream>, Fault>>;
}

/// Plain TCP to addresses that were resolved before the clock started.
#[derive(Debug)]
pub(crate) struct Tcp {
    addresses: Vec<SocketAddr>,
    next: Cell<usize>,
    protocol: Protocol,
}

impl Tcp {
    /// `addresses` are used in turn. One that takes no connection is not passed
    /// over: who asked for it meets its fault, for a name with a dead address
    /// is what the run is to find.
    pub(crate) fn new(addresses: Vec<SocketAddr>, protocol: Protocol) -> Self {
        Self { addresses, next: Cell::new(0), protocol }
    }

    async fn open(&self, stamper: &Stamper) -> io::Result<TcpStream> {
        let turn = self.next.get();
        self.next.set((turn + 1) % self.addresses.len().max(1));
        let Some(&address) = self.addresses.get(turn) else {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        };
        stamper.set_peer(address, self.addresses.len());
        let stream = TcpStream::connect(address).await?;
        // A request is one small write; waiting for a second one to join it
        // would add the peer's delayed acknowledgement.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Connect for Tcp {
    type Stream = Stamped<TcpStream>;

    async fn connect(&self, stamper: Stamper) -> Result<Opened<Self::Stream>, Fault> {
        let stream = self.open(&stamper).await.map_err(|error| classify_connect(&error))?;
        Ok(Opened { stream: stamper.wrap(stream), protocol: self.protocol, handshake: None })
    }
}

/// TLS over TCP. Each worker has its own, and with it its own session store.
pub(crate) struct Tls {
    tcp: Tcp,
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// `config` carries the roots, the client's certificate and the ALPN
    /// protocols; its session store is shared by whoever shares it.
    pub(crate) fn new(tcp: Tcp, config: Arc<rustls::ClientConfig>, name: ServerName<'static>) -> Self {
        Self { tcp, connector: TlsConnector::from(config), name }
    }
}

impl Connect for Tls {
    type Stream = TlsStream<Stamped<TcpStream>>;

    async fn connect(&self, stamper: Stamper) -> Result<Opened<Self::Stream>, Fault> {
        let stream = self.tcp.open(&stamper).await.map_err(|error| classify_connect(&error))?;
        let begun = tokio::time::Instant::now();
        let around = stamper.clone().wrap(stream);
        let stream = self.connector.connect(self.name.clone(), around).await.map_err(|error| {
            stamper.set_failure_reason(certificate::reason(&error));
            classify_tls(&error)
        })?;
        let session = stream.get_ref().1;
        let chosen = session.alpn_protocol();
        let protocol = if chosen == Some(b"h2") { Protocol::Http2 } else { self.tcp.protocol };
        if protocol == Protocol::Http2 && chosen != Some(b"h2") {
            stamper.set_failure_reason("it did not choose HTTP/2 by ALPN: leave out --http 2");
        }
        let resumed = session.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        let handshake = Some(Handshake { took: begun.elapsed(), resumed });
        Ok(Opened { stream, protocol, handshake })
    }
}

/// Why a connection could not be opened.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the one map from the open list of io::ErrorKind to the closed list of faults"
)]
fn classify_connect(error: &io::Error) -> Fault {
    use rustix::io::Errno;
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Fault::ConnectRefused,
        io::ErrorKind::TimedOut => Fault::ConnectTimeout,
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => Fault::GeneratorPorts,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Fault::HttpReset,
        _ => match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE) => Fault::GeneratorDescriptors,
            _ => Fault::ConnectUnreachable,
        },
    }
}

/// Why a handshake failed: certificates by what is wrong with them, the rest
/// together.
#[expect(clippy::wildcard_enum_match_arm, reason = "the list of what is wrong with certificates is open")]
fn classify_tls(error: &io::Error) -> Fault {
    use rustls::{CertificateError, Error};
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let Some(Error::InvalidCertificate(certificate)) = cause else { return Fault::TlsHandshake };
    match certificate {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Fault::TlsExpired,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Fault::TlsName,
        _ => Fault::TlsUntrusted,
    }
}

/// Sessions that a worker remembers.
const TLS_SESSIONS: usize = 256;

/// TLS with a session store of the worker's own: a shared one is behind a lock.
pub(super) fn secured(tcp: Tcp, plan: TlsPlan) -> Tls {
    use rustls::client::Resumption;
    let TlsPlan { mut config, resume, name } = plan;
    config.resumption =
        if resume { Resumption::in_memory_sessions(TLS_SESSIONS) } else { Resumption::disabled() };
    Tls::new(tcp, Arc::new(config), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_refusals_are_told_apart() {
        use rustix::io::Errno;
        let check = |errno: Errno, expected| assert_eq!(classify_connect(&errno.into()), expected, "{errno}");
        check(Errno::CONNREFUSED, Fault::ConnectRefused);
        check(Errno::TIMEDOUT, Fault::ConnectTimeout);
        check(Errno::CONNRESET, Fault::HttpReset);
        check(Errno::NETUNREACH, Fault::ConnectUnreachable);
        check(Errno::HOSTUNREACH, Fault::ConnectUnreachable);
        // What this machine itself has run out of.
        check(Errno::ADDRNOTAVAIL, Fault::GeneratorPorts);
        check(Errno::ADDRINUSE, Fault::GeneratorPorts);
        check(Errno::MFILE, Fault::GeneratorDescriptors);
        check(Errno::NFILE, Fault::GeneratorDescriptors);
    }

    #[test]
    fn certificates_are_told_apart() {
        use rustls::CertificateError;
        let check = |error: rustls::Error, expected| {
            assert_eq!(classify_tls(&io::Error::new(io::ErrorKind::InvalidData, error)), expected);
        };
        check(CertificateError::Expired.into(), Fault::TlsExpired);
        check(CertificateError::NotValidForName.into(), Fault::TlsName);
        check(CertificateError::UnknownIssuer.into(), Fault::TlsUntrusted);
        check(rustls::Error::NoCertificatesPresented, Fault::TlsHandshake);
    }
}
