//! Publishing an image: the one way for anything to become visible.

mod files;
mod links;
mod rows;

use windlass_oci::{
    DiffId, Digest, ImageConfig, ImageConfigError, ImageId, MAX_CONFIG_SIZE, Reference,
};

use crate::error::{DatabaseError, FileError, NotWritable, impl_is_no_space};
use crate::fail::{self, CommitStep};
use crate::store::StoreInner;
use crate::{Blob, BlobDraft, FinishedLayer, Layer, ReadError, Store};

use files::DraftPublication;
use rows::RecordedNames;

pub(crate) use files::{clear, take_off};
pub(crate) use links::layer_directory;
pub(crate) use rows::{write_digest_reference, write_tag};

/// How much of a config is read: one byte more than a config may have.
const CONFIG_LIMIT: u64 = MAX_CONFIG_SIZE as u64 + 1;

/// An image that is complete, and what it is to be called.
#[derive(Clone, Debug)]
pub struct NewImage {
    /// The config, whose digest is the image ID.
    pub config: BlobSource,
    /// The manifest.
    pub manifest: BlobSource,
    /// The indexes that led to the manifest, the outermost first: its digest is what the name stood for.
    /// A manifest of another form, which this one was made from, counts as one.
    pub indexes: Vec<BlobSource>,
    /// The layers, base first, as the config's `diff_ids` name them.
    pub layers: Vec<NewLayer>,
    /// The name that was pulled, if it is to have one. Its tag is set, and the digest reference of its
    /// repository with what the name stood for.
    pub reference: Option<Reference>,
}

/// One layer of a [`NewImage`].
#[derive(Clone, Debug)]
pub struct NewLayer {
    /// The layer, unpacked.
    pub layer: LayerSource,
    /// What the manifest calls its blob.
    pub digest: Digest,
    /// The size of that blob in bytes.
    pub size: u64,
    /// The blob that a new layer was unpacked from, to be kept with it. A layer that was held keeps a blob of
    /// its own.
    pub blob: Option<BlobSource>,
}

/// A layer that an image can have.
#[derive(Clone, Debug)]
pub enum LayerSource {
    /// It was there before.
    Stored(Layer),
    /// It was unpacked for this image.
    New(FinishedLayer),
}

/// A blob that an image can have.
#[derive(Clone, Debug)]
pub enum BlobSource {
    /// It was there before.
    Stored(Blob),
    /// It was fetched for this image.
    New(BlobDraft),
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The image.
    pub image_id: ImageId,
    /// Whether a name leads somewhere else now.
    pub outcome: CommitOutcome,
    /// The image that the digest reference led to before, and still does (ST-4): a digest names one image,
    /// and another platform of the same index does not take it away.
    pub digest_stays_with: Option<ImageId>,
    /// The image that [`Store::commit_as`] took the tag from.
    pub tag_taken_from: Option<ImageId>,
}

/// What a pull did to the name it was given (ST-2..ST-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// The name is new, or led to another image.
    Downloaded,
    /// The name led to this very image.
    UpToDate,
}

/// Why an image could not be committed. Nothing of it is visible then.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The layers are not those that the config names (C15).
    #[error("layer {position} is {given:?}, but the config says {expected:?}")]
    Chain {
        /// Which layer, counted from 0 at the base.
        position: usize,
        /// What was to be committed.
        given: Option<DiffId>,
        /// What the config has there.
        expected: Option<DiffId>,
    },
    /// The name's digest is not that of what was pulled (C6).
    #[error("{reference} does not stand for {target}")]
    Pin {
        /// The name.
        reference: Reference,
        /// The manifest or index that was pulled.
        target: Digest,
    },
    /// A hard link leads to a file that no layer below has.
    #[error(
        "layer {diff_id}: {:?} is a hard link to {:?}, which no layer below it has",
        String::from_utf8_lossy(.path), String::from_utf8_lossy(.target)
    )]
    UnresolvedLink {
        /// The layer.
        diff_id: DiffId,
        /// The name of the link.
        path: Vec<u8>,
        /// What it should be another name of.
        target: Vec<u8>,
    },
    /// A path of the layer has a NUL in it, which no file name can have.
    #[error("layer {diff_id} names a path with a NUL in it")]
    Path {
        /// The layer.
        diff_id: DiffId,
    },
    /// The config is not one.
    #[error("the config of the image")]
    Config(#[source] ImageConfigError),
    /// The config is held, but could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An earlier write failed in a way that leaves open what is on the disk.
    #[error("the store takes no more images since a write to {} failed; check the disk and start again", .path.display())]
    Degraded {
        /// The store.
        path: std::path::PathBuf,
    },
    /// The store is not ours to write to.
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
    /// Returns what the name stood for: the outermost index, or else the manifest.
    pub fn target(&self) -> &Digest {
        self.indexes.first().unwrap_or(&self.manifest).digest()
    }

    /// Keeps everything that becomes visible now from being deleted while others have the drafts of it.
    fn lease(&self, inner: &StoreInner) {
        self.blob_drafts()
            .for_each(|draft| draft.lease(inner.leases()));
        for layer in &self.layers {
            if let LayerSource::New(draft) = &layer.layer {
                draft.lease(inner.leases());
            }
        }
    }

    /// Has what is left of the blobs in `ingest/` removed: they are held.
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
    /// Returns what its tar hashed to.
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
    /// Returns what its bytes hash to.
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
    /// Makes `image` visible, all of it or nothing, and for good.
    ///
    /// The order, and what each step is for:
    /// 1. the note `unsettled`: from here on a crash may leave files without rows, so look for them;
    /// 2. **one barrier** (`syncfs`) for every file, directory and attribute that the pull wrote. The note
    ///    goes to the medium with them, which is why it comes first;
    /// 3. renames into `blobs/` and `layers/`, and a sync of the directories that got something: a name
    ///    that is on the medium leads to content that is. Nobody looks there without a row;
    /// 4. **one transaction** with every row, the tag and the digest reference. It returns when its log is
    ///    on the medium. This is the moment when the image exists;
    /// 5. the note goes. If that is lost, the next opening looks for leftovers and finds none.
    ///
    /// A failure before step 4 takes the renames back, so that drafts which other pulls share are where
    /// they were. A failed barrier is never tried again: the kernel may have thrown away what it could not
    /// write and call the pages clean (P7). The store takes no more images then.
    ///
    /// What is held already is left alone, whoever brought it (LS-3).
    pub fn commit(&self, image: &NewImage) -> Result<Committed, CommitError> {
        self.commit_and_tag(image, None)
    }

    /// As [`Store::commit`], and lets a tag (that of `name`, or `latest`) lead to the image in the same transaction,
    /// wherever it led before. Nothing says that a registry has it: there is no digest reference.
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

/// Carries out steps 1 to 5.
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
    let published = fail::point(CommitStep::Barrier)
        .and_then(|()| root.barrier())
        .inspect_err(|_| inner.degrade())
        .and_then(|()| publication.publish());
    let result = match published {
        Ok(()) => record(inner),
        Err(error) => Err(rows::RecordError::Undone(error.into())),
    };
    match result {
        Ok(recorded) => {
            fail::passing(CommitStep::Settle);
            root.clear_unsettled();
            Ok(recorded)
        }
        Err(error) => {
            // Rows that may or may not be there must not find their files gone.
            if error.is_certain() && publication.roll_back() {
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
