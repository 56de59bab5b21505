//! What is left of all layers, in the order in which it is written.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;

use super::FlattenError;
use super::tree::{Metadata, Node, ROOT, Source, Tree};
use super::writer::{Holes, Member, TarWriter, What};
use crate::apply::{metadata, names};
use crate::tar::{Entry, Kind, TarReader};

/// The directories and the names in them.
#[derive(Debug)]
pub(super) struct Plan {
    /// Each before what is in it; the root first.
    directories: Vec<Directory>,
    /// By where the entry stands, and then by path.
    names: Vec<Named>,
}

#[derive(Debug)]
struct Directory {
    /// The place in the list of the one it is in.
    above: usize,
    name: Box<[u8]>,
    /// None for a root that no layer has an entry for.
    metadata: Option<Metadata>,
}

/// A name of something that is no directory.
#[derive(Debug)]
struct Named {
    source: Source,
    directory: usize,
    name: Box<[u8]>,
}

impl Plan {
    /// Takes the tree apart.
    pub(super) fn of(mut tree: Tree) -> Self {
        let mut plan = Self {
            directories: Vec::new(),
            names: Vec::new(),
        };
        // The number in the tree, and the place in the list of the one it is in. The next one is last.
        let mut ahead = vec![(ROOT, 0)];
        while let Some((at, above)) = ahead.pop() {
            let directory = std::mem::take(&mut tree.directories[at]);
            let place = plan.directories.len();
            plan.directories.push(Directory {
                above,
                name: directory.name,
                metadata: (at != ROOT || directory.is_carried).then_some(directory.metadata),
            });
            let mut inner = Vec::new();
            for (name, node) in directory.children {
                match node {
                    Node::Directory(at) => inner.push((at, place)),
                    Node::Symlink(leaf, _) | Node::Other(leaf) => plan.names.push(Named {
                        source: leaf.source,
                        directory: place,
                        name,
                    }),
                }
            }
            ahead.extend(inner.into_iter().rev());
        }
        // Stable: the names of one file stay in the order of the walk.
        plan.names.sort_by_key(|name| name.source);
        plan
    }

    pub(super) fn write_directories<W: Write>(&self, out: &mut TarWriter<W>) -> io::Result<()> {
        // What is in one has a place behind it.
        for (place, directory) in self.directories.iter().enumerate().rev() {
            let Some(metadata) = &directory.metadata else {
                continue;
            };
            let mut path = self.path(place, b"");
            if path.is_empty() {
                path.extend_from_slice(b"./");
            }
            let xattrs = metadata.xattrs.iter();
            out.member(&Member {
                what: What::Directory,
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

    /// Returns which of the names come from this layer.
    pub(super) fn of_layer(&self, layer: u32) -> Range<usize> {
        let before = |end: u32| self.names.partition_point(|name| name.source.layer < end);
        before(layer)..before(layer + 1)
    }

    /// Writes what comes from this layer.
    pub(super) fn write_layer<W: Write>(
        &self,
        layer: u32,
        reader: &mut TarReader<'_>,
        out: &mut TarWriter<W>,
    ) -> Result<(), FlattenError> {
        let mut ahead = &self.names[self.of_layer(layer)];
        let mut entry = Entry::default();
        let mut number = 0;
        while reader.next(&mut entry)? {
            let same = ahead.iter().take_while(|name| name.source.entry == number);
            let (these, others) = ahead.split_at(same.count());
            ahead = others;
            number += 1;
            if let [first, links @ ..] = these {
                self.write_names(first, links, &entry, reader, out)?;
            }
        }
        Ok(())
    }

    fn write_names<W: Write>(
        &self,
        first: &Named,
        links: &[Named],
        entry: &Entry,
        reader: &mut TarReader<'_>,
        out: &mut TarWriter<W>,
    ) -> Result<(), FlattenError> {
        let path = self.path(first.directory, &first.name);
        let holes = entry.sparse.as_ref().map(Holes::of);
        let what = match entry.kind {
            Kind::File => match &holes {
                Some(holes) => What::Sparse(holes),
                None => What::File(entry.size),
            },
            Kind::Symlink => What::Symlink(&entry.link),
            Kind::CharacterDevice => What::CharacterDevice(entry.device),
            Kind::BlockDevice => What::BlockDevice(entry.device),
            Kind::Fifo => What::Fifo,
            // Not what stood here when it was looked at: the digest will tell.
            Kind::Directory | Kind::HardLink => return Ok(()),
        };
        let xattrs = entry.xattrs().filter(|(name, _)| metadata::is_kept(name));
        let member = Member {
            what,
            path: &path,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            // The last of one name counts.
            xattrs: xattrs.collect::<BTreeMap<_, _>>(),
        };
        out.member(&member).map_err(FlattenError::Write)?;
        loop {
            let piece = reader.content()?;
            if piece.is_empty() {
                break;
            }
            out.content(piece).map_err(FlattenError::Write)?;
        }
        out.end_content().map_err(FlattenError::Write)?;
        for link in links {
            let linked = Member {
                what: What::HardLink(&path),
                path: &self.path(link.directory, &link.name),
                xattrs: BTreeMap::new(),
                ..member
            };
            out.member(&linked).map_err(FlattenError::Write)?;
        }
        Ok(())
    }

    /// Returns the path of `name` in a directory; with an empty name, that of the directory with a slash.
    fn path(&self, directory: usize, name: &[u8]) -> Vec<u8> {
        let mut components = vec![name];
        let mut here = directory;
        while here != 0 {
            components.push(&self.directories[here].name);
            here = self.directories[here].above;
        }
        components.reverse();
        let path = components.join(&b'/');
        debug_assert!(path.len() <= 2 * names::PATH_MAX, "paths are bounded");
        path
    }
}
