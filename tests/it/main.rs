//! The tests that meet the world: real sockets on loopback, real files, one
//! binary. Each module tests a chapter, or the program, from outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed, helpers included")]

mod compare;
mod example;
mod inputs;
mod page;
mod probe;
mod program;
mod real_clients;
mod registry;
mod renderings;
mod report;
mod saved;
mod support;
mod tidy;
mod trace;
mod verify;
mod words;
