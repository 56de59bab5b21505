//! The files of an archive or a directory, by path.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use windlass_archive::{TarMember, TarMemberKind};

use crate::error::{LayoutDefect, LayoutError};
use crate::path::InnerPath;
use crate::section::FileSection;

/// The files of an archive or a directory.
#[derive(Debug)]
pub(crate) enum LayoutContents {
    /// An uncompressed tar and its members.
    Archive(Arc<File>, HashMap<InnerPath, ArchiveMember>),
    /// A directory, which is read on demand.
    Directory(OwnedFd),
}

/// A member of an archive that can be read.
#[derive(Clone, Debug)]
pub(crate) enum ArchiveMember {
    /// The position of the content in the archive, in bytes.
    File { offset: u64, size: u64 },
    /// A link to the member at this path. `None` if its target is outside of the archive.
    Link(Option<InnerPath>),
}

/// The limit on the number of members. An image has a few for each layer.
const MAX_MEMBERS: usize = 1 << 16;
/// The limit on the total length of all names, in bytes.
const MAX_NAME_BYTES: usize = 16 << 20;
/// The limit on the length of a chain of links.
const MAX_LINKS: usize = 8;
/// How often a system call is repeated after an interruption or a concurrent rename.
const MAX_RETRIES: usize = 64;
/// The number of bytes of two members that are compared at a time.
const COMPARED_AT_ONCE: usize = 256 << 10;

impl LayoutContents {
    /// Lists the members of the uncompressed tar in `file`.
    pub(crate) fn archive(file: File) -> Result<Self, LayoutError> {
        let mut members = HashMap::new();
        let (mut count, mut names) = (0, 0);
        windlass_archive::list_members(&file, |member| -> Result<(), LayoutError> {
            count += 1;
            names += member.path.len();
            if count > MAX_MEMBERS || names > MAX_NAME_BYTES {
                let limit = MAX_MEMBERS;
                return Err(LayoutDefect::TooManyMembers { limit }.into());
            }
            let Some(path) = InnerPath::parse(&member.path)? else {
                return Ok(());
            };
            let Some(member) = readable_member(&path, member) else {
                return Ok(());
            };
            if let Some(previous) = members.get(&path)
                && !is_same(&file, previous, &member)?
            {
                let path = path.sanitized();
                return Err(LayoutDefect::DuplicateMember { path }.into());
            }
            members.insert(path, member);
            Ok(())
        })?;
        Ok(Self::Archive(Arc::new(file), members))
    }

    /// Returns the file at `path`, or `None` if it does not exist.
    pub(crate) fn find(&self, path: &InnerPath) -> Result<Option<FileSection>, LayoutError> {
        match self {
            Self::Archive(file, members) => find(file, members, path),
            Self::Directory(directory) => open_beneath(directory, path),
        }
    }

    /// Returns the file at `path`. It is an error if it does not exist.
    pub(crate) fn get(&self, path: &InnerPath) -> Result<FileSection, LayoutError> {
        let missing = || LayoutDefect::Missing {
            path: path.sanitized(),
        };
        Ok(self.find(path)?.ok_or_else(missing)?)
    }

    /// Reads the document at `path`. It is an error if it is larger than `limit` bytes.
    pub(crate) fn read(&self, path: &InnerPath, limit: usize) -> Result<Vec<u8>, LayoutError> {
        let section = self.get(path)?;
        let (size, limit) = (section.size(), limit as u64);
        if size > limit {
            let path = path.sanitized();
            return Err(LayoutDefect::TooLarge { path, size, limit }.into());
        }
        let mut bytes = Vec::new();
        let read = section.read_from(0).read_to_end(&mut bytes);
        read.map_err(LayoutError::io("read it"))?;
        Ok(bytes)
    }
}

/// Returns the member if it can be read. Directories are not needed; other types are not supported.
fn readable_member(path: &InnerPath, member: TarMember) -> Option<ArchiveMember> {
    let TarMember { offset, size, .. } = member;
    match member.kind {
        TarMemberKind::File => Some(ArchiveMember::File { offset, size }),
        TarMemberKind::HardLink(target) => Some(ArchiveMember::Link(
            InnerPath::parse(&target).ok().flatten(),
        )),
        TarMemberKind::Symlink(target) => {
            Some(ArchiveMember::Link(path.follow(&target).ok().flatten()))
        }
        TarMemberKind::Directory | TarMemberKind::Other => None,
    }
}

/// Returns whether two members of the same name have the same content.
///
/// The contents do not overlap in the archive, so all comparisons together read it twice at most.
fn is_same(
    file: &File,
    first: &ArchiveMember,
    second: &ArchiveMember,
) -> Result<bool, LayoutError> {
    use ArchiveMember::{File, Link};
    match (first, second) {
        (Link(first), Link(second)) => Ok(first == second),
        (File { .. }, Link(_)) | (Link(_), File { .. }) => Ok(false),
        (
            File { offset, size },
            File {
                offset: other,
                size: other_size,
            },
        ) => Ok(size == other_size && has_same_bytes(file, [*offset, *other], *size)?),
    }
}

/// Returns whether `size` bytes of the `file` are equal at both offsets.
fn has_same_bytes(file: &File, offsets: [u64; 2], size: u64) -> Result<bool, LayoutError> {
    let mut buffers = [vec![0; COMPARED_AT_ONCE], vec![0; COMPARED_AT_ONCE]];
    let mut compared = 0;
    while compared < size {
        let left = usize::try_from(size - compared).unwrap_or(COMPARED_AT_ONCE);
        let length = left.min(COMPARED_AT_ONCE);
        for (buffer, offset) in buffers.iter_mut().zip(offsets) {
            let read = file.read_exact_at(&mut buffer[..length], offset + compared);
            read.map_err(LayoutError::io("read it"))?;
        }
        if buffers[0][..length] != buffers[1][..length] {
            return Ok(false);
        }
        compared += length as u64;
    }
    Ok(true)
}

fn find(
    file: &Arc<File>,
    members: &HashMap<InnerPath, ArchiveMember>,
    path: &InnerPath,
) -> Result<Option<FileSection>, LayoutError> {
    let not_a_file = || not_a_file(path);
    let mut path = match members.contains_key(path) {
        true => path.clone(),
        false => match through_linked_directory(members, path) {
            Some(path) => path,
            None => return Ok(None),
        },
    };
    for _ in 0..=MAX_LINKS {
        path = match members.get(&path) {
            Some(ArchiveMember::File { offset, size }) => {
                return Ok(Some(FileSection::new(Arc::clone(file), *offset, *size)));
            }
            Some(ArchiveMember::Link(target)) => target.clone().ok_or_else(not_a_file)?,
            None => through_linked_directory(members, &path).ok_or_else(not_a_file)?,
        };
    }
    Err(not_a_file())
}

/// Returns the path that `path` leads to if one of its directories is a link to another directory of the archive.
fn through_linked_directory(
    members: &HashMap<InnerPath, ArchiveMember>,
    path: &InnerPath,
) -> Option<InnerPath> {
    path.splits()
        .find_map(|(directory, rest)| match members.get(&directory)? {
            ArchiveMember::Link(Some(target)) => target.join(rest),
            ArchiveMember::Link(None) | ArchiveMember::File { .. } => None,
        })
}

/// Opens a regular file beneath the directory `root`. The kernel follows links that stay beneath it, and rejects all
/// others (F4).
fn open_beneath(root: &OwnedFd, path: &InnerPath) -> Result<Option<FileSection>, LayoutError> {
    const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);
    // The file may be a fifo; opening it must not block.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let name = OsStr::from_bytes(path.as_bytes());
    let open = || rustix::fs::openat2(root, name, flags, Mode::empty(), BENEATH);
    let mut opened = open();
    // A rename elsewhere on the system during the call is reported as EAGAIN.
    for _ in 0..MAX_RETRIES {
        if !matches!(opened, Err(Errno::AGAIN | Errno::INTR)) {
            break;
        }
        opened = open();
    }
    match opened {
        Ok(file) => regular_file(file, path).map(Some),
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::XDEV) => {
            let path = path.sanitized();
            Err(LayoutDefect::LinkOutside { path }.into())
        }
        Err(Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => Err(not_a_file(path)),
        // A kernel before 5.6, or a filter of system calls.
        Err(Errno::NOSYS | Errno::PERM) => open_without_links(root, path),
        Err(error) => Err(LayoutError::io("open a file in it")(error.into())),
    }
}

/// Opens a regular file beneath the directory `root`. Links are not followed in any component.
fn open_without_links(
    root: &OwnedFd,
    path: &InnerPath,
) -> Result<Option<FileSection>, LayoutError> {
    const NO_FOLLOW: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC);
    let mut names: Vec<_> = path.components().map(OsStr::from_bytes).collect();
    let last = names.pop().expect("a path has at least one component");
    let mut directory = None;
    for name in names {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | NO_FOLLOW;
        let opened = rustix::fs::openat(
            directory.as_ref().unwrap_or(root),
            name,
            flags,
            Mode::empty(),
        );
        directory = match opened {
            Ok(opened) => Some(opened),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NOTDIR) => return Err(not_a_file(path)),
            Err(error) => return Err(LayoutError::io("open a file in it")(error.into())),
        };
    }
    // The file may be a fifo; opening it must not block.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | NO_FOLLOW;
    let opened = rustix::fs::openat(
        directory.as_ref().unwrap_or(root),
        last,
        flags,
        Mode::empty(),
    );
    match opened {
        Ok(file) => regular_file(file, path).map(Some),
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => Err(not_a_file(path)),
        Err(error) => Err(LayoutError::io("open a file in it")(error.into())),
    }
}

/// Returns the content of `file` if it is a regular file.
fn regular_file(file: OwnedFd, path: &InnerPath) -> Result<FileSection, LayoutError> {
    let file = File::from(file);
    let metadata = file.metadata().map_err(LayoutError::io("read it"))?;
    if !metadata.is_file() {
        return Err(not_a_file(path));
    }
    Ok(FileSection::new(Arc::new(file), 0, metadata.len()))
}

fn not_a_file(path: &InnerPath) -> LayoutError {
    let path = path.sanitized();
    LayoutDefect::NotAFile { path }.into()
}
