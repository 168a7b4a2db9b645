//! Everything that needs real sockets, in one binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod registry;
