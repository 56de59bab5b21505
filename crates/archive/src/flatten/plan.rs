//! The entries of the merged tar, in the order in which they are written.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;

use super::error::FlattenError;
use super::tree::{DirectoryMetadata, EntrySource, NameNode, NameTree, ROOT};
use super::writer::{MemberHeader, MemberType, SparseMap, TarWriter};
use crate::entry_path;
use crate::tar::{EntryKind, TarEntry, TarReader};
use crate::unpack_rules::is_allowed_xattr;

/// The directories, and the names of all other files.
#[derive(Debug)]
pub(super) struct FlattenPlan {
    /// Ordered by path: parents before their children, the root first.
    directories: Vec<PlannedDirectory>,
    /// Ordered by the position of the entry, then by path.
    files: Vec<PlannedFile>,
}

#[derive(Debug)]
struct PlannedDirectory {
    /// The index of the parent directory.
    parent: usize,
    name: Box<[u8]>,
    /// `None` for a root for which no layer has an entry.
    metadata: Option<DirectoryMetadata>,
}

/// A name of a file that is not a directory.
#[derive(Debug)]
struct PlannedFile {
    source: EntrySource,
    directory: usize,
    name: Box<[u8]>,
}

impl FlattenPlan {
    pub(super) fn new(mut tree: NameTree) -> Self {
        let mut plan = Self {
            directories: Vec::new(),
            files: Vec::new(),
        };
        // A stack of directories: the index in the tree, and the index of the parent in the plan.
        let mut pending = vec![(ROOT, 0)];
        while let Some((index, parent)) = pending.pop() {
            let directory = std::mem::take(&mut tree.directories[index]);
            let planned = plan.directories.len();
            let has_entry = index != ROOT || directory.has_entry;
            plan.directories.push(PlannedDirectory {
                parent,
                name: directory.name,
                metadata: has_entry.then_some(directory.metadata),
            });
            let mut children = Vec::new();
            for (name, node) in directory.children {
                match node {
                    NameNode::Directory(child) => children.push((child, planned)),
                    NameNode::Symlink(file, _) | NameNode::Other(file) => {
                        plan.files.push(PlannedFile {
                            source: file.source,
                            directory: planned,
                            name,
                        });
                    }
                }
            }
            pending.extend(children.into_iter().rev());
        }
        // The sort is stable, so the names of one file stay ordered by path.
        plan.files.sort_by_key(|file| file.source);
        plan
    }

    /// Writes the entries of all directories, children before their parents.
    pub(super) fn write_directories<W: Write>(&self, out: &mut TarWriter<W>) -> io::Result<()> {
        for (index, directory) in self.directories.iter().enumerate().rev() {
            let Some(metadata) = &directory.metadata else {
                continue;
            };
            let mut path = self.path(index, b"");
            if path.is_empty() {
                path.extend_from_slice(b"./");
            }
            let xattrs = metadata.xattrs.iter();
            out.begin_member(&MemberHeader {
                kind: MemberType::Directory,
                path: &path,
                mode: metadata.mode,
                uid: metadata.uid,
                gid: metadata.gid,
                mtime: metadata.mtime,
                xattrs: xattrs.map(|(name, value)| (&**name, &**value)).collect(),
            })?;
        }
        Ok(())
    }

    /// Returns the range of the files whose entries are in this layer.
    pub(super) fn files_of_layer(&self, layer: u32) -> Range<usize> {
        let start = |layer: u32| self.files.partition_point(|file| file.source.layer < layer);
        start(layer)..start(layer + 1)
    }

    /// Writes the remaining entries of this layer.
    pub(super) fn write_layer<W: Write>(
        &self,
        layer: u32,
        reader: &mut TarReader<'_>,
        out: &mut TarWriter<W>,
    ) -> Result<(), FlattenError> {
        let mut remaining = &self.files[self.files_of_layer(layer)];
        let mut entry = TarEntry::default();
        let mut index = 0;
        while reader.next(&mut entry)? {
            let of_entry = remaining
                .iter()
                .take_while(|file| file.source.entry == index);
            let (names, rest) = remaining.split_at(of_entry.count());
            remaining = rest;
            index += 1;
            if let [first, links @ ..] = names {
                self.write_file(first, links, &entry, reader, out)?;
            }
        }
        Ok(())
    }

    /// Writes a file under its `first` name, and its other names as hard `links`.
    fn write_file<W: Write>(
        &self,
        first: &PlannedFile,
        links: &[PlannedFile],
        entry: &TarEntry,
        reader: &mut TarReader<'_>,
        out: &mut TarWriter<W>,
    ) -> Result<(), FlattenError> {
        let path = self.path(first.directory, &first.name);
        let map = entry.sparse.as_ref().map(SparseMap::new);
        let kind = match entry.kind {
            EntryKind::File => match &map {
                Some(map) => MemberType::Sparse(map),
                None => MemberType::File(entry.size),
            },
            EntryKind::Symlink => MemberType::Symlink(&entry.link),
            EntryKind::CharacterDevice => MemberType::CharacterDevice(entry.device),
            EntryKind::BlockDevice => MemberType::BlockDevice(entry.device),
            EntryKind::Fifo => MemberType::Fifo,
            // The layer has changed since it was scanned. Its digest differs, so the caller detects it.
            EntryKind::Directory | EntryKind::HardLink => return Ok(()),
        };
        let xattrs = entry.xattrs().filter(|(name, _)| is_allowed_xattr(name));
        let header = MemberHeader {
            kind,
            path: &path,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            // The last attribute of a name takes effect.
            xattrs: xattrs.collect::<BTreeMap<_, _>>(),
        };
        out.begin_member(&header).map_err(FlattenError::Write)?;
        loop {
            let piece = reader.content()?;
            if piece.is_empty() {
                break;
            }
            out.write_content(piece).map_err(FlattenError::Write)?;
        }
        out.end_content().map_err(FlattenError::Write)?;
        for link in links {
            let link = MemberHeader {
                kind: MemberType::HardLink(&path),
                path: &self.path(link.directory, &link.name),
                xattrs: BTreeMap::new(),
                ..header
            };
            out.begin_member(&link).map_err(FlattenError::Write)?;
        }
        Ok(())
    }

    /// Returns the path of `name` in a directory. With an empty name, this is the path of the directory with a
    /// trailing slash.
    fn path(&self, directory: usize, name: &[u8]) -> Vec<u8> {
        let mut components = vec![name];
        let mut current = directory;
        while current != 0 {
            components.push(&self.directories[current].name);
            current = self.directories[current].parent;
        }
        components.reverse();
        let path = components.join(&b'/');
        debug_assert!(path.len() <= 2 * entry_path::PATH_MAX, "paths are bounded");
        path
    }
}
