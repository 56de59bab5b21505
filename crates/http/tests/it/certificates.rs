//! Certificate authorities and the certificates they sign.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ConfigBuilder, RootCertStore, ServerConfig, WantsVerifier};
use windlass_http::{ClientIdentity, Secret};
use windlass_testing::{Ca, TlsIdentity};

/// The names in a [`Certificate::Good`].
const NAMES: [&str; 2] = ["127.0.0.1", "registry.test"];

/// A certificate authority that only explicit configuration trusts.
pub(crate) struct CertificateAuthority {
    pub(crate) pem: Vec<u8>,
    ca: Ca,
}

/// The contents of a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certificate {
    /// For [`NAMES`].
    Good,
    ForAnotherName,
    Expired,
}

impl CertificateAuthority {
    pub(crate) fn new() -> Self {
        let ca = Ca::new();
        let pem = ca.pem().into();
        Self { pem, ca }
    }

    /// Returns the configuration of an HTTP/1.1 server with a new certificate.
    pub(crate) fn server(&self, certificate: Certificate) -> ServerConfig {
        let identity = self.server_identity(certificate);
        let config = builder().with_no_client_auth();
        let (chain, key) = parsed(&identity);
        config.with_single_cert(chain, key).unwrap()
    }

    /// Returns the same for HTTP/2.
    pub(crate) fn h2_server(&self) -> ServerConfig {
        let mut config = self.server(Certificate::Good);
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }

    /// Returns the same for a server that requires a client certificate signed by this authority.
    pub(crate) fn demanding_server(&self) -> ServerConfig {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(&self.pem).unwrap())
            .unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
        let (chain, key) = parsed(&self.server_identity(Certificate::Good));
        builder()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain, key)
            .unwrap()
    }

    /// Returns a new certificate of a server.
    pub(crate) fn server_identity(&self, certificate: Certificate) -> ClientIdentity {
        identity(match certificate {
            Certificate::Good => self.ca.server(&NAMES),
            Certificate::ForAnotherName => self.ca.server(&["another.test"]),
            Certificate::Expired => self.ca.expired_server(&NAMES),
        })
    }

    /// Returns a new certificate of a client.
    pub(crate) fn client_identity(&self) -> ClientIdentity {
        identity(self.ca.client("client"))
    }
}

/// Returns the configuration of a server with a self-signed certificate.
pub(crate) fn self_signed() -> ServerConfig {
    let (chain, key) = parsed(&identity(TlsIdentity::self_signed(&["127.0.0.1"])));
    builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}

/// Returns the configuration of a server whose certificate is that of an authority (as created by `openssl
/// req -x509`), and the certificate.
pub(crate) fn authority_as_server(certificate: Certificate) -> (ServerConfig, Vec<u8>) {
    let key = KeyPair::generate().unwrap();
    let mut params = params(certificate);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let identity = ClientIdentity {
        certificates: params.self_signed(&key).unwrap().pem().into_bytes(),
        key: Secret::new(key.serialize_pem()),
    };
    let (chain, key) = parsed(&identity);
    let config = builder().with_no_client_auth();
    let config = config.with_single_cert(chain, key).unwrap();
    (config, identity.certificates)
}

/// Returns the configuration of a server that presents the certificate of another server without having its
/// key.
pub(crate) fn stolen(identity: &ClientIdentity) -> ServerConfig {
    use rustls::sign::{CertifiedKey, SingleCertAndKey};
    let (chain, _) = parsed(identity);
    let other = PrivateKeyDer::Pkcs8(KeyPair::generate().unwrap().serialize_der().into());
    let key = aws_lc_rs::sign::any_supported_type(&other).unwrap();
    let resolver = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    builder()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver))
}

fn params(certificate: Certificate) -> CertificateParams {
    let names = match certificate {
        Certificate::ForAnotherName => vec!["another.test".to_owned()],
        Certificate::Good | Certificate::Expired => NAMES.map(str::to_owned).into(),
    };
    let mut params = CertificateParams::new(names).unwrap();
    if certificate == Certificate::Expired {
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
    }
    params
}

fn identity(pem: TlsIdentity) -> ClientIdentity {
    ClientIdentity {
        certificates: pem.certificate.into_bytes(),
        key: Secret::new(pem.key),
    }
}

fn builder() -> ConfigBuilder<ServerConfig, WantsVerifier> {
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
}

fn parsed(identity: &ClientIdentity) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::pem_slice_iter(&identity.certificates);
    (
        chain.map(Result::unwrap).collect(),
        PrivateKeyDer::from_pem_slice(identity.key.expose().as_bytes()).unwrap(),
    )
}
