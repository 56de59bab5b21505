//! Images out of the store, into archives and directories.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use windlass_copy::{
    Budget, Choice, CopyError, Source as _, SourceError, StoreSource, Tell, TreeError, gather,
    to_archive, to_directory,
};
use windlass_layout::{Batch, BatchImage, LayoutDirectory, LayoutKind, WriteError};
use windlass_oci::{Descriptor, Digest, ImageId, ImageName, Reference};
use windlass_store::{DatabaseError, FindError, Image};

use crate::Engine;

/// Where images are saved.
pub enum SaveTo<'a> {
    /// Into an archive, in one stream.
    Archive(LayoutKind, &'a mut (dyn Write + Send)),
    /// Into a directory.
    Directory(LayoutKind, &'a Path),
}

impl std::fmt::Debug for SaveTo<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Archive(kind, _) => f.debug_tuple("Archive").field(kind).finish(),
            Self::Directory(kind, path) => {
                f.debug_tuple("Directory").field(kind).field(path).finish()
            }
        }
    }
}

/// An image that was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The image.
    pub image_id: ImageId,
    /// The manifest or index that stands for it in what was written.
    pub digest: Digest,
    /// What it is called there.
    pub names: Vec<Reference>,
    /// Whether its manifest is another than the one it came with, because layers of it were here in another
    /// compression.
    pub is_rewritten: bool,
}

/// Why images could not be saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// There is no such image, or more than one.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The store could not be asked.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A document could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// What belongs to the image could not be made out.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The directory cannot be written into.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// It could not be written.
    #[error(transparent)]
    Copy(#[from] CopyError),
}

/// How many blobs are written into a directory at a time.
const AT_ONCE: usize = 4;

impl Engine {
    /// Saves images, with their names if they are given by those: of a repository alone, all its tags.
    ///
    /// With [`Choice::All`] the index goes along that an image came with, and every image of it that is here. Blocks.
    pub fn save(
        &self,
        names: &[ImageName],
        choice: &Choice,
        to: SaveTo<'_>,
        stop: &AtomicBool,
        tell: Tell<'_>,
    ) -> Result<Vec<Saved>, SaveError> {
        let mut source = StoreSource::new(Arc::clone(&self.store));
        let (mut batch, saved) = self.batch(names, choice, &mut source)?;
        // Whoever loads it has no other way to them.
        batch.include_foreign_layers(|blob| source.has(blob));
        match to {
            SaveTo::Archive(kind, out) => {
                to_archive(&source, &batch, (kind, out), stop, tell)?;
            }
            SaveTo::Directory(kind, path) => {
                let directory = LayoutDirectory::open(kind, path)?;
                to_directory(&source, &batch, directory, AT_ONCE, stop, tell)?;
            }
        }
        Ok(saved)
    }

    /// Gathers one image, to be carried elsewhere than into files.
    pub fn stored(
        &self,
        name: &ImageName,
        choice: &Choice,
    ) -> Result<(StoreSource, Descriptor, Batch), SaveError> {
        let mut source = StoreSource::new(Arc::clone(&self.store));
        let name = match name {
            ImageName::Reference(name) => ImageName::Reference(name.clone().or_latest()),
            ImageName::ReferenceOrPrefix(name, prefix) => {
                ImageName::ReferenceOrPrefix(name.clone().or_latest(), prefix.clone())
            }
            id => id.clone(),
        };
        let (batch, _) = self.batch(&[name], choice, &mut source)?;
        let root = batch.images[0].root.clone();
        Ok((source, root, batch))
    }

    /// Gathers all that belongs to the images.
    pub(crate) fn batch(
        &self,
        names: &[ImageName],
        choice: &Choice,
        source: &mut StoreSource,
    ) -> Result<(Batch, Vec<Saved>), SaveError> {
        let mut batch = Batch::default();
        let mut saved = Vec::new();
        for (image, names) in self.chosen(names)? {
            let root = source.root(&image, *choice == Choice::All)?;
            let mut budget = Budget::default();
            let (descriptor, of_image) = gather(source, &root.descriptor, choice, &mut budget)?;
            batch.extend(of_image);
            batch.images.push(BatchImage {
                root: descriptor.clone(),
                names: names.clone(),
                ref_name: None,
            });
            saved.push(Saved {
                image_id: image.id,
                digest: descriptor.digest,
                names,
                is_rewritten: root.is_rewritten,
            });
        }
        Ok((batch, saved))
    }

    /// Finds the images, each once, with the names that they were asked for by.
    fn chosen(&self, names: &[ImageName]) -> Result<Vec<(Image, Vec<Reference>)>, SaveError> {
        let mut chosen: Vec<(Image, Vec<Reference>)> = Vec::new();
        let mut places = BTreeMap::new();
        let mut add = |image: Image, name: Option<Reference>| {
            let at = *places.entry(image.id).or_insert(chosen.len());
            if at == chosen.len() {
                chosen.push((image, Vec::new()));
            }
            let names = &mut chosen[at].1;
            names.extend(name.filter(|name| !names.contains(name)));
        };
        for name in names {
            let tags = self.tags_of(name)?;
            if tags.is_empty() {
                let image = self.store.image(name)?;
                add(image.clone(), tag_of(name, &image));
            }
            for (image, tag) in tags {
                add(image, Some(tag));
            }
        }
        Ok(chosen)
    }

    /// Returns the tags of the repository that is named alone, and their images.
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

/// Returns the tag by which the image was asked for, if it has that.
fn tag_of(name: &ImageName, image: &Image) -> Option<Reference> {
    let (ImageName::Reference(name) | ImageName::ReferenceOrPrefix(name, _)) = name else {
        return None;
    };
    let name = name.clone().or_latest();
    let mut tags = image.tags.iter().map(|tag| &tag.reference);
    tags.find(|tag| **tag == name).cloned()
}
