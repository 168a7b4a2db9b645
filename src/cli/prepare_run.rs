//! From flags to what the engine needs: the part that every run shares.

use super::CliError;
use super::load_args::{LoadArgs, VerifyArgs};
use super::system;
use super::target::{Target, all_loopback};
use crate::engine::{EnginePlan, Judging, Overload};
use crate::schedule::Pace;
use crate::verify::Depth;
use crate::verify::address::PrivateAddresses;
use crate::verify::judge::Judge;
use crate::verify::lookup::{LookupOptions, Lookups, Resolver};
use crate::verify::rules::Rules;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::net::SocketAddr;

/// Arrivals a second that one worker thread serves with room to spare.
const RATE_PER_THREAD: f64 = 25_000.0;

/// Arrivals a second above which a host that is not this machine takes `--yes`.
const POLITE_RATE: f64 = 100.0;

/// Descriptors that a worker thread may need for itself: its runtime's and its
/// timer's, with room to spare.
const DESCRIPTORS_PER_THREAD: usize = 16;

/// Most bytes of an answer's body. Redirects have next to none; a candidate
/// that serves archives itself is measured with them.
const MAX_BODY: u64 = 64 * 1024 * 1024;

/// The engine's plan for a run at `pace`.
pub(super) fn engine_plan(
    load: &LoadArgs,
    pace: Pace,
    addresses: Vec<SocketAddr>,
) -> Result<EnginePlan, CliError> {
    let room = system::room_for_connections();
    if let Some(asked) = load.connections.filter(|asked| *asked > room) {
        return Err(CliError::Usage(format!(
            "--connections {asked} needs more file descriptors than this process may open: at most {room} \
             (raise the hard limit, `ulimit -Hn`)"
        )));
    }
    let connections = load.connections.unwrap_or(load.max_in_flight).min(room);
    let most_threads = (room / DESCRIPTORS_PER_THREAD).max(1);
    if let Some(asked) = load.threads.filter(|asked| *asked > most_threads) {
        return Err(CliError::Usage(format!(
            "--threads {asked} is more than this process can have: at most {most_threads}"
        )));
    }
    // Every thread must have a connection and an arrival of its own.
    let most_threads = connections.min(load.max_in_flight);
    let threads = load.threads.unwrap_or_else(|| default_threads(pace)).min(most_threads);
    Ok(EnginePlan {
        addresses,
        headers: headers(&load.target, &load.headers),
        threads,
        connections,
        max_in_flight: load.max_in_flight,
        overload: Overload::from(load.overload),
        timeout: load.timeout,
        connect_timeout: load.connect_timeout,
        grace: load.grace,
        max_body: MAX_BODY,
    })
}

/// One worker for each 25,000 arrivals a second, if there are cores for them.
fn default_threads(pace: Pace) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match pace {
        Pace::Recorded(_) => 1,
        Pace::Constant(rate) => (1..cores)
            .find(|threads| rate.per_second_f64() <= RATE_PER_THREAD * as_f64(*threads))
            .unwrap_or(cores),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a number of cores")]
fn as_f64(cores: usize) -> f64 {
    cores as f64
}

fn headers(target: &Target, added: &[(HeaderName, HeaderValue)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let own = concat!("downpour/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(own));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    if let Ok(authority) = HeaderValue::from_str(&target.authority()) {
        headers.insert(HOST, authority);
    }
    for (name, _) in added {
        headers.remove(name);
    }
    for (name, value) in added {
        headers.append(name, value.clone());
    }
    headers
}

/// The judge and the resolver.
pub(super) fn judging(verify: &VerifyArgs, target: &Target) -> Result<Judging, CliError> {
    let rules = match &verify.rules {
        None => Rules::none(),
        Some(name_or_file) => Rules::load(name_or_file)?,
    };
    let private = if verify.allow_private { PrivateAddresses::Allow } else { PrivateAddresses::Refuse };
    let judge = Judge::new(rules, target.url(), verify.verify)
        .map_err(|error| CliError::Usage(format!("--target: {error}")))?;
    let lookups = match verify.verify {
        Depth::Off | Depth::Policy => None,
        Depth::Dns => Some(Lookups::start(
            &resolver(verify),
            LookupOptions { private_addresses: private, ..LookupOptions::default() },
        )?),
    };
    Ok(Judging { judge, lookups, private })
}

fn resolver(verify: &VerifyArgs) -> Resolver {
    if verify.resolver.is_empty() { Resolver::System } else { Resolver::Servers(verify.resolver.clone()) }
}

/// Refuses a heavy load on somebody else's host unless it is asked for twice.
pub(super) fn guard(load: &LoadArgs, pace: Pace, addresses: &[SocketAddr]) -> Result<(), CliError> {
    let light = match pace {
        Pace::Constant(rate) => rate.per_second_f64() <= POLITE_RATE,
        Pace::Recorded(_) => false,
    };
    if light || load.yes || all_loopback(addresses) {
        return Ok(());
    }
    Err(CliError::Usage(format!(
        "{pace} against {}, which is not this machine: if this host is yours to load, say --yes \
         (not needed up to {POLITE_RATE}/s)",
        load.target
    )))
}
