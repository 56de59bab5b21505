//! TLS, with certificates on both sides: the one way in from elsewhere.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio::time;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Who the daemon is, and whose clients it takes. Clones are the same: what replaces one replaces all.
#[derive(Clone)]
pub struct Tls(Arc<Mutex<Arc<ServerConfig>>>);

/// What cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The authorities that sign clients' certificates.
    #[error("the clients' authorities: {reason}")]
    Authorities {
        /// What is wrong with them.
        reason: String,
    },
    /// The daemon's own certificate.
    #[error("the certificate: {reason}")]
    Certificate {
        /// What is wrong with it.
        reason: String,
    },
    /// The key to it.
    #[error("the key: {reason}")]
    Key {
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// How long a client may take to prove who it is.
const HANDSHAKE: Duration = Duration::from_secs(10);

impl Tls {
    /// Makes it of texts in PEM: the authorities that sign clients' certificates, the daemon's own certificate with those
    /// between it and its authority, and its private key.
    pub fn new(authorities: &[u8], certificate: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let of_authorities = |reason| TlsError::Authorities { reason };
        let of_certificate = |reason| TlsError::Certificate { reason };
        let mut roots = RootCertStore::empty();
        for root in certificates(authorities).map_err(of_authorities)? {
            let added = roots.add(root);
            added.map_err(|error| of_authorities(error.to_string()))?;
        }
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let verifier = builder.build();
        let verifier = verifier.map_err(|error| of_authorities(error.to_string()))?;
        // What is wrong with it might be told in words of the key itself.
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Key {
            reason: "there is no unencrypted private key in PEM form in it",
        })?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| of_certificate(error.to_string()))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(certificates(certificate).map_err(of_certificate)?, key)
            .map_err(|error| of_certificate(error.to_string()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(Mutex::new(Arc::new(config)))))
    }

    /// From now on is as `other` is; who is in stays in.
    pub fn replace(&self, other: &Self) {
        let config = other.config();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// Lets a client prove who it is.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(self.config());
        match time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(stream) => stream,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|_| "it is not sound PEM".to_owned())?;
    match found.is_empty() {
        true => Err("there is no certificate in PEM form in it".to_owned()),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use windlass_testing::Ca;

    use super::*;

    #[test]
    fn what_cannot_be_used_is_told_apart() {
        let ca = Ca::new();
        let own = ca.server(&["127.0.0.1"]);
        let other = ca.server(&["127.0.0.1"]);
        let new = |ca: &str, certificate: &str, key: &str| {
            let made = Tls::new(ca.as_bytes(), certificate.as_bytes(), key.as_bytes());
            made.map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(new(ca.pem(), &own.certificate, &own.key), Ok(()));
        let none = "there is no certificate in PEM form in it";
        let refused = new("", &own.certificate, &own.key);
        assert_eq!(refused, Err(format!("the clients' authorities: {none}")));
        let refused = new(ca.pem(), &own.key, &own.key);
        assert_eq!(refused, Err(format!("the certificate: {none}")));
        let refused = new(ca.pem(), &own.certificate, "secret");
        let expected = "the key: there is no unencrypted private key in PEM form in it";
        assert_eq!(refused, Err(expected.to_owned()));
        assert!(new(ca.pem(), &own.certificate, &other.key).is_err());
    }
}
