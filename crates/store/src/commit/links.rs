//! Checks hard links into lower layers: each target must exist in the chain of the image.

use std::path::PathBuf;

use windlass_oci::{DiffId, Digest};

use super::error::CommitError;
use super::new_image::{LayerSource, NewLayer};
use crate::LowerLink;
use crate::error::{FileError, FileErrorContext};
use crate::overlay::{LookupBudget, PathLookup, Stack, StackLayer};
use crate::store_root::{DIFF, StoreArea, StoreRoot};

/// The limit of layer lookups for all lower links of an image: about half a minute, and a hundred times what
/// real images need.
const MAX_LOOKUPS: u64 = 16 << 20;

/// Resolves the lower links of every layer against the layers below it.
///
/// Most images have none. A layer that was stored for one image may not fit into another, so stored layers are
/// checked, too.
pub(super) fn resolve(root: &StoreRoot, layers: &[NewLayer]) -> Result<(), CommitError> {
    let budget = LookupBudget::new(MAX_LOOKUPS);
    for (position, layer) in layers.iter().enumerate() {
        let metadata = layer.layer.metadata();
        if metadata.lower_links.is_empty() {
            continue;
        }
        let below = layers[..position]
            .iter()
            .rev()
            .map(|layer| stack_layer(root, &layer.layer, true));
        // The layer's own whiteouts hide lower files in the result, but not from the link, which is part of the
        // result.
        let own = std::iter::once(stack_layer(root, &layer.layer, false));
        let stack_layers = own.chain(below).collect::<Result<Vec<_>, _>>()?;
        let stack = Stack::new(root.dir(), stack_layers);
        for link in &metadata.lower_links {
            resolve_one(root, &stack, &budget, &metadata.diff_id, link)?;
        }
    }
    Ok(())
}

fn resolve_one(
    root: &StoreRoot,
    stack: &Stack<'_>,
    budget: &LookupBudget,
    diff_id: &DiffId,
    link: &LowerLink,
) -> Result<(), CommitError> {
    let found = stack
        .resolve(&link.target, budget)
        .at("look up the target of a hard link in", || {
            root.content_path(StoreArea::Layers, diff_id.digest())
        })?;
    match found {
        PathLookup::File | PathLookup::Symlink(_) => Ok(()),
        PathLookup::Nothing | PathLookup::Directory(_) => Err(CommitError::UnresolvedLink {
            diff_id: *diff_id,
            path: link.path.clone(),
            target: link.target.clone(),
        }),
    }
}

fn stack_layer(
    root: &StoreRoot,
    layer: &LayerSource,
    hides: bool,
) -> Result<StackLayer, FileError> {
    let directory = match layer {
        LayerSource::New(draft) if draft.open_dir()?.is_some() => {
            let name = draft.name();
            format!("{}/{name}/{DIFF}", StoreArea::Drafts.name())
        }
        // Stored, or published by another pull meanwhile.
        LayerSource::Stored(_) | LayerSource::New(_) => {
            layer_directory(root, layer.diff_id().digest())
        }
    };
    Ok(StackLayer { directory, hides })
}

/// Returns the directory of a stored layer, relative to the root of the store.
pub(crate) fn layer_directory(root: &StoreRoot, diff_id: &Digest) -> String {
    let path: PathBuf = root.content_path(StoreArea::Layers, diff_id).join(DIFF);
    let path = path
        .strip_prefix(root.path())
        .expect("content paths are below the root of the store");
    path.to_str()
        .expect("the path consists of ASCII names")
        .to_owned()
}
