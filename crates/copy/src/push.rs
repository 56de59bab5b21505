//! Pushes images to a registry.
//!
//! Blobs are sent first, several at a time. Then come the manifests: children before parents, and the images last.

mod blob_upload;
mod body_feed;
mod document_order;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time;
use windlass_layout::Batch;
use windlass_oci::{Digest, ManifestLinks, RepositoryName, Tag};
use windlass_pull::{Attempts, RetryPolicy};
use windlass_registry::{RegistryError, Repository, TagOrDigest};

use crate::error::{CopyError, PushError};
use crate::events::{BlobStatus, CopyContext, report_planned, report_status};
use crate::parallel::for_each_parallel;
use crate::referrers::artifact_descriptor;
use crate::source::ContentSource;
use blob_upload::BlobUpload;
use document_order::document_order;

/// A repository that images are pushed to.
#[derive(Clone, Debug)]
pub struct PushTarget {
    /// The session, which may write.
    pub repository: Repository,
    /// The policy for failed requests.
    pub retry: RetryPolicy,
    /// The number of blobs that are sent at a time.
    pub concurrent_blobs: usize,
    /// Other repositories of the registry from which blobs may be mounted.
    pub mount_sources: BTreeMap<Digest, RepositoryName>,
    /// The maximum number of bytes in one request, unless the registry requires more; `None` for no limit.
    pub chunk_size: Option<u64>,
}

/// The reason why an attempt failed.
enum AttemptError {
    /// The request to the registry failed. The error defines whether it is retried.
    Registry(RegistryError),
    /// An error that a retry does not correct.
    Permanent(CopyError),
}

/// Pushes the images of `batch`, which `source` has, under `tags`; if there are none, under their digests.
///
/// The artifacts of the batch are listed for their subjects: by the registry, or otherwise under the fallback tag.
pub fn to_repository(
    source: &dyn ContentSource,
    batch: &Batch,
    tags: &[Tag],
    to: &PushTarget,
    context: &CopyContext,
) -> Result<(), CopyError> {
    report_planned(context, batch);
    let blobs: Vec<_> = batch.blobs.values().collect();
    for (position, blob) in blobs.iter().enumerate() {
        report_status(context, blob.digest, BlobStatus::Preparing);
        if position >= to.concurrent_blobs {
            report_status(context, blob.digest, BlobStatus::Waiting);
        }
    }
    for_each_parallel(
        &blobs,
        to.concurrent_blobs,
        context.cancellation(),
        |blob| {
            let upload = BlobUpload {
                to,
                source,
                blob,
                context,
            };
            upload.run()
        },
    )?;
    for document in document_order(batch, tags) {
        let bytes = &batch.documents[&document.digest];
        for target in &document.targets {
            to.put_document(target, document.digest, bytes, context)?;
        }
    }
    Ok(())
}

impl PushTarget {
    /// Sends a manifest. If it is an artifact and the registry does not list it, adds it to the list of its subject.
    fn put_document(
        &self,
        target: &TagOrDigest,
        digest: Digest,
        bytes: &[u8],
        context: &CopyContext,
    ) -> Result<(), CopyError> {
        let links = ManifestLinks::parse(bytes).unwrap_or_default();
        let media_type = links.media_type.clone();
        let put = || (self.repository).put_manifest(target, media_type.as_str(), bytes);
        let listed_subject = self.retry(context, put)?;
        let subject = links.subject.as_ref().map(|subject| subject.digest);
        match (subject, listed_subject) {
            (None, _) | (Some(_), Some(_)) => Ok(()),
            (Some(subject), None) => {
                let artifact = artifact_descriptor(digest, links, bytes.len());
                let add = || self.repository.add_referrer(&subject, &artifact);
                self.retry(context, add)
            }
        }
    }

    /// Repeats a request until it succeeds, fails permanently or has no attempts left.
    fn retry<T, F>(&self, context: &CopyContext, request: impl Fn() -> F) -> Result<T, CopyError>
    where
        F: Future<Output = Result<T, RegistryError>>,
    {
        let mut attempts = Attempts::new(self.retry);
        loop {
            let error = match wait(request(), context) {
                Ok(done) => return Ok(done),
                Err(AttemptError::Permanent(error)) => return Err(error),
                Err(AttemptError::Registry(error)) => error,
            };
            match attempts.pause_after(&error) {
                Some(pause) => pause_for(pause, context)?,
                None => return Err(PushError::from(error).into()),
            }
        }
    }
}

/// Blocks until the response to a request arrives, or the copy is cancelled.
fn wait<T>(
    request: impl Future<Output = Result<T, RegistryError>>,
    context: &CopyContext,
) -> Result<T, AttemptError> {
    let response = context.wait(request).map_err(CopyError::from)?;
    Ok(response?)
}

fn pause_for(pause: Duration, context: &CopyContext) -> Result<(), CopyError> {
    Ok(context.wait(async { time::sleep(pause).await })?)
}

impl From<RegistryError> for AttemptError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl From<CopyError> for AttemptError {
    fn from(error: CopyError) -> Self {
        Self::Permanent(error)
    }
}
