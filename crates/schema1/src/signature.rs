//! The signatures of a manifest, and the payload that they are of.
//!
//! They are JSON web signatures (RFC 7515) in the form of Docker's libtrust. Each protects two things that
//! say how the payload is got from the document: `formatLength`, how many of the document's first bytes are
//! in it, and `formatTail`, what comes behind those.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::value::RawValue;
use windlass_oci::MAX_MANIFEST_SIZE;
use windlass_oci::text::sanitize;

use crate::object::Object;
use crate::{MAX_SIGNATURES, Schema1Error, SignatureError};

mod key;

use key::{Algorithm, Key};

const PROTECTED: &[&str] = &["formatLength", "formatTail", "time"];

/// One signature.
struct Signature {
    key: Key,
    algorithm: Algorithm,
    bytes: Vec<u8>,
    /// As it stands there, in base64: that is what is signed.
    protected: String,
    format: Format,
}

/// How the payload is got from the document.
#[derive(PartialEq, Eq)]
struct Format {
    length: usize,
    tail: Vec<u8>,
}

/// Returns the payload of `document`, which all its signatures are of.
pub(crate) fn open(document: &[u8]) -> Result<Vec<u8>, Schema1Error> {
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
        let algorithm = Algorithm::named(&header.require::<String>("alg")?)?;
        let key = header
            .object("jwk", key::MEMBERS)?
            .ok_or_else(|| header.missing("jwk"))?;
        let protected: String = block.require("protected")?;
        let format = Format::read(&decoded("protected", &protected)?)?;
        Ok(Self {
            key: Key::read(&key)?,
            algorithm,
            bytes: decoded("signature", &block.require::<String>("signature")?)?,
            protected,
            format,
        })
    }

    /// Checks that the signature is of the payload, here in base64, and of what is protected.
    fn verify(&self, payload: &str) -> Result<(), SignatureError> {
        let message = format!("{}.{payload}", self.protected);
        self.key
            .verify(self.algorithm, message.as_bytes(), &self.bytes)
    }
}

impl Format {
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

    /// Returns the payload, if the document is the payload with `signatures` as one member more.
    ///
    /// The tail may only be the end of an object, and behind the payload's first part may only come that one
    /// member and such an end. So payload and document say the same but for the signatures, and no reader of
    /// either is told something that is not signed (C2).
    fn payload(&self, document: &[u8], signatures: &RawValue) -> Result<Vec<u8>, SignatureError> {
        let parts = document.split_at_checked(self.length);
        let (head, rest) = parts.ok_or(SignatureError::Format)?;
        let end = strip(rest, b",")
            .and_then(|rest| strip(rest, br#""signatures""#))
            .and_then(|rest| strip(rest, b":"))
            .and_then(|rest| strip(rest, signatures.get().as_bytes()));
        if !end.is_some_and(ends_object) || !ends_object(&self.tail) {
            return Err(SignatureError::Format);
        }
        Ok([head, &self.tail].concat())
    }
}

/// Returns what adds the place of a signature to its error.
fn at(index: usize) -> impl Fn(SignatureError) -> Schema1Error {
    move |source| Schema1Error::Signature { index, source }
}

fn decoded(at: &'static str, text: &str) -> Result<Vec<u8>, SignatureError> {
    let decoded = URL_SAFE_NO_PAD.decode(text);
    decoded.map_err(|_| SignatureError::Base64 { at })
}

/// Returns what comes behind `token` and the blanks before it.
fn strip<'a>(bytes: &'a [u8], token: &[u8]) -> Option<&'a [u8]> {
    without_blanks(bytes).strip_prefix(token)
}

/// Returns whether `bytes` are the end of an object, and nothing else.
fn ends_object(bytes: &[u8]) -> bool {
    strip(bytes, b"}").is_some_and(|rest| without_blanks(rest).is_empty())
}

/// Returns `bytes` without the blanks that JSON allows before the first.
fn without_blanks(bytes: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let start = bytes.iter().position(|byte| !is_blank(byte));
    &bytes[start.unwrap_or(bytes.len())..]
}
