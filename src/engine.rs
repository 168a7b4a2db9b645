//! Sends arrivals on time and books what becomes of them.
//!
//! A run is one feeder thread that reads and schedules, and N worker threads
//! that share nothing: arrival `i` belongs to worker `i mod N`, which has its
//! own runtime, connections, judge and books. Once a second each worker hands
//! its numbers to the collector, the thread that called [`run()`], which merges
//! them and shows them to an [`Observer`](downpour_metrics::Observer). The engine opens no files: traces
//! come in as [`Requests`](downpour_load::played::Requests), results go out as [`Interval`](downpour_metrics::Interval)s.

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

pub(crate) use connect::Protocol;
pub(crate) use control::{ControlPlan, ControlThread};
pub(crate) use limits::Reuse;
pub(crate) use priority::lower_priority;
pub(crate) use request_template::RequestTemplate;
pub(crate) use run::run;
pub(crate) use worker::{LoopMode, Phase};

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
pub(crate) enum Overload {
    /// It is not sent, and counted as shed. The run is invalid.
    #[default]
    Shed,
    /// It waits, its clock running, in a queue of ten times the limit; what
    /// does not fit there either is shed.
    Queue,
}

/// What wakes a worker for the next arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pacing {
    /// The most exact timer of the system: a timerfd on Linux, tokio's timers
    /// elsewhere.
    #[default]
    Timer,
    /// Asking the clock again and again. Exact to a microsecond, for a core.
    Spin,
    /// Tokio's timers, on every system: milliseconds, and they follow a paused
    /// clock.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "tests run on a paused clock, which only these timers follow")
    )]
    Tokio,
}

/// How arrivals are sent: everything the engine needs to know but the arrivals.
#[derive(Clone, Debug)]
pub(crate) struct EnginePlan {
    /// Where the candidate listens; used in turn.
    pub(crate) addresses: Vec<SocketAddr>,
    /// What every request says beside its target.
    pub(crate) request_template: RequestTemplate,
    /// What connections are secured with; plain where there is none.
    pub(crate) tls: Option<TlsPlan>,
    /// What is spoken on a connection whose TLS says nothing else.
    pub(crate) protocol: Protocol,
    /// How connections are used.
    pub(crate) connection_plan: ConnectionPlan,
    /// When arrivals leave.
    pub(crate) loop_mode: LoopMode,
    /// What is due before that is sent and not counted.
    pub(crate) warmup: Duration,
    /// What wakes a worker.
    pub(crate) pacing: Pacing,
    /// The least time between two wake-ups of a worker for arrivals; what falls
    /// due in between leaves with the next. Zero wakes for each.
    pub(crate) batch_interval: Duration,
    /// Whether each worker keeps to a core of its own.
    pub(crate) pin: bool,
    /// Worker threads, at least one.
    pub(crate) threads: usize,
    /// Most connections open at once, over all workers.
    pub(crate) connections: usize,
    /// Most arrivals in flight, over all workers.
    pub(crate) max_in_flight: usize,
    /// What happens beyond that.
    pub(crate) overload: Overload,
    /// From when an arrival was due to the end of its answer.
    pub(crate) timeout: Duration,
    /// From the attempt to connect to the connection.
    pub(crate) connect_timeout: Duration,
    /// How long arrivals in flight may take after the last one was released.
    pub(crate) grace: Duration,
    /// Most bytes of an answer's body.
    pub(crate) max_body: u64,
    /// What clients do when a download fails; `None` where nothing is tried
    /// again.
    pub(crate) clients: Option<Arc<ClientPlan>>,
}

/// How connections are secured.
#[derive(Clone, Debug)]
pub(crate) struct TlsPlan {
    /// Roots, client certificate, ALPN. Each worker has its own session store.
    pub(crate) config: rustls::ClientConfig,
    /// Whether sessions are resumed.
    pub(crate) resume: bool,
    /// The name that the candidate's certificate must be for.
    pub(crate) name: rustls::pki_types::ServerName<'static>,
}

/// How connections are used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ConnectionPlan {
    /// Which idle connection is used next.
    pub(crate) reuse: Reuse,
    /// Most streams in use of an HTTP/2 connection, at least one.
    pub(crate) streams: usize,
    /// Most requests that a connection carries; as many as it likes if nothing
    /// is said.
    pub(crate) requests_per_connection: Option<u64>,
    /// How long a connection may be idle before it is closed from here.
    pub(crate) idle: Option<Duration>,
    /// From the sending of a request to the first byte of its answer.
    pub(crate) first_byte: Option<Duration>,
    /// Connections that are opened before the first arrival, over all workers.
    pub(crate) open_ahead: usize,
}

/// How the answers are judged.
#[derive(Debug)]
pub(crate) struct Judging {
    /// The judge; each worker has its own copy.
    pub(crate) judge: Judge,
    /// Where target hosts are looked up; `None` where that tier is off.
    pub(crate) lookups: Option<Lookups>,
    /// Where targets are asked themselves; `None` where those tiers are off.
    pub(crate) probes: Option<Probes>,
    /// Which of the targets are asked.
    pub(crate) sampling: ProbeSampling,
    /// Which redirects are asked for in JSON, too; `None` where none are.
    pub(crate) json_sample: Option<Sample>,
    /// Whether redirects may lead to addresses that are not public.
    pub(crate) private_addresses: PrivateAddresses,
    /// The files that redirects may lead to, where somebody listed them.
    pub(crate) catalog: Option<Arc<CatalogLookup>>,
    /// Who asks a second deployment for the same; `None` without one.
    pub(crate) control: Option<ControlThread>,
}

/// Why a run could not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// A worker's thread or runtime could not be started.
    #[error("start a worker thread")]
    Worker(#[source] std::io::Error),
    /// Nor could the thread that asks the control.
    #[error("start the thread for control requests")]
    Control(#[source] std::io::Error),
}
