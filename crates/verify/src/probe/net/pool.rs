//! Connections to targets: opened to addresses that were judged first, kept
//! while they are of use, and taken in turn at the set rate. A place where there
//! was none to be had is not tried by each further target for a while.

use super::{Candidate, ConnectOverride, ProbeCounters, ProbeOptions, count};
use crate::HostVerdict;
use crate::certificate;
use crate::lookup::AddressResolver;
use bytes::Bytes;
use downpour_core::fault::Fault;
use http_body_util::Empty;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

/// Most bytes of an answer's head.
const HEAD_BYTES: usize = 64 * 1024;

/// Idle connections kept, over all hosts.
const IDLE_MAX: usize = 256;

/// Addresses of a host that are tried.
const ADDRESSES_TRIED: usize = 4;

/// For how long a place is taken for dead after the last try.
const UNREACHABLE_FOR: Duration = Duration::from_secs(5);

/// Places remembered as dead. What is beyond is tried each time.
const UNREACHABLE_MAX: usize = 1_024;

/// Scheme, host and port.
type ProbeOrigin = (bool, String, u16);

/// A connection that is ready for a request.
pub(super) struct ProbeConnection {
    pub(super) sender: SendRequest<Empty<Bytes>>,
    pub(super) peer: SocketAddr,
}

/// Why there is no connection.
pub(super) struct NotConnected {
    pub(super) fault: Fault,
    /// The address, the cause: what more is known, in ASCII; may be empty.
    pub(super) why: String,
}

impl From<Fault> for NotConnected {
    fn from(fault: Fault) -> Self {
        Self { fault, why: String::new() }
    }
}

/// Everything that checks share.
pub(super) struct ProbePool {
    pub(super) options: ProbeOptions,
    pub(super) counts: Arc<ProbeCounters>,
    addresses: AddressResolver,
    tls: TlsConnector,
    candidate_tls: TlsConnector,
    idle: Mutex<HashMap<ProbeOrigin, Vec<ProbeConnection>>>,
    unreachable: Mutex<HashMap<ProbeOrigin, (Instant, Fault)>>,
    /// When the next request may leave.
    next: Mutex<Instant>,
    interval: Duration,
}

impl ProbePool {
    pub(super) fn new(options: ProbeOptions, addresses: AddressResolver, counts: Arc<ProbeCounters>) -> Self {
        let gap = options.rate.map_or(Duration::ZERO, |rate| {
            let (requests, nanos) = rate.fraction();
            Duration::from_nanos(nanos / requests)
        });
        let candidate_tls = options.candidate.as_ref().and_then(|candidate| candidate.tls.clone());
        Self {
            candidate_tls: TlsConnector::from(candidate_tls.unwrap_or_else(|| Arc::clone(&options.tls))),
            tls: TlsConnector::from(Arc::clone(&options.tls)),
            options,
            counts,
            addresses,
            idle: Mutex::default(),
            unreachable: Mutex::default(),
            next: Mutex::new(Instant::now()),
            interval: gap,
        }
    }

    /// Waits for the turn of one request. Turns are given out evenly; what was
    /// not used is lost, so that a pause is not followed by a burst.
    pub(super) async fn wait_for_rate(&self) {
        if self.interval.is_zero() {
            return;
        }
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = (*next).max(Instant::now());
            *next = turn + self.interval;
            turn
        };
        sleep_until(turn).await;
    }

    /// A kept connection to where `url` leads, if there is one.
    pub(super) fn take_idle(&self, url: &Url) -> Option<ProbeConnection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.get_mut(&probe_origin(url)?)?;
        while let Some(line) = kept.pop() {
            if line.sender.is_ready() {
                return Some(line);
            }
        }
        None
    }

    /// Keeps a connection for the next request to the same place.
    pub(super) fn return_idle(&self, url: &Url, line: ProbeConnection) {
        let Some(place) = probe_origin(url) else { return };
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.values().map(Vec::len).sum::<usize>() >= IDLE_MAX {
            // A bound that is hardly ever met is worth no order of age.
            idle.clear();
        }
        idle.entry(place).or_default().push(line);
    }

    /// Why there was no connection to where `url` leads a moment ago, if there
    /// was none.
    pub(super) fn recently_unreachable(&self, url: &Url) -> Option<Fault> {
        let mut dead = self.unreachable.lock().unwrap_or_else(PoisonError::into_inner);
        let place = probe_origin(url)?;
        let &(until, fault) = dead.get(&place)?;
        if until > Instant::now() {
            return Some(fault);
        }
        dead.remove(&place);
        None
    }

    /// Remembers that nobody takes connections where `url` leads.
    pub(super) fn mark_unreachable(&self, url: &Url, fault: Fault) {
        let Some(place) = probe_origin(url) else { return };
        let now = Instant::now();
        let mut dead = self.unreachable.lock().unwrap_or_else(PoisonError::into_inner);
        if dead.len() >= UNREACHABLE_MAX {
            dead.retain(|_, (until, _)| *until > now);
        }
        if dead.len() < UNREACHABLE_MAX {
            dead.entry(place).or_insert((now + UNREACHABLE_FOR, fault));
        }
    }

    /// The candidate, if it is where `url` leads: its very origin.
    pub(super) fn candidate_at(&self, url: &Url) -> Option<&Candidate> {
        let candidate = self.options.candidate.as_ref()?;
        (probe_origin(&candidate.url)? == probe_origin(url)?).then_some(candidate)
    }

    /// A new connection to where `url` leads.
    pub(super) async fn connect(&self, url: &Url) -> Result<ProbeConnection, NotConnected> {
        let opened = timeout(self.options.connect_timeout, self.open(url)).await;
        let line = opened.unwrap_or(Err(Fault::TargetConnectTimeout.into()))?;
        count(&self.counts.connections);
        Ok(line)
    }

    async fn open(&self, url: &Url) -> Result<ProbeConnection, NotConnected> {
        let (secure, host, _) = probe_origin(url).ok_or(Fault::TargetBadRedirect)?;
        let (stream, peer) = dial(&self.judged_addresses(url).await?).await?;
        let at = |fault| NotConnected { fault, why: format!("at {peer}") };
        if !secure {
            return start_http(stream, peer).await.map_err(at);
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|_| Fault::TargetTlsCertificate)?;
        let tls = if self.candidate_at(url).is_some() { &self.candidate_tls } else { &self.tls };
        let stream = tls.connect(name, stream).await.map_err(|error| NotConnected {
            fault: classify_tls(&error),
            why: format!("at {peer}: {}", certificate::reason(&error)),
        })?;
        start_http(stream, peer).await.map_err(at)
    }

    /// The addresses that may be connected to: the candidate's, those of a
    /// detour, or those that the host has and that are all allowed.
    async fn judged_addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, Fault> {
        if let Some(candidate) = self.candidate_at(url) {
            return Ok(candidate.addresses.clone());
        }
        let (_, host, port) = probe_origin(url).ok_or(Fault::TargetBadRedirect)?;
        if let Some(detour) = self.options.connect_overrides.iter().find(|detour| detour.applies(&host, port))
        {
            return Ok(vec![detour.to]);
        }
        let literal = |address: IpAddr| match self.options.private_addresses.judge([address]) {
            HostVerdict::Resolved => Ok(vec![address]),
            HostVerdict::Broken(fault) => Err(fault),
        };
        let addresses = match url.host() {
            Some(Host::Ipv4(address)) => literal(address.into())?,
            Some(Host::Ipv6(address)) => literal(address.into())?,
            Some(Host::Domain(name)) => self.addresses.find(name).await?,
            None => return Err(Fault::TargetBadRedirect),
        };
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }
}

impl ConnectOverride {
    fn applies(&self, host: &str, port: u16) -> bool {
        (self.host.is_empty() || self.host.eq_ignore_ascii_case(host))
            && self.port.is_none_or(|own| own == port)
    }
}

fn probe_origin(url: &Url) -> Option<ProbeOrigin> {
    Some((url.scheme() == "https", url.host_str()?.to_owned(), url.port_or_known_default()?))
}

async fn dial(addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), NotConnected> {
    let mut last = NotConnected::from(Fault::DnsNoAddress);
    for &address in addresses.iter().take(ADDRESSES_TRIED) {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok((stream, address)),
            Err(error) => {
                let before = if last.why.is_empty() { "at " } else { ", " };
                last = NotConnected {
                    fault: classify_connect(&error),
                    why: format!("{}{before}{address}", last.why),
                };
            }
        }
    }
    Err(last)
}

/// Makes an HTTP connection of a stream; a task drives it until it ends.
async fn start_http<S>(stream: S, peer: SocketAddr) -> Result<ProbeConnection, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let made = http1::Builder::new().max_buf_size(HEAD_BYTES).handshake(TokioIo::new(stream)).await;
    let (sender, driver) = made.map_err(|_| Fault::TargetBroken)?;
    tokio::spawn(async move {
        if let Err(error) = driver.await {
            tracing::trace!(%error, "a target's connection ended");
        }
    });
    Ok(ProbeConnection { sender, peer })
}

/// Why a connection could not be opened.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a map from the open list of io::ErrorKind to the closed list of faults"
)]
fn classify_connect(error: &io::Error) -> Fault {
    use rustix::io::Errno;
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Fault::TargetRefused,
        io::ErrorKind::TimedOut => Fault::TargetConnectTimeout,
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => Fault::GeneratorPorts,
        _ => match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE) => Fault::GeneratorDescriptors,
            _ => Fault::TargetUnreachable,
        },
    }
}

/// Why a handshake failed: by its certificate, or otherwise.
fn classify_tls(error: &io::Error) -> Fault {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(_)) => Fault::TargetTlsCertificate,
        Some(_) | None => Fault::TargetTlsHandshake,
    }
}
