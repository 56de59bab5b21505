//! Copies images between registries, files and the store.

mod pulled;
mod put;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use windlass_copy::{
    Budget, ContentSource, CopyContext, CopyError, CopyEvent, Gathered, ImageChoice, ImageLocation,
    RegistrySource, SourceError, TreeError, gather, gather_referrers,
};
use windlass_layout::{Batch, Layout, LayoutError, LayoutKind, ReadOptions, Spool, WriteError};
use windlass_oci::{Descriptor, Digest, ImageName, Reference};
use windlass_operation::{Cancelled, Operation};
use windlass_pull::{PullError, Remote};
use windlass_registry::{Caller, TagOrDigest};

use windlass_store::TagImageError;

use crate::engine::Engine;
use crate::load::{LoadError, LoadOptions};
use crate::save::{Completeness, SaveError};
use crate::store_error::StoreError;

/// The request of [`Copier::copy`].
#[derive(Clone, Debug)]
pub struct CopyRequest {
    /// The location of the image.
    pub source: ImageLocation,
    /// The location to copy it to.
    pub destination: ImageLocation,
    /// The images of an index to copy.
    pub choice: ImageChoice,
    /// Whether artifacts that refer to the images are copied as well: signatures, attestations and others.
    pub referrers: bool,
    /// Whether non-distributable layers are pushed.
    pub include_foreign_layers: bool,
    /// The credentials for both registries.
    pub caller: Caller,
    /// The number of blobs that are copied at a time; at least 1.
    pub concurrent_blobs: usize,
    /// The maximum number of bytes in one request to a registry; `None` for no limit.
    pub chunk_size: Option<u64>,
}

/// The result of [`Copier::copy`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The digest of the manifest or index at the destination.
    pub digest: Digest,
    /// The number of artifacts that were copied with the images.
    pub artifacts: usize,
}

/// Creates an unnamed temporary file. Compressed archives are decompressed into it.
pub type CreateFile = Arc<dyn Fn() -> io::Result<File> + Send + Sync>;

/// Copies images between registries, files and a store.
#[derive(Clone)]
pub struct Copier {
    /// The store, if an image comes from it or is copied into it.
    pub engine: Option<Engine>,
    /// The access to registries.
    pub remote: Remote,
    /// Creates temporary files if there is no store with a directory for them.
    pub create_file: CreateFile,
}

/// Why an image was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyImageError {
    /// The archive or directory cannot be read.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The archive could not be loaded into the store.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The image is not in the store, or could not be read from it.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// The parts of the image could not be determined.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A document could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A blob could not be copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The destination could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The registry rejected the request or cannot be reached.
    #[error(transparent)]
    Registry(#[from] PullError),
    /// The image was stored, but could not be tagged.
    #[error(transparent)]
    Name(#[from] TagImageError),
    /// The manifest is one of Docker's schema 1. Another registry would store it under another digest.
    #[error("manifests of Docker's schema 1 can be pulled, but not copied")]
    Schema1,
    /// The destination in the store is an ID instead of a name.
    #[error("an image that is copied into the store needs a name, not an ID")]
    Unnamed,
    /// The location has no place for artifacts.
    #[error("{what} can contain images only, and no artifacts that refer to them")]
    NoReferrers {
        /// The location.
        what: &'static str,
    },
    /// The copier was created without a store.
    #[error("no store is open")]
    NoStore,
    /// The copy was cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// An image with everything that is copied with it.
struct Found {
    root: Descriptor,
    batch: Batch,
    /// Its names at the source.
    names: Vec<Reference>,
    /// As in [`BatchImage::named`].
    named: Option<Digest>,
}

/// A copy that is in progress.
struct Copying<'a> {
    with: &'a Copier,
    request: &'a CopyRequest,
    context: &'a CopyContext,
}

impl std::fmt::Debug for Copier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Copier").finish_non_exhaustive()
    }
}

impl From<Cancelled> for CopyImageError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

impl Copier {
    /// Copies an image, byte for byte. Blobs that the destination has are skipped.
    pub fn copy(&self, request: CopyRequest) -> Operation<CopyEvent, Copied, CopyImageError> {
        let copier = self.clone();
        match &self.engine {
            Some(engine) => engine.operation(move |_, context| copier.run(&request, context)),
            None => Operation::blocking(move |context| copier.run(&request, context)),
        }
    }

    fn run(&self, request: &CopyRequest, context: &CopyContext) -> Result<Copied, CopyImageError> {
        let copying = Copying {
            with: self,
            request,
            context,
        };
        copying.check()?;
        match &request.destination {
            ImageLocation::Store(name) => {
                let digest = copying.copy_into_store(name)?;
                Ok(Copied {
                    digest,
                    artifacts: 0,
                })
            }
            ImageLocation::Registry(_) | ImageLocation::Files { .. } => copying.run_copy(),
        }
    }
}

impl Copying<'_> {
    /// Rejects combinations that are not supported.
    fn check(&self) -> Result<(), CopyImageError> {
        if !self.request.referrers {
            return Ok(());
        }
        for place in [&self.request.source, &self.request.destination] {
            let what = match place {
                ImageLocation::Store(_) => "the store",
                ImageLocation::Files {
                    kind: LayoutKind::Directory,
                    ..
                } => "a directory of one image",
                ImageLocation::Registry(_) | ImageLocation::Files { .. } => continue,
            };
            return Err(CopyImageError::NoReferrers { what });
        }
        Ok(())
    }

    /// Finds the image at the source and writes it to the destination.
    fn run_copy(&self) -> Result<Copied, CopyImageError> {
        match &self.request.source {
            ImageLocation::Registry(reference) => {
                let (with, caller) = (self.with, &self.request.caller);
                let repository = with.remote.repository(reference.repository(), caller)?;
                let source = RegistrySource::new(repository, self.context.clone());
                let root = source.root(&TagOrDigest::of(reference))?;
                let root = root.ok_or(CopyImageError::Schema1)?;
                let names = vec![reference.without_digest().or_latest()];
                let found = self.gather(&source, &root, names)?;
                self.put(&source, found)
            }
            ImageLocation::Files { path, ref_name, .. } => {
                let layout = self.layout(path)?;
                let entry = layout.find(ref_name.as_deref())?;
                let found = self.gather(&layout, &entry.root, entry.names.clone())?;
                self.put(&layout, found)
            }
            ImageLocation::Store(name) => {
                let completeness = match self.request.destination {
                    ImageLocation::Registry(_) => Completeness::Required,
                    ImageLocation::Files { .. } | ImageLocation::Store(_) => Completeness::Optional,
                };
                let (source, root, mut batch) =
                    (self.store()?).stored(name, &self.request.choice, completeness)?;
                let images = std::mem::take(&mut batch.images);
                let named = images.first().and_then(|image| image.named);
                let names = images.into_iter().flat_map(|image| image.names).collect();
                let found = Found {
                    root,
                    batch,
                    names,
                    named,
                };
                self.put(&source, found)
            }
        }
    }

    fn gather(
        &self,
        source: &dyn ContentSource,
        root: &Descriptor,
        names: Vec<Reference>,
    ) -> Result<Found, CopyImageError> {
        let mut budget = Budget::default();
        let gathered = gather(source, root, &self.request.choice, &mut budget)?;
        if matches!(self.request.destination, ImageLocation::Registry(_)) {
            gathered.check_complete()?;
        }
        let Gathered {
            root, mut batch, ..
        } = gathered;
        if self.request.referrers {
            gather_referrers(source, &mut batch, &mut budget)?;
        }
        Ok(Found {
            root,
            batch,
            names,
            named: None,
        })
    }

    /// Copies the image into the store: an image of a registry is pulled, an image in files is loaded.
    fn copy_into_store(&self, name: &ImageName) -> Result<Digest, CopyImageError> {
        let (ImageName::Reference(name) | ImageName::ReferenceOrPrefix(name, _)) = name else {
            return Err(CopyImageError::Unnamed);
        };
        let name = name.clone().or_latest();
        let engine = self.store()?;
        match &self.request.source {
            ImageLocation::Files { path, ref_name, .. } => {
                let layout = self.layout(path)?.select(ref_name.as_deref())?;
                let options = LoadOptions {
                    choice: self.request.choice.clone(),
                    name: Some(name),
                };
                let loaded = engine.load_layout(&layout, &options, self.context)?;
                Ok(loaded[0].manifest)
            }
            ImageLocation::Registry(reference) => self.pull(engine, reference, &name),
            ImageLocation::Store(source) => {
                self.context.begin_commit()?;
                engine.tag(source, &name)?;
                Ok(engine.inspect(source)?.manifest)
            }
        }
    }

    fn layout(&self, path: &Path) -> Result<Layout, LayoutError> {
        let create_file = || match &self.with.engine {
            Some(engine) => engine.scratch(),
            None => (self.with.create_file)(),
        };
        let spool = Spool {
            create_file: &create_file,
            is_cancelled: &|| self.context.is_cancelled(),
            on_read: &|bytes| self.context.send(CopyEvent::Received(bytes)),
        };
        // The layers of another place than the store have to be in the archive.
        let to_store = match (&self.request.destination, &self.with.engine) {
            (ImageLocation::Store(_), Some(engine)) => Some(engine),
            _ => None,
        };
        let options = ReadOptions {
            spool,
            stored_layer: &|diff_id| to_store?.stored_layer(diff_id),
        };
        Layout::open(path, options)
    }

    fn store(&self) -> Result<&Engine, CopyImageError> {
        self.with.engine.as_ref().ok_or(CopyImageError::NoStore)
    }

    fn wait<T>(
        &self,
        question: impl Future<Output = Result<T, PullError>>,
    ) -> Result<T, CopyImageError> {
        Ok(self.context.wait(question)??)
    }
}
