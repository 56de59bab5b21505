//! The unpacked root of an image, looked at from outside (A23, F7).
//!
//! Whoever made the image chose what stands at every path in it: links out of it, pipes that nobody writes to,
//! devices, files without end. So the kernel resolves paths as if the root were `/` (`openat2`), what is there
//! is looked at before it is opened, and no more is read than such files ever have.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::error::AccountsError;

/// The largest file that is read, in bytes.
pub(crate) const MAX_FILE: u64 = 10 << 20;

/// The directory of an unpacked root, which nobody changes meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ImageRoot<'a> {
    directory: BorrowedFd<'a>,
}

/// A directory in an image's root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Directory {
    /// Its mode, without the type.
    pub(crate) mode: u32,
    /// Its owner.
    pub(crate) uid: u32,
    /// Its group.
    pub(crate) gid: u32,
    /// Its file system and its number there: the same for every path to it.
    pub(crate) identity: (u64, u64),
    /// There is something in it, and no link on the way to it.
    pub(crate) has_content: bool,
}

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A directory.
    Directory(Directory),
    /// Nothing.
    Nothing,
    /// Something else, or something that cannot be looked at.
    Other,
}

impl<'a> ImageRoot<'a> {
    /// Looks at the root in `directory`.
    pub(crate) fn new(directory: BorrowedFd<'a>) -> Self {
        Self { directory }
    }

    /// Reads a regular file; `None` if there is nothing at `path`.
    pub(crate) fn read(self, path: &str) -> Result<Option<Vec<u8>>, AccountsError> {
        let seen = match self.open(path, OFlags::PATH, ResolveFlags::empty()) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            seen => stat(&seen.map_err(io::Error::from)?)?,
        };
        if kind(&seen) != FileType::RegularFile {
            return Err(AccountsError::NotAFile);
        }
        let too_large = AccountsError::TooLarge { limit: MAX_FILE };
        if u64::try_from(seen.st_size).is_ok_and(|size| size > MAX_FILE) {
            return Err(too_large);
        }
        // To open a device can be to use it, so it is only opened after it was seen to be none.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = self.open(path, flags, ResolveFlags::empty());
        let opened = opened.map_err(io::Error::from)?;
        let now = stat(&opened)?;
        if (now.st_dev, now.st_ino) != (seen.st_dev, seen.st_ino) {
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

    /// Looks at what stands at `path`.
    pub(crate) fn find(self, path: &str) -> Found {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let seen = match self.open(path, flags, ResolveFlags::empty()) {
            Err(Errno::NOENT) => return Found::Nothing,
            seen => seen.map_err(io::Error::from).and_then(|seen| stat(&seen)),
        };
        let Ok(stat) = seen else {
            return Found::Other;
        };
        Found::Directory(Directory {
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

    fn open(self, path: &str, flags: OFlags, besides: ResolveFlags) -> rustix::io::Result<OwnedFd> {
        let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        let flags = flags | OFlags::CLOEXEC;
        rustix::fs::openat2(self.directory, path, flags, Mode::empty(), within | besides)
    }
}

fn stat(file: &OwnedFd) -> io::Result<Stat> {
    Ok(rustix::fs::fstat(file)?)
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}
