//! Hard links into the layers below: each must lead somewhere in this image's chain.

use std::path::PathBuf;

use windlass_oci::{DiffId, Digest};

use super::{CommitError, LayerSource, NewLayer};
use crate::LowerLink;
use crate::error::{At, FileError};
use crate::overlay::{LookupBudget, PathLookup, Stack, StackLayer};
use crate::root::{DIFF, Root, StoreArea};

/// How often all lower links of an image together may have a layer looked into: half a minute, and a
/// hundred times what images that are not made up have.
const MOST_LOOKS: u64 = 16 << 20;

/// Resolves the lower links of every layer against the layers below it.
///
/// Most images have none. A layer that was stored for one image may not fit into another, so layers that
/// are held already are looked at, too.
pub(super) fn resolve(root: &Root, layers: &[NewLayer]) -> Result<(), CommitError> {
    let looks = LookupBudget::new(MOST_LOOKS);
    for (position, layer) in layers.iter().enumerate() {
        let facts = layer.layer.metadata();
        if facts.lower_links.is_empty() {
            continue;
        }
        let below = layers[..position]
            .iter()
            .rev()
            .map(|layer| level(root, &layer.layer, true));
        // Its own whiteouts hide what is below from those who look at the result, not from the link,
        // which is part of the result.
        let own = std::iter::once(level(root, &layer.layer, false));
        let levels = own.chain(below).collect::<Result<Vec<_>, _>>()?;
        let stack = Stack::new(root.dir(), levels);
        for link in &facts.lower_links {
            resolve_one(root, &stack, &looks, &facts.diff_id, link)?;
        }
    }
    Ok(())
}

fn resolve_one(
    root: &Root,
    stack: &Stack<'_>,
    looks: &LookupBudget,
    diff_id: &DiffId,
    link: &LowerLink,
) -> Result<(), CommitError> {
    let found = stack
        .resolve(&link.target, looks)
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

fn level(root: &Root, layer: &LayerSource, hides: bool) -> Result<StackLayer, FileError> {
    let directory = match layer {
        LayerSource::New(draft) if draft.open_dir()?.is_some() => {
            let name = draft.name();
            format!("{}/{name}/{DIFF}", StoreArea::Drafts.name())
        }
        // Published by another pull in the meantime, or held from the start.
        _ => layer_directory(root, layer.diff_id().digest()),
    };
    Ok(StackLayer { directory, hides })
}

/// Returns where a held layer is, relative to the store's root.
pub(crate) fn layer_directory(root: &Root, diff_id: &Digest) -> String {
    let path: PathBuf = root.content_path(StoreArea::Layers, diff_id).join(DIFF);
    let path = path
        .strip_prefix(root.path())
        .expect("content is in the store");
    path.to_str().expect("made of ASCII names").to_owned()
}
