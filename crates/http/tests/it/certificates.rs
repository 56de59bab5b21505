//! Certificate authorities and the certificates they sign.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ConfigBuilder, RootCertStore, ServerConfig, WantsVerifier};
use windlass_http::{ClientIdentity, Secret};

/// The number of authorities created so far.
static MADE: AtomicUsize = AtomicUsize::new(0);

/// A certificate authority that only explicit configuration trusts.
pub(crate) struct CertificateAuthority {
    pub(crate) pem: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

/// The contents of a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certificate {
    /// For `127.0.0.1` and `registry.test`.
    Good,
    ForAnotherName,
    Expired,
}

impl CertificateAuthority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        // A unique name: authorities with equal names could be distinguished by their signatures only.
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("authority {number}");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem().into_bytes();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }

    /// Returns the configuration of an HTTP/1.1 server with a new certificate.
    pub(crate) fn server(&self, certificate: Certificate) -> ServerConfig {
        let identity = self.sign(certificate);
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
        let (chain, key) = parsed(&self.sign(Certificate::Good));
        builder()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain, key)
            .unwrap()
    }

    pub(crate) fn sign(&self, certificate: Certificate) -> ClientIdentity {
        let key = KeyPair::generate().unwrap();
        let mut params = params(certificate);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        ClientIdentity {
            certificates: signed.pem().into_bytes(),
            key: Secret::new(key.serialize_pem()),
        }
    }
}

/// Returns the configuration of a server with a self-signed certificate.
pub(crate) fn self_signed() -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let identity = ClientIdentity {
        certificates: params.self_signed(&key).unwrap().pem().into_bytes(),
        key: Secret::new(key.serialize_pem()),
    };
    let (chain, key) = parsed(&identity);
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
        Certificate::Good | Certificate::Expired => {
            vec!["127.0.0.1".to_owned(), "registry.test".to_owned()]
        }
    };
    let mut params = CertificateParams::new(names).unwrap();
    if certificate == Certificate::Expired {
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
    }
    params
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
