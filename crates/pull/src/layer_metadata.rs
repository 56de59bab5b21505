//! The metadata that is stored with an unpacked layer.

use windlass_archive::{LowerLayerLink, UnpackedLayer};
use windlass_store::{LayerMetadata, LowerLink};

/// Returns the metadata to store for an unpacked layer.
pub(crate) fn layer_metadata(unpacked: UnpackedLayer) -> LayerMetadata {
    let mut implied_directories = unpacked.implied_directories;
    if !unpacked.has_root_entry {
        implied_directories.insert(0, Vec::new());
    }
    let link = |link: LowerLayerLink| LowerLink {
        path: link.path,
        target: link.target,
    };
    LayerMetadata {
        diff_id: unpacked.diff_id,
        size: unpacked.size,
        entries: unpacked.entries,
        implied_directories,
        lower_links: unpacked.lower_links.into_iter().map(link).collect(),
    }
}
