//! TLS of client connections: trusted roots, verification, client certificates.
//!
//! The cryptography provider is aws-lc-rs, selected here and not process-wide. The system's certificates are
//! loaded with `rustls-native-certs`, not `rustls-platform-verifier`: on Linux the latter does the same, but
//! fails on a machine without certificates, where plain http and https with configured roots must work, and
//! writes to the log of another library.

mod unverified;
mod verified;

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::client::ResolvesClientCert;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, ClientConfig, Error, RootCertStore};
use tokio_rustls::TlsConnector;
use url::Host;

use crate::cause::Cause;
use crate::connection::{ClientIdentity, ClientTls, HttpVersions};
use crate::error::{ConnectFailure, SendError, SetupError};
use crate::stream::NetworkStream;
use unverified::AnyCertificateVerifier;
use verified::TrustedRootVerifier;

/// The peer of a TLS connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsPeer {
    /// The host that the request is for.
    Origin,
    /// A proxy. It is always verified, speaks HTTP/1.1, and never gets the client certificate.
    Proxy,
}

/// Performs TLS handshakes.
pub(crate) struct TlsHandshaker {
    provider: Arc<CryptoProvider>,
    roots: Vec<CertificateDer<'static>>,
    identity: Option<Arc<dyn ResolvesClientCert>>,
    skip_verify: bool,
    versions: HttpVersions,
    /// Created on first use, so that plain http does not wait for the system's roots to be loaded.
    origin: OnceLock<Arc<ClientConfig>>,
    proxy: OnceLock<Arc<ClientConfig>>,
}

/// Neither the system nor the configuration has a trusted root.
#[derive(Debug, thiserror::Error)]
#[error("this system has no trusted certificate authorities, and none are configured")]
struct NoRoots;

impl TlsHandshaker {
    pub(crate) fn new(tls: &ClientTls, versions: HttpVersions) -> Result<Self, SetupError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let identity = match &tls.identity {
            Some(identity) => Some(client_certificate(identity, &provider)?),
            None => None,
        };
        Ok(Self {
            roots: roots(&tls.roots)?,
            identity,
            provider,
            skip_verify: tls.skip_verify,
            versions,
            origin: OnceLock::new(),
            proxy: OnceLock::new(),
        })
    }

    /// Performs the handshake with `host` over `stream`; returns whether HTTP/2 was negotiated.
    pub(crate) async fn secure(
        &self,
        stream: NetworkStream,
        host: &Host,
        peer: TlsPeer,
    ) -> Result<(NetworkStream, bool), SendError> {
        let name = server_name(host)?;
        let config = match peer {
            TlsPeer::Origin => self.origin.get_or_init(|| Arc::new(self.configure(peer))),
            TlsPeer::Proxy => self.proxy.get_or_init(|| Arc::new(self.configure(peer))),
        };
        let connector = TlsConnector::from(config.clone());
        let stream = connector
            .connect(name, stream)
            .await
            .map_err(|error| self.failed(error))?;
        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok((NetworkStream::Tls(Box::new(stream)), h2))
    }

    fn configure(&self, peer: TlsPeer) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .expect("the provider has cipher suites for TLS 1.2 and 1.3");
        let verifier: Arc<dyn ServerCertVerifier> = match peer {
            TlsPeer::Origin if self.skip_verify => {
                Arc::new(AnyCertificateVerifier::new(&self.provider))
            }
            TlsPeer::Origin | TlsPeer::Proxy => {
                Arc::new(TrustedRootVerifier::new(self.root_store(), &self.provider))
            }
        };
        let builder = builder
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        match peer {
            TlsPeer::Origin => {
                let mut config = match &self.identity {
                    Some(identity) => builder.with_client_cert_resolver(identity.clone()),
                    None => builder.with_no_client_auth(),
                };
                config.alpn_protocols = match self.versions {
                    HttpVersions::Any => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
                    HttpVersions::Http1 => vec![b"http/1.1".to_vec()],
                };
                config
            }
            TlsPeer::Proxy => {
                let mut config = builder.with_no_client_auth();
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
                config
            }
        }
    }

    fn root_store(&self) -> RootCertStore {
        let mut store = system_roots().clone();
        // Each was validated in `roots`.
        store.add_parsable_certificates(self.roots.iter().cloned());
        store
    }

    /// Classifies a failed handshake. A peer that closes the connection during the handshake is assumed not
    /// to use TLS. Any other I/O error is a connection failure.
    fn failed(&self, error: io::Error) -> SendError {
        let hung_up = error.kind() == io::ErrorKind::UnexpectedEof;
        let source = Cause::new(error);
        match source.find::<Error>() {
            Some(Error::InvalidCertificate(CertificateError::UnknownIssuer))
                if self.has_no_roots() =>
            {
                let source = Cause::new(NoRoots);
                SendError::Tls { source }
            }
            Some(_) => SendError::Tls { source },
            None if hung_up => SendError::Tls { source },
            None => SendError::Connect {
                failure: ConnectFailure::Other,
                source,
            },
        }
    }

    fn has_no_roots(&self) -> bool {
        self.roots.is_empty() && system_roots().is_empty()
    }
}

/// Returns the system's roots, loaded once per process. Certificates that cannot be read are skipped.
fn system_roots() -> &'static RootCertStore {
    static SYSTEM: OnceLock<RootCertStore> = OnceLock::new();
    SYSTEM.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        let mut store = RootCertStore::empty();
        let (_, ignored) = store.add_parsable_certificates(found.certs);
        tracing::debug!(
            roots = store.len(),
            ignored,
            errors = found.errors.len(),
            "loaded the system's root certificates"
        );
        store
    })
}

fn roots(pems: &[Vec<u8>]) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let mut roots = Vec::new();
    for (index, pem) in pems.iter().enumerate() {
        let refuse = |reason| SetupError::Root { index, reason };
        for der in certificates(pem).map_err(refuse)? {
            let added = RootCertStore::empty().add(der.clone());
            added.map_err(|error| refuse(error.to_string()))?;
            roots.push(der);
        }
    }
    Ok(roots)
}

fn client_certificate(
    identity: &ClientIdentity,
    provider: &CryptoProvider,
) -> Result<Arc<dyn ResolvesClientCert>, SetupError> {
    let refuse = |reason| SetupError::Identity { reason };
    let chain = certificates(&identity.certificates).map_err(refuse)?;
    // The parser's error is not shown: it may quote the key.
    let key =
        PrivateKeyDer::from_pem_slice(without_byte_order_mark(identity.key.expose().as_bytes()))
            .map_err(|_| refuse("there is no unencrypted PEM private key in it".to_owned()))?;
    let certified =
        CertifiedKey::from_der(chain, key, provider).map_err(|error| refuse(error.to_string()))?;
    Ok(Arc::new(SingleCertAndKey::from(certified)))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(without_byte_order_mark(pem)).collect();
    let found = found.map_err(|_| "it is not valid PEM".to_owned())?;
    if found.is_empty() {
        return Err("there is no PEM certificate in it".to_owned());
    }
    Ok(found)
}

/// Removes a byte order mark, which some editors write and which would break the first PEM line.
fn without_byte_order_mark(pem: &[u8]) -> &[u8] {
    pem.strip_prefix("\u{feff}".as_bytes()).unwrap_or(pem)
}

fn server_name(host: &Host) -> Result<ServerName<'static>, SendError> {
    match host {
        Host::Ipv4(address) => Ok(ServerName::IpAddress((*address).into())),
        Host::Ipv6(address) => Ok(ServerName::IpAddress((*address).into())),
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            ServerName::try_from(name.to_owned()).map_err(|error| SendError::Tls {
                source: Cause::new(error),
            })
        }
    }
}
