//! Who asked, without who it was: keyed hashes of clients' addresses.
//!
//! An address is personal data, and nothing here needs one. What a replay needs
//! is which requests came from the same client, and a hash under a key of the
//! run tells that. Parsers make it from the line's bytes, so that no address
//! goes further than its line. What a client says it is, where that is looked
//! at, becomes its [kind](ClientKind) and goes no further either. A key hides nothing from someone who knows the
//! seed and can try all addresses: keys stay in the process, and no report,
//! log or trace holds one.

use super::keyed_hash::sip_hash;
use downpour_core::agent::{AgentTable, ClientKind};
use std::num::NonZeroU64;

/// A client of the recorded service. Equal where the log tells equal addresses,
/// for one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientKey(NonZeroU64);

impl ClientKey {
    /// A key that was made before; none is 0.
    pub fn new(key: u64) -> Option<Self> {
        NonZeroU64::new(key).map(Self)
    }

    /// Its bytes, the same on every machine.
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_le_bytes()
    }

    /// The key that has these bytes.
    pub(crate) fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        Self::new(u64::from_le_bytes(bytes))
    }
}

/// Whether user agents are looked at.
#[derive(Clone, Copy, Debug, Default)]
pub enum AgentParsing {
    /// They are not.
    #[default]
    Off,
    /// They are, and tell the kind of client.
    BuiltIn,
    /// The same, by a table with the operator's own clients, which also counts
    /// the agents that are nobody's. It is there until the program ends: parsers
    /// are many, and copy what they read by.
    WithTable(&'static AgentTable),
}

/// Makes keys of what stands for a client in a log, and kinds of its agents.
#[derive(Clone, Copy, Debug)]
pub struct ClientKeys {
    key: [u64; 2],
    agents: AgentParsing,
}

impl ClientKeys {
    /// Those that hang on this seed; agents are not read.
    pub const fn seeded(seed: u64) -> Self {
        // Keeps these hashes apart from others made with the same seed.
        Self { key: [seed, u64::from_le_bytes(*b"clients.")], agents: AgentParsing::Off }
    }

    /// The same, and agents are read or not.
    #[must_use]
    pub const fn with(self, agents: AgentParsing) -> Self {
        Self { agents, ..self }
    }

    /// The kind of client that a user agent tells of, percent-encoded or not;
    /// `None` where it is missing or not to be read.
    pub fn kind(self, agent: &[u8]) -> Option<ClientKind> {
        if matches!(agent, b"" | b"-" | b"(null)") {
            return None;
        }
        match self.agents {
            AgentParsing::Off => None,
            AgentParsing::BuiltIn => Some(ClientKind::of_encoded(agent)),
            AgentParsing::WithTable(table) => Some(table.kind(agent)),
        }
    }

    /// The same where it was told before: by the name of its model.
    pub fn kind_named(self, name: &str) -> Option<ClientKind> {
        match self.agents {
            AgentParsing::Off => None,
            AgentParsing::BuiltIn => Some(ClientKind::of_preset(name).unwrap_or(ClientKind::NONE)),
            AgentParsing::WithTable(table) => Some(table.kind_named(name)),
        }
    }

    /// The key of a client, by the bytes of its address or name as they stand
    /// in the log; `None` where they tell nothing.
    pub fn of(self, address: &[u8]) -> Option<ClientKey> {
        if matches!(address, b"" | b"-" | b"unknown") {
            return None;
        }
        // One hash in 2^64 is 0 and makes way for its neighbour.
        ClientKey::new(sip_hash(self.key, address).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_hangs_on_the_address_and_on_the_seed() {
        let key = |seed, address: &str| ClientKeys::seeded(seed).of(address.as_bytes());
        assert_eq!(key(1, "192.0.2.1"), key(1, "192.0.2.1"));
        assert_ne!(key(1, "192.0.2.1"), key(1, "192.0.2.2"));
        assert_ne!(key(1, "192.0.2.1"), key(2, "192.0.2.1"));
        for nobody in ["", "-", "unknown"] {
            assert_eq!(key(1, nobody), None);
        }
    }

    #[test]
    fn an_agent_is_read_only_if_that_was_asked_for() {
        let keys = ClientKeys::seeded(1);
        assert_eq!(keys.kind(b"curl/8.7.1"), None);
        let keys = keys.with(AgentParsing::BuiltIn);
        assert_eq!(keys.kind(b"curl/8.7.1").map(ClientKind::preset), Some("curl"));
        assert_eq!(keys.kind(b"nobody/1"), Some(ClientKind::NONE));
        assert_eq!((keys.kind(b"-"), keys.kind(b"")), (None, None));
        assert_eq!(keys.kind_named("cargo-1.70").map(ClientKind::preset), Some("cargo-1.70"));
        assert_eq!(keys.kind_named("Mozilla/5.0"), Some(ClientKind::NONE));
    }

    #[test]
    fn a_key_takes_eight_bytes_and_comes_back_from_them() {
        assert_eq!(size_of::<Option<ClientKey>>(), 8);
        let key = ClientKeys::seeded(0).of(b"192.0.2.1").unwrap();
        assert_eq!(ClientKey::from_bytes(key.to_bytes()), Some(key));
        assert_eq!(ClientKey::from_bytes([0; 8]), None);
    }
}
