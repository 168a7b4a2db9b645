//! The words that all crates of downpour share: units of time and rate, the
//! identifiers of faults, routes, kinds of clients, statuses as logs tell them.
//!
//! No I/O, no threads and no clock: a value goes in, a value comes out. What a
//! crate needs alone is not here.
//!
//! Start with [`fault::Fault`] and [`units`].

pub mod agent;
pub mod fault;
pub mod route;
pub mod seed;
pub mod status;
pub mod suggest;
pub mod toml_file;
pub mod units;
pub mod visible;
