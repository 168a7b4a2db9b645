//! The flags that say how answers are judged.

use super::probe_args::ProbeArgs;
use super::values::parse_server;
use crate::verify::Depth;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

/// How answers are judged.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Verification")]
pub(crate) struct VerifyArgs {
    /// How far redirects are checked: off; policy (the URL alone); dns (its host
    /// resolves, too); connect (it takes connections); head (the file is there);
    /// get (its first bytes are those of an archive); digest (it can be
    /// downloaded whole)
    #[arg(long, value_name = "DEPTH", default_value = "dns")]
    pub(crate) verify: Depth,

    /// What the candidate must answer: a built-in set (downpour rules lists
    /// them), or a TOML file
    #[arg(long, value_name = "SET")]
    pub(crate) rules: Option<String>,

    /// The files that there are: NDJSON or CSV with name, version, size and
    /// sha256, a directory of such files, or a cargo index; needs --rules
    #[arg(long, value_name = "PATH", requires = "rules")]
    pub(crate) catalog: Option<PathBuf>,

    /// Ask this DNS server instead of the system's; may be repeated
    #[arg(long, value_name = "IP[:PORT]", value_parser = parse_server)]
    pub(crate) resolver: Vec<SocketAddr>,

    /// Let redirects lead to private, loopback and link-local addresses
    #[arg(long)]
    pub(crate) allow_private: bool,

    #[command(flatten)]
    pub(crate) probe: ProbeArgs,
}
