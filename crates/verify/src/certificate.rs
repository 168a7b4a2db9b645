//! Why a TLS handshake failed, in words for the person who has to repair it.
//!
//! The fault is told by type elsewhere; this is what its example says beside.
//! Names in a certificate are foreign text: they are escaped and bounded.

use rustls::pki_types::UnixTime;
use rustls::{CertificateError, Error};
use std::io;

/// Most names of a certificate that are told.
const NAMES_SHOWN: usize = 3;

/// Most characters of one of them.
const NAME_CHARS: usize = 64;

/// Why a handshake ended with `error`: a phrase in ASCII.
pub fn reason(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(certificate)) => of_certificate(certificate),
        Some(Error::InvalidMessage(_)) => "its answer is not TLS".to_owned(),
        Some(other) => ascii(&other.to_string()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "it closed the connection during the handshake".to_owned()
        }
        None => ascii(&error.to_string()),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the list of what is wrong with certificates is open")]
fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired => "the certificate has expired".to_owned(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the certificate expired at {}", date(*not_after))
        }
        CertificateError::NotValidYet => "the certificate is not valid yet".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("the certificate is not valid before {}", date(*not_before))
        }
        CertificateError::NotValidForName => "the certificate is for another name".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let more = if presented.len() > NAMES_SHOWN { ", ..." } else { "" };
            let names: Vec<_> = presented.iter().take(NAMES_SHOWN).map(|name| ascii(name)).collect();
            let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
            format!("the certificate is for {names}{more}, not for {}", ascii(&expected.to_str()))
        }
        CertificateError::UnknownIssuer => "the certificate is not signed by a trusted issuer".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the certificate is not meant for a server (extended key usage)".to_owned()
        }
        CertificateError::BadSignature => "the signature of the certificate is wrong".to_owned(),
        CertificateError::Revoked => "the certificate was revoked".to_owned(),
        CertificateError::Other(other) => match other.0.downcast_ref() {
            Some(webpki::Error::CaUsedAsEndEntity) => "a CA's certificate (CA:TRUE, as a self-signed one has by \
                                                       default) is used as the server's own: make one with CA:FALSE"
                .to_owned(),
            Some(error) => ascii(&error.to_string()),
            None => ascii(&error.to_string()),
        },
        other => ascii(&other.to_string()),
    }
}

fn date(at: UnixTime) -> String {
    let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).map_or_else(|_| "an unknown time".to_owned(), |at| at.to_string())
}

fn ascii(text: &str) -> String {
    text.chars().take(NAME_CHARS).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::OtherError;
    use rustls::pki_types::ServerName;
    use std::sync::Arc;
    use std::time::Duration;

    #[track_caller]
    fn check(error: impl Into<Error>, expected: &str) {
        let error = io::Error::new(io::ErrorKind::InvalidData, error.into());
        assert_eq!(reason(&error), expected);
    }

    #[test]
    fn what_is_wrong_with_a_certificate_is_told_in_words() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let expired =
            CertificateError::ExpiredContext { time: at(1_700_000_000), not_after: at(1_600_000_000) };
        check(expired, "the certificate expired at 2020-09-13T12:26:40Z");
        let early = CertificateError::NotValidYetContext { time: at(0), not_before: at(1_600_000_000) };
        check(early, "the certificate is not valid before 2020-09-13T12:26:40Z");
        let name = CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("files.example").unwrap(),
            presented: vec!["a.example".to_owned(), "b\u{1b}".to_owned()],
        };
        check(name, "the certificate is for a.example, b\\u{1b}, not for files.example");
        check(CertificateError::UnknownIssuer, "the certificate is not signed by a trusted issuer");
        let ca = OtherError(Arc::new(webpki::Error::CaUsedAsEndEntity));
        check(
            CertificateError::Other(ca),
            "a CA's certificate (CA:TRUE, as a self-signed one has by default) is used as the server's own: \
             make one with CA:FALSE",
        );
    }

    #[test]
    fn what_is_no_certificate_is_told_too() {
        check(Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType), "its answer is not TLS");
        let closed = io::Error::from(io::ErrorKind::UnexpectedEof);
        assert_eq!(reason(&closed), "it closed the connection during the handshake");
    }
}
