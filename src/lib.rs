//! Replays recorded download traffic against a candidate deployment, judges
//! every redirect it hands out, and says how fast it answered.
//!
//! [`Replay`] does so from code; [`run_program`] is the command line. What is read,
//! judged, counted and reported is in crates of their own, which `ARCHITECTURE.md`
//! lists in reading order.

mod cli;
mod engine;
mod replay;

pub use cli::run as run_program;
pub use replay::{Replay, ReplayBuilder, ReplayError};
