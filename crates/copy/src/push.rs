//! Pushes images to a registry.
//!
//! Blobs first, several at a time; then manifests, children before parents; then artifacts; manifests with a tag last.

mod blob_upload;
mod feed;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use tokio::time;
use windlass_layout::Batch;
use windlass_oci::{Descriptor, Digest, ManifestLinks, RepositoryName, Tag};
use windlass_pull::{Attempts, RetryPolicy};
use windlass_registry::{RegistryError, Repository, TagOrDigest};

use crate::events::{BlobStatus, CopyContext};
use crate::files::{CopyError, for_each_parallel, plan, status};
use crate::referrers::described;
use crate::source::ContentSource;
use blob_upload::BlobUpload;

/// A repository that images are pushed to.
#[derive(Clone, Debug)]
pub struct PushTarget {
    /// The session, which may write.
    pub repository: Repository,
    /// When they are tried again.
    pub retry: RetryPolicy,
    /// How many blobs are sent at a time.
    pub at_once: usize,
    /// A repository of the same registry that may have the blob already.
    pub known: BTreeMap<Digest, RepositoryName>,
    /// Maximum bytes sent in one request, unless the registry requires more; `None` for no limit.
    pub chunk: Option<u64>,
}

/// Why something could not be pushed.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The registry did not take it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// It could not be read.
    #[error("cannot read {digest}")]
    Read {
        /// The blob.
        digest: Digest,
        /// Why.
        source: io::Error,
    },
}

/// Why an attempt failed.
enum Failure {
    /// The registry rejected the request; the error has the next step.
    Registry(RegistryError),
    /// Another would fail as well.
    Last(CopyError),
}

/// Pushes the image of `batch`, which `source` has, and names it by `tags`; by its digest alone where there are none.
///
/// Its artifacts are listed for their subjects: by the registry, or where it does not do that, under the fallback tag.
pub fn to_repository(
    source: &dyn ContentSource,
    batch: &Batch,
    tags: &[Tag],
    to: &PushTarget,
    context: &CopyContext,
) -> Result<(), CopyError> {
    plan(batch, context);
    let blobs: Vec<_> = batch.blobs.values().collect();
    for (place, blob) in blobs.iter().enumerate() {
        status(context, blob.digest, BlobStatus::Preparing);
        if place >= to.at_once {
            status(context, blob.digest, BlobStatus::Waiting);
        }
    }
    for_each_parallel(&blobs, to.at_once, context.cancellation(), |blob| {
        let upload = BlobUpload {
            to,
            source,
            blob,
            context,
        };
        upload.run()
    })?;
    for (digest, targets) in order(batch, tags) {
        let bytes = &batch.documents[&digest];
        for target in targets {
            to.put_document(&target, bytes, context)?;
        }
    }
    Ok(())
}

/// Returns the documents in the order in which they are put, and under which names.
fn order(batch: &Batch, tags: &[Tag]) -> Vec<(Digest, Vec<TagOrDigest>)> {
    let roots: BTreeSet<_> = batch.images.iter().map(|image| image.root.digest).collect();
    let (last, first): (Vec<_>, Vec<_>) = deepest_first(batch)
        .into_iter()
        .partition(|digest| roots.contains(digest));
    let of_artifacts = batch.artifacts.iter().filter_map(|artifact| {
        let tag = artifact.tag.clone()?;
        Some((artifact.root.digest, TagOrDigest::Tag(tag)))
    });
    let of_artifacts: Vec<_> = of_artifacts.collect();
    let targets = |digest: &Digest| {
        let named: Vec<_> = match roots.contains(digest) {
            true => tags.iter().cloned().map(TagOrDigest::Tag).collect(),
            false => {
                let mine = of_artifacts.iter().filter(|(of, _)| of == digest);
                mine.map(|(_, target)| target.clone()).collect()
            }
        };
        match named.is_empty() {
            true => vec![TagOrDigest::Digest(*digest)],
            false => named,
        }
    };
    let all = first.into_iter().chain(last);
    all.map(|digest| (digest, targets(&digest))).collect()
}

/// Returns the documents so that each comes after those that it names.
fn deepest_first(batch: &Batch) -> Vec<Digest> {
    let mut order = Vec::new();
    let mut done = BTreeSet::new();
    for root in batch.documents.keys() {
        let mut stack = vec![(*root, false)];
        while let Some((digest, is_ready)) = stack.pop() {
            if is_ready {
                order.push(digest);
                continue;
            }
            if !done.insert(digest) {
                continue;
            }
            stack.push((digest, true));
            let links = ManifestLinks::parse(&batch.documents[&digest]).unwrap_or_default();
            let below = links.manifests.iter().map(|child| child.digest);
            stack.extend(
                below
                    .filter(|child| batch.documents.contains_key(child))
                    .map(|child| (child, false)),
            );
        }
    }
    order
}

impl PushTarget {
    fn put_document(
        &self,
        target: &TagOrDigest,
        bytes: &[u8],
        context: &CopyContext,
    ) -> Result<(), CopyError> {
        let links = ManifestLinks::parse(bytes).unwrap_or_default();
        let media_type = links.media_type.clone();
        let put = || (self.repository).put_manifest(target, media_type.as_str(), bytes);
        let listed = self.persist(context, put)?;
        let Some(subject) = links.subject.as_ref().map(|subject| subject.digest) else {
            return Ok(());
        };
        if listed.is_some() {
            return Ok(());
        }
        let digest = match target {
            TagOrDigest::Digest(digest) => *digest,
            TagOrDigest::Tag(_) => Digest::sha256(bytes),
        };
        let root = Descriptor {
            media_type,
            digest,
            size: bytes.len() as u64,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            artifact_type: None,
        };
        let artifact = described(&root, links, bytes.len());
        self.persist(context, || {
            self.repository.add_referrer(&subject, &artifact)
        })
    }

    /// Makes a request until it succeeds or there is no use in trying.
    fn persist<T, F>(&self, context: &CopyContext, request: impl Fn() -> F) -> Result<T, CopyError>
    where
        F: Future<Output = Result<T, RegistryError>>,
    {
        let mut attempts = Attempts::new(self.retry);
        loop {
            let error = match Self::wait(request(), context) {
                Ok(done) => return Ok(done),
                Err(Failure::Last(error)) => return Err(error),
                Err(Failure::Registry(error)) => error,
            };
            match attempts.pause_after(&error) {
                Some(pause) => pause_for(pause, context)?,
                None => return Err(PushError::from(error).into()),
            }
        }
    }

    /// Blocks until a request is answered.
    fn wait<T>(
        request: impl Future<Output = Result<T, RegistryError>>,
        context: &CopyContext,
    ) -> Result<T, Failure> {
        let response = context.wait(request).map_err(CopyError::from)?;
        Ok(response?)
    }
}

fn pause_for(pause: Duration, context: &CopyContext) -> Result<(), CopyError> {
    Ok(context.wait(async { time::sleep(pause).await })?)
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl From<CopyError> for Failure {
    fn from(error: CopyError) -> Self {
        Self::Last(error)
    }
}
