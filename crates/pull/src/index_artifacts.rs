//! Fetches the artifacts of an index, such as attestations, which are stored with an image so that the index is complete.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task;
use windlass_oci::{Descriptor, Digest, ManifestLinks};
use windlass_registry::{RegistryError, TagOrDigest};
use windlass_store::{Blob, BlobSource, Store};

use crate::blocking::blocking_result;
use crate::endpoint_need::EndpointNeed;
use crate::error::PullError;
use crate::pull_context::PullContext;
use crate::puller::Puller;
use crate::resolve::check_size;
use crate::sources::Sources;

/// The largest manifest or blob of an artifact, in bytes.
const MAX_BLOB: u64 = 16 << 20;

/// The largest number of artifacts, and of manifests and blobs of all of them.
const MAX_DOCUMENTS: usize = 256;

/// The most bytes of all artifacts that one pull keeps in memory.
const MAX_BYTES: u64 = 64 << 20;

/// The artifacts of an index, ready for the commit.
#[derive(Debug, Default)]
pub(crate) struct IndexArtifacts {
    /// The manifests and blobs.
    pub(crate) blobs: Vec<BlobSource>,
    /// The manifests of the artifacts that are not stored, because the registry lacks a part of them or they exceed a limit.
    pub(crate) missing: Vec<Digest>,
}

/// The content of one artifact.
type ArtifactContent = Vec<(Digest, ArtifactBlob)>;

/// A manifest or blob of an artifact.
enum ArtifactBlob {
    Stored(Blob),
    Fetched(Bytes),
}

/// Fetches artifacts within the limits of one pull.
struct ArtifactFetch<'a> {
    sources: &'a Sources,
    store: &'a Store,
    remaining_bytes: u64,
    remaining_documents: usize,
}

impl Puller {
    /// Fetches the artifacts that the request selects. An artifact that the registry does not have in full is left out.
    pub(crate) async fn fetch_artifacts(
        &self,
        context: &PullContext<'_>,
    ) -> Result<IndexArtifacts, PullError> {
        let mut fetch = ArtifactFetch {
            sources: &context.sources,
            store: &self.store,
            remaining_bytes: MAX_BYTES,
            remaining_documents: MAX_DOCUMENTS,
        };
        let (mut contents, mut missing) = (Vec::new(), Vec::new());
        for descriptor in &context.request.artifacts {
            match fetch.artifact(descriptor).await? {
                Some(content) => contents.extend(content),
                None => missing.push(descriptor.digest),
            }
        }
        let store = Arc::clone(&self.store);
        let blobs = blocking_result(task::spawn_blocking(move || {
            let sources = contents.into_iter();
            sources
                .map(|(digest, blob)| blob_source(&store, &digest, blob))
                .collect::<Result<_, _>>()
        }));
        let blobs = blobs.await?;
        Ok(IndexArtifacts { blobs, missing })
    }
}

impl ArtifactFetch<'_> {
    /// Returns the manifest of an artifact and its blobs; `None` if the registry lacks one or a limit is exceeded.
    async fn artifact(
        &mut self,
        descriptor: &Descriptor,
    ) -> Result<Option<ArtifactContent>, PullError> {
        if !self.reserve(descriptor) {
            return Ok(None);
        }
        let Some((manifest, bytes)) = self.manifest(descriptor).await? else {
            return Ok(None);
        };
        check_size(descriptor, &bytes)?;
        let mut content = vec![(descriptor.digest, manifest)];
        // A document without links is stored as it is.
        let links = ManifestLinks::parse(&bytes).unwrap_or_default();
        for blob in &links.blobs {
            if !self.reserve(blob) {
                return Ok(None);
            }
            match self.blob(blob).await? {
                Some(fetched) => content.push((blob.digest, fetched)),
                None => return Ok(None),
            }
        }
        Ok(Some(content))
    }

    /// Counts a document. Returns whether it is within the limits.
    fn reserve(&mut self, descriptor: &Descriptor) -> bool {
        let bytes = self.remaining_bytes.checked_sub(descriptor.size);
        let documents = self.remaining_documents.checked_sub(1);
        match (bytes, documents) {
            (Some(bytes), Some(documents)) if descriptor.size <= MAX_BLOB => {
                (self.remaining_bytes, self.remaining_documents) = (bytes, documents);
                true
            }
            _ => false,
        }
    }

    async fn manifest(
        &self,
        descriptor: &Descriptor,
    ) -> Result<Option<(ArtifactBlob, Bytes)>, PullError> {
        if let Some(stored) = self.store.blob(&descriptor.digest)?
            && let Ok(bytes) = self.store.read_blob(&descriptor.digest)
        {
            return Ok(Some((ArtifactBlob::Stored(stored), bytes.into())));
        }
        let target = &TagOrDigest::Digest(descriptor.digest);
        let response = self
            .sources
            .try_each(EndpointNeed::Pull, |repository| async move {
                repository.document(target).await
            });
        let found = found(response.await.map(|response| response.content))?.flatten();
        Ok(found.map(|found| (ArtifactBlob::Fetched(found.bytes.clone()), found.bytes)))
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Option<ArtifactBlob>, PullError> {
        if let Some(stored) = self.store.blob(&descriptor.digest)? {
            return Ok(Some(ArtifactBlob::Stored(stored)));
        }
        let response = self
            .sources
            .try_each(EndpointNeed::Pull, |repository| async move {
                repository.blob_bytes(descriptor, MAX_BLOB).await
            });
        let found = found(response.await.map(|response| response.content))?;
        Ok(found.map(ArtifactBlob::Fetched))
    }
}

/// Returns the response; `None` if the registry does not have the document.
fn found<T>(response: Result<T, PullError>) -> Result<Option<T>, PullError> {
    match response {
        Ok(content) => Ok(Some(content)),
        Err(PullError::Registry(failed)) if is_missing(&failed.error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_missing(error: &RegistryError) -> bool {
    matches!(
        error,
        RegistryError::ManifestUnknown { .. } | RegistryError::BlobUnknown { .. }
    )
}

/// Stores fetched bytes as a draft.
fn blob_source(
    store: &Store,
    digest: &Digest,
    blob: ArtifactBlob,
) -> Result<BlobSource, PullError> {
    Ok(match blob {
        ArtifactBlob::Stored(stored) => BlobSource::Stored(stored),
        ArtifactBlob::Fetched(bytes) => BlobSource::New(store.put_blob(digest, &bytes)?),
    })
}
