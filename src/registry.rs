//! The embedded candidate.
