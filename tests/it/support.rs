//! What several tests stand on.

pub(crate) mod dns;
pub(crate) mod h2;
pub(crate) mod listener;
pub(crate) mod store;
pub(crate) mod tls;

use std::time::Duration;

/// The longest that a test waits for something that takes moments: a wait without
/// an end would hang the build.
const DEADLINE: Duration = Duration::from_mins(2);

/// Waits until `is_true`; fails the test with `what` if that takes too long.
#[track_caller]
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a deadline for other processes, which no paused clock moves"
)]
pub(crate) fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !is_true() {
        assert!(start.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
