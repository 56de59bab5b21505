//! Copies images between registries, stores, archives and directories, byte for byte.
//!
//! A [`ContentSource`] provides images: a store, an archive or directory, a registry. [`gather`] collects the documents
//! and blobs of one of them; [`to_archive`], [`to_directory`] and [`to_repository`] write them to a destination. The
//! store unpacks the images that it imports; [`images`] lists those that a source offers.
//!
//! Everything here blocks. A [`CopyContext`] provides cancellation, the sink for events and the runtime for requests.
//!
//! # Invariants
//! - Every byte is verified, by [`VerifyingReader`](windlass_layout::VerifyingReader), before the destination names it.
//! - The document that names an image is written last, after everything that it refers to.
//! - Memory is bounded by the number of blobs that are transferred at a time.

mod budget;
mod events;
mod files;
mod location;
mod output;
mod push;
mod referrers;
mod source;
mod tree;

pub use budget::Budget;
pub use events::{BlobStatus, CopyContext, CopyEvent};
pub use files::{CopyError, for_each_parallel, to_archive, to_directory};
pub use location::{ImageLocation, ImageLocationError};
pub use output::{ArchiveCompression, ArchiveOutput, OutputTarget};
pub use push::{PushError, PushTarget, to_repository};
pub use referrers::gather_referrers;
pub use source::{ContentSource, ImageRoot, RegistrySource, SourceError, StoreSource};
pub use tree::{Gathered, ImageChoice, SourceImage, TreeError, gather, images};
