//! The flags that say how connections are opened, secured and used, and what
//! wakes the sender.

use super::target::{ConnectTo, Target};
use super::values::{parse_address, parse_batch_interval, parse_positive, parse_requests};
use crate::engine::{ConnectionPlan, Pacing, Protocol, Reuse};
use crate::units::{parse_count, parse_duration};
use clap::{Args, ValueEnum};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Streams of an HTTP/2 connection, if nothing is said: what common servers
/// allow.
const STREAMS: usize = 100;

/// Connections of HTTP/2, if nothing is said.
pub(super) const HTTP2_CONNECTIONS: usize = 8;

/// Most bytes of an answer's body, if nothing is said. Redirects have next to
/// none; a candidate that serves archives itself is measured with them.
const MAX_BODY: u64 = 64 * 1024 * 1024;

/// Everything about connections and the sender.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct WireArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    #[command(flatten)]
    pub(crate) pacing: PacingArgs,
}

impl WireArgs {
    /// Whether `target` is spoken to in HTTP/2 and nothing else: on a plain
    /// connection, with prior knowledge.
    pub(super) fn speaks_http2_alone(&self, target: &Target) -> bool {
        self.connection.http == HttpArg::Http2 && !target.is_https()
    }
}

/// How connections are used.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connections")]
pub(crate) struct ConnectionArgs {
    /// What is spoken: 1.1, 2 (without TLS: with prior knowledge), or auto
    /// (agreed upon in the TLS handshake)
    #[arg(long, value_name = "VERSION", value_enum, hide_possible_values = true, default_value_t = HttpArg::Http1)]
    pub(crate) http: HttpArg,

    /// Most streams in use of an HTTP/2 connection
    #[arg(long, value_name = "N", default_value_t = STREAMS, value_parser = parse_positive)]
    pub(crate) streams: usize,

    /// Which idle connection is used next: lifo (the one used last) or fifo
    /// (the one idle longest)
    #[arg(long, value_name = "ORDER", value_enum, hide_possible_values = true, default_value_t = ReuseArg::Lifo)]
    pub(crate) reuse: ReuseArg,

    /// Most requests that a connection carries before it is closed from here
    #[arg(long, value_name = "N", value_parser = parse_requests)]
    pub(crate) max_requests_per_connection: Option<u64>,

    /// A new connection for every request
    #[arg(long, conflicts_with = "max_requests_per_connection")]
    pub(crate) no_keepalive: bool,

    /// Close a connection that was idle for this long
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) idle_timeout: Option<Duration>,

    /// Open this many connections in the second before the first request
    #[arg(long, value_name = "N", value_parser = parse_positive)]
    pub(crate) prewarm: Option<usize>,

    /// Most time from the sending of a request to the first byte of its answer
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) first_byte_timeout: Option<Duration>,

    /// Most bytes of an answer's body: 1m, 64k
    #[arg(long, value_name = "BYTES", default_value_t = MAX_BODY, value_parser = parse_count)]
    pub(crate) max_body: u64,

    /// Connect to another host and port than the target's, written like curl's
    /// HOST:PORT:HOST2:PORT2; repeated, they are used in turn
    #[arg(long, value_name = "FROM:TO")]
    pub(crate) connect_to: Vec<ConnectTo>,

    /// Connect to these addresses, in turn, instead of looking the target's
    /// host up
    #[arg(long, value_name = "IP", value_delimiter = ',', value_parser = parse_address)]
    pub(crate) resolve: Vec<IpAddr>,
}

/// How connections are secured; for an https target.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsArgs {
    /// Trust the certificates in this PEM file, too; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) cacert: Vec<PathBuf>,

    /// Whom to trust besides: native (this machine's roots), webpki (Mozilla's,
    /// built in) or none
    #[arg(long, value_name = "ROOTS", value_enum, hide_possible_values = true, default_value_t = RootsArg::Native)]
    pub(crate) roots: RootsArg,

    /// The client certificate, in a PEM file
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,

    /// The client certificate's key, in a PEM file
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,

    /// Take any certificate; the report says so first
    #[arg(short = 'k', long)]
    pub(crate) insecure: bool,

    /// Make every TLS handshake in full
    #[arg(long)]
    pub(crate) no_tls_resumption: bool,
}

/// What wakes the sender.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Pacing")]
pub(crate) struct PacingArgs {
    /// What wakes the sender: timer, or spin (exact to a microsecond, for a
    /// core a thread)
    #[arg(long, value_name = "HOW", value_enum, hide_possible_values = true, default_value_t = PacingArg::Timer)]
    pub(crate) pacing: PacingArg,

    /// Least time between two wake-ups: what falls due in between leaves
    /// together, late by at most this [default: 0 up to 10,000 a second, 150us for the recorded pace, else
    /// growing with the rate from 150us to 1ms]
    #[arg(long, value_name = "TIME", value_parser = parse_batch_interval)]
    pub(crate) pacing_grain: Option<Duration>,

    /// Keep each worker thread on a core of its own
    #[arg(long)]
    pub(crate) pin: bool,
}

/// The spellings of an HTTP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HttpArg {
    /// HTTP/1.1
    #[value(name = "1.1")]
    Http1,
    /// HTTP/2
    #[value(name = "2")]
    Http2,
    /// Whichever the candidate prefers
    Auto,
}

/// The spellings of [`Reuse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReuseArg {
    /// The one used last
    Lifo,
    /// The one idle longest
    Fifo,
}

/// The spellings of the trusted roots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RootsArg {
    /// This machine's
    Native,
    /// Mozilla's
    Webpki,
    /// Nobody's
    None,
}

/// The spellings of [`Pacing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PacingArg {
    /// The system's most exact timer
    Timer,
    /// Asking the clock again and again
    Spin,
}

impl HttpArg {
    /// The name in reports.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Http1 => "1.1",
            Self::Http2 => "2",
            Self::Auto => "auto",
        }
    }

    /// What is spoken where TLS says nothing else.
    pub(super) const fn without_alpn(self) -> Protocol {
        match self {
            Self::Http1 | Self::Auto => Protocol::Http1,
            Self::Http2 => Protocol::Http2,
        }
    }
}

impl ConnectionArgs {
    /// How connections are used.
    pub(super) fn connection_plan(&self) -> ConnectionPlan {
        ConnectionPlan {
            reuse: match self.reuse {
                ReuseArg::Lifo => Reuse::Lifo,
                ReuseArg::Fifo => Reuse::Fifo,
            },
            streams: self.streams,
            requests_per_connection: if self.no_keepalive {
                Some(1)
            } else {
                self.max_requests_per_connection
            },
            idle: self.idle_timeout,
            first_byte: self.first_byte_timeout,
            open_ahead: self.prewarm.unwrap_or(0),
        }
    }
}

impl Default for ConnectionArgs {
    /// Every flag at its default.
    fn default() -> Self {
        Self {
            http: HttpArg::Http1,
            streams: STREAMS,
            reuse: ReuseArg::Lifo,
            max_requests_per_connection: None,
            no_keepalive: false,
            idle_timeout: None,
            prewarm: None,
            first_byte_timeout: None,
            max_body: MAX_BODY,
            connect_to: Vec::new(),
            resolve: Vec::new(),
        }
    }
}

impl Default for TlsArgs {
    /// Every flag at its default.
    fn default() -> Self {
        Self {
            cacert: Vec::new(),
            roots: RootsArg::Native,
            cert: None,
            key: None,
            insecure: false,
            no_tls_resumption: false,
        }
    }
}

impl Default for PacingArgs {
    /// Every flag at its default.
    fn default() -> Self {
        Self { pacing: PacingArg::Timer, pacing_grain: None, pin: false }
    }
}

impl From<PacingArg> for Pacing {
    fn from(typed: PacingArg) -> Self {
        match typed {
            PacingArg::Timer => Self::Timer,
            PacingArg::Spin => Self::Spin,
        }
    }
}
