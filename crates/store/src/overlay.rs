//! Looking a path up in a stack of layers, as overlayfs would show it, without mounting anything.
//!
//! A stack may be 500 layers high, so no handle is kept: each look starts at the store's root, and the
//! kernel is told to follow no link and to stay beneath (`openat2`).

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// How many symbolic links one path may lead through; as in the kernel.
const LINKS: usize = 40;

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

/// A directory as overlayfs shows it: the layers that have a part in it, the top first.
#[derive(Clone, Debug)]
pub(crate) struct MergedDirectory {
    /// Relative to the root of the image, without a link in it; empty for the root itself.
    path: Vec<u8>,
    levels: Vec<usize>,
}

/// How much more is looked for: links may be chained so that a short path takes a hundred thousand steps.
#[derive(Debug)]
pub(crate) struct LookupBudget(Cell<u64>);

/// What a name stands for.
#[derive(Debug)]
pub(crate) enum PathLookup {
    Nothing,
    Directory(MergedDirectory),
    Symlink(Vec<u8>),
    File,
}

/// What an overlay shows of a directory, but for its entries and times.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DirectoryMetadata {
    mode: u32,
    owner: (u32, u32),
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What one layer has under a name.
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

    fn spend(&self, looks: usize) -> rustix::io::Result<()> {
        let left = self.0.get().checked_sub(looks as u64).ok_or(Errno::LOOP)?;
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

    /// Looks `path` up as a process would whose root this is. A link at the end is not followed.
    ///
    /// Every layer that is looked into on the way is one of `looks`; when none are left, this fails.
    pub(crate) fn resolve(&self, path: &[u8], looks: &LookupBudget) -> io::Result<PathLookup> {
        let mut links = LINKS;
        let mut left: VecDeque<Vec<u8>> = components(path).collect();
        // The directories on the way to where we are, the root left out.
        let mut way: Vec<MergedDirectory> = Vec::new();
        let top = self.top();
        while let Some(name) = left.pop_front() {
            if name == b".." {
                // The parent of the root is the root.
                looks.spend(1)?;
                way.pop();
                continue;
            }
            let here = way.last().unwrap_or(&top);
            looks.spend(here.levels.len())?;
            match self.lookup(here, &name)? {
                PathLookup::Directory(directory) => way.push(directory),
                found if left.is_empty() => return Ok(found),
                PathLookup::Symlink(target) if links > 0 => {
                    links -= 1;
                    if target.starts_with(b"/") {
                        way.clear();
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
        Ok(PathLookup::Directory(way.pop().unwrap_or(top)))
    }

    /// Looks for the entry called `name` of `directory`, following nothing.
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

    /// Opens the topmost part of `directory`.
    pub(crate) fn open(&self, directory: &MergedDirectory) -> io::Result<OwnedFd> {
        let index = *directory.levels.first().ok_or(Errno::NOENT)?;
        Ok(self.open_at(index, &directory.path, OFlags::RDONLY | OFlags::DIRECTORY)?)
    }

    fn entry(&self, index: usize, path: &[u8]) -> io::Result<LayerEntry> {
        let handle = match self.open_at(index, path, OFlags::PATH) {
            Ok(handle) => handle,
            // A name too long for one call is a name that no tool can use either.
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
            _ => LayerEntry::File,
        })
    }

    fn is_opaque(&self, index: usize, path: &[u8]) -> io::Result<bool> {
        let directory = self.open_at(index, path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        // The first is written by root, the second by ordinary users.
        for name in ["trusted.overlay.opaque", "user.overlay.opaque"] {
            let mut value = [0u8; 1];
            match rustix::fs::fgetxattr(&directory, name, &mut value) {
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
    /// Returns the part that is in the layers below the topmost one of the stack.
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
    /// The kernel's limit for a list, and for a value, in bytes.
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

/// Returns the names that `path` is made of.
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

    /// A name of two bytes takes sixteen steps a link here, and could take a thousand: whoever chains links
    /// must not choose how long a commit takes.
    #[test]
    fn chained_links_are_followed_as_far_as_it_was_allowed() {
        let place = tempfile::tempdir().unwrap();
        let layer = place.path().join("layer");
        fs::create_dir_all(layer.join("a")).unwrap();
        fs::write(layer.join("x"), "").unwrap();
        for link in 0..LINKS - 1 {
            let target = format!("{}l{}", "a/../".repeat(8), link + 1);
            symlink(target, layer.join(format!("l{link}"))).unwrap();
        }
        symlink(".", layer.join(format!("l{}", LINKS - 1))).unwrap();

        let root = File::open(place.path()).unwrap();
        let level = StackLayer {
            directory: "layer".to_owned(),
            hides: true,
        };
        let stack = Stack::new(root.as_fd(), vec![level]);
        // Of each link but the last: itself, and eight times in and out. Then that one and the file.
        let needed = (LINKS as u64 - 1) * 17 + 2;
        let looks = LookupBudget::new(2 * needed - 1);
        assert!(matches!(
            stack.resolve(b"l0/x", &looks),
            Ok(PathLookup::File)
        ));
        let error = stack.resolve(b"l0/x", &looks).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::LOOP.raw_os_error()));
    }
}
