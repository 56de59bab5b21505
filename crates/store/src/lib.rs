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

mod background_sync;
mod blob;
mod blob_draft;
mod blob_writer;
mod chain;
mod commit;
mod content_lease;
mod crash_cleanup;
mod database;
mod empty_overlay_layer;
mod error;
mod failpoint;
mod image;
mod ingest;
mod layer;
mod lease;
mod lock;
mod lower_link;
mod measure;
mod open_error;
mod open_store;
mod overlay;
mod partial;
mod partial_file;
mod path_list;
mod prune;
mod remove;
mod repository;
mod store;
mod store_inner;
mod store_root;
mod tag;
#[cfg(test)]
mod tests;
mod tree;
mod unshared_content;
mod usage;

pub use blob::{Blob, ReadError};
pub use blob_draft::{BlobDraft, PutError};
pub use blob_writer::BlobWriter;
pub use chain::{Chain, ChainError, ChainShape, FlattenReason};
pub use commit::{
    BlobSource, CommitError, CommitOutcome, Committed, LayerSource, NewImage, NewLayer,
};
pub use content_lease::ContentLease;
pub use error::{DatabaseError, FileError, NotWritable};
pub use image::{FindError, Image, ImageLayer, TaggedReference};
pub use ingest::{
    AppendError, Ingest, IngestError, IngestReader, IngestWriter, PartialBlob, RangeHandle,
    RangeWriter, Retention, VerifyError,
};
pub use layer::{FinishedLayer, Layer, LayerDraft, LayerError, LayerMetadata};
pub use lock::{StoreOwner, WhenBusy};
pub use lower_link::LowerLink;
pub use measure::{BlobKind, MeasuredBlob, MeasuredLayer, MeasuredStore};
pub use open_error::StoreOpenError;
pub use open_store::OpenMode;
pub use partial::IngestStopped;
pub use prune::PruneSelection;
pub use remove::{RemoveOptions, RemovedItem, StoreRemoval, StoreRemoveError};
pub use repository::{ContentKind, RepositoryLookup};
pub use store::Store;
pub use store_root::{StoreRootError, UntrustedReason};
pub use tag::TagImageError;
pub use tree::remove as remove_tree;
pub use usage::{ContentUsage, StoreUsage, StoredImageUsage, UsageError};
