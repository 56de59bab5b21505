//! Pushes images to a registry.
//!
//! Blobs are sent first, several at a time. Then come the manifests: children before parents, and the images last.

mod attempt;
mod blob_upload;
mod body_feed;
mod document_order;
mod target;

pub use target::PushTarget;

use windlass_layout::Batch;
use windlass_oci::{Digest, ManifestLinks, Tag};
use windlass_registry::TagOrDigest;

use crate::error::CopyError;
use crate::events::{BlobStatus, CopyContext, report_planned, report_status};
use crate::parallel::for_each_parallel;
use crate::referrers::artifact_descriptor;
use crate::source::ContentSource;
use blob_upload::BlobUpload;
use document_order::document_order;

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
}
