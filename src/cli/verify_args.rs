//! The flags that say how answers are judged.

use super::probe_args::ProbeArgs;
use super::values::parse_server;
use clap::Args;
use downpour_verify::Depth;
use std::net::SocketAddr;
use std::path::PathBuf;

/// How answers are judged.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Verification")]
pub(crate) struct VerifyArgs {
    /// Check redirects this far: off, policy, dns, connect, head, get or digest
    ///
    /// Each depth includes those before it. off: nothing. policy: the URL alone.
    /// dns: its host resolves. connect: a connection can be opened. head: the file
    /// exists. get: its first bytes are those of an archive. digest: the whole file
    /// can be downloaded and, with --catalog, has the right SHA-256 sum.
    #[arg(long, value_name = "DEPTH", default_value = "dns")]
    pub(crate) verify: Depth,

    /// Check answers against this rule set or file
    ///
    /// downpour rules lists the built-in sets. Anything else is the name of a TOML
    /// file.
    #[arg(long, value_name = "SET")]
    pub(crate) rules: Option<String>,

    /// Check redirects against this list of files
    ///
    /// NDJSON or CSV with name, version, size and sha256, a directory of such
    /// files, or a cargo index. It needs --rules.
    #[arg(long, value_name = "PATH", requires = "rules")]
    pub(crate) catalog: Option<PathBuf>,

    /// Use this DNS server, IP or IP:PORT; may be repeated
    ///
    /// The default is the resolver of the system.
    #[arg(long, value_name = "IP", value_parser = parse_server)]
    pub(crate) resolver: Vec<SocketAddr>,

    /// Allow redirects to private addresses
    ///
    /// Without it, redirects to private, loopback and link-local addresses are
    /// faults.
    #[arg(long)]
    pub(crate) allow_private: bool,

    #[command(flatten)]
    pub(crate) probe: ProbeArgs,
}
