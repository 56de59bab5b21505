//! HEAD requests: the digest of a tag, the size and the presence of a blob.

use http::header::CONTENT_LENGTH;
use windlass_oci::{Descriptor, Digest, MediaType};

use crate::digest_header::announced_digest;
use crate::error::RegistryError;
use crate::manifest::{ACCEPT_MANIFESTS, content_type};
use crate::repository::Repository;
use crate::request::EndpointResponse;
use crate::request_context::RequestKind;
use crate::request_spec::RangeSpec;
use crate::tag_or_digest::TagOrDigest;

/// The headers of a manifest. Nothing in it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestHead {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes, if specified.
    pub size: Option<u64>,
    /// Its media type, if specified.
    pub media_type: Option<MediaType>,
}

impl Repository {
    /// Fetches the digest of `target` with one HEAD request.
    ///
    /// Returns `None` if the response has no digest: the registry may not support HEAD, or the request may
    /// fail for a reason that only the response to GET contains. Some registries respond to HEAD with status 500
    /// or 503, and to GET with the manifest. Fails only if a GET should not follow: the registry is unreachable, or
    /// limits the rate of requests.
    pub async fn head(&self, target: &TagOrDigest) -> Result<Option<ManifestHead>, RegistryError> {
        self.record_outcome(self.manifest_head(target).await)
    }

    async fn manifest_head(
        &self,
        target: &TagOrDigest,
    ) -> Result<Option<ManifestHead>, RegistryError> {
        let context = self.context(RequestKind::Manifest(target.clone()));
        let path = self.manifest_path(target);
        let response = self.send_head(&context, &path, &ACCEPT_MANIFESTS).await?;
        match response.http.status().as_u16() {
            200 => {}
            429 => return Err(self.response_error(&context, response).await),
            _ => return Ok(None),
        }
        let headers = response.http.headers();
        // An invalid digest is reported by the GET request (T19).
        let Ok(Some(digest)) = announced_digest(&context, headers) else {
            return Ok(None);
        };
        Ok(Some(ManifestHead {
            digest,
            size: length(&response),
            media_type: content_type(headers).map(MediaType::from_content_type),
        }))
    }

    /// Returns the size of a blob in bytes, for layers of schema 1, whose manifests do not contain it.
    ///
    /// Uses HEAD, or the headers of a GET if HEAD fails: presigned URLs are often valid for GET only.
    pub async fn blob_size(&self, digest: &Digest) -> Result<u64, RegistryError> {
        self.record_outcome(self.request_blob_size(digest).await)
    }

    /// Returns whether the repository has the blob, by HEAD only: without a clear response the blob is sent. A token
    /// may permit to write and not to read, and some registries respond to HEAD with status 500.
    pub async fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, RegistryError> {
        let context = self.context(RequestKind::Blob(descriptor.digest));
        let path = format!("{}/blobs/{}", self.path(), descriptor.digest);
        let response = self.send_head(&context, &path, &[]).await?;
        match response.http.status().as_u16() {
            200 => Ok(length(&response).is_none_or(|size| size == descriptor.size)),
            401 | 429 => Err(self.response_error(&context, response).await),
            _ => Ok(false),
        }
    }

    async fn request_blob_size(&self, digest: &Digest) -> Result<u64, RegistryError> {
        let context = self.context(RequestKind::Blob(*digest));
        let path = format!("{}/blobs/{digest}", self.path());
        let response = self.send_head(&context, &path, &[]).await?;
        if response.http.status().as_u16() == 200
            && let Some(size) = length(&response)
        {
            return Ok(size);
        }
        let response = self.get(&context, &path, &[], RangeSpec::From(0)).await?;
        length(&response).ok_or_else(|| RegistryError::malformed(&context, "its length is missing"))
    }
}

/// Returns `Content-Length`; in a response to HEAD, this is the length of the omitted body.
fn length(response: &EndpointResponse) -> Option<u64> {
    let length = response.http.headers().get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}
