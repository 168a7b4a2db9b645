//! The integration tests: one binary, a module a room.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod trace;
