//! Asks for headers alone: what a tag stands for, and how large a blob is.

use http::header::CONTENT_LENGTH;
use windlass_oci::{Digest, MediaType};

use crate::error::{RegistryError, RequestKind};
use crate::exchange::{Answer, Span};
use crate::manifest::{ACCEPT_MANIFESTS, TagOrDigest, announced, content_type};
use crate::repository::Repository;

/// What the registry says about a manifest without sending it. Nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestHead {
    /// Its digest.
    pub digest: Digest,
    /// How many bytes it has, if that is said.
    pub size: Option<u64>,
    /// Its media type, if that is said.
    pub media_type: Option<MediaType>,
}

impl Repository {
    /// Asks for the digest of what `target` names, in one small round trip.
    ///
    /// `None` where the registry does not say it: it may not know such requests, or the answer may be an
    /// error, of which a request for the manifest itself brings the whole story. An error only where that
    /// would not help: the registry is not to be reached, or wants to be asked later.
    pub async fn head(&self, target: &TagOrDigest) -> Result<Option<ManifestHead>, RegistryError> {
        self.noted(self.manifest_head(target).await)
    }

    async fn manifest_head(
        &self,
        target: &TagOrDigest,
    ) -> Result<Option<ManifestHead>, RegistryError> {
        let context = self.context(RequestKind::Manifest(target.clone()));
        let path = self.manifest_path(target);
        let answer = self
            .head_of(&context, &path, Some(&ACCEPT_MANIFESTS))
            .await?;
        match answer.response.status().as_u16() {
            200 => {}
            429 | 500 | 502..=599 => return Err(self.refused(&context, answer).await),
            _ => return Ok(None),
        }
        let headers = answer.response.headers();
        // What is not a digest is told by the request for the manifest (T19).
        let Ok(Some(digest)) = announced(&context, headers) else {
            return Ok(None);
        };
        Ok(Some(ManifestHead {
            digest,
            size: length(&answer),
            media_type: content_type(headers).map(MediaType::from_content_type),
        }))
    }

    /// Returns how many bytes the registry says that a blob has. For layers of schema 1, whose manifests do
    /// not say it.
    ///
    /// By HEAD, and where that does not tell, by the headers of a GET: presigned URLs are often good for that
    /// only.
    pub async fn blob_size(&self, digest: &Digest) -> Result<u64, RegistryError> {
        self.noted(self.ask_blob_size(digest).await)
    }

    async fn ask_blob_size(&self, digest: &Digest) -> Result<u64, RegistryError> {
        let context = self.context(RequestKind::Blob(*digest));
        let path = format!("{}/blobs/{digest}", self.path());
        let answer = self.head_of(&context, &path, None).await?;
        if answer.response.status().as_u16() == 200
            && let Some(size) = length(&answer)
        {
            return Ok(size);
        }
        let answer = self.get(&context, &path, None, Span::From(0)).await?;
        length(&answer).ok_or_else(|| RegistryError::Malformed {
            context: context.boxed(),
            reason: "it does not say how large it is".to_owned(),
        })
    }
}

/// Returns what `Content-Length` says; of an answer to HEAD, that is the length of what would have come.
pub(crate) fn length(answer: &Answer) -> Option<u64> {
    let length = answer.response.headers().get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}
