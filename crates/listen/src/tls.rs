//! TLS of a server.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

/// The certificate and the key of a server, and which client certificates it requires. Clones share one configuration:
/// replacing one replaces all.
#[derive(Clone)]
pub struct ServerTls(Arc<Mutex<Arc<ServerConfig>>>);

/// Why certificates and keys cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ServerTlsError {
    /// The authorities that sign client certificates.
    #[error("client authorities: {reason}")]
    Authorities {
        /// What is wrong with them.
        reason: String,
    },
    /// The certificate of the server.
    #[error("certificate: {reason}")]
    Certificate {
        /// What is wrong with it.
        reason: String,
    },
    /// The key of the server.
    #[error("key: {reason}")]
    Key {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The certificate and the key.
    #[error("certificate and key cannot be used together")]
    Mismatch(#[source] rustls::Error),
}

impl ServerTls {
    /// Takes the certificate chain and the key of the server as PEM, and clients without certificates.
    pub fn new(certificate: &[u8], key: &[u8]) -> Result<Self, ServerTlsError> {
        Self::build(certificate, key, None)
    }

    /// Takes the certificate chain and the key of the server as PEM, and only clients with a certificate that an
    /// authority in `authorities` signed.
    pub fn with_client_authentication(
        authorities: &[u8],
        certificate: &[u8],
        key: &[u8],
    ) -> Result<Self, ServerTlsError> {
        let wrong = |reason| ServerTlsError::Authorities { reason };
        let mut roots = RootCertStore::empty();
        for root in certificates(authorities).map_err(wrong)? {
            roots.add(root).map_err(|error| wrong(error.to_string()))?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        Self::build(certificate, key, Some(verifier))
    }

    fn build(
        certificate: &[u8],
        key: &[u8],
        verifier: Option<Arc<dyn ClientCertVerifier>>,
    ) -> Result<Self, ServerTlsError> {
        let wrong = |reason| ServerTlsError::Certificate { reason };
        let chain = certificates(certificate).map_err(wrong)?;
        // The parser's error is left out: it could quote the key.
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| ServerTlsError::Key {
            reason: "the file has no unencrypted private key in PEM form",
        })?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?;
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(ServerTlsError::Mismatch)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(Mutex::new(Arc::new(config)))))
    }

    /// Uses the configuration of `other` for connections that are accepted from now on.
    pub fn replace(&self, other: &Self) {
        let config = other.config();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config())
    }

    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls")
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|_| "the file is malformed PEM".to_owned())?;
    match found.is_empty() {
        true => Err("the file has no certificate in PEM form".to_owned()),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use windlass_testing::Ca;

    use super::*;

    #[test]
    fn each_unusable_file_has_its_error() {
        let ca = Ca::new();
        let own = ca.server(&["127.0.0.1"]);
        let other = ca.server(&["127.0.0.1"]);
        let new = |ca: &str, certificate: &str, key: &str| {
            let tls = ServerTls::with_client_authentication(
                ca.as_bytes(),
                certificate.as_bytes(),
                key.as_bytes(),
            );
            tls.map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(new(ca.pem(), &own.certificate, &own.key), Ok(()));
        for (authorities, certificate, key, expected) in [
            (
                "",
                &own.certificate,
                &*own.key,
                "client authorities: the file has no certificate in PEM form",
            ),
            (
                ca.pem(),
                &own.key,
                &own.key,
                "certificate: the file has no certificate in PEM form",
            ),
            (
                ca.pem(),
                &own.certificate,
                "secret",
                "key: the file has no unencrypted private key in PEM form",
            ),
            (
                ca.pem(),
                &own.certificate,
                &other.key,
                "certificate and key cannot be used together",
            ),
        ] {
            let refused = new(authorities, certificate, key);
            assert_eq!(refused, Err(expected.to_owned()));
        }
    }
}
