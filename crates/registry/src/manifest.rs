//! Fetches a manifest and holds it against every digest that is claimed for it.

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use windlass_oci::text::sanitize_bytes;
use windlass_oci::{
    Digest, DigestError, MANIFEST_TYPES, MAX_MANIFEST_SIZE, Manifest, ManifestError, MediaType,
    Reference, Tag,
};

use crate::error::{DigestMismatch, RegistryError, RequestContext, RequestKind};
use crate::exchange::Span;
use crate::repository::Repository;

/// Which manifest of a repository is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagOrDigest {
    /// What this tag stands for at the moment.
    Tag(Tag),
    /// The one with this digest.
    Digest(Digest),
}

/// A manifest as it came.
#[derive(Clone, Debug)]
pub struct FetchedManifest {
    /// The exact bytes.
    pub bytes: Bytes,
    /// Their digest: the one they were asked for by, else their sha256.
    pub digest: Digest,
    /// What the bytes say.
    pub manifest: Manifest,
}

/// A manifest whose digest is right, and of which nothing else is known.
#[derive(Clone, Debug)]
pub struct RawManifest {
    /// The exact bytes.
    pub bytes: Bytes,
    /// Their digest: the one they were asked for by, else their sha256.
    pub digest: Digest,
}

/// What came when a manifest was asked for.
#[derive(Clone, Debug)]
pub enum ManifestResponse {
    /// A manifest or an index, held against every digest.
    Manifest(Box<FetchedManifest>),
    /// A manifest of Docker's schema 1, where [`RegistryConfig::schema1`](crate::RegistryConfig::schema1)
    /// wants it. Nothing about it is verified, not even its digest: that is one of its payload only, which
    /// its signature says where to find.
    Schema1 {
        /// The exact bytes.
        bytes: Bytes,
        /// The digest that the registry announced; to be held against the payload's.
        announced: Option<Digest>,
    },
}

impl TagOrDigest {
    /// Returns what `reference` asks for: its digest, else its tag, else `latest` (REF-6, REF-7).
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

impl ManifestResponse {
    /// Returns the manifest, unless it is of schema 1.
    pub fn into_manifest(self) -> Option<FetchedManifest> {
        match self {
            Self::Manifest(manifest) => Some(*manifest),
            Self::Schema1 { .. } => None,
        }
    }
}

impl Repository {
    /// Fetches and reads the manifest that `target` names.
    ///
    /// The digest is computed from the bytes that are read, and compared with the one asked for (MF-2) and
    /// with the one the registry announces (T17). At most 4 MiB are accepted (T21).
    pub async fn manifest(&self, target: &TagOrDigest) -> Result<ManifestResponse, RegistryError> {
        self.noted(self.fetch_manifest(target).await)
    }

    /// Fetches the document that `target` names, whatever it is a manifest of; `None` if it is of schema 1.
    ///
    /// It is held against every digest, as in [`Self::manifest`], and not read.
    pub async fn document(
        &self,
        target: &TagOrDigest,
    ) -> Result<Option<RawManifest>, RegistryError> {
        self.noted(self.fetch_document(target).await)
    }

    async fn fetch_document(
        &self,
        target: &TagOrDigest,
    ) -> Result<Option<RawManifest>, RegistryError> {
        let context = self.context(RequestKind::Manifest(target.clone()));
        let (bytes, headers) = self.fetch_bytes(&context, target).await?;
        let parsed = Manifest::parse(&bytes, content_type(&headers));
        if matches!(parsed, Err(ManifestError::Schema1)) {
            return Ok(None);
        }
        let announced = announced(&context, &headers)?;
        let digest = digest(&context, target, announced, &bytes)?;
        Ok(Some(RawManifest { bytes, digest }))
    }

    async fn fetch_manifest(
        &self,
        target: &TagOrDigest,
    ) -> Result<ManifestResponse, RegistryError> {
        let context = self.context(RequestKind::Manifest(target.clone()));
        let (bytes, headers) = self.fetch_bytes(&context, target).await?;
        let announced = announced(&context, &headers)?;
        let parsed = Manifest::parse(&bytes, content_type(&headers));
        let unusable = |source| RegistryError::Manifest {
            context: context.boxed(),
            source,
        };
        // MF-7: refused by name, with the setting that would allow it. Its digest is not that of the bytes.
        if matches!(parsed, Err(ManifestError::Schema1)) {
            return if self.client().config().schema1 {
                Ok(ManifestResponse::Schema1 { bytes, announced })
            } else {
                Err(unusable(ManifestError::Schema1))
            };
        }
        let digest = digest(&context, target, announced, &bytes)?;
        let manifest = parsed.map_err(unusable)?;
        Ok(ManifestResponse::Manifest(Box::new(FetchedManifest {
            bytes,
            digest,
            manifest,
        })))
    }

    async fn fetch_bytes(
        &self,
        context: &RequestContext,
        target: &TagOrDigest,
    ) -> Result<(Bytes, HeaderMap), RegistryError> {
        let path = self.manifest_path(target);
        let answer = self
            .get(context, &path, Some(&ACCEPT_MANIFESTS), Span::From(0))
            .await?;
        let headers = answer.response.headers().clone();
        if content_type(&headers).is_some_and(is_html) {
            let reason = "it answers with a web page".to_owned();
            return Err(RegistryError::NotARegistry {
                context: context.boxed(),
                reason,
            });
        }
        let body = self.client().body(answer.response);
        let bytes = body.read_to_end(MAX_MANIFEST_SIZE as u64).await;
        let bytes = bytes.map_err(|error| context.body_failed(error))?;
        Ok((bytes, headers))
    }

    pub(crate) fn manifest_path(&self, target: &TagOrDigest) -> String {
        match target {
            TagOrDigest::Tag(tag) => format!("{}/manifests/{tag}", self.path()),
            TagOrDigest::Digest(digest) => format!("{}/manifests/{digest}", self.path()),
        }
    }
}

/// Every type of manifest that is known (HT-16). Those of schema 1 are among them whether they are wanted or
/// not: a registry that has nothing else would say that it has nothing.
pub(crate) static ACCEPT_MANIFESTS: LazyLock<HeaderValue> = LazyLock::new(|| {
    let schema1 = [MediaType::DockerSignedSchema1, MediaType::DockerSchema1];
    let schema1 = schema1.iter().map(ToString::to_string);
    let types = MANIFEST_TYPES.map(str::to_owned).into_iter().chain(schema1);
    let types = types.collect::<Vec<_>>().join(", ");
    HeaderValue::from_str(&types).expect("media types are fit for a header")
});

/// Returns the digest of `bytes` if it is the one that was asked for and announced.
fn digest(
    context: &RequestContext,
    target: &TagOrDigest,
    announced: Option<Digest>,
    bytes: &[u8],
) -> Result<Digest, RegistryError> {
    let wanted = match target {
        TagOrDigest::Digest(digest) => Some(*digest),
        TagOrDigest::Tag(_) => None,
    };
    for expected in wanted.into_iter().chain(announced) {
        let found = Digest::of(expected.algorithm(), bytes);
        if found != expected {
            let mismatch = Box::new(DigestMismatch { expected, found });
            return Err(RegistryError::Digest {
                context: context.boxed(),
                mismatch,
            });
        }
    }
    Ok(wanted.unwrap_or_else(|| Digest::sha256(bytes)))
}

/// The digest in `Docker-Content-Digest`. One by an algorithm that is not known here says nothing; one that
/// is not a digest is an error (T19).
pub(crate) fn announced(
    context: &RequestContext,
    headers: &HeaderMap,
) -> Result<Option<Digest>, RegistryError> {
    let Some(header) = headers.get("docker-content-digest") else {
        return Ok(None);
    };
    let parsed = header.to_str().ok().and_then(|text| match text.parse() {
        Ok(digest) => Some(Some(digest)),
        Err(_) => is_by_another_algorithm(text).then_some(None),
    });
    parsed.ok_or_else(|| RegistryError::DigestHeader {
        context: context.boxed(),
        header: sanitize_bytes(header.as_bytes()).to_string(),
    })
}

/// Tells whether `text` has the form of a digest, by an algorithm that cannot be verified here.
fn is_by_another_algorithm(text: &str) -> bool {
    let is_word = |word: &str, more: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
        !word.is_empty() && word.chars().all(fits)
    };
    text.split_once(':').is_some_and(|(algorithm, encoded)| {
        let known = matches!(text.parse::<Digest>(), Ok(_) | Err(DigestError::Hex { .. }));
        !known && is_word(algorithm, "+._-") && is_word(encoded, "=_-")
    })
}

pub(crate) fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()
}

fn is_html(content_type: &str) -> bool {
    let bare = content_type.split(';').next().unwrap_or_default().trim();
    bare.eq_ignore_ascii_case("text/html")
}
