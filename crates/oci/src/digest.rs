//! Content digests, and the identities that are made of them.
//!
//! A [`Digest`] says what some exact bytes hash to. What those bytes *are* is said by the type around
//! it: the compressed blob of a layer has a plain [`Digest`], its tar a [`DiffId`], a stack of layers a
//! [`ChainId`], an image (the bytes of its config) an [`ImageId`]. Mixing them does not compile.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::digest::common::hazmat::SerializableState;
use sha2::{Digest as _, Sha256, Sha512};

use crate::text::{Sanitized, sanitize};

/// A hash algorithm that windlass can verify.
///
/// Both are registered by the OCI image specification ("Descriptors", "Registered Algorithms"). Others,
/// registered or not, are refused: what cannot be verified is not consumed.
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
    /// The first `algorithm.size()` bytes count; the rest is zero.
    bytes: [u8; 64],
}

/// Why a text is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is no `algorithm:` before the hex digits.
    #[error("invalid digest {0:?}: expected algorithm:hex")]
    Shape(Sanitized),
    /// The algorithm is unknown, or not one that can be verified here.
    #[error("unsupported digest algorithm {0:?}: sha256 and sha512 can be verified")]
    Algorithm(Sanitized),
    /// The part behind the colon is not lower-case hex of the right length.
    #[error("invalid {} digest {value:?}: expected {} lower-case hex digits", .algorithm.name(), .algorithm.size() * 2)]
    Hex {
        /// The algorithm named before the colon.
        algorithm: Algorithm,
        /// What stood behind it, shortened.
        value: Sanitized,
    },
}

/// Hashes bytes as they come and ends in a [`Digest`].
#[derive(Clone, Debug)]
pub struct Hasher(State);

#[derive(Clone, Debug)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Algorithm {
    /// Returns the name that stands before the colon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Returns the length of a digest in bytes (half its hex digits).
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

    /// Returns the hex digits behind the colon.
    pub fn hex(&self) -> String {
        let mut text = self.to_string();
        text.drain(..=self.algorithm.name().len());
        text
    }

    /// Returns the first twelve hex digits, as people are shown them.
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
            .ok_or_else(|| DigestError::Shape(sanitize(text)))?;
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
        struct Text;

        // A visitor, since a reader adds the place to errors that arise while it stands there.
        impl Visitor<'_> for Text {
            type Value = Digest;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a digest")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Digest, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

impl Hasher {
    /// Makes a hasher that has seen no bytes yet.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
        })
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// Returns the algorithm.
    pub fn algorithm(&self) -> Algorithm {
        match self.0 {
            State::Sha256(_) => Algorithm::Sha256,
            State::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// Returns what [`Hasher::resume`] needs to go on from here, in a hasher of another time.
    ///
    /// It tells something about the bytes that were taken: to be kept where they are kept.
    pub fn state(&self) -> Vec<u8> {
        match &self.0 {
            State::Sha256(state) => state.serialize().to_vec(),
            State::Sha512(state) => state.serialize().to_vec(),
        }
    }

    /// Makes a hasher that has taken what one with this [`Hasher::state`] had taken; `None` if `state` is not
    /// that of such a hasher.
    pub fn resume(algorithm: Algorithm, state: &[u8]) -> Option<Self> {
        Some(Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(resumed(state)?),
            Algorithm::Sha512 => State::Sha512(resumed(state)?),
        }))
    }

    /// Returns the digest of everything that was taken.
    pub fn finish(self) -> Digest {
        let mut bytes = [0u8; 64];
        let algorithm = match self.0 {
            State::Sha256(state) => {
                bytes[..32].copy_from_slice(&state.finalize());
                Algorithm::Sha256
            }
            State::Sha512(state) => {
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
            /// Takes `digest` for what this type says it is a digest of; the caller vouches for that.
            pub fn new(digest: Digest) -> Self {
                Self(digest)
            }

            /// Returns the digest itself.
            pub fn digest(&self) -> &Digest {
                &self.0
            }

            /// Returns the first twelve hex digits, as people are shown them.
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
    /// The digest of a layer's uncompressed tar, every byte of it (LS-5).
    DiffId
}

identity! {
    /// The digest that names a stack of layers: the base's [`DiffId`], then each next one folded in
    /// (OCI image specification, "Layer `ChainID`"; LS-1).
    ChainId
}

identity! {
    /// The digest of an image's config, byte for byte (IM-1).
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
    fn prints_what_it_parsed() {
        let digest: Digest = EMPTY.parse().unwrap();
        assert_eq!(digest, Digest::sha256(b""));
        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(digest.short(), "e3b0c44298fc");
        let long = Digest::of(Algorithm::Sha512, b"abc").to_string();
        assert_eq!(long.parse::<Digest>().unwrap().to_string(), long);
    }

    /// T19: nothing that is not exactly a digest becomes one.
    #[test]
    fn refuses_what_is_not_exactly_a_digest() {
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
            assert!(
                text.parse::<Digest>().is_err(),
                "{text:?} was taken for a digest"
            );
        }
        let error = format!("sha256:{}", "x".repeat(1 << 20))
            .parse::<Digest>()
            .unwrap_err();
        assert!(
            error.to_string().len() < 400,
            "an error must not echo a megabyte"
        );
    }

    /// R9
    #[test]
    fn an_error_shows_remote_text_safely() {
        assert_eq!(
            "md5\x1b[2J:00".parse::<Digest>().unwrap_err().to_string(),
            "unsupported digest algorithm \"md5\\u{1b}[2J\": sha256 and sha512 can be verified"
        );
    }

    #[test]
    fn a_chain_folds_diff_ids() {
        let base = DiffId::new(Digest::sha256(b"base"));
        let top = DiffId::new(Digest::sha256(b"top"));
        let chain = ChainId::stacked(None, &base);
        assert_eq!(chain.digest(), base.digest());
        let expected = Digest::sha256(format!("{base} {top}"));
        assert_eq!(ChainId::stacked(Some(&chain), &top).digest(), &expected);
    }
}
