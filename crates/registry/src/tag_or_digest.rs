//! Identifies manifests of a repository.

use windlass_oci::{Digest, Reference, Tag};

/// Identifies a manifest of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagOrDigest {
    /// The current manifest of a tag.
    Tag(Tag),
    /// The manifest with this digest.
    Digest(Digest),
}

impl TagOrDigest {
    /// Returns the digest of `reference`, otherwise its tag, otherwise `latest` (REF-6, REF-7).
    pub fn of(reference: &Reference) -> Self {
        match (reference.digest(), reference.tag()) {
            (Some(digest), _) => Self::Digest(*digest),
            (None, Some(tag)) => Self::Tag(tag.clone()),
            (None, None) => Self::Tag(Tag::latest()),
        }
    }
}

impl From<Tag> for TagOrDigest {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

impl From<Digest> for TagOrDigest {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
    }
}
