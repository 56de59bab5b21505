//! Looks up paths in a stack of layers as overlayfs would show them, without a mount.
//!
//! A stack may be 500 layers high, so no handle is kept: each lookup starts at the root of the store, and
//! `openat2` follows no link and stays beneath it.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// The maximum of symbolic links in one path; as in the kernel.
const MAX_LINKS: usize = 40;

/// A stack of layer directories, the top first.
#[derive(Debug)]
pub(crate) struct Stack<'a> {
    root: BorrowedFd<'a>,
    levels: Vec<StackLayer>,
}

/// One layer of a stack.
#[derive(Clone, Debug)]
pub(crate) struct StackLayer {
    /// Its directory, relative to the store's root.
    pub(crate) directory: String,
    /// Whether its whiteouts and opaque directories hide what is below.
    pub(crate) hides: bool,
}

/// A directory as overlayfs shows it: the layers that contribute to it, the top first.
#[derive(Clone, Debug)]
pub(crate) struct MergedDirectory {
    /// Relative to the root of the image, without symbolic links; empty for the root itself.
    path: Vec<u8>,
    levels: Vec<usize>,
}

/// The lookups that are left: with chained links a short path can take a hundred thousand steps.
#[derive(Debug)]
pub(crate) struct LookupBudget(Cell<u64>);

/// The result of looking up a name.
#[derive(Debug)]
pub(crate) enum PathLookup {
    Nothing,
    Directory(MergedDirectory),
    Symlink(Vec<u8>),
    File,
}

/// The metadata that an overlay shows of a directory, without its entries and times.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DirectoryMetadata {
    mode: u32,
    owner: (u32, u32),
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// The entry that one layer has under a name.
enum LayerEntry {
    Absent,
    Whiteout,
    Directory { opaque: bool },
    Symlink(OwnedFd),
    File,
}

impl LookupBudget {
    pub(crate) fn new(left: u64) -> Self {
        Self(Cell::new(left))
    }

    fn spend(&self, lookups: usize) -> rustix::io::Result<()> {
        let left = self
            .0
            .get()
            .checked_sub(lookups as u64)
            .ok_or(Errno::LOOP)?;
        self.0.set(left);
        Ok(())
    }
}

impl<'a> Stack<'a> {
    pub(crate) fn new(root: BorrowedFd<'a>, levels: Vec<StackLayer>) -> Self {
        Self { root, levels }
    }

    pub(crate) fn top(&self) -> MergedDirectory {
        MergedDirectory {
            path: Vec::new(),
            levels: (0..self.levels.len()).collect(),
        }
    }

    /// Resolves `path` as for a process with this root directory. A link at the end is not followed.
    ///
    /// Each layer that is examined counts as one lookup; the function fails when none are left.
    pub(crate) fn resolve(&self, path: &[u8], budget: &LookupBudget) -> io::Result<PathLookup> {
        let mut links = MAX_LINKS;
        let mut left: VecDeque<Vec<u8>> = components(path).collect();
        // The directories from the root to the current one, without the root.
        let mut parents: Vec<MergedDirectory> = Vec::new();
        let top = self.top();
        while let Some(name) = left.pop_front() {
            if name == b".." {
                // The parent of the root is the root.
                budget.spend(1)?;
                parents.pop();
                continue;
            }
            let current = parents.last().unwrap_or(&top);
            budget.spend(current.levels.len())?;
            match self.lookup(current, &name)? {
                PathLookup::Directory(directory) => parents.push(directory),
                found if left.is_empty() => return Ok(found),
                PathLookup::Symlink(target) if links > 0 => {
                    links -= 1;
                    if target.starts_with(b"/") {
                        parents.clear();
                    }
                    for name in components(&target).collect::<Vec<_>>().into_iter().rev() {
                        left.push_front(name);
                    }
                }
                PathLookup::Symlink(_) | PathLookup::File | PathLookup::Nothing => {
                    return Ok(PathLookup::Nothing);
                }
            }
        }
        Ok(PathLookup::Directory(parents.pop().unwrap_or(top)))
    }

    /// Looks up the entry `name` of `directory`, without following links.
    pub(crate) fn lookup(
        &self,
        directory: &MergedDirectory,
        name: &[u8],
    ) -> io::Result<PathLookup> {
        let path = directory.child(name);
        let mut levels = Vec::new();
        for &index in &directory.levels {
            let hides = self.levels[index].hides;
            match self.entry(index, &path)? {
                LayerEntry::Whiteout if hides => break,
                LayerEntry::Absent | LayerEntry::Whiteout => {}
                LayerEntry::Directory { opaque } => {
                    levels.push(index);
                    if opaque && hides {
                        break;
                    }
                }
                LayerEntry::Symlink(_) | LayerEntry::File if !levels.is_empty() => break,
                LayerEntry::Symlink(link) => {
                    let target = rustix::fs::readlinkat(&link, "", Vec::new())?;
                    return Ok(PathLookup::Symlink(target.into_bytes()));
                }
                LayerEntry::File => return Ok(PathLookup::File),
            }
        }
        Ok(if levels.is_empty() {
            PathLookup::Nothing
        } else {
            PathLookup::Directory(MergedDirectory { path, levels })
        })
    }

    /// Opens the topmost layer of `directory`.
    pub(crate) fn open(&self, directory: &MergedDirectory) -> io::Result<OwnedFd> {
        let index = *directory.levels.first().ok_or(Errno::NOENT)?;
        Ok(self.open_at(index, &directory.path, OFlags::RDONLY | OFlags::DIRECTORY)?)
    }

    fn entry(&self, index: usize, path: &[u8]) -> io::Result<LayerEntry> {
        let handle = match self.open_at(index, path, OFlags::PATH) {
            Ok(handle) => handle,
            // A path that is too long for one call is of no use to any tool.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => {
                return Ok(LayerEntry::Absent);
            }
            Err(error) => return Err(error.into()),
        };
        let stat = rustix::fs::fstat(&handle)?;
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::CharacterDevice if stat.st_rdev == 0 => LayerEntry::Whiteout,
            FileType::Directory => LayerEntry::Directory {
                opaque: self.is_opaque(index, path)?,
            },
            FileType::Symlink => LayerEntry::Symlink(handle),
            FileType::RegularFile
                if stat.st_size == 0
                    && self.has_attribute(
                        index,
                        path,
                        OFlags::RDONLY,
                        &["user.overlay.whiteout"],
                    )? =>
            {
                LayerEntry::Whiteout
            }
            _ => LayerEntry::File,
        })
    }

    fn is_opaque(&self, index: usize, path: &[u8]) -> io::Result<bool> {
        // Which one a layer has depends on its user, file system and rights.
        let names = ["trusted.overlay.opaque", "user.overlay.opaque"];
        self.has_attribute(index, path, OFlags::RDONLY | OFlags::DIRECTORY, &names)
    }

    /// Returns whether one of the attributes of an entry is set to `y`.
    fn has_attribute(
        &self,
        index: usize,
        path: &[u8],
        flags: OFlags,
        names: &[&str],
    ) -> io::Result<bool> {
        let entry = match self.open_at(index, path, flags) {
            Ok(entry) => entry,
            // A file that the user of the store may not read is one of the image: a whiteout can be read.
            Err(Errno::ACCESS) if !flags.contains(OFlags::DIRECTORY) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        for name in names {
            let mut value = [0u8; 1];
            match rustix::fs::fgetxattr(&entry, *name, &mut value) {
                Ok(1) if value == *b"y" => return Ok(true),
                Ok(_) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }

    fn open_at(&self, index: usize, path: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let mut full = self.levels[index].directory.clone().into_bytes();
        if !path.is_empty() {
            full.push(b'/');
            full.extend_from_slice(path);
        }
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat2(self.root, full.as_slice(), flags, Mode::empty(), resolve)
    }
}

impl MergedDirectory {
    /// Returns the part in the layers below the topmost one of the stack.
    pub(crate) fn below_top(&self) -> Self {
        Self {
            path: self.path.clone(),
            levels: self
                .levels
                .iter()
                .copied()
                .filter(|index| *index > 0)
                .collect(),
        }
    }

    fn child(&self, name: &[u8]) -> Vec<u8> {
        match self.path.as_slice() {
            b"" => name.to_vec(),
            path => [path, b"/", name].concat(),
        }
    }
}

impl DirectoryMetadata {
    pub(crate) fn of(directory: &OwnedFd) -> io::Result<Self> {
        let stat = rustix::fs::fstat(directory)?;
        Ok(Self {
            mode: stat.st_mode,
            owner: (stat.st_uid, stat.st_gid),
            xattrs: xattrs(directory)?,
        })
    }
}

fn xattrs(directory: &OwnedFd) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    /// The kernel's limit for a list of names and for a value, in bytes.
    const LIMIT: usize = 64 << 10;
    let mut list = vec![0u8; LIMIT];
    let length = match rustix::fs::flistxattr(directory, &mut list) {
        Err(Errno::OPNOTSUPP) => 0,
        other => other?,
    };
    let names = list[..length].split(|byte| *byte == 0);
    let names = names.filter(|name| !name.is_empty() && !is_for_overlay(name));
    let mut value = vec![0u8; LIMIT];
    let mut found = BTreeMap::new();
    for name in names {
        let length = rustix::fs::fgetxattr(directory, name, &mut value)?;
        found.insert(name.to_vec(), value[..length].to_vec());
    }
    Ok(found)
}

fn is_for_overlay(name: &[u8]) -> bool {
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
}

/// Returns the components of `path`.
pub(crate) fn components(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    path.split(|byte| *byte == b'/')
        .filter(|name| !matches!(*name, b"" | b"."))
        .map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A name of two bytes takes sixteen steps for each link here, and could take a thousand: an image with
    /// chained links must not make a commit take arbitrarily long.
    #[test]
    fn chained_links_are_followed_within_the_budget() {
        let directory = tempfile::tempdir().unwrap();
        let layer = directory.path().join("layer");
        fs::create_dir_all(layer.join("a")).unwrap();
        fs::write(layer.join("x"), "").unwrap();
        for link in 0..MAX_LINKS - 1 {
            let target = format!("{}l{}", "a/../".repeat(8), link + 1);
            symlink(target, layer.join(format!("l{link}"))).unwrap();
        }
        symlink(".", layer.join(format!("l{}", MAX_LINKS - 1))).unwrap();

        let root = File::open(directory.path()).unwrap();
        let level = StackLayer {
            directory: "layer".to_owned(),
            hides: true,
        };
        let stack = Stack::new(root.as_fd(), vec![level]);
        // For each link but the last: one lookup for itself, and sixteen for eight times in and out. Then the
        // last link and the file.
        let needed = (MAX_LINKS as u64 - 1) * 17 + 2;
        let budget = LookupBudget::new(2 * needed - 1);
        assert!(matches!(
            stack.resolve(b"l0/x", &budget),
            Ok(PathLookup::File)
        ));
        let error = stack.resolve(b"l0/x", &budget).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::LOOP.raw_os_error()));
    }

    /// A layer that was unpacked without the rights for devices.
    #[test]
    fn an_attribute_hides_a_file() {
        let directory = tempfile::tempdir().unwrap();
        for layer in ["top", "base"] {
            fs::create_dir(directory.path().join(layer)).unwrap();
        }
        for file in ["top/hidden", "base/hidden", "top/empty", "base/empty"] {
            fs::write(directory.path().join(file), "").unwrap();
        }
        let hidden = directory.path().join("top/hidden");
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(&hidden, "user.overlay.whiteout", b"y", flags).unwrap();

        let root = File::open(directory.path()).unwrap();
        let level = |name: &str| StackLayer {
            directory: name.to_owned(),
            hides: true,
        };
        let stack = Stack::new(root.as_fd(), vec![level("top"), level("base")]);
        let lookup = |name: &[u8]| stack.lookup(&stack.top(), name).unwrap();
        assert!(matches!(lookup(b"hidden"), PathLookup::Nothing));
        assert!(matches!(lookup(b"empty"), PathLookup::File));
    }
}
