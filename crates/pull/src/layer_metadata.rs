//! The metadata that is stored with an unpacked layer.

use windlass_archive::{LowerLayerLink, UnpackedLayer};
use windlass_store::{FinishedLayer, LayerDraft, LayerError, LayerMetadata, LowerLink};

/// Completes an unpacked layer, with its metadata and the form in which it hides files.
pub(crate) fn finish_layer(
    draft: LayerDraft,
    unpacked: UnpackedLayer,
) -> Result<FinishedLayer, LayerError> {
    if unpacked.hides_unusually {
        draft.mark_unusual_hiding()?;
    }
    Ok(draft.finish(layer_metadata(unpacked)))
}

fn layer_metadata(unpacked: UnpackedLayer) -> LayerMetadata {
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
