//! Finds the images to which a manifest or index leads.

use std::cmp::Reverse;
use std::sync::Arc;

use windlass_oci::{
    Descriptor, Digest, ImageConfig, ImageManifest, Manifest, ManifestError, NoMatchingPlatform,
    Platform,
};

use crate::budget::Budget;
use crate::error::TreeError;
use crate::image_choice::ImageChoice;
use crate::source::ContentSource;

/// An image that a source has.
#[derive(Clone, Debug)]
pub struct SourceImage {
    /// The descriptor of the manifest.
    pub descriptor: Descriptor,
    /// The bytes of the manifest.
    pub bytes: Vec<u8>,
    /// The parsed manifest.
    pub manifest: ImageManifest,
    /// The bytes of the config.
    pub config_bytes: Vec<u8>,
    /// The parsed config.
    pub config: ImageConfig,
    /// The indexes that lead to the image, the outermost first.
    pub indexes: Vec<(Digest, Arc<[u8]>)>,
}

/// A document to be read, and the indexes that lead to it.
struct PendingDocument {
    descriptor: Descriptor,
    indexes: Vec<(Digest, Arc<[u8]>)>,
}

/// A walk through the indexes below `root`.
struct ImageWalk<'a> {
    source: &'a dyn ContentSource,
    root: &'a Descriptor,
    choice: &'a ImageChoice,
    budget: &'a mut Budget,
    /// The next document is at the end.
    pending: Vec<PendingDocument>,
}

/// The maximum number of indexes that lead to an image.
const MAX_DEPTH: usize = 4;

/// Finds the chosen images to which `root` leads, in the order of their indexes.
///
/// Images that the source does not have are skipped, as archives often have only one image of an index.
pub fn images(
    source: &dyn ContentSource,
    root: &Descriptor,
    choice: &ImageChoice,
    budget: &mut Budget,
) -> Result<Vec<SourceImage>, TreeError> {
    let first = PendingDocument {
        descriptor: root.clone(),
        indexes: Vec::new(),
    };
    let walk = ImageWalk {
        source,
        root,
        choice,
        budget,
        pending: vec![first],
    };
    choose(walk.run()?, root, choice)
}

impl ImageWalk<'_> {
    /// Returns the images in the order of the walk. It ends at the first image for the chosen platform, if there is one.
    fn run(mut self) -> Result<Vec<SourceImage>, TreeError> {
        let target = self.choice.target();
        let mut found = Vec::new();
        while let Some(document) = self.pending.pop() {
            let Some(image) = self.visit(document)? else {
                continue;
            };
            let platform = image.config.platform();
            found.push(image);
            // The best entries of an index come first, so the first match is the image to copy.
            if (target.as_ref()).is_some_and(|target| target.rank(&platform).is_some()) {
                break;
            }
        }
        Ok(found)
    }

    /// Reads a document. Returns it if it is an image, and adds the entries of an index to the pending documents.
    fn visit(&mut self, document: PendingDocument) -> Result<Option<SourceImage>, TreeError> {
        let digest = document.descriptor.digest;
        let is_root = document.indexes.is_empty();
        if document.indexes.len() > MAX_DEPTH {
            return Err(TreeError::NestedTooDeeply {
                digest: self.root.digest,
                limit: MAX_DEPTH,
            });
        }
        let bytes = self.source.document(&document.descriptor)?;
        self.count(bytes.as_deref())?;
        let Some(bytes) = bytes else {
            return missing(digest, is_root);
        };
        match Manifest::parse(&bytes, None) {
            Ok(Manifest::Index(index)) => {
                let mut indexes = document.indexes;
                indexes.push((digest, bytes.into()));
                let candidates = self.choice.candidates(&index.manifests);
                let pending = candidates.into_iter().map(|descriptor| PendingDocument {
                    descriptor,
                    indexes: indexes.clone(),
                });
                self.pending.extend(pending.rev());
                Ok(None)
            }
            Ok(Manifest::Image(manifest)) => self.image(document, bytes, manifest),
            // An index may name attestations, signatures and other artifacts.
            Err(ManifestError::NotAnImage(_)) if !is_root => Ok(None),
            Err(source) => Err(TreeError::Manifest { digest, source }),
        }
    }

    /// Reads the config of an image.
    fn image(
        &mut self,
        document: PendingDocument,
        bytes: Vec<u8>,
        manifest: ImageManifest,
    ) -> Result<Option<SourceImage>, TreeError> {
        let digest = manifest.config.digest;
        let config_bytes = self.source.document(&manifest.config)?;
        self.count(config_bytes.as_deref())?;
        let Some(config_bytes) = config_bytes else {
            return missing(digest, document.indexes.is_empty());
        };
        let config = ImageConfig::parse(&config_bytes);
        let config = config.map_err(|source| TreeError::Config { digest, source })?;
        Ok(Some(SourceImage {
            descriptor: document.descriptor,
            bytes,
            manifest,
            config_bytes,
            config,
            indexes: document.indexes,
        }))
    }

    fn count(&mut self, document: Option<&[u8]>) -> Result<(), TreeError> {
        let counted = self.budget.count(document);
        counted.map_err(TreeError::too_many_documents(self.root))
    }
}

/// Only the documents of an image that is not part of an index are required.
fn missing<T>(digest: Digest, is_required: bool) -> Result<Option<T>, TreeError> {
    match is_required {
        true => Err(TreeError::Missing { digest }),
        false => Ok(None),
    }
}

/// Returns the chosen images of those that were found.
fn choose(
    mut found: Vec<SourceImage>,
    root: &Descriptor,
    choice: &ImageChoice,
) -> Result<Vec<SourceImage>, TreeError> {
    if found.is_empty() && !matches!(choice, ImageChoice::One(Some(_))) {
        return Err(TreeError::NoImage {
            digest: root.digest,
        });
    }
    match choice {
        ImageChoice::All | ImageChoice::AllIfComplete => Ok(found),
        ImageChoice::One(None) => {
            let best = best_match(&found, &Platform::host()).unwrap_or(0);
            Ok(vec![found.swap_remove(best)])
        }
        ImageChoice::One(Some(platform)) => match best_match(&found, platform) {
            Some(best) => Ok(vec![found.swap_remove(best)]),
            None => Err(TreeError::NoMatchingPlatform(NoMatchingPlatform {
                wanted: Box::new(platform.clone()),
                offered: found.iter().map(|image| image.config.platform()).collect(),
            })),
        },
    }
}

/// Returns the position of the best image for `platform`; the first of equally good ones.
fn best_match(found: &[SourceImage], platform: &Platform) -> Option<usize> {
    found
        .iter()
        .enumerate()
        .filter_map(|(position, image)| {
            let rank = platform.rank(&image.config.platform())?;
            Some((rank, Reverse(position)))
        })
        .max()
        .map(|(_, Reverse(position))| position)
}
