//! Groups the stored images by index and platform, including platforms that are not stored.

use std::collections::BTreeMap;

use windlass_oci::{Digest, ImageId, Manifest, Platform, Reference};
use windlass_store::Image;

use crate::engine::Engine;
use crate::store_error::StoreError;

/// An index with its platforms, or a manifest with one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageTree {
    /// The digest of the index, or of the manifest without an index.
    pub target: Digest,
    /// The tags of the index or manifest, in order; if there are none, its digest references.
    pub names: Vec<Reference>,
    /// The platforms, in the order of the index.
    pub platforms: Vec<PlatformImage>,
}

/// The image for one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformImage {
    /// The platform.
    pub platform: Platform,
    /// The digest of its manifest.
    pub manifest: Digest,
    /// The image, if it is stored.
    pub image: Option<StoredImage>,
}

/// A stored image in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredImage {
    /// The image.
    pub id: ImageId,
    /// When it was created, as recorded in its config.
    pub created: Option<String>,
    /// Bytes of file content in its layers.
    pub size: u64,
    /// Bytes of its layers' blobs, as recorded in its manifest.
    pub compressed: u64,
}

impl Engine {
    /// Returns the stored images by the index or manifest that their names refer to, the last pulled first.
    ///
    /// An image in several indexes is in several trees. An index that is not stored any more, or that contains indexes,
    /// has only the platforms of the stored images.
    pub fn image_trees(&self) -> Result<Vec<ImageTree>, StoreError> {
        let images = self.store.images()?;
        let mut trees: Vec<ImageTree> = Vec::new();
        for image in &images {
            for (target, name) in index_references(image) {
                let at = match trees.iter().position(|tree| tree.target == target) {
                    Some(at) => at,
                    None => {
                        trees.push(self.tree(target, &images));
                        trees.len() - 1
                    }
                };
                let tree = &mut trees[at];
                tree.names.extend(name.cloned());
                if tree
                    .platforms
                    .iter()
                    .all(|entry| entry.manifest != image.manifest)
                {
                    tree.platforms.push(PlatformImage::of_stored(image));
                }
            }
        }
        for tree in &mut trees {
            if tree.names.iter().any(|name| name.tag().is_some()) {
                tree.names.retain(|name| name.tag().is_some());
            }
            tree.names.sort();
            tree.names.dedup();
        }
        Ok(trees)
    }

    /// Reads the platforms of an index.
    fn tree(&self, target: Digest, images: &[Image]) -> ImageTree {
        let by_manifest: BTreeMap<&Digest, &Image> = images
            .iter()
            .map(|image| (&image.manifest, image))
            .collect();
        let bytes = self.store.read_blob(&target).ok();
        let platforms = match bytes.map(|bytes| Manifest::parse(&bytes, None)) {
            Some(Ok(Manifest::Index(index))) => {
                let offered = index.platforms();
                let entries = index.manifests.into_iter().filter_map(|entry| {
                    let platform = entry.platform.filter(|one| offered.contains(one))?;
                    Some(match by_manifest.get(&entry.digest) {
                        Some(image) => PlatformImage::of_stored(image),
                        None => PlatformImage {
                            platform,
                            manifest: entry.digest,
                            image: None,
                        },
                    })
                });
                entries.collect()
            }
            Some(Ok(Manifest::Image(_)) | Err(_)) | None => Vec::new(),
        };
        ImageTree {
            target,
            names: Vec::new(),
            platforms,
        }
    }
}

impl PlatformImage {
    fn of_stored(image: &Image) -> Self {
        Self {
            platform: image.platform.clone(),
            manifest: image.manifest,
            image: Some(StoredImage {
                id: image.id,
                created: image.created.clone(),
                size: image.size(),
                compressed: image.layers.iter().map(|layer| layer.blob_size).sum(),
            }),
        }
    }
}

/// Returns the index or manifest that an image belongs to, and its names there.
fn index_references(image: &Image) -> Vec<(Digest, Option<&Reference>)> {
    let tags = image
        .tags
        .iter()
        .map(|tag| (tag.target, Some(&tag.reference)));
    let digests = { image.digests.iter() }
        .filter_map(|reference| Some((*reference.digest()?, Some(reference))));
    let references: Vec<_> = tags.chain(digests).collect();
    match references.is_empty() {
        true => vec![(*image.target(), None)],
        false => references,
    }
}
