//! Opens, checks and creates the directories of a store.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::directories::{StoreArea, StoreRoot};
use super::entry_name::{DAEMON, DATABASE, EMPTY, FORMAT, LOCK, RESERVE, UNSETTLED};
use super::file_operation::{DIRECTORY, PRIVATE, make_dir};
use crate::error::{FileError, FileErrorContext};

/// The content of the file `format` of a new store. The number is higher where older versions of windlass would make
/// mistakes.
const FORMAT_LINE: &str = "windlass store 1";
/// The same of a store with layers that older versions would mount wrongly.
const FORMAT_2: &str = "windlass store 2";
const NEW_FORMAT: &str = "format.new";

/// Why a directory cannot be used as a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreRootError {
    /// It has the format of another version of windlass.
    #[error(
        "{} is a store of another format ({found:?}; this windlass supports {FORMAT_2:?}): \
         use the windlass that created it, or another --root", .path.display()
    )]
    UnknownFormat {
        /// The store.
        path: PathBuf,
        /// The content of its `format` file, shortened.
        found: String,
    },
    /// It contains files of something else.
    #[error("{} is not a store: it contains {entry:?}; choose an empty or new directory", .path.display())]
    NotAStore {
        /// The directory.
        path: PathBuf,
        /// An entry that no store has.
        entry: String,
    },
    /// Another user may have created or may change its content (F1, T49).
    #[error("{} is not safe to use: {reason}", .path.display())]
    Untrusted {
        /// The path in question.
        path: PathBuf,
        /// The reason.
        reason: UntrustedReason,
    },
    /// A path failed.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why a path is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UntrustedReason {
    /// It belongs to another user.
    Owner {
        /// The owner.
        uid: u32,
    },
    /// It is a symbolic link, or has another file type than expected.
    Kind,
    /// Other users may write to it.
    Writable,
    /// Other users may rename entries of its parent directory.
    Parent,
}

impl fmt::Display for UntrustedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner { uid } => write!(f, "it belongs to user {uid}"),
            Self::Kind => f.write_str("it is a symbolic link or has the wrong file type"),
            Self::Writable => f.write_str("other users may write to it"),
            Self::Parent => f.write_str(
                "other users may replace it, because its parent directory is open to them",
            ),
        }
    }
}

impl StoreRoot {
    /// Opens or creates the store at `path`, with its directories but not yet its `format`.
    pub(crate) fn create(path: &Path) -> Result<Self, StoreRootError> {
        let dir = match open_directory(path)? {
            Some(found) => found,
            None => create_directory(path)?,
        };
        Self::checked(dir)?.finish_creation()
    }

    /// Opens the store at `path` if it exists.
    pub(crate) fn find(path: &Path) -> Result<Option<Self>, StoreRootError> {
        let Some(top) = open_directory(path)? else {
            return Ok(None);
        };
        let top = Self::checked(top)?;
        if !top.has_format {
            return Ok(None);
        }
        let areas = top.areas(|area| {
            rustix::fs::openat(&top.dir, area, DIRECTORY, Mode::empty()).map_err(io::Error::from)
        })?;
        Ok(Some(top.into_root(areas)))
    }

    fn checked(top: UncheckedDirectory) -> Result<CheckedDirectory, StoreRootError> {
        let has_format = match read_format(&top)? {
            Some(line) if line == FORMAT_LINE || line == FORMAT_2 => true,
            Some(found) => {
                return Err(StoreRootError::UnknownFormat {
                    path: top.path,
                    found,
                });
            }
            None => false,
        };
        check_entries(&top, has_format)?;
        Ok(CheckedDirectory {
            path: top.path,
            dir: top.dir,
            has_format,
        })
    }

    /// Opens the lock file; creates it if `create` is set.
    pub(crate) fn open_lock(&self, create: bool) -> Result<OwnedFd, FileError> {
        let mut flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        flags.set(OFlags::CREATE, create);
        let mode = Mode::RUSR | Mode::WUSR;
        match rustix::fs::openat(&self.dir, LOCK, flags, mode) {
            // On a read-only file system the store can still be read and locked.
            Err(Errno::ROFS) if !create => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                rustix::fs::openat(&self.dir, LOCK, flags, mode)
            }
            other => other,
        }
        .at("open", || self.path.join(LOCK))
    }

    /// Writes `format`, the last step of the creation of a store.
    pub(crate) fn write_format(&self) -> Result<(), FileError> {
        self.write_format_line(FORMAT_LINE)
    }

    /// Gives the store format 2, durably, before something is written that needs it.
    pub(crate) fn require_format_2(&self) -> Result<(), FileError> {
        let mut has_format_2 = self
            .has_format_2
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !*has_format_2 {
            self.write_format_line(FORMAT_2)?;
            *has_format_2 = true;
        }
        Ok(())
    }

    fn write_format_line(&self, line: &str) -> Result<(), FileError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let at = || self.path.join(NEW_FORMAT);
        let file = rustix::fs::openat(&self.dir, NEW_FORMAT, flags, mode).at("create", at)?;
        let mut file = std::fs::File::from(file);
        file.write_all(format!("{line}\n").as_bytes())
            .at("write", at)?;
        file.sync_all().at("sync", at)?;
        rustix::fs::renameat(&self.dir, NEW_FORMAT, &self.dir, FORMAT)
            .at("create", || self.path.join(FORMAT))?;
        self.sync_top()
    }

    pub(crate) fn has_format(&self) -> bool {
        rustix::fs::statat(&self.dir, FORMAT, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Creates the database file, so that it is private from the start.
    pub(crate) fn make_database_file(&self) -> Result<(), FileError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.dir, DATABASE, flags, Mode::RUSR | Mode::WUSR) {
            Ok(_) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(error).at("create", || self.database()),
        }
    }
}

/// A directory that is, or may become, a store.
struct UncheckedDirectory {
    path: PathBuf,
    dir: OwnedFd,
}

/// A directory that is empty or contains only entries of a store.
struct CheckedDirectory {
    path: PathBuf,
    dir: OwnedFd,
    has_format: bool,
}

impl CheckedDirectory {
    fn areas(
        &self,
        open: impl Fn(&str) -> io::Result<OwnedFd>,
    ) -> Result<[OwnedFd; StoreArea::ALL.len()], FileError> {
        let open = |area: StoreArea| open(area.name()).at("open", || self.path.join(area.name()));
        let [a, b, c, d] = StoreArea::ALL;
        Ok([open(a)?, open(b)?, open(c)?, open(d)?])
    }

    fn finish_creation(self) -> Result<StoreRoot, StoreRootError> {
        deny_others(&self.dir).at("protect", || self.path.clone())?;
        let areas = self.areas(|area| make_dir(&self.dir, area, PRIVATE))?;
        Ok(self.into_root(areas))
    }

    fn into_root(self, areas: [OwnedFd; StoreArea::ALL.len()]) -> StoreRoot {
        StoreRoot {
            path: self.path,
            dir: self.dir,
            areas,
            has_format_2: Mutex::new(false),
        }
    }
}

/// Opens the directory of the store. Symbolic links on the way to it are the user's choice, and resolved once.
fn open_directory(path: &Path) -> Result<Option<UncheckedDirectory>, StoreRootError> {
    let path = match path.canonicalize() {
        Ok(path) => path,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error)
                .at("open", || path.to_owned())
                .map_err(Into::into);
        }
    };
    let dir = rustix::fs::openat(rustix::fs::CWD, &path, DIRECTORY, Mode::empty())
        .at("open", || path.clone())?;
    let stat = rustix::fs::fstat(&dir).at("examine", || path.clone())?;
    let foreign = |reason| StoreRootError::Untrusted {
        path: path.clone(),
        reason,
    };
    check_owner(&stat).map_err(foreign)?;
    if Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
        return Err(foreign(UntrustedReason::Writable));
    }
    if parent_lets_others_replace(&dir).at("examine", || path.join(".."))? {
        return Err(foreign(UntrustedReason::Parent));
    }
    Ok(Some(UncheckedDirectory { path, dir }))
}

fn create_directory(path: &Path) -> Result<UncheckedDirectory, StoreRootError> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).at("create", || parent.to_owned())?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(error)
                .at("create", || path.to_owned())
                .map_err(Into::into);
        }
        Ok(()) | Err(_) => {}
    }
    let missing = || FileError::new("open", path.to_owned(), Errno::NOENT);
    Ok(open_directory(path)?.ok_or_else(missing)?)
}

/// Denies other users access, because image content includes setuid files. A group may be given access with the
/// mode 0710.
fn deny_others(dir: &OwnedFd) -> rustix::io::Result<()> {
    let mode = Mode::from_raw_mode(rustix::fs::fstat(dir)?.st_mode);
    let others = mode.intersection(Mode::RWXG | Mode::RWXO);
    if others.is_empty() || others == Mode::XGRP {
        return Ok(());
    }
    rustix::fs::fchmod(dir, PRIVATE)
}

fn check_owner(stat: &Stat) -> Result<(), UntrustedReason> {
    match stat.st_uid {
        uid if uid == rustix::process::geteuid().as_raw() => Ok(()),
        uid => Err(UntrustedReason::Owner { uid }),
    }
}

/// A parent directory that all users may write to is accepted only with the sticky bit, as `/tmp` has.
fn parent_lets_others_replace(dir: &OwnedFd) -> rustix::io::Result<bool> {
    let parent = rustix::fs::statat(dir, "..", AtFlags::empty())?;
    let mode = Mode::from_raw_mode(parent.st_mode);
    Ok(mode.contains(Mode::WOTH) && !mode.contains(Mode::SVTX))
}

fn read_format(top: &UncheckedDirectory) -> Result<Option<String>, FileError> {
    let at = || top.path.join(FORMAT);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(&top.dir, FORMAT, flags, Mode::empty()) {
        Ok(file) => std::fs::File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error).at("open", at),
    };
    let mut text = Vec::new();
    file.take(80).read_to_end(&mut text).at("read", at)?;
    let text = String::from_utf8_lossy(&text);
    Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
}

/// Checks the file type and owner of every entry, and, if there is no `format`, that it is an entry of a store.
fn check_entries(top: &UncheckedDirectory, has_format: bool) -> Result<(), StoreRootError> {
    let at = || top.path.clone();
    let entries = rustix::fs::Dir::read_from(top.dir.as_fd()).at("list", at)?;
    for entry in entries {
        let entry = entry.at("list", at)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == "." || name == ".." {
            continue;
        }
        let Some(expected) = expected_kind(&name) else {
            if has_format {
                continue;
            }
            let path = top.path.clone();
            return Err(StoreRootError::NotAStore { path, entry: name });
        };
        let path = top.path.join(&name);
        let stat = match rustix::fs::statat(&top.dir, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
        {
            Ok(stat) => stat,
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(error).at("examine", || path).map_err(Into::into),
        };
        if FileType::from_raw_mode(stat.st_mode) != expected {
            let reason = UntrustedReason::Kind;
            return Err(StoreRootError::Untrusted { path, reason });
        }
        check_owner(&stat).map_err(|reason| StoreRootError::Untrusted { path, reason })?;
    }
    Ok(())
}

/// Returns the file type of the entry `name` of a store; `None` if stores have no such entry.
fn expected_kind(name: &str) -> Option<FileType> {
    match name {
        FORMAT | NEW_FORMAT | LOCK | RESERVE | UNSETTLED | DATABASE | "meta.db-wal"
        | "meta.db-shm" | "meta.db-journal" => Some(FileType::RegularFile),
        EMPTY => Some(FileType::Directory),
        DAEMON => Some(FileType::Socket),
        name if StoreArea::ALL.iter().any(|area| area.name() == name) => Some(FileType::Directory),
        _ => None,
    }
}
