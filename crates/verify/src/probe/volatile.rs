//! What a target is known by, when each redirect to it is signed anew.
//!
//! Stores hand out URLs with a signature, a time and an expiry in the query, so
//! no two redirects to one file are alike. Left out of the key is what signers
//! add, by name; everything else counts, since a store may keep versions or
//! variants of a file behind its query.

use super::ExpectedFile;
use crate::signed_url::SignerParameters;
use sha2::{Digest, Sha256};
use std::fmt;
use url::Url;

/// What a target is remembered by: 128 bits of the SHA-256 of its URL without
/// the volatile parts. No candidate can make two targets share a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TargetKey(u128);

impl TargetKey {
    /// The key of the file at `url`.
    pub fn of_file(url: &Url) -> Self {
        Self::of_text(&without_volatile(url))
    }

    /// The key of the host and port alone.
    pub fn of_host(url: &Url) -> Self {
        Self::of_text(&origin(url))
    }

    /// The key of what `path` answers as JSON, held against `place`.
    pub fn of_json(path: &str, place: &Url) -> Self {
        Self::of_text(&format!("json {path} {}", without_volatile(place)))
    }

    /// The same where something is known of the file: a file that two releases
    /// are said to lie in is held against each of them.
    #[must_use]
    pub fn expecting(self, expect: &ExpectedFile) -> Self {
        let ExpectedFile { length, sha256 } = expect;
        if length.is_none() && sha256.is_none() {
            return self;
        }
        Self::of_text(&format!("{self:?} {length:?} {sha256:?}"))
    }

    fn of_text(text: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        Self(u128::from_be_bytes(half))
    }

    /// A point for it, spread evenly over 64 bits, another for each seed.
    pub fn point(self, seed: u64) -> u64 {
        let mut hash = Sha256::new();
        hash.update(self.0.to_be_bytes());
        hash.update(seed.to_be_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        digest[..8].iter().fold(0, |point, &byte| point << 8 | u64::from(byte))
    }
}

impl fmt::Debug for TargetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Whether a URL carries a signature. Those are made for one method, so that
/// HEAD is refused where GET is not.
pub(crate) fn is_signed(url: &Url) -> bool {
    let query = url.query().unwrap_or_default();
    let signer = SignerParameters::of(query.as_bytes());
    query.split('&').any(|pair| signer.contain(pair.as_bytes()))
}

/// Scheme, host and port, the port also where it is the scheme's own.
fn origin(url: &Url) -> String {
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
    format!("{}://{host}:{port}", url.scheme())
}

/// The URL without fragment and volatile parts.
pub(crate) fn without_volatile(url: &Url) -> String {
    let mut text = origin(url);
    text.push_str(url.path());
    let Some(query) = url.query() else { return text };
    let signer = SignerParameters::of(query.as_bytes());
    let mut mark = '?';
    for pair in query.split('&').filter(|pair| !signer.contain(pair.as_bytes())) {
        text.push(mark);
        text.push_str(pair);
        mark = '&';
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: &str, signed: bool) {
        let url: Url = url.parse().unwrap();
        assert_eq!((without_volatile(&url).as_str(), is_signed(&url)), (expected, signed), "{url}");
    }

    #[test]
    fn what_signers_add_is_left_out() {
        let file = "https://s3.test:443/f";
        let amz = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20260101T000000Z&X-Amz-Signature=ab";
        check(&format!("https://s3.test/f?{amz}"), file, true);
        check("https://s3.test/f?x-goog-signature=1&X-Goog-Expires=2", file, true);
        check("https://s3.test/f?Expires=1&Signature=x&Key-Pair-Id=K", file, true);
        check("https://s3.test/f?Policy=p&AWSAccessKeyId=a&GoogleAccessId=g", file, true);
        check("https://s3.test/f?hdnea=exp~hmac&token=t", file, true);
        let azure = "se=2026&sig=abc&ske=1&skoid=o&sks=b&skt=1&sktid=t&skv=v&sp=r&spr=https&sr=b&sv=2025";
        check(&format!("https://s3.test/f?{azure}"), file, true);
    }

    #[test]
    fn what_names_a_file_stays() {
        check("http://cdn.test/f", "http://cdn.test:80/f", false);
        check("https://CDN.test:8443/f#part", "https://cdn.test:8443/f", false);
        check("https://cdn.test/f?versionId=3", "https://cdn.test:443/f?versionId=3", false);
        check("https://cdn.test/f?b=1&a=2", "https://cdn.test:443/f?b=1&a=2", false);
        // Two letters are Azure's beside a signature only.
        check("https://cdn.test/f?se=1&sv=2", "https://cdn.test:443/f?se=1&sv=2", false);
        check("https://cdn.test/f?v=1&X-Amz-Expires=9&w", "https://cdn.test:443/f?v=1&w", true);
        check("https://cdn.test/f?", "https://cdn.test:443/f?", false);
    }

    #[test]
    fn keys_tell_targets_apart_and_hosts_from_files() {
        let key = |url: &str| TargetKey::of_file(&url.parse().unwrap());
        let host = |url: &str| TargetKey::of_host(&url.parse().unwrap());
        assert_eq!(key("https://a.test/f?Signature=1"), key("https://a.test:443/f?Signature=2#x"));
        assert_ne!(key("https://a.test/f"), key("https://a.test/g"));
        assert_ne!(key("https://a.test/f"), key("http://a.test/f"));
        assert_eq!(host("https://a.test/f"), host("https://a.test/g"));
        assert_ne!(host("https://a.test/f"), host("https://a.test:444/f"));
        let known = |length| key("https://a.test/f").expecting(&ExpectedFile { length, sha256: None });
        assert_eq!(known(None), key("https://a.test/f"));
        assert!(known(Some(1)) != known(None) && known(Some(1)) != known(Some(2)));
        assert_ne!(key("https://a.test/f").point(1), key("https://a.test/f").point(2));
        assert_eq!(key("https://a.test/f").point(1), key("https://a.test/f").point(1));
    }
}
