//! Signs payloads as Docker's libtrust does.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A private key and the algorithm it signs with.
pub(crate) struct Signer {
    algorithm: &'static str,
    pair: Pair,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Rsa(&'static RsaKeyPair),
}

/// Generated once, because it is slow.
static RSA: LazyLock<RsaKeyPair> =
    LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());

impl Signer {
    /// Generates a key for `algorithm`, such as `ES256`; all RSA algorithms share one key.
    pub(crate) fn new(algorithm: &'static str) -> Self {
        let ec = |method| Pair::Ec(EcdsaKeyPair::generate(method).unwrap());
        let pair = match algorithm {
            "ES256" => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            "ES384" => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            "ES512" => ec(&ECDSA_P521_SHA512_FIXED_SIGNING),
            "RS256" | "RS384" | "RS512" => Pair::Rsa(&RSA),
            other => panic!("no key signs {other}"),
        };
        Self { algorithm, pair }
    }

    /// Returns the unprotected header: the public key as a JSON web key, and the algorithm.
    pub(crate) fn header(&self) -> String {
        format!(r#"{{"jwk":{},"alg":"{}"}}"#, self.jwk(), self.algorithm)
    }

    /// Returns the public key as a JSON web key, without an ID.
    pub(crate) fn jwk(&self) -> String {
        match &self.pair {
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(self.coordinate());
                let (x, y) = (base64(x), base64(y));
                let curve = match self.algorithm {
                    "ES256" => "P-256",
                    "ES384" => "P-384",
                    _ => "P-521",
                };
                format!(r#"{{"kty":"EC","crv":"{curve}","x":"{x}","y":"{y}"}}"#)
            }
            Pair::Rsa(pair) => {
                // RFC 8017, A.1.1: a sequence of modulus and exponent at fixed offsets.
                let der = pair.public_key().as_ref();
                let (n, e) = (base64(&der[9..265]), base64(&der[267..]));
                format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#)
            }
        }
    }

    fn coordinate(&self) -> usize {
        match self.algorithm {
            "ES256" => 32,
            "ES384" => 48,
            _ => 66,
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let method = match self.algorithm {
                    "RS256" => &RSA_PKCS1_SHA256,
                    "RS384" => &RSA_PKCS1_SHA384,
                    _ => &RSA_PKCS1_SHA512,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(method, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }
}

/// Returns `payload`, signed with each of `signers`.
pub(crate) fn signed(payload: &str, signers: &[&Signer]) -> String {
    let protected = protected(payload);
    let blocks: Vec<_> = signers
        .iter()
        .map(|signer| block(signer, &signer.header(), &protected, payload))
        .collect();
    with_signatures(payload, &blocks)
}

/// Returns a signature with this header over the protected header and the payload.
pub(crate) fn block(signer: &Signer, header: &str, protected: &str, payload: &str) -> String {
    let protected = base64(protected);
    let message = format!("{protected}.{}", base64(payload));
    let signature = base64(signer.sign(message.as_bytes()));
    format!(r#"{{"header":{header},"signature":"{signature}","protected":"{protected}"}}"#)
}

/// Returns the protected header, which describes how to extract the payload from the document.
pub(crate) fn protected(payload: &str) -> String {
    let (head, tail) = split(payload);
    protected_format(head.len(), tail)
}

pub(crate) fn protected_format(length: usize, tail: &str) -> String {
    let tail = base64(tail);
    format!(r#"{{"formatLength":{length},"formatTail":"{tail}","time":"2016-01-01T00:00:00Z"}}"#)
}

/// Adds signatures after the last member of `payload`.
pub(crate) fn with_signatures(payload: &str, blocks: &[String]) -> String {
    let (head, tail) = split(payload);
    format!(r#"{head},"signatures":[{}]{tail}"#, blocks.join(","))
}

/// Splits `payload` before the white space and the brace at its end.
pub(crate) fn split(payload: &str) -> (&str, &str) {
    let head = payload.trim_end().strip_suffix('}').unwrap().trim_end();
    payload.split_at(head.len())
}

pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
