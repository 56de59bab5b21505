//! TLS, where a server is to speak it.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Who the server is: a certificate, those that lead to it, and its key.
#[derive(Clone)]
pub struct Tls(Arc<ServerConfig>);

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// There is no PEM certificate.
    #[error("the certificate's file has no PEM certificate")]
    Certificate,
    /// There is no private key that could be read.
    #[error("the key's file has no unencrypted PEM private key")]
    Key,
    /// They cannot be used, or do not belong together.
    #[error("certificate and key cannot be used together")]
    Unusable(#[source] rustls::Error),
}

impl Tls {
    /// Takes certificates and a key as PEM. Only HTTP/1.1 is offered.
    pub fn new(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or(TlsError::Certificate)?;
        // What is wrong with it might be told in words of the key itself.
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Key)?;
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("the provider has cipher suites for TLS 1.2 and 1.3")
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .map_err(TlsError::Unusable)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.0))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}
