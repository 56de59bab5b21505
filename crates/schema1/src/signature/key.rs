//! The public keys of signatures: JSON web keys (RFC 7517, RFC 7518).

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED,
    EcdsaVerificationAlgorithm, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};
use aws_lc_rs::{digest, error::Unspecified};
use windlass_oci::text::sanitize;

use super::base64_text::decoded;
use crate::SignatureError;
use crate::object::Object;

/// The members of a JSON web key that are read.
pub(super) const MEMBERS: &[&str] = &["kty", "kid", "crv", "x", "y", "n", "e"];

/// The largest size of the modulus and exponent of an RSA key, in bytes.
const MAX_RSA_BYTES: usize = 1024;

/// A signature algorithm (RFC 7518, section 3.1).
#[derive(Clone, Copy)]
pub(super) enum SignatureAlgorithm {
    Es256,
    Es384,
    Es512,
    Rs256,
    Rs384,
    Rs512,
}

/// A public key.
pub(super) enum PublicKey {
    Ec {
        curve: Curve,
        /// The uncompressed point: the byte 4, followed by both coordinates.
        point: Vec<u8>,
    },
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
}

#[derive(Clone, Copy)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl SignatureAlgorithm {
    pub(super) fn named(name: &str) -> Result<Self, SignatureError> {
        match name {
            "ES256" => Ok(Self::Es256),
            "ES384" => Ok(Self::Es384),
            "ES512" => Ok(Self::Es512),
            "RS256" => Ok(Self::Rs256),
            "RS384" => Ok(Self::Rs384),
            "RS512" => Ok(Self::Rs512),
            _ => Err(SignatureError::Algorithm {
                found: sanitize(name),
            }),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
        }
    }

    /// Returns the method for a key on `curve`; each curve belongs to exactly one algorithm.
    fn on_curve(self, curve: Curve) -> Option<&'static EcdsaVerificationAlgorithm> {
        match (self, curve) {
            (Self::Es256, Curve::P256) => Some(&ECDSA_P256_SHA256_FIXED),
            (Self::Es384, Curve::P384) => Some(&ECDSA_P384_SHA384_FIXED),
            (Self::Es512, Curve::P521) => Some(&ECDSA_P521_SHA512_FIXED),
            (Self::Es256, Curve::P384 | Curve::P521)
            | (Self::Es384, Curve::P256 | Curve::P521)
            | (Self::Es512, Curve::P256 | Curve::P384)
            | (Self::Rs256 | Self::Rs384 | Self::Rs512, _) => None,
        }
    }

    fn rsa(self) -> Option<&'static RsaParameters> {
        match self {
            Self::Rs256 => Some(&RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Some(&RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Some(&RSA_PKCS1_2048_8192_SHA512),
            Self::Es256 | Self::Es384 | Self::Es512 => None,
        }
    }
}

impl Curve {
    fn named(name: &str) -> Result<Self, SignatureError> {
        match name {
            "P-256" => Ok(Self::P256),
            "P-384" => Ok(Self::P384),
            "P-521" => Ok(Self::P521),
            _ => Err(SignatureError::KeyType {
                found: sanitize(name),
            }),
        }
    }

    /// Returns the length of a coordinate in bytes.
    fn size(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// Returns the bytes before the point in a `SubjectPublicKeyInfo` (RFC 5480, section 2).
    fn der_prefix(self) -> &'static [u8] {
        match self {
            Self::P256 => {
                b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
                  \x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00"
            }
            Self::P384 => {
                b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
                  \x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00"
            }
            Self::P521 => {
                b"\x30\x81\x9b\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
                  \x06\x05\x2b\x81\x04\x00\x23\x03\x81\x86\x00"
            }
        }
    }
}

impl PublicKey {
    /// Reads a key and checks its ID, if present.
    pub(super) fn read(jwk: &Object<'_>) -> Result<Self, SignatureError> {
        let kind: String = jwk.require("kty")?;
        let key = match &*kind {
            "EC" => Self::read_ec(jwk)?,
            "RSA" => Self::read_rsa(jwk)?,
            _ => {
                let found = sanitize(&kind);
                return Err(SignatureError::KeyType { found });
            }
        };
        if let Some(id) = jwk.get::<String>("kid")? {
            let computed = key.id()?;
            if id != computed {
                let found = sanitize(&id);
                return Err(SignatureError::KeyId { found, computed });
            }
        }
        Ok(key)
    }

    fn read_ec(jwk: &Object<'_>) -> Result<Self, SignatureError> {
        let curve = Curve::named(&jwk.require::<String>("crv")?)?;
        let x = decoded("header.jwk.x", &jwk.require::<String>("x")?)?;
        let y = decoded("header.jwk.y", &jwk.require::<String>("y")?)?;
        if [x.len(), y.len()] != [curve.size(); 2] {
            return Err(SignatureError::Key);
        }
        let point = [&[4][..], &x, &y].concat();
        Ok(Self::Ec { curve, point })
    }

    fn read_rsa(jwk: &Object<'_>) -> Result<Self, SignatureError> {
        let n = decoded("header.jwk.n", &jwk.require::<String>("n")?)?;
        let e = decoded("header.jwk.e", &jwk.require::<String>("e")?)?;
        if n.len().max(e.len()) > MAX_RSA_BYTES {
            return Err(SignatureError::Key);
        }
        Ok(Self::Rsa(RsaPublicKeyComponents { n, e }))
    }

    /// Returns libtrust's ID of the key: the first 240 bits of the sha256 digest of its `SubjectPublicKeyInfo`, in
    /// base32, in groups of four digits.
    fn id(&self) -> Result<String, SignatureError> {
        let der = match self {
            Self::Ec { curve, point } => [curve.der_prefix(), point].concat(),
            Self::Rsa(key) => {
                let der = key.as_der().map_err(|Unspecified| SignatureError::Key)?;
                der.as_ref().to_vec()
            }
        };
        let hash = digest::digest(&digest::SHA256, &der);
        let digits = base32(&hash.as_ref()[..30]);
        let groups = digits.chunks(4).map(|group| group.iter().collect());
        Ok(groups.collect::<Vec<String>>().join(":"))
    }

    pub(super) fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let verified = match self {
            Self::Ec { curve, point } => algorithm
                .on_curve(*curve)
                .map(|method| UnparsedPublicKey::new(method, point).verify(message, signature)),
            Self::Rsa(key) => algorithm
                .rsa()
                .map(|method| key.verify(method, message, signature)),
        };
        let algorithm = algorithm.name();
        verified
            .ok_or(SignatureError::KeyForAlgorithm { algorithm })?
            .map_err(|Unspecified| SignatureError::Mismatch)
    }
}

/// Returns the base32 digits (RFC 4648, section 6) of `bytes`, whose length must be a multiple of 5.
fn base32(bytes: &[u8]) -> Vec<char> {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let groups = bytes.chunks_exact(5).map(|group| {
        let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        group.iter().fold(0, join)
    });
    let digit = |number: u64, place: u32| char::from(DIGITS[(number >> (5 * place) & 31) as usize]);
    groups
        .flat_map(|number| (0..8).rev().map(move |place| digit(number, place)))
        .collect()
}
