//! TLS with certificates of the tests' own, in front of a scripted registry or an HTTP/2 server.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::Full;
use hyper_core::body::{Bytes, Incoming};
use hyper_core::service::service_fn;
use hyper_core::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;
use windlass_registry::RegistryConfig;
use windlass_testing::Registry;

/// A server behind TLS, for as long as the test's runtime runs.
pub(crate) struct Front {
    address: SocketAddr,
    /// The certificate of its authority.
    authority: Vec<u8>,
}

/// What a certificate says of itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certificate {
    Good,
    ForAnotherName,
    Expired,
}

impl Front {
    /// Puts TLS before `registry`, which hears plain HTTP/1.
    pub(crate) async fn before(registry: &Registry, certificate: Certificate) -> Self {
        let address = registry.address();
        Self::start(certificate, b"http/1.1", move |mut stream| async move {
            // A client that does not like the certificate is none.
            if let Ok(mut inside) = TcpStream::connect(address).await {
                drop(copy_bidirectional(&mut stream, &mut inside).await);
            }
        })
        .await
    }

    /// Serves `bodies`, by path, over HTTP/2 and nothing else.
    pub(crate) async fn http2(bodies: Vec<(String, Bytes)>) -> Self {
        let bodies = Arc::new(bodies);
        Self::start(Certificate::Good, b"h2", move |stream| {
            let bodies = bodies.clone();
            async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let response = respond(&bodies, request.uri().path());
                    async move { Ok::<_, Infallible>(response) }
                });
                let builder = hyper_core::server::conn::http2::Builder::new(TokioExecutor::new());
                drop(
                    builder
                        .serve_connection(TokioIo::new(stream), service)
                        .await,
                );
            }
        })
        .await
    }

    async fn start<F>(
        certificate: Certificate,
        protocol: &[u8],
        serve: impl Fn(TlsStream<TcpStream>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (mut config, authority) = identity(certificate);
        config.alpn_protocols = vec![protocol.to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(stream) = acceptor.accept(stream).await {
                    tokio::spawn(serve(stream));
                }
            }
        });
        Self { address, authority }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// A configuration that trusts the authority of the certificate.
    pub(crate) fn trusted(&self) -> RegistryConfig {
        RegistryConfig {
            extra_roots: vec![self.authority.clone()],
            ..RegistryConfig::default()
        }
    }
}

fn respond(bodies: &[(String, Bytes)], path: &str) -> Response<Full<Bytes>> {
    let body = bodies
        .iter()
        .find(|(known, _)| known == path)
        .map(|(_, body)| body.clone());
    let status = if body.is_some() {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    };
    let mut response = Response::new(Full::new(body.unwrap_or_default()));
    *response.status_mut() = status;
    response
}

/// A server's configuration with a new certificate, and the authority that signed it.
fn identity(certificate: Certificate) -> (ServerConfig, Vec<u8>) {
    let authority_key = KeyPair::generate().expect("keys can be made");
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_pem = authority
        .self_signed(&authority_key)
        .expect("a sound request")
        .pem();
    let issuer = Issuer::new(authority, authority_key);

    let name = match certificate {
        Certificate::ForAnotherName => "another.test",
        Certificate::Good | Certificate::Expired => "127.0.0.1",
    };
    let key = KeyPair::generate().expect("keys can be made");
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a good name");
    if certificate == Certificate::Expired {
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
    }
    let signed = params.signed_by(&key, &issuer).expect("a sound request");
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![signed.der().clone()], key)
        .expect("the key is the certificate's");
    (config, authority_pem.into_bytes())
}
