//! Why a TLS handshake failed, where a user can do something about it.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, TrustAnchor};
use rustls::{AlertDescription, CertificateError, Error, OtherError, PeerIncompatible};
use webpki::EndEntityCert;

/// The DER encoding of the object identifier rsaEncryption (RFC 8017 appendix A.1).
const RSA_ENCRYPTION: &[u8] = &[
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01,
];

/// The bytes of a modulus of 2048 bits. A public key in DER is longer than its modulus.
const MIN_MODULUS: usize = 2048 / 8;

/// A reason for which TLS handshakes fail. `Display` is a sentence for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsProblem {
    /// The peer does not use TLS.
    NotTls,
    /// The issuer of the certificate is not trusted.
    UnknownIssuer,
    /// The certificate is invalid: it has expired, is for another name, or is damaged.
    InvalidCertificate,
    /// The certificate is one of a certificate authority (`CA:TRUE`), and not itself trusted.
    AuthorityCertificate,
    /// An RSA key in the certificates has less than 2048 bits.
    ShortKey,
    /// The server offers no version of TLS since 1.2.
    OldVersion,
    /// The server offers no cipher suite, group or signature algorithm that windlass accepts.
    NoCommonAlgorithm,
    /// The server requires a client certificate, or rejected the one that was sent.
    ClientCertificate,
}

impl TlsProblem {
    /// Returns the problem that `error` is a consequence of, or `None` if no remedy is known.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        match error {
            Error::InvalidMessage(_) => Some(Self::NotTls),
            Error::InvalidCertificate(error) => Some(Self::of_certificate(error)),
            Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            )
            | Error::AlertReceived(AlertDescription::ProtocolVersion) => Some(Self::OldVersion),
            Error::PeerIncompatible(_)
            | Error::AlertReceived(
                AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity,
            ) => Some(Self::NoCommonAlgorithm),
            Error::AlertReceived(
                AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA,
            ) => Some(Self::ClientCertificate),
            _ => None,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::Other(OtherError(other)) => match other.downcast_ref() {
                Some(webpki::Error::CaUsedAsEndEntity) => Self::AuthorityCertificate,
                _ if other.is::<ShortKey>() => Self::ShortKey,
                _ => Self::InvalidCertificate,
            },
            _ => Self::InvalidCertificate,
        }
    }

    /// Returns whether the `Display` of the problem is clearer than the message of the TLS library.
    pub(crate) fn replaces_message(self) -> bool {
        match self {
            Self::AuthorityCertificate
            | Self::ShortKey
            | Self::OldVersion
            | Self::NoCommonAlgorithm => true,
            Self::NotTls
            | Self::UnknownIssuer
            | Self::InvalidCertificate
            | Self::ClientCertificate => false,
        }
    }
}

impl fmt::Display for TlsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotTls => "the server does not use TLS",
            Self::UnknownIssuer => "the issuer of the certificate is not trusted",
            Self::InvalidCertificate => "the certificate is invalid",
            Self::AuthorityCertificate => {
                "the server uses the certificate of a certificate authority (CA:TRUE) as its own, and it is not \
                 itself a trusted root"
            }
            Self::ShortKey => "an RSA key in the server's certificates has less than 2048 bits",
            Self::OldVersion => "the server does not offer TLS 1.2 or 1.3",
            Self::NoCommonAlgorithm => {
                "the server offers none of the accepted cipher suites and signature algorithms"
            }
            Self::ClientCertificate => "the server requires another client certificate",
        })
    }
}

/// A signature that cannot be verified because an RSA key has less than 2048 bits.
#[derive(Debug, thiserror::Error)]
#[error("{}", TlsProblem::ShortKey)]
struct ShortKey;

/// Returns the error that explains why a signature by one of `certificates` was rejected, which is `error` itself
/// unless the key of one of them, or of the root that issued one, is a short RSA key.
pub(crate) fn explain_signature(
    error: Error,
    certificates: &[CertificateDer<'_>],
    roots: &[TrustAnchor<'_>],
) -> Error {
    let is_signature = matches!(
        error,
        Error::InvalidCertificate(CertificateError::BadSignature)
    );
    if is_signature && certificates.iter().any(|it| has_short_key(it, roots)) {
        return CertificateError::Other(OtherError(Arc::new(ShortKey))).into();
    }
    error
}

fn has_short_key(certificate: &CertificateDer<'_>, roots: &[TrustAnchor<'_>]) -> bool {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else {
        return false;
    };
    // The subject of a root is stored without the tag and length of the sequence.
    let issuer = roots
        .iter()
        .find(|root| certificate.issuer().ends_with(&root.subject));
    is_short_rsa(&certificate.subject_public_key_info())
        || issuer.is_some_and(|root| is_short_rsa(&root.subject_public_key_info))
}

/// Returns whether `key` is an RSA key that is too short, judged by the length of its DER encoding.
fn is_short_rsa(key: &[u8]) -> bool {
    let is_rsa = key
        .windows(RSA_ENCRYPTION.len())
        .any(|window| window == RSA_ENCRYPTION);
    is_rsa && key.len() < MIN_MODULUS
}
