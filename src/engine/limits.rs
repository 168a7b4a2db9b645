//! The limits of a worker, of its connections, and of an answer.
//!
//! hyper bounds what it buffers of a head that is not complete yet. A head that
//! comes in one read is parsed before that bound is looked at, so the same
//! answer would pass or fail by how the network cut it. What [`check_head`]
//! counts, once the head is whole, does not depend on that, nor on the version
//! of HTTP.

use downpour_core::fault::Fault;
use http::HeaderMap;
use std::time::Duration;

/// Which of the idle connections is used next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// The one used last, so that the others can fall idle as those of real
    /// clients do.
    #[default]
    Lifo,
    /// The one idle longest, so that all stay in use.
    Fifo,
}

/// One worker's share of the run's limits.
#[derive(Clone, Debug)]
pub(crate) struct ShardLimits {
    /// Most arrivals in flight; one more is shed.
    pub(crate) in_flight: usize,
    /// Most connections open at once.
    pub(crate) connections: usize,
    /// Most arrivals in flight or waiting to be judged while a closed loop
    /// takes another.
    pub(crate) open_arrivals: Option<usize>,
    /// Most streams in use of an HTTP/2 connection.
    pub(crate) streams: usize,
    /// Which idle connection is used next.
    pub(crate) reuse: Reuse,
    /// Most requests that a connection carries.
    pub(crate) requests_per_connection: Option<u64>,
    /// How long a connection may be idle.
    pub(crate) idle: Option<Duration>,
    /// From due to the end of the answer.
    pub(crate) timeout: Duration,
    /// From the attempt to connect to the connection.
    pub(crate) connect_timeout: Duration,
    /// From the sending of a request to the first byte of its answer.
    pub(crate) first_byte: Option<Duration>,
    /// What an answer may hold.
    pub(crate) answer: AnswerLimits,
}

/// The limits of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnswerLimits {
    /// Most bytes of a body.
    pub(crate) body: u64,
    /// Most bytes of a head.
    pub(crate) head: usize,
}

/// Most bytes of an answer's head; beyond them the answer is a fault of the
/// candidate. Twice what common servers send at most.
pub(super) const HEAD_BYTES: usize = 64 * 1024;

/// The most fields of a head: as many as hyper takes over HTTP/1. It is never
/// told so, since any number, this one too, costs an allocation for each answer.
const FIELDS_MAX: usize = 100;

/// Room beside names and values for what is not counted: the status line, and a
/// field's punctuation.
const UNCOUNTED_ROOM: usize = 4 * 1024;

/// What hyper may buffer: enough that it never refuses a head for its size that
/// [`check_head`] would pass.
pub(super) const fn buffered_max(limits: &AnswerLimits) -> usize {
    limits.head + UNCOUNTED_ROOM
}

/// Refuses a head whose names and values have more bytes than the limit, or
/// that has more fields.
pub(super) fn check_head(fields: &HeaderMap, limits: &AnswerLimits) -> Result<(), Fault> {
    let bytes: usize = fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > limits.head || fields.len() > FIELDS_MAX {
        return Err(Fault::HttpHeadersTooLarge);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[track_caller]
    fn check(fields: usize, value_bytes: usize, expected: Result<(), Fault>) {
        let mut head = HeaderMap::new();
        let value = HeaderValue::from_str(&"x".repeat(value_bytes)).unwrap();
        for _ in 0..fields {
            head.append(HeaderName::from_static("name"), value.clone());
        }
        let limits = AnswerLimits { body: 0, head: 1_000 };
        assert_eq!(check_head(&head, &limits), expected, "{fields} fields of {value_bytes} bytes");
    }

    #[test]
    fn bytes_and_fields_are_counted_to_the_last_one() {
        check(0, 0, Ok(()));
        check(1, 996, Ok(()));
        check(1, 997, Err(Fault::HttpHeadersTooLarge));
        check(10, 96, Ok(()));
        check(10, 97, Err(Fault::HttpHeadersTooLarge));
        check(100, 1, Ok(()));
        check(101, 1, Err(Fault::HttpHeadersTooLarge));
    }
}
