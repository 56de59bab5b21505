//! Copies images between registries, stores, archives and directories, byte for byte.
//!
//! A [`ContentSource`] provides images: a store, an archive or directory, a registry. [`gather`] collects the documents
//! and blobs of an image and [`gather_referrers`] those of its artifacts; [`to_archive`], [`to_directory`] and
//! [`to_repository`] write them to a destination. [`images`] finds the images in a source for a destination that unpacks
//! them itself, such as a store.
//!
//! All functions block. A [`CopyContext`] provides cancellation, the sink for events and the runtime for requests.
//!
//! # Invariants
//! - Every byte is verified, by [`VerifyingReader`](windlass_layout::VerifyingReader), before a document at the
//!   destination refers to it.
//! - The document that a name refers to is written last, after all documents and blobs below it.
//! - The documents of one copy fit into a [`Budget`]. Other memory is bounded by the number of concurrent transfers.

mod budget;
mod error;
mod events;
mod files;
mod gather;
mod image_choice;
mod images;
mod location;
mod output;
mod parallel;
mod push;
mod referrers;
mod source;

pub use budget::{Budget, BudgetExceeded};
pub use error::{CopyError, PushError, TreeError};
pub use events::{BlobStatus, CopyContext, CopyEvent};
pub use files::{to_archive, to_directory};
pub use gather::{Gathered, gather};
pub use image_choice::ImageChoice;
pub use images::{SourceImage, images};
pub use location::{ImageLocation, ImageLocationError};
pub use output::{ArchiveCompression, ArchiveOutput, OutputTarget};
pub use parallel::for_each_parallel;
pub use push::{PushTarget, to_repository};
pub use referrers::gather_referrers;
pub use source::{ContentSource, ImageRoot, RegistrySource, SourceError, StoreSource};
