//! Signs tokens for `docker-registry`: JWTs with ES256 and the certificate in the header.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};

/// A key with its certificate, which the registry trusts.
#[derive(Debug)]
pub(super) struct Signer {
    key: EcdsaKeyPair,
    /// PEM.
    pub(super) certificate: String,
    /// The encoded JOSE header of every token (RFC 7515, section 4.1).
    header: String,
}

impl Signer {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().expect("random numbers are available");
        let mut params = CertificateParams::default();
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "windlass test token server");
        let certificate = params
            .self_signed(&key)
            .expect("the certificate request is valid");
        let chain = [BASE64_STANDARD.encode(certificate.der())];
        let header = json!({ "typ": "JWT", "alg": "ES256", "x5c": chain });
        let pkcs8 = key.serialize_der();
        Self {
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8)
                .expect("generated keys are P-256 by default"),
            certificate: certificate.pem(),
            header: encoded(&header),
        }
    }

    /// Signs a token with `claims`.
    pub(super) fn sign(&self, claims: &Value) -> String {
        let content = format!("{}.{}", self.header, encoded(claims));
        let signature = self.key.sign(&SystemRandom::new(), content.as_bytes());
        let signature = signature.expect("random numbers are available");
        format!("{content}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

fn encoded(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}
