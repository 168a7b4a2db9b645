//! The query parameters that signers add to a URL: the one list of them.
//!
//! A store signs each redirect anew, so these parameters differ between two
//! answers for the same file. Probes leave them out of what a target is known by,
//! the comparison with a control empties their values, and a signed URL is never
//! requested with HEAD.

/// Beginnings of names. AWS Signature Version 4 (`X-Amz-Signature`), Google Cloud
/// Storage V4 (`X-Goog-Signature`), Alibaba OSS V4 (`x-oss-signature`).
const PREFIXES: [&str; 3] = ["x-amz-", "x-goog-", "x-oss-"];

/// Whole names.
const NAMES: [&str; 14] = [
    // AWS Signature Version 2, Alibaba OSS V1, CloudFront.
    "signature",
    "expires",
    "awsaccesskeyid",
    "ossaccesskeyid",
    // Temporary credentials of Alibaba OSS V1.
    "security-token",
    // CloudFront: canned and custom policies.
    "key-pair-id",
    "policy",
    // Google Cloud Storage V2.
    "googleaccessid",
    // Akamai's edge authorisation (EdgeAuth): its default and two common names.
    "__token__",
    "hdnea",
    "hdnts",
    // Tokens of smaller CDNs and of Cloudflare's examples.
    "token",
    "verify",
    // Hugging Face's Xet bridge.
    "x-xet-signed-range",
];

/// The parameters of an Azure shared access signature. Two letters are too few to
/// know them by: they count beside a `sig` only.
const AZURE: [&str; 17] = [
    "sig", "se", "sp", "sv", "sr", "st", "spr", "sip", "ss", "srt", "skoid", "sktid", "skt", "ske", "sks",
    "skv", "sdd",
];

/// Which parameters of one query come from a signer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignerParameters {
    has_azure_signature: bool,
}

impl SignerParameters {
    /// For a query without its `?`.
    pub(crate) fn of(query: &[u8]) -> Self {
        let mut names = query.split(|&byte| byte == b'&').map(name_of);
        Self { has_azure_signature: names.any(|name| name.eq_ignore_ascii_case(b"sig")) }
    }

    /// Whether a signer added this `name=value`.
    pub(crate) fn contain(self, pair: &[u8]) -> bool {
        let name = name_of(pair);
        let is_one_of =
            |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        let starts_with = |prefix: &&str| {
            name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
        };
        is_one_of(&NAMES) || PREFIXES.iter().any(starts_with) || self.has_azure_signature && is_one_of(&AZURE)
    }
}

/// The name of a `name=value`, also where there is no value.
pub(crate) fn name_of(pair: &[u8]) -> &[u8] {
    pair.iter().position(|&byte| byte == b'=').map_or(pair, |equals| &pair[..equals])
}

#[cfg(test)]
mod tests {
    use crate::control::location_without_volatile;
    use crate::probe::TargetKey;
    use crate::probe::volatile::is_signed;

    /// What each signer adds, with values that differ from one redirect to the next.
    const SIGNERS: [(&str, &[&str]); 11] = [
        ("AWS V2", &["AWSAccessKeyId", "Expires", "Signature", "x-amz-security-token"]),
        (
            "AWS V4",
            &["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature"],
        ),
        ("CloudFront, canned", &["Expires", "Signature", "Key-Pair-Id"]),
        ("CloudFront, custom", &["Policy", "Signature", "Key-Pair-Id"]),
        ("Google V2", &["GoogleAccessId", "Expires", "Signature"]),
        ("Google V4", &["X-Goog-Algorithm", "X-Goog-Date", "X-Goog-Signature"]),
        ("Alibaba V1", &["OSSAccessKeyId", "Expires", "Signature", "security-token"]),
        ("Alibaba V4", &["x-oss-date", "x-oss-expires", "x-oss-signature", "x-oss-security-token"]),
        ("Azure", &["sv", "st", "se", "sr", "sp", "sig", "skoid", "sktid", "skt", "ske"]),
        ("Akamai", &["__token__"]),
        ("Xet", &["X-Xet-Signed-Range", "Expires", "Policy", "Signature", "Key-Pair-Id"]),
    ];

    fn signed(names: &[&str], value: &str) -> String {
        let pairs: Vec<_> = names.iter().map(|name| format!("{name}={value}")).collect();
        format!("https://store.test/file?v=3&{}", pairs.join("&"))
    }

    #[test]
    fn every_use_knows_every_signer() {
        for (signer, names) in SIGNERS {
            let (a, b) = (signed(names, "1"), signed(names, "2"));
            let compared = |url: &str| location_without_volatile(url.as_bytes()).into_owned();
            assert_eq!(compared(&a), compared(&b), "{signer}: a control sees a difference");
            let key = |url: &str| TargetKey::of_file(&url.parse().unwrap());
            assert_eq!(key(&a), key(&b), "{signer}: two targets");
            assert_ne!(key(&a), key("https://store.test/file?v=4"), "{signer}");
            assert!(is_signed(&a.parse().unwrap()), "{signer}: requested with HEAD");
        }
    }

    #[test]
    fn azure_names_without_a_signature_are_the_own_of_a_store() {
        let compared = |url: &str| location_without_volatile(url.as_bytes()).into_owned();
        assert_ne!(compared("/f?se=1&st=2"), compared("/f?se=2&st=2"));
    }
}
