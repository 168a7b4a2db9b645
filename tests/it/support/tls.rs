//! A small TLS origin that speaks HTTP/1.1 and HTTP/2, with certificates made
//! for the occasion.

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What the origin's certificate is like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Certificate {
    Valid,
    Expired,
    ForAnotherName,
}

/// What the origin answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answers {
    /// A redirect, over as many streams of HTTP/2 at once.
    Redirects(u32),
    /// Content that ends with the connection, whose TLS is ended, too.
    UntilClosed,
    /// The same, but the TLS under it just breaks off.
    Truncated,
}

/// A running origin; ends with its value.
pub(crate) struct TlsOrigin {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicU64>,
    authority: PathBuf,
    _runtime: tokio::runtime::Runtime,
}

impl TlsOrigin {
    /// Starts one whose authority's certificate lies in `room`.
    pub(crate) fn start(room: &Path, certificate: Certificate, answers: Answers) -> Self {
        let (acceptor, authority) = acceptor(room, certificate);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let connections = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&connections);
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(accept(listener, acceptor, counted, answers));
        Self { address, connections, authority, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    pub(crate) fn authority(&self) -> &str {
        self.authority.to_str().unwrap()
    }

    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, counted: Arc<AtomicU64>, answers: Answers) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, counted) = (acceptor.clone(), Arc::clone(&counted));
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            counted.fetch_add(1, Ordering::SeqCst);
            match answers {
                Answers::Redirects(streams) => redirect(stream, streams).await,
                Answers::UntilClosed | Answers::Truncated => break_off(stream, answers).await,
            }
        });
    }
}

async fn redirect(stream: TlsStream<TcpStream>, streams: u32) {
    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let stream = TokioIo::new(stream);
    if h2 {
        let mut http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        http2.max_concurrent_streams(streams);
        drop(http2.serve_connection(stream, service_fn(answer)).await);
    } else {
        let http1 = hyper::server::conn::http1::Builder::new();
        drop(http1.serve_connection(stream, service_fn(answer)).await);
    }
}

async fn break_off(mut stream: TlsStream<TcpStream>, answers: Answers) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc").await.unwrap_or_default();
    stream.flush().await.unwrap_or_default();
    if matches!(answers, Answers::UntilClosed) {
        stream.shutdown().await.unwrap_or_default();
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::FOUND;
    let location = format!("https://static.crates.io/asked{}", request.uri().path());
    response.headers_mut().insert("location", location.parse().unwrap());
    Ok(response)
}

fn acceptor(room: &Path, certificate: Certificate) -> (TlsAcceptor, PathBuf) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let file = room.join("authority.pem");
    std::fs::write(&file, authority_certificate.pem()).unwrap();
    let name = match certificate {
        Certificate::ForAnotherName => "another.test",
        Certificate::Valid | Certificate::Expired => "localhost",
    };
    let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    if matches!(certificate, Certificate::Expired) {
        leaf.not_before = date_time_ymd(2020, 1, 1);
        leaf.not_after = date_time_ymd(2021, 1, 1);
    }
    let key = KeyPair::generate().unwrap();
    let signed = leaf.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
    let chain = vec![CertificateDer::from(signed.der().to_vec())];
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (TlsAcceptor::from(Arc::new(config)), file)
}
