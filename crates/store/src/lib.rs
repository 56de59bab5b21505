//! The disk of windlass: blobs and partial blobs, layers, images, what they are called, and the lock.
//!
//! # What is always true
//! 1. **Complete or absent.** A name leads to an image whose every layer and blob is complete and on the
//!    medium, or it leads nowhere. No crash, full disk or power cut makes a half one visible.
//! 2. **A blob hashed to its name.** The only ways to a [`BlobDraft`] are [`IngestReader::verify`] and
//!    [`Store::put_blob`]; both hash every byte.
//! 3. **A layer is visible only when it is done**: unpacked out of sight, synced, renamed into place, and
//!    then entered in the database, in this order.
//! 4. **The database decides what is held, and the disk has to agree.** A row without its file counts as
//!    absent, and the next pull repairs it; a file without its row is a leftover, and is swept away.
//! 5. **Nothing that is in use is deleted**: rows go first, durably, and files only when no image and no
//!    lease wants them any more.
//! 6. **Nothing outside the store is touched.** Whatever is made, moved or removed is reached from a directory
//!    handle, and no symbolic link is ever followed.
//! 7. **One owner.** Whoever changes a store has it alone; a crash of the owner frees it.
//!
//! What lies where is drawn in `docs/on-disk-format.md`; in which order a commit happens, and why, is said
//! at [`Store::commit`].

mod blob;
mod chain;
mod commit;
mod database;
mod empty;
mod error;
mod fail;
mod image;
mod ingest;
mod layer;
mod lease;
mod lock;
mod measure;
mod names;
mod overlay;
mod paths;
mod prune;
mod remove;
mod repository;
mod root;
mod store;
mod sweep;
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
pub use names::NameError;
pub use prune::PruneSelection;
pub use remove::{RemoveOptions, RemovedItem, StoreRemoval, StoreRemoveError};
pub use repository::{ContentKind, RepositoryLookup};
pub use root::{RootError, UntrustedReason};
pub use store::{OpenMode, Store, StoreOpenError};
pub use tree::remove as remove_tree;
pub use usage::{Amount, StoreUsage, StoredImageUsage, UsageError};
