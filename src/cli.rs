//! The command line: what was typed becomes plans, ends become exit codes.
//!
//! One file a subcommand. Stdout carries results, stderr everything else. The
//! environment, signals, the time of day and the limits of the process enter
//! here and nowhere else.

mod check;
mod client_args;
mod clients;
mod compare;
mod config;
mod control_args;
mod demo;
mod distinct;
mod execute;
mod explain;
mod export;
mod generated;
mod help;
mod inspect;
mod load_args;
mod loop_cache;
mod metrics;
mod overwrite;
mod prepare_run;
mod probe_args;
mod progress;
mod replay;
mod replay_scenario;
mod report;
mod report_args;
mod requests;
mod rules;
mod scenarios;
mod schema;
mod serve;
mod shape_args;
mod signals;
mod simulate;
mod simulate_args;
mod system;
mod target;
mod terminal;
mod threshold_args;
mod throttling;
mod tls;
mod trace_args;
mod values;
mod verify_args;
mod wire_args;

use clap::error::{ContextKind, ContextValue};
use clap::{FromArgMatches, Parser, Subcommand};
use downpour_core::visible;
use downpour_report::{Exit, RunConfig, RunReport};
use downpour_trace::Source;
use std::io::{self, Write};
use terminal::Visible;
use tracing_subscriber::EnvFilter;

/// Replay recorded download traffic against a candidate deployment, check where
/// every redirect leads, and measure the latency.
#[derive(Debug, Parser)]
#[command(name = "downpour", version, max_term_width = 100)]
#[command(after_help = "downpour COMMAND -h lists the main options of a command, --help all of them.

Exit codes:
    0  passed
    1  could not run, or could not write the result
    2  a flag or a configuration file is wrong
    3  requests failed or redirects are broken, beyond what thresholds allow
    4  compare found a regression
    5  invalid: the load or the timing is in question, and no failure is certain
   99  a threshold is violated, or --abort-on came true
  130  interrupted; a partial result was written")]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Log more on stderr; repeat it to log everything
    #[arg(short, long, global = true, display_order = 900, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the crates.io incident of 2023-07-20 in half a minute
    Demo(demo::DemoArgs),
    /// Replay logs against a candidate and check every answer
    Replay(Box<replay::ReplayArgs>),
    /// Send each distinct request once and follow every redirect
    Check(Box<check::CheckArgs>),
    /// Play a trace or a scenario in virtual time, without traffic
    Simulate(Box<simulate_args::SimulateArgs>),
    /// Summarise a log: times, routes, hosts, rejected lines
    Inspect(inspect::InspectArgs),
    /// Render the result of a run again, in any format
    Report(report::ReportRunArgs),
    /// Compare two runs and separate changes from noise
    Compare(compare::CompareArgs),
    /// List, print or check the rules for right answers
    Rules(rules::RulesArgs),
    /// Explain a fault, or why a line of a log was left out
    Explain(explain::ExplainArgs),
    /// Run the mock registry, its CDN and DNS, with faults on demand
    Serve(Box<serve::ServeArgs>),
    /// Print the JSON Schema of the files that a run writes
    Schema(schema::SchemaArgs),
    /// List how clients retry, or print the table of one client
    Clients(clients::ClientsArgs),
    /// List the scenarios, print one, or check a file
    Scenarios(scenarios::ScenariosArgs),
    /// Print the completions for a shell
    Completions(generated::CompletionsArgs),
    /// Print the man page, or write one for each command
    Man(generated::ManArgs),
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
    /// A client's model can't be told.
    #[error(transparent)]
    Clients(#[from] clients::ClientsError),
    /// A scenario can't be used.
    #[error(transparent)]
    Scenarios(#[from] scenarios::ScenariosError),
    /// The embedded candidate could not serve.
    #[error(transparent)]
    Serve(#[from] serve::ServeError),
    /// A catalogue cannot be used.
    #[error(transparent)]
    Catalog(#[from] downpour_verify::catalog::CatalogError),
    /// A rules file cannot be used.
    #[error(transparent)]
    Rules(#[from] downpour_verify::rules::RulesError),
    /// The resolver could not be started.
    #[error(transparent)]
    Lookups(#[from] downpour_verify::lookup::LookupError),
    /// Targets cannot be checked.
    #[error(transparent)]
    Probes(#[from] downpour_verify::probe::net::ProbeError),
    /// The embedded candidate could not be started.
    #[error(transparent)]
    Registry(#[from] downpour_mock::MockError),
    /// A run cannot be read back, or its rendering not written.
    #[error(transparent)]
    Report(#[from] report::ReportRunError),
    /// A man page cannot be written.
    #[error(transparent)]
    Man(#[from] generated::ManError),
    /// Two runs cannot be compared, or the result not written.
    #[error(transparent)]
    Compare(#[from] compare::CompareError),
    /// Nothing can be scraped.
    #[error(transparent)]
    Metrics(#[from] metrics::MetricsError),
    /// The run directory cannot be written.
    #[error(transparent)]
    Directory(#[from] downpour_report::DirectoryError),
    /// The engine could not start.
    #[error(transparent)]
    Engine(#[from] crate::engine::EngineError),
    /// Our own mistake, found by counting.
    #[error(transparent)]
    Accounting(downpour_metrics::Imbalance),
    /// Signals could not be listened for.
    #[error("listen for signals")]
    Signals(#[source] io::Error),
    /// Stdout is gone.
    #[error("print the result")]
    Print(#[source] io::Error),
    /// The run began, and something kept it from its end or its result from
    /// the disk. What was measured has been printed.
    #[error("the result is incomplete: {}", trouble.join("; "))]
    EndedEarly {
        /// What happened.
        trouble: Vec<String>,
        /// Whether the operator had stopped it besides.
        interrupted: bool,
    },
}

impl CliError {
    /// What stands before the message, and the exit code. Most messages name what
    /// was being done, and read after "failed to"; the others are sentences.
    fn prefix_and_exit(&self) -> (&'static str, Exit) {
        let prefix = |is_sentence: bool| if is_sentence { "" } else { "failed to " };
        let usage_if = |is_usage: bool| if is_usage { Exit::Usage } else { Exit::CouldNotRun };
        match self {
            Self::Usage(_) | Self::Rules(_) => ("", Exit::Usage),
            Self::Catalog(error) => (prefix(!error.is_read()), Exit::Usage),
            Self::Trace(error) | Self::Inspect(inspect::InspectError::Trace(error)) => {
                (prefix(error.is_mistake_in_a_file()), usage_if(error.is_configuration()))
            }
            Self::Clients(error) => {
                (prefix(!error.reads_after_failed_to()), usage_if(error.is_configuration()))
            }
            Self::Scenarios(error) => {
                (prefix(!error.reads_after_failed_to()), usage_if(error.is_configuration()))
            }
            Self::EndedEarly { interrupted: true, .. } => ("", Exit::Interrupted),
            Self::EndedEarly { interrupted: false, .. }
            | Self::Directory(_)
            | Self::Report(_)
            | Self::Man(_)
            | Self::Compare(_)
            | Self::Accounting(_) => ("", Exit::CouldNotRun),
            Self::Target(_)
            | Self::Inspect(_)
            | Self::Serve(_)
            | Self::Metrics(_)
            | Self::Lookups(_)
            | Self::Probes(_)
            | Self::Registry(_)
            | Self::Engine(_)
            | Self::Signals(_)
            | Self::Print(_) => ("failed to ", Exit::CouldNotRun),
        }
    }
}

/// Runs the program with the arguments and streams of this process.
pub fn run() -> Exit {
    let program = help::program();
    let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let layered = match config::Layered::of(&program, std::env::args_os().collect(), variables) {
        Ok(layered) => layered,
        Err(error) => {
            print_message(&format!("error: {}", chain(&error)));
            return Exit::Usage;
        }
    };
    let parsed = program.clone().try_get_matches_from(&layered.arguments).and_then(|typed| {
        let mut cli = Cli::from_arg_matches(&typed)?;
        cli.command.keep_config(config::effective(&program, &typed));
        Ok(cli)
    });
    let cli = match parsed {
        Ok(cli) => cli,
        Err(mut error) => {
            layered.name_origin(&mut error);
            return exit_for_clap_error(error);
        }
    };
    log_to_stderr(cli.verbose, cli.command.is_quiet());
    system::disable_huge_pages();
    let out = &mut UntilClosed { out: io::stdout().lock(), is_closed: false };
    match dispatch(&cli.command, out) {
        Ok(exit) => exit,
        Err(error) => {
            let (prefix, exit) = error.prefix_and_exit();
            print_message(&format!("error: {prefix}{}", chain(&error)));
            exit
        }
    }
}

/// Replays `source` with these options of `replay`, without output. Why it could not
/// is a sentence.
pub(crate) fn replay_silently(source: Source, options: Vec<String>) -> Result<RunReport, String> {
    let arguments = ["downpour", "replay", "-", "--quiet"].into_iter().map(str::to_owned).chain(options);
    let cli = Cli::try_parse_from(arguments).map_err(|error| error.to_string())?;
    let Command::Replay(args) = cli.command else {
        return Err("these are not the options of a replay".to_owned());
    };
    replay::run_silently(source, &args)
        .map_err(|error| format!("{}{}", error.prefix_and_exit().0, chain(&error)))
}

/// Writes for as long as somebody reads, and drops the rest, as in `| head`: a
/// command goes on and ends with the exit code that it would have had.
struct UntilClosed<W> {
    out: W,
    is_closed: bool,
}

impl<W: Write> UntilClosed<W> {
    fn unless_closed<T>(&mut self, done: io::Result<T>, dropped: T) -> io::Result<T> {
        match done {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(dropped)
            }
            done => done,
        }
    }
}

impl<W: Write> Write for UntilClosed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_closed {
            return Ok(bytes.len());
        }
        let done = self.out.write(bytes);
        self.unless_closed(done, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_closed {
            return Ok(());
        }
        let done = self.out.flush();
        self.unless_closed(done, ())
    }
}

/// An error and what caused it, as one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn dispatch(command: &Command, out: &mut dyn Write) -> Result<Exit, CliError> {
    match command {
        Command::Demo(args) => demo::run(args, out),
        Command::Replay(args) => match &args.scenario {
            Some(scenario) => replay_scenario::run(scenario, args, out),
            None => replay::run(args, out),
        },
        Command::Check(args) => check::run(args, out),
        Command::Simulate(args) => simulate::run(args, out),
        Command::Inspect(args) => Ok(inspect::run(args, out).map(|()| Exit::Passed)?),
        Command::Report(args) => report::run(args, out).map(|()| Exit::Passed),
        Command::Compare(args) => compare::run(args, out),
        Command::Clients(args) => Ok(clients::run(args, &mut Visible(out)).map(|()| Exit::Passed)?),
        Command::Schema(args) => schema::run(args, out).map(|()| Exit::Passed).map_err(CliError::Print),
        Command::Scenarios(args) => Ok(scenarios::run(args, &mut Visible(out)).map(|()| Exit::Passed)?),
        Command::Rules(args) => rules::run(args, &mut Visible(out)).map(|()| Exit::Passed),
        Command::Explain(args) => explain::run(args, &mut Visible(out)).map(|()| Exit::Passed),
        Command::Completions(args) => generated::completions(args, out).map(|()| Exit::Passed),
        Command::Man(args) => generated::man(args, out).map(|()| Exit::Passed),
        Command::Serve(args) => serve::run(args, out).map(|()| Exit::Passed),
    }
}

impl Command {
    /// Keeps the effective configuration, for the report.
    fn keep_config(&mut self, config: RunConfig) {
        match self {
            Self::Replay(args) => args.config.effective = config,
            Self::Check(args) => args.config.effective = config,
            Self::Simulate(args) => args.config.effective = config,
            Self::Demo(_)
            | Self::Inspect(_)
            | Self::Report(_)
            | Self::Compare(_)
            | Self::Rules(_)
            | Self::Explain(_)
            | Self::Serve(_)
            | Self::Schema(_)
            | Self::Clients(_)
            | Self::Scenarios(_)
            | Self::Completions(_)
            | Self::Man(_) => {}
        }
    }

    /// Whether nothing but errors is wanted on stderr.
    fn is_quiet(&self) -> bool {
        match self {
            Self::Demo(args) => args.report.quiet,
            Self::Replay(args) => args.report.quiet,
            Self::Check(args) => args.output.quiet,
            Self::Simulate(args) => args.report.quiet,
            Self::Inspect(_)
            | Self::Report(_)
            | Self::Compare(_)
            | Self::Rules(_)
            | Self::Explain(_)
            | Self::Serve(_)
            | Self::Schema(_)
            | Self::Clients(_)
            | Self::Scenarios(_)
            | Self::Completions(_)
            | Self::Man(_) => false,
        }
    }
}

/// Help and version are results; mistakes are usage errors.
fn exit_for_clap_error(mut error: clap::Error) -> Exit {
    hide_credentials(&mut error);
    help::name_commands_with_option(&mut error);
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
    // Those have times behind an @, and nothing to hide.
    let has_times = ["--fault", "--cdn-fault", "--drop", "--sweep"];
    let (flag, value) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue));
    let may_hide = !has_times.iter().any(|known| flag.starts_with(known)) || value.contains("://");
    if flag.starts_with("--header") || (value.contains('@') && may_hide) {
        error.insert(ContextKind::InvalidValue, ContextValue::String("(hidden)".to_owned()));
    }
}

fn log_to_stderr(verbose: u8, quiet: bool) {
    let default = match verbose {
        0 if quiet => "error",
        0 => "warn",
        1 => "downpour=info,warn",
        _ => "downpour=trace,info",
    };
    let filter = EnvFilter::try_from_env("DOWNPOUR_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let logging = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(terminal::LogLines)
        // Our own colours could not be told from those of a foreign text.
        .with_ansi(false)
        .without_time();
    // A second run in one process keeps the first one's logging.
    drop(logging.try_init());
}

/// Tells the operator something, on stderr. Where nobody listens any more, as
/// in `2>&1 | head`, the run goes on. Every message goes this way, so what is
/// foreign in it (a file name, a value out of a run directory) cannot steer
/// the terminal, whoever put the message together.
pub(crate) fn print_message(text: &str) {
    writeln!(io::stderr(), "{}", visible::text(text)).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[track_caller]
    fn check(arguments: &[&str], exit: Exit, told: &str) {
        let cli = Cli::try_parse_from([&["downpour"], arguments].concat()).unwrap();
        let error = dispatch(&cli.command, &mut Vec::new()).unwrap_err();
        let (prefix, code) = error.prefix_and_exit();
        let message = format!("{prefix}{}", chain(&error));
        assert!(message.starts_with(told), "{message}");
        assert_eq!(code, exit);
    }

    #[test]
    fn mistakes_are_told_in_a_sentence_and_an_exit_code() {
        check(&["inspect", "/nowhere.log"], Exit::CouldNotRun, "failed to open /nowhere.log: ");
        check(&["inspect", "x", "--rewrite", "/nowhere"], Exit::Usage, "failed to read --rewrite /nowhere; ");
        check(&["inspect", "HTTPS://x.test/log"], Exit::Usage, "failed to read a URL as a trace");
        let replay = ["replay", "/nowhere.log", "--target", "http://127.0.0.1:1", "--speed", "2x"];
        check(&replay, Exit::CouldNotRun, "failed to open /nowhere.log: ");
    }

    /// One style: a capital at the start, no full stop at the end.
    #[test]
    fn help_is_written_in_one_hand() {
        for command in Cli::command().get_subcommands() {
            for argument in command.get_arguments() {
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                let name = argument.get_id();
                assert!(help.starts_with(char::is_uppercase), "{name}: {help:?}");
                assert!(!help.ends_with('.') && !help.contains('`'), "{name}: {help:?}");
                let long = argument.get_long_help().map(ToString::to_string).unwrap_or_default();
                assert!(!long.contains('`'), "{name}: {long:?}");
                // It begins with the short one, and goes on in sentences.
                assert!(long.is_empty() || long.ends_with('.') && long.contains("\n\n"), "{name}: {long:?}");
            }
        }
    }
}
