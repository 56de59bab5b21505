//! Saves images from the store as archives and directories.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use windlass_copy::{
    ArchiveCompression, Budget, ContentSource as _, CopyContext, CopyError, CopyEvent, Gathered,
    ImageChoice, ImageRoot, OutputTarget, SourceError, StoreSource, TreeError, gather, to_archive,
    to_directory,
};
use windlass_layout::{Batch, BatchImage, LayoutDirectory, LayoutKind, WriteError};
use windlass_oci::{Descriptor, Digest, ImageId, ImageName, Reference};
use windlass_operation::{Cancelled, Operation};
use windlass_store::{DatabaseError, FindError, Image};

use crate::engine::Engine;

/// The request of [`Engine::save`].
#[derive(Debug)]
pub struct SaveRequest {
    /// The images: each by a name, which the archive contains, or by its ID, which selects this image alone whatever
    /// `choice` is. A repository without a tag selects all its tags.
    pub names: Vec<ImageName>,
    /// The images of an index. [`ImageChoice::All`] includes the index, and every image of it that the store has.
    pub choice: ImageChoice,
    /// The destination.
    pub to: SaveTo,
}

/// The destination of saved images.
#[derive(Debug)]
pub enum SaveTo {
    /// An archive.
    Archive {
        /// The format of the archive.
        kind: LayoutKind,
        /// The file or stream to write.
        output: OutputTarget,
        /// The compression of the whole archive.
        compression: ArchiveCompression,
    },
    /// A directory.
    Directory {
        /// The format of the directory.
        kind: LayoutKind,
        /// The directory; created if it is missing.
        path: PathBuf,
    },
}

/// A saved image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The image.
    pub image_id: ImageId,
    /// The digest of the manifest or index in the archive or directory.
    pub digest: Digest,
    /// Its names there.
    pub names: Vec<Reference>,
    /// Whether the manifest differs from the pulled one, because the store has some of its layers in another
    /// compression only.
    pub is_rewritten: bool,
    /// The manifests that the saved index names and the store does not have.
    pub missing: Vec<Digest>,
}

/// Why images were not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// There is no such image, or the name is ambiguous.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The store could not be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A document could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The parts of the image could not be determined.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The directory cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A blob could not be written.
    #[error(transparent)]
    Copy(#[from] CopyError),
}

impl From<Cancelled> for SaveError {
    fn from(cancelled: Cancelled) -> Self {
        Self::Copy(cancelled.into())
    }
}

/// Whether everything that an index names must be present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completeness {
    /// A registry must not get an index without its manifests.
    Required,
    /// Archives may contain a part of an index.
    Optional,
}

/// An image to save.
struct ChosenImage {
    image: Image,
    /// The requested names.
    names: Vec<Reference>,
    /// Whether it was only requested by its ID. An ID is that of one image, not of its index.
    by_id: bool,
}

/// The number of blobs that are written into a directory at a time.
const CONCURRENT_BLOBS: usize = 4;

impl Engine {
    /// Saves images. An archive appears when it is complete; a directory lists an image when all its blobs are present.
    pub fn save(&self, request: SaveRequest) -> Operation<CopyEvent, Vec<Saved>, SaveError> {
        self.operation(move |engine, context| engine.save_images(request, context))
    }

    fn save_images(
        &self,
        request: SaveRequest,
        context: &CopyContext,
    ) -> Result<Vec<Saved>, SaveError> {
        let SaveRequest { names, choice, to } = request;
        let mut source = StoreSource::new(Arc::clone(&self.store));
        let (mut batch, saved) =
            self.batch(&names, &choice, Completeness::Optional, &mut source)?;
        // A reader of the archive may have no other access to foreign layers.
        batch.include_foreign_layers(|blob| source.has(blob));
        match to {
            SaveTo::Archive {
                kind,
                output,
                compression,
            } => {
                let output = output.open()?;
                output.write(compression, context.cancellation(), |out| {
                    to_archive(&source, &batch, kind, out, context)
                })?;
            }
            SaveTo::Directory { kind, path } => {
                let directory = LayoutDirectory::open(kind, &path)?;
                to_directory(&source, &batch, directory, CONCURRENT_BLOBS, context)?;
            }
        }
        Ok(saved)
    }

    /// Gathers one image to copy it to another place than files.
    pub(crate) fn stored(
        &self,
        name: &ImageName,
        choice: &ImageChoice,
        completeness: Completeness,
    ) -> Result<(StoreSource, Descriptor, Batch), SaveError> {
        let mut source = StoreSource::new(Arc::clone(&self.store));
        let name = match name {
            ImageName::Reference(name) => ImageName::Reference(name.clone().or_latest()),
            ImageName::ReferenceOrPrefix(name, prefix) => {
                ImageName::ReferenceOrPrefix(name.clone().or_latest(), prefix.clone())
            }
            ImageName::Id(_) | ImageName::IdPrefix(_) => name.clone(),
        };
        let (batch, _) = self.batch(&[name], choice, completeness, &mut source)?;
        let root = batch.images[0].root.clone();
        Ok((source, root, batch))
    }

    /// Gathers the documents and blobs of the images. The blobs stay stored as long as `source`, so that the images can be
    /// removed while they are saved or pushed.
    pub(crate) fn batch(
        &self,
        names: &[ImageName],
        choice: &ImageChoice,
        completeness: Completeness,
        source: &mut StoreSource,
    ) -> Result<(Batch, Vec<Saved>), SaveError> {
        let mut batch = Batch::default();
        let mut saved = Vec::new();
        for ChosenImage {
            image,
            names,
            by_id,
        } in self.chosen(names)?
        {
            let choice = match by_id {
                true => &ImageChoice::One(None),
                false => choice,
            };
            let (root, gathered) = gather_image(source, &image, choice)?;
            if completeness == Completeness::Required {
                gathered.check_complete()?;
            }
            source.lease(gathered.batch.blobs.keys().copied())?;
            let descriptor = gathered.root;
            batch.extend(gathered.batch);
            batch.images.push(BatchImage {
                root: descriptor.clone(),
                names: names.clone(),
                ref_name: None,
                named: Some(*image.id.digest()),
            });
            saved.push(Saved {
                image_id: image.id,
                digest: descriptor.digest,
                names,
                is_rewritten: root.is_rewritten,
                missing: gathered.missing,
            });
        }
        Ok((batch, saved))
    }

    /// Finds the images, each once, with the requested names.
    fn chosen(&self, names: &[ImageName]) -> Result<Vec<ChosenImage>, SaveError> {
        let mut chosen: Vec<ChosenImage> = Vec::new();
        let mut places = BTreeMap::new();
        let mut add = |image: Image, name: Option<Reference>, by_id: bool| {
            let at = *places.entry(image.id).or_insert(chosen.len());
            if at == chosen.len() {
                chosen.push(ChosenImage {
                    image,
                    names: Vec::new(),
                    by_id,
                });
            }
            let known = &mut chosen[at];
            known.by_id &= by_id;
            let is_new = |name: &Reference| !known.names.contains(name);
            let name = name.filter(is_new);
            known.names.extend(name);
        };
        for name in names {
            let tags = self.tags_of(name)?;
            if tags.is_empty() {
                let image = self.store.image(name)?;
                let by_id = is_id(name, &image);
                let tag = tag_of(name, &image);
                add(image, tag, by_id);
            }
            for (image, tag) in tags {
                add(image, Some(tag), false);
            }
        }
        Ok(chosen)
    }

    /// Returns the tags of a repository that was requested without a tag, with their images.
    fn tags_of(&self, name: &ImageName) -> Result<Vec<(Image, Reference)>, SaveError> {
        let (ImageName::Reference(name) | ImageName::ReferenceOrPrefix(name, _)) = name else {
            return Ok(Vec::new());
        };
        if !name.is_name_only() {
            return Ok(Vec::new());
        }
        let images = self.store.images()?.into_iter();
        let tags = images.flat_map(|image| {
            let tags = image.tags.clone().into_iter();
            tags.map(move |tag| (image.clone(), tag.reference))
        });
        let of_repository = tags.filter(|(_, tag)| tag.repository() == name.repository());
        Ok(of_repository.collect())
    }
}

/// Returns whether `name`, which led to `image`, is its ID or a prefix of it.
fn is_id(name: &ImageName, image: &Image) -> bool {
    match name {
        ImageName::Id(_) | ImageName::IdPrefix(_) => true,
        ImageName::Reference(_) => false,
        // A tag of this name would have been found first.
        ImageName::ReferenceOrPrefix(_, _) => tag_of(name, image).is_none(),
    }
}

/// Gathers the documents and blobs of an image in the store.
///
/// [`ImageChoice::AllIfComplete`] becomes the image itself if the store lacks a part of its index. That is not always the
/// image for this machine.
fn gather_image(
    source: &mut StoreSource,
    image: &Image,
    choice: &ImageChoice,
) -> Result<(ImageRoot, Gathered), SaveError> {
    let root = source.root(image, !matches!(choice, ImageChoice::One(_)))?;
    let all = match choice {
        ImageChoice::AllIfComplete => &ImageChoice::All,
        ImageChoice::All | ImageChoice::One(_) => choice,
    };
    let gathered = gather(source, &root.descriptor, all, &mut Budget::default())?;
    if *choice == ImageChoice::AllIfComplete && !gathered.missing.is_empty() {
        return gather_image(source, image, &ImageChoice::One(None));
    }
    Ok((root, gathered))
}

/// Returns the tag that the image was requested by, if it has that tag.
fn tag_of(name: &ImageName, image: &Image) -> Option<Reference> {
    let (ImageName::Reference(name) | ImageName::ReferenceOrPrefix(name, _)) = name else {
        return None;
    };
    let name = name.clone().or_latest();
    let mut tags = image.tags.iter().map(|tag| &tag.reference);
    tags.find(|tag| **tag == name).cloned()
}
