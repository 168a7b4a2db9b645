//! `downpour serve`: the embedded candidate by itself.
//!
//! Turns flags into a registry's settings, says on standard output where it
//! listens, one host a line, and keeps it running until the process is asked to
//! end. A script can read the three lines and begin.

use super::CliError;
use super::overwrite::{FilesOfCommand, Named};
use super::values::{parse_listen, parse_threads};
use downpour_mock::dns::{DnsAnswer, ParseDnsAnswerError, Zone};
use downpour_mock::plan::{FaultKind, FaultPlan, PlanError, PlannedFault, with_argument};
use downpour_mock::{AccessLog, LocationBase, MockConfig, MockError, MockRegistry};
use downpour_mock::{CdnCertificate, CdnTls, CertificateError};
use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use tokio::signal::unix::{Signal, SignalKind, signal};

const ANY_PORT: &str = "127.0.0.1:0";

/// Runs a registry like crates.io, its CDN and its DNS on loopback, with faults
/// on request.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = faults_help())]
pub(crate) struct ServeArgs {
    /// Set the API's address
    ///
    /// Port 0 lets the system choose a port. All addresses are printed at the
    /// start.
    #[arg(long, value_name = "ADDR", default_value = ANY_PORT, value_parser = parse_listen, help_heading = "Addresses")]
    pub(crate) listen: SocketAddr,

    /// Set the CDN's address
    #[arg(long, value_name = "ADDR", default_value = ANY_PORT, value_parser = parse_listen, help_heading = "Addresses")]
    pub(crate) cdn_listen: SocketAddr,

    /// Set the DNS address
    ///
    /// The responder answers over UDP.
    #[arg(long, value_name = "ADDR", default_value = ANY_PORT, value_parser = parse_listen, help_heading = "Addresses")]
    pub(crate) dns_listen: SocketAddr,

    /// What goes wrong, when, and how often.
    #[arg(
        long = "fault",
        value_name = "SPEC",
        value_parser = parse_fault,
        help_heading = "Fault injection",
        help = "Add a fault: missing-slash@5s..15s:10%",
        long_help = "Add a fault: NAME[@FROM..TO][:SHARE], such as missing-slash@5s..15s or status-503:10%\n\n\
                     Times are counted from the first request. May be repeated; if several faults apply, the \
                     first one is used."
    )]
    pub(crate) faults: Vec<PlannedFault>,

    /// What goes wrong on the CDN.
    #[arg(
        long = "cdn-fault",
        value_name = "SPEC",
        value_parser = parse_cdn_fault,
        help_heading = "Fault injection",
        help = "Add a fault of the CDN: status-404:10%",
        long_help = "Add a fault of the CDN, written like --fault\n\n\
                     Times are counted from the first request to the CDN. May be repeated."
    )]
    pub(crate) cdn_faults: Vec<PlannedFault>,

    /// Serve the CDN over TLS, too
    ///
    /// The certificate of its authority is written to this file.
    #[arg(long, value_name = "FILE", help_heading = "Addresses")]
    pub(crate) ca_out: Option<PathBuf>,

    /// Choose the CDN's certificate: valid, expired or other-name
    #[arg(long, value_name = "KIND", value_enum, hide_possible_values = true, default_value_t = CertificateArg::Sound, requires = "ca_out", help_heading = "Fault injection", hide_short_help = true)]
    pub(crate) cdn_certificate: CertificateArg,

    /// Set the random seed for the shares of faults
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        help_heading = "Fault injection",
        hide_short_help = true
    )]
    pub(crate) seed: u64,

    /// Redirect to this scheme and host
    #[arg(long, value_name = "URL", default_value_t = LocationBase::default(), help_heading = "Addresses", hide_short_help = true)]
    pub(crate) location_base: LocationBase,

    /// Answer for this name; may be repeated
    ///
    /// The answer is an address, no-data, nxdomain, servfail, refused or silence.
    /// The default is 127.0.0.1.
    #[arg(long = "dns-name", value_name = "NAME[=ANSWER]", value_parser = parse_name, help_heading = "Fault injection", hide_short_help = true)]
    pub(crate) dns_names: Vec<(String, DnsAnswer)>,

    /// Log the API requests to this file
    ///
    /// Each line is in the format trace.
    #[arg(long, value_name = "FILE")]
    pub(crate) access_log: Option<PathBuf>,

    /// Set the number of threads
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN, value_parser = parse_threads, hide_short_help = true)]
    pub(crate) threads: NonZeroUsize,
}

/// The spellings of [`CdnCertificate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CertificateArg {
    /// For its names, and valid
    #[value(name = "valid", alias = "sound")]
    Sound,
    /// Not valid any more
    Expired,
    /// For a name that nobody asks for
    OtherName,
}

impl From<CertificateArg> for CdnCertificate {
    fn from(typed: CertificateArg) -> Self {
        match typed {
            CertificateArg::Sound => Self::Valid,
            CertificateArg::Expired => Self::Expired,
            CertificateArg::OtherName => Self::OtherName,
        }
    }
}

const EXAMPLES: &str = "Examples:
  downpour serve --listen 127.0.0.1:8080 --dns-listen 127.0.0.1:5353
  downpour serve --listen 127.0.0.1:8080 --fault missing-slash@5s..15s \\
      --fault status-503:10%";

/// A line for each fault; the manual has the same in Markdown.
fn faults_help() -> String {
    let line = |name: &str, kind: FaultKind| format!("\n  {name:20}{}", kind.does().replace('`', ""));
    let plain: String = FaultKind::plain().map(|kind| line(&kind.to_string(), kind)).collect();
    let others: String = with_argument().map(|(written, kind)| line(written, kind)).concat();
    format!("Faults:{plain}{others}\n\n{EXAMPLES}")
}

/// Why serving came to nothing. Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The registry could not be started.
    #[error(transparent)]
    Registry(#[from] MockError),
    /// The CDN has no certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The authority's certificate could not be written.
    #[error("write the certificate to --ca-out {}", file.display())]
    Authority {
        /// Where to.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The log of requests could not be begun.
    #[error("write the requests to --access-log {}", file.display())]
    AccessLog {
        /// Where to.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No handler for SIGINT or SIGTERM.
    #[error("wait for a signal to end")]
    Signals(#[source] io::Error),
    /// Nobody can be told where it listens.
    #[error("write the addresses to standard output")]
    Output(#[source] io::Error),
}

/// Serves until SIGINT or SIGTERM. The addresses are written to `out` and
/// flushed once everything is ready, the count of what was served to standard
/// error at the end.
pub(crate) fn run(args: &ServeArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let authority = args.ca_out.iter().map(|path| Named::by("--ca-out", path));
    let written = authority.chain(args.access_log.iter().map(|path| Named::by("--access-log", path)));
    FilesOfCommand { written: written.collect(), ..FilesOfCommand::default() }.check()?;
    Ok(serve(args, out)?)
}

fn serve(args: &ServeArgs, out: &mut dyn Write) -> Result<(), ServeError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServeError::Signals)?;
    // Signals are caught before anybody is told that this runs.
    let mut end = runtime.block_on(async { EndSignals::new() }).map_err(ServeError::Signals)?;
    let registry = MockRegistry::start(config(args)?)?;
    announce(&registry, out).map_err(ServeError::Output)?;
    runtime.block_on(end.received());
    let served = registry.stop();
    let faulted: u64 = served.faulted.values().sum();
    // Nothing is left to be done where even this cannot be written.
    writeln!(
        io::stderr(),
        "served {} answers ({} redirects, {faulted} with faults), {} CDN answers and {} DNS queries over {} \
         connections",
        served.answers,
        served.redirects,
        served.targets,
        served.queries,
        served.connections,
    )
    .unwrap_or_default();
    Ok(())
}

fn config(args: &ServeArgs) -> Result<MockConfig, ServeError> {
    let cdn_tls = match &args.ca_out {
        None => None,
        Some(file) => {
            let own = args.location_base.host_name().to_owned();
            let names = [own, "localhost".to_owned()]
                .into_iter()
                .chain(args.dns_names.iter().map(|(name, _)| name.clone()));
            let tls = CdnTls::for_names(names.collect(), args.cdn_certificate.into())?;
            std::fs::write(file, tls.authority())
                .map_err(|source| ServeError::Authority { file: file.clone(), source })?;
            Some(tls)
        }
    };
    Ok(MockConfig {
        api: args.listen,
        cdn: args.cdn_listen,
        dns: args.dns_listen,
        location_base: args.location_base.clone(),
        plan: FaultPlan::new(args.faults.clone(), args.seed),
        cdn_plan: FaultPlan::new(args.cdn_faults.clone(), args.seed),
        cdn_tls,
        zone: args
            .dns_names
            .iter()
            .fold(Zone::default(), |zone, (name, answer)| zone.with(name, answer.clone())),
        access_log: args.access_log.as_deref().map(access_log).transpose()?,
        threads: args.threads,
    })
}

fn access_log(file: &Path) -> Result<AccessLog, ServeError> {
    let opened = File::create(file);
    opened.map(AccessLog::new).map_err(|source| ServeError::AccessLog { file: file.to_owned(), source })
}

fn parse_fault(text: &str) -> Result<PlannedFault, String> {
    let fault: PlannedFault = text.parse().map_err(|error: PlanError| error.to_string())?;
    let has = fault.kind.applies_to_api();
    if has { Ok(fault) } else { Err("only the CDN can have this fault: use --cdn-fault".to_owned()) }
}

fn parse_cdn_fault(text: &str) -> Result<PlannedFault, String> {
    let fault: PlannedFault = text.parse().map_err(|error: PlanError| error.to_string())?;
    let has = fault.kind.applies_to_cdn();
    if has { Ok(fault) } else { Err("the CDN cannot have this fault: use --fault".to_owned()) }
}

fn parse_name(text: &str) -> Result<(String, DnsAnswer), String> {
    let (name, answer) = text.split_once('=').unwrap_or((text, "127.0.0.1"));
    let is_label = |label: &str| {
        let mut bytes = label.bytes();
        (1..64).contains(&label.len()) && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if name.len() < 254 && name.split('.').all(is_label) {
        let answer = answer.parse().map_err(|error: ParseDnsAnswerError| error.to_string())?;
        Ok((name.to_owned(), answer))
    } else {
        Err("it is not a host name; write it like cdn.example".to_owned())
    }
}

fn announce(registry: &MockRegistry, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "api http://{}", registry.api())?;
    writeln!(out, "cdn http://{}", registry.cdn())?;
    writeln!(out, "dns {}", registry.dns())?;
    out.flush()
}

/// The two ways in which a process is asked to end.
struct EndSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl EndSignals {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        serve: ServeArgs,
    }

    #[track_caller]
    fn check(flags: &[&str], mistake: Option<&str>) {
        let parsed = Program::try_parse_from(std::iter::once(&"serve").chain(flags));
        match (parsed, mistake) {
            (Ok(_), None) => {}
            (Ok(_), Some(_)) => panic!("{flags:?} were taken"),
            (Err(error), mistake) => {
                let text = error.to_string();
                assert!(mistake.is_some_and(|mistake| text.contains(mistake)), "{text}");
            }
        }
    }

    #[test]
    fn flags_and_their_mistakes() {
        check(&[], None);
        check(&["--fault", "missing-slash@5s..15s", "--fault", "status-503:10%", "--threads", "2"], None);
        check(&["--fault", "mising-slash"], Some("known faults: missing-slash, "));
        check(&["--fault", "misingslash"], Some("(did you mean missing-slash?)"));
        check(&["--location-base", "static.crates.io"], Some("write only scheme and host"));
        check(&["--cdn-fault", "error-page:50%", "--cdn-fault", "status-404"], None);
        check(&["--cdn-fault", "missing-slash"], Some("use --fault"));
        check(&["--fault", "error-page"], Some("use --cdn-fault"));
        check(&["--cdn-certificate", "expired"], Some("--ca-out"));
        check(&["--threads", "0"], Some("--threads"));
        check(&["--dns-name", "cdn.example", "--dns-name", "localhost"], None);
        check(&["--dns-name", "a b"], Some("write it like cdn.example"));
        check(&["--dns-name", "a.test=servfail", "--dns-name", "b.test=10.0.0.1"], None);
        check(&["--dns-name", "a.test=fail"], Some("no-data, nxdomain, servfail"));
    }
}
