//! Whether a part of a path is a semantic version.
//!
//! cargo and crates.io know no other versions (semver.org 2.0.0, items 2, 9 and
//! 10), so a path with another one was asked by no client, and the candidate's
//! answer to it says nothing.

use downpour_core::route::hex_pair;

/// Whether `part` is a semantic version, percent-encoded or not.
pub(crate) fn is_version(part: &[u8]) -> bool {
    let mut decoded = Vec::with_capacity(part.len());
    let mut rest = part;
    while let [byte, tail @ ..] = rest {
        let escaped = match tail {
            [high, low, after @ ..] if *byte == b'%' => hex_pair(*high, *low).map(|byte| (byte, after)),
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((*byte, tail));
        decoded.push(byte);
        rest = after;
    }
    is_decoded_version(&decoded)
}

fn is_decoded_version(text: &[u8]) -> bool {
    let (text, build) = cut(text, b'+');
    let (core, pre) = cut(text, b'-');
    let numbers: Vec<_> = core.split(|&b| b == b'.').collect();
    numbers.len() == 3
        && numbers.iter().all(|number| is_number(number))
        && pre.is_none_or(|pre| pre.split(|&b| b == b'.').all(is_of_pre_release))
        && build.is_none_or(|build| build.split(|&b| b == b'.').all(is_identifier))
}

fn cut(text: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(at, text) {
        Some(place) => (&text[..place], Some(&text[place + 1..])),
        None => (text, None),
    }
}

/// Digits that fit in 64 bits, without leading zeros.
fn is_number(text: &[u8]) -> bool {
    super::dates::integer(text).is_some() && (text.len() == 1 || text.first() != Some(&b'0'))
}

fn is_identifier(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
}

fn is_of_pre_release(text: &[u8]) -> bool {
    let is_numeric = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    is_identifier(text) && (!is_numeric || text.len() == 1 || text.first() != Some(&b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for version in [
            "1.0.0",
            "0.0.0",
            "1.2.3-alpha.1",
            "1.2.3-0a.x-y",
            "1.2.3+build.01",
            "0.4.79%2Bcurl-8.12.0",
            "1.0.0-rc.1+2",
        ] {
            assert!(is_version(version.as_bytes()), "{version}");
        }
        for other in [
            "",
            "1",
            "1.0",
            "1.0.0.0",
            "01.0.0",
            "1.0.0-",
            "1.0.0-01",
            "1.0.0+",
            "1.0.0-a..b",
            "v1.0.0",
            "0.0.0§foo",
            "0.0.0%C2%A7foo",
            "1.0.0%2",
            "99999999999999999999.0.0",
            "latest",
        ] {
            assert!(!is_version(other.as_bytes()), "{other}");
        }
    }
}
