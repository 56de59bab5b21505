//! Fetches manifests and verifies their digests.

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use windlass_oci::{Digest, MANIFEST_TYPES, MAX_MANIFEST_SIZE, Manifest, ManifestError, MediaType};

use crate::digest_header::announced_digest;
use crate::error::{DigestMismatch, RegistryError};
use crate::repository::Repository;
use crate::request_context::{RequestContext, RequestKind};
use crate::request_spec::RangeSpec;
use crate::tag_or_digest::TagOrDigest;

/// A verified and parsed manifest.
#[derive(Clone, Debug)]
pub struct FetchedManifest {
    /// The exact bytes.
    pub bytes: Bytes,
    /// Their digest: the requested one, otherwise their sha256.
    pub digest: Digest,
    /// The parsed manifest.
    pub manifest: Manifest,
}

/// A manifest with a verified digest that is not parsed.
#[derive(Clone, Debug)]
pub struct RawManifest {
    /// The exact bytes.
    pub bytes: Bytes,
    /// Their digest: the requested one, otherwise their sha256.
    pub digest: Digest,
}

/// The response to a manifest request.
#[derive(Clone, Debug)]
pub enum ManifestResponse {
    /// A manifest or an index with a verified digest.
    Manifest(Box<FetchedManifest>),
    /// A manifest of Docker's schema 1, if [`RegistryConfig::schema1`](crate::RegistryConfig::schema1)
    /// accepts it. Nothing is verified, not even the digest: it is that of the payload, whose position is in
    /// the signature.
    Schema1 {
        /// The exact bytes.
        bytes: Bytes,
        /// The announced digest, to be compared with that of the payload.
        announced: Option<Digest>,
    },
}

impl ManifestResponse {
    /// Returns the manifest, or `None` for schema 1.
    pub fn into_manifest(self) -> Option<FetchedManifest> {
        match self {
            Self::Manifest(manifest) => Some(*manifest),
            Self::Schema1 { .. } => None,
        }
    }
}

impl Repository {
    /// Fetches and parses the manifest of `target`.
    ///
    /// The digest is computed from the received bytes and compared with the requested one (MF-2) and with the
    /// one that the registry announces (T17). At most 4 MiB are accepted (T21).
    pub async fn manifest(&self, target: &TagOrDigest) -> Result<ManifestResponse, RegistryError> {
        self.record_outcome(self.fetch_manifest(target).await)
    }

    /// Fetches the document of `target`, whatever kind of manifest it is; returns `None` for schema 1.
    ///
    /// The digest is verified as in [`Self::manifest`]; the document is not parsed.
    pub async fn document(
        &self,
        target: &TagOrDigest,
    ) -> Result<Option<RawManifest>, RegistryError> {
        self.record_outcome(self.fetch_document(target).await)
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
        let announced = announced_digest(&context, &headers)?;
        let digest = verified_digest(&context, target, announced, &bytes)?;
        Ok(Some(RawManifest { bytes, digest }))
    }

    async fn fetch_manifest(
        &self,
        target: &TagOrDigest,
    ) -> Result<ManifestResponse, RegistryError> {
        let context = self.context(RequestKind::Manifest(target.clone()));
        let (bytes, headers) = self.fetch_bytes(&context, target).await?;
        let announced = announced_digest(&context, &headers)?;
        let parsed = Manifest::parse(&bytes, content_type(&headers));
        let unusable = |source| RegistryError::Manifest {
            context: context.boxed(),
            source,
        };
        // MF-7: the error names the setting that accepts schema 1. The digest is not that of the bytes.
        if matches!(parsed, Err(ManifestError::Schema1)) {
            return if self.client().config().schema1 {
                Ok(ManifestResponse::Schema1 { bytes, announced })
            } else {
                Err(unusable(ManifestError::Schema1))
            };
        }
        let digest = verified_digest(&context, target, announced, &bytes)?;
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
        let response = self
            .get(context, &path, &ACCEPT_MANIFESTS, RangeSpec::From(0))
            .await?;
        let headers = response.http.headers().clone();
        if content_type(&headers).is_some_and(is_html) {
            let reason = "it returns a web page".to_owned();
            return Err(RegistryError::NotARegistry {
                context: context.boxed(),
                reason,
            });
        }
        let body = self.client().body(response.http);
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

/// Every supported manifest type (HT-16). Schema 1 is always included: without it, a registry that has only
/// such a manifest would report that it does not exist.
pub(crate) static ACCEPT_MANIFESTS: LazyLock<Vec<HeaderValue>> = LazyLock::new(|| {
    let schema1 = [MediaType::DockerSignedSchema1, MediaType::DockerSchema1];
    let schema1 = schema1.iter().map(ToString::to_string);
    let types = MANIFEST_TYPES.map(str::to_owned).into_iter().chain(schema1);
    let header = |media_type: String| HeaderValue::from_str(&media_type);
    let headers: Result<Vec<_>, _> = types.map(header).collect();
    headers.expect("media types are valid in a header")
});

/// Returns the digest of `bytes` after comparing it with the requested and the announced one.
fn verified_digest(
    context: &RequestContext,
    target: &TagOrDigest,
    announced: Option<Digest>,
    bytes: &[u8],
) -> Result<Digest, RegistryError> {
    let requested = match target {
        TagOrDigest::Digest(digest) => Some(*digest),
        TagOrDigest::Tag(_) => None,
    };
    for expected in requested.into_iter().chain(announced) {
        let found = Digest::of(expected.algorithm(), bytes);
        if found != expected {
            let mismatch = Box::new(DigestMismatch { expected, found });
            return Err(RegistryError::Digest {
                context: context.boxed(),
                mismatch,
            });
        }
    }
    Ok(requested.unwrap_or_else(|| Digest::sha256(bytes)))
}

pub(crate) fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()
}

fn is_html(content_type: &str) -> bool {
    let bare = content_type.split(';').next().unwrap_or_default().trim();
    bare.eq_ignore_ascii_case("text/html")
}
