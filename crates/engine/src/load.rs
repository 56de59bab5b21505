//! Loads images from archives and directories into the store.
//!
//! # Invariants
//! - No image of an archive is visible, and no tag is moved, before the whole archive is verified and unpacked, even if
//!   only its last byte is wrong (T24).
//! - Documents and blobs are stored byte for byte.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;

use serde::{Deserialize, Serialize};
use windlass_archive::Ownership;
use windlass_copy::{
    BlobStatus, Budget, ContentSource as _, CopyContext, CopyEvent, ImageChoice, SourceImage,
    TreeError, images,
};
use windlass_layout::{Layout, LayoutDefect, LayoutEntry, LayoutError, Spool, VerifyingReader};
use windlass_oci::{Descriptor, DiffId, Digest, ImageId, ImageName, Platform, Reference};
use windlass_operation::{Cancelled, Operation};
use windlass_pull::{
    ExpectedLayer, LocalLayer, LocalLayerError, PlanError, match_layers, unpack_local_layer,
};
use windlass_store::{
    BlobSource, CommitError, FindError, Layer, LayerSource, NewImage, NewLayer, PutError,
    ReadError, RemoveOptions, TagImageError,
};

use crate::blob_reader::BlobReader;
use crate::engine::Engine;

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

/// Why nothing was loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The archive could not be read.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The parts of an image could not be determined.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Manifest and config of an image contradict each other.
    #[error("manifest and config of {image} do not belong together")]
    Plan {
        /// The image.
        image: ImageId,
        /// The contradiction.
        source: PlanError,
    },
    /// A layer could not be unpacked.
    #[error("layer {digest}")]
    Layer {
        /// The layer's blob.
        digest: Digest,
        /// The cause.
        source: Box<LocalLayerError>,
    },
    /// A name was specified for an archive with several images.
    #[error("the archive contains {count} images, which cannot all be named {name}")]
    OneName {
        /// The number of images.
        count: usize,
        /// The name.
        name: String,
    },
    /// The store could not be read.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The store could not be searched.
    #[error(transparent)]
    Held(#[from] windlass_store::LayerError),
    /// A document could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A document could not be stored.
    #[error(transparent)]
    Put(#[from] PutError),
    /// The image could not be stored.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The image was stored, but could not be tagged.
    #[error("the image is loaded, but cannot be named {name}")]
    Name {
        /// The name.
        name: String,
        /// The cause.
        source: TagImageError,
    },
    /// Loading was cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// An image to store, with its layers.
struct Incoming {
    image: SourceImage,
    layers: Vec<(Descriptor, DiffId)>,
    names: Vec<Reference>,
}

/// The layers of all images.
#[derive(Default)]
struct Layers {
    held: HashMap<DiffId, Layer>,
    /// By blob and verified diff ID: two images of an archive may claim different diff IDs for one blob.
    taken: HashMap<(Digest, DiffId), LocalLayer>,
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
        match from {
            LoadFrom::Path(path) => Layout::open(&path, spool),
            LoadFrom::File(file) => Layout::from_file(file, spool),
        }
    }

    pub(crate) fn load_layout(
        &self,
        layout: &Layout,
        options: &LoadOptions,
        context: &CopyContext,
    ) -> Result<Vec<Loaded>, LoadError> {
        let incoming = incoming(layout, options)?;
        let mut layers = self.held(&incoming)?;
        let missing = missing(&incoming, &layers.held);
        let blobs = missing.iter().map(|(blob, _)| (blob.digest, blob.size));
        context.send(CopyEvent::Planned(blobs.collect()));
        layers.taken = self.take(layout, &missing, context)?;
        context.begin_commit()?;
        let stored = self.store_all(&incoming, &layers)?;
        drop(layers);
        let named = incoming.into_iter().zip(stored);
        named
            .map(|(image, is_new)| self.name_image(image, is_new))
            .collect()
    }

    /// Takes leases on the layers that are stored already.
    fn held(&self, incoming: &[Incoming]) -> Result<Layers, LoadError> {
        let mut layers = Layers::default();
        for (_, diff_id) in incoming.iter().flat_map(|image| &image.layers) {
            if !layers.held.contains_key(diff_id)
                && let Some(layer) = self.store.layer(diff_id)?
            {
                layers.held.insert(*diff_id, layer);
            }
        }
        Ok(layers)
    }

    /// Unpacks the missing layers, several at a time.
    fn take(
        &self,
        layout: &Layout,
        missing: &[(Descriptor, DiffId)],
        context: &CopyContext,
    ) -> Result<HashMap<(Digest, DiffId), LocalLayer>, LoadError> {
        let taken = Mutex::new(HashMap::new());
        let cancellation = context.cancellation();
        windlass_copy::for_each_parallel(
            missing,
            self.at_once,
            cancellation,
            |(blob, diff_id)| {
                let layer = self.take_one(layout, blob, *diff_id, context)?;
                let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
                taken.insert((blob.digest, *diff_id), layer);
                Ok::<_, LoadError>(())
            },
        )?;
        Ok(taken.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn take_one(
        &self,
        layout: &Layout,
        blob: &Descriptor,
        diff_id: DiffId,
        context: &CopyContext,
    ) -> Result<LocalLayer, LoadError> {
        let digest = blob.digest;
        let failed = |source| match context.is_cancelled() {
            true => LoadError::Cancelled,
            false => LoadError::Layer {
                digest,
                source: Box::new(source),
            },
        };
        let status = |status| context.send(CopyEvent::Blob { digest, status });
        status(BlobStatus::Transferring);
        let inner = layout.open(blob, 0);
        let inner = inner.map_err(|error| failed(LocalLayerError::Read(error)))?;
        let reading = BlobReader {
            inner,
            digest,
            context,
        };
        let wanted = ExpectedLayer {
            blob: Some(digest),
            diff_id: Some(diff_id),
        };
        let proved = VerifyingReader::new(reading, digest, blob.size);
        let layer = unpack_local_layer(
            &self.store,
            proved,
            wanted,
            Ownership::for_current_process(),
        );
        let layer = layer.map_err(failed)?;
        status(BlobStatus::Transferred);
        Ok(layer)
    }

    /// Stores all images without names, or none. Returns for each whether it was not stored before.
    fn store_all(&self, incoming: &[Incoming], layers: &Layers) -> Result<Vec<bool>, LoadError> {
        let mut stored = Vec::new();
        for image in incoming {
            match self.store_image(image, layers) {
                Ok(is_new) => stored.push(is_new),
                Err(error) => {
                    self.take_back(incoming, &stored);
                    return Err(error);
                }
            }
        }
        Ok(stored)
    }

    /// Removes the images that were not stored before. An image that cannot be removed has no name, and is removed by the
    /// next `prune`.
    fn take_back(&self, incoming: &[Incoming], stored: &[bool]) {
        let new = incoming.iter().zip(stored).filter(|(_, is_new)| **is_new);
        for (image, _) in new {
            let id = ImageId::new(image.image.manifest.config.digest);
            let how = RemoveOptions { force: false };
            if let Err(error) = self.store.remove(&ImageName::Id(id), how) {
                tracing::warn!(%id, %error, "an image without a name is left behind");
            }
        }
    }

    /// Stores an image without a name. Returns whether it was not stored before.
    fn store_image(&self, incoming: &Incoming, layers: &Layers) -> Result<bool, LoadError> {
        let Incoming { image, .. } = incoming;
        let id = ImageId::new(image.manifest.config.digest);
        let is_new = match self.store.image(&ImageName::Id(id)) {
            Ok(_) => false,
            Err(FindError::Unknown { .. }) => true,
            Err(error) => return Err(error.into()),
        };
        let stack = incoming.layers.iter().map(|(blob, diff_id)| {
            let (layer, kept) = match layers.held.get(diff_id) {
                Some(layer) => (LayerSource::Stored(layer.clone()), None),
                None => {
                    let taken = &layers.taken[&(blob.digest, *diff_id)];
                    let kept = BlobSource::New(taken.blob.clone());
                    (LayerSource::New(taken.layer.clone()), Some(kept))
                }
            };
            NewLayer {
                layer,
                digest: blob.digest,
                size: blob.size,
                blob: kept,
            }
        });
        let indexes = image.indexes.iter();
        let new = NewImage {
            config: self.document(&image.manifest.config.digest, &image.config_bytes)?,
            manifest: self.document(&image.descriptor.digest, &image.bytes)?,
            indexes: indexes
                .map(|(digest, bytes)| self.document(digest, bytes))
                .collect::<Result<_, _>>()?,
            layers: stack.collect(),
            reference: None,
        };
        self.store.commit(&new)?;
        Ok(is_new)
    }

    fn document(&self, digest: &Digest, bytes: &[u8]) -> Result<BlobSource, LoadError> {
        Ok(match self.store.blob(digest)? {
            Some(blob) => BlobSource::Stored(blob),
            None => BlobSource::New(self.store.put_blob(digest, bytes)?),
        })
    }

    fn name_image(&self, incoming: Incoming, is_new: bool) -> Result<Loaded, LoadError> {
        let Incoming { image, names, .. } = incoming;
        let image_id = ImageId::new(image.manifest.config.digest);
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

/// Determines the images to load.
fn incoming(layout: &Layout, options: &LoadOptions) -> Result<Vec<Incoming>, LoadError> {
    let mut incoming: Vec<Incoming> = Vec::new();
    let mut budget = Budget::default();
    for entry in layout.entries() {
        let found = images(layout, &entry.root, &options.choice, &mut budget)?;
        for (image, names) in with_names(entry, found) {
            let layers = match_layers(&image.manifest, &image.config);
            let id = ImageId::new(image.manifest.config.digest);
            let layers = layers.map_err(|source| LoadError::Plan { image: id, source })?;
            incoming.push(Incoming {
                image,
                layers,
                names,
            });
        }
    }
    if incoming.is_empty() {
        return Err(LayoutError::from(LayoutDefect::EmptyLists).into());
    }
    if let Some(name) = &options.name {
        let [only] = &mut *incoming else {
            let (count, name) = (incoming.len(), name.familiar());
            return Err(LoadError::OneName { count, name });
        };
        only.names = vec![name.clone()];
    }
    Ok(incoming)
}

/// Distributes the names of `entry` among its images `found`. A name that belongs to one of the images is given to that
/// image, and all others to the image that fits this machine best, which is returned first.
fn with_names(
    entry: &LayoutEntry,
    mut found: Vec<SourceImage>,
) -> Vec<(SourceImage, Vec<Reference>)> {
    if found.is_empty() {
        return Vec::new();
    }
    let best = best(&found);
    found.swap(0, best);
    let mut named: Vec<_> = found.into_iter().map(|image| (image, Vec::new())).collect();
    for name in &entry.names {
        let listed = entry.named_images.iter().find(|image| image.name == *name);
        let position = listed.and_then(|listed| {
            let mut images = named.iter();
            images.position(|(image, _)| image.manifest.config.digest == listed.config)
        });
        named[position.unwrap_or(0)].1.push(name.clone());
    }
    named
}

/// Returns the image of `found` that gets the name: the one that fits this machine best, otherwise the first.
fn best(found: &[SourceImage]) -> usize {
    let host = Platform::host();
    let ranked = found
        .iter()
        .enumerate()
        .filter_map(|(at, image)| Some((host.rank(&image.config.platform())?, at)));
    let best = ranked.max_by_key(|(rank, at)| (*rank, std::cmp::Reverse(*at)));
    best.map_or(0, |(_, at)| at)
}

/// Returns the layers that are not stored, each once, base layers first.
fn missing(incoming: &[Incoming], held: &HashMap<DiffId, Layer>) -> Vec<(Descriptor, DiffId)> {
    let mut seen = std::collections::HashSet::new();
    let all = incoming.iter().flat_map(|image| &image.layers);
    let missing = all.filter(|(_, diff_id)| !held.contains_key(diff_id));
    missing
        .filter(|(blob, diff_id)| seen.insert((blob.digest, *diff_id)))
        .cloned()
        .collect()
}

impl From<Cancelled> for LoadError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}
