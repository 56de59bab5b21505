//! References: names of images in registries.
//!
//! One image has many spellings (`alpine`, `library/alpine:latest`, `index.docker.io/library/alpine`). Parsing
//! normalizes them, so that two references are equal if they mean the same image (REF-1..REF-3).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text::Sanitized;
use crate::{Digest, DigestError};

mod grammar;
mod lexical;

/// The registry of names without one (REF-1).
pub const DEFAULT_REGISTRY: &str = "docker.io";

/// The namespace of official images on [`DEFAULT_REGISTRY`], omitted in familiar names (REF-2).
const OFFICIAL: &str = "library/";

/// A repository: a registry and a path in it.
///
/// `Display` writes the full name, as `docker.io/library/alpine`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName {
    /// `host`, `host:port` or `[IPv6]:port`, lower-case.
    registry: String,
    path: String,
}

/// A tag: 1 to 128 letters, digits, `_`, `.` or `-`, not beginning with `.` or `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// A repository with a tag, a digest, both or neither.
///
/// Unlike Docker (REF-6), a name with both keeps both: the image with the digest is pulled, and it
/// gets the tag.
///
/// `Display` writes the full name, as `docker.io/library/alpine:3@sha256:…`.
///
/// ```
/// use windlass_oci::Reference;
///
/// let reference: Reference = "index.docker.io/alpine".parse()?;
/// assert_eq!(reference.to_string(), "docker.io/library/alpine");
/// assert_eq!(reference.or_latest().familiar(), "alpine:latest");
/// # Ok::<(), windlass_oci::ReferenceError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    repository: RepositoryName,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

/// A string is not a reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid reference {reference:?}: {problem}")]
pub struct ReferenceError {
    /// The whole string, shortened.
    pub reference: Sanitized,
    /// What is wrong with it.
    pub problem: ReferenceProblem,
}

/// Why a string is not a reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceProblem {
    /// The name is empty (REF-9).
    #[error("the repository name is empty")]
    Empty,
    /// It begins with a URL scheme (EP-12).
    #[error("write the name without {0:?}")]
    Scheme(Sanitized),
    /// The repository's path has upper-case letters (REF-4).
    #[error("the repository name must be lowercase")]
    Uppercase,
    /// The name has the form of an image ID or digest (REF-5, RS-4).
    #[error("the repository name has the form of an image ID")]
    LikeId,
    /// The name is `scratch`, the empty image, which no registry has (REF-9).
    #[error("the name \"scratch\" is reserved")]
    Reserved,
    /// The path is longer than 255 characters.
    #[error("the repository name is longer than 255 characters")]
    TooLong,
    /// The part before the first slash is not a host.
    #[error("{0:?} is not a host or host:port")]
    Registry(Sanitized),
    /// A component of the path is malformed.
    #[error(
        "{0:?} in the repository name is not made of lowercase letters and digits, with '.', '_', '__' \
         or '-' between them"
    )]
    Path(Sanitized),
    /// The part after the last colon is not a tag.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// The part after `@` is not a digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// It has a tag or digest where only a repository is allowed.
    #[error("a tag or digest is not allowed here")]
    NotNameOnly,
}

/// A string is not a tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid tag {tag:?}: expected 1 to 128 letters, digits, '_', '.' or '-', not beginning with '.' or '-'"
)]
pub struct TagError {
    /// The text, shortened.
    pub tag: Sanitized,
}

impl RepositoryName {
    /// Returns the registry: a host, with the port if there is one.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the registry's host without the port; an IPv6 address is in brackets.
    pub fn host(&self) -> &str {
        lexical::split_port(&self.registry).0
    }

    /// Returns the registry's port, if there is one.
    pub fn port(&self) -> Option<u16> {
        lexical::split_port(&self.registry).1?.parse().ok()
    }

    /// Returns the path in the registry, such as `library/alpine`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the short name for display: without the default registry and its `library/` (REF-2).
    ///
    /// Parsing it always returns this repository: a path whose first component looks like a host
    /// (`docker.io/localhost/x`) keeps its registry.
    pub fn familiar(&self) -> String {
        if self.registry != DEFAULT_REGISTRY || lexical::begins_with_host(&self.path) {
            return self.to_string();
        }
        let official = self.path.strip_prefix(OFFICIAL);
        let familiar = official.filter(|rest| !rest.contains('/'));
        familiar.unwrap_or(&self.path).to_owned()
    }

    /// Returns the reference to this repository without tag and digest.
    pub fn reference(self) -> Reference {
        Reference {
            repository: self,
            tag: None,
            digest: None,
        }
    }
}

impl Tag {
    /// Returns `latest`, the tag of references without tag and digest (REF-7).
    pub fn latest() -> Self {
        Self("latest".to_owned())
    }

    /// Returns the text of the tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Reference {
    /// Returns the repository.
    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// Returns the tag.
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// Returns the digest.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Returns whether the reference has neither tag nor digest.
    pub fn is_name_only(&self) -> bool {
        self.tag.is_none() && self.digest.is_none()
    }

    /// Returns the reference with the tag `latest` if it has neither tag nor digest (REF-7).
    #[must_use]
    pub fn or_latest(self) -> Self {
        if self.is_name_only() {
            return self.with_tag(Tag::latest());
        }
        self
    }

    /// Returns the reference with its tag replaced.
    #[must_use]
    pub fn with_tag(&self, tag: Tag) -> Self {
        let tag = Some(tag);
        Self {
            tag,
            ..self.clone()
        }
    }

    /// Returns the reference with its digest replaced.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        let digest = Some(digest);
        Self {
            digest,
            ..self.clone()
        }
    }

    /// Returns the reference without its tag.
    #[must_use]
    pub fn without_tag(&self) -> Self {
        Self {
            tag: None,
            ..self.clone()
        }
    }

    /// Returns the reference without its digest.
    #[must_use]
    pub fn without_digest(&self) -> Self {
        Self {
            digest: None,
            ..self.clone()
        }
    }

    /// Returns the short form for display: `alpine:3`, `host:5000/x@sha256:…`.
    pub fn familiar(&self) -> String {
        self.append_to(&self.repository.familiar())
    }

    /// Returns `name` with the tag and digest appended.
    fn append_to(&self, name: &str) -> String {
        let mut text = name.to_owned();
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(&tag.0);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(&digest.to_string());
        }
        text
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.append_to(&self.repository.to_string()))
    }
}

/// Implements `Debug` as `Display`, and serde as a string in this form.
macro_rules! impl_text_form {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

impl_text_form! { RepositoryName Tag Reference }

#[cfg(test)]
mod tests;
