//! Looking hosts up: the edge of judging, and the only part with a network.
//!
//! Lookups run on a thread of their own, so that a resolver that is slow or
//! silent never delays a request of the run; workers hand names in and get
//! [`HostAnswer`]s back over bounded channels. Answers are told apart by code
//! and not by text, and nothing is remembered here but who waits: what holds
//! how long is for [`super::hosts`]. A name is always asked as absolute, since
//! a search list would make a glued host look like one of the company's own.

mod queue;
mod resolve;

use super::address::PrivateAddresses;
use super::hosts::HostAnswer;
use downpour_core::fault::Fault;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{ResolverBuilder, TokioResolver};
use queue::QueuedLookup;
use resolve::ResolverClient;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::panic;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How many lookups may be handed in and not yet taken up. Enough for every
/// host that one worker may know of.
const QUEUE: usize = 4_096;

const DNS_PORT: u16 = 53;

/// Who is asked: the setting `--resolver`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Resolver {
    /// Whom this machine asks (`/etc/resolv.conf`), after its hosts file.
    #[default]
    System,
    /// These servers, over UDP and, for long answers, TCP. No hosts file.
    Servers(Vec<SocketAddr>),
}

/// Text that names no resolver.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a resolver; write 1.1.1.1, 1.1.1.1:53, [::1]:53 or system")]
pub struct ParseResolverError(String);

impl FromStr for Resolver {
    type Err = ParseResolverError;

    /// `system`, or servers with commas between them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "system" {
            return Ok(Self::System);
        }
        text.split(',').map(parse_server).collect::<Result<_, _>>().map(Self::Servers)
    }
}

/// Reads the address of one DNS server; the port is 53 if there is none.
pub fn parse_server(text: &str) -> Result<SocketAddr, ParseResolverError> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let with_default_port = || bare.parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, DNS_PORT));
    text.parse().ok().or_else(with_default_port).ok_or_else(|| ParseResolverError(text.to_owned()))
}

/// How hosts are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupOptions {
    /// How long a resolver may take over one question.
    pub timeout: Duration,
    /// How long to wait before an inconclusive answer is asked for again.
    pub pause: Duration,
    /// Whether hosts may have addresses that are not public.
    pub private_addresses: PrivateAddresses,
}

impl Default for LookupOptions {
    /// 2 seconds for an answer, 100 ms between questions, public addresses.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(2),
            pause: Duration::from_millis(100),
            private_addresses: PrivateAddresses::Refuse,
        }
    }
}

/// Lookups that cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// No server was named.
    #[error("start lookups: no resolver is given")]
    NoServers,
    /// The machine's configuration cannot be used.
    #[error("read the resolver configuration of this machine; set a resolver with --resolver IP:PORT")]
    SystemConfig(#[source] NetError),
    /// The resolver library refused its configuration.
    #[error("set up the resolver")]
    Resolver(#[source] NetError),
    /// No thread, or no runtime on it.
    #[error("start the thread for DNS lookups")]
    Thread(#[source] std::io::Error),
}

/// A lookup that was not taken on.
///
/// Those who wait for the host are then settled with
/// [`HostAnswer::inconclusive`] and [`downpour_core::fault::Fault::DnsUnchecked`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupRejected {
    /// More lookups wait than may.
    #[error("too many lookups are waiting")]
    QueueFull,
    /// Lookups have ended.
    #[error("lookups have ended")]
    Stopped,
}

/// What lookups did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookupStats {
    /// Lookups taken on, from all workers.
    pub lookups: u64,
    /// Those of them that joined one for the same host.
    pub shared: u64,
    /// Questions put to the resolver: each for both kinds of address.
    pub questions: u64,
    /// Questions put again because the answer was inconclusive.
    pub repeated: u64,
    /// Lookups that stayed inconclusive.
    pub inconclusive: u64,
}

#[derive(Debug, Default)]
struct LookupCounters {
    lookups: AtomicU64,
    shared: AtomicU64,
    questions: AtomicU64,
    repeated: AtomicU64,
    inconclusive: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The thread that looks hosts up. Dropping it ends what is under way and
/// joins the thread; if the thread has panicked, so does the one that drops.
#[derive(Debug)]
pub struct Lookups {
    handle: LookupHandle,
    /// Never sent to: dropping it is the word.
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Lookups {
    /// Starts the thread.
    pub fn start(resolver: &Resolver, options: LookupOptions) -> Result<Self, LookupError> {
        let resolver = build(resolver, options)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(LookupError::Thread)?;
        let (queue, requests) = mpsc::channel(QUEUE);
        let (stop, stopped) = oneshot::channel();
        let counts = Arc::new(LookupCounters::default());
        let asker = Arc::new(ResolverClient { resolver, options, counts: Arc::clone(&counts) });
        let thread = thread::Builder::new()
            .name("lookups".to_owned())
            .spawn(move || runtime.block_on(queue::serve(asker, requests, stopped)))
            .map_err(LookupError::Thread)?;
        let handle = LookupHandle { queue, counts };
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }

    /// A handle to hand names in with, one for each worker.
    pub fn handle(&self) -> LookupHandle {
        self.handle.clone()
    }

    /// What was done so far.
    pub fn stats(&self) -> LookupStats {
        self.handle.stats()
    }
}

/// Addresses for one who connects to them: asked for by the same rules, on the
/// thread of whoever asks, and remembered by nobody, so that what was checked
/// is what is connected to.
pub(super) struct AddressResolver(ResolverClient);

impl AddressResolver {
    /// Asks `resolver`.
    pub(super) fn of(resolver: &Resolver, options: LookupOptions) -> Result<Self, LookupError> {
        let resolver = build(resolver, options)?;
        Ok(Self(ResolverClient { resolver, options, counts: Arc::default() }))
    }

    /// All addresses of `host`, or why there is none that may be used.
    pub(super) async fn find(&self, host: &str) -> Result<Vec<IpAddr>, Fault> {
        self.0.addresses(host).await
    }
}

impl Drop for Lookups {
    fn drop(&mut self) {
        drop(self.stop.take());
        let Some(Err(panicked)) = self.thread.take().map(JoinHandle::join) else { return };
        if !thread::panicking() {
            panic::resume_unwind(panicked);
        }
    }
}

/// Hands names in to be looked up.
#[derive(Clone, Debug)]
pub struct LookupHandle {
    queue: mpsc::Sender<QueuedLookup>,
    counts: Arc<LookupCounters>,
}

impl LookupHandle {
    /// Has `host` looked up; the answer goes to `reply`. Never blocks.
    ///
    /// Each call that is taken on is answered once, unless lookups end first.
    /// A reply channel that is full is waited for, and delays no other.
    pub fn look_up(&self, host: Arc<str>, reply: mpsc::Sender<HostAnswer>) -> Result<(), LookupRejected> {
        self.queue.try_send(QueuedLookup { host, reply }).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => LookupRejected::QueueFull,
            mpsc::error::TrySendError::Closed(_) => LookupRejected::Stopped,
        })
    }

    /// What was done so far, for all workers.
    pub fn stats(&self) -> LookupStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LookupStats {
            lookups: read(&self.counts.lookups),
            shared: read(&self.counts.shared),
            questions: read(&self.counts.questions),
            repeated: read(&self.counts.repeated),
            inconclusive: read(&self.counts.inconclusive),
        }
    }
}

fn build(resolver: &Resolver, options: LookupOptions) -> Result<TokioResolver, LookupError> {
    let (mut builder, hosts_file): (ResolverBuilder<_>, _) = match resolver {
        Resolver::System => {
            (TokioResolver::builder_tokio().map_err(LookupError::SystemConfig)?, ResolveHosts::Always)
        }
        Resolver::Servers(servers) if servers.is_empty() => return Err(LookupError::NoServers),
        Resolver::Servers(servers) => {
            let servers = servers.iter().map(name_server).collect();
            let config = ResolverConfig::from_parts(None, vec![], servers);
            let provider = TokioRuntimeProvider::default();
            (TokioResolver::builder_with_config(config, provider), ResolveHosts::Never)
        }
    };
    let settings = builder.options_mut();
    settings.timeout = options.timeout;
    // Repeats and memory are ours, so that both can be counted.
    settings.attempts = 0;
    settings.cache_size = 0;
    // Otherwise a denial would be asked for again over TCP.
    settings.try_tcp_on_error = false;
    settings.use_hosts_file = hosts_file;
    builder.build().map_err(LookupError::Resolver)
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    let at_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    NameServerConfig::new(address.ip(), true, connections.map(at_port).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let parsed = parse_server(text).ok().map(|address| address.to_string());
        assert_eq!(parsed.as_deref(), expected, "{text}");
    }

    #[test]
    fn resolvers_as_people_write_them() {
        check("1.2.3.4", Some("1.2.3.4:53"));
        check("1.2.3.4:5353", Some("1.2.3.4:5353"));
        check("[::1]:53", Some("[::1]:53"));
        check("[::1]", Some("[::1]:53"));
        check("::1", Some("[::1]:53"));
        for wrong in ["", "dns.example", "1.2.3", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:70000", "[1.2.3.4"] {
            check(wrong, None);
        }
        assert_eq!("system".parse(), Ok(Resolver::System));
        let two = "1.1.1.1, [::1]:5353".parse();
        let servers = ["1.1.1.1:53", "[::1]:5353"].map(|server| server.parse().unwrap());
        assert_eq!(two, Ok(Resolver::Servers(servers.to_vec())));
        assert!("1.1.1.1,".parse::<Resolver>().is_err());
    }

    #[test]
    fn somebody_has_to_be_asked() {
        let started = Lookups::start(&Resolver::Servers(vec![]), LookupOptions::default());
        assert!(matches!(started, Err(LookupError::NoServers)));
    }

    #[test]
    fn a_panic_of_the_thread_reaches_whoever_drops_it() {
        let (queue, _) = mpsc::channel(1);
        let handle = LookupHandle { queue, counts: Arc::default() };
        let thread = thread::spawn(|| panic::resume_unwind(Box::new("the reason")));
        let lookups = Lookups { handle, stop: None, thread: Some(thread) };
        let caught = panic::catch_unwind(panic::AssertUnwindSafe(|| drop(lookups))).unwrap_err();
        assert_eq!(caught.downcast_ref(), Some(&"the reason"));
    }
}
