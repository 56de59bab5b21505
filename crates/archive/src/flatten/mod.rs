//! Makes one tar of the layers of an image, without a directory to lay them over each other in.
//!
//! The layers are read twice. The first time only their headers count: a [`Tree`] of names says where the content
//! of each file stands. The second time what is left of each layer is written. So memory is bounded by the number
//! of names and their length, and never by what is in the files.
//!
//! What a name means, which attributes are kept and how far links lead is said in [`crate::apply`], for both: the
//! tree is what [`unpack`](crate::unpack) would make as root with [`UnpackMode::Flatten`](crate::UnpackMode::Flatten), and a test
//! holds the two against each other.

mod plan;
mod tree;
mod walk;
mod writer;

use std::io::{self, Read, Write};

use windlass_oci::{Algorithm, DiffId, Hasher};

use crate::apply::names::{self, Meaning};
use crate::apply::nodes;
use crate::decompress::Decoder;
use crate::error::{EntryError, EntryName, UnpackError};
use crate::options::UnpackOptions;
use crate::pipeline;
use crate::progress::UnpackProgress;
use crate::tar::{Entry, Kind, TarReader};
use plan::Plan;
use tree::Tree;
use writer::TarWriter;

/// The layers of an image as far as they were looked at, the base first.
#[derive(Debug)]
pub struct LayerFlattener {
    tree: Tree,
    options: UnpackOptions,
}

/// What was seen of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScannedLayer {
    /// The digest of its tar.
    pub diff_id: DiffId,
    /// The number of its entries, whiteouts included.
    pub entries: u64,
}

/// The one tar, on its way to a writer.
///
/// Layer by layer comes what is left of each, in the order that the layer has it; a file of several names is written
/// under the first of them, and the others follow as links to it. Directories come last, each behind what is in it and
/// the root, if a layer carries it, behind all: whoever gives a directory its time or takes the right to write into it
/// as soon as he reads of it is done with it by then. Same layers, same bytes: nothing of this process, its user or
/// the clock is in them.
#[derive(Debug)]
pub struct FlattenedTar<W> {
    plan: Plan,
    options: UnpackOptions,
    out: TarWriter<W>,
    /// The layer to be written next, from 1.
    next: u32,
}

/// Why a layer could not be written into the one tar.
#[derive(Debug, thiserror::Error)]
pub enum FlattenError {
    /// The layer cannot be read.
    #[error(transparent)]
    Layer(#[from] UnpackError),
    /// What was made of it cannot be written.
    #[error("cannot write")]
    Write(#[source] io::Error),
}

impl Default for LayerFlattener {
    fn default() -> Self {
        Self::new(UnpackOptions::default())
    }
}

impl LayerFlattener {
    /// Begins with nothing. Of the options, threads and limits count.
    pub fn new(options: UnpackOptions) -> Self {
        Self {
            tree: Tree::new(&options.limits),
            options,
        }
    }

    /// Looks at the next layer; `blob` is read to its very end. After an error nothing can be made of this any more.
    pub fn scan_layer(&mut self, blob: impl Read + Send) -> Result<ScannedLayer, UnpackError> {
        self.tree.begin_layer(&self.options.limits);
        let tree = &mut self.tree;
        let (entries, diff_id) = read(blob, &self.options, |reader| look_at(tree, reader))?;
        Ok(ScannedLayer { diff_id, entries })
    }

    /// Begins the tar: the layers are to be read once more, in the same order.
    pub fn write<W: Write>(self, out: W) -> FlattenedTar<W> {
        FlattenedTar {
            plan: Plan::of(self.tree),
            options: self.options,
            out: TarWriter::new(out),
            next: 1,
        }
    }
}

impl<W: Write> FlattenedTar<W> {
    /// Returns whether the merged tar contains entries of the next layer.
    pub fn needs_next_layer(&self) -> bool {
        !self.plan.of_layer(self.next).is_empty()
    }

    /// Skips the next layer. Must only be called if [`Self::needs_next_layer`] returns `false`.
    pub fn skip_next_layer(&mut self) {
        self.next += 1;
    }

    /// Writes what is left of the next layer. Its digest is for the caller to compare: if it is another than before,
    /// what was written is wrong.
    pub fn write_layer(&mut self, blob: impl Read + Send) -> Result<DiffId, FlattenError> {
        let (plan, out, layer) = (&self.plan, &mut self.out, self.next);
        self.next += 1;
        let mut unwritten = None;
        let read = read(blob, &self.options, |reader| {
            match plan.write_layer(layer, reader, out) {
                Ok(()) => Ok(()),
                Err(FlattenError::Layer(error)) => Err(error),
                Err(FlattenError::Write(error)) => {
                    unwritten = Some(error);
                    Err(UnpackError::Read(io::ErrorKind::Other.into()))
                }
            }
        });
        match unwritten {
            Some(error) => Err(FlattenError::Write(error)),
            None => Ok(read?.1),
        }
    }

    /// Writes the directories and the end, and returns the number of entries there are.
    ///
    /// What was dropped before has no end, and so nobody takes it for whole.
    pub fn finish(mut self) -> io::Result<u64> {
        self.plan.write_directories(&mut self.out)?;
        self.out.finish()
    }
}

/// Reads the tar in `blob` by `take`, to its very end, and hashes it.
fn read<T>(
    blob: impl Read + Send,
    options: &UnpackOptions,
    take: impl FnOnce(&mut TarReader<'_>) -> Result<T, UnpackError>,
) -> Result<(T, DiffId), UnpackError> {
    let decoder = Decoder::new(blob)?;
    let hasher = Hasher::new(Algorithm::Sha256);
    let progress = UnpackProgress::default();
    let (taken, digest) = pipeline::run(decoder, hasher, options, &progress, |chunks| {
        let mut reader = TarReader::new(chunks, &options.limits);
        let taken = take(&mut reader)?;
        reader.drain()?;
        Ok(taken)
    })?;
    Ok((taken, DiffId::new(digest)))
}

fn look_at(tree: &mut Tree, reader: &mut TarReader<'_>) -> Result<u64, UnpackError> {
    let mut entry = Entry::default();
    let mut path = Vec::new();
    let mut number = 0;
    while reader.next(&mut entry)? {
        names::clean(&entry.path, &mut path)
            .and_then(|()| apply(tree, &path, number, &entry))
            .map_err(|source| UnpackError::Entry {
                path: EntryName::new(&entry.path),
                source,
            })?;
        number += 1;
    }
    Ok(number)
}

/// Does to the tree of names what the entry `number` of the layer does.
fn apply(tree: &mut Tree, path: &[u8], number: u64, entry: &Entry) -> Result<(), EntryError> {
    match names::meaning(path)? {
        Meaning::Root if entry.kind == Kind::Directory => tree.root(entry),
        Meaning::Root => Err(EntryError::Root),
        Meaning::Whiteout { directory, name } => tree.whiteout(directory, name),
        Meaning::Opaque { directory } => tree.opaque(directory),
        Meaning::Ignored => Ok(()),
        Meaning::Entry { directory, name } => match entry.kind {
            Kind::Directory => tree.directory(directory, name, entry),
            Kind::HardLink => tree.hard_link(directory, name, &entry.link),
            Kind::Symlink => tree.symlink(directory, name, number, &entry.link),
            Kind::CharacterDevice | Kind::BlockDevice => {
                let device = nodes::device_number(entry)?;
                if entry.kind == Kind::CharacterDevice && device == 0 {
                    return Err(EntryError::WhiteoutDevice);
                }
                tree.other(directory, name, number)
            }
            Kind::File | Kind::Fifo => tree.other(directory, name, number),
        },
    }
}
