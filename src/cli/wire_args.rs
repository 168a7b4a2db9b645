//! The flags that say how connections are opened, secured and used, and what
//! wakes the sender.

use super::target::{ConnectTo, Target};
use super::values::{parse_address, parse_batch_interval, parse_positive, parse_requests};
use crate::engine::{ConnectionPlan, Pacing, Protocol, Reuse};
use clap::{Args, ValueEnum};
use downpour_core::units::{parse_count, parse_duration};
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
    /// Set the HTTP version: 1.1, 2 or auto
    ///
    /// auto agrees on one in the TLS handshake. Without TLS, 2 means HTTP/2 with
    /// prior knowledge.
    #[arg(long, value_name = "VERSION", value_enum, hide_possible_values = true, default_value_t = HttpArg::Http1)]
    pub(crate) http: HttpArg,

    /// Limit the concurrent streams of an HTTP/2 connection
    #[arg(long, value_name = "N", default_value_t = STREAMS, value_parser = parse_positive, hide_short_help = true)]
    pub(crate) streams: usize,

    /// Choose which idle connection is used next: lifo or fifo
    ///
    /// lifo takes the one that was used last, fifo the one that was idle longest.
    #[arg(long, value_name = "ORDER", value_enum, hide_possible_values = true, default_value_t = ReuseArg::Lifo, hide_short_help = true)]
    pub(crate) reuse: ReuseArg,

    /// Close a connection after this many requests
    #[arg(long, value_name = "N", value_parser = parse_requests, hide_short_help = true)]
    pub(crate) max_requests_per_connection: Option<u64>,

    /// Open a new connection for every request
    #[arg(long, conflicts_with = "max_requests_per_connection", hide_short_help = true)]
    pub(crate) no_keepalive: bool,

    /// Close a connection that was idle for this long
    #[arg(long, value_name = "TIME", value_parser = parse_duration, hide_short_help = true)]
    pub(crate) idle_timeout: Option<Duration>,

    /// Open this many connections in the second before the first request
    #[arg(long, value_name = "N", value_parser = parse_positive, hide_short_help = true)]
    pub(crate) prewarm: Option<usize>,

    /// Set the timeout for the first byte of an answer, from the sending of its
    /// request
    #[arg(long, value_name = "TIME", value_parser = parse_duration, hide_short_help = true)]
    pub(crate) first_byte_timeout: Option<Duration>,

    /// Limit the body of an answer to this many bytes: 1m, 64k
    #[arg(long, value_name = "BYTES", default_value_t = MAX_BODY, value_parser = parse_count, hide_short_help = true)]
    pub(crate) max_body: u64,

    /// Connect to another host and port than those of the target
    ///
    /// Written as for curl: HOST:PORT:HOST2:PORT2. If repeated, the addresses are
    /// used in turn.
    #[arg(long, value_name = "FROM:TO", hide_short_help = true)]
    pub(crate) connect_to: Vec<ConnectTo>,

    /// Connect to these addresses, in turn, and do not look the target's host up
    #[arg(long, value_name = "IP", value_delimiter = ',', value_parser = parse_address, hide_short_help = true)]
    pub(crate) resolve: Vec<IpAddr>,
}

/// How connections are secured; for an https target.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connections")]
pub(crate) struct TlsArgs {
    /// Trust the certificates in this PEM file, too
    ///
    /// May be repeated.
    #[arg(long, value_name = "FILE")]
    pub(crate) cacert: Vec<PathBuf>,

    /// Choose the trusted root certificates: native, webpki or none
    ///
    /// native is those of the system, webpki those of Mozilla, which are built in.
    /// --cacert adds to them.
    #[arg(long, value_name = "ROOTS", value_enum, hide_possible_values = true, default_value_t = RootsArg::Native, hide_short_help = true)]
    pub(crate) roots: RootsArg,

    /// Use the client certificate in this PEM file
    #[arg(long, value_name = "FILE", requires = "key", hide_short_help = true)]
    pub(crate) cert: Option<PathBuf>,

    /// Use the private key in this PEM file for --cert
    #[arg(long, value_name = "FILE", requires = "cert", hide_short_help = true)]
    pub(crate) key: Option<PathBuf>,

    /// Accept any certificate of the candidate
    ///
    /// The report begins with a warning.
    #[arg(short = 'k', long)]
    pub(crate) insecure: bool,

    /// Make a full TLS handshake for every connection
    #[arg(long, hide_short_help = true)]
    pub(crate) no_tls_resumption: bool,
}

/// What wakes the sender.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Pacing")]
pub(crate) struct PacingArgs {
    /// Choose what wakes the sender: timer or spin
    ///
    /// spin is exact to a microsecond, but uses a whole core for each thread.
    #[arg(long, value_name = "HOW", value_enum, hide_possible_values = true, default_value_t = PacingArg::Timer, hide_short_help = true)]
    pub(crate) pacing: PacingArg,

    /// Send requests in batches at this interval
    ///
    /// This lowers CPU use and delays a request by at most this time. The default
    /// is 0 up to 10,000 arrivals per second, and grows with the rate from 250us to
    /// 1ms beyond. It is 150us at the recorded pace.
    #[arg(long = "batch-interval", alias = "pacing-grain", value_name = "TIME", value_parser = parse_batch_interval, hide_short_help = true)]
    pub(crate) pacing_grain: Option<Duration>,

    /// Pin each worker thread to a separate core
    #[arg(long, hide_short_help = true)]
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
