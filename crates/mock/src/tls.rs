//! The CDN's certificate, made at the start and trusted by nobody who is not
//! given its authority.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;

/// What the CDN's certificate is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CdnCertificate {
    /// For the names of the CDN, and valid.
    #[default]
    Valid,
    /// Not valid any more.
    Expired,
    /// For a name that nobody asks for.
    OtherName,
}

/// A certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[error("make a certificate for the CDN")]
pub struct CertificateError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// What the CDN speaks TLS with.
#[derive(Clone, Debug)]
pub struct CdnTls {
    pub(super) config: Arc<ServerConfig>,
    authority: String,
}

impl CdnTls {
    /// A new authority, and a certificate of it for `names`.
    pub fn for_names(names: Vec<String>, certificate: CdnCertificate) -> Result<Self, CertificateError> {
        Self::make(names, certificate).map_err(CertificateError)
    }

    /// The authority's certificate, as PEM, for those who are to trust the CDN.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    fn make(
        names: Vec<String>,
        certificate: CdnCertificate,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_certificate = authority.self_signed(&authority_key)?;
        let names = match certificate {
            CdnCertificate::Valid | CdnCertificate::Expired => names,
            CdnCertificate::OtherName => vec!["elsewhere.invalid".to_owned()],
        };
        let mut leaf = CertificateParams::new(names)?;
        if certificate == CdnCertificate::Expired {
            (leaf.not_before, leaf.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        }
        let key = KeyPair::generate()?;
        let signed = leaf.signed_by(&key, &Issuer::new(authority, authority_key))?;
        let chain = vec![CertificateDer::from(signed.der().to_vec())];
        let key = PrivateKeyDer::try_from(key.serialize_der())?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), authority: authority_certificate.pem() })
    }
}
