//! Names by which a user refers to an image in the store.

use std::fmt;
use std::str::FromStr;

use crate::{Algorithm, Digest, ImageId, Reference, ReferenceError};

/// A reference, an image ID or the first digits of an image ID (REF-8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageName {
    /// 64 hex digits, or a digest: can only be an ID.
    Id(ImageId),
    /// `sha256:` and some hex digits: can only be the beginning of an ID.
    IdPrefix(IdPrefix),
    /// Any other name: can only be a reference.
    Reference(Reference),
    /// A few hex digits such as `cafe`: a reference if the store has it, otherwise the beginning of an ID.
    ReferenceOrPrefix(Reference, IdPrefix),
}

/// The first hex digits of an image ID.
#[derive(Clone, PartialEq, Eq)]
pub struct IdPrefix {
    algorithm: Option<Algorithm>,
    hex: String,
}

impl IdPrefix {
    /// Returns whether `id` begins with this prefix.
    pub fn matches(&self, id: &ImageId) -> bool {
        let digest = id.digest();
        self.algorithm
            .is_none_or(|algorithm| algorithm == digest.algorithm())
            && digest.hex().starts_with(&self.hex)
    }

    /// Returns the prefix if `hex` is 1 to 63 lower-case hex digits.
    fn new(algorithm: Option<Algorithm>, hex: &str) -> Option<Self> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        let is_prefix = (1..64).contains(&hex.len()) && hex.bytes().all(is_hex);
        is_prefix.then(|| Self {
            algorithm,
            hex: hex.to_owned(),
        })
    }
}

impl fmt::Display for IdPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(algorithm) = self.algorithm {
            write!(f, "{}:", algorithm.name())?;
        }
        f.write_str(&self.hex)
    }
}

impl fmt::Debug for IdPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ImageName {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let id = text
            .parse::<Digest>()
            .or_else(|_| format!("sha256:{text}").parse());
        if let Ok(digest) = id {
            return Ok(Self::Id(ImageId::new(digest)));
        }
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let hex = text
                .strip_prefix(algorithm.name())
                .and_then(|rest| rest.strip_prefix(':'));
            if let Some(prefix) = hex.and_then(|hex| IdPrefix::new(Some(algorithm), hex)) {
                return Ok(Self::IdPrefix(prefix));
            }
        }
        let reference = text.parse()?;
        Ok(match IdPrefix::new(None, text) {
            Some(prefix) => Self::ReferenceOrPrefix(reference, prefix),
            None => Self::Reference(reference),
        })
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::IdPrefix(prefix) | Self::ReferenceOrPrefix(_, prefix) => prefix.fmt(f),
            Self::Reference(reference) => f.write_str(&reference.familiar()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn name(text: &str) -> ImageName {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    /// REF-8
    #[test]
    fn ids_and_references_are_distinguished() {
        let id: ImageId = format!("sha256:{HEX}").parse().unwrap();
        assert_eq!(name(HEX), ImageName::Id(id));
        assert_eq!(name(&id.to_string()), ImageName::Id(id));
        let reference = |text: &str| text.parse::<Reference>().unwrap();
        assert_eq!(
            name("alpine:3"),
            ImageName::Reference(reference("alpine:3"))
        );
        assert_eq!(name("cafe:1"), ImageName::Reference(reference("cafe:1")));
        let pinned = format!("alpine@sha256:{HEX}");
        assert_eq!(name(&pinned), ImageName::Reference(reference(&pinned)));
    }

    /// IM-8
    #[test]
    fn a_few_hex_digits_are_a_prefix_of_an_id() {
        let id: ImageId = format!("sha256:{HEX}").parse().unwrap();
        let ImageName::IdPrefix(prefix) = name("sha256:e3b0") else {
            panic!("not a prefix");
        };
        assert!(prefix.matches(&id));
        assert_eq!(prefix.to_string(), "sha256:e3b0");
        let ImageName::ReferenceOrPrefix(reference, prefix) = name("e3b1") else {
            panic!("neither a reference nor a prefix");
        };
        assert_eq!(reference.familiar(), "e3b1");
        assert!(!prefix.matches(&id));
        let ImageName::IdPrefix(other) = name("sha512:e3b0") else {
            panic!("not a prefix");
        };
        assert!(!other.matches(&id));
    }

    #[test]
    fn malformed_names_are_rejected() {
        for text in [
            "",
            "sha256:",
            "sha256:xyz",
            "sha256:E3B0",
            &HEX.to_uppercase(),
            "https://x/y",
        ] {
            assert!(text.parse::<ImageName>().is_err(), "{text:?}");
        }
    }
}
