//! Lists the artifacts that refer to a manifest: signatures, attestations, SBOMs (OCI distribution
//! specification, "Listing Referrers" and "Referrers Tag Schema").

use http::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use windlass_oci::{Descriptor, Digest, MAX_INDEX_ENTRIES, ManifestLinks, MediaType, Tag};

use crate::error::RegistryError;
use crate::manifest::content_type;
use crate::page_links::Pages;
use crate::repository::Repository;
use crate::request_context::RequestKind;
use crate::tag_or_digest::TagOrDigest;

/// The maximum number of pages.
const MAX_PAGES: usize = 100;
/// The maximum size of all pages together, in bytes.
const MAX_LIST_SIZE: u64 = 16 << 20;
/// The maximum length of the parts of a fallback tag.
const MAX_TAG_PART: usize = 64;

static ACCEPT: [HeaderValue; 1] = [HeaderValue::from_static(
    "application/vnd.oci.image.index.v1+json",
)];

/// Returns the fallback tag that lists the referrers of `subject` in registries without the referrers API.
pub fn referrers_tag(subject: &Digest) -> Tag {
    let mut hex = subject.hex();
    hex.truncate(MAX_TAG_PART);
    let tag = format!("{}-{hex}", subject.algorithm().name());
    tag.parse().expect("a digest is valid in a tag")
}

impl Repository {
    /// Returns the artifacts that the registry lists for `subject`, or those of the fallback tag if it has no
    /// referrers API. The list is not verified.
    ///
    /// Follows `Link` headers within the same scheme, host and port, up to 100 pages, 16 MiB and 4096
    /// artifacts.
    pub async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, RegistryError> {
        let listed = match self.list_from_api(subject).await {
            Ok(Some(listed)) => Ok(listed),
            Ok(None) => self.list_from_tag(subject).await,
            Err(error) => Err(error),
        };
        self.record_outcome(listed)
    }

    /// Adds `artifact` to the fallback tag of `subject`, unless it is listed.
    ///
    /// Two concurrent calls may lose one of the entries: the protocol cannot prevent it.
    pub async fn add_referrer(
        &self,
        subject: &Digest,
        artifact: &Descriptor,
    ) -> Result<(), RegistryError> {
        let target = TagOrDigest::Tag(referrers_tag(subject));
        let mut index = match self.document(&target).await {
            Ok(Some(there)) => serde_json::from_slice(&there.bytes).unwrap_or(Value::Null),
            Ok(None) => Value::Null,
            Err(error) if is_missing(&error) => Value::Null,
            Err(error) => return Err(error),
        };
        if !index["manifests"].is_array() {
            index = json!({
                "schemaVersion": 2,
                "mediaType": MediaType::OciIndex.as_str(),
                "manifests": [],
            });
        }
        let listed = index["manifests"].as_array_mut().expect("it is an array");
        let digest = artifact.digest.to_string();
        if listed.iter().any(|entry| entry["digest"] == digest) {
            return Ok(());
        }
        listed.push(json!(artifact));
        let bytes = index.to_string().into_bytes();
        let media_type = MediaType::OciIndex;
        self.put_manifest(&target, media_type.as_str(), &bytes)
            .await?;
        Ok(())
    }

    /// Lists the referrers with the API; returns `None` if the registry does not support it.
    async fn list_from_api(
        &self,
        subject: &Digest,
    ) -> Result<Option<Vec<Descriptor>>, RegistryError> {
        let context = self.context(RequestKind::Referrers(*subject));
        let path = format!("{}/referrers/{subject}", self.path());
        let mut pages = Pages::new(self.endpoint().api(&path), MAX_PAGES);
        let (mut found, mut left) = (Vec::new(), MAX_LIST_SIZE);
        let mut is_first = true;
        loop {
            let mut spec = self.request_spec(&context, pages.current().clone());
            spec.accept = &ACCEPT;
            let response = self.send_authorized(&spec).await?;
            match response.http.status().as_u16() {
                200 if !is_first || is_index(response.http.headers()) => {}
                // Older registries respond to unknown requests in various ways.
                200 | 400 | 404 | 405 | 406 | 501 if is_first => return Ok(None),
                _ => return Err(self.response_error(&context, response).await),
            }
            is_first = false;
            let headers = response.http.headers().clone();
            let body = self.client().body(response.http).read_to_end(left).await;
            let body = body.map_err(|error| context.body_failed(error))?;
            left -= body.len() as u64;
            let listed = ManifestLinks::parse(&body)
                .map_err(|_| RegistryError::malformed(&context, "it is not an index"))?;
            let is_empty = listed.manifests.is_empty();
            found.extend(listed.manifests);
            if found.len() > MAX_INDEX_ENTRIES {
                return Err(RegistryError::malformed(
                    &context,
                    "it lists more than 4096 artifacts",
                ));
            }
            let advanced = pages.advance(&headers, !is_empty);
            if !advanced
                .map_err(|error| RegistryError::malformed(&context, &error.reason(MAX_PAGES)))?
            {
                return Ok(Some(found));
            }
        }
    }

    async fn list_from_tag(&self, subject: &Digest) -> Result<Vec<Descriptor>, RegistryError> {
        let target = TagOrDigest::Tag(referrers_tag(subject));
        match self.document(&target).await {
            Ok(Some(index)) => {
                let links = ManifestLinks::parse(&index.bytes);
                Ok(links.unwrap_or_default().manifests)
            }
            Ok(None) => Ok(Vec::new()),
            Err(error) if is_missing(&error) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

fn is_missing(error: &RegistryError) -> bool {
    matches!(
        error,
        RegistryError::ManifestUnknown { .. } | RegistryError::NameUnknown { .. }
    )
}

fn is_index(headers: &HeaderMap) -> bool {
    let media_type = content_type(headers).map(MediaType::from_content_type);
    media_type == Some(MediaType::OciIndex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fallback_tag_is_a_tag() {
        let subject = Digest::sha256(b"");
        let expected = format!("sha256-{}", subject.hex());
        assert_eq!(referrers_tag(&subject).as_str(), expected);
        let long = Digest::of(windlass_oci::Algorithm::Sha512, b"");
        assert_eq!(referrers_tag(&long).as_str().len(), "sha512-".len() + 64);
    }
}
