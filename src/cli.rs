//! The command line: what was typed becomes plans, ends become exit codes.
//!
//! One file a subcommand. Stdout carries results, stderr everything else. The
//! environment, signals, the time of day and the limits of the process enter
//! here and nowhere else.

mod carry_out;
mod demo;
mod inspect;
mod load_args;
mod prepare_run;
mod progress;
mod replay;
mod requests;
mod serve;
mod signals;
mod system;
mod target;
mod trace_args;

use crate::report::Exit;
use clap::error::{ContextKind, ContextValue};
use clap::{Parser, Subcommand};
use std::io::{self, Write};
use tracing_subscriber::EnvFilter;

/// Replays recorded download traffic against a candidate deployment, and proves
/// that every redirect it hands out leads somewhere.
#[derive(Debug, Parser)]
#[command(name = "downpour", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 passed, 1 could not run, 2 usage, 3 failed requests or broken \
    redirects, 5 invalid measurement, 130 interrupted (a partial result was written).")]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Log more on stderr; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// See the founding incident: 20 seconds, no network, no arguments needed
    Demo(demo::DemoArgs),
    /// Replay logs against a candidate and judge every answer
    Replay(Box<replay::ReplayArgs>),
    /// Say what is in a log
    Inspect(inspect::InspectArgs),
    /// Run the embedded candidate: a download registry with faults on demand
    Serve(serve::ServeArgs),
}

/// Why a subcommand ended without its result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The flags do not go together, or a value cannot be used.
    #[error("{0}")]
    Usage(String),
    /// The candidate's address.
    #[error(transparent)]
    Target(#[from] target::TargetError),
    /// A trace or its rewrites cannot be read.
    #[error(transparent)]
    Trace(#[from] trace_args::TraceArgsError),
    /// The trace could not be told about.
    #[error(transparent)]
    Inspect(#[from] inspect::InspectError),
    /// The embedded candidate could not serve.
    #[error(transparent)]
    Serve(#[from] serve::ServeError),
    /// A rules file cannot be used.
    #[error(transparent)]
    Rules(#[from] crate::verify::rules::RulesError),
    /// The resolver could not be started.
    #[error(transparent)]
    Lookups(#[from] crate::verify::lookup::LookupError),
    /// The embedded candidate could not be started.
    #[error(transparent)]
    Registry(#[from] crate::registry::RegistryError),
    /// The run directory cannot be written.
    #[error(transparent)]
    Directory(#[from] crate::report::DirectoryError),
    /// The engine could not start.
    #[error(transparent)]
    Engine(#[from] crate::engine::EngineError),
    /// Our own mistake, found by counting.
    #[error(transparent)]
    Books(crate::tally::Imbalance),
    /// Signals could not be listened for.
    #[error("listen for signals")]
    Signals(#[source] io::Error),
    /// Stdout is gone.
    #[error("print the result")]
    Print(#[source] io::Error),
    /// The run began and something kept it from its end. What was measured has
    /// been reported.
    #[error("the run ended early: {}", trouble.join("; "))]
    EndedEarly {
        /// What happened.
        trouble: Vec<String>,
        /// Whether the operator had stopped it besides.
        interrupted: bool,
    },
}

impl CliError {
    fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Rules(_) => Exit::Usage,
            Self::Trace(error) | Self::Inspect(inspect::InspectError::Trace(error))
                if error.is_configuration() =>
            {
                Exit::Usage
            }
            Self::EndedEarly { interrupted: true, .. } => Exit::Interrupted,
            Self::Target(_)
            | Self::Trace(_)
            | Self::Inspect(_)
            | Self::Serve(_)
            | Self::Lookups(_)
            | Self::Registry(_)
            | Self::Directory(_)
            | Self::Engine(_)
            | Self::Books(_)
            | Self::Signals(_)
            | Self::Print(_)
            | Self::EndedEarly { interrupted: false, .. } => Exit::CouldNotRun,
        }
    }
}

/// Runs the program with the arguments and streams of this process.
pub fn run() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return said_by_clap(error),
    };
    log_to_stderr(cli.verbose);
    system::keep_pages_small();
    let out = &mut io::stdout().lock();
    match dispatch(&cli.command, out) {
        Ok(exit) => exit,
        Err(error) => {
            say(&format!("error: {}", carry_out::chain(&error)));
            error.exit()
        }
    }
}

fn dispatch(command: &Command, out: &mut dyn Write) -> Result<Exit, CliError> {
    match command {
        Command::Demo(args) => demo::run(args, out),
        Command::Replay(args) => replay::run(args, out),
        Command::Inspect(args) => Ok(inspect::run(args, out).map(|()| Exit::Passed)?),
        Command::Serve(args) => Ok(serve::run(args, out).map(|()| Exit::Passed)?),
    }
}

/// Help and version are results; mistakes are usage errors.
fn said_by_clap(mut error: clap::Error) -> Exit {
    hide_credentials(&mut error);
    // A closed stdout or stderr leaves nobody to tell.
    drop(error.print());
    if error.use_stderr() { Exit::Usage } else { Exit::Passed }
}

/// The parser repeats a value it refuses. One that may hold a password must not
/// end up in the log of a build.
fn hide_credentials(error: &mut clap::Error) {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        Some(_) | None => "",
    };
    let is_header = text(ContextKind::InvalidArg).starts_with("--header");
    if is_header || text(ContextKind::InvalidValue).contains('@') {
        error.insert(ContextKind::InvalidValue, ContextValue::String("(hidden)".to_owned()));
    }
}

fn log_to_stderr(verbose: u8) {
    let default = match verbose {
        0 => "warn",
        1 => "downpour=info,warn",
        _ => "downpour=trace,info",
    };
    let filter = EnvFilter::try_from_env("DOWNPOUR_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let logging = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).without_time();
    // A second run in one process keeps the first one's logging.
    drop(logging.try_init());
}

/// Tells the operator something, on stderr.
#[expect(clippy::print_stderr, reason = "the one way to speak to the operator beside the result")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}
