//! Uploads manifests (OCI distribution specification, "Pushing Manifests").

use http::Method;
use http::header::HeaderValue;
use windlass_oci::Digest;

use crate::digest_header::announced_digest;
use crate::error::{DigestMismatch, RegistryError};
use crate::repository::Repository;
use crate::request_context::RequestKind;
use crate::tag_or_digest::TagOrDigest;

impl Repository {
    /// Uploads a manifest or index as `to`, a tag or its own digest. Returns the subject that the registry
    /// lists it for, if it supports that.
    pub async fn put_manifest(
        &self,
        to: &TagOrDigest,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Option<Digest>, RegistryError> {
        let context = self.context(RequestKind::Put(to.clone()));
        let url = self.endpoint().api(&self.manifest_path(to));
        let media_type = HeaderValue::from_str(media_type);
        let media_type = media_type
            .map_err(|_| RegistryError::malformed(&context, "its media type is invalid"))?;
        let mut spec = self.request_spec(&context, url);
        spec.method = Method::PUT;
        spec.document = Some((media_type, bytes.to_vec().into()));
        spec.allow_time_for_hashing();
        let response = self.send_authorized(&spec).await?;
        if !response.http.status().is_success() {
            return Err(self.response_error(&context, response).await);
        }
        if let Some(found) = announced_digest(&context, response.http.headers())? {
            let expected = Digest::of(found.algorithm(), bytes);
            if found != expected {
                let mismatch = Box::new(DigestMismatch { expected, found });
                let context = context.boxed();
                return Err(RegistryError::Digest { context, mismatch });
            }
        }
        let subject = response.http.headers().get("oci-subject");
        let subject = subject.and_then(|subject| subject.to_str().ok());
        Ok(subject.and_then(|subject| subject.parse().ok()))
    }
}
