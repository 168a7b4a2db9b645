//! Replays recorded download traffic against a candidate deployment, judges
//! every redirect it hands out, and says how fast it answered.
//!
//! The modules stand in reading order: each uses only those above it. The
//! chapters up to [`report`] are pure but for the edges that
//! `ARCHITECTURE.md` names (opening logs, asking a resolver, writing a run
//! directory); time and randomness come in as arguments.

pub mod suggest;

pub mod visible;

pub mod units;

pub mod fault;

pub mod route;

pub mod agent;

pub mod status;

pub mod trace;

pub mod schedule;

pub mod client;

pub mod played;

pub mod verify;

pub mod metrics;

pub mod report;

pub mod engine;

pub mod mock;

pub mod scenario;

pub mod sim;

pub mod cli;
