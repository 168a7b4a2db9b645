//! Replays recorded download traffic against a candidate deployment, judges
//! every redirect it hands out, and says how fast it answered.
//!
//! This crate sends: [`engine`] is the open loop, [`cli`] the program. What it
//! reads, judges, counts and reports is in crates of their own, which
//! `ARCHITECTURE.md` lists in reading order.

pub mod cli;
pub mod engine;
