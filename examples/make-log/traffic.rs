//! Who asks, when, and for what.
//!
//! A build is a session: one client asks for all the crates it needs within
//! about a second. Sessions begin as a Poisson process; how many crates a build
//! needs is log-normal. Requests drawn one by one would have the same rate and
//! none of the bursts. All addresses are from the ranges set aside for
//! documentation (RFC 5737, RFC 3849).

use super::catalogue::{Catalogue, Crate};
use downpour_core::units::Rate;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;
use std::rc::Rc;

const SECOND_NS: f64 = 1e9;
/// The median and the spread (of the logarithm) of the crates in a build.
const SESSION_MEDIAN: f64 = 30.0;
const SESSION_SPREAD: f64 = 1.0;
const SESSION_MAX: f64 = 800.0;
/// How often a build looks for a release it has not asked for.
const TRIES: u32 = 16;
const EDGES: [&str; 8] =
    ["FRA56-P4", "IAD89-C3", "SFO53-P1", "NRT57-P2", "LHR61-P5", "SIN2-P3", "CDG52-C1", "GRU1-P2"];

/// A kind of client, and how many of the sessions in a thousand are its.
struct Agent {
    weight: u16,
    name: &'static str,
    protocol: Protocol,
    /// Whether it asks for one thing at a time instead of building.
    single: bool,
}

/// The version of HTTP that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http11,
    Http2,
}

const fn agent(weight: u16, name: &'static str, protocol: Protocol, single: bool) -> Agent {
    Agent { weight, name, protocol, single }
}

const AGENTS: [Agent; 8] = [
    agent(420, "cargo/1.90.0 (840b83a10 2025-07-30)", Protocol::Http2, false),
    agent(210, "cargo/1.88.0 (873a06493 2025-05-10)", Protocol::Http2, false),
    agent(110, "cargo/1.84.0 (66221abde 2024-11-19)", Protocol::Http2, false),
    agent(60, "cargo 1.74.0 (ecb9851af 2023-10-18)", Protocol::Http2, false),
    agent(120, "Bazel/release 7.6.2", Protocol::Http11, false),
    agent(40, "curl/8.5.0", Protocol::Http2, true),
    agent(20, "Wget/1.21.3", Protocol::Http11, true),
    agent(20, "Artifactory/7.98.9", Protocol::Http11, true),
];

/// One client during one session.
pub(crate) struct Client {
    pub(crate) ip: String,
    pub(crate) agent: &'static str,
    pub(crate) protocol: Protocol,
    pub(crate) edge: &'static str,
    pub(crate) port: u16,
}

/// One request and what became of it. Times are nanoseconds, stamps since 1970.
pub(crate) struct Download {
    pub(crate) client: Rc<Client>,
    pub(crate) name: String,
    pub(crate) version: String,
    /// Whether the client wrote `+` as `%2B`.
    pub(crate) escapes_plus: bool,
    pub(crate) start: i128,
    pub(crate) duration: u32,
    /// How long after its end the line is written.
    pub(crate) log_delay: u32,
    pub(crate) size: u32,
    /// Random bits, for the identifiers that some formats have.
    pub(crate) id: [u64; 5],
}

/// An endless stream of sessions.
pub(crate) struct Traffic {
    random: ChaCha8Rng,
    catalogue: Catalogue,
    sessions_per_ns: f64,
    start: i128,
    /// Since `start`, in nanoseconds.
    next_at: f64,
}

impl Traffic {
    /// Traffic with `rate` requests on average, from `start` on.
    pub(crate) fn new(seed: u64, rate: Rate, start: i128) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let catalogue = Catalogue::make(&mut random);
        let single: u16 = AGENTS.iter().filter(|agent| agent.single).map(|agent| agent.weight).sum();
        let builds = 1.0 - f64::from(single) / 1_000.0;
        let mean_size =
            builds * SESSION_MEDIAN * (SESSION_SPREAD * SESSION_SPREAD / 2.0).exp() + (1.0 - builds);
        let sessions_per_ns = rate.per_second_f64() / mean_size / SECOND_NS;
        Self { random, catalogue, sessions_per_ns, start, next_at: 0.0 }
    }

    /// When the session begins that comes next.
    pub(crate) fn next_session_at(&self) -> i128 {
        self.start + i128::from(whole_ns(self.next_at))
    }

    /// All requests of the next session, in no order.
    pub(crate) fn next_session(&mut self) -> Vec<Download> {
        let begin = self.next_session_at();
        // The gap of a Poisson process; 1 - u is never zero.
        self.next_at -= (1.0 - self.random.random::<f64>()).ln() / self.sessions_per_ns;
        let random = &mut self.random;
        let Ok(agent) = AGENTS.choose_weighted(random, |agent| agent.weight) else { return Vec::new() };
        let client = Rc::new(Client {
            ip: address(random),
            agent: agent.name,
            protocol: agent.protocol,
            edge: EDGES.choose(random).copied().unwrap_or_default(),
            port: random.random_range(1_024..=65_535),
        });
        let size = (SESSION_MEDIAN * log_normal(SESSION_SPREAD, random)).clamp(1.0, SESSION_MAX);
        let count = if agent.single { 1 } else { whole(size) };
        // A small build is over in a third of a second, a large one takes longer.
        let length = SECOND_NS * (0.3 + size / 100.0);
        let mut asked = BTreeSet::new();
        let mut downloads = Vec::new();
        for _ in 0..count {
            let at = begin + i128::from(whole_ns(random.random::<f64>() * length));
            // A build asks for a release once. Where popular ones are used up a
            // large build goes without.
            let fresh = (0..TRIES)
                .map(|_| self.catalogue.pick(random))
                .find(|(chosen, version)| asked.insert((chosen.name.clone(), version.clone())));
            if let Some((chosen, version)) = fresh {
                downloads.push(download(&client, (chosen, version), at, random));
            }
        }
        downloads
    }
}

fn download(
    client: &Rc<Client>,
    (chosen, version): (&Crate, String),
    start: i128,
    random: &mut impl Rng,
) -> Download {
    Download {
        client: Rc::clone(client),
        name: chosen.name.clone(),
        version,
        // Cargo puts versions into URLs as they are.
        escapes_plus: !client.agent.starts_with("cargo") || random.random_ratio(1, 4),
        start,
        duration: whole((6e6 * log_normal(0.9, random)).min(2e9)),
        log_delay: random.random_range(0..2_000_000_000),
        size: chosen.size,
        id: random.random(),
    }
}

/// An address that belongs to nobody.
fn address(random: &mut impl Rng) -> String {
    let host: u8 = random.random_range(1..=254);
    match random.random_range(0..4) {
        0 => format!("192.0.2.{host}"),
        1 => format!("198.51.100.{host}"),
        2 => format!("203.0.113.{host}"),
        _ => format!(
            "2001:db8:{:x}::{:x}",
            random.random_range(1..=0xffff_u16),
            random.random_range(1..=0xffff_u16)
        ),
    }
}

/// A log-normal factor with median 1 (Box and Muller's method).
pub(crate) fn log_normal(spread: f64, random: &mut impl Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    let angle = std::f64::consts::TAU * random.random::<f64>();
    (spread * radius * angle.cos()).exp()
}

/// A positive number without its fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts from floats saturate")]
pub(crate) const fn whole(number: f64) -> u32 {
    number as u32
}

#[expect(clippy::cast_possible_truncation, reason = "casts from floats saturate")]
const fn whole_ns(number: f64) -> i64 {
    number as i64
}
