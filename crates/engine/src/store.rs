//! The content of a store: stored manifests and blobs, their disk usage, and the owner of the store.

pub use crate::disk_usage::{DiskUsage, ImageUsage, Usage};
pub use crate::stored_content::{StoredBlob, StoredContent, StoredManifest};

pub use windlass_store::{
    BlobKind, ContentLease, MeasuredBlob, MeasuredLayer, MeasuredStore, PartialBlob,
    RepositoryLookup, StoreOwner,
};
