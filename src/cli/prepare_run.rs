//! From flags to what the engine needs: the part that every run shares.

use super::CliError;
use super::load_args::{LoadArgs, headers};
use super::system;
use super::target::all_loopback;
use super::verify_args::VerifyArgs;
use super::wire_args::{HTTP2_CONNECTIONS, HttpArg, WireArgs};
use crate::engine::{EnginePlan, Judging, LoopMode, Overload, TlsPlan};
use downpour_core::units::{Offset, grouped};
use downpour_load::schedule::Pace;
use downpour_report::Reason;
use downpour_verify::address::PrivateAddresses;
use downpour_verify::catalog::{Catalog, CatalogLookup};
use downpour_verify::judge::Judge;
use downpour_verify::lookup::{LookupOptions, Lookups, Resolver};
use downpour_verify::probe::ProbeDepth;
use downpour_verify::probe::net::ProbeOptions;
use downpour_verify::probe::sample::ProbeSampling;
use downpour_verify::rules::Rules;
use downpour_verify::{Depth, Tier};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Arrivals a second that one worker thread serves with room to spare.
const RATE_PER_THREAD: f64 = 25_000.0;

/// Connections of a closed loop, if nothing is said: what other generators
/// open.
const CLOSED_CONNECTIONS: usize = 50;

/// Arrivals a second above which a host that is not this machine takes `--yes`.
pub(super) const UNCONFIRMED_RATE_MAX: f64 = 100.0;

/// Arrivals a second up to which each is worth a wake-up of its own.
const EXACT_RATE: f64 = 10_000.0;

/// How long arrivals may wait for each other beyond that rate: half of them are
/// sent less than 60 µs from when they were due.
const BATCH_INTERVAL: Duration = Duration::from_micros(250);

/// How long in a burst of a recorded trace.
const RECORDED_BATCH_INTERVAL: Duration = Duration::from_micros(150);

/// How many times as long a grain becomes: a millisecond.
const BATCH_INTERVAL_GROWTH: f64 = 4.0;

/// Descriptors that a worker thread may need for itself: its runtime's and its
/// timer's, with room to spare.
const DESCRIPTORS_PER_THREAD: usize = 16;

/// The engine's plan for a run at `pace`.
pub(super) fn engine_plan(
    (load, wire): (&LoadArgs, &WireArgs),
    pace: &Pace,
    (addresses, tls): (Vec<SocketAddr>, Option<TlsPlan>),
) -> Result<EnginePlan, CliError> {
    let room = system::max_connections();
    if let Some(asked) = load.connections.filter(|asked| *asked > room) {
        return Err(CliError::Usage(format!(
            "--connections {asked} needs more file descriptors than this process may open: at most {room} \
             (raise the hard limit, `ulimit -Hn`)"
        )));
    }
    let connections = wanted_connections(load, wire, pace).min(room);
    let most_threads = (room / DESCRIPTORS_PER_THREAD).max(1);
    if let Some(asked) = load.threads.filter(|asked| *asked > most_threads) {
        return Err(CliError::Usage(format!(
            "--threads {asked} is too many for the limit of open files: use at most {most_threads}"
        )));
    }
    // Every thread must have a connection and an arrival of its own.
    let most_threads = connections.min(load.max_in_flight);
    let threads = load.threads.unwrap_or_else(|| default_threads(pace)).min(most_threads);
    Ok(EnginePlan {
        addresses,
        loop_mode: match pace {
            Pace::Constant(_) | Pace::Profile(_) | Pace::Recorded(_) => LoopMode::Open,
            Pace::Max => LoopMode::Closed { until: load.duration.map(Offset::from), open: None },
        },
        warmup: load.warmup,
        pacing: wire.pacing.pacing.into(),
        batch_interval: wire.pacing.pacing_grain.unwrap_or_else(|| default_batch_interval(pace)),
        pin: wire.pacing.pin,
        request_template: load.target.origin(headers(&load.target, &load.headers)),
        tls,
        protocol: wire.connection.http.without_alpn(),
        connection_plan: wire.connection.connection_plan(),
        threads,
        connections,
        max_in_flight: load.max_in_flight,
        overload: Overload::from(load.overload),
        timeout: load.timeout,
        connect_timeout: load.connect_timeout,
        grace: load.grace,
        max_body: wire.connection.max_body,
        clients: None,
    })
}

/// The most connections that a run would open if there were descriptors for them.
fn wanted_connections(load: &LoadArgs, wire: &WireArgs, pace: &Pace) -> usize {
    let not_compared = match (pace, wire.connection.http) {
        (Pace::Max, _) => CLOSED_CONNECTIONS,
        (Pace::Constant(_) | Pace::Profile(_) | Pace::Recorded(_), HttpArg::Http2) => HTTP2_CONNECTIONS,
        (Pace::Constant(_) | Pace::Profile(_) | Pace::Recorded(_), HttpArg::Http1 | HttpArg::Auto) => {
            load.max_in_flight
        }
    };
    load.connections.unwrap_or(not_compared)
}

/// That a run has to do with fewer connections than it may have arrivals in
/// flight, which shows as lateness and as time-outs that are not the
/// candidate's.
pub(super) fn few_connections(load: &LoadArgs, wire: &WireArgs, pace: &Pace) -> Option<Reason> {
    let (wanted, room) = (wanted_connections(load, wire, pace), system::max_connections());
    // More than there can be, where somebody asked for them, is a mistake.
    (load.connections.is_none() && room < wanted).then(|| Reason {
        id: "few_descriptors".to_owned(),
        detail: format!(
            "the limit of open files allows {} connections, but this run may need {}: a request that finds no \
             free connection waits, and the generator causes that wait",
            grouped(count(room)),
            grouped(count(wanted))
        ),
        remedy: "raise the limit (`ulimit -n`, LimitNOFILE= in systemd), or set --connections if fewer are \
                 enough"
            .to_owned(),
    })
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// Up to 10,000 arrivals a second a wake-up each; beyond, one for all that fall
/// due within a grain, which grows with the rate up to a millisecond.
fn default_batch_interval(pace: &Pace) -> Duration {
    match pace.peak_per_second() {
        Some(peak) if peak <= EXACT_RATE => Duration::ZERO,
        Some(peak) => BATCH_INTERVAL.mul_f64((peak / (2.0 * EXACT_RATE)).clamp(1.0, BATCH_INTERVAL_GROWTH)),
        None => RECORDED_BATCH_INTERVAL,
    }
}

/// One worker for each 25,000 arrivals a second, if there are cores for them.
fn default_threads(pace: &Pace) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let Some(peak) = pace.peak_per_second() else { return 1 };
    (1..cores).find(|threads| peak <= RATE_PER_THREAD * as_f64(*threads)).unwrap_or(cores)
}

#[expect(clippy::cast_precision_loss, reason = "a number of cores")]
fn as_f64(cores: usize) -> f64 {
    cores as f64
}

/// The judge, and the thread that looks hosts up; and how targets are asked, if
/// they are. Without a control.
pub(super) fn judging(
    verify: &VerifyArgs,
    (load, wire): (&LoadArgs, &WireArgs),
    seed: u64,
) -> Result<(Judging, Option<ProbeOptions>), CliError> {
    let rules = match &verify.rules {
        None => Rules::none(),
        Some(name_or_file) => Rules::load(name_or_file)?,
    };
    let private = if verify.allow_private {
        PrivateAddresses::Allow
    } else {
        PrivateAddresses::RefuseIncluding(system::own_addresses())
    };
    let catalog = catalog(verify, &rules)?;
    let judge = Judge::new(rules, load.target.url(), verify.verify)
        .map_err(|error| CliError::Usage(format!("--target: {error}")))?;
    let lookups = match verify.verify {
        Depth::Off | Depth::Policy => None,
        Depth::Dns | Depth::Connect | Depth::Head | Depth::Get | Depth::Digest => Some(Lookups::start(
            &resolver(verify),
            LookupOptions { private_addresses: private, ..LookupOptions::default() },
        )?),
    };
    let reach = ProbeDepth::of(verify.verify);
    let knows_json = judge.checks_json() && verify.verify.covers(Tier::Json);
    let forms =
        verify.probe.json_sample(seed).filter(|_| knows_json && !wire.speaks_http2_alone(&load.target));
    let asks = reach.is_some() || forms.is_some();
    let ways = (&wire.tls, wire.connection.max_body);
    let probes = asks.then(|| verify.probe.options(reach, (resolver(verify), private), load, ways));
    let sampling = ProbeSampling { share: verify.probe.sample, seed };
    let judging = Judging {
        judge,
        lookups,
        probes: None,
        sampling,
        json_sample: forms,
        private_addresses: private,
        catalog,
        control: None,
    };
    Ok((judging, probes.transpose()?))
}

/// The catalogue that redirects are looked up in, if there is one.
fn catalog(verify: &VerifyArgs, rules: &Rules) -> Result<Option<Arc<CatalogLookup>>, CliError> {
    let Some(path) = &verify.catalog else { return Ok(None) };
    if verify.verify == Depth::Off {
        return Err(CliError::Usage(
            "--catalog needs redirects to be checked, but --verify is off".to_owned(),
        ));
    }
    let catalogued = CatalogLookup::new(Catalog::read(path)?, rules.clone())
        .map_err(|error| CliError::Usage(format!("--catalog with these --rules: {error}")))?;
    Ok(Some(Arc::new(catalogued)))
}

fn resolver(verify: &VerifyArgs) -> Resolver {
    if verify.resolver.is_empty() { Resolver::System } else { Resolver::Servers(verify.resolver.clone()) }
}

/// Refuses a heavy load on somebody else's host unless it is asked for twice.
pub(super) fn refuse_unconfirmed_load(
    load: &LoadArgs,
    pace: &Pace,
    addresses: &[SocketAddr],
) -> Result<(), CliError> {
    let light = pace.peak_per_second().is_some_and(|peak| peak <= UNCONFIRMED_RATE_MAX);
    if light || load.yes || all_loopback(addresses) {
        return Ok(());
    }
    let target = &load.target;
    Err(CliError::Usage(match pace {
        Pace::Max => format!(
            "{target} is not this machine, and would get requests as fast as it answers: if you may load that \
             host, add --yes"
        ),
        Pace::Constant(_) | Pace::Profile(_) | Pace::Recorded(_) => format!(
            "{pace} against {target}, which is not this machine: if you may load that host, add --yes (not \
             needed up to {UNCONFIRMED_RATE_MAX}/s)"
        ),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::target::Target;

    const HERE: &str = "127.0.0.1:80";
    const HERE_TOO: &str = "[::1]:80";
    const ELSEWHERE: &str = "192.0.2.1:80";

    #[track_caller]
    fn check(pace: &str, addresses: &[&str], yes: bool, taken: bool) {
        let target = "http://candidate.test".parse().unwrap();
        let load = LoadArgs { yes, ..LoadArgs::at(target) };
        let addresses: Vec<SocketAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        match refuse_unconfirmed_load(&load, &pace.parse().unwrap(), &addresses) {
            Ok(()) => assert!(taken, "{pace} against {addresses:?} was taken"),
            Err(error) => {
                let text = error.to_string();
                assert!(!taken, "{text}");
                assert!(text.contains("http://candidate.test") && text.contains("--yes"), "{text}");
            }
        }
    }

    #[test]
    fn a_heavy_load_on_another_machine_takes_a_second_word() {
        check("100/s", &[ELSEWHERE], false, true);
        check("101/s", &[ELSEWHERE], false, false);
        check("101/s", &[ELSEWHERE], true, true);
        check("101/s", &[HERE, HERE_TOO], false, true);
        check("101/s", &[HERE, ELSEWHERE], false, false);
        // Nobody knows how fast a trace is before it has been read.
        check("recorded", &[ELSEWHERE], false, false);
        check("0.1x", &[ELSEWHERE], false, false);
        check("recorded", &[HERE], false, true);
        check("max", &[ELSEWHERE], false, false);
        check("max", &[ELSEWHERE], true, true);
    }

    #[test]
    fn descriptors_that_do_not_suffice_are_told_with_how_to_raise_them() {
        let here = "http://127.0.0.1:1".parse::<Target>().unwrap();
        let told = |max_in_flight| {
            let load = LoadArgs { max_in_flight, ..LoadArgs::at(here.clone()) };
            few_connections(&load, &WireArgs::default(), &Pace::AS_RECORDED)
        };
        assert_eq!(told(1), None);
        let reason = told(usize::MAX).unwrap();
        assert!(reason.remedy.contains("`ulimit -n`"), "{reason:?}");
    }

    #[test]
    fn there_are_never_more_threads_than_connections() {
        let target: Target = "http://127.0.0.1:1".parse().unwrap();
        let threads = |connections, threads| {
            let load = LoadArgs {
                connections: Some(connections),
                threads: Some(threads),
                ..LoadArgs::at(target.clone())
            };
            engine_plan((&load, &WireArgs::default()), &Pace::AS_RECORDED, (Vec::new(), None))
                .unwrap()
                .threads
        };
        assert_eq!(threads(4, 2), 2);
        assert_eq!(threads(2, 4), 2);
        assert_eq!(threads(1, 64), 1);
    }
}
