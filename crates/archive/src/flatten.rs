//! Merges the layers of an image into one tar without unpacking them.
//!
//! Each layer is read twice. In the first pass only the headers are used: a [`NameTree`] records which entry
//! provides the content of each file. In the second pass the remaining entries of each layer are written. Memory is
//! therefore bounded by the number and length of the names, not by the size of the files.
//!
//! The rules for names, attributes and symbolic links are shared with [`crate::apply`]. The tree is what
//! [`unpack`](crate::unpack) produces as root with [`UnpackMode::Flatten`](crate::UnpackMode::Flatten); a test
//! compares the two.

mod edit;
mod error;
mod plan;
mod resolve;
mod tree;
mod writer;

use std::io::{self, Read, Write};

use windlass_oci::{Algorithm, DiffId, Hasher};

use crate::decompress::Decoder;
use crate::entry_name::EntryName;
use crate::entry_path::{self, EntryTarget};
use crate::error::{EntryError, UnpackError};
use crate::options::UnpackOptions;
use crate::pipeline;
use crate::progress::UnpackProgress;
use crate::tar::{EntryKind, TarEntry, TarReader};
use crate::unpack_rules::device_number;
use plan::FlattenPlan;
use tree::NameTree;
use writer::TarWriter;

pub use error::FlattenError;

/// The layers of an image that have been scanned so far, the base layer first.
#[derive(Debug)]
pub struct LayerFlattener {
    tree: NameTree,
    options: UnpackOptions,
}

/// The result of scanning a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScannedLayer {
    /// The digest of its tar.
    pub diff_id: DiffId,
    /// The number of entries, including whiteouts.
    pub entries: u64,
}

/// The merged tar, while it is being written.
///
/// The remaining entries are written layer by layer, in the order of each layer. A file with several names is
/// written under the first of them; the others follow as hard links. Directories are written last, children before
/// their parents, and the root comes at the end if a layer has an entry for it. A program that sets the time or a
/// read-only mode of a directory as soon as it reads the entry has then created all files in the directory.
///
/// The same layers always produce the same bytes: the tar does not depend on the process, its user or the clock.
#[derive(Debug)]
pub struct FlattenedTar<W> {
    plan: FlattenPlan,
    options: UnpackOptions,
    out: TarWriter<W>,
    /// The number of the next layer, from 1.
    next: u32,
}

impl Default for LayerFlattener {
    fn default() -> Self {
        Self::new(UnpackOptions::default())
    }
}

impl LayerFlattener {
    /// Creates a flattener without layers. It uses the number of threads and the limits of the options.
    pub fn new(options: UnpackOptions) -> Self {
        Self {
            tree: NameTree::new(&options.limits),
            options,
        }
    }

    /// Scans the next layer. `blob` is read to its end. After an error the flattener must not be used any more.
    pub fn scan_layer(&mut self, blob: impl Read + Send) -> Result<ScannedLayer, UnpackError> {
        self.tree.begin_layer(&self.options.limits);
        let tree = &mut self.tree;
        let (entries, diff_id) = read_tar(blob, &self.options, |reader| scan(tree, reader))?;
        Ok(ScannedLayer { diff_id, entries })
    }

    /// Begins the merged tar. The caller then passes the same layers again, in the same order.
    pub fn write<W: Write>(self, out: W) -> FlattenedTar<W> {
        FlattenedTar {
            plan: FlattenPlan::new(self.tree),
            options: self.options,
            out: TarWriter::new(out),
            next: 1,
        }
    }
}

impl<W: Write> FlattenedTar<W> {
    /// Returns whether the merged tar contains entries of the next layer.
    pub fn needs_next_layer(&self) -> bool {
        !self.plan.files_of_layer(self.next).is_empty()
    }

    /// Skips the next layer. Must only be called if [`Self::needs_next_layer`] returns `false`.
    pub fn skip_next_layer(&mut self) {
        self.next += 1;
    }

    /// Writes the remaining entries of the next layer and returns the digest of its tar. If it differs from the
    /// digest of the scanned layer, the output is invalid; the caller must compare the two.
    pub fn write_layer(&mut self, blob: impl Read + Send) -> Result<DiffId, FlattenError> {
        let (plan, out, layer) = (&self.plan, &mut self.out, self.next);
        self.next += 1;
        let mut write_error = None;
        let read = read_tar(blob, &self.options, |reader| {
            match plan.write_layer(layer, reader, out) {
                Ok(()) => Ok(()),
                Err(FlattenError::Layer(error)) => Err(error),
                Err(FlattenError::Write(error)) => {
                    write_error = Some(error);
                    // Ends the reading; it is replaced by the write error below.
                    Err(UnpackError::Read(io::ErrorKind::Other.into()))
                }
            }
        });
        match write_error {
            Some(error) => Err(FlattenError::Write(error)),
            None => Ok(read?.1),
        }
    }

    /// Writes the directories and the end marker. Returns the number of entries.
    ///
    /// If the tar is dropped instead, it has no end marker, so a reader does not mistake it for a complete one.
    pub fn finish(mut self) -> io::Result<u64> {
        self.plan.write_directories(&mut self.out)?;
        self.out.finish()
    }
}

/// Reads the tar in `blob` with the function `read`, then to its end. Returns the result and the digest of the tar.
fn read_tar<T>(
    blob: impl Read + Send,
    options: &UnpackOptions,
    read: impl FnOnce(&mut TarReader<'_>) -> Result<T, UnpackError>,
) -> Result<(T, DiffId), UnpackError> {
    let decoder = Decoder::new(blob)?;
    let hasher = Hasher::new(Algorithm::Sha256);
    let progress = UnpackProgress::default();
    let (result, digest) = pipeline::run(decoder, hasher, options, &progress, |chunks| {
        let mut reader = TarReader::new(chunks, &options.limits);
        let result = read(&mut reader)?;
        reader.drain()?;
        Ok(result)
    })?;
    Ok((result, DiffId::new(digest)))
}

/// Applies the headers of a layer to the tree. Returns the number of entries.
fn scan(tree: &mut NameTree, reader: &mut TarReader<'_>) -> Result<u64, UnpackError> {
    let mut entry = TarEntry::default();
    let mut path = Vec::new();
    let mut index = 0;
    while reader.next(&mut entry)? {
        entry_path::normalize(&entry.path, &mut path)
            .and_then(|()| apply_entry(tree, &path, index, &entry))
            .map_err(|source| UnpackError::Entry {
                path: EntryName::new(&entry.path),
                source,
            })?;
        index += 1;
    }
    Ok(index)
}

/// Applies the entry number `index` of the layer to the tree.
fn apply_entry(
    tree: &mut NameTree,
    path: &[u8],
    index: u64,
    entry: &TarEntry,
) -> Result<(), EntryError> {
    match entry_path::classify(path)? {
        EntryTarget::Root if entry.kind == EntryKind::Directory => tree.update_root(entry),
        EntryTarget::Root => Err(EntryError::Root),
        EntryTarget::Whiteout { directory, name } => tree.apply_whiteout(directory, name),
        EntryTarget::Opaque { directory } => tree.apply_opaque(directory),
        EntryTarget::AufsFile { name } => {
            if entry.kind == EntryKind::File {
                tree.add_aufs_file(name, index)?;
            }
            Ok(())
        }
        EntryTarget::AufsMetadata => Ok(()),
        EntryTarget::File { directory, name } => match entry.kind {
            EntryKind::Directory => tree.add_directory(directory, name, entry),
            EntryKind::HardLink => tree.add_hard_link(directory, name, &entry.link),
            EntryKind::Symlink => tree.add_symlink(directory, name, index, &entry.link),
            EntryKind::CharacterDevice | EntryKind::BlockDevice => {
                let (major, minor) = entry.device;
                let number = device_number(major, minor)?;
                if entry.kind == EntryKind::CharacterDevice && number == 0 {
                    return Err(EntryError::WhiteoutDevice);
                }
                tree.add_file(directory, name, index)
            }
            EntryKind::File | EntryKind::Fifo => tree.add_file(directory, name, index),
        },
    }
}
