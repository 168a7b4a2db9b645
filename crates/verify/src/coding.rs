//! Transfer codings (RFC 9112 §7): whether a client can undo those of an answer.
//!
//! Pure. HTTP libraries undo `chunked` and hand on what else was done to the
//! content as if it were the file.

use http::HeaderMap;
use http::header::TRANSFER_ENCODING;

/// Whether content came in a coding that nobody asked for. Without a TE field a
/// client takes `chunked` alone, as the last (RFC 9112 §6.1 and §7.4).
/// `identity`, which RFC 2616 had, does nothing, and clients take it for that.
pub fn is_undecodable(fields: &HeaderMap) -> bool {
    let mut is_chunked = false;
    for value in fields.get_all(TRANSFER_ENCODING) {
        for coding in value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii) {
            if coding.eq_ignore_ascii_case(b"chunked") {
                is_chunked = true;
            } else if !coding.is_empty() && (is_chunked || !coding.eq_ignore_ascii_case(b"identity")) {
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[track_caller]
    fn check(values: &[&'static str], expected: bool) {
        let values = values.iter().map(|value| (TRANSFER_ENCODING, HeaderValue::from_static(value)));
        assert_eq!(is_undecodable(&values.clone().collect()), expected, "{:?}", values.collect::<Vec<_>>());
    }

    #[test]
    fn only_what_every_client_undoes_is_decodable() {
        for fine in [&[][..], &["chunked"], &["Chunked , "], &["identity"], &["chunked", "chunked"]] {
            check(fine, false);
        }
        for coded in
            [&["gzip"][..], &["gzip, chunked"], &["gzip", "chunked"], &["chunked, identity"], &["chunked;a"]]
        {
            check(coded, true);
        }
    }
}
