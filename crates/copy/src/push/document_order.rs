//! The order in which the documents of a push are sent.

use std::collections::BTreeSet;

use windlass_layout::Batch;
use windlass_oci::{Digest, ManifestLinks, Tag};
use windlass_registry::TagOrDigest;

/// A document to be sent.
pub(super) struct DocumentUpload {
    pub(super) digest: Digest,
    /// The tags under which it is sent, or else its digest.
    pub(super) targets: Vec<TagOrDigest>,
}

/// Returns the documents of `batch` in the order in which they are sent: each after those that it refers to, and the
/// images, which get `tags`, last.
pub(super) fn document_order(batch: &Batch, tags: &[Tag]) -> Vec<DocumentUpload> {
    let roots: BTreeSet<_> = batch.images.iter().map(|image| image.root.digest).collect();
    let (images, others): (Vec<_>, Vec<_>) = children_first(batch)
        .into_iter()
        .partition(|digest| roots.contains(digest));
    let others = others.into_iter().map(|digest| {
        let artifacts = batch.artifacts.iter();
        let tags = artifacts.filter(|artifact| artifact.root.digest == digest);
        DocumentUpload::new(digest, tags.filter_map(|artifact| artifact.tag.clone()))
    });
    let images = images.into_iter();
    let images = images.map(|digest| DocumentUpload::new(digest, tags.iter().cloned()));
    others.chain(images).collect()
}

/// Returns the documents so that each comes after those that it refers to.
fn children_first(batch: &Batch) -> Vec<Digest> {
    let mut order = Vec::new();
    let mut visited = BTreeSet::new();
    for root in batch.documents.keys() {
        let mut stack = vec![Visit::Document(*root)];
        while let Some(visit) = stack.pop() {
            let digest = match visit {
                Visit::Document(digest) => digest,
                Visit::ChildrenDone(digest) => {
                    order.push(digest);
                    continue;
                }
            };
            let Some(bytes) = batch.documents.get(&digest) else {
                continue;
            };
            if visited.insert(digest) {
                stack.push(Visit::ChildrenDone(digest));
                let links = ManifestLinks::parse(bytes).unwrap_or_default();
                let children = links.manifests.into_iter();
                stack.extend(children.map(|child| Visit::Document(child.digest)));
            }
        }
    }
    order
}

/// A step of a walk in depth.
enum Visit {
    Document(Digest),
    ChildrenDone(Digest),
}

impl DocumentUpload {
    fn new(digest: Digest, tags: impl Iterator<Item = Tag>) -> Self {
        let mut targets: Vec<_> = tags.map(TagOrDigest::Tag).collect();
        if targets.is_empty() {
            targets.push(TagOrDigest::Digest(digest));
        }
        Self { digest, targets }
    }
}
