//! Collects the artifacts of images: signatures, attestations, bills of materials.

use std::collections::BTreeSet;

use windlass_layout::{Artifact, Batch};
use windlass_oci::{Descriptor, Digest, ManifestLinks, MediaType};
use windlass_pull::PullError;
use windlass_registry::RegistryError;

use crate::budget::Budget;
use crate::error::TreeError;
use crate::gather::{Gathered, gather_all};
use crate::source::{ContentSource, SourceError};

/// The maximum length of a chain of artifacts of artifacts.
const MAX_CHAIN: usize = 8;

/// A manifest whose artifacts are to be listed.
struct Subject {
    digest: Digest,
    /// The number of artifacts that lead from an image to it.
    depth: usize,
}

/// Adds to `batch` the artifacts of its images: those that name one of its manifests as their subject, those under
/// tags derived from its digest (cosign), and the artifacts of these artifacts.
///
/// A listed artifact is skipped if it is missing or incomplete, or if it does not name the manifest as its subject.
pub fn gather_referrers(
    source: &dyn ContentSource,
    batch: &mut Batch,
    budget: &mut Budget,
) -> Result<(), TreeError> {
    let subject = |digest: &Digest, depth| Subject {
        digest: *digest,
        depth,
    };
    let mut pending: Vec<Subject> = batch.documents.keys().map(|it| subject(it, 0)).collect();
    let mut visited: BTreeSet<Digest> = batch.documents.keys().copied().collect();
    while let Some(Subject { digest, depth }) = pending.pop() {
        for artifact in source.referrers(&digest)? {
            if !may_be_manifest(&artifact.root) || !visited.insert(artifact.root.digest) {
                continue;
            }
            if depth == MAX_CHAIN {
                let limit = MAX_CHAIN;
                return Err(TreeError::ReferrersTooDeep { digest, limit });
            }
            if let Some(found) = gather_artifact(source, artifact, &digest, budget)? {
                let documents = found.documents.keys();
                pending.extend(documents.map(|digest| subject(digest, depth + 1)));
                visited.extend(found.documents.keys());
                batch.extend(found);
            }
        }
    }
    Ok(())
}

/// Collects a listed artifact of `subject`; returns `None` if it is skipped.
fn gather_artifact(
    source: &dyn ContentSource,
    Artifact { root, tag }: Artifact,
    subject: &Digest,
    budget: &mut Budget,
) -> Result<Option<Batch>, TreeError> {
    let Gathered {
        mut batch, missing, ..
    } = match gather_all(source, &root, budget) {
        Ok(gathered) => gathered,
        Err(error) if is_missing(&error) => {
            tracing::debug!(%error, %subject, "a listed artifact is missing");
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if !missing.is_empty() {
        tracing::debug!(?missing, %subject, "a listed artifact is incomplete");
        return Ok(None);
    }
    let Some(bytes) = batch.documents.get(&root.digest) else {
        return Ok(None);
    };
    let links = ManifestLinks::parse(bytes).unwrap_or_default();
    let stated = links.subject.as_ref().map(|subject| subject.digest);
    // Artifacts under a tag of cosign have no subject.
    if tag.is_none() && stated != Some(*subject) {
        tracing::debug!(digest = %root.digest, %subject, "a listed artifact has another subject");
        return Ok(None);
    }
    let root = artifact_descriptor(root.digest, links, bytes.len());
    batch.artifacts.push(Artifact { root, tag });
    Ok(Some(batch))
}

fn may_be_manifest(Descriptor { media_type, .. }: &Descriptor) -> bool {
    media_type.is_manifest() || media_type.is_index() || *media_type == MediaType::Unspecified
}

fn is_missing(error: &TreeError) -> bool {
    match error {
        TreeError::Missing { .. } => true,
        TreeError::Source(SourceError::Registry(PullError::Registry(failed))) => {
            matches!(*failed.error, RegistryError::ManifestUnknown { .. })
        }
        _ => false,
    }
}

/// Returns the descriptor under which registries list an artifact. Its fields are copied from the artifact's manifest.
pub(crate) fn artifact_descriptor(digest: Digest, links: ManifestLinks, size: usize) -> Descriptor {
    Descriptor {
        media_type: links.media_type,
        digest,
        size: size as u64,
        urls: Vec::new(),
        annotations: links.annotations,
        platform: None,
        artifact_type: links.artifact_type,
    }
}
