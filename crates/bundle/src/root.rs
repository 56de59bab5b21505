//! Safe access to the unpacked root of an image (A23, F7).
//!
//! The content of the root is untrusted: it may contain links that point out of it, pipes without a writer, devices and
//! huge files. So the kernel resolves paths as if the root were `/` (`openat2`), the type of a file is checked before it
//! is opened, and the number of bytes read is bounded.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::error::AccountsError;

/// The largest file that is accepted, in bytes.
pub(crate) const MAX_FILE: u64 = 10 << 20;

/// The directory of an unpacked root. It must not be changed by others while it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ImageRoot<'a> {
    directory: BorrowedFd<'a>,
}

/// A directory in an image's root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DirectoryInfo {
    /// The mode, without the file type.
    pub(crate) mode: u32,
    /// The ID of the owner.
    pub(crate) uid: u32,
    /// The ID of the group.
    pub(crate) gid: u32,
    /// The device and inode numbers, which are the same for every path to the directory.
    pub(crate) identity: (u64, u64),
    /// Whether the directory is not empty and its path contains no symbolic link.
    pub(crate) has_content: bool,
}

/// The result of looking up a path as a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DirectoryLookup {
    /// A directory.
    Directory(DirectoryInfo),
    /// The path does not exist.
    Missing,
    /// The path is not a directory, or cannot be accessed.
    Other,
}

impl<'a> ImageRoot<'a> {
    pub(crate) fn new(directory: BorrowedFd<'a>) -> Self {
        Self { directory }
    }

    /// Reads a regular file; `None` if `path` does not exist.
    pub(crate) fn read(self, path: &str) -> Result<Option<Vec<u8>>, AccountsError> {
        let before = match self.open(path, OFlags::PATH, ResolveFlags::empty()) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            opened => stat(&opened.map_err(io::Error::from)?)?,
        };
        if file_type(&before) != FileType::RegularFile {
            return Err(AccountsError::NotAFile);
        }
        let too_large = AccountsError::TooLarge { limit: MAX_FILE };
        if u64::try_from(before.st_size).is_ok_and(|size| size > MAX_FILE) {
            return Err(too_large);
        }
        // Opening a device can have side effects, so the file is only opened after its type was checked.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = self.open(path, flags, ResolveFlags::empty());
        let opened = opened.map_err(io::Error::from)?;
        let now = stat(&opened)?;
        if (now.st_dev, now.st_ino) != (before.st_dev, before.st_ino) {
            return Err(AccountsError::NotAFile);
        }
        let mut bytes = Vec::new();
        File::from(opened)
            .take(MAX_FILE + 1)
            .read_to_end(&mut bytes)?;
        match bytes.len() as u64 > MAX_FILE {
            true => Err(too_large),
            false => Ok(Some(bytes)),
        }
    }

    /// Looks up `path` as a directory.
    pub(crate) fn lookup_directory(self, path: &str) -> DirectoryLookup {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let status = match self.open(path, flags, ResolveFlags::empty()) {
            Err(Errno::NOENT) => return DirectoryLookup::Missing,
            opened => opened
                .map_err(io::Error::from)
                .and_then(|opened| stat(&opened)),
        };
        let Ok(stat) = status else {
            return DirectoryLookup::Other;
        };
        DirectoryLookup::Directory(DirectoryInfo {
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            identity: (stat.st_dev, stat.st_ino),
            has_content: self.has_content(path).unwrap_or(false),
        })
    }

    fn has_content(self, path: &str) -> rustix::io::Result<bool> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let directory = self.open(path, flags, ResolveFlags::NO_SYMLINKS)?;
        for entry in Dir::read_from(directory.as_fd())? {
            if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn open(self, path: &str, flags: OFlags, more: ResolveFlags) -> rustix::io::Result<OwnedFd> {
        let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        let flags = flags | OFlags::CLOEXEC;
        rustix::fs::openat2(self.directory, path, flags, Mode::empty(), within | more)
    }
}

fn stat(file: &OwnedFd) -> io::Result<Stat> {
    Ok(rustix::fs::fstat(file)?)
}

fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}
