//! Carries images from where they are to where they should be, byte for byte.
//!
//! A [`Source`] has images: a store, an archive or directory, a registry. [`gather`] finds out what belongs to one of
//! them; [`to_archive`], [`to_directory`] and [`to_repository`] carry that elsewhere. What takes images in and
//! unpacks them is the store's affair; [`images`] finds what there is to take.
//!
//! Everything here blocks. What cancels it, receives its events and runs its requests is a [`CopyContext`].
//!
//! # Invariants
//! - No byte arrives that was not proved: by [`VerifyingReader`](windlass_layout::VerifyingReader) on its way.
//! - What names an image is written last, when all that it needs is there.
//! - Memory is bounded by the number of blobs that move at a time.

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
pub use tree::{ImageChoice, SourceImage, TreeError, gather, images};
