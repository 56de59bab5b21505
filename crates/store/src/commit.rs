//! Commits an image: the only way for content to become visible.

mod error;
mod files;
mod links;
mod new_image;
mod outcome;
mod rows;

use windlass_oci::{ImageConfig, ImageId, MAX_CONFIG_SIZE, Reference};

use crate::Store;
use crate::failpoint::{self, FailureStep};
use crate::store_inner::StoreInner;

use files::DraftPublication;
use rows::RecordedNames;

pub use error::CommitError;
pub(crate) use files::{clear, move_to_drafts};
pub(crate) use links::layer_directory;
pub use new_image::{BlobSource, LayerSource, NewImage, NewLayer};
pub use outcome::{CommitOutcome, Committed};
pub(crate) use rows::{write_digest_reference, write_tag};

/// The limit for reading a config: one byte more than a config may have.
const CONFIG_LIMIT: u64 = MAX_CONFIG_SIZE as u64 + 1;

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
    let published = failpoint::point(FailureStep::Barrier)
        .and_then(|()| root.barrier())
        .inspect_err(|_| inner.degrade())
        .and_then(|()| publication.publish());
    let result = match published {
        Ok(()) => record(inner),
        Err(error) => Err(rows::RecordError::NotWritten(error.into())),
    };
    match result {
        Ok(recorded) => {
            failpoint::passing(FailureStep::Settle);
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
        Some(_) | None => Ok(()),
    }
}

fn degraded(inner: &StoreInner) -> CommitError {
    let path = inner.root().path().to_owned();
    CommitError::Degraded { path }
}
