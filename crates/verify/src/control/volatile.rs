//! The parts of a Location that differ from one answer to the next by design.
//!
//! A signed URL holds a time and a signature. Two deployments that both sign
//! mean the same place; one that signs and one that does not differ. So values
//! are emptied here and names are kept.

use std::borrow::Cow;

/// Query parameters of signed URLs, in lower case: of `CloudFront`, S3 (signature
/// version 2), Google's version 2, Azure's shared access, Akamai's and the like.
const NAMES: &[&str] = &[
    "awsaccesskeyid",
    "expires",
    "googleaccessid",
    "hdnea",
    "hdnts",
    "key-pair-id",
    "policy",
    "se",
    "sig",
    "signature",
    "ske",
    "skoid",
    "skt",
    "sktid",
    "st",
    "token",
];

/// What parameters of S3's version 4 and Google's version 4 begin with.
const PREFIXES: &[&str] = &["x-amz-", "x-goog-"];

/// `location` with the values of volatile query parameters emptied.
pub fn location_without_volatile(location: &[u8]) -> Cow<'_, [u8]> {
    let end = location.iter().position(|&b| b == b'#').unwrap_or(location.len());
    let Some(mark) = location[..end].iter().position(|&b| b == b'?') else {
        return Cow::Borrowed(location);
    };
    let (head, query) = location[..end].split_at(mark + 1);
    let mut kept = head.to_vec();
    for (place, piece) in query.split(|&b| b == b'&').enumerate() {
        if place > 0 {
            kept.push(b'&');
        }
        let name = piece.iter().position(|&b| b == b'=').map_or(piece, |equals| &piece[..equals]);
        let rest =
            if is_volatile(name) { piece.get(name.len()..=name.len()) } else { piece.get(name.len()..) };
        kept.extend_from_slice(name);
        kept.extend_from_slice(rest.unwrap_or_default());
    }
    kept.extend_from_slice(&location[end..]);
    Cow::Owned(kept)
}

fn is_volatile(name: &[u8]) -> bool {
    let begins = |prefix: &&str| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())) || PREFIXES.iter().any(begins)
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
        check("/a?sv=2020&se=2024&sig=x%3D", "/a?sv=2020&se=&sig=");
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
