//! From requests to due times.
