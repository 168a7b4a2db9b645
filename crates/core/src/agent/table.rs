//! User agents as an operator knows them: clients of their own, and how many
//! requests came from clients that nobody knows.

use super::{AGENT_MAX, ClientKind, decoded};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The longest pattern, in bytes.
const PATTERN_MAX: usize = 100;

/// Products of unknown clients that are told apart; others are counted together.
const PRODUCTS_MAX: usize = 1_000;

/// The longest name of a product that is kept.
const PRODUCT_MAX: usize = 24;

/// What a user agent must look like to be that of a client.
///
/// `*` stands for anything, or nothing. A pattern without one is the name of a
/// product: the agent is that, or begins with it and goes on with `/`, a space
/// or `(`. Letters are compared as they are.
///
/// ```
/// use downpour_core::agent::AgentPattern;
///
/// let product = AgentPattern::new("renovate").unwrap();
/// assert!(product.matches(b"renovate/37.1") && product.matches(b"renovate"));
/// assert!(!product.matches(b"renovate-bot/1"));
/// let glob = AgentPattern::new("*(compatible; *bot/*").unwrap();
/// assert!(glob.matches(b"Mozilla/5.0 (compatible; Googlebot/2.1)"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentPattern {
    text: String,
    /// Whether it is the name of a product.
    is_product: bool,
}

impl AgentPattern {
    /// The pattern that is written so; `None` for one that is empty, longer than
    /// 100 bytes, made of stars alone, or not printable ASCII.
    pub fn new(text: &str) -> Option<Self> {
        let is_fit = text.len() <= PATTERN_MAX
            && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
            && text.bytes().any(|byte| !matches!(byte, b'*' | b' '));
        is_fit.then(|| Self { text: text.to_owned(), is_product: !text.contains('*') })
    }

    /// Whether that user agent, percent-decoded, is one of its client.
    pub fn matches(&self, agent: &[u8]) -> bool {
        let pattern = self.text.as_bytes();
        if self.is_product {
            let rest = agent.strip_prefix(pattern);
            return rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'/' | b' ' | b'(')));
        }
        // The parts between stars must come one after the other: of each the
        // first place will do, so no text costs more than its length times these.
        let mut parts = pattern.split(|byte| *byte == b'*');
        let (first, last) = (parts.next().unwrap_or_default(), parts.next_back().unwrap_or_default());
        let Some(mut rest) = agent.strip_prefix(first) else { return false };
        for part in parts {
            let Some(at) = memchr::memmem::find(rest, part) else { return false };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        rest.ends_with(last)
    }
}

impl fmt::Display for AgentPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Clients of the operator's own and their user agents, which come before the
/// built-in ones; and a count of the agents that are nobody's.
#[derive(Debug, Default)]
pub struct AgentTable {
    names: Vec<String>,
    patterns: Vec<(AgentPattern, ClientKind)>,
    with_agent: AtomicU64,
    unknown: Mutex<UnknownAgents>,
}

#[derive(Debug, Default)]
struct UnknownAgents {
    agents: u64,
    products: BTreeMap<String, u64>,
}

/// How many user agents there were, and whose nobody knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct AgentCounts {
    /// Lines with a user agent.
    pub with_agent: u64,
    /// Those of them whose client is not known: it asks once.
    pub unknown: u64,
    /// The products that are named most often by those, the most frequent first.
    pub products: Vec<(String, u64)>,
}

impl AgentTable {
    /// Clients by name, each with its patterns; `None` where there are more than
    /// kinds of clients can be.
    pub fn new<'m>(own: impl IntoIterator<Item = (&'m str, &'m [AgentPattern])>) -> Option<Self> {
        let mut table = Self::default();
        for (name, patterns) in own {
            let kind = ClientKind::user_defined(table.names.len())?;
            table.names.push(name.to_owned());
            table.patterns.extend(patterns.iter().map(|pattern| (pattern.clone(), kind)));
        }
        Some(table)
    }

    /// The client that introduces itself so, percent-encoded up to twice.
    pub fn kind(&self, agent: &[u8]) -> ClientKind {
        let agent = agent.get(..AGENT_MAX).unwrap_or(agent);
        let once = decoded(agent);
        let agent: Cow<'_, [u8]> = decoded(&once);
        let own = self.patterns.iter().find(|(pattern, _)| pattern.matches(&agent)).map(|(_, kind)| *kind);
        let kind = own.unwrap_or_else(|| ClientKind::of(&agent));
        self.count(kind, &agent);
        kind
    }

    /// The client of that name, where a trace tells it so.
    pub fn kind_named(&self, name: &str) -> ClientKind {
        let own = self.names.iter().position(|own| own == name).and_then(ClientKind::user_defined);
        let kind = own.or_else(|| ClientKind::of_preset(name)).unwrap_or(ClientKind::NONE);
        self.count(kind, name.as_bytes());
        kind
    }

    fn count(&self, kind: ClientKind, agent: &[u8]) {
        self.with_agent.fetch_add(1, Ordering::Relaxed);
        if kind != ClientKind::NONE {
            return;
        }
        let product = product(agent);
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.agents += 1;
        if let Some(count) = unknown.products.get_mut(product) {
            *count += 1;
        } else if unknown.products.len() < PRODUCTS_MAX {
            unknown.products.insert(product.to_owned(), 1);
        }
    }

    /// What was seen so far; at most `most` products are named.
    pub fn counts(&self, most: usize) -> AgentCounts {
        let unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        let named = unknown.products.iter().filter(|(product, _)| !product.is_empty());
        let mut products: Vec<_> = named.map(|(product, count)| (product.clone(), *count)).collect();
        // Stable: equals stay in the order of their names.
        products.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        products.truncate(most);
        AgentCounts { with_agent: self.with_agent.load(Ordering::Relaxed), unknown: unknown.agents, products }
    }
}

/// The product that an agent begins with, without its version. A name is of
/// letters, digits and a few marks, and no name is as long as a token: what
/// else stands there is not kept.
fn product(agent: &[u8]) -> &str {
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+');
    let length = agent.iter().take_while(|byte| is_of_name(byte)).count();
    let goes_on = agent.get(length).is_some_and(|byte| !matches!(byte, b'/' | b' ' | b'(' | b';' | b','));
    if length > PRODUCT_MAX || goes_on {
        return "";
    }
    agent.get(..length).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, met: &[&str], others: &[&str]) {
        let pattern = AgentPattern::new(pattern).unwrap();
        for (agents, is_met) in [(met, true), (others, false)] {
            for agent in agents {
                assert_eq!(pattern.matches(agent.as_bytes()), is_met, "{pattern}, {agent}");
            }
        }
    }

    #[test]
    fn a_pattern_is_a_product_or_has_stars() {
        check("Wget", &["Wget", "Wget/1.21", "Wget (x)"], &["Wgetter", "wget/1", "x Wget/1"]);
        check("Wget/*", &["Wget/", "Wget/1.21"], &["Wget", "x Wget/1"]);
        check("*bot*", &["bot", "Googlebot/2.1"], &["boat"]);
        check("a*b*b", &["abb", "axbxb"], &["ab", "abx", "xabb"]);
        for unfit in ["", "*", "* *", "a\u{e4}", &"x".repeat(101)] {
            assert_eq!(AgentPattern::new(unfit), None, "{unfit}");
        }
    }

    #[test]
    fn own_clients_come_before_the_built_in_ones() {
        let patterns = ["renovate", "cargo/1.9*"].map(|text| AgentPattern::new(text).unwrap());
        let table = AgentTable::new([("ours", &patterns[..1]), ("edge", &patterns[1..])]).unwrap();
        let own = [0, 1].map(|place| ClientKind::user_defined(place).unwrap());
        assert_eq!(table.kind(b"renovate/37.1"), own[0]);
        assert_eq!(table.kind(b"cargo%2F1.95.0"), own[1]);
        assert_eq!(table.kind(b"cargo/1.89.0").preset(), "cargo-1.89");
        assert_eq!((table.kind_named("edge"), table.kind_named("pip").preset()), (own[1], "pip"));
        assert_eq!(table.counts(9), AgentCounts { with_agent: 5, ..AgentCounts::default() });
        assert!(AgentTable::new((0..300).map(|_| ("x", &patterns[..0]))).is_none());
    }

    #[test]
    fn unknown_agents_are_counted_by_product_and_no_secret_is_kept() {
        let table = AgentTable::default();
        let agents: [&[u8]; 7] = [
            b"python-requests/2.32",
            b"python-requests/2.31",
            b"Wget",
            b"curl/8.7.1",
            b"someone@example.com",
            b"0123456789abcdef0123456789abcdef",
            b"\x1b[31m",
        ];
        for agent in agents {
            table.kind(agent);
        }
        let counts = table.counts(5);
        assert_eq!((counts.with_agent, counts.unknown), (7, 6));
        assert_eq!(counts.products, [("python-requests".to_owned(), 2), ("Wget".to_owned(), 1)]);
        for n in 0..3_000 {
            table.kind(format!("p{n}/1").as_bytes());
        }
        assert_eq!((table.counts(5_000).products.len(), table.counts(0).unknown), (PRODUCTS_MAX - 1, 3_006));
    }
}
