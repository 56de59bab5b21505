//! TLS of the registry: its certificate, client certificates, and the choice of the HTTP version.

use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::{Ca, TlsIdentity};

/// The first byte of a TLS record with a handshake message (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// The result of a TLS handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsHandshake {
    /// The name that the client requested (SNI); none for an IP address.
    pub server_name: Option<String>,
    /// The client's certificate (DER), if it sent one.
    pub client_certificate: Option<Bytes>,
}

/// The TLS options.
#[derive(Clone, Debug)]
pub(super) struct RegistryTls {
    pub(super) certificate: CertificateSource,
    /// The authority that signs client certificates.
    pub(super) client_ca: Option<Ca>,
    pub(super) client_required: bool,
    /// ALPN protocols in order of preference.
    pub(super) protocols: Vec<&'static str>,
}

/// The certificate of the registry.
#[derive(Clone, Debug)]
pub(super) enum CertificateSource {
    /// A certificate of this authority for all its names, created at the start.
    SignedBy(Ca),
    Is(TlsIdentity),
}

impl RegistryTls {
    pub(super) fn new(certificate: CertificateSource) -> Self {
        Self {
            certificate,
            client_ca: None,
            client_required: false,
            protocols: vec!["h2", "http/1.1"],
        }
    }

    /// Builds the acceptor for a server at `address`.
    pub(super) fn acceptor(&self, address: &str) -> TlsAcceptor {
        let identity = match &self.certificate {
            CertificateSource::SignedBy(ca) => {
                ca.server(&["localhost", "127.0.0.1", address, "reg.test"])
            }
            CertificateSource::Is(identity) => identity.clone(),
        };
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).collect();
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a PEM key");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("the provider supports TLS");
        let builder = match &self.client_ca {
            Some(ca) => builder.with_client_cert_verifier(self.verifier(ca, provider)),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(chain.expect("a PEM certificate"), key)
            .expect("the key belongs to the certificate");
        let protocols = self.protocols.iter();
        config.alpn_protocols = protocols.map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    fn verifier(&self, ca: &Ca, provider: Arc<CryptoProvider>) -> Arc<dyn ClientCertVerifier> {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(ca.pem().as_bytes());
        let added = roots.add(root.expect("the authority writes PEM"));
        added.expect("the authority can be trusted");
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = if self.client_required {
            builder
        } else {
            builder.allow_unauthenticated()
        };
        builder.build().expect("there is a root certificate")
    }
}

impl TlsHandshake {
    pub(super) fn of(stream: &TlsStream<TcpStream>) -> Self {
        let (_, connection) = stream.get_ref();
        let certificate = connection.peer_certificates().and_then(<[_]>::first);
        Self {
            server_name: connection.server_name().map(str::to_owned),
            client_certificate: certificate.map(|it| Bytes::copy_from_slice(it)),
        }
    }
}

/// Returns whether HTTP/2 was negotiated.
pub(super) fn is_http2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2")
}

/// Returns whether the client starts with a TLS handshake; `None` if it closes the connection first.
pub(super) async fn starts_with_tls(stream: &TcpStream) -> Option<bool> {
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(1) => Some(first == [HANDSHAKE]),
        _ => None,
    }
}
