//! The tests that meet the world: real sockets on loopback, one binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed, helpers included")]

mod support;
mod verify;
