//! The embedded candidate: a download registry, its CDN and its DNS, on
//! loopback, with a plan of faults.
//!
//! It keeps crates.io's contract for downloads well enough to be replayed
//! against and breaks it in named ways on purpose, so that demonstrations and
//! tests have an incident to find. It is written on sockets, not on an HTTP
//! framework, because some of its faults lie below HTTP. It serves nothing
//! real: names and versions are judged by their form alone. There is no
//! idle time-out, since a load generator decides when it is done; the number of
//! connections is bounded instead.
//!
//! The crate needs no other part of downpour. In a test of your own:
//!
//! ```
//! use downpour_mock::plan::FaultPlan;
//! use downpour_mock::{MockConfig, MockRegistry};
//! use std::io::{Read as _, Write as _};
//! use std::net::TcpStream;
//!
//! let plan = FaultPlan::new(vec!["status-503".parse()?], 1);
//! let registry = MockRegistry::start(MockConfig { plan, ..MockConfig::default() })?;
//! let mut client = TcpStream::connect(registry.api())?;
//! client.write_all(
//!     b"GET /api/v1/crates/serde/1.0.0/download HTTP/1.1\r\nhost: crates.io\r\nconnection: close\r\n\r\n",
//! )?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer)?;
//! assert!(answer.starts_with("HTTP/1.1 503"));
//! assert_eq!(registry.stop().faulted["status-503"], 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod api;
mod cdn;
mod connection;
pub mod dns;
mod faulty_answer;
mod listen;
mod location_base;
pub mod plan;
mod redirect_target;
mod release;
mod request_head;
mod response;
mod state;
mod tls;

pub use access::AccessLog;
pub use cdn::crate_file;
pub use location_base::{BaseError, LocationBase};
pub use tls::{CdnCertificate, CdnTls, CertificateError};

use listen::ListenAddress;
use plan::FaultPlan;
use state::{MockHost, MockState};
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::num::NonZeroUsize;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::watch;

/// How a registry is set up.
#[derive(Clone, Debug)]
pub struct MockConfig {
    /// Where the API host listens; port 0 lets the system choose.
    pub api: SocketAddr,
    /// Where the CDN host listens.
    pub cdn: SocketAddr,
    /// Where the DNS responder listens, over UDP.
    pub dns: SocketAddr,
    /// What redirects point to.
    pub location_base: LocationBase,
    /// What goes wrong on the API host.
    pub plan: FaultPlan,
    /// What goes wrong on the CDN host.
    pub cdn_plan: FaultPlan,
    /// What the CDN speaks TLS with, beside plain HTTP, if it does.
    pub cdn_tls: Option<CdnTls>,
    /// What resolves.
    pub zone: dns::Zone,
    /// Where a line is written for each request of the API host, if anywhere.
    pub access_log: Option<AccessLog>,
    /// How many threads serve. Each has listeners of its own.
    pub threads: NonZeroUsize,
}

impl Default for MockConfig {
    /// A sound crates.io on loopback, at ports of the system's choice.
    fn default() -> Self {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            api: anywhere,
            cdn: anywhere,
            dns: anywhere,
            location_base: LocationBase::default(),
            plan: FaultPlan::default(),
            cdn_plan: FaultPlan::default(),
            cdn_tls: None,
            zone: dns::Zone::default(),
            access_log: None,
            threads: NonZeroUsize::MIN,
        }
    }
}

/// Why a registry could not be started. Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum MockError {
    /// An address cannot be listened at; most often it is in use.
    #[error("listen at {flag} {addr}")]
    Bind {
        /// The flag of `downpour serve` that names the address.
        flag: &'static str,
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave no thread, timer or event queue.
    #[error("start a thread of the mock registry")]
    Thread(#[source] io::Error),
}

/// What a registry has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MockStats {
    /// Answers of the API host, whatever their status; a reset is none.
    pub answers: u64,
    /// Those of them that were redirects, sound or spoiled.
    pub redirects: u64,
    /// Answers of the CDN host.
    pub targets: u64,
    /// Packets that the DNS responder received.
    pub queries: u64,
    /// Connections accepted by both hosts.
    pub connections: u64,
    /// Requests to which a planned fault made a difference, by the fault's
    /// name; zero for those that made none.
    pub faulted: BTreeMap<String, u64>,
}

/// A running registry. Dropping it stops it too, without waiting and without
/// passing on its panics; [`MockRegistry::stop`] does both.
#[derive(Debug)]
pub struct MockRegistry {
    api: SocketAddr,
    cdn: SocketAddr,
    dns: SocketAddr,
    state: Arc<MockState>,
    /// Dropping the sender is the signal to stop.
    running: watch::Sender<()>,
    threads: Vec<JoinHandle<()>>,
}

impl MockRegistry {
    /// Binds all addresses, starts the threads, and returns when they serve.
    pub fn start(config: MockConfig) -> Result<Self, MockError> {
        let threads = config.threads.get();
        let api = ListenAddress { flag: "--listen", addr: config.api }.listeners(threads)?;
        let cdn = ListenAddress { flag: "--cdn-listen", addr: config.cdn }.listeners(threads)?;
        let dns = ListenAddress { flag: "--dns-listen", addr: config.dns }.datagrams()?;
        let (running, watched) = watch::channel(());
        let mut registry = Self {
            api: api[0].local_addr().map_err(MockError::Thread)?,
            cdn: cdn[0].local_addr().map_err(MockError::Thread)?,
            dns: dns.local_addr().map_err(MockError::Thread)?,
            state: Arc::new(MockState::new(
                config.location_base,
                config.plan,
                config.cdn_plan,
                config.cdn_tls.map(|tls| tls.config),
                config.access_log,
            )),
            running,
            threads: Vec::with_capacity(threads),
        };
        // One responder is enough for the first thread to carry.
        let mut dns = Some((dns, config.zone));
        for (api, cdn) in api.into_iter().zip(cdn) {
            let sockets = Sockets { api, cdn, dns: dns.take() };
            registry.spawn(sockets, watched.clone())?;
        }
        Ok(registry)
    }

    fn spawn(&mut self, sockets: Sockets, running: watch::Receiver<()>) -> Result<(), MockError> {
        let site = Arc::clone(&self.state);
        let (ready, is_ready) = mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name("registry".to_owned())
            .spawn(move || serve(sockets, &site, running, &ready))
            .map_err(MockError::Thread)?;
        self.threads.push(thread);
        // A thread that ends without a word has panicked.
        let started = is_ready.recv().unwrap_or_else(|_| Err(io::Error::other("it panicked")));
        started.map_err(MockError::Thread)
    }

    /// Where the API host listens.
    pub const fn api(&self) -> SocketAddr {
        self.api
    }

    /// Where the CDN host listens.
    pub const fn cdn(&self) -> SocketAddr {
        self.cdn
    }

    /// Where the DNS responder listens, over UDP.
    pub const fn dns(&self) -> SocketAddr {
        self.dns
    }

    /// What it has done so far.
    pub fn stats(&self) -> MockStats {
        self.state.stats()
    }

    /// Closes every connection and waits for the threads.
    ///
    /// # Panics
    ///
    /// Where one of them did: a test must not pass over a broken registry.
    #[expect(clippy::must_use_candidate, reason = "most callers only want it stopped")]
    pub fn stop(self) -> MockStats {
        drop(self.running);
        for thread in self.threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
        self.state.stats()
    }
}

/// What one thread listens to.
struct Sockets {
    api: TcpListener,
    cdn: TcpListener,
    dns: Option<(UdpSocket, dns::Zone)>,
}

/// A thread's whole life. Says on `ready` whether it could begin.
fn serve(
    sockets: Sockets,
    site: &Arc<MockState>,
    mut running: watch::Receiver<()>,
    ready: &mpsc::SyncSender<io::Result<()>>,
) {
    let prepared = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    let begun = prepared.and_then(|runtime| {
        let tasks = begin(&runtime, sockets, site)?;
        Ok((runtime, tasks))
    });
    let (runtime, mut tasks) = match begun {
        Ok(begun) => begun,
        // Whoever started this thread has given up if nobody listens.
        Err(error) => return ready.send(Err(error)).unwrap_or_default(),
    };
    ready.send(Ok(())).unwrap_or_default();
    runtime.block_on(async {
        tokio::select! {
            // Only ever an error, which says that the sender is gone.
            _ = running.changed() => {}
            Some(ended) = tasks.join_next() => listen::reraise(ended),
        }
    });
}

fn begin(
    runtime: &LocalRuntime,
    sockets: Sockets,
    site: &Arc<MockState>,
) -> io::Result<tokio::task::JoinSet<()>> {
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for (listener, host) in [(sockets.api, MockHost::Api), (sockets.cdn, MockHost::Cdn)] {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tasks.spawn_local(listen::accept(listener, Arc::clone(site), host));
        }
        if let Some((socket, zone)) = sockets.dns {
            let socket = tokio::net::UdpSocket::from_std(socket)?;
            tasks.spawn_local(dns::respond(socket, zone, Arc::clone(site)));
        }
        Ok(tasks)
    })
}
