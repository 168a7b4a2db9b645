//! The load model: which requests are due when, and what clients do when one
//! fails.
//!
//! A [`schedule::Schedule`] places the requests of a trace in time; a
//! [`played::Played`] joins it with [`played::Requests`], wherever they come
//! from, and hands out arrivals. A [`client::ClientPlan`] says how each kind of
//! client retries. Nothing is sent here, and nothing reads a clock: the engine
//! and the simulator play the same arrivals.

pub mod client;
pub mod played;
pub mod schedule;
