//! The edge of target checks: a thread with connections and a rate of its own.
//!
//! Workers hand questions in, never wait, and get answers back over bounded
//! channels, as from [`crate::lookup`]. A target is asked once for all
//! of them. Requests leave evenly at their own rate, so the load of a run never
//! becomes load on the store; what cannot be asked in time is left out and said
//! to be. An address is connected to only after it was judged, and
//! it is that address, not its name, that is connected to. Nothing that could
//! be a credential is ever sent to anybody but the candidate.

mod exchange;
mod pool;
mod queue;

use super::{ProbeLimits, ProbeRequest};
use crate::address::PrivateAddresses;
use crate::lookup::{AddressResolver, LookupError, LookupOptions, Resolver};
use crate::targets::TargetAnswer;
use downpour_core::units::Rate;
use http::HeaderMap;
use pool::ProbePool;
use queue::ProbeQueue;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use url::Url;

/// Questions that may be handed in and not yet taken up.
pub const QUEUE: usize = 4_096;

/// How targets are asked.
#[derive(Clone, Debug)]
pub struct ProbeOptions {
    /// How far one check goes.
    pub limits: ProbeLimits,
    /// Requests a second, over all targets; as many as go if nothing is said.
    pub rate: Option<Rate>,
    /// Checks under way at a time.
    pub concurrency: NonZeroUsize,
    /// A target is left out rather than asked later than this; if nothing is
    /// said, only where more wait than may.
    pub queue_timeout: Option<Duration>,
    /// Most time for a connection, from the lookup to the end of its handshake.
    pub connect_timeout: Duration,
    /// Most time from a request to the first bytes of its answer's content.
    pub timeout: Duration,
    /// Most time for the whole of a file.
    pub download_timeout: Duration,
    /// How long to wait before a place is asked again.
    pub pause: Duration,
    /// Who is asked for addresses.
    pub resolver: Resolver,
    /// Whether an address may be one that is not public.
    pub private_addresses: PrivateAddresses,
    /// Where to connect to instead; the first that applies.
    pub connect_overrides: Vec<ConnectOverride>,
    /// How the candidate is reached, if it may be asked itself.
    pub candidate: Option<Candidate>,
    /// Roots. Without a client's certificate, and asked for HTTP/1.1 alone.
    pub tls: Arc<rustls::ClientConfig>,
    /// Called on the thread before anything else: lowers its priority.
    pub at_start: fn(),
}

/// A place that is reached at another address than its name says. Named by the
/// operator, so the address may be any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectOverride {
    /// The host it is for; any, if it is empty.
    pub host: String,
    /// The port it is for; any, if there is none.
    pub port: Option<u16>,
    /// Where to connect to.
    pub to: SocketAddr,
}

/// How the candidate is asked, by redirects back to it and for its other form.
///
/// It stands for the exact origin of its URL and for no other, so that no
/// Location can make use of its address, its TLS or its headers elsewhere.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Scheme, host and port.
    pub url: Url,
    /// Where it listens. Named by the operator, so the addresses may be any.
    pub addresses: Vec<SocketAddr>,
    /// What connections to it are secured with; that of targets where nothing
    /// is said.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// What requests to it say, in place of what targets are told.
    pub headers: HeaderMap,
}

/// Target checks that cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// The resolver cannot be used.
    #[error("start probes")]
    Resolver(#[from] LookupError),
    /// No thread, or no runtime on it.
    #[error("start the thread for probes")]
    Thread(#[source] std::io::Error),
}

/// A question that was not taken on. Those who wait for the target are then
/// settled with an answer that found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeRejected {
    /// More questions wait than may.
    #[error("too many probes are waiting")]
    QueueFull,
    /// Checks have ended.
    #[error("probes have ended")]
    Stopped,
}

/// What target checks did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProbeStats {
    /// Questions taken on, from all workers.
    pub questions: u64,
    /// Distinct targets that were asked; one that was forgotten counts again.
    pub targets: u64,
    /// Requests sent, and connections that were asked for by themselves.
    pub requests: u64,
    /// Those of them that asked again because an answer settled nothing.
    pub repeated: u64,
    /// Connections opened.
    pub connections: u64,
    /// Questions left out: not in time at this rate.
    pub left_out: u64,
    /// Distinct targets that redirected on, and were followed.
    pub redirected_on: u64,
    /// The most redirects that one of them took.
    pub most_hops: u64,
}

#[derive(Debug, Default)]
struct ProbeCounters {
    questions: AtomicU64,
    targets: AtomicU64,
    requests: AtomicU64,
    repeated: AtomicU64,
    connections: AtomicU64,
    left_out: AtomicU64,
    redirected_on: AtomicU64,
    most_hops: AtomicU64,
}

impl ProbeCounters {
    /// A target is settled, so many redirects after the first place asked.
    fn count_hops(&self, hops: usize) {
        if hops > 0 {
            count(&self.redirected_on);
            self.most_hops.fetch_max(u64::try_from(hops).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The thread that checks targets. Dropping it ends what is under way and joins
/// the thread; if the thread has panicked, so does the one that drops.
#[derive(Debug)]
pub struct Probes {
    handle: ProbeHandle,
    /// Never sent to: dropping it is the word.
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

/// A worker's way to the thread that checks targets.
#[derive(Clone, Debug)]
pub struct ProbeHandle {
    queue: mpsc::Sender<QueuedProbe>,
    counts: Arc<ProbeCounters>,
    reaches_candidate: bool,
}

/// One worker's wish to know of one target.
#[derive(Debug)]
struct QueuedProbe {
    request: ProbeRequest,
    reply: mpsc::Sender<TargetAnswer>,
}

impl Probes {
    /// Starts the thread.
    pub fn start(options: ProbeOptions) -> Result<Self, ProbeError> {
        let lookups =
            LookupOptions { private_addresses: options.private_addresses, ..LookupOptions::default() };
        let addresses = AddressResolver::of(&options.resolver, lookups)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ProbeError::Thread)?;
        let (queue, requests) = mpsc::channel(QUEUE);
        let (stop, stopped) = oneshot::channel();
        let counts = Arc::new(ProbeCounters::default());
        let (at_start, reaches_candidate) = (options.at_start, options.candidate.is_some());
        let lines = ProbePool::new(options, addresses, Arc::clone(&counts));
        let thread = thread::Builder::new()
            .name("targets".to_owned())
            .spawn(move || {
                at_start();
                runtime.block_on(ProbeQueue::new(lines).serve(requests, stopped));
            })
            .map_err(ProbeError::Thread)?;
        let handle = ProbeHandle { queue, counts, reaches_candidate };
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }

    /// A handle to hand questions in with, one for each worker.
    pub fn handle(&self) -> ProbeHandle {
        self.handle.clone()
    }

    /// What was done so far.
    pub fn stats(&self) -> ProbeStats {
        let counts = &self.handle.counts;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ProbeStats {
            questions: read(&counts.questions),
            targets: read(&counts.targets),
            requests: read(&counts.requests),
            repeated: read(&counts.repeated),
            connections: read(&counts.connections),
            left_out: read(&counts.left_out),
            redirected_on: read(&counts.redirected_on),
            most_hops: read(&counts.most_hops),
        }
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        drop(self.stop.take());
        let Some(Err(panicked)) = self.thread.take().map(JoinHandle::join) else { return };
        if !thread::panicking() {
            panic::resume_unwind(panicked);
        }
    }
}

impl ProbeHandle {
    /// Whether the candidate itself may be asked.
    pub const fn reaches_candidate(&self) -> bool {
        self.reaches_candidate
    }

    /// Hands a question in; the answer comes over `reply`. Never waits.
    ///
    /// Each question that is taken on is answered once, unless checks end
    /// first.
    pub fn submit(
        &self,
        question: ProbeRequest,
        reply: mpsc::Sender<TargetAnswer>,
    ) -> Result<(), ProbeRejected> {
        self.queue.try_send(QueuedProbe { request: question, reply }).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => ProbeRejected::QueueFull,
            mpsc::error::TrySendError::Closed(_) => ProbeRejected::Stopped,
        })
    }
}
