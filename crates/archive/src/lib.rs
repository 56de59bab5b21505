//! Decompresses image layers and applies their tars beneath a directory handle.
//!
//! [`unpack`] reads the bytes of a layer blob as a stream and returns the [`DiffId`](windlass_oci::DiffId) of its
//! tar. The input is untrusted: the compression is detected from the content, the size of every header is bounded,
//! and every path is resolved inside the target directory as if by `chroot`, using file descriptors only
//! (hardening R4, T01-T14).
//!
//! [`LayerFlattener`] merges the layers of an image into one tar without unpacking them. The result is what
//! [`unpack`] produces when it applies the layers on top of each other.
//!
//! ```text
//! blob ─► decompress ─► pipeline (ring of buffers, sha256) ─► tar ─► apply ─► directory
//! ```

mod apply;
mod chunks;
mod compression;
mod decompress;
mod entry_name;
mod entry_path;
mod error;
mod flatten;
mod hiding;
mod members;
mod options;
mod pipeline;
mod progress;
mod tar;
mod unpack;
mod unpack_rules;
mod unpacked;

pub use crate::compression::Compression;
pub use crate::decompress::{ArchiveDecompressReader, DecompressReader};
pub use crate::entry_name::EntryName;
pub use crate::error::{EntryError, StreamError, TarError, UnpackError, UnpackErrorOrigin};
pub use crate::flatten::{FlattenError, FlattenedTar, LayerFlattener, ScannedLayer};
pub use crate::hiding::HidingForm;
pub use crate::members::{TarMember, TarMemberKind, list_members};
pub use crate::options::{
    Ownership, PathResolution, UnpackLimits, UnpackMode, UnpackOptions, UnpackThreads,
};
pub use crate::progress::UnpackProgress;
pub use crate::unpack::unpack;
pub use crate::unpacked::{LowerLayerLink, SkippedItems, UnpackedLayer};
