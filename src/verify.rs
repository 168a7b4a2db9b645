//! The redirect judged.
