//! Images: references, digests, platforms, and what an engine returns about stored images.

pub use crate::history::HistoryEntry;
pub use crate::inspect::{Inspection, RootFs};
pub use crate::list::ImageSummary;
pub use crate::tree::{ImageTree, PlatformImage, StoredImage};

pub use windlass_copy::{ImageChoice, ImageLocation};
pub use windlass_layout::LayoutKind;
pub use windlass_oci::{
    DEFAULT_REGISTRY, Descriptor, DiffId, Digest, IdPrefix, ImageId, ImageName, MediaType,
    Platform, Reference, RepositoryName, Tag,
};
pub use windlass_pull::{FoundManifest, Platforms};
pub use windlass_registry::TagOrDigest;
