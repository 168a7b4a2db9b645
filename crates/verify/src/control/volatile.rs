//! The parts of a Location that differ from one answer to the next by design.
//!
//! A signed URL holds a time and a signature. Two deployments that both sign
//! mean the same place; one that signs and one that does not differ. So values
//! are emptied here and names are kept.

use crate::signed_url::{SignerParameters, name_of};
use std::borrow::Cow;

/// `location` with the values of volatile query parameters emptied.
pub fn location_without_volatile(location: &[u8]) -> Cow<'_, [u8]> {
    let end = location.iter().position(|&b| b == b'#').unwrap_or(location.len());
    let Some(mark) = location[..end].iter().position(|&b| b == b'?') else {
        return Cow::Borrowed(location);
    };
    let (head, query) = location[..end].split_at(mark + 1);
    let signer = SignerParameters::of(query);
    let mut kept = head.to_vec();
    for (place, pair) in query.split(|&b| b == b'&').enumerate() {
        if place > 0 {
            kept.push(b'&');
        }
        // The name and its `=` stay.
        let length = if signer.contain(pair) { pair.len().min(name_of(pair).len() + 1) } else { pair.len() };
        kept.extend_from_slice(&pair[..length]);
    }
    kept.extend_from_slice(&location[end..]);
    Cow::Owned(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(location: &str, expected: &str) {
        assert_eq!(String::from_utf8_lossy(&location_without_volatile(location.as_bytes())), expected);
    }

    #[test]
    fn values_that_sign_a_url_are_emptied() {
        check("https://h/a", "https://h/a");
        check(
            "https://h/a?Expires=1&Signature=a=b&Key-Pair-Id=K",
            "https://h/a?Expires=&Signature=&Key-Pair-Id=",
        );
        check("/a?X-Amz-Date=1&x-amz-signature=2&v=3", "/a?X-Amz-Date=&x-amz-signature=&v=3");
        check(
            "/a?X-Goog-Expires=300&response-content-type=x#f?se=1",
            "/a?X-Goog-Expires=&response-content-type=x#f?se=1",
        );
        check("/a?sv=2020&se=2024&sig=x%3D", "/a?sv=&se=&sig=");
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for same in
            ["", "?", "/a?", "/a?&&", "/a?se", "/a?=x", "/a?senior=1&x-amz=2", "/a?b=?sig=1", "#?sig=1"]
        {
            check(same, same);
        }
    }
}
