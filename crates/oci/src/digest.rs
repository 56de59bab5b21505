//! Content digests, and the identifiers made of them.
//!
//! A [`Digest`] is the hash of some exact bytes. The type around it states which bytes: the compressed blob of a
//! layer has a plain [`Digest`], its tar a [`DiffId`], a stack of layers a [`ChainId`], an image (the bytes of its
//! config) an [`ImageId`]. Mixing them up does not compile.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::digest::common::hazmat::SerializableState;
use sha2::{Digest as _, Sha256, Sha512};

use crate::text::{Sanitized, sanitize};

/// A hash algorithm that windlass can verify.
///
/// Both are registered by the OCI image specification ("Descriptors", "Registered Algorithms"). Others are rejected,
/// because their content cannot be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// `sha256`: 64 hex digits.
    Sha256,
    /// `sha512`: 128 hex digits.
    Sha512,
}

/// A parsed digest, `algorithm:hex`.
///
/// Parsing is strict (lower-case hex, the exact length), so a digest is always safe as part of a path or
/// a URL (T19).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    /// The first `algorithm.size()` bytes are the hash; the rest is zero.
    bytes: [u8; 64],
}

/// Why a string is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is no `algorithm:` before the hex digits.
    #[error("invalid digest {0:?}: expected algorithm:hex")]
    MissingAlgorithm(Sanitized),
    /// The algorithm is not supported.
    #[error("unsupported digest algorithm {0:?}: sha256 and sha512 can be verified")]
    Algorithm(Sanitized),
    /// The part after the colon is not lower-case hex of the right length.
    #[error("invalid {} digest {value:?}: expected {} lower-case hex digits", .algorithm.name(), .algorithm.size() * 2)]
    Hex {
        /// The algorithm before the colon.
        algorithm: Algorithm,
        /// The part after the colon, shortened.
        value: Sanitized,
    },
}

/// Computes a [`Digest`] incrementally.
#[derive(Clone, Debug)]
pub struct Hasher(HasherState);

#[derive(Clone, Debug)]
enum HasherState {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Algorithm {
    /// Returns the name before the colon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Returns the length of the hash in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl Digest {
    /// Returns the sha256 digest of `bytes`.
    pub fn sha256(bytes: impl AsRef<[u8]>) -> Self {
        Self::of(Algorithm::Sha256, bytes)
    }

    /// Returns the digest of `bytes` by `algorithm`.
    pub fn of(algorithm: Algorithm, bytes: impl AsRef<[u8]>) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes.as_ref());
        hasher.finish()
    }

    /// Returns the algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the hex digits after the colon.
    pub fn hex(&self) -> String {
        let mut text = self.to_string();
        text.drain(..=self.algorithm.name().len());
        text
    }

    /// Returns the first twelve hex digits: the short form for display.
    pub fn short(&self) -> String {
        let mut hex = self.hex();
        hex.truncate(12);
        hex
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.size()]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0u8; 128];
        let digits = self.bytes().iter().flat_map(|byte| [byte >> 4, byte & 15]);
        for (place, digit) in text.iter_mut().zip(digits) {
            *place = HEX[usize::from(digit)];
        }
        let hex = std::str::from_utf8(&text[..self.algorithm.size() * 2]).expect("hex is ASCII");
        write!(f, "{}:{hex}", self.algorithm.name())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (name, hex) = text
            .split_once(':')
            .ok_or_else(|| DigestError::MissingAlgorithm(sanitize(text)))?;
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return Err(DigestError::Algorithm(sanitize(name))),
        };
        let wrong = || DigestError::Hex {
            algorithm,
            value: sanitize(hex),
        };
        if hex.len() != algorithm.size() * 2 {
            return Err(wrong());
        }
        let mut bytes = [0u8; 64];
        for (place, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let (high, low) = (hex_value(pair[0]), hex_value(pair[1]));
            *place = high
                .zip(low)
                .map(|(high, low)| high << 4 | low)
                .ok_or_else(wrong)?;
        }
        Ok(Self { algorithm, bytes })
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DigestVisitor;

        // A visitor, because `serde_json` adds the position only to errors that are returned from one.
        impl Visitor<'_> for DigestVisitor {
            type Value = Digest;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a digest")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Digest, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(DigestVisitor)
    }
}

impl Hasher {
    /// Makes a hasher that has hashed no bytes yet.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => HasherState::Sha256(Sha256::new()),
            Algorithm::Sha512 => HasherState::Sha512(Sha512::new()),
        })
    }

    /// Hashes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            HasherState::Sha256(state) => state.update(bytes),
            HasherState::Sha512(state) => state.update(bytes),
        }
    }

    /// Returns the algorithm.
    pub fn algorithm(&self) -> Algorithm {
        match self.0 {
            HasherState::Sha256(_) => Algorithm::Sha256,
            HasherState::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// Returns the state from which [`Hasher::resume`] continues, also in another process.
    ///
    /// It reveals something about the hashed bytes, so it must be kept as private as they are.
    pub fn state(&self) -> Vec<u8> {
        match &self.0 {
            HasherState::Sha256(state) => state.serialize().to_vec(),
            HasherState::Sha512(state) => state.serialize().to_vec(),
        }
    }

    /// Makes a hasher that continues from a [`Hasher::state`]; `None` if `state` is not one of `algorithm`.
    pub fn resume(algorithm: Algorithm, state: &[u8]) -> Option<Self> {
        Some(Self(match algorithm {
            Algorithm::Sha256 => HasherState::Sha256(resumed(state)?),
            Algorithm::Sha512 => HasherState::Sha512(resumed(state)?),
        }))
    }

    /// Returns the digest of all bytes.
    pub fn finish(self) -> Digest {
        let mut bytes = [0u8; 64];
        let algorithm = match self.0 {
            HasherState::Sha256(state) => {
                bytes[..32].copy_from_slice(&state.finalize());
                Algorithm::Sha256
            }
            HasherState::Sha512(state) => {
                bytes.copy_from_slice(&state.finalize());
                Algorithm::Sha512
            }
        };
        Digest { algorithm, bytes }
    }
}

fn resumed<H: SerializableState>(state: &[u8]) -> Option<H> {
    H::deserialize(state.try_into().ok()?).ok()
}

macro_rules! identity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Digest);

        impl $name {
            /// Wraps `digest`; the caller guarantees that it is of the kind of content that this type stands for.
            pub fn new(digest: Digest) -> Self {
                Self(digest)
            }

            /// Returns the digest itself.
            pub fn digest(&self) -> &Digest {
                &self.0
            }

            /// Returns the first twelve hex digits: the short form for display.
            pub fn short(&self) -> String {
                self.0.short()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = DigestError;

            fn from_str(text: &str) -> Result<Self, DigestError> {
                text.parse().map(Self)
            }
        }
    };
}

identity! {
    /// The digest of all bytes of a layer's uncompressed tar (LS-5).
    DiffId
}

identity! {
    /// The digest that identifies a stack of layers: that of the base is its [`DiffId`], and each further layer is
    /// hashed onto the one below (OCI image specification, "Layer `ChainID`"; LS-1).
    ChainId
}

identity! {
    /// The digest of the exact bytes of an image's config (IM-1).
    ImageId
}

impl ChainId {
    /// Returns the chain made by stacking `diff_id` on `parent`.
    pub fn stacked(parent: Option<&Self>, diff_id: &DiffId) -> Self {
        match parent {
            None => Self(diff_id.0),
            Some(parent) => Self(Digest::sha256(format!("{} {}", parent.0, diff_id.0))),
        }
    }
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_digest_round_trips() {
        let digest: Digest = EMPTY.parse().unwrap();
        assert_eq!(digest, Digest::sha256(b""));
        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(digest.short(), "e3b0c44298fc");
        let long = Digest::of(Algorithm::Sha512, b"abc").to_string();
        assert_eq!(long.parse::<Digest>().unwrap().to_string(), long);
    }

    /// T19
    #[test]
    fn malformed_digests_are_rejected() {
        let upper = EMPTY.to_uppercase().replace("SHA256", "sha256");
        let long = format!("{EMPTY}0");
        for text in [
            "",
            ":",
            "sha256",
            "sha256:",
            "sha256:../../../canary/f",
            "sha256:%2e%2e",
            "md5:00",
            "blake3:00",
            &upper,
            &EMPTY[..EMPTY.len() - 1],
            &long,
            &EMPTY.replace("sha256", "sha512"),
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text:?} was accepted");
        }
        let error = format!("sha256:{}", "x".repeat(1 << 20))
            .parse::<Digest>()
            .unwrap_err();
        // An error must not echo a megabyte.
        assert_eq!(
            error.to_string(),
            format!(
                "invalid sha256 digest \"{}…\": expected 64 lower-case hex digits",
                "x".repeat(120)
            )
        );
    }

    /// R9
    #[test]
    fn errors_escape_remote_text() {
        assert_eq!(
            "md5\x1b[2J:00".parse::<Digest>().unwrap_err().to_string(),
            "unsupported digest algorithm \"md5\\u{1b}[2J\": sha256 and sha512 can be verified"
        );
    }

    #[test]
    fn a_chain_id_hashes_diff_ids_onto_each_other() {
        let base = DiffId::new(Digest::sha256(b"base"));
        let top = DiffId::new(Digest::sha256(b"top"));
        let chain = ChainId::stacked(None, &base);
        assert_eq!(chain.digest(), base.digest());
        let expected = Digest::sha256(format!("{base} {top}"));
        assert_eq!(ChainId::stacked(Some(&chain), &top).digest(), &expected);
    }
}
