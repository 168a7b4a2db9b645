//! TLS for an https target: roots, certificates and keys, read before the clock
//! starts.

use super::CliError;
use super::target::Target;
use super::wire_args::{HttpArg, RootsArg, TlsArgs};
use crate::engine::TlsPlan;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;

/// The plan for `target`; `None` where it is plain http.
pub(super) fn plan(args: &TlsArgs, target: &Target, http: HttpArg) -> Result<Option<TlsPlan>, CliError> {
    if !target.is_https() {
        return Ok(None);
    }
    let name = ServerName::try_from(target.host_name())
        .map_err(|_| CliError::Usage(format!("{} cannot be the name in a certificate", target.host())))?;
    let mut config = config(args)?;
    config.alpn_protocols = match http {
        HttpArg::Http1 => vec![b"http/1.1".to_vec()],
        HttpArg::Http2 => vec![b"h2".to_vec()],
        HttpArg::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    };
    Ok(Some(TlsPlan { config, resume: !args.no_tls_resumption, name }))
}

/// What connections to targets are secured with: the same roots, and nothing
/// that says who asks. `--insecure` is for the candidate alone.
pub(super) fn for_targets(args: &TlsArgs) -> Result<Arc<ClientConfig>, CliError> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| CliError::Usage(format!("cannot set up TLS: {error}")))?
        .with_root_certificates(roots(args)?)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn config(args: &TlsArgs) -> Result<ClientConfig, CliError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| CliError::Usage(format!("cannot set up TLS: {error}")))?;
    let builder = if args.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
    } else {
        let roots = Arc::new(roots(args)?);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider)
            .build()
            .map_err(|error| CliError::Usage(format!("cannot use the trusted roots: {error}")))?;
        builder.with_webpki_verifier(verifier)
    };
    match (&args.cert, &args.key) {
        (Some(cert), Some(key)) => builder
            .with_client_auth_cert(certificates(cert)?, private_key(key)?)
            .map_err(|error| unusable(cert, &error)),
        (Some(_) | None, _) => Ok(builder.with_no_client_auth()),
    }
}

fn roots(args: &TlsArgs) -> Result<RootCertStore, CliError> {
    let mut roots = RootCertStore::empty();
    match args.roots {
        RootsArg::Native => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        RootsArg::Webpki => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        RootsArg::None => {}
    }
    for file in &args.cacert {
        for certificate in certificates(file)? {
            roots.add(certificate).map_err(|error| unusable(file, &error))?;
        }
    }
    if roots.is_empty() {
        return Err(CliError::Usage(
            "there is no trusted root certificate: add one with --cacert, or use --roots webpki".to_owned(),
        ));
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, CliError> {
    let read = CertificateDer::pem_file_iter(file).map_err(|error| unusable(file, &error))?;
    let all: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| unusable(file, &error))?;
    if all.is_empty() {
        return Err(unusable(file, &"it contains no certificate"));
    }
    Ok(all)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, CliError> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| unusable(file, &error))
}

fn unusable(file: &Path, why: &dyn std::fmt::Display) -> CliError {
    CliError::Usage(format!("cannot use {}: {why}", file.display()))
}

/// Takes any certificate, but not a handshake that was not signed with it.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
