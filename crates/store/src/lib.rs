//! The image store on disk: blobs and partial blobs, layers, images, their names, and the lock.
//!
//! # Invariants
//! 1. **Complete or absent.** A name refers to an image whose layers and blobs are all complete and durable, or
//!    to nothing. No crash, full disk or power cut makes an incomplete image visible.
//! 2. **A blob has the digest it is named by.** A [`BlobDraft`] comes from [`IngestReader::verify`],
//!    [`Store::put_blob`] or a [`BlobWriter`]; all of them hash every byte.
//! 3. **A layer is visible only when it is complete**: it is unpacked in a draft directory, synced, renamed
//!    into place, and then entered in the database, in this order.
//! 4. **The database decides what is stored, and the disk has to agree.** A row without its file counts as
//!    absent, and the next pull repairs it; a file without its row is a leftover, and is removed.
//! 5. **Nothing that is in use is deleted**: rows are deleted first, durably, and files only when no image and
//!    no lease refers to them.
//! 6. **Nothing outside the store is touched.** Files are created, moved and removed relative to a directory
//!    handle, and symbolic links are never followed.
//! 7. **One owner.** A process that changes a store has it exclusively; if the process crashes, the lock is
//!    released.
//!
//! `docs/on-disk-format.md` describes the files; [`Store::commit`] describes the order of a commit and its
//! reasons.

mod blob;
mod chain;
mod commit;
mod crash_cleanup;
mod database;
mod error;
mod failpoint;
mod image;
mod ingest;
mod layer;
mod lease;
mod lock;
mod measure;
mod overlay;
mod overlay_top;
mod paths;
mod prune;
mod remove;
mod repository;
mod root;
mod store;
mod tag;
#[cfg(test)]
mod tests;
mod tree;
mod usage;
mod write_back;

pub use blob::{Blob, BlobDraft, BlobWriter, PutError, ReadError};
pub use chain::{Chain, ChainError, ChainShape, FlattenReason};
pub use commit::{
    BlobSource, CommitError, CommitOutcome, Committed, LayerSource, NewImage, NewLayer,
};
pub use error::{DatabaseError, FileError, NotWritable};
pub use image::{FindError, Image, ImageLayer, TaggedReference};
pub use ingest::{
    AppendError, Ingest, IngestError, IngestReader, IngestStopped, IngestWriter, PartialBlob,
    RangeHandle, RangeWriter, Retention, VerifyError,
};
pub use layer::{FinishedLayer, Layer, LayerDraft, LayerError, LayerMetadata, LowerLink};
pub use lease::ContentLease;
pub use lock::{StoreOwner, WhenBusy};
pub use measure::{BlobKind, MeasuredBlob, MeasuredLayer, MeasuredStore};
pub use prune::PruneSelection;
pub use remove::{RemoveOptions, RemovedItem, StoreRemoval, StoreRemoveError};
pub use repository::{ContentKind, RepositoryLookup};
pub use root::{RootError, UntrustedReason};
pub use store::{OpenMode, Store, StoreOpenError};
pub use tag::TagImageError;
pub use tree::remove as remove_tree;
pub use usage::{Amount, StoreUsage, StoredImageUsage, UsageError};
