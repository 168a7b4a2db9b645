//! Crates to ask for: some dozens that everybody knows, some thousands that
//! nobody wrote.
//!
//! Popularity falls as one over the rank (Zipf's law with exponent 1). That is
//! an assumption, made for want of a published measurement; it is good enough to
//! have both a hot head and a long tail.

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use std::collections::BTreeSet;

const HOUSEHOLD: [&str; 36] = [
    "syn",
    "quote",
    "proc-macro2",
    "libc",
    "serde",
    "cfg-if",
    "bitflags",
    "rand",
    "unicode-ident",
    "log",
    "memchr",
    "itoa",
    "regex",
    "once_cell",
    "smallvec",
    "hashbrown",
    "tokio",
    "futures",
    "bytes",
    "http",
    "hyper",
    "url",
    "time",
    "base64",
    "cc",
    "openssl-sys",
    "curl-sys",
    "zstd-sys",
    "libz-sys",
    "windows-sys",
    "clap",
    "anyhow",
    "thiserror",
    "rayon",
    "h2",
    "nom",
];
const MADE_UP: usize = 3_000;
const FIRST: [&str; 48] = [
    "amber", "anvil", "atlas", "basil", "birch", "brisk", "cedar", "cinder", "clover", "cobalt", "copper",
    "coral", "delta", "drift", "ember", "falcon", "fern", "flint", "frost", "gale", "garnet", "harbor",
    "hazel", "indigo", "iris", "jasper", "juniper", "kestrel", "lark", "linden", "lumen", "maple", "marble",
    "mica", "nimbus", "ochre", "onyx", "opal", "pebble", "pine", "quartz", "raven", "sable", "slate",
    "thistle", "umber", "willow", "zephyr",
];
const SECOND: [&str; 30] = [
    "alloc", "args", "async", "buffer", "cache", "codec", "config", "core", "crypto", "derive", "error",
    "fmt", "graph", "hash", "index", "io", "json", "lock", "macros", "math", "net", "parse", "pool", "queue",
    "sys", "term", "test", "utils", "wire", "xml",
];
/// About one request in 200 is for a version with build metadata.
const BUILD_METADATA: f64 = 0.005;
const PRE_RELEASE: f64 = 0.01;

/// One crate, with its versions from the newest to the oldest.
pub(crate) struct Crate {
    pub(crate) name: String,
    versions: Vec<String>,
    /// The size of its files, give or take, in bytes.
    pub(crate) size: u32,
}

/// All crates, the most popular first.
pub(crate) struct Catalogue {
    crates: Vec<Crate>,
    /// The sums of the weights up to and with each rank.
    cumulative: Vec<f64>,
}

impl Catalogue {
    /// A catalogue made up by `random`.
    pub(crate) fn make(random: &mut impl Rng) -> Self {
        let mut names: Vec<String> = HOUSEHOLD.map(str::to_owned).to_vec();
        names.extend(made_up_names(random));
        let crates: Vec<Crate> = names.into_iter().map(|name| make_crate(name, random)).collect();
        let mut sum = 0.0;
        let weights = (1_u32..).take(crates.len()).map(|rank| {
            sum += 1.0 / f64::from(rank);
            sum
        });
        Self { cumulative: weights.collect(), crates }
    }

    /// A crate and a version of it, the popular ones more often.
    pub(crate) fn pick(&self, random: &mut impl Rng) -> (&Crate, String) {
        let total = self.cumulative.last().copied().unwrap_or_default();
        let point = random.random::<f64>() * total;
        let rank = self.cumulative.partition_point(|&sum| sum <= point).min(self.crates.len() - 1);
        let chosen = &self.crates[rank];
        // Half of the requests are for the newest, a quarter for the one before,
        // and so on.
        let age = random.random::<u32>().trailing_zeros() as usize;
        let version = &chosen.versions[age % chosen.versions.len()];
        let point = random.random::<f64>();
        let version = if point < BUILD_METADATA {
            format!("{version}+{}.{}", ["curl-8", "1", "upstream", "zstd.1"][rank % 4], rank % 10)
        } else if point < BUILD_METADATA + PRE_RELEASE {
            format!("{version}-{}.{}", ["alpha", "beta", "rc"][rank % 3], 1 + rank % 4)
        } else {
            version.clone()
        };
        (chosen, version)
    }
}

fn made_up_names(random: &mut impl Rng) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut names = Vec::with_capacity(MADE_UP);
    while names.len() < MADE_UP {
        let pick = |list: &[&'static str], random: &mut _| list.choose(random).copied().unwrap_or_default();
        let (first, second) = (pick(&FIRST, random), pick(&SECOND, random));
        let name = match random.random_range(0..20) {
            0..9 => format!("{first}-{second}"),
            9..13 => format!("{first}_{second}"),
            13..15 => format!("{first}{second}"),
            15..19 => format!("{first}-{second}-{}", pick(&SECOND, random)),
            _ => short_name(random),
        };
        if !HOUSEHOLD.contains(&name.as_str()) && seen.insert(name.clone()) {
            names.push(name);
        }
    }
    told_apart(&mut names);
    names
}

/// To a registry `a-b` and `a_b` are one name, whatever the case: of such a pair
/// the later one gets a number. It draws nothing, so that all else stays as it
/// was for a seed.
fn told_apart(names: &mut [String]) {
    let canonical = |name: &str| name.to_ascii_lowercase().replace('_', "-");
    let mut all: BTreeSet<String> = names.iter().map(|name| canonical(name)).collect();
    let mut seen: BTreeSet<String> = HOUSEHOLD.iter().map(|name| canonical(name)).collect();
    all.extend(seen.iter().cloned());
    for name in names {
        if seen.insert(canonical(name)) {
            continue;
        }
        let mut number = 2;
        while !all.insert(format!("{}{number}", canonical(name))) {
            number += 1;
        }
        *name = format!("{name}{number}");
        seen.insert(canonical(name));
    }
}

/// One to three letters: registries sort such names into paths of their own.
fn short_name(random: &mut impl Rng) -> String {
    (0..random.random_range(1..=3)).map(|_| char::from(random.random_range(b'a'..=b'z'))).collect()
}

fn make_crate(name: String, random: &mut impl Rng) -> Crate {
    let (major, minor) = (random.random_range(0..3), random.random_range(0..20));
    let newest: u32 = random.random_range(0..30);
    let versions = (0..=newest.min(7)).map(|age| format!("{major}.{minor}.{}", newest - age)).collect();
    // Median 38 KB, as in the one published sample of crates.io's traffic.
    let size = 38_000.0 * super::traffic::log_normal(1.2, random);
    Crate { name, versions, size: super::traffic::whole(size.clamp(600.0, 9e6)) }
}
