//! The tree beneath the root: its open directories, and what this layer has changed in it.

use std::collections::{BTreeMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{AtFlags, FileType, Mode, ResolveFlags, Timestamps};
use rustix::io::Errno;

use super::attributes;
use super::directories::{DirectoryOrigin, PendingDirectories, PendingDirectory, keys_of_subtree};
use super::open_directories::{OpenDirectories, OpenDirectory};
use super::path_keys::PathKeys;
use super::remove;
use super::stat::{DIRECTORY, mtime, permissions};
use crate::entry_name::EntryName;
use crate::entry_path;
use crate::error::{EntryError, EntryErrorContext, UnpackError};
use crate::hiding::HidingForm;
use crate::options::{Ownership, PathResolution, UnpackMode, UnpackOptions};
use crate::tar::Timestamp;
use crate::unpack_rules::IMPLIED_DIRECTORY_MODE;

/// The tree that a layer is applied to.
pub(super) struct UnpackTree {
    root: OwnedFd,
    pub(super) mode: UnpackMode,
    pub(super) ownership: Ownership,
    hiding: HidingForm,
    /// Whether something is hidden in another form than the usual one.
    pub(super) hides_unusually: bool,
    pub(super) resolve: PathResolution,
    /// The remaining budget for resolving paths through symbolic links.
    pub(super) link_steps: u64,
    pub(super) open_directories: OpenDirectories,
    pub(super) directories: PendingDirectories,
    pub(super) keys: PathKeys,
    /// The keys of the paths at or beneath which this layer added or changed something. Whiteouts spare them.
    /// Only used with [`UnpackMode::Flatten`].
    added: HashSet<u64>,
    /// The targets of hard links to lower layers, by the path of the link.
    pub(super) lower_links: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Whether an entry replaced an existing file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replaced {
    Nothing,
    /// A file was replaced. In a layer, a directory in its place has to hide its counterparts below.
    File,
}

/// How often `openat2` is retried when the kernel reports a concurrent rename.
const MAX_TRIES: usize = 16;

impl UnpackTree {
    /// Marks a directory as one that hides its counterparts in the layers below.
    pub(super) fn set_opaque(&mut self, fd: BorrowedFd<'_>) -> Result<(), EntryError> {
        self.hides_unusually |= self.hiding.trusted != self.ownership.usual_hiding().trusted;
        self.hiding.set_opaque(fd).context("mark it as opaque")
    }

    /// Creates a file that hides its counterparts in the layers below.
    pub(super) fn create_whiteout(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
    ) -> rustix::io::Result<()> {
        self.hides_unusually |= !self.hiding.devices;
        self.hiding.create_whiteout(parent, name)
    }

    pub(super) fn new(into: BorrowedFd<'_>, options: &UnpackOptions) -> rustix::io::Result<Self> {
        Ok(Self {
            root: rustix::fs::openat(into, c".", DIRECTORY, Mode::empty())?,
            mode: options.mode,
            ownership: options.ownership,
            hiding: options.hiding.unwrap_or(options.ownership.usual_hiding()),
            hides_unusually: false,
            resolve: options.resolve,
            link_steps: options.limits.link_steps,
            open_directories: OpenDirectories::default(),
            directories: PendingDirectories::new(options.limits.directory_bytes),
            keys: PathKeys::default(),
            added: HashSet::new(),
            lower_links: BTreeMap::new(),
        })
    }

    pub(super) fn is_flatten(&self) -> bool {
        self.mode == UnpackMode::Flatten
    }

    /// Returns an [`OpenDirectory`] for a directory that has been opened, and records its metadata.
    pub(super) fn adopt(
        &mut self,
        fd: OwnedFd,
        path: Vec<u8>,
    ) -> Result<Rc<OpenDirectory>, EntryError> {
        let is_existing = self.record_existing(fd.as_fd(), &path)?;
        let has_default_acl = is_existing && attributes::has_default_acl(fd.as_fd());
        Ok(Rc::new(self.open_directory(fd, path, has_default_acl)))
    }

    pub(super) fn open_directory(
        &self,
        fd: OwnedFd,
        path: Vec<u8>,
        has_default_acl: bool,
    ) -> OpenDirectory {
        OpenDirectory {
            fd,
            key: self.keys.of(&path),
            path,
            has_default_acl,
            holds_added: false.into(),
        }
    }

    /// Records the metadata of a directory that existed before this layer, so that it can be restored, and makes
    /// the directory writable. Returns whether the directory existed before this layer.
    pub(super) fn record_existing(
        &mut self,
        fd: BorrowedFd<'_>,
        path: &[u8],
    ) -> Result<bool, EntryError> {
        if let Some(recorded) = self.directories.get(path) {
            return Ok(recorded.origin == DirectoryOrigin::Existing);
        }
        let stat = rustix::fs::fstat(fd).context("read the metadata of a parent directory")?;
        let mode = permissions(&stat);
        let is_restricted = self.ownership == Ownership::CurrentUser && mode & 0o700 != 0o700;
        if is_restricted {
            let writable = Mode::from_raw_mode(mode | 0o700);
            rustix::fs::fchmod(fd, writable).context("make a parent directory writable")?;
        }
        let existing = PendingDirectory {
            mode: is_restricted.then_some(mode),
            mtime: mtime(&stat),
            origin: DirectoryOrigin::Existing,
        };
        self.directories.insert(path, existing)?;
        Ok(true)
    }

    /// Records that this layer adds `name`.
    pub(super) fn record_added(&mut self, parent: &OpenDirectory, name: &[u8]) {
        if self.is_flatten() {
            self.added.insert(self.keys.child(parent.key, name));
        } else if !self.lower_links.is_empty() {
            self.lower_links.remove(&parent.child(name));
        }
    }

    /// Records that this layer adds something to the directory at `path`.
    pub(super) fn record_added_beneath(&mut self, path: &[u8]) {
        self.added.extend(self.keys.along(path));
    }

    /// Returns whether this layer added or changed something at or beneath the path with `key`.
    pub(super) fn is_added(&self, key: u64) -> bool {
        self.added.contains(&key)
    }

    /// Removes `name`, which may be missing, and everything beneath it.
    pub(super) fn remove(
        &mut self,
        parent: &OpenDirectory,
        name: &[u8],
    ) -> Result<Replaced, EntryError> {
        let stat = match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(Replaced::Nothing),
            Err(error) => return Err(error).context("read the metadata of the replaced file"),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                remove::subtree(parent.as_fd(), name).context("remove the replaced directory")?;
                self.open_directories.clear();
                self.forget_subtree(&parent.child(name));
            }
            kind => {
                rustix::fs::unlinkat(parent, name, AtFlags::empty())
                    .context("remove the replaced file")?;
                if kind == FileType::Symlink {
                    self.open_directories.clear();
                }
            }
        }
        Ok(Replaced::File)
    }

    /// Discards the recorded directories and links at and beneath `path`, which has been removed.
    fn forget_subtree(&mut self, path: &[u8]) {
        self.directories.remove_subtree(path);
        for path in keys_of_subtree(&self.lower_links, path) {
            self.lower_links.remove(&path);
        }
    }

    /// Creates the directory `name`, which is a parent of an entry and has no entry itself.
    pub(super) fn create_implied(
        &mut self,
        at: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
    ) -> Result<OwnedFd, EntryError> {
        // The parent's time is restored too, even if no entry is added to the parent itself.
        self.record_existing(at, entry_path::split(path).0)?;
        let mode = Mode::from_raw_mode(IMPLIED_DIRECTORY_MODE);
        rustix::fs::mkdirat(at, name, mode).context("create a parent directory")?;
        let fd = rustix::fs::openat(at, name, DIRECTORY, Mode::empty())
            .context("open a parent directory")?;
        let stat = rustix::fs::fstat(&fd).context("read the metadata of a parent directory")?;
        attributes::remove_inherited_acls(fd.as_fd());
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        if stat.st_gid != gid.as_raw() && self.ownership == Ownership::Exact {
            rustix::fs::fchown(&fd, Some(uid), Some(gid))
                .context("set the owner of a parent directory")?;
        }
        if permissions(&stat) != IMPLIED_DIRECTORY_MODE {
            rustix::fs::fchmod(&fd, mode).context("set the mode of a parent directory")?;
        }
        let implied = PendingDirectory {
            mode: None,
            mtime: Timestamp::default(),
            origin: DirectoryOrigin::Implied,
        };
        self.directories.insert(path, implied)?;
        self.lower_links.remove(path);
        Ok(fd)
    }

    /// Records a hard link whose target is in a lower layer.
    pub(super) fn record_lower_link(
        &mut self,
        path: Vec<u8>,
        target: &[u8],
    ) -> Result<(), EntryError> {
        // A link to such a link is a link to the same file.
        let target = self
            .lower_links
            .get(target)
            .map_or(target, Vec::as_slice)
            .to_vec();
        self.directories.charge(path.len() + target.len())?;
        self.lower_links.insert(path, target);
        Ok(())
    }

    /// Sets the final modes and times of all directories that were created or changed.
    pub(super) fn finish_directories(&mut self) -> Result<(), UnpackError> {
        let mut parent: Option<(&[u8], OwnedFd)> = None;
        for (path, directory) in self.directories.children_first() {
            let (above, name) = entry_path::split(path);
            if parent.as_ref().is_none_or(|(open, _)| *open != above) {
                let opened = self.open_resolved(above);
                parent = Some((above, opened.map_err(|error| entry_error(path, error))?));
            }
            let (_, fd) = parent.as_ref().expect("opened above");
            let name = if name.is_empty() { b"." } else { name };
            finish_directory(fd.as_fd(), name, directory)
                .map_err(|error| entry_error(path, error))?;
        }
        Ok(())
    }

    /// Opens a directory by a path that contains no symbolic links.
    pub(super) fn open_resolved(&self, path: &[u8]) -> Result<OwnedFd, EntryError> {
        if self.resolve == PathResolution::Kernel
            && let Ok(fd) = self.open_without_links(path)
        {
            return Ok(fd);
        }
        let mut fd = rustix::fs::openat(&self.root, c".", DIRECTORY, Mode::empty());
        for name in path
            .split(|&byte| byte == b'/')
            .filter(|name| !name.is_empty())
        {
            fd = fd.and_then(|fd| rustix::fs::openat(fd, name, DIRECTORY, Mode::empty()));
        }
        fd.context("open a parent directory")
    }

    /// Opens a directory with `openat2`. Fails if the path contains a symbolic link.
    pub(super) fn open_without_links(&self, path: &[u8]) -> rustix::io::Result<OwnedFd> {
        const WITHOUT_LINKS: ResolveFlags = ResolveFlags::BENEATH
            .union(ResolveFlags::NO_SYMLINKS)
            .union(ResolveFlags::NO_MAGICLINKS);
        let path = if path.is_empty() { b"." } else { path };
        let open =
            || rustix::fs::openat2(&self.root, path, DIRECTORY, Mode::empty(), WITHOUT_LINKS);
        let mut result = open();
        for _ in 1..MAX_TRIES {
            if !matches!(result, Err(Errno::AGAIN | Errno::INTR)) {
                break;
            }
            result = open();
        }
        result
    }
}

fn finish_directory(
    at: BorrowedFd<'_>,
    name: &[u8],
    directory: &PendingDirectory,
) -> Result<(), EntryError> {
    let times: Timestamps = attributes::timestamps(directory.mtime);
    match directory.mode {
        None => rustix::fs::utimensat(at, name, &times, AtFlags::SYMLINK_NOFOLLOW)
            .context("set the times"),
        Some(mode) => {
            let fd = rustix::fs::openat(at, name, DIRECTORY, Mode::empty()).context("open it")?;
            rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode)).context("set the mode")?;
            rustix::fs::futimens(&fd, &times).context("set the times")
        }
    }
}

/// Returns `source` as an error of the entry at `path`.
pub(super) fn entry_error(path: &[u8], source: EntryError) -> UnpackError {
    UnpackError::Entry {
        path: EntryName::new(path),
        source,
    }
}
