//! Sends arrivals on time.
