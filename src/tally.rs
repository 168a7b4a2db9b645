//! Numbers of a run.
