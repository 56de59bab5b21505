//! What lies in an archive or a directory, by its path.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use windlass_archive::{TarMember, TarMemberKind};

use crate::error::{LayoutDefect, LayoutError};
use crate::extent::FileSection;
use crate::path::InnerPath;

/// The files of an archive or a directory.
#[derive(Debug)]
pub(crate) enum Contents {
    /// A plain tar, and what is in it.
    Archive(Arc<File>, HashMap<InnerPath, Node>),
    /// A directory, looked at when asked.
    Directory(OwnedFd),
}

/// A member that may be asked for.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    File {
        offset: u64,
        size: u64,
    },
    /// A link, and where it leads; nowhere if that would be outside.
    Link(Option<InnerPath>),
}

/// The most members that are looked at. An image has a few for each layer.
const MOST_MEMBERS: usize = 1 << 16;
/// How many bytes their names may have together.
const LONGEST_NAMES: usize = 16 << 20;
/// The most links that are followed, one to the next.
const MOST_LINKS: usize = 8;

impl Contents {
    /// Lists the members of the plain tar in `file`.
    pub(crate) fn archive(file: File) -> Result<Self, LayoutError> {
        let mut nodes = HashMap::new();
        let (mut count, mut names) = (0, 0);
        windlass_archive::list_members(&file, |member| -> Result<(), LayoutError> {
            count += 1;
            names += member.path.len();
            if count > MOST_MEMBERS || names > LONGEST_NAMES {
                let limit = MOST_MEMBERS;
                return Err(LayoutDefect::TooManyMembers { limit }.into());
            }
            let Some(path) = InnerPath::parse(&member.path)? else {
                return Ok(());
            };
            if let Some(node) = node(&path, member) {
                if nodes.contains_key(&path) {
                    return Err(LayoutDefect::Twice { path: path.shown() }.into());
                }
                nodes.insert(path, node);
            }
            Ok(())
        })?;
        Ok(Self::Archive(Arc::new(file), nodes))
    }

    /// Finds the file at `path`; none if nothing is there.
    pub(crate) fn find(&self, path: &InnerPath) -> Result<Option<FileSection>, LayoutError> {
        match self {
            Self::Archive(file, nodes) => find(file, nodes, path),
            Self::Directory(top) => open_beneath(top, path),
        }
    }

    /// Finds the file at `path`, which has to be there.
    pub(crate) fn get(&self, path: &InnerPath) -> Result<FileSection, LayoutError> {
        let missing = || LayoutDefect::Missing { path: path.shown() };
        Ok(self.find(path)?.ok_or_else(missing)?)
    }

    /// Reads the document at `path`, of at most `limit` bytes.
    pub(crate) fn read(&self, path: &InnerPath, limit: usize) -> Result<Vec<u8>, LayoutError> {
        let extent = self.get(path)?;
        let (size, limit) = (extent.size(), limit as u64);
        if size > limit {
            let path = path.shown();
            return Err(LayoutDefect::TooLarge { path, size, limit }.into());
        }
        let mut bytes = Vec::new();
        let read = extent.read_from(0).read_to_end(&mut bytes);
        read.map_err(LayoutError::io("read it"))?;
        Ok(bytes)
    }
}

/// Directories are there by what is in them, and of nothing else is there anything to be had.
fn node(path: &InnerPath, member: TarMember) -> Option<Node> {
    let TarMember { offset, size, .. } = member;
    match member.kind {
        TarMemberKind::File => Some(Node::File { offset, size }),
        TarMemberKind::HardLink(target) => {
            Some(Node::Link(InnerPath::parse(&target).ok().flatten()))
        }
        TarMemberKind::Symlink(target) => Some(Node::Link(path.follow(&target).ok().flatten())),
        TarMemberKind::Directory | TarMemberKind::Other => None,
    }
}

fn find(
    file: &Arc<File>,
    nodes: &HashMap<InnerPath, Node>,
    path: &InnerPath,
) -> Result<Option<FileSection>, LayoutError> {
    let not_a_file = || LayoutDefect::NotAFile { path: path.shown() };
    let Some(mut node) = nodes.get(path) else {
        return Ok(None);
    };
    for _ in 0..=MOST_LINKS {
        node = match node {
            Node::File { offset, size } => {
                return Ok(Some(FileSection::new(Arc::clone(file), *offset, *size)));
            }
            Node::Link(target) => {
                let target = target.as_ref().ok_or_else(not_a_file)?;
                nodes.get(target).ok_or_else(not_a_file)?
            }
        };
    }
    Err(not_a_file().into())
}

/// Opens a plain file beneath `top`. No link is followed, at any place of the path (F4).
fn open_beneath(top: &OwnedFd, path: &InnerPath) -> Result<Option<FileSection>, LayoutError> {
    const NEVER: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC);
    let not_a_file = || LayoutDefect::NotAFile { path: path.shown() };
    let mut names: Vec<_> = path.components().map(OsStr::from_bytes).collect();
    let last = names.pop().expect("a path has a name");
    let mut directory = None;
    for name in names {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | NEVER;
        let opened = rustix::fs::openat(
            directory.as_ref().unwrap_or(top),
            name,
            flags,
            Mode::empty(),
        );
        directory = match opened {
            Ok(opened) => Some(opened),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NOTDIR) => return Err(not_a_file().into()),
            Err(error) => return Err(LayoutError::io("open a file of it")(error.into())),
        };
    }
    // What is opened may be a pipe: that is not waited for.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | NEVER;
    let opened = rustix::fs::openat(
        directory.as_ref().unwrap_or(top),
        last,
        flags,
        Mode::empty(),
    );
    let file = match opened {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => return Err(not_a_file().into()),
        Err(error) => return Err(LayoutError::io("open a file of it")(error.into())),
    };
    let facts = file.metadata().map_err(LayoutError::io("read it"))?;
    if !facts.is_file() {
        return Err(not_a_file().into());
    }
    Ok(Some(FileSection::new(Arc::new(file), 0, facts.len())))
}
