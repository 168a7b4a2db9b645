//! The published result.
