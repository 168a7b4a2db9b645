//! The command line.

pub mod inspect;
pub mod trace_args;
