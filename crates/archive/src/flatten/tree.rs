//! The names of all layers together: what a directory would hold, without the directory.

use std::collections::BTreeMap;
use std::mem;

use rustix::io::Errno;

use crate::apply::tree::{IMPLIED_MODE, Missing};
use crate::apply::{metadata, names};
use crate::error::{EntryError, EntryName, Trying};
use crate::options::UnpackLimits;
use crate::tar::{Entry, Time};

/// The tree of names. Directories are called by numbers: there is no other way from one to another.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) directories: Vec<Directory>,
    /// Numbers of directories that are gone.
    free: Vec<usize>,
    /// The layer that is looked at, from 1.
    layer: u32,
    /// What resolving paths through links may still cost in this layer.
    pub(super) link_steps: u64,
    bytes: usize,
    limit: usize,
}

/// A directory.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// The one it is in; of the root, the root.
    pub(super) above: usize,
    /// What it is called there.
    pub(super) name: Box<[u8]>,
    /// The length of its path.
    pub(super) length: usize,
    pub(super) children: BTreeMap<Box<[u8]>, Node>,
    pub(super) metadata: Metadata,
    /// The layer that made it or last had an entry for it.
    described: u32,
    /// The last layer that added or changed something at or beneath it.
    added: u32,
    /// Whether any layer has an entry for it.
    pub(super) is_carried: bool,
}

/// What a directory has beside what is in it.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: Time,
    pub(super) xattrs: BTreeMap<Box<[u8]>, Box<[u8]>>,
}

/// What a name stands for.
#[derive(Debug)]
pub(super) enum Node {
    Directory(usize),
    /// A symbolic link and its text, by which paths go on.
    Symlink(Leaf, Box<[u8]>),
    /// Anything else.
    Other(Leaf),
}

/// Something that is no directory: known by where its entry stands. Hard links have the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf {
    pub(super) source: Source,
    /// The layer that added this name.
    added: u32,
}

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    /// The layer, from 1.
    pub(super) layer: u32,
    /// The number of the entry in it, from 0.
    pub(super) entry: u64,
}

pub(super) const ROOT: usize = 0;

/// What a name needs beside its bytes, roughly; and a directory more.
const OVERHEAD: usize = 112;
const DIRECTORY_OVERHEAD: usize = 224;

/// The longest text of a symbolic link, as the system has it.
const LONGEST_LINK: usize = names::PATH_MAX - 1;

impl Tree {
    pub(super) fn new(limits: &UnpackLimits) -> Self {
        Self {
            directories: vec![Directory::default()],
            free: Vec::new(),
            layer: 0,
            link_steps: 0,
            bytes: 0,
            limit: limits.tree_bytes,
        }
    }

    pub(super) fn begin_layer(&mut self, limits: &UnpackLimits) {
        self.layer += 1;
        self.link_steps = limits.link_steps;
    }

    /// Changes the root.
    pub(super) fn root(&mut self, entry: &Entry) -> Result<(), EntryError> {
        self.describe(ROOT, entry)
    }

    /// Makes a directory, or changes the one that is there.
    pub(super) fn directory(
        &mut self,
        directory: &[u8],
        name: &[u8],
        entry: &Entry,
    ) -> Result<(), EntryError> {
        let parent = self.parent_for_adding(directory)?;
        let at = match self.child(parent, name) {
            Some(Node::Directory(at)) => *at,
            _ => {
                self.clear(parent, name);
                self.make_directory(parent, name)?
            }
        };
        self.directories[at].added = self.layer;
        self.describe(at, entry)
    }

    /// Makes a symbolic link.
    pub(super) fn symlink(
        &mut self,
        directory: &[u8],
        name: &[u8],
        entry: u64,
        text: &[u8],
    ) -> Result<(), EntryError> {
        if text.len() > LONGEST_LINK {
            return Err(Errno::NAMETOOLONG).trying("make the symbolic link");
        }
        let leaf = self.leaf(entry);
        self.put(directory, name, Node::Symlink(leaf, text.into()))
    }

    /// Makes anything that is neither a directory nor a link.
    pub(super) fn other(
        &mut self,
        directory: &[u8],
        name: &[u8],
        entry: u64,
    ) -> Result<(), EntryError> {
        let leaf = self.leaf(entry);
        self.put(directory, name, Node::Other(leaf))
    }

    /// Makes a hard link.
    pub(super) fn hard_link(
        &mut self,
        directory: &[u8],
        name: &[u8],
        link: &[u8],
    ) -> Result<(), EntryError> {
        let shown = || EntryName::new(link);
        let mut target = Vec::new();
        names::clean(link, &mut target).map_err(|error| match error {
            EntryError::Escapes => EntryError::TargetEscapes { target: shown() },
            error => error,
        })?;
        let missing = || EntryError::MissingTarget { target: shown() };
        if target.is_empty() {
            return Err(missing());
        }
        let (target_directory, target_name) = names::split(&target);
        let from = self.resolve(target_directory, Missing::Leave)?;
        let from = from.ok_or_else(missing)?;
        if self.child(from, target_name).is_none() {
            return Err(missing());
        }
        let parent = self.parent_for_adding(directory)?;
        let layer = self.layer;
        let source = |node: &Node| node.leaf().map(|leaf| leaf.source);
        let wanted = self.child(from, target_name).and_then(source);
        if let Some(leaf) = self.directories[parent]
            .children
            .get_mut(name)
            .and_then(Node::leaf_mut)
            && Some(leaf.source) == wanted
        {
            leaf.added = layer;
            return Ok(());
        }
        self.clear(parent, name);
        // What was cleared away may have had the target in it.
        let refused = |error: Errno| Err(error).trying("make the hard link");
        let node = match self.directories[from].children.get(target_name) {
            Some(Node::Symlink(leaf, text)) => Node::Symlink(leaf.added_by(layer), text.clone()),
            Some(Node::Other(leaf)) => Node::Other(leaf.added_by(layer)),
            Some(Node::Directory(_)) => return refused(Errno::PERM),
            None => return refused(Errno::NOENT),
        };
        self.insert(parent, name, node)
    }

    /// Takes `name` away, as far as it was there before this layer.
    pub(super) fn whiteout(&mut self, directory: &[u8], name: &[u8]) -> Result<(), EntryError> {
        let Some(parent) = self.resolve(directory, Missing::Leave)? else {
            return Ok(());
        };
        match self.child(parent, name) {
            Some(node) if self.added(node) != self.layer => self.clear(parent, name),
            Some(Node::Directory(inner)) => self.sweep(*inner),
            None | Some(Node::Symlink(..) | Node::Other(_)) => {}
        }
        Ok(())
    }

    /// Takes all away that was in `directory` before this layer.
    pub(super) fn opaque(&mut self, directory: &[u8]) -> Result<(), EntryError> {
        if let Some(directory) = self.resolve(directory, Missing::Leave)? {
            self.sweep(directory);
        }
        Ok(())
    }

    pub(super) fn child(&self, directory: usize, name: &[u8]) -> Option<&Node> {
        self.directories[directory].children.get(name)
    }

    /// Returns the path of `name` in a directory.
    pub(super) fn path(&self, directory: usize, name: &[u8]) -> Vec<u8> {
        let mut components = vec![name];
        let mut here = directory;
        while here != ROOT {
            components.push(&self.directories[here].name);
            here = self.directories[here].above;
        }
        components.reverse();
        components.join(&b'/')
    }

    /// Makes the directory `name` that an entry needs and the tar does not carry.
    pub(super) fn make_directory(
        &mut self,
        parent: usize,
        name: &[u8],
    ) -> Result<usize, EntryError> {
        let above = self.directories[parent].length;
        let made = Directory {
            above: parent,
            name: name.into(),
            length: above + usize::from(above > 0) + name.len(),
            metadata: Metadata {
                mode: IMPLIED_MODE,
                ..Metadata::default()
            },
            described: self.layer,
            ..Directory::default()
        };
        let at = match self.free.pop() {
            Some(at) => at,
            None => {
                self.directories.push(Directory::default());
                self.directories.len() - 1
            }
        };
        self.directories[at] = made;
        self.insert(parent, name, Node::Directory(at))?;
        Ok(at)
    }

    /// Returns the directory to add something to, which is noted down.
    fn parent_for_adding(&mut self, path: &[u8]) -> Result<usize, EntryError> {
        let found = self.resolve(path, Missing::Make)?;
        let found = found.expect("a missing directory is made or an error");
        let mut here = found;
        // Whatever was noted has all above it noted, too.
        while here != ROOT && self.directories[here].added != self.layer {
            self.directories[here].added = self.layer;
            here = self.directories[here].above;
        }
        Ok(found)
    }

    fn put(&mut self, directory: &[u8], name: &[u8], node: Node) -> Result<(), EntryError> {
        let parent = self.parent_for_adding(directory)?;
        self.clear(parent, name);
        self.insert(parent, name, node)
    }

    fn insert(&mut self, parent: usize, name: &[u8], node: Node) -> Result<(), EntryError> {
        self.spend(cost(name, &node))?;
        self.directories[parent].children.insert(name.into(), node);
        Ok(())
    }

    /// Gives a directory what its entry says. Attributes of layers below go.
    fn describe(&mut self, at: usize, entry: &Entry) -> Result<(), EntryError> {
        let layer = self.layer;
        let directory = &mut self.directories[at];
        if directory.described != layer {
            let old = mem::take(&mut directory.metadata.xattrs);
            self.bytes -= old
                .iter()
                .map(|(name, value)| pair(name, value))
                .sum::<usize>();
        }
        let mut spent = 0;
        let metadata = &mut directory.metadata;
        for (name, value) in entry.xattrs().filter(|(name, _)| metadata::is_kept(name)) {
            let old = metadata.xattrs.insert(name.into(), value.into());
            spent += pair(name, value);
            self.bytes -= old.map_or(0, |old| pair(name, &old));
        }
        metadata.mode = entry.mode;
        (metadata.uid, metadata.gid) = (entry.uid, entry.gid);
        metadata.mtime = entry.mtime;
        directory.described = layer;
        directory.is_carried = true;
        self.spend(spent)
    }

    /// Takes whatever is called `name` away, with all that is in it.
    fn clear(&mut self, parent: usize, name: &[u8]) {
        let mut gone: Vec<(Box<[u8]>, Node)> = Vec::new();
        gone.extend(self.directories[parent].children.remove_entry(name));
        while let Some((name, node)) = gone.pop() {
            self.bytes -= cost(&name, &node);
            if let Node::Directory(at) = node {
                let directory = mem::take(&mut self.directories[at]);
                let xattrs = directory.metadata.xattrs.iter();
                self.bytes -= xattrs.map(|(name, value)| pair(name, value)).sum::<usize>();
                gone.extend(directory.children);
                self.free.push(at);
            }
        }
    }

    /// Takes away what was in a directory before this layer, and in those in it that this layer added to.
    fn sweep(&mut self, directory: usize) {
        let mut ahead = vec![directory];
        while let Some(at) = ahead.pop() {
            let mut old = Vec::new();
            for (name, node) in &self.directories[at].children {
                if self.added(node) != self.layer {
                    old.push(name.clone());
                } else if let Node::Directory(inner) = node {
                    ahead.push(*inner);
                }
            }
            for name in old {
                self.clear(at, &name);
            }
        }
    }

    fn added(&self, node: &Node) -> u32 {
        match node {
            Node::Directory(at) => self.directories[*at].added,
            Node::Symlink(leaf, _) | Node::Other(leaf) => leaf.added,
        }
    }

    fn leaf(&self, entry: u64) -> Leaf {
        let layer = self.layer;
        Leaf {
            source: Source { layer, entry },
            added: layer,
        }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), EntryError> {
        self.bytes += bytes;
        if self.bytes > self.limit {
            return Err(EntryError::TooManyEntries { limit: self.limit });
        }
        Ok(())
    }
}

impl Leaf {
    /// Returns another name of it.
    fn added_by(self, added: u32) -> Self {
        Self { added, ..self }
    }
}

impl Node {
    pub(super) fn leaf(&self) -> Option<&Leaf> {
        match self {
            Self::Directory(_) => None,
            Self::Symlink(leaf, _) | Self::Other(leaf) => Some(leaf),
        }
    }

    fn leaf_mut(&mut self) -> Option<&mut Leaf> {
        match self {
            Self::Directory(_) => None,
            Self::Symlink(leaf, _) | Self::Other(leaf) => Some(leaf),
        }
    }
}

/// Returns the memory that a name needs, roughly.
fn cost(name: &[u8], node: &Node) -> usize {
    match node {
        Node::Directory(_) => OVERHEAD + DIRECTORY_OVERHEAD + 2 * name.len(),
        Node::Symlink(_, text) => OVERHEAD + name.len() + text.len(),
        Node::Other(_) => OVERHEAD + name.len(),
    }
}

/// Returns the memory that an attribute needs, roughly.
fn pair(name: &[u8], value: &[u8]) -> usize {
    OVERHEAD + name.len() + value.len()
}
