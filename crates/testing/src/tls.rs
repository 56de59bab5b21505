//! Certificates for tests: an authority, and certificates that it signs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The number of authorities created.
static AUTHORITIES: AtomicU64 = AtomicU64::new(0);

/// A certificate authority that no client trusts by default.
///
/// Certificates use P-256 and are valid from yesterday for thirty days, which every client accepts.
///
/// ```
/// use windlass_testing::{Ca, Registry};
///
/// let ca = Ca::new();
/// let registry = Registry::builder().tls(&ca).start();
/// assert!(registry.url().starts_with("https://127.0.0.1:"));
/// // … trust `ca.pem()`, and pull …
/// ```
#[derive(Clone)]
pub struct Ca(Arc<Authority>);

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its private key, both as PEM.
#[derive(Clone)]
pub struct TlsIdentity {
    /// The certificate, without a chain: its issuer is the authority itself.
    pub certificate: String,
    /// The private key, PKCS #8.
    pub key: String,
}

impl Ca {
    /// Creates an authority with a new key.
    ///
    /// # Panics
    /// If no random numbers are available.
    pub fn new() -> Self {
        let key = new_key();
        // A unique name, so that a client does not mix authorities up.
        let number = AUTHORITIES.fetch_add(1, Ordering::Relaxed);
        let mut params = valid_now(params(&format!("windlass test authority {number}")));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).expect(VALID_REQUEST);
        Self(Arc::new(Authority {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }))
    }

    /// Returns the authority's certificate, PEM.
    pub fn pem(&self) -> &str {
        &self.0.pem
    }

    /// Creates a server certificate for `names`: host names and IP addresses.
    ///
    /// # Panics
    /// If a name is not valid in a certificate.
    pub fn server(&self, names: &[&str]) -> TlsIdentity {
        self.sign(valid_now(server_params(names)))
    }

    /// Like [`server`](Self::server), valid only in the year 2000.
    pub fn expired_server(&self, names: &[&str]) -> TlsIdentity {
        let mut params = server_params(names);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
        self.sign(params)
    }

    /// Creates a client certificate for `name`.
    pub fn client(&self, name: &str) -> TlsIdentity {
        let mut params = valid_now(params(name));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> TlsIdentity {
        params.use_authority_key_identifier_extension = true;
        let key = new_key();
        let certificate = params.signed_by(&key, &self.0.issuer).expect(VALID_REQUEST);
        TlsIdentity::new(&certificate, &key)
    }
}

impl Default for Ca {
    fn default() -> Self {
        Self::new()
    }
}

impl TlsIdentity {
    /// Creates a self-signed server certificate for `names`.
    ///
    /// # Panics
    /// If a name is not valid in a certificate.
    pub fn self_signed(names: &[&str]) -> Self {
        let key = new_key();
        let params = valid_now(server_params(names));
        Self::new(&params.self_signed(&key).expect(VALID_REQUEST), &key)
    }

    fn new(certificate: &Certificate, key: &KeyPair) -> Self {
        Self {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ca")
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

const VALID_REQUEST: &str = "the certificate request is valid";

fn new_key() -> KeyPair {
    KeyPair::generate().expect("random numbers are available")
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn server_params(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let first = names.first().cloned().unwrap_or_default();
    let mut params = params(&first);
    let alternatives = CertificateParams::new(names).expect("the names are valid in a certificate");
    params.subject_alt_names = alternatives.subject_alt_names;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn valid_now(mut params: CertificateParams) -> CertificateParams {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("the clock is past 1970");
    params.not_before = date_time_ymd(1970, 1, 1) + now.saturating_sub(DAY);
    params.not_after = params.not_before + 30 * DAY;
    params
}
