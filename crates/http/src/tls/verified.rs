//! A verifier that requires a trusted root.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::tls_problem::explain_signature;

/// Verifies like rustls, but also accepts a trusted root that is itself the server's certificate.
///
/// `openssl req -x509` creates such certificates and Docker's guide uses them. RFC 5280 permits them, and Go
/// and OpenSSL accept them; webpki does not. Accepting them adds no risk: the key of a trusted root could
/// sign any other certificate.
#[derive(Debug)]
pub(super) struct TrustedRootVerifier {
    roots: RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
}

impl TrustedRootVerifier {
    pub(super) fn new(roots: RootCertStore, provider: &CryptoProvider) -> Self {
        Self {
            roots,
            algorithms: provider.signature_verification_algorithms,
        }
    }

    /// Returns whether `certificate` is one of the roots, with the same name, key and constraints.
    fn is_root(&self, certificate: &CertificateDer<'_>) -> bool {
        let anchor = webpki::anchor_from_trusted_cert(certificate);
        anchor.is_ok_and(|anchor| {
            // Name constraints would not be enforced here.
            anchor.name_constraints.is_none() && self.roots.roots.contains(&anchor)
        })
    }
}

impl ServerCertVerifier for TrustedRootVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, others, now, algorithms)
            .or_else(
                |error| match is_authority(&error) && self.is_root(certificate) {
                    true => Ok(()),
                    false => Err(error),
                },
            )
            .map_err(|error| {
                let presented: Vec<_> = std::iter::once(certificate)
                    .chain(others)
                    .cloned()
                    .collect();
                explain_signature(error, &presented, &self.roots.roots)
            })?;
        verify_server_name(&parsed, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
            .map_err(|error| explain_signature(error, std::slice::from_ref(certificate), &[]))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
            .map_err(|error| explain_signature(error, std::slice::from_ref(certificate), &[]))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Returns whether a certificate was rejected because it belongs to a certificate authority. Its validity
/// period was checked before.
fn is_authority(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else {
        return false;
    };
    other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
}
