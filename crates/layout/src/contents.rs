//! The files of an archive or a directory, by path.

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
            if let Some(member) = readable_member(&path, member) {
                if members.contains_key(&path) {
                    let path = path.sanitized();
                    return Err(LayoutDefect::DuplicateMember { path }.into());
                }
                members.insert(path, member);
            }
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

fn find(
    file: &Arc<File>,
    members: &HashMap<InnerPath, ArchiveMember>,
    path: &InnerPath,
) -> Result<Option<FileSection>, LayoutError> {
    let not_a_file = || LayoutDefect::NotAFile {
        path: path.sanitized(),
    };
    let Some(mut member) = members.get(path) else {
        return Ok(None);
    };
    for _ in 0..=MAX_LINKS {
        member = match member {
            ArchiveMember::File { offset, size } => {
                return Ok(Some(FileSection::new(Arc::clone(file), *offset, *size)));
            }
            ArchiveMember::Link(target) => {
                let target = target.as_ref().ok_or_else(not_a_file)?;
                members.get(target).ok_or_else(not_a_file)?
            }
        };
    }
    Err(not_a_file().into())
}

/// Opens a regular file beneath the directory `root`. Symbolic links are not followed in any component (F4).
fn open_beneath(root: &OwnedFd, path: &InnerPath) -> Result<Option<FileSection>, LayoutError> {
    const NO_FOLLOW: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC);
    let not_a_file = || LayoutDefect::NotAFile {
        path: path.sanitized(),
    };
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
            Err(Errno::LOOP | Errno::NOTDIR) => return Err(not_a_file().into()),
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
    let file = match opened {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => return Err(not_a_file().into()),
        Err(error) => return Err(LayoutError::io("open a file in it")(error.into())),
    };
    let metadata = file.metadata().map_err(LayoutError::io("read it"))?;
    if !metadata.is_file() {
        return Err(not_a_file().into());
    }
    Ok(Some(FileSection::new(Arc::new(file), 0, metadata.len())))
}
