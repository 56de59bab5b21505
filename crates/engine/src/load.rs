//! Loads images from archives and directories into the store.
//!
//! # Invariants
//! - No image of an archive is visible, and no tag is moved, before the whole archive is verified and unpacked, even if
//!   only its last byte is wrong (T24).
//! - Documents and blobs are stored byte for byte.

mod commit;
mod error;
mod incoming;
mod layers;

use std::fs::File;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use windlass_copy::{CopyContext, CopyEvent, ImageChoice};
use windlass_layout::{Layout, LayoutError, ReadOptions, Spool};
use windlass_oci::{
    Descriptor, DiffId, Digest, ImageId, ImageName, MediaType, Platform, Reference,
};
use windlass_operation::Operation;

use crate::engine::Engine;
pub use error::LoadError;
use incoming::{IncomingImage, incoming_images};

/// The source of an archive.
#[derive(Debug)]
pub enum LoadFrom {
    /// A file, a named pipe, or a directory.
    Path(PathBuf),
    /// An open file or pipe, from its current position.
    File(File),
}

/// Options of [`Engine::load`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoadOptions {
    /// The images of an index to load.
    pub choice: ImageChoice,
    /// The name of the image, instead of the names in the archive, which must contain one image only.
    pub name: Option<Reference>,
}

/// A loaded image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// The image.
    pub image_id: ImageId,
    /// The digest of its manifest.
    pub manifest: Digest,
    /// Its platform.
    pub platform: Platform,
    /// Its new names.
    pub names: Vec<Reference>,
    /// The names that belonged to other images before.
    pub moved: Vec<MovedName>,
    /// Whether it was not stored before.
    pub is_new: bool,
}

/// A name that was moved from another image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedName {
    /// The name.
    pub name: Reference,
    /// The image that had the name before.
    pub from: ImageId,
}

impl Engine {
    /// Creates an unnamed file in the directory of the store, for archives that have to be decompressed first.
    pub fn scratch(&self) -> io::Result<File> {
        self.store.scratch_file().map_err(io::Error::other)
    }

    /// Loads all images of an archive or a directory, or none. An archive that is compressed or comes
    /// through a pipe is copied into a temporary file beside the store first.
    pub fn load(
        &self,
        from: LoadFrom,
        options: LoadOptions,
    ) -> Operation<CopyEvent, Vec<Loaded>, LoadError> {
        self.operation(move |engine, context| {
            let layout = engine.layout(from, context)?;
            engine.load_layout(&layout, &options, context)
        })
    }

    fn layout(&self, from: LoadFrom, context: &CopyContext) -> Result<Layout, LayoutError> {
        let spool = Spool {
            create_file: &|| self.scratch(),
            is_cancelled: &|| context.is_cancelled(),
            on_read: &|bytes| context.send(CopyEvent::Received(bytes)),
        };
        let options = ReadOptions {
            spool,
            stored_layer: &|diff_id| self.stored_layer(diff_id),
        };
        match from {
            LoadFrom::Path(path) => Layout::open(&path, options),
            LoadFrom::File(file) => Layout::from_file(file, options),
        }
    }

    /// Returns the descriptor of a stored blob of the layer `diff_id`. What cannot be read counts as not stored.
    pub(crate) fn stored_layer(&self, diff_id: &DiffId) -> Option<Descriptor> {
        let layer = self.store.layer(diff_id).ok()??;
        let found = layer.blobs().iter().find_map(|digest| {
            let (mut blob, size) = self.store.open_blob(digest).ok()?;
            let encoding = windlass_layout::detect_encoding(&mut blob).ok()?;
            Some((*digest, size, encoding))
        });
        let (digest, size, encoding) = found?;
        Some(Descriptor::new(MediaType::OciLayer(encoding), digest, size))
    }

    pub(crate) fn load_layout(
        &self,
        layout: &Layout,
        options: &LoadOptions,
        context: &CopyContext,
    ) -> Result<Vec<Loaded>, LoadError> {
        let images = incoming_images(layout, &options.choice, options.name.as_ref())?;
        let layers = self.load_layers(layout, &images, context)?;
        context.begin_commit()?;
        let is_new = self.commit_images(&images, &layers)?;
        drop(layers);
        let committed = images.into_iter().zip(is_new);
        committed
            .map(|(image, is_new)| self.tag_image(image, is_new))
            .collect()
    }

    /// Gives a committed image its names.
    fn tag_image(&self, image: IncomingImage, is_new: bool) -> Result<Loaded, LoadError> {
        let image_id = image.id();
        let IncomingImage { image, names, .. } = image;
        let mut moved = Vec::new();
        for name in &names {
            let before = self.store.tag(&ImageName::Id(image_id), name);
            let before = before.map_err(|source| LoadError::Name {
                name: name.familiar(),
                source,
            })?;
            let name = name.clone();
            moved.extend(before.map(|from| MovedName { name, from }));
        }
        Ok(Loaded {
            image_id,
            manifest: image.descriptor.digest,
            platform: image.config.platform(),
            names,
            moved,
            is_new,
        })
    }
}
