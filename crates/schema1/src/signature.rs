//! The signatures of a manifest and the payload that they sign.
//!
//! They are JSON web signatures (RFC 7515) in the form of Docker's libtrust. The protected header of each describes how
//! to extract the payload from the document: the payload is the first `formatLength` bytes of the document followed by
//! `formatTail`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::value::RawValue;
use windlass_oci::MAX_MANIFEST_SIZE;
use windlass_oci::text::sanitize;

use crate::object::Object;
use crate::{Schema1Error, SignatureError};

mod base64_text;
mod key;

use base64_text::decoded;
use key::{PublicKey, SignatureAlgorithm};

/// The largest number of signatures of a manifest.
pub const MAX_SIGNATURES: usize = 16;

const PROTECTED: &[&str] = &["formatLength", "formatTail", "time"];

/// A signature.
struct Signature {
    key: PublicKey,
    algorithm: SignatureAlgorithm,
    bytes: Vec<u8>,
    /// The protected header in base64url, as in the document: the signature is computed over this form.
    protected: String,
    format: PayloadFormat,
}

/// How to extract the payload from the document.
#[derive(PartialEq, Eq)]
struct PayloadFormat {
    length: usize,
    tail: Vec<u8>,
}

/// Verifies all signatures of `document` and returns the payload that they sign.
pub(crate) fn verify_document(document: &[u8]) -> Result<Vec<u8>, Schema1Error> {
    if document.len() > MAX_MANIFEST_SIZE {
        let size = document.len();
        return Err(Schema1Error::TooLarge { size });
    }
    let top = Object::parse(document, &["signatures"])?;
    let blocks = top.list::<MAX_SIGNATURES>("signatures")?;
    let mut signatures = Vec::with_capacity(blocks.len());
    for (index, block) in blocks.into_iter().enumerate() {
        signatures.push(Signature::read(block).map_err(at(index))?);
    }
    let (Some(first), Some(block)) = (signatures.first(), top.raw("signatures")) else {
        return Err(Schema1Error::Unsigned);
    };
    let payload = first.format.payload(document, block).map_err(at(0))?;
    let encoded = URL_SAFE_NO_PAD.encode(&payload);
    for (index, signature) in signatures.iter().enumerate() {
        if signature.format != first.format {
            return Err(at(index)(SignatureError::OtherPayload));
        }
        signature.verify(&encoded).map_err(at(index))?;
    }
    Ok(payload)
}

impl Signature {
    fn read(block: &RawValue) -> Result<Self, SignatureError> {
        let block = Object::nested(String::new(), block, &["header", "signature", "protected"])?;
        let header = block
            .object("header", &["jwk", "alg", "x5c", "crit"])?
            .ok_or_else(|| block.missing("header"))?;
        if header.raw("crit").is_some() {
            return Err(SignatureError::Critical);
        }
        if header.raw("x5c").is_some() {
            return Err(SignatureError::Certificate);
        }
        let algorithm = SignatureAlgorithm::named(&header.require::<String>("alg")?)?;
        let key = header
            .object("jwk", key::MEMBERS)?
            .ok_or_else(|| header.missing("jwk"))?;
        let protected: String = block.require("protected")?;
        let format = PayloadFormat::read(&decoded("protected", &protected)?)?;
        Ok(Self {
            key: PublicKey::read(&key)?,
            algorithm,
            bytes: decoded("signature", &block.require::<String>("signature")?)?,
            protected,
            format,
        })
    }

    /// Verifies the signature of the payload, given in base64url, and the protected header.
    fn verify(&self, payload: &str) -> Result<(), SignatureError> {
        let message = format!("{}.{payload}", self.protected);
        self.key
            .verify(self.algorithm, message.as_bytes(), &self.bytes)
    }
}

impl PayloadFormat {
    fn read(protected: &[u8]) -> Result<Self, SignatureError> {
        let protected = Object::parse(protected, PROTECTED)?;
        let length: u64 = protected.require("formatLength")?;
        let tail: String = protected.require("formatTail")?;
        let members = protected.into_members();
        if let Some(name) = members.keys().find(|name| !PROTECTED.contains(&&***name)) {
            let name = sanitize(name);
            return Err(SignatureError::Protected { name });
        }
        Ok(Self {
            length: usize::try_from(length).map_err(|_| SignatureError::Format)?,
            tail: decoded("formatTail", &tail)?,
        })
    }

    /// Returns the payload, if the document is the payload with `signatures` added as the last member.
    ///
    /// The tail must be the end of an object, and the first part of the payload must be followed by only the member
    /// `signatures` and the end of an object. So payload and document differ only in the signatures, and a reader of
    /// either gets no unsigned content (C2).
    fn payload(&self, document: &[u8], signatures: &RawValue) -> Result<Vec<u8>, SignatureError> {
        let parts = document.split_at_checked(self.length);
        let (head, rest) = parts.ok_or(SignatureError::Format)?;
        let end = strip(rest, b",")
            .and_then(|rest| strip(rest, br#""signatures""#))
            .and_then(|rest| strip(rest, b":"))
            .and_then(|rest| strip(rest, signatures.get().as_bytes()));
        if !end.is_some_and(is_object_end) || !is_object_end(&self.tail) {
            return Err(SignatureError::Format);
        }
        Ok([head, &self.tail].concat())
    }
}

/// Returns a function that adds the index of a signature to its error.
fn at(index: usize) -> impl Fn(SignatureError) -> Schema1Error {
    move |source| Schema1Error::Signature { index, source }
}

/// Removes white space and then `token` from the start of `bytes`.
fn strip<'a>(bytes: &'a [u8], token: &[u8]) -> Option<&'a [u8]> {
    trim_json_start(bytes).strip_prefix(token)
}

/// Returns whether `bytes` consist of the closing brace of an object and white space.
fn is_object_end(bytes: &[u8]) -> bool {
    strip(bytes, b"}").is_some_and(|rest| trim_json_start(rest).is_empty())
}

/// Returns `bytes` without leading JSON white space.
fn trim_json_start(bytes: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let start = bytes.iter().position(|byte| !is_space(byte));
    &bytes[start.unwrap_or(bytes.len())..]
}
