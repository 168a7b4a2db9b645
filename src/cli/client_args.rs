//! The flags that say how clients behave when a download fails.

use super::CliError;
use super::clients::{ClientsError, load};
use super::values::parse_time;
use clap::Args;
use downpour_core::agent::{AgentCounts, AgentTable};
use downpour_core::units::{Share, grouped, parse_duration};
use downpour_load::client::{BudgetRule, ClientMix, ClientModels, ClientPlan, first_attempts, sessions};
use downpour_load::played::Requests;
use downpour_load::schedule::Pace;
use downpour_report::Plan;
use downpour_trace::client::AgentParsing;
use downpour_trace::live::Search;
use downpour_trace::reasons::Filter;
use downpour_trace::source::ReadOutcome;
use downpour_trace::{Source, TraceAccounting};
use first_attempts::FirstAttempts;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The client that asks once.
const NONE: &str = "none";

/// Products of unknown clients that are named to who reads the log.
pub(super) const PRODUCTS_LISTED: usize = 5;

/// Each record's own client.
const AUTO: &str = "auto";

/// Who asks, and what they do when a download fails.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Clients")]
pub(crate) struct ClientArgs {
    /// Retry failed downloads as this client does
    ///
    /// downpour clients lists them. cargo is the newest known cargo. auto chooses
    /// the client by the user agent of each record; unknown user agents never
    /// retry. none never retries. The default is none, or the client of the
    /// scenario.
    #[arg(long, value_name = "NAME")]
    pub(crate) client: Option<String>,

    /// Read further clients from this TOML file
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) client_file: Option<PathBuf>,

    /// Limit the retries of each client to this share of its first attempts: 10%
    #[arg(long, value_name = "SHARE", hide_short_help = true)]
    pub(crate) retry_budget: Option<Share>,

    /// End a session when its client pauses for this long
    ///
    /// Downloads of one session share a retry budget, and may end together. The
    /// time is that of the log. 0s disables sessions. The default is 1m, or that of
    /// the scenario.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, hide_short_help = true)]
    pub(crate) session_gap: Option<Duration>,

    /// Limit the length of a session
    ///
    /// The time is that of the log. The default is 30m, or that of the scenario.
    #[arg(long, value_name = "TIME", value_parser = parse_time, hide_short_help = true)]
    pub(crate) session_max: Option<Duration>,

    /// Leave out recorded retries: 15s for those of cargo
    ///
    /// Of each client and target, only the first request in this time is played.
    #[arg(long, value_name = "WINDOW", value_parser = parse_duration, hide_short_help = true)]
    pub(crate) first_attempts: Option<Duration>,

    /// The user agents that select the client models, once they are needed.
    #[arg(skip)]
    pub(super) table: OnceLock<&'static AgentTable>,
}

impl ClientArgs {
    /// Whether the user agents of the trace are read, and by what.
    pub(super) fn agents(&self) -> Result<AgentParsing, CliError> {
        if self.name() != AUTO {
            return Ok(AgentParsing::Off);
        }
        let models = self.models()?;
        let own = models.iter().filter(|model| !model.agents.is_empty());
        let own: Vec<_> = own.map(|model| (model.name.as_str(), model.agents.as_slice())).collect();
        if let (Some(path), true) = (&self.client_file, own.is_empty()) {
            return Err(CliError::Usage(format!(
                "--client auto chooses clients by user agent, but no client in {} has agents: add \
                 agents = [\"renovate\"], leave out --client-file, or pass the name of a client to --client",
                path.display()
            )));
        }
        let too_many = || CliError::Usage("--client-file: too many clients have agents".to_owned());
        let table = AgentTable::new(own).ok_or_else(too_many)?;
        // Once in the life of the program.
        Ok(AgentParsing::WithTable(self.table.get_or_init(|| Box::leak(Box::new(table)))))
    }

    /// All clients that are known.
    fn models(&self) -> Result<ClientModels, CliError> {
        let models = ClientModels::built_in();
        Ok(match &self.client_file {
            Some(path) => models.and(load(path)?),
            None => models,
        })
    }

    fn name(&self) -> &str {
        self.client.as_deref().unwrap_or(NONE)
    }

    /// What clients do; `None` where nothing is tried again. In a closed loop,
    /// where arrivals come as fast as they are answered, there are no sessions.
    pub(super) fn plan(&self, pace: &Pace, seed: u64) -> Result<Option<Arc<ClientPlan>>, CliError> {
        let clients = self.client_mix()?;
        let session_gap = if matches!(pace, Pace::Max) {
            Duration::ZERO
        } else {
            self.session_gap.unwrap_or(sessions::SESSION_GAP)
        };
        let session_max = self.session_max.unwrap_or(sessions::SESSION_MAX);
        let plan = ClientPlan { clients, session_gap, session_max, seed };
        Ok((self.name() != NONE).then(|| Arc::new(plan)))
    }

    /// Who asks in a scenario, whose own client is `model`.
    pub(super) fn client_mix_of_scenario(&self, model: &str) -> Result<ClientMix, CliError> {
        let named = Self { client: Some(self.client.as_deref().unwrap_or(model).to_owned()), ..self.clone() };
        if named.name() == AUTO {
            return Err(CliError::Usage(
                "--client auto chooses clients by user agent, but a scenario has none: name a client"
                    .to_owned(),
            ));
        }
        named.client_mix()
    }

    /// Who asks, with the budget that was asked for.
    pub(super) fn client_mix(&self) -> Result<ClientMix, CliError> {
        let clients = self.modelled()?;
        Ok(match self.retry_budget {
            Some(share) => clients.with_budget(BudgetRule::Ratio(share)),
            None => clients,
        })
    }

    fn modelled(&self) -> Result<ClientMix, CliError> {
        let (models, name) = (self.models()?, self.name());
        if name == AUTO {
            return Ok(ClientMix::by_agent(&models));
        }
        let unknown = || ClientsError::unknown(name, &models);
        Ok(ClientMix::of(models.named(name).ok_or_else(unknown)?.clone()))
    }

    /// Refuses to go by what the first lines of the trace do not tell.
    pub(super) fn check(&self, source: &Source) -> Result<(), CliError> {
        if self.name() == AUTO && !source.has_agents() {
            return Err(CliError::Usage(
                "--client auto chooses clients by user agent, but the first lines of this trace have none: name \
                 a client"
                    .to_owned(),
            ));
        }
        let idle = [
            ("--client-file", self.client_file.is_some()),
            ("--retry-budget", self.retry_budget.is_some()),
            ("--session-gap", self.session_gap.is_some()),
            ("--session-max", self.session_max.is_some()),
        ];
        if let (NONE, Some((flag, _))) = (self.name(), idle.iter().find(|(_, is_given)| *is_given)) {
            return Err(CliError::Usage(format!(
                "{flag} changes how clients retry, but no client does: name one with --client"
            )));
        }
        if source.has_clients() || self.first_attempts.is_none() {
            return Ok(());
        }
        Err(CliError::Usage(
            "--first-attempts needs client addresses, but the first lines of this trace have none: repeats \
             cannot be recognised"
                .to_owned(),
        ))
    }

    /// Tells the plan of it.
    pub(super) fn record_in(&self, plan: &mut Plan, clients: Option<&ClientPlan>) {
        plan.own_clients = clients.map(|clients| clients.clients.own_names()).unwrap_or_default();
        plan.client = clients.map(|clients| clients.clients.name().to_owned());
        plan.session_gap_s = clients.map(|clients| clients.session_gap.as_secs_f64());
        plan.session_max_s = clients.map(|clients| clients.session_max.as_secs_f64());
        plan.retry_budget = self.retry_budget.map(|share| share.to_string());
        plan.first_attempts_s = self.first_attempts.map(|window| window.as_secs_f64());
    }

    /// `requests`, or the first attempts of them. At their end there is a word
    /// about user agents that nobody knows.
    pub(super) fn filtered(&self, requests: Box<dyn Requests>) -> Box<dyn Requests> {
        let requests: Box<dyn Requests> = match self.table.get() {
            None => requests,
            Some(&table) => Box::new(WithAgents { requests, table }),
        };
        match self.first_attempts {
            None => requests,
            Some(window) => Box::new(FirstOnly { requests, window, filter: filter(window), left_out: 0 }),
        }
    }
}

fn filter(window: Duration) -> FirstAttempts {
    FirstAttempts::new(window, first_attempts::REMEMBERED_MAX)
}

/// Requests whose client models are selected by user agent.
struct WithAgents {
    requests: Box<dyn Requests>,
    table: &'static AgentTable,
}

impl Requests for WithAgents {
    fn next_or_idle(&mut self) -> Result<ReadOutcome, String> {
        self.requests.next_or_idle()
    }

    fn rewind(&mut self) -> Result<(), String> {
        self.requests.rewind()
    }

    fn stop(&mut self) {
        self.requests.stop();
    }

    fn accounting(&self) -> TraceAccounting {
        self.requests.accounting()
    }

    fn notices(&self) -> Vec<String> {
        let mut notices = self.requests.notices();
        // What they call themselves stays out of reports, which are shown to others.
        let counts = unknown_agents(&self.table.counts(0));
        notices.extend(counts.map(|told| format!("{told}; downpour inspect lists the most frequent")));
        notices
    }
}

/// How many user agents are nobody's, and what they call themselves.
pub(super) fn unknown_agents(counts: &AgentCounts) -> Option<String> {
    let AgentCounts { with_agent, unknown, products } = counts;
    let each: Vec<_> = products.iter().map(|(name, count)| format!("{name} {}", grouped(*count))).collect();
    let named = if each.is_empty() { String::new() } else { format!(": {}", each.join(", ")) };
    (*unknown > 0).then(|| {
        format!(
            "{} of {} user agents belong to no known client and never retry{named}",
            grouped(*unknown),
            grouped(*with_agent)
        )
    })
}

/// Requests without the repeats that recorded clients made.
struct FirstOnly {
    requests: Box<dyn Requests>,
    window: Duration,
    filter: FirstAttempts,
    left_out: u64,
}

impl Requests for FirstOnly {
    fn next_or_idle(&mut self) -> Result<ReadOutcome, String> {
        let mut search = Search::default();
        loop {
            let next = self.requests.next_or_idle()?;
            let ReadOutcome::Request(request) = &next else { return Ok(next) };
            let (Some(client), Some(at)) = (request.client, request.at) else { return Ok(next) };
            if self.filter.passes(u64::from_le_bytes(client.to_bytes()), &request.target, at) {
                return Ok(next);
            }
            self.left_out += 1;
            if search.is_long() {
                return Ok(ReadOutcome::Idle);
            }
        }
    }

    fn rewind(&mut self) -> Result<(), String> {
        self.filter = filter(self.window);
        self.requests.rewind()
    }

    fn stop(&mut self) {
        self.requests.stop();
    }

    fn accounting(&self) -> TraceAccounting {
        let mut books = self.requests.accounting();
        if self.left_out > 0 {
            *books.filtered.entry(Filter::Repeat.id()).or_default() += self.left_out;
        }
        books
    }

    fn notices(&self) -> Vec<String> {
        self.requests.notices()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downpour_core::agent::ClientKind;
    use downpour_core::units::Stamp;
    use downpour_trace::client::ClientKey;
    use downpour_trace::{Method, TraceRequest};

    /// The same of a stream, again and again: a request, or that it is quiet.
    struct Same(ReadOutcome);

    impl Requests for Same {
        fn next_or_idle(&mut self) -> Result<ReadOutcome, String> {
            Ok(self.0.clone())
        }

        fn rewind(&mut self) -> Result<(), String> {
            Ok(())
        }

        fn stop(&mut self) {}

        fn accounting(&self) -> TraceAccounting {
            TraceAccounting::default()
        }

        fn notices(&self) -> Vec<String> {
            Vec::new()
        }
    }

    fn filtered(next: ReadOutcome) -> Box<dyn Requests> {
        let window = Some(Duration::from_secs(15));
        let args =
            ClientArgs { client: Some(AUTO.to_owned()), first_attempts: window, ..ClientArgs::default() };
        args.agents().unwrap();
        args.filtered(Box::new(Same(next)))
    }

    #[test]
    fn a_quiet_stream_is_quiet_behind_every_filter() {
        assert_eq!(filtered(ReadOutcome::Idle).next_or_idle(), Ok(ReadOutcome::Idle));
    }

    #[test]
    fn repeats_without_end_are_no_reason_to_wait_for_ever() {
        let request = ReadOutcome::Request(TraceRequest {
            at: Some(Stamp::from_nanos(1)),
            method: Method::Get,
            target: "/".into(),
            status: None,
            client: ClientKey::new(1),
            kind: ClientKind::NONE,
        });
        let mut repeats = filtered(request.clone());
        assert_eq!(repeats.next_or_idle(), Ok(request));
        assert_eq!(repeats.next_or_idle(), Ok(ReadOutcome::Idle));
    }
}
