//! How large the head of an answer may be.
//!
//! hyper bounds what it buffers of a head that is not complete yet. A head that
//! comes in one read is parsed before that bound is looked at, so the same
//! answer would pass or fail by how the network cut it. What is counted here,
//! once the head is whole, does not depend on that, nor on the version of HTTP.

use super::exchange::AnswerLimits;
use crate::fault::Fault;
use http::HeaderMap;

/// The most fields of a head: as many as hyper takes over HTTP/1. It is never
/// told so, since any number, this one too, costs an allocation for each answer.
const FIELDS_MAX: usize = 100;

/// Room beside names and values for what is not counted: the status line, and a
/// field's punctuation.
const UNCOUNTED: usize = 4 * 1024;

/// What hyper may buffer: enough that it never refuses a head for its size that
/// [`check_head`] would pass.
pub(super) const fn buffered_max(limits: &AnswerLimits) -> usize {
    limits.head + UNCOUNTED
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
