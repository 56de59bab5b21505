//! The signature of schema 1: libtrust's JSON signature with ES256, embedded in the signed document.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use windlass_oci::Digest;

use super::{JsonEdit, Schema1Flaw, pretty};

/// The end of every signed document.
const TAIL: &str = "\n}";
/// The prefix of a P-256 point in a `SubjectPublicKeyInfo` (RFC 5480).
const SPKI_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The options for a signature.
#[derive(Clone, Debug, Default)]
pub(super) struct SignatureOptions {
    pub(super) flaw: Option<Schema1Flaw>,
    pub(super) header_edits: Vec<JsonEdit>,
    pub(super) protected_edits: Vec<JsonEdit>,
}

impl SignatureOptions {
    /// Signs `payload`, an object in several lines, and inserts the signature before its end.
    pub(super) fn sign(&self, payload: &[u8]) -> Vec<u8> {
        let text = std::str::from_utf8(payload).expect("JSON is text");
        let body = text.strip_suffix(TAIL).expect("the document is an object");
        let (mut body, insertion) = match self.flaw {
            Some(Schema1Flaw::Unsigned) => return payload.to_vec(),
            Some(Schema1Flaw::UnsignedLayers) => (body.to_owned(), other_layers()),
            _ => (body.to_owned(), String::new()),
        };
        let signatures = match self.flaw {
            Some(Schema1Flaw::NoSignatures) => json!([]),
            _ => json!([self.signature(&body)]),
        };
        if self.flaw == Some(Schema1Flaw::Tampered) {
            tamper(&mut body);
        }
        let signatures = pretty(&signatures);
        let signatures = std::str::from_utf8(&signatures).expect("JSON is text");
        let signatures = signatures.replace('\n', "\n   ");
        format!("{body}{insertion},\n   \"signatures\": {signatures}{TAIL}").into_bytes()
    }

    /// Signs the document that consists of `body` and its tail.
    fn signature(&self, body: &str) -> Value {
        let has_flaw = |flaw| self.flaw == Some(flaw);
        let key = new_key();
        let mut tail = TAIL.to_owned();
        if has_flaw(Schema1Flaw::LayersInTail) {
            tail = format!("{}{TAIL}", other_layers());
        }
        let longer = if has_flaw(Schema1Flaw::LongerThanItIs) {
            1 << 20
        } else {
            0
        };
        let mut protected = json!({
            "formatLength": body.len() + longer,
            "formatTail": encoded(tail.as_bytes()),
            "time": "2016-01-01T00:00:00Z",
        });
        for edit in &self.protected_edits {
            edit(&mut protected);
        }
        let protected = encoded(protected.to_string().as_bytes());
        let payload = encoded(format!("{body}{tail}").as_bytes());
        let message = format!("{protected}.{payload}");
        let mut signature = key
            .sign(&SystemRandom::new(), message.as_bytes())
            .expect("random numbers are available")
            .as_ref()
            .to_vec();
        if has_flaw(Schema1Flaw::WrongSignature) {
            signature[40] ^= 1;
        }
        let header_key = if has_flaw(Schema1Flaw::OtherKey) {
            new_key()
        } else {
            key
        };
        let mut header = json!({ "alg": "ES256", "jwk": jwk(&header_key) });
        if has_flaw(Schema1Flaw::NoAlgorithm) {
            header["alg"] = json!("none");
        }
        if has_flaw(Schema1Flaw::OtherKeyId) {
            header["jwk"]["kid"] = jwk(&new_key())["kid"].clone();
        }
        for edit in &self.header_edits {
            edit(&mut header);
        }
        json!({
            "header": header,
            "protected": protected,
            "signature": encoded(&signature),
        })
    }
}

fn new_key() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("random numbers are available")
}

/// Returns the public key (RFC 7517) with libtrust's key ID.
fn jwk(key: &EcdsaKeyPair) -> Value {
    let point = key.public_key().as_ref();
    let (x, y) = point[1..].split_at(32);
    json!({
        "crv": "P-256",
        "kid": key_id(point),
        "kty": "EC",
        "x": encoded(x),
        "y": encoded(y),
    })
}

/// Returns the first 240 bits of the public key's SHA-256 in base32, in groups of four.
pub(super) fn key_id(point: &[u8]) -> String {
    let hash = digest(&SHA256, &[&SPKI_HEAD, point].concat());
    let mut id = String::new();
    let bits = |byte: u8| (0..8).rev().map(move |at| usize::from(byte >> at & 1));
    let bits: Vec<usize> = hash.as_ref()[..30].iter().copied().flat_map(bits).collect();
    for (number, letter) in bits.chunks(5).enumerate() {
        if number > 0 && number % 4 == 0 {
            id.push(':');
        }
        let value = letter.iter().fold(0, |value, bit| value * 2 + bit);
        id.push(char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[value]));
    }
    id
}

/// Returns layers that are not signed.
fn other_layers() -> String {
    let other = Digest::sha256(b"an unsigned layer");
    format!(",\n   \"fsLayers\": [\n      {{\n         \"blobSum\": \"{other}\"\n      }}\n   ]")
}

/// Changes a digit of the first layer's digest; the length stays.
fn tamper(body: &mut String) {
    let at = body.find("sha256:").expect("the image has a layer") + "sha256:".len();
    let other = if body[at..].starts_with('0') {
        "1"
    } else {
        "0"
    };
    body.replace_range(at..=at, other);
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
