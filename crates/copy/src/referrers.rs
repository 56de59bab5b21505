//! What belongs to images and is no part of them: signatures, attestations, bills of materials.

use std::collections::BTreeSet;

use windlass_layout::{Artifact, Batch};
use windlass_oci::{Descriptor, Digest, ManifestLinks, MediaType};
use windlass_pull::PullError;
use windlass_registry::RegistryError;

use crate::budget::Budget;
use crate::source::{ContentSource, SourceError};
use crate::tree::{TreeError, gather_all};

/// How long a chain of artifacts about artifacts may be.
const LONGEST_CHAIN: usize = 8;

/// Adds to `batch` the artifacts of its images: those that name one of its manifests as their subject, those under
/// tags derived from its digest (cosign), and the artifacts of these artifacts.
///
/// A listed artifact is skipped if it is missing, or if it does not name the manifest as its subject.
pub fn gather_referrers(
    source: &dyn ContentSource,
    batch: &mut Batch,
    budget: &mut Budget,
) -> Result<(), TreeError> {
    let mut waiting: Vec<(Digest, usize)> = batch.documents.keys().map(|it| (*it, 0)).collect();
    let mut seen: BTreeSet<Digest> = batch.documents.keys().copied().collect();
    while let Some((subject, depth)) = waiting.pop() {
        for Artifact { root, tag } in source.referrers(&subject)? {
            let kind = &root.media_type;
            let may_be = kind.is_manifest() || kind.is_index() || *kind == MediaType::Unspecified;
            if !may_be || !seen.insert(root.digest) {
                continue;
            }
            if depth == LONGEST_CHAIN {
                return Err(Budget::exceeded(&subject));
            }
            let mut part = Batch::default();
            match gather_all(source, &root, &mut part, budget) {
                Ok(missing) if missing.is_empty() => {}
                Ok(missing) => {
                    tracing::debug!(?missing, %subject, "an artifact is incomplete");
                    continue;
                }
                Err(error) if is_missing(&error) => {
                    tracing::debug!(%error, %subject, "listed as a referrer, and not there");
                    continue;
                }
                Err(error) => return Err(error),
            }
            let Some(bytes) = part.documents.get(&root.digest) else {
                continue;
            };
            let links = ManifestLinks::parse(bytes).unwrap_or_default();
            let about = links.subject.as_ref().map(|subject| subject.digest);
            if tag.is_none() && about != Some(subject) {
                tracing::debug!(digest = %root.digest, %subject, "listed as a referrer, and is none");
                continue;
            }
            let new = part.documents.keys().copied();
            waiting.extend(new.map(|digest| (digest, depth + 1)));
            seen.extend(part.documents.keys());
            part.artifacts.push(Artifact {
                root: described(&root, links, bytes.len()),
                tag,
            });
            batch.extend(part);
        }
    }
    Ok(())
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

/// Returns the descriptor of an artifact by which registries list it: all of it by its own word.
pub(crate) fn described(root: &Descriptor, links: ManifestLinks, size: usize) -> Descriptor {
    Descriptor {
        media_type: links.media_type,
        digest: root.digest,
        size: size as u64,
        urls: Vec::new(),
        annotations: links.annotations,
        platform: None,
        artifact_type: links.artifact_type,
    }
}
