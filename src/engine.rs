//! Sends arrivals on time and books what becomes of them.
//!
//! A run is one feeder thread that reads and schedules, and N worker threads
//! that share nothing: arrival `i` belongs to worker `i mod N`, which has its
//! own runtime, connections, judge and books. Once a second each worker hands
//! its numbers to the collector, the thread that called [`run()`], which merges
//! them and shows them to an [`Observer`]. The engine opens no files: traces
//! come in as [`Requests`], results go out as [`Interval`]s.

mod clock;
mod connect;
mod connection;
mod control;
mod coverage;
mod cpu_meter;
mod dispatch;
mod exchange;
mod http2;
mod ledger;
mod limits;
mod pacer;
mod pool;
mod priority;
mod ready_queue;
mod request_template;
mod retries;
mod run;
mod shard;
#[cfg(test)]
mod sim;
mod threads;
mod wakes;
mod wire;
mod worker;

pub use connect::Protocol;
pub use control::{ControlPlan, ControlThread};
pub use limits::Reuse;
pub use priority::lower_priority;
pub use request_template::RequestTemplate;
pub use run::run;
pub use worker::{LoopMode, Phase};

use downpour_load::client::ClientPlan;
use downpour_load::schedule::sample::Sample;
use downpour_verify::address::PrivateAddresses;
use downpour_verify::catalog::CatalogLookup;
use downpour_verify::judge::Judge;
use downpour_verify::lookup::Lookups;
use downpour_verify::probe::net::Probes;
use downpour_verify::probe::sample::ProbeSampling;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What happens to an arrival over the limit of arrivals in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overload {
    /// It is not sent, and counted as shed. The run is invalid.
    #[default]
    Shed,
    /// It waits, its clock running, in a queue of ten times the limit; what
    /// does not fit there either is shed.
    Queue,
}

/// What wakes a worker for the next arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pacing {
    /// The most exact timer of the system: a timerfd on Linux, tokio's timers
    /// elsewhere.
    #[default]
    Timer,
    /// Asking the clock again and again. Exact to a microsecond, for a core.
    Spin,
    /// Tokio's timers, on every system: milliseconds, and they follow a paused
    /// clock.
    Tokio,
}

/// How arrivals are sent: everything the engine needs to know but the arrivals.
#[derive(Clone, Debug)]
pub struct EnginePlan {
    /// Where the candidate listens; used in turn.
    pub addresses: Vec<SocketAddr>,
    /// What every request says beside its target.
    pub request_template: RequestTemplate,
    /// What connections are secured with; plain where there is none.
    pub tls: Option<TlsPlan>,
    /// What is spoken on a connection whose TLS says nothing else.
    pub protocol: Protocol,
    /// How connections are used.
    pub connection_plan: ConnectionPlan,
    /// When arrivals leave.
    pub loop_mode: LoopMode,
    /// What is due before that is sent and not counted.
    pub warmup: Duration,
    /// What wakes a worker.
    pub pacing: Pacing,
    /// The least time between two wake-ups of a worker for arrivals; what falls
    /// due in between leaves with the next. Zero wakes for each.
    pub batch_interval: Duration,
    /// Whether each worker keeps to a core of its own.
    pub pin: bool,
    /// Worker threads, at least one.
    pub threads: usize,
    /// Most connections open at once, over all workers.
    pub connections: usize,
    /// Most arrivals in flight, over all workers.
    pub max_in_flight: usize,
    /// What happens beyond that.
    pub overload: Overload,
    /// From when an arrival was due to the end of its answer.
    pub timeout: Duration,
    /// From the attempt to connect to the connection.
    pub connect_timeout: Duration,
    /// How long arrivals in flight may take after the last one was released.
    pub grace: Duration,
    /// Most bytes of an answer's body.
    pub max_body: u64,
    /// What clients do when a download fails; `None` where nothing is tried
    /// again.
    pub clients: Option<Arc<ClientPlan>>,
}

/// How connections are secured.
#[derive(Clone, Debug)]
pub struct TlsPlan {
    /// Roots, client certificate, ALPN. Each worker has its own session store.
    pub config: rustls::ClientConfig,
    /// Whether sessions are resumed.
    pub resume: bool,
    /// The name that the candidate's certificate must be for.
    pub name: rustls::pki_types::ServerName<'static>,
}

/// How connections are used.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectionPlan {
    /// Which idle connection is used next.
    pub reuse: Reuse,
    /// Most streams in use of an HTTP/2 connection, at least one.
    pub streams: usize,
    /// Most requests that a connection carries; as many as it likes if nothing
    /// is said.
    pub requests_per_connection: Option<u64>,
    /// How long a connection may be idle before it is closed from here.
    pub idle: Option<Duration>,
    /// From the sending of a request to the first byte of its answer.
    pub first_byte: Option<Duration>,
    /// Connections that are opened before the first arrival, over all workers.
    pub open_ahead: usize,
}

/// How the answers are judged.
#[derive(Debug)]
pub struct Judging {
    /// The judge; each worker has its own copy.
    pub judge: Judge,
    /// Where target hosts are looked up; `None` where that tier is off.
    pub lookups: Option<Lookups>,
    /// Where targets are asked themselves; `None` where those tiers are off.
    pub probes: Option<Probes>,
    /// Which of the targets are asked.
    pub sampling: ProbeSampling,
    /// Which redirects are asked for in JSON, too; `None` where none are.
    pub json_sample: Option<Sample>,
    /// Whether redirects may lead to addresses that are not public.
    pub private_addresses: PrivateAddresses,
    /// The files that redirects may lead to, where somebody listed them.
    pub catalog: Option<Arc<CatalogLookup>>,
    /// Who asks a second deployment for the same; `None` without one.
    pub control: Option<ControlThread>,
}

/// Why a run could not begin.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A worker's thread or runtime could not be started.
    #[error("start a worker thread")]
    Worker(#[source] std::io::Error),
    /// Nor could the thread that asks the control.
    #[error("start the thread for control requests")]
    Control(#[source] std::io::Error),
}
