//! Signs tokens as `docker-registry` wants them: JWTs by ES256 with the certificate in their header.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};

/// A key, and the certificate by which a registry knows it.
#[derive(Debug)]
pub(super) struct Signer {
    key: EcdsaKeyPair,
    /// PEM.
    pub(super) certificate: String,
    /// What every token begins with (RFC 7515, section 4.1), encoded.
    header: String,
}

impl Signer {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().expect("the system gives random numbers");
        let mut params = CertificateParams::default();
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "windlass test token server");
        let certificate = params.self_signed(&key).expect("a sound request");
        let chain = [BASE64_STANDARD.encode(certificate.der())];
        let header = json!({ "typ": "JWT", "alg": "ES256", "x5c": chain });
        let pkcs8 = key.serialize_der();
        Self {
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8)
                .expect("keys are of P-256 unless told otherwise"),
            certificate: certificate.pem(),
            header: encoded(&header),
        }
    }

    /// Makes a token of `claims`.
    pub(super) fn sign(&self, claims: &Value) -> String {
        let content = format!("{}.{}", self.header, encoded(claims));
        let signature = self.key.sign(&SystemRandom::new(), content.as_bytes());
        let signature = signature.expect("the system gives random numbers");
        format!("{content}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

fn encoded(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}
