//! Resolves a path the slow way, component by component.
//!
//! This is for paths through symbolic links, which are resolved here as if the root were `/`, for paths
//! that are not there yet, and for kernels without `openat2`. Nothing is opened but a plain name in a
//! directory that is held, and never through a link.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::directories::{Directory, Origin};
use super::tree::{self, DIRECTORY, Missing, Tree};
use super::{metadata, names};
use crate::error::{EntryError, EntryName, Trying};
use crate::options::{self, Ownership};

/// As the kernel's limit.
pub(crate) const MOST_LINKS: usize = 40;
/// More components than this are never needed, only made up.
pub(crate) const MOST_STEPS: usize = 8192;

/// Opening a directory anew takes its path; so many bytes of it cost as much as one component.
pub(crate) const BYTES_A_COMPONENT: usize = 64;

/// A resolution on its way.
struct Walk {
    /// The directory reached; none if it has to be opened, by `path`.
    fd: Option<OwnedFd>,
    /// Where it really is.
    path: Vec<u8>,
    /// The components still to go, the next one last.
    ahead: Vec<Vec<u8>>,
    links: usize,
    steps: usize,
}

impl Tree {
    /// Opens the directory at `path` and returns it and where it really is; none if it is missing and
    /// to be left so.
    pub(super) fn walk(
        &mut self,
        path: &[u8],
        missing: Missing,
    ) -> Result<Option<(OwnedFd, Vec<u8>)>, EntryError> {
        let mut walk = Walk {
            fd: None,
            path: Vec::new(),
            ahead: Vec::new(),
            links: 0,
            steps: 0,
        };
        walk.push_components(path);
        while let Some(name) = walk.ahead.pop() {
            walk.steps += 1;
            if walk.steps > MOST_STEPS {
                return Err(EntryError::LinkLoop);
            }
            if walk.links > 0 {
                let cost = 1 + (walk.path.len() / BYTES_A_COMPONENT) as u64;
                let left = self.link_steps.checked_sub(cost);
                self.link_steps = left.ok_or(EntryError::LinkLoop)?;
            }
            if name == b".." {
                // As at the root of a file system, the parent of the root is the root.
                walk.path.truncate(names::parent_length(&walk.path));
                walk.fd = None;
            } else if !self.step(&mut walk, &name, missing)? {
                return Ok(None);
            }
        }
        let fd = match walk.fd {
            Some(fd) => fd,
            None => self.open_real(&walk.path)?,
        };
        Ok(Some((fd, walk.path)))
    }

    /// Goes into `name`, or follows it, or makes it. Says whether there is anything.
    fn step(&mut self, walk: &mut Walk, name: &[u8], missing: Missing) -> Result<bool, EntryError> {
        let here = match walk.fd.take() {
            Some(fd) => fd,
            None => self.open_real(&walk.path)?,
        };
        let path = names::join(&walk.path, name);
        if path.len() >= names::PATH_MAX {
            return Err(EntryError::PathTooLong);
        }
        let opened = rustix::fs::openat(&here, name, DIRECTORY, Mode::empty());
        let fd = match opened {
            Ok(fd) => fd,
            Err(Errno::NOENT) if missing == Missing::Make => {
                self.imply(here.as_fd(), name, &path)?
            }
            Err(Errno::NOENT) => return Ok(false),
            // Depending on the kernel, either says that it is a link.
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return self.step_over_other(walk, here, name, path, missing);
            }
            Err(Errno::ACCESS) if self.ownership == Ownership::CurrentUser => {
                self.unlock(here.as_fd(), name, &path)?
            }
            Err(error) => return Err(error).trying("open a directory on its path"),
        };
        if self.ownership == Ownership::CurrentUser {
            self.adopt(fd.as_fd(), &path)?;
        }
        walk.fd = Some(fd);
        walk.path = path;
        Ok(true)
    }

    /// Deals with a component that is not a directory: follows a link, and makes a directory where this
    /// layer has a whiteout, which hides only what is below.
    fn step_over_other(
        &mut self,
        walk: &mut Walk,
        here: OwnedFd,
        name: &[u8],
        path: Vec<u8>,
        missing: Missing,
    ) -> Result<bool, EntryError> {
        let stat = rustix::fs::statat(&here, name, AtFlags::SYMLINK_NOFOLLOW)
            .trying("look at its path")?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            walk.links += 1;
            if walk.links > MOST_LINKS {
                return Err(EntryError::LinkLoop);
            }
            let target = rustix::fs::readlinkat(&here, name, Vec::new())
                .trying("read a symbolic link on its path")?;
            let target = target.as_bytes();
            if target.starts_with(b"/") {
                walk.path.clear();
            } else {
                walk.fd = Some(here);
            }
            walk.push_components(target);
            return Ok(true);
        }
        if self.mode == options::UnpackMode::Layer && tree::is_whiteout(&stat) {
            if missing == Missing::Leave {
                return Ok(false);
            }
            rustix::fs::unlinkat(&here, name, AtFlags::empty())
                .trying("replace a whiteout on its path")?;
            let fd = self.imply(here.as_fd(), name, &path)?;
            metadata::set_opaque(fd.as_fd(), self.ownership)?;
            walk.fd = Some(fd);
            walk.path = path;
            return Ok(true);
        }
        if missing == Missing::Leave {
            return Ok(false);
        }
        Err(EntryError::NotADirectory {
            parent: EntryName::new(&path),
        })
    }

    /// Opens an own directory that its owner may not read, after giving the owner the right to.
    pub(super) fn unlock(
        &mut self,
        at: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
    ) -> Result<OwnedFd, EntryError> {
        let held = DIRECTORY.union(OFlags::PATH);
        let fd = rustix::fs::openat(at, name, held, Mode::empty())
            .trying("open a directory on its path")?;
        if self.directories.get(path).is_none() {
            let stat = rustix::fs::fstat(&fd).trying("look at a directory on its path")?;
            let mode = tree::permissions(&stat);
            let open = Mode::from_raw_mode(mode | 0o700);
            rustix::fs::chmod(metadata::path_of(fd.as_fd()), open)
                .trying("make a directory on its path readable")?;
            let before = Directory {
                mode: Some(mode),
                mtime: tree::mtime(&stat),
                origin: Origin::Before,
            };
            self.directories.insert(path, before)?;
        }
        rustix::fs::openat(at, name, DIRECTORY, Mode::empty())
            .trying("open a directory on its path")
    }
}

impl Walk {
    fn push_components(&mut self, path: &[u8]) {
        push_components(&mut self.ahead, path);
    }
}

/// Puts the components of `path` before those that are `ahead`, the next one last.
pub(crate) fn push_components(ahead: &mut Vec<Vec<u8>>, path: &[u8]) {
    let components = path.split(|&byte| byte == b'/').rev();
    let real = components.filter(|name| !matches!(*name, b"" | b"."));
    ahead.extend(real.map(<[u8]>::to_vec));
}
