//! The flags of `simulate`: a load without a wire, a service that is modelled.
//!
//! What a scenario says stands where no flag says otherwise; without one, where
//! a flag says nothing, the service has room for all.

use super::CliError;
use super::client_args::ClientArgs;
use super::config::ConfigArgs;
use super::export::ExportArgs;
use super::load_args::LoadArgs;
use super::overwrite::Named;
use super::report_args::OutputFormat;
use super::scenarios::scenario_file;
use super::shape_args::ShapeArgs;
use super::threshold_args::ThresholdArgs;
use super::trace_args::TraceArgs;
use super::values::{parse_positive, parse_requests, parse_time};
use clap::Args;
use downpour_core::units::{Factor, parse_count, parse_duration};
use downpour_load::client::{ClientMix, ClientPlan, sessions};
use downpour_load::schedule::Pace;
use downpour_mock::plan::PlannedFault;
use downpour_sim::scenario::{Abandoned, CapacityDrop, Clients, Scenario, Service, ServiceTime};
use downpour_sim::sweep::Grid;
use downpour_sim::{self, DEFAULT_LIMIT, SimulationPlan};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Play a trace or a scenario in virtual time against a modelled service
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true, mut_arg("traces", |arg| arg.required(false)))]
#[command(after_help = "Examples:
  downpour simulate --scenario incident
  downpour simulate access.log.gz --client cargo-1.89 --servers 64")]
#[command(after_long_help = "Examples:
  downpour simulate --scenario incident
  downpour simulate --scenario metastable --retry-budget 10%
  downpour simulate --scenario metastable \\
      --sweep load=0.5x..1.2x,duration=5s..15s
  downpour simulate access.log.gz --rewrite crates-io --client cargo-1.89 \\
      --rate 50k/s --loop -d 5m --servers 64 --service-time 'exponential 1ms' \\
      --drop 80%@60s..70s --timeout 3s")]
pub(crate) struct SimulateArgs {
    #[command(flatten)]
    pub(super) config: ConfigArgs,
    #[command(flatten)]
    pub(super) trace: TraceArgs,
    /// Play a scenario instead of a trace
    ///
    /// downpour scenarios lists the built-in ones. Anything else is the name of a
    /// TOML file. Other flags change the scenario.
    #[arg(long, value_name = "SCENARIO", conflicts_with = "traces", help_heading = "Input")]
    pub(super) scenario: Option<String>,
    #[command(flatten)]
    pub(super) load: SimulatedLoadArgs,
    #[command(flatten)]
    pub(super) clients: SimulatedClientArgs,
    #[command(flatten)]
    pub(super) service: ServiceArgs,
    #[command(flatten)]
    pub(super) thresholds: ThresholdArgs,
    #[command(flatten)]
    pub(super) report: SimulatedReportArgs,
}

/// How fast, and for how long.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Load")]
pub(crate) struct SimulatedLoadArgs {
    /// Set the rate: 4k/s, 2x
    ///
    /// 4700 and 4.7k/s are arrivals per second. recorded follows the timestamps of
    /// the trace; 2x plays it twice as fast. With a scenario, this is its downloads
    /// per second, or a multiple of its load.
    ///
    /// -R is accepted, too.
    #[arg(
        short,
        long,
        short_alias = 'R',
        value_name = "RATE",
        default_value = "recorded",
        allow_negative_numbers = true
    )]
    pub(super) rate: Pace,

    /// Play the recorded pace this many times as fast
    ///
    /// With a scenario, all its times are divided by this; the load per second
    /// stays the same.
    #[arg(long, value_name = "FACTOR", hide_short_help = true)]
    pub(super) speed: Option<Factor>,

    /// Send arrivals for this long: 20s, 1h30m
    ///
    /// -z is accepted, too.
    #[arg(short, long, short_alias = 'z', value_name = "TIME", value_parser = parse_time)]
    pub(super) duration: Option<Duration>,

    /// Send this many arrivals: 1000, 10k, 1.5m
    #[arg(short = 'n', long, value_name = "N", value_parser = parse_requests)]
    pub(super) requests: Option<u64>,

    /// Exclude the first TIME of the run from results
    ///
    /// The warm-up is part of -d and -n. The default is 0s.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration, hide_default_value = true)]
    pub(super) warmup: Duration,

    /// Start the trace again when it ends
    ///
    /// The run then ends with -d or -n.
    #[arg(long = "loop")]
    pub(super) loop_trace: bool,

    /// Limit the attempts in flight; further ones are shed
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LIMIT, value_parser = parse_positive, hide_short_help = true)]
    pub(super) max_in_flight: usize,

    // Last, as it begins a heading of its own.
    #[command(flatten)]
    pub(super) shape: ShapeArgs,
}

/// Who asks, and what they do when a download fails.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Clients")]
pub(crate) struct SimulatedClientArgs {
    #[command(flatten)]
    pub(super) behavior: ClientArgs,

    /// Set the timeout of a client's attempt
    ///
    /// It is measured from the scheduled time of the attempt. The default is that
    /// of the scenario, or 30s.
    #[arg(short, long, value_name = "TIME", value_parser = parse_time)]
    pub(super) timeout: Option<Duration>,
}

/// What answers, and what goes wrong with it.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Service")]
pub(crate) struct ServiceArgs {
    /// Serve this many requests at a time
    ///
    /// A number, or unlimited. The default is that of the scenario, or unlimited.
    #[arg(long, value_name = "N", value_parser = parse_servers)]
    pub(super) servers: Option<Servers>,

    /// Set the service time: exponential 10ms
    ///
    /// Write constant 5ms, exponential 10ms (the mean) or lognormal 2ms..20ms (p50
    /// and p99). The default is that of the scenario, or constant 1ms.
    #[arg(long, value_name = "TIME")]
    pub(super) service_time: Option<ServiceTime>,

    /// Let this many requests wait for a server
    ///
    /// A further request is answered with 503. The default is that of the scenario,
    /// or 1000.
    #[arg(long, value_name = "N", value_parser = parse_queue_length)]
    pub(super) queue: Option<usize>,

    /// Choose what happens to a request whose client has timed out: served or
    /// dropped
    ///
    /// served means that the service does not notice. dropped removes it from the
    /// queue.
    #[arg(long, value_name = "WHAT", value_parser = parse_abandoned, hide_short_help = true)]
    pub(super) abandoned: Option<Abandoned>,

    /// Set the round-trip time between client and service
    #[arg(long, value_name = "TIME", value_parser = parse_duration, hide_short_help = true)]
    pub(super) round_trip: Option<Duration>,

    /// Set the time that a client needs to look up a host that does not exist
    #[arg(long, value_name = "TIME", value_parser = parse_duration, hide_short_help = true)]
    pub(super) lookup: Option<Duration>,

    /// Lose capacity: 80%@30s..40s
    ///
    /// May be repeated. It replaces the losses of the scenario.
    #[arg(long = "drop", value_name = "SHARE@FROM..TO")]
    pub(super) drops: Vec<CapacityDrop>,

    /// Add a fault: missing-slash@5s..15s
    ///
    /// Written as for serve --fault, such as status-503:10%. May be repeated. It
    /// replaces the faults of the scenario.
    #[arg(long = "fault", value_name = "FAULT", value_parser = parse_fault)]
    pub(super) faults: Vec<PlannedFault>,
}

/// What is said of the run, and where.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Thresholds and report")]
pub(crate) struct SimulatedReportArgs {
    /// Set the run directory
    ///
    /// The default is reports/ and the time of the start.
    #[arg(short, long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,

    /// Print text or json
    ///
    /// text is the summary, json the content of run.json.
    #[arg(long, value_name = "FORMAT", value_enum, hide_possible_values = true, default_value_t = OutputFormat::Text)]
    pub(super) format: OutputFormat,

    /// Run many loads and outages, print a table
    ///
    /// Each combination of the axes is simulated, and the table shows from which
    /// ones the service of the scenario does not recover. Example:
    /// load=0.5x..1.2x,drop=50%:80%,duration=5s..15s. A range is sampled at eight
    /// values. An axis that is left out has the value of the scenario.
    #[arg(long, value_name = "AXES", conflicts_with_all = ["out", "exports", "junit", "thresholds"])]
    pub(super) sweep: Option<Grid>,

    /// Judge an invalid run as if it were valid, and warn
    #[arg(long, hide_short_help = true)]
    pub(super) allow_invalid: bool,

    /// Print only errors on stderr
    #[arg(short, long)]
    pub(super) quiet: bool,

    #[command(flatten)]
    pub(super) exports: ExportArgs,
}

/// How many servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Servers(Option<NonZeroU32>);

fn parse_servers(text: &str) -> Result<Servers, String> {
    if text == "unlimited" {
        return Ok(Servers(None));
    }
    let count = parse_count(text).ok().and_then(|count| NonZeroU32::new(u32::try_from(count).ok()?));
    count
        .map(|count| Servers(Some(count)))
        .ok_or_else(|| "write a number of at least 1, or unlimited".to_owned())
}

fn parse_queue_length(text: &str) -> Result<usize, String> {
    let count = parse_count(text).map_err(|error| error.to_string())?;
    let fits = |count: &usize| *count <= Service::QUEUE_MAX;
    let most = Service::QUEUE_MAX;
    usize::try_from(count).ok().filter(fits).ok_or_else(|| format!("must be at most {most}"))
}

fn parse_abandoned(text: &str) -> Result<Abandoned, String> {
    let known = [Abandoned::Served, Abandoned::Dropped].into_iter().find(|known| known.name() == text);
    known.ok_or_else(|| "use served or dropped".to_owned())
}

fn parse_fault(text: &str) -> Result<PlannedFault, String> {
    let fault: PlannedFault =
        text.parse().map_err(|error: downpour_mock::plan::PlanError| error.to_string())?;
    let known = downpour_sim::is_modelled(fault.kind);
    known
        .then_some(fault)
        .ok_or_else(|| format!("a simulation supports only {}", downpour_sim::modelled_names()))
}

impl SimulateArgs {
    /// The files that it reads.
    pub(super) fn files_read(&self) -> Vec<Named> {
        let mut files = self.trace.files_read();
        files.extend(self.scenario.as_deref().and_then(scenario_file));
        files.extend(self.clients.behavior.client_file.iter().map(|path| Named::by("--client-file", path)));
        files
    }

    /// The scenario with what flags say otherwise, at its own speed.
    pub(super) fn changed(&self, mut scenario: Scenario) -> Result<Scenario, CliError> {
        let (load, clients) = (&self.load, &self.clients.behavior);
        let timeout = self.clients.timeout;
        let downloads = match &load.rate {
            Pace::Recorded(factor) => {
                scenario = scenario.load_scaled(*factor);
                None
            }
            Pace::Constant(rate) => Some(*rate),
            Pace::Profile(_) | Pace::Max => {
                return Err(CliError::Usage(
                    "with a scenario, --rate must be downloads per second, such as 3k/s, or a multiple, such as 2x"
                        .to_owned(),
                ));
            }
        };
        if !load.shape.is_plain() || load.loop_trace {
            return Err(CliError::Usage(
                "--stage, --arrivals, --sample, --amplify, --max-gap and --loop are for traces: change the load \
                 of a scenario with --rate"
                    .to_owned(),
            ));
        }
        let is_own = downloads.is_none()
            && self.service == ServiceArgs::default()
            && (load.duration, load.requests, load.warmup) == (None, None, Duration::ZERO)
            && (&clients.client, clients.session_gap, clients.session_max, clients.retry_budget, timeout)
                == (&None, None, None, None, None);
        scenario.expected = scenario.expected.filter(|_| is_own);
        scenario.load.downloads = downloads.unwrap_or(scenario.load.downloads);
        scenario.load.duration = load.duration.unwrap_or(scenario.load.duration);
        scenario.clients.model = clients.client.clone().unwrap_or(scenario.clients.model);
        scenario.clients.timeout = timeout.unwrap_or(scenario.clients.timeout);
        scenario.clients.session_gap = clients.session_gap.unwrap_or(scenario.clients.session_gap);
        scenario.clients.session_max = clients.session_max.unwrap_or(scenario.clients.session_max);
        scenario.service = self.service.changed(scenario.service);
        if !self.service.faults.is_empty() {
            scenario.faults.clone_from(&self.service.faults);
        }
        if let Some(fault) = scenario.faults.iter().find(|fault| !downpour_sim::is_modelled(fault.kind)) {
            let known = downpour_sim::modelled_names();
            return Err(CliError::Usage(format!(
                "{}: {fault}: a simulation supports only {known}",
                scenario.name
            )));
        }
        Ok(scenario)
    }

    /// Who asks a trace, by flags alone.
    pub(super) fn own_clients(&self) -> Clients {
        let default = Clients::default();
        Clients {
            model: self.clients.behavior.client.clone().unwrap_or(default.model),
            timeout: self.clients.timeout.unwrap_or(default.timeout),
            session_gap: self.clients.behavior.session_gap.unwrap_or(sessions::SESSION_GAP),
            session_max: self.clients.behavior.session_max.unwrap_or(sessions::SESSION_MAX),
        }
    }

    /// What is simulated.
    pub(super) fn simulation(
        &self,
        clients: &Clients,
        clientele: ClientMix,
        (service, faults): (Service, Vec<PlannedFault>),
    ) -> SimulationPlan {
        let &Clients { session_gap, session_max, .. } = clients;
        let seed = self.trace.seed;
        SimulationPlan {
            clients: Arc::new(ClientPlan { clients: clientele, session_gap, session_max, seed }),
            timeout: clients.timeout,
            service,
            faults,
            warmup: self.load.warmup,
            max_in_flight: self.load.max_in_flight,
            max_waiting: DEFAULT_LIMIT,
            seed,
        }
    }
}

impl SimulatedLoadArgs {
    /// The same flags as those of a replay, whose rules hold here too. Nothing
    /// is ever sent to its target.
    pub(super) fn as_replayed(&self) -> Result<LoadArgs, CliError> {
        Ok(LoadArgs {
            rate: self.rate.clone(),
            speed: self.speed,
            duration: self.duration,
            requests: self.requests,
            warmup: self.warmup,
            loop_trace: self.loop_trace,
            max_in_flight: self.max_in_flight,
            shape: self.shape.clone(),
            ..LoadArgs::at("http://simulated.invalid".parse()?)
        })
    }
}

impl ServiceArgs {
    /// `service` with what flags say otherwise.
    pub(super) fn changed(&self, service: Service) -> Service {
        Service {
            servers: self.servers.map_or(service.servers, |Servers(servers)| servers),
            service_time: self.service_time.unwrap_or(service.service_time),
            queue: self.queue.unwrap_or(service.queue),
            abandoned: self.abandoned.unwrap_or(service.abandoned),
            drops: if self.drops.is_empty() { service.drops } else { self.drops.clone() },
            round_trip: self.round_trip.unwrap_or(service.round_trip),
            lookup: self.lookup.unwrap_or(service.lookup),
        }
    }
}
