//! The layers of an image as a mount needs them, and whether an overlay of them equals the image.

use std::path::PathBuf;

use windlass_oci::DiffId;

use crate::commit::layer_directory;
use crate::error::{DatabaseError, FileError, FileErrorContext, impl_is_no_space};
use crate::overlay::{
    DirectoryMetadata, MergedDirectory, PathLookup, Stack, StackLayer, components,
};
use crate::store_root::{StoreArea, StoreRoot};
use crate::{Image, Layer, LayerError, Store};

/// The layers of an image, leased while this exists.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The layers, the top first, each once.
    ///
    /// An overlay rejects a directory that is given twice. Of a layer that is repeated, only the upper
    /// occurrence is here: its content hides, or equals, that of the lower one.
    pub layers: Vec<Layer>,
    /// Whether an overlay of the layers equals the image.
    pub shape: ChainShape,
}

/// Whether an overlay of the layers equals the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainShape {
    /// The overlay equals the image.
    Plain,
    /// The overlay would differ: the image has to be flattened into one directory.
    NeedsFlattening {
        /// The layer that an overlay would show wrongly.
        diff_id: DiffId,
        /// The path in the image.
        path: Vec<u8>,
        /// The difference.
        reason: FlattenReason,
    },
}

/// How an overlay would differ from the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlattenReason {
    /// A hard link to a file of a lower layer would be missing.
    LowerLink,
    /// A directory that the layer's tar does not have would hide the mode, owner or attributes of a lower
    /// layer.
    DirectoryMetadata,
    /// A directory that the layer's tar does not have would hide a link or file of a lower layer.
    NotADirectoryBelow,
}

/// Why the layers of an image are not available.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// A layer is missing.
    #[error("layer {diff_id} is missing on disk; pull the image again")]
    Missing {
        /// The layer.
        diff_id: DiffId,
    },
    /// A layer could not be opened.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// A path failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl_is_no_space!(ChainError);

impl Chain {
    /// Returns the directories of the layers, the top first.
    pub fn directories(&self) -> Vec<PathBuf> {
        self.layers.iter().map(Layer::path).collect()
    }
}

impl Store {
    /// Returns the layers of `image`.
    pub fn chain(&self, image: &Image) -> Result<Chain, ChainError> {
        let mut layers: Vec<Layer> = Vec::new();
        for layer in image.layers.iter().rev() {
            let diff_id = layer.diff_id;
            if layers.iter().any(|above| *above.diff_id() == diff_id) {
                continue;
            }
            let held = self.layer(&diff_id)?;
            layers.push(held.ok_or(ChainError::Missing { diff_id })?);
        }
        let shape = if layers.is_empty() {
            ChainShape::Plain
        } else {
            shape(self.inner().root(), &layers)?
        };
        Ok(Chain { layers, shape })
    }
}

/// Finds the first path that an overlay would show wrongly.
fn shape(root: &StoreRoot, layers: &[Layer]) -> Result<ChainShape, FileError> {
    for (position, layer) in layers.iter().enumerate() {
        let metadata = layer.metadata();
        let needs = |path: &[u8], reason| ChainShape::NeedsFlattening {
            diff_id: metadata.diff_id,
            path: path.to_vec(),
            reason,
        };
        if let Some(link) = metadata.lower_links.first() {
            return Ok(needs(&link.path, FlattenReason::LowerLink));
        }
        let levels = layers[position..].iter().map(|layer| StackLayer {
            directory: layer_directory(root, layer.diff_id().digest()),
            hides: true,
        });
        let stack = Stack::new(root.dir(), levels.collect());
        for path in &metadata.implied_directories {
            let at = || root.content_path(StoreArea::Layers, metadata.diff_id.digest());
            let reason =
                overlay_difference(&stack, path).at("compare a directory with those below", at)?;
            if let Some(reason) = reason {
                return Ok(needs(path, reason));
            }
        }
    }
    Ok(ChainShape::Plain)
}

/// Returns how an overlay would differ at `path`, a directory that the tar of the top layer does not have.
fn overlay_difference(stack: &Stack<'_>, path: &[u8]) -> std::io::Result<Option<FlattenReason>> {
    let names: Vec<_> = components(path).collect();
    let Some((last, parents)) = names.split_last() else {
        return Ok(None);
    };
    let mut parent = stack.top();
    for name in parents {
        match stack.lookup(&parent, name)? {
            PathLookup::Directory(directory) => parent = directory,
            PathLookup::Nothing | PathLookup::File | PathLookup::Symlink(_) => return Ok(None),
        }
    }
    match stack.lookup(&parent.below_top(), last)? {
        PathLookup::Nothing => Ok(None),
        PathLookup::File | PathLookup::Symlink(_) => Ok(Some(FlattenReason::NotADirectoryBelow)),
        PathLookup::Directory(below) => {
            let PathLookup::Directory(own) = stack.lookup(&parent, last)? else {
                return Ok(None);
            };
            let same = same_metadata(stack, &own, &below)?;
            Ok((!same).then_some(FlattenReason::DirectoryMetadata))
        }
    }
}

fn same_metadata(
    stack: &Stack<'_>,
    one: &MergedDirectory,
    other: &MergedDirectory,
) -> std::io::Result<bool> {
    Ok(DirectoryMetadata::of(&stack.open(one)?)? == DirectoryMetadata::of(&stack.open(other)?)?)
}
