//! Commits an image: the only way for content to become visible.

mod files;
mod links;
mod rows;

use windlass_oci::{
    DiffId, Digest, ImageConfig, ImageConfigError, ImageId, MAX_CONFIG_SIZE, Reference,
};

use crate::error::{DatabaseError, FileError, NotWritable, impl_is_no_space};
use crate::failpoint::{self, CommitStep};
use crate::store::StoreInner;
use crate::{Blob, BlobDraft, FinishedLayer, Layer, ReadError, Store};

use files::DraftPublication;
use rows::RecordedNames;

pub(crate) use files::{clear, move_to_drafts};
pub(crate) use links::layer_directory;
pub(crate) use rows::{write_digest_reference, write_tag};

/// The limit for reading a config: one byte more than a config may have.
const CONFIG_LIMIT: u64 = MAX_CONFIG_SIZE as u64 + 1;

/// A complete image, and the name it gets.
#[derive(Clone, Debug)]
pub struct NewImage {
    /// The config, whose digest is the image ID.
    pub config: BlobSource,
    /// The manifest.
    pub manifest: BlobSource,
    /// The indexes that led to the manifest, the outermost first: its digest is the target of the name. A
    /// manifest of another format that this one was converted from counts as an index.
    pub indexes: Vec<BlobSource>,
    /// The layers, base first, in the order of the config's `diff_ids`.
    pub layers: Vec<NewLayer>,
    /// The name that was pulled, if any. Its tag is set, and a digest reference for the target in its
    /// repository.
    pub reference: Option<Reference>,
}

/// One layer of a [`NewImage`].
#[derive(Clone, Debug)]
pub struct NewLayer {
    /// The unpacked layer.
    pub layer: LayerSource,
    /// The digest of its blob in the manifest.
    pub digest: Digest,
    /// The size of that blob in bytes.
    pub size: u64,
    /// The blob that a new layer was unpacked from, to be stored with it. A layer that is already stored keeps
    /// its own blob.
    pub blob: Option<BlobSource>,
}

/// A stored or a new layer.
#[derive(Clone, Debug)]
pub enum LayerSource {
    /// It is in the store.
    Stored(Layer),
    /// It was unpacked for this image.
    New(FinishedLayer),
}

/// A stored or a new blob.
#[derive(Clone, Debug)]
pub enum BlobSource {
    /// It is in the store.
    Stored(Blob),
    /// It was fetched for this image.
    New(BlobDraft),
}

/// The result of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The image.
    pub image_id: ImageId,
    /// Whether a name changed its image.
    pub outcome: CommitOutcome,
    /// The image that the digest reference already referred to, and still does (ST-4): a digest refers to one
    /// image, and another platform of the same index does not replace it.
    pub digest_stays_with: Option<ImageId>,
    /// The image that had the tag before [`Store::commit_as`].
    pub tag_taken_from: Option<ImageId>,
}

/// The effect of a pull on its name (ST-2..ST-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// The name is new, or referred to another image.
    Downloaded,
    /// The name already referred to this image.
    UpToDate,
}

/// Why an image could not be committed. None of it is visible then.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The layers differ from those in the config (C15).
    #[error("layer {position} is {given:?}, but the config has {expected:?}")]
    Chain {
        /// The position of the layer, counted from 0 at the base.
        position: usize,
        /// The layer that was given.
        given: Option<DiffId>,
        /// The layer in the config.
        expected: Option<DiffId>,
    },
    /// The digest in the name is not the digest that was pulled (C6).
    #[error("{reference} does not refer to {target}")]
    Pin {
        /// The name.
        reference: Reference,
        /// The manifest or index that was pulled.
        target: Digest,
    },
    /// The target of a hard link is in no lower layer.
    #[error(
        "layer {diff_id}: {:?} is a hard link to {:?}, which is in no lower layer",
        String::from_utf8_lossy(.path), String::from_utf8_lossy(.target)
    )]
    UnresolvedLink {
        /// The layer.
        diff_id: DiffId,
        /// The name of the link.
        path: Vec<u8>,
        /// The target of the link.
        target: Vec<u8>,
    },
    /// A path of the layer contains a NUL byte, which no file name can have.
    #[error("layer {diff_id} has a path with a NUL byte")]
    Path {
        /// The layer.
        diff_id: DiffId,
    },
    /// The config is malformed.
    #[error("invalid image config")]
    Config(#[source] ImageConfigError),
    /// The stored config could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An earlier write failed in a way that leaves the content of the disk unknown.
    #[error("the store accepts no more images because a write to {} failed: check the disk and restart", .path.display())]
    Degraded {
        /// The store.
        path: std::path::PathBuf,
    },
    /// The store was not opened for writing.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
    /// A path failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl_is_no_space!(CommitError);

impl NewImage {
    /// Returns the target of the name: the outermost index, or else the manifest.
    pub fn target(&self) -> &Digest {
        self.indexes.first().unwrap_or(&self.manifest).digest()
    }

    /// Leases all new content, so that it is not deleted while other pulls have drafts of it.
    fn lease(&self, inner: &StoreInner) {
        self.blob_drafts()
            .for_each(|draft| draft.lease(inner.leases()));
        for layer in &self.layers {
            if let LayerSource::New(draft) = &layer.layer {
                draft.lease(inner.leases());
            }
        }
    }

    /// Removes what is left of the published blobs in `ingest/`.
    fn mark_published(&self) {
        self.blob_drafts()
            .for_each(|draft| draft.file().mark_published());
    }

    fn blob_drafts(&self) -> impl Iterator<Item = &BlobDraft> {
        self.blobs().filter_map(|source| match source {
            BlobSource::New(draft) => Some(draft),
            BlobSource::Stored(_) => None,
        })
    }

    fn blobs(&self) -> impl Iterator<Item = &BlobSource> {
        let documents = [&self.config, &self.manifest];
        let layers = self.layers.iter().filter_map(|layer| layer.blob.as_ref());
        documents.into_iter().chain(&self.indexes).chain(layers)
    }
}

impl LayerSource {
    /// Returns the diff ID.
    pub fn diff_id(&self) -> &DiffId {
        match self {
            Self::Stored(layer) => layer.diff_id(),
            Self::New(layer) => layer.diff_id(),
        }
    }

    fn metadata(&self) -> &crate::LayerMetadata {
        match self {
            Self::Stored(layer) => layer.metadata(),
            Self::New(layer) => layer.metadata(),
        }
    }
}

impl BlobSource {
    /// Returns the digest.
    pub fn digest(&self) -> &Digest {
        match self {
            Self::Stored(blob) => blob.digest(),
            Self::New(draft) => draft.digest(),
        }
    }

    /// Returns its size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Stored(blob) => blob.size(),
            Self::New(draft) => draft.size(),
        }
    }
}

impl Store {
    /// Makes `image` visible, completely or not at all, and durably.
    ///
    /// The steps and their reasons:
    /// 1. The marker file `unsettled` is created: after a crash from here on there may be files without rows,
    ///    so the next opening looks for them.
    /// 2. **One barrier** (`syncfs`) for every file, directory and attribute that the pull wrote. It makes the
    ///    marker durable, too, which is why that comes first.
    /// 3. Drafts are renamed into `blobs/` and `layers/`, and the changed directories are synced: a durable
    ///    name refers to durable content. Without a row the names are not used.
    /// 4. **One transaction** writes all rows, the tag and the digest reference. It returns when its log is
    ///    durable. At this moment the image exists.
    /// 5. The marker is removed. If the removal is lost, the next opening looks for leftovers and finds none.
    ///
    /// After a failure before step 4 the renames are undone, so that drafts which other pulls share are in
    /// their places again. A failed barrier is not retried: the kernel may have dropped the data that it could
    /// not write and marked the pages clean (P7). The store then accepts no more images.
    ///
    /// Content that is already stored is not replaced (LS-3).
    pub fn commit(&self, image: &NewImage) -> Result<Committed, CommitError> {
        self.commit_and_tag(image, None)
    }

    /// Commits like [`Store::commit`], and sets a tag (that of `name`, or `latest`) in the same transaction,
    /// also if it referred to another image. No digest reference is set, because no registry is known to have
    /// the image.
    pub fn commit_as(&self, image: &NewImage, name: &Reference) -> Result<Committed, CommitError> {
        self.commit_and_tag(image, Some(&name.without_digest().or_latest()))
    }

    fn commit_and_tag(
        &self,
        image: &NewImage,
        tag: Option<&Reference>,
    ) -> Result<Committed, CommitError> {
        let inner = self.writable()?;
        let config = self.read_config(&image.config)?;
        check(image, &config)?;
        let _settling = inner.lock_settling();
        if inner.is_degraded() {
            return Err(degraded(inner));
        }
        image.lease(inner);
        links::resolve(inner.root(), &image.layers)?;
        let publication = DraftPublication::plan(inner, image)?;
        let recorded = publish(inner, publication, |inner| {
            rows::record(inner, image, &config, tag)
        })?;
        image.mark_published();
        Ok(Committed {
            image_id: ImageId::new(*image.config.digest()),
            outcome: recorded.outcome,
            digest_stays_with: recorded.digest_stays_with,
            tag_taken_from: recorded.tag_taken_from,
        })
    }

    fn read_config(&self, config: &BlobSource) -> Result<ImageConfig, CommitError> {
        let bytes = match config {
            BlobSource::Stored(blob) => self.read_blob(blob.digest())?,
            BlobSource::New(draft) => draft.file().read(draft.size().min(CONFIG_LIMIT))?,
        };
        ImageConfig::parse(&bytes).map_err(CommitError::Config)
    }
}

/// Runs steps 1 to 5 of [`Store::commit`].
fn publish(
    inner: &StoreInner,
    mut publication: DraftPublication<'_>,
    record: impl FnOnce(&StoreInner) -> Result<RecordedNames, rows::RecordError>,
) -> Result<RecordedNames, CommitError> {
    let root = inner.root();
    if publication.is_empty() {
        return Ok(record(inner)?);
    }
    root.mark_unsettled()?;
    let published = failpoint::point(CommitStep::Barrier)
        .and_then(|()| root.barrier())
        .inspect_err(|_| inner.degrade())
        .and_then(|()| publication.publish());
    let result = match published {
        Ok(()) => record(inner),
        Err(error) => Err(rows::RecordError::NotWritten(error.into())),
    };
    match result {
        Ok(recorded) => {
            failpoint::passing(CommitStep::Settle);
            root.clear_unsettled();
            Ok(recorded)
        }
        Err(error) => {
            // If the rows may have been written, their files must stay.
            if error.is_nothing_written() && publication.roll_back() {
                root.clear_unsettled();
            }
            Err(error.into())
        }
    }
}

fn check(image: &NewImage, config: &ImageConfig) -> Result<(), CommitError> {
    let given: Vec<_> = image
        .layers
        .iter()
        .map(|layer| *layer.layer.diff_id())
        .collect();
    let expected = config.diff_ids();
    let longer = given.len().max(expected.len());
    if let Some(position) = (0..longer).find(|place| given.get(*place) != expected.get(*place)) {
        return Err(CommitError::Chain {
            position,
            given: given.get(position).copied(),
            expected: expected.get(position).copied(),
        });
    }
    let target = *image.target();
    match &image.reference {
        Some(reference) if reference.digest().is_some_and(|pin| *pin != target) => {
            let reference = reference.clone();
            Err(CommitError::Pin { reference, target })
        }
        _ => Ok(()),
    }
}

fn degraded(inner: &StoreInner) -> CommitError {
    let path = inner.root().path().to_owned();
    CommitError::Degraded { path }
}
