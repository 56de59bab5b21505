//! Images from any place to any other: registries, files and the store.

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
use windlass_layout::{Batch, Layout, LayoutError, LayoutKind, Spool, WriteError};
use windlass_oci::{Descriptor, Digest, ImageName, Reference};
use windlass_operation::{Cancelled, Operation};
use windlass_pull::{PullError, Remote};
use windlass_registry::{Caller, TagOrDigest};

use crate::error::{LoadError, SaveError, StoreError, TagImageError};
use crate::save::Completeness;
use crate::{Engine, LoadOptions};

/// What is to be copied, and how.
#[derive(Clone, Debug)]
pub struct CopyRequest {
    /// Where the image is.
    pub source: ImageLocation,
    /// Where it is to be.
    pub destination: ImageLocation,
    /// Which images of an index.
    pub choice: ImageChoice,
    /// Whether what belongs to them is copied, too: signatures, attestations and the like.
    pub referrers: bool,
    /// Whether layers are pushed that may not be distributed freely.
    pub foreign: bool,
    /// Who asks.
    pub caller: Caller,
    /// How many blobs are carried at a time; at least 1.
    pub at_once: usize,
    /// How many bytes are sent to a registry in one request at most.
    pub chunk: Option<u64>,
}

/// What was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The manifest or index that stands for it at the other end.
    pub digest: Digest,
    /// How many artifacts went along.
    pub artifacts: usize,
}

/// Makes a file without a name, for an archive that has to be uncompressed first.
pub type CreateFile = Arc<dyn Fn() -> io::Result<File> + Send + Sync>;

/// Copies images between registries, files and a store.
#[derive(Clone)]
pub struct Copier {
    /// The store, if an image comes from it or goes to it.
    pub engine: Option<Engine>,
    /// The access to registries.
    pub remote: Remote,
    /// Makes temporary files, if there is no store beside which they could be.
    pub create_file: CreateFile,
}

/// Why an image was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyImageError {
    /// The archive or directory cannot be read.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// It could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// There is no such image, or it could not be read.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// It could not be made out what belongs to it.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A document could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It could not be carried.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The store could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The registry did not give it, or there is no way to it.
    #[error(transparent)]
    Registry(#[from] PullError),
    /// It is in the store, and could not be given its name.
    #[error(transparent)]
    Name(#[from] TagImageError),
    /// An old manifest, whose digest no other registry would give it.
    #[error("the manifest is of Docker's schema 1, which can be pulled and not be copied")]
    Schema1,
    /// An image in the store is called by a name of its own, not by what it is.
    #[error("an image that comes into the store needs a name, not an ID")]
    Unnamed,
    /// Only images fit there.
    #[error("{what} has images only, and nothing that belongs to them")]
    NoReferrers {
        /// What has them.
        what: &'static str,
    },
    /// There is no store at hand.
    #[error("no store is open")]
    NoStore,
    /// The copy was cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// An image that was found, and everything that has to go with it.
struct Found {
    root: Descriptor,
    batch: Batch,
    /// What it is called where it was.
    names: Vec<Reference>,
}

/// One copy under way.
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
                let digest = copying.take_in(name)?;
                Ok(Copied {
                    digest,
                    artifacts: 0,
                })
            }
            ImageLocation::Registry(_) | ImageLocation::Files { .. } => copying.carry(),
        }
    }
}

impl Copying<'_> {
    /// Finds what does not go together.
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

    /// Finds the image where it is, and puts it where it is to be.
    fn carry(&self) -> Result<Copied, CopyImageError> {
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
                let names = images.into_iter().flat_map(|image| image.names).collect();
                self.put(&source, Found { root, batch, names })
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
        Ok(Found { root, batch, names })
    }

    /// Takes the image into the store: what is in a registry is pulled, what is in files is loaded.
    fn take_in(&self, name: &ImageName) -> Result<Digest, CopyImageError> {
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
        Layout::open(path, spool)
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
