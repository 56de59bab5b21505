//! The tree beneath the root, and the only way into it.

use std::collections::{BTreeMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, Timestamps};
use rustix::io::Errno;

use super::directories::{Directories, Directory, Origin, paths_of_tree};
use super::metadata;
use super::parents::{Keys, Parent, Parents};
use super::{names, remove};
use crate::error::{EntryError, EntryName, Trying, UnpackError};
use crate::options::{self, Ownership, PathResolution, UnpackOptions};
use crate::{LowerLayerLink, tar};

/// The tree that a layer is applied to.
pub(super) struct Tree {
    pub(super) root: OwnedFd,
    pub(super) mode: options::UnpackMode,
    pub(super) ownership: Ownership,
    pub(super) resolve: PathResolution,
    /// What resolving paths through links may still cost.
    pub(super) link_steps: u64,
    pub(super) parents: Parents,
    pub(super) directories: Directories,
    pub(super) keys: Keys,
    /// The paths that this layer added or changed something at or beneath, where whiteouts must spare
    /// them ([`UnpackMode::Flatten`](options::UnpackMode::Flatten) only).
    added: HashSet<u64>,
    /// Hard links to lower layers: path and target.
    lower_links: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What to do where a parent directory is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Make it, for something is about to be added.
    Make,
    /// Nothing, for there is nothing to look for.
    Leave,
}

/// What stood where an entry goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replaced {
    Nothing,
    /// In a layer, where whatever comes here hides what is below.
    Something,
}

pub(super) const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// The mode of directories that no entry describes.
pub(crate) const IMPLIED_MODE: u32 = 0o755;

/// How often the kernel may ask to try again before the slow way is taken.
const TRIES: usize = 16;

impl Tree {
    pub(super) fn new(into: BorrowedFd<'_>, options: &UnpackOptions) -> rustix::io::Result<Self> {
        Ok(Self {
            root: rustix::fs::openat(into, c".", DIRECTORY, Mode::empty())?,
            mode: options.mode,
            ownership: options.ownership,
            resolve: options.resolve,
            link_steps: options.limits.link_steps,
            parents: Parents::default(),
            directories: Directories::new(options.limits.directory_bytes),
            keys: Keys::default(),
            added: HashSet::new(),
            lower_links: BTreeMap::new(),
        })
    }

    /// Returns the directory that the cleaned `path` leads to, as if the root were `/`; none if it is
    /// missing and to be left so.
    pub(super) fn parent(
        &mut self,
        path: &[u8],
        missing: Missing,
    ) -> Result<Option<Rc<Parent>>, EntryError> {
        let parent = match self.parents.get(path) {
            Some(parent) => parent,
            None => match self.find(path, missing)? {
                None => return Ok(None),
                Some((fd, real)) => {
                    let parent = self.hold(fd, real)?;
                    self.parents.insert(path, Rc::clone(&parent));
                    parent
                }
            },
        };
        if missing == Missing::Make && !parent.holds_added.replace(true) && self.is_flatten() {
            self.added.extend(self.keys.along(&parent.path));
        }
        Ok(Some(parent))
    }

    /// As [`Tree::parent`], making what is missing.
    pub(super) fn parent_for_adding(&mut self, path: &[u8]) -> Result<Rc<Parent>, EntryError> {
        let parent = self.parent(path, Missing::Make)?;
        Ok(parent.expect("a missing directory is made or an error"))
    }

    /// Makes a [`Parent`] of a directory that was opened.
    pub(super) fn hold(&mut self, fd: OwnedFd, path: Vec<u8>) -> Result<Rc<Parent>, EntryError> {
        let found = self.adopt(fd.as_fd(), &path)?;
        let default_acl = found && metadata::has_default_acl(fd.as_fd());
        Ok(Rc::new(self.new_parent(fd, path, default_acl)))
    }

    pub(super) fn new_parent(&self, fd: OwnedFd, path: Vec<u8>, default_acl: bool) -> Parent {
        Parent {
            fd,
            key: self.keys.of(&path),
            path,
            default_acl,
            holds_added: false.into(),
        }
    }

    /// Notes down a directory that was there before, so that it ends as it was, and makes it writable.
    /// Says whether it is one.
    pub(super) fn adopt(&mut self, fd: BorrowedFd<'_>, path: &[u8]) -> Result<bool, EntryError> {
        if let Some(known) = self.directories.get(path) {
            return Ok(known.origin == Origin::Before);
        }
        let stat = rustix::fs::fstat(fd).trying("look at a directory")?;
        let mode = permissions(&stat);
        let lacking = self.ownership == Ownership::CurrentUser && mode & 0o700 != 0o700;
        if lacking {
            let open = Mode::from_raw_mode(mode | 0o700);
            rustix::fs::fchmod(fd, open).trying("make a directory writable")?;
        }
        let before = Directory {
            mode: lacking.then_some(mode),
            mtime: mtime(&stat),
            origin: Origin::Before,
        };
        self.directories.insert(path, before)?;
        Ok(true)
    }

    /// Notes that this layer adds `name`.
    pub(super) fn adding(&mut self, parent: &Parent, name: &[u8]) {
        if self.is_flatten() {
            self.added.insert(self.keys.child(parent.key, name));
        } else if !self.lower_links.is_empty() {
            self.lower_links.remove(&parent.child(name));
        }
    }

    /// Whether this layer added or changed something at or beneath the path with `key`.
    pub(super) fn is_added(&self, key: u64) -> bool {
        self.added.contains(&key)
    }

    /// Takes away whatever is called `name`, with all that is in it.
    pub(super) fn clear(&mut self, parent: &Parent, name: &[u8]) -> Result<Replaced, EntryError> {
        let stat = match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(Replaced::Nothing),
            Err(error) => return Err(error).trying("look at what it replaces"),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                remove::tree(parent.as_fd(), name).trying("remove the directory it replaces")?;
                self.parents.forget_all();
                self.forget_tree(&parent.child(name));
            }
            kind => {
                rustix::fs::unlinkat(parent, name, AtFlags::empty())
                    .trying("remove what it replaces")?;
                if kind == FileType::Symlink {
                    self.parents.forget_all();
                }
            }
        }
        Ok(Replaced::Something)
    }

    /// Forgets what is noted of `path`, which is gone, and beneath it.
    pub(super) fn forget_tree(&mut self, path: &[u8]) {
        self.directories.forget_tree(path);
        for path in paths_of_tree(&self.lower_links, path) {
            self.lower_links.remove(&path);
        }
    }

    /// Makes the directory `name` that an entry needs and the tar does not carry.
    pub(super) fn imply(
        &mut self,
        at: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
    ) -> Result<OwnedFd, EntryError> {
        // What it is made in ends as it was, too, though nothing else may be added there.
        self.adopt(at, names::split(path).0)?;
        let mode = Mode::from_raw_mode(IMPLIED_MODE);
        rustix::fs::mkdirat(at, name, mode).trying("make a directory on its path")?;
        let fd = rustix::fs::openat(at, name, DIRECTORY, Mode::empty())
            .trying("open a directory on its path")?;
        let stat = rustix::fs::fstat(&fd).trying("look at a directory on its path")?;
        metadata::remove_inherited_acls(fd.as_fd());
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        if stat.st_gid != gid.as_raw() && self.ownership == Ownership::Exact {
            rustix::fs::fchown(&fd, Some(uid), Some(gid))
                .trying("set the owner of a directory on its path")?;
        }
        if permissions(&stat) != IMPLIED_MODE {
            rustix::fs::fchmod(&fd, mode).trying("set the mode of a directory on its path")?;
        }
        let implied = Directory {
            mode: None,
            mtime: tar::Time::default(),
            origin: Origin::Implied,
        };
        self.directories.insert(path, implied)?;
        self.lower_links.remove(path);
        Ok(fd)
    }

    /// Notes down a hard link whose target is below.
    pub(super) fn link_below(&mut self, path: Vec<u8>, target: &[u8]) -> Result<(), EntryError> {
        // A link to such a link is one to the same file.
        let target = self
            .lower_links
            .get(target)
            .map_or(target, Vec::as_slice)
            .to_vec();
        self.directories.spend(path.len() + target.len())?;
        self.lower_links.insert(path, target);
        Ok(())
    }

    /// Returns the hard links to lower layers. One to something that this layer added later is none,
    /// but out of order.
    pub(super) fn take_lower_links(&mut self) -> Result<Vec<LowerLayerLink>, UnpackError> {
        let mut links = Vec::with_capacity(self.lower_links.len());
        for (path, target) in std::mem::take(&mut self.lower_links) {
            let missing = match self.is_there(&target) {
                Ok(false) => {
                    links.push(LowerLayerLink { path, target });
                    continue;
                }
                Ok(true) => EntryError::MissingTarget {
                    target: EntryName::new(&target),
                },
                Err(error) => error,
            };
            return Err(UnpackError::Entry {
                path: EntryName::new(&path),
                source: missing,
            });
        }
        Ok(links)
    }

    /// Sets the modes and times of all directories that were made or changed.
    pub(super) fn finish_directories(&mut self) -> Result<(), UnpackError> {
        let mut parent: Option<(&[u8], OwnedFd)> = None;
        for (path, directory) in self.directories.innermost_first() {
            let (above, name) = names::split(path);
            if parent.as_ref().is_none_or(|(held, _)| *held != above) {
                parent = Some((
                    above,
                    self.open_real(above).map_err(|error| at(path, error))?,
                ));
            }
            let (_, fd) = parent.as_ref().expect("just opened");
            let name = if name.is_empty() { b"." } else { name };
            finish_directory(fd.as_fd(), name, directory).map_err(|error| at(path, error))?;
        }
        Ok(())
    }

    /// Opens a directory by its real path, through no symbolic link.
    pub(super) fn open_real(&self, path: &[u8]) -> Result<OwnedFd, EntryError> {
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
        fd.trying("open a directory on its path")
    }

    pub(super) fn is_flatten(&self) -> bool {
        self.mode == options::UnpackMode::Flatten
    }

    /// Opens the directory at `path`, and returns it and where it really is.
    fn find(
        &mut self,
        path: &[u8],
        missing: Missing,
    ) -> Result<Option<(OwnedFd, Vec<u8>)>, EntryError> {
        if self.resolve == PathResolution::Kernel {
            match self.open_without_links(path) {
                // Through no link, so this is where it really is.
                Ok(fd) => return Ok(Some((fd, path.to_vec()))),
                Err(Errno::NOSYS | Errno::PERM) => self.resolve = PathResolution::Walk,
                Err(_) => {}
            }
        }
        self.walk(path, missing)
    }

    fn open_without_links(&self, path: &[u8]) -> rustix::io::Result<OwnedFd> {
        const WITHOUT_LINKS: ResolveFlags = ResolveFlags::BENEATH
            .union(ResolveFlags::NO_SYMLINKS)
            .union(ResolveFlags::NO_MAGICLINKS);
        let path = if path.is_empty() { b"." } else { path };
        let open =
            || rustix::fs::openat2(&self.root, path, DIRECTORY, Mode::empty(), WITHOUT_LINKS);
        let mut result = open();
        for _ in 1..TRIES {
            if !matches!(result, Err(Errno::AGAIN | Errno::INTR)) {
                break;
            }
            result = open();
        }
        result
    }

    /// Says whether something of this layer is at `path`.
    fn is_there(&mut self, path: &[u8]) -> Result<bool, EntryError> {
        let (directory, name) = names::split(path);
        let Some(parent) = self.parent(directory, Missing::Leave)? else {
            return Ok(false);
        };
        match rustix::fs::statat(&*parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(!is_whiteout(&stat)),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error).trying("look at its target"),
        }
    }
}

/// Says whether `name`, which should be there, is a directory.
pub(super) fn is_directory(parent: &Parent, name: &[u8]) -> Result<bool, EntryError> {
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error).trying("look at what is there"),
    }
}

/// Whether this is overlayfs's form of a whiteout.
pub(super) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

pub(super) fn permissions(stat: &Stat) -> u32 {
    stat.st_mode & 0o7777
}

pub(super) fn mtime(stat: &Stat) -> tar::Time {
    tar::Time {
        seconds: stat.st_mtime,
        nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or_default(),
    }
}

fn finish_directory(
    at: BorrowedFd<'_>,
    name: &[u8],
    directory: &Directory,
) -> Result<(), EntryError> {
    let times: Timestamps = metadata::timestamps(directory.mtime);
    match directory.mode {
        None => rustix::fs::utimensat(at, name, &times, AtFlags::SYMLINK_NOFOLLOW)
            .trying("set the times"),
        Some(mode) => {
            let fd = rustix::fs::openat(at, name, DIRECTORY, Mode::empty()).trying("open it")?;
            rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode)).trying("set the mode")?;
            rustix::fs::futimens(&fd, &times).trying("set the times")
        }
    }
}

fn at(path: &[u8], source: EntryError) -> UnpackError {
    UnpackError::Entry {
        path: EntryName::new(path),
        source,
    }
}
